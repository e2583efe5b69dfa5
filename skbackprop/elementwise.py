"""Rules written once: elementwise formulas that are read back from their own source.

A method of a rule is a formula of numbers: ``where(a > 0, 1, a + self.alpha)``. NumPy
runs it on whole arrays as it stands. What is read here, its statements and names, lets a
compiled engine run the same text on one number after the other, and a trace print it.
"""

from __future__ import annotations

import ast
import inspect
import math
import operator
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from numbers import Real
from types import FunctionType, ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from .rule import Spec

__all__ = [
    "Elementwise",
    "Formula",
    "Line",
    "NotElementwise",
    "copied",
    "evaluate",
    "in_one_line",
    "lines",
    "read",
    "vocabulary",
]

#: What is elementwise and no ufunc; SciPy's may be wrapped (SCIPY_ARRAY_API).
ELEMENTWISE = (np.where, np.clip, abs, math.sqrt, math.exp, math.log, ndtr, expit)
ALLOWED = (
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Attribute),
    *(ast.Constant, ast.Load),
)


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul},
    **{ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod},
    **{ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos},
    **{ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq},
    **{ast.Gt: operator.gt, ast.GtE: operator.ge, ast.NotEq: operator.ne},
    **{ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor},
}


class NotElementwise(ValueError):
    """Why a method is no formula that can be read, in a sentence."""


class Elementwise(Spec):
    """A rule whose methods are formulas; what works in place on arrays is made of them.

    A class may write an in-place method by hand, for speed, beside the formula it stands
    for. A subclass with another formula gets the one that is made of it.
    """

    made_of: ClassVar[Mapping[str, str]] = {}  # method that works in place: its formula

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for in_place, formula in cls.made_of.items():
            if formula in vars(cls) and in_place not in vars(cls):
                setattr(cls, in_place, _first(cls, in_place))

    @classmethod
    def source(cls, in_place: str) -> Callable[..., Any]:
        """Return what a method that works in place is made of; NotElementwise otherwise."""
        name = cls.made_of[in_place]
        order = [owner for owner in cls.__mro__ if {in_place, name} & vars(owner).keys()]
        if name not in vars(order[0]):
            raise NotElementwise(f"it has a method {in_place!r} beside no {name!r}.")
        return getattr(cls, name)


def _first(cls, name):
    """Return the method of the most general class that has it."""
    return next(vars(owner)[name] for owner in reversed(cls.__mro__) if name in vars(owner))


class Formula(NamedTuple):
    """A function taken apart."""

    function: Callable[..., Any]
    arguments: tuple[str, ...]  # without self
    statements: tuple[tuple[str, ast.expr], ...]  # a name and what is assigned to it
    results: tuple[ast.expr, ...]
    attributes: tuple[str, ...]  # what it uses of self
    scope: dict[str, Any]  # the functions and numbers that its other names stand for


class Line(NamedTuple):
    """A step of a formula as text: a name, and what it becomes."""

    name: str
    text: str


@lru_cache(maxsize=256)
def read(function: Callable[..., Any]) -> Formula:
    """Take a function apart. Raises NotElementwise, with the reason, where it cannot be.

    Known are assignments to names, arithmetic, comparisons, ``x if condition else y``,
    numbers, attributes of self, all ufuncs of NumPy and SciPy, ``where``, ``clip``,
    ``abs``, and functions that are such formulas themselves.
    """
    name = getattr(function, "__qualname__", repr(function))
    body, arguments = _parse(function, name)
    statements = [statement for statement in body if not _is_docstring(statement)]
    if not statements or not isinstance(statements[-1], ast.Return):
        raise NotElementwise(f"{name} does not end with a return.")
    assigned = tuple(_assignment(statement, name) for statement in statements[:-1])
    value = statements[-1].value or ast.Constant(None)
    results = tuple(value.elts) if isinstance(value, ast.Tuple) else (value,)
    own = {*arguments, *(target for target, _ in assigned)}
    scope: dict[str, Any] = {}
    attributes: list[str] = []
    for expression in (*(expression for _, expression in assigned), *results):
        _check(expression, own, function, scope, attributes)
    if arguments[:1] == ("self",):
        arguments = arguments[1:]
    return Formula(
        function, arguments, assigned, results, tuple(dict.fromkeys(attributes)), scope
    )


def _parse(function, name):
    try:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise NotElementwise(f"{name} has no source that could be read.") from error
    if not isinstance(definition, ast.FunctionDef):
        raise NotElementwise(f"{name} is no function made by def.")
    return definition.body, tuple(argument.arg for argument in definition.args.args)


def _is_docstring(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _assignment(statement, name):
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, statement.value
    raise NotElementwise(
        f"{name} has the statement '{ast.unparse(statement).splitlines()[0]}', but a "
        "formula has only assignments to a name and a return."
    )


def _check(expression, own, function, scope, attributes):
    """Fill what the names of an expression stand for; raise NotElementwise."""
    name = function.__qualname__
    known = {id(node) for node in _inside_of_names(expression)}
    for node in ast.walk(expression):
        if id(node) in known:
            continue
        if not isinstance(node, ALLOWED) and type(node) not in OPERATORS:
            raise NotElementwise(
                f"{name} has '{ast.unparse(expression)}', which is not elementwise."
            )
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise NotElementwise(f"{name} has a chain of comparisons.")
        if isinstance(node, ast.Call) and node.keywords:
            raise NotElementwise(f"{name} calls a function with keywords.")
        if isinstance(node, ast.Constant) and not isinstance(node.value, Real):
            raise NotElementwise(f"{name} has {node.value!r}, which is no number.")
        if isinstance(node, (ast.Name, ast.Attribute)):
            _look_up(node, own, function, scope, attributes)


def _inside_of_names(expression):
    """Yield the parts of dotted names, which are looked up as a whole."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Attribute):
            yield from (inner for inner in ast.walk(node) if inner is not node)


def _look_up(node, own, function, scope, attributes):
    text = ast.unparse(node)
    if text in own and text != "self":
        return
    first, *rest = text.split(".")
    if first == "self" and len(rest) == 1:
        attributes.append(rest[0])
        return
    try:
        found = _global(function, first)
        for part in rest:
            found = getattr(found if isinstance(found, ModuleType) else None, part)
    except (KeyError, AttributeError):
        raise NotElementwise(f"{function.__qualname__} uses {text!r}.") from None
    if isinstance(found, FunctionType) and found not in ELEMENTWISE:
        read(found)
    elif not isinstance(found, (np.ufunc, Real)) and found not in ELEMENTWISE:
        raise NotElementwise(
            f"{function.__qualname__} uses {text!r}, which is not known to be elementwise."
        )
    scope[text] = found


def _global(function, name):
    """Return what a name stands for in a function."""
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    closure = {key: cell.cell_contents for key, cell in zip(names, cells, strict=True)}
    built_in = function.__globals__.get("__builtins__", {})
    built_in = vars(built_in) if isinstance(built_in, ModuleType) else built_in
    return {**built_in, **function.__globals__, **closure}[name]


# -- formulas as text ------------------------------------------------------------------


def lines(formula: Formula, rule: Any, results: Sequence[str]) -> list[Line]:
    """Return a formula as text, step by step; `results` names what it returns.

    A condition that depends on the rule's parameters alone is decided.
    """
    steps = [*formula.statements, *zip(results, formula.results, strict=True)]
    texts = [(name, ast.unparse(_Shown(rule).visit(copied(node)))) for name, node in steps]
    return [Line(name, text) for name, text in texts if name != text]


def in_one_line(formula: Formula, rule: Any) -> str:
    """Return the first result as text, with what its names stand for in their place."""
    known: dict[str, ast.expr] = {}
    for name, expression in (*formula.statements, ("", formula.results[0])):
        known[name] = _Replaced(known).visit(copied(expression))
    return ast.unparse(_Shown(rule).visit(known[""]))


class _Replaced(ast.NodeTransformer):
    """Puts expressions in place of names."""

    def __init__(self, known):
        self.known = dict(known)

    def visit_Name(self, node):
        return copied(self.known[node.id]) if node.id in self.known else node


def copied(expression: ast.expr) -> ast.expr:
    """Return a copy of an expression that may be changed."""
    return ast.parse(ast.unparse(expression), mode="eval").body


def vocabulary(formula: Formula, rule: Any) -> dict[str, Any]:
    """Return what the names in the text of a formula stand for, but for its arguments."""
    names = {name.split(".")[-1]: value for name, value in formula.scope.items()}
    return names | {name: getattr(rule, name) for name in formula.attributes}


class _Shown(ast.NodeTransformer):
    """Turns ``np.exp(z)`` to ``exp(z)`` and ``self.alpha`` to ``alpha``."""

    def __init__(self, rule):
        self.rule = rule

    def visit_Attribute(self, node):
        return ast.Name(node.attr, ast.Load())

    def visit_IfExp(self, node):
        names = {inner.id for inner in ast.walk(node.test) if isinstance(inner, ast.Name)}
        if names <= {"self"}:
            condition = self.visit(node.test)
            decided = evaluate(condition, _Attributes(self.rule))
            return self.visit(node.body if decided else node.orelse)
        return self.generic_visit(node)


class _Attributes(dict):
    """The attributes of a rule by their names."""

    def __init__(self, rule):
        self.rule = rule

    def __missing__(self, name):
        return getattr(self.rule, name)


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the value of an expression of a formula, given what its names stand for."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names[node.id]
        case ast.Call():
            return evaluate(node.func, names)(*(evaluate(a, names) for a in node.args))
        case ast.IfExp():
            chosen = node.body if evaluate(node.test, names) else node.orelse
            return evaluate(chosen, names)
        case ast.UnaryOp():
            return OPERATORS[type(node.op)](evaluate(node.operand, names))
        case ast.BinOp():
            apply, sides = OPERATORS[type(node.op)], (node.left, node.right)
        case _:  # a comparison; `read` lets nothing else pass
            comparison: Any = node
            apply = OPERATORS[type(comparison.ops[0])]
            sides = comparison.left, comparison.comparators[0]
    return apply(*(evaluate(side, names) for side in sides))
