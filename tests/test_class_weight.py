"""class_weight: losses count by class, by the same measure in every batch and chunk.

In one batch of all rows that is a sample weight by class, of mean 1.
"""

from copy import deepcopy
from importlib.util import find_spec

import numpy as np
import problems
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.metrics import check_scoring, log_loss, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_sample_weight

from skbackprop import BackpropClassifier
from skbackprop.losses import Focal
from skbackprop.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Not converged", "ignore:L-BFGS stopped")

SMALL = {**problems.SMALL, "batch_size": 40}  # all rows
WEIGHT = {0: 0.5, 1: 3.0, 2: 1.7}
ENGINES = ["numpy", "numba"] if find_spec("numba") else ["numpy"]
DESCENT = {
    "solver": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.1,
    "alpha": 0.0,
    "shuffle": False,
    "max_iter": 1,
    "random_state": 0,
}


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


def by_class(weight, y, sample_weight=None):
    """Return the sample weights of all rows in one batch that do the same."""
    weights = np.array([weight[label] for label in y])
    weights /= np.average(weights, weights=sample_weight)
    return weights if sample_weight is None else weights * sample_weight


def assert_close(first, second, rtol=1e-9):
    """To the rounding of weights, of which small updates of a few epochs make more."""
    assert_allclose(first.loss_curve_, second.loss_curve_, rtol=rtol)
    for a, b in zip(first.coefs_, second.coefs_, strict=True):
        assert_allclose(a, b, rtol=rtol, atol=rtol)


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
    params = {**SMALL, "solver": solver}
    weighted = BackpropClassifier(**params, class_weight=WEIGHT).fit(X, y)
    plain = BackpropClassifier(**params).fit(X, y, by_class(WEIGHT, y))
    assert_close(weighted, plain)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", Focal()], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_dict_equals_sample_weight_for_every_loss(loss, n_classes, X, y):
    y = np.minimum(y, n_classes - 1)
    weight = {label: WEIGHT[label] for label in range(n_classes)}
    params = {**SMALL, "loss": loss}
    weighted = BackpropClassifier(**params, class_weight=weight).fit(X, y)
    plain = BackpropClassifier(**params).fit(X, y, by_class(weight, y))
    assert_close(weighted, plain)


def test_dict_multiplies_sample_weight(X, y, sample_weight):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT).fit(X, y, sample_weight)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class(WEIGHT, y, sample_weight))
    assert_close(weighted, plain)


def test_dict_equals_sample_weight_in_float32(X, y):
    X = X.astype(np.float32)
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT).fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class(WEIGHT, y))
    assert weighted.coefs_[0].dtype == np.float32
    assert_close(weighted, plain, rtol=1e-4)  # a few epochs of rounding at 1e-7


def test_class_without_an_entry_weighs_1(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight={1: 3.0}).fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, by_class({0: 1.0, 1: 3.0, 2: 1.0}, y))
    assert_close(weighted, plain)


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
    assert_close(weighted, plain)


def test_chunks_are_weighed_by_the_mean_of_all_chunks_so_far(X, y):
    """Of a linear network, in one step each; a chunk may be a single row."""
    chunks = [np.arange(30), np.arange(10, 40), np.array([5]), np.array([39])]
    clf = BackpropClassifier((), class_weight=WEIGHT, **DESCENT)
    seen = []
    for rows in chunks:
        start = deepcopy(clf).set_params(learning_rate=1e-300)
        start.partial_fit(X[rows], y[rows], [0, 1, 2])
        clf.partial_fit(X[rows], y[rows], [0, 1, 2])
        W, b = start.coefs_[0], start.intercepts_[0]
        own = np.array([WEIGHT[label] for label in y[rows]])
        seen.extend(own)
        error = softmax(X[rows] @ W + b, axis=1) - (y[rows, np.newaxis] == np.arange(3))
        delta = error * own[:, np.newaxis] / np.mean(seen) / len(rows)
        assert_allclose(clf.coefs_[0], W - 0.1 * X[rows].T @ delta, rtol=1e-12, atol=1e-14)


def test_chunks_after_fit_are_weighed_by_the_mean_of_all_rows(X, y):
    """A single row of a heavy class moves the weights further than one of a light class."""
    clf = BackpropClassifier((), class_weight=WEIGHT, **DESCENT).fit(X, y)
    raw = np.array([WEIGHT[label] for label in y])
    start = deepcopy(clf).set_params(learning_rate=1e-300).partial_fit(X[30:31], y[30:31])
    clf.partial_fit(X[30:31], y[30:31])
    W, b = start.coefs_[0], start.intercepts_[0]
    delta = softmax(X[30] @ W + b) - (np.arange(3) == y[30])
    weight = raw[30] / np.mean([*raw, raw[30]])
    expected = W - 0.1 * weight * np.outer(X[30], delta)
    assert_allclose(clf.coefs_[0], expected, rtol=1e-12, atol=1e-14)


def test_warm_start_takes_a_dict(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT, warm_start=True)
    plain = BackpropClassifier(**SMALL, warm_start=True)
    for _ in range(2):
        weighted.fit(X, y)
        plain.fit(X, y, by_class(WEIGHT, y))
    assert_close(weighted, plain)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_classes_count_alike_in_batches_of_any_size(engine, batch_size, X, y):
    """A step of gradient descent per batch, written out for a linear network."""
    params = {**DESCENT, "batch_size": batch_size, "engine": engine}
    clf = BackpropClassifier((), class_weight=WEIGHT, **params).fit(X, y)
    start = BackpropClassifier((), **params | {"learning_rate": 1e-300})
    start.partial_fit(X, y, [0, 1, 2])
    W, b = start.coefs_[0].copy(), start.intercepts_[0].copy()
    weights = by_class(WEIGHT, y)
    for rows in np.split(np.arange(40), range(batch_size, 40, batch_size)):
        error = softmax(X[rows] @ W + b, axis=1) - (y[rows, np.newaxis] == np.arange(3))
        delta = error * weights[rows, np.newaxis] / len(rows)
        W -= 0.1 * X[rows].T @ delta
        b -= 0.1 * delta.sum(axis=0)
    # some 40 steps of rounding at 1e-16
    assert_allclose(clf.coefs_[0], W, rtol=1e-11, atol=1e-13)
    assert_allclose(clf.intercepts_[0], b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
def test_single_rows_are_weighted_by_class(engine, X, y):
    params = {**SMALL, "batch_size": 1, "alpha": 0.0, "engine": engine}
    params["learning_rate"] = 0.05
    plain = BackpropClassifier(**params).fit(X, y > 0)
    heavy = BackpropClassifier(**params, class_weight={0: 1000, 1: 1e-4}).fit(X, y > 0)
    assert heavy.predict(X).mean() < plain.predict(X).mean()
    assert not heavy.predict(X).any()


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_chunks_of_all_rows_are_epochs_of_fit(batch_size, X, y):
    params = {**SMALL, "class_weight": WEIGHT, "batch_size": batch_size}
    chunks = BackpropClassifier(**params)
    for _ in range(4):
        chunks.partial_fit(X, y, [0, 1, 2])
    assert_same_training(chunks, BackpropClassifier(**params).fit(X, y))


def test_only_the_ratios_of_class_weights_matter(X, y):
    """A power of two rounds nothing."""
    doubled = {label: 1024 * weight for label, weight in WEIGHT.items()}
    params = {**SMALL, "batch_size": 7}
    first, second = (
        BackpropClassifier(**params, class_weight=weight).fit(X, y)
        for weight in (WEIGHT, doubled)
    )
    assert_same_training(first, second)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_weight_of_a_class_that_these_rows_lack_is_borne(solver, X, y):
    there = y < 2
    params = {**SMALL, "solver": solver, "batch_size": 7 if solver == "sgd" else "auto"}
    more = BackpropClassifier(**params, class_weight=WEIGHT).fit(X[there], y[there])
    same = BackpropClassifier(**params, class_weight={0: 0.5, 1: 3.0}).fit(
        X[there], y[there]
    )
    assert_same_training(more, same)


# -- scores ----------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [WEIGHT, "balanced"], ids=str)
@pytest.mark.parametrize("scoring", [None, "accuracy", "f1_macro", "roc_auc_ovr"])
def test_scores_do_not_know_of_class_weights(scoring, weight, X, y):
    clf = BackpropClassifier(**SMALL, class_weight=weight, scoring=scoring)
    clf.fit(X, y, X_val=X, y_val=y)
    score = check_scoring(clf, scoring)(clf, X, y)
    assert_allclose(clf.validation_scores_[-1], score, rtol=1e-14)  # a sum of rows


@pytest.mark.parametrize("setting", [{"early_stopping": True}, {"solver": "lbfgs"}])
def test_scorer_without_sample_weight_scores_weighted_rows(setting, X, y, sample_weight):
    def scorer(estimator, X, y):
        return estimator.score(X, y)

    def share(truth, found):
        return np.mean(truth == found)

    for scoring in (scorer, make_scorer(share)):
        clf = BackpropClassifier(
            **SMALL | {"batch_size": "auto"} | setting,
            class_weight="balanced",
            scoring=scoring,
        )
        clf.fit(X, y, sample_weight, X_val=X, y_val=y, sample_weight_val=sample_weight)
        assert clf.validation_scores_[-1] in {n / 40 for n in range(41)}


def test_scorer_gets_the_sample_weight_of_the_user(X, y, sample_weight):
    seen = []

    def scorer(estimator, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    clf = BackpropClassifier(**SMALL, class_weight=WEIGHT, scoring=scorer)
    clf.fit(X, y, X_val=X, y_val=y)
    assert seen == [None] * 4
    clf.fit(X, y, X_val=X, y_val=y, sample_weight_val=sample_weight)
    np.testing.assert_array_equal(seen[4:], [sample_weight] * 4)


def test_error_of_a_scorer_is_the_users(X, y, sample_weight):
    def scorer(estimator, X, y, sample_weight=None):
        raise TypeError("no such thing")

    clf = BackpropClassifier(**SMALL, class_weight=WEIGHT, scoring=scorer)
    with pytest.raises(TypeError, match="no such thing"):
        clf.fit(X, y, X_val=X, y_val=y, sample_weight_val=sample_weight)


def test_loss_of_validation_rows_is_weighted_by_class(X, y, sample_weight):
    weighted = BackpropClassifier(**SMALL, class_weight=WEIGHT)
    weighted.fit(X, y, X_val=X, y_val=y, sample_weight_val=sample_weight)
    weights = by_class(WEIGHT, y, sample_weight)
    expected = log_loss(y, weighted.predict_proba(X), sample_weight=weights)
    # sums in another order
    assert_allclose(weighted.validation_loss_curve_[-1], expected, rtol=1e-13)


# -- balanced --------------------------------------------------------------------------


def test_balanced_equals_the_sample_weight_of_scikit_learn(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight="balanced").fit(X, y)
    plain = BackpropClassifier(**SMALL).fit(X, y, compute_sample_weight("balanced", y))
    assert_close(weighted, plain)


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
    assert_close(scaled, BackpropClassifier(**params).fit(X, y))


def test_balanced_bears_a_class_whose_rows_weigh_nothing(X, y):
    weighted = BackpropClassifier(**SMALL, class_weight="balanced")
    weighted.fit(X, y, (y != 0).astype(float))
    factor = {0: 0.0, 1: 16 / (2 * 12), 2: 16 / (2 * 4)}  # of the two classes that count
    assert_close(
        weighted,
        BackpropClassifier(**SMALL).fit(X, y, by_class(factor, y, (y != 0).astype(float))),
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


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_batches_of_a_class_without_weight_move_nothing(engine, X):
    """One row of four counts, with the mean weight divided out: as four times the rate."""
    params = {"alpha": 0, "batch_size": 1, "shuffle": False, "random_state": 0}
    params |= {"solver": "sgd", "momentum": 0, "engine": engine}
    one = BackpropClassifier((3,), learning_rate=0.04, **params)
    one.partial_fit(X[3:4], [1], classes=[0, 1])
    weighted = BackpropClassifier(
        (3,), learning_rate=0.01, class_weight={0: 0.0, 1: 1.0}, **params
    )
    weighted.partial_fit(X[:4], [0, 0, 0, 1], classes=[0, 1])
    for ours, expected in zip(weighted.coefs_, one.coefs_, strict=True):
        assert_allclose(ours, expected, rtol=1e-12)  # a factor that rounds
