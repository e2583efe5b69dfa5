"""Levenberg-Marquardt: exact derivatives of every error, and the minimum they lead to."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import assert_same_weights, parameters_of
from rules import HIDDEN_ACTIVATIONS, LINKS
from scipy.optimize import least_squares
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.preprocessing import scale

from skbackprop import BackpropClassifier, BackpropRegressor, to_sklearn
from skbackprop.initializers import GivenWeights
from skbackprop.losses import SquaredError
from skbackprop.training import levenberg_marquardt

pytestmark = pytest.mark.usefixtures("few_epochs")

LM = {"solver": "lm", "alpha": 0.0, "tol": 1e-12, "random_state": 0}


def regressor(*args, **params):
    return BackpropRegressor(*args, **LM | params)


@pytest.fixture
def Y(X, rng):
    """Two outputs; those of some links lie between 0 and 1."""
    return rng.uniform(0.1, 0.9, (len(X), 2))


# -- one step, by derivatives that are numerical ----------------------------------------


def with_parameters(reg, vector):
    """The regressor that starts from these weights, layer by layer, then biases."""
    sizes = [3, *np.atleast_1d(reg.hidden_layer_sizes), 2]
    shapes = [*pairwise(sizes), *((n,) for n in sizes[1:])]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = np.split(vector, ends[:-1])
    arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    n = len(sizes) - 1
    return GivenWeights(arrays[:n], arrays[n:])


def outputs_at(reg, vector, X):
    start = with_parameters(reg, vector)
    params = {"activation": reg.activation, "loss": reg.loss}
    return BackpropRegressor.from_weights(start.coefs, start.intercepts, **params).predict(
        X
    )


def one_step_by_hand(reg, vector, X, Y, weight, n_weights):
    """Damped equations with central differences; ten times the damping until it helps."""

    def errors(theta):
        return np.sqrt(weight)[:, np.newaxis] * (outputs_at(reg, theta, X) - Y)

    def objective(theta):
        penalty = reg.alpha / 2 * np.sum(theta[:n_weights] ** 2)
        return (np.sum(errors(theta) ** 2) / 2 + penalty) / weight.sum()

    h = 1e-6 * np.eye(len(vector))
    J = np.array([(errors(vector + d) - errors(vector - d)).ravel() / 2e-6 for d in h]).T
    penalised = np.arange(len(vector)) < n_weights
    A = (J.T @ J + reg.alpha * np.diag(penalised)) / weight.sum()
    g = (J.T @ errors(vector).ravel() + reg.alpha * penalised * vector) / weight.sum()
    for damping in 10.0 ** np.arange(-3, 10) * A.diagonal().max():
        moved = vector - np.linalg.solve(A + damping * np.eye(len(g)), g)
        if objective(moved) < objective(vector):
            return moved
    return vector


@pytest.mark.parametrize("activation", HIDDEN_ACTIVATIONS)
def test_step_is_that_of_numerical_derivatives_for_every_activation(activation, X, Y, rng):
    """Of two hidden layers, with a penalty and weights of the rows."""
    vector, weight = 0.5 * rng.standard_normal(12 + 12 + 6 + 4 + 3 + 2), rng.rand(30)
    reg = regressor((4, 3), HIDDEN_ACTIVATIONS[activation], max_iter=1, alpha=0.3)
    reg.set_params(initializer=with_parameters(reg, vector)).fit(X, Y, weight)
    expected = one_step_by_hand(reg, vector, X, Y, weight, n_weights=30)
    assert np.abs(parameters_of(reg) - vector).max() > 1e-3
    # differences are good to about 1e-9, a system of equations multiplies that
    assert_allclose(parameters_of(reg), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_step_is_that_of_numerical_derivatives_for_every_link(link, X, Y, rng):
    vector = 0.3 * rng.standard_normal(8)
    reg = regressor((), loss=SquaredError(link=LINKS[link]), max_iter=1)
    reg.set_params(initializer=with_parameters(reg, vector)).fit(X, Y)
    expected = one_step_by_hand(reg, vector, X, Y, np.ones(30), n_weights=6)
    assert_allclose(parameters_of(reg), expected, rtol=1e-4, atol=1e-5)


# -- the minimum -----------------------------------------------------------------------


def test_linear_network_is_ridge_regression(X, Y, rng):
    weight = rng.rand(30)
    reg = regressor((), alpha=0.7).fit(X, Y, weight)
    ridge = Ridge(alpha=0.7, tol=1e-12).fit(X, Y, weight)
    assert_allclose(reg.coefs_[0], ridge.coef_.T, rtol=1e-6)
    assert_allclose(reg.intercepts_[0], ridge.intercept_, rtol=1e-6)


def test_missing_targets_leave_the_ridge_regression_of_the_others(X, Y):
    Y[::3, 0], Y[1::6, 1] = np.nan, np.nan
    reg = regressor((), alpha=0.7, missing_targets="ignore").fit(X, Y)
    for k in range(2):
        measured = ~np.isnan(Y[:, k])
        ridge = Ridge(alpha=0.7, tol=1e-12).fit(X[measured], Y[measured, k])
        assert_allclose(reg.coefs_[0][:, k], ridge.coef_, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_minimum_is_one_of_least_squares(seed):
    """SciPy, started where we end, finds nothing better."""
    x = np.linspace(-2, 2, 40)[:, np.newaxis]
    y = np.sin(2 * x[:, 0]) + 0.3 * np.cos(11 * x[:, 0])
    reg = regressor((3,), "tanh", max_iter=2000, random_state=seed).fit(x, y)

    def errors(theta):
        hidden = np.tanh(x @ theta[:3][np.newaxis] + theta[6:9])
        return hidden @ theta[3:6] + theta[9] - y

    found = least_squares(errors, parameters_of(reg), method="lm", xtol=1e-12)
    assert reg.loss_ == pytest.approx(found.cost / 40, rel=1e-4)
    assert reg.loss_ == pytest.approx(np.mean(errors(parameters_of(reg)) ** 2) / 2)


def test_smooth_curve_is_met_a_hundred_times_closer_than_by_lbfgs():
    x = np.linspace(-2, 2, 200)[:, np.newaxis]
    y = np.sin(3 * x[:, 0]) * np.exp(-(x[:, 0] ** 2) / 4)
    lm, lbfgs = (
        regressor((10,), "tanh", solver=solver, max_iter=200).fit(x, y)
        for solver in ("lm", "lbfgs")
    )
    assert lm.loss_ < lbfgs.loss_ / 100


def test_class_probabilities_of_squared_errors(rng):
    """With class weights, which are weights of the rows."""
    X, y = load_iris(return_X_y=True)
    X, y = scale(X)[::5], y[::5]
    params = {**LM, "loss": "squared_error", "alpha": 0.1, "max_iter": 500}
    by_class = BackpropClassifier((3,), class_weight={0: 1, 1: 2, 2: 3}, **params)
    by_class.fit(X, y)
    by_row = BackpropClassifier((3,), **params).fit(X, y, (y + 1) / 2)
    # of the same mean weight, so the same objective
    assert by_class.loss_ == pytest.approx(by_row.loss_, rel=1e-6)
    assert by_class.score(X, y) > 0.9


def test_equations_without_a_solution_are_damped(X, monkeypatch):
    """Each column is there five times, and the first damping is lost in rounding."""
    monkeypatch.setattr(levenberg_marquardt, "FIRST_DAMPING", 1e-30)
    reg = regressor((), initializer="zeros").fit(np.hstack([X] * 5), X[:, 0])
    assert_allclose(reg.predict(np.hstack([X] * 5)), X[:, 0], atol=1e-6)


# -- training --------------------------------------------------------------------------


def test_objective_falls_in_every_iteration_and_is_reported(X, Y):
    reg = regressor((4,), max_iter=20, alpha=0.1).fit(X, Y)
    assert reg.n_iter_ == len(reg.loss_curve_) == reg.best_iter_ <= 20
    assert (np.diff(reg.loss_curve_) < 0).all()
    squares = np.sum((reg.predict(X) - Y) ** 2, axis=1).mean() / 2
    penalty = 0.1 / 2 * sum(np.sum(w**2) for w in reg.coefs_) / len(X)
    assert reg.loss_ == pytest.approx(squares + penalty)


def test_warm_start_goes_on_from_the_weights(X, Y):
    reg = regressor((4,), max_iter=3, warm_start=True).fit(X, Y)
    last = reg.loss_
    assert reg.fit(X, Y).loss_curve_[3] < last
    assert len(reg.loss_curve_) == 6


def test_early_stopping_keeps_the_best_of_the_rows_it_is_given(X, Y):
    reg = regressor((8,), "tanh", early_stopping=True, n_iter_no_change=5, tol=0.0)
    reg.fit(X[:20], Y[:20], X_val=X[20:], y_val=Y[20:])
    assert reg.best_iter_ == np.argmax(reg.validation_scores_) + 1 < reg.n_iter_
    assert reg.score(X[20:], Y[20:]) == max(reg.validation_scores_)


def test_sparse_rows_and_both_conventions_give_the_same(X, Y):
    reg = regressor((4,), max_iter=5).fit(X, Y)
    other = regressor((4,), max_iter=5, error_convention="target_minus_output")
    assert_same_weights(reg, other.fit(X, Y))
    of_sparse = regressor((4,), max_iter=5).fit(csr_array(X), Y)
    # sums in another order
    assert_allclose(parameters_of(of_sparse), parameters_of(reg), rtol=1e-7, atol=1e-9)


def test_single_precision_stays_single(X, Y):
    reg = regressor((4,), max_iter=50).fit(X.astype(np.float32), Y)
    assert reg.coefs_[0].dtype == np.float32
    assert reg.loss_ < reg.loss_curve_[0]


def test_what_is_met_exactly_ends_without_a_warning(X):
    with np.errstate(all="raise"):
        reg = regressor((), initializer="zeros").fit(X, X @ [1.0, 2.0, 3.0] + 4)
    assert_allclose(reg.coefs_[0][:, 0], [1, 2, 3], rtol=1e-6)
    assert reg.n_iter_ < 50
    zeros = regressor((), initializer="zeros").fit(X, np.zeros(30))
    assert zeros.n_iter_ == 0


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"loss": "huber"}, "it minimises squared errors. Use loss='squared_error'"),
        (
            {"hidden_layer_sizes": (800,)},
            "it has 4001 weights and biases.*4000 are allowed",
        ),
        ({"dropout": 0.1}, "cannot use dropout=0.1"),
        ({"clip_norm": 1.0}, "cannot use clip_norm=1.0"),
        ({"averaging": "ema"}, "cannot use averaging='ema'"),
        ({"engine": "numba"}, "solver='lm' takes no steps that the compiled engine"),
    ],
    ids=str,
)
def test_what_it_cannot_do_is_said(params, sentence, X):
    with pytest.raises(ValueError, match=sentence):
        BackpropRegressor(**{"solver": "lm", **params}).fit(X, X[:, 0])


def test_log_loss_of_a_classifier_is_refused(X, y):
    with pytest.raises(ValueError, match=r"solver='lm' cannot train.* squared errors"):
        BackpropClassifier(solver="lm").fit(X, y)


def test_there_is_no_partial_fit():
    with pytest.raises(AttributeError) as caught:
        _ = BackpropRegressor(solver="lm").partial_fit
    assert "solver='lm' works on all rows at once" in str(caught.value.__cause__)


def test_overflow_at_the_start_is_said(X):
    with pytest.raises(ValueError, match="cannot begin: the loss is inf"):
        regressor((2,)).fit(X, np.full(30, 1e200))
    with pytest.raises(ValueError, match="squares of its derivatives are too large"):
        regressor((), initializer="zeros").fit(1e200 * X, X[:, 0])


def test_mlp_cannot_train_with_it(X, Y):
    with pytest.warns(UserWarning, match="cannot train with solver='lm'"):
        mlp = to_sklearn(regressor((4,), max_iter=5).fit(X, Y))
    assert mlp.solver == "lbfgs"
