"""Typesetting: the formulas of a traced step as text and as LaTeX, in a book's symbols.

A formula is text in Python's grammar, between backticks. Four functions in it stand for
what Python has no sign for: ``sum_over(i, term)``, ``gradient(w)``, ``d(a, z)`` and
``f_prime(z)``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import NamedTuple

from .formatting import plain
from .notations import HERE, Notation, Place
from .tables import Section

__all__ = ["StepSection", "as_latex", "formula_as_latex", "in_words"]


@dataclass(kw_only=True)
class StepSection(Section):
    """A section of a traced step, with the place of its formulas in the network."""

    place: Place = field(default_factory=Place)


FORMULA = re.compile(r"`(.*?)`")
RELATION = re.compile(r"( = | <- )")
LEFT_OUT = re.compile(r"\.\.\. \(\d+ more\)")  # the end of a long sum

# -- as text ---------------------------------------------------------------------------

#: What a formula has no sign for in Python.
IN_WORDS = {
    "sum_over": "sum over {} of {}",
    "gradient": "gradient of {}",
    "d": "d {} / d {}",
    "f_prime": "f'({})",
}
NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?:\[([^\]]*)\])?(?![\w(])")


def in_words(section: StepSection, notation: Notation | None = None) -> Section:
    """Return a section with its formulas as text; None leaves the symbols as they are."""

    def symbol(match):
        return match[0] if notation is None else _as_text(notation, match, section.place)

    def words(formula):
        parts = RELATION.split(formula[1])
        return "".join(
            _in_words(part, lambda text: NAME.sub(symbol, text)) for part in parts
        )

    return replace(
        section,
        prose=[FORMULA.sub(words, sentence) for sentence in section.prose],
        rows=[tuple(FORMULA.sub(words, cell) for cell in row) for row in section.rows],
    )


def _in_words(expression, renamed):
    """Write what is no function of Python in words, and all names as `renamed` does."""
    for node in ast.walk(_tree(expression) or ast.Expression()):
        name = getattr(getattr(node, "func", None), "id", None)
        if name in IN_WORDS:
            arguments = [ast.get_source_segment(expression, each) for each in node.args]
            words = IN_WORDS[name].format(*map(renamed, arguments))
            before, after = expression[: node.col_offset], expression[node.end_col_offset :]
            return f"{renamed(before)}{words}{renamed(after)}"  # there is one at most
    return renamed(expression)


def _as_text(notation, match, place):
    symbol, layer, indices = _symbol(notation, match[1], match[2], place)
    return symbol.replace("[]", f"[{', '.join(indices)}]" if indices else "").replace(
        "^", f"^{layer}"
    )


def _symbol(notation, name, indices, place):
    return notation.symbol(name, indices.split(", ") if indices else (), place)


def _tree(expression):
    """Return the tree of a formula; None of one in a grammar of its own."""
    try:
        return ast.parse(LEFT_OUT.sub(_as_name, expression), mode="eval").body
    except SyntaxError:
        return None


def _as_name(match):
    return "_" * len(match[0])  # of the same length, so that places stay


# -- as LaTeX --------------------------------------------------------------------------

LINE = 84  # characters of a sentence
UNBROKEN = "\0"
ADDED, MULTIPLIED, RAISED, WHOLE = range(4)  # how tightly the parts of a formula hold


class Tex(NamedTuple):
    """A piece of LaTeX, and how tightly its parts hold."""

    text: str
    holds: int = WHOLE

    def at_least(self, holds: int) -> str:
        """Return the text, in parentheses where the parts hold less tightly."""
        return self.text if self.holds >= holds else _parenthesised(self.text)


def _parenthesised(text):
    is_high = any(tall in text for tall in (r"\frac", r"\sum", r"\begin"))
    return rf"\left({text}\right)" if is_high else f"({text})"


GREEK = re.compile("alpha|beta|gamma|delta|epsilon|eta|theta|lambda|mu|rho|sigma|Delta")
LETTERS = {
    "learning_rate": r"\eta",
    "momentum": r"\mu",
    "velocity": "v",
    "loss": "L",
    "net": r"\mathrm{net}",
    "y_hat": r"\hat{y}",
}
OPERATORS = {
    **{
        name: rf"\{name}"
        for name in ("exp", "log", "tanh", "cosh", "cos", "max", "min", "sum")
    },
    "maximum": r"\max",
    "minimum": r"\min",
    "ndtr": r"\Phi",
    "Phi": r"\Phi",
}
SIGNS: dict[type[ast.AST], str] = {
    ast.Gt: ">",
    ast.Lt: "<",
    ast.GtE: r"\geq",
    ast.LtE: r"\leq",
    ast.Eq: "=",
    ast.NotEq: r"\neq",
    ast.Mult: r"\cdot",
    ast.BitAnd: r"\wedge",
    ast.BitOr: r"\vee",
    ast.Mod: r"\bmod",
}


def as_latex(
    sections: Sequence[StepSection], notation: Notation = HERE, sign: str = ""
) -> str:
    r"""Return the sections as an ``align*`` environment, each row of a table a row of it.

    `sign` is that of the signals beside the derivatives: "-" where they point downhill.
    """
    blocks = []
    for section in sections:
        writer = _LatexWriter(notation, section.place, sign)
        lines = [rf"&\textbf{{{_escaped(section.heading)}}}"]
        for sentence in section.prose:
            lines += [f"&{writer.mixed(line)}" for line in _wrapped(sentence)]
        lines += [writer.row(*row) for row in section.rows]
        blocks.append(" \\\\\n".join(lines))
    body = " \\\\\n& \\\\\n".join(blocks)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def formula_as_latex(formula: str) -> str | None:
    """Return one formula, by itself, as LaTeX; None for what is no formula of Python."""
    writer = _LatexWriter(HERE, Place(in_update=True), "")
    parts = RELATION.split(formula)[::2]
    return writer.formula(formula) if None not in map(_tree, parts) else None


def _wrapped(sentence):
    """Return the lines of a sentence, whose formulas stay whole."""
    whole = FORMULA.sub(lambda match: match[0].replace(" ", UNBROKEN), sentence)
    return [line.replace(UNBROKEN, " ") for line in wrap(whole, LINE)]


class _LatexWriter(ast.NodeVisitor):
    """Writes the formulas of one place in the symbols of a notation."""

    def __init__(self, notation: Notation, place: Place, sign: str):
        self.notation, self.place, self.sign = notation, place, sign

    def row(self, quantity: str, numbers: str, result: str) -> str:
        if not result:
            return f"&{self.mixed(f'{quantity} {numbers}')}"
        cells = [self.mixed(cell) for cell in (numbers, result) if cell]
        return f"{self.mixed(quantity)} &= {' = '.join(dict.fromkeys(cells))}"

    def mixed(self, text: str) -> str:
        """Return words with formulas in them."""
        pieces = enumerate(FORMULA.split(text))  # every other one is a formula
        return "".join(
            self.formula(piece) if number % 2 else _words(piece) for number, piece in pieces
        )

    def formula(self, text: str) -> str:
        parts = RELATION.split(text)
        signs = {" = ": " = ", " <- ": r" \leftarrow "}
        return "".join(signs.get(part) or self.expression(part) for part in parts)

    def expression(self, text: str) -> str:
        tree = _tree(text)
        return _words(text) if tree is None else self.visit(tree).text

    def symbol(self, name: str, indices: str = "") -> str:
        """Return a symbol, with layer and indices where the book has them."""
        symbol, layer, found = _symbol(self.notation, name, indices, self.place)
        if self.notation.layer_in_parentheses:
            layer = f"({layer})"
        separator = "" if all(len(index) == 1 for index in found) else ", "
        below = f"_{{{separator.join(found)}}}" if found else ""
        symbol = re.sub(r"[A-Za-z]\w*", lambda match: _letter(match[0]), symbol)
        return symbol.replace("^", f"^{{{layer}}}").replace("[]", below)

    def generic_visit(self, node):
        return Tex(_words(ast.unparse(node)))

    def visit_Name(self, node):
        return Tex(r"\dots" if set(node.id) == {"_"} else self.symbol(node.id))

    def visit_Subscript(self, node):
        return Tex(self.symbol(node.value.id, ast.unparse(node.slice).strip("()")))

    def visit_Constant(self, node):
        digits, _, power = plain(node.value).partition("e")
        if not power:
            return Tex(digits)
        return Tex(rf"{digits} \cdot 10^{{{int(power)}}}", MULTIPLIED)

    def visit_UnaryOp(self, node):
        operand = self.visit(node.operand).at_least(MULTIPLIED)
        return Tex(f"{{-{operand}}}", ADDED)  # in braces it is a sign, no subtraction

    def visit_BinOp(self, node):
        left, right = self.visit(node.left), self.visit(node.right)
        match node.op:
            case ast.Add():
                return Tex(f"{left.text} + {right.at_least(MULTIPLIED)}", ADDED)
            case ast.Sub():
                return Tex(f"{left.text} - {right.at_least(MULTIPLIED)}", ADDED)
            case ast.Div():
                return Tex(rf"\frac{{{left.text}}}{{{right.text}}}", RAISED)
            case ast.FloorDiv():
                return Tex(rf"\lfloor {left.text} / {right.text} \rfloor")
            case ast.Pow():
                return Tex(f"{left.at_least(WHOLE)}^{{{right.text}}}", RAISED)
        is_negative = isinstance(node.left, ast.UnaryOp)  # -2 * 3 needs no parentheses
        factor = left.text if is_negative else left.at_least(MULTIPLIED)
        product = f"{factor} {SIGNS[type(node.op)]} {right.at_least(MULTIPLIED)}"
        return Tex(product, ADDED if is_negative else MULTIPLIED)

    def visit_Compare(self, node):
        text = self.visit(node.left).text
        for operator, right in zip(node.ops, node.comparators, strict=True):
            text += f" {SIGNS[type(operator)]} {self.visit(right).text}"
        return Tex(text, ADDED)

    def visit_IfExp(self, node):
        return self._cases(node.test, node.body, node.orelse)

    def _cases(self, condition, value, other):
        condition, value, other = (
            self.visit(each).text for each in (condition, value, other)
        )
        lines = rf"{value} & \text{{if }} {condition} \\ {other} & \text{{otherwise}}"
        return Tex(rf"\begin{{cases}} {lines} \end{{cases}}", ADDED)

    def visit_Call(self, node):
        name = ast.unparse(node.func)
        if name == "where":
            return self._cases(*node.args)
        arguments = [self.visit(each) for each in node.args]
        texts = [argument.text for argument in arguments]
        match name:
            case "sqrt":
                return Tex(rf"\sqrt{{{texts[0]}}}")
            case "abs":
                return Tex(rf"\left\vert {texts[0]} \right\vert")
            case "expm1":
                return Tex(rf"\exp{_parenthesised(texts[0])} - 1", ADDED)
            case "log1p":
                return Tex(rf"\log{_parenthesised(f'1 + {texts[0]}')}")
            case "f_prime":
                return Tex(f"f'({texts[0]})")
            case "d":
                return Tex(rf"\frac{{\partial {texts[0]}}}{{\partial {texts[1]}}}", RAISED)
            case "gradient":
                top = _letter(self.notation.symbols.get("objective", "L"))
                text = rf"\frac{{\partial {top}}}{{\partial {texts[0]}}}"
                return Tex(f"{self.sign}{text}", ADDED)
            case "sum_over":
                index = self.visit(node.args[0]).text
                term = arguments[1].at_least(MULTIPLIED)
                return Tex(rf"\sum_{{{index}}} {term}", MULTIPLIED)
        operator = OPERATORS.get(name) or _words(name)
        return Tex(f"{operator}{_parenthesised(', '.join(texts))}")


def _letter(name):
    """Return a name as a letter, where it has one, or upright."""
    if name in LETTERS:
        return LETTERS[name]
    letter, _, number = name.partition("_")
    if GREEK.fullmatch(letter) or len(letter) == 1:
        letter = rf"\{letter}" if len(letter) > 1 else letter
        return f"{{{letter}_{{{number}}}}}" if number else letter
    return _words(name.replace("_", " "))


def _words(text):
    return rf"\text{{{_escaped(text)}}}" if text else ""


def _escaped(text):
    return re.sub(r"([{}$&#_%])", r"\\\1", text)
