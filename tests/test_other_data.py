"""Going on with other data: what was measured on the former data begins anew."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from problems import parameters_of
from scipy.sparse import csr_array

from skbackprop import BackpropClassifier, BackpropRegressor

X = np.random.RandomState(0).randn(400, 5)
Y = (X[:, 0] > 0).astype(int)
OTHER_X, OTHER_Y = X[:300], (X[:300, 1] > 0).astype(int)
pytestmark = pytest.mark.usefixtures("few_epochs")


def trained(**params):
    params = {"learning_rate": 0.01, "warm_start": True, "max_iter": 500, **params}
    return BackpropClassifier((20,), random_state=0, **params).fit(X, Y)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_warm_start_learns_other_rows(early_stopping, sparse):
    clf = trained(early_stopping=early_stopping)
    rows = csr_array(OTHER_X) if sparse else OTHER_X
    assert clf.score(OTHER_X, OTHER_Y) < 0.7
    clf.fit(rows, OTHER_Y)
    assert clf.n_iter_ > 11
    assert clf.score(OTHER_X, OTHER_Y) > 0.85


def test_a_warm_start_learns_other_targets_of_the_same_rows():
    clf = trained(early_stopping=True)
    clf.fit(X, (X[:, 1] > 0).astype(int))
    assert clf.score(X, X[:, 1] > 0) > 0.9


def test_a_warm_start_learns_from_other_weights():
    clf = trained()
    n_before = len(clf.loss_curve_)
    weight = np.where(X[:, 1] > 0, 3.0, 0.1)
    clf.fit(X, Y, sample_weight=weight)
    assert len(clf.loss_curve_) - n_before > 1 + clf.n_iter_no_change


def test_other_validation_rows_are_measured_anew():
    clf = BackpropClassifier(
        (20,), early_stopping=True, warm_start=True, learning_rate=0.01, random_state=0
    )
    clf.fit(X, Y, X_val=X[:50], y_val=Y[:50])
    assert clf.best_validation_score_ > 0.9
    clf.fit(X, Y, X_val=X[:50], y_val=1 - Y[:50])
    assert clf.best_validation_score_ < 0.5  # of these rows, not of those before
    assert clf.best_validation_score_ == max(clf.validation_scores_[-clf.n_iter_ :])


def test_a_lowered_rate_begins_anew_with_other_data():
    clf = BackpropClassifier(
        (20,),
        solver="sgd",
        learning_rate="adaptive",
        learning_rate_init=0.1,
        warm_start=True,
        max_iter=2000,
        random_state=0,
    ).fit(X, Y)
    assert clf.learning_rate_curve_[-1] < 1e-3
    clf.fit(OTHER_X, OTHER_Y)
    assert clf.learning_rate_curve_[-clf.n_iter_] == 0.1


def test_rows_after_partial_fit_are_other_data():
    clf = BackpropClassifier((20,), learning_rate=0.01, warm_start=True, random_state=0)
    for _ in range(60):
        clf.partial_fit(X[:20], Y[:20], classes=[0, 1])
    assert clf.best_loss_ < 0.1
    clf.fit(X, Y)
    assert clf.n_iter_ > 11
    assert clf.score(X, Y) > 0.95


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("copied", [False, True])
def test_the_same_data_go_on_exactly(early_stopping, copied):
    params = {"early_stopping": early_stopping, "tol": 0, "n_iter_no_change": 100}
    once = trained(max_iter=10, **params)
    twice = trained(max_iter=5, **params)
    twice = pickle.loads(pickle.dumps(twice))
    twice.fit(X.copy(), Y.copy()) if copied else twice.fit(X, Y)
    assert_array_equal(parameters_of(twice), parameters_of(once))
    assert twice.best_loss_ == once.best_loss_
    assert twice.best_validation_score_ == once.best_validation_score_


def test_a_best_loss_that_is_set_takes_effect():
    clf = trained()
    n_before = len(clf.loss_curve_)
    clf.fit(X, Y)
    assert len(clf.loss_curve_) - n_before <= 1 + clf.n_iter_no_change
    clf.best_loss_ = np.inf
    n_before = len(clf.loss_curve_)
    clf.set_params(n_iter_no_change=15).fit(X, Y)
    assert len(clf.loss_curve_) - n_before > 15  # the first epoch is an improvement again
    assert clf.best_loss_ == min(clf.loss_curve_[n_before:])


def test_a_best_score_that_is_set_takes_effect():
    clf = trained(early_stopping=True)
    clf.best_validation_score_ = -np.inf
    clf.set_params(max_iter=1).fit(X, Y)
    assert clf.best_validation_score_ == clf.validation_scores_[-1]


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_n_iter_counts_the_epochs_of_the_last_fit(cls):
    model = cls((4,), warm_start=True, max_iter=5, random_state=0)
    model.fit(X, Y).fit(X, Y)
    assert (model.n_iter_, len(model.loss_curve_)) == (5, 10)
    model.partial_fit(X, Y)
    assert model.n_iter_ == 11  # of all: there is no call to compare with max_iter
    model.set_params(solver="lbfgs").fit(X, Y)
    assert model.n_iter_ <= 5
