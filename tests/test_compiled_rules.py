"""Each compiled rule gives the numbers of its formula under NumPy, in both precisions.

Not collected where Numba is not installed; see tests/conftest.py.
"""

import ctypes
import os
import subprocess
import sys
from ctypes import c_double, c_int64, c_void_p
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rules import LINKS, LOSSES, OPTIMIZER_OBJECTS, n_outputs_of, random_target

from skbackprop.activations import ElementwiseActivation
from skbackprop.engines.numba_engine.functions import function_of
from skbackprop.engines.numba_engine.numerics import FUNCTIONS
from skbackprop.engines.numba_engine.parts import numbers_of, part_of
from skbackprop.optimizers import ElementwiseOptimizer
from skbackprop.rule import number, spec

PRECISIONS = [
    pytest.param(np.float32, marks=pytest.mark.slow, id="float32"),  # to compile
    pytest.param(np.float64, id="float64"),
]
both_precisions = pytest.mark.parametrize("dtype", PRECISIONS)
REAL = {np.float32: ctypes.c_float, np.float64: c_double}


def compiled(rule, method, dtype):
    """The address of a compiled method and the numbers that it takes."""
    part = part_of(type(rule), method)
    return function_of(part, np.dtype(dtype)), np.array(numbers_of(rule, method) or (0.0,))


def run_on_rows(rule, method, *arrays):
    """Run a compiled method in place on matrices of one shape."""
    address, numbers = compiled(rule, method, arrays[0].dtype.type)
    kinds = [c_void_p] * len(arrays) + [c_int64, c_int64, c_void_p]
    data = [array.ctypes.data for array in arrays]
    ctypes.CFUNCTYPE(None, *kinds)(address)(*data, *arrays[0].shape, numbers.ctypes.data)


def run_activation(rule, z, biases):
    """Run a compiled activation on a copy of z; return what it fills."""
    net_input, a = z.copy(), np.empty_like(z)
    run_on_rows(rule, "forward", net_input, biases, a)
    return net_input if part_of(type(rule), "forward").is_in_place else a


def run_update(rule, gradient, memory, learning_rate, t):
    """Run a compiled step on parameters that are zero; return the update."""
    dtype = gradient.dtype.type
    address, numbers = compiled(rule, "update", dtype)
    vector = np.zeros_like(gradient)
    places = np.array([memory[name].ctypes.data for name in rule.memory], np.int64)
    kinds = [*[c_void_p] * 3, c_int64, c_int64, *[REAL[dtype]] * 4, c_void_p]
    ctypes.CFUNCTYPE(c_double, *kinds, c_double, c_int64)(address)(
        *(vector.ctypes.data, gradient.ctypes.data, places.ctypes.data, 0, len(vector)),
        *(0.0, 1.0, 1.0, 1.0),  # no penalty, no decay, no clipping, subtracted
        *(numbers.ctypes.data, learning_rate, t),
    )
    return -vector


def assert_same(found, expected):
    """To some tens of roundings of each function, of results and of what they sum."""
    eps = np.finfo(found.dtype).eps
    assert_allclose(found, expected, rtol=64 * eps, atol=16 * eps)


@both_precisions
@pytest.mark.parametrize("name", LINKS)
def test_compiled_activation_is_the_formula(name, dtype, rng):
    rule = LINKS[name]
    z, biases = (rng.uniform(-3, 3, (50, 3)).astype(dtype) for _ in range(2))
    a, expected = run_activation(rule, z, biases), np.empty_like(z)
    z += biases
    rule.forward(z, expected)
    assert_same(a, expected)
    delta = rng.standard_normal(z.shape).astype(dtype)
    expected = delta.copy()
    saved = a if rule.saves == "activation" else z
    run_on_rows(rule, "backward", saved, delta)
    rule.backward(saved, expected)
    assert_same(delta, expected)


ONE_LINK = {name: loss for name, loss in LOSSES.items() if "link" not in name}
ONE_LINK["SquaredError"] = LOSSES["SquaredError(link=Identity())"]


@both_precisions
@pytest.mark.parametrize("name", ONE_LINK)
def test_compiled_loss_is_the_formula(name, dtype, rng):
    rule, n_outputs = ONE_LINK[name], n_outputs_of(ONE_LINK[name])[-1]
    z = rng.uniform(-4, 4, (50, n_outputs)).astype(dtype)
    target = random_target(rule, *z.shape, rng).astype(dtype)
    losses, delta = target.copy(), np.empty_like(z)
    run_on_rows(rule, "value_and_delta", losses, z.copy(), delta)
    mean_delta = np.empty_like(z)
    rule.value_and_delta(target, z, mean_delta)
    expected = rule.of_outputs(target, z).astype(dtype)
    if expected.shape != losses.shape:  # of rows, or of targets with several outputs
        losses, expected = losses.sum(axis=1), expected.reshape(len(z), -1).sum(axis=1)
    assert_same(losses, expected)
    assert_same(delta, mean_delta * dtype(len(z)))


@both_precisions
@pytest.mark.parametrize("name", OPTIMIZER_OBJECTS)
def test_compiled_step_is_the_formula(name, dtype, rng):
    rule = OPTIMIZER_OBJECTS[name]
    memory = rule.init(np.zeros(50, dtype))
    expected_memory = {key: array.copy() for key, array in memory.items()}
    for t in range(1, 5):
        gradient = rng.standard_normal(50).astype(dtype)
        update = run_update(rule, gradient.copy(), memory, 0.1, t)
        rule.update(gradient, expected_memory, 0.1, t)
        assert_same(update, gradient)
        for key, array in memory.items():
            assert_same(array, expected_memory[key])


@both_precisions
def test_rprop_at_a_learning_rate_of_zero_stays_as_it_is(dtype, rng):
    rule = OPTIMIZER_OBJECTS[next(name for name in OPTIMIZER_OBJECTS if "Rprop" in name)]
    memory = rule.init(np.zeros(5, dtype))
    before = {key: array.copy() for key, array in memory.items()}
    gradient = rng.standard_normal(5).astype(dtype)
    assert not run_update(rule, gradient.copy(), memory, 0.0, 1).any()
    rule.update(gradient, before, 0.0, 1)
    assert not gradient.any()
    for key, array in memory.items():
        assert_array_equal(array, before[key])


# -- functions of NumPy, everywhere ----------------------------------------------------

ANY = [-np.inf, -1e30, -100.0, -1.5, -1.0, -1e-9, -0.0, 0.0, 1e-9, 0.5, 1.0, 1.5, 88.5]
ANY += [100.0, 1e30, np.inf, np.nan]


class OfOne(ElementwiseActivation):
    """An activation that is one function of NumPy."""

    def derivative(self, a):
        return a


def _of_one(function):
    def value(self, z):
        return function(z)

    return type(f"Of{function.__name__}", (OfOne,), {"value": value})()


UNARY = [f for f in FUNCTIONS if isinstance(f, np.ufunc) and f.nargs == 2]


@both_precisions
@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_function_is_numpys_on_the_whole_line(function, dtype, rng):
    z = np.concatenate([ANY, rng.uniform(-30, 30, 400), rng.uniform(-1, 1, 400)])
    z = z.astype(dtype)[:, np.newaxis]
    finfo = np.finfo(dtype)
    found = run_activation(_of_one(function), z, np.zeros_like(z))
    with np.errstate(all="ignore"):
        expected = function(z)
    if function is np.sign:
        expected[np.isnan(z)] = 0  # it moves nothing
    # exponentials that would be subnormal are 0
    assert_allclose(found, expected, rtol=8 * finfo.eps, atol=finfo.smallest_normal)


class Bounded(ElementwiseActivation):
    def value(self, z):
        return np.clip(z, -2, 3)

    def derivative(self, a):
        return (a > -2) & (a < 3)


class Larger(ElementwiseActivation):
    def value(self, z):
        return np.maximum(-1, np.minimum(z, 2))

    def derivative(self, a):
        return (a > 0) * 2 - (a == -1) + 1.5**a + a**2 + +a


@both_precisions
@pytest.mark.parametrize("rule", [Bounded(), Larger()], ids=lambda r: type(r).__name__)
def test_conditions_are_numbers_as_under_numpy(rule, dtype):
    z = np.array([ANY], dtype)
    a, expected = run_activation(rule, z, np.zeros_like(z)), np.empty_like(z)
    rule.forward(z, expected)
    assert_array_equal(a, expected)  # NaN stays NaN
    a[np.isnan(a)] = 0
    delta, expected = np.ones_like(a), np.ones_like(a)
    run_on_rows(rule, "backward", a, delta)
    rule.backward(a, expected)
    assert_same(delta, expected)


# -- rules of your own ----------------------------------------------------------------

HALF = 0.5


def swell(x):
    """A function that formulas call."""
    doubled = 2 * x
    return doubled + HALF


@spec
class Own(ElementwiseOptimizer):
    """Three memories, a function of your own, a switch, and what varies with no number."""

    decay: float = number(0.25, 0, 1)
    is_bold: bool = False

    memory: ClassVar = {"a": 0.0, "b": 1.0, "c": -1.0}

    def step(self, g, a, b, c, t, learning_rate):
        rest = 1 - self.decay
        rate = learning_rate / (1 + t)
        a = self.decay * a + rest * swell(g)
        b = np.where(np.abs(g) > HALF, b + g * g, b)
        c = c if self.is_bold else c * np.pi
        return np.arctan(a) * rate / np.sqrt(b), a, b, c


@both_precisions
@pytest.mark.parametrize("is_bold", [False, True])
def test_own_optimizer_is_its_formula(is_bold, dtype, rng):
    rule = Own(is_bold=is_bold)
    memory = rule.init(np.zeros(50, dtype))
    expected = {key: array.copy() for key, array in memory.items()}
    for t in (1, 2):
        gradient = rng.standard_normal(50).astype(dtype)
        update = run_update(rule, gradient.copy(), memory, 0.1, t)
        rule.update(gradient, expected, 0.1, t)
        assert_same(update, gradient)
        assert_same(memory["c"], expected["c"])


# -- the cache -------------------------------------------------------------------------

RULE = """
import numpy as np
from skbackprop.activations import ElementwiseActivation

class Softsign(ElementwiseActivation):
    saves = "net_input"

    def value(self, z):
        return z / (1 + np.abs(z))

    def derivative(self, z):
        return 1 / (1 + np.abs(z)) ** 2
"""
PROGRAM = """
import sys
import numpy as np
from skbackprop.engines.numba_engine import compilation
from skbackprop.engines.numba_engine.functions import function_of
from skbackprop.engines.numba_engine.parts import part_of

for name in sys.argv[1:]:
    function_of(part_of(__import__(name).Softsign, "forward"), np.dtype(np.float32))
print(*(function.cache_hits for function in compilation._compiled.values()))
"""


@pytest.mark.slow
def test_another_process_loads_what_was_compiled_and_sees_a_changed_source(tmp_path):
    def hits(*modules):
        root = Path(__file__).parents[1]
        paths = os.pathsep.join([str(tmp_path), str(root)])
        environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": paths}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *modules],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout.split()

    (tmp_path / "first.py").write_text(RULE)
    (tmp_path / "changed.py").write_text(RULE.replace("z / (1", "z / (2"))
    assert hits("first") == ["0"]
    assert hits("first", "changed") == ["1", "0"]
