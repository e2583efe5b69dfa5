"""Parts: what of a rule the compiled engine runs, read without importing Numba."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any

from ...activations import Softmax
from ...elementwise import Elementwise, Formula, NotElementwise, read
from ...losses import Focal, LogLoss, Quantiles

__all__ = ["Part", "numbers_of", "part_of"]

# Where the outputs of a row depend on one another, NumPy's text is no loop over numbers.
# Kernels of these names stand beside it, in activations.py and losses.py.
KERNELS: dict[Callable[..., Any], str] = {
    Softmax.forward: "softmax",
    Softmax.backward: "softmax_slope",
    LogLoss.value_and_derivative: "log_loss",
    Focal.value_and_derivative: "focal",
    Quantiles.value_and_derivative: "quantiles",
}
NUMBERS = {
    "log_loss": ("label_smoothing",),
    "focal": ("gamma",),
    "quantiles": ("outputs_per_target", "central", "levels"),
}


@dataclass(frozen=True, eq=False)
class Part:
    """One method of a rule: a formula to compile, or the name of a kernel."""

    name: str
    method: str
    formula: Formula | None
    kernel: str | None
    memory: tuple[str, ...]  # of an optimizer
    saves: str  # of an activation
    numbers: tuple[str, ...]  # attributes of the rule that it takes

    @property
    def is_in_place(self) -> bool:
        """Say whether an activation takes the place of the net input."""
        return self.kernel is None and self.saves == "activation"


@lru_cache(maxsize=256)  # every call of partial_fit asks for the same
def part_of(cls: type[Any], method: str) -> Part:
    """Return what runs in place of a method; NotElementwise says why nothing does."""
    kernel = KERNELS.get(getattr(cls, method, None))  # type: ignore[arg-type]
    if kernel is None and not issubclass(cls, Elementwise):
        raise NotElementwise("it is not written as formulas of single numbers.")
    source = None if kernel else cls.source(method)
    kernel = kernel or KERNELS.get(source)
    formula = None if kernel else read(source)
    memory, saves = tuple(getattr(cls, "memory", ())), getattr(cls, "saves", "")
    numbers = NUMBERS.get(kernel, ()) if formula is None else formula.attributes
    part = Part(cls.__name__, method, formula, kernel, memory, saves, numbers)
    if formula is not None:
        _check(part, formula, n_outputs=len(getattr(cls, "outputs", ("z",))))
    return part


def _check(part, formula, n_outputs):
    """Raise NotElementwise unless a formula takes and returns what its kind does.

    That of a loss takes the target and `n_outputs` net inputs.
    """
    arguments, n_results = formula.arguments, len(formula.results)
    if part.method == "update":
        known = {*part.memory, "learning_rate", "t"}
        is_as_expected = known.issuperset(arguments[1:])
        expected = 1 + len(part.memory)
    else:
        expected = 1 + n_outputs if part.method == "value_and_delta" else 1
        is_as_expected = len(arguments) == expected
    if not is_as_expected or n_results != expected:
        raise NotElementwise(
            f"{formula.function.__qualname__} takes {', '.join(arguments)} and "
            f"returns {n_results} values, {expected} were expected."
        )


def numbers_of(rule: Any, method: str) -> tuple[float, ...]:
    """Return the numbers of a rule that one of its methods takes; or NotElementwise.

    A kernel takes tuples of numbers, too, one number after the other.
    """
    part = part_of(type(rule), method)
    values: list[Any] = []
    for name in part.numbers:
        value = getattr(rule, name, None)
        if type(value) is tuple and part.kernel:
            values += value
        elif type(value) is float or isinstance(value, Real):
            values.append(value)
        else:
            raise NotElementwise(f"its {name!r} is no number.")
    return tuple(map(float, values))
