"""Where a random stream is, and the way back.

`RandomState.get_state` copies 624 numbers one by one, which takes as long as a step on a
few rows. NumPy says where a generator keeps them (`BitGenerator.ctypes`), so they can be
copied all at once. How they lie there is not documented: it is tried out once, and where
it is not as expected, the slow way is taken.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["go_back", "note_of"]

N_NUMBERS = 624 + 1  # of MT19937, the last of them a place among the others


def note_of(rng: np.random.RandomState) -> Any:
    """Return what :func:`go_back` needs."""
    numbers = _numbers_of(rng) if _lie_as_expected() else None
    return rng.get_state(legacy=False) if numbers is None else numbers


def go_back(rng: np.random.RandomState, note: Any) -> None:
    """Set a stream back to where it was, in place."""
    if not isinstance(note, dict):
        numbers = {"key": note[:-1], "pos": int(note[-1])}
        note = {**rng.get_state(legacy=False), "state": numbers}
    rng.set_state(note)


class _Numbers:
    """The numbers of a generator, as an array that lies at an address."""

    def __init__(self, address):
        self.__array_interface__ = {
            "data": (address, True),
            "shape": (N_NUMBERS,),
            "typestr": np.dtype(np.uint32).str,
            "version": 3,
        }


def _numbers_of(rng):
    """Return a copy of the numbers; None of another generator than usual."""
    generator = rng._bit_generator if type(rng) is np.random.RandomState else None
    if type(generator) is not np.random.MT19937:
        return None
    return np.array(_Numbers(generator.ctypes.state_address))


@cache
def _lie_as_expected():
    rng = np.random.RandomState(0)
    rng.randint(2**32, size=7, dtype=np.uint32)
    state = rng.get_state(legacy=False)["state"]
    try:
        return np.array_equal(_numbers_of(rng), [*state["key"], state["pos"]])
    except AttributeError:  # of another NumPy
        return False
