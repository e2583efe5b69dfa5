"""A y of probabilities trains as rows that are repeated for each class, with weights."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, check_gradient, replay, trace_step
from skbackprop.losses import CLASSIFIER_LOSSES, LogLoss

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
ENGINES = "numpy", "numba"
LOSSES = [*CLASSIFIER_LOSSES, LogLoss(label_smoothing=0.1)]


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 3))


@pytest.fixture(params=[2, 4])
def shares(request, X, rng):
    z = X @ rng.standard_normal((3, request.param))
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def soft(**parameters):
    settings = {"learning_rate": 0.02, "max_iter": 10, "random_state": 0, **parameters}
    return BackpropClassifier((5,), "tanh", soft_labels=True, **settings)


def repeated(X, shares):
    """Each row once for each class, with the class as label and its share as weight."""
    n_rows, n_classes = shares.shape
    labels = np.tile(np.arange(n_classes), n_rows)
    return np.repeat(X, n_classes, axis=0), labels, shares.ravel()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_training_is_that_of_repeated_rows_with_weights(loss, solver, X, shares, rng):
    """The order of the sums differs, and rows are weighted by two factors."""
    weight = rng.uniform(0.5, 2, 60)
    rows, labels, of_class = repeated(X, shares)
    clf = soft(loss=loss, solver=solver, batch_size=len(X), alpha=0.1)
    hard = soft(loss=loss, solver=solver, batch_size=len(rows), alpha=0.1)
    hard.set_params(soft_labels=False)
    clf.fit(X, shares, weight)
    hard.fit(rows, labels, of_class * np.repeat(weight, shares.shape[1]))
    assert_array_equal(clf.classes_, hard.classes_)
    # ten steps amplify the rounding of the sums; L-BFGS searches along lines of them
    tolerance = 1e-9 if solver == "adam" else 1e-5
    assert_allclose(clf.predict_proba(X), hard.predict_proba(X), rtol=tolerance)
    assert_allclose(
        clf.score(X, shares, weight),
        hard.score(rows, labels, of_class * np.repeat(weight, shares.shape[1])),
        rtol=1e-12,
    )
    if loss != "squared_error":  # half the variance of a label is left out there
        assert_allclose(clf.loss_, hard.loss_, rtol=max(tolerance, 1e-7))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_sure_labels_train_as_labels_do(loss, X, shares):
    y = shares.argmax(axis=1)
    one_hot = np.eye(shares.shape[1])[y]
    clf = soft(loss=loss, batch_size=16).fit(X, one_hot)
    hard = soft(loss=loss, batch_size=16).set_params(soft_labels=False).fit(X, y)
    for one, other in zip(clf.coefs_, hard.coefs_, strict=True):
        assert_array_equal(one, other)
    assert clf.score(X, one_hot) == clf.score(X, y) == hard.score(X, y)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_engines_agree_and_the_gradient_is_the_derivative(loss, X, shares):
    pytest.importorskip("numba")
    assert check_gradient(soft(loss=loss), X[:10], shares[:10]).passed
    nets = [soft(loss=loss, engine=e, batch_size=20).fit(X, shares) for e in ENGINES]
    assert_allclose(nets[0].loss_curve_, nets[1].loss_curve_, rtol=1e-9)  # thirty steps


def test_probabilities_are_learnt(X, shares):
    """A linear network can be what made the shares."""
    clf = soft(solver="lbfgs", alpha=0.0, max_iter=500).set_params(hidden_layer_sizes=())
    # L-BFGS stops where the loss hardly falls: half the digits
    assert_allclose(clf.fit(X, shares).predict_proba(X), shares, atol=2e-3)


def test_early_stopping_watches_the_same_score(X, shares):
    clf = soft(early_stopping=True)
    clf.fit(X[:40], shares[:40], X_val=X[40:], y_val=shares[40:])
    expected = clf.score(X[40:], shares[40:])
    assert_allclose(clf.best_validation_score_, expected, rtol=1e-12)
    assert soft(early_stopping=True).fit(X, shares).best_validation_score_ > 0.2
    pipeline = make_pipeline(StandardScaler(), soft())
    assert np.isfinite(cross_val_score(pipeline, X, shares, cv=3)).all()


def test_training_goes_on_and_is_stored(X, shares):
    whole, halves = soft(max_iter=6).fit(X, shares), soft(max_iter=3, warm_start=True)
    halves = pickle.loads(pickle.dumps(halves.fit(X, shares))).fit(X, shares)
    chunks = soft()
    for _ in range(6):
        chunks.partial_fit(X, pd.DataFrame(shares), np.arange(shares.shape[1]))
    for clf in halves, chunks:
        assert_array_equal(clf.coefs_[0], whole.coefs_[0])
    assert f"{shares[0, -1]:.4g}"[:5] in str(trace_step(soft(), X[:1], shares[:1]))


def test_a_replay_shows_the_classes(X, shares):
    film = replay(soft(), X[:, :2], shares, n_epochs=1)
    assert_array_equal(film.classes, np.arange(shares.shape[1]))
    assert len(film.to_html()) > 1000


def test_what_is_no_probability_is_refused(X, shares):
    clf = soft().fit(X, shares)
    before = clf.predict_proba(X)
    negative, large = shares.copy(), shares.copy()
    negative[7, :2] = -0.1, shares[7, :2].sum() + 0.1
    large[3, 0] += 0.1
    for y, match in [
        (negative, "not negative and sum to one in each row, but row 7"),
        (large, "not negative and sum to one in each row, but row 3"),
        ((shares > 0.1).astype(int) + 1, "sum to one in each row"),
        (shares.argmax(axis=1), r"of shape \(n_samples, n_classes\)"),
        (shares[:, :1], r"of shape \(n_samples, n_classes\)"),
        (np.where(shares == shares[0, 0], np.nan, shares), "NaN"),
    ]:
        with pytest.raises(ValueError, match=match):
            soft().fit(X, y)
    with pytest.raises(ValueError, match="a column for each of"):
        clf.partial_fit(X, np.hstack([shares / 2, shares / 2]))
    with pytest.raises(ValueError, match="class_weight is for class labels"):
        soft(class_weight="balanced").fit(X, shares)
    with pytest.raises(ValueError, match="classes="):
        soft().partial_fit(X, shares, np.arange(shares.shape[1]) + 1)
    assert_array_equal(clf.predict_proba(X), before)


def test_without_the_switch_probabilities_are_no_labels(X, shares):
    with pytest.raises(ValueError, match="Unknown label type"):
        soft().set_params(soft_labels=False).fit(X, shares)


def test_switch_between_two_chunks_takes_effect(X, shares):
    y = shares.argmax(axis=1)
    clf = soft().set_params(soft_labels=False)
    clf.partial_fit(X, y, np.arange(shares.shape[1])).partial_fit(X, y)
    with pytest.raises(ValueError, match="a column for each of"):
        clf.set_params(soft_labels=True).partial_fit(X, y)
    clf.partial_fit(X, shares)
