"""What every test runs under: one BLAS thread, and scikit-learn's array API checks."""

import os
import shutil
import signal
import warnings
from importlib.util import find_spec

# Before NumPy and SciPy are imported. The environment also reaches joblib's workers.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from skbackprop.engines import NumbaEngine  # noqa: E402

collect_ignore = ["benchmarks", "chunks", "mpi", "scripts"]  # programs, run by tests
if find_spec("onnxruntime") is None:  # the extra integration is not installed
    collect_ignore.append("integration")
if find_spec("numba") is None:  # it is optional
    collect_ignore += ["test_compiled_rules.py", "test_engines.py"]
if os.environ.get("NUMBA_DISABLE_JIT") != "1":  # kernels are compiled
    collect_ignore.append("test_kernels_in_python.py")

if not (shutil.which("chromium") or shutil.which("chromium-browser")):
    collect_ignore += ["test_replay_in_a_browser.py", "test_sign_question_in_a_browser.py"]

if find_spec("sklearn.callback") is None:  # scikit-learn before 1.9
    collect_ignore.append("test_callbacks.py")

ENGINE = os.environ.get("SKBACKPROP_TEST_ENGINE")  # what engine="auto" takes if it can

COUNTED = [
    "faults injected",
    "inputs tried",
    "calls made",
    "checks of scikit-learn",
]  # record_property(name, n)


@pytest.fixture(scope="session", autouse=True)
def default_engine():
    """Let one engine run all tests that do not name another, for a comparison of both."""
    with pytest.MonkeyPatch.context() as patch:
        if ENGINE is not None:
            patch.setattr(NumbaEngine, "pays", lambda self, plan, data: ENGINE == "numba")
        yield


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """Sums taken by several threads may differ in the last bit from run to run."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def few_epochs():
    """For trainings that need not converge: ``pytest.mark.usefixtures("few_epochs")``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.fixture
def heeds_interrupts():
    """Let Python heed SIGINT, which a background job of a shell starts with ignoring."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


@pytest.fixture
def X(rng):
    """Thirty rows of three columns; a test whose numbers need others has its own."""
    return rng.standard_normal((30, 3))


@pytest.fixture
def y(X):
    """Two classes that a line separates."""
    return (X[:, 0] > 0).astype(int)


def pytest_collection_modifyitems(config, items):
    """Leave out what names the compiled engine where Numba is not installed."""
    if find_spec("numba") is None:
        named = [item for item in items if "numba" in parameters_of_test(item)]
        config.hook.pytest_deselected(items=named)
        items[:] = [item for item in items if item not in named]


def parameters_of_test(item):
    callspec = getattr(item, "callspec", None)
    values = [] if callspec is None else callspec.params.values()
    return [value for value in values if isinstance(value, str)]


def pytest_terminal_summary(terminalreporter):
    passed = terminalreporter.getreports("passed")
    n = sum(("agrees_with_mlp", True) in report.user_properties for report in passed)
    if n:
        terminalreporter.write_line(f"{n} combinations agree with MLP to rounding")
    for what in COUNTED:
        n = sum(dict(report.user_properties).get(what, 0) for report in passed)
        if n:
            terminalreporter.write_line(f"{what}: {n}, nothing lost")
