"""Layers: one step of the signal forward, one step of the error backward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..rule import Spec, spec

__all__ = ["Dense", "LayerParameters", "LayerWork"]


class LayerParameters(NamedTuple):
    """Views of one layer's part of the flat vector."""

    weights: NDArray  # (n_inputs, n_units)
    bias: NDArray  # (n_units,)


class LayerWork(NamedTuple):
    """The arrays of one layer that every batch overwrites, each (n_rows, n_units).

    In prediction there is one, in which net input becomes activation.
    """

    net_input: Any  # arrays, all of them
    activation: Any  # the same memory as net_input where the derivative allows it
    output: Any  # what the layer above sees: the activation itself without dropout
    delta: Any = None  # none in prediction, and no mask or ones
    mask: Any = None  # of dropout; None without it
    ones: Any = None  # (n_rows,): ones @ delta sums over rows faster than delta.sum(0)

    def cut(self, n_rows: int) -> LayerWork:
        """Return views of the first rows, for a batch that is smaller."""
        return LayerWork(*(array if array is None else array[:n_rows] for array in self))


def matrix_product(a, b, out):
    """Fill `out` with ``a @ b``; `a` may be sparse."""
    if isinstance(a, np.ndarray):
        np.dot(a, b, out=out)  # less to decide than np.matmul, and BLAS for one row, too
    else:
        out[...] = a @ b


@spec
class Dense(Spec):
    """A fully connected layer: ``z = below @ weights + bias``, ``a = activation(z)``.

    With `dropout` its output is ``mask * a`` in training, and ``a`` in prediction.
    """

    n_inputs: int
    n_units: int
    activation: Activation
    dropout: float = 0.0

    def allocate(self, n_rows: int, dtype: np.dtype, separate: bool = False) -> LayerWork:
        """Return work arrays; `separate` keeps net input and activation apart."""
        shape = n_rows, self.n_units
        net_input, delta = np.empty(shape, dtype), np.empty(shape, dtype)
        shares = self.activation.saves == "activation" and not separate
        activation = net_input if shares else np.empty(shape, dtype)
        output, mask = activation, None
        if self.dropout:
            output, mask = np.empty(shape, dtype), np.ones(shape, dtype)
        return LayerWork(net_input, activation, output, delta, mask, np.ones(n_rows, dtype))

    def forward(self, below, parameters, work):
        """Fill net input, activation and output of `work`, which may be one array."""
        z = work.net_input
        matrix_product(below, parameters.weights, out=z)
        z += parameters.bias
        self.activation.forward(z, out=work.activation)
        if work.mask is not None:
            np.multiply(work.activation, work.mask, out=work.output)

    def backward(self, below, work, gradient):
        """Turn ``work.delta`` from d loss / d output into d loss / d z; fill `gradient`."""
        if work.mask is not None:
            np.multiply(work.delta, work.mask, out=work.delta)
        saved = getattr(work, self.activation.saves)
        self.activation.backward(saved, work.delta)
        matrix_product(below.T, work.delta, out=gradient.weights)
        np.dot(work.ones, work.delta, out=gradient.bias)

    def pass_down(self, parameters, work, below_delta):
        """Fill `below_delta` with d loss / d output of the layer below."""
        np.dot(work.delta, parameters.weights.T, out=below_delta)
