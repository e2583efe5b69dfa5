"""The compiled engine: the numbers of the NumPy engine, and what it says if it cannot.

Not collected where Numba is not installed; see tests/conftest.py.
"""

import _thread
import logging
import pickle
import platform
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from problems import parameters_of
from rules import (
    LOSSES,
    OPTIMIZER_OBJECTS,
    SCHEDULE_OBJECTS,
    labels,
    n_outputs_of,
    random_target,
)
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    TabularRegressor,
    trace_step,
)
from skbackprop.activations import (
    ACTIVATIONS,
    ElementwiseActivation,
    Elu,
    Identity,
    LeakyRelu,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from skbackprop.conventions import CONVENTIONS
from skbackprop.engines import NumbaEngine
from skbackprop.engines.numba_engine import engine as numba_engine
from skbackprop.engines.numba_engine.compilation import fingerprint
from skbackprop.engines.numba_engine.epoch import run_epoch
from skbackprop.losses import AbsoluteError, LogLoss, Quantile, RowLoss, SquaredError
from skbackprop.optimizers import SGD, ElementwiseOptimizer, Lion, Rprop
from skbackprop.preprocessing import PiecewiseLinearEncoder
from skbackprop.rule import INFINITY, number, spec
from skbackprop.schedules import Constant

pytestmark = pytest.mark.usefixtures("few_epochs")

PAYS = NumbaEngine.pays  # as it is, before a test session makes one engine the default

N_ROWS = 40
SMALL = {
    "hidden_layer_sizes": (5, 4),
    "activation": "tanh",
    "learning_rate_init": 0.02,
    "batch_size": 16,
    "random_state": 0,
}
# Both engines round differently in every sum; five epochs amplify that a few hundred times.
# The absolute term is for parameters on their way through zero.
SAME = {
    np.float64: {"rtol": 1e-10, "atol": 1e-13},
    np.float32: {"rtol": 1e-4, "atol": 1e-5},
}
# Where only the sign of a gradient or an error counts, rounding may turn a number near zero
# into its opposite, and the step with it. One epoch from weights and data drawn from
# continuous distributions has no such number; later ones may meet it.
SIGN_RULES = AbsoluteError, Quantile, Lion, Rprop
# rows that are gathered and multiplied by BLAS, and so few that loops multiply them
BATCH_SIZES = [16, 3]


@pytest.fixture
def X(rng):
    return rng.standard_normal((N_ROWS, 3))


@pytest.fixture
def y(rng):
    return labels("multiclass", N_ROWS, rng)


def fitted(engine, X, y, sample_weight=None, **params):
    y = y.ravel() if y.shape[1:] == (1,) else y
    cls = BackpropRegressor if y.dtype.kind == "f" else BackpropClassifier
    estimator = cls(**{**SMALL, "max_iter": 5, **params}, engine=engine)
    return estimator.fit(X, y, sample_weight=sample_weight)


def assert_engines_agree(X, y, sample_weight=None, **params):
    """Same parameters, loss curve and counts, and the training moved."""
    expected = fitted("numpy", X, y, sample_weight, **params)
    compiled = fitted("numba", X, y, sample_weight, **params)
    tolerance = SAME[X.dtype.type]
    assert_allclose(parameters_of(compiled), parameters_of(expected), **tolerance)
    assert_allclose(compiled.loss_curve_, expected.loss_curve_, **tolerance)
    assert (compiled.n_iter_, compiled.t_) == (expected.n_iter_, expected.t_)
    assert parameters_of(compiled).dtype == X.dtype
    unmoved = {"solver": "sgd", "learning_rate": 1e-30, "max_iter": 1}
    start = fitted("numpy", X, y, **params | unmoved)
    assert np.abs(parameters_of(expected) - parameters_of(start)).max() > 1e-4


def epochs_for(*rules):
    return 1 if any(isinstance(rule, SIGN_RULES) for rule in rules) else 5


both_precisions = pytest.mark.parametrize("dtype", SAME, ids=lambda dtype: dtype.__name__)


# -- agreement over the registries -----------------------------------------------------


# Rules by themselves are compared in test_compiled_rules.py. They exchange nothing but
# deltas and outputs, so that each of them once says that it is called rightly.


@both_precisions
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_engines_agree_for_every_activation(name, dtype, X, y):
    assert_engines_agree(X.astype(dtype), y, activation=name)


EACH_LOSS = {type(loss).__name__: loss for loss in LOSSES.values()}
EACH_LOSS |= {
    f"SquaredError of {type(link).__name__}": SquaredError(link=link)
    for link in (Identity(), Sigmoid(), Softmax(), Silu())
}


@both_precisions
@pytest.mark.parametrize("name", EACH_LOSS)
def test_engines_agree_for_every_loss_and_kind_of_link(name, dtype, X, rng):
    loss = EACH_LOSS[name]
    target = random_target(loss, N_ROWS, n_outputs_of(loss)[-1], rng)
    params = {"loss": loss, "max_iter": epochs_for(loss)}
    assert_engines_agree(X.astype(dtype), target, **params)


@both_precisions
@pytest.mark.parametrize("name", OPTIMIZER_OBJECTS)
def test_engines_agree_for_every_optimizer(name, dtype, X, y):
    solver = OPTIMIZER_OBJECTS[name]
    batch_size = "auto" if isinstance(solver, Rprop) else 7
    params = {"solver": solver, "batch_size": batch_size, "max_iter": epochs_for(solver)}
    assert_engines_agree(X.astype(dtype), y, **params)


@pytest.mark.parametrize("name", SCHEDULE_OBJECTS)
def test_engines_agree_for_every_schedule(name, X, y):
    """`tol` lets every epoch count as stalled, so that those that react do."""
    params = {"learning_rate": SCHEDULE_OBJECTS[name], "tol": 1e3, "n_iter_no_change": 2}
    assert_engines_agree(X, y, **params)


def test_engines_agree_for_a_schedule_of_steps(X, y):
    """One of the user's own, which changes within an epoch."""
    assert_engines_agree(X, y, learning_rate=lambda step, epoch, seen: 0.1 / (step + 1))


def test_engines_agree_for_a_schedule_that_no_longer_follows_epochs(X, y):
    class Fading(Constant):
        def __call__(self, step, epoch, samples_seen):
            return super().__call__(step, epoch, samples_seen) / (step + 1)

    assert_engines_agree(X, y, learning_rate=Fading())


SETTINGS = {
    "one row": {"batch_size": 1},
    "seven rows": {"batch_size": 7},
    "eight rows": {"batch_size": 8},
    "all rows": {"batch_size": N_ROWS},
    "rows in order": {"shuffle": False},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "one unit": {"hidden_layer_sizes": (1,)},
    "wide layers": {"hidden_layer_sizes": (300, 70)},
    "wide layers, few rows": {
        **{"hidden_layer_sizes": (300, 70), "batch_size": 3, "solver": "sgd"},
    },
    "deep": {"hidden_layer_sizes": (4, 5, 6, 5, 4)},
    "an activation per layer": {"activation": ["gelu", "relu"]},
    "parameters per layer": {"activation": [Elu(alpha=0.5), LeakyRelu(slope=0.3)]},
    "no activation": {"activation": "identity", "dropout": 0.2},
    "no penalty": {"alpha": 0.0},
    "strong penalty": {"alpha": 10.0},
    "L1 penalty": {"alpha": 1.0, "l1_ratio": 1.0},
    "both penalties, clipping": {"alpha": 10.0, "l1_ratio": 0.3, "clip_norm": 0.05},
    "clipping": {"clip_norm": 0.01},
    "clipping that never acts": {"clip_norm": 1e6},
    "dropout": {"dropout": 0.3},
    "dropout, few rows": {"dropout": (0.5, 0.2), "batch_size": 3},
    "dropout, net input saved": {"dropout": 0.3, "activation": "silu"},
    "weight decay": {"solver": "adamw"},
    "weight decay, clipping, penalty": {"solver": "adamw", "clip_norm": 0.1, "alpha": 1.0},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 20},
    "target_minus_output": {"error_convention": "target_minus_output"},
}


@both_precisions
@pytest.mark.parametrize("setting", SETTINGS)
def test_engines_agree_for_every_setting(setting, dtype, X, y):
    assert_engines_agree(X.astype(dtype), y, **SETTINGS[setting])


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel-indicator"])
def test_engines_agree_for_every_kind_of_label_with_sample_weight(kind, batch_size, X, rng):
    y, weight = labels(kind, N_ROWS, rng), rng.uniform(0, 2, N_ROWS)
    assert_engines_agree(X, y, weight, batch_size=batch_size)


WEIGHTS = {
    "none": lambda rng, n: None,
    "a few large": lambda rng, n: rng.exponential(size=n) ** 3,
    "one that outweighs all": lambda rng, n: np.where(np.arange(n) == 5, float(n), 1.0),
}


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_loss_of_millions_of_single_precision_rows_is_right(kind, engine, rng):
    """To 1e-6, a few roundings of float32, where a running sum would be off by 2e-5."""
    n = 2**21
    X = rng.standard_normal((n, 1)).astype(np.float32)
    y = (3 + rng.standard_normal(n)).astype(np.float32)
    weight = WEIGHTS[kind](rng, n)
    reg = BackpropRegressor((), batch_size=n, max_iter=1, alpha=0, engine=engine)
    reg.set_params(initializer="zeros").fit(X, y, weight)
    if weight is not None:
        weight = weight.astype(np.float32).astype(float)
    expected = np.average(y.astype(float) ** 2 / 2, weights=weight)
    assert_allclose(reg.loss_curve_, [expected], rtol=1e-6)


def test_batches_of_weight_zero_take_no_step_in_either_engine(X, y):
    """A schedule of steps would tell: the rate of a step that is not taken is used next."""
    weight = np.repeat([0.0, 1.0, 0.0, 2.0], N_ROWS // 4)
    params = {"learning_rate": lambda step, epoch, seen: 0.1 / (step + 1)}
    assert_engines_agree(X, y, weight, shuffle=False, batch_size=5, **params)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


STORAGES = {
    "Fortran order": np.asfortranarray,
    "read-only": read_only,
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "list": np.ndarray.tolist,
}


@pytest.mark.parametrize("storage", STORAGES)
def test_compiled_numbers_do_not_depend_on_how_X_is_stored(storage, X, y):
    expected = fitted("numba", X, y)
    found = fitted("numba", STORAGES[storage](X), y)
    assert_array_equal(parameters_of(found), parameters_of(expected))


def test_nothing_is_compiled_twice_but_for_the_two_precisions(X, y):
    for dtype in SAME:
        for depth in range(4):
            fitted("numba", read_only(X.astype(dtype)), y, hidden_layer_sizes=(3,) * depth)
            fitted("numba", X.astype(dtype, order="F"), y, activation="relu", solver="sgd")
    assert len(run_epoch.signatures) <= 4  # with and without coded columns


def test_compiled_code_of_another_version_is_in_other_files(X, y):
    """Numba finds the code by the names of the files, while another process writes them."""
    fitted("numba", X, y)
    of_this_text = f"*{fingerprint()[:16]}*.nbi"
    found = [file.name for file in Path(run_epoch.stats.cache_path).glob(of_this_text)]
    assert any("run_epoch" in name for name in found)


# -- rules of your own ----------------------------------------------------------------


@spec
class Sine(ElementwiseActivation):
    frequency: float = number(1.0, 0, INFINITY, "()")
    saves = "net_input"

    def value(self, z):
        return np.sin(self.frequency * z)

    def derivative(self, z):
        return self.frequency * np.cos(self.frequency * z)


class LinEx(RowLoss):
    def value_and_derivative(self, t, z):
        excess = np.expm1(t - z)
        return excess - (t - z), -excess


class AMSGrad(ElementwiseOptimizer):
    """With three memories, one more than any rule that is shipped."""

    memory: ClassVar = {"m": 0.0, "v": 0.0, "largest": 0.0}

    def step(self, g, m, v, largest, learning_rate):
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        largest = np.maximum(largest, v)
        return learning_rate * m / (np.sqrt(largest) + 1e-8), m, v, largest


@both_precisions
def test_rules_of_ones_own_are_compiled(dtype, X, rng):
    target = rng.standard_normal((N_ROWS, 1))
    rules = {"activation": Sine(frequency=0.7), "loss": LinEx(), "solver": AMSGrad()}
    assert_engines_agree(X.astype(dtype), target, **rules)


def test_a_subclass_with_another_formula_trains_by_it_in_both_engines(X, y):
    class Steeper(Tanh):
        def value(self, z):
            return np.tanh(2 * z)

        def derivative(self, a):
            return 2 * (1 - a * a)

    assert_engines_agree(X, y, activation=Steeper())
    steeper, tanh = (fitted("numpy", X, y, activation=rule) for rule in (Steeper(), Tanh()))
    assert np.abs(parameters_of(steeper) - parameters_of(tanh)).max() > 0.01


# -- error conventions -----------------------------------------------------------------


def assert_conventions_agree(X, y, **params):
    forth, back = (
        fitted("numba", X, y, error_convention=convention, **params)
        for convention in CONVENTIONS
    )
    assert forth.loss_curve_ == back.loss_curve_
    assert np.array_equal(parameters_of(forth), parameters_of(back))


@both_precisions
@pytest.mark.parametrize("name", OPTIMIZER_OBJECTS)
def test_compiled_weights_do_not_depend_on_the_convention(name, dtype, X, y):
    solver = OPTIMIZER_OBJECTS[name]
    batch_size = "auto" if isinstance(solver, Rprop) else 7
    params = {"clip_norm": 0.1, "alpha": 1.0, "dropout": 0.2}
    X = X.astype(dtype)
    assert_conventions_agree(X, y, solver=solver, batch_size=batch_size, **params)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_compiled_weights_do_not_depend_on_the_convention_whatever_the_batch(
    batch_size, X, y
):
    assert_conventions_agree(X, y, batch_size=batch_size)


@pytest.mark.parametrize("name", EACH_LOSS)
def test_compiled_weights_do_not_depend_on_the_convention_for_any_loss(name, X, rng):
    loss = EACH_LOSS[name]
    target = random_target(loss, N_ROWS, n_outputs_of(loss)[-1], rng)
    assert_conventions_agree(X, target, loss=loss)


# -- where it cannot run ---------------------------------------------------------------


class OwnTanh(Tanh):
    def forward(self, z, out):
        super().forward(z, out)


class PlainTanh:
    """The methods that an engine needs, and no formulas."""

    saves = "activation"

    def forward(self, z, out):
        np.tanh(z, out=out)

    def backward(self, a, delta):
        delta *= 1 - a * a


class Centred(ElementwiseActivation):
    def value(self, z):
        return z - z.mean()

    def derivative(self, a):
        return a > -np.inf


class Step(ElementwiseActivation):
    def value(self, z):
        return np.heaviside(z, 0.5)  # which Numba does not have

    def derivative(self, a):
        return a


class OwnLoss(LogLoss):
    def value_and_delta(self, target, z, delta, sample_weight=None):
        return super().value_and_delta(target, z, delta, sample_weight)


class OwnSGD(SGD):
    def update(self, gradient, memory, learning_rate, t):
        super().update(gradient, memory, learning_rate, t)


def without_source():
    """A rule whose text was never in a file."""
    names = {"ElementwiseActivation": ElementwiseActivation}
    exec(
        "class Unread(ElementwiseActivation):\n"
        "    def value(self, z): return z\n"
        "    def derivative(self, a): return a - a + 1\n",
        names,
    )
    return names["Unread"]()


WHY_NOT = {
    "lbfgs": ({"solver": "lbfgs"}, "takes no steps"),
    "activation": ({"activation": OwnTanh()}, "does not know OwnTanh"),
    "no formula": ({"activation": PlainTanh()}, "does not know PlainTanh: it is not wr"),
    "of rows": ({"activation": Centred()}, r"Centred.value uses 'z.mean'"),
    "no source": ({"activation": without_source()}, "no source that could be read"),
    "unknown to Numba": ({"activation": Step()}, "cannot compile a rule: Step.value"),
    "one activation": ({"activation": [Relu(), OwnTanh()]}, "does not know OwnTanh"),
    "loss": ({"loss": OwnLoss()}, "does not know OwnLoss"),
    "link": ({"loss": SquaredError(link=OwnTanh())}, "does not know OwnTanh"),
    "optimizer": ({"solver": OwnSGD()}, "does not know OwnSGD"),
}


@pytest.mark.parametrize("case", WHY_NOT)
def test_compiled_engine_says_what_it_cannot_run(case, X, y):
    params, sentence = WHY_NOT[case]
    with pytest.raises(ValueError, match=f"{sentence}.* engine='auto'"):
        fitted("numba", X, y, **params)


@pytest.mark.parametrize("case", WHY_NOT)
def test_auto_takes_the_numpy_engine_where_the_compiled_one_cannot_run(
    case, X, y, monkeypatch
):
    monkeypatch.setattr(NumbaEngine, "pays", lambda self, plan, data: True)
    params, _ = WHY_NOT[case]
    expected = fitted("numpy", X, y, **params)
    assert_array_equal(
        parameters_of(fitted("auto", X, y, **params)), parameters_of(expected)
    )


@pytest.mark.parametrize("make_sparse", [sparse.csr_array, sparse.csc_matrix])
def test_compiled_engine_refuses_sparse_rows_and_auto_does_not(
    make_sparse, X, y, monkeypatch
):
    monkeypatch.setattr(NumbaEngine, "pays", lambda self, plan, data: True)
    with pytest.raises(ValueError, match="dense X only"):
        fitted("numba", make_sparse(X), y)
    expected = fitted("numpy", make_sparse(X), y)
    assert_array_equal(
        parameters_of(fitted("auto", make_sparse(X), y)), parameters_of(expected)
    )


def test_compiled_engine_says_when_compiling_is_switched_off(X, y, monkeypatch):
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    with pytest.raises(ValueError, match="NUMBA_DISABLE_JIT"):
        fitted("numba", X, y)


def test_compiled_engine_says_when_compiled_code_cannot_be_kept(tmp_path):
    """In a fresh interpreter, without a directory that Numba could write to."""
    code = """
    import numba.core.caching as caching
    caching.CacheImpl._locator_classes = []
    from skbackprop import BackpropClassifier
    BackpropClassifier(engine="numba").fit([[0.0], [1.0]], [0, 1])
    """
    result = run_in_fresh_interpreter(code)
    assert "ValueError: Numba cannot read or write the compiled code" in result.stderr


OTHER_PROCESSORS = {"without AVX-512": "+avx,+avx2,+fma", "without AVX": "+sse2"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86")
@pytest.mark.parametrize("features", OTHER_PROCESSORS.values(), ids=OTHER_PROCESSORS)
def test_engines_agree_on_processors_with_shorter_vectors(features, tmp_path, monkeypatch):
    """Compiled anew for each; rows are wider than any vector and end within one."""
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    code = """
    import numpy as np
    from skbackprop import BackpropRegressor
    from skbackprop.preprocessing import PiecewiseLinearEncoder

    rows = np.random.RandomState(0).standard_normal((80, 4))
    coded = PiecewiseLinearEncoder(n_bins=16).fit_transform(rows)
    for X, batch_size, rtol in ((rows.astype("f"), 3, 1e-3), (coded, 40, 1e-9)):
        nets = [
            BackpropRegressor(
                (150, 37), batch_size=batch_size, max_iter=2, engine=engine,
                solver="sgd", random_state=0,
            ).fit(X, rows.sum(axis=1))
            for engine in ("numpy", "numba")
        ]
        for expected, found in zip(*(net.coefs_ for net in nets)):
            np.testing.assert_allclose(found, expected, rtol, atol=rtol / 10)
    print("agree")
    """
    result = run_in_fresh_interpreter(code)
    assert result.stdout.strip() == "agree", result.stderr


def test_compiling_for_more_than_a_second_is_said_once(monkeypatch, caplog, X, y):
    def compile_slowly(plan, data):
        started.wait(timeout=60)
        time.sleep(0.05)  # so that the second one takes as long, and says nothing

    started = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: started.set()
    monkeypatch.setattr(numba_engine, "SILENT", 0.01)
    monkeypatch.setattr(numba_engine, "_tried", {})
    monkeypatch.setattr(numba_engine, "_run_without_rows", compile_slowly)
    numba_engine._say_what_happens.cache_clear()
    logging.getLogger("skbackprop").addHandler(handler)
    try:
        for dtype in SAME:
            fitted("numba", X.astype(dtype), y)
    finally:
        logging.getLogger("skbackprop").removeHandler(handler)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("skbackprop", "WARNING")
    assert "Numba compiles the training" in record.getMessage()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fresh_cache_is_filled_with_a_line_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    code = """
    from skbackprop import BackpropClassifier
    from skbackprop.engines.numba_engine.epoch import run_epoch

    BackpropClassifier((2,), max_iter=1, engine="numba").fit([[0.0], [1.0]], [0, 1])
    print(*run_epoch.stats.cache_hits.values())
    """
    first, second = run_in_fresh_interpreter(code), run_in_fresh_interpreter(code)
    assert first.stderr.count("Numba compiles the training") == 1
    assert str(tmp_path) in first.stderr
    assert (first.stdout.strip(), second.stdout.strip()) == ("", "1")


# -- what "auto" takes -----------------------------------------------------------------


def engine_of(estimator):
    """The engine that the estimator keeps for when training goes on."""
    return estimator._state["engine"]


@pytest.fixture
def shipped_rule(monkeypatch):
    monkeypatch.setattr(NumbaEngine, "pays", PAYS)


def many_rows(rng, n_rows=1000):
    return rng.standard_normal((n_rows, 2)), rng.randint(0, 2, n_rows)


def test_auto_takes_the_numpy_engine_for_a_training_of_few_steps(X, y, shipped_rule):
    assert engine_of(fitted("auto", X, y)) == "numpy"


@pytest.mark.parametrize(("max_iter", "engine"), [(1, "numpy"), (10**9, "numba")])
def test_auto_counts_the_epochs_that_may_run(max_iter, engine, rng, shipped_rule):
    """1000 steps of 90 us save 0.1 s in an epoch, 1.5 s and more in 17."""
    params = {"batch_size": 1, "max_iter": max_iter, "target_loss": 100.0}
    assert engine_of(fitted("auto", *many_rows(rng), **params)) == engine


def test_auto_does_not_count_the_calls_of_partial_fit_that_may_follow(rng, shipped_rule):
    X, y = many_rows(rng)
    params = {**SMALL, "batch_size": 1, "max_iter": 1}
    clf = BackpropClassifier(**params).partial_fit(X, y, classes=[0, 1])
    assert engine_of(clf) == "numba"


def test_auto_takes_the_compiled_engine_for_many_parameters(rng, shipped_rule):
    params = {"batch_size": 20, "max_iter": 100, "target_loss": 100.0}
    for sizes, engine in [((700, 700), "numba"), ((100,), "numpy")]:
        found = fitted("auto", *many_rows(rng), hidden_layer_sizes=sizes, **params)
        assert engine_of(found) == engine


def test_auto_takes_the_compiled_engine_for_coded_columns(rng, shipped_rule):
    """As many parameters and steps, but a product that the compiled engine leaves out."""
    X = rng.standard_normal((8000, 40)).astype("float32")
    coded = PiecewiseLinearEncoder(n_bins=16).fit_transform(X)
    params = {"batch_size": 100, "max_iter": 100, "target_loss": 100.0}
    params["hidden_layer_sizes"] = (128,)
    y = rng.randint(0, 2, len(X))
    for rows, engine in [(coded, "numba"), (coded + np.float32(0.5), "numpy")]:
        assert engine_of(fitted("auto", rows, y, **params)) == engine


@pytest.mark.parametrize(("n_rows", "engine"), [(1500, "numba"), (300, "numpy")])
def test_auto_takes_the_compiled_engine_for_the_members_of_a_usual_table(
    n_rows, engine, rng, shipped_rule
):
    """That is not fitted once: 3 fits of 8 members save 1.5 s and more together."""
    X = rng.standard_normal((n_rows, 5))
    model = TabularRegressor(n_iter_no_change=1, random_state=0).fit(X, X.sum(axis=1))
    assert {member.engine for member in model.members_} == {engine}


@pytest.mark.parametrize("copied", [False, True], ids=["as is", "through pickle"])
@pytest.mark.parametrize(("first", "batch_size"), [("numba", 1), ("numpy", 200)])
def test_auto_stays_with_its_engine_when_training_goes_on(
    first, batch_size, copied, rng, shipped_rule
):
    """However large or small the chunks that follow are."""
    X, y = many_rows(rng)
    params = {**SMALL, "hidden_layer_sizes": (3,), "batch_size": batch_size}
    auto = BackpropClassifier(**params).partial_fit(X, y, classes=[0, 1])
    assert engine_of(auto) == first
    named = BackpropClassifier(**params, engine=first).partial_fit(X, y, classes=[0, 1])
    if copied:
        auto = pickle.loads(pickle.dumps(auto))
    for rows, size in [(slice(0, 5), 200), (slice(None), 1)]:
        for estimator in auto, named:
            estimator.set_params(batch_size=size).partial_fit(X[rows], y[rows])
    assert engine_of(auto) == first
    assert_array_equal(parameters_of(auto), parameters_of(named))


def test_a_named_engine_wins_over_the_one_before(X, y):
    clf = fitted("numba", X, y, warm_start=True)
    assert engine_of(clf.set_params(engine="numpy").fit(X, y)) == "numpy"
    assert engine_of(clf.set_params(engine="auto").fit(X, y)) == "numpy"
    assert engine_of(clf.set_params(engine="numba").fit(X, y)) == "numba"


def test_auto_leaves_an_engine_that_cannot_go_on(X, y):
    clf = fitted("numba", X, y, warm_start=True).set_params(engine="auto")
    assert engine_of(clf.fit(sparse.csr_array(X), y)) == "numpy"


# -- failures and interrupts -----------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_divergence_is_reported_in_the_same_words(solver, activation, batch_size, dtype, X):
    """Loss, epoch, step and rate.

    A sum of infinities of both signs is inf or nan, depending on its order; here is none.
    """
    target = (10 * X[:, :1]).astype(dtype)
    rate = 1e30 if dtype is np.float32 else 1e200
    params = {"solver": solver, "learning_rate": rate, "batch_size": batch_size}
    messages = []
    for engine in "numpy", "numba":
        with pytest.raises(ValueError, match="Training diverged: the loss became") as error:
            fitted(engine, X.astype(dtype), target, activation=activation, **params)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_lands_between_epochs(rng):
    """And leaves the state of the last one, which the training can go on from."""
    X, y = many_rows(rng)
    clf = BackpropClassifier(**SMALL, engine="numba").partial_fit(X, y, classes=[0, 1])
    before = parameters_of(clf)
    endless = {"max_iter": 10**9, "n_iter_no_change": np.inf, "warm_start": True}
    clf.set_params(**endless)
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        clf.fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) - 1 > 0
    interrupted = parameters_of(clf)
    assert not np.array_equal(interrupted, before)
    again = BackpropClassifier(**SMALL, engine="numba").partial_fit(X, y, classes=[0, 1])
    again.set_params(**endless | {"max_iter": clf.n_iter_}).fit(X, y)
    assert_array_equal(parameters_of(again), interrupted)


@pytest.mark.slow  # another pytest, which imports everything anew
@pytest.mark.skipif(sys.platform == "win32", reason="shells of POSIX ignore it")
def test_the_interrupt_lands_where_sigint_starts_ignored():
    """As in ``pytest &`` within a script; it waited for ever."""
    test = test_an_interrupt_lands_between_epochs.__name__
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    result = subprocess.run(
        [*ignoring, sys.executable, "-m", "pytest", "-q", f"{__file__}::{test}"],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert "1 passed" in result.stdout, result.stdout


# -- threads and processes -------------------------------------------------------------


def test_eight_threads_fit_at_once_to_the_same_bits(rng):
    X, y = many_rows(rng)

    def train(seed):
        clf = fitted("numba", X, y, random_state=seed, batch_size=32, dropout=0.1)
        return parameters_of(clf)

    alone = [train(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(train, range(8)))
    assert_array_equal(together, alone)


def search(estimator, X, y):
    grid = {"alpha": [1e-4, 1.0], "batch_size": [4, 32]}
    scoring = "neg_log_loss" if is_classifier(estimator) else "r2"
    return GridSearchCV(estimator, grid, cv=2, scoring=scoring).fit(X, y)


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_two_jobs_find_the_bits_of_one(engine, backend):
    params = {"hidden_layer_sizes": (6,), "max_iter": 10, "random_state": 0}
    tasks = [
        (BackpropClassifier, make_classification(120, random_state=0)),
        (BackpropRegressor, make_regression(120, n_targets=2, random_state=0)),
    ]
    for cls, (X, y) in tasks:
        estimator = cls(**params, engine=engine)
        alone = search(estimator, X, y)
        with parallel_config(backend, n_jobs=2, inner_max_num_threads=None):
            together = search(estimator, X, y)
        scores = (found.cv_results_["mean_test_score"] for found in (alone, together))
        assert_array_equal(*scores)
        assert len(np.unique(alone.cv_results_["mean_test_score"])) == 4


# -- the trace, which runs the NumPy engine --------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZER_OBJECTS)
def test_a_trace_is_the_step_of_the_compiled_engine(name, X, y):
    classifier = BackpropClassifier(**SMALL, solver=OPTIMIZER_OBJECTS[name], engine="numba")
    classifier.set_params(batch_size="auto").partial_fit(X, y, classes=np.unique(y))
    trace = trace_step(classifier, X, y)
    classifier.partial_fit(X, y)
    for layer, weights, bias in zip(
        trace.layers, classifier.coefs_, classifier.intercepts_, strict=True
    ):
        # one step on from the same parameters: sums of 40 products, rounded differently
        assert_allclose(layer.weights_after, weights, rtol=1e-12, atol=1e-15)
        assert_allclose(layer.bias_after, bias, rtol=1e-12, atol=1e-15)
        assert np.abs(layer.weights_update).max() > 1e-5


# -- what is imported ------------------------------------------------------------------


def run_in_fresh_interpreter(code):
    lines = [line.removeprefix("    ") for line in code.strip("\n").splitlines()]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_numba_is_imported_only_when_it_is_used():
    result = run_in_fresh_interpreter(
        """
    import sys
    import skbackprop.engines.numba_engine
    from skbackprop import BackpropClassifier
    BackpropClassifier((2,), max_iter=1).fit([[0.0], [1.0]], [0, 1])
    print("numba" in sys.modules)
    BackpropClassifier((2,), max_iter=1, engine="numba").fit([[0.0], [1.0]], [0, 1])
    print("numba" in sys.modules)
    """
    )
    assert result.stdout.split() == ["False", "True"], result.stderr


# -- the engine without Numba ----------------------------------------------------------


class Refusing(types.ModuleType):
    def __getattr__(self, name):
        raise SystemError("NumPy is too new")


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (None, r'needs Numba: pip install "numba>=0\.60"'),
        (Refusing("numba"), "cannot import Numba: NumPy is too new. Install Numba again"),
        (types.ModuleType("numba"), "cannot import Numba: cannot import name 'config'"),
    ],
    ids=["not installed", "refusing", "broken"],
)
def test_compiled_engine_says_why_numba_cannot_be_imported(
    module, match, X, y, monkeypatch
):
    monkeypatch.setitem(sys.modules, "numba", module)
    with pytest.raises(ValueError, match=match):
        fitted("numba", X, y)


def test_one_process_that_compiles_has_nothing_to_sum(X):
    assert NumbaEngine().reduce(X) is X
