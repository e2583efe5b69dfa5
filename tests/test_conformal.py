"""Intervals and sets: their formulas, by hand and by counting how often they hold."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tables import FEW, as_pandas, mixed_columns

from skbackprop import TabularClassifier, TabularRegressor
from skbackprop.tabular.calibration import apply_temperature, fit_temperature
from skbackprop.tabular.conformal import cross_conformal_sets, cv_plus_intervals

# -- the formulas, on paper ----------------------------------------------------------------


def test_the_ends_of_an_interval_on_paper():
    """Two members that say 10 and 20; errors 1, 3 of the first, 0, 2 of the second.

    upper candidates 11, 13, 20, 22; lower candidates 9, 7, 20, 18. With a coverage of 0.6
    the rank is ceil(0.6 * 5) = 3: the third of 11, 13, 20, 22 and the second, that is
    floor(0.4 * 5), of 7, 9, 18, 20.
    """
    errors = [np.array([1.0, 3.0]), np.array([0.0, 2.0])]
    interval = cv_plus_intervals(np.array([[10.0], [20.0]]), errors, 0.6)
    assert_array_equal(interval, [[9, 20]])


def test_with_too_few_rows_an_interval_is_infinite():
    """Nine rows are enough for 0.9 (rank ceil(0.9 * 10) = 9), eight are not."""
    for n, ends in ((9, [-8, 8]), (8, [-np.inf, np.inf])):
        interval = cv_plus_intervals(np.zeros((1, 1)), [np.arange(n, dtype=float)], 0.9)
        assert_array_equal(interval, [ends])


def test_a_set_on_paper():
    """One member; scores 0.1, 0.2, 0.3, 0.6 of rows held out; coverage 0.7.

    A class is possible if 1 + n_worse > 0.3 * 5 = 1.5, so if one score or more is
    1 - p at least: p = 0.4 just is, p = 0.39 is not.
    """
    scores = [np.array([0.1, 0.6, 0.3, 0.2])]
    possible = cross_conformal_sets(np.array([[[0.61, 0.39], [0.6, 0.4]]]), scores, 0.7)
    assert_array_equal(possible, [[True, False], [True, True]])


def test_intervals_of_many_rows_are_those_of_each(rng, monkeypatch):
    """They are taken in parts, so that memory is bounded."""
    predictions = rng.randn(3, 50)
    errors = [np.abs(rng.randn(n)) for n in (20, 21, 20)]
    whole = cv_plus_intervals(predictions, errors, 0.8)
    monkeypatch.setattr("skbackprop.tabular.conformal.AT_ONCE", 100)
    assert_array_equal(cv_plus_intervals(predictions, errors, 0.8), whole)


def test_a_temperature_makes_the_log_loss_smallest(rng):
    logits = rng.randn(400, 3)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    indices = np.array([rng.choice(3, p=row) for row in p])
    too_sure = apply_temperature(p, 0.6)

    def loss(temperature):
        honest = apply_temperature(too_sure, temperature)
        return -np.log(honest[np.arange(400), indices]).mean()

    found = fit_temperature(too_sure, indices, None)
    assert 1.3 < found < 2
    assert loss(found) < min(loss(found - 0.01), loss(found + 0.01), loss(1.0))


@pytest.mark.parametrize(
    ("p", "indices", "expected"),
    [
        ([[0.9, 0.1]] * 3, [0, 0, 0], 0.5),  # could always be more sure
        ([[0.9, 0.1]] * 3, [1, 1, 1], 2.0),
        ([[1.0]] * 3, [0, 0, 0], 1.0),
        ([[1.0, 0.0]] * 3, [1, 0, 0], 2.0),  # what had a probability of 0
    ],
)
def test_a_temperature_is_bounded(p, indices, expected):
    assert fit_temperature(np.array(p), np.array(indices), None) == expected


# -- how often they hold -------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    """Rows to fit, and a thousand to see how often what is promised holds."""
    (columns, y), (more, target) = (mixed_columns(n, seed=n) for n in (300, 1000))
    return as_pandas(columns), y, as_pandas(more), target


FAIR = {**FEW, "n_members": 4, "hidden_layer_sizes": (32,), "max_iter": 40, "n_bins": 8}


@pytest.mark.parametrize("n_members", [1, 4])
def test_intervals_hold_as_often_as_asked(table, n_members):
    X, y, X_new, y_new = table
    reg = TabularRegressor(**{**FAIR, "n_members": n_members}).fit(X, y)
    widths = []
    for coverage in (0.5, 0.8, 0.95):
        low, high = reg.predict_interval(X_new, coverage).T
        held = ((low <= y_new) & (y_new <= high)).mean()
        # the quantile of n held-out rows has a deviation of sqrt(0.25 / n): 0.03 for 300,
        # 0.09 for the 30 of a single member; three of them. Members that differ make CV+
        # hold more often.
        bound = 0.09 if n_members == 4 else 0.27
        assert coverage - bound < held < coverage + bound + 0.1
        widths.append((high - low).mean())
    assert widths == sorted(widths)
    assert (reg.predict_std(X_new) > 0).all() == (n_members > 1)


def test_sets_hold_as_often_as_asked(table):
    X, y, X_new, y_new = table
    cuts = np.quantile(y, [0.25, 0.5, 0.75])
    clf = TabularClassifier(**FAIR).fit(X, np.digitize(y, cuts))
    truth = np.digitize(y_new, cuts)
    sizes = []
    for coverage in (0.7, 0.9):
        possible = clf.predict_set(X_new, coverage)
        held = possible[np.arange(len(truth)), truth].mean()
        # the most probable class is always among them, so it may be more
        assert coverage - 0.09 < held
        sizes.append(possible.sum(axis=1).mean())
        assert possible.any(axis=1).all()
    assert sizes == sorted(sizes)
    assert sizes[0] < 3
    assert (clf.predict_set(X_new).argmax(axis=1) <= clf.predict(X_new)).all()
    best = clf.predict(X_new)
    assert possible[np.arange(len(best)), best].all()


def test_infinite_intervals_are_said_where_rows_are_few(table):
    X, y, X_new, _ = table
    reg = TabularRegressor(**FAIR).fit(X[:15], y[:15])
    assert np.isinf(reg.predict_interval(X_new, 0.99)).all()
    assert np.isfinite(reg.predict_interval(X_new, 0.9)).all()


def test_a_row_of_weight_zero_does_not_count(table):
    X, y, X_new, _ = table
    weight = np.ones(len(y))
    wild = y.copy()
    wild[::3], weight[::3] = 1e6, 0
    reg = TabularRegressor(**FAIR).fit(X, wild, sample_weight=weight)
    assert np.abs(reg.predict_interval(X_new)).max() < 1e4


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, "most", True])
def test_a_coverage_lies_between_zero_and_one(table, coverage):
    X, y, _, _ = table
    words = r"coverage must be a float in the range \(0.0, 1.0\)"
    reg = TabularRegressor(**FEW).fit(X, y)
    with pytest.raises(ValueError, match=words):
        reg.predict_interval(X, coverage)
    clf = TabularClassifier(**FEW).fit(X, y > 100)
    with pytest.raises(ValueError, match=words):
        clf.predict_set(X, coverage)
