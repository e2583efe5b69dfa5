"""Estimators on disk: the version they were stored by, and what has to be trusted."""

import copy
import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning

import skbackprop.estimator.fitted_network
from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
CLASSES = [BackpropClassifier, BackpropRegressor]
X, y = load_iris(return_X_y=True)


def trained(cls, **params):
    return cls((4,), max_iter=3, random_state=0, **params).fit(X, y)


def joblib_dumps(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return file.getvalue()


def joblib_loads(stored):
    return joblib.load(io.BytesIO(stored))


each_format = pytest.mark.parametrize(
    ("dumps", "loads"),
    [(pickle.dumps, pickle.loads), (joblib_dumps, joblib_loads)],
    ids=["pickle", "joblib"],
)


@each_format
@pytest.mark.parametrize("cls", CLASSES)
def test_another_version_of_the_library_warns_and_still_predicts(
    cls, dumps, loads, monkeypatch
):
    estimator = trained(cls)
    monkeypatch.setattr(skbackprop.estimator.fitted_network, "__version__", "0.0.1")
    stored = dumps(estimator)
    monkeypatch.undo()
    sentence = f"This {cls.__name__} was stored by version 0.0.1 .* by version 0.1.0"
    with pytest.warns(InconsistentVersionWarning, match=sentence):
        loaded = loads(stored)
    assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert vars(loaded).keys() == vars(estimator).keys()


@each_format
def test_the_same_version_says_nothing(dumps, loads):
    estimator = trained(BackpropClassifier)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loads(dumps(estimator))
        loads(dumps(BackpropClassifier()))  # not fitted


def test_a_copy_says_nothing_and_has_the_same_attributes():
    estimator = trained(BackpropRegressor)
    for copied in (copy.copy(estimator), copy.deepcopy(estimator)):
        assert vars(copied).keys() == vars(estimator).keys()


def test_what_was_stored_without_a_version_warns():
    """As by a format that goes around ``__getstate__``."""
    estimator = BackpropClassifier.__new__(BackpropClassifier)
    with pytest.warns(InconsistentVersionWarning, match="stored by version unknown"):
        estimator.__setstate__(vars(BackpropClassifier()).copy())


# -- how much is stored ----------------------------------------------------------------

# what is called, and with which parameters
STORED = {
    "fit": ({}, "fit"),
    "sgd": ({"solver": "sgd"}, "fit"),
    "lbfgs": ({"solver": "lbfgs"}, "fit"),
    "no shuffling": ({"shuffle": False}, "fit"),
    "early stopping": ({"early_stopping": True}, "fit"),
    "dropout": ({"dropout": 0.2}, "fit"),
    "partial_fit": ({}, "partial_fit"),
}


def stored_size(cls, name, n_rows):
    parameters, method = STORED[name]
    rng = np.random.RandomState(0)
    rows, target = rng.randn(n_rows, 4), np.arange(n_rows) % 2
    net = cls((5,), max_iter=3, random_state=0, batch_size=50, **parameters)
    classes = {"classes": [0, 1]} if (method, cls) == ("partial_fit", CLASSES[0]) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return len(pickle.dumps(getattr(net, method)(rows, target, **classes)))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("cls", CLASSES)
def test_stored_size_does_not_depend_on_the_number_of_rows(cls, name):
    few, many = (stored_size(cls, name, n_rows) for n_rows in (100, 5000))
    assert abs(many - few) < 20  # digits of a few counts


def test_curves_are_stored_as_arrays_and_read_as_lists():
    """100,000 numbers one by one take a second; a number of an array takes 8 bytes."""
    net = trained(BackpropRegressor)
    before = len(pickle.dumps(net))
    net.loss_curve_ = net.loss_curve_ + [np.float64(0.5)] * 100_000
    content = pickle.dumps(net)
    assert len(content) < before + 8 * 100_000 + 1000
    loaded = pickle.loads(content)
    assert type(loaded.loss_curve_) is list
    assert loaded.loss_curve_ == net.loss_curve_
    assert loaded.validation_scores_ is net.validation_scores_ is None
