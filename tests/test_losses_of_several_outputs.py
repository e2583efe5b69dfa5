"""Losses of several outputs for each target: quantiles and distributions.

The oracles are scikit-learn's pinball loss and the distributions of `scipy.stats`.
"""

import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_pinball_loss, r2_score

from skbackprop import (
    BackpropRegressor,
    check_gradient,
    replay,
    summary,
    to_sklearn,
    trace_step,
)
from skbackprop.activations import Identity
from skbackprop.losses import (
    REGRESSOR_LOSSES,
    DistributionLoss,
    Gaussian,
    Quantiles,
    StudentT,
    outputs_per_target,
)
from skbackprop.rule import spec

LEVELS = 0.05, 0.3, 0.5, 0.8
SEVERAL = [name for name, cls in REGRESSOR_LOSSES.items() if outputs_per_target(cls()) > 1]
OBJECTS = [Quantiles(quantiles=LEVELS), Gaussian(), StudentT(df=3.0)]

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)


@pytest.fixture
def X(rng):
    return rng.uniform(-2, 2, (80, 3))


@pytest.fixture(params=["one target", "two targets"])
def y(request, X, rng):
    y = X[:, 0] + (0.2 + (X[:, 1] > 0)) * rng.standard_normal(80)
    return y if request.param == "one target" else np.c_[y, 1 - 2 * y]


def small(loss, **parameters):
    settings = {"learning_rate": 0.02, "max_iter": 10, "random_state": 0, **parameters}
    return BackpropRegressor((6,), "tanh", loss=loss, **settings)


def loss_by_hand(reg, X, y, weight):
    """Of the outputs that the regressor predicts: the mean over rows, summed over y."""
    if hasattr(reg, "predict_quantiles"):
        quantiles, t = np.atleast_3d(reg.predict_quantiles(X)), y
        if y.ndim == 1:
            quantiles, t = reg.predict_quantiles(X)[:, np.newaxis], y[:, np.newaxis]
        return sum(
            mean_pinball_loss(t[:, k], quantiles[:, k, j], alpha=q, sample_weight=weight)
            for k in range(t.shape[1])
            for j, q in enumerate(reg.loss.quantiles)
        )
    log_density = reg.predict_distribution(X).logpdf(y).reshape(len(y), -1)
    return -np.average(log_density.sum(axis=1), weights=weight)


# -- what is trained -------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", OBJECTS, ids=str)
def test_validation_loss_is_the_metric(loss, weighted, X, y, rng):
    weight = rng.uniform(0.1, 2, 40) if weighted else None
    reg = small(loss)
    reg.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:], sample_weight_val=weight)
    expected = loss_by_hand(reg, X[40:], y[40:], weight)
    # sums of some tens of terms of either sign, in another order
    assert_allclose(reg.validation_loss_curve_[-1], expected, rtol=1e-12)


@pytest.mark.parametrize("loss", OBJECTS, ids=str)
def test_gradient_is_the_derivative_with_several_targets(loss, X, y):
    assert check_gradient(small(loss), X[:20], y[:20]).passed


def test_best_constants_are_the_quantiles(rng):
    """A share of the targets lies below each output, with ten steps per epoch."""
    y = rng.gamma(2, size=500)
    reg = small(Quantiles(quantiles=LEVELS), learning_rate="cosine", max_iter=200)
    reg.set_params(hidden_layer_sizes=(), learning_rate_init=0.05, tol=0.0, batch_size=50)
    found = reg.fit(np.zeros((500, 1)), y).predict_quantiles([[0.0]])
    # a batch of 50 rows knows a share to 0.07, 200 epochs of them ten times as well or more
    assert_allclose((y[:, np.newaxis] < found).mean(axis=0), LEVELS, atol=0.02)


@pytest.mark.parametrize(("loss", "family"), [(Gaussian(), stats.norm), (StudentT(), None)])
def test_best_constant_distribution_is_that_of_maximum_likelihood(loss, family, rng):
    y = 3 + 0.5 * rng.standard_t(5, size=100)
    reg = small(loss, solver="lbfgs", tol=1e-9, max_iter=500).set_params(
        hidden_layer_sizes=()
    )
    found = reg.fit(np.zeros((100, 1)), y).predict_distribution([[0.0]])
    if family is not None:
        expected = family.fit(y)
    else:
        expected = optimize.minimize(
            lambda p: -stats.t(5, *p).logpdf(y).sum(), [3.0, 0.5], method="Nelder-Mead"
        ).x
    # L-BFGS and Nelder-Mead stop where the likelihood hardly changes: half the digits
    assert_allclose(np.ravel(found.args[-2:]), expected, rtol=1e-3)


# -- what is predicted -----------------------------------------------------------------


@pytest.mark.parametrize("quantiles", [LEVELS, [0.5], [0.6, 0.7, 0.9], [0.1, 0.2]])
def test_quantiles_never_cross(quantiles, X, y, rng):
    """Even in rows far from all others, with large weights, in float32."""
    reg = small(Quantiles(quantiles=quantiles), learning_rate=1.0)
    reg.fit(X.astype(np.float32), y)
    found = reg.predict_quantiles(rng.uniform(-100, 100, (500, 3)).astype(np.float32))
    assert found.shape == (500, *y.shape[1:], len(quantiles))
    assert (np.diff(found, axis=-1) >= 0).all()
    assert np.ptp(found, axis=0).min() > 1


@pytest.mark.parametrize(
    ("quantiles", "central"), [(LEVELS, 2), ([0.5], 0), ([0.6, 0.9], 0), ([0.1, 0.3], 1)]
)
def test_predict_returns_the_quantile_nearest_to_the_median(quantiles, central, X, y):
    reg = small(Quantiles(quantiles=quantiles)).fit(X, y)
    assert_array_equal(reg.predict(X), reg.predict_quantiles(X)[..., central])
    assert reg.predict(X).shape == y.shape


@pytest.mark.parametrize("loss", ["gaussian", "student_t"])
def test_predict_returns_the_mean_of_the_distribution(loss, X, y):
    reg = small(loss).fit(X, y)
    distribution = reg.predict_distribution(X)
    assert_array_equal(reg.predict(X), distribution.mean())
    assert distribution.std().shape == y.shape
    assert (distribution.std() > 0).all()


@pytest.mark.parametrize("loss", SEVERAL)
def test_scores_are_r2_of_the_central_output(loss, X, y):
    reg = small(loss, early_stopping=False).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    expected = r2_score(y[40:], reg.predict(X[40:]))
    assert reg.score(X[40:], y[40:]) == expected
    assert_allclose(reg.validation_scores_[-1], expected, rtol=1e-13)  # other strides


def test_spread_follows_the_rows(rng):
    """Noise of 0.1 on the left and of 0.5 on the right."""
    X = rng.uniform(-1, 1, (2000, 1))
    y = np.where(X[:, 0] > 0, 0.5, 0.1) * rng.standard_normal(2000)
    reg = small("gaussian", learning_rate=0.01, max_iter=60).fit(X, y)
    # of 1000 rows a deviation is known to 2 %, of a network that has to bend to less
    deviation = reg.predict_distribution([[-0.7], [0.7]]).std()
    assert_allclose(deviation, [0.1, 0.5], rtol=0.2)


def test_student_t_hardly_sees_an_outlier(rng):
    X, y = np.zeros((100, 1)), rng.standard_normal(100)
    y[0] = 1e3
    reg = small(StudentT(df=3.0), solver="lbfgs").fit(X, y)
    assert abs(reg.predict([[0.0]])[0]) < 0.5
    assert reg.predict_distribution([[0.0]]).std()[0] < 5


# -- both engines, continuation, storing -----------------------------------------------


@pytest.mark.parametrize("loss", OBJECTS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_engines_agree(loss, dtype, X, y):
    pytest.importorskip("numba")
    nets = [
        small(loss, engine=engine, batch_size=30).fit(X.astype(dtype), y)
        for engine in ("numpy", "numba")
    ]
    # thirty steps amplify the rounding of the sums
    tolerance = {"rtol": 1e-8} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-3}
    assert_allclose(nets[0].loss_curve_, nets[1].loss_curve_, **tolerance)
    assert_allclose(nets[0].predict(X), nets[1].predict(X), **tolerance)


@pytest.mark.parametrize("loss", SEVERAL)
def test_training_goes_on_exactly_from_a_pickle(loss, X, y):
    whole, halves = small(loss, max_iter=10), small(loss, max_iter=5, warm_start=True)
    whole.fit(X, y)
    halves = pickle.loads(pickle.dumps(halves.fit(X, y))).fit(X, y)
    for one, other in zip(whole.coefs_, halves.coefs_, strict=True):
        assert_array_equal(one, other)
    step = clone(halves).set_params(engine="numpy").partial_fit(X, y)  # as a trace does
    trace = trace_step(step, X, y)
    step.partial_fit(X, y)
    assert_array_equal(trace.layers[-1].weights_after, step.coefs_[-1])
    assert len(str(trace)) > 1000


@pytest.mark.parametrize("loss", SEVERAL)
def test_a_replay_shows_the_prediction_over_the_plane(loss, X):
    film = replay(small(loss), X[:, :2], X[:, 0], n_epochs=1)
    before = small(loss, learning_rate=1e-300).partial_fit(X[:, :2], X[:, 0])
    left, _, bottom, _ = film.extent
    assert_allclose(film.surfaces[0][0, 0], before.predict([[left, bottom]])[0])
    assert len(film.to_html()) > 1000


def test_units_of_the_output_layer_are_counted(X, y):
    reg = small("gaussian").fit(X, y)
    n_targets = 1 if y.ndim == 1 else 2
    assert reg.n_outputs_ == summary(reg).layers[-1].n_units == 2 * n_targets
    assert reg.out_activation_ == "location_scale"


# -- what is refused -------------------------------------------------------------------


def test_what_a_loss_has_not_is_missing(X):
    y, plain = X[:, 0], small("squared_error")
    quantiles, gaussian = small(Quantiles()).fit(X, y), small("gaussian").fit(X, y)
    assert not hasattr(plain, "predict_quantiles")
    assert not hasattr(plain, "predict_distribution")
    with pytest.raises(AttributeError, match="predict_quantiles"):
        plain.fit(X, y).predict_quantiles(X)
    for estimator, method, instead in [
        (quantiles, "predict_distribution", r"predict_quantiles\(X\)"),
        (gaussian, "predict_quantiles", r"predict_distribution\(X\)"),
    ]:
        with pytest.raises(AttributeError) as error:
            getattr(estimator, method)
        assert re.search(instead, str(error.value.__cause__ or error.value))


@pytest.mark.parametrize("bad", [[], [0.5, 0.1], [0.1, 0.1], [0.0, 0.5], [1.0], 0.5, "ab"])
def test_quantiles_must_ascend_between_0_and_1(bad, X):
    with pytest.raises(
        ValueError, match="'quantiles' parameter of Quantiles must be a seq"
    ):
        small(Quantiles(quantiles=bad)).fit(X, X[:, 0])


def test_a_network_of_another_loss_is_refused(X):
    reg = small("squared_error").fit(X, X[:, 0]).set_params(loss="gaussian")
    with pytest.raises(
        ValueError, match="2 outputs for each target, and this network has 1"
    ):
        reg.predict(X)
    with pytest.raises(
        ValueError, match="2 outputs for each target, and this network has 1"
    ):
        BackpropRegressor.from_weights([[[2.0]]], [[1.0]], loss="gaussian")


@pytest.mark.parametrize("loss", SEVERAL)
def test_validation_rows_have_the_columns_of_y(loss, X):
    with pytest.raises(ValueError, match="y_val has 2 outputs, but y has 1"):
        small(loss).fit(X, X[:, 0], X_val=X, y_val=X[:, :2])


@pytest.mark.parametrize("loss", SEVERAL)
def test_scikit_learn_has_no_such_network(loss, X):
    with pytest.raises(ValueError, match=r"MLPRegressor has no output activation"):
        to_sklearn(small(loss).fit(X, X[:, 0]))


def test_large_targets_are_named_as_the_cause(rng):
    X = rng.uniform(-1, 1, (50, 2))
    with pytest.warns(ConvergenceWarning, match="Scale y"):
        small("gaussian").fit(X, 1e4 + 1e3 * X[:, 0])


# -- your own -------------------------------------------------------------------------


@spec
class Laplace(DistributionLoss):
    """A distribution of your own: location, and logarithm of the scale."""

    outputs = ("location", "log_scale")
    link = Identity()

    def value_and_derivative(self, t, location, log_scale):
        error = (location - t) * np.exp(-log_scale)
        value = abs(error) + log_scale + 0.6931471805599453
        return value, np.sign(error) * np.exp(-log_scale), 1 - abs(error)

    def distribution(self, output):
        return stats.laplace(output[..., 0], np.exp(output[..., 1]))


def test_a_distribution_of_ones_own(X, y):
    assert check_gradient(small(Laplace()), X[:20], y[:20]).passed
    reg = small(Laplace()).fit(X, y, X_val=X, y_val=y)
    expected = loss_by_hand(reg, X, y, None)
    assert_allclose(reg.validation_loss_curve_[-1], expected, rtol=1e-12)
    assert "log_scale" in str(trace_step(small(Laplace()), X[:1], y[:1]))
