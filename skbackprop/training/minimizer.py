"""Minimizers: solvers that work on all rows at once and decide on their own steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from scipy.optimize import OptimizeResult

from ..network.objective import Batch, Objective
from ..rule import Spec
from .engine import Engine
from .loop import EpochReport
from .state import Plan, State

__all__ = ["Minimizer"]


class Minimizer(Spec):
    """It takes no single steps: `minimize` is all of the training.

    An iteration counts as an epoch.
    """

    name: ClassVar[str]  # what it is asked for by
    title: ClassVar[str]
    remedy: ClassVar[str]  # where it ended too early

    def why_not(self, objective: Objective) -> str | None:
        """Say in a sentence why it cannot minimise an objective; None if it can."""
        return None

    @abstractmethod
    def minimize(
        self,
        plan: Plan,
        state: State,
        data: Batch,
        engine: Engine,
        is_over: Callable[[EpochReport], bool],
    ) -> OptimizeResult:
        """Minimise the objective over all rows, in place on the state.

        `is_over` gets a report per iteration and says whether to stop, which counts as a
        success.
        """
