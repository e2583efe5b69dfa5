"""Your own backpropagation step beside the real one: what differs first, and probably why.

A cause is a formula that a step on paper often gets wrong. It is named when it gives
exactly the numbers that were handed in, so nothing is guessed from sizes or signs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import slope
from .tables import Section, as_html, as_text
from .trace import StepTrace

__all__ = ["StepComparison", "compare_step"]

FORWARD = ("net_input", "activation")
PARAMETERS = (
    *("weights_gradient", "bias_gradient"),
    *("weights_update", "bias_update"),
    *("weights_after", "bias_after"),
)
QUANTITIES = (*FORWARD, "error", "delta", *PARAMETERS)
RTOL = 1e-6  # other code adds up in another order, perhaps in float32


@dataclass(frozen=True, kw_only=True)
class StepComparison:
    """Where a step leaves the real one: what :func:`compare_step` returns.

    Attributes
    ----------
    quantity : str or None
        The first quantity that differs, as "delta"; None where all are the same.

    layer : int or None
        The layer it belongs to, counted from 0.

    cause : str or None
        What probably went wrong; None where no known mistake gives these numbers.

    compared : tuple of str
        The quantities that were handed in, in the order in which a step computes them.

    largest_difference : float
        Of the quantity that differs, between the numbers; 0 where all are the same.
    """

    quantity: str | None
    layer: int | None
    cause: str | None
    compared: tuple[str, ...]
    largest_difference: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every number is that of the real step."""
        return self.quantity is None

    def __str__(self):
        return as_text([self._section()])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return as_html([self._section()])

    def _section(self):
        names = ", ".join(self.compared)
        if self.passed:
            return Section(
                heading="Your step is the real one", prose=[f"compared: {names}"]
            )
        return Section(
            heading=f"The first difference: {self.quantity} of layer {self.layer + 1}",
            prose=[
                self.cause or "No common mistake gives these numbers.",
                f"largest difference: {self.largest_difference:.6g}",
                f"compared: {names}",
            ],
        )


def compare_step(
    trace: StepTrace, mine: Mapping[str, Any] | Callable[..., Any]
) -> StepComparison:
    """Find the first number of your own step that differs, and the likely cause.

    Parameters
    ----------
    trace : StepTrace
        The real step, from :func:`trace_step`.

    mine : dict or callable
        Your step. A dict has a list with one array for each layer, the output layer
        last, under any of the names "net_input", "activation", "delta",
        "weights_gradient", "bias_gradient", "weights_update", "bias_update",
        "weights_after", "bias_after", and one array under "error", in the shapes of
        `LayerTrace`. A function is called as ``mine(weights, biases, X, target)`` with
        the parameters before the step, one array for each layer, and the rows in the
        order of the trace. It returns such a dict, or the two lists of the gradients of
        weights and of biases.

    Returns
    -------
    comparison : StepComparison
        Print it. The quantities are compared in the order in which a step computes them,
        so what comes first is where the mistake is.

    Raises
    ------
    TypeError
        If `trace` is not a StepTrace, or `mine` neither a dict nor a function.
    ValueError
        For an unknown or no quantity, and for another number of layers.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import BackpropRegressor, compare_step, trace_step
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 0.0])
    >>> trace = trace_step(BackpropRegressor((), alpha=0, random_state=0), X, y)
    >>> def linear(weights, biases, X, target):
    ...     error = X @ weights[0] + biases[0] - target
    ...     return [X.T @ error], [error.sum(axis=0)]
    >>> print(compare_step(trace, linear))
    The first difference: weights_gradient of layer 1
      This is the sum over the rows; the loss is a mean, so divide by their weight, 2.
      largest difference: ...
      compared: weights_gradient, bias_gradient
    """
    if not isinstance(trace, StepTrace):
        raise TypeError(
            f"compare_step compares with a StepTrace. Got {type(trace).__name__}: pass "
            "what trace_step returns."
        )
    arrays = _checked(_called(mine, trace), trace)
    compared = tuple(name for name in QUANTITIES if name in arrays)
    for name, layer in _in_order(len(trace.layers)):
        if name not in arrays:
            continue
        given, true = arrays[name][layer], getattr(trace.layers[layer], name)
        if not _same(given, true):
            return StepComparison(
                quantity=name,
                layer=layer,
                cause=_cause(_Place(trace, name, layer), given),
                compared=compared,
                largest_difference=_distance(given, true),
            )
    return StepComparison(quantity=None, layer=None, cause=None, compared=compared)


def _called(mine, trace):
    """Return the dict that was given, or that the function returns for this step."""
    if isinstance(mine, Mapping):
        return mine
    if not callable(mine):
        raise TypeError(
            "mine must be a dict of lists of arrays, or a function of weights, biases, X "
            f"and target. Got {type(mine).__name__}."
        )
    weights = [layer.weights_before.copy() for layer in trace.layers]
    biases = [layer.bias_before.copy() for layer in trace.layers]
    result = mine(weights, biases, trace.layers[0].inputs.copy(), trace.target.copy())
    if isinstance(result, Mapping):
        return result
    try:
        weights_gradient, bias_gradient = result
    except (TypeError, ValueError):
        raise ValueError(
            "The function must return a dict, or the gradients of the weights and those "
            f"of the biases: two lists. It returned {type(result).__name__}."
        ) from None
    return {"weights_gradient": weights_gradient, "bias_gradient": bias_gradient}


def _checked(mine, trace):
    """Return the quantities as one float array for each layer."""
    unknown = [name for name in mine if name not in QUANTITIES]
    if unknown or not mine:
        raise ValueError(
            f"Pass at least one of the quantities {', '.join(QUANTITIES)}. "
            f"Got {', '.join(map(repr, unknown)) or 'none'}."
        )
    n_layers, arrays = len(trace.layers), {}
    for name, values in mine.items():
        if name == "error":
            arrays[name] = [None] * (n_layers - 1) + [np.asarray(values, dtype=float)]
            continue
        if len(values) != n_layers:
            raise ValueError(
                f"{name!r} needs one array for each of the {n_layers} layers, the output "
                f"layer last. Got {len(values)}."
            )
        arrays[name] = [np.asarray(value, dtype=float) for value in values]
    return arrays


def _in_order(n_layers) -> Iterator[tuple[str, int]]:
    """Yield quantities and layers in the order in which a step computes them."""
    for layer in range(n_layers):
        yield from ((name, layer) for name in FORWARD)
    yield "error", n_layers - 1
    for layer in reversed(range(n_layers)):
        yield "delta", layer
    for name in PARAMETERS:
        yield from ((name, layer) for layer in range(n_layers))


def _same(given, true):
    atol = RTOL * float(np.max(np.abs(true), initial=0.0))
    return given.shape == true.shape and np.allclose(given, true, rtol=RTOL, atol=atol)


def _distance(given, true):
    if given.shape != true.shape:
        return float("inf")
    return float(np.max(np.abs(given - true), initial=0.0))


# -- causes ----------------------------------------------------------------------------


class _Place:
    """A quantity of a layer, and what the formulas around it need."""

    def __init__(self, trace, name, number):
        self.name, self.trace, self.layer = name, trace, trace.layers[number]
        self.true = getattr(self.layer, name)
        is_output = number == len(trace.layers) - 1
        self.above = None if is_output else trace.layers[number + 1]
        self.below = trace.layers[number - 1] if number else None
        self.activation = trace.plan.objective.network.layers[number].activation
        self.convention = trace.plan.objective.convention
        self.alpha, self.rate = trace.plan.objective.alpha, trace.learning_rate
        self.l1_ratio = trace.plan.objective.l1_ratio
        weights = trace.sample_weight
        weights = np.ones(len(trace.rows)) if weights is None else weights
        self.weight_sum = trace.weight_sum
        self.share = (weights / self.weight_sum)[:, np.newaxis]

    def of(self, moment):
        """Return the same parameters at another moment of the step."""
        return getattr(self.layer, f"{self.name.partition('_')[0]}_{moment}")

    def moved_by(self, update):
        """Return the parameters as this update would leave them."""
        vector = self.of("before").copy()
        self.convention.apply(vector, update)
        return vector


# Each mistake is a pair: the sentence that names it, and the numbers that it gives.
Mistakes = Iterator[tuple[str, NDArray]]


def _cause(at, given):
    """Return the sentence of the first mistake that gives these numbers, or None."""
    for words, numbers in MISTAKES[at.name](at):
        if _same(given, numbers):
            return words
    return None


def _of_net_input(at) -> Mistakes:
    inputs, weights, bias = at.layer.inputs, at.layer.weights_before, at.layer.bias_before
    yield "The bias is left out: z = x W + b.", inputs @ weights
    yield "The bias is subtracted: z = x W + b.", inputs @ weights - bias
    if weights.shape[0] == weights.shape[1]:
        words = "The weights are transposed: rows of W are inputs, columns are units."
        yield words, inputs @ weights.T + bias
    yield "The net input is turned: units are columns, rows are samples.", at.true.T
    words = "This is the activation; the net input is the sum before the function."
    yield words, at.layer.activation


def _of_activation(at) -> Mistakes:
    words = "The activation function is not applied: this is the net input."
    yield words, at.layer.net_input


def _of_error(at) -> Mistakes:
    yield _turned(at)
    yield "The error is already divided by the rows: that comes later.", at.true * at.share


def _of_delta(at) -> Mistakes:
    yield _turned(at)
    yield from _of_hidden_delta(at) if at.above else _of_output_delta(at)
    yield from _scaled(at)


def _of_output_delta(at):
    error, slope_of_output = at.layer.error, at.layer.slope
    words = "The slope of the output function is left out: this is the error alone."
    yield words, error * at.share
    if slope_of_output is not None:
        words = (
            "The error is multiplied with the slope of the output function, which cancels "
            "in this loss: the delta is the error itself."
        )
        yield words, error * slope_of_output * at.share


def _of_hidden_delta(at):
    before, after = at.above.weights_before, at.above.weights_after
    z, a, own_slope = at.layer.net_input, at.layer.activation, at.layer.slope
    back = at.above.delta @ before.T
    words = (
        "The slope is left out: multiply the sum from the layer above with the derivative "
        "of the activation."
    )
    yield words, back
    words = (
        "The derivative is taken at the wrong place: net input and activation are mixed "
        "up in its formula."
    )
    yield words, back * slope(at.activation, a, a)
    yield words, back * slope(at.activation, z, z)
    words = (
        "The layer above was updated first: deltas go back through the weights from before "
        "the step."
    )
    yield words, at.above.delta @ after.T * own_slope
    if before.shape[0] == before.shape[1]:
        words = "The weights of the layer above are not transposed on the way back."
        yield words, at.above.delta @ before * own_slope
    words = "The error of the layer above is passed down, in place of its delta."
    if at.above.error is not None:
        yield words, (at.above.error * at.share) @ before.T * own_slope


def _of_weights_gradient(at) -> Mistakes:
    yield _turned(at)
    yield "The gradient is transposed: rows are inputs, columns are units.", at.true.T
    inputs, delta, weights = at.layer.inputs, at.layer.delta, at.layer.weights_before
    if at.alpha:
        kind, of_w = ("L1 and L2", "...") if at.l1_ratio else ("L2", "w")
        words = (
            f"The {kind} penalty is left out: it adds alpha / {at.weight_sum:g} * {of_w}."
        )
        yield words, inputs.T @ delta
        words = f"The {kind} penalty is not divided by the weight of the rows, "
        words += f"{at.weight_sum:g}."
        slope = (1 - at.l1_ratio) * weights + at.l1_ratio * np.sign(weights)
        yield words, inputs.T @ delta + at.convention.orient(at.alpha * slope)
    if at.below:
        words = (
            "The deltas are multiplied with the net input of the layer below; what these "
            "weights have seen is its activation."
        )
        yield words, at.true + (at.below.net_input - inputs).T @ delta
    yield from _scaled(at)


def _of_bias_gradient(at) -> Mistakes:
    yield _turned(at)
    yield "The bias is left out: its gradient is the sum of the deltas.", 0 * at.true
    words = (
        "This is the mean of the deltas; they contain the mean over rows already, so add "
        "them up."
    )
    yield words, at.true / len(at.trace.rows)
    yield from _scaled(at)


def _of_update(at) -> Mistakes:
    yield _turned(at)
    yield "The learning rate is left out: this is the gradient.", at.of("gradient")
    yield _plain_descent(at), at.rate * at.of("gradient")


def _of_after(at) -> Mistakes:
    words = at.convention.words
    yield "The parameters have not moved.", at.of("before")
    sentence = f"The step goes uphill: with an error of {words.error}, "
    sentence += words.move.format(update="the update", parameter="the parameter") + "."
    yield sentence, at.moved_by(-at.of("update"))
    yield "The learning rate is left out.", at.moved_by(at.of("gradient"))
    yield _plain_descent(at), at.moved_by(at.rate * at.of("gradient"))


def _turned(at):
    """Return the mistake of the other sign."""
    words = at.convention.words
    return f"The sign is turned: here the error is {words.error}.", -at.true


def _scaled(at) -> Mistakes:
    """Yield the mistakes that only miss a factor."""
    words = (
        "This is the sum over the rows; the loss is a mean, so divide by their weight, "
        f"{at.weight_sum:g}."
    )
    yield words, at.true * at.weight_sum
    words = "This is twice as large: the derivative of half the squared error is the error."
    yield words, 2 * at.true
    words = "The outputs are averaged: the loss is a sum over outputs and a mean over rows."
    yield words, at.true / at.trace.target.shape[1]


def _plain_descent(at):
    return (
        f"This is plain gradient descent; the step was made by {at.trace.plan.optimizer}."
    )


MISTAKES: dict[str, Callable[[_Place], Mistakes]] = {
    "net_input": _of_net_input,
    "activation": _of_activation,
    "error": _of_error,
    "delta": _of_delta,
    "weights_gradient": _of_weights_gradient,
    "bias_gradient": _of_bias_gradient,
    "weights_update": _of_update,
    "bias_update": _of_update,
    "weights_after": _of_after,
    "bias_after": _of_after,
}
