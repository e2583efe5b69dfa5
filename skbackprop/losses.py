"""Losses: how wrong the network is, and the delta that starts backpropagation.

A loss is a function of the *net input* of the output layer. It owns the output
activation (its link), so value and delta cannot drift apart. One scaling rule holds
for all of them: sum over outputs, weighted mean over samples. ``delta`` is the
derivative of exactly the number that is returned.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .activations import (
    Activation,
    Exponential,
    Identity,
    Sigmoid,
    Softmax,
    row_sums,
    subtract_largest,
)
from .rule import INFINITY, HasMethods, Spec, number, spec

__all__ = [
    "CLASSIFIER_LOSSES",
    "REGRESSOR_LOSSES",
    "AbsoluteError",
    "BinaryLogLoss",
    "Focal",
    "Gamma",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
]


class Loss(Protocol):
    """What the output layer is compared with; all arrays are (n_samples, n_outputs).

    A loss may also have `check_target(target)`, which raises ValueError for values
    outside its domain, `log_predict(z, out)`, the logarithm of its output without
    cancellation, `link`, the output activation as an object, of which `input_gradient`
    and a trace take the derivative, `n_binary_outputs`, the number of outputs for two
    classes (2 when it says nothing), and `positive_only`, which is True where targets
    must be positive.
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


def _mean(per_sample, delta, sample_weight):
    """Return the weighted mean over samples; scale `delta` to its derivative, in place."""
    if sample_weight is None:
        n_samples = len(per_sample)
        delta *= 1 / n_samples
        return float(per_sample.sum()) / n_samples
    share = sample_weight / sample_weight.sum()
    delta *= share[:, np.newaxis]
    return float(per_sample @ share)


@spec
class LogLoss(Spec):
    """``-sum_k t_k log softmax(z)_k`` for targets that sum to one.

    With `label_smoothing` s the target of K classes becomes ``(1 - s) t + s / K``
    (Szegedy et al., 2016, section 7).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of every target that goes to all classes alike, in [0, 1).
    """

    label_smoothing: float = number(0.0, 0, 1, "[)")

    link = Softmax()
    output_activation = "softmax"

    def check_target(self, target):
        _check_distribution(target, "LogLoss")

    def predict(self, z, out):
        Softmax().forward(z, out)

    def log_predict(self, z, out):
        """Fill `out` with log softmax(z); `out` may be `z`."""
        subtract_largest(z, out=out)
        share = np.exp(out)
        n_largest = np.count_nonzero(out == 0, axis=1)
        others = share.sum(axis=1, where=out < 0)
        # exact where a class is almost sure
        out -= np.log1p(n_largest - 1 + others)[:, np.newaxis]

    def value_and_delta(self, target, z, delta, sample_weight=None):
        target = _smoothed(target, self.label_smoothing, target.shape[1])
        subtract_largest(z, out=delta)
        net_of_target = row_sums(target * delta)
        np.exp(delta, out=delta)
        part = target * delta
        of_target = row_sums(part)
        of_others = row_sums(np.subtract(delta, part, out=part))
        # log(total), exact where the target's part is 1 and the others' next to nothing
        per_sample = np.log1p((of_target - 1) + of_others) - net_of_target
        delta /= (of_target + of_others)[:, np.newaxis]  # softmax(z)
        delta -= target  # output - target
        return _mean(per_sample, delta, sample_weight)


@spec
class BinaryLogLoss(Spec):
    """``-sum_k [t_k log o_k + (1 - t_k) log(1 - o_k)]`` with ``o = sigmoid(z)``.

    With `label_smoothing` s the target becomes ``(1 - s) t + s / 2``.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of every target that goes to both classes alike, in [0, 1).
    """

    label_smoothing: float = number(0.0, 0, 1, "[)")

    link = Sigmoid()
    output_activation = "logistic"
    n_binary_outputs = 1

    def predict(self, z, out):
        Sigmoid().forward(z, out)

    def log_predict(self, z, out):
        """Fill `out` with log sigmoid(z); `out` may be `z`."""
        out[...] = np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))

    def value_and_delta(self, target, z, delta, sample_weight=None):
        target = _smoothed(target, self.label_smoothing, 2)
        # -log o = max(-z, 0) + log(1 + exp(-|z|)), where nothing overflows or cancels
        loss = np.log1p(np.exp(-np.abs(z))) + (np.maximum(z, 0) - target * z)
        self.predict(z, out=delta)
        delta -= target  # output - target
        return _mean(loss.sum(axis=1), delta, sample_weight)


@spec
class Focal(Spec):
    """``-sum_k t_k (1 - o_k)^gamma log o_k`` with ``o = softmax(z)``.

    What is classified well already counts less (Lin et al., 2017, *Focal loss for dense
    object detection*). The targets sum to one; ``gamma = 0`` is the log loss.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less a class counts that is almost sure; 0 or more.
    """

    gamma: float = number(2.0, 0, INFINITY, "[)")

    link = Softmax()
    output_activation = "softmax"

    def check_target(self, target):
        _check_distribution(target, "Focal")

    def predict(self, z, out):
        Softmax().forward(z, out)

    def log_predict(self, z, out):
        """Fill `out` with log softmax(z); `out` may be `z`."""
        LogLoss().log_predict(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        LogLoss().log_predict(z, out=delta)
        log_o, o = delta.copy(), np.exp(delta)
        rest = -np.expm1(log_o)  # 1 - o without cancellation
        focus = rest**self.gamma
        per_sample = -np.einsum("ij,ij->i", target, focus * log_o)
        # o dloss/do = t (1 - o)^gamma [gamma o log(o) / (1 - o) - 1], log(o)/(1-o) -> -1
        ratio = np.divide(log_o, rest, out=np.full_like(rest, -1), where=rest > 0)
        slope = target * focus * (self.gamma * o * ratio - 1)
        delta[...] = slope - o * slope.sum(axis=1, keepdims=True)
        return _mean(per_sample, delta, sample_weight)


def _smoothed(target, smoothing, n_classes):
    return target if smoothing == 0 else (1 - smoothing) * target + smoothing / n_classes


def _check_distribution(target, name):
    if np.abs(row_sums(target) - 1).max() > 1e-3:
        raise ValueError(
            f"{name} needs one class per row: targets that sum to one. For labels that are "
            "independent of each other (multilabel) use loss='log_loss' or BinaryLogLoss()."
        )


@spec
class SquaredError(Spec):
    """``sum_k (t_k - o_k)^2 / 2`` with ``o = link(z)``, any activation as the link.

    Parameters
    ----------
    link : activation, default=Identity()
        What makes the output from the net input of the output layer.
    """

    link: Activation = field(
        default_factory=Identity, metadata={"allowed": HasMethods(("forward", "backward"))}
    )

    @property
    def output_activation(self):
        return getattr(self.link, "name", type(self.link).__name__)

    def predict(self, z, out):
        self.link.forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        output = np.empty_like(z)
        self.link.forward(z, output)
        np.subtract(output, target, out=delta)
        per_sample = np.einsum("ij,ij->i", delta, delta) / 2
        self.link.backward(output if self.link.saves == "activation" else z, delta)
        return _mean(per_sample, delta, sample_weight)


@spec
class Poisson(Spec):
    """``sum_k [t_k log(t_k / o_k) - t_k + o_k]`` with ``o = exp(z)``: half the deviance."""

    link = Exponential()
    output_activation = "exp"
    positive_only = True

    def check_target(self, target):
        if (target < 0).any():
            raise ValueError(
                "loss='poisson' needs y >= 0 (a count or a rate), but y has the value "
                f"{target.min()}. Use loss='squared_error' for targets of either sign."
            )

    def predict(self, z, out):
        Exponential().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        self.predict(z, out=delta)
        positive = np.where(target > 0, target, 1)
        log_ratio = z - np.log(positive)  # log(output / target)
        loss = positive * (np.expm1(log_ratio) - log_ratio)
        np.copyto(loss, delta, where=target == 0)
        delta -= target  # output - target
        return _mean(loss.sum(axis=1), delta, sample_weight)


@spec
class Gamma(Spec):
    """``sum_k [t_k / o_k - log(t_k / o_k) - 1]`` with ``o = exp(z)``: half the deviance."""

    link = Exponential()
    output_activation = "exp"
    positive_only = True

    def check_target(self, target):
        if (target <= 0).any():
            raise ValueError(
                "loss='gamma' needs y > 0 (a size or a duration), but y has the value "
                f"{target.min()}. Use loss='squared_error' for targets of either sign."
            )

    def predict(self, z, out):
        Exponential().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        log_ratio = np.log(target) - z  # log(target / output)
        np.negative(np.expm1(log_ratio), out=delta)  # 1 - target / output
        loss = -delta - log_ratio
        return _mean(loss.sum(axis=1), delta, sample_weight)


@spec
class AbsoluteError(Spec):
    """``sum_k |t_k - z_k|``: the outputs estimate medians."""

    link = Identity()
    output_activation = "identity"

    def predict(self, z, out):
        Identity().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        np.subtract(z, target, out=delta)
        per_sample = np.abs(delta).sum(axis=1)
        np.sign(delta, out=delta)  # 0 at the kink
        return _mean(per_sample, delta, sample_weight)


@spec
class Huber(Spec):
    """Squares for small errors, absolute values for large ones (Huber, 1964).

    ``sum_k e_k^2 / 2`` where ``|e_k| <= threshold``, ``threshold (|e_k| - threshold / 2)``
    elsewhere, with ``e = z - t``.

    Parameters
    ----------
    threshold : float, default=1.0
        The error, in units of y, from which it grows linearly; positive.
    """

    threshold: float = number(1.0, 0, INFINITY, "()")

    link = Identity()
    output_activation = "identity"

    def predict(self, z, out):
        Identity().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        error = z - target
        np.clip(error, -self.threshold, self.threshold, out=delta)
        loss = delta * (error - delta / 2)  # both branches at once
        return _mean(loss.sum(axis=1), delta, sample_weight)


@spec
class Quantile(Spec):
    """``sum_k max(q (t_k - z_k), (1 - q) (z_k - t_k))``: the outputs estimate quantiles.

    The pinball loss of Koenker & Bassett (1978).

    Parameters
    ----------
    quantile : float, default=0.5
        Share of the targets that should lie below the output, in (0, 1).
    """

    quantile: float = number(0.5, 0, 1, "()")

    link = Identity()
    output_activation = "identity"

    def predict(self, z, out):
        Identity().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        error = z - target
        delta[...] = (1 - self.quantile) * (error > 0) - self.quantile * (error < 0)
        return _mean((delta * error).sum(axis=1), delta, sample_weight)


@spec
class LogCosh(Spec):
    """``sum_k log cosh(z_k - t_k)``: a smooth absolute error."""

    link = Identity()
    output_activation = "identity"

    def predict(self, z, out):
        Identity().forward(z, out)

    def value_and_delta(self, target, z, delta, sample_weight=None):
        error = np.abs(z - target)
        # log cosh(e) = |e| + log(1 + exp(-2 |e|)) - log 2, where nothing overflows,
        # and log(1 + 2 sinh(e / 2)^2), where nothing cancels
        large = error + np.log1p(np.exp(-2 * error)) - log(2)
        small = np.log1p(2 * np.sinh(np.minimum(error, 1) / 2) ** 2)
        loss = np.where(error < 1, small, large)
        np.tanh(np.subtract(z, target, out=delta), out=delta)
        return _mean(loss.sum(axis=1), delta, sample_weight)


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
}
