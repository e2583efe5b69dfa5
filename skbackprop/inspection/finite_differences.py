"""Numerical derivatives of functions that are given in floating point and may have kinks.

A difference quotient trades truncation, which wants a small step, against rounding,
which wants a large one; and a kink within its reach spoils it. So quotients of the fourth
order are taken at a ladder of steps, until what must agree in a smooth function does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RESOLUTION",
    "Derivative",
    "derivative",
    "elementwise_derivative",
    "smooth_derivative",
]

STEPS = tuple(2.0**-k for k in (10, 13, 16, 19, 22))  # powers of two add without rounding
SETTLED = 3e-7  # relative disagreement of two quotients of a known derivative
RESOLUTION = 1e-5  # of the function's value: derivatives below it drown in rounding


class Derivative(NamedTuple):
    """A numerical derivative along one coordinate."""

    value: float
    left: float  # from below, to the first order
    right: float  # from above
    is_settled: bool  # whether it is known; it is not near a kink


def derivative(
    function: Callable[[NDArray], float], x: NDArray, i: int, floor: float = 0.0
) -> Derivative:
    """Return the derivative of a function of a vector along its coordinate i.

    What it is exactly does not matter where it is smaller than `floor`. The vector is
    changed on the way and restored.
    """
    here, centre = x[i], function(x)
    unit = 2.0 ** max(0, np.ceil(np.log2(abs(here)))) if here else 1.0
    noise = 16 * np.finfo(float).eps * abs(centre)

    def at(shift):
        x[i] = here + shift * unit
        value = function(x)
        x[i] = here
        return value

    best, least = 0.0, np.inf
    for step in STEPS:
        quotient, disagreement = _quotient(at, centre, step)
        if disagreement < least:
            best, least = quotient, disagreement
        if disagreement <= max(1e-9 * abs(quotient), noise / step):
            break  # a smaller step would only add rounding
    if least <= SETTLED * max(abs(best), floor, RESOLUTION * abs(centre)):
        return Derivative(best / unit, best / unit, best / unit, is_settled=True)
    last = STEPS[-1]
    left, right = (centre - at(-last)) / last, (at(last) - centre) / last
    return Derivative(best / unit, left / unit, right / unit, is_settled=False)


def _quotient(at, centre, h):
    """Return a difference quotient, and by how much what should agree with it does not.

    A kink near the middle leaves the quotient alone and shows in the second differences,
    which then halve with the step instead of being quartered.
    """
    values = {shift: at(shift * h) for shift in (-2, -1, -0.5, 0.5, 1, 2)}
    outer, middle, inner = (values[s] - values[-s] for s in (2, 1, 0.5))
    wide = (8 * middle - outer) / (12 * h)
    narrow = (8 * inner - middle) / (6 * h)
    bend, half_bend = ((values[s] + values[-s] - 2 * centre) / h for s in (1, 0.5))
    return narrow, np.abs(wide - narrow) + np.abs(bend - 4 * half_bend)


def elementwise_derivative(function: Callable[[NDArray], NDArray], x: NDArray) -> NDArray:
    """Return the derivative of a function that acts on each element; NaN near kinks."""
    centre = function(x)
    best, least = np.full_like(x, np.nan), np.full_like(x, np.inf)
    for step in STEPS[:3]:
        quotient, disagreement = _quotient(lambda s: function(x + s), centre, step)
        is_better = disagreement < least
        best[is_better] = quotient[is_better]
        least[is_better] = disagreement[is_better]
    return np.where(least <= SETTLED * (1 + np.abs(best)), best, np.nan)


def smooth_derivative(
    function: Callable[[NDArray], NDArray], x: NDArray, direction: NDArray
) -> NDArray:
    """Return the derivative along a direction of a function without kinks."""
    return _quotient(lambda s: function(x + s * direction), function(x), STEPS[0])[0]
