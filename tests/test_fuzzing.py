"""Random data and parameters: the numbers of MLP; random nonsense: a clear exception."""

import inspect
import warnings
from importlib.util import find_spec
from numbers import Real

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="it is in the extra test")

from fuzzing import DTYPES, LABELS, STORAGES, nonsense, tables, try_all
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from rules import HIDDEN_ACTIVATIONS, OPTIMIZER_OBJECTS, SCHEDULE_OBJECTS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import ACTIVATIONS
from skbackprop.averaging import AVERAGINGS
from skbackprop.initializers import INITIALIZERS
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from skbackprop.optimizers import OPTIMIZERS
from skbackprop.schedules import SCHEDULES

CLASSES = [BackpropClassifier, BackpropRegressor]
SCORES_STRINGS = find_spec("sklearn.callback") is not None
HAS_WEIGHTS = "sample_weight" in inspect.signature(MLPClassifier.fit).parameters

few_and_many = pytest.mark.parametrize(
    "n", [25, pytest.param(300, marks=pytest.mark.faults)], ids=["few", "many"]
)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Got `batch_size` less|batch_size=")
        warnings.filterwarnings("ignore", "early_stopping sets rows aside, but of class")
        # scikit-learn's own words for a table that has names, or a column taken for a row
        warnings.filterwarnings("ignore", "X has feature names|X does not have valid feat")
        warnings.simplefilter("ignore", DataConversionWarning)
        yield


# -- the numbers of MLP ----------------------------------------------------------------


@st.composite
def mlp_parameters(draw):
    """Valid parameters of both, and not those of a listed difference."""
    solver = draw(st.sampled_from(["sgd", "adam", "lbfgs"]))
    schedules = ["constant", "invscaling", "adaptive"] if solver == "sgd" else ["constant"]
    rate = st.floats(1e-4, 0.02)
    return {
        "hidden_layer_sizes": draw(st.lists(st.integers(1, 8), max_size=3).map(tuple)),
        "activation": draw(st.sampled_from(["identity", "logistic", "tanh", "relu"])),
        "solver": solver,
        "alpha": draw(st.sampled_from([0, 0.0, 1e-4, 1, 0.3])),
        "batch_size": draw(st.sampled_from(["auto", 1, 3, 17, 1000])),
        "learning_rate": draw(st.sampled_from(schedules)),
        "learning_rate_init": draw(rate),
        "power_t": draw(st.floats(0, 1)),
        "max_iter": draw(st.integers(1, 5)),
        "shuffle": draw(st.booleans()),
        "random_state": draw(st.integers(0, 2**32 - 1)),
        "tol": draw(st.sampled_from([1e-12, 1e-4, 0.01])),  # of 0 MLP takes ties for better
        "momentum": draw(st.floats(0, 1)),
        "nesterovs_momentum": draw(st.booleans()),
        "beta_1": draw(st.floats(0, 0.95)),
        "beta_2": draw(st.floats(0.5, 0.9999)),  # of less it may make steps without bound
        "epsilon": draw(st.sampled_from([1e-8, 1e-6, 0.1])),
        "n_iter_no_change": draw(st.integers(1, 10)),
        "max_fun": draw(st.integers(1, 30)),
    }


@st.composite
def problems(draw):
    """A kind of target, X, y, keyword arguments of fit, and parameters."""
    kind = draw(st.sampled_from(["binary", "multiclass", "multilabel", "one", "several"]))
    X = draw(tables(min_rows=6, dtypes=DTYPES))
    n_rows, parameters = len(X), draw(mlp_parameters())
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    classes = rng.permutation(np.arange(n_rows) % (3 if kind == "multiclass" else 2))
    if kind in ("binary", "multiclass"):
        y = LABELS[draw(st.sampled_from(sorted(LABELS)))](classes)
    elif kind == "multilabel":
        y = np.column_stack([classes, 1 - classes, rng.permutation(classes)])
    else:
        y = rng.randn(n_rows) if kind == "one" else rng.randn(n_rows, 2)
    if kind == "several":  # tol acts on another number, and L-BFGS on another loss
        parameters |= {"tol": 1e-12, "learning_rate": "constant"}
        parameters["solver"] = "adam" if rng.rand() < 0.5 else "sgd"
    stops = kind in ("binary", "one") and n_rows >= 20 and parameters["solver"] != "lbfgs"
    # scikit-learn before 1.9 cannot score strings
    if stops and (SCORES_STRINGS or np.asarray(y).dtype.kind in "biuf"):
        parameters["early_stopping"] = draw(st.booleans())
        parameters["validation_fraction"] = draw(st.floats(0.1, 0.5))
    weights = {}
    if HAS_WEIGHTS and draw(st.booleans()):
        weights["sample_weight"] = rng.choice([0.5, 1, 2], n_rows)
        # the losses of epochs are divided by other sums, so that patience may end elsewhere
        parameters |= {"tol": 1e-12, "early_stopping": False, "n_iter_no_change": 10}
    storage = draw(st.sampled_from(sorted(STORAGES)))
    return kind, STORAGES[storage](X), y, weights, parameters


def neighbour_of(mlp, X, y, weights):
    """MLP trained with a learning rate and a penalty that differ in their last digit."""
    rate = np.nextafter(mlp.learning_rate_init, np.inf)
    alpha = np.nextafter(mlp.alpha, 0)
    return clone(mlp).set_params(learning_rate_init=rate, alpha=alpha).fit(X, y, **weights)


def check_same_as_mlp(problem):
    kind, X, y, weights, parameters = problem
    ours, mlp = BackpropRegressor, MLPRegressor
    if kind not in ("one", "several"):
        ours, mlp = BackpropClassifier, MLPClassifier
    ours, mlp = (cls(**parameters).fit(X, y, **weights) for cls in (ours, mlp))
    assert ours.n_iter_ == mlp.n_iter_
    is_single = ours.coefs_[0].dtype == np.float32
    # up to 200 steps, with rules that divide by the size of the gradient: two to three
    # digits of float64's 16, or float32's 7, are lost where sums were taken otherwise
    rtol, atol = (1e-2, 1e-3) if is_single else (1e-8, 1e-10)
    neighbour = neighbour_of(mlp, X, y, weights)
    for name in ("coefs_", "intercepts_"):
        ones, others, near = (getattr(net, name) for net in (ours, mlp, neighbour))
        for a, b, c in zip(ones, others, near, strict=True):
            # small gradients divided by their size: where rounding moves MLP's own numbers
            # further, ours may differ by some such moves
            moved = np.abs(b - c).max() if neighbour.n_iter_ == mlp.n_iter_ else 0
            assert_allclose(a, b, rtol=rtol, atol=max(atol, 10 * moved))
    if hasattr(mlp, "predict_proba"):
        assert_array_equal(ours.classes_, mlp.classes_)
        assert_allclose(ours.predict_proba(X), mlp.predict_proba(X), rtol=rtol, atol=atol)
    else:
        assert_allclose(ours.predict(X), mlp.predict(X), rtol=rtol, atol=atol)


@few_and_many
def test_random_data_and_parameters_give_the_numbers_of_mlp(n, record_property):
    record_property("inputs tried", try_all(problems(), check_same_as_mlp, n))


# -- storage does not matter -----------------------------------------------------------

engines = st.sampled_from(["numpy", "auto"])


def check_storage(example):
    """Dense storage changes no bit; sparse X is summed in another order."""
    X, storage, engine = example
    stored = STORAGES[storage](X)
    y = np.arange(len(X)) % 2
    fit = BackpropClassifier((3,), max_iter=3, random_state=0, engine=engine).fit
    expected = fit(X, y).predict_proba(X)
    net = fit(stored, y)
    found = net.predict_proba(stored)
    # measured 2e-3 in float32 for a probability of 2e-5; 1e-13 in float64
    tolerance = {"atol": 1e-5, "rtol": 1e-3} if X.dtype == np.float32 else {"rtol": 1e-10}
    assert_allclose(found, expected, **tolerance)
    assert_array_equal(net.predict_proba(stored), found)


@few_and_many
def test_storage_of_X_does_not_matter(n, record_property):
    examples = st.tuples(tables(), st.sampled_from(sorted(STORAGES)), engines)
    record_property("inputs tried", try_all(examples, check_storage, n))


# -- valid parameters ------------------------------------------------------------------


def names_and_objects(names, objects):
    return st.sampled_from([*names, *objects.values()])


@st.composite
def all_parameters(draw):
    """Valid values of every constructor parameter at once."""
    n_hidden = draw(st.integers(0, 3))
    activations = names_and_objects(ACTIVATIONS, HIDDEN_ACTIVATIONS)
    rates = st.floats(1e-6, 10)
    return {
        "hidden_layer_sizes": draw(
            st.lists(st.integers(1, 6), min_size=n_hidden, max_size=n_hidden)
        ),
        "activation": draw(
            activations | st.lists(activations, min_size=n_hidden, max_size=n_hidden)
        ),
        "error_convention": draw(
            st.sampled_from(["output_minus_target", "target_minus_output"])
        ),
        "solver": draw(names_and_objects([*OPTIMIZERS, "lbfgs"], OPTIMIZER_OBJECTS)),
        "alpha": draw(st.floats(0, 1e3)),
        "l1_ratio": draw(st.floats(0, 1)),
        "batch_size": draw(st.just("auto") | st.integers(1, 100)),
        "learning_rate": draw(names_and_objects(SCHEDULES, SCHEDULE_OBJECTS) | rates),
        "learning_rate_init": draw(rates),
        "power_t": draw(st.floats(0, 5)),
        "max_iter": draw(st.integers(1, 6)),
        "shuffle": draw(st.booleans()),
        "random_state": draw(st.none() | st.integers(0, 2**32 - 1)),
        "tol": draw(st.floats(0, 10)),
        "warm_start": draw(st.booleans()),
        "momentum": draw(st.floats(0, 1)),
        "nesterovs_momentum": draw(st.booleans()),
        "early_stopping": draw(st.booleans()),
        "validation_fraction": draw(st.floats(0, 0.99)),
        "validation_rows": draw(st.sampled_from(["random", "last"])),
        "beta_1": draw(st.floats(0, 1, exclude_max=True)),
        "beta_2": draw(st.floats(0, 1, exclude_max=True)),
        "epsilon": draw(st.floats(0, 1, exclude_min=True)),
        "n_iter_no_change": draw(st.integers(1, 5) | st.just(np.inf)),
        "max_fun": draw(st.integers(1, 20)),
        "dropout": draw(st.floats(0, 0.99)),
        "initializer": draw(st.sampled_from([*INITIALIZERS])),
        "scoring": draw(st.sampled_from([None, "loss"])),
        "clip_norm": draw(st.none() | st.floats(1e-6, 1e6)),
        "target_loss": draw(st.none() | st.floats(-10, 10)),
        "averaging": draw(st.none() | st.sampled_from([*AVERAGINGS])),
        "max_time": draw(st.none() | st.floats(1e-9, 10)),
        "engine": draw(engines),
    }


@st.composite
def any_fits(draw):
    X, parameters = draw(tables(dtypes=[np.float64, np.float32])), draw(all_parameters())
    y = np.random.RandomState(draw(st.integers(0, 99))).permutation(np.arange(len(X)) % 3)
    cls = draw(st.sampled_from(CLASSES))
    losses = CLASSIFIER_LOSSES if cls is BackpropClassifier else REGRESSOR_LOSSES
    parameters["loss"] = draw(st.sampled_from(sorted(losses)))
    scale = draw(st.sampled_from([1e-300, 1e-30, 1.0, 1.0, 1e30, 1e300]))
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.nan_to_num(X * np.asarray(scale, X.dtype))
    return cls(**parameters), X, y + 1


def check_finite_or_clear(example):
    """Fit, go on and predict; a ValueError is an answer as well, other warnings are not."""
    estimator, X, y = example
    try:
        estimator.fit(X, y).fit(X, y)
        if hasattr(estimator, "partial_fit"):
            estimator.set_params(early_stopping=False).partial_fit(X, y)
    except ValueError as error:
        assert len(str(error)) > 40  # noqa: PT017
        return
    assert all(np.isfinite(array).all() for array in estimator.coefs_)
    if len(X) > 1:
        try:
            with np.errstate(over="ignore"):
                assert np.isfinite(estimator.predict(X[:0:-1])).all()
        except ValueError as error:  # exp of a large net input is not finite
            assert isinstance(estimator, BackpropRegressor)
            assert "too large" in str(error)  # noqa: PT017
    if hasattr(estimator, "predict_proba"):
        proba = estimator.predict_proba(X)
        assert proba.min() >= 0
        assert proba.max() <= 1
        # a sum of three terms, in units of the precision
        assert_allclose(proba.sum(axis=1), 1, rtol=4 * np.finfo(proba.dtype).eps)
        assert np.isfinite(estimator.predict_log_proba(X)).all()


@few_and_many
def test_random_valid_parameters_give_finite_numbers_or_a_clear_error(n, record_property):
    record_property("inputs tried", try_all(any_fits(), check_finite_or_clear, n))


# -- invalid parameters ----------------------------------------------------------------

X = np.random.RandomState(0).randn(8, 2)
Y = np.arange(8) % 2


def may_be_valid(name, value, default):
    """Whether a value that is accepted is of a kind that may be."""
    if name in ("class_weight", "scoring", "learning_rate"):
        return True
    if name in ("target_loss", "clip_norm", "max_time", "averaging"):
        return True
    if isinstance(default, bool):
        return isinstance(value, (bool, np.bool_))
    if name in ("hidden_layer_sizes", "activation", "dropout", "random_state"):
        return isinstance(value, (Real, list, range, np.ndarray)) or value is None
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def check_parameter(example):
    cls, name, value = example
    signature = inspect.signature(cls).parameters
    name = sorted(signature)[name % len(signature)]
    if name == "verbose" or callable(value):
        return  # it would print, or raise what it likes
    small = {"hidden_layer_sizes": (2,), "max_iter": 2, "random_state": 0}
    try:
        cls(**{**small, name: value}).fit(X, Y)
    except (ValueError, TypeError) as error:
        assert name in str(error) or "diverged" in str(error)  # noqa: PT017
        return
    assert may_be_valid(name, value, signature[name].default)


@few_and_many
def test_random_invalid_parameters_are_refused_by_name(n, record_property):
    examples = st.tuples(st.sampled_from(CLASSES), st.integers(0, 10**6), nonsense())
    record_property("inputs tried", try_all(examples, check_parameter, 10 * n))


# -- nonsense as data ------------------------------------------------------------------

ARGUMENTS = ["X", "y", "sample_weight", "classes", "X_val", "y_val", "sample_weight_val"]


def check_nonsense(example):
    """An argument that makes no sense raises ValueError or TypeError, or makes sense."""
    cls, name, value, is_warm = example
    estimator = cls((2,), max_iter=1, random_state=0)
    if is_warm:
        estimator.fit(X, Y)
        before = estimator.predict(X)
    arguments = {"X": X, "y": Y}
    if name.endswith("val"):
        arguments |= {"X_val": X, "y_val": Y}
    method = estimator.partial_fit if is_warm or name == "classes" else estimator.fit
    if name.endswith("val"):
        method = estimator.fit
    elif name == "classes" and cls is BackpropRegressor:
        return
    try:
        method(**arguments | {name: value})
    except (ValueError, TypeError) as error:
        assert str(error)  # noqa: PT017
        if is_warm:
            assert_array_equal(estimator.predict(X), before)
    else:
        assert np.isfinite(estimator.predict(X)).all()


@few_and_many
def test_nonsense_as_data_is_a_clear_error(n, record_property):
    examples = st.tuples(
        st.sampled_from(CLASSES), st.sampled_from(ARGUMENTS), nonsense(), st.booleans()
    )
    record_property("inputs tried", try_all(examples, check_nonsense, 4 * n))


def check_prediction(value):
    for net in CHECKED:
        try:
            net.predict(value)
        except (ValueError, TypeError) as error:
            assert str(error)  # noqa: PT017


CHECKED = []


@few_and_many
def test_prediction_of_nonsense_is_a_clear_error(n, record_property):
    CHECKED[:] = [cls((2,), max_iter=1, random_state=0).fit(X, Y) for cls in CLASSES]
    record_property("inputs tried", try_all(nonsense(), check_prediction, 4 * n))
