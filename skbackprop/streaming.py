"""Streaming: training on chunks that fit into memory, of data that do not."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ChunkReport", "train_on_chunks"]


class ChunkReport(NamedTuple):
    """What is known after a chunk. All counts include earlier runs.

    Attributes
    ----------
    n_pass : int
        The current pass, counted from 1.

    n_chunk : int
        Number of chunks of this pass that are done.

    n_done : int
        Number of chunks of all passes that are done.

    loss : float
        The training loss of the chunk.
    """

    n_pass: int
    n_chunk: int
    n_done: int
    loss: float


def train_on_chunks(
    estimator: Any,
    read: Callable[[int], Iterable[tuple]],
    *,
    n_passes: int = 1,
    classes: Any = None,
    checkpoint: str | os.PathLike | None = None,
    every: int = 1,
) -> Iterator[ChunkReport]:
    """Call `partial_fit` chunk by chunk, starting from a checkpoint if there is one.

    This is a generator: training continues as long as you ask for reports. With a
    checkpoint you may kill the process at any time. If you start it again with the same
    arguments, it continues after the last chunk that was saved, and ends with the same
    bits as a run that was never killed.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        It is trained in place. If there is a checkpoint, it first takes over what was
        learnt.

    read : callable
        `read(start)` returns the chunks of a pass from number `start` on (0 is the
        first), as tuples (X, y) or (X, y, sample_weight). They must be the same chunks in
        every run.

    n_passes : int, default=1
        Number of passes over all chunks.

    classes : array-like of shape (n_classes,) or None, default=None
        All class labels that may occur in any chunk. Required for classifiers.

    checkpoint : path or None, default=None
        The file for estimator and position, a pickle: load only your own. It is
        replaced in one step, so it is complete at any time. With None nothing is
        written.

    every : int, default=1
        Save after this many chunks, and after each pass.

    Yields
    ------
    report : ChunkReport
        One after each chunk, once it is saved if it is to be saved.

    Raises
    ------
    ValueError
        If the checkpoint cannot be read, is that of another estimator, or of one with
        other parameters, and if a pass has no chunks. Parameters without effect on
        `partial_fit`, as `verbose`, may differ.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, train_on_chunks
    >>> X, y = load_iris(return_X_y=True)
    >>> def read(start):
    ...     for first in range(start, 15):
    ...         yield X[first::15], y[first::15]
    >>> net = BackpropClassifier((10,), learning_rate=0.01, random_state=0)
    >>> for report in train_on_chunks(net, read, n_passes=20, classes=[0, 1, 2]):
    ...     pass
    >>> report.n_pass, report.n_chunk, report.n_done
    (20, 15, 300)
    >>> net.score(X, y) > 0.9
    True
    """
    file = None if checkpoint is None else _Checkpoint(Path(checkpoint), estimator)
    n_pass, n_chunk, n_done = (0, 0, 0) if file is None else file.load()
    known = {} if classes is None else {"classes": classes}
    while n_pass < n_passes:
        for X, y, *weight in read(n_chunk):
            given = {"sample_weight": weight[0]} if weight else {}
            estimator.partial_fit(X, y, **known, **given)
            n_chunk, n_done = n_chunk + 1, n_done + 1
            if file is not None and n_done % every == 0:
                file.save((n_pass, n_chunk, n_done))
            yield ChunkReport(n_pass + 1, n_chunk, n_done, estimator.loss_)
        if n_chunk == 0:
            raise ValueError(
                f"read(0) returned no chunk in pass {n_pass + 1}. It must start again "
                "in every call: an iterator can be used only once."
            )
        n_pass, n_chunk = n_pass + 1, 0
        if file is not None:
            file.save((n_pass, n_chunk, n_done))


# Parameters that `partial_fit` does not use, or only to print.
WITHOUT_EFFECT = {
    "max_fun",
    "max_time",
    "scoring",
    "target_loss",
    "validation_fraction",
    "validation_rows",
    "verbose",
    "warm_start",
}


class _Checkpoint:
    """A file with an estimator and how far its training has come."""

    def __init__(self, path, estimator):
        self.path, self.estimator = path, estimator
        self.written = path.with_name(path.name + ".part")
        # before training, which moves a RandomState among the parameters
        self.parameters = deepcopy(estimator.get_params(deep=False))

    def load(self):
        """Return the position, and let the estimator be what it was then."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return 0, 0, 0
        try:
            trained, parameters, position = pickle.loads(content)
            learnt, n_counts = vars(trained), len(position)
            known = parameters.keys() == self.parameters.keys() and n_counts == 3
        except Warning:  # a filter has made an error of one
            raise
        except Exception as error:  # whatever damaged bytes may raise
            raise self._unreadable(f"{type(error).__name__}: {error}") from error
        self._check_kind(trained)
        if not known:
            raise self._unreadable("its parts are others")
        self._check_parameters(parameters)
        own = self.estimator.get_params(deep=False)
        given = {name: own[name] for name in WITHOUT_EFFECT & own.keys()}
        self.estimator.__dict__ = {**learnt, **given}
        return position

    def _unreadable(self, why):
        return ValueError(
            f"{self.path} is damaged or no checkpoint ({why}). Remove it to begin anew, or "
            "give this training another path."
        )

    def save(self, position):
        """Replace the file: a reader sees the old one or the new one, never a part."""
        with self.written.open("wb") as file:
            pickle.dump((self.estimator, self.parameters, position), file)
            file.flush()
            os.fsync(file.fileno())
        self.written.replace(self.path)

    def _check_kind(self, trained):
        if type(trained) is not type(self.estimator):
            raise ValueError(
                f"{self.path} holds a {type(trained).__name__}, not a "
                f"{type(self.estimator).__name__}. Give this training another checkpoint."
            )

    def _check_parameters(self, parameters):
        other = [
            name
            for name, value in self.parameters.items()
            if name not in WITHOUT_EFFECT and not _is_same(value, parameters[name])
        ]
        if other:
            raise ValueError(
                f"{self.path} was written with other values of {', '.join(other)}. Set "
                "them as they were, or give this training another checkpoint."
            )


def _is_same(a, b):
    """Say whether two values of a parameter mean the same, however they are stored."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_same(a[key], b[key]) for key in a)
    a, b = (x.tolist() if hasattr(x, "tolist") else x for x in (a, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, np.random.RandomState) and isinstance(b, np.random.RandomState):
        return _is_same(a.get_state(legacy=False), b.get_state(legacy=False))
    if type(a) is type(b) and hasattr(a, "get_params"):
        return _is_same(a.get_params(deep=False), b.get_params(deep=False))
    if type(a) is type(b) and type(a).__eq__ is object.__eq__ and hasattr(a, "__dict__"):
        return a is b or _is_same(vars(a), vars(b))
    return bool(a == b)
