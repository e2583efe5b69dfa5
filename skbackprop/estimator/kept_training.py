"""The kept training: what `partial_fit` need not make again while nothing changes.

With a chunk of a few rows a call spends its time on making what the last call made: rules
of parameters, a network of rules, work arrays, the tables of a compiled engine. All that
is kept on the estimator, in no pickle, copy or clone of it, for a call that can only bring
another chunk of the same form. Any doubt takes the long way, which knows every error.

A thread that takes a kept training off its estimator has it alone: a second one finds none,
and a call that fails does not put it back.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from operator import is_, itemgetter
from types import FunctionType
from typing import Any

import numpy as np

from ..network.objective import Batch
from ..rule import Spec
from ..training.state import State
from ..training.trainer import History, Trainer, conclusions
from .fitted_network import KEPT
from .input_validation import are_clean
from .warning import warn

__all__ = ["KeptTraining", "keep_training"]

MOST_PARAMETERS = 2**17  # of a network; a step of a larger one takes longer than the rest

FIXED = (str, int, float, bool, type(None), np.generic, FunctionType, np.random.RandomState)


class KeptTraining:
    """A training that is ready for another chunk like the last one.

    It has arrays of its own, so that a call may fail without a trace: a chunk is put into
    them, and what the epoch has made of the parameters is copied out of them.
    """

    def __init__(self, estimator: Any, trainer: Trainer):
        own, X, target = vars(estimator), trainer.data.X, trainer.data.target
        self.read_values = itemgetter(*_parameters(type(estimator)))  # attrgetter is slower
        self.values = self.read_values(own)
        self.contents = None if all(map(_is_fixed, self.values)) else _known(self.values)
        self.classes = own.get("classes_")
        self.fill_target = estimator._target_filler(trainer.plan.objective)
        self.runs_other_rows = trainer.engine.runs_other_rows  # type: ignore[attr-defined]
        self.state = own["_state"]  # as the last chunk has left it
        self.trainer = replace(
            trainer,
            state=State.resume(self.state),
            data=Batch(np.empty_like(X, order="C"), np.empty_like(target)),
            is_poor=_nobody_asks,  # that of the estimator would keep its former arrays
        )

    def take_in(self, estimator: Any, call: Any) -> bool:
        """Take the chunk in, if the call can only bring another one of the same form."""
        own, plan, X, held = vars(estimator), self.trainer.plan, call.X, self.trainer.data
        suits = (
            own["_state"] is self.state
            and own.get("classes_") is self.classes
            and "_should_stop" not in own
            and call.is_chunk
            and call.sample_weight is None
            and call.classes is None
            and self._are_mine(self.read_values(own))
            and are_clean(X, call.y, own, held.X.dtype)
            and X.shape == held.X.shape
            and (plan.shuffle or X.flags.c_contiguous)  # products depend on how rows lie
            and self.runs_other_rows(plan, X)
            and self.fill_target(held.target, call.y)
        )
        if suits:
            held.X[...] = X
        return suits

    def _are_mine(self, values):
        return all(map(is_, values, self.values)) and (
            self.contents is None or self.contents == _known(values)
        )

    @property
    def draws(self) -> bool:
        """Whether an epoch takes numbers from the random stream."""
        return self.trainer.plan.shuffle and len(self.trainer.data.X) > 1

    def train(self, estimator: Any) -> None:
        """Train a copy of the estimator for one epoch on the chunk that was taken in."""
        trainer, state = self.trainer, self.trainer.state
        state.take_parameters(self.state)  # `coefs_` may have been written to
        estimator._resume_best(state)
        trainer.history = History(n_epochs_before=state.epoch)
        for sentence in trainer.run_epoch(estimator.learning_rate_curve_):
            warn(sentence)
        reached = conclusions(state, trainer.history)
        reached["_state"] = self.state = state.to_dict_apart()
        vars(estimator).update(reached, **trainer.history.attributes())


def keep_training(estimator: Any, call: Any, trainer: Trainer) -> None:
    """Keep the training of a chunk on its estimator, where another can go on with it."""
    own, X = vars(estimator), trainer.data.X
    if (
        call.is_chunk
        and call.sample_weight is None
        and own.get("class_weight") is None
        and len(trainer.state.vector) <= MOST_PARAMETERS
        and hasattr(trainer.engine, "runs_other_rows")
        and are_clean(call.X, call.y, own, X.dtype)
        and trainer.engine.runs_other_rows(trainer.plan, X)
        and own.keys() >= {*_parameters(type(estimator))}
        and all(_known(own[name]) is not None for name in _parameters(type(estimator)))
    ):
        own[KEPT] = KeptTraining(estimator, trainer)


def _names_of(cls):
    """Return the names of the constructor parameters, those of a subclass, too."""
    return tuple(cls._get_param_names())


_parameters: Any = lru_cache(_names_of)  # mypy says that classes cannot be hashed


def _is_fixed(value):
    """Say whether a value is what it is as long as it is the same object."""
    return isinstance(value, FIXED) or (type(value) is tuple and all(map(_is_fixed, value)))


def _known(value):
    """Return what a value holds, to be compared with later; None where nobody can know."""
    if _is_fixed(value):
        return type(value), value
    items = vars(value).values() if isinstance(value, Spec) else value
    if not isinstance(value, (Spec, tuple, list)):
        return None
    known = [_known(item) for item in items]
    return None if None in known else (type(value), *known)


def _nobody_asks(*_: Any) -> bool:
    raise AssertionError("only a whole training is diagnosed")
