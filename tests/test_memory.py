"""What `fit` allocates in double precision, against MLPClassifier, and `predict`."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier, BackpropRegressor

# rows, columns and classes, hidden layers
MANY_ROWS = (20_000, 30, 10), (100,)
MANY_CLASSES = (8_000, 10, 800), (100,)
MANY_WEIGHTS = (500, 784, 10), (512, 256)
SETTINGS = {"max_iter": 1, "tol": 0, "n_iter_no_change": 9, "random_state": 0}


def peak_of_fit(cls, problem, **parameters):
    """Return the largest number of bytes that a second `fit` holds beyond X and y."""
    (n_rows, n_columns, n_classes), hidden = problem
    estimator = cls(hidden, batch_size=128, **SETTINGS, **parameters)
    X = np.random.RandomState(0).standard_normal((n_rows, n_columns))
    y = np.arange(n_rows) % n_classes
    estimator.fit(X, y)  # imports, compiles, fills caches
    return peak_of(lambda: estimator.fit(X, y))


def peak_of(call):
    """Return the largest number of bytes that a call holds beyond what was there."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@cache
def peak_of_mlp(problem):
    return peak_of_fit(MLPClassifier, problem)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("problem", [MANY_ROWS, MANY_CLASSES, MANY_WEIGHTS])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_fit_takes_hardly_more_memory_than_that_of_mlp(engine, problem):
    if engine == "numba":
        pytest.importorskip("numba")
    peak = peak_of_fit(BackpropClassifier, problem, engine=engine)
    assert peak <= 1.1 * peak_of_mlp(problem)  # the goal of docs/performance.md


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hidden", [(1024, 1024), (50,) * 20])
def test_predict_takes_the_same_memory_for_any_number_of_rows(hidden):
    """Two layers of a chunk of rows, and the predictions."""
    X = np.random.RandomState(0).standard_normal((6000, 5))
    net = BackpropRegressor(hidden, **SETTINGS).fit(X[:50], X[:50, 0])
    net.predict(X[:50])  # fills caches
    few, many = (peak_of(lambda n=n: net.predict(X[:n])) for n in (3000, 6000))
    two_layers = 2 * 8 * max(256 * 1024, 2**16)  # bytes, in chunks of 256 rows or more
    assert many < two_layers + 2**18
    assert many - few <= 4 * 8 * 3000  # a few numbers for each row more
