"""Input validation: what comes in is checked here, once, and turned into arrays."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

from ..losses import ALLOWED_BY_ALL
from ..network.objective import Batch, Objective
from ..rule import INFINITY, Interval
from ..training.process_group import SINGLE, ProcessGroup, Rows
from ..training.state import State, all_finite
from .hyperparameters import in_words
from .missing_targets import check_columns, check_y

__all__ = [
    "are_clean",
    "check_call",
    "check_classes",
    "check_label_type",
    "check_rows",
    "check_rows_and_y",
    "check_sample_weight",
    "check_target",
    "divide_by_mean",
    "expand_class_weight",
    "may_be_weights",
    "without_extension",
]

SMALL = 2**16  # elements, whose checks take longer than their sums
NOT_NEGATIVE = Interval(Real, 0, INFINITY, "[)")


def check_rows(estimator, X, dtype):
    """Return X as rows for a network that was trained, in its precision.

    Without a precision the training begins, and what is learnt of the columns is kept.
    """
    begins = dtype is None
    if not begins and _is_clean(X, vars(estimator), dtype):
        return X
    dtype = (np.float64, np.float32) if begins else dtype
    return validate_data(estimator, X, accept_sparse="csr", dtype=dtype, reset=begins)


def check_call(estimator, call, state, group: ProcessGroup) -> Rows:
    """Return the rows of a call of `fit`; of a training that goes on in its precision."""
    dtype = None if state is None else state.vector.dtype
    X, y = check_rows_and_y(estimator, call.X, call.y, dtype, group)
    if estimator.missing_targets != "error" and not call.is_chunk and group.size == 1:
        check_columns(y)
    n_epochs = 0 if state is None else state.epoch
    facts = partial(_facts, estimator, call, X, y, n_epochs)
    return Rows(X, y, group, group.shard(X.shape[0], facts))


def _facts(estimator, call, X, y, n_epochs):
    """Return what must be the same in all processes that train together."""
    parameters = estimator.get_params(deep=False)
    apart = {"verbose", "engine"}  # one of them may speak for all
    optional = ("sample_weight", "X_val", "y_val", "sample_weight_val")
    is_none = {name: getattr(call, name) is None for name in optional}
    classes = call.classes
    return {
        **{n: in_words(v) for n, v in parameters.items() if n not in apart},
        **{name: "None" if none else "an array" for name, none in is_none.items()},
        "classes": None if classes is None else np.asarray(classes).tolist(),
        "the epochs before": n_epochs,
        "the dtype of X": X.dtype.name,
        "the number of features": X.shape[1],
        "the names of the features": list(getattr(estimator, "feature_names_in_", ())),
        "the kind of y": y.dtype.kind if y.shape[0] else None,
        "the columns of y": y.shape[1:],
    }


def check_rows_and_y(estimator, X, y, dtype, group: ProcessGroup):
    """Return X and y as arrays; a precision is that of a training that goes on."""
    if group.size > 1 and getattr(X, "shape", ())[:1] == (0,):
        return _check_no_rows(estimator, X, y, dtype)
    if dtype is not None and are_clean(X, y, vars(estimator), dtype):
        return X, y
    if estimator.missing_targets != "error" and y is not None:
        X = check_rows(estimator, X, dtype)
        return X, check_y(without_extension(y), X, isinstance(estimator, RegressorMixin))
    return validate_data(
        estimator,
        X,
        without_extension(y),
        accept_sparse="csr",
        multi_output=True,
        y_numeric=isinstance(estimator, RegressorMixin),
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


def are_clean(X, y, attributes, dtype):
    """Say whether rows and y are small, and what scikit-learn's checks let pass."""
    return _is_clean(X, attributes, dtype) and _is_clean_y(y, len(X))


def _is_clean(X, attributes, dtype):
    """Say in a few microseconds that X is one of the arrays no check could object to.

    All others take the long way, which is there for its conversions and messages.
    """
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and len(X) > 0
        and X.shape[1] == attributes["n_features_in_"]
        and "feature_names_in_" not in attributes
        and X.size <= SMALL  # np.isfinite makes an array of its size
        and all_finite(X)
    )


def _is_clean_y(y, n_rows):
    return (
        type(y) is np.ndarray
        and y.shape == (n_rows,)
        and (y.dtype.kind in "iubU" or (y.dtype.kind == "f" and all_finite(y)))
    )


def check_target(target: NDArray, objective: Objective) -> None:
    """Raise ValueError for targets that the precision or the loss cannot take."""
    loss = objective.loss
    if objective.ignores_missing:
        target = np.where(np.isnan(target), ALLOWED_BY_ALL, target)
    lowest, highest = (target.min(), target.max()) if target.size else (0, 0)
    if np.isnan(lowest):  # which NaN is, without an array as large as the target
        raise ValueError(
            "y has missing values (None or NaN). Leave these rows out, or fill them in."
        )
    if not np.isfinite([lowest, highest]).all():
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
    unweighted = [label for label in classes if label not in class_weight]
    if unknown and unweighted:  # a class that these rows lack is none of y's
        raise ValueError(
            f"class_weight has weights for {unknown}, which are not among the classes "
            f"{classes}, and none for {unweighted}. Give every class a weight, or check "
            "the types of the labels."
        )
    for label, weight in class_weight.items():
        if weight not in NOT_NEGATIVE:
            raise ValueError(
                f"class_weight of class {label!r} must be {NOT_NEGATIVE}. Got {weight!r} "
                "instead."
            )
    per_class = np.array([class_weight.get(label, 1.0) for label in classes], dtype=float)
    return per_class[indices]


def divide_by_mean(data: Batch, rows: Rows, state: State | None) -> Batch:
    """Divide class weights by their mean over all rows, so that only their ratios matter.

    The state, if there is one, knows the chunks before: the mean is that of all of them.
    """
    gather = rows.group.gather
    sample_weight = gather(data.sample_weight)
    mean = np.average(gather(data.class_weight), weights=sample_weight)
    if state is not None:
        weight = float(rows.shard.n_all if sample_weight is None else sample_weight.sum())
        state.weight_of_chunks += weight
        step = weight / state.weight_of_chunks * (mean - state.mean_class_weight)
        mean = state.mean_class_weight = state.mean_class_weight + float(step)
    return data._replace(class_weight=(data.class_weight / mean).astype(data.target.dtype))


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


def check_sample_weight(sample_weight, X, group: ProcessGroup = SINGLE) -> NDArray:
    """Return the sample weights in the precision of X, shape (n_rows,)."""
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
    if not group.gather(weights).any():
        raise ValueError(
            "sample_weight is zero for every sample, so there is nothing to learn from. "
            "Give at least one sample a positive weight."
        )
    return weights
