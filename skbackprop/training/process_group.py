"""The share: the rows of a call that this process holds, and its talk with the others.

Usually one process holds all rows, and nothing here does anything. An engine that
trains together with other processes has a method `share`, without arguments, which
returns another object of this kind, good for one call of `fit` or `partial_fit`. All
rows are counted through, process by process; every process takes the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = ["ALONE", "Place", "Share", "share_of"]


class Place(NamedTuple):
    """Where the rows of this process stand among those of all."""

    own: slice
    n_all: int

    def held(self, rows):
        """Return those of some row numbers that are held here, as the numbers they have."""
        return rows[(rows >= self.own.start) & (rows < self.own.stop)] - self.own.start


class Share(Protocol):
    """All processes call the same methods in the same order.

    It is a context manager: an error that leaves it on one process ends all.
    """

    is_alone: bool  # else a process may come without rows

    def place(self, n_rows: int) -> Place:
        """Return the place of this process's rows among all."""

    def gather(self, rows: Any) -> Any:
        """Return the rows of all processes, one after the other; None stays None."""

    def agree(self, facts: Callable[[], dict[str, Any]]) -> None:
        """Raise ValueError where the facts of the processes differ; None has no say."""

    def same_stream(self, rng: np.random.RandomState) -> np.random.RandomState:
        """Return a random stream that gives every process the same numbers."""

    def same(self, decision: Any) -> Any:
        """Return what the first process has decided; for use in training."""

    def ready(self) -> None:
        """Wait until every process has come to where training begins."""


class Alone:
    """The share of the one process there is: all rows."""

    is_alone = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def place(self, n_rows):
        return Place(slice(0, n_rows), n_rows)

    def gather(self, rows):
        return rows

    def agree(self, facts):
        return None

    def same_stream(self, rng):
        return rng

    def same(self, decision):
        return decision

    def ready(self):
        return None


ALONE = Alone()


def share_of(engine: Any) -> Share:
    """Return the share that an engine, a name or an object, gives this process."""
    open_share = getattr(engine, "share", None)
    return ALONE if open_share is None else open_share()
