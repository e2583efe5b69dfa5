"""Estimators made from weights, without fitting."""

import pickle
from itertools import pairwise
from math import exp, tanh

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from skbackprop import BackpropClassifier, BackpropRegressor


def random_weights(sizes, dtype=float):
    rng = np.random.RandomState(1)
    coefs = [
        rng.standard_normal((fan_in, fan_out)).astype(dtype)
        for fan_in, fan_out in pairwise(sizes)
    ]
    return coefs, [rng.standard_normal(n).astype(dtype) for n in sizes[1:]]


def test_regressor_predicts_what_its_weights_say():
    """2 * tanh(3 * x + 1) - 1."""
    regressor = BackpropRegressor.from_weights(
        [[[3.0]], [[2.0]]], [[1.0], [-1.0]], activation="tanh"
    )
    # a few roundings
    assert_allclose(regressor.predict([[0.2]]), [2 * tanh(1.6) - 1], rtol=1e-14)


def test_classifier_predicts_what_its_weights_say():
    classifier = BackpropClassifier.from_weights([[[2.0]]], [[-1.0]], classes=["a", "b"])
    x = [[0.2], [0.8]]
    second = [1 / (1 + exp(0.6)), 1 / (1 + exp(-0.6))]
    # a few roundings
    assert_allclose(classifier.predict_proba(x)[:, 1], second, rtol=1e-14)
    assert list(classifier.predict(x)) == ["a", "b"]


def test_multilabel_classifier_predicts_what_its_weights_say():
    classifier = BackpropClassifier.from_weights(
        [[[1.0, -1.0]]], [[0.0, 0.0]], classes=[0, 1], multilabel=True
    )
    assert np.array_equal(classifier.predict([[2.0], [-2.0]]), [[1, 0], [0, 1]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_weights_of_a_fitted_classifier_make_its_twin(kind, dtype, X, rng):
    y = {
        "binary": np.array(["no", "yes"])[np.arange(30) % 2],
        "multiclass": np.arange(30) % 3 + 5,
        "multilabel": rng.randint(0, 2, (30, 3)),
    }[kind]
    params = {"hidden_layer_sizes": (4,), "activation": "tanh"}
    fitted = BackpropClassifier(**params, random_state=0)
    fitted.partial_fit(X.astype(dtype), y, classes=np.unique(y))
    twin = BackpropClassifier.from_weights(
        fitted.coefs_,
        fitted.intercepts_,
        classes=fitted.classes_,
        multilabel=kind == "multilabel",
        **params,
    )
    X = X.astype(dtype)
    assert twin.predict_proba(X).dtype == dtype
    assert np.array_equal(twin.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(twin.predict(X), fitted.predict(X))
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(twin, name) == getattr(fitted, name)


def test_weights_of_a_fitted_regressor_make_its_twin(X):
    fitted = BackpropRegressor((4, 3), random_state=0).partial_fit(X, X[:, :2])
    twin = BackpropRegressor.from_weights(fitted.coefs_, fitted.intercepts_)
    assert twin.hidden_layer_sizes == (4, 3)
    assert np.array_equal(twin.predict(X), fitted.predict(X))


def test_loss_decides_the_number_of_outputs_for_two_classes():
    coefs, intercepts = random_weights([3, 2])
    classifier = BackpropClassifier.from_weights(
        coefs, intercepts, classes=[0, 1], loss="squared_error"
    )
    assert classifier.n_outputs_ == 2


def test_made_estimator_is_fitted_and_tells_of_no_training():
    regressor = BackpropRegressor.from_weights(*random_weights([3, 4, 1]))
    check_is_fitted(regressor)
    assert (regressor.n_iter_, regressor.t_, regressor.loss_curve_) == (0, 0, [])
    assert regressor.loss_ is None
    assert regressor.best_loss_ is None


def test_made_estimator_holds_copies():
    coefs, intercepts = random_weights([3, 4, 1])
    regressor = BackpropRegressor.from_weights(coefs, intercepts)
    coefs[0][:] = 0
    assert regressor.coefs_[0].any()


def test_clone_of_a_made_estimator_is_not_fitted(X):
    regressor = BackpropRegressor.from_weights(*random_weights([3, 4, 1]))
    with pytest.raises(NotFittedError):
        clone(regressor).predict(X)


def test_made_estimator_survives_a_pickle(X):
    regressor = BackpropRegressor.from_weights(*random_weights([3, 4, 1]))
    again = pickle.loads(pickle.dumps(regressor))
    assert np.array_equal(again.predict(X), regressor.predict(X))


def test_partial_fit_trains_the_made_weights_further(X):
    """One batch: the loss of the first epoch is that of the given weights."""
    y = X[:, 0]
    regressor = BackpropRegressor.from_weights(*random_weights([3, 4, 1]), alpha=0.0)
    before = regressor.predict(X)
    regressor.partial_fit(X, y)
    # sums in another order
    assert_allclose(regressor.loss_curve_, [np.mean((before - y) ** 2) / 2], rtol=1e-13)
    assert not np.array_equal(regressor.predict(X), before)


def test_classifier_trained_further_needs_no_classes(X):
    classifier = BackpropClassifier.from_weights(
        *random_weights([3, 1]), classes=["no", "yes"]
    )
    classifier.partial_fit(X, np.array(["no", "yes"])[np.arange(30) % 2])
    assert classifier.n_iter_ == 1


@pytest.mark.parametrize("warm_start", [True, False])
def test_fit_goes_on_from_the_made_weights_only_with_warm_start(warm_start, X):
    y = X[:, 0]
    regressor = BackpropRegressor.from_weights(
        *random_weights([3, 4, 1]),
        warm_start=warm_start,
        max_iter=1,
        alpha=0.0,
        random_state=0,
    )
    given = np.mean((regressor.predict(X) - y) ** 2) / 2
    with pytest.warns(ConvergenceWarning):
        regressor.fit(X, y)
    # sums in another order
    assert np.isclose(regressor.loss_, given, rtol=1e-13) == warm_start


@pytest.mark.parametrize(
    ("coefs", "intercepts", "classes", "match"),
    [
        ([], [], [0, 1], "one array of weights and one of biases"),
        ([np.ones((3, 1))], [], [0, 1], "one array of weights and one of biases"),
        ([np.ones((3, 1))], [np.ones(1)] * 2, [0, 1], "one array of weights and one of"),
        ([np.ones(3)], [np.ones(1)], [0, 1], "Expected 2D array"),
        ([np.full((3, 1), np.nan)], [np.ones(1)], [0, 1], "NaN"),
        ([np.ones((3, 1))], [np.ones(2)], [0, 1], r"bias of shape \(1,\)"),
        ([np.ones((3, 4)), np.ones((2, 1))], [np.ones(4), np.ones(1)], [0, 1], "layer 1"),
        ([np.ones((3, 2))], [np.ones(2)], [0, 1], "has 2 units, but 2 classes .* need 1"),
        ([np.ones((3, 1))], [np.ones(1)], [0, 1, 2], "has 1 units, but 3 classes"),
        ([np.ones((3, 1))], [np.ones(1)], ["yes", "no"], "sorted"),
        ([np.ones((3, 3))], [np.ones(3)], [0, 1, 1], "sorted"),
    ],
    ids=range(11),
)
def test_weights_that_do_not_fit_are_refused(coefs, intercepts, classes, match):
    with pytest.raises(ValueError, match=match):
        BackpropClassifier.from_weights(coefs, intercepts, classes=classes)


def test_hidden_layer_sizes_that_contradict_the_weights_are_refused():
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(5,\) .* \[4\]"):
        BackpropRegressor.from_weights(*random_weights([3, 4, 1]), hidden_layer_sizes=(5,))


def test_hidden_layer_sizes_that_agree_with_the_weights_stay_as_given():
    made = BackpropRegressor.from_weights(*random_weights([3, 4, 1]), hidden_layer_sizes=4)
    assert made.hidden_layer_sizes == 4


def test_invalid_parameter_is_refused():
    with pytest.raises(ValueError, match="The 'alpha' parameter"):
        BackpropRegressor.from_weights(*random_weights([3, 1]), alpha=-1)
