"""Saved estimators: they load, or fail clearly; and nothing else is opened or evaluated."""

import ast
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import skbackprop
from skbackprop import BackpropClassifier

ROOT = Path(skbackprop.__file__).parent.parent
RNG = np.random.RandomState(0)
X, Y = RNG.randn(20, 3), np.arange(20) % 2


@pytest.fixture
def net():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return BackpropClassifier((4,), max_iter=3, random_state=0, batch_size=5).fit(X, Y)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_any_protocol_goes_on_like_the_original(net, protocol):
    loaded = pickle.loads(pickle.dumps(net, protocol))
    np.testing.assert_equal(loaded.predict_proba(X), net.predict_proba(X))
    for each in (net, loaded):
        each.partial_fit(X, Y)
    np.testing.assert_equal(loaded.coefs_, net.coefs_)


def test_truncated_pickle_raises_at_every_length(net, record_property):
    whole = pickle.dumps(net)
    lengths = range(0, len(whole), max(1, len(whole) // 200))
    for length in lengths:
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError)):
            pickle.loads(whole[:length])
    record_property("inputs tried", len(lengths))


def test_memory_mapped_estimator_predicts_and_goes_on(net, tmp_path):
    """joblib maps the arrays read-only; training works on copies."""
    joblib.dump(net, tmp_path / "net")
    loaded = joblib.load(tmp_path / "net", mmap_mode="r")
    np.testing.assert_equal(loaded.predict_proba(X), net.predict_proba(X))
    np.testing.assert_equal(loaded.partial_fit(X, Y).coefs_, net.partial_fit(X, Y).coefs_)


# -- other layouts ---------------------------------------------------------------------


def restored(net, without=(), **changes):
    """The estimator as it comes from a file whose state was changed."""
    stored = net.__getstate__()
    state = stored["_state"] | changes
    stored["_state"] = {name: state[name] for name in state if name not in without}
    return BackpropClassifier.__new__(BackpropClassifier).__setstate__(stored)


@pytest.mark.parametrize("name", ["vector", "rng", "order", "best", "layer_sizes"])
def test_state_that_lacks_something_does_not_load(net, name):
    with pytest.raises(ValueError, match=rf"another layout.* lacks .*'{name}'"):
        restored(net, without=[name])


def test_state_with_something_unknown_does_not_load(net):
    with pytest.raises(ValueError, match=r"another layout.* unknown \['later'\]"):
        restored(net, later=3)


@pytest.mark.parametrize("name", ["vector", "best_vector"])
@pytest.mark.parametrize(
    "array",
    [
        *(np.zeros(3), np.zeros((4, 5)), np.zeros(()), "zeros"),
        *(np.zeros(21, kind) for kind in (int, complex, object, "U1")),
    ],
    ids=repr,
)
def test_parameters_that_do_not_fit_the_layers_do_not_load(net, name, array):
    with pytest.raises(ValueError, match="have 21 parameters, but an array of shape"):
        restored(net, **{name: array})


@pytest.mark.parametrize("name", ["vector", "best_vector", "average"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_do_not_load(net, name, value):
    array = np.zeros(21)
    array[-1] = value
    with pytest.raises(ValueError, match="parameters of the network are not finite"):
        restored(net, **{name: array})


@pytest.mark.usefixtures("few_epochs")
def test_features_or_classes_of_another_network_do_not_load(net):
    three = BackpropClassifier((4,), max_iter=1, random_state=0).fit(X, np.arange(20) % 3)
    for change, message in [
        ({"n_features_in_": 2}, "network of 3 inputs is stored as one of 2 features"),
        ({"classes_": np.arange(2)}, "of 3 outputs is stored with 2 classes"),
    ]:
        stored = three.__getstate__() | change
        with pytest.raises(ValueError, match=message):
            BackpropClassifier.__new__(BackpropClassifier).__setstate__(stored)
    stored = net.__getstate__() | {"classes_": np.arange(3)}
    with pytest.raises(ValueError, match="of 1 outputs is stored with 3 classes"):
        BackpropClassifier.__new__(BackpropClassifier).__setstate__(stored)


# -- nothing is opened or evaluated ----------------------------------------------------

AUDITED = """
import sys, warnings
import numpy as np
from skbackprop import BackpropClassifier, BackpropRegressor
import pickle
warnings.simplefilter("ignore")
X, y = np.random.RandomState(0).randn(30, 3), np.arange(30) % 2

def use():
    for solver in ("adam", "lbfgs"):
        net = BackpropClassifier((3,), solver=solver, max_iter=3, engine="numpy").fit(X, y)
        net.predict_proba(X), net.score(X, y), net.predict_log_proba(X)
    BackpropRegressor((3,), max_iter=3, early_stopping=True).fit(X, y).partial_fit
    pickle.loads(pickle.dumps(net.set_params(solver="sgd"))).partial_fit(X, y)

use()  # what is imported at first use
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
use()
print(*sorted(set(seen)))
"""
HARMLESS = {
    "builtins.id",
    "object.__getattr__",
    "object.__setattr__",
    "sys._getframe",
    "pickle.find_class",
}


def test_nothing_is_opened_evaluated_or_connected():
    result = subprocess.run(
        [sys.executable, "-c", AUDITED],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "sys._getframe" in result.stdout, "the hook sees nothing"
    assert set(result.stdout.split()) - HARMLESS == set()


# The compiled engine reads its own source to see whether what it keeps is still good, and
# compiles text that it makes of the source of rules,
# `train_on_chunks` a checkpoint it was given, and MPIEngine tries whether an error pickles.
ALLOWED = {
    ("compilation.py", "read_bytes"),
    ("compilation.py", "compile"),
    ("mpi_engine.py", "loads"),
    *(("replay.py", name) for name in ("read_text", "write_text")),
    *(("streaming.py", name) for name in ("loads", "open", "read_bytes")),
}
CALLS = {"eval", "exec", "compile", "open", "__import__", "read_bytes", "read_text"}
CALLS |= {"write_bytes", "write_text", "loads", "system", "Popen", "urlopen"}


def test_no_line_of_the_package_evaluates_or_opens_anything():
    found = set()
    for path in Path(skbackprop.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) != "re.compile":
                name = getattr(node.func, "id", getattr(node.func, "attr", None))
                found |= {(path.name, name)} if name in CALLS else set()
    assert found == ALLOWED
