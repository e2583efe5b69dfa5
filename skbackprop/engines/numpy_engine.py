"""The reference engine: every step of every epoch in NumPy, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import norm
from scipy.sparse import issparse

from ..network.network import LayerWork, Parameters
from ..network.objective import BLOCK, Batch
from ..rule import Spec, spec
from ..training.engine import check_finite
from ..training.state import Plan, State

__all__ = ["NumpyEngine", "clip", "move"]


@spec
class NumpyEngine(Spec):
    """Always there, and what the other engines are compared with."""

    def why_not(self, plan: Plan, data: Batch) -> None:
        return None

    def runs_other_rows(self, plan: Plan, X: NDArray) -> bool:
        return True

    def reduce(self, array):
        return array

    def prepare(self, plan: Plan, state: State, data: Batch) -> Callable[[], float]:
        """Allocate what the steps need; return the function that runs one epoch."""
        network = plan.objective.network
        parameters = network.parameters(state.vector)
        gradient = network.parameters(np.empty_like(state.vector))
        take_step = partial(self.take_step, plan, state, parameters, gradient)
        return partial(_run_epoch, take_step, _Batches(plan, state, data))

    def take_step(
        self,
        plan: Plan,
        state: State,
        parameters: Parameters,
        gradient: Parameters,
        batch: Batch,
        work: list[LayerWork],
    ) -> float:
        """Move the parameters once, in place; return the objective before the move."""
        if state.dropout_seed is not None:
            plan.objective.network.draw_masks(work, state.dropout_seed, state.step)
        loss = plan.objective.value_and_gradient(parameters, batch, work, gradient)
        move(plan, state, parameters, gradient, loss)
        return loss


@np.errstate(all="ignore")  # what overflows is reported as divergence
def _run_epoch(take_step, batches):
    """Take one step per batch; return their objectives' mean, weighted as the rows are."""
    total = weight_sum = 0.0
    for batch, work in batches:
        batch_weight = batch.weight_sum
        if batch_weight == 0:
            continue  # rows of weight zero say nothing
        total += take_step(batch, work) * batch_weight
        weight_sum += batch_weight
    return total / weight_sum


def move(
    plan: Plan, state: State, parameters: Parameters, gradient: Parameters, loss: float
) -> None:
    """Move the parameters once by what the gradient becomes, both in place."""
    learning_rate = plan.learning_rate(state)
    if not math.isfinite(loss):
        check_finite(loss, state, learning_rate)
    state.step += 1
    if plan.clip_norm is not None:
        clip(gradient.vector, plan.clip_norm)
    decay = learning_rate * getattr(plan.optimizer, "weight_decay", 0.0)
    if decay:
        np.multiply(parameters.weights, 1 - decay, out=parameters.weights)
    # rule and update piece by piece, while all arrays of a piece are in cache
    for start in range(0, len(gradient.vector), BLOCK):
        block = slice(start, start + BLOCK)
        memory = {name: array[block] for name, array in state.optimizer_memory.items()}
        update = gradient.vector[block]
        plan.optimizer.update(update, memory, learning_rate, state.step)
        plan.objective.convention.apply(state.vector[block], update)


def clip(gradient: NDArray, largest_norm: float) -> None:
    """Scale the gradient to at most the given Euclidean norm, in place."""
    # the norm does not overflow where squares would
    size = float(norm(gradient, check_finite=False))
    if size > largest_norm:
        gradient *= largest_norm / size


class _Slot(NamedTuple):
    """Where a batch goes: its place in the order, and arrays of its size."""

    rows: slice
    buffers: Batch
    work: list[LayerWork]


class _Batches:
    """The batches of an epoch, gathered into arrays that are used again and again."""

    def __init__(self, plan, state, data):
        self.data, self.order = data, state.order
        n_rows = len(state.order)
        size = min(plan.batch_size, n_rows)
        # rows that are in their natural order need no gathering
        self.in_place = not plan.shuffle and np.array_equal(
            state.order, np.arange(data.X.shape[0])
        )
        buffers = Batch(
            *(
                None
                if array is None or issparse(array) or self.in_place
                else np.empty((size, *array.shape[1:]), array.dtype)
                for array in data
            )
        )
        work = plan.objective.network.allocate(size, state.vector.dtype)
        n_last = n_rows % size
        whole = range(0, n_rows - n_last, size)
        self.slots = [_Slot(slice(i, i + size), buffers, work) for i in whole]
        if n_last:  # the last batch is smaller
            buffers = Batch(*(a if a is None else a[:n_last] for a in buffers))
            work = [layer_work.cut(n_last) for layer_work in work]
            self.slots.append(_Slot(slice(n_rows - n_last, n_rows), buffers, work))

    def __iter__(self):
        for rows, buffers, work in self.slots:
            which = rows if self.in_place else self.order[rows]
            taken = []
            for array, buffer in zip(self.data, buffers, strict=True):
                if array is None or buffer is None:
                    taken.append(array if array is None else array[which])
                else:
                    # mode="clip" spares the copy that guards against bad row numbers
                    taken.append(array.take(which, axis=0, out=buffer, mode="clip"))
            yield Batch(*taken), work
