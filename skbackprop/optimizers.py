"""Optimizers: from the gradient to the weight update, a rule and its memory.

A rule works on flat arrays and in place: `update` turns the gradient into the weight
update. It is elementwise, so that an engine may process the arrays in pieces, and odd in
the gradient, so that the error convention does not change results. `step` says what happens
to one number, and `update` is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from inspect import signature
from typing import ClassVar, Protocol

import numpy as np
from numpy import clip, sign, sqrt, where
from numpy.typing import NDArray

from .elementwise import Elementwise
from .rule import INFINITY, number, spec, switch

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ElementwiseOptimizer",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "Rprop",
]


class Optimizer(Protocol):
    """A rule, whose memory is passed to it in every call.

    An :class:`ElementwiseOptimizer` makes both methods from the step of one number.
    Another rule may have `written`, pairs of a name and a formula, which a trace shows
    with numbers: the new value of each array of the memory, and the `update`. A formula
    may use these, the parameters of the rule, `learning_rate`, `gradient` and `t`.

    A rule may also have a number `weight_decay`: the weights (not the biases) shrink by
    ``learning_rate * weight_decay`` before each update. With `needs_all_rows = True`
    every batch contains all rows.
    """

    def init(self, vector: NDArray) -> dict[str, NDArray]:
        """Return the memory before the first step: arrays like `vector`."""

    def update(
        self, gradient: NDArray, memory: dict[str, NDArray], learning_rate: float, t: int
    ) -> None:
        """Turn `gradient` into the weight update, in place; `t` counts steps from 1."""


@lru_cache(maxsize=64)
def _arguments(step):
    """Return the names of what a step takes beside the gradient."""
    return tuple(signature(step).parameters)[2:]


class ElementwiseOptimizer(Elementwise):
    """An optimizer written as what happens to one number of the gradient.

    A subclass defines `memory`, what is remembered of each parameter and its value before
    the first step, and ``step(self, g, ..., learning_rate, t)``, which takes the gradient,
    the memory by its names, and of the last two what it needs. It returns the weight
    update and the new memory, in the order of `memory`. NumPy runs it on arrays, the
    compiled engine compiles it, and a trace shows it. Names that depend on the step alone
    are numbers in double precision.
    """

    made_of: ClassVar = {"update": "step"}
    memory: ClassVar[Mapping[str, float]] = {}

    def init(self, vector: NDArray) -> dict[str, NDArray]:
        return {name: np.full_like(vector, value) for name, value in self.memory.items()}

    def update(
        self, gradient: NDArray, memory: dict[str, NDArray], learning_rate: float, t: int
    ) -> None:
        known = {**memory, "learning_rate": learning_rate, "t": t}
        step = type(self).step  # type: ignore[attr-defined]  # of a subclass
        found = step(self, gradient, *(known[name] for name in _arguments(step)))
        update, *remembered = found if self.memory else (found,)
        for name, array in zip(self.memory, remembered, strict=True):
            memory[name][...] = array
        gradient[...] = update


@spec
class SGD(ElementwiseOptimizer):
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
        Fraction of the previous update that is repeated, in [0, 1].
    nesterovs_momentum : bool, default=False
        Whether to look one step ahead.
    """

    momentum: float = number(0.0, 0, 1)
    nesterovs_momentum: bool = switch(False)

    from_estimator = ("momentum", "nesterovs_momentum")

    memory: ClassVar = {"velocity": 0.0}

    def step(self, g, velocity, learning_rate):
        move = learning_rate * g
        velocity = self.momentum * velocity + move
        update = self.momentum * velocity + move if self.nesterovs_momentum else velocity
        return update, velocity

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
class Adam(ElementwiseOptimizer):
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

    memory: ClassVar = {"m": 0.0, "v": 0.0}

    def step(self, g, m, v, learning_rate, t):
        m = self.beta_1 * m + g  # m and v without 1 - beta, which rate and epsilon hold
        v = self.beta_2 * v + g * g
        scale = (1 - self.beta_2) ** 0.5
        rate = learning_rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        rate = rate * (1 - self.beta_1) / scale
        epsilon = self.epsilon / scale
        return m / (sqrt(v) + epsilon) * rate, m, v

    def update(self, gradient, memory, learning_rate, t):
        m, v = memory["m"], memory["v"]
        m *= self.beta_1
        m += gradient
        gradient *= gradient
        v *= self.beta_2
        v += gradient
        scale = (1 - self.beta_2) ** 0.5
        rate = learning_rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        np.sqrt(v, out=gradient)
        gradient += self.epsilon / scale
        np.divide(m, gradient, out=gradient)
        gradient *= rate * (1 - self.beta_1) / scale


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
        Fraction of the weights taken off per step, as a multiple of the learning rate;
        0 or more.
    """

    weight_decay: float = number(0.01, 0, INFINITY, "[)")


@spec
class NAdam(ElementwiseOptimizer):
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

    memory: ClassVar = {"m": 0.0, "v": 0.0}

    def step(self, g, m, v, learning_rate, t):
        m = self.beta_1 * m + (1 - self.beta_1) * g
        v = self.beta_2 * v + (1 - self.beta_2) * g * g
        of_g = (1 - self.beta_1) / (1 - self.beta_1**t)
        of_m = self.beta_1 / (1 - self.beta_1 ** (t + 1))
        ahead = of_g * g + of_m * m
        root = sqrt(v / (1 - self.beta_2**t))
        return ahead / (root + self.epsilon) * learning_rate, m, v


@spec
class RMSprop(ElementwiseOptimizer):
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

    memory: ClassVar = {"v": 0.0}

    def step(self, g, v, learning_rate):
        v = self.decay * v + (1 - self.decay) * g * g
        return g / (sqrt(v) + self.epsilon) * learning_rate, v


@spec
class Adagrad(ElementwiseOptimizer):
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

    memory: ClassVar = {"v": 0.0}

    def step(self, g, v, learning_rate):
        v = v + g * g
        return g / (sqrt(v) + self.epsilon) * learning_rate, v


@spec
class Rprop(ElementwiseOptimizer):
    """A separate step size for every parameter (Riedmiller & Braun, 1993).

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

    memory: ClassVar = {"step": 1.0, "previous": 0.0}

    def step(self, g, step, previous, learning_rate):
        rests = learning_rate == 0  # where a schedule ends; steps are multiples of it
        unit = learning_rate + rests
        agreement = sign(g) * sign(previous)
        changed = where(agreement > 0, step * self.increase, step)
        changed = where(agreement < 0, step * self.decrease, changed)
        changed = clip(changed, self.smallest / unit, self.largest / unit)
        g = where(agreement < 0, 0, g)
        update = sign(g) * changed * learning_rate
        return update, step if rests else changed, previous if rests else g


@spec
class Lion(ElementwiseOptimizer):
    """Only the sign of a momentum moves the weights (Chen et al., 2023).

    ::

        update <- learning_rate * sign(beta_1 * m + (1 - beta_1) * gradient)
        m      <- beta_2 * m + (1 - beta_2) * gradient

    Choose a learning rate three to ten times smaller than for Adam.

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

    memory: ClassVar = {"m": 0.0}

    def step(self, g, m, learning_rate):
        ahead = self.beta_1 * m + (1 - self.beta_1) * g
        m = self.beta_2 * m + (1 - self.beta_2) * g
        return sign(ahead) * learning_rate, m


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
