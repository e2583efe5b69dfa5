"""Formulas of activations as operators of an ONNX graph."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from math import sqrt
from numbers import Real
from types import FunctionType
from typing import Any

from ..elementwise import Formula, NotElementwise, evaluate, lines, read, vocabulary

__all__ = ["write_formula"]

OPERATORS: dict[type[ast.AST], str] = {
    **{ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow"},
    **{ast.Gt: "Greater", ast.GtE: "GreaterOrEqual", ast.Eq: "Equal"},
    **{ast.Lt: "Less", ast.LtE: "LessOrEqual", ast.BitAnd: "And", ast.BitOr: "Or"},
    ast.USub: "Neg",
}
FUNCTIONS: Mapping[str, str | Callable[..., str]] = {
    **{"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "sin": "Sin"},
    **{"cos": "Cos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "abs": "Abs"},
    **{"absolute": "Abs", "sign": "Sign", "maximum": "Max", "minimum": "Min"},
    **{"where": "Where", "expit": "Sigmoid"},
    "expm1": lambda graph, x: graph("Sub", graph("Exp", x), [1.0]),
    "log1p": lambda graph, x: graph("Log", graph("Add", x, [1.0])),
    "clip": lambda graph, x, low, high: graph("Min", graph("Max", x, low), high),
    "ndtr": lambda graph, x: graph("Mul", graph("Add", _erf(graph, x), [1.0]), [0.5]),
}


def _erf(graph, x):
    return graph("Erf", graph("Mul", x, [sqrt(0.5)]))


def write_formula(graph: Callable[..., str], z: str, rule: Any) -> str:
    """Add the value of an activation to the graph; return the name of the result.

    Raises NotElementwise where it is no formula, or has a function without an operator.
    """
    source = getattr(type(rule), "source", None)
    if source is None:
        raise NotElementwise("it is not written as formulas of single numbers.")
    return _Writer(graph, read(source("forward")), rule).write((z,))


class _Writer:
    """Turns the lines of one formula into operators."""

    def __init__(self, graph, formula: Formula, rule):
        self.graph, self.formula, self.rule = graph, formula, rule
        self.known = vocabulary(formula, rule)

    def write(self, arguments):
        self.known |= dict(zip(self.formula.arguments, arguments, strict=True))
        for name, text in lines(self.formula, self.rule, [""]):
            self.known[name] = self.value(ast.parse(text, mode="eval").body)
        return self.known[""]

    def value(self, node):
        """Return a number where it is one, else the name of what has been added."""
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        if not any(isinstance(self.known[name], str) for name in names):
            return evaluate(node, self.known)
        match node:
            case ast.Name():
                return self.known[node.id]
            case ast.Call():
                return self.call(node.func.id, [self.value(a) for a in node.args])
            case ast.UnaryOp() if isinstance(node.op, ast.UAdd):
                return self.value(node.operand)
            case ast.UnaryOp():
                return self.add(node.op, self.value(node.operand))
            case ast.BinOp():
                return self.add(node.op, self.value(node.left), self.value(node.right))
            case ast.Compare():
                sides = self.value(node.left), self.value(node.comparators[0])
                return self.add(node.ops[0], *sides)
        raise NotElementwise(f"'{ast.unparse(node)}' depends on the rows.")

    def add(self, kind, *values):
        if type(kind) not in OPERATORS:
            raise NotElementwise(f"ONNX has no operator for {type(kind).__name__}.")
        return self.graph(OPERATORS[type(kind)], *map(_tensor, values))

    def call(self, name, values):
        function = self.known[name]
        values = [_tensor(value) for value in values]
        if isinstance(function, FunctionType) and name not in FUNCTIONS:
            return _Writer(self.graph, read(function), None).write(values)
        operator = FUNCTIONS.get(name)
        if operator is None:
            raise NotElementwise(f"ONNX has no operator for {name}.")
        if isinstance(operator, str):
            return self.graph(operator, *values)
        return operator(self.graph, *values)


def _tensor(value):
    return [float(value)] if isinstance(value, Real) else value
