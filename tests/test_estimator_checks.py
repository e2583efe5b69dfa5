"""scikit-learn's own checks of an estimator: all that it yields, none expected to fail.

Most of them look at what is refused, or at the shape of an estimator, which no solver or
loss changes: those run once for each class. The others, of what training finds, run for
every setting. With -m slow all run for all.
"""

from itertools import product

import pytest
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.fixes import parse_version

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)

SETTINGS = [
    {"solver": "sgd", "learning_rate": 0.002, "max_iter": 100},
    {"solver": "lbfgs", "error_convention": "target_minus_output"},
    {"hidden_layer_sizes": (), "learning_rate": 0.1},
    {
        "hidden_layer_sizes": (20, 10),
        "activation": "tanh",
        "loss": "squared_error",
        "learning_rate": 0.01,
    },
]
CLASSES = [BackpropClassifier, BackpropRegressor]

# What they find out depends on the solver, the loss, the activation and the schedule.
OF_TRAINING = {
    "check_class_weight_classifiers",
    "check_classifiers_classes",
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_estimators_dtypes",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_subset_invariance",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def name_of(check):
    """Return the name of the function behind a check."""
    return check.func.__name__


def checks_of(estimators, but=(), by_default=OF_TRAINING):
    """Apply parametrize_with_checks without the checks of the names in `but`.

    Those that are not to run by default are slow. The pairs become a list: before
    scikit-learn 1.9 they are an iterator, of which pytest 9 warns.
    """
    mark = parametrize_with_checks(estimators)
    names, pairs = mark.args
    cases = [
        pytest.param(*pair, marks=[pytest.mark.slow] * (name_of(pair[1]) not in by_default))
        for pair in pairs
        if name_of(pair[1]) not in but
    ]
    return pytest.mark.parametrize(names, cases, **mark.kwargs)


EVERY_CHECK = {
    name_of(check) for cls in CLASSES for _, check in estimator_checks_generator(cls())
}


@checks_of([cls(max_iter=30) for cls in CLASSES], by_default=EVERY_CHECK)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@checks_of(
    [cls(**{"max_iter": 30} | setting) for cls, setting in product(CLASSES, SETTINGS)]
)
def test_scikit_learn_finds_nothing_wrong_with_a_setting(estimator, check):
    check(estimator)


# partial_fit refuses early_stopping, as MLP's does; and a random split of rows that are
# there twice is not the split of rows that weigh twice.
NOT_WITH_EARLY_STOPPING = {
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
    "check_estimators_partial_fit_n_features",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


# The large rate is for the check of class_weight, where nearly all weight is on one class:
# the score is at its best as soon as that class is right, in the validation rows.
@checks_of(
    [cls(max_iter=30, early_stopping=True, learning_rate=0.1) for cls in CLASSES],
    but=NOT_WITH_EARLY_STOPPING,
)
def test_scikit_learn_finds_nothing_wrong_with_early_stopping(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", CLASSES)
def test_five_checks_are_left_out_with_early_stopping(cls):
    names = [name_of(check) for _, check in estimator_checks_generator(cls())]
    assert sum(name in NOT_WITH_EARLY_STOPPING for name in names) == 5


@pytest.mark.parametrize(
    ("cls", "n_checks"), [(BackpropClassifier, 67), (BackpropRegressor, 61)]
)
def test_scikit_learn_yields_all_its_checks(cls, n_checks):
    """Fewer would mean that a tag keeps some away. Before 1.9 there is one less."""
    is_older = parse_version(sklearn.__version__) < parse_version("1.9")
    assert len(list(estimator_checks_generator(cls()))) >= n_checks - is_older


@pytest.mark.parametrize(
    ("ours", "mlp"),
    [(BackpropClassifier, MLPClassifier), (BackpropRegressor, MLPRegressor)],
)
def test_scikit_learn_yields_at_least_the_checks_of_its_own_mlp(ours, mlp):
    n_ours, n_mlp = (len(list(estimator_checks_generator(e()))) for e in (ours, mlp))
    assert n_ours >= n_mlp
