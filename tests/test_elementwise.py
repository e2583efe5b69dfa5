"""Formulas are read from their source, and what cannot be one says why."""

import ast
import math
from typing import ClassVar

import numpy as np
import pytest
from numpy import exp, where
from numpy.testing import assert_array_equal
from rules import HIDDEN_ACTIVATIONS, LINKS, OPTIMIZER_OBJECTS

from skbackprop.activations import ElementwiseActivation, Relu, Silu, Tanh
from skbackprop.elementwise import (
    Line,
    NotElementwise,
    evaluate,
    in_one_line,
    lines,
    read,
    vocabulary,
)
from skbackprop.optimizers import SGD, Adam, ElementwiseOptimizer
from skbackprop.rule import number, spec

THIRD = 1 / 3


def doubled(x):
    return 2 * x


@spec
class Example(ElementwiseActivation):
    """Every kind of name that a formula may have."""

    scale: float = number(1.0, 0, 9)
    is_odd: bool = False
    saves = "net_input"

    def value(self, z):
        """It may have a docstring."""
        rate = math.sqrt(self.scale)
        large = np.maximum(doubled(z), THIRD) if self.is_odd else abs(z)
        return where(z > 0, rate * large, -exp(z)) + np.pi

    def derivative(self, z):
        return (z > 0) & (z < self.scale)


# -- what is read ----------------------------------------------------------------------


def test_formula_has_arguments_names_and_attributes_of_its_source():
    formula = read(Example.value)
    assert formula.arguments == ("z",)
    assert [name for name, _ in formula.statements] == ["rate", "large"]
    assert formula.attributes == ("scale", "is_odd")
    assert formula.scope["doubled"] is doubled
    assert formula.scope["np.maximum"] is np.maximum
    assert formula.scope["THIRD"] == THIRD


@pytest.mark.parametrize(
    ("is_odd", "large"), [(True, "maximum(doubled(z), THIRD)"), (False, "abs(z)")]
)
def test_text_is_that_of_the_source_with_switches_decided(is_odd, large):
    rule = Example(is_odd=is_odd)
    assert lines(read(Example.value), rule, ["a"]) == [
        Line("rate", "sqrt(scale)"),
        Line("large", large),
        Line("a", "where(z > 0, rate * large, -exp(z)) + pi"),
    ]


def test_vocabulary_explains_the_names_of_the_text():
    names = vocabulary(read(Example.value), Example(scale=4.0))
    assert names["scale"] == 4.0
    assert names["pi"] == np.pi
    assert names["exp"] is exp


def test_result_that_only_repeats_a_name_is_no_line():
    names = [name for name, _ in lines(read(Adam.step), Adam(), ["update", "m", "v"])]
    assert names == ["m", "v", "scale", "rate", "rate", "epsilon", "update"]


# -- what is refused -------------------------------------------------------------------


def refused(function):
    with pytest.raises(NotElementwise) as error:
        read(function)
    return str(error.value)


def test_statement_that_is_no_assignment_is_named():
    def loop(self, z):
        for _ in range(3):
            z = z * z
        return z

    assert "has the statement 'for _ in range(3):'" in refused(loop)


def test_assignment_to_several_names_is_refused():
    def swapped(self, z):
        a, b = z, 1
        return a + b

    assert "has the statement 'a, b = (z, 1)'" in refused(swapped)


def test_assignment_in_place_is_refused():
    def in_place(self, z):
        z *= 2
        return z

    assert "has the statement 'z *= 2'" in refused(in_place)


def test_formula_without_return_is_refused():
    def nothing(self, z):
        a = z
        a = a * a

    assert "does not end with a return" in refused(nothing)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda self, z: z, "no function made by def"),
        (len, "no source that could be read"),
    ],
)
def test_what_is_no_function_made_by_def_is_refused(function, words):
    assert words in refused(function)


def test_methods_and_unknown_functions_are_named():
    def mean(self, z):
        return z - z.mean()

    def summed(self, z):
        return z - np.sum(z)

    def unknown(self, z):
        return z * missing  # noqa: F821

    assert "uses 'z.mean'" in refused(mean)
    assert "uses 'np.sum', which is not known to be elementwise" in refused(summed)
    assert "uses 'missing'" in refused(unknown)


def test_function_that_is_no_formula_is_refused_with_the_one_that_calls_it():
    def bad(x):
        print(x)
        return x

    def value(self, z):
        return bad(z)

    assert "'print(x)'" in refused(value)


def test_other_expressions_are_refused():
    def sliced(self, z):
        return z[1:]

    def chained(self, z):
        return 0 < z < 1

    def product(self, z):
        return z @ z

    def negated(self, z):
        return ~(z > 0)

    def keyword(self, z):
        return np.exp(z, out=z)

    def text(self, z):
        return z * "a"

    assert "'z[1:]', which is not elementwise" in refused(sliced)
    assert "chain of comparisons" in refused(chained)
    assert "not elementwise" in refused(product)
    assert "not elementwise" in refused(negated)
    assert "keywords" in refused(keyword)
    assert "'a', which is no number" in refused(text)


# -- which method runs -----------------------------------------------------------------


def test_method_in_place_of_a_subclass_is_not_the_formula_of_its_parent():
    class Own(Tanh):
        def forward(self, z, out):
            out[...] = 0

    with pytest.raises(NotElementwise, match="has a method 'forward' beside no 'value'"):
        Own.source("forward")
    assert Own.source("backward") is Tanh.derivative


def test_formula_of_a_subclass_runs_in_the_place_of_its_parents_method():
    class Twice(Relu):
        def value(self, z):
            return 2 * np.maximum(z, 0)

    out = np.empty(2)
    Twice().forward(np.array([-1.0, 3.0]), out)
    assert_array_equal(out, [0, 6])
    assert Twice.source("forward") is Twice.value


def in_place_by_hand(rules, base):
    """The rules that have a method of their own where the base class makes one."""
    return {
        f"{name}-{method}": (rule, method)
        for name, rule in rules.items()
        if isinstance(rule, base)
        for method in base.made_of
        if getattr(type(rule), method) is not getattr(base, method)
    }


BY_HAND = in_place_by_hand({**HIDDEN_ACTIVATIONS, **LINKS}, ElementwiseActivation)
OPTIMIZERS_BY_HAND = in_place_by_hand(OPTIMIZER_OBJECTS, ElementwiseOptimizer)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
NUMBERS = [-np.inf, -100.0, -1e-30, -0.0, 0.0, 1e-30, 100.0, np.inf, np.nan]


@both_precisions
@pytest.mark.parametrize("name", BY_HAND)
def test_activation_written_by_hand_has_the_bits_of_its_formula(name, dtype, rng):
    rule, method = BY_HAND[name]
    z = np.append(rng.uniform(-9, 9, 1000), NUMBERS).astype(dtype)
    found, expected = np.ones_like(z), np.ones_like(z)
    with np.errstate(all="ignore"):
        getattr(rule, method)(z, found)
        getattr(ElementwiseActivation, method)(rule, z, expected)
    assert_array_equal(found, expected)


@both_precisions
@pytest.mark.parametrize("name", OPTIMIZERS_BY_HAND)
def test_optimizer_written_by_hand_has_the_bits_of_its_formula(name, dtype, rng):
    rule, _ = OPTIMIZERS_BY_HAND[name]
    memory, expected_memory = (rule.init(np.zeros(100, dtype)) for _ in range(2))
    for t in range(1, 5):
        found = rng.standard_normal(100).astype(dtype)
        expected = found.copy()
        rule.update(found, memory, 0.1, t)
        ElementwiseOptimizer.update(rule, expected, expected_memory, 0.1, t)
        assert_array_equal(found, expected)
        for key, array in memory.items():
            assert_array_equal(array, expected_memory[key])


def test_the_hot_rules_are_written_by_hand():
    classes = {type(rule).__name__ for rule, _ in BY_HAND.values()}
    assert classes == {"Identity", "Sigmoid", "Tanh", "Relu"}
    rules = {type(rule).__name__ for rule, _ in OPTIMIZERS_BY_HAND.values()}
    assert rules == {"SGD", "Adam", "AdamW"}


@both_precisions
def test_formula_keeps_the_precision_of_its_arrays(dtype):
    class Mixed(ElementwiseOptimizer):
        memory: ClassVar = {"m": 0.5}

        def step(self, g, m):
            return where(g > 0, 1, 0.25), m * np.float64(2)

    rule, gradient = Mixed(), np.array([1, -1], dtype)
    memory = rule.init(gradient)
    rule.update(gradient, memory, 0.1, 1)
    assert gradient.dtype == memory["m"].dtype == dtype
    assert_array_equal(gradient, [1, 0.25])
    assert_array_equal(memory["m"], [1, 1])


def test_optimizer_without_memory_returns_the_update_alone():
    class Plain(ElementwiseOptimizer):
        def step(self, g, learning_rate):
            return learning_rate * g

    gradient, other = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    Plain().update(gradient, Plain().init(gradient), 0.1, 1)
    SGD().update(other, SGD().init(other), 0.1, 1)
    assert_array_equal(gradient, other)


def test_formula_in_one_line_has_no_names_of_its_own():
    assert in_one_line(read(Silu.derivative), Silu()) == (
        "1 / (1 + exp(-z)) * (1 + z * (1 - 1 / (1 + exp(-z))))"
    )


def test_a_choice_is_evaluated_on_the_side_that_holds():
    choice = ast.parse("a if b > 0 else c", mode="eval").body
    assert [evaluate(choice, {"a": 1, "b": b, "c": 2}) for b in (1, -1)] == [1, 2]
