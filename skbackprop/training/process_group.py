"""The process group: the processes that train together, usually one, and its rows.

With one process nothing here does anything. An engine that trains together with other
processes has a method `process_group`, without arguments, which returns another object
of this kind, valid for one call of `fit` or `partial_fit`. All rows are counted through,
process by process; every process takes the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
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

    def shard(
        self, n_rows: int, facts: Callable[[], dict[str, Any]] | None = None
    ) -> Shard:
        """Return the place of this process's rows among all.

        Raises ValueError where the facts of the processes differ; None is ignored.
        """

    def gather(self, rows: Any) -> Any:
        """Return the rows of all processes, one after the other; None stays None."""

    def broadcast(self, decision: Any) -> Any:
        """Return what the first process has decided; for use in training."""

    def broadcast_stream(self, rng: np.random.RandomState) -> np.random.RandomState:
        """Return a random stream that gives every process the same numbers."""

    def barrier(self) -> None:
        """Wait until every process has come to where training begins."""


class SingleProcess(AbstractContextManager):
    """The group of one process, which holds all rows."""

    size = 1

    def __exit__(self, *error):
        return None

    def shard(self, n_rows, facts=None):
        return Shard(slice(0, n_rows), n_rows)

    def gather(self, rows):
        return rows

    def broadcast(self, decision):
        return decision

    def broadcast_stream(self, rng):
        return rng

    def barrier(self):
        return None


SINGLE = SingleProcess()


def group_of(engine: Any) -> ProcessGroup:
    """Return the group in which an engine, a name or an object, trains."""
    open_group = getattr(engine, "process_group", None)
    return SINGLE if open_group is None else open_group()


class Rows(NamedTuple):
    """The rows of a call that are held here, and their place among those of all."""

    X: Any
    y: Any
    group: ProcessGroup
    shard: Shard
