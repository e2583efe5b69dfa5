"""Activations: how a unit turns its net input into its activation, and the derivative.

The derivative is written in whatever array is cheapest to keep: ``saves`` says
whether `backward` is handed the activation or the net input.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from .rule import INFINITY, Spec, number, spec

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Elu",
    "Exponential",
    "Gelu",
    "Identity",
    "LeakyRelu",
    "Mish",
    "Relu",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Tanh",
    "row_sums",
    "slope",
    "subtract_largest",
]


class Activation(Protocol):
    """What a layer needs of an activation.

    An activation may also have `written`, value and derivative as formulas in z and a,
    into which a trace puts numbers.
    """

    saves: str  # "activation" or "net_input"

    def forward(self, z: NDArray, out: NDArray) -> None:
        """Fill `out` with f(z); `out` may be `z`."""

    def backward(self, saved: NDArray, delta: NDArray) -> None:
        """Multiply `delta` by f'(z), in place."""


def slope(activation: Activation, z: NDArray, a: NDArray) -> NDArray | None:
    """Return f'(z) of every unit, None where the activation of a unit depends on others."""
    saved = a if activation.saves == "activation" else z
    slope, of_one_unit = np.ones_like(saved), np.zeros_like(saved)
    of_one_unit[:, 0] = 1
    activation.backward(saved, slope)
    activation.backward(saved, of_one_unit)
    return None if (np.abs(of_one_unit[:, 1:]) > 0).any() else slope


@spec
class Identity(Spec):
    """``a = z``."""

    saves = "activation"
    name = "identity"
    written = ("z", "1")

    def forward(self, z, out):
        if out is not z:
            out[...] = z

    def backward(self, a, delta):
        pass  # a' = 1


@spec
class Sigmoid(Spec):
    """``a = 1 / (1 + exp(-z))``, the logistic function."""

    saves = "activation"
    name = "logistic"
    written = ("1 / (1 + exp(-z))", "a * (1 - a)")
    glorot_factor = 2.0

    def forward(self, z, out):
        np.negative(z, out=out)
        np.exp(out, out=out)  # infinite far to the left, where a = 1 / inf = 0 is right
        out += 1
        np.divide(1, out, out=out)

    def backward(self, a, delta):
        delta *= a
        delta *= 1 - a  # a' = a (1 - a)


@spec
class Tanh(Spec):
    """``a = tanh(z)``."""

    saves = "activation"
    name = "tanh"
    written = ("tanh(z)", "1 - a * a")

    def forward(self, z, out):
        np.tanh(z, out=out)

    def backward(self, a, delta):
        delta *= 1 - a * a  # a' = 1 - a^2


@spec
class Relu(Spec):
    """``a = max(z, 0)``; the derivative at the kink is taken as 0."""

    saves = "activation"
    name = "relu"
    written = ("max(z, 0)", "1 if a > 0 else 0")

    def forward(self, z, out):
        np.maximum(z, 0, out=out)

    def backward(self, a, delta):
        delta *= a > 0


@spec
class LeakyRelu(Spec):
    """``a = z`` for z > 0, ``slope * z`` below (Maas, Hannun & Ng, 2013).

    Parameters
    ----------
    slope : float, default=0.01
        Slope below zero, in (0, 1).
    """

    slope: float = number(0.01, 0, 1, "()")

    saves = "activation"
    name = "leaky_relu"
    written = ("max(z, slope * z)", "1 if a > 0 else slope")

    def forward(self, z, out):
        np.maximum(z, self.slope * z, out=out)

    def backward(self, a, delta):
        delta *= np.where(a > 0, a.dtype.type(1), a.dtype.type(self.slope))


@spec
class Elu(Spec):
    """``a = z`` for z > 0, ``alpha * (exp(z) - 1)`` below (Clevert et al., 2016).

    Parameters
    ----------
    alpha : float, default=1.0
        What it tends to far below zero is ``-alpha``; positive.
    """

    alpha: float = number(1.0, 0, INFINITY, "()")

    saves = "activation"
    name = "elu"
    written = ("z if z > 0 else alpha * (exp(z) - 1)", "1 if a > 0 else a + alpha")

    def forward(self, z, out):
        negative = self.alpha * np.expm1(np.minimum(z, 0))
        np.maximum(z, 0, out=out)
        out += negative

    def backward(self, a, delta):
        # a' = 1 above, alpha exp(z) = a + alpha below
        delta *= np.where(a > 0, a.dtype.type(1), a + self.alpha)


@spec
class Selu(Spec):
    """``a = scale * elu(z)``, keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    saves = "activation"
    name = "selu"
    written = (
        "scale * (z if z > 0 else alpha * (exp(z) - 1))",
        "scale if a > 0 else a + scale * alpha",
    )

    scale = 1.0507009873554805
    alpha = 1.6732632423543772

    def forward(self, z, out):
        Elu(alpha=self.alpha).forward(z, out)
        out *= self.scale

    def backward(self, a, delta):
        # a' = scale above, scale alpha exp(z) = a + scale alpha below
        scale = a.dtype.type(self.scale)
        delta *= np.where(a > 0, scale, a + self.scale * self.alpha)


@spec
class Gelu(Spec):
    """``a = z * Phi(z)``, Phi the normal distribution (Hendrycks & Gimpel, 2016)."""

    saves = "net_input"
    name = "gelu"

    def forward(self, z, out):
        np.multiply(z, ndtr(z), out=out)

    def backward(self, z, delta):
        # a' = Phi(z) + z phi(z)
        delta *= ndtr(z) + z * np.exp(-z * z / 2) * (1 / sqrt(2 * pi))


@spec
class Silu(Spec):
    """``a = z * sigmoid(z)``, also called swish (Elfwing, Uchibe & Doya, 2018)."""

    saves = "net_input"
    name = "silu"
    written = ("z / (1 + exp(-z))", "")

    def forward(self, z, out):
        np.divide(z, 1 + np.exp(-z), out=out)

    def backward(self, z, delta):
        s = 1 / (1 + np.exp(-z))
        delta *= s * (1 + z * (1 - s))  # a' = s + z s (1 - s)


@spec
class Mish(Spec):
    """``a = z * tanh(log(1 + exp(z)))`` (Misra, 2019)."""

    saves = "net_input"
    name = "mish"

    def forward(self, z, out):
        np.multiply(z, np.tanh(_softplus(z)), out=out)

    def backward(self, z, delta):
        t = np.tanh(_softplus(z))
        s = 1 / (1 + np.exp(-z))
        delta *= t + z * s * (1 - t * t)  # softplus' = sigmoid, tanh' = 1 - tanh^2


@spec
class Softplus(Spec):
    """``a = log(1 + exp(z))``, a smooth relu (Dugas et al., 2001)."""

    saves = "net_input"
    name = "softplus"
    written = ("log(1 + exp(z))", "1 / (1 + exp(-z))")

    def forward(self, z, out):
        out[...] = _softplus(z)

    def backward(self, z, delta):
        delta /= 1 + np.exp(-z)  # a' = sigmoid(z)


def _softplus(z):
    return np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)  # nothing overflows


@spec
class Exponential(Spec):
    """``a = exp(z)``, the output activation of a positive quantity."""

    saves = "activation"
    name = "exp"
    written = ("exp(z)", "a")

    def forward(self, z, out):
        np.exp(z, out=out)

    def backward(self, a, delta):
        delta *= a  # a' = a


def row_sums(array: NDArray) -> NDArray:
    """Return the sum of each row, shape (n_rows,).

    A product with ones takes a fifth of the time of ``array.sum(axis=1)`` where rows are
    short.
    """
    return np.dot(array, _ones(array.shape[1], array.dtype))


@lru_cache(maxsize=64)
def _ones(size, dtype):
    ones = np.ones(size, dtype)
    ones.flags.writeable = False
    return ones


def subtract_largest(z: NDArray, out: NDArray) -> None:
    """Fill `out` with z less the largest of its row, whose exponential cannot overflow.

    The copy stands so that the maximum walks along memory: a third of the time of
    ``z.max(axis=1)`` where rows are short.
    """
    np.subtract(z, z.T.copy().max(axis=0)[:, np.newaxis], out=out)


@spec
class Softmax(Spec):
    """``a_k = exp(z_k) / sum_j exp(z_j)``: the units of a layer share one."""

    saves = "activation"
    name = "softmax"
    written = ("exp(z) / sum(exp(z))", "")

    def forward(self, z, out):
        subtract_largest(z, out=out)
        np.exp(out, out=out)
        out /= row_sums(out)[:, np.newaxis]

    def backward(self, a, delta):
        # da_k / dz_j = a_k (1[k = j] - a_j): the full Jacobian, not its diagonal
        delta -= np.einsum("ij,ij->i", a, delta)[:, np.newaxis]
        delta *= a


#: Activations by the names that the estimators take.
ACTIVATIONS: dict[str, type[Activation]] = {
    "identity": Identity,
    "logistic": Sigmoid,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "selu": Selu,
    "gelu": Gelu,
    "silu": Silu,
    "mish": Mish,
    "softplus": Softplus,
}
