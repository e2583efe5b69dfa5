"""The same seed gives the same bits, wherever, however often and beside whatever it runs.

With one BLAS thread: docs/security.md says what may differ with more.
"""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from threadpoolctl import threadpool_info

import skbackprop
from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROOT = Path(skbackprop.__file__).parent.parent
RNG = np.random.RandomState(0)
X = RNG.randn(60, 4)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
SETTINGS = {
    "adam": {"solver": "adam"},
    "dropout": {"solver": "sgd", "dropout": 0.3, "early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}


ENGINES = ["numpy", "numba"] if find_spec("numba") else ["numpy"]


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def fit(name, engine):
    engine = "auto" if name == "lbfgs" else engine
    net = BackpropClassifier(
        (8,), random_state=0, max_iter=10, batch_size=16, engine=engine
    )
    return net.set_params(**SETTINGS[name]).fit(X, Y)


def bits(name, engine):
    """A fingerprint of all that a fit made and predicts."""
    net = fit(name, engine)
    arrays = [*net.coefs_, *net.intercepts_, net.loss_curve_, net.predict_proba(X)]
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest()


each_setting = pytest.mark.parametrize("name", SETTINGS)


@each_setting
def test_repeated_use_of_an_engine_gives_the_same_bits(name, engine):
    assert len({bits(name, engine) for _ in range(3)}) == 1


@pytest.mark.faults
@each_setting
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_every_backend_of_joblib_gives_the_same_bits(backend, name, engine):
    expected = bits(name, engine)
    parallel = Parallel(n_jobs=2, backend=backend)
    assert set(parallel(delayed(bits)(name, engine) for _ in range(4))) == {expected}


def _send_bits(connection, name, engine):
    connection.send(bits(name, engine))


@pytest.mark.faults
@each_setting
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_forked_and_spawned_processes_give_the_same_bits(method, name, engine):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} does not exist on this system")
    context = multiprocessing.get_context(method)
    expected = bits(name, engine)  # both engines have run before the fork
    ours, theirs = context.Pipe()
    process = context.Process(target=_send_bits, args=(theirs, name, engine))
    with warnings.catch_warnings():
        # Python warns of forks beside threads, of which BLAS and Numba may have some
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    assert ours.poll(120)
    assert ours.recv() == expected
    process.join(60)
    assert process.exitcode == 0


def test_a_fresh_interpreter_gives_the_same_bits():
    uses = [(name, engine) for name in SETTINGS for engine in ENGINES]
    code = f"import test_determinism as t; print(*[t.bits(*use) for use in {uses}])"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [bits(*use) for use in uses]


# -- threads ---------------------------------------------------------------------------


def test_eight_threads_predict_on_one_estimator_while_others_fit(engine, record_property):
    shared, n_calls = fit("adam", engine), 25
    proba, expected = shared.predict_proba(X), bits("dropout", engine)

    def predict(i):
        rows = slice(i % 7, None)
        # the product of other rows may differ in the last bit
        return all(
            np.allclose(shared.predict_proba(X[rows]), proba[rows], rtol=1e-12)
            and np.array_equal(shared.predict_proba(X), proba)
            for _ in range(n_calls)
        )

    with ThreadPoolExecutor(12) as pool:
        fits = [pool.submit(bits, "dropout", engine) for _ in range(12)]
        calls = [pool.submit(predict, i) for i in range(8)]
        assert all(call.result(120) for call in calls)
        assert {each.result(120) for each in fits} == {expected}
    record_property("calls made", 2 * 8 * n_calls + 12)


# -- what belongs to all ---------------------------------------------------------------


def surroundings():
    """What NumPy, Python and BLAS hold for everybody."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    threads = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    return {
        "stream": (kind, keys.tobytes(), *rest),
        "floating-point errors": np.geterr(),
        "warning filters": list(warnings.filters),
        "print options": str(np.get_printoptions()),
        "threads": threads,
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "trace": sys.gettrace(),
    }


def diverge():
    with pytest.raises(ValueError, match="diverged"):
        BackpropRegressor(solver="sgd", learning_rate=1e300, random_state=0).fit(X, Y)


CALLS = {
    "fit": lambda: fit("dropout", "auto"),
    "lbfgs": lambda: fit("lbfgs", "auto"),
    "a diverging fit": diverge,
    "partial_fit": lambda: BackpropRegressor(random_state=0).partial_fit(X, Y),
    "a stream of your own": lambda: BackpropRegressor(
        random_state=np.random.RandomState(3)
    ).partial_fit(X, Y),
    "predict": lambda: fit("adam", "auto").predict_log_proba(X),
    "summary": lambda: skbackprop.summary(fit("adam", "auto")),
    "trace_step": lambda: str(skbackprop.trace_step(fit("adam", "auto"), X[:2], Y[:2])),
    "check_gradient": lambda: skbackprop.check_gradient(fit("adam", "auto"), X, Y),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_global_is_touched(name):
    CALLS[name]()  # what is imported at first use
    before = surroundings()
    CALLS[name]()
    assert surroundings() == before


def test_random_state_none_draws_from_the_stream_of_numpy():
    def coefs():
        return BackpropRegressor((2,)).partial_fit(X, Y).coefs_

    np.random.seed(0)  # noqa: NPY002
    first, second = coefs(), coefs()
    np.random.seed(0)  # noqa: NPY002
    np.testing.assert_equal(coefs(), first)
    np.testing.assert_equal(coefs(), second)
    assert not np.array_equal(first[0], second[0])
