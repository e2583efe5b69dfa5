"""The kernels of the compiled engine as plain Python, where their lines can be counted.

Run by itself, with the environment variable NUMBA_DISABLE_JIT=1; else not collected. What
Numba replaces while it compiles, a few functions written in LLVM's language, is replaced
by hand here.
"""

import warnings
from functools import lru_cache

import numpy as np
import pytest
from numba.core import types
from numpy.testing import assert_allclose
from rules import LOSSES, n_outputs_of, random_target
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropRegressor
from skbackprop.activations import ACTIVATIONS, Identity
from skbackprop.engines import NumbaEngine
from skbackprop.engines.numba_engine import (
    activations,
    batch,
    coded_layer,
    compilation,
    dropout,
    engine,
    epoch,
    functions,
    layers,
    losses,
    numerics,
    optimizers,
    parts,
    products,
    rows,
    translation,
)
from skbackprop.losses import SquaredError
from skbackprop.optimizers import OPTIMIZERS, SGD, Lion, Rprop


def in_precision_of(x, numbers):
    return tuple(type(x)(number) for number in numbers)


def half_power_of_two(shifted):
    digits = 52 if shifted.dtype == np.float64 else 23
    return type(shifted)(2.0 ** (int(shifted - type(shifted)(1.5 * 2**digits)) - 1))


def split_log(x):
    """As the bits of a number have it: the mantissa from sqrt(1/2) on."""
    m, k = np.frexp(x)
    is_below = m < np.sqrt(0.5)
    return type(x)(k - is_below), type(x)(m * (1 + is_below))


# -- calls by address, which is a place in a list --------------------------------------

FUNCTIONS = [None]
MOST_NUMBERS = 5  # that a rule takes


@lru_cache
def at(cls, method, numbers, dtype):
    if cls is Identity:
        return 0, None, 0
    array = np.array([*numbers, *[np.nan] * (MOST_NUMBERS - len(numbers))])
    function = functions.function_of(parts.part_of(cls, method), dtype)
    return function, array, array.ctypes.data


def address_of(text, name, names, signature):
    of_python = {"matrix_at": matrix_at, "pointer_at": pointer_at}
    FUNCTIONS.append(compilation.make(text, name, {**names, **of_python}))
    return len(FUNCTIONS) - 1


def matrix_at(array, *shape):
    return array[: np.prod(shape)].reshape(shape)


def at_address(address, n, dtype):
    kind = np.ctypeslib.as_ctypes_type(dtype) * n
    return np.ctypeslib.as_array(kind.from_address(int(address)))


def pointer_at(addresses, place, start, like):
    address = addresses[place] + start * like.itemsize
    return at_address(address, len(like), like.dtype)


def call_on_rows(address, arrays, numbers):
    numbers = at_address(numbers, MOST_NUMBERS, np.float64)
    pointers = [array.reshape(array.size) for array in arrays]
    FUNCTIONS[address](*pointers, *arrays[0].shape, numbers)


def call_dropout(address, arrays, when, rate):
    pointers = [array.reshape(array.size) for array in arrays]
    FUNCTIONS[address](*pointers, *arrays[0].shape, *when, rate)


def call_update(address, vector, gradient, memory, start, how, numbers, step):
    numbers = at_address(numbers, MOST_NUMBERS, np.float64)
    passed = vector, gradient, memory, start, len(vector), *how, numbers, *step
    return FUNCTIONS[address](*passed)


def with_attributes(plan, state, data, *, translate=translation.translate):
    """Records have attributes where Numba compiles, and in a recarray."""
    program = translate(plan, state, data)
    return program._replace(layers=program.layers.view(np.recarray))


def load(like, a, row, column):
    numbers = np.zeros_like(like)
    rest = a[row, column : column + len(like)]
    numbers[: len(rest)] = rest
    return numbers


def store(vector, a, row, column):
    rest = a[row, column : column + len(vector)]
    rest[...] = vector[: len(rest)]


VECTORS = {  # of 6 and 2 numbers, instead of as many as fit into registers
    "LONG": 48,
    "SHORT": 16,
    "zeros": lambda n_bytes: lambda a: np.zeros(n_bytes // a.itemsize, a.dtype),
    "load": load,
    "store": store,
    "add": lambda x, y: x + y,
    "add_multiple": lambda x, factor, y: x + factor * y,
    "add_product": lambda x, y, z: x + y * z,
    "sum_of_lanes": np.sum,
}


VIEWS = {
    "flat": lambda a: a.reshape(a.size),
    "matrix": lambda a, start, *shape: a[start : start + np.prod(shape)].reshape(shape),
    "part": lambda a, start, stop: a[start:stop],
    "few": lambda like: np.empty(rows.FEW, like.dtype),
}


def replace_views(monkeypatch):
    modules = activations, batch, coded_layer, dropout, epoch, layers, losses
    for module in (*modules, optimizers, rows):
        for name in VIEWS.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, VIEWS[name])


def replace_vectors(monkeypatch):
    makers = {
        coded_layer: (coded_layer._walk_up, coded_layer._walk_down),
        products: (products._walk,),
    }
    for module, makes in makers.items():
        for name, function in VECTORS.items():
            monkeypatch.setattr(module, name, function, raising=False)
        for length in ("LONG", "SHORT"):
            for make in makes:
                walk = make(getattr(module, length))
                monkeypatch.setattr(module, f"{make.__name__}_{length.lower()}", walk)
    monkeypatch.setattr(products, "_nothing", products.zeros(products.SHORT))
    monkeypatch.setattr(products, "matmul", np.matmul)


@pytest.fixture(autouse=True)
def python_in_the_place_of_llvm(monkeypatch):
    """Let kernels run uncompiled; the arithmetic that overloads hold is their own."""

    def of_precision(overload):
        versions = {
            np.float64: overload(types.float64),
            np.float32: overload(types.float32),
        }
        return lambda x: versions[type(x)](x)

    for module in (epoch, losses, optimizers):
        monkeypatch.setattr(module, "in_precision_of", in_precision_of)
    for module in (activations, losses):
        monkeypatch.setattr(module, "call_on_rows", call_on_rows)
    monkeypatch.setattr(dropout, "call_dropout", call_dropout)
    monkeypatch.setattr(optimizers, "call_update", call_update)
    monkeypatch.setattr(functions, "address_of", address_of)
    monkeypatch.setattr(numerics, "_half_power_of_two", half_power_of_two)
    monkeypatch.setattr(numerics, "_split_exp", of_precision(numerics._split_exp_of))
    monkeypatch.setattr(numerics, "_split_log", split_log)
    log1p = of_precision(numerics._log1p)
    monkeypatch.setitem(numerics.FUNCTIONS, np.log1p, log1p)
    monkeypatch.setattr(losses, "log1p", log1p)
    monkeypatch.setattr(translation, "_at", at)
    replace_vectors(monkeypatch)
    replace_views(monkeypatch)
    monkeypatch.setattr(translation, "translate", with_attributes)
    monkeypatch.setattr(batch, "prefetch", lambda a, row, place: None)
    monkeypatch.setattr(epoch, "exchange_float_mode", lambda mode: mode)
    monkeypatch.setattr(engine, "_why_not_here", lambda: None)
    monkeypatch.setattr(engine, "_why_not_loaded", lambda plan, data: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # of scalars that overflow
        yield


def assert_same_as_numpy(loss, n_outputs=None, dtype=np.float64, **parameters):
    rng = np.random.RandomState(1)
    X, n_outputs = rng.randn(9, 3).astype(dtype), n_outputs or n_outputs_of(loss)[-1]
    y = random_target(loss, len(X), n_outputs, rng)
    weights = rng.choice([0.5, 0.0, 2.0], len(X))
    weights[:4] = 0.0  # the whole of the first batch
    settings = {"hidden_layer_sizes": (4, 3), "batch_size": 4, "max_iter": 2}
    settings |= {"random_state": 0, "shuffle": False, "loss": loss, **parameters}
    if isinstance(settings.get("solver"), Rprop):
        settings["batch_size"] = "auto"
    fits = [
        BackpropRegressor(**settings, engine=engine).fit(X, y.squeeze(), weights)
        for engine in (NumbaEngine(), "numpy")
    ]
    # two epochs amplify the rounding of the sums a few times
    tolerance = {"rtol": 1e-9, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-3}
    kernels, numpy = (np.concatenate([c.ravel() for c in net.coefs_]) for net in fits)
    if dtype == np.float32:
        tolerance["atol"] = 1e-5
    assert_allclose(kernels, numpy, **tolerance)
    assert_allclose(fits[0].loss_curve_, fits[1].loss_curve_, **tolerance)


SQUARED = LOSSES["SquaredError(link=Identity())"]
EACH_LOSS = {type(loss).__name__: loss for loss in LOSSES.values()}
EACH_LOSS["SquaredError of Softmax"] = LOSSES["SquaredError(link=Softmax())"]


@pytest.mark.parametrize("name", EACH_LOSS)
def test_losses(name):
    assert_same_as_numpy(EACH_LOSS[name], activation="tanh")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    assert_same_as_numpy(SQUARED, activation=activation)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    optimizer = OPTIMIZERS[name]()
    signs = isinstance(optimizer, (Lion, Rprop))
    assert_same_as_numpy(
        SQUARED, activation="tanh", solver=optimizer, max_iter=1 if signs else 2
    )


@pytest.mark.parametrize(
    "x", [-2.0, -1.0, -0.5, -1e-20, 0.3, 1.0, 5.0, 1e30, np.inf, np.nan]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1p(x, dtype):
    with np.errstate(all="ignore"):
        expected = np.log1p(dtype(x))
    found = numerics.FUNCTIONS[np.log1p](dtype(x))
    assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "parameters",
    [
        {"dropout": 0.5},
        {"clip_norm": 1e-3},
        {"clip_norm": 1e3},
        {"error_convention": "target_minus_output", "alpha": 0.0},
        {"dtype": np.float32, "solver": SGD(momentum=0.5)},
        {"batch_size": 9},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (40,), "batch_size": 1},
    ],
    ids=str,
)
def test_parameters(parameters):
    assert_same_as_numpy(SQUARED, activation="tanh", **parameters)


@pytest.mark.parametrize("n_others", [0, 1])
@pytest.mark.parametrize("is_cumulative", [True, False])
def test_coded_columns(is_cumulative, n_others, monkeypatch):
    for name in ("FEWEST_ROWS", "FEWEST_WEIGHTS"):
        monkeypatch.setattr(coded_layer, name, 1)
    steps, place = np.arange(9), np.arange(30)[:, np.newaxis] % 9
    code = (steps == place) * 0.5 + (is_cumulative & (steps < place))
    X = np.concatenate([place[:, :n_others] / 9, code], axis=1)
    y = np.sin(place.ravel())
    nets = [
        BackpropRegressor(
            (9,), batch_size=12, max_iter=2, random_state=0, engine=engine
        ).fit(X, y)
        for engine in (NumbaEngine(), "numpy")
    ]
    for kernels, numpy in zip(*(net.coefs_ for net in nets), strict=True):
        assert_allclose(kernels, numpy, rtol=1e-9, atol=1e-12)


class OwnLoss(SquaredError):
    def value_and_delta(self, target, z, delta, sample_weight=None):
        return super().value_and_delta(target, z, delta, sample_weight)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"solver": "lbfgs"}, "takes no steps"),
        ({"loss": OwnLoss()}, "does not know OwnLoss"),
    ],
)
def test_what_it_cannot_run_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        zeros(**parameters).fit(np.eye(3), np.ones(3))


def test_sparse_rows_are_refused():
    with pytest.raises(ValueError, match="takes dense X only"):
        zeros().fit(sparse.eye_array(3, format="csr"), np.ones(3))


def zeros(**parameters):
    settings = {"initializer": "zeros", "alpha": 0.0, "engine": NumbaEngine()}
    return BackpropRegressor((), **settings, **parameters)


def test_gradient_of_zeros_is_not_clipped():
    net = zeros(clip_norm=1.0, max_iter=1).fit(np.eye(3), np.zeros(3))
    assert not net.coefs_[0].any()


def test_rprop_stays_where_the_learning_rate_is_zero():
    net = zeros(solver=Rprop(), learning_rate=lambda *time: 0.0, max_iter=2)
    assert not net.fit(np.eye(3), np.ones(3)).coefs_[0].any()


def test_rows_that_are_not_aligned_in_memory():
    bytes_of_rows = np.zeros(9 * 8 + 1, np.uint8)
    X = bytes_of_rows[1:].view(np.float64).reshape(3, 3)
    assert not X.flags.aligned
    X += np.eye(3)
    nets = [zeros(random_state=0, max_iter=3) for _ in range(2)]
    for net, X_of_net in zip(nets, [X, X.copy()], strict=True):
        net.fit(X_of_net, np.arange(3.0))
    assert_allclose(nets[0].coefs_, nets[1].coefs_, rtol=0)


def test_divergence():
    net = BackpropRegressor(
        (3,), solver="sgd", learning_rate=1e300, engine=NumbaEngine(), random_state=0
    )
    with pytest.raises(ValueError, match="Training diverged"):
        net.fit(np.eye(3), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("loss", [SQUARED, LOSSES["Quantiles(quantiles=(0.1, 0.5, 0.9))"]])
def test_missing_targets(loss):
    rng = np.random.RandomState(1)
    X, y = rng.randn(9, 3), rng.randn(9, 2)
    y[::3, 0] = y[1::3, 1] = np.nan
    settings = {"missing_targets": "ignore", "batch_size": 4, "max_iter": 2, "loss": loss}
    nets = [
        BackpropRegressor((4,), "tanh", random_state=0, engine=engine, **settings).fit(X, y)
        for engine in (NumbaEngine(), "numpy")
    ]
    for kernels, numpy in zip(*(net.coefs_ for net in nets), strict=True):
        assert_allclose(kernels, numpy, rtol=1e-9, atol=1e-12)
