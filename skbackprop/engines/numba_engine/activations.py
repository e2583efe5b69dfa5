"""Activations: calls of the compiled rules, and the kernels of the softmax."""

from __future__ import annotations

from .calls import call_on_rows
from .compilation import glue
from .rows import add, exp_of_rows, flat, sum_of, sum_of_products

__all__ = ["activate", "differentiate", "softmax", "softmax_slope"]


@glue
def softmax(z, biases, a, numbers):
    """Fill `a`; z is changed."""
    add(flat(biases), flat(z))
    exp_of_rows(z, a)
    for i in range(a.shape[0]):
        divisor = sum_of(a[i])
        for j in range(a.shape[1]):
            a[i, j] /= divisor


@glue
def softmax_slope(a, delta, numbers):
    """Multiply by the full Jacobian, ``da_k / dz_j = a_k (1[k = j] - a_j)``."""
    for i in range(delta.shape[0]):
        mean = sum_of_products(a[i], delta[i])
        for j in range(delta.shape[1]):
            delta[i, j] = a[i, j] * (delta[i, j] - mean)


@glue
def activate(layer, z, biases, a):
    """Add biases, at least as many rows as z has; fill `a`, which may be z."""
    if layer.value == 0:
        add(flat(biases), flat(z))
    else:
        call_on_rows(layer.value, (z, biases, a), layer.numbers)


@glue
def differentiate(layer, saved, delta):
    """Turn delta from d loss / d a into d loss / d z, in place."""
    if layer.derivative != 0:
        call_on_rows(layer.derivative, (saved, delta), layer.numbers_of_derivative)
