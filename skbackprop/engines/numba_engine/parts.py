"""Parts: what of a rule the compiled engine runs, read without importing Numba."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

from ...activations import Softmax
from ...elementwise import Elementwise, Formula, NotElementwise, read
from ...losses import Focal, LogLoss

__all__ = ["Part", "numbers_of", "part_of"]

# Where the outputs of a row depend on one another, NumPy's text is no loop over numbers.
# Kernels of these names stand beside it, in activations.py and losses.py.
KERNELS: dict[Callable[..., Any], str] = {
    Softmax.forward: "softmax",
    Softmax.backward: "softmax_slope",
    LogLoss.value_and_derivative: "log_loss",
    Focal.value_and_derivative: "focal",
}
NUMBERS = {"log_loss": ("label_smoothing",), "focal": ("gamma",)}


class Part(NamedTuple):
    """One method of a rule: a formula to compile, or the name of a kernel."""

    name: str
    method: str
    formula: Formula | None
    kernel: str | None
    memory: tuple[str, ...]  # of an optimizer
    numbers: tuple[str, ...]  # attributes of the rule that it takes

    def __hash__(self) -> int:
        return hash((self.name, self.method, self.kernel, self.memory))


def part_of(rule: Any, method: str) -> Part:
    """Return what runs in the place of a method; NotElementwise says why nothing does."""
    cls = type(rule)
    kernel = KERNELS.get(getattr(cls, method, None))  # type: ignore[arg-type]
    if kernel is None and not issubclass(cls, Elementwise):
        raise NotElementwise("it is not written as formulas of single numbers.")
    source = None if kernel else cls.source(method)
    kernel = kernel or KERNELS.get(source)
    formula = None if kernel else read(source)
    memory = tuple(getattr(rule, "memory", ()))
    numbers = NUMBERS.get(kernel, ()) if formula is None else formula.attributes
    part = Part(cls.__name__, method, formula, kernel, memory, numbers)
    _check(part, rule)
    return part


def _check(part, rule):
    for name in part.numbers:
        if not isinstance(getattr(rule, name, None), Real):
            raise NotElementwise(f"its {name!r} is no number.")
    if part.formula is None:
        return
    arguments, n_results = part.formula.arguments, len(part.formula.results)
    if part.method == "update":
        known = {*part.memory, "learning_rate", "t"}
        is_as_expected = known.issuperset(arguments[1:])
        expected = 1 + len(part.memory)
    else:
        expected = 2 if part.method == "value_and_delta" else 1
        is_as_expected = len(arguments) == expected
    if not is_as_expected or n_results != expected:
        raise NotElementwise(
            f"{part.formula.function.__qualname__} takes {', '.join(arguments)} and "
            f"returns {n_results} values, {expected} were expected."
        )


def numbers_of(rule: Any, part: Part) -> tuple[float, ...]:
    """Return the numbers of a rule that its part takes."""
    return tuple(float(getattr(rule, name)) for name in part.numbers)
