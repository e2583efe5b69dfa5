"""TabularClassifier and TabularRegressor: members, folds, and what they say together."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
)
from tables import FEW, as_pandas, mixed_columns
from test_estimator_checks import EVERY_CHECK, checks_of

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    TabularClassifier,
    TabularRegressor,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # of members trained by hand
)
BOTH = [TabularClassifier, TabularRegressor]
each = pytest.mark.parametrize("cls", BOTH)

# Learning rate and epochs are those that a check of accuracy needs.
QUICK = {**FEW, "hidden_layer_sizes": (16,), "max_iter": 40, "learning_rate_init": 0.1}


@checks_of([cls(**{**QUICK, "random_state": None}) for cls in BOTH], by_default=EVERY_CHECK)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


def mixed(cls, n_rows=200, seed=0):
    """A table, and what the estimator learns of it."""
    columns, y = mixed_columns(n_rows, seed)
    frame = as_pandas(columns)
    return frame, (np.where(y > 110, "dear", "cheap") if cls is TabularClassifier else y)


def output(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def few(cls, **parameters):
    return cls(**{**FEW, **parameters})


# -- members and folds ---------------------------------------------------------------------


@each
def test_the_output_is_the_mean_of_those_of_the_members(cls):
    X, y = mixed(cls)
    model = few(cls, n_members=3).fit(X, y)
    matrix = model.encoder_.transform(X)
    if cls is TabularClassifier:
        outputs = [member.predict_proba(matrix) for member in model.members_]
        assert {type(member) for member in model.members_} == {BackpropClassifier}
        expected = np.mean(outputs, axis=0) ** (1 / model.temperature_)
        expected /= expected.sum(axis=1, keepdims=True)
    else:
        outputs = [
            member.predict(matrix) * model.target_scale_ + model.target_mean_
            for member in model.members_
        ]
        assert {type(member) for member in model.members_} == {BackpropRegressor}
        expected = np.mean(outputs, axis=0)
    # members predict in float32
    assert_allclose(output(model, X), expected, rtol=1e-5)
    assert_array_equal(model.n_iter_, [member.n_iter_ for member in model.members_])


@each
def test_a_member_is_what_its_class_makes_of_its_rows(cls):
    """With the first split as `cv`, by hand: the recipe, on rows that are encoded."""
    X, y = mixed(cls)
    train, held_out = next(KFold(4, shuffle=True, random_state=1).split(X))
    model = few(cls, cv=[(train, held_out)]).fit(X, y)
    member = clone(model.members_[0])
    matrix = model.encoder_.transform(X)
    if cls is TabularRegressor:
        y = (y - y.mean()) / y.std()
    member.fit(matrix[train], y[train], X_val=matrix[held_out], y_val=y[held_out])
    assert_array_equal(member._vector, model.members_[0]._vector)


@each
def test_activations_alternate_and_can_be_chosen(cls):
    X, y = mixed(cls)
    model = few(cls, n_members=3).fit(X, y)
    assert [member.activation for member in model.members_] == ["relu", "silu", "relu"]
    model = few(cls, activation="tanh").fit(X, y)
    assert [member.activation for member in model.members_] == ["tanh", "tanh"]


@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(50, "auto"), (64, 32), (900, 64), (3000, 256)]
)
def test_a_batch_is_about_a_sixteenth_of_the_rows(n_rows, batch_size, rng):
    X = rng.rand(n_rows, 2)
    model = few(TabularRegressor, max_iter=1, hidden_layer_sizes=(2,)).fit(X, X[:, 0])
    member = model.members_[0]
    assert member.batch_size == batch_size
    nominal = 32 if batch_size == "auto" else batch_size
    assert_allclose(member.learning_rate_init, 0.003 * (nominal / 256) ** 0.5, rtol=1e-12)


@each
def test_every_row_is_held_out_once_and_predicted_by_that_member(cls):
    X, y = mixed(cls)
    model = few(cls, n_members=3).fit(X, y)
    matrix = model.encoder_.transform(X)
    of_members = np.array([output(member, matrix) for member in model.members_])
    if cls is TabularRegressor:
        of_members = of_members * model.target_scale_ + model.target_mean_
    oof = model.oof_prediction_
    # a network may round differently for other rows beside one
    is_of = np.isclose(of_members, oof, rtol=1e-6).reshape(3, len(X), -1).all(axis=2)
    assert is_of.any(axis=0).all()
    sizes = is_of[:, is_of.sum(axis=0) == 1].sum(axis=1)
    assert np.ptp(sizes) <= 4  # as far as two members are not of one opinion


def test_the_score_of_held_out_rows_is_the_one_of_scikit_learn():
    X, y = mixed(TabularClassifier)
    clf = few(TabularClassifier).fit(X, y)
    labels = clf.classes_[clf.oof_prediction_.argmax(axis=1)]
    assert clf.oof_score_ == accuracy_score(y, labels)
    X, y = mixed(TabularRegressor)
    weight = np.arange(len(y)) % 3
    reg = few(TabularRegressor).fit(X, y, sample_weight=weight)
    there = weight > 0
    assert np.isnan(reg.oof_prediction_[~there]).all()
    expected = r2_score(y[there], reg.oof_prediction_[there], sample_weight=weight[there])
    assert reg.oof_score_ == expected


@each
def test_a_single_member_has_a_random_tenth_held_out(cls):
    X, y = mixed(cls)
    model = few(cls, n_members=1).fit(X, y)
    held_out = ~np.isnan(model.oof_prediction_.reshape(len(X), -1)[:, 0])
    assert held_out.sum() == 20
    other = few(cls, n_members=1, random_state=1).fit(X, y)
    assert (held_out != ~np.isnan(other.oof_prediction_.reshape(len(X), -1)[:, 0])).any()


def test_classes_are_spread_evenly_over_the_folds():
    """Each of four folds has a quarter of each class; a scorer sees what is in them."""
    y = np.repeat(["a", "b", "c"], [20, 12, 8])
    X = np.arange(40.0)[:, np.newaxis]
    model = few(TabularClassifier, n_members=4, scoring=FoldCounter()).fit(X, y)
    assert FoldCounter.counts == {(5, 3, 2)}
    assert len(model.members_) == 4


class FoldCounter:
    """A scorer that counts the classes of the fold."""

    counts = set()  # noqa: RUF012

    def __call__(self, member, X, y):
        self.counts.add(tuple(np.unique(y, return_counts=True)[1].tolist()))
        return 0.0


def test_groups_stay_together_with_a_splitter_that_keeps_them():
    X, y = mixed(TabularRegressor)
    groups = np.arange(len(y)) // 20
    grouped = few(TabularRegressor, cv=GroupKFold(5)).fit(X, y, groups=groups)
    assert len(grouped.members_) == 5
    same = few(TabularRegressor, cv=list(GroupKFold(5).split(X, y, groups))).fit(X, y)
    assert_array_equal(grouped.oof_prediction_, same.oof_prediction_)


def test_a_row_held_out_twice_has_the_mean_and_one_never_held_out_none():
    X, y = mixed(TabularRegressor)
    reg = few(TabularRegressor, cv=RepeatedKFold(n_splits=2, n_repeats=2, random_state=0))
    assert np.isfinite(reg.fit(X, y).oof_prediction_).all()
    assert len(reg.members_) == 4
    reg = few(TabularRegressor, cv=ShuffleSplit(2, test_size=0.1, random_state=0)).fit(X, y)
    assert 20 < np.isfinite(reg.oof_prediction_).sum() <= 40


@each
def test_validation_rows_of_ones_own_stop_all_members(cls):
    X, y = mixed(cls)
    X_val, y_val = mixed(cls, 50, seed=1)
    model = few(cls, max_iter=30, n_iter_no_change=3).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.oof_prediction_ is None
    assert model.oof_score_ is None
    member, matrix = model.members_[0], model.encoder_.transform(X)
    validation = model.encoder_.transform(X_val)
    if cls is TabularRegressor:
        y, y_val = ((t - model.target_mean_) / model.target_scale_ for t in (y, y_val))
    again = clone(member).fit(matrix, y, X_val=validation, y_val=y_val)
    assert_array_equal(again._vector, member._vector)
    predict = getattr(model, "predict_set", None) or model.predict_interval
    with pytest.raises(ValueError, match="was fitted with X_val"):
        predict(X)


# -- few rows, rare classes, several outputs ----------------------------------------------


@each
@pytest.mark.parametrize("n_rows", [2, 5, 20])
def test_few_rows_are_enough(cls, n_rows):
    X, y = mixed(cls, n_rows)
    model = few(cls, n_members=8).fit(X, y)
    assert len(model.members_) == min(8, n_rows)
    assert np.isfinite(output(model, X)).all()


def test_one_row_that_was_held_out_has_no_r2():
    reg = few(TabularRegressor, n_members=1).fit(*mixed(TabularRegressor, 8))
    assert np.isfinite(reg.oof_prediction_).sum() == 1
    assert np.isnan(reg.oof_score_)


@each
def test_one_row_is_too_few(cls):
    with pytest.raises(ValueError, match=r"at least two. Got n_samples=1"):
        few(cls).fit([[1.0]], [1])


def test_a_class_of_one_row_is_known_to_all_members():
    X, y = mixed(TabularClassifier)
    y = y.astype(object)
    y[3] = "unique"
    clf = few(TabularClassifier, n_members=3).fit(X, y)
    assert list(clf.classes_) == ["cheap", "dear", "unique"]
    assert all(list(member.classes_) == list(clf.classes_) for member in clf.members_)
    assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    assert clf.oof_prediction_.shape == (len(y), 3)


@pytest.mark.parametrize("n_classes", [2, 7, 100])
def test_any_number_of_classes(n_classes, rng):
    y = np.arange(4 * n_classes) % n_classes
    clf = few(TabularClassifier).fit(rng.rand(len(y), 3), y)
    assert_array_equal(clf.classes_, np.arange(n_classes))
    assert clf.predict_proba(rng.rand(5, 3)).shape == (5, n_classes)


def test_a_single_class_is_always_predicted():
    X, y = mixed(TabularClassifier)
    clf = few(TabularClassifier).fit(X, np.full(len(y), "same"))
    assert_array_equal(clf.predict_proba(X), np.ones((len(X), 1)))
    assert clf.predict_set(X).all()


def test_several_outputs_have_a_column_and_an_interval_each():
    X, y = mixed(TabularRegressor)
    both = np.column_stack([y, -1000 * y])
    reg = few(TabularRegressor, max_iter=50).fit(X, both)
    assert reg.predict(X).shape == reg.predict_std(X).shape == (200, 2)
    interval = reg.predict_interval(X)
    assert interval.shape == (200, 2, 2)
    inside = (interval[:, :, 0] <= both) & (both <= interval[:, :, 1])
    assert (inside.mean(axis=0) > 0.85).all()
    assert (interval[:, 1, 1] - interval[:, 1, 0] > 100).all()


def test_a_constant_target_is_predicted():
    X, _ = mixed(TabularRegressor)
    reg = few(TabularRegressor, max_iter=30).fit(X, np.full(len(X), 7.0))
    # the network's output is near 0, in units of the target
    assert_allclose(reg.predict(X), 7, atol=0.5)
