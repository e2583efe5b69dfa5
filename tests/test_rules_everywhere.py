"""Every rule works in a search by name and as an object, and so do rules of your own.

The rules of your own are registered nowhere: classes of this file, some with parameters
that a search can reach, some without anything but the methods.
"""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import SMALL, assert_same_weights, parameters_of
from rules import quantity
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skbackprop import BackpropClassifier, BackpropRegressor, check_gradient
from skbackprop.activations import ACTIVATIONS, Tanh
from skbackprop.averaging import AVERAGINGS
from skbackprop.conventions import CONVENTIONS
from skbackprop.initializers import INITIALIZERS, GlorotNormal
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, LogCosh, LogLoss
from skbackprop.optimizers import OPTIMIZERS, SGD
from skbackprop.rule import INFINITY, Spec, number
from skbackprop.schedules import SCHEDULES, Exponential

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs are enough here
)


def searched(estimator, grid, X, y):
    """A search that raises where a candidate fails; its scores, candidate by candidate."""
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.predict(X)).all()
    return search.cv_results_["mean_test_score"]


# -- all rules that have names ---------------------------------------------------------


def by_name_and_by_object(registry):
    return [*registry, *(cls() for cls in registry.values())]


@pytest.mark.parametrize(
    ("parameter", "registry"),
    [
        ("activation", ACTIVATIONS),
        ("learning_rate", SCHEDULES),
        ("initializer", INITIALIZERS),
        ("averaging", AVERAGINGS),
    ],
)
def test_search_over_all_names_and_all_objects(parameter, registry, X, y):
    grid = {parameter: by_name_and_by_object(registry)}
    scores = searched(BackpropClassifier(**SMALL), grid, X, y)
    assert np.array_equal(scores[: len(registry)], scores[len(registry) :])


def test_search_over_all_solvers(X, y):
    solvers = [*by_name_and_by_object(OPTIMIZERS), "lbfgs"]
    whole = SMALL | {"batch_size": "auto"}  # which rprop needs
    reg = BackpropRegressor(**whole, momentum=0.0, nesterovs_momentum=False)
    scores = searched(reg, {"solver": solvers}, X, y)
    n = len(OPTIMIZERS)
    assert np.array_equal(scores[:n], scores[n : 2 * n])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_search_over_all_losses_of_a_classifier(n_classes, X):
    kind = "binary" if n_classes == 2 else "multiclass"
    objects = [
        entry[kind]() if isinstance(entry, dict) else entry()
        for entry in CLASSIFIER_LOSSES.values()
    ]
    grid = {"loss": [*CLASSIFIER_LOSSES, *objects]}
    scores = searched(BackpropClassifier(**SMALL), grid, X, np.arange(30) % n_classes)
    assert np.array_equal(scores[: len(objects)], scores[len(objects) :])


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_search_over_a_loss_of_a_regressor(loss, X, rng):
    grid = {"loss": [loss, REGRESSOR_LOSSES[loss]()]}
    scores = searched(BackpropRegressor(**SMALL), grid, X, quantity(loss, 30, rng))
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("parameter", "rule", "grid"),
    [
        ("solver", OPTIMIZERS["adam"](), {"solver__beta_1": [0.0, 0.5, 0.9]}),
        ("solver", OPTIMIZERS["adamw"](), {"solver__weight_decay": [0.0, 0.1]}),
        ("solver", OPTIMIZERS["rprop"](), {"solver__increase": [1.1, 1.3]}),
        ("activation", ACTIVATIONS["leaky_relu"](), {"activation__slope": [0.1, 0.5]}),
        ("loss", LogLoss(), {"loss__label_smoothing": [0.0, 0.2]}),
        ("learning_rate", SCHEDULES["cosine"](), {"learning_rate__warmup": [0, 2]}),
        (
            "learning_rate",
            SCHEDULES["warmup"](then=Exponential()),
            {"learning_rate__then__decay": [0.5, 0.9]},
        ),
        ("initializer", INITIALIZERS["normal"](), {"initializer__deviation": [0.1, 1.0]}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_search_reaches_the_parameters_of_a_rule(parameter, rule, grid, X, y):
    whole = SMALL | {"batch_size": "auto"}  # which rprop needs
    estimator = BackpropClassifier(**whole, **{parameter: rule})
    search = GridSearchCV(
        estimator, grid, cv=2, error_score="raise", scoring="neg_log_loss"
    )
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    assert len(set(scores)) == len(scores)
    assert estimator.get_params()[parameter] is rule


# -- rules of your own ----------------------------------------------------------------


@dataclass(kw_only=True)
class Softsign(Spec):
    """``a = scale * z / (1 + |z|)``."""

    scale: float = number(1.0, 0, INFINITY, "()")

    saves = "net_input"

    def forward(self, z, out):
        np.multiply(self.scale, z / (1 + np.abs(z)), out=out)

    def backward(self, z, delta):
        delta *= self.scale / (1 + np.abs(z)) ** 2


class OwnTanh:
    """The methods are enough."""

    saves = "activation"

    def forward(self, z, out):
        out[...] = np.tanh(z)

    def backward(self, a, delta):
        delta *= 1 - a * a


@dataclass(kw_only=True)
class PowerError(Spec):
    """``sum_k |o_k - t_k|^power / power``."""

    power: float = number(4.0, 1, INFINITY, "()")

    def predict(self, z, out):
        out[...] = z

    def value_and_delta(self, target, z, delta, sample_weight=None):
        error = z - target
        share = np.ones(len(z)) if sample_weight is None else sample_weight
        share = (share / share.sum())[:, np.newaxis]
        delta[...] = share * np.sign(error) * np.abs(error) ** (self.power - 1)
        return float(np.sum(share * np.abs(error) ** self.power) / self.power)


class OwnLogCosh:
    def predict(self, z, out):
        out[...] = z

    def value_and_delta(self, target, z, delta, sample_weight=None):
        share = np.ones(len(z)) if sample_weight is None else sample_weight
        share = (share / share.sum())[:, np.newaxis]
        delta[...] = share * np.tanh(z - target)
        return float(np.sum(share * np.log(np.cosh(z - target))))


@dataclass(kw_only=True)
class SignDescent(Spec):
    """``update = learning_rate * sign(mean gradient)``."""

    decay: float = number(0.5, 0, 1, "[)")

    def init(self, vector):
        return {"mean": np.zeros_like(vector)}

    def update(self, gradient, memory, learning_rate, t):
        mean = memory["mean"]
        mean *= self.decay
        mean += gradient
        gradient[...] = learning_rate * np.sign(mean)


class OwnDescent:
    def init(self, vector):
        return {}

    def update(self, gradient, memory, learning_rate, t):
        gradient *= learning_rate


@dataclass(kw_only=True)
class Sawtooth(Spec):
    """A learning rate that falls to a half and jumps up again."""

    learning_rate_init: float | None = None
    period: int = 3

    def __call__(self, step, epoch, samples_seen):
        return self.learning_rate_init * (1 - 0.5 * (step % self.period) / self.period)


def own_exponential(step, epoch, samples_seen):
    return 0.01 * 0.95**epoch


@dataclass(kw_only=True)
class Sparse(Spec):
    """Normal weights, most of them zero, and biases of 0.1."""

    share: float = number(0.3, 0, 1, "(]")

    def __call__(self, layer, kind, weights_shape, rng, out):
        out[...] = 0.1
        if kind == "weights":
            out[...] = rng.normal(size=out.shape) * (
                rng.uniform(size=out.shape) < self.share
            )


def own_glorot_normal(layer, kind, weights_shape, rng, out):
    deviation = np.sqrt(2 / sum(weights_shape))
    out[...] = 0 if kind == "bias" else rng.normal(0, deviation, out.shape)


# a parameter, a rule with parameters, a grid over them, a rule of the methods alone
OWN = [
    ("activation", Softsign(), {"activation__scale": [0.5, 2.0]}, OwnTanh()),
    ("loss", PowerError(), {"loss__power": [1.5, 3.0]}, OwnLogCosh()),
    ("solver", SignDescent(), {"solver__decay": [0.0, 0.9]}, OwnDescent()),
    ("learning_rate", Sawtooth(), {"learning_rate__period": [1, 4]}, own_exponential),
    ("initializer", Sparse(), {"initializer__share": [0.1, 0.9]}, own_glorot_normal),
]
OWN_RULES = [
    pytest.param(parameter, rule, id=getattr(rule, "__name__", type(rule).__name__))
    for parameter, *rules in [(name, spec, plain) for name, spec, _, plain in OWN]
    for rule in rules
]
each_own_rule = pytest.mark.parametrize(("parameter", "rule"), OWN_RULES)


def with_own(parameter, rule, **params):
    return BackpropRegressor(**{**SMALL, **params}, **{parameter: rule})


@pytest.fixture
def target(X):
    return np.sin(X[:, 0]) + X[:, 1] ** 2


@each_own_rule
def test_own_rule_learns(parameter, rule, X, target):
    estimator = with_own(parameter, rule, max_iter=60, learning_rate_init=0.01)
    estimator.fit(X, target)
    assert min(estimator.loss_curve_) < 0.8 * estimator.loss_curve_[0]
    assert np.isfinite(estimator.predict(X)).all()


@each_own_rule
def test_partial_fit_with_an_own_rule_is_one_epoch_of_fit(parameter, rule, X, target):
    whole = with_own(parameter, rule).fit(X, target)
    in_calls = with_own(parameter, rule)
    for _ in range(SMALL["max_iter"]):
        in_calls.partial_fit(X, target)
    assert_same_weights(in_calls, whole)


@each_own_rule
def test_own_rule_goes_through_a_pickle(parameter, rule, X, target):
    whole = with_own(parameter, rule, max_iter=2 * SMALL["max_iter"]).fit(X, target)
    first = with_own(parameter, rule, warm_start=True).fit(X, target)
    again = pickle.loads(pickle.dumps(first))
    assert np.array_equal(again.predict(X), first.predict(X))
    assert_same_weights(again.fit(X, target), whole)


@each_own_rule
def test_own_rule_is_cloned(parameter, rule, X, target):
    estimator = with_own(parameter, rule).fit(X, target)
    twin = clone(estimator)
    assert type(getattr(twin, parameter)) is type(rule)
    assert_same_weights(twin.fit(X, target), estimator)


@each_own_rule
def test_own_rule_can_be_searched_beside_others(parameter, rule, X, target):
    others = {
        "activation": "relu",
        "loss": "squared_error",
        "solver": "adam",
        "learning_rate": "constant",
        "initializer": "he_normal",
    }
    grid = {parameter: [others[parameter], rule]}
    scores = searched(BackpropRegressor(**SMALL), grid, X, target)
    assert scores[0] != scores[1]


@pytest.mark.parametrize(("parameter", "rule", "grid"), [case[:3] for case in OWN])
def test_parameters_of_an_own_rule_can_be_searched(parameter, rule, grid, X, target):
    estimator = with_own(parameter, rule, max_iter=20, learning_rate_init=0.05)
    scores = searched(estimator, grid, X, target)
    assert scores[0] != scores[1]


@each_own_rule
def test_own_rule_gives_the_same_weights_in_both_conventions(parameter, rule, X, target):
    first, second = (
        with_own(parameter, rule, error_convention=name).fit(X, target)
        for name in CONVENTIONS
    )
    assert_same_weights(first, second)


@pytest.mark.parametrize(
    ("parameter", "own", "ours"),
    [
        ("activation", OwnTanh(), Tanh()),
        ("loss", OwnLogCosh(), LogCosh()),
        ("solver", OwnDescent(), SGD()),
        (
            "learning_rate",
            own_exponential,
            Exponential(learning_rate_init=0.01, decay=0.95),
        ),
        ("initializer", own_glorot_normal, GlorotNormal()),
    ],
    ids=["activation", "loss", "solver", "learning_rate", "initializer"],
)
def test_own_rule_with_a_formula_of_ours_trains_the_same(parameter, own, ours, X, target):
    models = (with_own(parameter, rule).set_params(engine="numpy") for rule in (own, ours))
    first, second = (model.fit(X, target) for model in models)
    # a log cosh is rounded otherwise; the rest is the same bit for bit
    rtol = 1e-10 if parameter == "loss" else 0
    assert_allclose(parameters_of(first), parameters_of(second), rtol=rtol)


@pytest.mark.parametrize(("parameter", "rule"), OWN_RULES[:4])
def test_gradient_through_an_own_activation_or_loss_is_checked(parameter, rule, X, target):
    assert check_gradient(with_own(parameter, rule), X, target).passed


@pytest.mark.parametrize("n_classes", [2, 3])
def test_own_loss_of_a_classifier_gives_probabilities(n_classes, X):
    """Outputs of any size: what is negative counts as 0, then as shares of the sum."""
    y = np.arange(30) % n_classes
    classifier = BackpropClassifier(**SMALL, loss=PowerError()).fit(X, y)
    probability = classifier.predict_proba(X)
    assert probability.shape == (30, n_classes)
    assert (probability >= 0).all()
    assert_allclose(probability.sum(axis=1), 1, rtol=1e-15)  # one rounding


@pytest.mark.parametrize(
    ("parameter", "lacks", "methods"),
    [
        ("activation", "backward", "forward and backward"),
        ("loss", "value_and_delta", "predict and value_and_delta"),
        ("solver", "update", "init and update"),
    ],
)
def test_own_rule_that_lacks_a_method_is_refused(parameter, lacks, methods, X, target):
    class Incomplete:
        forward = predict = init = lambda self, *args: None

    with pytest.raises(ValueError, match=f"object with {methods}"):
        with_own(parameter, Incomplete()).fit(X, target)
