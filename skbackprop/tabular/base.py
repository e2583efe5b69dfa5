"""What both tabular estimators share: from a call of `fit` to trained members.

`fit` works on a copy and replaces the attributes at the very end, so that a failure
leaves an estimator that was fitted before as it was.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from math import log2, sqrt
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._version import __version__
from ..engines import ENGINES, fastest
from ..estimator import hyperparameters as rules
from ..estimator.callbacks import CallbackSupportMixin, with_callbacks
from ..estimator.fitted_model import first_step
from ..estimator.fitted_network import NOT_STORED, RuleEstimator, warn_of_other_version
from ..estimator.input_validation import check_sample_weight
from ..optimizers import AdamW
from .columns import read_table
from .members import (
    Clock,
    Fold,
    Rows,
    Training,
    fit_member,
    given_folds,
    make_folds,
    one_blas_thread,
)
from .progress import progress_of
from .table_encoder import TableEncoder

__all__ = ["BaseTabular", "TableData", "mean_of_held_out"]

ACTIVATIONS = ("relu", "silu")  # in turn: members that differ err less together
SMALLEST_BATCH, LARGEST_BATCH = 32, 256
STEPS_PER_EPOCH = 16  # that the batch size aims at
USUAL_FITS = 3  # in a process: tables are cross-validated and searched on
ONE_BATCH = 64  # rows; fewer train in one batch and in double precision
OWN_PARAMETERS = {
    "n_members": rules.COUNT,
    "n_bins": rules.COUNT,
    "max_time": rules.Either((rules.POSITIVE, rules.NONE)),
    "verbose": rules.ALLOWED["verbose"],
}


class TableData(NamedTuple):
    """The arguments of one call of `fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None


class BaseTabular(CallbackSupportMixin, RuleEstimator, ABC):
    """Encoding, folds and members, from checked arguments to fitted attributes."""

    # -- what the concrete estimators add ----------------------------------------------

    _member_class: type
    _method: str  # of a member, that gives its output

    @abstractmethod
    def _check_y(self, y):
        """Return y as an array, checked."""

    @abstractmethod
    def _learn(self, y, sample_weight):
        """Learn what y holds: its classes, or its mean and scale."""

    @abstractmethod
    def _target(self, y):
        """Return what members are trained to."""

    @abstractmethod
    def _weight(self, y, sample_weight):
        """Return how much the loss of each row counts, or None."""

    @abstractmethod
    def _member_parameters(self, y, sample_weight):
        """Return the parameters of members that depend on y."""

    @abstractmethod
    def _strata(self, y):
        """Return labels that are spread evenly over the folds, or None."""

    @abstractmethod
    def _shown(self, y, fold):
        """Return a fold that also shows the rows its member has to know of."""

    @abstractmethod
    def _conclude(self, y, sample_weight, weight, folds, outputs):
        """Set what the outputs of members for the rows of their folds tell."""

    @abstractmethod
    def _conclude_validation(self, validation, outputs):
        """Set what the outputs of members for the same validation rows tell."""

    # -- fit ---------------------------------------------------------------------------

    def _fit_copy(self, given):
        """Train a copy and take its attributes over: all or nothing."""
        fitted = object.__new__(type(self))
        fitted.__dict__ = {n: v for n, v in vars(self).items() if not n.endswith("_")}
        fitted._fit(given)
        self.__dict__ = fitted.__dict__
        return self

    @with_callbacks
    def _fit(self, given):
        self._check_parameters()
        before = {*vars(self), "_callback_fit_ctx", "_skl_callbacks_to_teardown"}
        table, y, sample_weight = self._check_rows(given, reset=True)
        self._learn(y, sample_weight)
        dtype = "float32" if table.n_rows >= ONE_BATCH else "float64"
        self.encoder_ = TableEncoder(
            self.categorical_features, n_bins=self.n_bins, dtype=dtype
        ).fit(table, None, sample_weight)
        rows = self._encode(table, y, sample_weight)
        weight = self._weight(y, sample_weight)
        validation = self._validation(given)
        rng = check_random_state(self.random_state)
        folds = self._folds(y, weight, validation, given.groups, rng)
        progress = progress_of(self, given, len(folds))
        outputs = self._train_members(rows, validation, folds, rng, progress)
        self.oof_prediction_ = self.oof_score_ = self._errors = None
        if validation is None:
            self._conclude(y, sample_weight, weight, folds, outputs)
        else:
            self._conclude_validation(validation, outputs)
        progress.end(lambda: {n: v for n, v in vars(self).items() if n not in before})

    def _check_parameters(self):
        owner = type(self).__name__
        for name, allowed in OWN_PARAMETERS.items():
            value = getattr(self, name)
            rules.require(value in allowed, name, owner, allowed, value)
        if isinstance(self.cv, (Real, str)):
            raise ValueError(
                f"The 'cv' parameter of {owner} must be a splitter, a list of splits or "
                f"None. Got {self.cv!r} instead; the number of folds is n_members."
            )
        member = self._make_member(0, seed=self.random_state, batch_size=self.batch_size)
        rules.resolve_hyperparameters(member, owner)

    def _check_rows(self, given, *, reset):
        """Return the table, y and the sample weights, or None."""
        table = read_table(self, given.X, reset=reset)
        if given.y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the "
                "target y is None."
            )
        y = self._check_y(given.y)
        check_consistent_length(range(table.n_rows), y)
        if given.sample_weight is None:
            return table, y, None
        rows = np.empty((table.n_rows, 0))  # that are to be weighted
        return table, y, check_sample_weight(given.sample_weight, rows)

    def _encode(self, table, y, sample_weight):
        """Return the rows as members see them."""
        X, weight = self.encoder_.transform(table), sample_weight
        weight = None if weight is None else weight.astype(X.dtype)
        return Rows(X, self._target(y), weight)

    def _validation(self, given):
        """Return the validation rows that were passed to `fit`, or None."""
        own = TableData(given.X_val, given.y_val, given.sample_weight_val)
        if all(argument is None for argument in own):
            return None
        if own.X is None or own.y is None:
            raise ValueError(
                "X_val and y_val belong together, and sample_weight_val to them: pass both "
                "or neither."
            )
        if self.cv is not None or given.groups is not None:
            raise ValueError(
                "X_val replaces the folds, so cv and groups have nothing to split. "
                "Pass X_val, or cv with its groups."
            )
        return self._encode(*self._check_rows(own, reset=False))

    def _folds(self, y, weight, validation, groups, rng):
        """Return the fold of each member, without rows of weight 0."""
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        if validation is not None:
            folds = [Fold(rows, rows[:0])] * self.n_members
        elif self.cv is not None:
            folds = given_folds(self.cv, y, groups, weight)
        elif groups is not None:
            raise ValueError(
                "groups are for a splitter that keeps them together, and cv is None. Pass "
                "one, such as cv=GroupKFold(8)."
            )
        else:
            folds = make_folds(self.n_members, rows, self._strata(y), rng)
        return [self._shown(y, fold) for fold in folds]

    # -- members -----------------------------------------------------------------------

    def _train_members(self, rows, validation, folds, rng, progress):
        """Train the members; return their outputs for the rows held out from each."""
        batch_size = self._batch_size(min(len(fold.train) for fold in folds), len(rows.X))
        seeds = rng.randint(2**31 - 1, size=len(folds))
        own = self._member_parameters(rows.y, rows.weight)
        members = [
            clone(self._make_member(i, seed=int(seed), batch_size=batch_size, **own))
            for i, seed in enumerate(seeds)  # a clone passes an interrupt on
        ]
        self._choose_engine(members, rows)
        n_at_once = min(effective_n_jobs(self.n_jobs), len(folds))
        clock = Clock(self.max_time, len(folds), n_at_once)
        training = Training(rows, validation, clock, self._method, self.verbose)
        calls = [
            delayed(fit_member)(training, i, member, fold, progress.task(i))
            for i, (member, fold) in enumerate(zip(members, folds, strict=True))
        ]
        try:
            with one_blas_thread(), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # patience is enough
                trained = Parallel(n_jobs=self.n_jobs, prefer="threads")(calls)
        except BaseException:
            clock.cancelled = True  # threads go on otherwise
            raise
        self.members_, outputs = map(list, zip(*trained, strict=True))
        self.n_iter_ = np.array([member.n_iter_ for member in self.members_])
        return outputs

    def _choose_engine(self, members, rows):
        """Let members be compiled where that pays for all of some fits together."""
        if isinstance(self.engine, str) and self.engine == "auto":
            plan, _, data = first_step(members[0], rows.X, rows.y, None, "fit")
            n_trainings = USUAL_FITS * len(members)
            plan = replace(plan, max_epochs=self.max_iter, n_trainings=n_trainings)
            name = fastest(plan, data)
            if ENGINES[name]().why_not(plan, data) is None:
                for member in members:
                    member.engine = name

    def _batch_size(self, n_train, n_rows):
        """Return the rows of a batch: a power of two that makes about 16 steps an epoch."""
        if self.batch_size != "auto":
            return self.batch_size
        wanted = 2 ** round(log2(n_rows / STEPS_PER_EPOCH))
        wanted = min(max(wanted, SMALLEST_BATCH), LARGEST_BATCH)
        return "auto" if n_rows < ONE_BATCH or n_train < wanted else wanted

    def _make_member(self, i, *, seed, batch_size, **own):
        activation = self.activation
        if isinstance(activation, str) and activation == "auto":
            activation = ACTIVATIONS[i % len(ACTIVATIONS)]
        is_number = isinstance(batch_size, Integral)
        scale = sqrt((batch_size if is_number else SMALLEST_BATCH) / LARGEST_BATCH)
        return self._member_class(
            self.hidden_layer_sizes,
            activation,
            solver=AdamW(beta_2=0.99, weight_decay=self.weight_decay),
            alpha=0.0,
            learning_rate="cosine",
            learning_rate_init=self.learning_rate_init * scale,
            batch_size=batch_size,
            max_iter=self.max_iter,
            early_stopping=True,
            n_iter_no_change=self.n_iter_no_change,
            tol=0.0,
            scoring=self.scoring,
            initializer="he_normal",
            error_convention=self.error_convention,
            engine=self.engine,
            verbose=self.verbose if self.verbose > 1 else False,
            random_state=seed,
            **own,
        )

    # -- prediction --------------------------------------------------------------------

    def _outputs(self, X):
        """Return the outputs of the members, shape (n_members, n_rows, n_outputs)."""
        check_is_fitted(self)
        table = read_table(self, X, reset=False)
        parts = [
            [getattr(member, self._method)(part) for member in self.members_]
            for _, part in self.encoder_.batches(table)
        ]
        outputs = np.concatenate(parts, axis=1).astype(np.float64, copy=False)
        return outputs.reshape(len(self.members_), table.n_rows, -1)

    def _held_out_errors(self):
        """Return the errors of the members in their own folds, which need folds."""
        if self._errors is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted with X_val, so no rows of X were "
                "held out, and it is unknown how far off it is. Fit it without X_val."
            )
        return self._errors

    # -- storage -----------------------------------------------------------------------

    def __getstate__(self):
        """Return what is stored: all that is not of a running `fit`, and the version."""
        stored = {n: v for n, v in super().__getstate__().items() if n not in NOT_STORED}
        return stored | {"_version": __version__}

    def __setstate__(self, state):
        """Take over what was stored; warn if another version of this library did it."""
        warn_of_other_version(state.pop("_version", "unknown"), type(self).__name__)
        super().__setstate__(state)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def mean_of_held_out(n_rows, folds, outputs):
    """Return the mean output for each row over the members it was held out from.

    NaN for rows that were in every training.
    """
    total, n = np.zeros((n_rows, outputs[0].shape[1])), np.zeros((n_rows, 1))
    for fold, output in zip(folds, outputs, strict=True):
        total[fold.held_out] += output
        n[fold.held_out] += 1
    return np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)
