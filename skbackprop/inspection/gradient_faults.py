"""Faults of a derivative: what is wrong with a loss or an activation, said in a sentence.

Each rule is looked at alone, against numerical derivatives of its own value.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation, slope
from ..losses import Loss
from ..network.objective import Batch
from .finite_differences import (
    RESOLUTION,
    derivative,
    elementwise_derivative,
    smooth_derivative,
)

__all__ = ["activation_faults", "loss_faults"]

AGREE = 1e-6  # relative to the largest of the derivatives
ROWS = 5  # of the net inputs in which a loss is differentiated


def activation_faults(activation: Activation, z: NDArray, name: str) -> Iterator[str]:
    """Yield what is wrong with the derivative of an activation at the net inputs z."""

    def value(z):
        out = np.empty_like(z)
        activation.forward(z, out)
        return out

    a = value(z)
    found, true = slope(activation, z, a), elementwise_derivative(value, z)
    if found is None or _agree(found, true):
        return
    factor, at_a = _common_factor(found, true), elementwise_derivative(value, a)
    if factor is not None:
        yield f"{name}: backward multiplies by {factor:.6g} times the derivative."
    elif np.isfinite(at_a).all() and _agree(found, at_a):
        yield (
            f"{name}: backward takes the derivative at the activation a, as if a were the "
            "net input z. Write it in a, or save the net input."
        )
    else:
        yield f"{name}: {_worst_element('backward multiplies by', found, true)}"


def loss_faults(loss: Loss, batch: Batch, z: NDArray) -> Iterator[str]:
    """Yield what is wrong with the delta of a loss at the net inputs z of the output."""
    found, true = _deltas(loss, batch, z)
    if _agree(found, true):
        return
    name = type(loss).__name__
    factor = _common_factor(found, true)
    if factor is not None and factor < 0:
        times = "" if np.isclose(factor, -1) else f", and {-factor:.6g} times the size"
        yield (
            f"{name}: the delta has the wrong sign{times}. A loss returns the derivative "
            "itself; error_convention turns it."
        )
    elif factor is not None:
        yield (
            f"{name}: the delta is {factor:.6g} times the derivative of the value"
            f"{_meaning(factor, batch)}."
        )
    elif _agree(_through_jacobian(loss, found, z), true):
        yield (
            f"{name}: the delta keeps only the diagonal of the output activation's "
            "Jacobian. An output depends on the net inputs of the other units too."
        )
    else:
        yield f"{name}: {_worst_element('the delta is', found, true)}"


def _deltas(loss, batch, z):
    """Return the delta of a few rows, and the numerical derivative of the value."""

    def value(flat):
        delta = np.empty_like(z)
        with np.errstate(all="ignore"):
            return loss.value_and_delta(
                batch.target, flat.reshape(z.shape), delta, batch.sample_weight
            )

    delta, flat = np.empty_like(z), z.ravel().copy()
    loss.value_and_delta(batch.target, z.copy(), delta, batch.sample_weight)
    found = delta[:ROWS]
    floor = RESOLUTION * np.abs(found).max()
    numerical = [derivative(value, flat, i, floor) for i in range(found.size)]
    true = [d.value if d.is_settled else np.nan for d in numerical]
    return found, np.reshape(true, found.shape)


def _through_jacobian(loss, delta, z):
    """Return what a delta made with the Jacobian's diagonal would be with all of it."""
    whole = np.empty_like(delta)
    for r, row in enumerate(z[: len(delta)]):
        jacobian = _jacobian(loss, row)
        with np.errstate(all="ignore"):  # an output may not depend on its net input
            whole[r] = jacobian @ (delta[r] / np.diag(jacobian))
    return whole


def _jacobian(loss, row):
    """Return d output_k / d net_input_j of one row, shape (n_units j, n_units k)."""

    def output(z):
        out = np.empty((1, len(z)))
        loss.predict(z[np.newaxis], out)
        return out[0]

    return np.array([smooth_derivative(output, row, unit) for unit in np.eye(len(row))])


def _agree(found, true):
    """Say whether two arrays are the same up to rounding, where `true` is known."""
    if not np.isfinite(found).all():
        return False
    scale = max(np.nanmax(np.abs(found), initial=0), np.nanmax(np.abs(true), initial=0))
    return np.nanmax(np.abs(found - true), initial=0) <= AGREE * scale


def _common_factor(found, true):
    """Return the number by which `found` is `true` everywhere, or None."""
    known = np.isfinite(true)
    if not true[known].any():
        return None
    factor = float(np.vdot(true[known], found[known]) / np.vdot(true[known], true[known]))
    return factor if factor and _agree(found, factor * true) else None


def _meaning(factor, batch):
    """Return what a factor between delta and value may come from."""
    n_rows, n_outputs = batch.target.shape
    sums = [
        (n_rows, f"the {n_rows} rows"),
        (batch.weight_sum, "the sample weights"),
        (n_outputs, f"the {n_outputs} outputs"),
        (n_rows * n_outputs, f"the {n_rows} rows and the {n_outputs} outputs"),
    ]
    for count, what in sums:
        if count != 1 and np.isclose(factor, count):
            return f": it is a sum over {what}, the value a mean"
        if count != 1 and np.isclose(factor, 1 / count):
            return f": it is a mean over {what}, the value a sum"
    return ""


def _worst_element(what, found, true):
    difference = np.where(np.isfinite(found), np.abs(found - true), np.inf)
    row, unit = np.unravel_index(np.nanargmax(difference), true.shape)
    return (
        f"{what} {found[row, unit]:.6g} where the derivative is {true[row, unit]:.6g} "
        f"(row {row}, unit {unit})."
    )
