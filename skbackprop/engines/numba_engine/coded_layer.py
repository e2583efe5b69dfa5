"""The first layer on coded columns: two rows of weights per group, not a wide product.

With the place t and the number f of a row in a group, the group's part of the net input is

    f W[t], and where the code is cumulative W[0] + ... + W[t - 1] beside it.

The derivative by ``W[t]`` is the sum of ``f delta`` over the rows at t, and where the code
is cumulative the sum of delta over all rows at later places beside it. With the rows of a
batch sorted by place, both are one walk over places and rows with a running sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .column_groups import Groups, encode, find_groups
from .compilation import kernel
from .products import left_transposed_product, product
from .rows import copy, fill, flat, matrix
from .vectors import LONG, SHORT, add, add_multiple, load, store, zeros

__all__ = [
    "Coded",
    "code",
    "coded_gradient",
    "coded_product",
    "sort_batch",
]

# What is less is multiplied faster by BLAS: docs/decisions/0010.
NARROWEST = 5  # columns of a group
FEWEST_WEIGHTS = 640  # of a group
FEWEST_ROWS = 32  # of a batch


class Coded(NamedTuple):
    """The groups of X, all rows in their code, and the batch under way.

    A place in a group is a cell; cells are counted through all groups.
    """

    groups: Groups
    first_cell: NDArray  # (n_groups,)
    cell: NDArray  # (n_rows, n_groups)
    number: NDArray  # (n_rows, n_groups) f
    starts: NDArray  # (n_cells + 2,) where a cell begins in what is sorted
    sorted_row: NDArray  # (batch_size * n_groups,) rows of the batch, cell by cell
    sorted_number: NDArray  # (batch_size * n_groups,) their numbers
    dense_weights: NDArray  # (n_dense, n_units) those of the other columns, or gradient


def code(X: NDArray, batch_size: int, n_units: int) -> tuple[NDArray, Coded | None]:
    """Return X without its coded columns, and these; None where a product is faster."""
    narrowest = max(NARROWEST, FEWEST_WEIGHTS // n_units)
    if batch_size < FEWEST_ROWS or X.shape[1] < narrowest:
        return X, None
    groups = find_groups(X, narrowest)
    n_sorted = batch_size * len(groups.first)
    if n_sorted == 0:
        return X, None
    place, number = encode(X, groups)
    first_cell = np.cumsum(groups.width) - groups.width
    coded = Coded(
        groups=groups,
        first_cell=first_cell,
        cell=place + first_cell.astype(place.dtype),
        number=number,
        starts=np.empty(groups.width.sum() + 2, np.int64),
        sorted_row=np.empty(n_sorted, np.int64),
        sorted_number=np.empty(n_sorted, X.dtype),
        dense_weights=np.empty((len(groups.dense), n_units), X.dtype),
    )
    return X[:, groups.dense], coded


@kernel
def sort_batch(coded, batch):
    """Sort the rows of a batch by their cell, in all groups at once: a counting sort."""
    starts, rows, numbers = coded.starts, coded.sorted_row, coded.sorted_number
    fill(starts, 0)
    for i in range(len(batch)):
        cell = coded.cell[batch[i]]
        for j in range(len(cell)):
            starts[cell[j] + 2] += 1
    for c in range(2, len(starts)):
        starts[c] += starts[c - 1]
    for i in range(len(batch)):
        cell, number = coded.cell[batch[i]], coded.number[batch[i]]
        for j in range(len(cell)):
            at = starts[cell[j] + 1]
            rows[at], numbers[at] = i, number[j]
            starts[cell[j] + 1] = at + 1


def _walk_up(n_bytes):
    """Make the loop that adds the part of a group to so many bytes of each row."""
    zero = zeros(n_bytes)

    @kernel
    def walk_up(starts, rows, numbers, weights, is_cumulative, at, out):
        total = zero(weights)
        for t in range(len(weights)):
            w = load(total, weights, t, at)
            for k in range(starts[t], starts[t + 1]):
                z = add(load(total, out, rows[k], at), total)
                store(add_multiple(z, numbers[k], w), out, rows[k], at)
            if is_cumulative:
                total = add(total, w)

    return walk_up


def _walk_down(n_bytes):
    """Make the loop that fills so many bytes of each row of a group's gradient."""
    zero = zeros(n_bytes)

    @kernel
    def walk_down(starts, rows, numbers, delta, is_cumulative, at, out):
        total = zero(delta)
        for t in range(len(out) - 1, -1, -1):
            g = total
            for k in range(starts[t], starts[t + 1]):
                d = load(total, delta, rows[k], at)
                g, total = add_multiple(g, numbers[k], d), add(total, d)
            store(g, out, t, at)
            if not is_cumulative:
                total = zero(delta)

    return walk_down


_walk_up_long, _walk_up_short = _walk_up(LONG), _walk_up(SHORT)
_walk_down_long, _walk_down_short = _walk_down(LONG), _walk_down(SHORT)


@kernel
def coded_product(coded, below, weights, out):
    """Fill `out` with the net input; `below` begins with the columns of no group."""
    dense = coded.dense_weights
    if len(dense) == 0:
        fill(flat(out), 0)
    else:
        for k in range(len(dense)):
            copy(weights[coded.groups.dense[k]], dense[k])
        product(matrix(below, 0, len(out), len(dense)), dense, out)
    groups, n_units = coded.groups, out.shape[1]
    rows, numbers = coded.sorted_row, coded.sorted_number
    n_long, n_short = LONG // out.itemsize, SHORT // out.itemsize
    n_in_long = n_units // n_long * n_long
    for j in range(len(groups.first)):
        w = weights[groups.first[j] : groups.first[j] + groups.width[j]]
        starts, kind = coded.starts[coded.first_cell[j] :], groups.is_cumulative[j]
        for at in range(0, n_in_long, n_long):
            _walk_up_long(starts, rows, numbers, w, kind, at, out)
        for at in range(n_in_long, n_units, n_short):
            _walk_up_short(starts, rows, numbers, w, kind, at, out)


@kernel
def coded_gradient(coded, below, delta, out):
    """Fill `out` with the gradient of the weights."""
    groups, dense, n_units = coded.groups, coded.dense_weights, out.shape[1]
    rows, numbers = coded.sorted_row, coded.sorted_number
    if len(dense) > 0:
        left_transposed_product(matrix(below, 0, len(delta), len(dense)), delta, dense)
    for k in range(len(dense)):
        copy(dense[k], out[groups.dense[k]])
    n_long, n_short = LONG // out.itemsize, SHORT // out.itemsize
    n_in_long = n_units // n_long * n_long
    for j in range(len(groups.first)):
        g = out[groups.first[j] : groups.first[j] + groups.width[j]]
        starts, kind = coded.starts[coded.first_cell[j] :], groups.is_cumulative[j]
        for at in range(0, n_in_long, n_long):
            _walk_down_long(starts, rows, numbers, delta, kind, at, g)
        for at in range(n_in_long, n_units, n_short):
            _walk_down_short(starts, rows, numbers, delta, kind, at, g)
