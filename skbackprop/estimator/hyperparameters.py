"""Hyperparameters: what constructor parameters mean, resolved once. Strings end here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from numbers import Integral, Real
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.metrics import get_scorer_names

from ..activations import ACTIVATIONS, Activation
from ..averaging import AVERAGINGS, Averaging
from ..conventions import CONVENTIONS, ErrorConvention
from ..engines import ENGINES, Damage, Engine, fastest
from ..initializers import INITIALIZERS, Initializer
from ..layer_sizes import Layers
from ..losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss
from ..network.network import Network
from ..network.objective import Batch, Objective
from ..optimizers import OPTIMIZERS, Optimizer
from ..rule import (
    BOOL,
    INFINITY,
    HasMethods,
    Instance,
    Interval,
    Spec,
    complete,
    did_you_mean,
)
from ..schedules import SCHEDULES, Constant, Schedule
from ..training.early_stopping import Patience
from ..training.lbfgs import LBFGS
from ..training.levenberg_marquardt import LevenbergMarquardt
from ..training.minimizer import Minimizer
from ..training.state import Plan
from .warning import warn

__all__ = [
    "MINIMIZERS",
    "Hyperparameters",
    "check_nested",
    "in_numbers",
    "in_words",
    "loss_of",
    "refuse_what_a_minimizer_ignores",
    "require",
    "resolve_hyperparameters",
    "resolve_loss",
    "resolve_objective",
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


class Scorings:
    """What validation rows may be scored with."""

    @property
    def names(self):
        return ("loss", *get_scorer_names())

    def __contains__(self, value):
        return (
            value is None
            or callable(value)
            or (isinstance(value, str) and value in self.names)
        )

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


class OneOrEach:
    """A value for all hidden layers, or a sequence of them."""

    def __init__(self, allowed: Allowed):
        self.allowed = allowed

    def __contains__(self, value):
        items = value if _is_sequence(value) else [value]
        return all(item in self.allowed for item in items)

    def __str__(self):
        return f"{self.allowed} or a sequence of them, one per hidden layer"


def _is_sequence(value):
    if hasattr(value, "__array__"):  # of NumPy, or a Series or an Index of pandas
        return np.ndim(value) > 0
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


NONE = Instance(type(None), "None")
POSITIVE = Interval(Real, 0, INFINITY, "()")
NOT_NEGATIVE = Interval(Real, 0, INFINITY, "[)")
COUNT = Interval(Integral, 1, INFINITY, "[)")
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
    "hidden_layer_sizes": OneOrEach(COUNT),
    "dropout": OneOrEach(Interval(Real, 0, 1, "[)")),
    "alpha": NOT_NEGATIVE,
    "l1_ratio": Interval(Real, 0, 1),
    "batch_size": Either((Options(("auto",)), COUNT)),
    "learning_rate_init": POSITIVE,
    "power_t": NOT_NEGATIVE,
    "max_iter": COUNT,
    "max_time": Either((POSITIVE, NONE)),
    "shuffle": BOOL,
    "random_state": RANDOM_STATE,
    "tol": NOT_NEGATIVE,
    "verbose": Either((Interval(Integral, 0, INFINITY, "[)"), BOOL)),
    "warm_start": BOOL,
    "momentum": Interval(Real, 0, 1),
    "nesterovs_momentum": BOOL,
    "early_stopping": BOOL,
    "validation_fraction": Interval(Real, 0, 1, "[)"),
    "validation_rows": Options(("random", "last")),
    "beta_1": Interval(Real, 0, 1, "[)"),
    "beta_2": Interval(Real, 0, 1, "[)"),
    "epsilon": POSITIVE,
    "n_iter_no_change": Either((COUNT, Interval(Real, INFINITY, INFINITY))),
    "max_fun": COUNT,
    "error_convention": Options(tuple(CONVENTIONS)),
    "clip_norm": Either((POSITIVE, NONE)),
    "target_loss": Either((Interval(Real, -INFINITY, INFINITY), NONE)),
    "scoring": Scorings(),
    "missing_targets": Options(("error", "ignore")),
    "class_weight": Either((Options(("balanced",)), Instance(Mapping, "a dict"), NONE)),
}

PLAIN = {str, int, float, bool, type(None)}
MINIMIZERS = {minimizer.name: minimizer for minimizer in (LBFGS, LevenbergMarquardt)}


class Kind(NamedTuple):
    """The rules that a parameter takes: those with names, and objects with methods."""

    registry: Mapping[str, Any]
    methods: tuple[str, ...]
    fills: Mapping[str, str] = {}  # open fields, and what of the estimator they become
    words: str = ""  # for the objects, where it is not their methods that matter
    may_be_each: bool = False  # a sequence of rules, one per hidden layer
    may_be_none: bool = False


ACTIVATION = Kind(ACTIVATIONS, ("forward", "backward"), may_be_each=True)
LOSS = Kind({}, ("predict", "value_and_delta"))  # the names are those of an estimator
OTHER_RULES = {
    "solver": Kind({**OPTIMIZERS, **MINIMIZERS}, ("init", "update")),
    "initializer": Kind(INITIALIZERS, ("__call__",), {"factor": "glorot_factors"}),
    "learning_rate": Kind(
        SCHEDULES,
        ("__call__",),
        {
            "learning_rate_init": "learning_rate_init",
            "power_t": "power_t",
            "patience": "n_iter_no_change",
            "n_epochs": "max_iter",
        },
        words=f", {POSITIVE} or a schedule object",
    ),
    "averaging": Kind(AVERAGINGS, ("share",), {"start": "last_quarter"}, may_be_none=True),
    "engine": Kind(
        {**ENGINES, "auto": lambda: None},  # it is chosen when the data are known
        ("why_not", "prepare", "reduce"),
    ),
}
RESOLVED = ("activation", "loss", *OTHER_RULES, *ALLOWED)
read_parameters = attrgetter(*RESOLVED[:-1])  # but for class_weight, which classifiers have
OF_THE_OBJECTIVE = (
    *("activation", "dropout", "loss", "alpha", "l1_ratio", "error_convention"),
    "missing_targets",
)
read_objective = attrgetter(*OF_THE_OBJECTIVE)
AUTO_BATCH_SIZE = 200


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hyperparameters:
    """The constructor parameters as rules and numbers: what a training goes by."""

    hidden_sizes: Sequence[int]
    activations: Sequence[Activation]  # of the hidden layers
    dropout: Sequence[float]  # of the hidden layers
    initializer: Initializer
    losses: Loss | Mapping[str, type[Loss]]  # one, or one for each kind of target
    convention: ErrorConvention
    optimizer: Optimizer | Minimizer
    schedule: Schedule
    averaging: Averaging | None
    alpha: float
    l1_ratio: float
    batch_size: int | None  # None: chosen by the number of rows
    shuffle: bool
    clip_norm: float | None
    max_iter: int
    max_time: float | None
    tol: float
    n_iter_no_change: float
    target_loss: float | None
    early_stopping: bool
    validation_fraction: float
    validation_rows: str
    scoring: Any  # None: the estimator's own score
    missing_targets: str
    class_weight: Any
    engine: Engine | None  # None: the fastest
    engine_name: str | None  # None: an object
    warm_start: bool
    verbose: int
    is_stochastic: bool  # batch by batch, not on all rows at once
    needs_all_rows: bool  # in every step

    def objective(self, layer_sizes: Sequence[int], loss: Loss) -> Objective:
        """Return the objective of layers of these sizes, input and output included."""
        return Objective(
            network=Network.of_sizes(layer_sizes, self.activations, self.dropout),
            loss=loss,
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
            convention=self.convention,
            ignores_missing=self.missing_targets != "error" and _leaves_out(loss),
        )

    def plan(self, objective: Objective, n_rows: int, is_chunk: bool) -> Plan:
        """Return the plan of a training on so many rows."""
        asked, batch_size = self.batch_size, n_rows
        if not self.needs_all_rows:
            batch_size = min(asked or AUTO_BATCH_SIZE, n_rows)
            if asked is not None and asked > n_rows and self.is_stochastic and not is_chunk:
                warn(
                    f"batch_size={asked} is larger than the {n_rows} training rows: every "
                    f"batch has {n_rows} rows.",
                    UserWarning,
                )
        elif asked is not None and asked < n_rows:
            raise ValueError(
                f"batch_size={asked} cannot be used with "
                f"{type(self.optimizer).__name__}, which compares the gradients "
                f"of all {n_rows} training rows. Use batch_size='auto'."
            )
        return Plan(
            objective=objective,
            optimizer=self.optimizer,
            schedule=self.schedule,
            batch_size=batch_size,
            shuffle=self.shuffle,
            clip_norm=self.clip_norm,
            averaging=self.averaging,
            max_epochs=np.inf if is_chunk else self.max_iter,
        )

    def patience(self, watches_score: bool) -> Patience:
        """Return the patience; without a score L-BFGS goes by a tolerance of its own."""
        is_endless = not (self.is_stochastic or watches_score)
        return Patience(
            tol=self.tol,
            patience=np.inf if is_endless else self.n_iter_no_change,
            keep_best=watches_score,
        )

    def choose_engine(
        self, plan: Plan, data: Batch, before: str | None
    ) -> tuple[Engine, str | None]:
        """Return the engine and its name, None for an object.

        "auto" stays with the engine that trained `before`, wherever that can go on.
        """
        if self.engine is None:
            return _chosen_engine(plan, data, before)
        obstacle = self.engine.why_not(plan, data)
        if obstacle is not None:
            raise ValueError(f"{obstacle} With engine='auto' another engine takes over.")
        return self.engine, self.engine_name


def _chosen_engine(plan, data, before):
    """Return what "auto" takes: NumPy's where the engine it prefers cannot run."""
    name = before if before in ENGINES else fastest(plan, data)
    obstacle = ENGINES[name]().why_not(plan, data)
    if isinstance(obstacle, Damage):
        warnings.warn(f"{obstacle} Until then the NumPy engine trains.", stacklevel=2)
    if obstacle is not None:
        name = "numpy"
    return ENGINES[name](), name


# -- from constructor parameters to rules ----------------------------------------------


def resolve_hyperparameters(estimator: Any, owner: str | None = None) -> Hyperparameters:
    """Return what the constructor parameters of an estimator mean.

    Raises ValueError for the first one that is not what it may be. `owner` is who is named.
    """
    cls = type(estimator)
    owner = owner or cls.__name__
    given = _checked(estimator, owner)
    sizes = given["hidden_layer_sizes"]
    sizes = [sizes] if isinstance(sizes, Integral) else [int(size) for size in sizes]
    activations, factors = _activations(given["activation"], len(sizes), owner)
    given["glorot_factors"], given["last_quarter"] = factors, 3 * given["max_iter"] // 4 + 1
    kinds = {"loss": LOSS._replace(registry=cls._losses), **OTHER_RULES}
    rules = _rules(kinds, given, owner)
    optimizer, engine = rules["solver"], given["engine"]
    if not isinstance(given["initializer"], str):
        _check_n_layers(rules["initializer"], len(sizes) + 1)
    return Hyperparameters(
        hidden_sizes=sizes,
        activations=activations,
        dropout=_dropout(given["dropout"], len(sizes), owner),
        initializer=rules["initializer"],
        losses=rules["loss"],
        convention=CONVENTIONS[given["error_convention"]](),
        optimizer=optimizer,
        is_stochastic=not isinstance(optimizer, Minimizer),
        needs_all_rows=getattr(optimizer, "needs_all_rows", False),
        schedule=rules["learning_rate"],
        averaging=rules["averaging"],
        alpha=float(given["alpha"]),
        l1_ratio=float(given["l1_ratio"]),
        batch_size=None if isinstance(given["batch_size"], str) else given["batch_size"],
        engine=rules["engine"],
        engine_name=engine if isinstance(engine, str) else None,
        **{name: given[name] for name in UNCHANGED},
    )


def resolve_loss(estimator: Any, kind: str) -> Loss:
    """Return the loss of an estimator for a kind of target."""
    return _loss(type(estimator), estimator.loss, kind)


def resolve_objective(estimator: Any, layer_sizes: Sequence[int], kind: str) -> Objective:
    """Return the objective of a fitted network, whatever the other parameters are by now.

    What is plain is resolved once, not at every `predict`.
    """
    values = read_objective(estimator)
    if PLAIN.issuperset(map(type, values)):
        return _plain_objective(type(estimator), tuple(layer_sizes), kind, *values)
    return _objective(type(estimator), layer_sizes, kind, *values)


def _objective(
    cls, layer_sizes, kind, activation, dropout, loss, alpha, l1_ratio, convention, missing
):
    owner, n_hidden = cls.__name__, len(layer_sizes) - 2
    activations, _ = _activations(activation, n_hidden, owner)
    allowed = ALLOWED["dropout"]
    require(dropout in allowed, "dropout", owner, allowed, dropout)
    dropout = _dropout(dropout, n_hidden, owner)
    loss = _loss(cls, loss, kind)
    return Objective(
        network=Network.of_sizes(layer_sizes, activations, dropout),
        loss=loss,
        alpha=float(alpha),
        l1_ratio=float(l1_ratio),
        convention=CONVENTIONS[convention](),
        ignores_missing=missing != "error" and _leaves_out(loss),
    )


def _leaves_out(loss):
    """Say that a loss can leave out targets that are missing, or raise ValueError."""
    if "missing" not in signature(loss.value_and_delta).parameters:
        raise ValueError(
            "missing_targets='ignore' needs a loss that knows what each output "
            f"costs, one derived from skbackprop.losses.RowLoss. Got {loss!r}."
        )
    return True


_plain_objective: Any = lru_cache(maxsize=64, typed=True)(_objective)


def _checked(estimator, owner):
    """Return the constructor parameters, checked but for those that are rules.

    The defaults of the class are allowed.
    """
    values = *read_parameters(estimator), getattr(estimator, "class_weight", None)
    given, defaults = dict(zip(RESOLVED, values, strict=True)), type(estimator)._defaults
    for name, allowed in ALLOWED.items():
        value = given[name]
        if isinstance(value, Spec):
            value.check()
        if value is not defaults.get(name, Ellipsis) and value not in allowed:
            require(False, name, owner, allowed, value)
    rate = given["learning_rate"]
    if isinstance(rate, Real) and rate in POSITIVE:
        given["learning_rate"] = Constant(learning_rate_init=float(rate))
    # Python numbers for NumPy's, which would turn float32 sums into float64
    return {n: v.item() if isinstance(v, np.generic) else v for n, v in given.items()}


UNCHANGED = (
    *("shuffle", "clip_norm", "max_iter", "max_time", "tol"),
    *("n_iter_no_change", "target_loss"),
    *("early_stopping", "validation_fraction", "validation_rows"),
    *("warm_start", "verbose", "scoring", "missing_targets", "class_weight"),
)


def require(condition: bool, name: str, owner: str, allowed: Any, value: Any) -> None:
    """Raise ValueError, with the words for what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be {allowed}. Got {value!r} instead."
            f"{did_you_mean(value, getattr(allowed, 'names', ()))}"
        )


def in_numbers(n: int, noun: str) -> str:
    """Return "1 layer", "2 layers"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


# The rules that a name may stand for, by the parameter that takes it.
NAMED = {
    "activation": ACTIVATIONS,
    "averaging": AVERAGINGS,
    "initializer": INITIALIZERS,
    "learning_rate": SCHEDULES,
    "loss": {**REGRESSOR_LOSSES, **CLASSIFIER_LOSSES},
    "solver": OPTIMIZERS,
}
INSTEAD_OF_NUMBERS = {"hidden_layer_sizes": Layers}


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
    named = NAMED.get(name, {})
    found = named.get(outer) if isinstance(outer, str) else INSTEAD_OF_NUMBERS.get(name)
    found = found.values() if isinstance(found, Mapping) else [found]
    classes = {getattr(made, "func", made) for made in found if made is not None}
    taking = sorted(cls.__name__ for cls in classes if inner in cls._names)
    if not taking:
        return f"Pass one that has a parameter {inner!r} as {name}."
    objects = " or ".join(f"{cls}({inner}={value!r})" for cls in taking)
    return f"Pass the object instead: {name}={objects}."


def in_words(value: Any) -> str:
    """Return a value as text that is the same in another process: itself, or its type."""
    parts = value if type(value) is tuple else (value,)
    is_plain = all(type(part) in PLAIN for part in parts) or isinstance(value, Spec)
    return repr(value) if is_plain else type(value).__name__


def _rules(kinds, given, owner):
    """Return the rules that the names among some parameters stand for, or the objects.

    A rule of a name takes what it lists in `from_estimator`, and what it leaves open, from
    the parameters. A name may also stand for several losses, one for each kind of target.
    """
    rules = {}
    for parameter, kind in kinds.items():
        value = given[parameter]
        filled = {name: given[of] for name, of in kind.fills.items()}
        if value is None and kind.may_be_none:
            rule = None
        elif not isinstance(value, str) or value not in kind.registry:
            rule = _passed_rule(value, parameter, kind, filled, owner)
        else:
            make = kind.registry[value]
            taken = {name: given[name] for name in getattr(make, "from_estimator", ())}
            taken |= {n: filled[n] for n in getattr(make, "_open", ()) if n in filled}
            rule = make(**taken) if callable(make) else make
            if getattr(make, "_has_parts", False):
                rule = complete(rule, filled)
        rules[parameter] = rule
    return rules


def _passed_rule(value, parameter, kind, filled, owner):
    """Return the object that was passed, complete and checked; a list of several."""
    if kind.may_be_each and _is_sequence(value):
        kinds = {parameter: kind._replace(may_be_each=False)}
        return [_rules(kinds, {parameter: item}, owner)[parameter] for item in value]
    methods = HasMethods(kind.methods)
    if value not in methods:
        names = ", ".join(map(repr, sorted(kind.registry)))
        raise ValueError(
            f"The {parameter!r} parameter of {owner} must be a str among {{{names}}}"
            f"{kind.words or f' or {methods}'}. Got {value!r} instead."
            f"{_hint(value, kind.registry)}"
        )
    if filled:
        value = complete(value, filled)
    if hasattr(value, "check"):
        value.check()
    return value


def _hint(value, registry):
    """Return a sentence about what was passed and cannot be a rule, or ""."""
    if isinstance(value, type):
        return f" Pass an instance: {value.__name__}()."
    if hasattr(value, "why_not") and hasattr(value, "epochs"):
        return (
            f" {type(value).__name__} is an engine in its former shape, with `epochs`. "
            "Give it `prepare(plan, state, data)`, which returns a function that runs one "
            "epoch and returns its loss; shuffling and counting are no longer the task "
            "of an engine. See skbackprop.engines.Engine."
        )
    return did_you_mean(value, registry)


def _activations(value, n_hidden, owner):
    """Return the activations of the hidden layers, and the Glorot factors of all layers.

    One activation for all layers speaks for the output layer, too.
    """
    found = _rules({"activation": ACTIVATION}, {"activation": value}, owner)["activation"]
    if not isinstance(found, list):
        return [found] * n_hidden, getattr(found, "glorot_factor", GLOROT_FACTOR)
    _require_one_per_layer(found, n_hidden, "activation", owner)
    factors = [getattr(rule, "glorot_factor", GLOROT_FACTOR) for rule in found]
    return found, [*factors, GLOROT_FACTOR]


def _dropout(value, n_hidden, owner):
    """Return the dropout of the hidden layers: one for all, or one for each."""
    if isinstance(value, Real):
        return [float(value)] * n_hidden
    _require_one_per_layer(value, n_hidden, "dropout", owner)
    return [float(rate) for rate in value]


def _require_one_per_layer(values, n_hidden, name, owner):
    if len(values) != n_hidden:
        raise ValueError(
            f"The {name!r} parameter of {owner} has {len(values)} items for "
            f"{in_numbers(n_hidden, 'hidden layer')}. Give one for all, or one for each."
        )


def _check_n_layers(initializer, n_layers):
    """Raise ValueError for an initializer that is made for another number of layers."""
    if getattr(initializer, "n_layers", None) not in (None, n_layers):
        raise ValueError(
            f"{type(initializer).__name__} is for "
            f"{in_numbers(initializer.n_layers, 'layer')}, but the network has {n_layers}, "
            "the output layer included."
        )


def _loss(cls, value, kind):
    """Return what the loss of an estimator class is for a kind of target."""
    kinds = {"loss": LOSS._replace(registry=cls._losses)}
    return loss_of(_rules(kinds, {"loss": value}, cls.__name__)["loss"], kind)


def loss_of(losses: Any, kind: str) -> Loss:
    """Return the loss for a kind of target, of one or of those for each kind."""
    return losses[kind]() if isinstance(losses, Mapping) else losses


def refuse_what_a_minimizer_ignores(
    estimator: Any, hyper: Hyperparameters, objective: Objective, validation: Any
) -> None:
    """Raise ValueError for what it cannot train, and for what would do nothing with it."""
    minimizer: Any = hyper.optimizer
    obstacle = minimizer.why_not(objective)
    if obstacle is not None:
        raise ValueError(f"solver={minimizer.name!r} cannot train this network: {obstacle}")
    for name, is_set in (
        ("dropout", any(hyper.dropout)),
        ("clip_norm", hyper.clip_norm is not None),
        ("averaging", hyper.averaging is not None),
        ("l1_ratio", hyper.l1_ratio > 0),
        ("scoring", hyper.scoring is not None and validation is None),
    ):
        if is_set:
            remedy = " or pass X_val and y_val" if name == "scoring" else ""
            raise ValueError(
                f"solver={minimizer.name!r} cannot use {name}="
                f"{getattr(estimator, name)!r}: it works on one fixed, smooth objective "
                f"of all rows. Use a stochastic solver{remedy}."
            )
