"""Losses: how wrong the network is, and the delta that starts backpropagation.

A loss is a function of the *net input* of the output layer. It includes the output
activation (its link), so value and derivative always fit each other. A loss says what one
row costs; `RowLoss` sums over the outputs and averages the rows by their weights, for all
losses. ``delta`` is the derivative of exactly the number that is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import partial
from itertools import pairwise
from math import lgamma, pi
from math import log as log_of
from numbers import Real
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy import clip, exp, expm1, log, log1p, maximum, minimum, sign, tanh, where
from numpy.typing import NDArray
from scipy.special import expit

from .activations import (
    Activation,
    Exponential,
    Identity,
    Sigmoid,
    Softmax,
    filled,
    row_sums,
    softplus,
    subtract_largest,
)
from .elementwise import Elementwise
from .rule import INFINITY, HasMethods, Interval, Spec, number, spec

__all__ = [
    "CLASSIFIER_LOSSES",
    "REGRESSOR_LOSSES",
    "AbsoluteError",
    "BinaryLogLoss",
    "DistributionLoss",
    "Focal",
    "Gamma",
    "Gaussian",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "Poisson",
    "Quantile",
    "Quantiles",
    "RowLoss",
    "SquaredError",
    "StudentT",
    "central_outputs",
    "outputs_per_target",
]


class Loss(Protocol):
    """How wrong the outputs are; all arrays have the shape (n_samples, n_outputs).

    A :class:`RowLoss` makes both methods from the loss of a row.

    A loss may also have `check_target(target)`, which raises a ValueError for values
    outside its domain; `log_predict(z, out)`, the logarithm of its output without
    cancellation; `link`, the output activation as an object, whose derivative
    `input_gradient` and a trace need; `n_binary_outputs`, the number of outputs for two
    classes (2 without it); and `positive_only`, which is True if targets must be
    positive.

    A loss of a regressor may want several outputs for each target: their number is
    `outputs_per_target` (1 when it says nothing). They stand side by side, and `target`
    has the target in place of each of them. The one numbered `central` (0 when it says
    nothing) is what `predict` returns; `quantiles` or ``distribution(output)`` say what all
    of them are.
    """

    def predict(self, z: NDArray, out: NDArray) -> None:
        """Fill `out` with the output, the link of the net input; `out` may be `z`."""

    def value_and_delta(
        self,
        target: NDArray,
        z: NDArray,
        delta: NDArray,
        sample_weight: NDArray | None = None,
    ) -> float:
        """Return the loss and fill `delta` with its derivative in `z`."""


LOG_2 = log_of(2)
HALF_LOG_2_PI = log_of(2 * pi) / 2
ALLOWED_BY_ALL = 1  # losses take it as a target; it stands where one is missing


def outputs_per_target(loss: Any) -> int:
    """Return how many outputs a loss, or a class of losses, wants for each target."""
    return getattr(loss, "outputs_per_target", 1)


def central_outputs(loss: Any, output: NDArray) -> NDArray:
    """Return what a loss predicts of each target, a view of shape (n_rows, n_targets)."""
    return output[:, getattr(loss, "central", 0) :: outputs_per_target(loss)]


class RowLoss(Elementwise):
    """The loss of a row and its derivative; sums and means are computed from them.

    A subclass defines `link`, the output activation, and ``value_and_derivative(t, z)``,
    the loss and its derivative by the net input z, for the target t. The loss is that of
    each output, with the shape of z, or that of each row if outputs depend on each other,
    with the shape (n_rows,). NumPy runs the formulas on arrays; those of single outputs
    are also compiled, and shown by a trace.

    With ``takes = "output"`` the formulas are those of the output, which `link` makes of
    the net input and differentiates: ``value_and_derivative(t, o)``.
    """

    made_of: ClassVar = {"value_and_delta": "value_and_derivative"}
    takes: ClassVar[str] = "net_input"
    link: Any = Identity()

    @property
    def output_activation(self):
        return getattr(self.link, "name", type(self.link).__name__)

    def value_and_derivative(self, t: NDArray, z: NDArray) -> tuple[NDArray, NDArray]:
        """Return the losses of outputs or rows, and the derivative by each net input."""
        raise NotImplementedError

    def predict(self, z: NDArray, out: NDArray) -> None:
        self.link.forward(z, out)

    def of_outputs(self, target: NDArray, z: NDArray) -> NDArray:
        """Return the losses of outputs or rows, whichever `value_and_derivative` gives.

        A NaN in the target costs nothing.
        """
        return self._evaluate(target, z, np.empty_like(z), np.isnan(target))[0]

    def value_and_delta(
        self,
        target: NDArray,
        z: NDArray,
        delta: NDArray,
        sample_weight: NDArray | None = None,
        missing: NDArray | None = None,
    ) -> float:
        """Return the loss and fill `delta`; a target that is `missing` costs nothing."""
        if self.takes == "net_input" and missing is None:
            losses, derivative = self.value_and_derivative(target, z)
        else:
            losses, derivative = self._evaluate(target, z, delta, missing)
        per_row = losses if losses.ndim == 1 else _summed(losses)
        # in one precision, whatever the formula's own numbers made of it
        derivative = np.asarray(derivative, delta.dtype)
        if sample_weight is None:
            n_rows = len(per_row)
            np.multiply(derivative, 1 / n_rows, out=delta)
            return float(per_row.sum()) / n_rows
        share = sample_weight / sample_weight.sum()
        np.multiply(derivative, share[:, np.newaxis], out=delta)
        return float(np.dot(per_row.astype(float, copy=False), share.astype(float)))

    def _evaluate(self, target, z, delta, missing):
        """Return the losses, and their derivative by the net inputs; `delta` is changed."""
        at = z
        if self.takes == "output":
            at = np.empty_like(z)
            self.link.forward(z, at)
        target = target if missing is None else np.where(missing, ALLOWED_BY_ALL, target)
        losses, derivative = self._losses_and_slopes(target, at)
        if missing is not None and missing.any():
            losses, derivative = _left_out(losses, derivative, missing)
        if self.takes != "output":
            return losses, derivative
        delta[...] = derivative
        self.link.backward(at if self.link.saves == "activation" else z, delta)
        return losses, delta

    def _losses_and_slopes(self, target, at):
        """Return the losses of outputs, targets or rows, and a slope for each output."""
        return self.value_and_derivative(target, at)


def _left_out(losses, derivative, missing):
    """Return losses and derivatives that are 0 for the outputs whose target is missing."""
    if losses.ndim == 1:
        raise ValueError(
            "A target can only be missing where the loss is a sum over outputs; this one "
            "is that of a row as a whole."
        )
    each = missing.shape[1] // losses.shape[1]
    return np.where(missing[:, ::each], 0, losses), np.where(missing, 0, derivative)


def _summed(losses):
    """Return the sums over the outputs."""
    return losses[:, 0] if losses.shape[1] == 1 else losses.sum(axis=1)


class _SoftmaxLoss(RowLoss):
    """A loss of one class per row, whose probabilities are the outputs."""

    link = Softmax()

    def check_target(self, target):
        if np.abs(row_sums(target) - 1).max() > 1e-3:
            raise ValueError(
                f"{type(self).__name__} needs one class per row: targets that sum to one. "
                "For labels that are independent of each other (multilabel) use "
                "loss='log_loss' or BinaryLogLoss()."
            )

    def log_predict(self, z, out):
        """Fill `out` with log softmax(z); `out` may be `z`."""
        subtract_largest(z, out=out)
        share = np.exp(out)
        n_largest = np.count_nonzero(out == 0, axis=1)
        others = share.sum(axis=1, where=out < 0)
        # exact where a class is almost sure
        out -= np.log1p(n_largest - 1 + others)[:, np.newaxis]


@spec
class LogLoss(_SoftmaxLoss):
    """``-sum_k t_k log softmax(z)_k`` for targets that sum to one.

    With `label_smoothing` s the target of K classes becomes ``(1 - s) t + s / K``
    (Szegedy et al., 2016, section 7).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of every target that is spread evenly over all classes, in [0, 1).
    """

    label_smoothing: float = number(0.0, 0, 1, "[)")

    @property
    def written(self):
        return "" if self.label_smoothing else "-t * log(o)"

    def value_and_derivative(self, t, z):
        if self.label_smoothing:
            t = (1 - self.label_smoothing) * t + self.label_smoothing / t.shape[1]
        delta = np.empty_like(z)
        subtract_largest(z, out=delta)
        ones = filled(1, z.shape[1], z.dtype)  # a product with them is a sum over each row
        net_of_target = (t * delta).dot(ones)
        np.exp(delta, out=delta)
        part = t * delta
        of_target = part.dot(ones)
        of_others = np.subtract(delta, part, out=part).dot(ones)
        # log(total), exact where the target's part is 1 and the others' next to nothing
        per_row = np.log1p((of_target - 1) + of_others) - net_of_target
        delta /= (of_target + of_others)[:, np.newaxis]  # softmax(z)
        delta -= t  # output - target
        return per_row, delta


@spec
class BinaryLogLoss(RowLoss):
    """``-sum_k [t_k log o_k + (1 - t_k) log(1 - o_k)]`` with ``o = sigmoid(z)``.

    With `label_smoothing` s the target becomes ``(1 - s) t + s / 2``.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of every target that is spread evenly over both classes, in [0, 1).
    """

    label_smoothing: float = number(0.0, 0, 1, "[)")

    link = Sigmoid()
    n_binary_outputs = 1

    def log_predict(self, z, out):
        """Fill `out` with log sigmoid(z); `out` may be `z`."""
        out[...] = np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))

    def value_and_derivative(self, t, z):
        t = (1 - self.label_smoothing) * t + self.label_smoothing / 2
        size = abs(z)
        wrong = where(z > 0, 1 - t, t)
        # softplus(z) - t z, where nothing overflows or cancels
        return log1p(exp(-size)) + size * wrong, 1 / (1 + exp(-z)) - t


@spec
class Focal(_SoftmaxLoss):
    """``-sum_k t_k (1 - o_k)^gamma log o_k`` with ``o = softmax(z)``.

    Rows that are already classified well count less (Lin et al., 2017, *Focal loss for
    dense object detection*). The targets sum to one; ``gamma = 0`` is the log loss.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less a row counts whose class is almost certain; 0 or more.
    """

    gamma: float = number(2.0, 0, INFINITY, "[)")

    written = "-t * (1 - o) ** gamma * log(o)"

    def value_and_derivative(self, t, z):
        log_o = np.empty_like(z)
        self.log_predict(z, out=log_o)
        o = np.exp(log_o)
        rest = -np.expm1(log_o)  # 1 - o without cancellation
        focus = rest**self.gamma
        per_row = -np.einsum("ij,ij->i", t, focus * log_o)
        # o dloss/do = t (1 - o)^gamma [gamma o log(o) / (1 - o) - 1], log(o)/(1-o) -> -1
        ratio = np.divide(log_o, rest, out=np.full_like(rest, -1), where=rest > 0)
        slope = t * focus * (self.gamma * o * ratio - 1)
        return per_row, slope - o * slope.sum(axis=1, keepdims=True)


@spec
class SquaredError(RowLoss):
    """``sum_k (t_k - o_k)^2 / 2`` with ``o = link(z)``, any activation as the link.

    Parameters
    ----------
    link : activation, default=Identity()
        The activation of the output layer.
    """

    link: Activation = field(
        default_factory=Identity, metadata={"allowed": HasMethods(("forward", "backward"))}
    )

    takes = "output"

    def value_and_derivative(self, t, o):
        error = o - t
        return error * error / 2, error


@spec
class Poisson(RowLoss):
    """``sum_k [t_k log(t_k / o_k) - t_k + o_k]`` with ``o = exp(z)``: half the deviance."""

    link = Exponential()
    positive_only = True

    def check_target(self, target):
        if (target < 0).any():
            raise ValueError(
                "loss='poisson' needs y >= 0 (a count or a rate), but y has the value "
                f"{target.min()}. Use loss='squared_error' for targets of either sign."
            )

    def value_and_derivative(self, t, z):
        o = exp(z)
        positive = where(t > 0, t, 1)
        log_ratio = z - log(positive)  # log(o / t)
        return where(t > 0, positive * (expm1(log_ratio) - log_ratio), o), o - t


@spec
class Gamma(RowLoss):
    """``sum_k [t_k / o_k - log(t_k / o_k) - 1]`` with ``o = exp(z)``: half the deviance."""

    link = Exponential()
    positive_only = True

    def check_target(self, target):
        if (target <= 0).any():
            raise ValueError(
                "loss='gamma' needs y > 0 (a size or a duration), but y has the value "
                f"{target.min()}. Use loss='squared_error' for targets of either sign."
            )

    def value_and_derivative(self, t, z):
        log_ratio = log(t) - z  # log(t / o)
        excess = expm1(log_ratio)  # t / o - 1
        return excess - log_ratio, -excess


@spec
class AbsoluteError(RowLoss):
    """``sum_k |t_k - z_k|``: the outputs estimate medians."""

    def value_and_derivative(self, t, z):
        return abs(z - t), sign(z - t)  # 0 at the kink


@spec
class Huber(RowLoss):
    """Squares for small errors, absolute values for large ones (Huber, 1964).

    ``sum_k e_k^2 / 2`` where ``|e_k| <= threshold``, ``threshold (|e_k| - threshold / 2)``
    elsewhere, with ``e = z - t``.

    Parameters
    ----------
    threshold : float, default=1.0
        The error, in units of y, from which it grows linearly; positive.
    """

    threshold: float = number(1.0, 0, INFINITY, "()")

    def value_and_derivative(self, t, z):
        error = z - t
        slope = clip(error, -self.threshold, self.threshold)
        return slope * (error - slope / 2), slope  # both branches at once


@spec
class Quantile(RowLoss):
    """``sum_k max(q (t_k - z_k), (1 - q) (z_k - t_k))``: the outputs estimate quantiles.

    The pinball loss of Koenker & Bassett (1978).

    Parameters
    ----------
    quantile : float, default=0.5
        Share of the targets that should lie below the output, in (0, 1).
    """

    quantile: float = number(0.5, 0, 1, "()")

    def value_and_derivative(self, t, z):
        q = self.quantile
        error = z - t
        value = maximum((1 - q) * error, -q * error)
        return value, where(error > 0, 1 - q, where(error < 0, -q, 0))


@spec
class LogCosh(RowLoss):
    """``sum_k log cosh(z_k - t_k)``: a smooth absolute error."""

    def value_and_derivative(self, t, z):
        error = z - t
        size = abs(error)
        # log cosh(e) = |e| + log(1 + exp(-2 |e|)) - log 2, where nothing overflows, and
        # log(1 + m^2 / (2 (1 + m))) with m = exp(|e|) - 1, where nothing cancels
        large = size + log1p(exp(-2 * size)) - LOG_2
        m = expm1(minimum(size, 1))
        return where(size < 1, log1p(m * m / (2 + 2 * m)), large), tanh(error)


# -- several outputs for each target ---------------------------------------------------


class Levels:
    """Quantile levels: numbers between 0 and 1, each above the one before."""

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, (Sequence, np.ndarray))
            and len(value) > 0
            and all(q in Interval(Real, 0, 1, "()") for q in value)
            and all(q < higher for q, higher in pairwise(value))
        )

    def __str__(self) -> str:
        return "a sequence of floats in the range (0.0, 1.0), each above the one before"


@spec
class Ascending(Spec):
    """One output in the middle; those to its sides are apart by ``softplus(z)``.

    So each is at least the one before it, in every row, whatever the net inputs.
    """

    n_outputs: int = 3
    central: int = 1

    saves = "net_input"
    name = "ascending"

    def forward(self, z, out):
        z = z.reshape(len(z), -1, self.n_outputs)
        ordered, c = softplus(z), self.central
        ordered[..., c] = z[..., c]
        np.cumsum(ordered[..., c:], axis=2, out=ordered[..., c:])
        below = ordered[..., c::-1]
        np.subtract.accumulate(below, axis=2, out=below)
        out[...] = ordered.reshape(out.shape)

    def backward(self, z, delta):
        z = z.reshape(len(z), -1, self.n_outputs)
        of_output, c = delta.reshape(z.shape), self.central
        above = np.cumsum(of_output[..., :c:-1], axis=2)[..., ::-1]
        below = np.cumsum(of_output[..., :c], axis=2)
        middle = of_output.sum(axis=2, keepdims=True)
        by_gap = np.concatenate([-below, middle, above], axis=2)
        by_gap *= np.where(np.arange(self.n_outputs) == c, 1, expit(z))
        delta[...] = by_gap.reshape(delta.shape)


@spec
class Quantiles(RowLoss):
    """``sum_k sum_q max(q (t_k - o_kq), (1 - q) (o_kq - t_k))``: an output per quantile.

    One network estimates several quantiles, which cannot cross: they are sums of gaps that
    are not negative. The sum of pinball losses is that of Koenker & Bassett (1978).
    `predict` returns the one nearest to the median, `predict_quantiles` all of them.

    Parameters
    ----------
    quantiles : sequence of float, default=(0.1, 0.5, 0.9)
        Shares of the targets that should lie below the outputs, ascending, in (0, 1).
    """

    quantiles: Sequence[float] = field(
        default=(0.1, 0.5, 0.9), metadata={"allowed": Levels()}
    )

    written = "maximum(q * (t - o), (1 - q) * (o - t))"

    @property
    def levels(self):
        """The quantiles as a tuple of Python numbers."""
        return tuple(map(float, self.quantiles))

    @property
    def outputs_per_target(self):
        return len(self.quantiles)

    @property
    def central(self):
        """Which output is nearest to the median."""
        return int(np.abs(np.array(self.levels) - 0.5).argmin())

    @property
    def link(self):
        return Ascending(n_outputs=self.outputs_per_target, central=self.central)

    def value_and_derivative(self, t, z):
        q = np.tile(np.array(self.levels, z.dtype), z.shape[1] // len(self.levels))
        error = np.empty_like(z)
        self.link.forward(z, error)
        error -= t
        value = maximum((1 - q) * error, -q * error)
        slope = where(error > 0, 1 - q, where(error < 0, -q, 0))
        self.link.backward(z, slope)
        return value, slope


class DistributionLoss(RowLoss):
    """Minus the log-likelihood: the outputs are the parameters of a distribution.

    A subclass defines `outputs`, the names of the outputs of a target, and
    ``value_and_derivative(t, *z)``, the loss of one target and its derivatives by the net
    inputs of these outputs. NumPy runs the formulas on arrays, the compiled engine compiles
    them, and a trace shows them. `link` makes the outputs, the first of which is what
    `predict` returns, and ``distribution(output)`` returns what
    `predict_distribution` does, a distribution of `scipy.stats`.
    """

    outputs: ClassVar[tuple[str, ...]] = ()
    takes = "net_inputs"

    @property
    def outputs_per_target(self):
        return len(self.outputs)

    def _losses_and_slopes(self, target, at):
        n = len(self.outputs)
        of_outputs = (at[:, k::n] for k in range(n))
        losses, *slopes = self.value_and_derivative(target[:, ::n], *of_outputs)
        return losses, np.stack(slopes, axis=2).reshape(at.shape)


@spec
class LocationScale(Spec):
    """A location and a scale, ``smallest_scale + softplus(z)``, for each target."""

    smallest_scale: float = 1e-4

    saves = "net_input"
    name = "location_scale"

    def forward(self, z, out):
        scale = softplus(z[:, 1::2]) + self.smallest_scale
        out[...] = z
        out[:, 1::2] = scale

    def backward(self, z, delta):
        delta[:, 1::2] *= expit(z[:, 1::2])


@spec
class Gaussian(DistributionLoss):
    """``sum_k log s_k + (t_k - m_k)^2 / (2 s_k^2) + log(2 pi) / 2``: mean and deviation.

    Minus the log-likelihood of a normal distribution whose mean m and standard deviation s
    both depend on the row (Nix & Weigend, 1994). `predict` returns the mean,
    `predict_distribution` both, as ``scipy.stats.norm(m, s)``.

    Parameters
    ----------
    smallest_scale : float, default=1e-4
        Lower bound of the standard deviation, in units of y; positive. Without it, a
        row that is predicted exactly would have an infinite likelihood.
    """

    smallest_scale: float = number(1e-4, 0, INFINITY, "()")

    outputs = ("mean", "spread")

    @property
    def link(self):
        return LocationScale(smallest_scale=self.smallest_scale)

    def value_and_derivative(self, t, mean, spread):
        scale = self.smallest_scale + softplus(spread)
        error = (mean - t) / scale
        square = error * error
        value = log(scale) + square / 2 + HALF_LOG_2_PI
        return value, error / scale, (1 - square) * expit(spread) / scale

    def distribution(self, output):
        """Return the distributions, outputs of shape (..., 2), as one of `scipy.stats`."""
        from scipy.stats import norm  # takes longer to import than all of this package

        return norm(output[..., 0], output[..., 1])


@spec
class StudentT(DistributionLoss):
    """Minus the log-likelihood of Student's t: `Gaussian` for targets with outliers.

    ``sum_k log s_k + (df + 1) / 2 log(1 + e_k^2 / df)``, with ``e = (t - m) / s`` and the
    constant that makes it a density, for location m and scale s (Lange, Little & Taylor,
    1989). `predict` returns the location, `predict_distribution` both, as
    ``scipy.stats.t(df, m, s)``.

    Parameters
    ----------
    df : float, default=5.0
        Degrees of freedom, positive: the fewer, the less an outlier counts.

    smallest_scale : float, default=1e-4
        Lower bound of the scale, in units of y; positive.
    """

    df: float = number(5.0, 0, INFINITY, "()")
    smallest_scale: float = number(1e-4, 0, INFINITY, "()")

    outputs = ("location", "spread")

    @property
    def link(self):
        return LocationScale(smallest_scale=self.smallest_scale)

    @property
    def log_norm(self):
        """Logarithm of what the density is divided by, of scale 1."""
        return lgamma(self.df / 2) - lgamma((self.df + 1) / 2) + log_of(pi * self.df) / 2

    def value_and_derivative(self, t, location, spread):
        scale = self.smallest_scale + softplus(spread)
        error = (location - t) / scale
        square = error * error
        value = log(scale) + (self.df + 1) / 2 * log1p(square / self.df) + self.log_norm
        weight = (self.df + 1) / (self.df + square)
        slope = (1 - weight * square) * expit(spread) / scale
        return value, weight * error / scale, slope

    def distribution(self, output):
        """Return the distributions, outputs of shape (..., 2), as one of `scipy.stats`."""
        from scipy.stats import t

        return t(self.df, output[..., 0], output[..., 1])


#: Losses by the names that the classifier takes; where the kinds of y need different
#: ones, an entry maps the kind to the loss.
CLASSIFIER_LOSSES = {
    "log_loss": {
        "binary": BinaryLogLoss,
        "multiclass": LogLoss,
        "multilabel-indicator": BinaryLogLoss,
    },
    "squared_error": partial(SquaredError, link=Sigmoid()),
    "focal": Focal,
}
#: Losses by the names that the regressor takes.
REGRESSOR_LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "poisson": Poisson,
    "gamma": Gamma,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "log_cosh": LogCosh,
    "quantiles": Quantiles,
    "gaussian": Gaussian,
    "student_t": StudentT,
}
