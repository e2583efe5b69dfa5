"""NaN in a y of several columns: not measured, and left out of loss, gradient and score."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, cross_val_score

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    check_gradient,
    replay,
    trace_step,
)
from skbackprop.activations import Softmax
from skbackprop.losses import REGRESSOR_LOSSES, LogLoss, RowLoss, SquaredError

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
LBFGS = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0.0, "tol": 1e-10}


@pytest.fixture
def X(rng):
    return rng.standard_normal((90, 3))


@pytest.fixture
def y(X, rng):
    """Positive numbers in three columns, of which each row lacks at most two."""
    y = np.exp(X @ rng.uniform(-0.5, 0.5, (3, 3)) + 0.3 * rng.standard_normal((90, 3)))
    y[rng.uniform(size=y.shape) < 0.3] = np.nan
    y[np.arange(90), rng.randint(3, size=90)] = rng.uniform(0.5, 1.5, 90)
    return y


@pytest.fixture
def labels(y):
    return np.where(np.isnan(y), np.nan, y > 1)


def small(cls=BackpropRegressor, **parameters):
    settings = {"learning_rate": 0.01, "max_iter": 8, "random_state": 0, **parameters}
    settings = {"hidden_layer_sizes": (5,), "activation": "tanh", **settings}
    return cls(**settings, missing_targets="ignore")


# -- what is trained -------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
def test_columns_of_a_linear_network_are_regressions_on_their_own_rows(solver, X, y):
    """Without hidden units columns share nothing."""
    reg = small(**LBFGS | {"solver": solver}, max_iter=1000).fit(X, y)
    for k in range(3):
        rows = ~np.isnan(y[:, k])
        assert 40 < rows.sum() < 85
        line = LinearRegression().fit(X[rows], y[rows, k])
        # L-BFGS stops where the objective hardly falls: half the digits
        assert_allclose(reg.coefs_[0][:, k], line.coef_, rtol=1e-4, atol=1e-5)
        assert_allclose(reg.intercepts_[0][k], line.intercept_, rtol=1e-4)


def test_labels_of_a_linear_network_are_regressions_on_their_own_rows(X, labels):
    clf = small(BackpropClassifier, **LBFGS, max_iter=1000).fit(X, labels)
    for k in range(3):
        rows = ~np.isnan(labels[:, k])
        alone = LogisticRegression(C=1e10, solver="newton-cholesky").fit(
            X[rows], labels[rows, k]
        )
        # as above
        assert_allclose(clf.coefs_[0][:, k], alone.coef_[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", [*REGRESSOR_LOSSES, SquaredError(link=Softmax())], ids=str)
def test_gradient_is_the_derivative_of_the_masked_loss(loss, X, y):
    assert check_gradient(small(loss=loss), X[:20], y[:20]).passed


def test_loss_is_the_sum_of_what_was_measured(X, y, rng):
    weight = rng.uniform(0.1, 2, 45)
    reg = small().fit(X[:45], y[:45], X_val=X[45:], y_val=y[45:], sample_weight_val=weight)
    errors = np.nan_to_num(reg.predict(X[45:]) - y[45:])
    expected = np.average((errors**2).sum(axis=1) / 2, weights=weight)
    assert_allclose(reg.validation_loss_curve_[-1], expected, rtol=1e-12)  # other order


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_whoever_has_all_targets_notices_nothing(loss, X, y):
    y = np.nan_to_num(y, nan=1.0)
    one = small(loss=loss, max_iter=3).fit(X, y)
    other = small(loss=loss, max_iter=3).set_params(missing_targets="error").fit(X, y)
    for mine, theirs in zip(one.coefs_, other.coefs_, strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("loss", [*REGRESSOR_LOSSES, SquaredError(link=Softmax())], ids=str)
def test_engines_agree(loss, X, y):
    pytest.importorskip("numba")
    nets = [
        small(loss=loss, engine=engine, batch_size=20).fit(X, y)
        for engine in ("numpy", "numba")
    ]
    assert_allclose(nets[0].loss_curve_, nets[1].loss_curve_, rtol=1e-9)  # forty steps
    assert_allclose(nets[0].predict(X), nets[1].predict(X), rtol=1e-8)


def test_partial_fit_goes_on_as_warm_start_does(X, y):
    whole = small(max_iter=4).fit(X, y)
    chunks = small()
    for _ in range(4):
        chunks.partial_fit(X, y)
    for one, other in zip(whole.coefs_, chunks.coefs_, strict=True):
        assert_array_equal(one, other)


# -- scores ----------------------------------------------------------------------------


def test_score_is_the_mean_of_r2_of_the_measured_rows(X, y, rng):
    reg, weight = small().fit(X, y), rng.uniform(0.1, 2, 90)
    output = reg.predict(X)
    for sample_weight in None, weight:
        expected = []
        for k in range(3):
            rows = ~np.isnan(y[:, k])
            of_rows = None if sample_weight is None else weight[rows]
            expected.append(r2_score(y[rows, k], output[rows, k], sample_weight=of_rows))
        assert_allclose(reg.score(X, y, sample_weight), np.mean(expected), rtol=1e-13)


def test_score_of_labels_counts_rows_without_a_known_mistake(X, labels):
    clf = small(BackpropClassifier).fit(X, labels)
    found = clf.predict(X)
    wrong = (found != labels) & ~np.isnan(labels)
    assert clf.score(X, labels) == (~wrong.any(axis=1)).mean()
    known = ~np.isnan(labels).any(axis=1)
    assert clf.score(X[known], labels[known]) == accuracy_score(labels[known], found[known])


@pytest.mark.parametrize("cls", [BackpropRegressor, BackpropClassifier])
def test_early_stopping_watches_the_same_score(cls, X, y, labels):
    target = y if cls is BackpropRegressor else labels
    net = small(cls, early_stopping=True)
    net.fit(X[:60], target[:60], X_val=X[60:], y_val=target[60:])
    assert_allclose(net.score(X[60:], target[60:]), net.best_validation_score_, rtol=1e-12)
    assert len(small(cls, early_stopping=True).fit(X, target).validation_scores_) == 8
    scores = cross_val_score(net.set_params(early_stopping=False), X, target, cv=KFold(3))
    assert np.isfinite(scores).all()


# -- forms of y ------------------------------------------------------------------------


def test_none_and_na_are_missing_too(X, y, labels):
    expected = small().fit(X, y).coefs_[0]
    objects = y.astype(object)
    objects[np.isnan(y)] = None
    for given in objects, pd.DataFrame(y), pd.DataFrame(y).astype("Float64"):
        assert_array_equal(small().fit(X, given).coefs_[0], expected)
    expected = small(BackpropClassifier).fit(X, labels).coefs_[0]
    for given in pd.DataFrame(labels).astype("boolean"), pd.DataFrame(2 * labels):
        assert_array_equal(small(BackpropClassifier).fit(X, given).coefs_[0], expected)


def test_single_columns_train_as_ever(X, y):
    y = np.nan_to_num(y[:, 0], nan=1.0)
    for cls, target in (BackpropRegressor, y), (BackpropClassifier, y > 1):
        one = small(cls).fit(X, target)
        other = small(cls).set_params(missing_targets="error").fit(X, target)
        assert_array_equal(one.coefs_[0], other.coefs_[0])
        assert one.score(X, target) == other.score(X, target)


def test_a_trace_leaves_out_what_is_missing(X, y):
    text = str(trace_step(small(), X[:5], y[:5]))
    assert np.isnan(y[:5]).any()
    assert "nan" not in text


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize("cls", [BackpropRegressor, BackpropClassifier])
def test_nan_is_an_error_unless_it_is_ignored(cls, X, y, labels):
    target = y if cls is BackpropRegressor else labels
    with pytest.raises(ValueError, match="y contains NaN"):
        small(cls).set_params(missing_targets="error").fit(X, target)


@pytest.mark.parametrize("cls", [BackpropRegressor, BackpropClassifier])
def test_rows_and_columns_without_any_target_are_refused(cls, X, y, labels):
    target = (y if cls is BackpropRegressor else labels).copy()
    net = small(cls).fit(X, target)
    before = net.predict(X)
    no_column, no_row = target.copy(), target.copy()
    no_column[:, 1], no_row[[7, 9]] = np.nan, np.nan
    no_column[:, 0] = 1
    with pytest.raises(ValueError, match=r"in 2 rows, the first of them row 7"):
        net.fit(X, no_row)
    with pytest.raises(ValueError, match=r"columns \[1\] of y are missing in every row"):
        net.fit(X, no_column)
    with pytest.raises(ValueError, match="one column, and no target in row 1"):
        net.fit(X, no_row[:, 0])
    with pytest.raises(ValueError, match="infinity"):
        net.fit(X, np.where(np.isnan(target), np.inf, target))
    assert_array_equal(net.predict(X), before)
    net.partial_fit(X, no_column)  # a chunk may lack a column


def test_a_column_that_is_measured_once_does_not_count_in_the_score(X, y):
    reg = small().fit(X, y)
    few, target = X[:9], np.nan_to_num(y[:9])
    target[1:, 0] = np.nan
    expected = r2_score(target[:, 1:], reg.predict(few)[:, 1:])
    assert_allclose(reg.score(few, target), expected, rtol=1e-13)  # another order of sums


class WholeRows:
    """A loss that does not say what each output costs."""

    def predict(self, z, out):
        out[...] = z

    def value_and_delta(self, target, z, delta, sample_weight=None):
        delta[...] = 0
        return 0.0


class SumOfARow(RowLoss):
    """A loss of rows: what of it an output costs is not said."""

    def value_and_derivative(self, t, z):
        error = z - t
        return np.sum(error * error, axis=1) / 2, error


def test_losses_that_cannot_leave_out_are_refused(X, y):
    with pytest.raises(ValueError, match="one is that of a row as a whole"):
        small(loss=SumOfARow()).fit(X, y)
    with pytest.raises(ValueError, match="needs a loss that knows what each output costs"):
        small(loss=WholeRows()).fit(X, y)
    shares = np.nan_to_num(y) / np.nansum(y, axis=1, keepdims=True)
    shares[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"sum over outputs|sum to one"):
        small(loss=LogLoss()).fit(X, shares)


def test_replay_refuses_missing_targets(X, y):
    with pytest.raises(ValueError, match="replay shows every target"):
        replay(small(), X, y)


def test_a_poor_fit_is_still_said(X, y):
    with pytest.warns(ConvergenceWarning, match="Scale y"):
        small(max_iter=2).fit(X, 1e4 + 1e3 * y)
