"""What every engine promises, and the one way in which a training fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from numpy.typing import NDArray

from ..network.objective import Batch
from .state import DivergenceError, Plan, State

__all__ = ["Damage", "Engine", "check_finite"]


class Damage(str):
    """Why an engine cannot run, where something is broken that the user can mend."""


class Engine(Protocol):
    """Runs an epoch. The boundary is the epoch, not the single operation.

    `skbackprop.training.loop.train` shuffles, and counts epochs and rows.

    One that takes dense X only says so with ``takes_sparse = False``. One with a method
    ``runs_other_rows(plan, X)`` is told there whether what it has prepared runs the rows of
    X, too, once they have been put into the arrays that it was prepared with; `partial_fit`
    then need not prepare each chunk.

    An engine that trains together with other processes also has ``process_group()``,
    which tells the estimator about their rows: see `skbackprop.training.process_group`.
    """

    def why_not(self, plan: Plan, data: Batch) -> str | None:
        """Say in a sentence why this engine cannot run the plan; None if it can."""

    def prepare(self, plan: Plan, state: State, data: Batch) -> Callable[[], float]:
        """Allocate what the steps need; return the function that runs one epoch.

        It takes the rows batch by batch in the order of ``state.order``, moves the vector
        and the memory of the optimizer, and counts ``state.step``, all in place. It returns
        the mean of the steps' objectives, weighted as their rows are.
        """

    def reduce(self, array: NDArray) -> NDArray:
        """Return the sum over all processes that train together."""


def check_finite(loss: float, state: State, learning_rate: float) -> None:
    """Raise DivergenceError when the loss of the step under way is not a finite number."""
    if not math.isfinite(loss):
        raise DivergenceError(
            f"Training diverged: the loss became {loss} in epoch {state.epoch + 1}, "
            f"step {state.step + 1}, with a learning rate of {learning_rate:g}. Try a "
            "smaller learning rate, scale the inputs (for example with StandardScaler), "
            "or set clip_norm to bound the gradient."
        )
