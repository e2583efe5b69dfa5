"""Initializers: the weights and biases that training starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .rule import INFINITY, Interval, Spec, number, spec

__all__ = [
    "INITIALIZERS",
    "GivenWeights",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "Uniform",
    "Zeros",
]


POSITIVE = Interval(Real, 0, INFINITY, "()")


class Initializer(Protocol):
    """Called for the weights and then the bias of each layer, with one random stream."""

    def __call__(
        self,
        layer: int,
        kind: Literal["weights", "bias"],
        weights_shape: tuple[int, int],
        rng: np.random.RandomState,
        out: NDArray,
    ) -> None:
        """Fill `out`; `weights_shape` is ``(fan_in, fan_out)`` for both kinds."""


@spec
class GlorotUniform(Spec):
    """Weights and biases ``uniform(-b, b)``, ``b = sqrt(factor / (fan_in + fan_out))``.

    The factor 6 gives the variance of equation 16 in Glorot & Bengio (2010),
    *Understanding the difficulty of training deep feedforward neural networks*; for
    logistic units it is 2.

    Parameters
    ----------
    factor : float, sequence of floats or None, default=None
        One for all layers or one for each, positive. With None it is 2 for layers with
        logistic units and 6 for others; an activation given for all layers decides for
        the output layer too.
    """

    factor: float | Sequence[float] | None = None

    @property
    def n_layers(self):
        return len(self.factor) if np.ndim(self.factor) else None

    def check(self):
        """Raise ValueError unless each factor is positive and finite, or left open."""
        if self.factor is None:
            return
        if not all(f in POSITIVE for f in np.atleast_1d(np.asarray(self.factor, object))):
            raise ValueError(
                f"The 'factor' parameter of GlorotUniform must be {POSITIVE}, one for "
                f"all layers or one for each, or None. Got {self.factor!r} instead."
            )

    def __call__(self, layer, kind, weights_shape, rng, out):
        factor = 6.0 if self.factor is None else self.factor
        if np.ndim(factor):
            factor = factor[layer]
        bound = np.sqrt(factor / sum(weights_shape))
        out[...] = rng.uniform(-bound, bound, out.shape)


def _uniform(rng, variance, shape):
    bound = np.sqrt(3 * variance)  # uniform(-b, b) has the variance b^2 / 3
    return rng.uniform(-bound, bound, shape)


@spec
class GlorotNormal(Spec):
    """Normal weights of variance ``2 / (fan_in + fan_out)``, biases zero."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        variance = 2 / sum(weights_shape)
        out[...] = 0 if kind == "bias" else rng.normal(0, np.sqrt(variance), out.shape)


@spec
class HeUniform(Spec):
    """Uniform weights of variance ``2 / fan_in``, biases zero (He et al., 2015)."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        variance = 2 / weights_shape[0]
        out[...] = 0 if kind == "bias" else _uniform(rng, variance, out.shape)


@spec
class HeNormal(Spec):
    """Normal weights of variance ``2 / fan_in``, biases zero (He et al., 2015)."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        variance = 2 / weights_shape[0]
        out[...] = 0 if kind == "bias" else rng.normal(0, np.sqrt(variance), out.shape)


@spec
class LecunUniform(Spec):
    """Uniform weights of variance ``1 / fan_in``, biases zero (LeCun et al., 1998)."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        variance = 1 / weights_shape[0]
        out[...] = 0 if kind == "bias" else _uniform(rng, variance, out.shape)


@spec
class LecunNormal(Spec):
    """Normal weights of variance ``1 / fan_in``, biases zero (LeCun et al., 1998)."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        variance = 1 / weights_shape[0]
        out[...] = 0 if kind == "bias" else rng.normal(0, np.sqrt(variance), out.shape)


@spec
class Uniform(Spec):
    """Weights and biases ``uniform(-bound, bound)``.

    Parameters
    ----------
    bound : float, default=0.05
        The largest absolute value; positive.
    """

    bound: float = number(0.05, 0, INFINITY, "()")

    def __call__(self, layer, kind, weights_shape, rng, out):
        out[...] = rng.uniform(-self.bound, self.bound, out.shape)


@spec
class Normal(Spec):
    """Weights and biases normal with mean 0 and the given standard deviation.

    Parameters
    ----------
    deviation : float, default=0.05
        The standard deviation; positive.
    """

    deviation: float = number(0.05, 0, INFINITY, "()")

    def __call__(self, layer, kind, weights_shape, rng, out):
        out[...] = rng.normal(0, self.deviation, out.shape)


@spec
class Orthogonal(Spec):
    """Weights with orthonormal rows or columns times a gain, biases zero.

    Saxe, McClelland & Ganguli (2014), *Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks*.

    Parameters
    ----------
    gain : float, default=1.0
        Length of the rows or columns; positive.
    """

    gain: float = number(1.0, 0, INFINITY, "()")

    def __call__(self, layer, kind, weights_shape, rng, out):
        if kind == "bias":
            out[...] = 0
            return
        fan_in, fan_out = weights_shape
        tall = rng.normal(size=(max(weights_shape), min(weights_shape)))
        q, r = np.linalg.qr(tall)
        q *= self.gain * np.sign(np.diag(r))  # else the directions are not uniform
        out[...] = q if fan_in >= fan_out else q.T


@spec
class Zeros(Spec):
    """Weights and biases of zero, so that all units of a layer learn the same."""

    def __call__(self, layer, kind, weights_shape, rng, out):
        out[...] = 0


@dataclass(eq=False, repr=False)
class GivenWeights(Spec):
    """Weights and biases of your own, one array per layer of each.

    Parameters
    ----------
    coefs : sequence of ndarrays
        Weights, one array of shape (fan_in, fan_out) per layer; finite.
    intercepts : sequence of ndarrays
        Biases, one array of shape (fan_out,) per layer; finite.
    """

    coefs: Sequence[NDArray]  # (fan_in, fan_out) each
    intercepts: Sequence[NDArray]  # (fan_out,) each

    @property
    def n_layers(self):
        return len(self.coefs)

    def check(self):
        """Raise ValueError unless there are as many biases as weights."""
        if len(self.coefs) != len(self.intercepts) or len(self.coefs) == 0:
            raise ValueError(
                "A network needs one array of weights and one of biases per layer. Got "
                f"{len(self.coefs)} arrays of weights and {len(self.intercepts)} of biases."
            )
        arrays = [np.asarray(array, float) for array in (*self.coefs, *self.intercepts)]
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("GivenWeights has a weight or bias that is not finite.")

    def __call__(self, layer, kind, weights_shape, rng, out):
        arrays = self.intercepts if kind == "bias" else self.coefs
        shape = np.shape(arrays[layer])
        if shape != out.shape:
            raise ValueError(
                f"GivenWeights needs {kind} of shape {out.shape} for layer {layer} (the "
                f"first is 0), but has {shape}. Give one array per "
                "layer that fits X, hidden_layer_sizes and the number of outputs."
            )
        out[...] = arrays[layer]

    def __repr__(self):
        return f"GivenWeights(<{len(self.coefs)} layers>)"


#: Initializers by the names that the estimators take.
INITIALIZERS: dict[str, type[Initializer]] = {
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "uniform": Uniform,
    "normal": Normal,
    "orthogonal": Orthogonal,
    "zeros": Zeros,
}
