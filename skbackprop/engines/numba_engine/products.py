"""Matrix products: in vectors where there are few rows, else by BLAS."""

from __future__ import annotations

from .blas import matmul
from .compilation import kernel
from .vectors import (
    LONG,
    SHORT,
    add_multiple,
    add_product,
    load,
    store,
    sum_of_lanes,
    zeros,
)

__all__ = ["left_transposed_product", "product", "right_transposed_product"]

FEW_ROWS = 8  # batches below it are multiplied faster by walks through rows than by BLAS
# BLAS multiplies by a small transposed matrix more slowly than it is turned and multiplied
# by, if there are enough rows.
ENOUGH_ROWS = 24
SMALL = 32_768  # bytes


@kernel
def product(a, b, out):
    """Fill `out` with ``a @ b``."""
    if len(a) >= FEW_ROWS:
        matmul(a, b, out)
        return
    n_long, n_short = LONG // out.itemsize, SHORT // out.itemsize
    n_units = out.shape[1]
    n_in_long = n_units // n_long * n_long
    for at in range(0, n_in_long, n_long):
        _walk_long(a, b, at, out)
    for at in range(n_in_long, n_units, n_short):
        _walk_short(a, b, at, out)


def _walk(n_bytes):
    """Make the loop that fills so many bytes of each row of a product."""
    zero = zeros(n_bytes)

    @kernel
    def walk(a, b, at, out):
        for i in range(a.shape[0]):
            total = zero(b)
            for k in range(a.shape[1]):
                total = add_multiple(total, a[i, k], load(total, b, k, at))
            store(total, out, i, at)

    return walk


_walk_long, _walk_short, _nothing = _walk(LONG), _walk(SHORT), zeros(SHORT)


@kernel
def left_transposed_product(a, b, out):
    """Fill `out` with ``a.T @ b``."""
    if len(a) >= FEW_ROWS:
        matmul(a.T, b, out)
        return
    for at in range(0, b.shape[1], SHORT // out.itemsize):
        for k in range(a.shape[1]):
            total = _nothing(b)
            for i in range(a.shape[0]):
                total = add_multiple(total, a[i, k], load(total, b, i, at))
            store(total, out, k, at)


@kernel
def right_transposed_product(a, b, turned, out):
    """Fill `out` with ``a @ b.T``; `turned` has the shape of ``b.T`` and is overwritten."""
    if len(a) >= ENOUGH_ROWS and b.size * b.itemsize <= SMALL:
        for i in range(b.shape[1]):
            for j in range(b.shape[0]):
                turned[i, j] = b[j, i]
        matmul(a, turned, out)
        return
    if len(a) >= FEW_ROWS:
        matmul(a, b.T, out)
        return
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            total = _nothing(b)
            for at in range(0, a.shape[1], SHORT // out.itemsize):
                x, y = load(total, a, i, at), load(total, b, k, at)
                total = add_product(total, x, y)
            out[i, k] = sum_of_lanes(total)
