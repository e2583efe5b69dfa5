"""An interrupt, or any other failure, at any line of the package: nothing is lost.

A trace function raises at the n-th line that is run, for one n after the other.
"""

import copy
import pickle
import signal
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skbackprop
from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Tanh
from skbackprop.losses import SquaredError
from skbackprop.optimizers import SGD

pytestmark = pytest.mark.usefixtures("few_epochs")

PACKAGE = str(Path(skbackprop.__file__).parent)
INTERRUPTED = "Training interrupted by user"
RNG = np.random.RandomState(0)
X = RNG.randn(12, 3)
Y = np.arange(12) % 2
SMALL = {"hidden_layer_sizes": (2,), "batch_size": 5, "random_state": 0}


@contextmanager
def raising_at(n, exception, by_opcode=False, within=None):
    """Raise at the n-th line, or opcode, of the package, or of one function of it.

    Yields a list that holds how many there were.
    """
    seen = [0]
    kind = "opcode" if by_opcode else "line"

    def local(frame, event, arg):
        if event == kind:
            seen[0] += 1
            if seen[0] == n:
                raise exception
        return local

    def trace(frame, event, arg):
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or within not in (None, code.co_name):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = by_opcode, not by_opcode
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


def learnt(estimator):
    """All that was learnt, as plain copies; the random stream by its state."""
    values = copy.deepcopy({k: v for k, v in vars(estimator).items() if k.endswith("_")})
    if "_state" in vars(estimator):
        state = {k: v for k, v in estimator._state.items() if k != "rng"}
        values["state"] = copy.deepcopy(state)
        values["stream"] = estimator._state["rng"].get_state()
    return values


def is_equal(a, b):
    try:
        np.testing.assert_equal(a, b)
    except AssertionError:
        return False
    return True


# what is called, and whether it goes on from an earlier fit
CALLS = {
    "first fit": (BackpropClassifier, {"max_iter": 4}, "fit", False),
    "second fit": (BackpropClassifier, {"max_iter": 4, "dropout": 0.3}, "fit", True),
    "warm fit": (BackpropRegressor, {"max_iter": 3, "warm_start": True}, "fit", True),
    "early stopping": (
        BackpropClassifier,
        {"max_iter": 4, "early_stopping": True, "warm_start": True, "averaging": "ema"},
        "fit",
        True,
    ),
    "lbfgs": (BackpropClassifier, {"max_iter": 4, "solver": "lbfgs"}, "fit", True),
    "partial_fit": (BackpropRegressor, {"max_iter": 2}, "partial_fit", True),
}


@cache
def stored(name):
    cls, parameters, _, is_fitted = CALLS[name]
    estimator = cls(**SMALL, **parameters)
    return pickle.dumps(estimator.fit(X, Y) if is_fitted else estimator)


def fitted_so_far(name):
    """A copy, which goes on exactly as the estimator would."""
    return pickle.loads(stored(name))


def call(name, estimator):
    getattr(estimator, CALLS[name][2])(X, Y)
    return estimator


def after_each_epoch(name):
    """What is learnt when the call ends after one epoch, two, and so on."""
    is_fit = CALLS[name][2] == "fit"
    for n in range(1, CALLS[name][1]["max_iter"] + 1 if is_fit else 2):
        yield learnt(call(name, fitted_so_far(name).set_params(max_iter=n)))


def n_points(name, **where):
    """How many lines, or opcodes, the call runs."""
    call(name, fitted_so_far(name))  # fills the caches of parameters
    method = getattr(fitted_so_far(name), CALLS[name][2])
    with raising_at(0, None, **where) as seen:
        method(X, Y)
    return seen[0]


def check_fault(name, n, exception, before, after, **where):
    """Let the n-th line of a call fail; say how the call ended."""
    net = fitted_so_far(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            method = getattr(net, CALLS[name][2])
            with raising_at(n, exception, **where):
                method(X, Y)
        except (KeyboardInterrupt, MemoryError):
            # all of the new or nothing: the last line of all comes too late to undo it
            assert is_equal(learnt(net), before) or is_equal(learnt(net), after[-1])
            return "raised"
    assert any("Training interrupted by user" in str(w.message) for w in caught)
    assert exception is KeyboardInterrupt
    assert any(is_equal(learnt(net), epochs) for epochs in after)
    return "kept"


def check_faults(name, points, exception, **where):
    before, after = learnt(fitted_so_far(name)), list(after_each_epoch(name))
    return [check_fault(name, n, exception, before, after, **where) for n in points]


FAULTS = [KeyboardInterrupt, MemoryError]


@pytest.mark.parametrize("line", [1, 2])
def test_memory_that_ends_while_numba_is_looked_for_is_an_error(line):
    """It says nothing about Numba, and another engine would need as much."""
    pytest.importorskip("numba")
    net = BackpropClassifier(**SMALL, engine="numba")
    with (
        raising_at(line, MemoryError, within="_why_not_here"),
        pytest.raises(MemoryError),
    ):
        net.fit(X, Y)


@pytest.mark.parametrize("exception", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_fault_at_a_line_leaves_the_earlier_fit_or_whole_epochs(
    name, exception, record_property
):
    points = np.linspace(1, n_points(name), 12, dtype=int)
    ends = check_faults(name, points, exception)
    assert "raised" in ends
    keeps = exception is KeyboardInterrupt and name != "partial_fit"
    assert ("kept" in ends) == keeps
    record_property("faults injected", len(ends))


@pytest.mark.parametrize("exception", FAULTS)
@pytest.mark.parametrize("where", ["keep", "_take_over"])
@pytest.mark.parametrize("name", ["early stopping", "lbfgs", "warm fit"])
def test_fault_where_one_state_succeeds_another_leaves_one_of_them(name, where, exception):
    n = n_points(name, within=where)
    ends = check_faults(name, range(1, n + 1), exception, within=where)
    assert ("kept" in ends) == (where == "keep" and exception is KeyboardInterrupt)


# -- rules of the user that fail -------------------------------------------------------


class Broken(Exception):
    pass


class Bomb:
    """Counts what is called, and raises at one of the calls."""

    n_calls, at, exception = 0, None, None

    @classmethod
    def set(cls, at, exception):
        cls.n_calls, cls.at, cls.exception = 0, at, exception

    @classmethod
    def tick(cls):
        cls.n_calls += 1
        if cls.n_calls == cls.at:
            raise cls.exception


class TickingTanh(Tanh):
    def backward(self, saved, delta):
        Bomb.tick()
        super().backward(saved, delta)


class TickingLoss(SquaredError):
    def value_and_delta(self, target, z, delta, sample_weight=None):
        Bomb.tick()
        return super().value_and_delta(target, z, delta, sample_weight)


class TickingSGD(SGD):
    def update(self, gradient, memory, learning_rate, t):
        super().update(gradient, memory, learning_rate, t)
        Bomb.tick()  # after the velocity has moved


def ticking_schedule(step, epoch, samples_seen):
    Bomb.tick()
    return 0.1 / (1 + epoch)


def ticking_scorer(estimator, X, y, sample_weight=None):
    Bomb.tick()
    return estimator.score(X, y)


RULES = {
    "activation": {"activation": TickingTanh()},
    "loss": {"loss": TickingLoss()},
    "optimizer": {"solver": TickingSGD(momentum=0.9)},
    "schedule": {"solver": "sgd", "learning_rate": ticking_schedule},
    "iteration": {"loss": TickingLoss(), "solver": "lbfgs", "batch_size": "auto"},
    "scorer": {"early_stopping": True, "scoring": ticking_scorer},
}


@pytest.mark.parametrize("exception", [Broken, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("name", RULES)
def test_rule_that_fails_at_any_of_its_calls_loses_nothing(
    name, exception, record_property
):
    def make(max_iter=3):
        net = BackpropRegressor(**SMALL | RULES[name], warm_start=True, max_iter=2)
        return net.fit(X, Y).set_params(max_iter=max_iter)

    Bomb.set(None, None)
    earlier = make()
    before = learnt(earlier)
    after = [learnt(make(n).fit(X, Y)) for n in (1, 2, 3)]
    Bomb.set(None, None)
    copy.deepcopy(earlier).fit(X, Y)
    n_calls = Bomb.n_calls
    assert n_calls >= 3
    for n in range(1, n_calls + 1):
        net = copy.deepcopy(earlier)
        Bomb.set(n, exception)
        try:
            net.fit(X, Y)
        except (Broken, MemoryError, KeyboardInterrupt):
            assert is_equal(learnt(net), before)
        else:
            assert exception is KeyboardInterrupt
            assert any(is_equal(learnt(net), epochs) for epochs in after)
        Bomb.set(None, None)  # and it goes on as the one that nothing happened to
        n_epochs = len(net.loss_curve_) - len(earlier.loss_curve_)
        twin = make(n_epochs).fit(X, Y) if n_epochs else make()
        for each in (net, twin):
            each.set_params(max_iter=2).fit(X, Y)
        assert is_equal(learnt(net), learnt(twin))
    record_property("faults injected", n_calls)


class TickingStream(np.random.RandomState):
    def get_state(self, *args, **kwargs):
        Bomb.tick()
        return super().get_state(*args, **kwargs)


def test_interrupt_while_a_snapshot_is_kept_leaves_the_epoch_it_is_of():
    """The stream is noted when training begins, twice, and again after 64 epochs."""
    net = BackpropRegressor(**SMALL, tol=0.0, max_iter=100)
    Bomb.set(3, KeyboardInterrupt)
    with pytest.warns(ConvergenceWarning, match="parameters of epoch 64"):
        net.set_params(random_state=TickingStream(0)).fit(X, Y)
    Bomb.set(None, None)
    expected = BackpropRegressor(**SMALL, tol=0.0, max_iter=64).fit(X, Y)
    assert is_equal(learnt(net), learnt(expected))


@pytest.mark.faults
@pytest.mark.parametrize("by_opcode", [False, True], ids=["lines", "opcodes"])
@pytest.mark.parametrize("exception", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_fault_at_any_line_leaves_the_earlier_fit_or_whole_epochs(
    name, exception, by_opcode, record_property
):
    n = n_points(name, by_opcode=by_opcode)
    ends = check_faults(name, range(1, n, max(1, n // 120)), exception, by_opcode=by_opcode)
    record_property("faults injected", len(ends))


@pytest.mark.parametrize("name", ["first fit", "early stopping", "lbfgs"])
def test_interrupt_after_the_first_epoch_is_never_raised(name):
    """From the first complete epoch up to the end of the last one."""
    ends = check_faults(
        name, np.linspace(1, 0.95 * n_points(name), 20, dtype=int), KeyboardInterrupt
    )
    first_kept = ends.index("kept")
    assert set(ends[first_kept:]) == {"kept"}


# -- within a search -------------------------------------------------------------------


class Interrupting:
    """A learning rate that sends SIGINT in the fourth epoch of the second training."""

    def __init__(self):
        self.trainings, self.epoch = 0, np.inf

    def __call__(self, step, epoch, samples_seen):
        self.trainings += epoch < self.epoch
        self.epoch = epoch
        if self.trainings == 2 and epoch == 3:
            signal.raise_signal(signal.SIGINT)
        return 0.01

    def __deepcopy__(self, memo):
        return self  # clones count together


SEARCHES = {
    "cross_validate": lambda net: cross_validate(net, X, Y, cv=3),
    "pipeline": lambda net: cross_validate(make_pipeline(MinMaxScaler(), net), X, Y, cv=3),
    "grid": lambda net: GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=3).fit(X, Y),
    "one for each": lambda net: MultiOutputRegressor(net).fit(X, X),
}


@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.parametrize("search", SEARCHES)
def test_within_a_search_an_interrupt_reaches_the_user(search):
    rate = Interrupting()
    net = BackpropRegressor((2,), learning_rate=rate)
    with pytest.raises(KeyboardInterrupt):
        SEARCHES[search](net)
    assert (rate.trainings, rate.epoch) == (2, 3)  # no third one began


def end_of_fit(net):
    try:
        net.fit(X, Y)
    except KeyboardInterrupt:
        return "raised"
    return "returned"


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_clone_keeps_its_last_complete_epoch_and_passes_the_interrupt_on(
    warm_start, solver, cls
):
    """What is no clone keeps it too, warns, and returns."""
    parameters = SMALL | {"solver": solver, "loss": TickingLoss(), "warm_start": warm_start}
    if solver == "lbfgs":
        parameters["batch_size"] = "auto"
    own = cls(**parameters)
    ends = []
    for net in own, clone(own), copy.deepcopy(clone(own)):
        Bomb.set(8, KeyboardInterrupt)
        with pytest.warns(ConvergenceWarning, match="interrupted by user"):
            ends.append(end_of_fit(net))
        Bomb.set(None, None)
        assert net.n_iter_ >= 1
        assert is_equal(learnt(net), learnt(own))
    assert ends == ["returned", "raised", "raised"]
    assert net.fit(X, Y).n_iter_ > own.n_iter_  # and nothing of it hinders the next
