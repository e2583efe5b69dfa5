"""What classifier and regressor share: the way from a call of `fit` to trained weights.

Whatever changes an estimator works on a shallow copy and replaces the attributes at
the very end, so that a failure leaves an estimator that was fitted before as it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ..engines import ENGINES
from ..network.objective import Batch, Objective
from ..schedules import SCHEDULES, Exponential, InverseScaling, Step
from ..training.process_group import Rows, group_of
from ..training.random_stream import go_back, note_of
from ..training.state import Plan, State
from ..training.trainer import (
    History,
    NoCallbacks,
    Trainer,
    as_if_stopped,
    conclusions,
)
from .callbacks import CallbackSupportMixin, FitCallbacks, with_callbacks
from .fitted_network import CURVES, KEPT, FittedNetwork
from .hyperparameters import MINIMIZERS, Hyperparameters, loss_of, resolve_hyperparameters
from .input_validation import check_call, check_sample_weight, check_target, divide_by_mean
from .kept_training import keep_training
from .validation_rows import arrange_rows
from .warning import warn

__all__ = ["BaseBackprop", "Call", "has_partial_fit"]


class Call(NamedTuple):
    """The arguments of one call of `fit` or `partial_fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    classes: Any = None
    is_chunk: bool = False  # of partial_fit


class Start(NamedTuple):
    """What a training starts from, or goes on with."""

    hyper: Hyperparameters
    rows: Rows
    data: Batch
    objective: Objective
    state: State

    def plan(self, is_chunk: bool) -> Plan:
        """Return the plan; make what of the state it needs and is not there yet."""
        if not self.hyper.is_stochastic:
            return self.hyper.plan(self.objective, self.rows.shard.n_all, is_chunk)
        assert self.state.order is not None, "the rows are arranged before a plan is made"
        plan = self.hyper.plan(self.objective, len(self.state.order), is_chunk)
        self.state.refresh(plan)
        return plan


def has_partial_fit(estimator):
    """Say that `partial_fit` exists, or raise the AttributeError that says why not."""
    if isinstance(estimator.solver, str) and estimator.solver in MINIMIZERS:
        raise AttributeError(
            f"partial_fit needs a stochastic solver: solver={estimator.solver!r} works on "
            "all rows at once. Use solver='adam' or solver='sgd'."
        )
    return True


class BaseBackprop(CallbackSupportMixin, FittedNetwork, ABC):
    """Training and continuation, from checked arguments to fitted attributes."""

    # -- what the concrete estimators add ----------------------------------------------

    _defaults: ClassVar[Any] = {}  # constructor parameters that are allowed
    _losses: ClassVar[Mapping[str, Any]]  # by name
    _is_clone = False

    @abstractmethod
    def _encode(self, rows, losses, *, fresh, is_chunk=True, classes=None):
        """Return the target, shape (n_rows, n_outputs), and which of the losses it is for.

        Learn the classes where `fresh`.
        """

    @abstractmethod
    def _target_filler(self, objective):
        """Return a function that fills a target, its first argument, with more y.

        It takes y that needs no conversion, and returns whether it did.
        """

    @abstractmethod
    def _score_output(self, output, target, sample_weight):
        """Return the score of an output, larger is better."""

    @abstractmethod
    def _is_poor(self, output, target, weight):
        """Say whether an output of weighted rows is hardly better than a constant."""

    @abstractmethod
    def _strata(self, rows, target):
        """Return labels of all rows to stratify a split by, or None."""

    def _scored(self, y):
        """Return y in the form of what `predict` returns, as a scorer compares them."""
        return y

    # -- fit and partial_fit -----------------------------------------------------------

    def _train_copy(self, call):
        """Train a copy and take its attributes over: all or nothing."""
        kept = vars(self).pop(KEPT, None)
        trained = self._twin()
        curves = [vars(self).get(name) for name in CURVES]
        lengths = [0 if curve is None else len(curve) for curve in curves]
        if kept is not None and not kept.take_in(self, call):
            kept = None
        state, stream = vars(self).get("_state"), None
        if state is not None and (kept is None or kept.draws):
            stream = note_of(state["rng"])
        goes_on, was_interrupted = True, False
        try:
            if kept is None:
                with group_of(self.engine) as group:
                    goes_on, was_interrupted = trained._train(call, group)
            else:
                kept.train(trained)
                vars(trained)[KEPT] = kept
            self._take_over(trained, curves if goes_on else ())
        except BaseException:
            if vars(self) is not vars(trained):  # an interrupt may come just after that
                for curve, length in zip(curves, lengths, strict=True):
                    if curve is not None:
                        del curve[length:]
                if stream is not None:
                    go_back(state["rng"], stream)
            raise
        if was_interrupted and self._is_clone:
            raise KeyboardInterrupt  # a search must not go on with other clones
        return self

    def _twin(self):
        """Return a shallow copy, without the detour of ``copy.copy`` through pickle."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __sklearn_clone__(self):
        """Return a clone that knows to be one, made by a search or a meta-estimator."""
        clone = super().__sklearn_clone__()
        clone._is_clone = True
        return clone

    def _take_over(self, trained, curves):
        """Become the copy; curves that go on grow in place, however long they are."""
        for name, old in zip(CURVES, curves, strict=False):
            new = getattr(trained, name)
            if old is not None and new is not None:
                old.extend(new)
                setattr(trained, name, old)
        self.__dict__ = trained.__dict__

    @with_callbacks
    def _train(self, call, group):
        """Train; return whether that went on from an earlier one, and was interrupted."""
        start = self._start(call, resolve_hyperparameters(self), group)
        hyper, state = start.hyper, start.state
        goes_on = state.epoch > 0
        rates_before = self.learning_rate_curve_ if goes_on else []
        validation = arrange_rows(self, call, start)
        state.watch(score=validation is not None and hyper.early_stopping)
        history = History.begin(
            validation is not None,
            state.best if state.watches_score else self.best_validation_score_,
            n_epochs_before=state.epoch if call.is_chunk else 0,
        )
        vars(self).update(history.attributes())
        plan = start.plan(call.is_chunk)
        engine, name = hyper.choose_engine(plan, start.data, before=state.engine)
        state.engine = name if hyper.is_stochastic else state.engine
        callbacks: Any = NoCallbacks(getattr(self, "_should_stop", NoCallbacks.should_stop))
        if getattr(self, "_skl_callbacks", None) and not call.is_chunk:
            callbacks = FitCallbacks(self, call, partial(as_if_stopped, state, history))
        trainer = Trainer(
            plan=plan,
            state=state,
            data=start.data,
            engine=engine,
            history=history,
            patience=hyper.patience(state.watches_score),
            max_iter=hyper.max_iter,
            max_time=hyper.max_time,
            target_loss=hyper.target_loss,
            is_poor=self._is_poor,
            validation=validation,
            callbacks=callbacks,
            verbose=hyper.verbose,
            group=group,
        )
        for says in trainer.run_epoch(rates_before) if call.is_chunk else trainer.run():
            warn(says)
        vars(self).update(conclusions(state, history))
        trainer.callbacks.end_fit()
        keep_training(self, call, trainer)
        return goes_on, trainer.was_interrupted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        engine = ENGINES.get(self.engine) if isinstance(self.engine, str) else self.engine
        tags.input_tags.sparse = getattr(engine, "takes_sparse", True)
        return tags

    def _hardly_moves(self):
        """Say whether the rate falls too fast for small data, with one step per epoch."""
        rate = self.learning_rate
        rate = SCHEDULES.get(rate) if isinstance(rate, str) else rate
        kind = rate if isinstance(rate, type) else type(rate)
        return kind in (InverseScaling, Exponential, Step)

    # -- what a training starts from ---------------------------------------------------

    def _start(self, call, hyper, group):
        """Check the arguments; return what training starts from or goes on with."""
        if call.is_chunk and hyper.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: a chunk is not a data "
                "set to split. Use early_stopping=False, or fit."
            )
        state = None
        if "_state" in vars(self) and (call.is_chunk or hyper.warm_start):
            state = State.resume(self._state)
            self._resume_best(state)
        rows = check_call(self, call, state, group)
        target, loss = self._encode(
            rows,
            hyper.losses,
            fresh=state is None,
            is_chunk=call.is_chunk,
            classes=call.classes,
        )
        sizes = [rows.X.shape[1], *hyper.hidden_sizes, target.shape[1]]
        objective = hyper.objective(sizes, loss)
        data = self._as_data(hyper, objective, rows, target, call.sample_weight)
        if state is None:
            rng = group.broadcast_stream(check_random_state(self.random_state))
            dtype, initializer = rows.X.dtype, hyper.initializer
            state = self._new_state(sizes, dtype, objective, initializer, rng)
        elif sizes != state.layer_sizes:
            owner = type(self).__name__
            raise ValueError(
                f"This {owner} was trained with layers of {state.layer_sizes} units and "
                f"cannot continue with {sizes}. Set hidden_layer_sizes and y back to what "
                "they were, or fit again with warm_start=False."
            )
        if not call.is_chunk:
            state.mean_class_weight = state.weight_of_chunks = 0.0
        if data.class_weight is not None:
            data = divide_by_mean(data, rows, state)
        return Start(hyper, rows, data, objective, state)

    def _resume_best(self, state):
        """Take over the best loss or score, which may have been set."""
        if state.watches_score:
            state.best = self.best_validation_score_
        elif self.best_loss_ is not None:
            state.best = -self.best_loss_

    def _as_data(self, hyper, objective, rows, target, sample_weight):
        with np.errstate(over="ignore"):  # what overflows is reported as such
            target = target.astype(rows.X.dtype)
        check_target(target, objective)
        by_class = None
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, rows.X, rows.group)
        if hyper.class_weight is not None:  # a classifier's
            by_class = self._class_weights(hyper.class_weight, rows, target, sample_weight)
        return Batch(rows.X, target, sample_weight, by_class)

    def _new_state(self, sizes, dtype, objective, initializer, rng):
        network = objective.network
        state = State(
            vector=np.empty(network.n_parameters, dtype), rng=rng, layer_sizes=sizes
        )
        network.fill(state.vector, initializer, rng)
        self.best_validation_score_ = None
        self.n_layers_, self.n_outputs_ = len(sizes), sizes[-1]
        return state

    # -- weights without training ------------------------------------------------------

    def _hold_weights(self, sizes, weights):
        """Make the state of a training that has not begun yet; `fit` begins a new one."""
        dtype = np.result_type(np.float32, *weights.coefs, *weights.intercepts)
        self.n_features_in_ = sizes[0]
        hyper = resolve_hyperparameters(self)
        objective = hyper.objective(sizes, loss_of(hyper.losses, self._kind))
        rng = check_random_state(self.random_state)
        state, history = self._new_state(sizes, dtype, objective, weights, rng), History()
        vars(self).update(history.attributes(), **conclusions(state, history))
        self.best_loss_ = None
        return self
