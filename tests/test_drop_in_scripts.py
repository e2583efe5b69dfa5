"""Scripts written for scikit-learn's MLP print the same with only the import changed."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
IMPORT = re.compile(r"^from sklearn\.neural_network import MLP(\w+)$", re.MULTILINE)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def printed_by(source, path):
    """Run the source of a script; return what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, path, "exec"), {"__name__": "__main__"})
    return printed.getvalue()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_the_same_with_another_import(path):
    source = path.read_text()
    changed, n_changed = IMPORT.subn(r"from skbackprop import Backprop\1 as MLP\1", source)
    assert n_changed == 1
    before, after = (printed_by(one, path) for one in (source, changed))
    assert NUMBER.sub("#", after).split() == NUMBER.sub("#", before).split()
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (after, before)]
    assert len(numbers[0]) >= 10
    # NumPy prints arrays with 8 digits
    assert_allclose(*numbers, rtol=1e-6, atol=2e-8)


def test_there_are_ten_scripts():
    assert len(SCRIPTS) == 10
