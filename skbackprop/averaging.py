"""Averaging: how the weights of many epochs become those that predict.

The average does not influence the training. It is computed at the end of every epoch,
outside the engines, so it works with all of them.
"""

from __future__ import annotations

from numbers import Integral
from typing import Protocol

from .rule import INFINITY, Spec, number, spec

__all__ = ["AVERAGINGS", "EMA", "SWA", "Averaging"]


class Averaging(Protocol):
    """How much the newest weights count: ``average += share * (weights - average)``."""

    def share(self, epoch: int, n_averaged: int) -> float:
        """Return the share of the weights at the end of an epoch, counted from 1.

        `n_averaged` are the epochs that the average holds, without this one: 0 at first.
        With a share of 1 the average starts again.
        """


@spec
class EMA(Spec):
    """Exponential moving average: each epoch counts `decay` times the one after it.

    The mean is weighted by ``decay ** age``, with weights that sum to one from the first
    epoch on (as in Kingma & Ba, 2015, section 3). It looks back over about
    ``1 / (1 - decay)`` epochs (Polyak & Juditsky, 1992, average all).

    Parameters
    ----------
    decay : float, default=0.9
        How much of the average stays in every epoch, in (0, 1).
    """

    decay: float = number(0.9, 0, 1, "()")

    def share(self, epoch, n_averaged):
        return (1 - self.decay) / (1 - self.decay ** (n_averaged + 1))


@spec
class SWA(Spec):
    """Stochastic weight averaging (Izmailov et al., 2018): the mean from an epoch on.

    It works best with a learning rate that stays large, so that the epochs differ.

    Parameters
    ----------
    start : int or None, default=None
        The first epoch that is averaged, counted from 1 over the whole training; 1 or
        more. With None, the last quarter of the estimator's `max_iter` is averaged.
    """

    start: int | None = number(None, 1, INFINITY, "[)", Integral)

    def share(self, epoch, n_averaged):
        return 1.0 if epoch <= self.start else 1 / (n_averaged + 1)


#: Averages by the name that the estimators take.
AVERAGINGS: dict[str, type[Averaging]] = {"ema": EMA, "swa": SWA}
