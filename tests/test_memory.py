"""What `fit` allocates in double precision, against MLPClassifier."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier

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
    tracemalloc.start()
    try:
        estimator.fit(X, y)
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
