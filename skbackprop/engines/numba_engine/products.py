"""Matrix products: by loops where there are few rows, else by BLAS."""

from __future__ import annotations

import numpy as np

from .compilation import kernel
from .rows import fill, sum_of_products

__all__ = ["left_transposed_product", "matrix", "product", "right_transposed_product"]

FEW_ROWS = 8  # batches below it are multiplied faster by loops than by BLAS


@kernel
def matrix(vector, start, n_rows, n_columns):
    """Return a view of a part of a flat array."""
    return vector[start : start + n_rows * n_columns].reshape((n_rows, n_columns))


@kernel
def product(a, b, out):
    """Fill `out` with ``a @ b``."""
    if len(a) >= FEW_ROWS:
        np.dot(a, b, out)
        return
    in_fours = a.shape[1] // 4 * 4  # four rows of b to each walk through a row of out
    for i in range(a.shape[0]):
        row = out[i]
        fill(row, 0)
        for k in range(0, in_fours, 4):
            x0, x1, x2, x3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            for j in range(len(row)):
                row[j] += (
                    x0 * b[k, j] + x1 * b[k + 1, j] + x2 * b[k + 2, j] + x3 * b[k + 3, j]
                )
        for k in range(in_fours, a.shape[1]):
            x0 = a[i, k]
            for j in range(len(row)):
                row[j] += x0 * b[k, j]


@kernel
def left_transposed_product(a, b, out):
    """Fill `out` with ``a.T @ b``."""
    if len(a) >= FEW_ROWS:
        np.dot(a.T, b, out)
        return
    for k in range(a.shape[1]):
        for j in range(b.shape[1]):
            out[k, j] = a[0, k] * b[0, j]
    for i in range(1, a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[k, j] += a[i, k] * b[i, j]


@kernel
def right_transposed_product(a, b, out):
    """Fill `out` with ``a @ b.T``."""
    if len(a) >= FEW_ROWS:
        np.dot(a, b.T, out)
        return
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            out[i, k] = sum_of_products(a[i], b[k])
