"""What people set by hand, derive or pass besides: honoured, or refused in words."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Identity
from skbackprop.losses import SquaredError

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
SMALL = {"max_iter": 3, "random_state": 0}
each_class = pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])


# -- attributes ------------------------------------------------------------------------


@each_class
@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_weights_of_an_estimator_that_is_not_fitted_name_from_weights(cls, name):
    estimator = cls((4,))
    message = rf"is not fitted yet\..* {cls.__name__}\.from_weights"
    with pytest.raises(AttributeError, match=message):
        setattr(estimator, name, [np.ones((3, 4)), np.ones((4, 1))])
    with pytest.raises(AttributeError, match=message):
        getattr(estimator, name)


@each_class
def test_output_activation_belongs_to_the_loss_and_cannot_be_set(cls, X, y):
    estimator = cls((4,), **SMALL)
    with pytest.raises(AttributeError, match="not fitted yet"):
        _ = estimator.out_activation_
    estimator.fit(X, y)
    before = estimator.out_activation_
    with pytest.raises(AttributeError, match=r"belongs to loss='.*from_weights"):
        estimator.out_activation_ = "identity"
    assert estimator.out_activation_ == before


def test_output_activation_is_changed_in_the_way_that_the_message_names(X, y):
    clf = BackpropClassifier((4,), **SMALL).fit(X, y)
    log_odds = BackpropRegressor.from_weights(
        clf.coefs_, clf.intercepts_, loss=SquaredError(link=Identity())
    ).predict(X)
    p = clf.predict_proba(X)
    np.testing.assert_allclose(log_odds, np.log(p[:, 1] / p[:, 0]), rtol=1e-9, atol=1e-12)


# -- parameters ------------------------------------------------------------------------


@each_class
@pytest.mark.parametrize(
    "sizes", [pd.Series([4, 3]), pd.Series([4, 3], index=[7, 9]), pd.Index([4, 3])]
)
def test_hidden_layer_sizes_may_be_of_pandas(cls, sizes, X, y):
    given, plain = (cls(s, **SMALL).fit(X, y) for s in (sizes, (4, 3)))
    assert given.loss_curve_ == plain.loss_curve_
    given.partial_fit(X, y)


@each_class
def test_subclass_may_have_a_parameter_that_is_a_property(cls, X, y):
    class Derived(cls):
        @property
        def alpha(self):
            return self.penalty

        @alpha.setter
        def alpha(self, value):
            self.penalty = value

    derived, plain = (kind((4,), alpha=0.5, **SMALL).fit(X, y) for kind in (Derived, cls))
    assert derived.get_params() == plain.get_params()
    assert derived.loss_curve_ == plain.loss_curve_
    derived.partial_fit(X, y)
    plain.partial_fit(X, y)
    assert_array_equal(derived.coefs_[0], plain.coefs_[0])
    with pytest.raises(ValueError, match="'alpha' parameter of Derived"):
        derived.set_params(alpha=-1).fit(X, y)


# -- rows of enormous size -------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity", "gelu", "mish"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_enormous_rows_never_give_nan(activation, n_classes, X):
    enormous = 1e308 * np.sign(X)
    y = np.arange(30) % n_classes
    for loss in ("log_loss", "squared_error", "focal"):
        clf = BackpropClassifier((4, 3), activation, loss=loss, max_iter=1).fit(X, y)
        assert_finite_or_error(clf.predict_proba, enormous)
        assert_finite_or_error(clf.predict_log_proba, enormous)
        assert_finite_or_error(clf.predict, enormous)
    for loss in ("squared_error", "poisson"):
        reg = BackpropRegressor((4, 3), activation, loss=loss, max_iter=1).fit(X, y)
        assert_finite_or_error(reg.predict, enormous)


def assert_finite_or_error(predict, X):
    for row in X[:, np.newaxis]:
        output, message = None, "too large for float64"
        try:
            output = predict(row)
        except ValueError as error:
            message = str(error)
        assert output is None or np.isfinite(output).all()
        assert "too large for float64" in message


def test_infinite_net_inputs_are_a_sure_class_and_an_error_of_a_regressor():
    weights = [[[1e308, -1e308, 0.0]]], [[0.0, 0.0, 0.0]]
    clf = BackpropClassifier.from_weights(*weights, classes=[0, 1, 2])
    assert_array_equal(clf.predict([[10.0], [-10.0]]), [0, 1])
    assert_array_equal(clf.predict_proba([[10.0]]).round(), [[1, 0, 0]])
    reg = BackpropRegressor.from_weights(*weights)
    with pytest.raises(ValueError, match="outputs of 1 rows, the first of them row 1, are"):
        reg.predict([[1.0], [10.0]])
