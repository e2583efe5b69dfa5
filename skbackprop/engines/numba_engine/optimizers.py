"""Optimizers: a call of the compiled rule."""

from __future__ import annotations

from .calls import call_update
from .compilation import glue
from .numerics import in_precision_of
from .rows import part

__all__ = ["update"]


@glue
def update(rules, vector, gradient, memory, start, stop, how, step):
    """Update parameters and memory in one walk; return the sum of squares before.

    `how` are the strength of the penalty, the factor that decays, the one that clips, and
    the sign of the convention, `step` the learning rate and the number of the step.
    """
    how = in_precision_of(vector[0], how)
    vector, gradient = part(vector, start, stop), part(gradient, start, stop)
    numbers = rules.optimizer_numbers
    return call_update(rules.optimizer, vector, gradient, memory, start, how, numbers, step)
