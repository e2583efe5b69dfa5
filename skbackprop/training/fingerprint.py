"""Fingerprints of data: whether a training goes on with the same rows, at little cost."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

__all__ = ["fingerprint"]

ROWS = 4096  # of targets and weights that are looked at
ELEMENTS = 2**14  # of X


def fingerprint(X: Any, target: NDArray, sample_weight: NDArray | None) -> int:
    """Return a number that other data have not, but for a chance of one in four billion.

    It depends on shapes and precision, on the targets and weights of up to 4096 rows, and
    on whole rows of X of some 16,000 elements together, all spread evenly. A change of a
    few other rows goes unnoticed.
    """
    n_rows, n_features = X.shape
    mark = crc32(repr((X.shape, X.dtype, issparse(X), target.shape)).encode())
    few = X[_spread(n_rows, max(1, ELEMENTS // max(1, n_features)))]
    parts = [few.data, few.indices, few.indptr] if issparse(few) else [few]
    many = _spread(len(target), ROWS)
    parts += [a[many] for a in (target, sample_weight) if a is not None]
    for part in parts:
        mark = crc32(np.ascontiguousarray(part), mark)
    return mark


def _spread(n_rows, n_chosen):
    """Return the numbers of at most so many rows, spread evenly."""
    return np.linspace(0, max(0, n_rows - 1), min(n_rows, n_chosen)).astype(np.intp)
