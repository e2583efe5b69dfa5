"""Losses as scalar functions, named after the classes they mirror.

A function returns the loss of one output and its derivative in the net input (in the
output, for a squared error, whose link is the last layer's activation). The loop over a
batch keeps the former where the targets were, which nobody needs any more.
"""

from __future__ import annotations

import math

from . import codes
from .compilation import glue, kernel
from .numerics import exp, expm1, log1p_of_part, sigmoid, sign, tanh
from .rows import exp_of_rows, flat, sum_beside_one, sum_of

__all__ = ["fill_losses", "weigh"]


def loss(function):
    """Make the loop that turns targets into losses and fills delta."""
    function = glue(function)

    @glue
    def loop(target, z, delta, p):
        losses, net_input, slopes = flat(target), flat(z), flat(delta)
        for i in range(len(slopes)):
            losses[i], slopes[i] = function(losses[i], net_input[i], p)

    return loop


@loss
def binary_log_loss(t, z, smoothing):
    one, half = type(z)(1), type(z)(0.5)
    t = (one - smoothing) * t + smoothing * half
    size, wrong = abs(z), (one - t if z > type(z)(0) else t)
    # softplus(z) - t z without the difference, which may be reordered
    return log1p_of_part(exp(-size)) + size * wrong, sigmoid(z) - t


@loss
def squared_error(t, o, p):
    error = o - t
    return error * error * type(o)(0.5), error


@loss
def poisson(t, z, p):
    o = exp(z)
    log_ratio = z - math.log(t) if t > type(t)(0) else z
    deviance = t * (math.expm1(log_ratio) - log_ratio)
    return deviance if t > type(t)(0) else o, o - t


@loss
def gamma(t, z, p):
    log_ratio = math.log(t) - z
    excess = math.expm1(log_ratio)  # target / output - 1
    return excess - log_ratio, -excess


@loss
def absolute_error(t, z, p):
    error = z - t
    return abs(error), sign(error)


@loss
def huber(t, z, threshold):
    error = z - t
    slope = threshold if error > threshold else error
    slope = -threshold if error < -threshold else slope
    return slope * (error - type(z)(0.5) * slope), slope


@loss
def quantile(t, z, q):
    zero, one = type(z)(0), type(z)(1)
    error = z - t
    slope = one - q if error > zero else (-q if error < zero else zero)
    return slope * error, slope


@loss
def log_cosh(t, z, p):
    error = z - t
    one, two, size = type(z)(1), type(z)(2), abs(error)
    if size < one:
        m = expm1(size)  # cosh(e) - 1 = m^2 / (2 (1 + m))
        return log1p_of_part(m * m / (two + two * m)), tanh(error)
    tail = log1p_of_part(exp(-two * size)) - type(z)(math.log(2))
    return size + tail, tanh(error)


@kernel
def log_loss(target, z, delta, smoothing):
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
def focal(target, z, delta, focus):
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


@kernel
def fill_losses(code, target, z, delta, p):
    """Turn the targets into the losses of single outputs; fill delta."""
    if code == codes.LOG_LOSS:
        log_loss(target, z, delta, p)
    elif code == codes.BINARY_LOG_LOSS:
        binary_log_loss(target, z, delta, p)
    elif code == codes.SQUARED_ERROR:
        squared_error(target, z, delta, p)
    elif code == codes.FOCAL:
        focal(target, z, delta, p)
    elif code == codes.POISSON:
        poisson(target, z, delta, p)
    elif code == codes.GAMMA:
        gamma(target, z, delta, p)
    elif code == codes.ABSOLUTE_ERROR:
        absolute_error(target, z, delta, p)
    elif code == codes.HUBER:
        huber(target, z, delta, p)
    elif code == codes.QUANTILE:
        quantile(target, z, delta, p)
    else:
        log_cosh(target, z, delta, p)


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
