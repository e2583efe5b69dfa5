"""Column groups: neighbours in X that are one column of data, written as a code.

Two codes are known. In a piecewise-linear code a row is ones, then one number, then zeros;
in a one-hot code at most one number of a row is not 0. Either way a place in the group and
the number at that place say all. A group is found by what the rows look like, with
any encoder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compilation import entry_point

__all__ = ["Groups", "encode", "find_groups"]

FIRST_LOOK = 64  # rows, after which most data are known to be no code


class Groups(NamedTuple):
    """Which columns belong together; arrays of shape (n_groups,) but for the last."""

    first: NDArray  # the column where a group begins
    width: NDArray  # how many columns it has
    is_cumulative: NDArray  # 1: ones before the place; 0: zeros
    dense: NDArray  # (n_dense,) the columns that are in no group


def find_groups(X: NDArray, narrowest: int) -> Groups:
    """Return the groups of at least so many columns that the rows of X allow."""
    n_rows, n_columns = X.shape
    follows_one = np.ones(n_columns, bool)
    last_before = np.full(n_columns, -1)
    groups = np.empty((3, n_columns // narrowest), np.int64)
    for rows in (slice(0, FIRST_LOOK), slice(FIRST_LOOK, n_rows)):
        _look(X[rows], follows_one, last_before)
        n_groups = _put_together(follows_one, last_before, narrowest, groups)
        if n_groups == 0:
            break
    first, width, is_cumulative = groups[:, :n_groups].copy()
    is_dense = np.ones(n_columns, bool)
    for start, n in zip(first, width, strict=True):
        is_dense[start : start + n] = False
    return Groups(first, width, is_cumulative, np.flatnonzero(is_dense))


def encode(X: NDArray, groups: Groups) -> tuple[NDArray, NDArray]:
    """Return the places and the numbers of all rows, each of shape (n_rows, n_groups)."""
    shape = X.shape[0], len(groups.first)
    place, number = np.empty(shape, np.int32), np.empty(shape, X.dtype)
    _fill_places(X, groups.first, groups.width, groups.is_cumulative, place, number)
    return place, number


@entry_point
def _look(X, follows_one, last_before):
    """Narrow down, in place, what the rows before have left possible.

    `follows_one` says of a column: where it is not 0, its left neighbour is 1. And
    `last_before`: which is the nearest column to its left that is not 0 together with it.
    """
    for i in range(X.shape[0]):
        last = -1
        for k in range(X.shape[1]):
            if X[i, k] != 0:
                follows_one[k] &= k > 0 and X[i, k - 1] == 1
                last_before[k] = max(last_before[k], last)
                last = k


@entry_point
def _put_together(follows_one, last_before, narrowest, groups):
    """Fill `groups` from the left, each as wide as it can be; return their number."""
    n_columns, n_groups, first = len(follows_one), 0, 0
    while first < n_columns:
        cumulative = single = first + 1  # where a group of either code would end
        while cumulative < n_columns and follows_one[cumulative]:
            cumulative += 1
        while single < n_columns and last_before[single] < first:
            single += 1
        width = max(cumulative, single) - first
        if width >= narrowest:
            groups[0, n_groups] = first
            groups[1, n_groups] = width
            groups[2, n_groups] = cumulative >= single
            n_groups += 1
        first += width if width >= narrowest else 1
    return n_groups


@entry_point
def _fill_places(X, first, width, is_cumulative, place, number):
    """Fill the places and the numbers of all rows."""
    for i in range(X.shape[0]):
        for j in range(len(first)):
            at = 0
            for t in range(width[j]):
                if X[i, first[j] + t] != 0:
                    at = t
                elif is_cumulative[j]:
                    break
            place[i, j], number[i, j] = at, X[i, first[j] + at]
