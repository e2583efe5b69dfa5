"""Numbers and formulas as text: what a printed training step is made of."""

import numpy as np
import pytest

from skbackprop.activations import LeakyRelu
from skbackprop.inspection.formatting import (
    joined,
    numeral,
    plain,
    products,
    put_in,
    some,
    summed,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (2.0, "2"),
        (-1.5, "-1.5"),
        (1 / 3, "0.333333"),
        (123456.7, "123457"),
        (1e-9, "1e-09"),
    ],
)
def test_number_has_six_digits_and_no_negative_zero(number, text):
    assert plain(number) == text
    assert numeral(number) == (f"({text})" if text.startswith("-") else text)


@pytest.mark.parametrize(
    ("n", "shown"), [(0, 0), (1, 1), (3, 3), (4, 4), (5, 2), (6, 2), (100, 2)]
)
def test_up_to_four_things_are_shown_and_two_of_more(n, shown):
    assert list(some(n)) == list(range(shown))


def test_what_is_left_out_is_counted():
    assert joined(["a", "b"], 2) == "a + b"
    assert joined(["a", "b"], 7) == "a + b + ... (5 more)"
    assert joined(["a"], 2, separator=", ") == "a, ... (1 more)"


def test_sum_of_products():
    assert products(np.array([0.5, -2.0]), np.array([3.0, 1.0])) == "0.5 * 3 + (-2) * 1"
    assert products(np.ones(5), np.zeros(5)) == "1 * 0 + 1 * 0 + ... (3 more)"


def test_numbers_and_parameters_take_the_place_of_their_names():
    formula = "max(z, slope * z)"
    assert put_in(formula, LeakyRelu(slope=0.25), z=-2.0) == "max((-2), 0.25 * (-2))"
    assert put_in("exp(z) - 1", z=3.0) == "exp(3) - 1"
    assert put_in("exp(z)", z=-1.0) == "exp(-1)"


def test_sum_over_units_is_written_out():
    assert summed("exp(2) / sum(exp(z))", np.array([2.0, -1.0])) == (
        "exp(2) / (exp(2) + exp(-1))"
    )
    assert summed("tanh(2)", np.array([2.0])) == "tanh(2)"
