"""Activations: values computed by hand, limits, and their place in a network."""

from dataclasses import replace
from math import cosh, exp, log, log1p, pi, sqrt, tanh
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import (
    ACTIVATIONS,
    Elu,
    Exponential,
    Gelu,
    Identity,
    LeakyRelu,
    Mish,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
    slope,
)

Phi, phi = NormalDist().cdf, NormalDist().pdf
SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # of the paper, in float64
S1, S2 = 1 / (1 + exp(-1)), 1 / (1 + exp(2))  # sigmoid(1), sigmoid(-2)
P1 = log1p(exp(1))  # softplus(1)

BY_HAND = [
    # activation, net input, value, derivative
    (Identity(), -2.5, -2.5, 1.0),
    (Sigmoid(), 0.0, 0.5, 0.25),
    (Sigmoid(), log(3), 0.75, 3 / 16),
    (Tanh(), 0.0, 0.0, 1.0),
    (Tanh(), log(2), 0.6, 1 - 0.36),
    (Relu(), 2.0, 2.0, 1.0),
    (Relu(), 0.0, 0.0, 0.0),
    (Relu(), -2.0, 0.0, 0.0),
    (LeakyRelu(), 2.0, 2.0, 1.0),
    (LeakyRelu(), -2.0, -0.02, 0.01),
    (LeakyRelu(slope=0.25), -2.0, -0.5, 0.25),
    (LeakyRelu(slope=0.25), 0.0, 0.0, 0.25),  # at a kink the derivative is that from below
    (Elu(), 2.0, 2.0, 1.0),
    (Elu(), -log(2), -0.5, 0.5),
    (Elu(alpha=3.0), -log(2), -1.5, 1.5),
    (Elu(alpha=3.0), 0.0, 0.0, 3.0),
    (Selu(), 2.0, 2 * SCALE, SCALE),
    (Selu(), -log(2), -SCALE * SELU_ALPHA / 2, SCALE * SELU_ALPHA / 2),
    (Selu(), 0.0, 0.0, SCALE * SELU_ALPHA),
    (Gelu(), 0.0, 0.0, 0.5),
    (Gelu(), 1.0, Phi(1), Phi(1) + phi(1)),
    (Gelu(), -2.0, -2 * Phi(-2), Phi(-2) - 2 * phi(-2)),
    (Silu(), 0.0, 0.0, 0.5),
    (Silu(), 1.0, S1, S1 + S1 * (1 - S1)),
    (Silu(), -2.0, -2 * S2, S2 - 2 * S2 * (1 - S2)),
    # tanh(log 2) = 0.6
    (Mish(), 0.0, 0.0, 0.6),
    (Mish(), 1.0, tanh(P1), tanh(P1) + S1 / cosh(P1) ** 2),
    (Softplus(), 0.0, log(2), 0.5),
    (Softplus(), log(3), log(4), 0.75),
    (Softplus(), -2.0, log1p(exp(-2)), S2),
    (Exponential(), log(3), 3.0, 3.0),
]


@pytest.mark.parametrize(("activation", "z", "value", "derivative"), BY_HAND, ids=repr)
def test_value_and_derivative_by_hand(activation, z, value, derivative):
    a, delta = value_and_derivative(activation, np.array([[z]]))
    # a few roundings of numbers near one
    assert_allclose(a, [[value]], rtol=1e-14, atol=1e-15)
    assert_allclose(delta, [[derivative]], rtol=1e-14, atol=1e-15)


def value_and_derivative(activation, z):
    a, delta = np.empty_like(z), np.ones_like(z)
    with np.errstate(over="ignore"):  # of an exponential on its way to a limit
        activation.forward(z, a)
        activation.backward({"activation": a, "net_input": z}[activation.saves], delta)
    return a, delta


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_computed_by_hand(name):
    assert ACTIVATIONS[name] in {type(case[0]) for case in BY_HAND}


def test_softmax_by_hand():
    """Odds of 2 : 1 : 1, and delta * Jacobian for the delta (1, 0, 0)."""
    z, a = np.array([[log(2), 0.0, 0.0]]), np.empty((1, 3))
    Softmax().forward(z, a)
    delta = np.array([[1.0, 0.0, 0.0]])
    Softmax().backward(a, delta)
    assert_allclose(a, [[0.5, 0.25, 0.25]], rtol=1e-15)  # one rounding
    assert_allclose(delta, [[0.25, -0.125, -0.125]], rtol=1e-15)


FAR = 1e4
LIMITS = [
    # activation, value far to the left and to the right, derivatives there
    (Sigmoid(), (0, 1), (0, 0)),
    (Tanh(), (-1, 1), (0, 0)),
    (Relu(), (0, FAR), (0, 1)),
    (LeakyRelu(slope=0.25), (-FAR / 4, FAR), (0.25, 1)),
    (Elu(alpha=2.0), (-2, FAR), (0, 1)),
    (Selu(), (-SCALE * SELU_ALPHA, SCALE * FAR), (0, SCALE)),
    (Gelu(), (0, FAR), (0, 1)),
    (Silu(), (0, FAR), (0, 1)),
    (Mish(), (0, FAR), (0, 1)),
    (Softplus(), (0, FAR), (0, 1)),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "values", "derivatives"), LIMITS, ids=repr)
def test_limits_far_from_zero(activation, values, derivatives, dtype):
    a, delta = value_and_derivative(activation, np.array([[-FAR, FAR]], dtype))
    # one rounding of the constants; a difference of two that agree for the derivative 0
    eps = np.finfo(dtype).eps
    assert_allclose(a, [values], rtol=2 * eps)
    assert_allclose(delta, [derivatives], rtol=2 * eps, atol=2 * eps)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"identity"}))
def test_every_activation_has_its_limits_here(name):
    assert ACTIVATIONS[name] in {type(case[0]) for case in LIMITS}


@pytest.mark.parametrize("n_units", [2, 3])
def test_units_of_a_softmax_have_no_slope_of_their_own(n_units):
    z = np.linspace(-1, 1, 2 * n_units).reshape(2, n_units)
    a = np.empty_like(z)
    Softmax().forward(z, a)
    assert slope(Softmax(), z, a) is None
    np.tanh(z, out=a)
    assert_allclose(slope(Tanh(), z, a), 1 - a**2, rtol=1e-15)


def test_softmax_of_huge_net_inputs_is_finite():
    a, _ = value_and_derivative(Softmax(), np.array([[1e4, 0.0, -1e4], [0.0, 0.0, -1e300]]))
    assert np.array_equal(a, [[1, 0, 0], [0.5, 0.5, 0]])


def test_selu_keeps_mean_0_and_variance_1():
    """Integrals over the normal density, by the trapezoidal rule on a fine grid."""
    z = np.linspace(-12, 12, 240_001)
    a, _ = value_and_derivative(Selu(), z[np.newaxis])
    density = np.exp(-z * z / 2) / sqrt(2 * pi)
    mean, square = (np.sum(a[0] ** p * density) * (z[1] - z[0]) for p in (1, 2))
    # the kink at a grid point costs about the squared step, 1e-8
    assert_allclose([mean, square], [0, 1], atol=1e-7)


def test_sigmoid_is_another_name_of_logistic():
    assert ACTIVATIONS["sigmoid"] is ACTIVATIONS["logistic"]


# -- in a network ----------------------------------------------------------------------


def test_each_hidden_layer_has_its_own_activation():
    """1 -> tanh -> softplus -> 1 with all weights 2 and all biases 1."""
    regressor = BackpropRegressor.from_weights(
        [[[2.0]]] * 3, [[1.0]] * 3, activation=("tanh", Softplus())
    )
    x = 0.3
    expected = 2 * log1p(exp(2 * tanh(2 * x + 1) + 1)) + 1
    # a few roundings
    assert_allclose(regressor.predict([[x]]), [expected], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name_and_as_an_object_train_the_same(name, rng):
    X, y = rng.standard_normal((20, 3)), np.arange(20) % 2
    by_name, by_object, by_sequence = (
        BackpropClassifier((4,), activation, random_state=0).partial_fit(X, y, [0, 1])
        for activation in (name, ACTIVATIONS[name](), [name])
    )
    assert np.array_equal(by_name.predict_proba(X), by_object.predict_proba(X))
    if name not in ("logistic", "sigmoid"):  # whose Glorot factor would be the output's too
        assert np.array_equal(by_name.predict_proba(X), by_sequence.predict_proba(X))


def test_parameter_of_an_activation_counts(rng):
    X, y = rng.standard_normal((20, 3)), np.arange(20) % 2
    steep = LeakyRelu(slope=0.5)
    first, second = (
        BackpropClassifier((4,), activation, random_state=0).partial_fit(X, y, [0, 1])
        for activation in (steep, replace(steep, slope=0.1))
    )
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("n_given", [1, 3])
def test_number_of_activations_must_be_that_of_hidden_layers(n_given, rng):
    classifier = BackpropClassifier((4, 4), ["tanh"] * n_given)
    with pytest.raises(ValueError, match=f"has {n_given} items for 2 hidden"):
        classifier.fit(rng.standard_normal((20, 3)), np.arange(20) % 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [63, 64, 200])
def test_probabilities_of_many_classes_are_a_softmax(n_classes, dtype):
    """Rows of any length, more of them than one block holds."""
    rng = np.random.RandomState(0)
    W, b = rng.normal(0, 9, (3, n_classes)), rng.normal(0, 9, n_classes)
    X = rng.standard_normal((1500, 3))
    net = BackpropClassifier.from_weights(
        [W.astype(dtype)], [b.astype(dtype)], classes=np.arange(n_classes)
    )
    expected = softmax(X @ net.coefs_[0].astype(float) + net.intercepts_[0], axis=1)
    # net inputs of some 30 have errors of 30 eps, which an exponential makes relative ones
    eps = np.finfo(dtype).eps
    assert_allclose(net.predict_proba(X), expected, rtol=200 * eps, atol=1e-30)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_many_units_at_once_turn_into_what_few_do(name, rng):
    """Where memory is kept for small arrays only, large ones go another way."""
    activation = ACTIVATIONS[name]()
    z = rng.standard_normal((2**16 // 10 + 8, 10))
    a, of_part = np.empty_like(z), np.empty((8, 10))
    activation.forward(z.copy(), a)
    for start in (0, len(z) - 8):
        activation.forward(z[start : start + 8].copy(), of_part)
        # the last numbers of an array may be computed outside of vectors
        assert_allclose(a[start : start + 8], of_part, rtol=1e-14)
