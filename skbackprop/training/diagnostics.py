"""Diagnosis: what a training that went wrong looks like, said in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ..network.objective import Objective

__all__ = ["a_part_of", "diagnose"]

SCALE_RATIO = 1e3
LARGEST_PART = 65_536  # parameters


def a_part_of(vector: NDArray) -> NDArray:
    """Return parameters spread over the vector, all of a small one: whether they move."""
    return vector[:: max(1, len(vector) // LARGEST_PART)]


def diagnose(
    objective: Objective, vector: NDArray, before: NDArray, X: NDArray
) -> Iterator[str]:
    """Yield a sentence for everything that explains why a training came to little.

    `before` is a part of the parameters it started from, `X` rows that it predicts hardly
    better than a constant would.
    """
    if np.abs(a_part_of(vector) - before).max() <= 1e-6 * np.abs(before).max():
        yield (
            "The weights hardly moved: no parameter changed by more than a millionth of "
            "the largest. Increase the learning rate, or train for more epochs."
        )
    yield from _dead_layers(objective, vector, X)
    if _is_constant(objective.output(vector, X)):
        yield (
            "The network predicts the same for every row. Scale the inputs and, for a "
            "regressor, y (for example with StandardScaler), or try another learning rate, "
            "activation or random_state."
        )
    ratio = _scale_ratio(X)
    if ratio > SCALE_RATIO:
        yield (
            "The network predicts hardly better than a constant, and the largest column of "
            f"X is {ratio:.0e} times the smallest. Put StandardScaler before the network."
        )


def _dead_layers(objective, vector, X):
    """Yield a sentence for each hidden layer none of whose units reacts to any row."""
    for i, activation in enumerate(objective.hidden_activations(vector, X)):
        if not activation.any():
            yield (
                f"All {activation.shape[1]} units of hidden layer {i + 1} are dead: 0 for "
                "every row, so nothing below them can learn. Try a smaller learning rate, "
                "scaled inputs, or activation='leaky_relu'."
            )


def _is_constant(output):
    return len(output) > 1 and np.ptp(output, axis=0).max() <= 1e-4 * np.abs(output).max()


def _scale_ratio(X):
    """Return the largest by the smallest root mean square of the columns that are not 0."""
    X = X / (abs(X).max() or 1.0)  # whose squares cannot overflow
    squares = (
        X.multiply(X).mean(axis=0) if issparse(X) else np.square(X, dtype=float).mean(0)
    )
    scale = np.sqrt(np.asarray(squares).ravel())
    scale = scale[scale > 0]
    return scale.max() / scale.min() if len(scale) else 1.0
