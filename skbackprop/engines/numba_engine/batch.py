"""Batches: rows that a permutation scatters over memory, asked for ahead and gathered."""

from __future__ import annotations

from .coded_layer import sort_batch
from .compilation import glue, kernel
from .rows import copy, matrix, part, prefetch

__all__ = ["ask_for", "gather"]

LINE = 64  # bytes of a cache line
PREFETCHED = 256  # bytes of a row; the processor foresees the rest by itself


@kernel
def ask_for(X, target, coming, start, stop):
    """Ask for some of the rows that come, as far as there are so many.

    Memory takes longer to find the rows of a large table than they take to copy. A few at
    a time, while others are worked on, are there when their turn comes.
    """
    for i in range(start, stop if stop < len(coming) else len(coming)):
        prefetch_row(X, coming[i])
        prefetch_row(target, coming[i])


@glue
def prefetch_row(a, row):
    """Ask for what a row of a matrix begins with, ahead of its use."""
    n, most = a.shape[1], PREFETCHED // a.itemsize
    n = n if n < most else most
    for place in range(0, n, LINE // a.itemsize):
        prefetch(a, row, place)
    prefetch(a, row, n - 1)  # it may begin within a line, and so end in one more


@glue
def gather(rows, coded, batch, work):
    """Fill the work array with the rows of the batch; return the sum of their weights."""
    n_rows = len(batch)
    X = matrix(work, rows.batch_X, n_rows, rows.X.shape[1])
    target = matrix(work, rows.batch_target, n_rows, rows.target.shape[1])
    share = part(work, rows.share, rows.share + n_rows)
    weight_sum, one = 0.0, type(work[0])(1)
    if coded is not None:
        sort_batch(coded, batch)
    is_weighted, has_classes = len(rows.sample_weight) > 0, len(rows.class_weight) > 0
    for i in range(n_rows):
        row = batch[i]
        copy(rows.X[row], X[i])
        copy(rows.target[row], target[i])
        share[i] = rows.sample_weight[row] if is_weighted else one
        weight_sum += share[i]
        if has_classes:
            share[i] *= rows.class_weight[row]
    if weight_sum > 0:
        for i in range(n_rows):
            share[i] /= type(one)(weight_sum)
    return weight_sum
