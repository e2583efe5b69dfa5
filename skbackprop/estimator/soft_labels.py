"""Soft labels: a y of probabilities, one for each class, in place of class labels.

A row counts as one row for each class that weighs as much as its probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .labels import Labels, labels_of_classes

__all__ = ["expected_accuracy", "learn_soft_labels", "soft_target"]

ROUNDING = 1e-3  # of a row's sum: probabilities may come with three digits


def learn_soft_labels(y: Any) -> Labels:
    """Return labels whose classes are the columns of y, by their numbers."""
    if y.ndim != 2 or y.shape[1] < 2:
        raise ValueError(
            "soft_labels=True needs a y of shape (n_samples, n_classes), a probability for "
            f"each class. Got shape {y.shape}. For one label per row leave it at False."
        )
    return labels_of_classes(np.arange(y.shape[1]))


def soft_target(y: Any, labels: Labels, n_outputs: int) -> NDArray:
    """Return the target of probabilities, shape (n_rows, n_outputs).

    A single output stands for the second class. Raises ValueError for rows that are no
    probabilities of these classes.
    """
    if y.ndim != 2 or y.shape[1] != len(labels.classes):
        raise ValueError(
            f"soft_labels=True needs a y with a column for each of {len(labels.classes)} "
            f"classes. Got shape {y.shape}."
        )
    y = np.asarray(y, float)
    wrong = (np.abs(y.sum(axis=1) - 1) > ROUNDING) | (y < 0).any(axis=1)
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise ValueError(
            "soft_labels=True needs probabilities that are not negative and sum to one in "
            f"each row, but row {row} of y is {y[row].tolist()}. Divide counts by their "
            "sum. For independent labels of 0 and 1 leave soft_labels at False."
        )
    return y[:, -n_outputs:]


def expected_accuracy(target: NDArray, decided: NDArray, sample_weight: Any) -> float:
    """Return the mean probability of the classes that were decided for."""
    if target.shape[1] == 1:
        target = np.hstack([1 - target, target])
    chosen = target[np.arange(len(target)), decided]
    return float(np.average(chosen, weights=sample_weight))
