"""Optimizers as scalar functions, named after the classes they mirror.

A function gets the gradient of one parameter, what is remembered of it, and constants of
the step; it returns the weight update and the new memory. The loop walks once through
all arrays: penalty, clipping, weight decay, update and application together.
"""

from __future__ import annotations

import math

from . import codes
from .compilation import glue, kernel
from .numerics import in_precision_of, sign
from .rows import sum_of_products

__all__ = ["update"]


def one_memory(rule):
    """Make the loop that updates parameters; it returns their sum of squares before."""
    rule = glue(rule)

    @kernel
    def loop(vector, gradient, memory, how, constants):
        strength, keep, scale, orientation = how
        constants = in_precision_of(strength, constants)
        squares = 0.0
        for i in range(len(vector)):
            w = vector[i]
            squares += w * w
            g = scale * (gradient[i] + strength * w)
            change, memory[i] = rule(g, memory[i], constants)
            vector[i] = keep * w - orientation * change
        return squares

    return loop


def two_memories(rule):
    """Make the same loop for a rule that remembers two numbers."""
    rule = glue(rule)

    @kernel
    def loop(vector, gradient, first, second, how, constants):
        strength, keep, scale, orientation = how
        constants = in_precision_of(strength, constants)
        squares = 0.0
        for i in range(len(vector)):
            w = vector[i]
            squares += w * w
            g = scale * (gradient[i] + strength * w)
            change, first[i], second[i] = rule(g, first[i], second[i], constants)
            vector[i] = keep * w - orientation * change
        return squares

    return loop


@one_memory
def sgd(g, velocity, c):
    rate, momentum = c
    velocity = momentum * velocity + rate * g
    return velocity, velocity


@one_memory
def nesterov(g, velocity, c):
    rate, momentum = c
    velocity = momentum * velocity + rate * g
    return rate * g + momentum * velocity, velocity


@one_memory
def rmsprop(g, v, c):
    rate, decay, rest, epsilon = c
    v = decay * v + rest * g * g
    return rate * g / (math.sqrt(v) + epsilon), v


@one_memory
def adagrad(g, v, c):
    rate, epsilon = c
    v = v + g * g
    return rate * g / (math.sqrt(v) + epsilon), v


@one_memory
def lion(g, m, c):
    rate, beta_1, rest_1, beta_2, rest_2 = c
    update = rate * sign(beta_1 * m + rest_1 * g)
    return update, beta_2 * m + rest_2 * g


@two_memories
def adam(g, m, v, c):  # moments without the factors 1 - beta, which rate and epsilon hold
    rate, beta_1, beta_2, epsilon = c
    m = beta_1 * m + g
    v = beta_2 * v + g * g
    return rate * m / (math.sqrt(v) + epsilon), m, v


@two_memories
def nadam(g, m, v, c):
    rate_g, rate_m, beta_1, rest_1, beta_2, rest_2, correction, epsilon = c
    m = beta_1 * m + rest_1 * g
    v = beta_2 * v + rest_2 * g * g
    ahead = rate_g * g + rate_m * m
    return ahead / (math.sqrt(v * correction) + epsilon), m, v


@two_memories
def rprop(g, step, previous, c):
    rate, increase, decrease, smallest, largest = c
    zero, one = type(g)(0), type(g)(1)
    agreement = sign(g) * sign(previous)
    step *= increase if agreement > zero else (decrease if agreement < zero else one)
    step = smallest if step < smallest else (largest if step > largest else step)
    g = zero if agreement < zero else g
    return rate * step * sign(g), step, g


@kernel
def update(code, vector, gradient, first, second, how, rate, t, numbers):
    """Update parameters and memory; return the sum of squares before the update.

    What depends on the step alone is computed here, once, and in float64.
    """
    a, b, c, d = numbers
    if code == codes.SGD and b == 0:
        return sgd(vector, gradient, first, how, (rate, a))
    if code == codes.SGD:
        return nesterov(vector, gradient, first, how, (rate, a))
    if code == codes.ADAM:
        root = math.sqrt(1 - b)
        folded = rate * (1 - a) * math.sqrt(1 - b**t) / (1 - a**t) / root
        return adam(vector, gradient, first, second, how, (folded, a, b, c / root))
    if code == codes.NADAM:
        of_g = rate * (1 - a) / (1 - a**t)
        of_m = rate * a / (1 - a ** (t + 1))
        constants = of_g, of_m, a, 1 - a, b, 1 - b, 1 / (1 - b**t), c
        return nadam(vector, gradient, first, second, how, constants)
    if code == codes.RMSPROP:
        return rmsprop(vector, gradient, first, how, (rate, a, 1 - a, b))
    if code == codes.ADAGRAD:
        return adagrad(vector, gradient, first, how, (rate, a))
    if code == codes.LION:
        return lion(vector, gradient, first, how, (rate, a, 1 - a, b, 1 - b))
    if rate == 0:  # where a schedule ends; steps are multiples of it
        return sum_of_products(vector, vector)
    constants = rate, a, b, c / rate, d / rate
    return rprop(vector, gradient, first, second, how, constants)
