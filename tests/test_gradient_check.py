"""`check_gradient` passes every rule of the library and says what is wrong with others."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rules import HIDDEN_ACTIVATIONS, LOSSES, random_target
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor, check_gradient
from skbackprop.activations import Relu, Softmax, Tanh
from skbackprop.losses import AbsoluteError, SquaredError

X = np.random.RandomState(0).standard_normal((8, 3))
CLASSES = np.arange(8) % 3
QUANTITY = np.tanh(X @ [1.0, -1.0, 0.5])


# -- what is right -----------------------------------------------------------------


ACTIVATION_AND_LOSS = {
    **{
        name: (activation, SquaredError())
        for name, activation in HIDDEN_ACTIVATIONS.items()
    },
    **{f"Tanh with {name}": (Tanh(), loss) for name, loss in LOSSES.items()},
}


@pytest.mark.parametrize("names", ACTIVATION_AND_LOSS)
def test_every_activation_and_every_loss_passes(names, rng):
    activation, loss = ACTIVATION_AND_LOSS[names]
    y = random_target(loss, len(X), 3, rng)
    reg = BackpropRegressor((2,), activation, loss=loss, random_state=0)
    check = check_gradient(reg, X, y)
    assert check.passed
    assert check.max_relative_error < 1e-6
    assert check.n_kinks <= 2


@pytest.mark.parametrize("convention", ["output_minus_target", "target_minus_output"])
def test_analytic_gradient_is_the_numerical_one_of_scipy(convention):
    reg = BackpropRegressor(
        (), alpha=0.5, error_convention=convention, shuffle=False, random_state=0
    ).partial_fit(X, QUANTITY)
    vector = np.concatenate([reg.coefs_[0].ravel(), reg.intercepts_[0]])

    def objective(vector):
        errors = X @ vector[:3] + vector[3] - QUANTITY
        return np.mean(errors**2) / 2 + 0.5 / 2 * np.sum(vector[:3] ** 2) / len(X)

    check = check_gradient(reg, X, QUANTITY)
    # forward differences are right to about half the digits
    assert_allclose(check.analytic, approx_fprime(vector, objective), rtol=1e-5)
    assert_allclose(check.numerical, check.analytic, rtol=1e-8)


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.4},
        {"solver": "lbfgs"},
        {"early_stopping": True},
        {"class_weight": "balanced"},
        {"alpha": 10.0},
        {"error_convention": "target_minus_output"},
        {"hidden_layer_sizes": ()},
        {"loss": "squared_error"},
    ],
    ids=str,
)
def test_settings_of_the_estimator_do_not_spoil_the_check(params):
    clf = BackpropClassifier(
        **{"hidden_layer_sizes": (4, 3), "activation": "tanh", "random_state": 0, **params}
    )
    check = check_gradient(clf, X, CLASSES, sample_weight=np.linspace(0.5, 2, len(X)))
    assert check.passed
    assert check.max_relative_error < 1e-7
    assert check.n_kinks == 0


def test_dropout_of_a_fitted_estimator_keeps_a_mask_that_silences_units():
    reg = BackpropRegressor((6,), "tanh", dropout=0.5, random_state=0, alpha=0)
    check = check_gradient(reg.partial_fit(X, QUANTITY), X[:1], QUANTITY[:1])
    into_hidden = check.analytic[:18].reshape(3, 6)
    silenced = ~into_hidden.any(axis=0)
    assert 0 < silenced.sum() < 6
    assert check.passed


@pytest.mark.parametrize("rows", [X.astype(np.float32), csr_array(X * (X > 0))])
def test_single_precision_and_sparse_rows_are_checked_in_double_precision(rows):
    check = check_gradient(BackpropClassifier((4,), "tanh", random_state=0), rows, CLASSES)
    assert check.analytic.dtype == np.float64
    assert check.max_relative_error < 1e-7


def test_check_leaves_the_estimator_as_it_was():
    reg, other = (
        BackpropRegressor((4,), random_state=0).partial_fit(X, QUANTITY) for _ in range(2)
    )
    check_gradient(reg, X, QUANTITY)
    assert_array_equal(reg._vector, other._vector)
    reg.partial_fit(X, QUANTITY)
    other.partial_fit(X, QUANTITY)
    assert_array_equal(reg._vector, other._vector)


# -- kinks -------------------------------------------------------------------------


def test_kink_under_the_weights_is_counted_and_not_an_error():
    reg = BackpropRegressor((), loss="absolute_error", initializer="zeros", alpha=0)
    check = check_gradient(reg, X, np.zeros(len(X)))  # every error is exactly zero
    assert check.n_kinks == 4
    assert check.passed
    assert np.isnan(check.numerical).all()
    assert "4 of 4 parameters are at a kink" in check.verdict
    assert "pass fewer rows" in check.verdict


def test_derivative_outside_the_two_sides_of_a_kink_is_an_error():
    class Wrong(AbsoluteError):
        def value_and_delta(self, target, z, delta, sample_weight=None):
            value = super().value_and_delta(target, z, delta, sample_weight)
            delta += 5.0
            return value

    reg = BackpropRegressor((), loss=Wrong(), initializer="zeros", alpha=0)
    check = check_gradient(reg, np.ones((1, 1)), [0.0])
    assert check.n_kinks == 2
    assert not check.passed
    assert "lies outside the derivatives of the two sides of a kink" in check.verdict


def test_relu_with_many_rows_has_few_parameters_at_kinks(rng):
    many = rng.standard_normal((300, 3))
    check = check_gradient(BackpropRegressor((10,), random_state=0), many, many @ [1, 2, 3])
    assert check.passed
    assert check.n_kinks <= 5


# -- what is wrong -----------------------------------------------------------------


class DiagonalSoftmax(SquaredError):
    """The published mistake: of the softmax Jacobian only the diagonal."""

    def __init__(self):
        super().__init__(link=Softmax())

    def value_and_delta(self, target, z, delta, sample_weight=None):
        value = super().value_and_delta(target, z, delta, sample_weight)
        output = np.empty_like(z)
        self.link.forward(z, output)
        delta[...] = (output - target) * output * (1 - output) / len(z)
        return value


class TanhOfTanh(Tanh):
    """The published mistake: the derivative written in z, applied to the activation."""

    def backward(self, a, delta):
        delta *= 1 - np.tanh(a) ** 2


class Scaled(SquaredError):
    """Squared error with a delta that is some times its derivative."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def value_and_delta(self, target, z, delta, sample_weight=None):
        value = super().value_and_delta(target, z, delta, sample_weight)
        delta *= self.times
        return value


def test_diagonal_of_the_softmax_jacobian_is_named():
    clf = BackpropClassifier((3,), "tanh", loss=DiagonalSoftmax(), random_state=0)
    check = check_gradient(clf, X, CLASSES)
    assert not check.passed
    assert check.max_relative_error > 0.1
    assert "DiagonalSoftmax: the delta keeps only the diagonal" in check.verdict


def test_derivative_at_the_activation_is_named_with_its_layer():
    reg = BackpropRegressor((3, 4), ["tanh", TanhOfTanh()], random_state=0)
    check = check_gradient(reg, X, QUANTITY)
    assert not check.passed
    assert (
        "TanhOfTanh of layer 2: backward takes the derivative at the act" in check.verdict
    )
    assert "of layer 1" not in check.verdict
    assert "It is right in layer 3, output (SquaredError)." in check.verdict
    assert [layer.max_relative_error > 1e-6 for layer in check.layers] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (8, "is 8 times the derivative of the value: it is a sum over the 8 rows, the va"),
        (1 / 8, "is 0.125 times the derivative of the value: it is a mean over the 8 rows"),
        (2, "is 2 times the derivative of the value."),
        (-1, "has the wrong sign. A loss returns the derivative itself"),
        (-3, "has the wrong sign, and 3 times the size."),
    ],
)
def test_constant_factor_of_a_delta_is_named(times, sentence):
    reg = BackpropRegressor((3,), "tanh", loss=Scaled(times), random_state=0, alpha=2.0)
    check = check_gradient(reg, X, QUANTITY)
    assert not check.passed
    assert f"Scaled: the delta {sentence}" in check.verdict


def test_sum_over_outputs_is_told_from_a_sum_over_rows():
    reg = BackpropRegressor((3,), "tanh", loss=Scaled(3), random_state=0)
    y = np.column_stack([QUANTITY] * 3)
    assert "a sum over the 3 outputs" in check_gradient(reg, X, y).verdict


def test_constant_factor_of_an_activation_is_named():
    class Doubled(Tanh):
        def backward(self, a, delta):
            super().backward(a, delta)
            delta *= 2

    check = check_gradient(BackpropRegressor((3,), Doubled(), random_state=0), X, QUANTITY)
    assert "Doubled of layer 1: backward multiplies by 2 times the deriv" in check.verdict


def test_any_other_mistake_of_an_activation_is_shown_with_its_numbers():
    class Leaking(Relu):
        def backward(self, a, delta):
            delta *= np.where(a > 0, 1, 0.25)

    check = check_gradient(BackpropRegressor((3,), Leaking(), random_state=0), X, QUANTITY)
    expected = r"layer 1: backward multiplies by 0.25 where the derivative is \S+ \(row \d"
    assert re.search(expected, check.verdict)


def test_any_other_mistake_of_a_loss_is_shown_with_its_numbers():
    class Shifted(SquaredError):
        def value_and_delta(self, target, z, delta, sample_weight=None):
            value = super().value_and_delta(target, z, delta, sample_weight)
            delta[1, 0] += 0.5
            return value

    check = check_gradient(
        BackpropRegressor((3,), loss=Shifted(), random_state=0), X, QUANTITY
    )
    assert re.search(
        r"Shifted: the delta is \S+ where the der.* \(row 1, unit 0\)", check.verdict
    )


def test_wrong_gradient_of_a_single_layer_is_reported_with_analytic_and_numerical():
    reg = BackpropRegressor((), loss=Scaled(8), alpha=0, random_state=0)
    check = check_gradient(reg, X, QUANTITY)
    assert_allclose(check.analytic, 8 * check.numerical, rtol=1e-6)
    assert_allclose(check.max_relative_error, 7 / 8, rtol=1e-6)


def test_gradient_that_is_not_a_number_fails():
    class Lost(Tanh):
        def backward(self, a, delta):
            delta *= np.nan

    check = check_gradient(BackpropRegressor((3,), Lost(), random_state=0), X, QUANTITY)
    assert not check.passed
    assert check.max_relative_error == np.inf
    assert "Lost of layer 1: backward multiplies by nan where the deriv" in check.verdict


def test_objective_that_is_not_finite_is_refused():
    reg = BackpropRegressor((3,), loss="poisson", random_state=0)
    with pytest.raises(ValueError, match=r"objective of these rows is inf.*Scale the inp"):
        check_gradient(reg, 1e6 * np.abs(X), np.abs(QUANTITY))


# -- how it is reported ------------------------------------------------------------


def test_where_names_the_parameter_with_the_largest_error():
    check = check_gradient(
        BackpropRegressor((3,), loss=Scaled(8), random_state=0, alpha=0), X, QUANTITY
    )
    assert check.where in [layer.where for layer in check.layers]
    assert re.fullmatch(r"(coefs|intercepts)_\[\d\]\[\d(, \d)?\]", check.where)
    worst = max(check.layers, key=lambda layer: layer.max_relative_error)
    assert (worst.where, worst.max_relative_error) == (
        check.where,
        check.max_relative_error,
    )


def test_large_layers_are_sampled_and_the_report_says_so():
    reg = BackpropRegressor((50,), "tanh", random_state=0)
    check = check_gradient(reg, X, QUANTITY, n_checks=20)
    assert [(layer.n_parameters, layer.n_checked) for layer in check.layers] == [
        (200, 40),
        (51, 21),
    ]
    assert np.isfinite(check.numerical).sum() == 61
    everything = check_gradient(reg, X, QUANTITY, n_checks=None)
    assert [layer.n_checked for layer in everything.layers] == [200, 51]


def test_table_has_a_line_per_layer_and_fits_100_columns():
    check = check_gradient(BackpropRegressor((3, 2), random_state=0), X, QUANTITY)
    lines = str(check).splitlines()
    assert lines[0] == "Gradient check: passed"
    assert [line.split("  ")[1] for line in lines[-3:]] == [
        "layer 1 (Relu)",
        "layer 2 (Relu)",
        "layer 3, output (SquaredError)",
    ]
    assert max(map(len, lines)) <= 100
    assert "layer 3, output (SquaredError)" in check._repr_html_()
    assert "passed" in repr(check)


def test_tolerance_decides_what_passes():
    reg = BackpropRegressor((3,), loss=Scaled(1.001), random_state=0, alpha=0)
    assert not check_gradient(reg, X, QUANTITY).passed
    assert check_gradient(reg, X, QUANTITY, tolerance=0.01).passed


def test_pipeline_is_refused_with_the_remedy():
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier((4,)))
    with pytest.raises(TypeError, match=r"check_gradient needs .* pipeline\[-1\]"):
        check_gradient(pipeline, X, CLASSES)
