"""Notations: the symbols of four books for what a training step is made of.

A formula of a traced step is written in the symbols of this library. Here stands what
each book writes in their place: the letters, the order of the indices of a weight, where
units and layers are counted from, and the sign of the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..conventions import OutputMinusTarget, TargetMinusOutput

__all__ = ["HERE", "NOTATIONS", "Notation", "Place"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a network a formula stands."""

    layer: int = 0  # counted from 0, the first hidden layer
    in_update: bool = False  # names without an index are those of the optimizer


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How a book writes the symbols of this library.

    In a symbol, ``^`` stands where the book writes the layer, and brackets where it
    writes the indices.
    """

    source: str
    error_convention: str | None = None  # None: that of the trace
    symbols: Mapping[str, str] = field(default_factory=dict)
    rule_symbols: Mapping[str, str] = field(default_factory=dict)  # of the optimizer
    unit_before_input: bool = True  # w[j, i], from i to j
    first_unit: int = 1
    input_layer: int = 0  # the number of the layer of the inputs
    input_letter: str = "i"  # the index of a unit of the layer below
    layer_in_parentheses: bool = True

    def symbol(
        self, name: str, indices: Sequence[str], place: Place
    ) -> tuple[str, str, Sequence[str]]:
        """Return symbol, layer and indices of a quantity, as in the book."""
        if name == "i":
            return self.input_letter, "", ()
        if place.in_update and not indices:
            return self.rule_symbols.get(name, name), "", ()
        layer = self.input_layer + 1 + place.layer + _floors_up(name, indices)
        if name == "w" and self.unit_before_input:
            indices = indices[::-1]
        indices = [self._index(index) for index in indices]
        symbol = self.symbols.get(name, f"{name}[]")
        if symbol.endswith("[0]"):  # a bias that is the weight of the input 0
            symbol, indices = symbol.replace("[0]", "[]"), [*indices, "0"]
        return symbol, str(layer), indices

    def _index(self, index):
        if index.isdigit():
            return str(int(index) + self.first_unit)
        return self.input_letter if index == "i" else index


def _floors_up(name, indices):
    """Return how far above its formula a quantity lies: i is below, k above."""
    if name in ("x", "a") and "i" in indices:
        return -1
    return int(name in ("w", "delta") and "k" in indices)


#: Symbols of this library.
HERE = Notation(source="", unit_before_input=False, first_unit=0)

#: Notations by the names that a trace takes.
NOTATIONS: dict[str, Notation] = {
    "rumelhart": Notation(
        source='Rumelhart, Hinton & Williams (1986), "Learning internal representations '
        'by error propagation", chapter 8 of Parallel Distributed Processing',
        error_convention=TargetMinusOutput.name,
        symbols={
            "x": "o[]",
            "z": "net[]",
            "a": "o[]",
            "o": "o[]",
            "t": "t[]",
            "delta": "delta[]",
            "w": "w[]",
            "b": "theta[]",
            "slope": "f'(net[])",
            "loss": "E[]",
            "objective": "E",
        },
        rule_symbols={
            "learning_rate": "eta",
            "momentum": "alpha",
            "velocity": "Delta w",
            "alpha": "lambda",
        },
    ),
    "bishop": Notation(
        source="Bishop (2006), Pattern Recognition and Machine Learning, section 5.3",
        error_convention=OutputMinusTarget.name,
        symbols={
            "x": "x[]",
            "z": "a[]",
            "a": "z[]",
            "o": "y[]",
            "t": "t[]",
            "delta": "delta[]",
            "w": "w^[]",
            "b": "w^[0]",
            "slope": "h'(a[])",
            "loss": "E[]",
            "objective": "E",
        },
        rule_symbols={"learning_rate": "eta", "alpha": "lambda"},
    ),
    "goodfellow": Notation(
        source="Goodfellow, Bengio & Courville (2016), Deep Learning, algorithms 6.3 and "
        "6.4, and those of chapter 8",
        error_convention=OutputMinusTarget.name,
        symbols={
            "x": "x[]",
            "z": "a^[]",
            "a": "h^[]",
            "o": "y_hat[]",
            "t": "y[]",
            "delta": "g[]",
            "w": "W^[]",
            "b": "b^[]",
            "slope": "f'(a^[])",
            "loss": "L[]",
            "objective": "J",
        },
        rule_symbols={
            "learning_rate": "epsilon",
            "momentum": "alpha",
            "velocity": "v",
            "beta_1": "rho_1",
            "beta_2": "rho_2",
            "epsilon": "delta",
            "m": "s",
            "v": "r",
            "alpha": "lambda",
        },
    ),
    "nielsen": Notation(
        source="Nielsen (2015), Neural Networks and Deep Learning, chapters 2 and 3",
        error_convention=OutputMinusTarget.name,
        symbols={
            "x": "a^[]",
            "z": "z^[]",
            "a": "a^[]",
            "o": "a^[]",
            "t": "y[]",
            "delta": "delta^[]",
            "w": "w^[]",
            "b": "b^[]",
            "slope": "sigma'(z^[])",
            "loss": "C[]",
            "objective": "C",
        },
        rule_symbols={
            "learning_rate": "eta",
            "momentum": "mu",
            "velocity": "v",
            "alpha": "lambda",
        },
        input_layer=1,
        input_letter="k",
        layer_in_parentheses=False,
    ),
}
