"""What every engine promises, and the one way in which a training fails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from numpy.typing import NDArray

from .state import Data, Plan, State

__all__ = ["Engine", "check_finite"]


class Engine(Protocol):
    """Runs epochs. The boundary is the epoch, not the single operation.

    An engine that trains together with other processes also has ``share()``, which tells
    the estimator about their rows: see `skbackprop.training.process_group`.
    """

    def why_not(self, plan: Plan, data: Data) -> str | None:
        """Say in a sentence why this engine cannot run the plan; None if it can."""

    def epochs(self, plan: Plan, state: State, data: Data) -> Iterator[float]:
        """Run an epoch whenever asked, in place on the state; yield its loss."""

    def reduce(self, array: NDArray) -> NDArray:
        """Return the sum over all processes that train together."""


def check_finite(loss: float, state: State, learning_rate: float) -> None:
    """Raise ValueError when the loss of the step under way is not a finite number."""
    if not math.isfinite(loss):
        raise ValueError(
            f"Training diverged: the loss became {loss} in epoch {state.epoch + 1}, "
            f"step {state.step + 1}, with a learning rate of {learning_rate:g}. Try a "
            "smaller learning rate, scale the inputs (for example with StandardScaler), "
            "or set clip_norm to bound the gradient."
        )
