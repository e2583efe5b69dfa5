"""Formulas as text: numbers in place of names, long sums cut short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined", "numeral", "plain", "products", "put_in", "some", "summed"]

ALL_UP_TO = 4  # terms, units or rows; of more than these only the first few are shown
FEW = 2


def some(n: int) -> range:
    """Return which of n things are shown."""
    return range(n if n <= ALL_UP_TO else FEW)


def plain(number: float) -> str:
    """Return a number with six significant digits."""
    return f"{number + 0:.6g}"  # the sum turns -0 into 0


def numeral(number: float) -> str:
    """Return a number for the inside of a formula: in parentheses if it is negative."""
    text = plain(number)
    return f"({text})" if text.startswith("-") else text


def joined(terms: Sequence[str], n: int, separator: str = " + ") -> str:
    """Join the first of n terms; say how many are left out."""
    rest = [f"... ({n - len(terms)} more)"] if n > len(terms) else []
    return separator.join([*terms, *rest])


def products(a: NDArray, b: NDArray) -> str:
    """Return the sum of the products of two arrays."""
    terms = [f"{numeral(a[i])} * {numeral(b[i])}" for i in some(len(a))]
    return joined(terms, len(a))


def put_in(formula: str, rule: Any = None, **numbers: float) -> str:
    """Put numbers, and the parameters of a rule, in place of names in a formula."""

    def number(name):
        value = numbers.get(name[0], getattr(rule, name[0], None))
        return numeral(float(value)) if isinstance(value, Real | np.bool_) else name[0]

    text = re.sub(r"(?<![\w.])[A-Za-z_]\w*", number, formula)
    return re.sub(r"\(\((-[^()]*)\)\)", r"(\1)", text)  # exp((-1)) is exp(-1)


def summed(formula: str, z: NDArray) -> str:
    """Write out the sum over the units of a layer with which a formula ends, if it does."""
    before, is_sum, term = formula.partition("sum(")
    if not is_sum:
        return formula
    terms = [put_in(term[:-1], z=z[j]) for j in some(len(z))]
    return f"{before}({joined(terms, len(z))})"
