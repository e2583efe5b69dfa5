"""Scores that early stopping cannot use: they are refused or counted, never obeyed."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

from skbackprop import BackpropClassifier, BackpropRegressor

X = np.random.RandomState(0).randn(400, 5)
Y = (X[:, 0] > 0).astype(int)
ONLY_ONES = {"X_val": X[Y == 1], "y_val": Y[Y == 1]}
STOPS = {"early_stopping": True, "hidden_layer_sizes": (8,), "random_state": 0}
NO_NUMBER = "The validation score was not a number"

pytestmark = [
    pytest.mark.usefixtures("few_epochs"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
]


class ScoreThatFails:
    """A scorer whose score is a number but for some calls."""

    def __init__(self, *bad_calls):
        self.bad_calls, self.n_calls = bad_calls, 0

    def __call__(self, estimator, X, y):
        self.n_calls += 1
        score = estimator.score(X, y)
        return np.nan if self.n_calls in self.bad_calls else score


# -- the first score ---------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_first_score_that_is_no_number_is_refused(solver, engine):
    clf = BackpropClassifier(**STOPS, scoring="roc_auc", solver=solver)
    if solver != "lbfgs":
        clf.set_params(engine=engine)
    with pytest.raises(ValueError, match=r"scoring='roc_auc'.* nan .*1 different target"):
        clf.fit(X, Y, **ONLY_ONES)
    assert not hasattr(clf, "coefs_")


def test_r2_of_one_row_is_refused():
    reg = BackpropRegressor(**STOPS)
    with pytest.raises(ValueError, match=r"scoring=None.* nan .*1 validation row"):
        reg.fit(X, X[:, 0], X_val=X[:1], y_val=X[:1, 0])


def test_a_rare_label_among_several_is_refused_where_its_score_is_no_number():
    labels = np.c_[Y, X[:, 1] > 0, np.arange(400) == 0]
    clf = BackpropClassifier(**STOPS, scoring="roc_auc")
    with pytest.raises(ValueError, match="scoring='roc_auc'"):
        clf.fit(X, labels, X_val=X[5:30], y_val=labels[5:30])


def test_a_refused_score_leaves_an_earlier_fit():
    clf = BackpropClassifier(**STOPS, max_iter=3).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="roc_auc"):
        clf.set_params(scoring="roc_auc").fit(X, Y, **ONLY_ONES)
    assert_array_equal(clf.predict_proba(X), before)


# -- later scores ------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_later_score_that_is_no_number_is_no_improvement(solver):
    scorer = ScoreThatFails(*range(4, 1000))
    clf = BackpropClassifier(
        **STOPS, solver=solver, scoring=scorer, n_iter_no_change=5, learning_rate_init=0.2
    )
    if solver == "lbfgs":
        clf.set_params(max_iter=50)
    with pytest.warns(ConvergenceWarning, match=f"{NO_NUMBER} in 6 of 9 epochs"):
        clf.fit(X, Y, X_val=X, y_val=Y)
    assert clf.n_iter_ == 3 + 6  # the sixth is one too many
    assert clf.best_validation_score_ == max(clf.validation_scores_[:3])
    assert clf.score(X, Y) == clf.best_validation_score_ > 0.5


def test_one_warning_says_it_of_all_epochs():
    clf = BackpropClassifier(**STOPS, scoring=ScoreThatFails(2, 3, 5), max_iter=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, Y, X_val=X, y_val=Y)
    said = [str(w.message) for w in caught if NO_NUMBER in str(w.message)]
    assert len(said) == 1
    assert "in 3 of 8 epochs" in said[0]


def test_where_a_score_is_only_recorded_nan_is_recorded():
    clf = BackpropClassifier(
        (8,), scoring="roc_auc", max_iter=5, learning_rate=0.2, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Not converged", ConvergenceWarning)
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        clf.fit(X, Y, **ONLY_ONES)
    assert np.isnan(clf.validation_scores_).all()
    assert np.isnan(clf.best_validation_score_)
    assert np.isfinite(clf.validation_loss_curve_).all()
    mixed = BackpropClassifier((8,), scoring=ScoreThatFails(2), max_iter=3, random_state=0)
    mixed.fit(X, Y, X_val=X, y_val=Y)
    assert np.isnan(mixed.validation_scores_).tolist() == [False, True, False]
    assert mixed.best_validation_score_ == np.nanmax(mixed.validation_scores_)


# -- equal scores ------------------------------------------------------------------------


def test_an_equal_score_is_no_improvement():
    """With tol=0 a score that stays perfect ends the training; in MLP it does not."""
    clf = BackpropClassifier(**STOPS, tol=0, n_iter_no_change=4, learning_rate=0.05)
    far = np.abs(X[:, 0]) > 0.7  # from the other class
    clf.fit(X, Y, X_val=X[far], y_val=Y[far])
    assert clf.validation_scores_[-5:] == [1.0] * 5
    assert clf.n_iter_ < clf.max_iter
    assert clf.validation_scores_.index(1.0) == clf.n_iter_ - 1 - 5


def test_an_equal_loss_is_no_improvement():
    flat = BackpropRegressor(
        (), tol=0, n_iter_no_change=3, learning_rate=1e-300, shuffle=False
    )
    flat.fit(X[:20], X[:20, 0])
    assert flat.n_iter_ == 1 + 4


# -- rows without weight -----------------------------------------------------------------


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_rows_without_weight_are_not_set_aside(cls):
    weight = np.zeros(400)
    weight[:4] = 1
    for seed in range(5):
        model = cls(**{**STOPS, "random_state": seed}, max_iter=3)
        model.fit(X, Y, sample_weight=weight)
        rows = model._state["validation_rows"]
        assert set(rows) <= {0, 1, 2, 3}
        assert len(rows) == 2


def test_rows_without_weight_are_not_counted():
    weight = np.ones(400)
    weight[::2] = 0
    clf = BackpropClassifier(**STOPS, max_iter=2).fit(X, Y, sample_weight=weight)
    assert len(clf._state["validation_rows"]) == 20  # a tenth of 200
    assert (clf._state["validation_rows"] % 2 == 1).all()
    assert sorted([*clf._state["order"], *clf._state["validation_rows"]]) == list(
        range(400)
    )


def test_two_rows_with_weight_are_too_few():
    weight = np.zeros(400)
    weight[:2] = 1
    with pytest.raises(ValueError, match="2 rows with a positive weight"):
        BackpropClassifier(**STOPS).fit(X, Y, sample_weight=weight)


def test_bagging_of_a_small_set_trains():
    net = BackpropClassifier((4,), early_stopping=True, max_iter=2)
    bagged = BaggingClassifier(net, 10, random_state=0).fit(X[:12], Y[:12])
    assert bagged.predict(X[:12]).shape == (12,)


def test_a_fraction_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"validation_fraction=0.0 .* X_val"):
        BackpropClassifier(**STOPS, validation_fraction=0.0).fit(X, Y)
    BackpropClassifier(**STOPS, validation_fraction=0.0, max_iter=1).fit(
        X, Y, X_val=X, y_val=Y
    )
