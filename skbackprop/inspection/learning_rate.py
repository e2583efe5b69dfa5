"""`learning_rate_range`: which learning rates lower the loss, seen in a short training."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d
from sklearn.base import clone

from ..engines.numpy_engine import NumpyEngine
from ..estimator.fitted_model import check_backprop, first_step
from ..estimator.warning import warn
from ..network.objective import Batch
from ..rule import INFINITY, Interval
from ..training.loop import train
from ..training.minimizer import Minimizer
from ..training.state import DivergenceError
from .displays import BLUE, ORANGE, pyplot

__all__ = ["LearningRateRange", "learning_rate_range"]

POSITIVE = Interval(Real, 0, INFINITY, "()")
N_STEPS = Interval(Integral, 10, INFINITY, "[)")
MOST_ROWS = 2000  # on which the loss is measured after every step
WINDOW = 5  # steps over which the losses are averaged
SHARE = 0.98  # of the largest drop of the loss; what is left takes rates that are too large
SAFETY = 3  # from the rate that reaches it down to the suggestion
SMALLEST_DROP = 0.01  # of the loss before; what is less is no drop
DIGITS = 2  # of the suggestion: it is no more precise than that


class LearningRateRange:
    """Learning rates, and the loss after a step with each: see :func:`learning_rate_range`.

    Parameters
    ----------
    rates : array-like of shape (n_rates,)
        Learning rates, each larger than the one before.

    losses : array-like of shape (n_rates,)
        Loss after the step with each of them.

    loss_before : float
        Loss before the first step.

    name : str or None, default=None
        What the legend calls the training.

    Attributes
    ----------
    suggestion : float or None
        A third of the smallest rate at which 98 % of the largest drop of the loss was
        reached, to two digits; None where no rate lowered the loss by a hundredth.

    smoothed_losses : ndarray of shape (n_rates,)
        Mean of each loss and its four neighbours, by which the drop is measured.

    ax_ : matplotlib Axes
        The axes, once `plot` has drawn.

    figure_ : matplotlib Figure
        The figure.

    lines_ : list of matplotlib Line2D
        What was drawn.
    """

    def __init__(
        self,
        *,
        rates: ArrayLike,
        losses: ArrayLike,
        loss_before: float,
        name: str | None = None,
    ) -> None:
        self.rates = np.asarray(rates, np.float64)
        self.losses = np.asarray(losses, np.float64)
        self.loss_before = loss_before
        self.name = name
        self.smoothed_losses = uniform_filter1d(self.losses, WINDOW, mode="nearest")
        self.suggestion = self._suggestion()

    def _suggestion(self):
        drop = self.loss_before - self.smoothed_losses.min(initial=math.inf)
        if not drop > SMALLEST_DROP * abs(self.loss_before):
            return None
        reached = self.smoothed_losses <= self.loss_before - SHARE * drop
        return float(f"{self.rates[reached.argmax()] / SAFETY:.{DIGITS}g}")

    def __repr__(self):
        return (
            f"LearningRateRange(suggestion={self.suggestion}, {len(self.rates)} rates up "
            f"to {self.rates.max(initial=0):.3g})"
        )

    def plot(self, *, ax: Any = None, **line_kw: Any) -> Self:
        """Draw the loss by learning rate, and the suggestion.

        Where the loss rises far above that before the first step, the picture is cut.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw.

        **line_kw : dict
            Passed to ``Axes.plot`` for the curve.

        Returns
        -------
        self : LearningRateRange
            With `ax_`, `figure_` and `lines_`.
        """
        if ax is None:
            _, ax = pyplot().subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        line_kw = {"color": BLUE, "label": self.name, **line_kw}
        self.lines_ = ax.plot(self.rates, self.losses, **line_kw)
        before = {"color": "grey", "ls": ":", "label": "before the first step"}
        self.lines_ += [ax.axhline(self.loss_before, **before)]
        if self.suggestion is not None:
            label = f"suggestion: {self.suggestion:g}"
            self.lines_ += [ax.axvline(self.suggestion, color=ORANGE, ls="--", label=label)]
        lowest = self.losses.min(initial=self.loss_before)
        room = 0.3 * (self.loss_before - lowest) or 0.3 * abs(self.loss_before) or 1.0
        top = min(self.losses.max(initial=self.loss_before), self.loss_before + 2 * room)
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss after the step")
        ax.set_ylim(lowest - room / 4, top + room / 4)
        ax.legend()
        return self


def learning_rate_range(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    n_rates: int = 100,
) -> LearningRateRange:
    """Find a learning rate by a short training in which the rate rises at every step.

    This is the range test of Smith (2017). A copy of the estimator starts as `fit` would
    and takes `n_rates` steps, each with a larger learning rate than the one before. The
    loss falls while the rates are good and rises where they are too large. Suggested is a
    third of the smallest rate at which 98 % of the largest drop was reached: a rate that
    is kept has to serve longer than for one step.

    Unlike in the paper, the loss is not that of the batch of the step, which is another
    one each time, but that of the same 2,000 rows (all, if there are fewer), spread evenly
    over X. So small data and small batches give a smooth curve, too.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        With a stochastic solver; fitted or not. It stays as it is, and so does its random
        state. With `warm_start` the test goes on from its weights.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that `fit` will get, scaled as they will be.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their class labels or target values.

    sample_weight : array-like of shape (n_samples,) or None, default=None
        How much each row counts; not negative. None: all the same.

    lowest, highest : float, default=1e-6 and 10.0
        The first and the last learning rate. Between them each is larger than the one
        before by the same factor.

    n_rates : int, default=100
        Number of steps, 10 or more.

    Returns
    -------
    range : LearningRateRange
        With `suggestion`, the curve `rates`, `losses`, and `plot`.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        For the solvers "lbfgs" and "lm", which have no learning rate, for a wrong range,
        and for whatever `fit` refuses.

    Warns
    -----
    ConvergenceWarning
        If no rate lowered the loss, where `suggestion` is None, and if the loss was still
        falling at the highest rate.

    References
    ----------
    Smith (2017), *Cyclical Learning Rates for Training Neural Networks*, WACV, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skbackprop import BackpropClassifier, learning_rate_range
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = BackpropClassifier((50,), solver="sgd", random_state=0)
    >>> found = learning_rate_range(clf, X / 16, y)
    >>> 0.03 < found.suggestion < 0.3
    True
    >>> clf = clf.set_params(learning_rate=found.suggestion, tol=1e-3).fit(X / 16, y)
    >>> clf.score(X / 16, y) > 0.99
    True
    """
    check_backprop(estimator, "learning_rate_range")
    _check_range(lowest, highest, n_rates)
    fresh = estimator if estimator.warm_start else clone(estimator)
    plan, state, data = first_step(fresh, X, y, sample_weight, "learning_rate_range")
    if isinstance(plan.optimizer, Minimizer):
        raise ValueError(
            f"learning_rate_range needs a stochastic solver: solver={fresh.solver!r} finds "
            "the length of each step itself. Use solver='adam' or solver='sgd'."
        )
    state.begin_anew()
    rising = _Rising(np.geomspace(lowest, highest, int(n_rates)), state.step)
    engine = _MeasuringEngine(_evenly_spread(data), int(n_rates))
    loss_before = engine.loss(plan.objective, state.vector)
    epochs = train(replace(plan, schedule=rising), state, data, engine)
    while not engine.is_over:
        next(epochs)
    found = LearningRateRange(
        rates=rising.rates[: len(engine.losses)],
        losses=engine.losses,
        loss_before=loss_before,
        name=type(estimator).__name__,
    )
    _warn_of_no_minimum(found, rising.rates)
    return found


def _check_range(lowest, highest, n_rates):
    for name, value, allowed in (
        ("lowest", lowest, POSITIVE),
        ("highest", highest, POSITIVE),
        ("n_rates", n_rates, N_STEPS),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be {allowed}. Got {value!r} instead.")
    if not lowest < highest:
        raise ValueError(
            f"lowest must be below highest. Got lowest={lowest!r} and highest={highest!r}."
        )


def _evenly_spread(data):
    """Return rows of positive weight, MOST_ROWS at most, spread over all of them."""
    rows = np.arange(len(data.target))
    if data.sample_weight is not None:
        rows = np.flatnonzero(data.sample_weight)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(int)
    rows = rows[chosen]
    return Batch(*(None if array is None else array[rows] for array in data))


def _warn_of_no_minimum(found, rates):
    if found.suggestion is None:
        warn(
            f"No learning rate from {rates[0]:g} to {rates[-1]:g} lowered the loss, which "
            f"was {found.loss_before:.3g} before the first step. Scale the inputs and y, "
            "for example with StandardScaler, or pass another lowest and highest."
        )
    elif found.suggestion * SAFETY >= 0.9 * rates[-WINDOW]:
        warn(
            f"The loss was still falling at the highest learning rate, {rates[-1]:g}. Pass "
            "a larger highest."
        )


class _Rising:
    """The schedule of the test: the next rate at every step, the last one thereafter."""

    def __init__(self, rates: NDArray, first_step: int):
        self.rates, self.first_step = rates, first_step

    def __call__(self, step, epoch, samples_seen):
        return self.rates[min(step - self.first_step, len(self.rates) - 1)]


class _MeasuringEngine(NumpyEngine):
    """The NumPy engine, measuring the loss after every step; idle when all are done."""

    def __init__(self, rows: Batch, n_steps: int):
        self.rows, self.n_steps = rows, n_steps
        self.losses: list[float] = []
        self.is_over = False

    def loss(self, objective, vector):
        return objective.loss_of(objective.net_output(vector, self.rows.X), self.rows)

    def take_step(self, plan, state, parameters, gradient, batch, work):
        if self.is_over:
            return math.nan
        try:
            value = super().take_step(plan, state, parameters, gradient, batch, work)
            loss = self.loss(plan.objective, state.vector)
        except DivergenceError:
            value = loss = math.nan
        if math.isfinite(loss):
            self.losses.append(loss)
        self.is_over = not math.isfinite(loss) or len(self.losses) == self.n_steps
        return value
