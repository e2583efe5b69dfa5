"""The reference engine: every step of every epoch in NumPy, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import norm
from scipy.sparse import issparse

from ..layers import LayerWork
from ..network import Parameters
from ..objective import Batch
from ..spec import Spec
from ..state import Data, Plan, State
from .base import check_finite

__all__ = ["NumpyEngine", "clip", "training_step"]

BLOCK = 65_536  # elements that optimizer memory, gradient and vector keep in cache


@dataclass(kw_only=True)
class NumpyEngine(Spec):
    """Always there, and what the other engines are compared with."""

    def why_not(self, plan: Plan, data: Data) -> None:
        return None

    def reduce(self, array):
        return array

    def epochs(self, plan: Plan, state: State, data: Data) -> Iterator[float]:
        """Run an epoch whenever asked; yield the mean of its steps' objectives."""
        network = plan.objective.network
        parameters = network.parameters(state.vector)
        gradient = network.parameters(np.empty_like(state.vector))
        batches = _Batches(plan, state, data)
        while True:
            if plan.shuffle:
                state.rng.shuffle(state.order)  # composes on the previous order
            with np.errstate(all="ignore"):  # what overflows is reported as divergence
                loss = _epoch(plan, state, parameters, gradient, batches)
            state.epoch += 1
            state.samples_seen += len(state.order)
            yield loss


def _epoch(plan, state, parameters, gradient, batches):
    """Take one step per batch; return their objectives' mean, weighted as the rows are."""
    total = weight_sum = 0.0
    for batch, work in batches:
        batch_weight = batch.weight_sum
        if batch_weight == 0:
            continue  # rows of weight zero say nothing
        loss = training_step(plan, state, parameters, gradient, batch, work)
        total += loss * batch_weight
        weight_sum += batch_weight
    return total / weight_sum


def training_step(
    plan: Plan,
    state: State,
    parameters: Parameters,
    gradient: Parameters,
    batch: Batch,
    work: list[LayerWork],
) -> float:
    """Move the parameters once, in place; return the objective before the move."""
    plan.objective.network.draw_masks(work, state.dropout_seed, state.step)
    loss = plan.objective.value_and_gradient(parameters, batch, work, gradient)
    learning_rate = plan.learning_rate(state)
    check_finite(loss, state, learning_rate)
    state.step += 1
    clip(gradient.vector, plan.clip_norm)
    decay = learning_rate * getattr(plan.optimizer, "weight_decay", 0.0)
    if decay:
        np.multiply(parameters.weights, 1 - decay, out=parameters.weights)
    _update(plan, state, gradient.vector, learning_rate)
    return loss


def clip(gradient: NDArray, largest_norm: float | None) -> None:
    """Scale the gradient to at most the given Euclidean norm, in place."""
    if largest_norm is None:
        return
    size = float(
        norm(gradient, check_finite=False)
    )  # does not overflow where squares would
    if size > largest_norm:
        gradient *= largest_norm / size


def _update(plan, state, gradient, learning_rate):
    """Apply rule and update block by block, so that all arrays of a block stay in cache."""
    for start in range(0, len(gradient), BLOCK):
        block = slice(start, start + BLOCK)
        memory = {name: array[block] for name, array in state.optimizer_memory.items()}
        plan.optimizer.update(gradient[block], memory, learning_rate, state.step)
        plan.objective.convention.apply(state.vector[block], gradient[block])


class _Batches:
    """The batches of an epoch, gathered into arrays that are used again and again."""

    def __init__(self, plan, state, data):
        self.data, self.order = data, state.order
        self.size = min(plan.batch_size, len(state.order))
        # rows that are in their natural order need no gathering
        n_rows = data.X.shape[0]
        self.in_place = not plan.shuffle and np.array_equal(state.order, np.arange(n_rows))
        dtype = state.vector.dtype
        self.work = plan.objective.network.allocate(self.size, dtype)
        self.batch = Batch(*(self._buffer(array) for array in data))

    def __iter__(self):
        n_rows = len(self.order)
        for start in range(0, n_rows, self.size):
            rows = slice(start, min(start + self.size, n_rows))
            n_batch = rows.stop - rows.start
            work = self.work
            if n_batch < self.size:
                work = [layer_work.cut(n_batch) for layer_work in work]
            yield self._gather(rows if self.in_place else self.order[rows], n_batch), work

    def _buffer(self, array):
        if array is None or issparse(array) or self.in_place:
            return None
        return np.empty((self.size, *array.shape[1:]), array.dtype)

    def _gather(self, rows, n_batch):
        return Batch(
            *(
                _take(array, rows, buffer, n_batch)
                for array, buffer in zip(self.data, self.batch, strict=True)
            )
        )


def _take(array, rows, buffer, n_batch):
    if array is None:
        return None
    if buffer is None:
        return array[rows]
    # mode="clip" spares the copy that guards against bad row numbers; these are good
    return array.take(rows, axis=0, out=buffer[:n_batch], mode="clip")
