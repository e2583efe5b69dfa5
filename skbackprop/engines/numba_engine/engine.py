"""The compiled engine: a whole epoch without returning to Python, by Numba."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...spec import Spec
from ...state import Data, Plan, State
from ..base import check_finite
from .translation import memory_of, obstacle, translate

__all__ = ["NumbaEngine"]


@dataclass(kw_only=True)
class NumbaEngine(Spec):
    """Gives the numbers of the NumPy engine, to rounding."""

    def why_not(self, plan: Plan, data: Data) -> str | None:
        return obstacle(plan, data) or _why_not_compiled()

    def reduce(self, array):
        return array

    def epochs(self, plan: Plan, state: State, data: Data) -> Iterator[float]:
        """Run an epoch whenever asked; yield the mean of its steps' objectives."""
        from .epoch import run_epoch

        program = translate(plan, state, data)
        gradient = np.empty_like(state.vector)
        work = np.empty(program.n_work, state.vector.dtype)
        memory = memory_of(plan, state)
        while True:
            if plan.shuffle:
                state.rng.shuffle(state.order)  # composes on the previous order
            rates = _learning_rates(plan, state, program.rows.batch_size)
            total, weight_sum, n_steps, objective = run_epoch(
                *program[:3], rates, state.vector, *memory, gradient, work, state.step
            )
            state.step += n_steps
            if not math.isfinite(objective):
                check_finite(objective, state, rates[n_steps])
            state.epoch += 1
            state.samples_seen += len(state.order)
            yield total / weight_sum


def _learning_rates(plan, state, batch_size):
    """Return the learning rates of the steps of an epoch, as many as it can have."""
    n_steps = -(-len(state.order) // batch_size)
    rates = [
        plan.schedule(state.step + i, state.epoch, state.samples_seen)
        for i in range(n_steps)
    ]
    return np.array(rates, float) * state.schedule_memory["factor"]


def _why_not_compiled():
    """Say in a sentence why Numba cannot compile here; None if it can."""
    try:
        from . import epoch  # noqa: F401
    except ModuleNotFoundError:
        return 'The compiled engine needs Numba: pip install "skbackprop[numba]".'
    return None
