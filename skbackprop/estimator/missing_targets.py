"""Missing targets: NaN in a y of several columns, where something was not measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_array, check_consistent_length

__all__ = ["check_columns", "check_y", "has_missing", "mean_r2", "subset_accuracy"]


def has_missing(y: Any) -> bool:
    """Say whether some of y is NaN."""
    return not issparse(y) and y.dtype.kind == "f" and bool(np.isnan(y).any())


def check_y(y: Any, X: Any, is_numeric: bool = True) -> Any:
    """Return y as an array, in which NaN stands for what was not measured.

    Raises ValueError for rows and for a single column that lack all they are there for.
    """
    y = check_array(
        y,
        accept_sparse="csr",
        ensure_all_finite="allow-nan",
        ensure_2d=False,
        dtype=None,
        input_name="y",
    )
    check_consistent_length(X, y)
    if y.dtype.kind == "O" and (is_numeric or y.ndim == 2):  # None is missing, too
        y = y.astype(float)
    if not has_missing(y):
        return y
    if y.ndim == 1 or y.shape[1] == 1:
        raise ValueError(
            f"y has one column, and no target in row {np.flatnonzero(np.isnan(y))[0]}: "
            "there is nothing to learn from such a row. Leave these rows out. "
            "missing_targets='ignore' is for y of several columns."
        )
    empty = np.flatnonzero(np.isnan(y).all(axis=1))
    if len(empty):
        raise ValueError(
            f"y has no target at all in {len(empty)} rows, the first of them row "
            f"{empty[0]}: there is nothing to learn from them. Leave these rows out."
        )
    return y


def check_columns(y: Any) -> None:
    """Raise ValueError for columns of y in which no target was measured."""
    if has_missing(y):
        empty = np.flatnonzero(np.isnan(y).all(axis=0))
        if len(empty):
            raise ValueError(
                f"The columns {empty.tolist()} of y are missing in every row, so that "
                "their outputs cannot learn. Leave these columns out."
            )


def mean_r2(target: NDArray, output: NDArray, sample_weight: ArrayLike | None) -> float:
    """Return the mean over columns of R2, each of the rows in which it was measured.

    Columns with fewer than two such rows do not count; NaN where all are like that.
    """
    if not has_missing(target):
        return r2_score(target, output, sample_weight=sample_weight)
    measured, scores = ~np.isnan(target), []
    for rows, t, o in zip(measured.T, target.T, output.T, strict=True):
        if np.count_nonzero(rows) > 1:
            weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
            scores.append(r2_score(t[rows], o[rows], sample_weight=weight))
    return float(np.mean(scores)) if scores else np.nan


def subset_accuracy(
    target: NDArray, labels: NDArray, sample_weight: ArrayLike | None
) -> float:
    """Return the fraction of the rows whose labels are right, those that were measured."""
    target = np.where(np.isnan(target), labels, target)
    return accuracy_score(target > 0, labels > 0, sample_weight=sample_weight)
