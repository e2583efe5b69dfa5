"""The first layer on coded columns: two rows of weights per group, not a wide product.

With the place t and the number f of a row in a group, the group's part of the net input is

    f W[t], and where the code is cumulative W[0] + ... + W[t - 1] beside it.

The derivative by ``W[t]`` is the sum of ``f delta`` over the rows at t, and where the code
is cumulative the sum of delta over all rows at later places beside it. With the rows of a
batch sorted by place, both are one walk over places and rows with a running sum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .column_groups import Groups, encode, find_groups
from .compilation import kernel
from .rows import copy, fill

__all__ = [
    "Coded",
    "add_coded_product",
    "code",
    "dense_part",
    "fill_coded_gradient",
    "sort_batch",
]

# What is less is multiplied faster by BLAS: docs/decisions/0010.
NARROWEST = 8  # columns of a group
FEWEST_UNITS = 64
FEWEST_ROWS = 32  # of a batch


class Coded(NamedTuple):
    """The groups of X, all rows in their code, and the batch under way."""

    groups: Groups
    place: NDArray  # (n_rows, n_groups) t, counted from the group's first column
    number: NDArray  # (n_rows, n_groups) f
    starts: NDArray  # (n_groups, widest + 2) where the rows at a place begin in the next
    sorted_row: NDArray  # (n_groups, batch_size) the rows of the batch, by place
    sorted_number: NDArray  # (n_groups, batch_size) their numbers
    dense_weights: (
        NDArray  # (n_dense, n_units) the part of the other columns, or its gradient
    )
    total: NDArray  # (n_units,) the running sum


def code(X: NDArray, batch_size: int, n_units: int) -> tuple[NDArray, Coded]:
    """Return X without its coded columns, and these; all of X where a product is faster."""
    if batch_size < FEWEST_ROWS or n_units < FEWEST_UNITS or X.shape[1] < NARROWEST:
        return X, _no_code(X.dtype)
    groups = find_groups(X, NARROWEST)
    n_groups = len(groups.first)
    if n_groups == 0:
        return X, _no_code(X.dtype)
    place, number = encode(X, groups)
    coded = Coded(
        groups=groups,
        place=place,
        number=number,
        starts=np.empty((n_groups, groups.width.max() + 2), np.int32),
        sorted_row=np.empty((n_groups, batch_size), np.int32),
        sorted_number=np.empty((n_groups, batch_size), X.dtype),
        dense_weights=np.empty((len(groups.dense), n_units), X.dtype),
        total=np.empty(n_units, X.dtype),
    )
    return X[:, groups.dense], coded


@lru_cache
def _no_code(dtype):
    nothing, places = np.empty((0, 0), dtype), np.empty((0, 0), np.int32)
    groups = Groups(*(np.empty(0, np.int64) for _ in Groups._fields))
    return Coded(
        groups, places, nothing, places, places, nothing, nothing, np.empty(0, dtype)
    )


@kernel
def sort_batch(coded, batch):
    """Sort the rows of a batch by their place in each group: a counting sort."""
    width, starts = coded.groups.width, coded.starts
    for j in range(len(width)):
        fill(starts[j], 0)
    for i in range(len(batch)):
        place = coded.place[batch[i]]
        for j in range(len(width)):
            starts[j, place[j] + 2] += 1
    for j in range(len(width)):
        for t in range(2, width[j] + 2):
            starts[j, t] += starts[j, t - 1]
    for i in range(len(batch)):
        place, number = coded.place[batch[i]], coded.number[batch[i]]
        for j in range(len(width)):
            at = starts[j, place[j] + 1]
            coded.sorted_row[j, at], coded.sorted_number[j, at] = i, number[j]
            starts[j, place[j] + 1] = at + 1


@kernel
def dense_part(coded, weights):
    """Return the rows of the weights that belong to no group."""
    for k in range(len(coded.groups.dense)):
        copy(weights[coded.groups.dense[k]], coded.dense_weights[k])
    return coded.dense_weights


@kernel
def add_coded_product(coded, weights, out):
    """Add the part of the groups in the net input to `out`."""
    groups, total = coded.groups, coded.total
    for j in range(len(groups.first)):
        rows, numbers = coded.sorted_row[j], coded.sorted_number[j]
        fill(total, 0)
        for t in range(groups.width[j]):
            w = weights[groups.first[j] + t]
            for k in range(coded.starts[j, t], coded.starts[j, t + 1]):
                z, f = out[rows[k]], numbers[k]
                for u in range(len(total)):
                    z[u] += total[u] + f * w[u]
            if groups.is_cumulative[j]:
                for u in range(len(total)):
                    total[u] += w[u]


@kernel
def fill_coded_gradient(coded, delta, out):
    """Fill `out`, of the rows of no group from where their gradient has been put."""
    groups, total = coded.groups, coded.total
    for k in range(len(groups.dense)):
        copy(coded.dense_weights[k], out[groups.dense[k]])
    for j in range(len(groups.first)):
        rows, numbers = coded.sorted_row[j], coded.sorted_number[j]
        fill(total, 0)
        for t in range(groups.width[j] - 1, -1, -1):
            g = out[groups.first[j] + t]
            copy(total, g)
            k, stop = coded.starts[j, t], coded.starts[j, t + 1]
            while k + 3 < stop:  # four rows walk through g and total together
                d0, d1 = delta[rows[k]], delta[rows[k + 1]]
                d2, d3 = delta[rows[k + 2]], delta[rows[k + 3]]
                f0, f1, f2, f3 = numbers[k], numbers[k + 1], numbers[k + 2], numbers[k + 3]
                for u in range(len(total)):
                    g[u] += f0 * d0[u] + f1 * d1[u] + f2 * d2[u] + f3 * d3[u]
                    total[u] += d0[u] + d1[u] + d2[u] + d3[u]
                k += 4
            while k < stop:
                d0, f0 = delta[rows[k]], numbers[k]
                for u in range(len(total)):
                    g[u] += f0 * d0[u]
                    total[u] += d0[u]
                k += 1
            if not groups.is_cumulative[j]:
                fill(total, 0)
