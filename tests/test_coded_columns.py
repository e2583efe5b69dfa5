"""Columns that are one column of data in a code: found, and trained on without a product.

The compiled engine looks for them in whatever X it gets; the reference engine knows
nothing of them and multiplies.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import KBinsDiscretizer

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.conventions import CONVENTIONS
from skbackprop.inspection.finite_differences import smooth_derivative
from skbackprop.optimizers import SGD
from skbackprop.preprocessing import PiecewiseLinearEncoder

pytest.importorskip("numba")
from skbackprop.engines.numba_engine.column_groups import (
    encode,
    find_groups,
)

pytestmark = pytest.mark.usefixtures("few_epochs")

N_ROWS, N_UNITS, BATCH_SIZE = 150, 64, 40  # the last batch of an epoch has 30 rows
# the sums of both engines have another order, and three epochs amplify their rounding
SAME = {
    np.float64: {"rtol": 1e-9, "atol": 1e-12},
    np.float32: {"rtol": 1e-3, "atol": 2e-5},
}
PRECISIONS = [
    pytest.param(np.float32, marks=pytest.mark.slow, id="float32"),  # to compile
    pytest.param(np.float64, id="float64"),
]
both_precisions = pytest.mark.parametrize("dtype", PRECISIONS)


def piecewise_linear(rng):
    """Two columns, each a linear part and a code of 12 bins, one beyond its edges."""
    encoder = PiecewiseLinearEncoder(n_bins=12).fit(rng.standard_normal((N_ROWS, 2)))
    return encoder.transform(2 * rng.standard_normal((N_ROWS, 2)))


def one_hot(rng):
    """One column of 9 categories, some rows of none, and a category that is nowhere."""
    categories = rng.randint(9, size=N_ROWS)
    code = np.eye(10)[categories]
    code[:5] = 0
    return code


def mixture(rng):
    """Codes of both kinds between columns of other numbers and constant ones."""
    bins = KBinsDiscretizer(11, encode="onehot-dense", strategy="uniform")
    blocks = [
        rng.standard_normal((N_ROWS, 3)),
        piecewise_linear(rng),
        np.zeros((N_ROWS, 2)),
        one_hot(rng) * rng.standard_normal((N_ROWS, 1)),
        np.ones((N_ROWS, 1)),
        bins.fit_transform(rng.standard_normal((N_ROWS, 1))),
        rng.randint(2, size=(N_ROWS, 2)),
        piecewise_linear(rng)[:, 1:],
    ]
    return np.concatenate(blocks, axis=1)


def staircase(rng):
    """Nothing but one code, whose last number before the zeros may be any."""
    place = rng.randint(-1, 15, size=(N_ROWS, 1))
    steps = np.arange(15)
    return (steps < place) + (steps == place) * rng.standard_normal((N_ROWS, 1))


DATA = [piecewise_linear, one_hot, mixture, staircase]
all_data = pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)


def fitted(engine, X, y, sample_weight=None, **parameters):
    settings = {"hidden_layer_sizes": (N_UNITS, 3), "activation": "tanh", "max_iter": 3}
    settings |= {"batch_size": BATCH_SIZE, "random_state": 0, "learning_rate_init": 0.01}
    cls = BackpropRegressor if y.dtype.kind == "f" else BackpropClassifier
    net = cls(**settings | parameters, engine=engine)
    return net.fit(X, y, sample_weight=sample_weight)


def vector(net):
    return np.concatenate([a.ravel() for a in [*net.coefs_, *net.intercepts_]])


# -- found -----------------------------------------------------------------------------


def decoded(place, number, groups, n_columns):
    """The columns of all groups, put together again from places and numbers."""
    X = np.zeros((len(place), n_columns), number.dtype)
    for j, (first, width) in enumerate(zip(groups.first, groups.width, strict=True)):
        block = X[:, first : first + width]
        if groups.is_cumulative[j]:
            block[np.arange(width) < place[:, [j]]] = 1
        block[np.arange(len(X)), place[:, j]] = number[:, j]
    return X


@all_data
@both_precisions
def test_places_and_numbers_say_all_that_a_group_holds(make, dtype, rng):
    X = np.ascontiguousarray(make(rng), dtype)
    groups = find_groups(X, 8)
    assert len(groups.first)
    X_of_groups = X.copy()
    X_of_groups[:, groups.dense] = 0
    assert_array_equal(decoded(*encode(X, groups), groups, X.shape[1]), X_of_groups)


def test_each_code_is_a_group_of_its_own_and_other_columns_are_in_none(rng):
    linear = rng.standard_normal((N_ROWS, 3))
    linear[:, 0] = 2  # which no one-hot code could follow
    X = np.concatenate([linear[:, :2], staircase(rng), one_hot(rng), linear[:, 2:]], axis=1)
    groups = find_groups(X, 8)
    assert_array_equal(groups.dense, [0, 1, 27])
    assert_array_equal(groups.first, [2, 17])
    assert_array_equal(groups.width, [15, 10])
    assert_array_equal(groups.is_cumulative, [1, 0])


@pytest.mark.parametrize("row", [0, 70, N_ROWS - 1])
def test_one_row_that_contradicts_a_code_ends_the_group_there(row, rng):
    X = staircase(rng)
    X[row] = 1.0 * (np.arange(15) < 10) + (np.arange(15) == 5)  # a 2 among the ones
    groups = find_groups(X, 5)
    assert_array_equal(groups.first, [0, 6])
    assert_array_equal(groups.width, [6, 9])


@pytest.mark.parametrize(
    "X",
    [
        np.random.RandomState(0).standard_normal((100, 30)),
        np.random.RandomState(0).randint(2, size=(100, 30)).astype(float),
        np.ones((100, 30)) * 0.5,
        np.eye(7),  # too narrow
    ],
    ids=["numbers", "bits", "constant", "narrow"],
)
def test_what_is_no_code_has_no_groups(X):
    groups = find_groups(X, 8)
    assert len(groups.first) == 0
    assert_array_equal(groups.dense, np.arange(X.shape[1]))


# -- trained on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"hidden_layer_sizes": (3 * N_UNITS + 7,), "activation": "relu", "solver": "sgd"},
        {"hidden_layer_sizes": (N_UNITS,), "dropout": 0.3, "clip_norm": 0.1},
        {"batch_size": N_ROWS, "alpha": 0.0, "solver": "adamw"},
    ],
    ids=["adam", "no second layer", "dropout", "one batch"],
)
@all_data
@both_precisions
def test_engines_agree_on_coded_columns(make, parameters, dtype, rng):
    X, weights = make(rng).astype(dtype), rng.choice([0.5, 0.0, 2.0], N_ROWS)
    y = rng.randint(3, size=N_ROWS)
    multiplied, coded = (
        fitted(engine, X, y, weights, **parameters) for engine in ("numpy", "numba")
    )
    assert_allclose(vector(coded), vector(multiplied), **SAME[dtype])
    assert_allclose(coded.loss_curve_, multiplied.loss_curve_, **SAME[dtype])
    once = fitted("numpy", X, y, weights, **parameters | {"max_iter": 1})
    assert np.abs(vector(coded) - vector(once)).max() > 1e-4


@all_data
def test_gradient_on_coded_columns_is_the_derivative_of_the_loss(make, rng):
    X, y = make(rng), rng.standard_normal(N_ROWS)
    start = fitted("numpy", X, y, learning_rate=1e-300, max_iter=1)
    step = {"solver": SGD(), "learning_rate": 1.0, "alpha": 0.0, "max_iter": 1}
    after = fitted("numba", X, y, batch_size=N_ROWS, **step)
    gradient = start.coefs_[0] - after.coefs_[0]

    def loss(weights):
        start.coefs_[0] = weights.reshape(gradient.shape)
        return 0.5 * np.mean((start.predict(X) - y) ** 2)

    weights = start.coefs_[0].ravel().copy()
    for i in rng.choice(len(weights), 40, replace=False):
        direction = np.arange(len(weights)) == i
        expected = smooth_derivative(loss, weights, direction)
        assert_allclose(gradient.flat[i], expected, rtol=1e-7, atol=1e-9)


def test_both_conventions_give_the_same_bits_on_coded_columns(rng):
    X, y = mixture(rng), rng.randint(3, size=N_ROWS)
    first, second = (
        vector(fitted("numba", X, y, error_convention=name)) for name in CONVENTIONS
    )
    assert_array_equal(first, second)


def test_training_on_coded_columns_goes_on_with_the_same_bits(rng):
    X, y = mixture(rng), rng.randint(3, size=N_ROWS)
    at_once = fitted("numba", X, y, max_iter=4)
    in_parts = fitted("numba", X, y, max_iter=2, warm_start=True).fit(X, y)
    assert_array_equal(vector(in_parts), vector(at_once))


def test_order_of_columns_in_memory_does_not_matter(rng):
    X, y = mixture(rng), rng.randint(3, size=N_ROWS)
    assert_array_equal(
        vector(fitted("numba", np.asfortranarray(X), y)), vector(fitted("numba", X, y))
    )
