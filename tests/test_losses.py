"""Losses against scikit-learn's metrics, by hand, and where numbers are huge.

The metrics are compared with `validation_loss_curve_`: the loss of rows that are only
looked at, without the penalty.
"""

from math import log

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules import LOSSES, n_outputs_of, random_target
from scipy import special
from sklearn import metrics
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Sigmoid, Softmax
from skbackprop.losses import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    AbsoluteError,
    BinaryLogLoss,
    Focal,
    Gamma,
    Huber,
    LogCosh,
    LogLoss,
    Poisson,
    Quantile,
    SquaredError,
)


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 3))


@pytest.fixture(params=["plain", "weighted"])
def weight(request, rng):
    return None if request.param == "plain" else rng.uniform(0.1, 2, 30)


def validated(estimator, X, y, sample_weight):
    """The last validation loss and the rows it is of: 30 rows train, 30 are watched."""
    estimator.set_params(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        estimator.fit(
            X[:30], y[:30], X_val=X[30:], y_val=y[30:], sample_weight_val=sample_weight
        )
    return estimator.validation_loss_curve_[-1], X[30:], y[30:]


# -- scikit-learn's metrics ------------------------------------------------------------


def half(metric):
    return lambda t, o, **weights: metric(t, o, **weights) / 2


def pinball(level):
    return lambda t, o, **weights: metrics.mean_pinball_loss(t, o, alpha=level, **weights)


def mean_of(function):
    """A metric from a function of target and output."""
    return lambda t, o, sample_weight: np.average(function(t, o), weights=sample_weight)


REGRESSION = [
    ("squared_error", half(metrics.mean_squared_error)),
    ("absolute_error", metrics.mean_absolute_error),
    ("poisson", half(metrics.mean_poisson_deviance)),
    ("gamma", half(metrics.mean_gamma_deviance)),
    ("quantile", pinball(0.5)),
    (Quantile(quantile=0.8), pinball(0.8)),
    ("huber", mean_of(lambda t, o: special.huber(1.0, t - o))),
    (Huber(threshold=0.2), mean_of(lambda t, o: special.huber(0.2, t - o))),
    ("log_cosh", mean_of(lambda t, o: np.log(np.cosh(t - o)))),
]


@pytest.mark.parametrize(("loss", "metric"), REGRESSION, ids=lambda value: str(value)[:30])
def test_regressor_loss_is_the_metric(loss, metric, X, weight, rng):
    """For several outputs the sum over them."""
    for y in rng.gamma(2, size=60), rng.gamma(2, size=(60, 2)):
        regressor = BackpropRegressor(loss=loss)
        found, rows, target = validated(regressor, X, y, weight)
        columns = np.atleast_2d(target.T), np.atleast_2d(regressor.predict(rows).T)
        expected = sum(
            metric(t, o, sample_weight=weight) for t, o in zip(*columns, strict=True)
        )
        # sums of some tens of terms of either sign, in another order
        assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_every_regressor_loss_is_compared_with_a_metric(loss):
    """Those of several outputs in a file of their own."""
    cases = [*REGRESSION, ("quantiles",), ("gaussian",), ("student_t",)]
    assert loss in [case[0] for case in cases]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("loss", ["log_loss", LogLoss(), Focal(gamma=0.0)], ids=str)
def test_log_loss_is_the_metric(loss, n_classes, X, weight):
    classifier = BackpropClassifier(loss=loss)
    found, X, y = validated(classifier, X, np.arange(60) % n_classes, weight)
    expected = metrics.log_loss(y, classifier.predict_proba(X), sample_weight=weight)
    # the metric takes the logarithms of rounded probabilities
    assert_allclose(found, expected, rtol=1e-12)


def test_log_loss_of_several_labels_is_the_sum_of_the_metrics(X, weight, rng):
    classifier = BackpropClassifier()
    found, X, y = validated(classifier, X, rng.randint(0, 2, (60, 3)), weight)
    probability = classifier.predict_proba(X)
    expected = sum(
        metrics.log_loss(y[:, k], probability[:, k], sample_weight=weight) for k in range(3)
    )
    # the metric takes the logarithms of rounded probabilities
    assert_allclose(found, expected, rtol=1e-12)


def test_squared_error_of_a_softmax_is_half_the_brier_score(X, weight):
    classifier = BackpropClassifier(loss=SquaredError(link=Softmax()))
    found, X, y = validated(classifier, X, np.arange(60) % 3, weight)
    squares = (classifier.predict_proba(X) - np.eye(3)[y]) ** 2
    expected = np.average(squares.sum(axis=1), weights=weight) / 2
    assert_allclose(found, expected, rtol=1e-13)  # sums in another order


@pytest.mark.parametrize("n_classes", [2, 3])
def test_squared_error_by_name_has_one_sigmoid_per_class(n_classes, X, weight):
    classifier = BackpropClassifier(loss="squared_error")
    found, X, y = validated(classifier, X, np.arange(60) % n_classes, weight)
    hidden = np.maximum(X @ classifier.coefs_[0] + classifier.intercepts_[0], 0)
    output = special.expit(hidden @ classifier.coefs_[1] + classifier.intercepts_[1])
    squares = (output - np.eye(n_classes)[y]) ** 2
    # sums in another order
    expected = np.average(squares.sum(axis=1), weights=weight) / 2
    assert_allclose(found, expected, rtol=1e-13)
    shares = output / output.sum(axis=1, keepdims=True)
    assert_allclose(classifier.predict_proba(X), shares, rtol=1e-13)


# -- by hand ---------------------------------------------------------------------------


def value_and_delta(loss, target, z):
    target, z = np.array([target], dtype=float), np.array([z], dtype=float)
    delta = np.empty_like(z)
    return loss.value_and_delta(target, z, delta), delta[0]


@pytest.mark.parametrize(
    ("loss", "target", "z", "value", "delta"),
    [
        (AbsoluteError(), [1, 2], [4, 0], 5.0, [1, -1]),
        (AbsoluteError(), [3], [3], 0.0, [0]),
        # 0.3^2 / 2 inside the threshold, 0.5 * (2 - 0.25) outside
        (Huber(threshold=0.5), [0, 2], [0.3, 0], 0.045 + 0.875, [0.3, -0.5]),
        # too low by 2: 0.9 * 2; too high by 3: 0.1 * 3
        (Quantile(quantile=0.9), [2, 0], [0, 3], 1.8 + 0.3, [-0.9, 0.1]),
        (Quantile(quantile=0.9), [3], [3], 0.0, [0]),
        # cosh(log 2) = 5 / 4, tanh(log 2) = 3 / 5
        (LogCosh(), [0, log(2)], [log(2), 0], 2 * log(1.25), [0.6, -0.6]),
        # o = 2: 6 / 2 - log(6 / 2) - 1; delta 1 - 6 / 2
        (Gamma(), [6], [log(2)], 2 - log(3), [-2]),
        # o = (1/2, 1/4, 1/4): (1/2)^2 log 2. The slope o dloss/do of the true class is
        # (1/2)^2 (2 * 1/2 * -log 2 / (1/2) - 1) = -(1 + 2 log 2) / 4, and
        # delta_j = slope * (1[j true] - o_j)
        (
            Focal(gamma=2.0),
            [1, 0, 0],
            [log(2), 0, 0],
            log(2) / 4,
            np.array([-1, 0.5, 0.5]) * (1 + 2 * log(2)) / 8,
        ),
        # target 0.85 * (1, 0, 0) + 0.05 = (0.9, 0.05, 0.05)
        (
            LogLoss(label_smoothing=0.15),
            [1, 0, 0],
            [log(2), 0, 0],
            0.9 * log(2) + 0.1 * log(4),
            [-0.4, 0.2, 0.2],
        ),
        # targets 0.9 and 0.1; o = 3/4, 1/2
        (
            BinaryLogLoss(label_smoothing=0.2),
            [1, 0],
            [log(3), 0],
            0.9 * log(4 / 3) + 0.1 * log(4) + log(2),
            [-0.15, 0.4],
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_loss_and_delta_at_a_point(loss, target, z, value, delta):
    found_value, found_delta = value_and_delta(loss, target, z)
    # a few roundings of numbers near one
    assert_allclose(found_value, value, rtol=1e-14, atol=1e-15)
    assert_allclose(found_delta, delta, rtol=1e-14, atol=1e-15)


def test_focal_loss_of_gamma_0_is_the_log_loss(rng):
    target, z = np.eye(3)[rng.randint(3, size=20)], 3 * rng.standard_normal((20, 3))
    log_loss, focal = np.empty_like(z), np.empty_like(z)
    expected = LogLoss().value_and_delta(target, z, log_loss)
    found = Focal(gamma=0.0).value_and_delta(target, z, focal)
    # exp(log softmax) rounds once more than softmax
    assert_allclose(found, expected, rtol=1e-14)
    assert_allclose(focal, log_loss, rtol=1e-13, atol=1e-16)


def test_focal_loss_counts_sure_rows_less():
    """Relative to the log loss: (1 - o)^2 with o = 9/10 and o = 1/10."""
    for odds, share in [(9, 0.01), (1 / 9, 0.81)]:
        focal, _ = value_and_delta(Focal(gamma=2.0), [1, 0], [log(odds), 0])
        log_loss, _ = value_and_delta(LogLoss(), [1, 0], [log(odds), 0])
        assert_allclose(focal / log_loss, share, rtol=1e-13)  # a few roundings


def test_label_smoothing_is_alike_for_one_output_and_for_two():
    """A sigmoid of z is a softmax of (0, z)."""
    z = 1.7
    one, _ = value_and_delta(BinaryLogLoss(label_smoothing=0.1), [1], [z])
    two, _ = value_and_delta(LogLoss(label_smoothing=0.1), [0, 1], [0, z])
    assert_allclose(one, two, rtol=1e-14)  # a few roundings


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_smoothing_bounds_the_probabilities(n_classes):
    """Rows of one feature per class: the optimum is the smoothed target itself."""
    y = np.arange(30) % n_classes
    classifier = BackpropClassifier(
        (),
        loss=LogLoss(label_smoothing=0.3),
        solver="lbfgs",
        alpha=0.0,
        tol=1e-8,
        random_state=0,
    )
    probability = classifier.fit(np.eye(n_classes)[y], y).predict_proba(np.eye(n_classes))
    expected = 0.7 * np.eye(n_classes) + 0.3 / n_classes
    # L-BFGS stops where the objective falls by less than 2e-9 of itself: the root of that
    # is 5e-5, times a few
    assert_allclose(probability, expected, atol=2e-4)


# -- what the outputs estimate ---------------------------------------------------------


def constant_fitted(loss, y):
    """The best constant: rprop halves its step whenever it has gone too far."""
    regressor = BackpropRegressor(
        (),
        loss=loss,
        solver="rprop",
        learning_rate=0.1,
        max_iter=100,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning):
        regressor.fit(np.zeros((len(y), 1)), y)
    return regressor.predict([[0.0]])[0]


@pytest.mark.parametrize(
    ("loss", "statistic"),
    [
        ("squared_error", np.mean),
        ("poisson", np.mean),
        ("gamma", np.mean),
        ("absolute_error", np.median),
        ("quantile", np.median),
        (Quantile(quantile=0.8), lambda y: np.quantile(y, 0.8)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_best_constant_is_the_statistic(loss, statistic, rng):
    """Of 101 rows the median is the 51st and the 0.8 quantile the 81st, not in between."""
    y = rng.gamma(2, size=101)
    # the last steps of rprop are about its smallest, 1e-6
    assert_allclose(constant_fitted(loss, y), statistic(y), rtol=1e-5)


# -- huge numbers and wrong ones -------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_of_huge_net_inputs_is_finite(loss, rng):
    """Ten thousand, and 80 where an exponential is an output: float32 ends at exp(88)."""
    loss = LOSSES[loss]
    target = random_target(loss, 40, n_outputs_of(loss)[-1], rng)
    largest = 80 if getattr(loss, "output_activation", None) == "exp" else 1e4
    if isinstance(loss, SquaredError) and largest == 80:
        largest = 40  # whose square is exp(80)
    z = largest * rng.choice([-1, 1], target.shape)
    for dtype in np.float64, np.float32:
        delta, output = np.empty_like(z, dtype), np.empty_like(z, dtype)
        with np.errstate(over="ignore"):  # of an exponential on its way to a limit
            value = loss.value_and_delta(target.astype(dtype), z.astype(dtype), delta)
            loss.predict(z.astype(dtype), out=output)
        assert np.isfinite(value)
        assert np.isfinite(delta).all()
        assert np.isfinite(output).all()


@pytest.mark.parametrize("loss", [LogLoss(), Focal(gamma=1.0)], ids=repr)
def test_sure_mistake_costs_what_its_net_inputs_say(loss):
    """-log softmax is 2e4, though the probability is 0 in floating point."""
    value, delta = value_and_delta(loss, [1, 0], [-1e4, 1e4])
    assert value == 2e4
    assert np.isfinite(delta).all()


def test_sure_binary_mistake_costs_its_net_input():
    assert value_and_delta(BinaryLogLoss(), [0], [1e4]) == (1e4, [1.0])


@pytest.mark.parametrize("loss", ["gamma", Gamma()], ids=str)
@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_gamma_refuses_targets_that_are_not_positive(loss, bad, X):
    y = np.ones(60)
    y[7] = bad
    with pytest.raises(ValueError, match="loss='gamma' needs y > 0"):
        BackpropRegressor(loss=loss).fit(X, y)


def test_poisson_refuses_negative_targets_of_a_validation_set(X):
    with pytest.raises(ValueError, match="loss='poisson' needs y >= 0"):
        BackpropRegressor(loss=Poisson()).fit(X, np.ones(60), X_val=X, y_val=-np.ones(60))


@pytest.mark.parametrize("loss", [LogLoss(), Focal(), "focal"], ids=str)
def test_loss_of_one_class_per_row_refuses_multilabel_targets(loss, X, rng):
    with pytest.raises(ValueError, match="needs one class per row"):
        BackpropClassifier(loss=loss).fit(X, rng.randint(0, 2, (60, 3)))
    with pytest.raises(ValueError, match="needs one class per row"):
        BackpropClassifier(loss=loss).fit(X, np.tile([[1, 1, 0], [0, 1, 1]], (30, 1)))


@pytest.mark.parametrize(
    ("loss", "field"),
    [
        (LogLoss(label_smoothing=1.0), "label_smoothing"),
        (BinaryLogLoss(label_smoothing=-0.1), "label_smoothing"),
        (Focal(gamma=-1.0), "gamma"),
    ],
    ids=str,
)
def test_parameter_of_a_classifier_loss_outside_its_range_is_refused(loss, field, X):
    with pytest.raises(ValueError, match=f"The '{field}' parameter of"):
        BackpropClassifier(loss=loss).fit(X, np.arange(60) % 2)


@pytest.mark.parametrize(
    ("loss", "field"),
    [
        (Huber(threshold=0.0), "threshold"),
        (Quantile(quantile=0.0), "quantile"),
        (Quantile(quantile=1.0), "quantile"),
    ],
    ids=str,
)
def test_parameter_of_a_regressor_loss_outside_its_range_is_refused(loss, field, X):
    with pytest.raises(ValueError, match=f"The '{field}' parameter of"):
        BackpropRegressor(loss=loss).fit(X, np.arange(60.0))


# -- by name and as an object ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "loss"),
    [
        ("log_loss", "binary", BinaryLogLoss()),
        ("log_loss", "multiclass", LogLoss()),
        ("log_loss", "multilabel", BinaryLogLoss()),
        ("squared_error", "binary", SquaredError(link=Sigmoid())),
        ("squared_error", "multiclass", SquaredError(link=Sigmoid())),
        ("focal", "binary", Focal()),
        ("focal", "multiclass", Focal()),
    ],
)
def test_classifier_loss_by_name_is_the_object(name, kind, loss, X, rng):
    y = {
        "binary": np.arange(60) % 2,
        "multiclass": np.arange(60) % 3,
        "multilabel": rng.randint(0, 2, (60, 3)),
    }[kind]
    by_name, by_object = (
        BackpropClassifier((4,), loss=loss, random_state=0).partial_fit(X, y, np.unique(y))
        for loss in (name, loss)
    )
    assert name in CLASSIFIER_LOSSES
    assert np.array_equal(by_name.predict_proba(X), by_object.predict_proba(X))
    assert by_name.loss_curve_ == by_object.loss_curve_


def test_focal_loss_predicts_probabilities_like_the_log_loss():
    z = np.array([[0.0, 1.0, -2.0], [30.0, 0.0, 800.0]])
    assert_allclose(_link(Focal(), z), _link(LogLoss(), z), rtol=1e-15)
    assert_allclose(_link(Focal(), z), special.softmax(z, axis=1), rtol=1e-13)
    log_output = np.empty_like(z)
    Focal().log_predict(z, out=log_output)
    assert_allclose(log_output, special.log_softmax(z, axis=1), rtol=1e-13)


def _link(loss, z):
    out = np.empty_like(z)
    loss.predict(z, out)
    return out
