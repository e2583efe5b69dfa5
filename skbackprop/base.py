"""What classifier and regressor share: the way from a call of `fit` to trained weights.

Whatever changes an estimator works on a shallow copy and replaces the attributes at
the very end, so that a failure leaves an estimator that was fitted before as it was.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import copy, deepcopy
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from . import parameters as rules
from .door import check_sample_weight, split_rows
from .engines import NumpyEngine
from .network import Network
from .objective import Objective
from .state import Data, Plan, State
from .stopping import Patience
from .training import minimize_lbfgs, train

__all__ = ["BaseBackprop", "Request", "has_partial_fit"]

AUTO_BATCH_SIZE = 200


class WritableViews(list):
    """Views of the fitted parameters; an assigned item is copied into its view."""

    def __setitem__(self, index, value):
        self[index][...] = value


def has_partial_fit(estimator):
    """Say that `partial_fit` exists, or raise the AttributeError that says why not."""
    if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs a stochastic solver: solver='lbfgs' works on all rows at "
            "once. Use solver='adam' or solver='sgd'."
        )
    return True


class Request(NamedTuple):
    """The arguments of one call of `fit` or `partial_fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    classes: Any = None
    incremental: bool = False


class BaseBackprop(BaseEstimator, ABC):
    """Training, continuation and the fitted attributes of both estimators."""

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
    def _strata(self, target):
        """Return labels to stratify a split by, or None, and the number of classes."""

    # -- fit and partial_fit -----------------------------------------------------------

    def _train_copy(self, request):
        """Train a copy and take its attributes over: all or nothing."""
        trained = copy(self)
        with _stream_restored_on_failure(getattr(self, "_state", None)):
            trained._train(request)
        self.__dict__ = trained.__dict__
        return self

    def _train(self, request):
        self._check_parameters()
        if request.incremental and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: a chunk is not a data "
                "set to split. Use early_stopping=False, or fit."
            )
        state, data = self._begin(request)
        if _is_lbfgs(self.solver):
            self._run_lbfgs(state, data)
        else:
            self._run_epochs(state, data, request.incremental)
        self._conclude(state)

    def _begin(self, request):
        """Return the state that training starts from or goes on with, and checked data."""
        state = None
        if hasattr(self, "_state") and (request.incremental or self.warm_start):
            state = State(**self._state).copy()
        X, y = self._validate(request, state)
        target = self._encode(y, request, fresh=state is None)
        data = Data(
            X, target.astype(X.dtype), check_sample_weight(request.sample_weight, X)
        )
        _check_target(data.target, self._make_loss())
        return self._prepare_state(data, state), data

    def _check_parameters(self):
        parameters, owner = self.get_params(deep=False), type(self).__name__
        rules.check_parameters(parameters, owner)
        rules.make_activation(self.activation, owner)
        rules.make_schedule(parameters, owner)
        rules.make_optimizer(parameters, owner)

    def _validate(self, request, state):
        """Return X and y as arrays; a training that goes on keeps its precision."""
        return validate_data(
            self,
            request.X,
            request.y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=is_regressor(self),
            dtype=(np.float64, np.float32) if state is None else state.vector.dtype,
            reset=state is None,
        )

    # -- the state that training starts from or goes on with ---------------------------

    def _prepare_state(self, data, state):
        owner = type(self).__name__
        hidden = rules.hidden_sizes(self.hidden_layer_sizes, owner)
        sizes = [data.X.shape[1], *hidden, data.target.shape[1]]
        if state is None:
            return self._new_state(sizes, data.X.dtype)
        if sizes != state.layer_sizes:
            raise ValueError(
                f"This {owner} was trained with layers of {state.layer_sizes} units and "
                f"cannot go on with {sizes}. Set hidden_layer_sizes and y back to what "
                "they were, or fit anew with warm_start=False."
            )
        self.loss_curve_ = list(self.loss_curve_)
        self.validation_scores_ = copy(self.validation_scores_)
        return state

    def _new_state(self, sizes, dtype):
        owner = type(self).__name__
        network = rules.make_network(sizes, self.activation, owner)
        state = State(
            vector=np.empty(network.n_parameters, dtype),
            rng=check_random_state(self.random_state),
            layer_sizes=sizes,
        )
        initializer = rules.make_initializer(self.get_params(deep=False), owner)
        network.fill(state.vector, initializer, state.rng)
        self.loss_curve_ = []
        self.validation_scores_ = None
        return state

    def _arrange_rows(self, state, data):
        """Decide which rows train and which validate; keep it while nothing changed."""
        n_rows = data.X.shape[0]
        splits = state.validation_rows is not None
        if state.n_rows == n_rows and splits == self.early_stopping:
            return
        if splits != self.early_stopping:  # a score and a loss cannot be compared
            state.best, state.n_stale, state.best_vector = -np.inf, 0, None
            self.validation_scores_ = [] if self.early_stopping else None
        state.n_rows, state.validation_rows = n_rows, None
        state.order = np.arange(n_rows)
        if self.early_stopping:
            state.order, state.validation_rows = split_rows(
                n_rows, *self._strata(data.target), self.validation_fraction, state.rng
            )
            state.best_vector = state.vector.copy()

    # -- the two ways to train ---------------------------------------------------------

    def _run_epochs(self, state, data, incremental):
        """Train epoch by epoch until patience or max_iter ends it; partial_fit: once."""
        self._arrange_rows(state, data)
        plan = self._plan(state, incremental)
        state.refresh_memory(plan.optimizer)
        patience = Patience(
            tol=self.tol, patience=self.n_iter_no_change, keep_best=self.early_stopping
        )
        n_epochs = 1 if incremental else self.max_iter
        validate = self._validation(plan, state, data)
        for report in islice(train(plan, state, data, NumpyEngine()), n_epochs):
            merit = self._record(report, validate(state.vector) if validate else None)
            patience.watch(merit, state)
            if patience.is_over(plan, state):
                self._say(
                    f"No improvement for more than {patience.patience} epochs: stopped."
                )
                break
        else:
            if not incremental:
                _warn_not_converged(f"max_iter={self.max_iter} epochs were run")

    def _run_lbfgs(self, state, data):
        """Train on all rows at once; an iteration counts as an epoch."""
        state.order = state.validation_rows = state.best_vector = None
        state.n_rows = 0
        self.validation_scores_ = None
        options = {"maxiter": self.max_iter, "maxfun": self.max_fun, "gtol": self.tol}
        result = minimize_lbfgs(
            self._plan(state, incremental=False),
            state,
            data,
            NumpyEngine(),
            options=options,
            callback=self._record,
        )
        self.loss_ = float(result.fun)
        state.best = -self.loss_
        if not result.success:
            _warn_not_converged(f"L-BFGS stopped with the message {result.message!r}")

    def _plan(self, state, incremental):
        parameters, owner = self.get_params(deep=False), type(self).__name__
        return Plan(
            objective=self._objective(state.layer_sizes),
            optimizer=rules.make_optimizer(parameters, owner),
            schedule=rules.make_schedule(parameters, owner),
            batch_size=self._batch_size(state, incremental),
            shuffle=self.shuffle,
        )

    def _objective(self, layer_sizes):
        return Objective(
            network=rules.make_network(layer_sizes, self.activation, type(self).__name__),
            loss=self._make_loss(),
            alpha=self.alpha,
            convention=rules.make_convention(self.error_convention),
        )

    def _batch_size(self, state, incremental):
        if isinstance(self.batch_size, str) or state.order is None:
            return AUTO_BATCH_SIZE
        n_train = len(state.order)
        if self.batch_size > n_train and not incremental:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the {n_train} training "
                f"rows: every batch has {n_train} rows.",
                UserWarning,
                stacklevel=7,
            )
        return self.batch_size

    def _validation(self, plan, state, data):
        """Return a function of the parameters that scores the validation rows, or None."""
        if state.validation_rows is None:
            return None
        X, target, weight = (
            None if array is None else array[state.validation_rows] for array in data
        )
        objective = plan.objective

        def score(vector):
            output = objective.output(vector, X)
            if not np.isfinite(output).all():
                return np.nan
            return self._score_output(output, target, weight)

        return score

    # -- what is kept and what is said -------------------------------------------------

    def _record(self, report, score=None):
        """Append to the curves, print if asked to; return what patience watches."""
        self.loss_curve_.append(report.loss)
        self.loss_ = report.loss
        speaks = report.epoch == 1 or report.epoch % max(1, int(self.verbose)) == 0
        if speaks:
            self._say(f"Iteration {report.epoch}, loss = {report.loss:.8f}")
        if score is None:
            return -report.loss
        self.validation_scores_.append(score)
        if speaks:
            self._say(f"Validation score: {score:f}")
        return score

    def _say(self, sentence):
        if self.verbose:
            print(sentence)

    def _conclude(self, state):
        """Set the fitted attributes; refuse parameters that are not finite."""
        if not np.isfinite(state.vector).all():
            raise ValueError(
                f"Training diverged: after epoch {state.epoch} the weights are not finite. "
                "Try a smaller learning rate, or scale the inputs (for example with "
                "StandardScaler)."
            )
        watches_score = state.validation_rows is not None
        self.best_loss_ = None if watches_score else -state.best
        self.best_validation_score_ = state.best if watches_score else None
        self.n_iter_ = state.epoch
        self.t_ = state.samples_seen
        self.n_layers_ = len(state.layer_sizes)
        self.n_outputs_ = state.layer_sizes[-1]
        self.out_activation_ = getattr(self._make_loss(), "output_activation", "custom")
        self._state = state.to_dict()

    # -- the fitted network ------------------------------------------------------------

    @property
    def coefs_(self):
        """Weights, layer by layer: views of shape (n_inputs, n_units)."""
        return self._views("weights", self._vector)

    @coefs_.setter
    def coefs_(self, arrays):
        self._copy_in("weights", arrays)

    @property
    def intercepts_(self):
        """Biases, layer by layer: views of shape (n_units,)."""
        return self._views("bias", self._vector)

    @intercepts_.setter
    def intercepts_(self, arrays):
        self._copy_in("bias", arrays)

    @property
    def _vector(self):
        """The parameters that predict: the best ones after early stopping."""
        if "_state" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet.")
        best = self._state["best_vector"]
        return self._state["vector"] if best is None else best

    def _views(self, part, vector):
        network = Network.of_sizes(self._state["layer_sizes"])
        layers = network.parameters(vector).layers
        return WritableViews(getattr(layer, part) for layer in layers)

    def _copy_in(self, part, arrays):
        """Copy arrays into the parameters, those that predict and those trained last."""
        for vector in (self._vector, self._state["vector"]):
            views = self._views(part, vector)
            shapes = [np.shape(array) for array in arrays]
            if shapes != [view.shape for view in views]:
                raise ValueError(
                    f"Expected {part} of the shapes {[view.shape for view in views]}, one "
                    f"array per layer. Got {shapes}."
                )
            for view, array in zip(views, arrays, strict=True):
                view[...] = array

    def _net_output(self, X):
        """Return the checked net input of the output layer and the objective."""
        objective, vector, X = self._open_rows(X)
        return objective, objective.net_output(vector, X)

    def _output(self, X):
        """Return the output of the network for checked rows, shape (n_rows, n_outputs)."""
        objective, z = self._net_output(X)
        return objective.link(z)

    # -- what is opened for those who look inside --------------------------------------

    def _open_rows(self, X):
        """Return the objective, the parameters that predict, and checked rows."""
        check_is_fitted(self)
        vector = self._vector
        X = validate_data(self, X, accept_sparse="csr", dtype=vector.dtype, reset=False)
        return self._objective(self._state["layer_sizes"]), vector, X

    def _open_step(self, X, y, sample_weight=None):
        """Return plan, state and data with which `partial_fit` would begin on these rows.

        All are copies: the estimator, fitted or not, and its random stream stay as they
        are. The plan has no optimizer where the solver is L-BFGS.
        """
        self._check_parameters()
        opened, is_fitted = copy(self), hasattr(self, "_state")
        opened.early_stopping = False  # one step on given rows sets none of them aside
        if not is_fitted:
            opened.random_state = deepcopy(check_random_state(self.random_state))
        request = Request(X, y, sample_weight, incremental=is_fitted)
        state, data = opened._begin(request)
        state.rng = deepcopy(state.rng)
        opened._arrange_rows(state, data)
        plan = opened._plan(state, incremental=True)
        if plan.optimizer is not None:
            state.refresh_memory(plan.optimizer)
        return plan, state, data

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@contextmanager
def _stream_restored_on_failure(state):
    """Set the random stream of a state back when what follows fails."""
    before = None if state is None else state["rng"].get_state()
    try:
        yield
    except BaseException:
        if before is not None:
            state["rng"].set_state(before)
        raise


def _is_lbfgs(solver):
    return isinstance(solver, str) and solver == "lbfgs"


def _check_target(target, loss):
    if not np.isfinite(target).all():
        raise ValueError(
            f"y contains values too large for {target.dtype}, the precision of X. Scale y, "
            "or pass X as float64."
        )
    if hasattr(loss, "check_target"):
        loss.check_target(target)


def _warn_not_converged(what):
    warnings.warn(
        f"Training has not converged yet: {what}. Increase max_iter (or max_fun), scale "
        "the inputs, or try another learning rate.",
        ConvergenceWarning,
        stacklevel=6,
    )
