"""The objective: the loss of a network on a batch, plus the penalty on its weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..conventions import ErrorConvention
from ..losses import Loss
from .network import LayerWork, Network, Parameters

__all__ = ["BLOCK", "Batch", "Objective"]

BLOCK = 65_536  # elements of a piece of a vector that stays in cache


class Batch(NamedTuple):
    """Rows that are used together: those of a step, or all of a call."""

    X: NDArray  # (n_rows, n_features), or a sparse array
    target: NDArray  # (n_rows, n_outputs)
    sample_weight: NDArray | None = None  # (n_rows,)
    class_weight: NDArray | None = None  # (n_rows,), of which the mean over all rows is 1

    @property
    def weight_sum(self) -> float:
        """The sum of the sample weights: the number of rows where there are none."""
        if self.sample_weight is None:
            return len(self.target)
        return float(self.sample_weight.sum())

    @property
    def loss_weight(self) -> NDArray | None:
        """How much the loss of each row counts: its sample weight times its class weight.

        Their sum is that of the sample weights over all rows, not over every batch.
        """
        if self.class_weight is None or self.sample_weight is None:
            return self.sample_weight if self.class_weight is None else self.class_weight
        return self.sample_weight * self.class_weight


def row_blocks(array: NDArray) -> list[NDArray]:
    """Cut a matrix into views of some rows each, which stay in cache."""
    if array.size <= BLOCK:
        return [array]
    n_rows = max(1, BLOCK // array.shape[1])
    return [array[start : start + n_rows] for start in range(0, len(array), n_rows)]


@dataclass(kw_only=True, eq=False)
class Objective:
    """``loss + alpha / weight_sum * penalty``, and its signal.

    ``penalty = (1 - l1_ratio) / 2 * sum(weights^2) + l1_ratio * sum(|weights|)``.
    Dividing the penalty by the sum of the sample weights (without them the number of
    rows) is scikit-learn's definition of `alpha`.
    """

    network: Network
    loss: Loss
    alpha: float
    convention: ErrorConvention
    l1_ratio: float = 0.0
    ignores_missing: bool = False  # targets that are NaN; a RowLoss leaves them out

    def value_and_gradient(
        self,
        parameters: Parameters,
        batch: Batch,
        work: list[LayerWork],
        gradient: Parameters,
    ) -> float:
        """Return the objective; fill `work` and the gradient, signed by the convention."""
        value = self.loss_and_gradient(parameters, batch, work, gradient)
        return value + self.add_penalty(parameters, batch.weight_sum, gradient)

    def loss_and_gradient(
        self,
        parameters: Parameters,
        batch: Batch,
        work: list[LayerWork],
        gradient: Parameters,
    ) -> float:
        """Return the loss without the penalty; fill `work` and its gradient, signed."""
        z = self.network.forward(parameters, batch.X, work)
        delta = work[-1].delta
        value = self._weighted_loss(z, batch, delta)
        self.convention.orient(delta)
        self.network.backward(parameters, batch.X, work, gradient)
        return value

    def add_penalty(
        self, parameters: Parameters, weight_sum: float, gradient: Parameters
    ) -> float:
        """Return the penalty; add its signal to the gradient, in place."""
        if self.alpha == 0:
            return 0.0
        weights, signal = parameters.weights, gradient.weights
        strength = self.alpha / weight_sum
        l2, l1 = strength * (1 - self.l1_ratio), strength * self.l1_ratio
        for start in range(0, len(weights), BLOCK):
            block = slice(start, start + BLOCK)
            piece = signal[block]  # ``signal[block] += ...`` would copy it once more
            piece += self.convention.orient(l2 * weights[block])
            if l1:
                piece += self.convention.orient(l1 * np.sign(weights[block]))
        sizes = float(np.abs(weights).sum(dtype=float)) if l1 else 0.0
        return l2 / 2 * float(np.dot(weights, weights)) + l1 * sizes

    def net_output(
        self, vector: NDArray, X: NDArray, masks: tuple[int, int] | None = None
    ) -> NDArray:
        """Return the net input of the output layer, shape (n_rows, n_outputs)."""
        with np.errstate(all="ignore"):
            return self.network.net_output(self.network.parameters(vector), X, masks)

    def link(self, z: NDArray) -> NDArray:
        """Turn the net input of the output layer into the output, in place."""
        with np.errstate(all="ignore"):  # an exponential may overflow on its way to 0 or 1
            for rows in row_blocks(z):
                self.loss.predict(rows, out=rows)
        return z

    def log_link(self, z: NDArray) -> NDArray:
        """Turn the net input of the output layer into the output's logarithm, in place."""
        with np.errstate(all="ignore"):
            for rows in row_blocks(z):
                self.loss.log_predict(rows, out=rows)  # type: ignore[attr-defined]  # asked for
        return z

    def output(self, vector: NDArray, X: NDArray) -> NDArray:
        """Return the output of the network, shape (n_rows, n_outputs)."""
        return self.link(self.net_output(vector, X))

    def hidden_activations(self, vector: NDArray, X: NDArray) -> list[NDArray]:
        """Return the activations of every hidden layer, as they are in prediction."""
        with np.errstate(all="ignore"):
            return self.network.hidden_activations(self.network.parameters(vector), X)

    def loss_of(self, z: NDArray, batch: Batch) -> float:
        """Return the loss without the penalty, of the net input of the output layer."""
        with np.errstate(all="ignore"):
            return self._weighted_loss(z, batch, np.empty_like(z))

    def _weighted_loss(self, z, batch, delta):
        """Return the mean loss, and fill `delta`.

        A loss divides by the sum of the weights it is given. With class weights that would
        take them back in a batch of one class: what counts is the sum of sample weights.
        """
        value_and_delta = self.loss.value_and_delta
        if self.ignores_missing:
            value_and_delta = partial(value_and_delta, missing=np.isnan(batch.target))
        if batch.class_weight is None:
            return value_and_delta(batch.target, z, delta, batch.sample_weight)
        weight = batch.loss_weight
        factor = float(weight.sum()) / batch.weight_sum
        if factor == 0:
            delta[...] = 0
            return 0.0
        value = value_and_delta(batch.target, z, delta, weight)
        delta *= factor
        return value * factor
