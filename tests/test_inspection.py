"""Summaries, hidden activations and input gradients of fitted networks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    hidden_activations,
    input_gradient,
    summary,
)
from skbackprop.activations import ACTIVATIONS, Softmax, Tanh
from skbackprop.losses import REGRESSOR_LOSSES, SquaredError

X = np.random.RandomState(0).standard_normal((12, 3))
CLASSES = np.arange(12) % 3
QUANTITY = np.exp(np.tanh(X @ [1.0, -1.0, 0.5]))


def fitted(estimator, y=QUANTITY):
    classes = {"classes": np.unique(y)} if hasattr(estimator, "predict_proba") else {}
    return estimator.partial_fit(X, y, **classes)


# -- summary -----------------------------------------------------------------------


def test_summary_counts_layers_units_and_parameters():
    clf = fitted(BackpropClassifier((10, 5), ["tanh", Tanh()], dropout=[0.1, 0]), CLASSES)
    found = summary(clf)
    assert [(layer.name, layer.n_inputs, layer.n_units) for layer in found.layers] == [
        ("hidden 1", 3, 10),
        ("hidden 2", 10, 5),
        ("output", 5, 3),
    ]
    assert [layer.activation for layer in found.layers] == ["tanh", "tanh", "softmax"]
    assert [layer.dropout for layer in found.layers] == [0.1, 0, 0]
    assert [layer.n_parameters for layer in found.layers] == [40, 55, 18]
    coefs, intercepts = clf.coefs_, clf.intercepts_
    assert found.n_parameters == sum(array.size for array in [*coefs, *intercepts])


def test_summary_counts_memory():
    single = summary(fitted(BackpropRegressor((4,)).set_params(solver="adam")))
    # 21 numbers of 8 bytes, and Adam's two moments of each
    assert (single.n_bytes, single.n_training_bytes) == (21 * 8, 2 * 21 * 8)
    reg = BackpropRegressor((4,), solver="sgd").partial_fit(X.astype("f4"), QUANTITY)
    assert (summary(reg).n_bytes, summary(reg).n_training_bytes) == (21 * 4, 21 * 4)
    assert summary(reg).dtype == "float32"


@pytest.mark.usefixtures("few_epochs")
def test_best_weights_of_early_stopping_count_as_memory():
    reg = BackpropRegressor(
        (4,), "tanh", solver="sgd", early_stopping=True, max_iter=50, tol=1, random_state=0
    )
    assert summary(reg.fit(X, QUANTITY)).n_training_bytes == 2 * 21 * 8


def test_summary_is_a_table_in_text_and_html():
    found = summary(fitted(BackpropRegressor((1000, 100))))
    text = str(found)
    assert text.splitlines()[0] == "BackpropRegressor: 3-1000-100-1 network, float64"
    assert "hidden 2  1,000 x 100" in text
    assert "100,100" in text
    assert "104,201" in text  # 4,000 + 100,100 + 101
    assert all(cell in found._repr_html_() for cell in ("1,000 x 100", "104,201"))


def test_summary_needs_a_fitted_estimator():
    with pytest.raises(NotFittedError):
        summary(BackpropClassifier())


# -- hidden activations ------------------------------------------------------------


@pytest.mark.parametrize("rows", [X, csr_array(X * (X > 0)), X.astype(np.float32)])
def test_hidden_activations_are_those_of_the_formula(rows):
    reg = BackpropRegressor((5, 4), ["tanh", "relu"], dropout=0.5, random_state=0)
    reg.partial_fit(rows, QUANTITY)
    dense = rows.toarray() if isinstance(rows, csr_array) else rows
    first = np.tanh(dense @ reg.coefs_[0] + reg.intercepts_[0])
    second = np.maximum(first @ reg.coefs_[1] + reg.intercepts_[1], 0)
    rtol = 1e-5 if rows.dtype == np.float32 else 1e-12  # roundings of a few products
    assert_allclose(hidden_activations(reg, rows, 0), first, rtol=rtol)
    assert_allclose(hidden_activations(reg, rows), second, rtol=rtol, atol=rtol)
    assert_array_equal(hidden_activations(reg, rows, 1), hidden_activations(reg, rows, -1))


def test_last_hidden_activations_give_the_prediction():
    reg = fitted(BackpropRegressor((5, 4), random_state=0))
    features = hidden_activations(reg, X)
    predicted = features @ reg.coefs_[-1][:, 0] + reg.intercepts_[-1]
    assert_allclose(predicted, reg.predict(X), rtol=1e-12)


@pytest.mark.parametrize("layer", [2, -3])
def test_layer_that_does_not_exist_is_refused(layer):
    with pytest.raises(ValueError, match=f"layer={layer} does not exist.*2 hidden layers"):
        hidden_activations(fitted(BackpropRegressor((5, 4))), X, layer)


def test_a_single_hidden_layer_is_one_layer():
    """The number and its noun agree."""
    with pytest.raises(ValueError, match=r"the network has 1 hidden layer\."):
        hidden_activations(fitted(BackpropRegressor((5,))), X, 1)
    for name in "activation", "dropout":
        value = {"activation": ["relu"] * 2, "dropout": [0.1] * 2}[name]
        with pytest.raises(ValueError, match=r"2 items for 1 hidden layer\."):
            fitted(BackpropRegressor((5,), **{name: value}))


def test_linear_model_has_no_hidden_activations():
    with pytest.raises(ValueError, match="0 hidden layers"):
        hidden_activations(fitted(BackpropRegressor(())), X)


# -- input gradients ---------------------------------------------------------------


def numerical(predict, x):
    """Forward differences: right to about half the digits."""
    return approx_fprime(x, lambda x: np.ravel(predict(x[np.newaxis])), 1e-7)


def assert_is_derivative(gradient, predict):
    for x, found in zip(X, gradient, strict=True):
        assert_allclose(found, np.squeeze(numerical(predict, x)), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_input_gradient_is_the_derivative_of_predict(activation):
    reg = fitted(BackpropRegressor((5, 4), activation, dropout=0.3, random_state=1))
    gradient = input_gradient(reg, X)
    assert gradient.shape == (12, 3)
    assert_is_derivative(gradient, reg.predict)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_input_gradient_goes_through_the_link_of_every_loss(loss):
    reg = fitted(BackpropRegressor((5,), "tanh", loss=loss, random_state=0))
    outputs = reg.predict
    if hasattr(reg, "predict_quantiles"):
        outputs = reg.predict_quantiles
    elif hasattr(reg, "predict_distribution"):

        def outputs(rows):
            return np.stack(reg.predict_distribution(rows).args[-2:], axis=1)

    assert_is_derivative(input_gradient(reg, X), outputs)


@pytest.mark.parametrize("loss", ["log_loss", "focal", SquaredError(link=Softmax())])
def test_input_gradient_of_a_classifier_is_that_of_its_probabilities(loss):
    clf = fitted(BackpropClassifier((5,), "tanh", loss=loss, random_state=0), CLASSES)
    gradient = input_gradient(clf, X)
    assert gradient.shape == (12, 3, 3)  # rows, classes, features
    assert_is_derivative(gradient, clf.predict_proba)
    # probabilities sum to one, so what one gains the others lose
    assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)


def test_input_gradient_of_a_binary_classifier_is_that_of_the_second_class():
    clf = fitted(BackpropClassifier((5,), "tanh", random_state=0), CLASSES > 0)
    assert_is_derivative(input_gradient(clf, X), lambda x: clf.predict_proba(x)[:, 1])


def test_input_gradient_of_the_net_input_is_that_of_the_log_odds():
    clf = fitted(BackpropClassifier((5,), "tanh", random_state=0), CLASSES > 0)

    def log_odds(x):
        log_proba = clf.predict_log_proba(x)
        return log_proba[:, 1] - log_proba[:, 0]

    assert_is_derivative(input_gradient(clf, X, of="net_input"), log_odds)


def test_input_gradient_of_several_outputs_is_a_jacobian_per_row():
    reg = fitted(BackpropRegressor((5,), "tanh", random_state=0), np.c_[QUANTITY, X])
    gradient = input_gradient(reg, csr_array(X))
    assert gradient.shape == (12, 4, 3)
    assert_is_derivative(gradient, reg.predict)


def test_input_gradient_does_not_depend_on_the_convention():
    gradients = [
        input_gradient(
            fitted(BackpropRegressor((5,), error_convention=convention, random_state=0)), X
        )
        for convention in ("output_minus_target", "target_minus_output")
    ]
    assert_array_equal(*gradients)


def test_input_gradient_keeps_single_precision():
    reg = BackpropRegressor((5,), random_state=0).partial_fit(X.astype("f4"), QUANTITY)
    assert input_gradient(reg, X).dtype == np.float32


def test_loss_that_does_not_name_its_link_is_refused_with_the_remedy():
    class Unnamed:
        def predict(self, z, out):
            out[...] = z

        def value_and_delta(self, target, z, delta, sample_weight=None):
            delta[...] = (z - target) / len(z)
            return float(np.mean(np.sum((z - target) ** 2, axis=1)) / 2)

    reg = fitted(BackpropRegressor((5,), loss=Unnamed(), random_state=0))
    with pytest.raises(ValueError, match=r"Unnamed does not say .* of='net_input'"):
        input_gradient(reg, X)
    assert_is_derivative(input_gradient(reg, X, of="net_input"), reg.predict)


def test_unknown_kind_of_output_is_refused():
    with pytest.raises(ValueError, match=r"'output' or 'net_input'\. Got 'proba'"):
        input_gradient(fitted(BackpropRegressor((5,))), X, of="proba")


@pytest.mark.parametrize("function", [summary, hidden_activations, input_gradient])
def test_other_estimators_are_refused(function):
    rows = () if function is summary else (X,)
    with pytest.raises(TypeError, match=f"{function.__name__} needs a BackpropClassifier"):
        function("network", *rows)
