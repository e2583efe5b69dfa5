"""The trainer: epochs until something ends them, watched, recorded, and safe to interrupt.

It serves stochastic solvers and minimizers alike: both report epoch by epoch, and both
are told here when to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.objective import Batch
from .diagnostics import describe_rise, diagnose, is_no_better
from .early_stopping import Patience, reached
from .engine import Engine
from .loop import EpochReport, train
from .minimizer import Minimizer
from .process_group import SINGLE, ProcessGroup
from .state import DivergenceError, Plan, Snapshot, State, a_part_of

__all__ = ["History", "Trainer", "Validation", "as_if_stopped", "conclusions"]

DIAGNOSED_ROWS = 300  # enough to see what is wrong, and cheap beside an epoch
COMPARED_ROWS = 5000  # on fewer the best constant fits their noise, too
REMEDY = "scale the inputs, or try another learning rate."
NO_CAUSE = (
    "The network predicts no better than a constant. Try another learning rate, a larger "
    "network or a larger n_iter_no_change; or y does not depend on X."
)


@dataclass(kw_only=True, eq=False)
class History:
    """What a training tells, epoch by epoch; curves of validation only where it has one."""

    loss: float | None = None  # of the last epoch
    loss_curve: list[float] = field(default_factory=list)
    learning_rate_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] | None = None
    validation_loss_curve: list[float] | None = None
    best_validation_score: float | None = None
    n_epochs_before: int = 0  # that are counted with these

    CURVES = (
        *("loss_curve", "learning_rate_curve"),
        *("validation_scores", "validation_loss_curve"),
    )

    @classmethod
    def begin(
        cls, validates: bool, best_validation_score: float | None, n_epochs_before: int = 0
    ) -> History:
        """Return one without epochs, for a training that goes on from the given score."""
        if not validates:
            return cls(n_epochs_before=n_epochs_before)
        best = -np.inf if best_validation_score is None else best_validation_score
        return cls(
            validation_scores=[],
            validation_loss_curve=[],
            best_validation_score=best,
            n_epochs_before=n_epochs_before,
        )

    def record(self, report: EpochReport) -> None:
        """Append what is known of an epoch."""
        self.loss = np.float64(report.loss)
        self.loss_curve.append(self.loss)
        self.learning_rate_curve.append(report.learning_rate)

    def record_validation(self, loss: float, score: float) -> None:
        """Append what the validation rows say after an epoch."""
        assert self.validation_scores is not None
        assert self.validation_loss_curve is not None
        self.validation_loss_curve.append(loss)
        self.validation_scores.append(score)

    def cut(self, n_epochs: int) -> None:
        """Forget all epochs after the first so many."""
        for name in self.CURVES:
            if getattr(self, name) is not None:
                del getattr(self, name)[n_epochs:]
        self.loss = self.loss_curve[-1]

    def attributes(self) -> dict[str, Any]:
        """Return the curves under the names of fitted attributes."""
        return {
            "loss_curve_": self.loss_curve,
            "learning_rate_curve_": self.learning_rate_curve,
            "validation_scores_": self.validation_scores,
            "validation_loss_curve_": self.validation_loss_curve,
        }

    @property
    def best_score(self) -> float | None:
        """The best validation score that is a number, those before this history counted."""
        best = self.best_validation_score
        if best is None or not self.validation_scores:
            return best
        best = max(best, *(s for s in self.validation_scores if np.isfinite(s)), -np.inf)
        return best if np.isfinite(best) else np.nan

    @property
    def n_epochs(self) -> int:
        """The number of epochs, those before this history counted where they are."""
        return self.n_epochs_before + len(self.loss_curve)


def conclusions(state: State, history: History) -> dict[str, Any]:
    """Return the fitted attributes that tell of a whole training, if it is finite."""
    state.check_finite()
    return {
        "loss_": history.loss,
        "best_loss_": None if state.watches_score else -state.best,
        "best_validation_score_": history.best_score,
        "best_iter_": state.best_epoch,
        "n_iter_": history.n_epochs,
        "t_": state.samples_seen,
        "_state": state.to_dict(),
    }


def as_if_stopped(state: State, history: History) -> dict[str, Any]:
    """Return all fitted attributes as if training stopped now, sharing nothing with it."""
    state = state.copy()
    state.rng = deepcopy(state.rng)
    return conclusions(state, history) | deepcopy(history.attributes())


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """Rows that are looked at after every epoch and never trained on."""

    X: Any  # the rows held here
    data: Batch  # of all rows; X only where a scorer wants it
    score: Callable[[NDArray, float], float]  # of the net input of the output, and loss
    scoring: Any  # what the score is called by
    group: ProcessGroup = SINGLE

    def evaluate(self, plan: Plan, state: State) -> tuple[float, float]:
        """Return loss and score of the validation rows."""
        z = self.group.gather(plan.objective.net_output(state.latest_vector, self.X))
        loss = plan.objective.loss_of(z, self.data)
        return loss, self.score(z, loss) if np.isfinite(z).all() else np.nan

    def check_first(self, loss: float, score: float) -> None:
        """Raise ValueError where the first score leaves no room for a better one."""
        if np.isfinite(score):
            return
        if not np.isfinite(loss):
            raise DivergenceError(
                f"Training diverged: the loss of the validation rows became {loss} in the "
                "first epoch. Try a smaller learning rate, scale the inputs (for example "
                "with StandardScaler), or set clip_norm to bound the gradient."
            )
        n_rows = len(self.data.target)
        n_targets = len(np.unique(self.data.target, axis=0))
        raise ValueError(
            f"Early stopping watches the validation score, scoring={self.scoring!r}, and "
            f"it is {score} in the first epoch, so no later one can be better. Of "
            f"{n_rows} validation row{'s' * (n_rows > 1)} there are {n_targets} different "
            f"target{'s' * (n_targets > 1)}; most scores need two or more, and those of "
            "classes need every class. Pass other validation rows, a larger "
            "validation_fraction, or scoring='loss'."
        )


def never() -> bool:
    """Say that nobody asks to stop."""
    return False


@dataclass(eq=False)
class NoCallbacks:
    """Stands in for callbacks where there are none: does nothing.

    `should_stop` is how an ensemble ends the training of a member.
    """

    should_stop: Callable[[], bool] = never

    def begin_epoch(self) -> None:
        pass

    def end_epoch(self) -> bool:
        return self.should_stop()

    def end_fit(self) -> None:
        pass


@dataclass(kw_only=True, eq=False)
class Trainer:
    """Trains a state, in place, and fills the history."""

    plan: Plan
    state: State
    data: Batch
    engine: Engine
    history: History
    patience: Patience
    max_iter: int
    max_time: float | None = None  # seconds of a call of `run`
    is_poor: Callable[..., bool]  # an output beside its target, and the rows' weights
    target_loss: float | None = None
    validation: Validation | None = None
    callbacks: Any = field(default_factory=NoCallbacks)
    verbose: int = 0
    group: ProcessGroup = SINGLE
    was_interrupted: bool = field(default=False, init=False)
    is_exhausted: bool = field(default=True, init=False)  # not ended by target or callback
    is_late: bool = field(default=False, init=False)  # ended by max_time

    @cached_property
    def _chunk_reports(self):
        return train(self.plan, self.state, self.data, self.engine)

    def run_epoch(self, rates_before: list[float]) -> list[str]:
        """Train one epoch; return what is to be said of it, in sentences.

        What the last of the learning rates before it has caused was said then.
        """
        self.group.barrier()
        self.last_line = monotonic(), self.state.epoch
        self._watch(next(self._chunk_reports))
        return [] if rates_before[-1:] == [0] else self._complain_of_rate()

    def run(self) -> list[str]:
        """Train until something ends it; return what is to be said of it, in sentences.

        An interrupt ends it, too, with the parameters of the last complete epoch. Before
        the first one is complete it is raised.
        """
        self.group.barrier()
        self.last_line = monotonic(), self.state.epoch
        self.end = np.inf if self.max_time is None else monotonic() + self.max_time
        before = a_part_of(self.state.vector).copy()
        shuffles = self.plan.shuffle and self.state.order is not None
        self.snapshot = Snapshot(self.state, shuffles=shuffles)
        try:
            is_whole = isinstance(self.plan.optimizer, Minimizer)
            complaint = self._minimize() if is_whole else self._iterate()
            self.state.check_finite()
            causes = self._diagnose(before)
            says = [
                *complaint,
                *self._complain_of_rate(),
                *self._complain_of_scores(),
                *describe_rise(self.history.loss_curve, is_poor=causes is not None),
                *(causes or ()),
            ]
            if causes is None or says or not self.is_exhausted:
                return says
            return self._explain_nothing()
        except DivergenceError:
            return [self._keep_the_best(), *(self._diagnose(before) or ())]
        except KeyboardInterrupt:
            n_epochs = self.snapshot.restore()
            if n_epochs == 0 or self.group.size > 1:
                raise
            self.history.cut(n_epochs)
            self.was_interrupted = True
            return [
                "Training interrupted by user: it stopped with the parameters of epoch "
                f"{self.state.epoch}, the last complete one."
            ]

    def _keep_the_best(self):
        """End a training that diverged with its best epoch, or raise if there is none."""
        state, epoch = self.state, self.state.epoch + 1
        n_epochs = self.snapshot.restore()
        if n_epochs == 0 or not state.watches_score or not np.isfinite(state.best):
            raise  # the error that is handled
        self.history.cut(n_epochs)
        state.fall_back()
        is_own = state.best_epoch > state.epoch - n_epochs
        best = f"epoch {state.best_epoch}" if is_own else "an earlier fit"
        return (
            f"Training diverged in epoch {epoch}: it ended with the parameters of {best}, "
            f"whose validation score of {state.best:.6g} is the best. Try a smaller "
            "learning rate, scale the inputs, or set clip_norm."
        )

    def _iterate(self):
        """Train epoch by epoch; return the complaint that only a limit ended it."""
        reports = train(self.plan, self.state, self.data, self.engine)
        for _ in range(self.max_iter):
            self.callbacks.begin_epoch()
            if self._is_over(next(reports)):
                return self._complain_of_time(REMEDY)
        return [
            f"Not converged after max_iter={self.max_iter} epochs. Increase max_iter, "
            f"{REMEDY}"
        ]

    def _minimize(self):
        """Let a minimizer train; return its complaint, if it has one."""
        optimizer = self.plan.optimizer
        result = optimizer.minimize(
            self.plan, self.state, self.data, self.engine, self._is_over
        )
        self.history.loss = np.float64(result.fun)
        if not self.state.watches_score:
            self.state.best = max(self.state.best, -self.history.loss)
        if result.success:
            return self._complain_of_time("or scale the inputs and y.")
        return [
            f"{optimizer.title} stopped with the message {result.message!r}. "
            f"{optimizer.remedy}"
        ]

    def _complain_of_time(self, remedy):
        """Return a sentence if `max_time` ended the training."""
        if not self.is_late:
            return []
        n_epochs = len(self.history.loss_curve)
        return [
            f"Not converged after max_time={self.max_time} seconds and {n_epochs} epochs. "
            f"Increase max_time, {remedy}"
        ]

    def _explain_nothing(self):
        """Return the sentence for a loss that is no better than that of a constant."""
        with np.errstate(all="ignore"):
            vector = self.state.predicting_vector
            rows = self._some_rows(COMPARED_ROWS)
            is_poor = is_no_better(self.plan.objective, vector, rows)
        return [NO_CAUSE] if is_poor else []

    def _complain_of_rate(self):
        """Return a sentence if a schedule has come to 0 before the training ended."""
        rates = self.history.learning_rate_curve
        if 0 not in rates:
            return []
        epoch = self.state.epoch - len(rates) + rates.index(0) + 1
        return [
            f"The learning rate was 0 from epoch {epoch} on, and the weights stood still. "
            "Give the schedule more epochs or a floor, or train for fewer."
        ]

    def _complain_of_scores(self):
        """Return a sentence if early stopping had to do without some scores."""
        scores = self.history.validation_scores
        n_bad = 0 if scores is None else np.count_nonzero(~np.isfinite(scores))
        if n_bad == 0 or not self.state.watches_score:
            return []
        return [
            f"The validation score was not a number in {n_bad} of {len(scores)} epochs, "
            "which counted as no improvement."
        ]

    def _is_over(self, report):
        """Watch an epoch and keep its end; say whether training should stop after it."""
        is_over = self._watch(report)
        is_late = not is_over and self.end < np.inf and monotonic() >= self.end
        decision = is_over or is_late, is_late, self.is_exhausted
        is_over, self.is_late, self.is_exhausted = self.group.broadcast(decision)
        self.snapshot.keep()
        return is_over

    def _watch(self, report):
        """Record an epoch; say whether training should stop after it."""
        self.patience.watch(self._record(report), self.state)
        if self.callbacks.end_epoch():
            self._say("A callback stopped the training.")
            self.is_exhausted = False
            return True
        if reached(self.target_loss, report.loss):
            self.is_exhausted = False
            self._say(f"Training loss reached target_loss={self.target_loss}: stopped.")
            return True
        if self.patience.is_over(self.plan, self.state):
            n_epochs = self.patience.patience
            self._say(f"No improvement for more than {n_epochs} epochs: stopped.")
            return True
        return False

    def _record(self, report):
        """Append to the history, print if asked to; return what patience watches."""
        self.history.record(report)
        if self.validation is None:
            self._say_epoch(report)
            return -report.loss
        loss, score = self.validation.evaluate(self.plan, self.state)
        if self.state.watches_score and self.state.best == -np.inf:
            self.validation.check_first(loss, score)
        self.history.record_validation(loss, score)
        self._say_epoch(report, f"validation loss = {loss:.8f}", f"score = {score:f}")
        return score if self.state.watches_score else -report.loss

    def _say_epoch(self, report, *of_validation):
        """Print the lines of MLP, or for every so many epochs one that says more."""
        if self.verbose == 1:
            self._say(f"Iteration {report.epoch}, loss = {report.loss:.8f}")
            if of_validation:
                self._say(f"Validation {of_validation[-1].replace(' =', ':')}")
        elif self.verbose and (report.epoch == 1 or report.epoch % self.verbose == 0):
            begin, since = self.last_line
            self.last_line = monotonic(), report.epoch
            seconds = (self.last_line[0] - begin) / max(1, report.epoch - since)
            says = [
                f"loss = {report.loss:.8f}",
                *of_validation,
                f"{seconds:.2g} s per epoch",
            ]
            self._say(f"Iteration {report.epoch}, {', '.join(says)}")

    def _say(self, sentence):
        if self.verbose:
            print(sentence)

    def _some_rows(self, n_wanted):
        """Return about so many rows, spread over those of all processes."""
        n_rows, gather = self.group.shard(self.data.X.shape[0]).n_all, self.group.gather
        rows = slice(None, None, max(1, n_rows // n_wanted))
        return Batch(*(gather(a if a is None else a[rows]) for a in self.data))

    def _diagnose(self, before):
        """Return the causes of a network that is hardly of any use, else None."""
        rows = self._some_rows(DIAGNOSED_ROWS)
        weight = rows.loss_weight
        if weight is not None and not weight.any():
            return None
        objective, vector = self.plan.objective, self.state.predicting_vector
        with np.errstate(all="ignore"):  # squares of very large numbers overflow
            output = objective.output(vector, rows.X)
            if not self.is_poor(output, rows.target, weight):
                return None
            return list(diagnose(objective, vector, before, rows, output))
