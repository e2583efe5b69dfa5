"""Validation rows: which rows train, which are looked at after every epoch."""

from __future__ import annotations

from math import ceil
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from ..losses import outputs_per_target
from ..network.objective import Batch
from ..training.process_group import Rows
from ..training.trainer import Validation
from .hyperparameters import refuse_what_a_minimizer_ignores
from .input_validation import check_rows_and_y, divide_by_mean

__all__ = ["arrange_rows", "order_rows"]

ROWS = 4096  # of targets and weights that are looked at
ELEMENTS = 2**14  # of X
PIECE = 512  # rows looked at together


def arrange_rows(estimator, call, start):
    """Decide which rows train, and which are looked at; return the latter, or None."""
    hyper, state = start.hyper, start.state
    given, validation = (call.X_val, call.y_val, call.sample_weight_val), None
    if any(argument is not None for argument in given):
        validation = _given_validation(estimator, call, start)
    if call.is_chunk:
        state.data_mark = None  # measured on a chunk
    else:
        before = state.data_mark, state.validation_mark
        state.data_mark, state.validation_mark = fingerprint(*start.data), None
        if validation is not None:
            state.validation_mark = fingerprint(validation.X, *validation.data[1:])
        if state.epoch > 0:
            _forget_other_data(estimator, start, before)
    if not hyper.is_stochastic:
        refuse_what_a_minimizer_ignores(estimator, hyper, start.objective, validation)
        state.order, state.validation_rows, state.n_rows = None, None, 0
        state.average = None
        return validation
    splits = hyper.early_stopping and validation is None
    order_rows(estimator, start, splits)
    if not splits:
        return validation
    rows, data = start.rows.shard.held(state.validation_rows), start.data
    set_aside = Batch(*(a if a is None else a[rows] for a in data))
    return _validation(estimator, start, start.rows.y[rows], set_aside)


def fingerprint(X: Any, target: NDArray, *weights: NDArray | None) -> int:
    """Return a number that other data have not, but for a chance of one in four billion.

    It depends on shapes and precision, on the targets and weights of 4096 rows or more,
    and on rows of X with some 16,000 elements together, all spread evenly. A change of a
    few other rows goes unnoticed.
    """
    n_rows, n_features = X.shape
    mark = crc32(repr((X.shape, X.dtype, issparse(X), target.shape)).encode())
    few = X[:: max(1, n_rows * n_features // ELEMENTS)]
    parts = [few.data, few.indices, few.indptr] if issparse(few) else [few]
    many = slice(None, None, max(1, len(target) // ROWS))
    parts += [array[many] for array in (target, *weights) if array is not None]
    for part in parts:
        for start in range(0, len(part), PIECE):  # copies would be large together
            mark = crc32(np.ascontiguousarray(part[start : start + PIECE]).data, mark)
    return mark


def _forget_other_data(estimator, start, before):
    """Forget what was measured on rows with other marks than now, in any process."""
    state = start.state
    now = state.data_mark, state.validation_mark
    differ = np.array([one != other for one, other in zip(now, before, strict=True)])
    differ = start.rows.group.gather(differ[np.newaxis]).any(axis=0)
    if differ.any():
        state.begin_anew()
        estimator.best_validation_score_ = None
    if differ[0] and state.validation_rows is not None:
        state.n_rows = 0  # so that rows are set aside anew, too


def order_rows(estimator, start, splits):
    """Set the order of the training rows; keep it while nothing changed."""
    state, n_rows = start.state, start.rows.shard.n_all
    if state.n_rows == n_rows and splits == (state.validation_rows is not None):
        if state.order is None:
            state.restore_order()
        return
    state.begin_order(n_rows)
    if splits:
        strata = estimator._strata(start.rows, start.data.target)
        weight = start.rows.group.gather(start.data.loss_weight)
        counted = np.arange(n_rows) if weight is None else np.flatnonzero(weight)
        fraction = start.hyper.validation_fraction
        rng = None if start.hyper.validation_rows == "last" else state.rng
        train, state.validation_rows = split_rows(counted, strata, fraction, rng)
        if len(counted) < n_rows:  # rows without weight train, to no effect
            train = np.concatenate([train, np.setdiff1d(np.arange(n_rows), counted)])
        state.order = train


def _given_validation(estimator, call, start):
    """Return the validation set that was passed to `fit`."""
    if call.X_val is None or call.y_val is None:
        raise ValueError(
            "X_val and y_val belong together, and sample_weight_val to them: pass both "
            "or neither."
        )
    dtype, group = start.data.X.dtype, start.rows.group
    X, y = check_rows_and_y(estimator, call.X_val, call.y_val, dtype, group)
    rows = Rows(X, y, group, group.shard(X.shape[0]))
    try:
        target, _ = estimator._encode(rows, start.hyper.losses, fresh=False)
    except ValueError as error:
        raise ValueError(f"y_val does not match y. {error}") from error
    n_outputs, expected = target.shape[1], start.data.target.shape[1]
    if n_outputs != expected:
        each = outputs_per_target(start.objective.loss)
        raise ValueError(
            f"y_val has {n_outputs // each} outputs, but y has {expected // each}. "
            "Pass y_val in the form of y."
        )
    data = estimator._as_data(
        start.hyper, start.objective, rows, target, call.sample_weight_val
    )
    if data.class_weight is not None:
        data = divide_by_mean(data, rows, None)
    return _validation(estimator, start, rows.y, data)


def _validation(estimator, start, y, data):
    """Return the validation set: what is computed on here, and what all look at."""
    scoring, group = start.hyper.scoring, start.rows.group
    X, gather = None, group.gather
    if scoring not in (None, "loss"):
        X, y = gather(data.X), estimator._scored(gather(y))
    of_all = Batch(X, *map(gather, data[1:]))

    def score(z, loss):
        if scoring is None:
            output = start.objective.link(z)
            return estimator._score_output(output, of_all.target, of_all.sample_weight)
        if X is None:
            return -loss
        return group.broadcast(_scored_by(estimator, scoring, start.state, y, of_all))

    return Validation(X=data.X, data=of_all, score=score, scoring=scoring, group=group)


def _scored_by(estimator, scoring, state, y, data):
    """Return what a scorer says of the estimator, as if training stopped now."""
    trained = estimator._twin()
    trained._state = {**state.to_dict(), "best_vector": None}
    vars(trained).pop("feature_names_in_", None)  # the rows are an array by now
    scorer = check_scoring(trained, scoring=scoring)
    if data.sample_weight is not None:
        try:
            return float(scorer(trained, data.X, y, sample_weight=data.sample_weight))
        except TypeError as error:
            if "sample_weight" not in str(error):  # it takes no weights
                raise
    return float(scorer(trained, data.X, y))


def split_rows(
    rows: NDArray,
    labels: NDArray | None,
    fraction: float,
    rng: np.random.RandomState | None,
) -> tuple[NDArray, NDArray]:
    """Split the numbers of rows that count into training and validation rows.

    The validation part has `fraction` of them, at least one per class and at least two.
    Without `rng` it has the last ones. Else the split is stratified by `labels` of all rows
    (None: never) wherever every class has two members and both parts have room for all
    classes.
    """
    if fraction == 0:
        raise ValueError(
            "validation_fraction=0.0 sets no rows aside, and early_stopping=True needs "
            "some to watch. Use a fraction such as 0.1, or pass X_val and y_val to fit."
        )
    stratify = labels = None if labels is None else labels[rows]
    n_classes = 0 if labels is None else len(np.unique(labels))
    n_validation = max(ceil(fraction * len(rows)), n_classes, 2)
    n_train = len(rows) - n_validation
    if n_train < 1:
        raise ValueError(
            f"early_stopping=True sets {n_validation} rows aside for validation, which "
            f"leaves none to train on: got n_samples={len(rows)} rows with a positive "
            "weight. Use more data or early_stopping=False."
        )
    if rng is None:
        return rows[:n_train], rows[n_train:]
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() < 2 or min(n_train, n_validation) < len(counts):
            stratify = None
    return tuple(
        train_test_split(rows, test_size=n_validation, random_state=rng, stratify=stratify)
    )
