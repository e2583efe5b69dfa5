"""compare_step: what differs first in a step of your own, and why."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier, BackpropRegressor, trace_step
from skbackprop.inspection.step_comparison import compare_step

X = np.array([[0.5, -1.0], [1.5, 0.3], [-0.7, 0.8]])
Y = np.array([[1.0, 0.2], [0.0, -0.4], [0.5, 0.9]])
LEARNING_RATE, ALPHA = 0.1, 0.01


def trace_of(solver="sgd", error_convention="output_minus_target"):
    reg = BackpropRegressor(
        (2, 2),
        "tanh",
        solver=solver,
        momentum=0,
        learning_rate=LEARNING_RATE,
        alpha=ALPHA,
        random_state=3,
        error_convention=error_convention,
    )
    return trace_step(reg, X, Y)


class Step:
    """A step of gradient descent as a student writes it: three layers, tanh, half squares.

    A mistake is made where an attribute says so.
    """

    sign, uses_bias, slope_at, mean, penalty, is_descent = 1, True, "activation", 3, 1, True
    order, twice, transposes, rate = "old", 1, True, LEARNING_RATE

    def __init__(self, **mistakes):
        vars(self).update(mistakes)

    def __call__(self, weights, biases, X, target):
        a, z = [X], []
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z.append(a[-1] @ w + (b if self.uses_bias else 0))
            a.append(z[-1] if i == 2 else np.tanh(z[-1]))
        delta = [self.twice * self.sign * (a[-1] - target) / self.mean]
        after = [None] * 3
        for i in (2, 1, 0):
            gradient = a[i].T @ delta[0] + self.sign * self.penalty * ALPHA / 3 * weights[i]
            step = -self.rate * gradient if self.is_descent else self.rate * gradient
            after[i] = weights[i] + step
            if i > 0:
                through = after[i] if self.order == "new" else weights[i]
                back = delta[0] @ (through.T if self.transposes else through)
                at = {"activation": a[i], "net_input": z[i - 1]}.get(self.slope_at)
                delta.insert(0, back * (1 if at is None else 1 - at**2))
        return {
            "net_input": z,
            "activation": a[1:],
            "delta": delta,
            "weights_gradient": [
                below.T @ d + self.sign * self.penalty * ALPHA / 3 * w
                for below, d, w in zip(a, delta, weights, strict=False)
            ],
            "bias_gradient": [d.sum(axis=0) for d in delta],
            "weights_after": after,
        }


def test_a_correct_step_passes():
    comparison = compare_step(trace_of(), Step())
    assert comparison.passed
    assert comparison.largest_difference == 0
    assert "real one" in str(comparison)


@pytest.mark.parametrize(
    ("mistake", "quantity", "layer", "words"),
    [
        ({"sign": -1}, "delta", 2, "sign is turned: here the error is o - t"),
        ({"uses_bias": False}, "net_input", 0, "bias is left out"),
        ({"mean": 1}, "delta", 2, "divide by their weight, 3"),
        ({"twice": 2}, "delta", 2, "twice as large"),
        ({"mean": 6}, "delta", 2, "outputs are averaged"),
        ({"slope_at": None}, "delta", 1, "slope is left out"),
        ({"slope_at": "net_input"}, "delta", 1, "derivative is taken at the wrong place"),
        ({"order": "new"}, "delta", 1, "from before the step"),
        ({"transposes": False}, "delta", 1, "not transposed on the way back"),
        ({"penalty": 0}, "weights_gradient", 0, "penalty is left out"),
        ({"penalty": 3}, "weights_gradient", 0, "penalty is not divided"),
        ({"is_descent": False}, "weights_after", 0, "goes uphill"),
        ({"rate": 0.0}, "weights_after", 0, "have not moved"),
        ({"rate": 1.0}, "weights_after", 0, "learning rate is left out"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_planted_mistake_is_named(mistake, quantity, layer, words):
    comparison = compare_step(trace_of(), Step(**mistake))
    assert (comparison.quantity, comparison.layer) == (quantity, layer)
    assert words in comparison.cause
    assert comparison.largest_difference > 0


def test_a_transposed_gradient_is_named():
    trace = trace_step(BackpropRegressor((3,), "tanh", alpha=0, random_state=0), X, Y)
    gradients = [layer.weights_gradient.T for layer in trace.layers]
    comparison = compare_step(trace, {"weights_gradient": gradients})
    assert "gradient is transposed" in comparison.cause
    assert comparison.largest_difference == np.inf  # no such shape


def test_the_slope_that_a_loss_has_cancelled_is_named():
    clf = BackpropClassifier((2,), alpha=0, random_state=0)
    trace = trace_step(clf, X, [0, 1, 1])
    hidden, output = trace.layers[0].delta, trace.layers[-1]
    wrong = output.error * output.activation * (1 - output.activation) / 3
    comparison = compare_step(trace, {"delta": [hidden, wrong]})
    assert (comparison.quantity, comparison.layer) == ("delta", 1)
    assert "cancels in this loss" in comparison.cause


def test_gradient_descent_in_the_place_of_adam_is_named():
    comparison = compare_step(trace_of(solver="adam"), Step())
    assert comparison.quantity == "weights_after"
    assert "plain gradient descent; the step was made by Adam" in comparison.cause


def test_the_sign_belongs_to_the_convention():
    trace = trace_of(error_convention="target_minus_output")
    comparison = compare_step(trace, Step())
    assert "here the error is t - o" in comparison.cause
    assert comparison.quantity == "delta"


def test_a_mistake_that_nobody_knows_is_said_to_be_one():
    trace = trace_of()
    z = [layer.net_input + 1 for layer in trace.layers]
    comparison = compare_step(trace, {"net_input": z})
    assert comparison.cause is None
    assert comparison.largest_difference == pytest.approx(1)
    assert "No common mistake" in str(comparison)
    assert "No common mistake" in comparison._repr_html_()


def test_two_lists_of_gradients_are_enough():
    def gradients(weights, biases, X, target):
        step = Step()(weights, biases, X, target)
        return step["weights_gradient"], step["bias_gradient"]

    assert compare_step(trace_of(), gradients).compared == (
        "weights_gradient",
        "bias_gradient",
    )


def test_what_was_traced_stays_as_it_was():
    trace = trace_of()
    before = trace.layers[0].weights_before.copy()

    def careless(weights, biases, X, target):
        step = Step()(weights, biases, X, target)
        weights[0][...] = 0
        return step

    assert compare_step(trace, careless).passed
    assert_array_equal(trace.layers[0].weights_before, before)


@pytest.mark.parametrize(
    ("mine", "error", "words"),
    [
        (3, TypeError, "a dict of lists of arrays, or a function"),
        ({}, ValueError, "at least one of the quantities net_input"),
        ({"gradient": []}, ValueError, "Got 'gradient'"),
        ({"delta": [np.ones(2)]}, ValueError, "each of the 3 layers"),
        (lambda *_: None, ValueError, "It returned NoneType"),
    ],
)
def test_what_cannot_be_compared_is_refused(mine, error, words):
    with pytest.raises(error, match=words):
        compare_step(trace_of(), mine)


def test_something_else_than_a_trace_is_refused():
    with pytest.raises(TypeError, match="pass what trace_step returns"):
        compare_step(X, Step())
