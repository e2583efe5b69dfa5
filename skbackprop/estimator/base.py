"""What classifier and regressor share: the way from a call of `fit` to trained weights.

Whatever changes an estimator works on a shallow copy and replaces the attributes at
the very end, so that a failure leaves an estimator that was fitted before as it was.
"""

from __future__ import annotations

import sys
import warnings
from abc import ABC, abstractmethod
from copy import deepcopy
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, check_random_state

from ..initializers import GivenWeights
from ..training.diagnostics import a_part_of, diagnose
from ..training.early_stopping import Patience, reached
from ..training.loop import minimize_lbfgs, train
from ..training.process_group import ALONE, share_of
from ..training.rollback import Snapshot
from ..training.state import Data, Plan, State
from . import hyperparameters as rules
from .callbacks import CallbackSupportMixin, NoCallbacks, callbacks_of, with_callbacks
from .fitted_network import FittedNetwork
from .input_validation import (
    check_rows_and_y,
    check_sample_weight,
    check_target,
    may_be_cut,
    split_rows,
)

__all__ = ["BaseBackprop", "Request", "has_partial_fit", "warn"]

AUTO_BATCH_SIZE = 200
CURVES = (
    "loss_curve_",
    "learning_rate_curve_",
    "validation_scores_",
    "validation_loss_curve_",
)
CONCLUSIONS = ("best_loss_", "n_iter_", "t_", "_state")  # what `_conclude` sets
DIAGNOSED_ROWS = 300  # enough to see what is wrong, and cheap beside an epoch
REMEDY = "Increase max_iter, scale the inputs, or try another learning rate."
REMEDY_LBFGS = "Increase max_iter or max_fun, or scale the inputs and y."


class Request(NamedTuple):
    """The arguments of one call of `fit` or `partial_fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    classes: Any = None
    incremental: bool = False


class Validation(NamedTuple):
    """Rows that are looked at after every epoch and never trained on."""

    X: Any  # the rows held here
    y: Any  # of all rows, as a scorer wants it
    data: Data  # of all rows; X only where a scorer wants it


def has_partial_fit(estimator):
    """Say that `partial_fit` exists, or raise the AttributeError that says why not."""
    if _is_lbfgs(estimator.solver):
        raise AttributeError(
            "partial_fit needs a stochastic solver: solver='lbfgs' works on all rows at "
            "once. Use solver='adam' or solver='sgd'."
        )
    return True


class BaseBackprop(CallbackSupportMixin, FittedNetwork, ABC):
    """Training and continuation, from checked arguments to fitted attributes."""

    _share = ALONE  # during a training that of its engine

    # -- what the concrete estimators add ----------------------------------------------

    @abstractmethod
    def _encode(self, y, request, fresh):
        """Return the target, shape (n_rows, n_outputs); learn the classes where `fresh`."""

    @abstractmethod
    def _make_loss(self):
        """Return the loss for the target that was encoded last."""

    @abstractmethod
    def _score_output(self, output, target, sample_weight):
        """Return the score of an output, larger is better."""

    @abstractmethod
    def _is_poor(self, output, target):
        """Say whether an output is hardly better than the best constant."""

    @abstractmethod
    def _strata(self, target):
        """Return labels to stratify a split by, or None, and the number of classes."""

    def _scored(self, y):
        """Return y in the form of what `predict` returns, as a scorer compares them."""
        return y

    def _row_weights(self, target, sample_weight):
        """Return the weights of the rows, shape (n_rows,), or None."""
        return sample_weight

    # -- fit and partial_fit -----------------------------------------------------------

    def _train_copy(self, request):
        """Train a copy and take its attributes over: all or nothing."""
        trained = _twin(self)
        trained._share = share_of(self.engine)
        curves = [getattr(self, name, None) for name in CURVES]
        lengths = [0 if curve is None else len(curve) for curve in curves]
        stream = self._noted_stream(request)
        try:
            with trained._share:
                trained._check_parameters(request)
                goes_on = trained._run(request)
            del trained._share
            self._take_over(trained, curves if goes_on else ())
        except BaseException:
            if vars(self) is not vars(trained):  # an interrupt may come just after that
                for curve, length in zip(curves, lengths, strict=True):
                    if curve is not None:
                        del curve[length:]
                if stream is not None:
                    self._state["rng"].set_state(stream)
            raise
        return self

    @with_callbacks
    def _run(self, request):
        """Train; return whether that went on from an earlier training."""
        state, y, data = self._begin(request)
        goes_on = state.epoch > 0
        callbacks = NoCallbacks()
        if not request.incremental:
            callbacks = callbacks_of(self, request.X, request.y, request.sample_weight)
        self._train(request, state, y, data, callbacks)
        callbacks.end_fit(lambda: self._as_if_stopped(state))
        return goes_on

    def _noted_stream(self, request):
        """Return what a failure must set the random stream back to, or None."""
        if "_state" not in vars(self):
            return None
        has_masks = self._state["dropout_seed"] is not None or not np.any(self.dropout)
        if request.incremental and _is_one_row(request.X) and has_masks:
            return None  # there is nothing to draw, and noting a stream takes its time
        return self._state["rng"].get_state()

    def _take_over(self, trained, curves):
        """Become the copy; curves that go on grow in place, however long they are."""
        for name, old in zip(CURVES, curves, strict=False):
            new = getattr(trained, name)
            if old is not None and new is not None:
                old.extend(new)
                setattr(trained, name, old)
        self.__dict__ = trained.__dict__

    def _begin(self, request):
        """Return the state that training starts from or goes on with, y, and the data."""
        state = None
        if "_state" in vars(self) and (request.incremental or self.warm_start):
            state = State.resume(self._state)
        dtype = None if state is None else state.vector.dtype
        X, y = check_rows_and_y(self, request.X, request.y, dtype, not self._share.is_alone)
        self._share.agree(lambda: self._facts(request, X, y, state))
        target = self._encode(y, request, fresh=state is None)
        data = self._as_data(X, target, request.sample_weight)
        return self._prepare_state(data, state), y, data

    def _facts(self, request, X, y, state):
        """Return what must be the same in all processes that train together."""
        parameters = self.get_params(deep=False)
        apart = {"verbose", "engine"}  # one of them may speak for all
        optional = ("sample_weight", "X_val", "y_val", "sample_weight_val")
        is_none = {name: getattr(request, name) is None for name in optional}
        classes = request.classes
        return {
            **{n: rules.in_words(v) for n, v in parameters.items() if n not in apart},
            **{name: "None" if none else "an array" for name, none in is_none.items()},
            "classes": None if classes is None else np.asarray(classes).tolist(),
            "the epochs before": 0 if state is None else state.epoch,
            "the dtype of X": X.dtype.name,
            "the number of features": X.shape[1],
            "the names of the features": list(getattr(self, "feature_names_in_", ())),
            "the kind of y": y.dtype.kind if y.shape[0] else None,
            "the columns of y": y.shape[1:],
        }

    def _train(self, request, state, y, data, callbacks):
        given = self._enter_validation(request, data)
        if _is_lbfgs(self.solver):
            self._begin_curves(state, given is not None)
            self._run_lbfgs(state, data, given, callbacks)
        else:
            splits = self.early_stopping and given is None
            self._begin_curves(state, splits or given is not None)
            self._arrange_rows(state, data, splits)
            validation = self._rows_set_aside(state, y, data) if splits else given
            self._run_epochs(state, data, validation, request.incremental, callbacks)
        self._conclude(state)

    def _check_parameters(self, request):
        rules.check_parameters(self._parameters(), type(self).__name__)
        if request.incremental and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: a chunk is not a data "
                "set to split. Use early_stopping=False, or fit."
            )

    def _as_data(self, X, target, sample_weight):
        with np.errstate(over="ignore"):  # what overflows is reported as such
            target = target.astype(X.dtype)
        check_target(target, self._make_loss())
        return Data(
            X,
            target,
            self._row_weights(target, check_sample_weight(sample_weight, X, self._share)),
        )

    def _enter_validation(self, request, data):
        """Return the validation set that was passed to `fit`, or None."""
        given = request.X_val, request.y_val, request.sample_weight_val
        if all(argument is None for argument in given):
            return None
        if request.X_val is None or request.y_val is None:
            raise ValueError(
                "X_val and y_val belong together, and sample_weight_val to them: pass both "
                "or neither."
            )
        X, y = check_rows_and_y(
            self, request.X_val, request.y_val, data.X.dtype, not self._share.is_alone
        )
        suspicion = may_be_cut(X, data.X)
        if suspicion is not None:
            warn(suspicion, UserWarning)
        try:
            target = self._encode(y, Request(X, y, incremental=True), fresh=False)
        except ValueError as error:
            raise ValueError(f"y_val does not go with y. {error}") from error
        if target.shape[1] != data.target.shape[1]:
            raise ValueError(
                f"y_val has {target.shape[1]} outputs, but y has {data.target.shape[1]}. "
                "Pass y_val in the form of y."
            )
        return self._validation(y, self._as_data(X, target, request.sample_weight_val))

    def _rows_set_aside(self, state, y, data):
        rows = self._share.place(data.X.shape[0]).held(state.validation_rows)
        return self._validation(y[rows], Data(*(a if a is None else a[rows] for a in data)))

    def _validation(self, y, data):
        """Return the validation set: what is computed on here, and what all look at."""
        gather = self._share.gather
        X = gather(data.X) if self._has_scorer() else None
        return Validation(
            data.X,
            self._scored(gather(y)),
            Data(X, gather(data.target), gather(data.sample_weight)),
        )

    def _has_scorer(self):
        """Say whether `scoring` wants an estimator and rows, not outputs."""
        is_loss = isinstance(self.scoring, str) and self.scoring == "loss"
        return not (self.scoring is None or is_loss)

    # -- the state that training starts from or goes on with ---------------------------

    def _prepare_state(self, data, state):
        owner = type(self).__name__
        hidden = rules.hidden_sizes(self.hidden_layer_sizes, owner)
        sizes = [data.X.shape[1], *hidden, data.target.shape[1]]
        if state is None:
            initializer = rules.make_initializer(self._parameters(), owner)
            return self._new_state(sizes, data.X.dtype, initializer)
        if sizes != state.layer_sizes:
            raise ValueError(
                f"This {owner} was trained with layers of {state.layer_sizes} units and "
                f"cannot go on with {sizes}. Set hidden_layer_sizes and y back to what "
                "they were, or fit anew with warm_start=False."
            )
        return state

    def _new_state(self, sizes, dtype, initializer):
        network = self._network(sizes)
        rng = self._share.same_stream(check_random_state(self.random_state))
        state = State(
            vector=np.empty(network.n_parameters, dtype), rng=rng, layer_sizes=sizes
        )
        network.fill(state.vector, initializer, rng)
        self.best_validation_score_ = None
        self.n_layers_, self.n_outputs_ = len(sizes), sizes[-1]
        return state

    def _begin_curves(self, state, validates):
        """Begin curves for this call, and say what `best` will be measured in."""
        self.loss_curve_, self.learning_rate_curve_ = [], []
        self.validation_scores_, self.validation_loss_curve_ = (
            ([], []) if validates else (None, None)
        )
        if not validates:
            self.best_validation_score_ = None
        elif self.best_validation_score_ is None:
            self.best_validation_score_ = -np.inf
        state.watch(score=validates and self.early_stopping)

    def _arrange_rows(self, state, data, splits):
        """Decide which rows train, in which order; keep it while nothing changed."""
        n_rows = self._share.place(data.X.shape[0]).n_all
        if state.n_rows == n_rows and splits == (state.validation_rows is not None):
            return
        state.n_rows, state.order, state.validation_rows = n_rows, np.arange(n_rows), None
        if splits:
            state.order, state.validation_rows = split_rows(
                n_rows, *self._strata(data.target), self.validation_fraction, state.rng
            )

    # -- the two ways to train ---------------------------------------------------------

    def _run_epochs(self, state, data, validation, incremental, callbacks):
        """Train until patience, target or max_iter ends it; partial_fit: one epoch."""
        plan = self._plan(state, incremental)
        state.refresh(plan)
        engine, state.engine = self._engine(plan, state, data)
        self._share.ready()
        patience = self._patience(self.n_iter_no_change, state)
        reports = callbacks.wrap_epochs(train(plan, state, data, engine))
        if incremental:
            self._is_over(next(reports), plan, state, patience, validation, callbacks)
            return
        before = a_part_of(state.vector).copy()
        snapshot = Snapshot(state, shuffles=self.shuffle)
        try:
            for report in islice(reports, min(self.max_iter, sys.maxsize)):
                is_over = self._is_over(
                    report, plan, state, patience, validation, callbacks
                )
                is_over = self._share.same(is_over)
                snapshot.keep()
                if is_over:
                    break
            else:
                warn(f"Not converged after max_iter={self.max_iter} epochs. {REMEDY}")
            reports.close()  # gives the work arrays back
            self._warn_of_problems(plan.objective, state, before, data)
        except KeyboardInterrupt:
            self._go_back(snapshot, state)

    def _run_lbfgs(self, state, data, validation, callbacks):
        """Train on all rows at once; an iteration counts as an epoch."""
        self._refuse_what_lbfgs_ignores(validation)
        state.order, state.validation_rows, state.n_rows = None, None, 0
        plan = self._plan(state, incremental=False)
        before = a_part_of(state.vector).copy()
        engine, _ = self._engine(plan, state, data)
        self._share.ready()
        patience = self._patience(
            self.n_iter_no_change if state.watches_score else np.inf, state
        )
        snapshot = Snapshot(state, shuffles=False)

        def is_over(report):
            is_over = self._share.same(
                self._is_over(report, plan, state, patience, validation, callbacks)
            )
            snapshot.keep()
            return is_over

        options = {"maxiter": self.max_iter, "maxfun": self.max_fun, "gtol": self.tol}
        try:
            result = minimize_lbfgs(
                plan, state, data, engine, options=options, is_over=is_over
            )
            self._conclude_lbfgs(result, state)
            self._warn_of_problems(plan.objective, state, before, data)
        except KeyboardInterrupt:
            self._go_back(snapshot, state)

    def _conclude_lbfgs(self, result, state):
        self.loss_ = np.float64(result.fun)
        if not state.watches_score:
            state.best = max(state.best, -self.loss_)
        if not result.success:
            warn(f"L-BFGS stopped with the message {result.message!r}. {REMEDY_LBFGS}")

    def _go_back(self, snapshot, state):
        """Undo an epoch that was interrupted; without one before it, raise again."""
        n_epochs = snapshot.restore()
        if n_epochs == 0 or not self._share.is_alone:
            raise  # the KeyboardInterrupt that brought us here
        for name in CURVES:
            if getattr(self, name) is not None:
                del getattr(self, name)[n_epochs:]
        self.loss_ = self.loss_curve_[-1]
        warn(
            f"Training interrupted by user: it stopped with the parameters of epoch "
            f"{state.epoch}, the last complete one."
        )

    def _refuse_what_lbfgs_ignores(self, validation):
        for name, is_set in (
            ("dropout", np.any(np.asarray(self.dropout) > 0)),
            ("clip_norm", self.clip_norm is not None),
            ("scoring", self.scoring is not None and validation is None),
        ):
            if is_set:
                remedy = " or pass X_val and y_val" if name == "scoring" else ""
                raise ValueError(
                    f"solver='lbfgs' cannot use {name}={getattr(self, name)!r}: it "
                    f"works on one fixed objective of all rows. Use a stochastic "
                    f"solver{remedy}."
                )

    def _patience(self, n_epochs, state):
        return Patience(tol=self.tol, patience=n_epochs, keep_best=state.watches_score)

    def _plan(self, state, incremental):
        parameters, owner = self._parameters(), type(self).__name__
        optimizer = rules.make_optimizer(parameters, owner)
        return Plan(
            objective=self._objective(state.layer_sizes),
            optimizer=optimizer,
            schedule=rules.make_schedule(parameters, owner),
            batch_size=self._batch_size(state, optimizer, incremental),
            shuffle=self.shuffle,
            clip_norm=self.clip_norm,
            max_epochs=np.inf if incremental else self.max_iter,
        )

    def _engine(self, plan, state, data):
        return rules.make_engine(self.engine, plan, data, before=state.engine)

    def _batch_size(self, state, optimizer, incremental):
        if optimizer is None:
            return None  # L-BFGS knows no batches
        n_train = len(state.order)
        is_auto = isinstance(self.batch_size, str)
        if getattr(optimizer, "needs_all_rows", False):
            if not is_auto and self.batch_size < n_train:
                raise ValueError(
                    f"batch_size={self.batch_size} does not go with "
                    f"{type(optimizer).__name__}, which compares the gradients "
                    f"of all {n_train} training rows. Use batch_size='auto'."
                )
            return n_train
        if is_auto:
            return min(AUTO_BATCH_SIZE, n_train)
        if self.batch_size > n_train and not incremental:
            warn(
                f"batch_size={self.batch_size} is larger than the {n_train} training "
                f"rows: every batch has {n_train} rows.",
                UserWarning,
            )
        return min(self.batch_size, n_train)

    # -- what is kept and what is said -------------------------------------------------

    def _is_over(self, report, plan, state, patience, validation, callbacks):
        """Record an epoch; say whether training should stop after it."""
        patience.watch(self._record(report, plan.objective, state, validation), state)
        if callbacks.end_epoch(lambda: self._as_if_stopped(state)):
            self._say("A callback stopped the training.")
            return True
        if reached(self.target_loss, report.loss):
            self._say(f"Training loss reached target_loss={self.target_loss}: stopped.")
            return True
        if patience.is_over(plan, state):
            self._say(f"No improvement for more than {patience.patience} epochs: stopped.")
            return True
        return False

    def _record(self, report, objective, state, validation):
        """Append to the curves, print if asked to; return what patience watches."""
        self.loss_ = np.float64(report.loss)
        self.loss_curve_.append(self.loss_)
        self.learning_rate_curve_.append(report.learning_rate)
        speaks = report.epoch == 1 or report.epoch % max(1, int(self.verbose)) == 0
        if speaks:
            self._say(f"Iteration {report.epoch}, loss = {report.loss:.8f}")
        if validation is None:
            return -report.loss
        loss, score = self._validate(objective, state, validation)
        self.validation_loss_curve_.append(loss)
        self.validation_scores_.append(score)
        if speaks:
            self._say(f"Validation score: {score:f}")
        return score if state.watches_score else -report.loss

    def _validate(self, objective, state, validation):
        """Return loss and score of the validation rows."""
        data = validation.data
        z = self._share.gather(objective.net_output(state.vector, validation.X))
        loss = objective.loss_of(z, data)
        if not np.isfinite(z).all():
            return loss, np.nan
        if self.scoring is None:
            output = objective.link(z)
            return loss, self._score_output(output, data.target, data.sample_weight)
        if not self._has_scorer():
            return loss, -loss
        trained = _twin(self)  # as it would be if training stopped now
        trained._state = {**state.to_dict(), "best_vector": None}
        vars(trained).pop("feature_names_in_", None)  # the rows are an array by now
        weight = {} if data.sample_weight is None else {"sample_weight": data.sample_weight}
        scorer = check_scoring(trained, scoring=self.scoring)
        score = float(scorer(trained, data.X, validation.y, **weight))
        return loss, self._share.same(score)

    def _say(self, sentence):
        if self.verbose:
            print(sentence)

    def _warn_of_problems(self, objective, state, before, data):
        n_rows, gather = self._share.place(data.X.shape[0]).n_all, self._share.gather
        rows = slice(None, None, max(1, n_rows // DIAGNOSED_ROWS))
        X, target = gather(data.X[rows]), gather(data.target[rows])
        with np.errstate(all="ignore"):  # squares of very large numbers overflow
            if self._is_poor(objective.output(state.vector, X), target):
                for sentence in diagnose(objective, state.vector, before, X):
                    warn(sentence)

    def _conclude(self, state):
        """Set the attributes that tell of the whole training."""
        for array in (state.vector, *state.optimizer_memory.values()):
            if not np.isfinite(array).all():
                what = "weights" if array is state.vector else "moments of the gradient"
                raise ValueError(
                    f"Training diverged: after epoch {state.epoch} the {what} are not "
                    "finite. Try a smaller learning rate, scale the inputs (for example "
                    "with StandardScaler), or set clip_norm."
                )
        self.best_loss_ = None if state.watches_score else -state.best
        if self.validation_scores_:
            self.best_validation_score_ = max(
                self.best_validation_score_, *self.validation_scores_
            )
        self.n_iter_ = state.epoch
        self.t_ = state.samples_seen
        self._state = state.to_dict()

    def _as_if_stopped(self, state):
        """Return fitted attributes as if training stopped now, sharing nothing with it."""
        state, stopped = state.copy(), _twin(self)
        state.rng = deepcopy(state.rng)
        stopped._conclude(state)
        attributes = {name: getattr(stopped, name) for name in CONCLUSIONS}
        return attributes | {name: deepcopy(getattr(self, name)) for name in CURVES}

    # -- what is opened for those who look inside --------------------------------------

    def _open_step(self, X, y, sample_weight=None):
        """Return plan, state and data with which `partial_fit` would begin on these rows.

        All are copies: the estimator, fitted or not, and its random stream stay as they
        are. The plan has no optimizer where the solver is L-BFGS.
        """
        opened, is_fitted = _twin(self), "_state" in vars(self)
        opened.early_stopping = False  # one step on given rows sets none of them aside
        request = Request(X, y, sample_weight, incremental=is_fitted)
        opened._check_parameters(request)
        if not is_fitted:
            opened.random_state = deepcopy(check_random_state(self.random_state))
        state, _, data = opened._begin(request)
        state.rng = deepcopy(state.rng)
        opened._arrange_rows(state, data, splits=False)
        plan = opened._plan(state, incremental=True)
        if plan.optimizer is not None:
            state.refresh(plan)
        return plan, state, data

    # -- weights without training ------------------------------------------------------

    @classmethod
    def _of_weights(cls, coefs, intercepts, parameters):
        """Return an estimator that holds the weights, and the checked arrays."""
        coefs = [check_array(array, input_name="coefs") for array in coefs]
        intercepts = [
            check_array(array, input_name="intercepts", ensure_2d=False)
            for array in intercepts
        ]
        weights = GivenWeights(coefs, intercepts)
        weights.check()
        sizes = [len(coefs[0]), *(array.shape[1] for array in coefs)]
        estimator = cls(**{"hidden_layer_sizes": tuple(sizes[1:-1]), **parameters})
        estimator._check_parameters(Request(None, None))
        given = estimator.hidden_layer_sizes
        if rules.hidden_sizes(given, cls.__name__) != sizes[1:-1]:
            raise ValueError(
                f"hidden_layer_sizes={given!r} contradicts the weights, which have hidden "
                f"layers of {sizes[1:-1]} units. Leave it out."
            )
        return estimator, sizes, weights

    def _hold_weights(self, sizes, weights):
        """Make the state of a training that has not begun yet; `fit` begins a new one."""
        dtype = np.result_type(np.float32, *weights.coefs, *weights.intercepts)
        self.n_features_in_ = sizes[0]
        state = self._new_state(sizes, dtype, weights)
        self._begin_curves(state, validates=False)
        self._conclude(state)
        self.loss_ = self.best_loss_ = None
        return self


def _is_one_row(X):
    return getattr(X, "shape", ())[:1] == (1,)


def _twin(estimator):
    """Return a shallow copy, without the detour that ``copy.copy`` takes through pickle."""
    twin = object.__new__(type(estimator))
    twin.__dict__.update(estimator.__dict__)
    return twin


def _is_lbfgs(solver):
    return isinstance(solver, str) and solver == "lbfgs"


def warn(sentence, category=ConvergenceWarning):
    """Warn at the line that called this package."""
    # scikit-learn's decorator for callbacks stands in between
    inside = {__package__, __package__.partition(".")[0], "sklearn.callback"}
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__package__") in inside:
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, category, stacklevel=level)
