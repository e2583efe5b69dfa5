"""The inner interface: how interop and inspection see an estimator from inside."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..network.network import Network
from ..network.objective import Batch, Objective
from ..training.process_group import SINGLE
from ..training.state import Plan, State
from ..training.trainer import History, conclusions
from .base import BaseBackprop, Call
from .hyperparameters import Hyperparameters, resolve_hyperparameters
from .input_validation import check_rows
from .labels import Labels
from .validation_rows import order_rows

__all__ = [
    "FittedModel",
    "adopt_labels",
    "adopt_training",
    "check_backprop",
    "first_step",
]


class FittedModel:
    """What is known of a fitted estimator; arrays are its own and not to be changed.

    Attributes
    ----------
    objective : Objective
        Network, loss, penalty and error convention.

    vector : ndarray of shape (n_parameters,)
        The parameters that predict.

    state : State
        What the training would go on from.

    labels : Labels or None
        How outputs become classes; None for a regressor.
    """

    def __init__(self, estimator: Any, function: str):
        check_backprop(estimator, function)
        check_is_fitted(estimator)
        self.estimator = estimator
        self.objective: Objective = estimator._objective()
        self.network: Network = self.objective.network
        self.vector: NDArray = estimator._vector
        self.state = State(**estimator._state)
        self.labels: Labels | None = getattr(estimator, "_labels", None)

    @property
    def hyperparameters(self) -> Hyperparameters:
        return resolve_hyperparameters(self.estimator)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        plan = self.hyperparameters.plan(self.objective, n_rows=1, is_chunk=True)
        return plan.learning_rate(self.state)

    @property
    def dtype(self):
        return self.vector.dtype

    def rows(self, X: Any) -> Any:
        """Return X as `predict` would take it."""
        return check_rows(self.estimator, X, self.dtype)


def check_backprop(estimator: Any, function: str) -> None:
    """Raise TypeError for what is not one of this library's estimators."""
    if not isinstance(estimator, BaseBackprop):
        remedy = (
            "Pass one of its networks, model.members_[0], and X as "
            "model.encoder_.transform(X) returns it."
            if hasattr(estimator, "members_")
            else "For a Pipeline pass its last step, pipeline[-1], and X as "
            "pipeline[:-1].transform(X) returns it."
        )
        raise TypeError(
            f"{function} needs a BackpropClassifier or a BackpropRegressor. Got "
            f"{type(estimator).__name__}. {remedy}"
        )


def first_step(
    estimator: Any, X: Any, y: Any, sample_weight: Any, function: str
) -> tuple[Plan, State, Batch]:
    """Return plan, state and data with which `partial_fit` would begin on these rows.

    All are copies: the estimator, fitted or not, and its random stream stay as they are.
    """
    check_backprop(estimator, function)
    opened, is_fitted = estimator._twin(), "_state" in vars(estimator)
    opened.early_stopping = False  # one step on given rows sets none of them aside
    hyper = resolve_hyperparameters(opened)
    if not is_fitted:
        opened.random_state = deepcopy(check_random_state(estimator.random_state))
    call = Call(X, y, sample_weight, is_chunk=is_fitted)
    start = opened._start(call, hyper, SINGLE)
    start.state.rng = deepcopy(start.state.rng)
    order_rows(opened, start, splits=False)
    return start.plan(is_chunk=True), start.state, start.data


def adopt_training(estimator: Any, state: State, history: History) -> None:
    """Let an estimator be one that was trained so far, and has this history."""
    vars(estimator).update(history.attributes(), **conclusions(state, history))


def adopt_labels(estimator: Any, labels: Labels) -> None:
    """Let a classifier have these labels."""
    estimator._hold(labels)
