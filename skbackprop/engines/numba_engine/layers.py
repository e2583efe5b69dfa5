"""Layers: a batch forward, its error backward, by loops or by matrix products."""

from __future__ import annotations

import numpy as np

from .activations import activate, differentiate
from .compilation import glue, kernel
from .dropout import silence
from .rows import add_rows, add_to_rows, fill, flat, multiply, sum_of_products

__all__ = ["backward", "forward", "matrix"]

FEW_ROWS = 8  # batches below it are multiplied faster by loops than by BLAS
BLOCK = 2048  # elements that stay in the first cache


@kernel
def matrix(vector, start, n_rows, n_columns):
    """Return a view of a part of a flat array."""
    return vector[start : start + n_rows * n_columns].reshape((n_rows, n_columns))


@kernel
def product(a, b, out):
    """Fill `out` with ``a @ b``."""
    if len(a) >= FEW_ROWS:
        np.dot(a, b, out)
        return
    in_fours = a.shape[1] // 4 * 4  # four rows of b to each walk through a row of out
    for i in range(a.shape[0]):
        row = out[i]
        fill(row, 0)
        for k in range(0, in_fours, 4):
            x0, x1, x2, x3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            for j in range(len(row)):
                row[j] += (
                    x0 * b[k, j] + x1 * b[k + 1, j] + x2 * b[k + 2, j] + x3 * b[k + 3, j]
                )
        for k in range(in_fours, a.shape[1]):
            x0 = a[i, k]
            for j in range(len(row)):
                row[j] += x0 * b[k, j]


@kernel
def left_transposed_product(a, b, out):
    """Fill `out` with ``a.T @ b``."""
    if len(a) >= FEW_ROWS:
        np.dot(a.T, b, out)
        return
    for k in range(a.shape[1]):
        for j in range(b.shape[1]):
            out[k, j] = a[0, k] * b[0, j]
    for i in range(1, a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[k, j] += a[i, k] * b[i, j]


@kernel
def right_transposed_product(a, b, out):
    """Fill `out` with ``a @ b.T``."""
    if len(a) >= FEW_ROWS:
        np.dot(a, b.T, out)
        return
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            out[i, k] = sum_of_products(a[i], b[k])


@glue
def forward(layers, n_rows, vector, work, seed, step):
    """Fill net inputs, activations and outputs, layer by layer."""
    for i in range(len(layers)):
        layer = layers[i]
        weights = matrix(vector, layer.weights, layer.n_inputs, layer.n_units)
        bias = vector[layer.bias : layer.bias + layer.n_units]
        below = matrix(work, layer.below, n_rows, layer.n_inputs)
        net_input = matrix(work, layer.net_input, n_rows, layer.n_units)
        activated = matrix(work, layer.activated, n_rows, layer.n_units)
        product(below, weights, net_input)
        size = max(1, BLOCK // layer.n_units)
        for start in range(0, n_rows, size):
            z, a = net_input[start : start + size], activated[start : start + size]
            add_to_rows(bias, z)
            activate(layer, z, a)
        if layer.dropout > 0:
            mask = matrix(work, layer.mask, n_rows, layer.n_units)
            output = matrix(work, layer.output, n_rows, layer.n_units)
            silence(activated, seed, step, i, layer.dropout, mask, output)


@glue
def backward(layers, n_rows, vector, work, gradient):
    """Fill deltas from the output layer down, and the gradient."""
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        delta = matrix(work, layer.delta, n_rows, layer.n_units)
        if layer.dropout > 0:
            multiply(flat(matrix(work, layer.mask, n_rows, layer.n_units)), flat(delta))
        saved = matrix(work, layer.saved, n_rows, layer.n_units)
        of_bias = gradient[layer.bias : layer.bias + layer.n_units]
        fill(of_bias, 0)
        size = max(1, BLOCK // layer.n_units)
        for start in range(0, n_rows, size):
            rows = delta[start : start + size]
            differentiate(layer, saved[start : start + size], rows)
            add_rows(rows, of_bias)
        below = matrix(work, layer.below, n_rows, layer.n_inputs)
        of_weights = matrix(gradient, layer.weights, layer.n_inputs, layer.n_units)
        left_transposed_product(below, delta, of_weights)
        if i > 0:
            weights = matrix(vector, layer.weights, layer.n_inputs, layer.n_units)
            below_delta = matrix(work, layers[i - 1].delta, n_rows, layer.n_inputs)
            right_transposed_product(delta, weights, below_delta)
