"""The dropout masks of `skbackprop.dropout`, element by element."""

from __future__ import annotations

import numpy as np

from ...network.dropout import FACTORS, WORD
from .compilation import glue, kernel

__all__ = ["silence"]


@glue
def scramble(bits):
    bits = np.uint32(bits ^ (bits >> 16))
    bits = np.uint32(bits * FACTORS[0])
    bits = np.uint32(bits ^ (bits >> 13))
    bits = np.uint32(bits * FACTORS[1])
    return np.uint32(bits ^ (bits >> 16))


@kernel
def silence(a, seed, step, layer, rate, mask, out):
    """Fill `mask` and ``out = mask * a``."""
    key = np.uint32(0)
    for number in (layer, step, seed):
        key = scramble(np.uint32(key ^ np.uint32(number)))
    n_units = a.shape[1]
    nothing = type(a[0, 0])(0)
    limit, scale = np.uint32(rate * WORD), type(a[0, 0])(1 / (1 - rate))
    for i in range(a.shape[0]):
        for j in range(n_units):
            bits = scramble(np.uint32(scramble(np.uint32(i * n_units + j)) ^ key))
            kept = scale if bits >= limit else nothing
            mask[i, j] = kept
            out[i, j] = kept * a[i, j]
