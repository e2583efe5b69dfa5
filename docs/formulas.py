"""Formulas of docstrings and tables, which are text there, as mathematics on the site."""

import re

from skbackprop.inspection.typesetting import formula_as_latex

WIDEST = "loss and slope of an output, as they run"
COLUMNS = ("formula", "output", "loss of a row", WIDEST)  # of the tables of features.md
FUNCTIONS = "exp|log|tanh|cosh|cos|max|min"
GREEK = "alpha|beta|gamma|epsilon|pi|Phi"


def of_docstring(text):
    """Return a formula as LaTeX, or None for code that is none.

    What is written for people rather than Python, ``sum_k |t_k - z_k|``, is read word by
    word.
    """
    if not re.search(r" [-=+*/] |^-?sum_|\w\(z\)", text) or re.search(
        r'["@\[]\w*"|\.\.\.', text
    ):
        return None
    if not re.search(r"sum_|\^|\||_k\b", text):
        return formula_as_latex(text)
    text = re.sub(r"\^(\w+|\([^()]*\))", r"^{\1}", text)
    text = re.sub(r"\|([^|]*)\|", r"\\left|\1\\right|", text).replace(" * ", r" \cdot ")
    text = re.sub(rf"\b(sum|{FUNCTIONS}|{GREEK})(?=_|\b)", r"\\\1", text)
    return re.sub(r"(?<![\\\w])([A-Za-z]{3,})\b", r"\\text{\1}", text)


def typeset_docstring(lines):
    """Replace the formulas in the lines of a docstring."""

    def formula(match):
        latex = of_docstring(match[1])
        return match[0] if latex is None else f":math:`{latex}`"

    lines[:] = [re.sub(r"``([^`]+)``", formula, line) for line in lines]


def typeset_tables(text):
    """Set the formulas of the tables of a page, the widest column in a table of its own."""
    lines, titles, apart = [], [], []
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            cells = line[1:-1].split("|")
            titles = titles or [cell.strip() for cell in cells]
            cells = [_adapted(*each) for each in zip(cells, titles, strict=True)]
            if WIDEST in titles:
                apart.append(f"|{cells[0]}|{cells.pop(titles.index(WIDEST))}|")
            line = f"|{'|'.join(cells)}|"
        elif titles:
            line = "\n".join(["", *apart, line])
            titles, apart = [], []
        lines.append(line)
    return "\n".join(lines[:-1])


def _adapted(cell, title):
    if title == "object":  # its arguments in a line of their own
        return re.sub(r"`(\w{6,}\()(\w.{9,})`", r"`\1`<br>`\2`", cell)
    return _cell(cell) if title in COLUMNS else cell


def _cell(cell):
    def formulas(match):
        latex = [formula_as_latex(formula) for formula in match[1].split("; ")]
        return match[0] if None in latex else "<br>".join(f"${each}$" for each in latex)

    return re.sub(r"`([^`]+)`", formulas, cell)
