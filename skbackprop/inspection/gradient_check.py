"""The gradient check: whether the analytic gradient is the derivative of the objective.

Analytic is what backpropagation gives, numerical what differences of the objective
give. Where the two part, the loss and every activation are looked at alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..estimator.fitted_model import first_step
from ..network.objective import Batch
from .finite_differences import RESOLUTION, derivative
from .gradient_faults import activation_faults, loss_faults
from .tables import Section, as_html, as_text

__all__ = ["GradientCheck", "LayerCheck", "check_gradient"]


@dataclass(kw_only=True, eq=False)
class LayerCheck:
    """The comparison of the parameters of one layer.

    Attributes
    ----------
    name : str
        Number and activation of the layer.

    n_parameters, n_checked, n_kinks : int
        How many parameters the layer has, how many of them were compared, and how many
        of these are at a kink of the objective.

    max_relative_error : float
        The largest error of the compared parameters.

    where : str
        The parameter that has it, e.g. "coefs_[0][2, 1]".
    """

    name: str
    n_parameters: int
    n_checked: int
    n_kinks: int
    max_relative_error: float
    where: str


@dataclass(kw_only=True, eq=False)
class GradientCheck:
    """Analytic against numerical gradient: what :func:`check_gradient` returns.

    ``print(check)`` shows the verdict and a line per layer.

    Attributes
    ----------
    passed : bool
        Whether every compared parameter agrees to `tolerance`.

    verdict : str
        What was found, in sentences; what is wrong, if something is.

    max_relative_error : float
        ``max |a - n| / max(|a|, |n|, floor)`` of analytic a and numerical n. The floor
        is 1e-5 times the objective, or the largest derivative if that is more: smaller
        derivatives cannot be told from rounding.

    where : str
        The parameter with that error, e.g. "coefs_[0][2, 1]".

    layers : list of LayerCheck
        The same layer by layer.

    n_kinks : int
        Number of compared parameters with a kink of the objective so near that there is
        no derivative to compare with; there the analytic one must lie between those of
        the two sides.

    analytic : ndarray of shape (n_parameters,)
        The gradient by backpropagation: all weights first, then all biases.

    numerical : ndarray of shape (n_parameters,)
        The gradient by differences; NaN where it was not computed and at kinks.

    tolerance : float
        The largest relative error that passes.
    """

    passed: bool
    verdict: str
    max_relative_error: float
    where: str
    layers: list[LayerCheck]
    n_kinks: int
    analytic: NDArray
    numerical: NDArray
    tolerance: float

    def __str__(self):
        return as_text(self._sections())

    def __repr__(self):
        verdict = "passed" if self.passed else "failed"
        return f"<GradientCheck {verdict}: {self.max_relative_error:.1e} at {self.where}>"

    def _repr_html_(self):
        return as_html(self._sections())

    def _sections(self):
        names = ("layer", "parameters", "checked", "kinks", "largest error", "at")
        rows = [
            (
                layer.name,
                f"{layer.n_parameters:,}",
                f"{layer.n_checked:,}",
                f"{layer.n_kinks:,}",
                f"{layer.max_relative_error:.1e}",
                layer.where,
            )
            for layer in self.layers
        ]
        heading = "Gradient check: " + ("passed" if self.passed else "FAILED")
        prose = self.verdict.split("\n")
        return [
            Section(heading=heading, prose=prose, names=names, rows=rows, flush_right=True)
        ]


def check_gradient(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    tolerance: float = 1e-6,
    n_checks: int | None = 100,
) -> GradientCheck:
    """Compare the analytic with the numerical gradient of an estimator's objective.

    The check runs in float64 on a copy, with the weights that training would start from
    or go on with, for every loss and activation, your own included. Dropout keeps one
    mask.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Fitted or not; it stays as it is.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows over which the objective is taken; a few are enough.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their class labels or target values.

    sample_weight : array-like of shape (n_samples,) or None, default=None
        How much each row counts.

    tolerance : float, default=1e-6
        The largest relative error that passes.

    n_checks : int or None, default=100
        Largest number of weights, and of biases, to compare in each layer: a random
        choice, the same in each call. None compares all.

    Returns
    -------
    check : GradientCheck
        The comparison; print it.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        For whatever `fit` refuses, and if the objective is not finite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, check_gradient
    >>> X, y = load_iris(return_X_y=True)
    >>> check = check_gradient(BackpropClassifier((5,), "tanh", random_state=0), X, y)
    >>> check.passed, check.max_relative_error < 1e-7
    (True, True)
    """
    plan, state, data = first_step(estimator, X, y, sample_weight, "check_gradient")
    problem = _Problem(plan.objective, state, data)
    if not np.isfinite(problem.centre):
        raise ValueError(
            f"The objective of these rows is {problem.centre}, which has no derivative. "
            "Scale the inputs, or check the value that the loss returns."
        )
    compared = [
        _compare_layer(problem, number, n_checks) for number in range(problem.n_layers)
    ]
    layers = [_summary(problem, number, found) for number, found in enumerate(compared)]
    everything = [parameter for found in compared for parameter in found]
    numerical = np.full_like(problem.vector, np.nan)
    for parameter in everything:
        numerical[parameter.place] = parameter.numerical
    worst = _worst(everything)
    passed = all(parameter.error <= tolerance for parameter in everything)
    sentences = (
        _praise(layers, worst) if passed else _complaint(problem, layers, worst, tolerance)
    )
    return GradientCheck(
        passed=passed,
        verdict="\n".join(sentences),
        max_relative_error=worst.error,
        where=worst.name,
        layers=layers,
        n_kinks=sum(layer.n_kinks for layer in layers),
        analytic=problem.analytic,
        numerical=numerical,
        tolerance=tolerance,
    )


class _Problem:
    """The objective of an estimator in float64, as a function of the flat vector."""

    def __init__(self, objective, state, data):
        self.objective, self.network = objective, objective.network
        self.n_layers = len(self.network.layers)
        self.vector = state.vector.astype(np.float64)
        self.batch = Batch(*(None if a is None else a.astype(np.float64) for a in data))
        n_rows = data.X.shape[0]
        self.work = self.network.allocate(n_rows, np.float64, separate=True)
        if state.dropout_seed is not None:
            self.network.draw_masks(self.work, state.dropout_seed, state.step)
        self._gradient = self.network.parameters(np.empty_like(self.vector))
        self.centre = self.value(self.vector)
        self.analytic = objective.convention.orient(self._gradient.vector.copy())
        self.net_inputs = [work.net_input.copy() for work in self.work]

    def value(self, vector):
        """Return the objective; on the way the gradient is filled too."""
        parameters = self.network.parameters(vector)
        with np.errstate(all="ignore"):
            return self.objective.value_and_gradient(
                parameters, self.batch, self.work, self._gradient
            )

    @property
    def floor(self):
        """The size below which a derivative drowns in rounding."""
        largest = max(abs(self.centre), np.nanmax(np.abs(self.analytic), initial=0))
        return max(RESOLUTION * largest, np.finfo(float).tiny)

    def name_of(self, number):
        if number == self.n_layers - 1:
            return f"layer {number + 1}, output ({_name(self.objective.loss)})"
        return f"layer {number + 1} ({_name(self.network.layers[number].activation)})"


def _name(rule):
    return type(rule).__name__


# -- parameter by parameter ------------------------------------------------------------


class _Compared(NamedTuple):
    place: int  # in the flat vector
    name: str
    analytic: float
    numerical: float  # NaN at a kink
    error: float  # relative; at a kink the distance from the span of the two sides;
    # infinite if the analytic derivative is not a number
    is_kink: bool


def _compare_layer(problem, number, n_checks):
    """Compare a choice of the weights and of the biases of a layer."""
    layer = problem.network.parameters(np.arange(len(problem.vector))).layers[number]
    rng = np.random.RandomState(0)
    compared = []
    for part, indices in (("coefs_", layer.weights), ("intercepts_", layer.bias)):
        chosen = np.arange(indices.size)
        if n_checks is not None and indices.size > n_checks:
            chosen = np.sort(rng.choice(indices.size, n_checks, replace=False))
        for place in chosen:
            position = ", ".join(map(str, np.unravel_index(place, indices.shape)))
            name = f"{part}[{number}][{position}]"
            compared.append(_compare(problem, indices.flat[place], name))
    return compared


def _compare(problem, index, name):
    analytic = float(problem.analytic[index])
    found = derivative(problem.value, problem.vector, index, problem.floor)
    if not np.isfinite(analytic):
        return _Compared(index, name, analytic, found.value, np.inf, False)
    scale = max(abs(analytic), abs(found.value), problem.floor)
    if found.is_settled:
        error = abs(analytic - found.value) / scale
        return _Compared(index, name, analytic, found.value, float(error), False)
    low, high = sorted((found.left, found.right))
    slack = 0.01 * (high - low) + 1e-3 * scale  # the two sides are rough
    outside = max(low - slack - analytic, analytic - high - slack, 0.0)
    return _Compared(index, name, analytic, np.nan, float(outside / scale), True)


def _worst(compared):
    """Return the parameter with the largest error, of equal ones one without a kink."""
    return max(compared, key=lambda parameter: (parameter.error, not parameter.is_kink))


def _summary(problem, number, compared):
    layer, worst = problem.network.layers[number], _worst(compared)
    return LayerCheck(
        name=problem.name_of(number),
        n_parameters=(layer.n_inputs + 1) * layer.n_units,
        n_checked=len(compared),
        n_kinks=sum(parameter.is_kink for parameter in compared),
        max_relative_error=worst.error,
        where=worst.name,
    )


# -- what is said ----------------------------------------------------------------------


def _praise(layers, worst):
    yield (
        "The analytic gradient is the derivative of the objective: the largest relative "
        f"error is {worst.error:.1e}, at {worst.name}."
    )
    n_kinks, n_checked = (
        sum(getattr(layer, name) for layer in layers) for name in ("n_kinks", "n_checked")
    )
    if n_kinks:
        yield (
            f"{n_kinks} of {n_checked} parameters are at a kink, or at a bend too sharp "
            "for differences: the derivatives of the two sides differ. The analytic ones "
            "lie between them."
        )
    if n_kinks > n_checked / 2:
        yield "That is most of them: pass fewer rows, which bring fewer kinks."


def _complaint(problem, layers, worst, tolerance):
    derivative = f"the derivative is {worst.numerical:.6g}"
    if worst.is_kink:
        derivative = "lies outside the derivatives of the two sides of a kink"
    yield (
        f"The analytic gradient is not the derivative of the objective: at {worst.name} it "
        f"is {worst.analytic:.6g}, and {derivative}."
    )
    right = [layer.name for layer in layers if layer.max_relative_error <= tolerance]
    if right:
        yield f"It is right in {' and '.join(right)}."
    faults = list(_faults(problem))
    yield from faults
    if not faults:
        yield (
            "The loss and the activations, each looked at alone, are right: what differs "
            "is how they are put together."
        )


def _faults(problem):
    yield from loss_faults(problem.objective.loss, problem.batch, problem.net_inputs[-1])
    for number, layer in enumerate(problem.network.layers[:-1]):
        name = f"{_name(layer.activation)} of layer {number + 1}"
        yield from activation_faults(layer.activation, problem.net_inputs[number], name)
