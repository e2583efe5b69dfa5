"""Levenberg-Marquardt: squared errors of small networks, by the derivative of each error.

Near a minimum a sum of squares is a parabola that the first derivatives of the errors
give: ``J' J`` instead of second derivatives (Gauss and Newton). A step solves

    (J' J + damping * I) step = -J' e

With little damping it leads to the bottom of that parabola; with much it is a short step
downhill. The damping falls tenfold after a step that lowers the objective, and rises
tenfold until one does (Marquardt, 1963; for networks Hagan & Menhaj, 1994). J comes from
backpropagation, one pass for each output.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import OptimizeResult
from scipy.sparse import issparse

from ..losses import SquaredError
from ..network.network import Network, Parameters
from ..rule import INFINITY, number, spec
from .loop import EpochReport
from .minimizer import Minimizer
from .state import DivergenceError

__all__ = ["LevenbergMarquardt"]

MOST_PARAMETERS = 4000  # whose matrix takes 128 MB, and a step some seconds
ELEMENTS = 2**21  # of J that are in memory at once
FIRST_DAMPING = 1e-3  # these three times the largest element of the diagonal of J' J
LEAST_DAMPING, LARGEST_DAMPING = 1e-15, 1e10
FACTOR = 10.0
SMALLEST_GAIN = 1e-9  # of an iteration, relative to the objective


class Point(NamedTuple):
    """A place, and the parabola there; everything is divided by the sum of the weights."""

    vector: NDArray
    value: float  # of the objective
    gradient: NDArray
    curvature: NDArray  # (n_parameters, n_parameters)


@spec
class LevenbergMarquardt(Minimizer):
    """Damped Gauss-Newton steps on all rows (Hagan & Menhaj, 1994)."""

    max_iter: int = number(200, 1, INFINITY, "[)", Integral)
    tol: float = number(1e-4, 0, INFINITY, "[)")

    from_estimator = ("max_iter", "tol")
    name: ClassVar[str] = "lm"
    title: ClassVar[str] = "Levenberg-Marquardt"
    remedy: ClassVar[str] = "Increase max_iter, or scale the inputs and y."

    def why_not(self, objective):
        n_parameters = objective.network.n_parameters
        if type(objective.loss) is not SquaredError:
            return (
                "it minimises squared errors. Use loss='squared_error', or another solver."
            )
        if n_parameters > MOST_PARAMETERS:
            return (
                f"it has {n_parameters} weights and biases, and each iteration solves a "
                f"system of as many equations; {MOST_PARAMETERS} are allowed. Use a "
                "smaller network, or solver='lbfgs'."
            )
        return None

    def minimize(self, plan, state, data, engine, is_over):
        problem = _Problem(plan.objective, state, data, engine)
        point = problem.at(state.vector.astype(np.float64))
        if not (np.isfinite(point.value) and np.isfinite(point.curvature).all()):
            raise DivergenceError(
                f"Levenberg-Marquardt cannot begin: the loss is {point.value}, and the "
                "squares of its derivatives are too large. Scale the inputs and y (for "
                "example with StandardScaler)."
            )
        damping, message = FIRST_DAMPING, None
        for _ in range(self.max_iter):
            if np.abs(point.gradient).max() <= self.tol:
                message = "the gradient is within tol"
                break
            before, (point, damping) = point, problem.descend(point, damping)
            if point is before:
                message = "no step lowers the objective"
                break
            state.epoch += 1
            state.vector[...] = point.vector
            if is_over(EpochReport(state.epoch, state.epoch, point.value, 1.0)):
                message = "stopped"
                break
            if before.value - point.value <= SMALLEST_GAIN * before.value:
                message = "the objective hardly falls"
                break
        return OptimizeResult(
            fun=point.value,
            success=message is not None,
            message=message or f"{self.max_iter} iterations were not enough",
        )


class _Problem:
    """The objective and its parabola, of the rows of all processes."""

    def __init__(self, objective, state, data, engine):
        self.objective, self.data, self.engine = objective, data, engine
        self.parameters: Parameters = objective.network.parameters(
            np.empty_like(state.vector)
        )
        total = engine.reduce(np.array([data.weight_sum], dtype=float))
        self.weight_sum = float(total[0])
        self.penalty = objective.alpha / self.weight_sum

    def at(self, vector: NDArray) -> Point:
        """Return the point with its parabola."""
        n = len(vector)
        self.parameters.vector[...] = vector
        total = self.engine.reduce(self._squares_held_here())
        gradient, curvature = total[:n], total[n:].reshape(n, n)
        n_weights = len(self.parameters.weights)
        gradient[:n_weights] += self.penalty * vector[:n_weights]
        diagonal = np.einsum("ii->i", curvature)  # a view
        diagonal[:n_weights] += self.penalty
        return Point(vector, self.value(vector), gradient, curvature)

    def value(self, vector: NDArray) -> float:
        """Return the objective."""
        self.parameters.vector[...] = vector
        share, loss = self.data.weight_sum / self.weight_sum, 0.0
        if share > 0:  # without rows there is nothing to add
            z = self.objective.net_output(self.parameters.vector, self.data.X)
            loss = self.objective.loss_of(z, self.data) * share
        weights = vector[: len(self.parameters.weights)]
        total = self.engine.reduce(np.array([loss]))
        return float(total[0]) + self.penalty / 2 * float(np.dot(weights, weights))

    def descend(self, point: Point, damping: float) -> tuple[Point, float]:
        """Return the next point and damping; the same point where there is none below."""
        scale = float(np.diagonal(point.curvature).max()) or 1.0
        while damping <= LARGEST_DAMPING:
            vector = _step_from(point, damping * scale)
            with np.errstate(all="ignore"):  # a step too far may overflow
                if vector is not None and self.value(vector) < point.value:
                    return self.at(vector), max(damping / FACTOR, LEAST_DAMPING)
            damping *= FACTOR
        return point, damping

    @np.errstate(all="ignore")
    def _squares_held_here(self):
        """Return ``J' e`` and ``J' J`` of the rows held here, in one array."""
        n = len(self.parameters.vector)
        total, data = np.zeros(n + n * n), self.data
        gradient, curvature = total[:n], total[n:].reshape(n, n)
        n_outputs = data.target.shape[1]
        size = max(1, ELEMENTS // (n * n_outputs))
        weight = data.loss_weight
        for start in range(0, data.X.shape[0], size):
            rows = slice(start, start + size)
            output, jacobian = output_and_jacobian(
                self.objective.network,
                self.objective.loss.link,
                self.parameters,
                data.X[rows],
            )
            error = (output - data.target[rows]).astype(np.float64)
            if self.objective.ignores_missing:
                missing = np.isnan(error)
                error[missing], jacobian[missing] = 0, 0
            if weight is not None:
                root = np.sqrt(weight[rows], dtype=np.float64)[:, np.newaxis]
                error *= root
                jacobian *= root[:, :, np.newaxis]
            jacobian = jacobian.reshape(-1, n)
            gradient += jacobian.T @ error.ravel()
            curvature += jacobian.T @ jacobian
        total /= self.weight_sum
        return total


def _step_from(point, damping):
    """Return where a damped step leads; None where it cannot be computed."""
    damped = point.curvature.copy()
    np.einsum("ii->i", damped)[...] += damping  # a view of the diagonal
    try:
        factor = cho_factor(damped, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    return point.vector - cho_solve(factor, point.gradient, check_finite=False)


@np.errstate(all="ignore")
def output_and_jacobian(
    network: Network, link: Any, parameters: Parameters, X: Any
) -> tuple[NDArray, NDArray]:
    """Return the outputs of some rows and their derivatives by every parameter.

    Shapes (n_rows, n_outputs) and (n_rows, n_outputs, n_parameters), the latter in double
    precision. Backpropagation with a delta of one output after the other.
    """
    X = X.toarray() if issparse(X) else X
    work = network.allocate(len(X), parameters.vector.dtype)
    z = network.forward(parameters, X, work)
    output = np.empty_like(z)
    link.forward(z, out=output)
    saved = output if link.saves == "activation" else z
    jacobian = np.empty((*z.shape, network.n_parameters))
    for k in range(z.shape[1]):
        delta = work[-1].delta
        delta[...] = 0
        delta[:, k] = 1
        link.backward(saved, delta)
        _fill_derivatives(network, parameters, X, work, jacobian[:, k])
    return output, jacobian


def _fill_derivatives(network, parameters, X, work, out):
    """Fill `out` with what each row's delta of the output layer makes of the gradient."""
    places = network.parameters(np.arange(network.n_parameters))
    for i in range(len(network.layers) - 1, -1, -1):
        below, delta = work[i - 1].output if i else X, work[i].delta
        products = below[:, :, np.newaxis] * delta[:, np.newaxis, :]
        out[:, places.layers[i].weights.ravel()] = products.reshape(len(X), -1)
        out[:, places.layers[i].bias] = delta
        if i:
            network.layers[i].pass_down(parameters.layers[i], work[i], work[i - 1].delta)
            activation = network.layers[i - 1].activation
            activation.backward(getattr(work[i - 1], activation.saves), work[i - 1].delta)
