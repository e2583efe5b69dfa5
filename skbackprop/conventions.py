"""Error conventions: output minus target or the opposite, and so how weights move.

Half of the textbooks write the error of an output as ``output - target`` and
subtract the update, the other half write ``target - output`` and add it. The two
signs cancel. Everything between the error and the update gives the opposite result for the
opposite sign, and negation is exact in floating point, so both give the same weights to the
last bit.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .rule import Spec, spec

__all__ = ["CONVENTIONS", "ErrorConvention", "OutputMinusTarget", "TargetMinusOutput"]


class Words(NamedTuple):
    """How a convention is spoken of where a step is written out."""

    error: str
    delta: str
    direction: str
    penalty: str  # the sign of the penalty's part of the gradient
    operator: str  # between a parameter and its update
    move: str


class ErrorConvention(Protocol):
    """The only place that knows the sign."""

    words: Words

    def orient(self, signal: NDArray) -> NDArray:
        """Turn a derivative into this convention's signal, or back, in place."""

    def apply(self, vector: NDArray, update: NDArray) -> None:
        """Move the parameters by the update, in place."""


@spec
class OutputMinusTarget(Spec):
    """``error = output - target``: signals point uphill, the update is subtracted."""

    name = "output_minus_target"
    words = Words(
        error="o - t",
        delta="d loss / d z",
        direction="uphill",
        penalty="+",
        operator="-",
        move="subtract {update} from {parameter}",
    )

    def orient(self, signal):
        return signal

    def apply(self, vector, update):
        vector -= update


@spec
class TargetMinusOutput(Spec):
    """``error = target - output``: signals point downhill, the update is added."""

    name = "target_minus_output"
    words = Words(
        error="t - o",
        delta="-(d loss / d z)",
        direction="downhill",
        penalty="-",
        operator="+",
        move="add {update} to {parameter}",
    )

    def orient(self, signal):
        return np.negative(signal, out=signal)

    def apply(self, vector, update):
        vector += update


#: Conventions by the names that the estimators take.
CONVENTIONS: dict[str, type[ErrorConvention]] = {
    "output_minus_target": OutputMinusTarget,
    "target_minus_output": TargetMinusOutput,
}
