"""Parameters: what each may be, and the rules they name. Strings end here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from sklearn.metrics import get_scorer_names

from ..activations import ACTIVATIONS, Activation
from ..conventions import CONVENTIONS, ErrorConvention
from ..engines import ENGINES, Damage, Engine, fastest
from ..initializers import INITIALIZERS, Initializer
from ..losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss
from ..network.network import Network
from ..optimizers import OPTIMIZERS, Optimizer
from ..rule import (
    BOOL,
    INFINITY,
    Instance,
    Interval,
    Spec,
    build,
    complete,
    did_you_mean,
    resolve,
)
from ..schedules import SCHEDULES, Schedule
from ..training.state import Data, Plan

__all__ = [
    "check_nested",
    "check_parameters",
    "hidden_sizes",
    "in_numbers",
    "in_words",
    "make_activations",
    "make_convention",
    "make_dropout",
    "make_engine",
    "make_initializer",
    "make_loss",
    "make_network",
    "make_optimizer",
    "make_schedule",
    "require",
]


class Allowed(Protocol):
    """Values a parameter may have, with words for them."""

    def __contains__(self, value: object) -> bool: ...
    def __str__(self) -> str: ...


class Options:
    """A few strings."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def __contains__(self, value):
        return isinstance(value, str) and value in self.names

    def __str__(self):
        return f"a str among {{{', '.join(map(repr, sorted(self.names)))}}}"


class Scorings(Options):
    """What validation rows may be scored with, by name."""

    def __init__(self):
        super().__init__(("loss", *get_scorer_names()))

    def __str__(self):
        return "None, 'loss', a name of sklearn.metrics.get_scorer_names() or a callable"


class Either:
    """One kind of value or another."""

    def __init__(self, alternatives: tuple[Allowed, ...]):
        self.alternatives = alternatives

    def __contains__(self, value):
        return any(value in allowed for allowed in self.alternatives)

    @property
    def names(self):
        """All strings among the values."""
        return tuple(n for a in self.alternatives for n in getattr(a, "names", ()))

    def __str__(self):
        *most, last = map(str, self.alternatives)
        return f"{', '.join(most)} or {last}"


NONE = Instance(type(None), "None")
POSITIVE = Interval(Real, 0, INFINITY, "()")
NOT_NEGATIVE = Interval(Real, 0, INFINITY, "[)")
COUNT = Interval(Integral, 1, INFINITY, "[)")
RATE = Interval(Real, 0, 1, "[)")
CLASS_WEIGHT = Either((Options(("balanced",)), Instance(Mapping, "a dict"), NONE))
GLOROT_FACTOR = 6.0
RANDOM_STATE = Either(
    (
        Interval(Integral, 0, 2**32 - 1),
        Instance(np.random.RandomState, "an instance of 'numpy.random.mtrand.RandomState'"),
        NONE,
    )
)

# Parameters that take a rule by name or as an object are checked where they are resolved.
ALLOWED: dict[str, Allowed] = {
    "alpha": NOT_NEGATIVE,
    "batch_size": Either((Options(("auto",)), COUNT)),
    "learning_rate_init": POSITIVE,
    "power_t": NOT_NEGATIVE,
    "max_iter": COUNT,
    "shuffle": BOOL,
    "tol": NOT_NEGATIVE,
    "verbose": Either((Interval(Integral, 0, INFINITY, "[)"), BOOL)),
    "warm_start": BOOL,
    "momentum": Interval(Real, 0, 1),
    "nesterovs_momentum": BOOL,
    "early_stopping": BOOL,
    "validation_fraction": Interval(Real, 0, 1, "[)"),
    "beta_1": Interval(Real, 0, 1, "[)"),
    "beta_2": Interval(Real, 0, 1, "[)"),
    "epsilon": POSITIVE,
    "n_iter_no_change": Either((COUNT, Interval(Real, INFINITY, INFINITY))),
    "max_fun": COUNT,
    "error_convention": Options(tuple(CONVENTIONS)),
    "clip_norm": Either((POSITIVE, NONE)),
    "target_loss": Either((Interval(Real, -INFINITY, INFINITY), NONE)),
}


PLAIN = {str, int, float, bool, type(None)}
CHECKED = (
    *ALLOWED,
    *("hidden_layer_sizes", "activation", "dropout", "initializer", "solver"),
    *("learning_rate", "scoring", "class_weight", "engine"),
)


def check_parameters(parameters: Mapping[str, Any], owner: str) -> None:
    """Raise ValueError for the first parameter that is not what it may be."""
    random_state, sizes = parameters["random_state"], parameters["hidden_layer_sizes"]
    require(random_state in RANDOM_STATE, "random_state", owner, RANDOM_STATE, random_state)
    names = [name for name in CHECKED if name in parameters]
    values = [parameters[name] for name in names]
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    is_plain = all(type(v) in PLAIN or _is_plain_tuple(v) for v in values)
    if is_plain and all(type(size) is int for size in sizes):
        _check_plain(owner, tuple(names), *values)
    else:
        _check(dict(zip(names, values, strict=True)), owner)


# The rules that a name may stand for, by the parameter that takes it.
NAMED = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "learning_rate": SCHEDULES,
    "loss": {**REGRESSOR_LOSSES, **CLASSIFIER_LOSSES},
    "solver": OPTIMIZERS,
}


def check_nested(params: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise ValueError where ``name__inner`` is to be set on a rule that is no object."""
    for key, value in params.items():
        name, _, inner = key.partition("__")
        outer = params.get(name, before.get(name))
        if inner and name in before and not hasattr(outer, "set_params"):
            raise ValueError(
                f"{key} cannot be set: {name}={outer!r} is no object with parameters. "
                f"{_how_to_set(name, outer, inner, value)}"
            )


def _how_to_set(name, outer, inner, value):
    found = NAMED.get(name, {}).get(outer) if isinstance(outer, str) else None
    found = found.values() if isinstance(found, Mapping) else [found]
    classes = {getattr(made, "func", made) for made in found if made is not None}
    taking = sorted(cls.__name__ for cls in classes if inner in cls._names)
    if not taking:
        return f"Pass one that has a parameter {inner!r} as {name}."
    objects = " or ".join(f"{cls}({inner}={value!r})" for cls in taking)
    return f"Pass the object instead of its name: {name}={objects}."


def _is_plain_tuple(value):
    """Say whether the cache may take it; inside a tuple it would take a True for a 1."""
    return type(value) is tuple and all(type(v) in (str, int, float) for v in value)


@lru_cache(maxsize=1024, typed=True)  # typed: else True would pass as the 1 before it
def _check_plain(owner, names, *values):
    """Check plain values once, not at every call of `partial_fit`."""
    _check(dict(zip(names, values, strict=True)), owner)


def _check(parameters, owner):
    for name, allowed in ALLOWED.items():
        require(parameters[name] in allowed, name, owner, allowed, parameters[name])
    n_hidden = len(hidden_sizes(parameters["hidden_layer_sizes"], owner))
    make_activations(parameters["activation"], n_hidden, owner)
    make_dropout(parameters["dropout"], n_hidden, owner)
    make_initializer(parameters, owner)
    make_schedule(parameters, owner)
    make_optimizer(parameters, owner)
    _check_scoring(parameters["scoring"], owner)
    _check_engine(parameters["engine"], owner)
    if "class_weight" in parameters:
        value = parameters["class_weight"]
        require(value in CLASS_WEIGHT, "class_weight", owner, CLASS_WEIGHT, value)


def _check_scoring(scoring, owner):
    if scoring is None or callable(scoring):
        return
    allowed = Scorings()
    require(scoring in allowed, "scoring", owner, allowed, scoring)


def _check_engine(engine, owner):
    methods = ("why_not", "prepare", "reduce")
    known = {**ENGINES, "auto": None}
    if hasattr(engine, "epochs") and not hasattr(engine, "prepare"):
        raise ValueError(
            f"{type(engine).__name__} is an engine in its former shape, with `epochs`. "
            "Give it `prepare(plan, state, data)`, which returns a function that runs one "
            "epoch and returns its loss; to shuffle and to count is no longer an engine's "
            "task. See skbackprop.engines.Engine."
        )
    resolve(engine, known, parameter="engine", owner=owner, methods=methods)


def require(condition: bool, name: str, owner: str, allowed: Any, value: Any) -> None:
    """Raise ValueError, with the words for what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be {allowed}. Got {value!r} instead."
            f"{did_you_mean(value, getattr(allowed, 'names', ()))}"
        )


def in_words(value: Any) -> str:
    """Return a value as text that is the same in another process: itself, or its type."""
    is_plain = type(value) in PLAIN or _is_plain_tuple(value) or isinstance(value, Spec)
    return repr(value) if is_plain else type(value).__name__


def in_numbers(n: int, noun: str) -> str:
    """Return "1 layer", "2 layers"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def hidden_sizes(value: Any, owner: str) -> list[int]:
    """Return the numbers of hidden units, layer by layer."""
    sizes = [value] if isinstance(value, Integral) else value
    if not (_is_sequence(sizes) and all(size in COUNT for size in sizes)):
        words = f"{COUNT} or a sequence of them, one per hidden layer"
        require(False, "hidden_layer_sizes", owner, words, value)
    return [int(size) for size in sizes]


def make_activations(value: Any, n_hidden: int, owner: str) -> list[Activation]:
    """Return the activations of the hidden layers: one for all, or one for each."""
    if not _is_sequence(value):
        return [_make_activation(value, owner)] * n_hidden
    _require_one_per_layer(value, n_hidden, "activation", owner)
    return [_make_activation(item, owner) for item in value]


def _make_activation(value, owner):
    found = resolve(
        value,
        ACTIVATIONS,
        parameter="activation",
        owner=owner,
        methods=("forward", "backward"),
    )
    return _checked(found() if isinstance(value, str) else found)


def make_dropout(value: Any, n_hidden: int, owner: str) -> list[float]:
    """Return the dropout of the hidden layers: one for all, or one for each."""
    rates = list(value) if _is_sequence(value) else [value] * max(1, n_hidden)
    words = f"{RATE} or a sequence of them, one per hidden layer"
    require(all(rate in RATE for rate in rates), "dropout", owner, words, value)
    if _is_sequence(value):
        _require_one_per_layer(value, n_hidden, "dropout", owner)
    return [float(rate) for rate in rates[:n_hidden]]


def _is_sequence(value):
    if hasattr(value, "__array__"):  # of NumPy, or a Series or an Index of pandas
        return np.ndim(value) > 0
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _require_one_per_layer(value, n_hidden, name, owner):
    if len(value) != n_hidden:
        raise ValueError(
            f"The {name!r} parameter of {owner} has {len(value)} items for "
            f"{in_numbers(n_hidden, 'hidden layer')}. Give one for all, or one for each."
        )


def make_network(
    sizes: Sequence[int], activation: Any, dropout: Any, owner: str
) -> Network:
    """Return the network of the given layer sizes, input and output included."""
    if isinstance(activation, str) and isinstance(dropout, float):
        return _plain_network(tuple(sizes), activation, dropout, owner)
    return _plain_network.__wrapped__(sizes, activation, dropout, owner)


@lru_cache(maxsize=64)  # a prediction of one row takes less time than building a network
def _plain_network(sizes, activation, dropout, owner):
    n_hidden = len(sizes) - 2
    return Network.of_sizes(
        sizes,
        make_activations(activation, n_hidden, owner),
        make_dropout(dropout, n_hidden, owner),
    )


def make_initializer(parameters: Mapping[str, Any], owner: str) -> Initializer:
    """Return the initializer, with the Glorot factors that the activations ask for."""
    value = parameters["initializer"]
    found = resolve(
        value, INITIALIZERS, parameter="initializer", owner=owner, methods=("__call__",)
    )
    initializer = found() if isinstance(value, str) else _checked(found)
    n_layers = len(hidden_sizes(parameters["hidden_layer_sizes"], owner)) + 1
    if getattr(initializer, "n_layers", None) not in (None, n_layers):
        raise ValueError(
            f"{type(initializer).__name__} is for "
            f"{in_numbers(initializer.n_layers, 'layer')}, but the network has {n_layers}, "
            "the output layer included."
        )
    return complete(initializer, {"factor": _glorot_factors(parameters, owner)})


def _glorot_factors(parameters, owner):
    """Return the factor of each layer; one activation for all speaks for the output too."""
    value = parameters["activation"]
    n_hidden = len(hidden_sizes(parameters["hidden_layer_sizes"], owner))
    if not _is_sequence(value):
        return getattr(_make_activation(value, owner), "glorot_factor", GLOROT_FACTOR)
    activations = make_activations(value, n_hidden, owner)
    return [getattr(a, "glorot_factor", GLOROT_FACTOR) for a in activations] + [
        GLOROT_FACTOR
    ]


def make_loss(value: Any, registry: Mapping[str, Any], kind: str, owner: str) -> Loss:
    """Return the loss; `kind` is the type of target, where names depend on it."""
    methods = ("predict", "value_and_delta")
    found = resolve(value, registry, parameter="loss", owner=owner, methods=methods)
    if not isinstance(value, str):
        return _checked(found)
    return found[kind]() if isinstance(found, Mapping) else found()


def make_optimizer(parameters: Mapping[str, Any], owner: str) -> Optimizer | None:
    """Return the optimizer, None for L-BFGS, which is more than a rule for one step.

    A named one takes its parameters from the estimator.
    """
    value = parameters["solver"]
    found = resolve(
        value,
        {**OPTIMIZERS, "lbfgs": None},
        parameter="solver",
        owner=owner,
        methods=("init", "update"),
    )
    if isinstance(value, str):
        return found and build(found, parameters)
    return _checked(found)


def make_schedule(parameters: Mapping[str, Any], owner: str) -> Schedule:
    """Return the schedule; what it leaves open is taken from the estimator."""
    value = parameters["learning_rate"]
    given = {
        "learning_rate_init": parameters["learning_rate_init"],
        "patience": parameters["n_iter_no_change"],
        "n_epochs": parameters["max_iter"],
    }
    if isinstance(value, str) and value in SCHEDULES:
        return complete(build(SCHEDULES[value], parameters), given)
    if value in POSITIVE:
        return SCHEDULES["constant"](learning_rate_init=float(value))
    words = Either((Options(tuple(SCHEDULES)), POSITIVE, Instance((), "a schedule object")))
    is_object = callable(value) and not isinstance(value, type)
    require(is_object, "learning_rate", owner, words, value)
    return _checked(complete(value, given))


def make_engine(
    value: Any, plan: Plan, data: Data, before: str | None
) -> tuple[Engine, str | None]:
    """Return the engine and its name, None for an object.

    "auto" stays with the engine that trained `before`, wherever that can go on.
    """
    if not isinstance(value, str):
        engine, name = value, None
    elif value == "auto":
        return _chosen_engine(plan, data, before)
    else:
        engine, name = ENGINES[value](), value
    obstacle = engine.why_not(plan, data)
    if obstacle is not None:
        raise ValueError(f"{obstacle} With engine='auto' another engine takes over.")
    return engine, name


def _chosen_engine(plan, data, before):
    """Return what "auto" takes: NumPy's where the engine it prefers cannot run."""
    name = before if before in ENGINES else fastest(plan, data)
    obstacle = ENGINES[name]().why_not(plan, data)
    if isinstance(obstacle, Damage):
        warnings.warn(f"{obstacle} Until then the NumPy engine trains.", stacklevel=2)
    if obstacle is not None:
        name = "numpy"
    return ENGINES[name](), name


def make_convention(value: str) -> ErrorConvention:
    """Return the error convention of a name that was checked before."""
    return CONVENTIONS[value]()


def _checked(rule):
    """Return the rule after the check of its own parameters, where it has one."""
    if hasattr(rule, "check"):
        rule.check()
    return rule
