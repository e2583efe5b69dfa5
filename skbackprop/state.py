"""What a training is made of: the plan, which stays, and the state, which changes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .objective import Batch, Objective
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["Data", "Plan", "State"]

Data = Batch  # all rows of a call: X, target, sample_weight


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the training does; rebuilt from the constructor parameters at every call."""

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule
    batch_size: int
    shuffle: bool

    def learning_rate(self, state: State) -> float:
        """Return the learning rate of the next step."""
        rate = self.schedule(state.step, state.epoch, state.samples_seen)
        return rate * state.schedule_memory["factor"]


@dataclass(kw_only=True)
class State:
    """All that training changes: arrays, numbers and the random stream, nothing else."""

    vector: NDArray  # (n_parameters,)
    rng: np.random.RandomState
    layer_sizes: list[int]  # input and output included
    order: NDArray | None = None  # (n_rows,): training rows, in the order of the last epoch
    validation_rows: NDArray | None = None
    n_rows: int = 0  # of the data that order and validation_rows belong to
    optimizer_memory: dict[str, NDArray] = field(default_factory=dict)
    schedule_memory: dict[str, float] = field(default_factory=lambda: {"factor": 1.0})
    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    n_stale: int = 0  # epochs since the last improvement
    best: float = -np.inf  # the largest score, or minus the smallest loss
    best_vector: NDArray | None = None  # the parameters of the best score

    def copy(self) -> State:
        """Return a state that shares no array with this one, and the same stream."""
        return replace(
            self, **{f.name: _copied(getattr(self, f.name)) for f in fields(self)}
        )

    def refresh_memory(self, optimizer: Optimizer) -> None:
        """Begin the optimizer's memory anew where it is another optimizer's, in place."""
        memory = optimizer.init(self.vector)
        if memory.keys() != self.optimizer_memory.keys():
            self.optimizer_memory, self.step = memory, 0

    def to_dict(self) -> dict[str, Any]:
        """Return the state as a dict of plain arrays, numbers, lists and the stream."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _copied(value):
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value.copy() if isinstance(value, (np.ndarray, list)) else value
