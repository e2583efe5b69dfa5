"""scikit-learn's own checks for every rule there is, all else at its default.

`max_iter` too: a network that has converged is another one than after a few epochs. The
rules stand once each, and are not multiplied with each other. Run with -m slow.
"""

from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.utils.estimator_checks import estimator_checks_generator
from test_estimator_checks import name_of

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import ACTIVATIONS
from skbackprop.engines import ENGINES
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
SETTINGS = [
    *product(
        [BackpropClassifier], [*RULES, *({"loss": name} for name in CLASSIFIER_LOSSES)]
    ),
    *product([BackpropRegressor], [*RULES, *({"loss": name} for name in REGRESSOR_LOSSES)]),
]

# Its rate depends on how many rows were seen, as MLP's does; a row that is there twice is
# seen twice, and one that weighs twice is not.
NOT_WITH_INVSCALING = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def single(X):
    is_double = (isinstance(X, np.ndarray) or issparse(X)) and X.dtype == np.float64
    return X.astype(np.float32) if is_double else X


class Single:
    """Trains in float32, whatever the checks pass."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(single(X), y, sample_weight)


class SingleClassifier(Single, BackpropClassifier):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(single(X), y, classes, sample_weight)


class SingleRegressor(Single, BackpropRegressor):
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
            check(candidate)
            n_checks += 1
    return n_checks


@pytest.mark.parametrize(
    ("cls", "rule"),
    SETTINGS,
    ids=[f"{cls.__name__}-{rule}" for cls, rule in SETTINGS],
)
def test_scikit_learn_finds_nothing_wrong_with_any_rule(cls, rule, record_property):
    is_inverse = rule.get("learning_rate") == "invscaling"
    n_checks = run_checks(cls(**rule), but=NOT_WITH_INVSCALING if is_inverse else ())
    record_property("checks of scikit-learn passed", n_checks)
