"""Optimizers: from the gradient to the weight update, a rule and its memory.

A rule works on flat arrays and in place: `update` turns the gradient it is given
into the update. It is elementwise, so an engine may walk the arrays in pieces, and
odd in the gradient, so that the error convention changes no result.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .rule import INFINITY, Spec, number, spec, switch

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "Rprop",
]


class Optimizer(Protocol):
    """A rule; what it remembers is handed to it with every call.

    A rule may also have `written`, pairs of a name and a formula, into which a trace puts
    numbers: what becomes of each array of the memory, and the `update`. A formula may use
    them, the rule's parameters, `learning_rate`, `gradient` and `t`.

    A rule may also have a number `weight_decay`, by which times the learning rate the
    weights (not the biases) shrink before each update, and `needs_all_rows = True`, if
    it makes sense only when every batch is all rows.
    """

    def init(self, vector: NDArray) -> dict[str, NDArray]:
        """Return the memory before the first step: arrays like `vector`."""

    def update(
        self, gradient: NDArray, memory: dict[str, NDArray], learning_rate: float, t: int
    ) -> None:
        """Turn `gradient` into the weight update, in place; `t` counts steps from 1."""


@spec
class SGD(Spec):
    """Gradient descent with momentum (Rumelhart, Hinton & Williams, 1986).

    ::

        velocity <- momentum * velocity + learning_rate * gradient
        update   <- velocity
        update   <- momentum * velocity + learning_rate * gradient   (Nesterov)

    ``velocity`` is the previous weight update: it contains the learning rate, as in
    scikit-learn and Keras, and unlike PyTorch. Nesterov's form looks one step ahead
    (Sutskever, Martens, Dahl & Hinton, 2013).

    Parameters
    ----------
    momentum : float, default=0.0
        Share of the previous update that is repeated, in [0, 1].
    nesterovs_momentum : bool, default=False
        Whether to look one step ahead.
    """

    momentum: float = number(0.0, 0, 1)
    nesterovs_momentum: bool = switch(False)

    from_estimator = ("momentum", "nesterovs_momentum")

    @property
    def written(self):
        move = "learning_rate * gradient"
        if self.momentum == 0:
            return (("update", move),)
        velocity = f"momentum * velocity + {move}"
        update = velocity if self.nesterovs_momentum else "velocity"
        return (("velocity", velocity), ("update", update))

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


@spec
class Adam(Spec):
    """Adaptive moments (Kingma & Ba, 2015), *Adam: a method for stochastic optimization*.

    ::

        m      <- beta_1 * m + (1 - beta_1) * gradient
        v      <- beta_2 * v + (1 - beta_2) * gradient^2
        rate   <- learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)
        update <- rate * m / (sqrt(v) + epsilon)

    The last two lines are the paper's section 2, where epsilon meets the moment
    before its bias correction, as in scikit-learn and unlike PyTorch. The memory holds
    ``m / (1 - beta_1)`` and ``v / (1 - beta_2)``: two passes over the arrays less.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Share of the old `m` that stays, in [0, 1).
    beta_2 : float, default=0.999
        Share of the old `v` that stays, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the divisor from zero; positive.
    """

    beta_1: float = number(0.9, 0, 1, "[)")
    beta_2: float = number(0.999, 0, 1, "[)")
    epsilon: float = number(1e-8, 0, INFINITY, "()")

    from_estimator = ("beta_1", "beta_2", "epsilon")

    written = (
        ("m", "beta_1 * m + gradient"),
        ("v", "beta_2 * v + gradient * gradient"),
        (
            "update",
            "learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * (1 - beta_1) * m / "
            "(sqrt((1 - beta_2) * v) + epsilon)",
        ),
    )

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


@spec
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019).

    ::

        weights <- weights - learning_rate * weight_decay * weights, then as in Adam

    Parameters
    ----------
    beta_1 : float, default=0.9
        Share of the old `m` that stays, in [0, 1).
    beta_2 : float, default=0.999
        Share of the old `v` that stays, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the divisor from zero; positive.
    weight_decay : float, default=0.01
        Part of the weights taken off per step, as a multiple of the learning rate; 0 or
        more.
    """

    weight_decay: float = number(0.01, 0, INFINITY, "[)")


@spec
class NAdam(Spec):
    """Adam with Nesterov's look ahead (Dozat, 2016), with a constant beta_1.

    ::

        m      <- beta_1 * m + (1 - beta_1) * gradient
        v      <- beta_2 * v + (1 - beta_2) * gradient^2
        ahead  <- beta_1 * m / (1 - beta_1^(t+1)) + (1 - beta_1) * gradient / (1 - beta_1^t)
        update <- learning_rate * ahead / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    beta_1 : float, default=0.9
        Share of the old `m` that stays, in [0, 1).
    beta_2 : float, default=0.999
        Share of the old `v` that stays, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the divisor from zero; positive.
    """

    beta_1: float = number(0.9, 0, 1, "[)")
    beta_2: float = number(0.999, 0, 1, "[)")
    epsilon: float = number(1e-8, 0, INFINITY, "()")

    from_estimator = ("beta_1", "beta_2", "epsilon")

    written = (
        ("m", "beta_1 * m + (1 - beta_1) * gradient"),
        ("v", "beta_2 * v + (1 - beta_2) * gradient * gradient"),
        (
            "update",
            "learning_rate * (beta_1 * m / (1 - beta_1**(t + 1)) + (1 - beta_1) * "
            "gradient / (1 - beta_1**t)) / (sqrt(v / (1 - beta_2**t)) + epsilon)",
        ),
    )

    def init(self, vector):
        return {"m": np.zeros_like(vector), "v": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        m, v = memory["m"], memory["v"]
        m *= self.beta_1
        m += (1 - self.beta_1) * gradient
        v *= self.beta_2
        v += (1 - self.beta_2) * gradient * gradient
        gradient *= (1 - self.beta_1) / (1 - self.beta_1**t)
        gradient += self.beta_1 / (1 - self.beta_1 ** (t + 1)) * m
        gradient /= np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon
        gradient *= learning_rate


@spec
class RMSprop(Spec):
    """Divide by a running root mean square (Tieleman & Hinton, 2012, lecture 6.5).

    ::

        v      <- decay * v + (1 - decay) * gradient^2
        update <- learning_rate * gradient / (sqrt(v) + epsilon)

    Parameters
    ----------
    decay : float, default=0.9
        Share of the old `v` that stays, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the divisor from zero; positive.
    """

    decay: float = number(0.9, 0, 1, "[)")
    epsilon: float = number(1e-8, 0, INFINITY, "()")

    from_estimator = ("epsilon",)

    written = (
        ("v", "decay * v + (1 - decay) * gradient * gradient"),
        ("update", "learning_rate * gradient / (sqrt(v) + epsilon)"),
    )

    def init(self, vector):
        return {"v": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        v = memory["v"]
        v *= self.decay
        v += (1 - self.decay) * gradient * gradient
        gradient /= np.sqrt(v) + self.epsilon
        gradient *= learning_rate


@spec
class Adagrad(Spec):
    """Divide by the root of all squares so far (Duchi, Hazan & Singer, 2011).

    ::

        v      <- v + gradient^2
        update <- learning_rate * gradient / (sqrt(v) + epsilon)

    Parameters
    ----------
    epsilon : float, default=1e-8
        Keeps the divisor from zero; positive.
    """

    epsilon: float = number(1e-8, 0, INFINITY, "()")

    from_estimator = ("epsilon",)

    written = (
        ("v", "v + gradient * gradient"),
        ("update", "learning_rate * gradient / (sqrt(v) + epsilon)"),
    )

    def init(self, vector):
        return {"v": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        v = memory["v"]
        v += gradient * gradient
        gradient /= np.sqrt(v) + self.epsilon
        gradient *= learning_rate


@spec
class Rprop(Spec):
    """A step size of its own for every parameter (Riedmiller & Braun, 1993).

    No update is taken back, as in the variant iRprop- of Igel & Hüsken (2003):

    ::

        step   <- step * increase   where the gradient kept its sign
        step   <- step * decrease   where it changed; the gradient then counts as 0
        update <- sign(gradient) * step

    Steps start at the learning rate and stay between `smallest` and `largest`. Only
    signs count, so every batch must be all rows. The memory holds steps as multiples of
    the learning rate.

    Parameters
    ----------
    increase : float, default=1.2
        Factor on a step whose gradient kept its sign, above 1.
    decrease : float, default=0.5
        Factor on a step whose gradient changed its sign, in (0, 1).
    smallest : float, default=1e-6
        The smallest step; positive.
    largest : float, default=50.0
        The largest step; positive.
    """

    increase: float = number(1.2, 1, INFINITY, "()")
    decrease: float = number(0.5, 0, 1, "()")
    smallest: float = number(1e-6, 0, INFINITY, "()")
    largest: float = number(50.0, 0, INFINITY, "()")

    needs_all_rows = True

    def init(self, vector):
        return {"step": np.ones_like(vector), "previous": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        if learning_rate == 0:  # where a schedule ends; steps are multiples of it
            gradient[...] = 0
            return
        step, previous = memory["step"], memory["previous"]
        agreement = np.sign(gradient) * np.sign(previous)
        step[agreement > 0] *= self.increase
        step[agreement < 0] *= self.decrease
        np.clip(step, self.smallest / learning_rate, self.largest / learning_rate, out=step)
        gradient[agreement < 0] = 0
        previous[...] = gradient
        np.sign(gradient, out=gradient)
        gradient *= step
        gradient *= learning_rate


@spec
class Lion(Spec):
    """Only the sign of a momentum moves the weights (Chen et al., 2023).

    ::

        update <- learning_rate * sign(beta_1 * m + (1 - beta_1) * gradient)
        m      <- beta_2 * m + (1 - beta_2) * gradient

    Its learning rate wants to be three to ten times smaller than Adam's.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Share of `m` in what gives the sign, in [0, 1).
    beta_2 : float, default=0.99
        Share of the old `m` that stays, in [0, 1).
    weight_decay : float, default=0.0
        As in :class:`AdamW`, 0 or more.
    """

    beta_1: float = number(0.9, 0, 1, "[)")
    beta_2: float = number(0.99, 0, 1, "[)")
    weight_decay: float = number(0.0, 0, INFINITY, "[)")

    written = (
        ("update", "learning_rate * sign(beta_1 * m + (1 - beta_1) * gradient)"),
        ("m", "beta_2 * m + (1 - beta_2) * gradient"),
    )

    def init(self, vector):
        return {"m": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        m = memory["m"]
        ahead = self.beta_1 * m + (1 - self.beta_1) * gradient
        m *= self.beta_2
        m += (1 - self.beta_2) * gradient
        np.sign(ahead, out=gradient)
        gradient *= learning_rate


#: Optimizers by the names that the estimators take.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "rprop": Rprop,
    "lion": Lion,
}
