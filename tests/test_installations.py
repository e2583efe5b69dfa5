"""However it is installed and started: optimised, from an archive, without sources.

Each case runs in an interpreter of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skbackprop"

TRAIN = """
import warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from skbackprop import BackpropClassifier, BackpropRegressor, check_gradient, trace_step

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)
X = np.random.RandomState(0).randn(60, 3)
y = (X[:, 0] > 0).astype(int)
for engine in "numpy", "auto":
    clf = BackpropClassifier((4,), random_state=0, max_iter=5, engine=engine).fit(X, y)
    reg = BackpropRegressor((4,), random_state=0, max_iter=5, engine=engine).fit(X, y)
    print(clf.predict_proba(X).tobytes().hex(), reg.predict(X).tobytes().hex())
print(check_gradient(clf, X, y).passed, trace_step(clf, X, y).loss_before)
"""


def run(code, path=PACKAGE.parent, *options, **environment):
    """Run code in a fresh interpreter that finds the package under a path."""
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(path), **environment},
        cwd=Path(__file__).parent,
    )


@pytest.fixture(scope="module")
def expected():
    result = run(TRAIN)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_without_assertions_and_docstrings_it_computes_the_same(option, expected):
    result = run(TRAIN, PACKAGE.parent, option)
    assert result.stdout == expected, result.stderr
