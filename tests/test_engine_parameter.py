"""The parameter `engine`: names, objects, and what is said where Numba is missing."""

import pickle
import sys
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from problems import SMALL, parameters_of
from sklearn.base import clone

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.engines import Damage, NumbaEngine, NumpyEngine, check_finite

pytestmark = pytest.mark.usefixtures("few_epochs")

CLASSES = [BackpropClassifier, BackpropRegressor]


@pytest.fixture
def Xy(rng):
    return rng.standard_normal((30, 2)), np.arange(30) % 2


@pytest.fixture
def no_numba(monkeypatch):
    """An environment without Numba, and a training that would gain from it."""
    for name in [
        name for name in sys.modules if name.startswith("skbackprop.engines.numba")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(NumbaEngine, "pays", lambda self, plan, data: True)


class CountingEngine:
    """The NumPy engine, and how often each of its methods was called."""

    def __init__(self):
        self.calls = Counter()

    def why_not(self, plan, data):
        self.calls["why_not"] += 1

    def prepare(self, plan, state, data):
        run_epoch = NumpyEngine().prepare(plan, state, data)

        def counted():
            self.calls["epochs"] += 1
            return run_epoch()

        return counted

    def reduce(self, array):
        self.calls["reduce"] += 1
        return array


class FormerEngine:
    """As engines were before training owned the loop."""

    def why_not(self, plan, data):
        return None

    def epochs(self, plan, state, data):
        yield 0.0

    def reduce(self, array):
        return array


class UnwillingEngine(CountingEngine):
    def why_not(self, plan, data):
        return "It is Sunday."


@pytest.mark.parametrize("cls", CLASSES)
def test_an_object_trains(cls, Xy):
    engine = CountingEngine()
    estimator = cls(**SMALL, engine=engine).fit(*Xy)
    expected = cls(**SMALL, engine="numpy").fit(*Xy)
    assert_array_equal(parameters_of(estimator), parameters_of(expected))
    assert engine.calls["epochs"] == estimator.n_iter_ == 4


def test_an_object_sums_the_gradients_of_lbfgs(Xy):
    engine = CountingEngine()
    BackpropClassifier(**SMALL, solver="lbfgs", engine=engine).fit(*Xy)
    assert engine.calls["reduce"] > 4


def test_an_object_that_cannot_train_says_why(Xy):
    with pytest.raises(ValueError, match=r"It is Sunday\. With engine='auto'"):
        BackpropClassifier(**SMALL, engine=UnwillingEngine()).fit(*Xy)


def test_an_object_with_the_former_methods_is_told_the_new_ones(Xy):
    with pytest.raises(ValueError, match=r"former shape, with `epochs`. Give it `prepare"):
        BackpropClassifier(**SMALL, engine=FormerEngine()).fit(*Xy)


def test_a_training_by_an_object_goes_on_exactly(Xy):
    """After pickle, and with a clone of the object."""
    short, whole = (
        BackpropClassifier(**SMALL | {"max_iter": n}, warm_start=True, engine=NumpyEngine())
        for n in (2, 4)
    )
    short = pickle.loads(pickle.dumps(short.fit(*Xy))).fit(*Xy)
    assert_array_equal(parameters_of(short), parameters_of(whole.fit(*Xy)))
    assert_array_equal(parameters_of(clone(whole).fit(*Xy)), parameters_of(whole))


def test_auto_goes_on_where_an_object_trained(Xy):
    clf = BackpropClassifier(**SMALL, warm_start=True, engine=CountingEngine()).fit(*Xy)
    whole = BackpropClassifier(**SMALL | {"max_iter": 8}, engine="numpy").fit(*Xy)
    clf.set_params(engine="auto").fit(*Xy)
    # the other engine may be the default here, whose rounding differs
    np.testing.assert_allclose(parameters_of(clf), parameters_of(whole), rtol=1e-10)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_without_numba_the_compiled_engine_says_what_to_install(method, Xy, no_numba):
    clf = BackpropClassifier(**SMALL, engine="numba")
    keywords = {"classes": [0, 1]} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r'needs Numba: pip install "numba>=0\.60"'):
        getattr(clf, method)(*Xy, **keywords)
    assert not hasattr(clf, "coefs_")


def test_without_numba_auto_takes_the_numpy_engine(Xy, no_numba):
    found = BackpropClassifier(**SMALL).fit(*Xy)
    expected = BackpropClassifier(**SMALL, engine="numpy").fit(*Xy)
    assert_array_equal(parameters_of(found), parameters_of(expected))


def test_a_training_with_numba_goes_on_where_there_is_none(Xy, no_numba):
    """As when an estimator is loaded on another machine."""
    clf = BackpropClassifier(**SMALL, warm_start=True).fit(*Xy)
    clf._state["engine"] = "numba"
    other = BackpropClassifier(**SMALL, warm_start=True, engine="numpy").fit(*Xy)
    assert_array_equal(parameters_of(clf.fit(*Xy)), parameters_of(other.fit(*Xy)))


@pytest.mark.parametrize("value", ["numpy", "auto"])
def test_a_named_engine_is_a_plain_string_in_the_state(value, Xy):
    clf = BackpropClassifier(**SMALL, engine=value).fit(*Xy)
    assert type(clf._state["engine"]) is str


def test_damage_that_can_be_mended_is_said_while_numpy_trains(monkeypatch, Xy):
    damage = Damage("A file of compiled code is damaged. Delete its folder.")
    monkeypatch.setattr(NumbaEngine, "pays", lambda self, plan, data: True)
    monkeypatch.setattr(NumbaEngine, "why_not", lambda self, plan, data: damage)
    clf = BackpropClassifier(**SMALL)
    with pytest.warns(UserWarning, match="damaged.* Until then the NumPy engine trains"):
        clf.fit(*Xy)
    reference = BackpropClassifier(**SMALL, engine="numpy").fit(*Xy)
    assert_array_equal(parameters_of(clf), parameters_of(reference))


def test_a_finite_loss_is_no_divergence():
    """An engine of your own may ask after every step."""
    assert check_finite(0.5, state=None, learning_rate=0.1) is None


def test_networks_of_many_shapes_may_have_the_same_parameters(rng):
    """What is kept of each is bounded, and begins anew."""
    X, y = rng.standard_normal((12, 20)), np.arange(12) % 2
    for n_features in (*range(1, 20), 1):
        clf = BackpropClassifier((2,), max_iter=1, engine="numpy", random_state=0)
        assert clf.fit(X[:, :n_features], y).coefs_[0].shape == (n_features, 2)
