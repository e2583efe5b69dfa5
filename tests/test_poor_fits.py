"""No fit that is no better than a constant goes without a sentence that says why."""

import warnings

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor

rng = np.random.RandomState(0)
X = rng.randn(300, 5)
SIGNAL = X[:, 0] + 0.5 * X[:, 1] ** 2
REMEDY = "TransformedTargetRegressor"


def said_by(estimator, *args, **kwargs):
    """What fit warns of, as one text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(*args, **kwargs)
    return " ".join(str(w.message) for w in caught)


@pytest.mark.parametrize("size", [2e5, 1e-5])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_unscaled_targets_are_named(size, early_stopping, solver):
    reg = BackpropRegressor(early_stopping=early_stopping, solver=solver, random_state=0)
    y = size * (3 + SIGNAL)
    if solver == "sgd" and size > 1:
        y = y / 1e3  # of the size 200; larger ones diverge
    said = said_by(reg, X, y)
    if reg.score(X, y) < 0:
        assert REMEDY in said
        assert "standard deviation" in said


def test_diabetes_with_defaults_is_told_to_scale_y():
    Xy = load_diabetes(return_X_y=True)
    reg = BackpropRegressor(random_state=0)
    said = said_by(reg, *Xy)
    assert reg.score(*Xy) < 0
    assert REMEDY in said
    assert "mean 152" in said
    scaled = TransformedTargetRegressor(
        BackpropRegressor(max_iter=1000, random_state=0), transformer=StandardScaler()
    )
    assert said_by(scaled, *Xy) == ""


def test_a_loss_that_rose_is_said_with_its_numbers():
    clf = BackpropClassifier(
        (8,), "identity", solver="sgd", learning_rate_init=1e6, max_iter=30, random_state=0
    )
    said = said_by(clf, X, X[:, 0] > 0)
    first, last = clf.loss_curve_[0], clf.loss_curve_[-1]
    assert last > 1e100
    assert f"The loss rose from {first:.3g} to {last:.3g}" in said
    assert "smaller learning rate" in said


def test_a_loss_that_fell_is_not_said_to_have_risen():
    assert "rose" not in said_by(BackpropClassifier(random_state=0), X, X[:, 0] > 0)


def test_a_poor_fit_without_a_known_cause_has_a_sentence():
    noise = np.random.RandomState(1).randn(300)
    reg = BackpropRegressor((2,), alpha=1e4, tol=1e-2, learning_rate=0.01, random_state=0)
    assert "no better than a constant" in said_by(reg, X, noise)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_poor_fit_goes_without_a_sentence(loss, early_stopping):
    for size in (1e-4, 1e-2, 1, 1e2, 1e4):
        reg = BackpropRegressor(
            (10,), loss=loss, early_stopping=early_stopping, max_iter=20, random_state=0
        )
        said = said_by(reg, X, size * SIGNAL)
        assert reg.score(X, size * SIGNAL) > 0 or said
        if size in (1e-4, 1e4) and reg.score(X, size * SIGNAL) < 0:
            assert REMEDY in said


# -- divergence with early stopping ----------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_the_best_epoch_is_kept_where_training_diverges_after_it(engine):
    r = np.random.RandomState(8)
    Z = r.normal(size=(300, 8))
    y = Z @ r.normal(size=8)
    params = {
        "solver": "sgd",
        "learning_rate_init": 0.3,
        "max_iter": 100,
        "early_stopping": True,
        "random_state": 0,
    }
    reg = BackpropRegressor(50, engine=engine, **params)
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch \d+.* of epoch \d+"):
        reg.fit(Z, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPRegressor(hidden_layer_sizes=50, **params).fit(Z, y)
    assert reg.score(Z, y) == pytest.approx(mlp.score(Z, y), abs=1e-6)
    assert reg.score(Z, y) > 0.9
    assert np.isfinite(reg.loss_curve_).all()
    assert reg.n_iter_ == len(reg.loss_curve_) == len(reg.validation_scores_)
    assert reg.best_validation_score_ == max(reg.validation_scores_)


def test_an_average_begins_anew_from_the_epoch_that_is_kept():
    r = np.random.RandomState(8)
    Z = r.normal(size=(300, 8))
    y = Z @ r.normal(size=8)
    params = {"solver": "sgd", "early_stopping": True, "random_state": 0, "max_iter": 100}
    reg = BackpropRegressor(50, averaging="ema", learning_rate_init=0.5, **params)
    with pytest.warns(ConvergenceWarning, match="Training diverged"):
        reg.fit(Z, y)
    kept = [weights.copy() for weights in reg.coefs_]
    # a rate so small that weights stay, and so does an average of them alone
    reg.set_params(learning_rate_init=1e-12, early_stopping=False, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="Not converged after max_iter=1"):
        reg.set_params(max_iter=1).fit(Z, y)
    for weights, before in zip(reg.coefs_, kept, strict=True):
        np.testing.assert_allclose(weights, before, atol=1e-9)


def test_without_a_best_epoch_divergence_is_an_error():
    reg = BackpropRegressor(
        50, solver="sgd", learning_rate_init=1e30, early_stopping=True, random_state=0
    )
    with pytest.raises(ValueError, match="Training diverged"):
        reg.fit(X, SIGNAL)


def test_a_training_that_diverged_goes_on_from_its_best_epoch():
    r = np.random.RandomState(8)
    Z = r.normal(size=(300, 8))
    y = Z @ r.normal(size=8)
    reg = BackpropRegressor(
        50,
        solver="sgd",
        learning_rate_init=0.3,
        max_iter=100,
        early_stopping=True,
        warm_start=True,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        reg.fit(Z, y)
    before = reg.best_validation_score_
    reg.set_params(learning_rate_init=1e-3, max_iter=20)
    said_by(reg, Z, y)
    assert reg.best_validation_score_ > before


def test_many_outputs_that_are_poor_are_said_to_be():
    reg = BackpropRegressor((2,), alpha=1e4, tol=1e-2, learning_rate=0.01, random_state=0)
    noise = np.random.RandomState(1).randn(300, 60)
    assert "no better than a constant" in said_by(reg, X, noise)


def test_a_training_that_goes_on_and_diverges_keeps_what_it_began_with():
    reg = BackpropRegressor(
        (20,),
        solver="sgd",
        learning_rate_init=1e-3,
        max_iter=200,
        early_stopping=True,
        warm_start=True,
        random_state=0,
    )
    said_by(reg, X, SIGNAL)
    best = reg.best_validation_score_
    said = said_by(reg.set_params(learning_rate_init=8, n_iter_no_change=50), X, SIGNAL)
    assert "with the parameters of an earlier fit" in said
    assert reg.best_validation_score_ == best


def test_rows_without_weight_say_nothing_of_a_fit():
    """Of 900 rows every third is looked at, and only the others have weight."""
    many = np.repeat(X, 3, axis=0)
    weight = np.tile([0.0, 1.0, 1.0], 300)
    reg = BackpropRegressor((3,), learning_rate=0.05, max_iter=300, random_state=0)
    assert "constant" not in said_by(reg, many, many[:, 0], sample_weight=weight)
