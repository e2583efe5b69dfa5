"""The dropout masks of `skbackprop.dropout`, element by element."""

from __future__ import annotations

import numpy as np

from ...network.dropout import FACTORS, WORD
from .calls import call_dropout
from .compilation import glue

__all__ = ["fill_and_multiply", "silence"]


@glue
def scramble(bits):
    bits = np.uint32(bits ^ (bits >> 16))
    bits = np.uint32(bits * FACTORS[0])
    bits = np.uint32(bits ^ (bits >> 13))
    bits = np.uint32(bits * FACTORS[1])
    return np.uint32(bits ^ (bits >> 16))


@glue
def silence(layer, a, mask, out, seed, step, number):
    """Fill `mask` and ``out = mask * a``; `number` is that of the layer."""
    when = (seed, step, number)
    call_dropout(layer.silence, (a, mask, out), when, layer.dropout)


@glue
def fill_and_multiply(a, mask, out, seed, step, layer, rate):
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
