"""When training stops, what it says then, and which weights are kept."""

import itertools

import numpy as np
import pytest
from rules import SOLVERS
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.initializers import GivenWeights
from skbackprop.schedules import Adaptive, Plateau
from skbackprop.training import trainer

NOTHING_IMPROVES = {"tol": 1e3}  # no epoch improves the loss by so much
STOCHASTIC = [solver for solver in SOLVERS if solver != "lbfgs"]


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 3))


@pytest.fixture
def y(X, rng):
    """Labels that can be learnt, but not without errors."""
    return (X[:, 0] + 0.8 * rng.standard_normal(60) > 0).astype(int)


def classifier(**params):
    defaults = {"hidden_layer_sizes": (4,), "random_state": 0}
    return BackpropClassifier(**{**defaults, **params})


class RecordingSGD:
    """Gradient descent that records the learning rates it was given."""

    def __init__(self):
        self.rates = []

    def init(self, vector):
        return {}

    def update(self, gradient, memory, learning_rate, t):
        self.rates.append(learning_rate)
        gradient *= learning_rate


class Stride:
    """Steps of a half against the sign of the gradient."""

    def init(self, vector):
        return {}

    def update(self, gradient, memory, learning_rate, t):
        np.sign(gradient, out=gradient)
        gradient *= 0.5


# -- patience --------------------------------------------------------------------------


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("patience", [1, 4])
def test_training_stops_after_more_epochs_without_improvement_than_patience(
    patience, solver, X, y
):
    """The first epoch counts as an improvement; patience + 1 more do not."""
    clf = classifier(solver=solver, n_iter_no_change=patience, **NOTHING_IMPROVES)
    assert clf.fit(X, y).n_iter_ == 1 + patience + 1


@pytest.mark.filterwarnings("ignore:Not converged")
@pytest.mark.parametrize("tol", [0, 0.25])
def test_improvement_of_just_tol_renews_the_patience(tol):
    """Without weights a step of 1 towards y = 0 lowers the squared error as told.

    The loss is 2, 1.125, 0.5, 0.125 and 0, by more than 0.25 but for the last; then it
    stays, which is no improvement, not even by 0.
    """
    X, y = np.zeros((1, 1)), np.zeros(1)
    weights = GivenWeights([[[0.0]]], [[2.0]])
    params = {"tol": tol, "n_iter_no_change": 3, "max_iter": 20, "initializer": weights}
    regressor = BackpropRegressor((), solver=Stride(), **params).fit(X, y)
    assert regressor.loss_curve_[:6] == [2, 1.125, 0.5, 0.125, 0, 0]
    assert regressor.n_iter_ == (9 if tol == 0 else 8)


def test_improvement_by_just_tol_is_an_improvement():
    """Losses of 2, 1.5, 1, 0.5 and then 0: every one of them better by just tol."""
    weights = GivenWeights([[[0.0]]], [[2.0]])
    params = {"tol": 0.5, "n_iter_no_change": 1, "max_iter": 20, "initializer": weights}
    params |= {"loss": "absolute_error"}
    regressor = BackpropRegressor((), solver=Stride(), **params)
    regressor.fit(np.zeros((1, 1)), np.zeros(1))
    assert regressor.loss_curve_ == [2, 1.5, 1, 0.5, 0, 0, 0]


def test_epochs_that_improve_renew_the_patience(X, y):
    """Recounted from the loss curve."""
    tol, patience = 2e-3, 3
    clf = classifier(
        solver="sgd", learning_rate=0.05, tol=tol, n_iter_no_change=patience, max_iter=999
    ).fit(X, y)
    best, stale = np.inf, 0
    for loss in clf.loss_curve_[:-1]:
        stale = stale + 1 if loss > best - tol else 0
        best = min(best, loss)
        assert stale <= patience
    assert stale == patience
    assert clf.loss_curve_[-1] > best - tol


def test_infinite_patience_runs_to_the_end(X, y):
    clf = classifier(n_iter_no_change=np.inf, max_iter=40, **NOTHING_IMPROVES)
    with pytest.warns(ConvergenceWarning, match="max_iter=40"):
        assert clf.fit(X, y).n_iter_ == 40


@pytest.mark.usefixtures("few_epochs")
def test_best_loss_is_the_smallest_of_the_curve(X, y):
    clf = classifier(solver="sgd", learning_rate=2.0, batch_size=5, n_iter_no_change=3)
    clf.fit(X, y)
    assert clf.best_loss_ == min(clf.loss_curve_) < clf.loss_


def test_loss_is_the_last_of_the_curve(X, y):
    clf = classifier(**NOTHING_IMPROVES).fit(X, y)
    assert clf.loss_ == clf.loss_curve_[-1]


# -- schedules that react --------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", ["adaptive", Adaptive()], ids=repr)
def test_adaptive_divides_by_five_until_its_floor(learning_rate, X, y):
    """0.1 / 5^7 = 1.28e-6 is above 1e-6, the next is not and ends the training."""
    sgd = RecordingSGD()
    clf = classifier(
        solver=sgd,
        learning_rate=learning_rate,
        learning_rate_init=0.1,
        n_iter_no_change=2,
        batch_size=60,
        **NOTHING_IMPROVES,
    ).fit(X, y)
    expected = [0.1 / 5**k for k in range(9)]
    # a division by 5 is a product by 0.2, which is not exact
    np.testing.assert_allclose(np.unique(sgd.rates)[::-1], expected, rtol=1e-14)
    assert clf.n_iter_ == 1 + 9 * 3  # an epoch that improves, then 2 + 1 for each rate


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_adaptive_acts_with_every_stochastic_solver(solver, X, y):
    clf = classifier(
        solver=solver,
        learning_rate="adaptive",
        learning_rate_init=1e-5,  # one division reaches the floor of 1e-6, nearly
        n_iter_no_change=1,
        **NOTHING_IMPROVES,
    ).fit(X, y)
    assert clf.n_iter_ == 1 + 3 * 2  # rates 1e-5, 2e-6 and 4e-7


def test_plateau_multiplies_by_its_factor_until_its_floor(X, y):
    sgd = RecordingSGD()
    plateau = Plateau(factor=0.5, patience=1, floor=0.02)
    classifier(
        solver=sgd,
        learning_rate=plateau,
        learning_rate_init=0.1,
        n_iter_no_change=3,
        **NOTHING_IMPROVES,
    ).fit(X, y)
    assert np.unique(sgd.rates)[::-1].tolist() == [0.1, 0.05, 0.025, 0.0125]


# -- max_iter --------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_reaching_max_iter_warns_with_its_value(solver, X, y):
    clf = classifier(solver=solver, max_iter=3, tol=0)
    with pytest.warns(ConvergenceWarning) as caught:
        clf.fit(X, y)
    assert clf.n_iter_ == 3
    messages = [str(warning.message) for warning in caught]
    assert any("Increase max_iter" in message for message in messages)
    if solver != "lbfgs":
        assert any("max_iter=3 epochs" in message for message in messages)


def test_only_lbfgs_is_told_of_max_fun(X, y):
    """The other solvers ignore it."""
    with pytest.warns(ConvergenceWarning) as caught:
        classifier(max_iter=2).fit(X, y)
    assert not any("max_fun" in str(warning.message) for warning in caught)


def test_warning_points_at_the_call_of_fit(X, y):
    with pytest.warns(ConvergenceWarning) as caught:
        classifier(max_iter=2).fit(X, y)
    assert {warning.filename for warning in caught} == {__file__}


def test_training_that_patience_ends_does_not_warn(X, y):
    """Warnings are errors in this test session."""
    classifier(max_iter=20, n_iter_no_change=2, tol=1e3).fit(X, y)


def test_partial_fit_does_not_warn(X, y):
    classifier().partial_fit(X, y, classes=[0, 1])


def test_lbfgs_has_a_learning_rate_of_1_per_iteration(X, y):
    clf = classifier(solver="lbfgs", tol=1e-2, learning_rate_init=0.3).fit(X, y)
    assert clf.learning_rate_curve_ == [1.0] * clf.n_iter_


def test_lbfgs_that_converges_does_not_warn(X, y):
    clf = classifier(solver="lbfgs", tol=1e-2, alpha=1).fit(X, y)
    assert clf.n_iter_ < 200


def test_lbfgs_warns_when_its_evaluations_are_used_up(X, y):
    clf = classifier(solver="lbfgs", max_fun=3, tol=0)
    with pytest.warns(ConvergenceWarning, match="max_iter or max_fun"):
        clf.fit(X, y)


# -- target loss -----------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_training_stops_at_the_first_loss_at_or_below_the_target(solver, X, y):
    clf = classifier(solver=solver, learning_rate_init=0.05, max_iter=10, tol=0)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        curve = clf.fit(X, y).loss_curve_
    target = curve[5]
    first = next(i for i, loss in enumerate(curve) if loss <= target)
    assert clf.set_params(target_loss=target).fit(X, y).loss_curve_ == curve[: first + 1]


# -- time ------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """Stands in for the real one; every reading is a second later."""
    seconds = itertools.count()
    monkeypatch.setattr(trainer, "monotonic", lambda: next(seconds))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("solver", "engine"), [("adam", "numpy"), ("adam", "numba"), ("lbfgs", "auto")]
)
def test_training_stops_with_the_epoch_in_which_its_time_is_up(solver, engine, X, y):
    """The clock is read when training begins and after each epoch: 3 s are 3 epochs."""
    params = {"solver": solver, "engine": engine, "tol": 0, "n_iter_no_change": np.inf}
    clf = classifier(**params, max_time=2.5)
    message = r"after max_time=2.5 seconds and 3 epochs. Increase max_time, .*scale the inp"
    with pytest.warns(ConvergenceWarning, match=message):
        clf.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        expected = classifier(**params, max_iter=3).fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) == 3
    assert (clf.loss_, clf.best_loss_) == (expected.loss_, expected.best_loss_)
    assert all(map(np.array_equal, clf.coefs_, expected.coefs_))


@pytest.mark.usefixtures("clock", "few_epochs")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_goes_on_exactly_after_its_time_was_up(early_stopping, X, y):
    params = {"early_stopping": early_stopping, "dropout": 0.3, "n_iter_no_change": np.inf}
    parts = classifier(**params, max_time=4, warm_start=True)
    parts.fit(X, y).fit(X, y)
    assert parts.n_iter_ == 4
    whole = classifier(**params, max_iter=8).fit(X, y)
    assert parts.loss_curve_ == whole.loss_curve_
    assert all(map(np.array_equal, parts.coefs_, whole.coefs_))


@pytest.mark.usefixtures("clock")
def test_who_is_done_is_not_told_of_the_time(X, y):
    """Patience ends with the same epoch: nothing is left to wait for. No warning."""
    clf = classifier(n_iter_no_change=2, max_time=4, **NOTHING_IMPROVES)
    assert clf.fit(X, y).n_iter_ == 4


@pytest.mark.usefixtures("clock")
def test_partial_fit_has_no_time_limit(X, y):
    clf = classifier(max_time=1e-9).partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert clf.n_iter_ == 2


# -- early stopping --------------------------------------------------------------------


class Watch:
    """A scorer that scores as usual and keeps the rows and the scores it saw."""

    def __init__(self, metric):
        self.metric, self.scores = metric, []

    def __call__(self, estimator, X, y):
        self.rows = X, y
        self.scores.append(self.metric(y, estimator.predict(X)))
        return self.scores[-1]


STOPS_EARLY = {
    "early_stopping": True,
    "validation_fraction": 0.3,
    "learning_rate_init": 0.1,
    "n_iter_no_change": 5,
}


@pytest.mark.parametrize("batch_size", [10, "auto"])
def test_early_stopping_keeps_the_weights_of_the_best_score(batch_size, X, y):
    watch = Watch(accuracy_score)
    clf = classifier(scoring=watch, batch_size=batch_size, **STOPS_EARLY).fit(X, y)
    assert clf.validation_scores_ == watch.scores
    assert clf.best_validation_score_ == max(watch.scores)
    assert clf.score(*watch.rows) == max(watch.scores)


@pytest.mark.filterwarnings("ignore:Not converged")
def test_first_of_several_best_scores_is_kept(X, y):
    """Nothing that changes the labels is learnt in so few steps."""
    params = {"early_stopping": True, "solver": "sgd", "learning_rate": 1e-6}
    kept = classifier(**params, max_iter=5).fit(X, y)
    assert len(set(kept.validation_scores_)) == 1
    first = classifier(**params, max_iter=1).fit(X, y)
    assert all(map(np.array_equal, kept.coefs_, first.coefs_))


def test_weights_kept_are_not_those_of_the_last_epoch(X, y):
    """Five epochs without improvement were run after the best one."""
    params = {"batch_size": 10, **STOPS_EARLY}
    stopped = classifier(**params).fit(X, y)
    best_epoch = int(np.argmax(stopped.validation_scores_)) + 1
    assert best_epoch < stopped.n_iter_
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        until_best = classifier(**params, max_iter=best_epoch).fit(X, y)
    assert all(map(np.array_equal, stopped.coefs_, until_best.coefs_))


def test_early_stopping_watches_the_validation_set_it_is_given(X, y):
    clf = classifier(**STOPS_EARLY)
    clf.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert clf.score(X[40:], y[40:]) == clf.best_validation_score_
    assert clf.t_ == 40 * clf.n_iter_  # nothing was set aside


def test_regressor_stops_by_its_score(X):
    reg = BackpropRegressor((4,), random_state=0, **STOPS_EARLY)
    y = X[:, 0] * X[:, 1]
    reg.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert reg.score(X[40:], y[40:]) == reg.best_validation_score_


def test_early_stopping_sets_its_fraction_aside(X, y):
    watch = Watch(accuracy_score)
    clf = classifier(scoring=watch, **STOPS_EARLY).fit(X, y)
    assert len(watch.rows[0]) == 0.3 * 60
    assert clf.t_ == 42 * clf.n_iter_


@pytest.mark.usefixtures("few_epochs")
def test_last_rows_are_set_aside_where_that_is_asked_for(X, y):
    """As if they had been passed as validation rows; rows without weight do not count."""
    weight = np.where(np.arange(60) % 4 == 3, 0.0, 1.0)
    watch = Watch(accuracy_score)
    own = classifier(scoring=watch, validation_rows="last", shuffle=False, **STOPS_EARLY)
    own.fit(X, y, weight)
    counted = np.flatnonzero(weight)
    assert np.array_equal(watch.rows[0], X[counted[-14:]])  # 0.3 of 45, rounded up
    train, held_out = counted[:-14], counted[-14:]
    given = classifier(scoring=watch, shuffle=False, **STOPS_EARLY)
    given.fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])
    # sums of weights in place of counts
    np.testing.assert_allclose(own.coefs_[0], given.coefs_[0], rtol=1e-9)
    assert own.n_iter_ == given.n_iter_


def test_best_epoch_is_that_of_the_best_score(X, y):
    clf = classifier(batch_size=10, warm_start=True, **STOPS_EARLY).fit(X, y)
    assert clf.best_iter_ == int(np.argmax(clf.validation_scores_)) + 1 < clf.n_iter_
    clf.fit(X, y)  # counted over both calls, as the curves are
    assert clf.best_iter_ == int(np.argmax(clf.validation_scores_)) + 1


@pytest.mark.usefixtures("few_epochs")
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_best_epoch_is_that_of_the_best_loss_without_early_stopping(solver, X, y):
    clf = classifier(solver=solver, learning_rate=2.0, batch_size=5, n_iter_no_change=3)
    clf.fit(X, y, X_val=-X, y_val=y)
    assert clf.best_iter_ == int(np.argmin(clf.loss_curve_)) + 1
    assert clf.loss_curve_[clf.best_iter_ - 1] == clf.best_loss_


def test_there_is_no_best_epoch_before_the_first(X):
    assert BackpropRegressor.from_weights([[[2.0]]], [[1.0]]).best_iter_ is None


def test_early_stopping_needs_one_row_to_train_on_and_two_to_validate(X):
    regressor = BackpropRegressor((2,), early_stopping=True, max_iter=4, random_state=0)
    with pytest.warns(ConvergenceWarning):
        assert regressor.fit(X[:3], X[:3, 0]).t_ == 4
    with pytest.raises(ValueError, match=r"sets 2 rows aside .* got n_samples=2"):
        regressor.fit(X[:2], X[:2, 0])


def test_early_stopping_has_no_best_loss(X, y):
    assert classifier(**STOPS_EARLY).fit(X, y).best_loss_ is None


def test_training_without_validation_has_no_scores(X, y):
    clf = classifier(**NOTHING_IMPROVES).fit(X, y)
    assert clf.validation_scores_ is None
    assert clf.best_validation_score_ is None


def test_validation_set_does_not_change_the_weights_without_early_stopping(X, y):
    plain = classifier(**NOTHING_IMPROVES).fit(X, y)
    watched = classifier(**NOTHING_IMPROVES).fit(X, y, X_val=-X, y_val=y)
    assert len(watched.validation_scores_) == watched.n_iter_
    assert all(map(np.array_equal, plain.coefs_, watched.coefs_))
