"""What `predict` says of rows that scikit-learn's MLP takes, or refuses: the same.

A few rows in the usual form go a short way, on which scikit-learn's own checks have nothing
to do. So every form of the same rows, and every fault, is held against the MLP that has the
same weights.
"""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skbackprop import BackpropClassifier, from_sklearn

IRIS, KIND = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
FRAME = partial(pd.DataFrame, columns=list("abcd"))


class Rows(np.ndarray):
    """An array of another class."""


def filled(value, X):
    X = X.copy()
    X.flat[1] = value
    return X


FORMS = {
    "as they are": lambda X: X,
    "NaN": partial(filled, np.nan),
    "infinite": partial(filled, -np.inf),
    "of a sum that overflows": lambda X: np.tile([1.7e308, 1.7e308, 0, 0], (len(X), 1)),
    "narrow": lambda X: X[:, :3],
    "wide": lambda X: np.hstack([X, X]),
    "no rows": lambda X: X[:0],
    "flat": np.ravel,
    "one number": lambda X: X[0, 0],
    "in three dimensions": lambda X: X[np.newaxis],
    "list": np.ndarray.tolist,
    "names": FRAME,
    "sparse": csr_array,
    "of another class": lambda X: X.view(Rows),
    "masked": lambda X: np.ma.masked_greater(X, 0),
    "float32": lambda X: X.astype(np.float32),
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "integers": lambda X: X.astype(int),
    "objects": lambda X: X.astype(object),
    "objects with NaN": lambda X: filled(np.nan, X).astype(object),
    "complex": lambda X: X.astype(complex),
    "by columns": np.asfortranarray,
    "every other": lambda X: np.repeat(X, 2, axis=0)[::2],
}


def outcome(predict, X):
    """What a call returns or raises, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = predict(X)
        except Exception as error:
            answer = type(error), in_one_name(error)
    return answer, [(w.category, in_one_name(w.message)) for w in caught]


def in_one_name(said):
    return str(said).replace("Backprop", "MLP")


def trained(make, X, dtype):
    net = make(hidden_layer_sizes=(5, 4), max_iter=30, random_state=0)
    X = X.astype(dtype) if isinstance(X, np.ndarray) else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return net.fit(X, KIND)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", [False, True], ids=["", "names"])
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_every_form_of_rows_is_taken_or_refused_as_by_mlp(make, names, form):
    mlp = trained(make, FRAME(IRIS) if names else IRIS, np.float64)
    X = FORMS[form](IRIS[::10])
    for method in {"predict", "predict_proba"} & set(dir(mlp)):
        expected, warned = outcome(getattr(mlp, method), X)
        got, said = outcome(getattr(from_sklearn(mlp), method), X)
        assert said == warned or form == "of a sum that overflows"  # in MLP's products
        if isinstance(expected, tuple):
            assert got == expected
        elif form != "of a sum that overflows":
            # another order of the same sums
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("finite", [False, True])
def test_nothing_is_asked_where_scikit_learn_is_told_that_all_is_finite(finite):
    mlp = trained(MLPRegressor, IRIS, np.float32)
    with sklearn.config_context(assume_finite=finite):
        for form in ("as they are", "NaN", "infinite", "narrow"):
            X = FORMS[form](IRIS[:2].astype(np.float32))
            expected, got = (outcome(net.predict, X)[0] for net in (mlp, from_sklearn(mlp)))
            if isinstance(expected, tuple):
                assert got == expected
            elif form == "as they are":
                np.testing.assert_allclose(got, expected, rtol=1e-5)
            else:  # MLP returns it
                assert got[0] is ValueError
                assert "too large" in got[1]


def test_what_is_said_of_the_estimator_counts_at_the_next_call():
    """Another activation, number of features or names, or none of what was fitted."""
    net = from_sklearn(trained(MLPClassifier, IRIS, np.float64))
    before = net.predict_proba(IRIS[:1])
    for activation, n_features in (("tanh", 4), ("relu", 5), ("relu", 4)):
        net.set_params(activation=activation)
        net.n_features_in_ = n_features
        got = outcome(net.predict_proba, IRIS[:1])[0]
        if n_features == 5:
            assert "expecting 5 features" in got[1]
        else:
            assert np.array_equal(got, before) == (activation == "relu")
    net.feature_names_in_ = np.array(list("abcd"), object)
    assert "valid feature names" in outcome(net.predict, IRIS[:1])[1][0][1]
    assert "not fitted" in outcome(clone(net).predict, IRIS[:1])[0][1]


def test_the_label_is_that_of_the_largest_probability():
    """Also where they are equal, since the net inputs hardly differ, or as good as 1."""
    weights = np.random.RandomState(0).normal(size=(4, 3))
    for scale in (0, 1e-30, 1e-7, 1, 1e4, 1e37):
        for dtype in (np.float32, np.float64):
            net = BackpropClassifier.from_weights(
                [(scale * weights).astype(dtype)],
                [np.zeros(3, dtype)],
                classes=["b", "c", "x"],
            )
            for X in (IRIS.astype(dtype), IRIS[:1].astype(dtype)):
                likely = net.predict_proba(X).argmax(axis=1)
                assert np.array_equal(net.predict(X), net.classes_[likely])
