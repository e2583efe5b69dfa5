"""Subtracting updates or adding them: the same weights, bit for bit, from opposite signals.

`np.array_equal` is the claim; a zero may carry another sign.
"""

import numpy as np
import pytest
from problems import assert_same_weights
from rules import (
    CLASSIFIER_TASKS,
    HIDDEN_ACTIVATIONS,
    LOSSES,
    OPTIMIZER_OBJECTS,
    SCHEDULE_OBJECTS,
    labels,
    n_outputs_of,
    quantity,
    random_target,
)

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.conventions import CONVENTIONS
from skbackprop.losses import REGRESSOR_LOSSES, LogLoss, SquaredError
from skbackprop.optimizers import SGD, Adam
from skbackprop.schedules import SCHEDULES

pytestmark = pytest.mark.usefixtures("few_epochs")

N_ROWS = 40
SMALL = {
    "hidden_layer_sizes": (5, 4),
    "activation": "tanh",
    "learning_rate_init": 0.05,
    "max_iter": 5,
    "random_state": 0,
}


@pytest.fixture
def X(rng):
    return rng.standard_normal((N_ROWS, 3))


def assert_conventions_agree(cls, X, y, sample_weight=None, **params):
    """Weights, biases and loss curve are equal, and the weights moved."""
    first, second = (
        cls(error_convention=convention, **{**SMALL, **params}).fit(X, y, sample_weight)
        for convention in CONVENTIONS
    )
    assert first.loss_curve_ == second.loss_curve_
    assert first.loss_curve_[-1] != first.loss_curve_[0]
    assert all(np.isfinite(array).all() for array in first.coefs_ + first.intercepts_)
    assert_same_weights(first, second)


@pytest.mark.parametrize(("loss", "kind"), CLASSIFIER_TASKS)
def test_classifier_weights_do_not_depend_on_the_convention(loss, kind, X, rng):
    y = labels(kind, N_ROWS, rng)
    assert_conventions_agree(BackpropClassifier, X, y, loss=loss)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_regressor_weights_do_not_depend_on_the_convention(loss, X, rng):
    y = quantity(loss, N_ROWS, rng)
    assert_conventions_agree(BackpropRegressor, X, y, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_agree_for_every_loss_object(loss, X, rng):
    loss = LOSSES[loss]
    y = random_target(loss, N_ROWS, n_outputs_of(loss)[-1], rng)
    assert_conventions_agree(BackpropRegressor, X, y, loss=loss)


@pytest.mark.parametrize("solver", [*OPTIMIZER_OBJECTS, "lbfgs"])
def test_weights_agree_for_every_solver_in_both_precisions(solver, X, rng):
    y = labels("multiclass", N_ROWS, rng)
    solver = OPTIMIZER_OBJECTS.get(solver, solver)
    for dtype in np.float64, np.float32:
        assert_conventions_agree(BackpropClassifier, X.astype(dtype), y, solver=solver)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_weights_agree_for_every_schedule(schedule, X, rng):
    """`tol` lets every epoch count as stalled, so that those that react do."""
    y = labels("multiclass", N_ROWS, rng)
    assert_conventions_agree(
        BackpropClassifier, X, y, learning_rate=schedule, tol=1e3, n_iter_no_change=2
    )


@pytest.mark.parametrize("schedule", SCHEDULE_OBJECTS)
def test_weights_agree_for_every_schedule_object(schedule, X, rng):
    y = labels("multiclass", N_ROWS, rng)
    assert_conventions_agree(
        BackpropClassifier, X, y, learning_rate=SCHEDULE_OBJECTS[schedule]
    )


@pytest.mark.parametrize("activation", HIDDEN_ACTIVATIONS)
def test_weights_agree_for_every_activation(activation, X, rng):
    y = labels("multiclass", N_ROWS, rng)
    activation = HIDDEN_ACTIVATIONS[activation]
    assert_conventions_agree(BackpropClassifier, X, y, activation=activation)


@pytest.mark.parametrize("solver", ["sgd", "adamw", "lbfgs"])
def test_weights_agree_with_sample_weight_and_penalty(solver, X, rng):
    """Adamw's own decay is applied to the weights, beside the update."""
    y, sample_weight = labels("binary", N_ROWS, rng), rng.uniform(0, 2, N_ROWS)
    for weight, alpha in [(sample_weight, 0.0), (None, 1.0), (sample_weight, 1.0)]:
        assert_conventions_agree(
            BackpropClassifier, X, y, weight, solver=solver, alpha=alpha
        )


@pytest.mark.parametrize(
    "params",
    [
        {"batch_size": 7},
        {"dropout": 0.4},
        {"clip_norm": 0.1},
        {"alpha": 1.0, "l1_ratio": 0.5},
        {"class_weight": {0: 1, 1: 2, 2: 3}},
    ],
    ids=repr,
)
def test_weights_agree_with_all_that_changes_a_step(params, X, rng):
    y = labels("multiclass", N_ROWS, rng)
    assert_conventions_agree(BackpropClassifier, X, y, **params)


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_weights_agree_when_early_stopping_keeps_the_best(cls, X, rng):
    y = labels("binary", N_ROWS, rng)
    assert_conventions_agree(
        cls, X, y, early_stopping=True, validation_fraction=0.3, max_iter=20
    )


def test_weights_agree_over_partial_fit_calls(X, rng):
    y = labels("multiclass", N_ROWS, rng)
    first, second = (
        BackpropClassifier(error_convention=convention, **SMALL)
        for convention in CONVENTIONS
    )
    for rows in slice(0, 25), slice(25, 40), slice(10, 30):
        for estimator in first, second:
            estimator.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert_same_weights(first, second)


class SpyingLoss:
    """Another loss, and the array that its delta is passed in."""

    def __init__(self, loss):
        self.loss = loss
        self.delta = None

    def predict(self, z, out):
        self.loss.predict(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        self.delta = delta  # the convention turns it in place, after this call
        return self.loss.value_and_delta(target, z, delta, sample_weight)


class SpyingOptimizer:
    """Another optimizer, and all gradients and updates it saw, with the loss's delta."""

    def __init__(self, optimizer, loss):
        self.optimizer, self.loss = optimizer, loss
        self.gradients, self.updates, self.deltas = [], [], []

    def init(self, vector):
        return self.optimizer.init(vector)

    def update(self, gradient, memory, learning_rate, t):
        self.deltas.append(self.loss.delta.copy())
        self.gradients.append(gradient.copy())
        self.optimizer.update(gradient, memory, learning_rate, t)
        self.updates.append(gradient.copy())


def spied_fit(convention, loss, optimizer, X, y):
    """The optimizer after a fit in which it and the loss were watched."""
    spying_loss = SpyingLoss(loss)
    spy = SpyingOptimizer(optimizer, spying_loss)
    params = {**SMALL, "loss": spying_loss, "solver": spy, "batch_size": 16}
    BackpropClassifier(error_convention=convention, **params).fit(X, y)
    return spy


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9, nesterovs_momentum=True), Adam()])
@pytest.mark.parametrize("loss", [LogLoss(), SquaredError()])
def test_signals_have_opposite_signs_in_the_two_conventions(loss, optimizer, X, rng):
    y = labels("multiclass", N_ROWS, rng)
    forth, back = (
        spied_fit(convention, loss, optimizer, X, y)
        for convention in ("output_minus_target", "target_minus_output")
    )
    for seen in "deltas", "gradients", "updates":
        ones, opposites = getattr(forth, seen), getattr(back, seen)
        assert len(ones) == len(opposites) == 15  # 5 epochs of 16 + 16 + 8 rows
        assert all(map(np.any, ones))
        for one, opposite in zip(ones, opposites, strict=True):
            assert np.array_equal(one, -opposite)


def test_delta_is_the_error_the_way_the_convention_says(X, rng):
    """One batch of all rows, identity link: delta is (o - t) / n, or (t - o) / n."""
    y = rng.standard_normal(N_ROWS)
    params = {**SMALL, "shuffle": False, "max_iter": 1}
    start = BackpropRegressor(**params, learning_rate=1e-300)  # moves nothing
    output = start.fit(X, y).predict(X)
    errors = {"output_minus_target": output - y, "target_minus_output": y - output}
    for convention, error in errors.items():
        loss = SpyingLoss(SquaredError())
        BackpropRegressor(**params, loss=loss, error_convention=convention).fit(X, y)
        # the same sums, by products of other shapes
        np.testing.assert_allclose(loss.delta[:, 0], error / N_ROWS, rtol=1e-12)
