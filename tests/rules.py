"""All rules the library ships, and targets that its losses accept.

The tests run over these lists, so that a rule added to the library is tested without
editing a test. Each rule is taken as it comes and, where it has numbers or switches,
once more with all of them changed.
"""

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np

import skbackprop.activations
import skbackprop.averaging
import skbackprop.losses
import skbackprop.optimizers
import skbackprop.schedules
from skbackprop.activations import ACTIVATIONS, ElementwiseActivation
from skbackprop.losses import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    DistributionLoss,
    RowLoss,
    outputs_per_target,
)
from skbackprop.optimizers import OPTIMIZERS, ElementwiseOptimizer
from skbackprop.rule import Interval, Spec

SOLVERS = [*OPTIMIZERS, "lbfgs"]
KINDS = ["binary", "multiclass", "multilabel-indicator"]


# what rules are derived from, and no rules themselves
BASES = ElementwiseActivation, RowLoss, DistributionLoss, ElementwiseOptimizer


def classes_of(module):
    """The rules that a module makes public."""
    public = [getattr(module, name) for name in module.__all__]
    classes = [cls for cls in public if isinstance(cls, type) and issubclass(cls, Spec)]
    return [cls for cls in classes if cls not in BASES]


def changed(spec):
    """A copy with every number moved inside its interval and every switch turned."""
    values = {}
    for field in fields(spec):
        value, allowed = getattr(spec, field.name), field.metadata.get("allowed")
        if isinstance(value, bool):
            values[field.name] = not value
        elif isinstance(allowed, Interval) and value is not None:
            values[field.name] = moved(value, allowed)
    return replace(spec, **values)


def moved(value, allowed):
    """Another number of the interval: one up, or halfway to the end that is near."""
    up = value + 1 if allowed.high == np.inf else (value + allowed.high) / 2
    return up if up in allowed and up != value else (value + allowed.low) / 2


def with_changed(specs):
    """Each rule by its repr, as it is and changed."""
    specs = [*specs, *map(changed, specs)]
    return {repr(spec): spec for spec in specs}


def _losses():
    """Every loss class, those that take a link with every activation as the link."""
    for cls in classes_of(skbackprop.losses):
        if "link" in {field.name for field in fields(cls)}:
            yield from (cls(link=link) for link in LINKS.values())
        else:
            yield cls()


HIDDEN_ACTIVATIONS = with_changed([cls() for cls in ACTIVATIONS.values()])
LINKS = with_changed([cls() for cls in classes_of(skbackprop.activations)])
OPTIMIZER_OBJECTS = with_changed([cls() for cls in classes_of(skbackprop.optimizers)])
AVERAGING_OBJECTS = with_changed(
    [skbackprop.averaging.EMA(), skbackprop.averaging.SWA(start=2)]
)
SCHEDULE_OBJECTS = with_changed([cls() for cls in classes_of(skbackprop.schedules)])
LOSSES = with_changed(list(_losses()))


def n_outputs_of(loss):
    """The numbers of outputs to test: a softmax of a single unit would always be 1."""
    if outputs_per_target(loss) > 1:
        return [outputs_per_target(loss), 2 * outputs_per_target(loss)]
    return [3] if getattr(loss, "output_activation", None) == "softmax" else [1, 3]


LOSSES_AND_OUTPUTS = {
    f"{name}-{n_outputs}": (loss, n_outputs)
    for name, loss in LOSSES.items()
    for n_outputs in n_outputs_of(loss)
}


def random_target(loss, n_rows, n_outputs, rng):
    """A target of the loss's domain, shape (n_rows, n_outputs).

    Outputs that are probabilities are compared with zeros and ones, others with the
    widest that their loss accepts of real numbers, positive ones, and zeros and ones. All
    outputs of one target are compared with the same.
    """
    each = outputs_per_target(loss)
    if each > 1 and n_outputs % each == 0:
        return np.repeat(rng.standard_normal((n_rows, n_outputs // each)), each, axis=1)
    shape = n_rows, n_outputs
    one_hot = np.eye(n_outputs)[rng.randint(n_outputs, size=n_rows)]
    binary = rng.randint(0, 2, shape).astype(float)
    by_link = {"softmax": [one_hot], "logistic": [binary]}
    quantities = [rng.standard_normal(shape), rng.gamma(2, size=shape), one_hot]
    candidates = by_link.get(getattr(loss, "output_activation", None), quantities)
    return next(target for target in candidates if accepts(loss, target))


def accepts(loss, target):
    try:
        getattr(loss, "check_target", lambda target: None)(target)
    except ValueError:
        return False
    return True


def _classifier_tasks():
    """Each named loss of the classifier with every kind of y that it accepts."""
    several_labels = np.array([[1.0, 1.0, 0.0]])
    for name, entry in CLASSIFIER_LOSSES.items():
        for kind in KINDS:
            loss = entry[kind]() if isinstance(entry, Mapping) else entry()
            if kind != "multilabel-indicator" or accepts(loss, several_labels):
                yield name, kind


def labels(kind, n_rows, rng):
    """Labels of one of the kinds of y, all classes among them."""
    if kind == "multilabel-indicator":
        return rng.randint(0, 2, (n_rows, 3))
    return rng.permutation(np.arange(n_rows) % {"binary": 2, "multiclass": 3}[kind])


def quantity(loss_name, n_rows, rng):
    """A 1-D target for a regressor's loss given by name."""
    return random_target(REGRESSOR_LOSSES[loss_name](), n_rows, 1, rng)[:, 0]


CLASSIFIER_TASKS = list(_classifier_tasks())
