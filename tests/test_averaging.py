"""An average of the weights of many epochs predicts, and never disturbs the training."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import assert_same_weights, parameters_of
from rules import AVERAGING_OBJECTS

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.averaging import EMA, SWA

pytestmark = pytest.mark.usefixtures("few_epochs")

N_EPOCHS = 7
SMALL = {
    "hidden_layer_sizes": (4,),
    "activation": "tanh",
    "learning_rate": 0.05,
    "batch_size": 10,
    "max_iter": N_EPOCHS,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def classifier(**params):
    return BackpropClassifier(**SMALL | params)


def weights_of_each_epoch(X, y, **params):
    """One row per epoch, of a training that averages nothing."""
    one = classifier(**params | {"max_iter": 1, "warm_start": True})
    return np.array([parameters_of(one.fit(X, y)) for _ in range(N_EPOCHS)])


def mean_of(averaging, weights):
    """What the rule stands for, of the weights of all epochs at once."""
    if isinstance(averaging, EMA):
        ages = np.arange(len(weights))[::-1]
        return np.average(weights, axis=0, weights=averaging.decay**ages)
    return weights[averaging.start - 1 :].mean(axis=0)


# -- what predicts ---------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("averaging", [EMA(), EMA(decay=0.5), SWA(start=1), SWA(start=4)])
def test_mean_of_the_weights_of_the_epochs_predicts(averaging, engine, X, y):
    weights = weights_of_each_epoch(X, y, engine=engine)
    clf = classifier(averaging=averaging, engine=engine).fit(X, y)
    # sums in another order
    assert_allclose(parameters_of(clf), mean_of(averaging, weights), rtol=1e-12, atol=1e-14)
    net_input = np.tanh(X @ clf.coefs_[0] + clf.intercepts_[0]) @ clf.coefs_[1]
    output = 1 / (1 + np.exp(-net_input - clf.intercepts_[1]))
    assert_allclose(clf.predict_proba(X)[:, 1:], output, rtol=1e-12)


@pytest.mark.parametrize(("max_iter", "first"), [(1, 1), (2, 2), (7, 6), (8, 7)])
def test_last_quarter_of_the_epochs_is_averaged_where_nothing_is_said(
    max_iter, first, X, y
):
    """8 epochs have a quarter of 2, 7 have 2 that begin after 3/4 of them."""
    of_name, given = (
        classifier(averaging=averaging, max_iter=max_iter).fit(X, y)
        for averaging in ("swa", SWA(start=first))
    )
    assert_same_weights(of_name, given)


@pytest.mark.parametrize("averaging", AVERAGING_OBJECTS.values(), ids=AVERAGING_OBJECTS)
def test_averages_are_the_same_bits_in_both_conventions(averaging, X, y):
    one, other = (
        classifier(averaging=averaging, error_convention=name).fit(X, y)
        for name in ("output_minus_target", "target_minus_output")
    )
    assert_same_weights(one, other)


class First:
    """A rule of your own: the weights of the first epoch stay."""

    def share(self, epoch, n_averaged):
        return 1.0 if n_averaged == 0 else 0.0


def test_object_with_the_method_is_a_rule(X, y):
    clf = classifier(averaging=First()).fit(X, y)
    assert_same_weights(clf, classifier(max_iter=1).fit(X, y))


# -- the training goes on as ever ------------------------------------------------------


@pytest.mark.parametrize("averaging", AVERAGING_OBJECTS.values(), ids=AVERAGING_OBJECTS)
def test_training_goes_on_from_the_weights_themselves(averaging, X, y):
    averaged = classifier(averaging=averaging, warm_start=True).fit(X, y)
    plain = classifier().fit(X, y)
    assert averaged.loss_curve_ == plain.loss_curve_
    assert np.abs(parameters_of(averaged) - parameters_of(plain)).max() > 1e-3
    one_more = averaged.set_params(averaging=None, max_iter=1).fit(X, y)
    assert_same_weights(one_more, classifier(max_iter=N_EPOCHS + 1).fit(X, y))


def test_average_begins_anew_with_other_rows(X, y):
    """That of weights which were trained on them alone."""
    clf = classifier(averaging=SWA(start=1), warm_start=True).fit(X, y)
    clf.set_params(max_iter=1).fit(-X, y)
    plain = classifier(warm_start=True).fit(X, y).set_params(max_iter=1).fit(-X, y)
    assert_same_weights(clf, plain)


def test_weights_that_are_written_predict_and_train(X):
    sgd = {"averaging": "ema", "solver": "sgd", "momentum": 0.0}
    reg = BackpropRegressor(**SMALL | sgd).fit(X, X[:, 0])
    reg = pickle.loads(pickle.dumps(reg))
    reg.coefs_ = [np.zeros_like(array) for array in reg.coefs_]
    reg.intercepts_ = [np.zeros_like(array) for array in reg.intercepts_]
    assert (reg.predict(X) == 0).all()
    reg.partial_fit(X, np.zeros(len(X)))
    assert (reg.predict(X) == 0).all()


# -- early stopping --------------------------------------------------------------------


class Watch:
    """A scorer that keeps the weights it saw, and prefers the fourth epoch."""

    def __init__(self):
        self.weights = []

    def __call__(self, estimator, X, y):
        self.weights.append(parameters_of(estimator))
        return -abs(len(self.weights) - 4.0)


def test_early_stopping_watches_and_keeps_the_average(X, y):
    watch, params = Watch(), {"early_stopping": True, "averaging": EMA(decay=0.7)}
    clf = classifier(scoring=watch, **params).fit(X, y)
    plain = weights_of_each_epoch(X, y, early_stopping=True, scoring=(raw := Watch()))
    assert len(plain) == len(raw.weights) == N_EPOCHS
    for n in range(1, N_EPOCHS + 1):
        expected = mean_of(params["averaging"], np.array(raw.weights[:n]))
        # sums in another order
        assert_allclose(watch.weights[n - 1], expected, rtol=1e-12, atol=1e-14)
    assert clf.best_iter_ == 4
    assert np.array_equal(parameters_of(clf), watch.weights[3])


def test_score_of_the_last_epoch_is_that_of_the_average(X, y):
    clf = classifier(averaging="ema", scoring="loss").fit(X, y, X_val=X, y_val=y)
    proba = clf.predict_proba(X)[np.arange(len(y)), y]
    # logarithms of rounded probabilities
    assert_allclose(clf.validation_scores_[-1], np.log(proba).mean(), rtol=1e-12)


# -- what is refused -------------------------------------------------------------------


def test_lbfgs_averages_nothing(X, y):
    with pytest.raises(ValueError, match="solver='lbfgs' cannot use averaging='ema'"):
        classifier(solver="lbfgs", averaging="ema").fit(X, y)


def test_lbfgs_after_a_training_that_averaged_predicts_with_its_own_weights(X, y):
    clf = classifier(averaging="ema", warm_start=True).fit(X, y)
    clf.set_params(averaging=None, solver="lbfgs", alpha=0.0, tol=1e-9).fit(X, y)
    proba = clf.predict_proba(X)[np.arange(len(y)), y]
    assert_allclose(clf.loss_, -np.log(proba).mean(), rtol=1e-9)
