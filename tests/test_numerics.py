"""Very large, very small and degenerate data; losses compared with 300 digits of mpmath."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import SMALL
from rules import LOSSES

mpmath = pytest.importorskip("mpmath", reason="it is in the extra test")
from mpmath import mp, mpf  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from skbackprop import BackpropClassifier, BackpropRegressor  # noqa: E402
from skbackprop import losses as L  # noqa: E402
from skbackprop.initializers import GivenWeights  # noqa: E402
from skbackprop.optimizers import SGD  # noqa: E402

mp.dps = 300
CLASSES = [BackpropClassifier, BackpropRegressor]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


# -- losses where their formulas cancel or overflow ------------------------------------


def log_softmax(z):
    top = max(z)
    total = mp.fsum(mp.exp(zk - top) for zk in z)
    return [zk - top - mp.log(total) for zk in z]


def softplus(z):
    return mp.log1p(mp.exp(-abs(z))) + max(z, mpf(0))


def smoothed(t, loss, n):
    return (1 - mpf(loss.label_smoothing)) * t + mpf(loss.label_smoothing) / n


def exact_log_loss(loss, t, z):
    return -mp.fsum(
        smoothed(tk, loss, len(t)) * lk for tk, lk in zip(t, log_softmax(z), strict=True)
    )


def exact_focal(loss, t, z):
    logs = log_softmax(z)
    return -mp.fsum(
        tk * (-mp.expm1(lk)) ** mpf(loss.gamma) * lk
        for tk, lk in zip(t, logs, strict=True)
        if tk
    )


EXACT = {
    L.LogLoss: exact_log_loss,
    L.Focal: exact_focal,
    L.BinaryLogLoss: lambda loss, t, z: softplus(z[0]) - smoothed(t[0], loss, 2) * z[0],
    L.Poisson: lambda loss, t, z: (
        (t[0] * mp.log(t[0]) if t[0] else 0) - t[0] * z[0] - t[0] + mp.exp(z[0])
    ),
    L.Gamma: lambda loss, t, z: t[0] * mp.exp(-z[0]) - mp.log(t[0]) + z[0] - 1,
    L.AbsoluteError: lambda loss, t, z: abs(z[0] - t[0]),
    L.Huber: lambda loss, t, z: (
        (z[0] - t[0]) ** 2 / 2
        if abs(z[0] - t[0]) <= loss.threshold
        else mpf(loss.threshold) * (abs(z[0] - t[0]) - mpf(loss.threshold) / 2)
    ),
    L.Quantile: lambda loss, t, z: max(
        mpf(loss.quantile) * (t[0] - z[0]), (1 - mpf(loss.quantile)) * (z[0] - t[0])
    ),
    L.LogCosh: lambda loss, t, z: (
        abs(z[0] - t[0]) + mp.log1p(mp.exp(-2 * abs(z[0] - t[0]))) - mp.log(2)
    ),
}
SIZES = [0.0, 1e-300, 1e-12, 1e-5, 0.3, 3.0, 20.0, 37.0, 300.0, 1e4]
NET_INPUTS = [sign * size for size in SIZES for sign in (1, -1)][1:]
ROWS = {
    L.LogLoss: [((1, 0, 0), (z, 0.0, -z / 3)) for z in NET_INPUTS],
    L.Focal: [((1, 0, 0), (z, 0.0, -z / 3)) for z in NET_INPUTS],
    L.BinaryLogLoss: [((t,), (z,)) for z in NET_INPUTS for t in (0, 1)],
    L.Poisson: [((t,), (z,)) for z in NET_INPUTS if abs(z) < 400 for t in (0, 2.5)],
    L.Gamma: [((t,), (z,)) for z in NET_INPUTS if abs(z) < 400 for t in (1e-3, 2.5)],
}
QUANTITIES = [((t,), (z,)) for z in NET_INPUTS for t in (0, 1)]
CASES = [loss for loss in LOSSES.values() if type(loss) in EXACT]


def loss_of_one_row(loss, t, z, engine):
    """The loss that the first epoch reports for net inputs z of a single row."""
    net = BackpropRegressor(
        (),
        solver=SGD(),
        learning_rate=1e-300,
        loss=loss,
        alpha=0.0,
        max_iter=1,
        engine=engine,
        initializer=GivenWeights([np.array([z])], [np.zeros(len(z))]),
    )
    return net.fit([[1.0]], np.array([t]) if len(t) > 1 else t).loss_curve_[0]


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_loss_is_exact_where_its_formula_cancels(loss, engine, record_property):
    if engine == "numba":
        pytest.importorskip("numba")
    rows = ROWS.get(type(loss), QUANTITIES)
    for t, z in rows:
        exact = EXACT[type(loss)](loss, [mpf(tk) for tk in t], [mpf(zk) for zk in z])
        found = loss_of_one_row(loss, t, z, engine)
        assert_allclose(found, float(exact), rtol=1e-13, atol=1e-300, err_msg=f"{t} {z}")
    record_property("inputs tried", len(rows))


# -- degenerate data -------------------------------------------------------------------

ENGINES = ["numpy", "numba"]
RNG = np.random.RandomState(0)
X = RNG.randn(20, 3)
Y = np.arange(20) % 2


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param


def assert_finite(net, X):
    """Parameters, curve and predictions are finite, and probabilities are some."""
    assert all(np.isfinite(array).all() for array in (*net.coefs_, *net.intercepts_))
    assert np.isfinite(net.loss_curve_).all()
    assert np.isfinite(net.predict(X)).all()
    if not hasattr(net, "predict_proba"):
        return
    proba = net.predict_proba(X)
    assert proba.min() >= 0
    assert proba.max() <= 1
    if net.predict(X).ndim == 1:  # not of independent labels
        # the rounding of a sum of a few terms
        assert_allclose(proba.sum(axis=1), 1, rtol=4 * np.finfo(proba.dtype).eps)
    assert np.isfinite(net.predict_log_proba(X)).all()


SCALES = [(np.float64, s) for s in (1e300, 1e160, 1e150, 1e30, 1e-150, 1e-300, 5e-324)]
SCALES += [(np.float32, s) for s in (1e38, 1e20, 1e15, 1e-20, 1e-38, 1e-45)]


@pytest.mark.faults
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("cls", CLASSES)
def test_inputs_of_any_size_give_finite_numbers_or_a_clear_error(
    cls, dtype, scale, solver, engine
):
    scaled = (np.clip(X, -1, 1) * scale).astype(dtype)
    assert np.isfinite(scaled).all()
    assert scaled.any()
    net = cls(**SMALL, solver=solver, engine=engine if solver != "lbfgs" else "auto")
    try:
        net.fit(scaled, Y)
    except ValueError as error:
        assert "Training diverged" in str(error)  # noqa: PT017
        assert scale > 1e10
    else:
        assert_finite(net, scaled)


DEGENERATE = {
    "constant columns": (np.ones((20, 3)), Y),
    "zeros": (np.zeros((20, 3)), Y),
    "duplicated columns": (np.repeat(X[:, :1], 3, axis=1), Y),
    "one sample": (X[:1], Y[:1]),
    "one feature": (X[:, :1], Y),
    "one class": (X, np.ones(20)),
    "the same row in both classes": (np.ones((20, 1)), Y),
    "two labels per row": (X, np.column_stack([Y, 1 - Y])),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("cls", CLASSES)
def test_degenerate_data_give_finite_numbers(cls, name, engine):
    data, batch_size = DEGENERATE[name], min(5, len(DEGENERATE[name][0]))
    net = cls(**SMALL | {"batch_size": batch_size})
    for solver in "sgd", "adam", "lbfgs":
        net.set_params(solver=solver, engine="auto" if solver == "lbfgs" else engine)
        assert_finite(net.fit(*data), data[0])


@pytest.mark.faults
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_separable_data_for_thousands_of_epochs_stay_finite(solver, dtype, engine):
    """The weights grow for ever, the loss sinks below rounding, and nothing overflows."""
    separable = np.array([[-1.0], [1.0]], dtype)
    net = BackpropClassifier(
        (3,),
        "tanh",
        solver=solver,
        learning_rate=1.0,
        alpha=0.0,
        max_iter=4000,
        n_iter_no_change=10**6,
        random_state=0,
        engine=engine,
    ).fit(separable, [0, 1])
    assert net.n_iter_ == 4000
    assert net.loss_ < 1e-3
    assert_finite(net, separable)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "softplus", "gelu", "mish"])
def test_saturated_units_stay_finite(activation, engine):
    weights = GivenWeights([1e4 * np.ones((3, 4)), np.ones((4, 1))], [np.zeros(4), [0.0]])
    net = BackpropRegressor(
        **SMALL | {"learning_rate": 1e-12}, activation=activation, initializer=weights
    ).set_params(engine=engine)
    assert_finite(net.fit(100 * X, Y), 100 * X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_batch_whose_weights_are_all_zero_is_a_batch_that_is_not_there(solver, engine):
    weights = np.repeat([1.0, 0.0, 2.0, 0.0], 5)
    kept = weights > 0
    settings = {**SMALL, "batch_size": 5, "solver": solver, "engine": engine}
    settings["shuffle"] = False
    whole = BackpropRegressor(**settings).fit(X, Y, weights)
    part = BackpropRegressor(**settings).fit(X[kept], Y[kept], weights[kept])
    assert whole.loss_curve_ == part.loss_curve_
    np.testing.assert_equal(whole.coefs_, part.coefs_)


@pytest.mark.parametrize("cls", CLASSES)
def test_batches_of_one_are_finite_and_as_many_as_rows(cls, engine):
    net = cls(**SMALL | {"batch_size": 1, "engine": engine}).fit(X, Y)
    assert net._state["step"] == SMALL["max_iter"] * len(X)
    assert_finite(net, X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [30.0, 800.0, 1e30])
def test_probabilities_of_labels_stay_inside_the_open_interval(size, dtype):
    net = BackpropClassifier.from_weights(
        [np.array([[size, -size]], dtype)],
        [np.zeros(2, dtype)],
        classes=[0, 1],
        multilabel=True,
    )
    proba = net.predict_proba(np.array([[1.0], [-1.0]], dtype))
    assert ((proba > 0) & (proba < 1)).all()
