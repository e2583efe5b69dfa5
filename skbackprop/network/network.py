"""The network: a stack of layers, and where their parameters lie in the flat vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation, Identity
from ..initializers import Initializer
from ..rule import Spec, spec
from .dropout import fill_mask
from .layers import Dense, LayerParameters, LayerWork

__all__ = ["Network", "Parameters"]

CHUNK_ELEMENTS = 2**16  # of the widest layer, so that a chunk stays in cache


class Parameters(NamedTuple):
    """A flat vector and its views; made where they are used and never stored."""

    vector: NDArray  # (n_parameters,): all weights first, then all biases
    weights: NDArray  # (n_weights,): the part of the vector that is penalised
    layers: list[LayerParameters]


@spec
class Network(Spec):
    """Dense layers, the last one without an activation: the loss owns that."""

    layers: Sequence[Dense]

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
        activations = activations or [Identity()] * n_hidden
        dropout = dropout or [0.0] * n_hidden
        return cls(
            layers=[
                Dense(n_inputs=fan_in, n_units=fan_out, activation=activation, dropout=rate)
                for fan_in, fan_out, activation, rate in zip(
                    sizes[:-1],
                    sizes[1:],
                    [*activations, Identity()],
                    [*dropout, 0.0],
                    strict=True,
                )
            ]
        )

    @property
    def n_weights(self) -> int:
        return sum(layer.n_inputs * layer.n_units for layer in self.layers)

    @property
    def n_parameters(self) -> int:
        return self.n_weights + sum(layer.n_units for layer in self.layers)

    def parameters(self, vector: NDArray) -> Parameters:
        """Return views of the vector, layer by layer; writing to them writes to it."""
        layers = []
        start, bias_start = 0, (n_weights := self.n_weights)
        for layer in self.layers:
            stop = start + layer.n_inputs * layer.n_units
            bias_stop = bias_start + layer.n_units
            weights = vector[start:stop].reshape(layer.n_inputs, layer.n_units)
            layers.append(LayerParameters(weights, vector[bias_start:bias_stop]))
            start, bias_start = stop, bias_stop
        return Parameters(vector, vector[:n_weights], layers)

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
        """Return the work arrays of all layers for batches of up to `n_rows`."""
        return [layer.allocate(n_rows, dtype, separate) for layer in self.layers]

    @property
    def has_dropout(self) -> bool:
        return any(layer.dropout for layer in self.layers)

    def draw_masks(
        self, work: list[LayerWork], seed: int, step: int, rows: NDArray | None = None
    ) -> None:
        """Fill the dropout masks of a step, or of the rows at some places of its batch."""
        for i, layer in enumerate(self.layers):
            if layer.dropout:
                fill_mask(seed, step, i, layer.dropout, work[i].mask, rows)

    def forward(self, parameters: Parameters, X, work: list[LayerWork]) -> NDArray:
        """Fill net inputs and activations; return the net input of the output layer."""
        below = X
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
        self.layers[0].backward(X, work[0], gradient.layers[0])

    def net_output(self, parameters: Parameters, X) -> NDArray:
        """Return the net input of the output layer, shape (n_rows, n_outputs)."""
        n_rows, dtype = X.shape[0], parameters.vector.dtype
        net_input = np.empty((n_rows, self.layers[-1].n_units), dtype)
        size = max(1, min(self._chunk_size(), n_rows))
        hidden = [_prediction_work(layer, size, dtype) for layer in self.layers[:-1]]
        for start in range(0, n_rows, size):
            out = net_input[start : start + size]
            if len(out) < size:
                hidden = [work.cut(len(out)) for work in hidden]
            work = [*hidden, LayerWork(out, out, out)]
            self.forward(parameters, X[start : start + size], work)
        return net_input

    def hidden_activations(self, parameters: Parameters, X) -> list[NDArray]:
        """Return the activations of every hidden layer, as they are in prediction."""
        n_rows, dtype = X.shape[0], parameters.vector.dtype
        work = [_prediction_work(layer, n_rows, dtype) for layer in self.layers]
        self.forward(parameters, X, work)
        return [own_work.activation for own_work in work[:-1]]

    def _chunk_size(self) -> int:
        return max(1, CHUNK_ELEMENTS // max(layer.n_units for layer in self.layers))


def _prediction_work(layer, n_rows, dtype):
    array = np.empty((n_rows, layer.n_units), dtype)
    return LayerWork(array, array, array)
