"""Diagnosis: what a training that went wrong looks like, said in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import issparse

from ..activations import Identity
from ..losses import outputs_per_target
from ..network.objective import Batch, Objective
from .state import a_part_of

__all__ = ["describe_rise", "diagnose", "is_no_better"]

SCALE_RATIO = 1e3
LARGE_TARGET, SMALL_SPREAD = 10, 0.1
MOST_OUTPUTS = 50  # of which the best constant is looked for


def describe_rise(losses: list[float], is_poor: bool) -> list[str]:
    """Return a sentence if the loss rose: by a tenth for a poor fit, else to its double."""
    first, last = (losses[0], losses[-1]) if losses else (0.0, 0.0)
    if last - first <= abs(first) * (0.1 if is_poor else 1):
        return []
    return [
        f"The loss rose from {first:.3g} to {last:.3g} in {len(losses)} epochs. Try a "
        "smaller learning rate, scale the inputs, or set clip_norm."
    ]


def is_no_better(objective: Objective, vector: NDArray, rows: Batch) -> bool:
    """Say whether the loss of the rows is no smaller than that of the best constant.

    The constant is a net input of the output layer that is the same for every row.
    """
    z = objective.net_output(vector, rows.X)
    if z.shape[1] > MOST_OUTPUTS or not np.isfinite(z).all():
        return True

    def loss_of_constant(constant):
        return objective.loss_of(np.tile(constant, (len(z), 1)).astype(z.dtype), rows)

    start = z.mean(axis=0, dtype=float)
    best = minimize(loss_of_constant, start, method="L-BFGS-B").fun
    return bool(objective.loss_of(z, rows) >= best - 1e-3 * abs(best))


def diagnose(
    objective: Objective, vector: NDArray, before: NDArray, rows: Batch, output: NDArray
) -> Iterator[str]:
    """Yield a sentence for each known cause of a fit that is no better than a constant.

    `before` is a part of the parameters it started from; `rows` were trained on, and have
    this output.
    """
    if np.abs(a_part_of(vector) - before).max() <= 1e-6 * np.abs(before).max():
        yield (
            "The weights hardly moved: no parameter changed by more than a millionth of "
            "the largest. Increase the learning rate, or train for more epochs."
        )
    yield from _dead_layers(objective, vector, rows.X)
    yield from _target_scale(objective, rows.target)
    if _is_constant(output):
        yield (
            "The network predicts the same for every row. Scale the inputs and, for a "
            "regressor, y (for example with StandardScaler), or try another learning rate, "
            "activation or random_state."
        )
    ratio = _scale_ratio(rows.X)
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


def _target_scale(objective, target):
    """Yield a sentence if y is too large or too small for outputs that begin near 0."""
    loss = objective.loss
    if outputs_per_target(loss) == 1 and not isinstance(
        getattr(loss, "link", None), Identity
    ):
        return
    if np.isnan(target).any():
        target = np.ma.masked_invalid(target)
    mean, spread = float(np.abs(target.mean(axis=0)).max()), target.std(axis=0)
    if max(mean, spread.max()) > LARGE_TARGET or spread.min() < SMALL_SPREAD:
        yield (
            f"y has mean {mean:.3g} and standard deviation {spread.max():.3g}, but outputs "
            "begin near 0 and move in steps of about the learning rate. Scale y: "
            "TransformedTargetRegressor(regressor, transformer=StandardScaler())."
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
