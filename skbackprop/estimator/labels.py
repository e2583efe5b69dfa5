"""Labels: how classes become targets of the output layer, and outputs become classes.

There is a class for each kind of y: two classes, several classes, and several labels per
row. What they have in common is what the classifier asks for:

* `encode` turns y into a target, `decode` an output into what `predict` returns;
* `probabilities` and `log_probabilities` turn net inputs into a column per class;
* `decided` says what an output, or a target, stands for, which scores and strata count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn import get_config
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import (
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from ..activations import Sigmoid, Softmax
from ..losses import Loss, RowLoss
from ..network.objective import Objective
from .input_validation import check_classes, check_label_type, may_be_weights
from .missing_targets import has_missing, subset_accuracy

__all__ = [
    "Binary",
    "Labels",
    "Multiclass",
    "Multilabel",
    "label_column",
    "labels_of_classes",
    "learn_labels",
    "stored_labels",
    "sums_to_one",
]

FEW_CLASSES = 256  # whose identity matrix may be kept
_unit_rows = lru_cache(maxsize=16)(np.eye)  # of which targets are taken
NEAR = 1e-5  # net inputs, whose exponentials may be equal in float32


@dataclass(eq=False)
class Labels(ABC):
    """What is known of the labels of a training."""

    classes: NDArray
    is_sparse: bool = False  # whether y was, of which `predict` returns the like

    kind: ClassVar[str]  # as `type_of_target` calls it; losses are chosen by it

    def n_outputs(self, loss: Loss) -> int:
        """Return how many outputs the loss wants for these labels."""
        return len(self.classes)

    def may_have(self, n_outputs: int) -> bool:
        """Say whether there is a loss that wants this many outputs."""
        return n_outputs == len(self.classes)

    def check_classes(self, classes: Any, y: Any) -> None:
        """Raise ValueError for other classes than these."""
        if not np.array_equal(self.classes, check_classes(classes, y)):
            raise ValueError(
                f"classes={classes!r} differs from the classes of the first call, "
                f"{self.classes}. Leave classes out, or start with a new estimator."
                f"{may_be_weights(classes, y)}"
            )

    @abstractmethod
    def check(self, y: Any, must_have_all: bool) -> None:
        """Raise ValueError for labels, or columns of labels, that were not learnt."""

    @abstractmethod
    def encode(self, y: Any, n_outputs: int) -> NDArray:
        """Return the target of known labels, shape (n_rows, n_outputs)."""

    def fill(self, target: NDArray, y: NDArray) -> bool:
        """Fill the target of known labels in the form that `classes` has.

        Return whether they are that.
        """
        return False

    def scored(self, y: Any) -> Any:
        """Return y in the labels that `predict` returns, as a scorer compares them."""
        return y

    @abstractmethod
    def decided(self, output: NDArray) -> NDArray:
        """Return what an output stands for: numbers of classes, or a column per label."""

    @abstractmethod
    def indicators(self, output: NDArray) -> NDArray:
        """Return for each row and class whether the output stands for it."""

    @abstractmethod
    def decode(self, output: NDArray) -> Any:
        """Return the labels that an output stands for."""

    def predict(self, objective: Objective, z: NDArray) -> Any:
        """Return the labels that the net input `z` (overwritten) stands for."""
        return self.decode(objective.link(z))

    @abstractmethod
    def probabilities(self, objective: Objective, z: NDArray) -> NDArray:
        """Return a probability per class, or label, of the net input `z` (overwritten)."""

    def log_probabilities(self, objective: Objective, z: NDArray) -> NDArray:
        """Return the logarithms of the probabilities of the net input `z` (overwritten)."""
        if self.is_probability(objective.loss):
            lowest = np.log(np.finfo(z.dtype).tiny)  # as the probabilities have it
            return np.maximum(objective.log_link(self.net_inputs(z)), lowest)
        return np.log(self.probabilities(objective, z))

    def is_probability(self, loss: Any) -> bool:
        """Say whether the loss knows the logarithm of an output as a probability."""
        return hasattr(loss, "log_predict")

    def net_inputs(self, z: NDArray) -> NDArray:
        """Return the net inputs of one unit per class, or label."""
        return z

    def accuracy(
        self, output: NDArray, target: NDArray, sample_weight: NDArray | None
    ) -> float:
        """Return the fraction of the rows for which an output stands for the target."""
        return accuracy_score(
            self.decided(target), self.decided(output), sample_weight=sample_weight
        )

    def is_poor(self, output: NDArray, target: NDArray, weight: NDArray | None) -> bool:
        """Say whether an output is hardly better than the best constant."""
        found, truth = self.indicators(output), self.indicators(target)
        share = np.average(truth, axis=0, weights=weight)
        if share.max() == 1 or share.min() == 1:
            return False
        right = np.average(found == truth, axis=0, weights=weight)
        return bool(right.mean() <= np.maximum(share, 1 - share).mean())

    @abstractmethod
    def strata(self, target: NDArray) -> NDArray | None:
        """Return labels that a split may be stratified by, or None."""

    @abstractmethod
    def class_indices(self, target: NDArray) -> NDArray:
        """Return the number of the class of each row, which has a class weight."""

    @abstractmethod
    def each(self) -> Any:
        """Return some y in which each class, or each value of each label, occurs."""


class Multiclass(Labels):
    """One of several classes per row: an output for each, the largest decides."""

    kind = "multiclass"

    def check(self, y, must_have_all):
        _check_form(y, 1, self.kind)
        position = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        unknown = y[self.classes[position] != y]
        if len(unknown):
            check_classification_targets(y)
            raise ValueError(
                f"y has classes that were not there before: {np.unique(unknown)}. Known "
                f"are {self.classes}. Start with partial_fit(X, y, classes=...), naming "
                "all classes, or fit again with warm_start=False."
            )
        if must_have_all and not np.isin(self.classes, y).all():
            raise ValueError(
                "warm_start=True needs y with the same classes as before, "
                f"{self.classes}, but y has only {np.unique(y)}. Use partial_fit for "
                "parts of the classes."
            )

    def encode(self, y, n_outputs):
        positions = np.searchsorted(self.classes, y)
        target = np.empty((len(y), n_outputs), bool)
        _fill_one_hot(target, positions)
        return target

    def fill(self, target, y):
        if y.dtype != self.classes.dtype:
            return False
        positions = self.classes.searchsorted(y)
        found = self.classes.take(positions, mode="clip")
        if found.tobytes() != y.tobytes():  # in a third of the time of `!=`
            return False
        if target.shape[1] == 1:
            target[:, 0] = positions
        else:
            _fill_one_hot(target, positions)
        return True

    def decided(self, output):
        return output.argmax(axis=1)

    def indicators(self, output):
        return self.decided(output)[:, np.newaxis] == np.arange(len(self.classes))

    def decode(self, output):
        return self.classes[self.decided(output)]

    def predict(self, objective, z):
        # a softmax takes as long as the products of a row, and keeps the order
        is_softmax = z.shape[1] > 1 and _ends_in_softmax(objective.loss)
        is_decided = is_softmax and _have_one_largest(z)
        return self.decode(z if is_decided else objective.link(z))

    def probabilities(self, objective, z):
        output = objective.link(z)
        return _not_zero(output if sums_to_one(objective.loss) else _shares(output))

    def is_probability(self, loss):
        return super().is_probability(loss) and sums_to_one(loss)

    def strata(self, target):
        return self.decided(target)

    def class_indices(self, target):
        return self.decided(target)

    def each(self):
        return self.classes


class Binary(Multiclass):
    """Two classes, or one: one output for the second class, or one for each.

    With a single class there is nothing to decide, whatever the output.
    """

    kind = "binary"

    def n_outputs(self, loss):
        return getattr(loss, "n_binary_outputs", 2)

    def may_have(self, n_outputs):
        return n_outputs in (1, 2) and len(self.classes) <= 2

    def encode(self, y, n_outputs):
        if n_outputs == 1:
            return np.searchsorted(self.classes, y)[:, np.newaxis]
        return super().encode(y, n_outputs)

    def decided(self, output):
        is_second = output[:, 0] > 0.5 if output.shape[1] == 1 else output.argmax(axis=1)
        return np.minimum(is_second, len(self.classes) - 1)

    def probabilities(self, objective, z):
        if len(self.classes) == 1:
            return np.ones((len(z), 1), z.dtype)
        if z.shape[1] == 2:
            return super().probabilities(objective, z)
        if not _is_symmetric(objective.loss):
            output = objective.link(z)
            return _not_zero(np.hstack([1 - output, output]))
        both = objective.link(self.net_inputs(z))
        # 1 - o is exact up to one half; above, the link of -z is
        np.subtract(1, both[:, 1], out=both[:, 0], where=both[:, 1] <= 0.5)
        return _not_zero(both)

    def is_probability(self, loss):
        if len(self.classes) == 1:
            return False
        if self.n_outputs(loss) == 2:
            return super().is_probability(loss)
        return hasattr(loss, "log_predict") and _is_symmetric(loss)

    def net_inputs(self, z):
        return np.hstack([-z, z]) if z.shape[1] == 1 else z


class Multilabel(Labels):
    """Several labels per row: an output for each, which is above one half or not."""

    kind = "multilabel-indicator"

    def check(self, y, must_have_all):
        _check_form(y, 2, self.kind)
        _check_indicators(y)  # the layers tell whether the columns fit

    def encode(self, y, n_outputs):
        return _yes_or_no(y.toarray() if issparse(y) else y)

    def scored(self, y):
        return _yes_or_no(y) if has_missing(y) else (y != 0).astype(np.int64)

    def decided(self, output):
        return output > 0.5

    indicators = decided

    def accuracy(self, output, target, sample_weight):
        if has_missing(target):
            return subset_accuracy(target, self.decided(output), sample_weight)
        return super().accuracy(output, target, sample_weight)

    def is_poor(self, output, target, weight):
        if not has_missing(target):
            return super().is_poor(output, target, weight)
        found, truth = self.indicators(output), np.ma.masked_invalid(target)
        share = np.ma.average(truth, axis=0, weights=weight)
        right = np.ma.average(found == truth, axis=0, weights=weight)
        return bool(right.mean() <= np.maximum(share, 1 - share).mean())

    def decode(self, output):
        labels = self.decided(output).astype(np.int64)
        return _sparse(labels) if self.is_sparse else labels

    def probabilities(self, objective, z):
        below_1 = np.nextafter(z.dtype.type(1), z.dtype.type(0))
        return np.minimum(_not_zero(objective.link(z)), below_1)

    def strata(self, target):
        return None

    def class_indices(self, target):
        raise ValueError(
            "class_weight is not defined for multilabel y, where a row has several "
            "labels. Use sample_weight."
        )

    def each(self):
        labels = np.repeat([[0], [1]], len(self.classes), axis=1)
        return _sparse(labels) if self.is_sparse else labels


def _sparse(labels):
    """Return labels as the sparse array or matrix that scikit-learn is set to return."""
    is_array = get_config().get("sparse_interface") == "sparray"  # from scikit-learn 1.9
    return csr_array(labels) if is_array else csr_matrix(labels)


KINDS: dict[str, type[Labels]] = {
    labels.kind: labels for labels in (Binary, Multiclass, Multilabel)
}


def learn_labels(y: Any, classes: Any, is_chunk: bool) -> Labels:
    """Return the labels of the first y of a training, which has no others.

    Of a chunk, which may lack some, `classes` names all of them.
    """
    is_multilabel = y.ndim == 2 and y.dtype.kind in "biuf"
    if is_multilabel:
        _check_indicators(y)
    elif classes is None or y.ndim == 2:  # else y is held against the classes
        _check_column(y)
    if is_chunk and classes is None:
        raise ValueError(
            "classes must be passed on the first call to partial_fit: later chunks may "
            "hold classes that this one lacks."
        )
    if is_multilabel:
        return Multilabel(np.arange(y.shape[1]), issparse(y))
    if not is_chunk:
        is_plain = y.ndim == 1 and y.dtype.kind in "iub" and y.dtype.isnative
        # the same without the checks, which a fit on a few rows would notice
        return labels_of_classes(np.unique(y) if is_plain else unique_labels(y))
    labels = labels_of_classes(check_classes(classes, y))
    labels.check(y, must_have_all=False)
    return labels


def _check_column(y):
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass"):
        check_classification_targets(y)
        raise ValueError(
            f"Unknown label type: {kind}. y must hold one class label per row, or 0 "
            "and 1 in one column per label."
        )


def labels_of_classes(classes: NDArray) -> Labels:
    """Return the labels of rows that have one of the classes each."""
    return (Binary if len(classes) <= 2 else Multiclass)(classes)


def stored_labels(kind: str, classes: NDArray, is_sparse: bool) -> Labels:
    """Return the labels of a training that was kept."""
    return KINDS[kind](classes, is_sparse)


def label_column(y: Any) -> Any:
    """Return y with one label per row as one-dimensional, with a warning if it was not."""
    if y.ndim == 2 and y.shape[1] == 1:
        if issparse(y):
            raise ValueError(
                "y is a sparse column, but class labels must be dense. Pass "
                "y.toarray().ravel()."
            )
        y = column_or_1d(y, warn=True)
    if y.dtype.kind in "OS":
        check_label_type(y, "y")
    return y


def _check_form(y, n_dimensions, kind):
    if y.ndim != n_dimensions:
        raise ValueError(
            f"This classifier was trained on {kind} labels and cannot continue with "
            f"y of shape {y.shape}. Pass y in the form of the first call."
        )


def _check_indicators(y):
    """Raise ValueError where columns of labels hold more than no and yes."""
    values = np.unique(y.data if issparse(y) else y[y == y])  # without NaN
    if issparse(y) and y.nnz < np.prod(y.shape):
        values = np.union1d(values, y.dtype.type(0))
    if (values < 0).any() or np.count_nonzero(values) > 1:
        shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
        raise ValueError(
            "Unknown label type: y has several columns, each of which is a label of its "
            "own with the values 0 for no and 1, or another positive number, for yes. Got "
            f"the values {shown}. Pass y > 0 if that is what they mean, or one class per "
            "row in a one-dimensional y."
        )


def _yes_or_no(y):
    """Return whether labels are there, as numbers with NaN where that is missing."""
    return np.where(np.isnan(y), np.nan, y != 0) if has_missing(y) else y != 0


def _fill_one_hot(target, positions):
    """Set each row of the target to 1 at its position and to 0 elsewhere."""
    n_outputs = target.shape[1]
    if n_outputs <= FEW_CLASSES:
        rows = _unit_rows(n_outputs, dtype=target.dtype)
        rows.take(positions, axis=0, out=target, mode="clip")
    else:
        np.equal(positions[:, np.newaxis], np.arange(n_outputs), out=target)


def sums_to_one(loss: Any) -> bool:
    """Say whether the outputs of a row are the probabilities of classes."""
    return getattr(loss, "output_activation", "") == "softmax"


def _ends_in_softmax(loss):
    own = type(loss)
    is_usual = getattr(own, "predict", None) is RowLoss.predict
    return is_usual and type(loss.link) is Softmax


def _have_one_largest(z):
    """Say whether the largest of each row stands apart, also when rounded exponentials."""
    largest = np.maximum.reduce(z, axis=1, keepdims=True)  # less to decide than z.max
    return np.count_nonzero(z >= largest - NEAR) == len(z)


def _is_symmetric(loss):
    """Say whether the link of -z is 1 minus the link of z."""
    return isinstance(getattr(loss, "link", None), Sigmoid)


def _not_zero(probabilities):
    """Make logarithms of probabilities finite, in place: at least the least normal number.

    Smaller ones have lost digits, so that their order is not that of the logarithms.
    """
    lowest = np.finfo(probabilities.dtype).tiny
    return np.maximum(probabilities, lowest, out=probabilities)


def _shares(output):
    """Return what each output has of its row's sum; equal shares where all are zero."""
    output = np.maximum(output, 0)
    total = output.sum(axis=1, keepdims=True)
    equal = np.full_like(output, 1 / output.shape[1])
    return np.divide(output, total, out=equal, where=total > 0)
