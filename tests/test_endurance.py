"""Long use: no growth of memory, and memory that has a stated bound."""

import subprocess
import sys
from pathlib import Path

import pytest

import skbackprop

pytestmark = pytest.mark.faults
ROOT = Path(skbackprop.__file__).parent.parent
MEGABYTE = 2**20

COMMON = """
import gc, resource, sys, warnings
import numpy as np
from skbackprop import BackpropClassifier, BackpropRegressor
warnings.simplefilter("ignore")
rng = np.random.RandomState(0)

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def status(name):
    lines = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(lines[0].split()[1]) * 1024
"""


def measured(program, *arguments):
    """Run a program in a process of its own; return the numbers it prints."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from /proc")
    result = subprocess.run(
        [sys.executable, "-c", COMMON + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [float(word) for word in result.stdout.split()]


def test_100_000_calls_of_partial_fit_do_not_grow(record_property):
    """But for the curves: 8 + 32 bytes per call and curve, two curves."""
    program = """
X, y = rng.randn(1, 3), rng.randn(1)
net = BackpropRegressor((4,), random_state=0)
for _ in range(5_000):
    net.partial_fit(X, y)
before = resident()
for _ in range(95_000):
    net.partial_fit(X, y)
print(resident() - before, len(net.loss_curve_))
"""
    grown, n_calls = measured(program)
    assert n_calls == 100_000
    curves = 2 * 95_000 * (8 * 1.125 + 32)  # a list grows by an eighth ahead of its need
    assert grown < curves + 2 * MEGABYTE
    record_property("calls made", int(n_calls))


def test_10_000_fits_do_not_grow(record_property):
    program = """
X, y = rng.randn(10, 3), np.arange(10) % 2

def fit(n):
    for i in range(n):
        solver = ("adam", "sgd", "lbfgs")[i % 3]
        early = i % 5 == 0 and solver != "lbfgs"
        BackpropClassifier((4,), solver=solver, max_iter=1, early_stopping=early).fit(X, y)

fit(1_000)
before = resident()
fit(9_000)
print(resident() - before)
"""
    (grown,) = measured(program)
    assert grown < 2 * MEGABYTE
    record_property("calls made", 10_000)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_fit_on_a_memory_map_larger_than_the_allowed_memory(engine, tmp_path):
    """A map of 256 MB; the process may allocate 64 MB more than it has."""
    if engine == "numba":
        pytest.importorskip("numba")
    program = """
path, engine, n_rows = sys.argv[1], sys.argv[2], 1_000_000
X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, 64))
for start in range(0, n_rows, 50_000):
    X[start : start + 50_000] = rng.randn(50_000, 64)
y = X[:, 0] * X[:, 1]
del X
settings = dict(batch_size=1000, max_iter=2, random_state=0, engine=engine)
BackpropRegressor((8,), **settings).fit(rng.randn(4000, 64).astype(np.float32), y[:4000])
X = np.load(path, mmap_mode="r")
limit = status("VmData") + 64 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones(X.nbytes, np.uint8)
except MemoryError:
    net = BackpropRegressor((8,), **settings).fit(X, y)
    learns = net.loss_curve_[-1] < net.loss_curve_[0]
    print(X.nbytes, float(learns), net.predict(X).size)
"""
    size, learns, n_predicted = measured(program, tmp_path / "X.npy", engine)
    assert size == 256_000_000
    assert learns
    assert n_predicted == 1_000_000


@pytest.mark.parametrize(("cls", "n_arrays"), [("Regressor", 1), ("Classifier", 4)])
def test_predict_on_5_million_rows_stays_within_its_bound(cls, n_arrays):
    """In units of one float64 per row: the outputs, and what labels are made of.

    A regressor has its output; a classifier of two classes the output, a comparison,
    the positions and the labels. X is never copied, and hidden layers take chunks.
    """
    program = f"""
net = Backprop{cls}((100,), max_iter=1).fit(rng.randn(500, 4), np.arange(500) % 2)
X = np.zeros((5_000_000, 4))
X += rng.randn(4)
net.predict(X[:100_000])
open("/proc/self/clear_refs", "w").write("5")  # the peak is now what is resident
before = status("VmHWM")
y = net.predict(X)
print(status("VmHWM") - before, len(y), float(np.isfinite(y).all()))
"""
    grown, n_rows, is_finite = measured(program)
    assert n_rows == 5_000_000
    assert is_finite
    assert grown < n_arrays * 8 * n_rows + 8 * MEGABYTE
