"""What `partial_fit` keeps from call to call changes nothing but the time it takes.

A copy of an estimator keeps nothing. So a stream of chunks goes on in an estimator, and
beside it in a new copy for every chunk, which goes the long way.
"""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import LeakyRelu
from skbackprop.losses import Quantiles
from skbackprop.optimizers import SGD
from skbackprop.schedules import Plateau

IRIS, KIND = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KIND]
WIDTH = IRIS @ [1.0, -2.0, 0.5, 3.0]
ROWS = np.random.RandomState(0).permutation(150)

# with a warm start a copy has the order of the rows, and does not find it again
classifier = partial(BackpropClassifier, (5, 4), warm_start=True, random_state=3)
regressor = partial(BackpropRegressor, (5, 4), warm_start=True, random_state=3)
ENGINES = ["numpy", "numba"]
STREAMS = {
    "classes": (classifier, KIND),
    "names, shuffled in batches": (partial(classifier, batch_size=2), NAMES),
    "two classes": (partial(classifier, shuffle=False), KIND > 0),
    "two outputs": (partial(classifier, loss="squared_error"), NAMES == "setosa"),
    "numbers": (regressor, WIDTH),
    "counts": (partial(regressor, loss="poisson"), KIND),
    "quantiles": (partial(regressor, loss=Quantiles(quantiles=(0.1, 0.9))), WIDTH),
    "averaged": (partial(regressor, averaging="ema"), WIDTH),
    "dropout, clipped": (partial(regressor, dropout=0.3, clip_norm=0.1), WIDTH),
    "objects": (
        lambda **given: classifier(
            activation=[LeakyRelu(slope=0.1), "tanh"],
            solver=SGD(momentum=0.5),
            learning_rate=Plateau(patience=1),
            error_convention="target_minus_output",
            **given,
        ),
        KIND,
    ),
}


def begun(make, y, n_rows=3, **parameters):
    """An estimator after two chunks, which has kept the training of the second."""
    X, net = IRIS[ROWS], make(**parameters)
    named = {"classes": np.unique(y)} if isinstance(net, BackpropClassifier) else {}
    for chunk in np.arange(2 * n_rows).reshape(2, n_rows):
        net.partial_fit(X[chunk], y[ROWS][chunk], **named)
        named = {}
    return net


def told(value):
    """All that is fitted, to the last bit, in a form that can be compared."""
    if hasattr(value, "get_params"):
        fitted = [k for k in vars(value) if k.endswith("_") or k == "_state"]
        return {k: told(getattr(value, k)) for k in fitted}
    if isinstance(value, np.random.RandomState):
        return told(value.get_state())
    if isinstance(value, dict):
        return {k: told(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return list(map(told, value))
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return float(value).hex() if isinstance(value, float) else value


def outcome(net, act):
    """What a call comes to: what is said, and what is fitted."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            act(net)
            said = None
        except Exception as error:
            said = type(error), str(error)
    return said, [(w.category, str(w.message)) for w in caught], told(net)


@pytest.fixture
def no_long_way(monkeypatch):
    """A function that closes the long way, on which parameters are resolved."""

    def close():
        monkeypatch.setattr("skbackprop.estimator.base.resolve_hyperparameters", None)

    return close


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_gives_the_same_bits(stream, n_rows, dtype, engine, no_long_way):
    make, y = STREAMS[stream]
    X, y = IRIS[ROWS].astype(dtype), y[ROWS]
    net = make(engine=engine)
    named = {"classes": np.unique(y)} if isinstance(net, BackpropClassifier) else {}
    net.partial_fit(X[:n_rows], y[:n_rows], **named)
    long = copy.deepcopy(net)
    chunks = [slice(i, i + n_rows) for i in range(0, 12 * n_rows, n_rows)]
    for chunk in chunks:
        long = copy.deepcopy(long).partial_fit(X[chunk], y[chunk])
    no_long_way()
    for chunk in chunks:
        net.partial_fit(X[chunk], y[chunk])
    assert told(net) == told(long)


@pytest.mark.parametrize("n_classes", [256, 257])  # targets of more are made another way
def test_many_classes_give_the_same_bits(n_classes, no_long_way):
    labels = np.arange(12) * 51 % n_classes
    net = classifier().partial_fit(IRIS[:4], labels[:4], classes=np.arange(n_classes))
    long = copy.deepcopy(net)
    for start in (4, 8):
        chunk = slice(start, start + 4)
        long = copy.deepcopy(long).partial_fit(IRIS[chunk], labels[chunk])
    no_long_way()
    net.partial_fit(IRIS[4:8], labels[4:8]).partial_fit(IRIS[8:12], labels[8:12])
    assert told(net) == told(long)


class Rows(np.ndarray):
    """An array of another class."""


def setting(**parameters):
    def act(net, X, y):
        net.set_params(**parameters).partial_fit(X, y)

    return act


def changed(attribute, value):
    def act(net, X, y):
        before = vars(net).get(attribute)
        setattr(net, attribute, value)
        try:
            net.partial_fit(X, y)
        except ValueError:
            setattr(net, attribute, before)
            raise

    return act


def rows(change):
    return lambda net, X, y: net.partial_fit(change(X), y)


def answers(change):
    return lambda net, X, y: net.partial_fit(X, change(y))


def filled(value):
    def act(array):
        array = array.copy()
        array.flat[1] = value
        return array

    return act


def written(net, X, y):
    net.coefs_[0][...] = 0.5
    net.intercepts_ = [np.ones(5), np.zeros(4), np.zeros(len(net.intercepts_[-1]))]
    net.partial_fit(X, y)


def weighted(weight):
    return lambda net, X, y: net.partial_fit(X, y, sample_weight=weight)


TRIED = {
    "as before": rows(lambda X: X),
    "NaN": rows(filled(np.nan)),
    "infinite": rows(filled(-np.inf)),
    "as large as may be": rows(filled(1e200)),
    "narrow": rows(lambda X: X[:, :3]),
    "wide": rows(lambda X: np.hstack([X, X])),
    "one row": lambda net, X, y: net.partial_fit(X[:1], y[:1]),
    "no rows": lambda net, X, y: net.partial_fit(X[:0], y[:0]),
    "flat": rows(np.ravel),
    "list": rows(np.ndarray.tolist),
    "names": rows(partial(pd.DataFrame, columns=list("abcd"))),
    "of another class": rows(lambda X: X.view(Rows)),
    "masked": rows(lambda X: np.ma.masked_greater(X, 0)),
    "float32": rows(lambda X: X.astype(np.float32)),
    "integers": rows(lambda X: X.astype(int)),
    "objects": rows(lambda X: X.astype(object)),
    "words": rows(lambda X: X.astype(str)),
    "complex": rows(lambda X: X.astype(complex)),
    "by columns": rows(np.asfortranarray),
    "every other": lambda net, X, y: net.partial_fit(np.repeat(X, 2, axis=0)[::2], y),
    "y too short": answers(lambda y: y[:-1]),
    "y as a column": answers(lambda y: y[:, np.newaxis]),
    "y in two columns": answers(lambda y: np.column_stack([y, y])),
    "y as a list": answers(list),
    "y None": answers(lambda y: None),
    "y of objects": answers(lambda y: y.astype(object)),
    "y unknown": answers(lambda y: np.full_like(y, 77)),
    "y in between": answers(lambda y: np.full(len(y), 0.5)),
    "y NaN": answers(lambda y: np.full(len(y), np.nan)),
    "y infinite": answers(lambda y: np.full(len(y), np.inf)),
    "y in words": answers(lambda y: y.astype(str)),
    "y too large": answers(lambda y: np.full(len(y), 1e308)),
    "weights": weighted([1.0, 2.0, 0.5]),
    "weights below zero": weighted([1.0, -2.0, 0.5]),
    "weights of zero": weighted(np.zeros(3)),
    "alpha": setting(alpha=0.1),
    "alpha below zero": setting(alpha=-0.1),
    "equal, of another type": setting(shuffle=1),
    "batch size": setting(batch_size=1),
    "other layers": setting(hidden_layer_sizes=(3,)),
    "other rule": setting(activation="tanh"),
    "unknown rule": setting(solver="adamm"),
    "early stopping": setting(early_stopping=True),
    "random state": setting(random_state="seven"),
    "diverges": setting(learning_rate_init=1e300, solver="sgd"),
    "rate of zero": setting(learning_rate=lambda step, epoch, samples_seen: 0.0),
    "no rate": setting(learning_rate=lambda step, epoch, samples_seen: None),
    "written to": written,
    "best loss": changed("best_loss_", 1e-9),
    "number of features": changed("n_features_in_", 5),
    "names of features": changed("feature_names_in_", np.array(list("abcd"), object)),
    "fitted": lambda net, X, y: net.set_params(max_iter=1).fit(X, y).partial_fit(X, y),
}
FOR_CLASSES = {
    "other classes": lambda net, X, y: net.partial_fit(X, y, classes=[0, 1, 7]),
    "same classes": lambda net, X, y: net.partial_fit(X, y, classes=[0, 1, 2]),
    "class weights": setting(class_weight={0: 1, 1: 2, 2: 3}),
    "soft labels": setting(soft_labels=True),
    "balanced": setting(class_weight="balanced"),
    "renamed classes": changed("classes_", np.array([2, 3, 4])),
}


CASES = [
    pytest.param(make, y, act, id=f"{kind}-{name}")
    for kind, make, y, tried in (
        ("numbers", regressor, WIDTH, TRIED),
        ("classes", classifier, KIND, {**TRIED, **FOR_CLASSES}),
    )
    for name, act in tried.items()
]


@pytest.mark.filterwarnings("ignore")  # they are compared
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("make", "y", "act"), CASES)
def test_whatever_comes_next_comes_to_the_same(make, y, act, engine):
    """The same error or none, the same warnings, the same numbers, and so on from there."""
    net, X, y = begun(make, y, engine=engine), IRIS[ROWS][6:9], y[ROWS][6:9]
    assert "_kept_training" in vars(net)
    long = copy.deepcopy(net)
    assert "_kept_training" not in vars(long)
    act_here = partial(act, X=X, y=y)
    assert outcome(net, act_here) == outcome(long, act_here)
    after = partial(TRIED["as before"], X=X, y=y)
    for _ in range(2):
        assert outcome(net, after) == outcome(copy.deepcopy(long), after)
        outcome(long, after)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "y"), [(classifier, KIND), (regressor, WIDTH)])
def test_every_parameter_is_looked_at(make, y):
    for name in make().get_params():
        for value in ("nonsense", 2, True):
            net = begun(make, y)
            long = copy.deepcopy(net)
            act = partial(setting(**{name: value}), X=IRIS[:3], y=y[:3])
            assert outcome(net, act) == outcome(long, act), (name, value)


@pytest.mark.parametrize("inner", [{"solver__momentum": 0.9}, {"solver__momentum": 2.0}])
def test_a_parameter_of_a_nested_rule_is_seen(inner):
    net = begun(partial(classifier, solver=SGD(momentum=0.1)), KIND)
    long = copy.deepcopy(net)
    act = partial(setting(**inner), X=IRIS[:3], y=KIND[:3])
    assert outcome(net, act) == outcome(long, act)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.loads, clone])
def test_nothing_of_it_is_stored_or_copied(copied):
    net = begun(classifier, KIND)
    assert "_kept_training" in vars(net)
    other = copied(pickle.dumps(net) if copied is pickle.loads else net)
    assert "_kept_training" not in vars(other)


def test_only_one_call_at_a_time_has_it():
    """A call that comes while another is under way goes the long way, beside it."""
    inner = []

    def rate(step, epoch, samples_seen):
        if inner:
            inner.pop().partial_fit(IRIS[:3], KIND[:3])
        return 0.01

    results = []
    for through in (lambda net: net, copy.deepcopy):
        net = through(begun(partial(classifier, learning_rate=rate, shuffle=False), KIND))
        inner.append(net)
        net.partial_fit(IRIS[50:53], KIND[50:53])
        results.append(net)
    assert told(results[0]) == told(results[1])


def test_what_was_published_does_not_change():
    """Weights that somebody holds are those of the call that made them."""
    net = begun(regressor, WIDTH)
    held = net.coefs_
    values = [array.copy() for array in held]
    net.partial_fit(IRIS[:3], WIDTH[:3])
    net.partial_fit(IRIS[:3], WIDTH[:3])
    assert all(map(np.array_equal, held, values))
    assert not np.array_equal(held[0], net.coefs_[0])
