"""Bad parameters and bad data: an error that says what is wrong, and nothing changed."""

import copy
import inspect
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from problems import SMALL
from rules import (
    AVERAGING_OBJECTS,
    LINKS,
    LOSSES,
    OPTIMIZER_OBJECTS,
    SCHEDULE_OBJECTS,
)
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Relu
from skbackprop.averaging import EMA
from skbackprop.conventions import OutputMinusTarget
from skbackprop.engines import NumpyEngine
from skbackprop.initializers import INITIALIZERS, GlorotUniform
from skbackprop.losses import LogLoss, SquaredError
from skbackprop.optimizers import SGD
from skbackprop.schedules import Constant

pytestmark = pytest.mark.usefixtures("few_epochs")

CLASSES = [BackpropClassifier, BackpropRegressor]


# -- parameters ------------------------------------------------------------------------

NOT_A_BOOL = [None, "yes", 2, 0.0]
NOT_A_COUNT = [0, -1, 2.5, None, "all", True]
NOT_POSITIVE = [0, -0.1, np.nan, np.inf, "0.1", True]
NEGATIVE = [-1e-3, np.nan, np.inf, "0.1", None, True]
NOT_A_FRACTION = [-0.1, 1.0, np.nan, "half", None, False]

INVALID = {
    "hidden_layer_sizes": [
        *NOT_A_COUNT,
        (3, 0),
        (3, 2.5),
        [3, None],
        np.array([[3, 3]]),
        {3},
        b"\x03",
        np.array(3),
    ],
    "activation": ["no_such", None, 3, Relu, SGD(), np.array(1.0)],
    "loss": ["no_such", None, 3, LogLoss, Relu()],
    "error_convention": ["minus", None, 1, OutputMinusTarget()],
    "solver": ["no_such", None, 3, SGD, Relu()],
    "alpha": NEGATIVE,
    "l1_ratio": [-0.1, 1.1, np.nan, "0.5", None, True],
    "batch_size": NOT_A_COUNT,
    "learning_rate": ["no_such", None, 0, -0.5, np.nan, np.inf, Constant, Relu()],
    "learning_rate_init": NOT_POSITIVE,
    "power_t": NEGATIVE,
    "max_iter": NOT_A_COUNT,
    "shuffle": NOT_A_BOOL,
    "random_state": ["seed", -1, 1.5, 2**32, np.random.default_rng(0)],
    "tol": NEGATIVE,
    "verbose": [None, "yes", -1, 1.5],
    "warm_start": NOT_A_BOOL,
    "momentum": [-0.1, 1.1, np.nan, "0.9", None, True],
    "nesterovs_momentum": NOT_A_BOOL,
    "early_stopping": NOT_A_BOOL,
    "validation_fraction": NOT_A_FRACTION,
    "validation_rows": ["first", None, 3, [0, 1]],
    "soft_labels": ["yes", None, 1, 0],
    "missing_targets": ["drop", None, True, 0],
    "beta_1": NOT_A_FRACTION,
    "beta_2": NOT_A_FRACTION,
    "epsilon": NOT_POSITIVE,
    "n_iter_no_change": [0, -1, 2.5, np.nan, None, "long"],
    "max_fun": NOT_A_COUNT,
    "class_weight": ["heavy", 3, [1, 2]],
    "dropout": [*NOT_A_FRACTION, (1.0,), "0.5", np.inf, np.array(0.5)],
    "initializer": ["no_such", None, 3, GlorotUniform, Relu()],
    "scoring": ["no_such", 3, ["accuracy"]],
    "clip_norm": NOT_POSITIVE,
    "target_loss": ["low", np.nan, True],
    "averaging": ["no_such", 3, 0.5, EMA, Relu()],
    "max_time": [0, -1.0, np.nan, np.inf, "1", True],
    "engine": ["no_such", None, 3, NumpyEngine, Relu()],
}


def parameters_of(cls):
    return inspect.signature(cls).parameters


@pytest.mark.parametrize("cls", CLASSES)
def test_every_constructor_parameter_has_invalid_values_here(cls):
    assert parameters_of(cls).keys() <= INVALID.keys()


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls in CLASSES
        for name in parameters_of(cls)
        if name in INVALID  # a missing one fails the test above
    ],
)
def test_invalid_parameter_is_refused_by_fit_and_not_by_the_constructor(cls, name):
    for value in INVALID[name]:
        estimator = cls(**{**SMALL, name: value})
        words = f"The {name!r} parameter of {cls.__name__} must be ", f"Got {value!r} inst"
        with pytest.raises(ValueError, match=".+".join(map(re.escape, words))):
            estimator.fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", -1),
        ("batch_size", 0),
        ("learning_rate_init", 0),
        ("max_iter", 0),
        ("max_fun", 0.5),
        ("random_state", -1),
        ("momentum", 1.1),
        ("validation_fraction", 1.0),
        ("epsilon", 0),
    ],
)
def test_interval_is_named_in_scikit_learns_words(name, value):
    messages = []
    for cls in (MLPClassifier, BackpropClassifier):
        with pytest.raises(ValueError, match=f"{name!r} parameter") as caught:
            cls(**{name: value}).fit([[0.0], [1.0]], [0, 1])
        messages.append(str(caught.value).replace(cls.__name__, "the estimator"))
    assert messages[0] == messages[1]


def test_dropout_is_checked_without_hidden_layers_too():
    with pytest.raises(ValueError, match="'dropout' parameter of BackpropRegressor"):
        BackpropRegressor((), dropout=1.5).fit([[0.0], [1.0]], [0, 1])


AT_THE_BOUNDARY = {
    "hidden_layer_sizes": [1, (1,), [1, 1], (), np.array([1, 1])],
    "alpha": [0, 0.0],
    "l1_ratio": [0, 1, 1.0],
    "batch_size": [1],
    "learning_rate_init": [1e-300],
    "power_t": [0],
    "max_iter": [1],
    "random_state": [0, 2**32 - 1],
    "tol": [0, 0.0],
    "verbose": [0, False],
    "momentum": [0, 1, 1.0],
    "validation_fraction": [0, 0.999],
    "beta_1": [0, 0.999],
    "beta_2": [0, 0.9999],
    "epsilon": [1e-300],
    "n_iter_no_change": [1, np.inf],
    "max_fun": [1],
    "dropout": [0, 0.999, (0,), np.array([0.5])],
    "clip_norm": [1e-300],
    "target_loss": [-np.inf, -1, 0, np.inf],
    "max_time": [1e-300, 1],
}


@pytest.mark.parametrize("name", AT_THE_BOUNDARY)
def test_parameter_at_its_boundary_is_taken(name):
    """By scikit-learn, too, where it has the parameter."""
    for value in AT_THE_BOUNDARY[name]:
        params = {**SMALL, "batch_size": 1, name: value}
        BackpropClassifier(**params).fit([[0.0], [1.0]], [0, 1])
        if name in parameters_of(MLPClassifier):
            MLPClassifier(**params).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("value", [-1, None, "much"])
def test_invalid_parameter_is_refused_by_partial_fit(value):
    clf = BackpropClassifier(alpha=value)
    with pytest.raises(ValueError, match="The 'alpha' parameter of BackpropClassifier"):
        clf.partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])


def fields_of(rules, parameter):
    """Every field of every rule of a kind that says what it may be."""
    for rule in {type(rule): rule for rule in rules}.values():
        for field in fields(rule):
            if "allowed" in field.metadata:
                yield pytest.param(
                    parameter, rule, field.name, id=f"{type(rule).__name__}-{field.name}"
                )


@pytest.mark.parametrize(
    ("parameter", "rule", "field"),
    [
        *fields_of(LINKS.values(), "activation"),
        *fields_of(LOSSES.values(), "loss"),
        *fields_of(OPTIMIZER_OBJECTS.values(), "solver"),
        *fields_of(SCHEDULE_OBJECTS.values(), "learning_rate"),
        *fields_of(AVERAGING_OBJECTS.values(), "averaging"),
        *fields_of([cls() for cls in INITIALIZERS.values()], "initializer"),
    ],
)
def test_invalid_field_of_a_rule_object_is_refused_by_fit(parameter, rule, field):
    owner = type(rule).__name__
    for value in -np.inf, np.nan, "0.5":
        reg = BackpropRegressor(**{parameter: replace(rule, **{field: value})})
        with pytest.raises(ValueError, match=f"'{field}' parameter of {owner} must be"):
            reg.fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("link", ["sigmoid", Relu, SGD()], ids=repr)
def test_link_that_is_no_activation_is_refused_by_fit(link):
    reg = BackpropRegressor(loss=SquaredError(link=link))
    pattern = "'link' parameter of SquaredError must be an object with forward and backward"
    with pytest.raises(ValueError, match=pattern):
        reg.fit([[0.0], [1.0]], [0, 1])


# -- data ------------------------------------------------------------------------------

ALL_CALLS = ("fit", "partial_fit", "warm fit")
CONTINUED = ("partial_fit", "warm fit")


def with_first(array, value):
    changed = np.array(array, dtype=float)
    changed[(0,) * changed.ndim] = value
    return changed


# what is changed in a good call, the calls that then fail, a part of the message
BAD_DATA = {
    "NaN in X": (lambda X, y: {"X": with_first(X, np.nan)}, ALL_CALLS, "X contains NaN"),
    "infinity in X": (
        lambda X, y: {"X": with_first(X, np.inf)},
        ALL_CALLS,
        "X contains infinity",
    ),
    "text in X": (
        lambda X, y: {"X": np.full(X.shape, "a")},
        ALL_CALLS,
        "could not convert string",
    ),
    "complex X": (lambda X, y: {"X": X + 1j}, ALL_CALLS, "Complex data not supported"),
    "one-dimensional X": (lambda X, y: {"X": X[:, 0]}, ALL_CALLS, "Expected 2D array"),
    "three-dimensional X": (lambda X, y: {"X": X[None]}, ALL_CALLS, "dim 3"),
    "no rows": (lambda X, y: {"X": X[:0], "y": y[:0]}, ALL_CALLS, "0 sample"),
    "no columns": (
        lambda X, y: {"X": X[:, :0]},
        ALL_CALLS,
        "0 feature|expecting 3 features",
    ),
    "fewer columns": (lambda X, y: {"X": X[:, :2]}, CONTINUED, "expecting 3 features"),
    "y is None": (lambda X, y: {"y": None}, ALL_CALLS, "y is None"),
    "NaN in y": (lambda X, y: {"y": with_first(y, np.nan)}, ALL_CALLS, "y contains NaN"),
    "infinity in y": (
        lambda X, y: {"y": with_first(y, np.inf)},
        ALL_CALLS,
        "y contains infinity",
    ),
    "short y": (lambda X, y: {"y": y[:5]}, ALL_CALLS, "inconsistent numbers of samples"),
    "NaN weight": (
        lambda X, y: {"sample_weight": with_first(np.ones(len(X)), np.nan)},
        ALL_CALLS,
        "sample_weight contains NaN",
    ),
    "infinite weight": (
        lambda X, y: {"sample_weight": with_first(np.ones(len(X)), np.inf)},
        ALL_CALLS,
        "sample_weight contains infinity",
    ),
    "negative weight": (
        lambda X, y: {"sample_weight": with_first(np.ones(len(X)), -0.5)},
        ALL_CALLS,
        r"must not be negative.* -0\.5",
    ),
    "all weights zero": (
        lambda X, y: {"sample_weight": np.zeros(len(X))},
        ALL_CALLS,
        "zero for every sample",
    ),
    "scalar weight zero": (
        lambda X, y: {"sample_weight": 0},
        ALL_CALLS,
        "zero for every sample",
    ),
    "two-dimensional weights": (
        lambda X, y: {"sample_weight": np.ones((len(X), 1))},
        ALL_CALLS,
        "must be 1-dimensional",
    ),
    "too few weights": (
        lambda X, y: {"sample_weight": np.ones(5)},
        ALL_CALLS,
        "inconsistent numbers of samples",
    ),
    "text as weight": (
        lambda X, y: {"sample_weight": "balanced"},
        ALL_CALLS,
        "could not convert string",
    ),
    "X_val without y_val": (
        lambda X, y: {"X_val": X},
        ("fit", "warm fit"),
        "X_val and y_val belong together",
    ),
    "X_val with other columns": (
        lambda X, y: {"X_val": X[:, :2], "y_val": y},
        ("fit", "warm fit"),
        "expecting 3 features",
    ),
    "NaN in X_val": (
        lambda X, y: {"X_val": with_first(X, np.nan), "y_val": y},
        ("fit", "warm fit"),
        "contains NaN",
    ),
    "short y_val": (
        lambda X, y: {"X_val": X, "y_val": y[:5]},
        ("fit", "warm fit"),
        "inconsistent numbers of samples",
    ),
    "negative validation weight": (
        lambda X, y: {"X_val": X, "y_val": y, "sample_weight_val": -np.ones(len(X))},
        ("fit", "warm fit"),
        "must not be negative",
    ),
    "diverging": (
        lambda X, y: {"X": 1e200 * X},
        ALL_CALLS,
        "Training diverged.* Try a smaller learning rate",
    ),
}
BAD_LABELS = {
    "continuous labels": (lambda X, y: {"y": y + 0.5}, ALL_CALLS, "label type: continuous"),
    "several labels per row": (
        lambda X, y: {"y": np.column_stack([y, y + 1])},
        ("fit",),
        "label type: y has several columns.* Got the values 0, 1, 2",
    ),
    "unknown classes": (
        lambda X, y: {"y": y + 1},
        CONTINUED,
        r"classes that were not there before: \[2\]. Known are \[0 1\]",
    ),
    "unknown classes in y_val": (
        lambda X, y: {"X_val": X, "y_val": y + 1},
        ("fit", "warm fit"),
        r"classes that were not there before: \[2\]",
    ),
    "missing class": (
        lambda X, y: {"y": 0 * y},
        ("warm fit",),
        r"same classes as before, \[0 1\], but y has only \[0\]",
    ),
    "multilabel to binary": (
        lambda X, y: {"y": np.column_stack([y, 1 - y])},
        CONTINUED,
        "trained on binary labels",
    ),
    "other classes named": (
        lambda X, y: {"classes": [0, 1, 2]},
        ("partial_fit",),
        r"differs from the classes of the first call, \[0 1\]",
    ),
}
BAD_LABELS |= {
    "labels without an order": (
        lambda X, y: {"y": np.array(["a", 1], dtype=object)[y]},
        ALL_CALLS,
        "must be of one kind, all strings or all numbers|Mix of label input types",
    ),
    "y_val without an order": (
        lambda X, y: {"X_val": X, "y_val": np.array(["a", 1], dtype=object)[y]},
        ("fit", "warm fit"),
        "y_val does not match y.* must be of one kind",
    ),
}
BAD_QUANTITIES = {
    "text in y": (
        lambda X, y: {"y": np.full(y.shape, "a")},
        ALL_CALLS,
        "could not convert string",
    ),
    "three-dimensional y": (
        lambda X, y: {"y": y.reshape(-1, 1, 1)},
        ALL_CALLS,
        "dim 3",
    ),
    "more outputs": (
        lambda X, y: {"y": np.column_stack([y, y])},
        CONTINUED,
        r"layers of \[3, 4, 1\] units and cannot continue with \[3, 4, 2\]",
    ),
}
BAD_CALLS = [
    pytest.param(cls, *bad, id=f"{cls.__name__}-{name}")
    for cls, own in zip(CLASSES, [BAD_LABELS, BAD_QUANTITIES], strict=True)
    for name, bad in {**BAD_DATA, **own}.items()
]


@pytest.fixture
def X(rng):
    return rng.standard_normal((20, 3))


@pytest.fixture
def y():
    return np.arange(20) % 2


def trained(cls, X, y):
    return cls(**SMALL).fit(X, y)


def make_call(estimator, call, arguments):
    """Run one of `ALL_CALLS`."""
    estimator.set_params(warm_start=call == "warm fit")
    method = estimator.partial_fit if call == "partial_fit" else estimator.fit
    return method(**arguments)


def snapshot(estimator, X):
    """A copy of all that was learnt, and the predictions."""
    names = [name for name in dir(estimator) if re.fullmatch(r"[a-z]\w*(?<!_)_", name)]
    learnt = copy.deepcopy({name: getattr(estimator, name) for name in names})
    assert {"coefs_", "n_features_in_", "loss_curve_", "t_"} <= learnt.keys()
    if hasattr(estimator, "predict_proba"):
        learnt["predict_proba"] = estimator.predict_proba(X)
    return {**learnt, "predict": estimator.predict(X)}


@pytest.mark.parametrize(("cls", "change", "calls", "match"), BAD_CALLS)
def test_bad_data_are_refused_with_the_reason_and_change_nothing(
    cls, change, calls, match, X, y
):
    """Training goes on as if the calls had not been: stream and order of rows included."""
    disturbed, undisturbed = trained(cls, X, y), trained(cls, X, y)
    before = snapshot(undisturbed, X)
    for call in calls:
        with pytest.raises(ValueError, match=match):
            make_call(disturbed, call, {"X": X, "y": y} | change(X, y))
        np.testing.assert_equal(snapshot(disturbed, X), before)
    disturbed.partial_fit(X, y)
    undisturbed.partial_fit(X, y)
    np.testing.assert_equal(snapshot(disturbed, X), snapshot(undisturbed, X))


@pytest.mark.parametrize("name", INVALID)
def test_call_refused_for_a_parameter_changes_nothing(name, X, y):
    clf = trained(BackpropClassifier, X, y)
    before, valid = snapshot(clf, X), clf.get_params()[name]
    with pytest.raises(ValueError, match=f"The {name!r} parameter"):
        clf.set_params(**{name: INVALID[name][0]}).fit(X, y)
    np.testing.assert_equal(snapshot(clf.set_params(**{name: valid}), X), before)


@pytest.mark.parametrize("cls", CLASSES)
def test_changed_layers_cannot_go_on(cls, X, y):
    estimator = trained(cls, X, y)
    before = snapshot(estimator, X)
    estimator.set_params(hidden_layer_sizes=(4, 2))
    with pytest.raises(ValueError, match=r"\[3, 4, 1\] units and cannot continue with"):
        estimator.partial_fit(X, y)
    np.testing.assert_equal(snapshot(estimator, X), before)


@pytest.mark.parametrize("cls", CLASSES)
def test_estimator_whose_first_fit_failed_is_not_fitted(cls, X, y):
    estimator = cls(**SMALL)
    with pytest.raises(ValueError, match="Training diverged"):
        estimator.fit(1e200 * X, y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)


def test_poisson_loss_refuses_negative_targets(X, y):
    reg = BackpropRegressor(loss="poisson", **SMALL)
    with pytest.raises(ValueError, match=r"y >= 0 .*but y has the value -0\.5"):
        reg.fit(X, y - 0.5)


def test_targets_beyond_the_precision_of_X_are_refused(X, y):
    reg = BackpropRegressor(**SMALL)
    with pytest.raises(ValueError, match="y contains values too large for float32"):
        reg.fit(X.astype(np.float32), 1e300 * y)


# -- divergence ------------------------------------------------------------------------


def test_divergence_names_epoch_step_and_learning_rate_and_what_to_try(X, y):
    """The identity network's weights grow by a factor of at least 1e9 with each step."""
    reg = BackpropRegressor((), solver="sgd", learning_rate=1e10, batch_size=5)
    pattern = (
        r"Training diverged: the loss became (inf|nan) in epoch (\d+), step (\d+), with a "
        r"learning rate of 1e\+10\. Try a smaller learning rate, scale the inputs .*"
        r"StandardScaler.*clip"
    )
    with pytest.raises(ValueError, match=pattern) as raised:
        reg.fit(X, y)
    _, epoch, step = re.match(pattern, str(raised.value)).groups()
    assert 1 < int(step) <= 40  # 1e300 is passed after some thirty steps
    assert int(epoch) == (int(step) + 3) // 4  # four batches an epoch


def test_divergence_in_the_last_step_is_noticed(X, y):
    """No later loss shows it: the weights do."""
    reg = BackpropRegressor((), solver="sgd", learning_rate=1e200, max_iter=1)
    with pytest.raises(ValueError, match="after epoch 1 the weights are not finite"):
        reg.fit(1e120 * X, y)


@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "rmsprop", "adagrad"])
def test_overflow_of_squared_gradients_is_an_error(name, X, y):
    """An infinite second moment would divide every later update down to zero."""
    clf = BackpropClassifier(**SMALL | {"solver": name})
    # the engines round an infinite moment to different updates, 0 or NaN
    with pytest.raises(ValueError, match=r"Training diverged: .* (not finite|became nan)"):
        clf.fit(1e200 * X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_squares_of_very_large_numbers_warn_of_nothing(early_stopping, X, y):
    """Any other warning than those of convergence fails the test."""
    reg = BackpropRegressor(**SMALL | {"loss": "huber", "early_stopping": early_stopping})
    reg.fit(X, 1e200 * y)


def test_divergence_of_lbfgs_is_an_error(X, y):
    reg = BackpropRegressor((4,), solver="lbfgs", random_state=0)
    with pytest.raises(ValueError, match="Training diverged"):
        reg.fit(1e200 * X, y)


# -- calls at the wrong time -----------------------------------------------------------


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("cls", CLASSES)
def test_prediction_before_fit_raises_not_fitted_error(cls, method, X):
    if hasattr(cls, method):
        with pytest.raises(NotFittedError):
            getattr(cls(), method)(X)


@pytest.mark.parametrize("cls", CLASSES)
def test_score_before_fit_raises_not_fitted_error(cls, X, y):
    with pytest.raises(NotFittedError):
        cls().score(X, y)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_weights_before_fit_are_no_attribute(name):
    assert not hasattr(BackpropClassifier(), name)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X[:, :2], "X has 2 features, but .* is expecting 3"),
        (lambda X: with_first(X, np.nan), "X contains NaN"),
        (lambda X: X[0], "Expected 2D array"),
    ],
)
def test_prediction_refuses_bad_rows(method, change, match, X, y):
    clf = trained(BackpropClassifier, X, y)
    with pytest.raises(ValueError, match=match):
        getattr(clf, method)(change(X))


@pytest.mark.parametrize("cls", CLASSES)
def test_partial_fit_is_no_attribute_with_lbfgs(cls):
    estimator = cls(solver="lbfgs")
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError) as raised:
        estimator.partial_fit  # noqa: B018
    assert "Use solver='adam' or solver='sgd'" in str(raised.value.__cause__)


@pytest.mark.parametrize("cls", CLASSES)
def test_partial_fit_refuses_early_stopping(cls, X, y):
    estimator = cls(early_stopping=True)
    with pytest.raises(ValueError, match="does not support early_stopping=True"):
        estimator.partial_fit(X, y)


def test_first_partial_fit_needs_classes(X, y):
    clf = BackpropClassifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)


def test_classes_beyond_the_integers_are_refused_without_a_warning(X, y):
    with pytest.raises(ValueError, match="Unknown label type"):
        BackpropClassifier().partial_fit(X, y, classes=[0.0, 1.0, 2.0**63])


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ([], "0 sample"),
        ([[0, 1]], "1d array"),
        ([0.0, np.nan], "classes contains NaN"),
        (sparse.coo_array([0, 1]), "Sparse data was passed for classes"),
    ],
)
def test_first_partial_fit_refuses_what_are_no_classes(classes, match, X, y):
    with pytest.raises((ValueError, TypeError), match=match):
        BackpropClassifier().partial_fit(X, y, classes=classes)


def test_first_partial_fit_refuses_labels_outside_classes(X, y):
    clf = BackpropClassifier()
    with pytest.raises(ValueError, match=r"not there before: \[0\]. Known are \[1 2\]"):
        clf.partial_fit(X, y, classes=[1, 2])


@pytest.mark.filterwarnings("ignore:early_stopping sets rows aside")
def test_early_stopping_with_too_few_rows_names_their_number(X, y):
    clf = BackpropClassifier(early_stopping=True)
    with pytest.raises(ValueError, match="n_samples=2"):
        clf.fit(X[:2], y[:2])


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_assigned_weights_must_have_the_shapes_of_the_layers(name, X, y):
    clf = trained(BackpropClassifier, X, y)
    before = snapshot(clf, X)
    with pytest.raises(ValueError, match=r"(weights|bias) of this network have the shapes"):
        setattr(clf, name, [np.zeros((3, 4)), np.zeros((2, 2))])
    np.testing.assert_equal(snapshot(clf, X), before)


# -- names that are nearly right -------------------------------------------------------

MEANT = [
    ("activation", "ReLU", "relu"),
    ("activation", "LeakyReLU", "leaky_relu"),
    ("activation", "swish", "silu"),
    ("activation", "linear", "identity"),
    ("solver", "Adam", "adam"),
    ("solver", "RMSProp", "rmsprop"),
    ("solver", "L-BFGS", "lbfgs"),
    ("solver", "adma", "adam"),
    ("learning_rate", "Cosine", "cosine"),
    ("learning_rate", "OneCycle", "one_cycle"),
    ("learning_rate", "inverse_scaling", "invscaling"),
    ("initializer", "xavier", "glorot_uniform"),
    ("initializer", "HeNormal", "he_normal"),
    ("error_convention", "target-minus-output", "target_minus_output"),
    ("scoring", "balanced accuracy", "balanced_accuracy"),
    ("scoring", "AUC", "roc_auc"),
    ("engine", "Numba", "numba"),
    ("batch_size", "Auto", "auto"),
]
MEANT_LOSSES = [
    (BackpropClassifier, "cross_entropy", "log_loss"),
    (BackpropClassifier, "categorical_crossentropy", "log_loss"),
    (BackpropClassifier, "mse", "squared_error"),
    (BackpropRegressor, "mse", "squared_error"),
    (BackpropRegressor, "MAE", "absolute_error"),
    (BackpropRegressor, "pinball", "quantile"),
]


def message_for(cls, **params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter") as error:
        cls(**params).fit([[0.0], [1.0]], [0, 1])
    return str(error.value)


@pytest.mark.parametrize(("parameter", "given", "meant"), MEANT)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    parameter, given, meant
):
    for cls in BackpropClassifier, BackpropRegressor:
        message = message_for(cls, **{parameter: given})
        assert message.endswith(f" Did you mean {meant!r}?")
        assert cls(**{parameter: meant}).get_params()[parameter] == meant
    if parameter == "activation":  # one per layer
        assert f"Did you mean {meant!r}?" in message_for(cls, activation=[given])


@pytest.mark.parametrize(("cls", "given", "meant"), MEANT_LOSSES)
def test_a_loss_by_the_name_of_another_library_is_answered_with_ours(cls, given, meant):
    assert message_for(cls, loss=given).endswith(f" Did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (BackpropClassifier, {"activation": "fourier"}),
        (BackpropRegressor, {"loss": "cross_entropy"}),  # no loss of a regressor
        (BackpropClassifier, {"solver": 3}),
        (BackpropClassifier, {"batch_size": "32"}),
    ],
)
def test_nothing_is_suggested_for_what_resembles_nothing(cls, params):
    assert "Did you mean" not in message_for(cls, **params)


@pytest.mark.parametrize(
    ("cls", "params", "match"),
    [
        (
            BackpropClassifier,
            {"activation": "leaky_relu", "activation__slope": 0.1},
            r"activation='leaky_relu' is no object .*activation=LeakyRelu\(slope=0\.1\)",
        ),
        (
            BackpropRegressor,
            {"solver__momentum": 0.5},
            "one that has a parameter 'momentum'",
        ),
        (
            BackpropRegressor,
            {"solver": "sgd", "solver__momentum": 0.5},
            r"solver=SGD\(momentum=0\.5\)",
        ),
        (
            BackpropClassifier,
            {"loss__label_smoothing": 0.1},
            r"loss=BinaryLogLoss\(label_smoothing=0\.1\) or LogLoss\(",
        ),
        (
            BackpropRegressor,
            {"loss": "huber", "loss__threshold": 2.0},
            r"loss=Huber\(threshold=2\.0\)",
        ),
        (
            BackpropClassifier,
            {"learning_rate": "cosine", "learning_rate__floor": 0.1},
            r"learning_rate=Cosine\(floor=0\.1\)",
        ),
        (
            BackpropClassifier,
            {"initializer__factor": 2.0},
            r"initializer=GlorotUniform\(factor=2\.0\)",
        ),
        (
            BackpropClassifier,
            {"activation": ["relu"], "activation__slope": 0.1},
            "Pass one",
        ),
        (BackpropClassifier, {"clip_norm__value": 0.1}, "clip_norm=None is no object"),
    ],
)
def test_a_parameter_of_a_named_rule_says_how_it_is_set(cls, params, match):
    estimator = cls()
    before = estimator.get_params()
    with pytest.raises(ValueError, match=match):
        estimator.set_params(**params)
    assert estimator.get_params() == before
