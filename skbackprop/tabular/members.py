"""Members: which rows each network trains on, which it is stopped by, and its training."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import current_thread, main_thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv
from threadpoolctl import ThreadpoolController  # which scikit-learn needs, too

__all__ = [
    "Clock",
    "Fold",
    "Rows",
    "Training",
    "fit_member",
    "given_folds",
    "make_folds",
    "one_blas_thread",
]

PARTS_OF_ONE = 10  # a single member has one of so many parts of the rows held out


class Rows(NamedTuple):
    """Encoded rows, what members learn of them, and how much each counts."""

    X: NDArray
    y: NDArray
    weight: NDArray | None

    def take(self, indices: NDArray) -> Rows:
        """Return the rows of these numbers."""
        weight = None if self.weight is None else self.weight[indices]
        return Rows(self.X[indices], self.y[indices], weight)

    def take_and_show(self, indices: NDArray, shown: NDArray) -> Rows:
        """Return the rows of these numbers, and others with weight 0, shown for their y."""
        if len(shown) == 0:
            return self.take(indices)
        rows = self.take(np.concatenate([indices, shown]))
        weight = np.ones(len(rows.X), rows.X.dtype) if rows.weight is None else rows.weight
        weight[len(indices) :] = 0
        return rows._replace(weight=weight)


class Fold(NamedTuple):
    """Numbers of the rows that a member trains on, and of those held out from it.

    `shown` are rows of classes that are not among the first: a member has to know them.
    """

    train: NDArray
    held_out: NDArray
    shown: NDArray = np.empty(0, dtype=np.intp)


class Clock:
    """Seconds that members share; each may take its part of what is left.

    Members say at the end of an epoch whether theirs are over. A cancelled clock stops
    all of them, where they are threads.
    """

    def __init__(self, seconds: float | None, n_members: int, n_at_once: int):
        self.end = np.inf if seconds is None else time.time() + seconds
        self.n_members, self.n_at_once = n_members, n_at_once
        self.cancelled = False

    def part_of(self, i: int) -> Alarm:
        """Return the alarm of member i, which begins now."""
        n_rounds = -(-(self.n_members - i) // self.n_at_once)
        now = time.time()
        return Alarm(self, now + (self.end - now) / n_rounds)


class Alarm(NamedTuple):
    """Says when the time of a member is up."""

    clock: Clock
    end: float

    def __call__(self) -> bool:
        return self.clock.cancelled or time.time() >= self.end


def make_folds(
    n_members: int, rows: NDArray, strata: NDArray | None, rng: np.random.RandomState
) -> list[Fold]:
    """Cut rows into one fold for each member; a single one gets a tenth of them.

    Rows of a stratum are dealt out in turn, in random order: folds differ by at most one
    row in size, and in what they have of a stratum, however rare it is. There are no more
    folds than rows.
    """
    n_rows = len(rows)
    if n_rows < 2:
        raise ValueError(
            "Training needs rows to learn from, and others to decide when to stop: at "
            "least two. Got "
            f"n_samples={n_rows} with a positive weight."
        )
    order = rng.permutation(rows)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    n_parts = min(n_members if n_members > 1 else PARTS_OF_ONE, n_rows)
    part = np.arange(n_rows) % n_parts
    return [
        Fold(np.sort(order[part != i]), np.sort(order[part == i]))
        for i in range(min(n_members, n_parts))
    ]


def given_folds(cv: Any, y: NDArray, groups: Any, weight: NDArray | None) -> list[Fold]:
    """Return the folds of a splitter, or of a list of splits, without rows of weight 0."""
    splits = check_cv(cv).split(np.empty((len(y), 0)), y, groups)
    counts = np.ones(len(y), dtype=bool) if weight is None else weight > 0
    folds = [Fold(*(np.asarray(i)[counts[i]] for i in split)) for split in splits]
    if not folds or not all(len(fold.train) and len(fold.held_out) for fold in folds):
        raise ValueError(
            f"cv={cv!r} must give one split or more, each with rows to train on and rows "
            "that are held out."
        )
    return folds


class Training(NamedTuple):
    """What all members of an estimator have in common while they are trained."""

    rows: Rows
    validation: Rows | None  # the same for all, in place of their folds
    clock: Clock
    method: str  # of a member, that gives its output
    verbose: bool


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which one thread calculates each matrix product.

    Members that train at the same time then do not compete for the cores. The last digits
    of a product depend on how many threads share it, so neither `n_jobs` nor the number of
    cores changes a result. The limit is one of the whole process: where fits run in several
    threads of it, set it before they are started.
    """
    if current_thread() is not main_thread():
        return nullcontext()
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries():
    """Find the libraries that NumPy and SciPy have loaded, which takes milliseconds."""
    return ThreadpoolController()


def fit_member(
    training: Training, i: int, member: Any, fold: Fold, task: Any
) -> tuple[Any, NDArray]:
    """Return the member, trained, and its output for the rows that stopped it."""
    started = time.perf_counter()
    rows, validation = training.rows, training.validation
    held_out = rows.take(fold.held_out) if validation is None else validation
    X, y, weight = rows.take_and_show(fold.train, fold.shown)
    member._should_stop = training.clock.part_of(i)
    with one_blas_thread(), task.around(member):  # in a process of its own, perhaps
        member.fit(
            X,
            y,
            weight,
            X_val=held_out.X,
            y_val=held_out.y,
            sample_weight_val=held_out.weight,
        )
    del member._should_stop
    if training.verbose:
        print(
            f"Member {i + 1} of {training.clock.n_members}: {member.n_iter_} epochs, "
            f"validation score {member.best_validation_score_:f}, "
            f"{time.perf_counter() - started:.1f} s"
        )
    return member, getattr(member, training.method)(held_out.X)
