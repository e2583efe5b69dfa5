"""Engines: the loop over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..network.objective import Batch
from ..training.engine import Damage, Engine, check_finite
from ..training.state import Plan
from .numba_engine import NumbaEngine
from .numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from .mpi_engine import MPIEngine

__all__ = [
    "ENGINES",
    "Damage",
    "Engine",
    "MPIEngine",
    "NumbaEngine",
    "NumpyEngine",
    "check_finite",
    "fastest",
]

ENGINES: dict[str, Callable[[], Engine]] = {"numpy": NumpyEngine, "numba": NumbaEngine}


def fastest(plan: Plan, data: Batch) -> str:
    """Return the name of the engine that trains this in the shortest time, if it can."""
    return "numba" if NumbaEngine().pays(plan, data) else "numpy"


def __getattr__(name: str) -> Any:
    if name == "MPIEngine":  # imported on first use: few training scripts need it
        from .mpi_engine import MPIEngine

        return MPIEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
