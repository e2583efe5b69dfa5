"""The compiled engine: a whole epoch without returning to Python, by Numba."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Timer

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ...elementwise import NotElementwise
from ...network.objective import Batch
from ...rule import Spec, spec
from ...schedules import follows_epochs
from ...training.engine import Damage, check_finite
from ...training.state import Plan, State

__all__ = ["NumbaEngine"]

# In seconds, on a slow machine; only their ratios matter. See docs/decisions/0007.
START = 1.5  # importing Numba and loading what was compiled before, twice
SAVED_PER_STEP = 90e-6  # against the NumPy engine
SAVED_PER_PARAMETER = 1.2e-9  # in each step
SAVED_PER_CODE = 3.3e-11  # in each step, per coded column, row and unit: 0010
LINE = 64  # bytes of a cache line
FIRST_LOOK = 64  # rows that say how many columns are coded
USUAL_EPOCHS = 50

SILENT = 1.0  # seconds that Numba may take before a line says what is going on

# Whether compiled code could be loaded, by precision and types of rules.
_tried: dict[tuple, str | None] = {}


@spec
class NumbaEngine(Spec):
    """Gives the numbers of the NumPy engine to rounding, and releases the GIL."""

    takes_sparse = False

    def why_not(self, plan: Plan, data: Batch) -> str | None:
        from .translation import obstacle

        return (
            _why_not_from_sources()
            or obstacle(plan, data)
            or _why_not_here()
            or _why_not_loaded(plan, data)
        )

    def pays(self, plan: Plan, data: Batch) -> bool:
        """Say whether trainings of usual length save more time than the start takes.

        Usual, but no longer than a training may be.
        """
        from .translation import obstacle

        if issparse(data.X):
            return False
        n_steps = math.ceil(data.X.shape[0] / plan.batch_size)
        n_parameters = plan.objective.network.n_parameters
        per_step = SAVED_PER_STEP + SAVED_PER_PARAMETER * n_parameters
        n_products = plan.batch_size * plan.objective.network.layers[0].n_units
        per_step += SAVED_PER_CODE * _n_coded(data.X) * n_products
        n_epochs = plan.n_trainings * min(USUAL_EPOCHS, plan.max_epochs)
        saved = n_epochs * n_steps * per_step
        return saved > START and obstacle(plan, data) is None

    def runs_other_rows(self, plan: Plan, X: NDArray) -> bool:
        """Say whether the rows have no coded columns, which tables are made for."""
        n_units = plan.objective.network.layers[0].n_units
        return _coding()(X, plan.batch_size, n_units)[1] is None

    def reduce(self, array):
        return array

    def prepare(self, plan: Plan, state: State, data: Batch) -> Callable[[], float]:
        """Translate the plan, allocate; return the function that runs one epoch."""
        from .translation import constant

        take_steps, batch_size = _translated(plan, state, data)
        rates = np.empty(-(-len(state.order) // batch_size))

        def run() -> float:
            order = constant(state.order, np.int64)
            _fill_learning_rates(plan, state, rates)
            total, weight_sum, n_steps, objective = take_steps(order, rates, state.step)
            state.step += n_steps
            if not math.isfinite(objective):
                check_finite(objective, state, rates[n_steps])
            return total / weight_sum

        return run


@cache
def _coding():
    """Return `code`, without the time that an import takes when all is there."""
    from .coded_layer import code

    return code


def _translated(plan, state, data):
    """Return a function of order, learning rates and step, and the rows of a batch."""
    from .epoch import run_epoch  # compiles, or loads what was compiled before
    from .translation import memory_of, translate

    program = translate(plan, state, data)
    dtype = state.vector.dtype
    gradient, work = _aligned(state.vector.size, dtype), _aligned(program.n_work, dtype)
    memory = memory_of(plan, state)

    def take_steps(order, rates, step):
        return run_epoch(
            *program[:5], order, rates, step, state.vector, memory, gradient, work
        )

    return take_steps, program.rows.batch_size


def _aligned(n, dtype):
    """Return an array that begins with a cache line, as long vectors do then."""
    n_bytes = n * dtype.itemsize
    room = np.empty(n_bytes + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + n_bytes].view(dtype)


def _fill_learning_rates(plan, state, out):
    """Fill `out` with the learning rates of the steps of an epoch."""
    if follows_epochs(plan.schedule):  # a call per step takes as long as a tenth of a step
        out.fill(plan.learning_rate(state))
        return
    schedule, epoch, samples_seen = plan.schedule, state.epoch, state.samples_seen
    factor = state.schedule_memory["factor"]
    for i in range(len(out)):
        out[i] = float(schedule(state.step + i, epoch, samples_seen)) * factor


def _n_coded(X):
    """Count the columns that look like part of a piecewise-linear code."""
    left, right = X[:FIRST_LOOK, :-1], X[:FIRST_LOOK, 1:]
    return np.count_nonzero(np.all((right == 0) | (left == 1), axis=0))


def _why_not_here():
    """Say in a sentence why nothing can be compiled here; None if it can."""
    try:
        from numba import config
    except ModuleNotFoundError:
        return 'The compiled engine needs Numba: pip install "numba>=0.60".'
    except MemoryError:
        raise
    except Exception as error:  # of its own check of versions, too
        return Damage(
            f"The compiled engine cannot import Numba: {error}. Install Numba again."
        )
    if config.DISABLE_JIT:
        return "The environment variable NUMBA_DISABLE_JIT keeps Numba from compiling."
    return None


@cache
def _why_not_from_sources():
    source = Path(__spec__.origin or "")
    if source.suffix == ".py" and source.is_file():
        return None
    return (
        "Numba compiles source files that lie in a folder, and here skbackprop comes "
        f"from {source}: from an archive, or without its sources."
    )


def _why_not_loaded(plan, data):
    """Say why compiled code cannot be had for a plan; what was tried once is known."""
    network, loss = plan.objective.network, plan.objective.loss
    rules = loss, getattr(loss, "link", None), *(lay.activation for lay in network.layers)
    kinds = type(plan.optimizer), *map(type, rules), data.X.dtype
    if kinds not in _tried:
        _tried[kinds] = _load(plan, data)
    return _tried[kinds]


def _load(plan, data):
    """Load or compile what a plan needs, by an epoch without rows; say why that fails."""
    from numba import __version__
    from numba.core.errors import NumbaError

    try:
        with _said_if_slow():
            _run_without_rows(plan, data)
    except NotElementwise as error:
        return f"Numba {__version__} cannot compile a rule: {error}"
    except NumbaError as error:
        reason = str(error).partition("\n")[0]
        return Damage(
            f"Numba {__version__} cannot compile this engine ({type(error).__name__}: "
            f"{reason}). Install another version of Numba."
        )
    except MemoryError:
        raise
    except Exception as error:  # whatever damaged files and full disks may raise
        return Damage(
            f"Numba cannot read or write the compiled code that it keeps in "
            f"{_cache_folder()} ({type(error).__name__}: {error}). Delete that folder, or "
            "set the environment variable NUMBA_CACHE_DIR to one that can be written."
        )
    return None


@contextmanager
def _said_if_slow() -> Iterator[None]:
    """Let a line be logged if what happens meanwhile takes long."""
    timer = Timer(SILENT, _say_what_happens)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@cache  # once per process
def _say_what_happens():
    logging.getLogger("skbackprop").warning(
        "Numba compiles the training, which takes some seconds. It keeps the result in "
        "%s; later trainings of this kind begin at once.",
        _cache_folder(),
    )


def _run_without_rows(plan, data):
    """Run an epoch of no rows; all are looked at, as coded columns need other code."""
    from .translation import constant

    vector = np.zeros(plan.objective.network.n_parameters, data.X.dtype)
    state = State(
        vector=vector,
        rng=np.random.RandomState(0),
        layer_sizes=[],
        order=np.zeros(data.X.shape[0], np.int64),
        optimizer_memory=plan.optimizer.init(vector),
    )
    take_steps, _ = _translated(plan, state, data)
    take_steps(constant(state.order[:0], np.int64), np.empty(0), 0)


def _cache_folder():
    """Return where Numba keeps compiled code, or would if it could."""
    from numba import config

    epoch = sys.modules.get(f"{__package__}.epoch")
    if epoch is not None:
        return epoch.run_epoch.stats.cache_path
    return config.CACHE_DIR or Path(__spec__.origin).with_name("__pycache__")
