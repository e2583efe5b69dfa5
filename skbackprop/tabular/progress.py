"""Progress: scikit-learn's callbacks (from 1.9), told of each member of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["NoProgress", "Progress", "progress_of"]


class NoProgress:
    """Stands in for callbacks where an estimator has none: does nothing."""

    def task(self, i: int) -> NoProgress:
        return self

    @contextmanager
    def around(self, member: Any) -> Iterator[None]:
        yield

    def end(self, attributes: Callable[[], dict[str, Any]]) -> None:
        pass


class Progress:
    """The callbacks of an ensemble: one task for its fit, one below it per member.

    Callbacks that reach members, such as a progress bar, are told of their epochs, too.
    """

    def __init__(self, estimator: Any, given: Any, n_members: int) -> None:
        weight = given.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        self.arguments = {
            "estimator": estimator,
            "X": given.X,
            "y": given.y,
            "metadata": metadata,
        }
        self.fit = estimator._init_callback_context(
            max_subtasks=n_members, sequential_subtasks=False
        )
        self.fit.call_on_fit_task_begin(**self.arguments)

    def task(self, i: int) -> MemberTask:
        """Return the task of member i, which may be begun in another process."""
        context = self.fit.subcontext(task_name="member", task_id=i)
        return MemberTask(context, self.arguments)

    def end(self, attributes: Callable[[], dict[str, Any]]) -> None:
        """Tell of the end of the fit."""
        self.fit.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=attributes
        )


class MemberTask:
    """The training of one member."""

    def __init__(self, context: Any, arguments: dict[str, Any]) -> None:
        self.context, self.arguments = context, arguments

    @contextmanager
    def around(self, member: Any) -> Iterator[None]:
        """Tell of what happens inside; hand the callbacks on to the member."""
        with self.context.propagate_callback_context(member):
            self.context.call_on_fit_task_begin(**self.arguments)
            yield
        self.context.call_on_fit_task_end(**self.arguments)


def progress_of(estimator: Any, given: Any, n_members: int) -> Progress | NoProgress:
    """Return what tells the callbacks of an ensemble of a fit that begins."""
    if not getattr(estimator, "_skl_callbacks", None):
        return NoProgress()
    return Progress(estimator, given, n_members)
