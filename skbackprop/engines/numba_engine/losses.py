"""Losses: calls of the compiled rules, the weighted mean, and kernels of whole rows.

A rule turns the targets, which nobody needs any more, into the losses of single outputs.
"""

from __future__ import annotations

import math

from .calls import call_on_rows
from .compilation import glue, kernel
from .numerics import exp, expm1, in_precision_of
from .rows import exp_of_rows, sum_beside_one, sum_of

__all__ = ["fill_losses", "focal", "log_loss", "weigh"]


@kernel
def log_loss(target, z, delta, numbers):
    """Turn the targets into losses and fill delta; z is changed."""
    (smoothing,) = in_precision_of(z[0, 0], (numbers[0],))
    one = type(smoothing)(1)
    spread = smoothing / type(smoothing)(delta.shape[1])
    exp_of_rows(z, delta)
    for i in range(delta.shape[0]):
        others = sum_beside_one(z[i], delta[i])
        divisor, log_divisor = one + others, math.log1p(others)
        for k in range(delta.shape[1]):
            t = (one - smoothing) * target[i, k] + spread
            target[i, k] = t * (log_divisor - z[i, k])
            delta[i, k] = delta[i, k] / divisor - t


@kernel
def focal(target, z, delta, numbers):
    """Turn the targets into losses and fill delta; z is changed."""
    (focus,) = in_precision_of(z[0, 0], (numbers[0],))
    zero, one = type(focus)(0), type(focus)(1)
    exp_of_rows(z, delta)
    for i in range(delta.shape[0]):
        log_divisor, total_slope = math.log1p(sum_beside_one(z[i], delta[i])), zero
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
def fill_losses(rules, target, z, delta):
    """Turn the targets into the losses of single outputs; fill delta."""
    call_on_rows(rules.loss, (target, z, delta), rules.loss_numbers)


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
