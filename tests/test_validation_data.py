"""Validation data: never trained on, watched by early stopping, scored as one likes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from problems import assert_same_weights
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score, get_scorer, log_loss, make_scorer, r2_score

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Not converged", "ignore:L-BFGS stopped")

SMALL = {
    "hidden_layer_sizes": (4,),
    "activation": "tanh",
    "learning_rate": 0.03,
    "batch_size": 10,
    "max_iter": 6,
    "random_state": 0,
}


@pytest.fixture
def data(rng):
    """40 rows to train on, 20 to validate: X, y, X_val, y_val."""
    X = rng.standard_normal((60, 3))
    y = (X[:, 0] + rng.standard_normal(60) > 0).astype(int)
    return X[:40], y[:40], X[40:], y[40:]


# -- never trained on ------------------------------------------------------------------


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_validation_rows_are_never_trained_on(solver, data):
    X, y, X_val, y_val = data
    params = {**SMALL, "solver": solver, "batch_size": "auto"}
    with_them = BackpropClassifier(**params).fit(X, y, X_val=X_val, y_val=y_val)
    without = BackpropClassifier(**params).fit(X, y)
    assert_same_weights(with_them, without)
    assert with_them.loss_curve_ == without.loss_curve_
    assert with_them.n_iter_ == without.n_iter_


def test_validation_rows_are_never_trained_on_with_dropout(data):
    X, y, X_val, y_val = data
    with_them = BackpropClassifier(**SMALL, dropout=0.5).fit(X, y, X_val=X_val, y_val=y_val)
    without = BackpropClassifier(**SMALL, dropout=0.5).fit(X, y)
    assert_same_weights(with_them, without)


def test_recorded_scores_do_not_stop_the_training(data):
    """The score of these rows never improves: they are all of one class, and found."""
    X, y, X_val, _ = data
    y_val = BackpropClassifier(**SMALL).fit(X, y).predict(X_val)
    params = {**SMALL, "max_iter": 30, "n_iter_no_change": 2, "tol": 0.0}
    classifier = BackpropClassifier(**params).fit(X, y, X_val=X_val, y_val=y_val)
    alone = BackpropClassifier(**params).fit(X, y)
    assert classifier.n_iter_ == alone.n_iter_


# -- where there is validation data, and where there is none ---------------------------


def test_without_validation_data_there_are_no_scores(data):
    classifier = BackpropClassifier(**SMALL).fit(*data[:2])
    assert classifier.validation_scores_ is None
    assert classifier.validation_loss_curve_ is None
    assert classifier.best_validation_score_ is None
    assert classifier.best_loss_ == min(classifier.loss_curve_)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_given_validation_data_has_a_score_and_a_loss_per_epoch(
    solver, early_stopping, data
):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(**SMALL, solver=solver, early_stopping=early_stopping)
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    n = classifier.n_iter_
    assert n == len(classifier.loss_curve_) > 1
    assert n == len(classifier.validation_scores_)
    assert n == len(classifier.validation_loss_curve_)
    assert classifier.best_validation_score_ == max(classifier.validation_scores_)


def test_rows_set_aside_have_a_score_and_a_loss_per_epoch(data):
    X, y, _, _ = data
    classifier = BackpropClassifier(**SMALL, early_stopping=True).fit(X, y)
    n = classifier.n_iter_
    assert n == len(classifier.validation_scores_)
    assert n == len(classifier.validation_loss_curve_)
    assert classifier.best_loss_ is None


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_last_score_and_loss_of_a_classifier_are_those_of_its_predictions(
    weighted, data, rng
):
    X, y, X_val, y_val = data
    weight = rng.uniform(0.1, 2, 20) if weighted else None
    classifier = BackpropClassifier(**SMALL, alpha=1.0)
    classifier.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    score = classifier.score(X_val, y_val, weight)
    loss = log_loss(y_val, classifier.predict_proba(X_val), sample_weight=weight)
    # ratios of sums; logarithms of rounded probabilities
    assert_allclose(classifier.validation_scores_[-1], score, rtol=1e-14)
    assert_allclose(classifier.validation_loss_curve_[-1], loss, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_last_score_and_loss_of_a_regressor_are_those_of_its_predictions(
    n_outputs, weighted, data, rng
):
    X, _, X_val, _ = data
    y, y_val = X[:, :n_outputs] ** 2, X_val[:, :n_outputs] ** 2
    y, y_val = (a[:, 0] if n_outputs == 1 else a for a in (y, y_val))
    weight = rng.uniform(0.1, 2, 20) if weighted else None
    regressor = BackpropRegressor(**SMALL, alpha=1.0)
    regressor.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    output = regressor.predict(X_val)
    squares = ((output - y_val) ** 2).reshape(20, -1).sum(axis=1)
    # sums in another order
    score = r2_score(y_val, output, sample_weight=weight)
    assert_allclose(regressor.validation_scores_[-1], score, rtol=1e-12)
    loss = np.average(squares, weights=weight) / 2
    assert_allclose(regressor.validation_loss_curve_[-1], loss, rtol=1e-12)


def test_training_rows_as_validation_data_record_the_training_accuracy(data):
    X, y, _, _ = data
    classifier = BackpropClassifier(**SMALL, alpha=0.0).fit(X, y, X_val=X, y_val=y)
    by_hand, scores = BackpropClassifier(**SMALL, alpha=0.0), []
    for _ in range(6):
        scores.append(by_hand.partial_fit(X, y, classes=[0, 1]).score(X, y))
    assert classifier.validation_scores_ == scores


@pytest.mark.parametrize("form", [csr_array, pd.DataFrame, lambda X: X.astype(np.float32)])
def test_validation_rows_come_in_every_form(form, data):
    X, y, X_val, y_val = data
    X, X_val = (np.round(a, 1).astype(np.float32).astype(float) for a in (X, X_val))
    plain = BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    X = pd.DataFrame(X) if form is pd.DataFrame else X
    other = BackpropClassifier(**SMALL).fit(X, y, X_val=form(X_val), y_val=y_val)
    # products of sparse rows are summed in another order
    assert_allclose(other.validation_loss_curve_, plain.validation_loss_curve_, rtol=1e-13)


def test_multilabel_targets_are_scored_by_whole_rows(data):
    X, _, X_val, _ = data
    y, y_val = (X[:, :2] > 0).astype(int), (X_val[:, :2] > 0).astype(int)
    classifier = BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    assert classifier.validation_scores_[-1] == classifier.score(X_val, y_val)


def test_a_call_without_validation_data_ends_the_record(data):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    classifier.fit(X, y)
    assert classifier.validation_scores_ is None


# -- early stopping --------------------------------------------------------------------


def test_early_stopping_sets_no_rows_aside_where_validation_data_is_given(data):
    """All 40 rows are seen in every epoch, and the weights are those of plain training."""
    X, y, X_val, y_val = data
    watching = BackpropClassifier(**SMALL, early_stopping=True, scoring="loss")
    watching.fit(X, y, X_val=X_val, y_val=y_val)
    assert watching.t_ == 40 * watching.n_iter_
    plain = BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    assert watching.loss_curve_ == plain.loss_curve_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_early_stopping_keeps_the_weights_of_the_best_score(solver, data):
    X, y, X_val, y_val = data
    params = {**SMALL, "solver": solver, "alpha": 0.0, "max_iter": 60, "tol": 0.0}
    classifier = BackpropClassifier(
        **params, early_stopping=True, n_iter_no_change=5, scoring="loss"
    ).fit(X, y, X_val=X_val, y_val=y_val)
    losses = classifier.validation_loss_curve_
    assert 1 <= np.argmin(losses) < len(losses) - 1  # or there was nothing to restore
    found = log_loss(y_val, classifier.predict_proba(X_val))
    assert_allclose(found, min(losses), rtol=1e-12)  # logarithms of rounded probabilities


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_early_stopping_ends_after_n_iter_no_change_epochs_without_a_better_score(
    solver, data
):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(
        **{**SMALL, "max_iter": 200, "solver": solver},
        early_stopping=True,
        n_iter_no_change=3,
        scoring="loss",
    ).fit(X, y, X_val=X_val, y_val=y_val)
    losses = np.array(classifier.validation_loss_curve_)
    before = np.minimum.accumulate(losses)[:-1]
    improved = np.flatnonzero(losses[1:] <= before - classifier.tol) + 1
    assert classifier.n_iter_ == improved[-1] + 1 + 4  # the fourth epoch is too many


def test_best_score_of_lbfgs_is_predicted_with(data):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(
        **{**SMALL, "max_iter": 100}, solver="lbfgs", early_stopping=True
    ).fit(X, y, X_val=X_val, y_val=y_val)
    assert classifier.score(X_val, y_val) == max(classifier.validation_scores_)


def test_lbfgs_without_validation_data_does_not_stop_early(data):
    X, y, _, _ = data
    params = {**SMALL, "max_iter": 30, "solver": "lbfgs"}
    watching = BackpropClassifier(**params, early_stopping=True, n_iter_no_change=1)
    watching.fit(X, y)
    assert_same_weights(watching, BackpropClassifier(**params).fit(X, y))
    assert watching.validation_scores_ is None


def test_warm_start_goes_on_exactly_with_validation_data(data):
    X, y, X_val, y_val = data
    validation = {"X_val": X_val, "y_val": y_val}
    params = {**SMALL, "early_stopping": True, "n_iter_no_change": 100, "scoring": "loss"}
    once = BackpropClassifier(**{**params, "max_iter": 6}).fit(X, y, **validation)
    twice = BackpropClassifier(**{**params, "max_iter": 3}, warm_start=True)
    twice = pickle.loads(pickle.dumps(twice.fit(X, y, **validation)))
    twice.fit(X, y, **validation)
    assert twice.validation_scores_ == once.validation_scores_
    assert twice.validation_loss_curve_ == once.validation_loss_curve_
    assert_same_weights(twice, once)


# -- scoring ---------------------------------------------------------------------------


def scored(scoring, data, **fit_params):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(**SMALL, scoring=scoring)
    return classifier.fit(X, y, X_val=X_val, y_val=y_val, **fit_params)


def test_scoring_loss_is_minus_the_loss(data):
    classifier = scored("loss", data)
    losses = np.array(classifier.validation_loss_curve_)
    assert np.array_equal(classifier.validation_scores_, -losses)


@pytest.mark.parametrize("scoring", ["accuracy", "f1", "roc_auc", "neg_log_loss"])
def test_scorer_by_name_is_scikit_learns(scoring, data):
    classifier = scored(scoring, data)
    expected = get_scorer(scoring)(classifier, *data[2:])
    assert classifier.validation_scores_[-1] == expected
    assert len(set(classifier.validation_scores_)) > 1


@pytest.mark.parametrize(
    "scoring",
    [
        make_scorer(f1_score, pos_label=0),
        lambda estimator, X, y: f1_score(y, estimator.predict(X), pos_label=0),
    ],
    ids=["scorer", "function"],
)
def test_scorer_may_be_a_callable(scoring, data):
    classifier = scored(scoring, data)
    expected = f1_score(data[3], classifier.predict(data[2]), pos_label=0)
    assert classifier.validation_scores_[-1] == expected


def test_scorer_gets_the_sample_weights_of_the_rows(data, rng):
    weight = rng.uniform(0.1, 2, 20)
    classifier = scored("f1", data, sample_weight_val=weight)
    expected = f1_score(data[3], classifier.predict(data[2]), sample_weight=weight)
    assert classifier.validation_scores_[-1] == expected


def test_scorer_gets_the_rows_that_early_stopping_set_aside(data):
    seen = []

    def scoring(estimator, X, y):
        seen.append((X, y))
        return estimator.score(X, y)

    X, y, _, _ = data
    y = np.array(["no", "yes"])[y]
    BackpropClassifier(**SMALL, early_stopping=True, scoring=scoring).fit(X, y)
    rows = [np.flatnonzero((row == X).all(axis=1))[0] for row in seen[0][0]]
    assert len(rows) == 4
    assert np.array_equal(seen[0][1], y[rows])
    assert all(np.array_equal(a, seen[0][0]) for a, _ in seen)


def test_scorer_sees_the_weights_of_its_epoch(data):
    """Not the best ones so far, which early stopping will end with."""
    losses = []

    def scoring(estimator, X, y):
        losses.append(log_loss(y, estimator.predict_proba(X)))
        return -losses[-1]

    X, y, X_val, y_val = data
    params = {**SMALL, "max_iter": 60, "early_stopping": True, "n_iter_no_change": 5}
    classifier = BackpropClassifier(**params, scoring=scoring)
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    # logarithms of rounded probabilities
    assert_allclose(losses, classifier.validation_loss_curve_, rtol=1e-12)
    assert np.argmin(losses) < len(losses) - 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_scorer_does_not_complain_about_columns_without_names(early_stopping, data):
    X, y, X_val, y_val = data
    X, X_val = (pd.DataFrame(a, columns=["a", "b", "c"]) for a in (X, X_val))
    classifier = BackpropClassifier(
        **SMALL, scoring="f1", early_stopping=early_stopping
    ).fit(X, y, **({} if early_stopping else {"X_val": X_val, "y_val": y_val}))
    assert list(classifier.feature_names_in_) == ["a", "b", "c"]


def test_scorer_of_a_regressor(data):
    X, _, X_val, _ = data
    regressor = BackpropRegressor(**SMALL, scoring="neg_mean_absolute_error")
    regressor.fit(X, X[:, 0], X_val=X_val, y_val=X_val[:, 0])
    expected = -np.abs(regressor.predict(X_val) - X_val[:, 0]).mean()
    assert_allclose(regressor.validation_scores_[-1], expected, rtol=1e-14)  # one rounding


@pytest.mark.parametrize("scoring", ["loss", "f1", make_scorer(f1_score)], ids=str)
def test_lbfgs_scores_given_validation_data(scoring, data):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(**SMALL, solver="lbfgs", scoring=scoring)
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    found = classifier.validation_scores_[-1]
    if scoring == "loss":
        expected = -log_loss(y_val, classifier.predict_proba(X_val))
    else:
        expected = f1_score(y_val, classifier.predict(X_val))
    assert_allclose(found, expected, rtol=1e-12)  # logarithms of rounded probabilities


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
def test_lbfgs_refuses_scoring_without_validation_data(early_stopping, data):
    classifier = BackpropClassifier(
        **SMALL, solver="lbfgs", scoring="f1", early_stopping=early_stopping
    )
    with pytest.raises(
        ValueError, match=r"cannot use scoring='f1'.* or pass X_val and y_val"
    ):
        classifier.fit(*data[:2])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y_val": None}, "X_val and y_val belong together"),
        ({"X_val": None}, "X_val and y_val belong together"),
        (
            {"X_val": None, "y_val": None, "sample_weight_val": np.ones(20)},
            "and sample_weight_val to them",
        ),
        ({"X_val": np.ones((20, 2))}, "X has 2 features"),
        ({"X_val": np.full((20, 3), np.nan)}, "contains NaN"),
        ({"y_val": np.ones(19)}, "inconsistent numbers of samples"),
        ({"y_val": np.full(20, 7)}, r"y_val.* \[7\].* \[0 1\]"),
        ({"y_val": np.ones((20, 2), int)}, "y of shape"),
        ({"sample_weight_val": np.ones(19)}, "inconsistent numbers of samples"),
        ({"sample_weight_val": -np.ones(20)}, "must not be negative"),
        ({"sample_weight_val": np.zeros(20)}, "zero for every sample"),
    ],
    ids=range(11),
)
def test_validation_data_that_cannot_be_used_is_refused(change, match, data):
    X, y, X_val, y_val = data
    validation = {"X_val": X_val, "y_val": y_val, **change}
    with pytest.raises(ValueError, match=match):
        BackpropClassifier(**SMALL).fit(X, y, **validation)


def test_another_number_of_outputs_is_refused(data):
    X, _, X_val, _ = data
    with pytest.raises(ValueError, match="y_val has 1 outputs, but y has 2"):
        BackpropRegressor(**SMALL).fit(X, X[:, :2], X_val=X_val, y_val=X_val[:, 0])


@pytest.mark.parametrize("scoring", ["no_such", 3, ["f1"]], ids=str)
def test_unknown_scoring_is_refused(scoring, data):
    with pytest.raises(ValueError, match="The 'scoring' parameter of BackpropClassifier"):
        BackpropClassifier(**SMALL, scoring=scoring).fit(*data[:2])


def test_refused_validation_data_leaves_an_earlier_fit_as_it_was(data):
    X, y, X_val, y_val = data
    classifier = BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    before = classifier.predict_proba(X), list(classifier.validation_scores_)
    with pytest.raises(ValueError, match="belong together"):
        classifier.fit(X, y, X_val=X_val)
    assert np.array_equal(classifier.predict_proba(X), before[0])
    assert classifier.validation_scores_ == before[1]


def test_convergence_warning_is_the_only_one(data):
    X, y, X_val, y_val = data
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BackpropClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    assert [w.category for w in caught] == [ConvergenceWarning]
