"""scikit-learn's own checks for every rule there is, everything else at its default.

`max_iter` too: a network that has converged is another one than after a few epochs. The
rules stand once each, and are not multiplied with each other. Run with -m slow.
"""

from contextlib import suppress
from importlib.util import find_spec
from itertools import product
from unittest import SkipTest

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.metaestimators import available_if
from test_estimator_checks import name_of

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import ACTIVATIONS
from skbackprop.engines import ENGINES
from skbackprop.estimator.base import has_partial_fit
from skbackprop.initializers import INITIALIZERS
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from skbackprop.optimizers import OPTIMIZERS
from skbackprop.schedules import SCHEDULES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning",  # some need more than 200 epochs
        "ignore::sklearn.exceptions.SkipTestWarning",
    ),
]

ENGINES_THERE = [name for name in ENGINES if name != "numba" or find_spec("numba")]
RULES = [
    *({"solver": name} for name in [*OPTIMIZERS, "lbfgs"]),
    *({"activation": name} for name in ACTIVATIONS),
    *({"learning_rate": name} for name in SCHEDULES),
    *({"initializer": name} for name in INITIALIZERS if name != "zeros"),  # learn nothing
    *({"engine": name} for name in ENGINES_THERE),
    *({"error_convention": name} for name in ("target_minus_output",)),
]
SMALL_LM = {"solver": "lm", "hidden_layer_sizes": (10,)}  # it is for small networks
SETTINGS = [
    *product(
        [BackpropClassifier], [*RULES, *({"loss": name} for name in CLASSIFIER_LOSSES)]
    ),
    *product(
        [BackpropRegressor],
        [*RULES, SMALL_LM, *({"loss": name} for name in REGRESSOR_LOSSES)],
    ),
]

EQUIVALENCE = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def left_out(cls, rule):
    """Return the names of the checks that a setting cannot pass, for a reason."""
    names = set()
    if rule.get("learning_rate") == "invscaling":
        # the rate depends on the number of rows seen, as MLP's does: a row that is there
        # twice is seen twice, and one that weighs twice is not
        names |= EQUIVALENCE
    if rule.get("activation") == "tanh":
        # with nearly all weight on one class it is found in 43 of 50 rows, where 44 are
        # asked for; so do sample weights, and with them MLP
        names |= {"check_class_weight_classifiers"}
    tags = get_tags(cls(**rule))
    if not tags.input_tags.sparse:  # scikit-learn 1.6 passes sparse rows all the same
        names |= {"check_sample_weight_equivalence_on_sparse_data"}
    if tags.target_tags.positive_only:
        names |= {"check_regressor_multioutput"}  # it passes negative targets all the same
    if issubclass(cls, Single):
        # equal to 1e-7 is more than float32 has, and so is 1e-7 beside zero
        names |= {*EQUIVALENCE, "check_methods_subset_invariance"}
        names |= {"check_regressor_multioutput"}  # predictions of float64
    return names


def single(X):
    if hasattr(X, "columns"):  # of pandas; it keeps the names
        return X.astype(np.float32) if (X.dtypes == np.float64).all() else X
    if hasattr(X, "__array__"):
        X = np.asarray(X)
    is_double = (isinstance(X, np.ndarray) or issparse(X)) and X.dtype == np.float64
    return X.astype(np.float32) if is_double else X


class Single:
    """Trains in float32, whatever the checks pass."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(single(X), y, sample_weight)


class SingleClassifier(Single, BackpropClassifier):
    @available_if(has_partial_fit)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(single(X), y, classes, sample_weight)


class SingleRegressor(Single, BackpropRegressor):
    @available_if(has_partial_fit)
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(single(X), y, sample_weight)


SETTINGS += product(
    [SingleClassifier, SingleRegressor],
    [{}, {"solver": "lbfgs"}, *({"engine": name} for name in ENGINES_THERE)],
)


def run_checks(estimator, but=()):
    """Run all checks that scikit-learn has for an estimator; return their number."""
    n_checks = 0
    for candidate, check in estimator_checks_generator(estimator):
        if name_of(check) not in but:
            with suppress(SkipTest):  # of a decision_function that there is not
                check(candidate)
                n_checks += 1
    return n_checks


@pytest.mark.parametrize(
    ("cls", "rule"),
    SETTINGS,
    ids=[f"{cls.__name__}-{rule}" for cls, rule in SETTINGS],
)
def test_scikit_learn_finds_nothing_wrong_with_any_rule(cls, rule, record_property):
    n_checks = run_checks(cls(**rule), but=left_out(cls, rule))
    record_property("checks of scikit-learn", n_checks)
