"""The first layer: a product, or a walk over coded columns where X has some.

Which of both is known when the loop over the batches is compiled. Without coded columns
nothing of the walk is compiled, which takes as long as a third of all the rest.
"""

from __future__ import annotations

from numba import types
from numba.extending import overload

from .coded_layer import add_coded_product, dense_part, fill_coded_gradient, sort_batch
from .compilation import OPTIONS
from .products import left_transposed_product, product
from .rows import matrix

__all__ = ["begin_batch", "first_gradient", "first_product"]


def begin_batch(coded, batch):
    """Bring the rows of a batch into the order in which the walk meets them."""
    return (_begin if coded is None else _begin_coded)(coded, batch)


def first_product(coded, layer, n_rows, weights, work, out):
    """Fill `out` with the product of the batch and the weights."""
    multiply = _product if coded is None else _coded_product
    return multiply(coded, layer, n_rows, weights, work, out)


def first_gradient(coded, layer, n_rows, delta, work, out):
    """Fill `out` with the product of the batch, transposed, and delta."""
    multiply = _gradient if coded is None else _coded_gradient
    return multiply(coded, layer, n_rows, delta, work, out)


def _begin(coded, batch):
    pass


def _begin_coded(coded, batch):
    sort_batch(coded, batch)


def _product(coded, layer, n_rows, weights, work, out):
    product(matrix(work, layer.below, n_rows, layer.n_inputs), weights, out)


def _coded_product(coded, layer, n_rows, weights, work, out):
    dense = dense_part(coded, weights)
    product(matrix(work, layer.below, n_rows, len(dense)), dense, out)
    add_coded_product(coded, weights, out)


def _gradient(coded, layer, n_rows, delta, work, out):
    below = matrix(work, layer.below, n_rows, layer.n_inputs)
    left_transposed_product(below, delta, out)


def _coded_gradient(coded, layer, n_rows, delta, work, out):
    below = matrix(work, layer.below, n_rows, len(coded.dense_weights))
    left_transposed_product(below, delta, coded.dense_weights)
    fill_coded_gradient(coded, delta, out)


@overload(begin_batch, jit_options=OPTIONS)
def _begin_batch_of(coded, batch):
    return _begin if isinstance(coded, types.NoneType) else _begin_coded


@overload(first_product, jit_options=OPTIONS)
def _first_product_of(coded, layer, n_rows, weights, work, out):
    return _product if isinstance(coded, types.NoneType) else _coded_product


@overload(first_gradient, jit_options=OPTIONS)
def _first_gradient_of(coded, layer, n_rows, delta, work, out):
    return _gradient if isinstance(coded, types.NoneType) else _coded_gradient
