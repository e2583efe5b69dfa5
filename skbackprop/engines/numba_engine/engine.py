"""The compiled engine: a whole epoch without returning to Python, by Numba."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...rule import Spec, spec
from ...training.engine import check_finite
from ...training.state import Data, Plan, State

__all__ = ["NumbaEngine"]

# In seconds, on a slow machine; only their ratios matter. See docs/decisions/0007.
START = 1.5  # importing Numba and loading what was compiled before, twice
SAVED_PER_STEP = 90e-6  # against the NumPy engine
SAVED_PER_PARAMETER = 1.2e-9  # in each step
USUAL_EPOCHS = 50


@spec
class NumbaEngine(Spec):
    """Gives the numbers of the NumPy engine to rounding, and releases the GIL."""

    def why_not(self, plan: Plan, data: Data) -> str | None:
        from .translation import obstacle

        return obstacle(plan, data) or _why_not_compiled()

    def pays(self, plan: Plan, data: Data) -> bool:
        """Say whether a training of usual length saves more time than the start takes."""
        from .translation import obstacle

        if obstacle(plan, data) is not None:
            return False
        n_steps = math.ceil(data.X.shape[0] / plan.batch_size)
        n_parameters = plan.objective.network.n_parameters
        per_step = SAVED_PER_STEP + SAVED_PER_PARAMETER * n_parameters
        return USUAL_EPOCHS * n_steps * per_step > START

    def reduce(self, array):
        return array

    def prepare(self, plan: Plan, state: State, data: Data) -> Callable[[], float]:
        """Translate the plan, allocate; return the function that runs one epoch."""
        from .epoch import run_epoch  # compiles, or loads what was compiled before
        from .translation import constant, memory_of, translate

        program = translate(plan, state, data)
        gradient = np.empty_like(state.vector)
        work = np.empty(program.n_work, state.vector.dtype)
        memory = memory_of(plan, state)

        def run() -> float:
            order = constant(state.order, np.int64)
            rates = _learning_rates(plan, state, program.rows.batch_size)
            total, weight_sum, n_steps, objective = run_epoch(
                *program[:3],
                order,
                rates,
                state.step,
                state.vector,
                *memory,
                gradient,
                work,
            )
            state.step += n_steps
            if not math.isfinite(objective):
                check_finite(objective, state, rates[n_steps])
            return total / weight_sum

        return run


def _learning_rates(plan, state, batch_size):
    """Return the learning rates of the steps of an epoch, as many as it can have."""
    schedule, epoch, samples_seen = plan.schedule, state.epoch, state.samples_seen
    steps = range(state.step, state.step - (-len(state.order) // batch_size))
    rates = np.array([schedule(step, epoch, samples_seen) for step in steps], float)
    return rates * state.schedule_memory["factor"]


def _why_not_compiled():
    """Say in a sentence why Numba cannot compile here; None if it can."""
    try:
        from numba import config

        if config.DISABLE_JIT:
            return "The environment variable NUMBA_DISABLE_JIT keeps Numba from compiling."
        from . import epoch  # noqa: F401
    except ModuleNotFoundError:
        return 'The compiled engine needs Numba: pip install "skbackprop[numba]".'
    except ImportError as error:
        return f"The compiled engine cannot import Numba: {error}."
    except RuntimeError:
        return (
            "Numba finds no directory to keep compiled code in. Set the environment "
            "variable NUMBA_CACHE_DIR to one that can be written."
        )
    return None
