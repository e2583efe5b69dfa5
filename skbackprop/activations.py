"""Activations: how a unit turns its net input into its activation, and the derivative.

The derivative is written in whatever array is cheapest to keep: ``saves`` says
whether `backward` is handed the activation or the net input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .spec import Spec

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Exponential",
    "Identity",
    "Relu",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class Activation(Protocol):
    """What a layer needs of an activation.

    An activation may also have `written`, value and derivative as formulas in z and a,
    into which a trace puts numbers.
    """

    saves: Literal["activation", "net_input"]

    def forward(self, z: NDArray, out: NDArray) -> None:
        """Fill `out` with f(z); `out` may be `z`."""

    def backward(self, saved: NDArray, delta: NDArray) -> None:
        """Multiply `delta` by f'(z), in place."""


@dataclass(kw_only=True)
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


@dataclass(kw_only=True)
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


@dataclass(kw_only=True)
class Tanh(Spec):
    """``a = tanh(z)``."""

    saves = "activation"
    name = "tanh"
    written = ("tanh(z)", "1 - a * a")

    def forward(self, z, out):
        np.tanh(z, out=out)

    def backward(self, a, delta):
        delta *= 1 - a * a  # a' = 1 - a^2


@dataclass(kw_only=True)
class Relu(Spec):
    """``a = max(z, 0)``; the derivative at the kink is taken as 0."""

    saves = "activation"
    name = "relu"
    written = ("max(z, 0)", "1 if a > 0 else 0")

    def forward(self, z, out):
        np.maximum(z, 0, out=out)

    def backward(self, a, delta):
        delta *= a > 0


@dataclass(kw_only=True)
class Exponential(Spec):
    """``a = exp(z)``, the output activation of a positive quantity."""

    saves = "activation"
    name = "exp"
    written = ("exp(z)", "a")

    def forward(self, z, out):
        np.exp(z, out=out)

    def backward(self, a, delta):
        delta *= a  # a' = a


@dataclass(kw_only=True)
class Softmax(Spec):
    """``a_k = exp(z_k) / sum_j exp(z_j)``: the units of a layer share one."""

    saves = "activation"
    name = "softmax"
    written = ("exp(z) / sum(exp(z))", "")

    def forward(self, z, out):
        np.subtract(z, z.max(axis=1, keepdims=True), out=out)  # exp cannot overflow
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)

    def backward(self, a, delta):
        # da_k / dz_j = a_k (1[k = j] - a_j): the full Jacobian, not its diagonal
        delta -= np.einsum("ij,ij->i", a, delta)[:, np.newaxis]
        delta *= a


ACTIVATIONS = {
    "identity": Identity,
    "logistic": Sigmoid,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": Relu,
}
