"""L-BFGS, from SciPy: quasi-Newton steps on all rows at once."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize

from ..rule import INFINITY, number, spec
from .loop import EpochReport
from .minimizer import Minimizer
from .state import DivergenceError

__all__ = ["LBFGS"]


@spec
class LBFGS(Minimizer):
    """Limited-memory BFGS in SciPy's implementation (Liu & Nocedal, 1989)."""

    max_iter: int = number(200, 1, INFINITY, "[)", Integral)
    max_fun: int = number(15000, 1, INFINITY, "[)", Integral)
    tol: float = number(1e-4, 0, INFINITY, "[)")

    from_estimator = ("max_iter", "max_fun", "tol")
    name: ClassVar[str] = "lbfgs"
    title: ClassVar[str] = "L-BFGS"
    remedy: ClassVar[str] = "Increase max_iter or max_fun, or scale the inputs and y."

    def minimize(self, plan, state, data, engine, is_over):
        was_stopped = False

        def report(intermediate_result):
            nonlocal was_stopped
            state.epoch += 1
            state.vector[...] = intermediate_result.x
            loss = float(intermediate_result.fun)
            if is_over(EpochReport(state.epoch, state.epoch, loss, 1.0)):
                was_stopped = True
                raise StopIteration

        options = {"maxiter": self.max_iter, "maxfun": self.max_fun, "gtol": self.tol}
        with np.errstate(all="ignore"):  # a line search may probe infinity and recover
            result = minimize(
                _mathematical(plan, state, data, engine),
                state.vector,
                method="L-BFGS-B",
                jac=True,
                options=options,
                callback=report,
            )
        if not np.isfinite(result.fun):
            raise DivergenceError(
                f"Training diverged: L-BFGS ended with a loss of {result.fun} after "
                f"{result.nit} iterations. Scale the inputs and y (for example with "
                "StandardScaler), or try a stochastic solver."
            )
        state.vector[...] = result.x
        result.success |= was_stopped
        return result


def _mathematical(plan, state, data, engine):
    """Return the objective as SciPy wants it: of a vector, with the derivative uphill."""
    objective = plan.objective
    parameters = objective.network.parameters(np.empty_like(state.vector))
    gradient = objective.network.parameters(np.empty_like(state.vector))
    work = objective.network.allocate(data.X.shape[0], state.vector.dtype)
    weight_sum = float(engine.reduce(np.array([data.weight_sum], dtype=float))[0])
    share = data.weight_sum / weight_sum  # of the rows here among those of all processes
    summed = np.zeros(len(state.vector) + 1)  # gradient and loss

    def value_and_gradient(x):
        parameters.vector[...] = x
        if share > 0:  # without rows there is nothing to add
            loss = objective.loss_and_gradient(parameters, data, work, gradient)
            np.multiply(gradient.vector, share, out=summed[:-1])
            summed[-1] = loss * share
        total = engine.reduce(summed)
        gradient.vector[...] = total[:-1]
        value = total[-1] + objective.add_penalty(parameters, weight_sum, gradient)
        uphill = objective.convention.orient(gradient.vector)
        return value, uphill.astype(np.float64)

    return value_and_gradient
