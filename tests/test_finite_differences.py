"""Numerical derivatives of functions whose derivatives are known: the instrument itself."""

from math import cos, exp, log, sin

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skbackprop.inspection.finite_differences import (
    derivative,
    elementwise_derivative,
    smooth_derivative,
)

# What is left of rounding where a derivative counts as settled; see SETTLED.
RTOL = 3e-7

SMOOTH = {
    # function of a number, its derivative, and where
    "sin at 0": (sin, cos, 0.0),
    "sin at 1": (sin, cos, 1.0),
    "sin at -3": (sin, cos, -3.0),
    "exp at 5": (exp, exp, 5.0),
    "log at a thousandth": (log, lambda x: 1 / x, 1e-3 * 256),
    "square of a million": (lambda x: x * x, lambda x: 2 * x, 1e6),
    "cube at 5": (lambda x: x**3, lambda x: 3 * x * x, 5.0),
    "a large constant and a sine": (lambda x: 1e3 + sin(x), cos, 0.5),
    "constant": (lambda x: 4.0, lambda x: 0.0, 2.0),
    "fast sine": (lambda x: sin(40 * x), lambda x: 40 * cos(40 * x), 0.3),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivative_of_a_smooth_function(name):
    function, slope, at = SMOOTH[name]
    found = derivative(lambda x: function(x[1]), np.array([7.0, at]), 1)
    assert found.is_settled
    assert found.left == found.right == found.value
    # a large constant leaves fewer digits
    assert_allclose(found.value, slope(at), rtol=RTOL, atol=RTOL if "large" in name else 0)


def test_smooth_functions_keep_most_of_their_digits():
    """Far better than what counts as settled: steps neither too long nor too short."""
    for function, slope, at in (
        SMOOTH[name] for name in ("sin at 1", "exp at 5", "cube at 5")
    ):
        found = derivative(lambda x, f=function: f(x[0]), np.array([at]), 0)
        assert_allclose(found.value, slope(at), rtol=1e-10)


KINKS = {
    # slopes to the left and to the right of the kink, and where it is
    "absolute value": (-1.0, 1.0, 0.0),
    "relu": (0.0, 1.0, 0.0),
    "leaky relu away from zero": (0.25, 1.0, 2.0),
    "steep at a large number": (-3.0, 5.0, 100.0),
    "steep at a large negative number": (-3.0, 5.0, -100.0),
}


@pytest.mark.parametrize("name", KINKS)
def test_kink_has_a_derivative_on_each_side(name):
    left, right, kink = KINKS[name]

    def function(x):
        return 3 + (left if x[0] < kink else right) * (x[0] - kink)

    found = derivative(function, np.array([kink]), 0)
    assert not found.is_settled
    # first differences of straight lines, but for rounding at the step 2^-22
    assert_allclose([found.left, found.right], [left, right], rtol=1e-7, atol=1e-7)
    assert found.value == pytest.approx((left + right) / 2)


def test_sides_of_a_kink_between_curves_are_taken_close_to_it():
    found = derivative(lambda x: abs(x[0]) + 5 * x[0] ** 2, np.array([0.0]), 0)
    # the step 2^-22 times half of the second derivative
    assert_allclose([found.left, found.right], [-1, 1], rtol=2e-6)


def test_kink_out_of_the_reach_of_small_steps_is_no_kink():
    found = derivative(lambda x: abs(x[0] - 1e-4), np.array([0.0]), 0)
    assert found.is_settled
    assert found.value == pytest.approx(-1)


def test_noise_is_no_derivative_and_below_the_floor_no_matter():
    """Jumps of a hundredth in every step: nothing settles, unless it is small enough."""

    def noisy(x):
        return sin(1e9 * x[0]) / 1e9

    assert not derivative(noisy, np.array([0.1]), 0).is_settled
    assert derivative(noisy, np.array([0.1]), 0, floor=1e6).is_settled


def test_what_drowns_in_the_rounding_of_the_value_does_not_count():
    """A slope of 1e-11 of a value of 1000 cannot be told from rounding."""
    found = derivative(lambda x: 1e3 + 1e-8 * x[0], np.array([0.5]), 0)
    assert found.is_settled
    assert abs(found.value) < 1e-7


def test_vector_is_as_it_was():
    x = np.array([0.1, 0.7, -0.3])
    derivative(lambda x: float(np.sum(x**2)), x, 1)
    assert x.tolist() == [0.1, 0.7, -0.3]


def test_elementwise_derivative_is_nan_near_kinks_only():
    x = np.array([[-2.0, -1e-5, 0.0], [1e-5, 0.5, 300.0]])
    found = elementwise_derivative(np.abs, x)
    assert np.isnan(found).tolist() == [[False, True, True], [True, False, False]]
    assert_allclose(found[~np.isnan(found)], [-1, 1, 1], rtol=RTOL)


def test_elementwise_derivative_is_settled_relative_to_its_size():
    x = np.array([1e6, -3e5])
    assert_allclose(elementwise_derivative(np.square, x), 2 * x, rtol=RTOL)


@pytest.mark.parametrize(
    ("function", "slope"),
    [(np.sin, np.cos), (np.exp, np.exp), (np.square, lambda x: 2 * x)],
)
def test_elementwise_derivative_of_smooth_functions(function, slope):
    x = np.linspace(-4, 4, 33)
    assert_allclose(elementwise_derivative(function, x), slope(x), rtol=1e-8, atol=1e-9)


def test_smooth_derivative_goes_along_the_direction():
    x, direction = np.array([0.3, -1.2]), np.array([2.0, -0.5])
    found = smooth_derivative(np.sin, x, direction)
    assert_allclose(found, np.cos(x) * direction, rtol=1e-9)
