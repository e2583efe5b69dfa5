"""Dropout masks from a counter: seed, step, layer and element decide, nothing is stored.

A mask is a hash of where it is used, so that a training that was interrupted, and
every engine, draws the same ones. The hash is the 32-bit finalizer of MurmurHash3
(Appleby, 2011), applied twice.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_mask", "mask_key"]

FACTORS = (0x85EBCA6B, 0xC2B2AE35)
WORD = 2**32


def fill_mask(
    seed: int,
    step: int,
    layer: int,
    rate: float,
    out: NDArray,
    rows: NDArray | None = None,
) -> None:
    """Fill `out` with 0 at a fraction `rate` of its elements, else ``1 / (1 - rate)``.

    `out` is a batch, or those of its rows that stand at the places `rows`.

    The scale keeps the mean of what is multiplied by the mask (inverted dropout,
    Srivastava et al., 2014).
    """
    counters = _counters(out.size) if rows is None else _counters_of(rows, out.shape[1])
    bits = counters ^ np.uint32(mask_key(seed, step, layer))
    kept = _scramble(bits) >= np.uint32(rate * WORD)
    np.multiply(kept.reshape(out.shape), out.dtype.type(1 / (1 - rate)), out=out)


def mask_key(seed: int, step: int, layer: int) -> int:
    """Return the 32-bit key of one mask."""
    key = 0
    for number in (layer, step % WORD, seed):
        key = _scramble_int(key ^ number)
    return key


@lru_cache(maxsize=16)
def _counters(size):
    """Return the scrambled numbers 0, 1, 2, ..., which are the same for all keys."""
    counters = _scramble(np.arange(size, dtype=np.uint32))
    counters.flags.writeable = False
    return counters


def _counters_of(rows, n_units):
    """Return the scrambled numbers of the elements of some rows of a batch."""
    elements = rows[:, np.newaxis] * n_units + np.arange(n_units)
    return _scramble(elements.ravel().astype(np.uint32))


def _scramble(bits):
    """Scramble an array of 32-bit words, in place."""
    bits ^= bits >> np.uint32(16)
    bits *= np.uint32(FACTORS[0])
    bits ^= bits >> np.uint32(13)
    bits *= np.uint32(FACTORS[1])
    bits ^= bits >> np.uint32(16)
    return bits


def _scramble_int(word):
    word ^= word >> 16
    word = word * FACTORS[0] % WORD
    word ^= word >> 13
    word = word * FACTORS[1] % WORD
    return word ^ word >> 16
