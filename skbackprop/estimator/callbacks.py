"""Callbacks: scikit-learn's own (from 1.9), told of a `fit` epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn 1.6 to 1.8

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: there is no `set_callbacks` where nothing would call them."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "FitCallbacks",
    "NoCallbacks",
    "callbacks_of",
    "with_callbacks",
]

Attributes = Callable[[], dict[str, Any]]  # fitted ones, of a training that stopped now


def never() -> bool:
    """Say that nobody asks to stop."""
    return False


class NoCallbacks:
    """In the place of callbacks where an estimator has none: nothing is told.

    `should_stop` is how an ensemble ends the training of a member.
    """

    def __init__(self, should_stop: Callable[[], bool] = never) -> None:
        self.should_stop = should_stop

    def wrap_epochs(self, reports: Iterator[Any]) -> Iterator[Any]:
        return reports

    def end_epoch(self, attributes: Attributes) -> bool:
        return self.should_stop()

    def end_fit(self, attributes: Attributes) -> None:
        pass


class FitCallbacks:
    """The callbacks of an estimator: one task for the fit, one below it per epoch.

    `attributes` is called only for a callback that asks for a `fitted_estimator`.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.should_stop = getattr(estimator, "_should_stop", never)
        self.arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        self.fit = context.call_on_fit_task_begin(**self.arguments)
        self.epoch: Any = None  # the one under way

    def wrap_epochs(self, reports: Iterator[Any]) -> Iterator[Any]:
        """Yield the reports; tell of each epoch before it is trained."""
        self._begin_epoch()
        for report in reports:
            yield report
            self._begin_epoch()  # another one was asked for

    def _begin_epoch(self):
        context = self.fit.subcontext(task_name="epoch")
        self.epoch = context.call_on_fit_task_begin(**self.arguments)

    def end_epoch(self, attributes: Attributes) -> bool:
        """Tell of the end of an epoch; return whether a callback asks to stop."""
        if self.epoch is None:  # SciPy does not say when an iteration of L-BFGS begins
            self._begin_epoch()
        epoch, self.epoch = self.epoch, None
        is_asked = epoch.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=attributes
        )
        return is_asked or self.should_stop()

    def end_fit(self, attributes: Attributes) -> None:
        """Tell of the end of the fit."""
        self.fit.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=attributes
        )


def callbacks_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any
) -> FitCallbacks | NoCallbacks:
    """Return what tells the callbacks of an estimator of a fit that begins."""
    if not getattr(estimator, "_skl_callbacks", None):
        return NoCallbacks(getattr(estimator, "_should_stop", never))
    return FitCallbacks(estimator, X, y, sample_weight)
