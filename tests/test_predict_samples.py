"""Dropout on when predicting: samples whose mean and spread can be worked out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.usefixtures("few_epochs")

SMALL = {"hidden_layer_sizes": (6,), "max_iter": 20, "learning_rate": 0.05}
SMALL |= {"random_state": 0, "dropout": 0.25}


def regressor(**params):
    return BackpropRegressor(**SMALL | params)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_mean_and_spread_are_those_of_independent_units(engine, X):
    """A unit counts 1 / (1 - p) times with probability 1 - p: variance p / (1 - p)."""
    reg = regressor(activation="tanh", engine=engine).fit(X, X[:, 0])
    samples = reg.predict_samples(X[:5], 4000, random_state=0)
    assert samples.shape == (4000, 5)
    activation = np.tanh(X[:5] @ reg.coefs_[0] + reg.intercepts_[0])
    variance = (activation**2) @ (reg.coefs_[1][:, 0] ** 2) * 0.25 / 0.75
    # six standard errors of a mean, and of a variance that is no wider than a normal one
    error = np.sqrt(variance / 4000)
    assert (np.abs(samples.mean(axis=0) - reg.predict(X[:5])) < 6 * error).all()
    assert_allclose(samples.var(axis=0), variance, rtol=6 * np.sqrt(2 / 4000))


def test_each_sample_is_the_network_without_some_units(X):
    reg = regressor(hidden_layer_sizes=(2,), dropout=0.5).fit(X, X[:, 0])
    (activation,) = np.maximum(X[:1] @ reg.coefs_[0] + reg.intercepts_[0], 0)
    found = reg.predict_samples(X[:1], 50, random_state=0)[:, 0]
    masks = np.array([[0, 0], [0, 2], [2, 0], [2, 2]])
    possible = (masks * activation) @ reg.coefs_[1][:, 0] + reg.intercepts_[1]
    off = np.abs(found[:, np.newaxis] - possible)
    assert off.min(axis=1).max() < 1e-12
    assert set(off.argmin(axis=1)) == {0, 1, 2, 3}


def test_rows_and_samples_do_not_depend_on_how_many_there_are(rng):
    """More rows than are looked at at once, and a share of the layers without dropout."""
    X = rng.standard_normal((700, 3))
    params = {"hidden_layer_sizes": (200, 4), "dropout": (0.5, 0.0), "max_iter": 1}
    reg = regressor(**params).fit(X, X)
    whole = reg.predict_samples(X, 4, random_state=3)
    assert whole.shape == (4, 700, 3)
    few = reg.predict_samples(X[:90], 2, random_state=3)
    # products of other shapes are rounded otherwise
    assert_allclose(few, whole[:2, :90], rtol=1e-9, atol=1e-12)
    assert_array_equal(reg.predict_samples(X, 4, random_state=3), whole)
    assert np.abs(reg.predict_samples(X, 4, random_state=4) - whole).max() > 0.1


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_samples_of_a_classifier_are_probabilities(kind, X):
    y = {
        "binary": X[:, 0] > 0,
        "multiclass": X.argmax(axis=1),
        "multilabel": (X[:, :2] > 0).astype(int),
    }[kind]
    clf = BackpropClassifier(**SMALL).fit(X.astype(np.float32), y)
    samples = clf.predict_samples(X, 300, random_state=0)
    proba = clf.predict_proba(X)
    assert samples.shape == (300, *proba.shape)
    assert samples.dtype == proba.dtype == np.float32
    assert ((samples > 0) & (samples <= 1)).all()
    if kind != "multilabel":
        assert_allclose(samples.sum(axis=2), 1, rtol=1e-6)
    assert np.abs(samples.mean(axis=0) - proba).max() < 0.2
    assert samples.std(axis=0).max() > 0.05


def test_training_and_other_predictions_are_left_as_they_are(X):
    one, other = (regressor(warm_start=True).fit(X, X[:, 0]) for _ in range(2))
    before = one.predict(X)
    one.predict_samples(X)
    assert_array_equal(one.predict(X), before)
    assert one.fit(X, X[:, 0]).loss_curve_ == other.fit(X, X[:, 0]).loss_curve_


def test_what_cannot_be_sampled_is_said(X):
    with pytest.raises(NotFittedError):
        regressor().predict_samples(X)
    reg = regressor(dropout=0.0).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"predict_samples needs dropout.* dropout=0.0"):
        reg.predict_samples(X)
    with pytest.raises(ValueError, match="'n_samples' parameter of predict_samples must"):
        reg.set_params(dropout=0.5).predict_samples(X, 0)
