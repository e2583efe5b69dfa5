"""Conformal prediction: how wide an answer must be, from how wrong held-out ones were.

Each member k was trained without the rows of its own fold S_k, so its errors there are
those of new rows. The formulas are CV+ and cross-conformal prediction.

References
----------
Barber, Candès, Ramdas & Tibshirani (2021), *Predictive inference with the jackknife+*,
Annals of Statistics 49 (CV+).

Vovk (2015), *Cross-conformal predictors*, Annals of Mathematics and Artificial
Intelligence 74.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..rule import Interval

__all__ = ["check_coverage", "cross_conformal_sets", "cv_plus_intervals"]

COVERAGE = Interval(Real, 0, 1, "()")
AT_ONCE = 2**22  # candidates for the ends of intervals that are held in memory


def check_coverage(coverage: float) -> None:
    """Raise ValueError for a share that cannot be wanted."""
    if coverage not in COVERAGE:
        raise ValueError(f"coverage must be {COVERAGE}. Got {coverage!r} instead.")


def cv_plus_intervals(
    predictions: NDArray, errors: Sequence[NDArray], coverage: float
) -> NDArray:
    """Return the lower and upper ends, shape (n_rows, 2).

    `predictions` are those of the members, shape (n_members, n_rows); `errors` the
    absolute errors of each member in its own fold. The ends are ::

        lower = the floor((1 - coverage) * (n + 1))-th smallest of  mu_k(x) - R_i
        upper = the  ceil(coverage * (n + 1))-th smallest of        mu_k(x) + R_i

    over all n rows i, k being the member that i was held out from. Where there are too
    few rows for such a number, the end is infinite.
    """
    n = sum(len(error) for error in errors)
    rank = ceil(coverage * (n + 1) - 1e-9)  # the upper end's; from above the lower end's
    ends = np.full((predictions.shape[1], 2), [-np.inf, np.inf])
    if rank <= n:
        for rows in gen_batches(len(ends), max(1, AT_ONCE // n)):
            for end, sign in ((0, -1), (1, 1)):
                candidates = np.hstack(
                    [
                        sign * prediction[rows, np.newaxis] + error
                        for prediction, error in zip(predictions, errors, strict=True)
                    ]
                )
                ends[rows, end] = (
                    sign * np.partition(candidates, rank - 1, axis=1)[:, rank - 1]
                )
    return ends


def cross_conformal_sets(
    probabilities: NDArray, scores: Sequence[NDArray], coverage: float
) -> NDArray:
    """Return which classes are possible, shape (n_rows, n_classes), as bool.

    `probabilities` are those of the members, shape (n_members, n_rows, n_classes);
    `scores` one minus the probability that each member gave to the true class of the rows
    of its own fold. A class is possible if ::

        1 + n_worse > (1 - coverage) * (n + 1)

    with n_worse the number of rows i whose score is ``1 - p_k(class | x)`` or more, k
    being the member that i was held out from.
    """
    n = sum(len(score) for score in scores)
    n_worse = np.zeros(probabilities.shape[1:])
    for probability, score in zip(probabilities, scores, strict=True):
        n_worse += len(score) - np.searchsorted(np.sort(score), 1 - probability)
    return 1 + n_worse > (1 - coverage) * (n + 1) + 1e-9
