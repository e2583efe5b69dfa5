"""Activations: how a unit turns its net input into its activation, and the derivative.

The derivative is a formula of whichever array is cheaper to keep: ``saves`` says whether it
gets the activation or the net input.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy import exp, expm1, log1p, maximum, minimum, tanh, where
from numpy.typing import NDArray
from scipy.special import ndtr

from .elementwise import Elementwise
from .rule import INFINITY, Spec, number, spec

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ElementwiseActivation",
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
    """What a layer needs from an activation.

    An activation may also have `written`, its value and derivative as formulas of z and
    a, which a trace shows with numbers; an :class:`ElementwiseActivation` does not need
    it.
    """

    saves: str  # "activation" or "net_input"

    def forward(self, z: NDArray, out: NDArray) -> None:
        """Fill `out` with f(z); `out` may be `z`."""

    def backward(self, saved: NDArray, delta: NDArray) -> None:
        """Multiply `delta` by f'(z), in place."""


class ElementwiseActivation(Elementwise):
    """An activation of each unit by itself, written as two formulas.

    A subclass defines `saves` and two methods: ``value(self, z)`` and
    ``derivative(self, a)``, or ``derivative(self, z)`` if it saves the net input. NumPy
    runs them on arrays, the compiled engine compiles them, and a trace shows them.
    """

    made_of: ClassVar = {"forward": "value", "backward": "derivative"}
    saves = "activation"

    def value(self, z: NDArray) -> NDArray:
        """Return f(z)."""
        raise NotImplementedError

    def derivative(self, saved: NDArray) -> NDArray:
        """Return f'(z), written in what `saves` names."""
        raise NotImplementedError

    def forward(self, z: NDArray, out: NDArray) -> None:
        out[...] = self.value(z)

    def backward(self, saved: NDArray, delta: NDArray) -> None:
        # a product of numbers of one precision, whatever the formula's own numbers made
        delta *= np.asarray(self.derivative(saved), delta.dtype)


def slope(activation: Activation, z: NDArray, a: NDArray) -> NDArray | None:
    """Return f'(z) of every unit, None where the activation of a unit depends on others."""
    saved = a if activation.saves == "activation" else z
    slope = np.ones_like(saved)
    activation.backward(saved, slope)
    for unit in {0, saved.shape[1] - 1}:  # of those that are mixed, one
        of_one_unit = np.zeros_like(saved)
        of_one_unit[:, unit] = 1
        activation.backward(saved, of_one_unit)
        of_one_unit[:, unit] = 0
        if (np.abs(of_one_unit) > 0).any():
            return None
    return slope


PER_ROOT_OF_2_PI = 1 / sqrt(2 * pi)
SMALL = 2**16  # elements, of arrays that are kept
LONG_ROW = 64  # from which on a maximum along the row is the faster one


def softplus(z):
    return log1p(exp(-abs(z))) + maximum(z, 0)  # nothing overflows


@spec
class Identity(ElementwiseActivation):
    """``a = z``."""

    name = "identity"

    def value(self, z):
        return z

    def derivative(self, a):
        return 1

    def forward(self, z, out):
        if out is not z:
            out[...] = z

    def backward(self, a, delta):
        pass


@spec
class Sigmoid(ElementwiseActivation):
    """``a = 1 / (1 + exp(-z))``, the logistic function."""

    name = "logistic"
    glorot_factor = 2.0

    def value(self, z):
        return 1 / (1 + exp(-z))  # infinite far to the left, where 1 / inf = 0 is right

    def derivative(self, a):
        return a * (1 - a)

    def forward(self, z, out):
        np.negative(z, out=out)
        np.exp(out, out=out)
        out += 1
        np.divide(1, out, out=out)

    def backward(self, a, delta):
        slope = 1 - a
        slope *= a
        delta *= slope


@spec
class Tanh(ElementwiseActivation):
    """``a = tanh(z)``."""

    name = "tanh"

    def value(self, z):
        return tanh(z)

    def derivative(self, a):
        return 1 - a * a

    def forward(self, z, out):
        np.tanh(z, out=out)

    def backward(self, a, delta):
        delta *= 1 - a * a


@spec
class Relu(ElementwiseActivation):
    """``a = max(z, 0)``; the derivative at the kink is taken as 0."""

    name = "relu"

    def value(self, z):
        return maximum(z, 0)

    def derivative(self, a):
        return a > 0

    def forward(self, z, out):
        # beside a number NumPy has no vector loop
        zeros = filled(0, z.shape, z.dtype) if z.size <= SMALL else 0
        np.maximum(z, zeros, out=out)

    def backward(self, a, delta):
        delta *= a > 0


@spec
class LeakyRelu(ElementwiseActivation):
    """``a = z`` for z > 0, ``slope * z`` below (Maas, Hannun & Ng, 2013).

    Parameters
    ----------
    slope : float, default=0.01
        Slope below zero, in (0, 1).
    """

    slope: float = number(0.01, 0, 1, "()")

    name = "leaky_relu"

    def value(self, z):
        return maximum(z, self.slope * z)

    def derivative(self, a):
        return where(a > 0, 1, self.slope)


@spec
class Elu(ElementwiseActivation):
    """``a = z`` for z > 0, ``alpha * (exp(z) - 1)`` below (Clevert et al., 2016).

    Parameters
    ----------
    alpha : float, default=1.0
        Far below zero the activation tends to ``-alpha``; positive.
    """

    alpha: float = number(1.0, 0, INFINITY, "()")

    name = "elu"

    def value(self, z):
        return where(z > 0, z, self.alpha * expm1(minimum(z, 0)))

    def derivative(self, a):
        return where(a > 0, 1, a + self.alpha)  # below: alpha exp(z)


@spec
class Selu(ElementwiseActivation):
    """``a = scale * elu(z)``, keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    name = "selu"

    scale = 1.0507009873554805
    alpha = 1.6732632423543772

    def value(self, z):
        return self.scale * where(z > 0, z, self.alpha * expm1(minimum(z, 0)))

    def derivative(self, a):
        # below: scale alpha exp(z)
        return where(a > 0, self.scale, a + self.scale * self.alpha)


@spec
class Gelu(ElementwiseActivation):
    """``a = z * Phi(z)``, Phi the normal distribution (Hendrycks & Gimpel, 2016)."""

    saves = "net_input"
    name = "gelu"

    def value(self, z):
        return z * ndtr(z)

    def derivative(self, z):
        return ndtr(z) + z * exp(-z * z / 2) * PER_ROOT_OF_2_PI


@spec
class Silu(ElementwiseActivation):
    """``a = z * sigmoid(z)``, also called swish (Elfwing, Uchibe & Doya, 2018)."""

    saves = "net_input"
    name = "silu"

    def value(self, z):
        return z / (1 + exp(-z))

    def derivative(self, z):
        s = 1 / (1 + exp(-z))
        return s * (1 + z * (1 - s))


@spec
class Mish(ElementwiseActivation):
    """``a = z * tanh(log(1 + exp(z)))`` (Misra, 2019)."""

    saves = "net_input"
    name = "mish"

    def value(self, z):
        return z * tanh(softplus(z))

    def derivative(self, z):
        t = tanh(softplus(z))
        s = 1 / (1 + exp(-z))
        return t + z * s * (1 - t * t)  # softplus' = sigmoid, tanh' = 1 - tanh^2


@spec
class Softplus(ElementwiseActivation):
    """``a = log(1 + exp(z))``, a smooth relu (Dugas et al., 2001)."""

    saves = "net_input"
    name = "softplus"

    def value(self, z):
        return softplus(z)

    def derivative(self, z):
        return 1 / (1 + exp(-z))


@spec
class Exponential(ElementwiseActivation):
    """``a = exp(z)``, the output activation of a positive quantity."""

    name = "exp"

    def value(self, z):
        return exp(z)

    def derivative(self, a):
        return a


def row_sums(array: NDArray) -> NDArray:
    """Return the sum of each row, shape (n_rows,).

    A product with ones takes a fifth of the time of ``array.sum(axis=1)`` where rows are
    short.
    """
    return array.dot(filled(1, array.shape[1], array.dtype))


@lru_cache(maxsize=64)
def filled(value: float, shape: int | tuple[int, ...], dtype: Any) -> NDArray:
    """Return a constant array, which is kept."""
    array = np.full(shape, value, dtype)
    array.flags.writeable = False
    return array


def subtract_largest(z: NDArray, out: NDArray) -> None:
    """Fill `out` with z less the largest of its row, whose exponential cannot overflow.

    In the copy of short rows the maximum walks along memory, in a third of the time.
    """
    largest = z.T.copy().max(axis=0) if z.shape[1] < LONG_ROW else z.max(axis=1)
    np.subtract(z, largest[:, np.newaxis], out=out)


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
