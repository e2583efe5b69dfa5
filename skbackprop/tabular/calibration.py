"""Calibration: probabilities as sure as held-out rows say that they should be.

References
----------
Guo, Pleiss, Sun & Weinberger (2017), *On calibration of modern neural networks*, ICML
(temperature scaling).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax

__all__ = ["apply_temperature", "fit_temperature"]

COLDEST, HOTTEST = 0.5, 2.0
SMALLEST = float(np.finfo(np.float32).tiny)  # in place of probabilities of 0


def fit_temperature(
    probabilities: NDArray, indices: NDArray, weight: NDArray | None
) -> float:
    """Return the temperature, within bounds, that makes the log loss smallest.

    `indices` are those of the true classes. The log loss of ``softmax(log(p) / T)`` is
    convex in 1 / T, and where its slope there is zero it is smallest.
    """
    log_p = np.log(np.maximum(probabilities, SMALLEST))
    of_true = np.take_along_axis(log_p, indices[:, np.newaxis], axis=1)[:, 0]

    def slope(inverse):
        expected = np.sum(softmax(inverse * log_p, axis=1) * log_p, axis=1)
        return np.average(expected - of_true, weights=weight)

    lowest, highest = slope(1 / HOTTEST), slope(1 / COLDEST)
    if lowest == highest == 0:  # a single class: nothing depends on it
        return 1.0
    if lowest >= 0 or highest <= 0:
        return HOTTEST if lowest >= 0 else COLDEST
    return 1 / brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12)


def apply_temperature(probabilities: NDArray, temperature: float) -> NDArray:
    """Return ``softmax(log(p) / T)``, whose rows sum to one in float64."""
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
