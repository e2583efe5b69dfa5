"""Training: epochs as a generator of reports. To stop is to stop asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from .engine import Engine
from .state import Data, Plan, State

__all__ = ["EpochReport", "minimize_lbfgs", "train"]


class EpochReport(NamedTuple):
    """What is known when an epoch ends; all counts begin with the first call."""

    epoch: int
    step: int
    loss: float
    learning_rate: float  # of its first step


def train(plan: Plan, state: State, data: Data, engine: Engine) -> Iterator[EpochReport]:
    """Train for ever, one :class:`EpochReport` per epoch; stop by not asking for more."""
    assert state.order is not None, "the rows are arranged before an epoch"
    run_epoch = engine.prepare(plan, state, data)
    while True:
        learning_rate = plan.learning_rate(state)
        if plan.shuffle:
            state.rng.shuffle(state.order)  # composes on the previous order
        loss = run_epoch()
        state.epoch += 1
        state.samples_seen += len(state.order)
        yield EpochReport(state.epoch, state.step, loss, learning_rate)


def minimize_lbfgs(
    plan: Plan,
    state: State,
    data: Data,
    engine: Engine,
    *,
    options: dict[str, float],
    is_over: Callable[[EpochReport], bool],
) -> OptimizeResult:
    """Minimise the objective over all rows by L-BFGS, in place on the state.

    Liu & Nocedal (1989), *On the limited memory BFGS method for large scale
    optimization*, in SciPy's implementation. `is_over` gets a report per iteration and
    says whether to stop, which counts as a success.
    """
    value_and_gradient = _mathematical(plan, state, data, engine)
    was_stopped = False

    def report(intermediate_result):
        nonlocal was_stopped
        state.epoch += 1
        state.vector[...] = intermediate_result.x
        loss = float(intermediate_result.fun)
        if is_over(EpochReport(state.epoch, state.epoch, loss, 1.0)):
            was_stopped = True
            raise StopIteration

    with np.errstate(all="ignore"):  # a line search may probe infinity and recover
        result = minimize(
            value_and_gradient,
            state.vector,
            method="L-BFGS-B",
            jac=True,
            options=options,
            callback=report,
        )
    if not np.isfinite(result.fun):
        raise ValueError(
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
