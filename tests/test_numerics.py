"""Very large, very small and degenerate data; losses compared with 300 digits of mpmath."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
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
