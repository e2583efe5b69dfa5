"""Let the second process leave the training, while the others train on."""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

from skbackprop import BackpropRegressor
from skbackprop.engines import MPIEngine, mpi_engine

mpi_engine.PATIENCE = 1.0


class FailingRate:
    """A learning rate that is the end of one process."""

    def __call__(self, step, epoch, samples_seen):
        if epoch == 1 and MPI.COMM_WORLD.rank == 1:
            if sys.argv[1] == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if sys.argv[1] == "memory":
                raise MemoryError("rank 1 has no memory left")
        return 0.01


X = np.random.RandomState(0).standard_normal((40, 3))
reg = BackpropRegressor((4,), learning_rate=FailingRate(), engine=MPIEngine())
reg.set_params(solver="sgd", max_iter=10**9, tol=0, n_iter_no_change=10**9).fit(X, X[:, 0])
