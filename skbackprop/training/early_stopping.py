"""Stopping: when to stop, and which parameters to keep. Consumers of reports."""

from __future__ import annotations

from dataclasses import dataclass

from .state import Plan, State

__all__ = ["Patience", "reached"]


def reached(target_loss: float | None, loss: float) -> bool:
    """Say whether the loss is at or below its target: the textbook's threshold."""
    return target_loss is not None and loss <= target_loss


@dataclass(frozen=True, kw_only=True, eq=False)
class Patience:
    """Stop after more than `patience` epochs without an improvement of `tol`.

    What is watched is a merit, larger is better: a validation score, or minus the
    training loss. An equal one is no improvement, and neither is one that is not a number.
    A schedule that reacts gets its turn first: as long as it lowers the learning rate,
    training goes on.
    """

    tol: float
    patience: float
    keep_best: bool = False

    def watch(self, merit: float, state: State) -> None:
        """Count the epochs without improvement; keep the best parameters if asked to."""
        is_better = merit > state.best
        improves = is_better and merit >= state.best + self.tol
        state.n_stale = 0 if improves else state.n_stale + 1
        if is_better:
            state.best, state.best_epoch = merit, state.epoch
            if self.keep_best and state.best_vector is not None:
                state.best_vector[...] = state.latest_vector

    def is_over(self, plan: Plan, state: State) -> bool:
        """Say whether training should stop; a lowered learning rate starts a new count."""
        react = getattr(plan.schedule, "react", None)
        if react and react(state.schedule_memory, state.n_stale, plan.learning_rate(state)):
            state.n_stale = 0
        return state.n_stale > self.patience
