"""Activations as scalar functions, and the loops they become.

They are named after the classes they mirror. A function gets the net input, a derivative
gets what the class `saves`, the activation or the net input; p and q are the parameters
of the rule, where it has some.
"""

from __future__ import annotations

import math

from . import codes
from .compilation import glue, kernel
from .numerics import (
    exp,
    expm1,
    in_precision_of,
    normal_probability,
    sigmoid,
    softplus,
    tanh,
)
from .rows import exp_of_rows, flat, sum_of, sum_of_products

__all__ = ["activate", "differentiate"]


def activation(function):
    """Make the loop that fills activations."""
    function = glue(function)

    @kernel
    def loop(z, a, p, q):
        for i in range(len(a)):
            a[i] = function(z[i], p, q)

    return loop


def derivative(function):
    """Make the loop that multiplies delta by derivatives."""
    function = glue(function)

    @kernel
    def loop(saved, delta, p, q):
        for i in range(len(delta)):
            delta[i] *= function(saved[i], p, q)

    return loop


@activation
def identity(z, p, q):
    return z


@activation
def logistic(z, p, q):
    return sigmoid(z)


@derivative
def logistic_slope(a, p, q):
    return a * (type(a)(1) - a)


@activation
def hyperbolic_tangent(z, p, q):
    return tanh(z)


@derivative
def hyperbolic_tangent_slope(a, p, q):
    return type(a)(1) - a * a


@activation
def relu(z, p, q):
    return type(z)(0) if z < type(z)(0) else z  # NaN stays NaN


@derivative
def relu_slope(a, p, q):
    return type(a)(1) if a > type(a)(0) else type(a)(0)


@activation
def leaky_relu(z, slope, q):
    return z if z > type(z)(0) else slope * z


@derivative
def leaky_relu_slope(a, slope, q):
    return type(a)(1) if a > type(a)(0) else slope


@activation
def elu(z, alpha, scale):
    zero = type(z)(0)
    below = alpha * expm1(zero if z > zero else z)
    return scale * (z if z > zero else below)


@derivative
def elu_slope(a, alpha, scale):
    return scale if a > type(a)(0) else a + scale * alpha


@activation
def exponential(z, p, q):
    return exp(z)


@derivative
def exponential_slope(a, p, q):
    return a


@activation
def gelu(z, p, q):
    return z * normal_probability(z)


@derivative
def gelu_slope(z, p, q):
    density = exp(type(z)(-0.5) * z * z) * type(z)(1 / math.sqrt(2 * math.pi))
    return normal_probability(z) + z * density


@activation
def silu(z, p, q):
    return z * sigmoid(z)


@derivative
def silu_slope(z, p, q):
    s, one = sigmoid(z), type(z)(1)
    return s * (one + z * (one - s))


@activation
def mish(z, p, q):
    return z * tanh(softplus(z))


@derivative
def mish_slope(z, p, q):
    t = tanh(softplus(z))
    return t + z * sigmoid(z) * (type(z)(1) - t * t)


@activation
def smooth_relu(z, p, q):
    return softplus(z)


@derivative
def smooth_relu_slope(z, p, q):
    return sigmoid(z)


@kernel
def softmax(z, a):
    exp_of_rows(z, a)
    for i in range(a.shape[0]):
        divisor = sum_of(a[i])
        for j in range(a.shape[1]):
            a[i, j] /= divisor


@kernel
def softmax_slope(a, delta):
    """Multiply by the full Jacobian, ``da_k / dz_j = a_k (1[k = j] - a_j)``."""
    for i in range(delta.shape[0]):
        mean = sum_of_products(a[i], delta[i])
        for j in range(delta.shape[1]):
            delta[i, j] = a[i, j] * (delta[i, j] - mean)


@glue
def activate(layer, z, a):
    """Fill the rows of `a` with the activation of those of `z`."""
    code, inputs, outputs = layer.activation, flat(z), flat(a)
    p, q = in_precision_of(z[0, 0], (layer.p, layer.q))
    if code == codes.RELU:
        relu(inputs, outputs, p, q)
    elif code == codes.SIGMOID:
        logistic(inputs, outputs, p, q)
    elif code == codes.TANH:
        hyperbolic_tangent(inputs, outputs, p, q)
    elif code == codes.LEAKY_RELU:
        leaky_relu(inputs, outputs, p, q)
    elif code == codes.ELU:
        elu(inputs, outputs, p, q)
    elif code == codes.EXPONENTIAL:
        exponential(inputs, outputs, p, q)
    elif code == codes.GELU:
        gelu(inputs, outputs, p, q)
    elif code == codes.SILU:
        silu(inputs, outputs, p, q)
    elif code == codes.MISH:
        mish(inputs, outputs, p, q)
    elif code == codes.SOFTPLUS:
        smooth_relu(inputs, outputs, p, q)
    elif code == codes.SOFTMAX:
        softmax(z, a)
    else:
        identity(inputs, outputs, p, q)


@glue
def differentiate(layer, saved, delta):
    """Turn delta from d loss / d a into d loss / d z, in place."""
    code, values, deltas = layer.activation, flat(saved), flat(delta)
    p, q = in_precision_of(delta[0, 0], (layer.p, layer.q))
    if code == codes.RELU:
        relu_slope(values, deltas, p, q)
    elif code == codes.SIGMOID:
        logistic_slope(values, deltas, p, q)
    elif code == codes.TANH:
        hyperbolic_tangent_slope(values, deltas, p, q)
    elif code == codes.LEAKY_RELU:
        leaky_relu_slope(values, deltas, p, q)
    elif code == codes.ELU:
        elu_slope(values, deltas, p, q)
    elif code == codes.EXPONENTIAL:
        exponential_slope(values, deltas, p, q)
    elif code == codes.GELU:
        gelu_slope(values, deltas, p, q)
    elif code == codes.SILU:
        silu_slope(values, deltas, p, q)
    elif code == codes.MISH:
        mish_slope(values, deltas, p, q)
    elif code == codes.SOFTPLUS:
        smooth_relu_slope(values, deltas, p, q)
    elif code == codes.SOFTMAX:
        softmax_slope(saved, delta)
