"""Layers: a batch forward, its error backward.

Before Numba compiles the loop over the batches, it drops the branches of arguments that are
None. So nothing of `coded_layer` is compiled for data without coded columns, which saves a
quarter of the time.
"""

from __future__ import annotations

from .activations import activate, differentiate
from .batch import ask_for
from .coded_layer import coded_gradient, coded_product
from .compilation import glue, kernel
from .dropout import silence
from .products import (
    left_transposed_product,
    product,
    right_transposed_product,
)
from .rows import add_rows, copy, fill, flat, matrix, multiply, part

__all__ = ["backward", "forward"]

BLOCK = 8192  # bytes of an array that stay in the first cache with those of others


@kernel
def rows_at_once(layer, n_rows, work):
    """Return how many rows of a layer stay in the first cache."""
    size = BLOCK // (layer.n_units * work.itemsize)
    return n_rows if size > n_rows else (size if size > 0 else 1)


@glue
def forward(layers, rows, coded, coming, n_rows, vector, work, seed, step):
    """Fill net inputs, activations and outputs, layer by layer."""
    for i in range(len(layers)):
        layer = layers[i]
        weights = matrix(vector, layer.weights, layer.n_inputs, layer.n_units)
        net_input = matrix(work, layer.net_input, n_rows, layer.n_units)
        activated = matrix(work, layer.activated, n_rows, layer.n_units)
        if coded is None or i > 0:
            below = matrix(work, layer.below, n_rows, layer.n_inputs)
            product(below, weights, net_input)
        else:
            coded_product(coded, work[layer.below :], weights, net_input)
        size = rows_at_once(layer, n_rows, work)
        biases = bias = matrix(vector, layer.bias, 1, layer.n_units)
        if size > 1:
            biases = matrix(work, layer.delta, size, layer.n_units)  # delta is made later
            for k in range(size):
                copy(bias[0], biases[k])
        for start in range(0, n_rows, size):
            stop = start + size if start + size < n_rows else n_rows
            z, a = part(net_input, start, stop), part(activated, start, stop)
            activate(layer, z, biases, a)
            if i == 0:
                ask_for(rows.X, rows.target, coming, start, stop)
        if layer.dropout > 0:
            mask = matrix(work, layer.mask, n_rows, layer.n_units)
            output = matrix(work, layer.output, n_rows, layer.n_units)
            silence(layer, activated, mask, output, seed, step, i)


@glue
def backward(layers, coded, n_rows, vector, work, gradient):
    """Fill deltas from the output layer down, and the gradient."""
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        delta = matrix(work, layer.delta, n_rows, layer.n_units)
        if layer.dropout > 0:
            multiply(flat(matrix(work, layer.mask, n_rows, layer.n_units)), flat(delta))
        saved = matrix(work, layer.saved, n_rows, layer.n_units)
        of_bias = part(gradient, layer.bias, layer.bias + layer.n_units)
        fill(of_bias, 0)
        size = rows_at_once(layer, n_rows, work)
        for start in range(0, n_rows, size):
            stop = start + size if start + size < n_rows else n_rows
            of_rows = part(delta, start, stop)
            differentiate(layer, part(saved, start, stop), of_rows)
            add_rows(of_rows, of_bias)
        of_weights = matrix(gradient, layer.weights, layer.n_inputs, layer.n_units)
        if i > 0:
            weights = matrix(vector, layer.weights, layer.n_inputs, layer.n_units)
            turned = matrix(gradient, layer.weights, layer.n_units, layer.n_inputs)
            below_delta = matrix(work, layers[i - 1].delta, n_rows, layer.n_inputs)
            right_transposed_product(delta, weights, turned, below_delta)
        if coded is None or i > 0:
            below = matrix(work, layer.below, n_rows, layer.n_inputs)
            left_transposed_product(below, delta, of_weights)
        else:
            coded_gradient(coded, work[layer.below :], delta, of_weights)
