"""The door: what comes in is checked here, once, and turned into arrays."""

from __future__ import annotations

from math import ceil
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length

__all__ = ["check_sample_weight", "check_target", "expand_class_weight", "split_rows"]


def check_target(target: NDArray, loss) -> None:
    """Raise ValueError for targets that the precision or the loss cannot take."""
    if not np.isfinite(target).all():
        raise ValueError(
            f"y contains values too large for {target.dtype}, the precision of X. Scale y, "
            "or pass X as float64."
        )
    if hasattr(loss, "check_target"):
        loss.check_target(target)


def expand_class_weight(
    class_weight, classes: NDArray, indices: NDArray, sample_weight: NDArray | None
) -> NDArray:
    """Return the weight of each row's class; `indices` says which class it is.

    "balanced" gives every class the same total weight, sample weights counted:
    ``total weight / (n_classes * weight of the class)``.
    """
    if isinstance(class_weight, str):
        weight = np.bincount(indices, weights=sample_weight, minlength=len(classes))
        there = weight > 0
        per_class = np.ones(len(classes))
        per_class[there] = weight.sum() / (there.sum() * weight[there])
        return per_class[indices]
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(
            f"class_weight has weights for {unknown}, which are not among the classes "
            f"{classes}. Leave them out, or check their type."
        )
    per_class = np.array([class_weight.get(label, 1.0) for label in classes], dtype=float)
    return per_class[indices]


def check_sample_weight(sample_weight, X) -> NDArray | None:
    """Return the sample weights in the precision of X, shape (n_rows,), or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(X.shape[0], sample_weight)
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=X.dtype, input_name="sample_weight"
    )
    if weights.ndim != 1:
        raise ValueError(
            f"sample_weight must be 1-dimensional, one weight per row of X. Got an "
            f"array of shape {weights.shape}; pass sample_weight.ravel() if that is meant."
        )
    check_consistent_length(weights, X)
    if (weights < 0).any():
        raise ValueError(
            f"sample_weight must not be negative, but its smallest value is "
            f"{weights.min()}. A negative weight would reward errors without bound."
        )
    if not weights.any():
        raise ValueError(
            "sample_weight is zero for every sample, so there is nothing to learn from. "
            "Give at least one sample a positive weight."
        )
    return weights


def split_rows(
    n_rows: int,
    labels: NDArray | None,
    n_classes: int,
    fraction: float,
    rng: np.random.RandomState,
) -> tuple[NDArray, NDArray]:
    """Split row numbers into training and validation rows.

    The validation part has `fraction` of the rows, at least one per class and at least
    two. The split is stratified by `labels` (None: never) wherever every class has two
    members and both parts have room for all classes.
    """
    n_validation = max(ceil(fraction * n_rows), n_classes, 2)
    n_train = n_rows - n_validation
    if n_train < 1:
        raise ValueError(
            f"early_stopping=True sets {n_validation} rows aside for validation, which "
            f"leaves none to train on: got n_samples={n_rows}. Use more data or "
            "early_stopping=False."
        )
    stratify = labels
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() < 2 or min(n_train, n_validation) < len(counts):
            stratify = None
    return tuple(
        train_test_split(
            np.arange(n_rows), test_size=n_validation, random_state=rng, stratify=stratify
        )
    )
