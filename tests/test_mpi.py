"""Two real MPI processes: the numbers of one process, and no process is left hanging.

The programs they run lie in `mpi/`; one start of MPI serves many tests.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

PROGRAMS = Path(__file__).parent / "mpi"
sys.path.insert(0, str(PROGRAMS))

from cases import CASES  # noqa: E402

from skbackprop import BackpropClassifier  # noqa: E402
from skbackprop.engines import MPIEngine  # noqa: E402

pytestmark = [
    pytest.mark.scaling,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
TOGETHER = [
    "no random state",
    "no random state, again",
    "a scorer that differs",
    "a clock that differs",
    "warm start",
]


def run_ranks(program, *arguments, timeout=120, n_ranks=2):
    """Run a program on several ranks; one that hangs fails the test."""
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",  # a machine may be busy with other things
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    mpirun = Path(sys.executable).parent / "mpirun"  # of the wheel, beside this Python
    command = [mpirun, "--oversubscribe", "-n", n_ranks, sys.executable]
    return subprocess.run(
        list(map(str, [*command, PROGRAMS / program, *arguments])),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What two ranks end with, for each case."""
    folder = tmp_path_factory.mktemp("trained")
    result = run_ranks("agreement.py", folder)
    assert result.returncode == 0, result.stderr
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What two ranks are told when they fail, for each kind of failure."""
    folder = tmp_path_factory.mktemp("told")
    result = run_ranks("errors.py", folder, timeout=60)
    assert result.returncode == 0, result.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def vector_of(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def curves_of(estimator):
    names = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
    curves = (getattr(estimator, name) for name in names)
    return [curve for curve in curves if curve is not None]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_have_the_weights_of_one_process(name, trained):
    found, expected = trained[0][name], CASES[name].fit("numpy")
    # sums of a batch are taken in two parts: rounding, which L-BFGS makes grow
    tolerance = 1e-3 if "float32" in name else 1e-10
    assert_allclose(vector_of(found), vector_of(expected), rtol=0, atol=tolerance)
    assert found.n_iter_ == expected.n_iter_
    assert found.t_ == expected.t_
    for ours, theirs in zip(curves_of(found), curves_of(expected), strict=True):
        assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*CASES, *TOGETHER])
def test_both_ranks_end_with_the_same_bits(name, trained):
    first, second = (of_rank[name] for of_rank in trained)
    assert_array_equal(vector_of(first), vector_of(second))
    assert_array_equal(first.loss_curve_, second.loss_curve_)
    assert_array_equal(
        first._state["rng"].get_state()[1], second._state["rng"].get_state()[1]
    )


def test_the_first_process_says_when_time_is_up(trained):
    assert [of_rank["a clock that differs"].n_iter_ for of_rank in trained] == [3, 3]


def test_all_classes_are_known_to_all_ranks(trained):
    for of_rank in trained:
        assert of_rank["classes on one rank"].classes_.tolist() == ["a", "b", "c"]


def test_without_a_random_state_each_fit_draws_anew(trained):
    first, again = (vector_of(trained[0][name]) for name in TOGETHER[:2])
    assert np.abs(first - again).max() > 0.01


def test_a_pickled_training_goes_on_together(trained):
    case = CASES["adam"]
    whole = BackpropClassifier((7,), max_iter=10, random_state=0, tol=0, dropout=0.3)
    whole.set_params(engine="numpy").fit(**case.arrays())
    # rounding of sums in two parts
    assert_allclose(vector_of(trained[0]["warm start"]), vector_of(whole), atol=1e-10)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ("bad row", "ValueError Input X contains NaN"),
        ("bad parameter", "ValueError The 'alpha' parameter of BackpropClassifier must be"),
        ("bad labels", "ValueError Unknown label type: continuous"),
        ("bad weights", "ValueError sample_weight must not be negative"),
        ("other max_iter", "differ in max_iter: 3 on rank 0, but 4 on rank 1"),
        ("other features", "differ in the number of features: 3 on rank 0, but 2"),
        ("other dtype", "differ in the dtype of X: float64 on rank 0, but float32"),
        ("other kind of labels", "differ in the kind of y: i on rank 0, but U on rank 1"),
        ("weights on one", "differ in sample_weight: None on rank 0, but an array on rank"),
        ("trained before", "differ in the epochs before: 0 on rank 0, but 3 on rank 1"),
        ("no rows at all", "No process has a row"),
        ("divergence", "DivergenceError Training diverged"),
        ("divergence of lbfgs", "DivergenceError Training diverged"),
        ("nothing", "no error"),
    ],
)
def test_an_error_of_one_rank_is_raised_by_all(failure, sentence, told):
    for of_rank in told:
        assert sentence in of_rank[failure]


def test_the_others_are_told_who_failed(told):
    assert told[0]["bad row"].endswith("Raised on rank 1 of 2 MPI processes.")


def test_a_rank_that_fails_while_training_ends_all_with_its_own_error():
    result = run_ranks("failing.py", "memory", timeout=60)
    assert result.returncode != 0
    assert "MemoryError: rank 1 has no memory left" in result.stderr
    assert "Rank 1 of 2 has left a training in which others go on" in result.stderr


def test_a_killed_rank_ends_all():
    result = run_ranks("failing.py", "killed", timeout=60)
    assert result.returncode != 0
    assert "signal 9" in result.stderr


def test_the_script_of_the_page_runs(tmp_path):
    page = (PROGRAMS.parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
    (script,) = (s for s in re.findall(r"```python\n(.*?)```", page, re.S) if "mpi4py" in s)
    path = tmp_path / "script.py"
    path.write_text(script)
    result = run_ranks(path)
    assert result.returncode == 0, result.stderr
    assert "Validation score" in result.stdout


def test_one_process_without_mpirun_has_its_own_numbers():
    """And the engine can be cloned and pickled with the estimator."""
    pytest.importorskip("mpi4py")
    case = CASES["early stopping"]
    found = case.fit(pickle.loads(pickle.dumps(clone(MPIEngine(), safe=False))))
    # a sum that is scaled before and not after differs in the last bit
    assert_allclose(vector_of(found), vector_of(case.fit("numpy")), rtol=0, atol=1e-12)
