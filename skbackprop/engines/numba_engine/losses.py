"""Losses: calls of the compiled rules, the weighted mean, and kernels of whole rows.

A rule turns the targets, which nobody needs any more, into the losses of single outputs.
"""

from __future__ import annotations

from .calls import call_on_rows
from .compilation import glue, kernel
from .numerics import exp, expit, expm1, in_precision_of, log1p
from .rows import FEW, exp_of_rows, few, sum_beside_one, sum_of

__all__ = [
    *("fill_in", "fill_losses", "focal", "leave_out", "log_loss", "quantiles", "weigh"),
]


@glue
def log_loss(target, z, delta, numbers):
    """Turn the targets into losses and fill delta; z is changed."""
    (smoothing,) = in_precision_of(z[0, 0], (numbers[0],))
    one = type(smoothing)(1)
    spread = smoothing / type(smoothing)(delta.shape[1])
    others, log_divisor = few(z), few(z)
    exp_of_rows(z, delta)
    for start in range(0, len(z), FEW):
        n = FEW if start + FEW < len(z) else len(z) - start
        for i in range(n):
            others[i] = sum_beside_one(z[start + i], delta[start + i])
        for i in range(n):  # logarithms of many rows at once
            log_divisor[i] = log1p(others[i])
        for i in range(n):
            row, scale = start + i, one / (one + others[i])
            for k in range(delta.shape[1]):
                t = (one - smoothing) * target[row, k] + spread
                target[row, k] = t * (log_divisor[i] - z[row, k])
                delta[row, k] = delta[row, k] * scale - t


@glue
def focal(target, z, delta, numbers):
    """Turn the targets into losses and fill delta; z is changed."""
    (focus,) = in_precision_of(z[0, 0], (numbers[0],))
    zero, one = type(focus)(0), type(focus)(1)
    exp_of_rows(z, delta)
    for i in range(delta.shape[0]):
        log_divisor, total_slope = log1p(sum_beside_one(z[i], delta[i])), zero
        for k in range(delta.shape[1]):
            log_o = z[i, k] - log_divisor
            rest = -expm1(log_o)  # 1 - o without cancellation
            weight = target[i, k] * rest**focus
            ratio = log_o / rest if rest > zero else -one
            target[i, k] = -weight * log_o
            delta[i, k] = weight * (focus * exp(log_o) * ratio - one)
            total_slope += delta[i, k]
        for k in range(delta.shape[1]):
            delta[i, k] -= exp(z[i, k] - log_divisor) * total_slope


@glue
def quantiles(target, z, delta, numbers):
    """Turn the targets into losses and fill delta.

    `numbers` are how many outputs a target has, which of them is central, and levels.
    """
    n, central = int(numbers[0]), int(numbers[1])
    for i in range(z.shape[0]):
        for start in range(0, z.shape[1], n):
            of_target = slice(start, start + n)
            outputs = delta[i, of_target]
            ascend(z[i, of_target], outputs, central)
            for k in range(n):
                q, one = in_precision_of(z[0, 0], (numbers[2 + k], 1.0))
                zero, error = type(q)(0), outputs[k] - target[i, start + k]
                target[i, start + k] = max((one - q) * error, -q * error)
                outputs[k] = one - q if error > zero else (-q if error < zero else zero)
            by_gaps(z[i, of_target], outputs, central)


@glue
def softplus(z):
    return log1p(exp(-abs(z))) + max(z, type(z)(0))


@glue
def ascend(z, out, central):
    """Fill `out` with the outputs of one target."""
    out[central] = z[central]
    for k in range(central + 1, len(z)):
        out[k] = out[k - 1] + softplus(z[k])
    for k in range(central - 1, -1, -1):
        out[k] = out[k + 1] - softplus(z[k])


@glue
def by_gaps(z, delta, central):
    """Turn delta from d loss / d output into d loss / d z, in place."""
    above = below = type(z[0])(0)
    for k in range(len(z) - 1, central, -1):
        above += delta[k]
        delta[k] = above * expit(z[k])
    for k in range(central):
        below += delta[k]
        delta[k] = -below * expit(z[k])
    delta[central] += above + below


@glue
def fill_losses(rules, target, z, delta):
    """Turn the targets into the losses of single outputs; fill delta."""
    call_on_rows(rules.loss, (target, z, delta), rules.loss_numbers)


@glue
def fill_in(target):
    """Replace missing targets by a number that every loss takes."""
    one = type(target[0, 0])(1)
    for i in range(target.shape[0]):
        for k in range(target.shape[1]):
            target[i, k] = one if target[i, k] != target[i, k] else target[i, k]


@glue
def leave_out(target, batch, losses, delta):
    """Fill losses and delta with 0 for what is missing in the rows of the batch."""
    zero = type(delta[0, 0])(0)
    for i in range(len(batch)):
        for k in range(delta.shape[1]):
            if target[batch[i], k] != target[batch[i], k]:
                losses[i, k] = delta[i, k] = zero


@kernel
def weigh(losses, delta, share, orientation):
    """Return the weighted mean over rows; scale delta to its derivative, and sign it."""
    total = 0.0
    for i in range(delta.shape[0]):
        total += share[i] * sum_of(losses[i])
        factor = share[i] * orientation
        for k in range(delta.shape[1]):
            delta[i, k] *= factor
    return total
