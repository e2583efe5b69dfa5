"""Initializers: the weights and biases that training starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .spec import Spec

__all__ = ["INITIALIZERS", "GlorotUniform", "Initializer"]


class Initializer(Protocol):
    """Called for the weights, then for the bias, layer by layer, with one stream."""

    def __call__(
        self,
        layer: int,
        kind: Literal["weights", "bias"],
        weights_shape: tuple[int, int],
        rng: np.random.RandomState,
        out: NDArray,
    ) -> None:
        """Fill `out`; `weights_shape` is ``(fan_in, fan_out)`` for both kinds."""


@dataclass(kw_only=True)
class GlorotUniform(Spec):
    """``uniform(-b, b)`` with ``b = sqrt(factor / (fan_in + fan_out))``.

    The factor 6 makes the variance of Glorot & Bengio (2010), *Understanding the
    difficulty of training deep feedforward neural networks*, equation 16; logistic
    units take 2. One factor per layer is accepted; None asks the activations.
    """

    factor: float | Sequence[float] | None = None

    def __call__(self, layer, kind, weights_shape, rng, out):
        factor = 6.0 if self.factor is None else self.factor
        if np.ndim(factor):
            factor = factor[layer]
        bound = np.sqrt(factor / sum(weights_shape))
        out[...] = rng.uniform(-bound, bound, out.shape)


INITIALIZERS = {"glorot_uniform": GlorotUniform}
