"""Let one process, or all, fail in fit; every process writes what it was told."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from mpi4py import MPI
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier
from skbackprop.engines import MPIEngine

warnings.simplefilter("ignore", ConvergenceWarning)
comm = MPI.COMM_WORLD
is_bad = comm.rank == 1
rng = np.random.RandomState(comm.rank)
X, y = rng.standard_normal((40, 3)), np.tile([0, 1], 20)
with_nan = np.where(is_bad & (np.arange(40) == 7)[:, np.newaxis], np.nan, X)
told = {}


def attempt(name, X=X, y=y, weights=None, is_fitted=False, **parameters):
    parameters = {"max_iter": 3, "random_state": 0, "warm_start": True, **parameters}
    clf = BackpropClassifier((4,), **parameters)
    if is_fitted:
        clf.fit(X, y)
    clf.set_params(engine=MPIEngine())
    try:
        clf.fit(X, y, weights)
        told[name] = "no error"
    except (ValueError, ArithmeticError) as error:
        notes = getattr(error, "__notes__", [])
        told[name] = " ".join([type(error).__name__, str(error), *notes])


attempt("bad row", with_nan)
attempt("bad parameter", alpha=-1.0 if is_bad else 1.0)
attempt("bad labels", y=y + 0.5 * is_bad)
attempt("bad weights", weights=np.where(is_bad, -1.0, np.ones(40)))
attempt("other max_iter", max_iter=4 if is_bad else 3)
attempt("other features", X[:, :2] if is_bad else X)
attempt("other dtype", X.astype(np.float32) if is_bad else X)
attempt("other kind of labels", y=y.astype(str) if is_bad else y)
attempt("weights on one", weights=np.ones(40) if is_bad else None)
attempt("trained before", is_fitted=is_bad)
attempt("no rows at all", X[:0], y[:0])
attempt("divergence", 1e3 * X, solver="sgd", learning_rate=1e200)
attempt("divergence of lbfgs", 1e200 * X, solver="lbfgs", activation="identity")
attempt("nothing", verbose=False if is_bad else 0)

Path(sys.argv[1], f"{comm.rank}.json").write_text(json.dumps(told))
