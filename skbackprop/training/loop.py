"""Training: epochs as a generator of reports. To stop is to stop asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..network.objective import Batch
from .engine import Engine
from .state import Plan, State

__all__ = ["EpochReport", "train"]


class EpochReport(NamedTuple):
    """What is known when an epoch ends; all counts begin with the first call."""

    epoch: int
    step: int
    loss: float
    learning_rate: float  # of its first step


def train(plan: Plan, state: State, data: Batch, engine: Engine) -> Iterator[EpochReport]:
    """Train for ever, one :class:`EpochReport` per epoch; stop by not asking for more."""
    assert state.order is not None, "the rows are arranged before an epoch"
    run_epoch = engine.prepare(plan, state, data)
    while True:
        learning_rate = plan.learning_rate(state)
        if plan.shuffle:
            state.shuffle()
        loss = run_epoch()
        state.epoch += 1
        state.samples_seen += len(state.order)
        if plan.averaging is not None:
            state.average_in(plan.averaging)
        yield EpochReport(state.epoch, state.step, loss, learning_rate)
