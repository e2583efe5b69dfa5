"""A traced step in the symbols and the sign of four books, as text and as LaTeX.

The LaTeX is compiled where a LaTeX is installed; its formulas are read by Matplotlib.
"""

import re
import shutil
import subprocess
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier, BackpropRegressor, trace_step
from skbackprop.activations import ACTIVATIONS
from skbackprop.inspection.notations import NOTATIONS
from skbackprop.inspection.trace import turned
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from skbackprop.optimizers import OPTIMIZERS, ElementwiseOptimizer
from skbackprop.rule import spec

X = np.random.RandomState(0).uniform(0.1, 2, (12, 4))
CLASSES = np.arange(12) % 3
QUANTITY = X @ [1.0, 2.0, 0.5, -1.0]
OTHER = {
    "output_minus_target": "target_minus_output",
    "target_minus_output": "output_minus_target",
}
LATEX = shutil.which("pdflatex")


def paper(**params):
    """A 1-1-1 network of sigmoids with round weights, and one row."""
    params = {"solver": "sgd", "momentum": 0.5, "alpha": 0, "random_state": 0} | params
    reg = BackpropRegressor((1,), "sigmoid", learning_rate=0.1, **params)
    reg = reg.partial_fit([[0.0]], [0.0])
    reg.coefs_, reg.intercepts_ = [[[0.5]], [[2.0]]], [[0.25], [1.0]]
    return trace_step(reg, [[2.0]], [3.0])


# The formulas as in the books: chapter 8 of Parallel Distributed Processing, equations
# (13) to (16); Bishop (5.48) to (5.56); Goodfellow, algorithms 6.3, 6.4 and 8.2; Nielsen
# (23) and (BP1) to (BP4), (107) and (108).
FORMULAS = {
    "rumelhart": [
        "net[j] = theta[j] + sum over i of o[i] * w[j, i]",
        "o = 1 / (1 + exp(-net))   (logistic)",
        "delta[j] = f'(net[j]) * sum over k of delta[k] * w[k, j] of the layer above",
        "e = t - o",
        "Delta w <- alpha * Delta w + move",
        "gradient of w[j, i] = o[i] * delta[j]",
    ],
    "bishop": [
        "a[j] = w^1[j, 0] + sum over i of x[i] * w^1[j, i]",
        "z = 1 / (1 + exp(-a))   (logistic)",
        "delta[j] = h'(a[j]) * sum over k of delta[k] * w^2[k, j] of the layer above",
        "e = y - t",
        "move <- eta * g",
        "gradient of w^2[j, i] = z[i] * delta[j]",
    ],
    "goodfellow": [
        "a^1[j] = b^1[j] + sum over i of x[i] * W^1[j, i]",
        "h^1 = 1 / (1 + exp(-a^1))   (logistic)",
        "g[j] = f'(a^1[j]) * sum over k of g[k] * W^2[k, j] of the layer above",
        "e = y_hat - y",
        "v <- alpha * v + move",
        "gradient of W^2[j, i] = h^1[i] * g[j]",
    ],
    "nielsen": [
        "z^2[j] = b^2[j] + sum over k of a^1[k] * w^2[j, k]",
        "a^2 = 1 / (1 + exp(-z^2))   (logistic)",
        "delta^2[j] = sigma'(z^2[j]) * sum over k of delta^3[k] * w^3[k, j] of the layer "
        "above",
        "e = a^3 - y",
        "v <- mu * v + move",
        "gradient of w^3[j, k] = a^2[k] * delta^3[j]",
    ],
}


@pytest.mark.parametrize("book", NOTATIONS)
def test_formulas_are_those_of_the_book(book):
    text = paper().to_text(notation=book)
    text = re.sub(r"\n    (?=\S)", " ", text).splitlines()  # long sentences go on below
    text = [line.strip() for line in text]
    assert [formula for formula in FORMULAS[book] if formula not in text] == []


@pytest.mark.parametrize("book", NOTATIONS)
def test_sign_is_that_of_the_book_whatever_sign_the_step_was_taken_with(book):
    one, other = (
        paper(error_convention=convention).to_text(notation=book) for convention in OTHER
    )
    assert one == other
    # net input 1.25, activation 0.7773, output 2.5546, which is 0.4454 short of the target
    error = re.search(r"e\[1\] .* (\S+)$", one, re.MULTILINE)[1]
    assert float(error) == pytest.approx(0.445400 if book == "rumelhart" else -0.445400)
    assert (("add the update" in one), ("subtract" in one)) == (
        (True, False) if book == "rumelhart" else (False, True)
    )


@pytest.mark.parametrize("convention", OTHER)
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_turned_step_is_the_one_that_the_other_convention_takes(solver, convention):
    """Memory included: means of gradients turn, means of squares do not."""
    one, other = (
        BackpropClassifier(
            (3,), solver=solver, error_convention=each, random_state=0, engine="numpy"
        )
        for each in (convention, OTHER[convention])
    )
    for net in (one, other):
        net.partial_fit(X, CLASSES, classes=[0, 1, 2]).partial_fit(X, CLASSES)
    found = turned(trace_step(one, X, CLASSES), OTHER[convention])
    expected = trace_step(other, X, CLASSES)
    assert str(found) == str(expected)
    for mine, theirs in zip(found.layers, expected.layers, strict=True):
        for name, array in vars(theirs).items():
            assert_array_equal(getattr(mine, name), array, err_msg=name)
    for name, array in expected.memory_before.items():
        assert_array_equal(found.memory_before[name], array, err_msg=name)


def test_optimizer_that_is_not_odd_cannot_be_turned():
    @spec
    class Lopsided(ElementwiseOptimizer):
        memory: ClassVar = {"top": 0.0}

        def step(self, g, top, learning_rate):
            top = np.maximum(top, g)
            return learning_rate * g, top

    trace = trace_step(BackpropRegressor((2,), solver=Lopsided()), X, QUANTITY)
    assert "net" in trace.to_text() or trace.to_text(notation="nielsen")
    with pytest.raises(ValueError, match="remembers 'top', which does not turn"):
        trace.to_text(notation="rumelhart")


# -- max_rows --------------------------------------------------------------------------


def test_max_rows_shortens_each_table_and_says_by_how_much():
    clf = BackpropClassifier((3,), random_state=0)  # a 4-3-3 network with Adam
    clf.partial_fit(X, CLASSES, [0, 1, 2])
    trace = trace_step(clf, X[:1], CLASSES[:1])
    long, short = trace.to_text(), trace.to_text(max_rows=5)
    assert long == str(trace)
    assert len(long.splitlines()) > 250
    assert len(short.splitlines()) < 100
    # 3 units of 4 weights and a bias, 5 lines each, after 4 lines for the whole step
    assert "(74 more lines)" in short
    tables = [block for block in short.split("\n\n") if "Update" in block]
    assert all(re.search(r"gradient of w\[0, 0\] ", table) for table in tables)
    assert trace.to_text(max_rows=1000) == long


@pytest.mark.parametrize("method", ["to_text", "to_latex"])
def test_what_is_no_notation_or_no_number_of_rows_is_refused(method):
    with pytest.raises(ValueError, match=r"'rumelhart', 'bishop'.*Got 'Knuth'"):
        getattr(paper(), method)(notation="Knuth")
    with pytest.raises(ValueError, match="max_rows must be at least 1"):
        getattr(paper(), method)(max_rows=0)


# -- LaTeX -----------------------------------------------------------------------------


def traces_of_every_rule():
    for activation in ACTIVATIONS:
        yield trace_step(
            BackpropRegressor((2,), activation, random_state=0), X[:2], QUANTITY[:2]
        )
    for loss in REGRESSOR_LOSSES:
        yield trace_step(BackpropRegressor((), loss=loss, random_state=0), X, QUANTITY)
    for loss in CLASSIFIER_LOSSES:
        clf = BackpropClassifier((3,), loss=loss, random_state=0)
        yield trace_step(clf, X, CLASSES, np.arange(1, 13))
    for solver in OPTIMIZERS:
        params = {"dropout": 0.5, "clip_norm": 1e-3, "random_state": 0}
        yield trace_step(BackpropRegressor((2, 5), solver=solver, **params), X, QUANTITY)


def test_formulas_of_every_rule_can_be_read_as_mathematics():
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser, formulas = mathtext.MathTextParser("path"), set()
    for trace in traces_of_every_rule():
        lines = trace.to_latex(max_rows=1).splitlines()
        lines = [line for line in lines if "cases" not in line]  # which it cannot read
        formulas |= {line for line in lines if re.match(r"&.* (=|\\leftarrow) ", line)}
    assert len(formulas) > 80
    for formula in sorted(formulas):
        formula = re.sub(r"&|\\\\.*", "", formula)
        parser.parse(f"${formula}$")


@pytest.mark.parametrize("book", NOTATIONS)
def test_latex_has_the_numbers_of_the_text(book):
    trace = paper()
    text = trace.to_text(notation=book).splitlines()
    results = [line.split()[-1] for line in text if re.search(r"  -?[\d.]+$", line)]
    latex = re.sub("[{}]", "", trace.to_latex(notation=book)).splitlines()
    found = [re.search(r"= (-?[\d.]+)(?: \\\\.*)?$", line) for line in latex]
    assert [match[1] for match in found if match] == results


def test_latex_of_a_book_has_its_letters():
    latex = paper().to_latex(notation="rumelhart")
    assert r"-\frac{\partial E}{\partial w_{ji}} = o_{i} \cdot \delta_{j}" in latex
    assert r"\Delta w \leftarrow \alpha \cdot \Delta w + \text{move}" in latex
    assert r"W^{(2)}_{11}" in paper().to_latex(notation="goodfellow")
    assert r"\frac{\partial L}{\partial w_{ij}}" in paper().to_latex()


if LATEX is not None:

    def test_latex_compiles(tmp_path):
        """Every rule once, and every book; a long run of rows breaks over pages."""
        pieces = [trace.to_latex(max_rows=3) for trace in traces_of_every_rule()]
        pieces += [paper().to_latex(notation=book) for book in NOTATIONS]
        source = "\n".join(
            [
                r"\documentclass{article}\usepackage{amsmath}\allowdisplaybreaks",
                rf"\begin{{document}}{chr(10).join(pieces)}\end{{document}}",
            ]
        )
        (tmp_path / "steps.tex").write_text(source, encoding="ascii")
        done = subprocess.run(
            [LATEX, "-interaction=nonstopmode", "-halt-on-error", "steps.tex"],
            cwd=tmp_path,
            capture_output=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout[-2000:]
