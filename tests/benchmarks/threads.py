"""Many small fits: threads of the matrix products against processes of joblib."""

import os
import subprocess
import sys
from statistics import median

from contestants import ONE_THREAD

PROGRAM = """
import time
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skbackprop import BackpropClassifier

X, y = load_digits(return_X_y=True)
network = BackpropClassifier(tol=0, n_iter_no_change=1000, random_state=0)
search = GridSearchCV(network, {{}}, n_jobs={n_jobs}, cv=2, refit=False)

def fit(max_iter):
    search.param_grid = {{"alpha": [10.0**-i for i in range(8)], "max_iter": [max_iter]}}
    start = time.perf_counter()
    search.fit(X / 16, y)
    return time.perf_counter() - start

fit(1)
print(fit({max_iter}))
"""


def measure_threads(n_rounds, max_iter):
    """Return the median seconds of a grid search with 16 fits, by how it is spread."""
    n_cores = os.cpu_count()
    settings = {
        "a thread per core in BLAS, n_jobs=1": ({}, 1),
        "one thread in BLAS, n_jobs=1": (ONE_THREAD, 1),
        f"one thread in BLAS, n_jobs={n_cores}": (ONE_THREAD, n_cores),
    }
    runs = [
        {title: _seconds(*setting, max_iter) for title, setting in settings.items()}
        for _ in range(n_rounds)
    ]
    return {title: median(run[title] for run in runs) for title in settings}


def _seconds(threads, n_jobs, max_iter):
    """Run the search in a fresh process, which ignores that it will not converge."""
    environment = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    environment |= {**threads, "PYTHONWARNINGS": "ignore"}
    program = PROGRAM.format(n_jobs=n_jobs, max_iter=max_iter)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
