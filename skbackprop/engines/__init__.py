"""Engines: the loop over the batches of an epoch."""

from .base import Engine, check_finite
from .numpy_engine import NumpyEngine

__all__ = ["Engine", "NumpyEngine", "check_finite"]
