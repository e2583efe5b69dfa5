"""Train every case together; each process pickles what it ends with into a folder."""

import itertools
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from cases import CASES, Case
from mpi4py import MPI
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier
from skbackprop.engines import MPIEngine
from skbackprop.training import trainer

warnings.simplefilter("ignore", ConvergenceWarning)
comm = MPI.COMM_WORLD
found = {name: case.fit(MPIEngine(), comm.rank) for name, case in CASES.items()}

case = CASES["adam"]
case.parameters["random_state"] = None
found["no random state"] = case.fit(MPIEngine(comm), comm.rank)
found["no random state, again"] = case.fit(MPIEngine(comm), comm.rank)


def score(estimator, X, y):
    """On one process better and better, on the other worse and worse."""
    size = np.abs(estimator.coefs_[0]).sum()
    return size if comm.rank == 0 else -size


found["a scorer that differs"] = Case(
    {"early_stopping": True, "scoring": score, "n_iter_no_change": 2, "max_iter": 12}
).fit(MPIEngine(), comm.rank)
found["a scorer that differs"].set_params(scoring=None)  # of this program only

rows = case.arrays(comm.rank)
short = BackpropClassifier((7,), max_iter=5, warm_start=True, random_state=0, tol=0)
short.set_params(engine=MPIEngine(), dropout=0.3).fit(**rows)
found["warm start"] = pickle.loads(pickle.dumps(short)).fit(**rows)

# a clock that only the first process finds to be over, after three epochs
trainer.monotonic = itertools.count().__next__ if comm.rank == 0 else lambda: 0
found["a clock that differs"] = Case({"max_time": 2.5}).fit(MPIEngine(), comm.rank)

path = Path(sys.argv[1], f"{comm.rank}.pickle")
path.write_bytes(pickle.dumps(found))
