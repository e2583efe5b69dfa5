"""Specs: rules held as plain parameters that scikit-learn can clone, search and print.

A spec does not change during training: the memory of a rule is in the state. So you can use
one spec in many estimators at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from inspect import Parameter, Signature
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import numpy as np

__all__ = [
    "BOOL",
    "INFINITY",
    "HasMethods",
    "Instance",
    "Interval",
    "Spec",
    "complete",
    "did_you_mean",
    "number",
    "spec",
    "switch",
]

#: An open end of an interval.
INFINITY = float("inf")


class Interval:
    """The numbers a parameter may be, e.g. ``Interval(Real, 0, 1, "[)")``.

    A bool is not a number here, though Python lets it pass as one.
    """

    def __init__(self, kind: type[Any], low: float, high: float, ends: str = "[]"):
        self.kind, self.low, self.high, self.ends = kind, low, high, ends

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, self.kind):
            return False
        above = value >= self.low if self.ends[0] == "[" else value > self.low
        below = value <= self.high if self.ends[1] == "]" else value < self.high
        return bool(above and below)

    def __str__(self) -> str:
        kind = "an int" if self.kind is Integral else "a float"
        low, high = (
            str(end) if np.isinf(end) else repr(self._of_kind(end))
            for end in (self.low, self.high)
        )
        return f"{kind} in the range {self.ends[0]}{low}, {high}{self.ends[1]}"

    def _of_kind(self, end: float) -> float:
        return int(end) if self.kind is Integral else float(end)


class Instance:
    """The instances of a type."""

    def __init__(self, kind: type | tuple[type, ...], words: str):
        self.kind, self.words = kind, words

    def __contains__(self, value: object) -> bool:
        return isinstance(value, self.kind)

    def __str__(self) -> str:
        return self.words


class HasMethods:
    """The objects with certain methods; their classes are not among them."""

    def __init__(self, methods: tuple[str, ...]):
        self.methods = methods

    def __contains__(self, value: object) -> bool:
        return not isinstance(value, type) and all(
            callable(getattr(value, name, None)) for name in self.methods
        )

    def __str__(self) -> str:
        return f"an object with {' and '.join(self.methods)}"


#: True and False, NumPy's too.
BOOL = Instance((bool, np.bool_), "a bool")


def number(
    default: Any, low: float, high: float, ends: str = "[]", kind: type = Real
) -> Any:
    """Declare a dataclass field that takes a number of an interval."""
    return field(default=default, metadata={"allowed": Interval(kind, low, high, ends)})


def switch(default: bool) -> Any:
    """Declare a dataclass field that takes a bool."""
    return field(default=default, metadata={"allowed": BOOL})


#: What other libraries call a rule or a scorer, without capitals and signs.
OTHER_NAMES = {
    "linear": ("identity",),
    "swish": ("silu",),
    "mse": ("squared_error", "neg_mean_squared_error"),
    "meansquarederror": ("squared_error", "neg_mean_squared_error"),
    "l2": ("squared_error",),
    "mae": ("absolute_error", "neg_mean_absolute_error"),
    "meanabsoluteerror": ("absolute_error", "neg_mean_absolute_error"),
    "l1": ("absolute_error",),
    "pinball": ("quantile",),
    "smoothl1": ("huber",),
    "bce": ("log_loss",),
    "binarycrossentropy": ("log_loss",),
    "categoricalcrossentropy": ("log_loss",),
    "crossentropy": ("log_loss",),
    "nll": ("log_loss",),
    "sparsecategoricalcrossentropy": ("log_loss",),
    "softmax": ("log_loss",),
    "auc": ("roc_auc",),
    "gradientdescent": ("sgd",),
    "momentum": ("sgd",),
    "nesterov": ("sgd",),
    "bfgs": ("lbfgs",),
    "xavier": ("glorot_uniform",),
    "xaviernormal": ("glorot_normal",),
    "xavieruniform": ("glorot_uniform",),
    "kaimingnormal": ("he_normal",),
    "kaiminguniform": ("he_uniform",),
    "cosineannealing": ("cosine",),
    "reducelronplateau": ("plateau",),
    "fixed": ("constant",),
}


def did_you_mean(value: Any, names: Iterable[str]) -> str:
    """Return " Did you mean ...?" for a string that is nearly one of the names, or ""."""
    if not isinstance(value, str):
        return ""
    by_letters = {_letters(name): name for name in names}
    known = set(by_letters.values())
    meant = [name for name in OTHER_NAMES.get(_letters(value), ()) if name in known]
    near = get_close_matches(_letters(value), by_letters, n=1, cutoff=0.7)
    meant = meant or [by_letters[letters] for letters in near]
    return f" Did you mean {meant[0]!r}?" if meant else ""


def _letters(name):
    return "".join(filter(str.isalnum, name)).lower()


T = TypeVar("T", bound="Spec")


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def spec(cls: type[T]) -> type[T]:
    """Make the fields of a :class:`Spec` its parameters: a dataclass of keywords.

    Constructor, representation and comparison come from `Spec`, once, instead of being
    compiled for each of the many classes at every import.
    """
    made = dataclass(init=False, kw_only=True, repr=False, eq=False)(cls)
    made._names = frozenset(f.name for f in fields(made))
    made._defaults = {f.name: f.default for f in fields(made) if f.default is not MISSING}
    made._open = tuple(name for name, value in made._defaults.items() if value is None)
    made._has_parts = any(f.default_factory is not MISSING for f in fields(made))
    return made


class _Signature:
    """What `inspect.signature` and help show of a class that `Spec` constructs."""

    def __get__(self, instance: object, cls: type[Any]) -> Signature:
        if instance is not None or cls.__init__ is not Spec.__init__:
            raise AttributeError("__signature__")
        return Signature(
            [
                Parameter(
                    f.name,
                    Parameter.KEYWORD_ONLY,
                    default=Parameter.empty if _is_required(f) else _default(f),
                    annotation=f.type,
                )
                for f in fields(cls)
            ]
        )


@dataclass(init=False, repr=False, eq=False)
class Spec:
    """A rule as a parameter holder, with scikit-learn's ``get_params`` and ``set_params``.

    Subclasses are decorated with :func:`spec`, which makes their fields their parameters.
    A rule asked for by name takes those listed in `from_estimator` from the estimator's
    parameters, and those whose default is None, which leaves them open.
    """

    from_estimator: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[Any]
    _names: ClassVar[frozenset[str]] = frozenset()
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _open: ClassVar[tuple[str, ...]] = ()
    _has_parts: ClassVar[bool] = False  # specs that a factory makes

    def __init__(self, *positional: Any, **params: Any) -> None:
        if positional:
            raise TypeError(
                f"{type(self).__name__} takes no positional argument. "
                f"Its parameters are {self._parameter_names()}."
            )
        own = vars(self)
        own.update(self._defaults)
        own.update(params)
        if own.keys() != self._names:
            self._complete_or_raise()

    def _complete_or_raise(self):
        """Make the defaults that factories make; raise TypeError for wrong parameters."""
        owner = type(self).__name__
        for f in fields(self):
            if f.name not in vars(self):
                if _is_required(f):
                    raise TypeError(f"{owner} needs the parameter {f.name!r}.")
                setattr(self, f.name, _default(f))
        for name in vars(self).keys() - self._names:
            raise TypeError(
                f"{owner} has no parameter {name!r}. "
                f"Its parameters are {self._parameter_names()}."
            )

    def _parameter_names(self):
        return [f.name for f in fields(self)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, those of nested specs as ``outer__inner``."""
        params = {name: getattr(self, name) for name in self._parameter_names()}
        if deep:
            for name, value in list(params.items()):
                if isinstance(value, Spec):
                    nested = value.get_params()
                    params |= {f"{name}__{key}": nested[key] for key in nested}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, those of nested specs as ``outer__inner``."""
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if name not in self._parameter_names():
                raise ValueError(
                    f"Invalid parameter {name!r} for {type(self).__name__}. "
                    f"Valid parameters are: {self._parameter_names()}."
                )
            if inner:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = self.get_params(deep=False).items()
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in params)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.get_params(deep=False) == other.get_params(deep=False)

    def check(self) -> None:
        """Raise ValueError when a parameter is not what its field declares."""
        for f in fields(self):
            value = getattr(self, f.name)
            allowed = f.metadata.get("allowed")
            if allowed is not None and value not in allowed and value is not f.default:
                raise ValueError(
                    f"The {f.name!r} parameter of {type(self).__name__} must be "
                    f"{allowed}. Got {value!r} instead."
                )
            if isinstance(value, Spec):
                value.check()


# not within the class: its decorator reads it where there are no docstrings (python -OO)
Spec.__signature__ = _Signature()


def _is_required(f):
    """Say whether a dataclass field has no default."""
    return f.default is MISSING and f.default_factory is MISSING


def _default(f):
    """Return the default of a dataclass field, a new one where a factory makes it."""
    return f.default if f.default_factory is MISSING else f.default_factory()


def complete(spec: Any, parameters: Mapping[str, Any]) -> Any:
    """Fill the fields left at None, of nested specs too; the given spec stays as it was."""
    if not isinstance(spec, Spec):
        return spec
    values = {f.name: getattr(spec, f.name) for f in fields(spec)}
    filled = {}
    for name, value in values.items():
        if value is None:
            filled[name] = parameters.get(name)
        elif isinstance(value, Spec):
            filled[name] = complete(value, parameters)
    return type(spec)(**values | filled) if filled else spec
