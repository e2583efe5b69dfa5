"""The network: a stack of layers, and where their parameters lie in the flat vector.

A layer is one step of the signal forward and one step of the error backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation, Identity
from ..initializers import Initializer
from .dropout import fill_mask

__all__ = ["Dense", "LayerParameters", "LayerWork", "Network", "Parameters"]

OUTPUT = Identity()  # the output layer's activation, as the loss owns the one that counts
CHUNK_ELEMENTS = 2**16  # of the widest layer, so that a chunk stays in cache
CHUNK_ROWS = 256  # at least, so that wide layers' weights are not read again and again


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


class SparseRows:
    """Sparse rows that multiply into an array, as the `dot` of NumPy's does."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @property
    def T(self) -> SparseRows:
        return SparseRows(self.rows.T)

    def dot(self, array: NDArray, out: NDArray) -> None:
        out[...] = self.rows @ array


@dataclass(kw_only=True, eq=False)
class Dense:
    """A fully connected layer: ``z = below @ weights + bias``, ``a = activation(z)``.

    With `dropout` its output is ``mask * a`` in training, and ``a`` in prediction.
    """

    n_inputs: int
    n_units: int
    activation: Activation
    dropout: float = 0.0

    def forward(self, below, parameters, work):
        """Fill net input, activation and output of `work`, which may be one array."""
        z = work.net_input
        below.dot(parameters.weights, out=z)  # BLAS for one row too, unlike np.matmul
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
        below.T.dot(work.delta, out=gradient.weights)
        work.ones.dot(work.delta, out=gradient.bias)

    def pass_down(self, parameters, work, below_delta):
        """Fill `below_delta` with d loss / d output of the layer below."""
        work.delta.dot(parameters.weights.T, out=below_delta)


class Parameters(NamedTuple):
    """A flat vector and its views; made where they are used and never stored."""

    vector: NDArray  # (n_parameters,): all weights first, then all biases
    weights: NDArray  # (n_weights,): the part of the vector that is penalised
    layers: list[LayerParameters]


@dataclass(kw_only=True, eq=False)
class Network:
    """Dense layers, the last one without an activation: the loss owns that."""

    layers: Sequence[Dense]
    n_weights: int = field(init=False)
    n_parameters: int = field(init=False)  # weights and biases
    has_dropout: bool = field(init=False)

    def __post_init__(self) -> None:
        self.n_weights = sum(layer.n_inputs * layer.n_units for layer in self.layers)
        self.n_parameters = self.n_weights + sum(layer.n_units for layer in self.layers)
        widest = max(layer.n_units for layer in self.layers)
        self._chunk_size = max(CHUNK_ROWS, CHUNK_ELEMENTS // widest)
        self.has_dropout = any(layer.dropout for layer in self.layers)

    @classmethod
    def of_sizes(
        cls,
        sizes: Sequence[int],
        activations: Sequence[Activation] | None = None,
        dropout: Sequence[float] | None = None,
    ) -> Network:
        """Stack layers of the given sizes, input and output included.

        Activations and dropout are those of the hidden layers. Without activations the
        network is good for looking at parameters.
        """
        n_hidden = len(sizes) - 2
        activations = activations or [OUTPUT] * n_hidden
        dropout = dropout or [0.0] * n_hidden
        return cls(
            layers=[
                Dense(n_inputs=fan_in, n_units=fan_out, activation=activation, dropout=rate)
                for fan_in, fan_out, activation, rate in zip(
                    sizes[:-1],
                    sizes[1:],
                    [*activations, OUTPUT],
                    [*dropout, 0.0],
                    strict=True,
                )
            ]
        )

    def parameters(self, vector: NDArray) -> Parameters:
        """Return views of the vector, layer by layer; writing to them writes to it."""
        layers = []
        start, bias_start = 0, self.n_weights
        for layer in self.layers:
            stop = start + layer.n_inputs * layer.n_units
            bias_stop = bias_start + layer.n_units
            weights = vector[start:stop].reshape(layer.n_inputs, layer.n_units)
            layers.append(LayerParameters(weights, vector[bias_start:bias_stop]))
            start, bias_start = stop, bias_stop
        return Parameters(vector, vector[: self.n_weights], layers)

    def fill(
        self, vector: NDArray, initializer: Initializer, rng: np.random.RandomState
    ) -> None:
        """Fill the vector with the parameters that training starts from."""
        for i, layer in enumerate(self.parameters(vector).layers):
            shape = layer.weights.shape
            initializer(i, "weights", shape, rng, out=layer.weights)
            initializer(i, "bias", shape, rng, out=layer.bias)

    def allocate(
        self, n_rows: int, dtype: np.dtype, separate: bool = False
    ) -> list[LayerWork]:
        """Return the work arrays of all layers for batches of up to `n_rows`.

        With `separate` none keeps its net input and its activation in the same memory.
        """
        work, ones = [], np.ones(n_rows, dtype)
        for layer in self.layers:
            shape = n_rows, layer.n_units
            net_input, delta = np.empty(shape, dtype), np.empty(shape, dtype)
            shares = layer.activation.saves == "activation" and not separate
            activation = net_input if shares else np.empty(shape, dtype)
            output, mask = activation, None
            if layer.dropout:
                output, mask = np.empty(shape, dtype), np.ones(shape, dtype)
            work.append(LayerWork(net_input, activation, output, delta, mask, ones))
        return work

    def draw_masks(
        self, work: list[LayerWork], seed: int, step: int, rows: NDArray | None = None
    ) -> None:
        """Fill the dropout masks of a step, or of the rows at some places of its batch."""
        for i, layer in enumerate(self.layers):
            if layer.dropout:
                fill_mask(seed, step, i, layer.dropout, work[i].mask, rows)

    def forward(self, parameters: Parameters, X, work: list[LayerWork]) -> NDArray:
        """Fill net inputs and activations; return the net input of the output layer."""
        below = X if isinstance(X, np.ndarray) else SparseRows(X)
        for layer, own, own_work in zip(self.layers, parameters.layers, work, strict=True):
            layer.forward(below, own, own_work)
            below = own_work.output
        return work[-1].net_input

    def backward(
        self, parameters: Parameters, X, work: list[LayerWork], gradient: Parameters
    ) -> None:
        """Pass the delta of the output layer down; fill deltas and the gradient."""
        for i in range(len(self.layers) - 1, 0, -1):
            layer = self.layers[i]
            layer.backward(work[i - 1].output, work[i], gradient.layers[i])
            layer.pass_down(parameters.layers[i], work[i], work[i - 1].delta)
        rows = X if isinstance(X, np.ndarray) else SparseRows(X)
        self.layers[0].backward(rows, work[0], gradient.layers[0])

    def net_output(
        self, parameters: Parameters, X, masks: tuple[int, int] | None = None
    ) -> NDArray:
        """Return the net input of the output layer, shape (n_rows, n_outputs).

        Dropout acts where seed and step of its `masks` are given.
        """
        n_rows, dtype = X.shape[0], parameters.vector.dtype
        net_input = np.empty((n_rows, self.layers[-1].n_units), dtype)
        size = max(1, min(self._chunk_size, n_rows))
        hidden = _prediction_work(self.layers[:-1], size, dtype, masks is not None)
        for start in range(0, n_rows, size):
            out = net_input[start : start + size]
            if len(out) < size:
                hidden = [work.cut(len(out)) for work in hidden]
            work = [*hidden, LayerWork(out, out, out)]
            if masks is not None:
                self.draw_masks(work, *masks, start + np.arange(len(out)))
            self.forward(parameters, X[start : start + size], work)
        return net_input

    def hidden_activations(self, parameters: Parameters, X) -> list[NDArray]:
        """Return the activations of every hidden layer, as they are in prediction."""
        n_rows, dtype = X.shape[0], parameters.vector.dtype
        arrays = [np.empty((n_rows, layer.n_units), dtype) for layer in self.layers]
        work = [LayerWork(array, array, array) for array in arrays]
        self.forward(parameters, X, work)
        return [own_work.activation for own_work in work[:-1]]


def _prediction_work(layers, n_rows, dtype, masked):
    """Return work arrays; a layer needs the one below, and takes the array of the next."""
    work = []
    for i, layer in enumerate(layers):
        if i > 1 and layers[i - 2].n_units == layer.n_units:
            array = work[i - 2].output
        else:
            array = np.empty((n_rows, layer.n_units), dtype)
        mask = np.empty_like(array) if masked and layer.dropout else None
        work.append(LayerWork(array, array, array, mask=mask))
    return work
