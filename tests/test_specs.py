"""Rules as parameters: cloned, set, printed and searched, by name or as objects."""

import inspect
import pickle
from dataclasses import fields

import numpy as np
import pytest
from problems import SMALL
from rules import (
    AVERAGING_OBJECTS,
    LINKS,
    LOSSES,
    OPTIMIZER_OBJECTS,
    SCHEDULE_OBJECTS,
    changed,
    quantity,
    with_changed,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skbackprop.activations as activations
import skbackprop.averaging as averaging
import skbackprop.conventions as conventions
import skbackprop.initializers as initializers
import skbackprop.layer_sizes as layer_sizes
import skbackprop.losses as losses
import skbackprop.optimizers as optimizers
import skbackprop.rule
import skbackprop.schedules as schedules
from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import LeakyRelu, Relu
from skbackprop.averaging import EMA
from skbackprop.initializers import GlorotUniform, Normal
from skbackprop.layer_sizes import Layers
from skbackprop.losses import LogLoss, SquaredError
from skbackprop.optimizers import SGD, Adam
from skbackprop.schedules import Constant, Cosine, InverseScaling, Step, Warmup

pytestmark = pytest.mark.usefixtures("few_epochs")

MODULES = [
    *(activations, averaging, conventions),
    *(initializers, layer_sizes, losses, optimizers, schedules),
]
REGISTRIES = [
    LINKS,
    LOSSES,
    OPTIMIZER_OBJECTS,
    SCHEDULE_OBJECTS,
    AVERAGING_OBJECTS,
    with_changed(cls() for cls in initializers.INITIALIZERS.values()),
    with_changed(cls() for cls in conventions.CONVENTIONS.values()),
    with_changed([Layers()]),
]
# each class once, with its parameters changed where it has any
EACH_CLASS = {
    f"{cls.__module__.removeprefix('skbackprop.')}.{cls.__name__}": rule
    for cls, rule in {type(r): r for rules in REGISTRIES for r in rules.values()}.items()
}


def classifier(**params):
    return BackpropClassifier(**SMALL | params)


def assert_same_training(one, other):
    """Weights equal bit for bit, and moved."""
    assert one.loss_curve_ == other.loss_curve_
    assert one.loss_curve_[-1] != one.loss_curve_[0]
    assert all(map(np.array_equal, one.coefs_, other.coefs_))


# -- rules by themselves ---------------------------------------------------------------


def names_beside(rule):
    """The names of all rules; two modules have an Exponential, the rule's own wins."""
    modules = [*MODULES, inspect.getmodule(type(rule))]
    return {name: vars(module)[name] for module in modules for name in module.__all__}


@pytest.mark.parametrize("rule", EACH_CLASS.values(), ids=EACH_CLASS)
def test_every_rule_is_made_again_from_what_it_shows_and_copied(rule):
    copies = [
        eval(repr(rule), names_beside(rule)),
        type(rule)(**rule.get_params(deep=False)),
        clone(rule),
        pickle.loads(pickle.dumps(rule)),
    ]
    assert copies == [rule] * 4
    assert all(copy is not rule for copy in copies)


def test_repr_of_a_nested_rule_shows_its_parameters_once():
    text = "Warmup(then=Exponential(learning_rate_init=0.5, decay=0.75), n_epochs=3)"
    assert repr(eval(text, vars(schedules))) == text


# without parameters, with a number, a switch, one that may be None, a rule inside
KINDS = [Relu(), LeakyRelu(), SGD(), Cosine(), SquaredError(), Warmup()]
each_kind = pytest.mark.parametrize("rule", KINDS, ids=repr)


@each_kind
def test_parameters_set_are_the_parameters_read(rule):
    other = clone(rule)
    assert other.set_params(**changed(rule).get_params(deep=False)) is other
    assert other == changed(rule)
    assert (other == rule) == (changed(rule) == rule)


@each_kind
def test_rule_takes_its_parameters_by_keyword_only(rule):
    first = fields(rule)[0].name if fields(rule) else ""
    with pytest.raises(TypeError, match=rf"positional argument.*{first}"):
        type(rule)(0.5)


def test_signature_of_every_rule_shows_its_parameters_and_their_defaults():
    for rule in EACH_CLASS.values():
        shown = inspect.signature(type(rule)).parameters
        assert list(shown) == [f.name for f in fields(rule)], rule
        defaults = {name: shown[name].default for name in shown}
        assert type(rule)(**defaults) == type(rule)(), rule
        assert {p.kind for p in shown.values()} <= {inspect.Parameter.KEYWORD_ONLY}, rule


def test_signature_of_a_rule_is_that_of_its_call():
    assert list(inspect.signature(Constant()).parameters) == [
        "step",
        "epoch",
        "samples_seen",
    ]


def test_rule_names_a_parameter_that_it_does_not_have_or_lacks():
    @skbackprop.rule.spec
    class Bent(skbackprop.rule.Spec):
        slope: float

    assert Bent(slope=0.5).slope == 0.5
    assert inspect.signature(Bent).parameters["slope"].default is inspect.Parameter.empty
    with pytest.raises(TypeError, match="Bent needs the parameter 'slope'"):
        Bent()
    with pytest.raises(TypeError, match=r"Bent has no parameter 'angle'.*\['slope'\]"):
        Bent(slope=0.5, angle=2)


def test_nested_parameters_are_read_and_set_by_double_underscores():
    warmup = Warmup(then=Step(factor=0.25))
    assert warmup.get_params()["then__factor"] == 0.25
    assert "then__factor" not in warmup.get_params(deep=False)
    assert warmup.set_params(then__factor=0.75).then == Step(factor=0.75)


def test_clone_does_not_share_nested_rules():
    warmup = Warmup(then=Step(factor=0.25))
    clone(warmup).set_params(then__factor=0.75)
    assert warmup.then.factor == 0.25


def test_unknown_parameter_is_refused_with_the_known_ones():
    sgd = SGD()
    with pytest.raises(ValueError, match=r"'speed' for SGD.*\['momentum', 'nest"):
        sgd.set_params(speed=1)


# -- rules in estimators ---------------------------------------------------------------

OBJECTS = {
    "activation": activations.LeakyRelu(slope=0.1),
    "loss": SquaredError(link=activations.Softmax()),
    "solver": SGD(momentum=0.5),
    "learning_rate": Step(factor=0.25),
    "averaging": EMA(decay=0.5),
    "initializer": Normal(deviation=0.5),
    "hidden_layer_sizes": Layers(n=2, width=3),
}


def test_estimator_reads_and_sets_the_parameters_of_its_rules():
    clf = BackpropClassifier(solver=SGD(momentum=0.25))
    assert clf.get_params()["solver__momentum"] == 0.25
    assert clf.set_params(solver__momentum=0.5).solver == SGD(momentum=0.5)


@pytest.mark.parametrize("name", OBJECTS)
def test_cloned_estimator_has_equal_rules_of_its_own(name):
    clf = BackpropClassifier(**{name: OBJECTS[name]})
    rule = clone(clf).get_params()[name]
    assert rule == OBJECTS[name]
    assert rule is not OBJECTS[name]


@pytest.mark.parametrize("name", OBJECTS)
def test_repr_of_an_estimator_shows_its_rules(name):
    text = repr(BackpropClassifier(**{name: OBJECTS[name]}))
    assert repr(OBJECTS[name]) in " ".join(text.split())


@pytest.mark.parametrize("name", OBJECTS)
def test_training_leaves_the_rules_as_they_were(name, X, y):
    before = repr(OBJECTS[name])
    clf = classifier(**{name: OBJECTS[name]}).fit(X, y)
    assert clf.get_params()[name] is OBJECTS[name]
    assert repr(OBJECTS[name]) == before


@pytest.mark.parametrize("name", OBJECTS)
def test_one_rule_serves_several_estimators(name, X, y):
    """Interleaved, as if each had the rule for itself."""
    shared = [classifier(**{name: OBJECTS[name]}) for _ in range(2)]
    alone = classifier(**{name: clone(OBJECTS[name])})
    for _ in range(3):
        for clf in *shared, alone:
            clf.partial_fit(X, y, classes=[0, 1])
    assert_same_training(shared[0], alone)
    assert_same_training(shared[1], alone)


@pytest.mark.parametrize("name", OBJECTS)
def test_estimator_with_rules_survives_pickling(name, X, y):
    clf = classifier(**{name: OBJECTS[name]}).fit(X, y)
    loaded = pickle.loads(pickle.dumps(clf))
    assert loaded.get_params()[name] == OBJECTS[name]
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("activation", activations.Relu),
        ("loss", LogLoss),
        ("solver", Adam),
        ("initializer", GlorotUniform),
        ("learning_rate", Cosine),
        ("averaging", EMA),
    ],
)
def test_class_in_place_of_a_rule_is_refused_with_a_hint(name, cls, X, y):
    clf = classifier(**{name: cls})
    with pytest.raises(ValueError, match=rf"Pass an instance: {cls.__name__}\(\)"):
        clf.fit(X, y)


# -- names stand for rules -------------------------------------------------------------


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_name_of_an_activation_stands_for_its_rule(name, X, y):
    rule = activations.ACTIVATIONS[name]()
    assert_same_training(
        classifier(activation=name).fit(X, y), classifier(activation=rule).fit(X, y)
    )


@pytest.mark.parametrize("name", losses.REGRESSOR_LOSSES)
def test_name_of_a_loss_stands_for_its_rule(name, X, rng):
    y = quantity(name, 30, rng)
    named, given = (
        BackpropRegressor((4,), loss=loss, random_state=0, max_iter=4).fit(X, y)
        for loss in (name, losses.REGRESSOR_LOSSES[name]())
    )
    assert_same_training(named, given)


@pytest.mark.parametrize("name", initializers.INITIALIZERS)
def test_name_of_an_initializer_stands_for_its_rule(name, X, y):
    rule = initializers.INITIALIZERS[name]()
    assert_same_training(
        classifier(initializer=name).fit(X, y), classifier(initializer=rule).fit(X, y)
    )


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_name_of_a_schedule_stands_for_its_rule(name, X, y):
    rule = schedules.SCHEDULES[name]()
    assert_same_training(
        classifier(learning_rate=name).fit(X, y),
        classifier(learning_rate=rule).fit(X, y),
    )


@pytest.mark.parametrize("name", averaging.AVERAGINGS)
def test_name_of_an_average_stands_for_its_rule(name, X, y):
    given = {"swa": {"start": 4}}  # the last quarter of four epochs
    rule = averaging.AVERAGINGS[name](**given.get(name, {}))
    assert_same_training(
        classifier(averaging=name).fit(X, y), classifier(averaging=rule).fit(X, y)
    )


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_name_of_a_solver_stands_for_its_rule(name, X, y):
    """With the estimator's own defaults, for SGD Nesterov's momentum of 0.9."""
    given = {"sgd": {"momentum": 0.9, "nesterovs_momentum": True}}
    rule = optimizers.OPTIMIZERS[name](**given.get(name, {}))
    params = {"batch_size": "auto"}
    assert_same_training(
        classifier(solver=name, **params).fit(X, y),
        classifier(solver=rule, **params).fit(X, y),
    )


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("sgd", {"momentum": 0.5, "nesterovs_momentum": False}),
        ("adam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
        ("nadam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
        ("rmsprop", {"epsilon": 1e-2}),
    ],
)
def test_named_solver_takes_its_numbers_from_the_estimator(name, params, X, y):
    rule = optimizers.OPTIMIZERS[name](**params)
    assert_same_training(
        classifier(solver=name, **params).fit(X, y), classifier(solver=rule).fit(X, y)
    )


def test_solver_object_keeps_its_own_numbers(X, y):
    clf = classifier(solver=SGD(momentum=0.5))
    expected = clone(clf).fit(X, y)
    assert_same_training(clf.set_params(momentum=0.1).fit(X, y), expected)


def test_float_is_a_constant_learning_rate(X, y):
    expected = classifier(learning_rate_init=0.02).fit(X, y)
    assert_same_training(classifier(learning_rate=0.02).fit(X, y), expected)
    constant = Constant(learning_rate_init=0.02)
    assert_same_training(classifier(learning_rate=constant).fit(X, y), expected)


def test_float_wins_over_learning_rate_init(X, y):
    assert_same_training(
        classifier(learning_rate=0.02, learning_rate_init=5.0).fit(X, y),
        classifier(learning_rate=0.02).fit(X, y),
    )


def test_named_schedule_takes_its_numbers_from_the_estimator(X, y):
    rule = InverseScaling(learning_rate_init=0.1, power_t=0.25)
    named = classifier(learning_rate="invscaling", learning_rate_init=0.1, power_t=0.25)
    assert_same_training(named.fit(X, y), classifier(learning_rate=rule).fit(X, y))


# -- searches --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clf", "grid"),
    [
        (classifier(solver=SGD()), {"solver__momentum": [0.0, 0.9]}),
        (classifier(), {"solver": ["adam", SGD(momentum=0.9)]}),
        (classifier(), {"activation": ["relu", activations.LeakyRelu()]}),
        (classifier(), {"loss": ["log_loss", SquaredError()]}),
        (classifier(), {"learning_rate": [0.1, "step", Step(factor=0.1)]}),
        (classifier(), {"initializer": ["zeros", Normal()]}),
        (classifier(), {"hidden_layer_sizes": [(3,), Layers(n=2, width=3)]}),
        (
            classifier(hidden_layer_sizes=Layers()),
            {"hidden_layer_sizes__n": [0, 2], "hidden_layer_sizes__width": [3, 5]},
        ),
        (classifier(learning_rate=Warmup()), {"learning_rate__n_epochs": [1, 4]}),
        (classifier(), {"error_convention": list(conventions.CONVENTIONS)}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_grid_search_tries_every_candidate_as_a_fit_by_hand_would(clf, grid, X, y):
    search = GridSearchCV(clf, grid, cv=[(np.arange(20), np.arange(20, 30))]).fit(X, y)
    found = search.cv_results_["mean_test_score"]
    expected = [
        clone(clf).set_params(**params).fit(X[:20], y[:20]).score(X[20:], y[20:])
        for params in search.cv_results_["params"]
    ]
    assert found.tolist() == expected
