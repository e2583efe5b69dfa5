"""class_weight is a sample weight by class, in every way of training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import SMALL
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_sample_weight

from skbackprop import BackpropClassifier
from skbackprop.losses import Focal
from skbackprop.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Not converged", "ignore:L-BFGS stopped")

WEIGHT = {0: 0.5, 1: 3.0, 2: 1.7}


@pytest.fixture
def X(rng):
    return rng.standard_normal((40, 3))


@pytest.fixture
def y():
    """24, 12 and 4 rows of the classes 0, 1 and 2."""
    return np.repeat([0, 1, 2], [24, 12, 4])


@pytest.fixture
def sample_weight(rng):
    return rng.uniform(0.1, 2, 40)


def by_class(weight, y):
    return np.array([weight[label] for label in y])


def assert_same_training(first, second):
    """Bit for bit."""
    assert first.loss_curve_ == second.loss_curve_
    for a, b in zip(
        [*first.coefs_, *first.intercepts_],
        [*second.coefs_, *second.intercepts_],
        strict=True,
    ):
        assert np.array_equal(a, b)


# -- equal to sample weights -----------------------------------------------------------


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_dict_equals_sample_weight(solver, X, y):
    params = {**SMALL, "solver": solver, "batch_size": "auto"}
    weighted = BackpropClassifier(**params, class_weight=WEIGHT).fit(X, y)
    plain = BackpropClassifier(**params).fit(X, y, by_class(WEIGHT, y))
    assert_same_training(weighted, plain)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", Focal()], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_dict_equals_sample_weight_for_every_loss(loss, n_classes, X, y):
    y = np.minimum(y, n_classes - 1)
    weight = {label: WEIGHT[label] for label in range(n_classes)}
    params = {**SMALL, "loss": loss}
    weighted = BackpropClassifier(**params, class_weight=weight).fit(X, y)
    plain = BackpropClassifier(**params).fit(X, y, by_class(weight, y))
    assert_same_training(weighted, plain)


def test_dict_multiplies_sample_weight(X, y, sample_weight):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT).fit(X, y, sample_weight)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class(WEIGHT, y) * sample_weight)
    assert_same_training(weighted, plain)


def test_dict_equals_sample_weight_in_float32(X, y):
    """The weights are rounded to the precision of X, as sample weights are."""
    X = X.astype(np.float32)
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT).fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class(WEIGHT, y))
    assert weighted.coefs_[0].dtype == np.float32
    assert_same_training(weighted, plain)


def test_class_without_an_entry_weighs_1(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight={1: 3.0}).fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class({0: 1.0, 1: 3.0, 2: 1.0}, y))
    assert_same_training(weighted, plain)


def test_class_of_weight_0_teaches_nothing(X, y):
    """Its rows may be anything, in the same batches of the same penalty."""
    params = {**SMALL, "class_weight": {2: 0.0}, "alpha": 0.0}
    first = BackpropClassifier(**params).fit(X, y)
    second = BackpropClassifier(**params).fit(np.where(y[:, np.newaxis] == 2, -X, X), y)
    assert_same_training(first, second)


def test_labels_may_be_strings(X, y):
    names = np.array(["a", "b", "c"])
    weight = {"a": 0.5, "b": 3.0, "c": 1.7}
    weighted = BackpropClassifier(**SMALL, class_weight=weight).fit(X, names[y])
    plain = BackpropClassifier(**SMALL).fit(X, names[y], by_class(WEIGHT, y))
    assert_same_training(weighted, plain)


def test_partial_fit_takes_a_dict(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT)
    plain = BackpropClassifier(**SMALL)
    for chunk in slice(0, 30), slice(10, 40):  # the first without class 2
        weighted.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2])
        plain.partial_fit(X[chunk], y[chunk], [0, 1, 2], by_class(WEIGHT, y[chunk]))
    assert_same_training(weighted, plain)


def test_warm_start_takes_a_dict(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT, warm_start=True)
    plain = BackpropClassifier(**SMALL, warm_start=True)
    for _ in range(2):
        weighted.fit(X, y)
        plain.fit(X, y, by_class(WEIGHT, y))
    assert_same_training(weighted, plain)


def test_rows_of_early_stopping_are_weighted_too(X, y):
    params = {**SMALL, "early_stopping": True, "validation_fraction": 0.4}
    weighted = BackpropClassifier(**params, class_weight=WEIGHT).fit(X, y)
    plain = BackpropClassifier(**params).fit(X, y, by_class(WEIGHT, y))
    assert weighted.validation_scores_ == plain.validation_scores_
    assert weighted.validation_loss_curve_ == plain.validation_loss_curve_
    assert_same_training(weighted, plain)


def test_validation_rows_are_weighted_too(X, y, sample_weight):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT)
    weighted.fit(X, y, X_val=X, y_val=y, sample_weight_val=sample_weight)
    weights = by_class(WEIGHT, y) * sample_weight
    expected = weighted.score(X, y, weights)
    # one rounding of a ratio of sums
    assert_allclose(weighted.validation_scores_[-1], expected, rtol=1e-14)


# -- balanced --------------------------------------------------------------------------


def test_balanced_equals_the_sample_weight_of_scikit_learn(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight="balanced").fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, compute_sample_weight("balanced", y))
    assert_same_training(weighted, plain)


def test_balanced_gives_every_class_the_same_total_weight(X, y, sample_weight):
    """Total weight / (3 classes * weight of the class), by hand."""
    total = np.array([sample_weight[y == k].sum() for k in range(3)])
    expected = (sample_weight.sum() / (3 * total))[y] * sample_weight
    weighted = BackpropClassifier(**SMALL, class_weight="balanced")
    weighted.fit(X, y, sample_weight)
    plain = BackpropClassifier(**SMALL).fit(X, y, expected)
    # sums of the same weights in another order
    assert_allclose(weighted.loss_curve_, plain.loss_curve_, rtol=1e-13)
    assert_allclose(weighted.coefs_[0], plain.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize("scale", [2.0**-13, 2.0**13])
def test_balanced_does_not_depend_on_the_scale_of_the_sample_weights(scale, X, y):
    """A power of two rounds nothing; a penalty would be divided by the weights."""
    params = {**SMALL, "class_weight": "balanced", "alpha": 0}
    scaled = BackpropClassifier(**params).fit(X, y, np.full(40, scale))
    assert_same_training(scaled, BackpropClassifier(**params).fit(X, y))


def test_balanced_bears_a_class_whose_rows_weigh_nothing(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight="balanced")
    weighted.fit(X, y, (y != 0).astype(float))
    factor = {0: 0.0, 1: 16 / (2 * 12), 2: 16 / (2 * 4)}  # of the two classes that count
    assert_same_training(
        weighted, BackpropClassifier(**SMALL).fit(X, y, by_class(factor, y))
    )


def test_balanced_counts_a_row_of_weight_2_as_two_rows(X, y):
    """All rows in one batch, which the repeated rows are too."""
    params = {**SMALL, "class_weight": "balanced", "batch_size": 100}
    with pytest.warns(UserWarning, match="batch_size=100 is larger"):
        weighted = BackpropClassifier(**params).fit(X, y, np.where(y == 1, 2.0, 1.0))
    rows = np.repeat(np.arange(40), np.where(y == 1, 2, 1))
    with pytest.warns(UserWarning, match="batch_size=100 is larger"):
        repeated = BackpropClassifier(**params).fit(X[rows], y[rows])
    # the rows of the batch are summed in another order
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-12)


def test_balanced_finds_a_rare_class(rng):
    """5 % of the rows, two standard deviations apart in one feature."""
    y = (np.arange(400) % 20 == 0).astype(int)
    X = rng.standard_normal((400, 2))
    X[:, 0] += 2 * y
    plain, balanced = (
        BackpropClassifier((), solver="lbfgs", class_weight=weight, random_state=0)
        for weight in (None, "balanced")
    )
    found, missed = (recall_score(y, clf.fit(X, y).predict(X)) for clf in (balanced, plain))
    assert missed < 0.5 < 0.75 < found


# -- what is refused -------------------------------------------------------------------


def test_partial_fit_refuses_balanced_and_says_what_to_pass(X, y):
    classifier = BackpropClassifier(**SMALL, class_weight="balanced")
    with pytest.raises(ValueError, match=r"sees a chunk\. Pass a dict"):
        classifier.partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("weight", [{3: 1.0}, {0: 1.0, "a": 2.0}], ids=str)
def test_weights_of_unknown_labels_are_refused(weight, X, y):
    classifier = BackpropClassifier(**SMALL, class_weight=weight)
    with pytest.raises(ValueError, match=r"class_weight has weights for \[(3|'a')\]"):
        classifier.fit(X, y)


def test_weights_of_numbers_for_names_are_refused(X, y):
    classifier = BackpropClassifier(**SMALL, class_weight={0: 1.0})
    with pytest.raises(ValueError, match=r"class_weight has weights for \[0\]"):
        classifier.fit(X, np.array(["a", "b", "c"])[y])


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, "much", None])
def test_weights_that_are_no_weights_are_refused(weight, X, y):
    classifier = BackpropClassifier(**SMALL, class_weight={0: 1.0, 1: weight})
    with pytest.raises(ValueError, match=r"class_weight of class 1 must be .* Got"):
        classifier.fit(X, y)


def test_rows_that_all_weigh_0_are_refused(X, y):
    classifier = BackpropClassifier(**SMALL, class_weight={0: 0.0, 1: 0.0, 2: 0.0})
    with pytest.raises(ValueError, match="zero for every row that has a sample weight"):
        classifier.fit(X, y)


@pytest.mark.parametrize("weight", [WEIGHT, "balanced"], ids=str)
def test_multilabel_targets_are_refused(weight, X, rng):
    classifier = BackpropClassifier(**SMALL, class_weight=weight)
    with pytest.raises(ValueError, match="not defined for multilabel y"):
        classifier.fit(X, rng.randint(0, 2, (40, 3)))


@pytest.mark.parametrize("weight", ["even", 2.0, [1.0, 2.0]], ids=str)
def test_other_values_are_refused(weight, X, y):
    classifier = BackpropClassifier(**SMALL, class_weight=weight)
    with pytest.raises(ValueError, match="'class_weight' parameter of BackpropClassifier"):
        classifier.fit(X, y)


# -- searched --------------------------------------------------------------------------


def test_class_weight_can_be_searched(X, y):
    classifier = BackpropClassifier((), solver="lbfgs", random_state=0)
    search = GridSearchCV(classifier, {"class_weight": [None, "balanced", WEIGHT]}, cv=2)
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) > 1
