"""The process group: the processes that train together, usually one, and its rows.

With one process nothing here does anything. An engine that trains together with other
processes has a method `process_group`, without arguments, which returns another object
of this kind, valid for one call of `fit` or `partial_fit`. All rows are counted through,
process by process; every process takes the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SINGLE", "ProcessGroup", "Rows", "Shard", "group_of"]


class Shard(NamedTuple):
    """Where the rows of this process stand among those of all."""

    own: slice
    n_all: int

    def held(self, rows: NDArray) -> NDArray:
        """Return those of some row numbers that are held here, as the numbers they have."""
        return rows[(rows >= self.own.start) & (rows < self.own.stop)] - self.own.start


class ProcessGroup(Protocol):
    """All processes call the same methods in the same order; the names are those of MPI.

    It is a context manager: an error that leaves it on one process ends all.
    """

    size: int  # if there are several, one may come without rows

    def shard(self, n_rows: int) -> Shard:
        """Return the place of this process's rows among all."""

    def gather(self, rows: Any) -> Any:
        """Return the rows of all processes, one after the other; None stays None."""

    def broadcast(self, decision: Any) -> Any:
        """Return what the first process has decided; for use in training."""

    def broadcast_stream(self, rng: np.random.RandomState) -> np.random.RandomState:
        """Return a random stream that gives every process the same numbers."""

    def barrier(self) -> None:
        """Wait until every process has come to where training begins."""

    def agree(self, facts: Callable[[], dict[str, Any]]) -> None:
        """Raise ValueError where the facts of the processes differ; None is ignored."""


class SingleProcess:
    """The group of one process, which holds all rows."""

    size = 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def shard(self, n_rows):
        return Shard(slice(0, n_rows), n_rows)

    def gather(self, rows):
        return rows

    def broadcast(self, decision):
        return decision

    def broadcast_stream(self, rng):
        return rng

    def barrier(self):
        return None

    def agree(self, facts):
        return None


SINGLE = SingleProcess()


def group_of(engine: Any) -> ProcessGroup:
    """Return the group in which an engine, a name or an object, trains."""
    open_group = getattr(engine, "process_group", None)
    return SINGLE if open_group is None else open_group()


class Rows:
    """The rows of a call, as far as they are held here, and what is known of all rows."""

    def __init__(self, X: Any, y: Any, group: ProcessGroup):
        self.X, self.y, self.group = X, y, group
        self.of_all = group.gather  # of what belongs to the rows held here
        self.shard = group.shard(X.shape[0])
        self.n_all = self.shard.n_all

    def held(self, of_all: Any) -> Any:
        """Return what belongs to the rows held here, of what belongs to all."""
        return of_all[self.shard.own]
