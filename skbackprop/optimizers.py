"""Optimizers: from the gradient to the weight update, a rule and its memory.

A rule works on flat arrays and in place: `update` turns the gradient it is given
into the update. It is elementwise, so an engine may walk the arrays in pieces, and
odd in the gradient, so that the error convention changes no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .spec import Spec, number

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Optimizer"]

INFINITY = float("inf")


class Optimizer(Protocol):
    """A rule; what it remembers is handed to it with every call.

    A rule may also have `written`, the formulas of its memory and its update by name,
    into which a trace puts numbers. The names are those of the memory and of the rule's
    parameters, `learning_rate`, `gradient`, `t` and, last, `update`.
    """

    def init(self, vector: NDArray) -> dict[str, NDArray]:
        """Return the memory before the first step: arrays like `vector`."""

    def update(
        self, gradient: NDArray, memory: dict[str, NDArray], learning_rate: float, t: int
    ) -> None:
        """Turn `gradient` into the weight update, in place; `t` counts steps from 1."""


@dataclass(kw_only=True)
class SGD(Spec):
    """Gradient descent with momentum (Rumelhart, Hinton & Williams, 1986).

        velocity <- momentum * velocity + learning_rate * gradient
        update   <- velocity
        update   <- momentum * velocity + learning_rate * gradient   (Nesterov)

    ``velocity`` is the previous weight update: it contains the learning rate, as in
    scikit-learn and Keras, and unlike PyTorch. Nesterov's form looks one step ahead
    (Sutskever, Martens, Dahl & Hinton, 2013).
    """

    momentum: float = number(0.0, 0, 1)
    nesterovs_momentum: bool = False

    @property
    def written(self):
        move = "learning_rate * gradient"
        if self.momentum == 0:
            return {"update": move}
        velocity = f"momentum * velocity + {move}"
        return {
            "velocity": velocity,
            "update": velocity if self.nesterovs_momentum else "velocity",
        }

    def init(self, vector):
        return {"velocity": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        gradient *= learning_rate
        velocity = memory["velocity"]
        velocity *= self.momentum
        velocity += gradient
        if not self.nesterovs_momentum:
            gradient[...] = velocity
        else:
            gradient += self.momentum * velocity


@dataclass(kw_only=True)
class Adam(Spec):
    """Adaptive moments (Kingma & Ba, 2015), *Adam: a method for stochastic optimization*.

        m      <- beta_1 * m + (1 - beta_1) * gradient
        v      <- beta_2 * v + (1 - beta_2) * gradient^2
        rate   <- learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)
        update <- rate * m / (sqrt(v) + epsilon)

    The last two lines are the paper's section 2, where epsilon meets the moment
    before its bias correction, as in scikit-learn and unlike PyTorch. The memory holds
    ``m / (1 - beta_1)`` and ``v / (1 - beta_2)``: two passes over the arrays less.
    """

    beta_1: float = number(0.9, 0, 1, "[)")
    beta_2: float = number(0.999, 0, 1, "[)")
    epsilon: float = number(1e-8, 0, INFINITY, "()")

    def init(self, vector):
        return {"m": np.zeros_like(vector), "v": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        m, v = memory["m"], memory["v"]
        m *= self.beta_1
        m += gradient
        gradient *= gradient
        v *= self.beta_2
        v += gradient
        rate, epsilon = self._folded(learning_rate, t)
        np.sqrt(v, out=gradient)
        gradient += epsilon
        np.divide(m, gradient, out=gradient)
        gradient *= rate

    def _folded(self, learning_rate, t):
        """Rate and epsilon for the moments as they are stored, without their scale."""
        scale = (1 - self.beta_2) ** 0.5
        rate = learning_rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        return rate * (1 - self.beta_1) / scale, self.epsilon / scale


OPTIMIZERS = {"sgd": SGD, "adam": Adam}
