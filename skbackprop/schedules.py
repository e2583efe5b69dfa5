"""Schedules: the learning rate as a function of time.

A schedule is a pure function of the number of steps, epochs and samples so far. One that
also reacts to the training (`Plateau`) keeps its memory in the state, as a factor on the
rate.
"""

from __future__ import annotations

from dataclasses import field
from math import cos, pi
from numbers import Integral
from typing import Protocol

from .rule import INFINITY, HasMethods, Spec, number, spec

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Plateau",
    "Schedule",
    "Step",
    "Warmup",
]


class Schedule(Protocol):
    """Time to learning rate. All three counts are those completed before the step.

    A schedule that reacts also has `react(memory, n_stale, learning_rate)`: see
    :class:`Plateau`.
    """

    def __call__(self, step: int, epoch: int, samples_seen: int) -> float:
        """Return the learning rate; `samples_seen` counts whole epochs only."""


@spec
class Constant(Spec):
    """``rate = learning_rate_init``.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init


@spec
class InverseScaling(Spec):
    """``rate = learning_rate_init / (samples_seen + 1) ** power_t``.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    power_t : float, default=0.5
        Exponent, 0 or more.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    power_t: float = number(0.5, 0, INFINITY, "[)")

    from_estimator = ("power_t",)

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init / (samples_seen + 1) ** self.power_t


@spec
class Exponential(Spec):
    """``rate = learning_rate_init * decay ** epoch``.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    decay : float, default=0.95
        Factor on the rate per epoch, in (0, 1].
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    decay: float = number(0.95, 0, 1, "(]")

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init * self.decay**epoch


@spec
class Step(Spec):
    """``rate = learning_rate_init * factor ** (epoch // every)``.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    factor : float, default=0.5
        Factor on the rate per stair, in (0, 1].
    every : int, default=10
        Epochs per stair, at least 1.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    factor: float = number(0.5, 0, 1, "(]")
    every: int = number(10, 1, INFINITY, "[)", Integral)

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init * self.factor ** (epoch // self.every)


@spec
class Cosine(Spec):
    """Half a cosine from `learning_rate_init` to `floor` in `n_epochs`, after a warm-up.

    ::

        rate = floor + (learning_rate_init - floor) * (1 + cos(pi * done)) / 2

    with ``done`` the part of the epochs after the warm-up that is over. The warm-up
    rises linearly, ``learning_rate_init * (epoch + 1) / (warmup + 1)``. Loshchilov & Hutter
    (2017), *SGDR: stochastic gradient descent with warm restarts*, without restarts.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    n_epochs : int or None, default=None
        Number of epochs that it takes, at least 1. With None, the estimator's
        ``max_iter``.
    warmup : int, default=0
        Number of epochs in which the rate rises; 0 or more.
    floor : float, default=0.0
        The learning rate after these epochs, 0 or more. In the last of them it is still
        a little higher, because a rate of 0 would waste an epoch.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    n_epochs: int | None = number(None, 1, INFINITY, "[)", Integral)
    warmup: int = number(0, 0, INFINITY, "[)", Integral)
    floor: float = number(0.0, 0, INFINITY, "[)")

    def __call__(self, step, epoch, samples_seen):
        if epoch < self.warmup:
            return self.learning_rate_init * (epoch + 1) / (self.warmup + 1)
        done = min(1.0, (epoch - self.warmup) / max(1, self.n_epochs - self.warmup))
        return self.floor + (self.learning_rate_init - self.floor) * _half_cosine(done)


@spec
class OneCycle(Spec):
    """Up from ``learning_rate_init / start``, then down to ``learning_rate_init / end``.

    The first epoch has the first of these rates and the last epoch the second. The rate
    rises and falls along half cosines, and rises for the fraction `rise` of the time.
    It needs at least three epochs: with one there is only the last rate, and with two
    no room for the highest. Smith (2018), *A disciplined approach to neural network
    hyper-parameters*.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The highest learning rate, positive. With None, that of the estimator.
    n_epochs : int or None, default=None
        Number of epochs that it takes, at least 1. With None, the estimator's
        ``max_iter``.
    rise : float, default=0.3
        Fraction of the epochs in which the rate rises, in (0, 1).
    start : float, default=25.0
        How many times smaller than the highest the first rate is, at least 1.
    end : float, default=1e4
        How many times smaller than the highest the last rate is, at least 1.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    n_epochs: int | None = number(None, 1, INFINITY, "[)", Integral)
    rise: float = number(0.3, 0, 1, "()")
    start: float = number(25.0, 1, INFINITY, "[)")
    end: float = number(1e4, 1, INFINITY, "[)")

    def __call__(self, step, epoch, samples_seen):
        peak, last = self.learning_rate_init, self.n_epochs - 1
        if epoch >= last:
            return peak / self.end
        top = self.rise * last
        if epoch < top:
            lowest = peak / self.start
            return peak + (lowest - peak) * _half_cosine(epoch / top)
        done = (epoch - top) / (last - top)
        return peak / self.end + (peak - peak / self.end) * _half_cosine(done)


@spec
class Warmup(Spec):
    """Rise linearly in `n_epochs` to what the schedule `then` says, and follow it.

    ``rate = then(...) * min(1, (epoch + 1) / n_epochs)``

    Parameters
    ----------
    then : schedule, default=Constant()
        The schedule that it rises to, and then follows.
    n_epochs : int, default=5
        Number of epochs in which the rate rises, at least 1.
    """

    then: Schedule = field(
        default_factory=Constant, metadata={"allowed": HasMethods(("__call__",))}
    )
    n_epochs: int = number(5, 1, INFINITY, "[)", Integral)

    def __call__(self, step, epoch, samples_seen):
        rate = self.then(step, epoch, samples_seen)
        return rate * min(1.0, (epoch + 1) / self.n_epochs)

    def react(self, memory, n_stale, learning_rate):
        react = getattr(self.then, "react", None)
        return react is not None and react(memory, n_stale, learning_rate)


@spec
class Plateau(Spec):
    """Multiply the rate by `factor` when training stalls, until it is at or below `floor`.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    factor : float, default=0.5
        Factor on the rate when training stalls, in (0, 1).
    patience : float or None, default=5
        The rate is lowered after more than this number of epochs without an improvement
        of ``tol``; at least 1. With None, the estimator's ``n_iter_no_change``.
    floor : float, default=1e-6
        A rate at or below this one is not lowered any more; 0 or more.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    factor: float = number(0.5, 0, 1, "()")
    patience: float | None = number(5, 1, INFINITY)
    floor: float = number(1e-6, 0, INFINITY, "[)")

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init

    def react(self, memory: dict[str, float], n_stale: int, learning_rate: float) -> bool:
        """Lower ``memory["factor"]`` if it is time to; say whether it was lowered."""
        assert self.patience is not None, "what is left open is completed before training"
        if n_stale <= self.patience or learning_rate <= self.floor:
            return False
        memory["factor"] *= self.factor
        return True


@spec
class Adaptive(Plateau):
    """Scikit-learn's "adaptive": a plateau schedule that divides by 5.

    Parameters
    ----------
    learning_rate_init : float or None, default=None
        The first learning rate, positive. With None, that of the estimator.
    factor : float, default=0.2
        Factor on the rate when training stalls, in (0, 1).
    patience : float or None, default=None
        At least 1. With None, the estimator's ``n_iter_no_change``.
    floor : float, default=1e-6
        A rate at or below this one is not lowered any more; 0 or more.
    """

    factor: float = number(0.2, 0, 1, "()")
    patience: float | None = number(None, 1, INFINITY)


def _half_cosine(done):
    """Fall from 1 to 0 while `done` rises from 0 to 1."""
    return (1 + cos(pi * done)) / 2


#: Schedules by the names that the estimators take.
SCHEDULES = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
    "exponential": Exponential,
    "step": Step,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "warmup": Warmup,
    "plateau": Plateau,
}
_OF_EPOCHS = {rule.__call__ for rule in SCHEDULES.values()} - {Warmup.__call__}


def follows_epochs(schedule: Schedule) -> bool:
    """Say whether the learning rate is known to stay the same during an epoch."""
    return type(schedule).__call__ in _OF_EPOCHS
