"""Callbacks: scikit-learn's own (from 1.9), told of a `fit` epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..training.trainer import never

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn 1.6 to 1.8

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: there is no `set_callbacks` where nothing would call them."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "FitCallbacks", "with_callbacks"]

Attributes = Callable[[], dict[str, Any]]  # fitted ones, of a training that stopped now


class FitCallbacks:
    """The callbacks of an estimator: one task for the fit, one below it per epoch.

    `attributes` is called only for a callback that asks for a `fitted_estimator`.
    """

    def __init__(self, estimator: Any, call: Any, attributes: Attributes) -> None:
        weight = call.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        rows = {"X": call.X, "y": call.y, "metadata": metadata}
        self.begun = {"estimator": estimator, **rows}
        self.ended = {**self.begun, "reconstruction_attributes": attributes}
        self.should_stop = getattr(estimator, "_should_stop", never)
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        self.fit = context.call_on_fit_task_begin(**self.begun)
        self.epoch: Any = None  # the one under way

    def begin_epoch(self) -> None:
        """Tell of an epoch before it is trained."""
        context = self.fit.subcontext(task_name="epoch")
        self.epoch = context.call_on_fit_task_begin(**self.begun)

    def end_epoch(self) -> bool:
        """Tell of the end of an epoch; return whether a callback asks to stop."""
        if self.epoch is None:  # SciPy does not say when an iteration of L-BFGS begins
            self.begin_epoch()
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(**self.ended) or self.should_stop()

    def end_fit(self) -> None:
        """Tell of the end of the fit."""
        self.fit.call_on_fit_task_end(**self.ended)
