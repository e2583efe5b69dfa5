"""learning_rate_range: beside gradient descent by hand, and what it leaves alone."""

import pickle
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor, learning_rate_range
from skbackprop.inspection.learning_rate import LearningRateRange

DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS / 16


def line(**params):
    """A linear model, trained by plain gradient descent on all rows at once."""
    plain = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "batch_size": 30}
    return BackpropRegressor((), random_state=0, **plain | params)


@pytest.mark.filterwarnings("ignore:The loss was still falling")
def test_losses_are_those_of_gradient_descent_by_hand(X, rng):
    y, weight = rng.standard_normal(30), rng.uniform(0.5, 2, 30)
    found = learning_rate_range(line(), X, y, weight, lowest=1e-4, highest=0.1, n_rates=40)
    start = line(max_iter=1, learning_rate=1e-300)  # as good as untrained
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start.fit(X, y)
    w, b, losses = start.coefs_[0][:, 0], start.intercepts_[0][0], []
    for rate in np.geomspace(1e-4, 0.1, 40):
        error = weight * (X @ w + b - y) / weight.sum()
        w, b = w - rate * X.T @ error, b - rate * error.sum()
        losses.append(np.average((X @ w + b - y) ** 2, weights=weight) / 2)
    assert_allclose(found.rates, np.geomspace(1e-4, 0.1, 40))
    assert_allclose(found.losses, losses, rtol=1e-10)  # 40 steps of rounding


def test_suggestion_is_below_the_rate_at_which_gradient_descent_diverges(X, rng):
    """On squared errors that is 2 / the largest eigenvalue of the Hessian."""
    y = X @ np.ones(X.shape[1]) + rng.standard_normal(30)
    found = learning_rate_range(line(), X, y)
    columns = np.column_stack([X, np.ones(30)])
    largest = 2 / np.linalg.eigvalsh(columns.T @ columns / 30).max()
    assert largest / 100 < found.suggestion < largest


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("kind", ["digits", "cancer", "diabetes"])
def test_suggestion_trains_better_than_the_default(kind, solver):
    cls, X, y = BackpropClassifier, DIGITS, DIGIT
    if kind == "cancer":
        X, y = load_breast_cancer(return_X_y=True)
    if kind == "diabetes":
        cls, (X, y) = BackpropRegressor, load_diabetes(return_X_y=True)
        y = (y - y.mean()) / y.std()
    X = StandardScaler().fit_transform(X)
    net = cls((20,), solver=solver, max_iter=10, random_state=0)
    found = learning_rate_range(net, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        default = clone(net).fit(X, y).loss_
        assert net.set_params(learning_rate=found.suggestion).fit(X, y).loss_ < default


# -- what it leaves alone --------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, np.random.RandomState(0)], ids=["int", "stream"])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_the_estimator_stays_as_it_is_and_twice_gives_the_same(is_fitted, seed, X, y):
    net = BackpropClassifier((4,), dropout=0.2, batch_size=7, random_state=seed)
    if is_fitted:
        net.partial_fit(X, y, classes=[0, 1])
    before = pickle.dumps(net)
    found = [learning_rate_range(net, X, y) for _ in range(2)]
    assert pickle.dumps(net) == before
    assert_array_equal(*(each.losses for each in found))


def test_it_starts_as_fit_would(X, y):
    """Anew; with a warm start from the weights that are there."""
    net = BackpropClassifier((4,), random_state=0)
    fresh = learning_rate_range(net, X, y)
    net.partial_fit(X, y, classes=[0, 1])
    assert_array_equal(learning_rate_range(net, X, y).losses, fresh.losses)
    warm = learning_rate_range(net.set_params(warm_start=True), X, y)
    assert warm.loss_before < fresh.loss_before


def test_data_may_be_sparse_and_rows_may_count_nothing(X, y):
    net = BackpropClassifier((4,), batch_size=100, shuffle=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fewer rows than batch_size
        expected = learning_rate_range(net, X, y).losses
        sparse = learning_rate_range(net, csr_matrix(X), y).losses
        more = np.vstack([X, X + 5])
        weight = np.repeat([1.0, 0.0], len(X))
        weighted = learning_rate_range(net, more, np.hstack([y, y]), weight).losses
    # sums in another order, amplified by 100 steps, the last of them very large
    assert_allclose(sparse[:60], expected[:60], rtol=1e-8)
    assert_allclose(weighted[:60], expected[:60], rtol=1e-8)


# -- what it says ----------------------------------------------------------------------


def test_it_ends_where_the_training_diverges(X):
    found = learning_rate_range(line(), X, X[:, 0], highest=1e200)
    assert len(found.losses) == len(found.rates) < 100
    assert np.isfinite(found.losses).all()


def test_it_says_that_no_rate_lowered_the_loss(X):
    with pytest.warns(ConvergenceWarning, match="No learning rate from 1e-06 to 10"):
        found = learning_rate_range(line(initializer="zeros"), X, np.zeros(30))
    assert found.suggestion is None
    with pytest.warns(ConvergenceWarning, match="No learning rate"):
        found = learning_rate_range(line(), 1e9 * X, X[:, 0], lowest=1e-3)
    assert found.suggestion is None


def test_it_says_that_the_highest_rate_was_too_low(X):
    with pytest.warns(ConvergenceWarning, match="larger highest"):
        learning_rate_range(line(), X, 100 * X[:, 0], lowest=1e-4, highest=1e-2)


@pytest.mark.parametrize(
    ("params", "limits", "error", "words"),
    [
        ({"solver": "lbfgs"}, {}, ValueError, "solver='lbfgs' finds the length"),
        ({"solver": "lm"}, {}, ValueError, "solver='lm' finds the length"),
        ({}, {"lowest": 0}, ValueError, r"lowest must be a float .*\(0.0, inf\). Got 0"),
        ({}, {"highest": "1"}, ValueError, "highest must be a float"),
        ({}, {"lowest": 2, "highest": 1}, ValueError, "lowest must be below highest"),
        ({}, {"n_rates": 9}, ValueError, r"n_rates must be an int .*\[10, inf\). Got 9"),
        ({"alpha": -1}, {}, ValueError, "'alpha' parameter"),
    ],
)
def test_what_cannot_work_is_refused(params, limits, error, words, X):
    with pytest.raises(error, match=words):
        learning_rate_range(line(**params), X, X[:, 0], **limits)


def test_other_estimators_are_refused(X):
    with pytest.raises(TypeError, match="Got LinearRegression"):
        learning_rate_range(LinearRegression(), X, X[:, 0])


# -- the picture -----------------------------------------------------------------------


@pytest.fixture
def headless():
    """Draw without a window, and leave no figure open."""
    backend = mpl.get_backend()
    mpl.use("Agg")
    yield
    plt.close("all")
    mpl.use(backend)


def test_the_picture_shows_curve_and_suggestion_and_cuts_what_explodes(headless):
    rates = np.geomspace(1e-3, 1, 20)
    losses = np.r_[np.linspace(1, 0.5, 15), [9, 99] * 2, 1e9]
    found = LearningRateRange(rates=rates, losses=losses, loss_before=1.0, name="net")
    ax = plt.figure().add_subplot()
    assert found.plot(ax=ax, lw=3) is found
    assert found.ax_ is ax
    assert found.figure_ is ax.figure
    curve, before, suggestion = found.lines_
    assert_array_equal(curve.get_data(), (rates, losses))
    assert curve.get_linewidth() == 3
    assert before.get_ydata()[0] == 1.0
    assert suggestion.get_xdata()[0] == found.suggestion
    assert ax.get_ylim()[1] < 2
    assert ax.get_xscale() == "log"
    assert f"suggestion={found.suggestion}" in repr(found)


def test_the_picture_of_a_search_without_success(headless):
    found = LearningRateRange(rates=[], losses=[], loss_before=0.0).plot()
    assert found.suggestion is None
    assert len(found.lines_) == 2
