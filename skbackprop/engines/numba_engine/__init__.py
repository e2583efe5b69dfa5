"""The compiled engine. Numba itself is imported when an epoch is asked for."""

from .engine import NumbaEngine

__all__ = ["NumbaEngine"]
