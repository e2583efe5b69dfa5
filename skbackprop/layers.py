"""Layers: one step of the signal forward, one step of the error backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from .activations import Activation
from .spec import Spec

__all__ = ["Dense", "LayerParameters", "LayerWork"]


class LayerParameters(NamedTuple):
    """Views of one layer's part of the flat vector."""

    weights: NDArray  # (n_inputs, n_units)
    bias: NDArray  # (n_units,)


class LayerWork(NamedTuple):
    """The arrays of one layer that every batch overwrites, each (n_rows, n_units)."""

    net_input: NDArray
    activation: NDArray  # the same memory as net_input where the derivative allows it
    delta: NDArray
    ones: NDArray  # (n_rows,): ones @ delta sums over rows faster than delta.sum(0)

    def cut(self, n_rows: int) -> LayerWork:
        """Return views of the first rows, for a batch that is smaller."""
        return LayerWork(*(array[:n_rows] for array in self))


def matrix_product(a, b, out):
    """Fill `out` with ``a @ b``; `a` may be sparse."""
    if issparse(a):
        out[...] = a @ b
    else:
        np.matmul(a, b, out=out)


@dataclass(kw_only=True)
class Dense(Spec):
    """A fully connected layer: ``z = below @ weights + bias``, ``a = activation(z)``."""

    n_inputs: int
    n_units: int
    activation: Activation

    def allocate(self, n_rows: int, dtype: np.dtype, separate: bool = False) -> LayerWork:
        """Return work arrays; `separate` keeps net input and activation apart."""
        z, a, delta = (np.empty((n_rows, self.n_units), dtype) for _ in range(3))
        in_place = self.activation.saves == "activation" and not separate
        return LayerWork(z, z if in_place else a, delta, np.ones(n_rows, dtype))

    def forward(self, below, parameters, net_input, activation):
        """Fill `net_input` and `activation`, which may be one array."""
        matrix_product(below, parameters.weights, out=net_input)
        net_input += parameters.bias
        self.activation.forward(net_input, out=activation)

    def backward(self, below, work, gradient):
        """Turn ``work.delta`` from d loss / d a into d loss / d z; fill `gradient`."""
        saved = getattr(work, self.activation.saves)
        self.activation.backward(saved, work.delta)
        matrix_product(below.T, work.delta, out=gradient.weights)
        np.matmul(work.ones, work.delta, out=gradient.bias)

    def pass_down(self, parameters, work, below_delta):
        """Fill `below_delta` with d loss / d a of the layer below."""
        np.matmul(work.delta, parameters.weights.T, out=below_delta)
