"""However it is installed and started: optimised, from an archive, without sources.

Each case runs in an interpreter of its own.
"""

import compileall
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
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


@pytest.mark.slow  # CI also runs the quickstart so
@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_without_assertions_and_docstrings_it_computes_the_same(option, expected):
    result = run(TRAIN, PACKAGE.parent, option)
    assert result.stdout == expected, result.stderr


# -- where there are no sources to compile ---------------------------------------------

# "auto" believes that the compiled engine pays; what it warns of, and what "numba" says
BOTH_ENGINES = """
import warnings
import numpy as np
import skbackprop
from sklearn.exceptions import ConvergenceWarning
from skbackprop import BackpropClassifier
from skbackprop.engines import NumbaEngine

NumbaEngine.pays = lambda self, plan, data: True
X = np.random.RandomState(0).randn(60, 3)
y = (X[:, 0] > 0).astype(int)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        clf = BackpropClassifier((4,), random_state=0, max_iter=5).fit(X, y)
        clf.partial_fit(X, y)
said = {str(w.message) for w in caught if w.category is not ConvergenceWarning}
reference = BackpropClassifier((4,), random_state=0, max_iter=5, engine="numpy")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reference.fit(X, y).partial_fit(X, y)
print(np.array_equal(clf.predict_proba(X), reference.predict_proba(X)))
print(" | ".join(said))
try:
    BackpropClassifier((4,), engine="numba").fit(X, y)
except ValueError as error:
    print(error)
"""


def said_by_both_engines(path, **environment):
    """Whether "auto" trained on NumPy, what it warned of, and the error of "numba"."""
    result = run(BOTH_ENGINES, path, **environment)
    assert result.returncode == 0, result.stderr
    same_bits, warnings, error = result.stdout.split("\n")[:3]
    return same_bits == "True", warnings, error


def as_archive(folder):
    return shutil.make_archive(folder / "archive", "zip", PACKAGE.parent, "skbackprop")


def without_sources(folder):
    copy = copy_of_package(folder)
    compileall.compile_dir(copy, quiet=2, legacy=True)
    for source in copy.rglob("*.py"):
        source.unlink()
    return folder


def copy_of_package(folder):
    no_caches = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, folder / "skbackprop", ignore=no_caches))


pytestmark = pytest.mark.faults  # fresh interpreters, each of which compiles
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")


@needs_numba
@pytest.mark.parametrize("install", [as_archive, without_sources])
def test_without_source_files_auto_trains_on_numpy_and_numba_says_why(install, tmp_path):
    path = install(tmp_path)
    on_numpy, warned, error = said_by_both_engines(path)
    assert on_numpy
    assert warned == ""  # nothing is broken
    assert "from an archive, or without its sources" in error
    assert str(path) in error


# -- where what was compiled is damaged ------------------------------------------------


@pytest.fixture
def compiled(tmp_path):
    """A copy of the package, and the folder of its compiled code."""
    from skbackprop import BackpropClassifier
    from skbackprop.engines.numba_engine.epoch import run_epoch

    BackpropClassifier((4,), max_iter=1, engine="numba").partial_fit(
        [[0.0], [1.0]], [0, 1], classes=[0, 1]
    )
    kept = copy_of_package(tmp_path) / "engines/numba_engine/__pycache__"
    kept.mkdir()
    for file in Path(run_epoch.stats.cache_path).glob("*.nb?"):
        shutil.copy2(file, kept)
    return tmp_path, kept


def change_files(pattern, change):
    def damage(kept):
        files = list(kept.glob(pattern))
        assert files
        for file in files:
            change(file)

    return damage


DAMAGES = {
    "empty index": change_files("*.nbi", lambda file: file.write_bytes(b"")),
    "truncated code": change_files(
        "*.nbc", lambda file: file.write_bytes(file.read_bytes()[:1000])
    ),
    "no pickle": change_files(
        "*.nbc", lambda file: file.write_bytes(b"x" + file.read_bytes())
    ),
}


FIRST, *OTHERS = DAMAGES  # each takes two new processes


@needs_numba
@pytest.mark.parametrize(
    "damage", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_damaged_compiled_code_is_named_with_its_folder_and_numpy_trains(damage, compiled):
    path, kept = compiled
    DAMAGES[damage](kept)
    on_numpy, warned, error = said_by_both_engines(path, NUMBA_CACHE_DIR="")
    assert on_numpy
    for said in warned, error:
        assert f"compiled code that it keeps in {kept} (" in said
        assert "Delete that folder, or set the environment variable NUMBA_CACHE_DIR" in said
    assert " | " not in warned  # one warning


@needs_numba
def test_without_a_folder_for_compiled_code_numpy_trains_with_a_warning(tmp_path):
    """The folder beside the sources is a file, and so is the home of the user."""
    occupied = copy_of_package(tmp_path) / "engines/numba_engine/__pycache__"
    occupied.write_text("")
    nowhere = {"HOME": str(occupied), "XDG_CACHE_HOME": str(occupied)}
    on_numpy, warned, error = said_by_both_engines(tmp_path, NUMBA_CACHE_DIR="", **nowhere)
    assert on_numpy
    for said in warned, error:
        assert f"compiled code that it keeps in {occupied} (" in said
        assert "NUMBA_CACHE_DIR" in said
