"""Input validation: what comes in is checked here, once, and turned into arrays."""

from __future__ import annotations

import sys
from math import ceil
from numbers import Real
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

from ..rule import INFINITY, Interval
from ..training.process_group import ALONE, Share

__all__ = [
    "check_backprop",
    "check_classes",
    "check_label_type",
    "check_rows",
    "check_rows_and_y",
    "check_sample_weight",
    "check_target",
    "expand_class_weight",
    "may_be_cut",
    "may_be_weights",
    "split_rows",
    "without_extension",
]

# They cut every argument of `fit` that has as many rows as X, as they cut X.
CUTTERS = ("sklearn.model_selection", "sklearn.calibration")
SMALL = 2**16  # elements, whose checks take longer than their sums
NOT_NEGATIVE = Interval(Real, 0, INFINITY, "[)")


def check_rows(estimator, X, dtype):
    """Return X as rows for a network that was trained, in its precision."""
    if _is_clean(X, estimator, dtype):
        return X
    return validate_data(estimator, X, accept_sparse="csr", dtype=dtype, reset=False)


def check_rows_and_y(estimator, X, y, dtype, may_be_empty):
    """Return X and y as arrays; a precision is that of a training that goes on."""
    if may_be_empty and getattr(X, "shape", ())[:1] == (0,):
        return _check_no_rows(estimator, X, y, dtype)
    if dtype is not None and _is_clean(X, estimator, dtype) and _is_clean_y(y, len(X)):
        return X, y
    return validate_data(
        estimator,
        X,
        without_extension(y),
        accept_sparse="csr",
        multi_output=True,
        y_numeric=is_regressor(estimator),
        dtype=(np.float64, np.float32) if dtype is None else dtype,
        reset=dtype is None,
    )


def _check_no_rows(estimator, X, y, dtype):
    X = validate_data(
        estimator,
        X,
        accept_sparse="csr",
        dtype=(np.float64, np.float32) if dtype is None else dtype,
        reset=dtype is None,
        ensure_min_samples=0,
    )
    y = y if issparse(y) else np.asarray(y)
    check_consistent_length(X, y)
    return X, y


def _is_clean(X, estimator, dtype):
    """Say in a few microseconds that X is one of the arrays no check could object to.

    All others take the long way, which is there for its conversions and messages.
    """
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and len(X) > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and X.size <= SMALL  # np.isfinite makes an array of its size
        and bool(np.isfinite(X).all())
    )


def _is_clean_y(y, n_rows):
    return (
        type(y) is np.ndarray
        and y.shape == (n_rows,)
        and (y.dtype.kind in "iubU" or (y.dtype.kind == "f" and bool(np.isfinite(y).all())))
    )


def check_backprop(estimator, function: str) -> None:
    """Raise TypeError for what is not one of this library's estimators."""
    if not hasattr(estimator, "_open_step"):
        raise TypeError(
            f"{function} needs a BackpropClassifier or a BackpropRegressor. Got "
            f"{type(estimator).__name__}. Of a Pipeline pass the last step, pipeline[-1], "
            "with X as pipeline[:-1].transform(X) gives it."
        )


def check_target(target: NDArray, loss) -> None:
    """Raise ValueError for targets that the precision or the loss cannot take."""
    if np.isnan(target).any():
        raise ValueError(
            "y has missing values (None or NaN). Leave these rows out, or fill them in."
        )
    if not np.isfinite(target).all():
        raise ValueError(
            f"y contains values too large for {target.dtype}, the precision of X. Scale y, "
            "or pass X as float64."
        )
    if hasattr(loss, "check_target") and len(target):
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
    for label, weight in class_weight.items():
        if weight not in NOT_NEGATIVE:
            raise ValueError(
                f"class_weight of class {label!r} must be {NOT_NEGATIVE}. Got {weight!r} "
                "instead."
            )
    per_class = np.array([class_weight.get(label, 1.0) for label in classes], dtype=float)
    return per_class[indices]


def check_classes(classes, y: NDArray) -> NDArray:
    """Return the sorted class labels; `y` are the labels of the rows that came with them.

    `partial_fit` of scikit-learn's MLPClassifier has had `sample_weight` in their place
    since 1.7, so what may be weights is refused.
    """
    if np.ndim(classes) == 0 and not issparse(classes):
        raise ValueError(
            f"classes must be one-dimensional, a list or an array. Got {classes!r}: of a "
            "set or a dict pass sorted(...)."
        )
    labels = check_array(
        without_extension(classes), ensure_2d=False, dtype=None, input_name="classes"
    )
    labels = column_or_1d(labels)
    check_label_type(labels, "classes")
    n_different, hint = len(np.unique(labels)), may_be_weights(labels, y)
    if n_different < len(labels):
        raise ValueError(
            f"classes must name each class once, as np.unique(y) does, but holds "
            f"{len(labels)} values of which {n_different} differ.{hint}"
        )
    if hint and labels.dtype.kind == "f" and y.dtype.kind in "iub":
        raise ValueError(f"classes are numbers with a decimal point, y is not.{hint}")
    return unique_labels(labels)


def may_be_weights(classes, y: NDArray) -> str:
    """Say in a sentence what `classes` may be if there is one for each row."""
    if len(classes) != y.shape[0]:
        return ""
    return (
        " There are as many as rows of X: if they are weights of the rows, pass them as "
        "partial_fit(X, y, sample_weight=...). The third argument is classes."
    )


def without_extension(values: Any) -> Any:
    """Return values of a pandas type of its own, as Int64, in the NumPy type they have."""
    dtype = getattr(getattr(values, "dtype", None), "numpy_dtype", None)
    if not isinstance(dtype, np.dtype) or values.isna().any():
        return values
    return values.to_numpy(dtype=dtype)


def check_label_type(labels, name: str) -> None:
    """Raise ValueError for class labels that no network can learn, saying why."""
    kind = labels.dtype.kind
    kinds = {type(label) for label in labels.ravel()} if kind == "O" else ()
    if kind == "S" or bytes in kinds:
        raise ValueError(
            f"{name} has labels of bytes, which are not supported. Decode them, for "
            "example by np.char.decode(labels.astype(bytes))."
        )
    if type(None) in kinds:
        raise ValueError(
            f"{name} has the label None, where a label is missing. Leave these rows out, "
            "or give them a label of their own."
        )
    if str in kinds and not all(issubclass(one, str) for one in kinds):
        names = ", ".join(sorted(one.__name__ for one in kinds))
        raise ValueError(
            f"The labels in {name} must be of one kind, all strings or all numbers. They "
            f"are of the types {names}."
        )


def check_sample_weight(sample_weight, X, share: Share = ALONE) -> NDArray | None:
    """Return the sample weights in the precision of X, shape (n_rows,), or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(X.shape[0], sample_weight)
    weights = check_array(
        sample_weight,
        ensure_2d=False,
        dtype=X.dtype,
        input_name="sample_weight",
        ensure_min_samples=min(1, X.shape[0]),
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
    if not share.gather(weights).any():
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


def may_be_cut(X_val: Any, X: Any) -> str | None:
    """Say in a sentence why validation rows may be a part of what was passed, or None."""
    if X_val.shape[0] != X.shape[0]:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(CUTTERS):
            return (
                "X_val has as many rows as X, and scikit-learn's searches and "
                "cross-validations cut every argument with as many rows as X into folds: "
                "what arrived may be a part of what was passed. Pass an X_val with another "
                "number of rows."
            )
        frame = frame.f_back
    return None
