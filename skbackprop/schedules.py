"""Schedules: the learning rate as a function of time.

A schedule is a pure function of the steps, the epochs and the samples that came
before. One that also reacts to the training (`Adaptive`) keeps what it remembers in
the state, as a factor on the rate and not as a rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

from .spec import Spec, number

__all__ = ["SCHEDULES", "Adaptive", "Constant", "InverseScaling", "Schedule"]

INFINITY = float("inf")


class Schedule(Protocol):
    """Time to learning rate. All three counts are those completed before the step."""

    def __call__(self, step: int, epoch: int, samples_seen: int) -> float:
        """Return the learning rate; `samples_seen` counts whole epochs only."""


@dataclass(kw_only=True)
class Constant(Spec):
    """``rate = learning_rate_init``.

    A `learning_rate_init` of None, here and below, is taken from the estimator.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init


@dataclass(kw_only=True)
class InverseScaling(Spec):
    """``rate = learning_rate_init / (samples_seen + 1) ** power_t``."""

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    power_t: float = number(0.5, 0, INFINITY, "[)")

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init / (samples_seen + 1) ** self.power_t


@dataclass(kw_only=True)
class Adaptive(Spec):
    """Divide the rate when training stalls, until it is at or below a floor.

    `patience` is the number of epochs without an improvement of ``tol`` that are
    borne; None takes it from the estimator's ``n_iter_no_change``.
    """

    learning_rate_init: float | None = number(None, 0, INFINITY, "()")
    divisor: float = number(5.0, 1, INFINITY, "()")
    floor: float = number(1e-6, 0, INFINITY, "[)")
    patience: int | None = number(None, 1, INFINITY, "[]", Integral)

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init

    def react(self, memory: dict[str, float], n_stale: int, learning_rate: float) -> bool:
        """Lower ``memory["factor"]`` if it is time to; say whether it was lowered."""
        if n_stale <= self.patience or learning_rate <= self.floor:
            return False
        memory["factor"] /= self.divisor
        return True


SCHEDULES = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
}
