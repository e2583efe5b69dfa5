"""Searches: a whole GridSearchCV, spread in several ways, each in a fresh process.

What a user waits for counts: the start of other processes, and in each of them the import
of the library and of compiled code. Started as a program, it runs one search.
"""

import json
import os
import subprocess
import sys
import time
from statistics import median

from contestants import ONE_THREAD, title_of
from workloads import Goal

N_FOLDS = 5
EPOCHS = {"breast_cancer": 25, "digits": 10}  # of each fit, so that a search takes seconds
CANDIDATES = {
    "alpha": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    "learning_rate_init": [0.001, 0.002, 0.005, 0.01],
    "hidden_layer_sizes": [(50,), (100,)],
}
GOALS = Goal("numpy", "sklearn", 2.5), Goal("numba", "sklearn", 4.5)
ALONE = "one after the other"
# how fits are spread: n_jobs, what runs them, and the threads of matrix products
WAYS = {
    ALONE: (1, "loky", ONE_THREAD),
    "one after the other, a BLAS thread per core": (1, "loky", {}),
    "in 2 processes": (2, "loky", ONE_THREAD),
    "in 2 threads": (2, "threading", ONE_THREAD),
}
MEASURED = [
    ("sklearn", ALONE),
    ("sklearn", "in 2 processes"),
    *(("numpy", way) for way in WAYS),
    *(("numba", way) for way in WAYS if "BLAS" not in way),
]


def goals_of(searches):
    """Yield the name of a search, a goal, and how many times as fast it was.

    Processor time counts, which is elapsed time where a search uses one core.
    """
    for data, seconds in searches.items():
        for goal in GOALS:
            ours, theirs = (
                seconds.get(f"{title_of(c)}, {ALONE}") for c in (goal.engine, goal.than)
            )
            if ours and theirs:
                yield f"GridSearchCV on {data}", goal, theirs[1] / ours[1]


def measure_searches(contestants, n_rounds, is_quick):
    """Return by data set and title the medians of seconds, elapsed and of processors."""
    measured = [(name, way) for name, way in MEASURED if name in contestants]
    names = ["breast_cancer"] if is_quick else list(EPOCHS)
    if "numba" in contestants and not is_quick:
        run_search(names[0], "numba", ALONE, is_quick=True)  # compiles
    return {name: _medians(name, measured, n_rounds, is_quick) for name in names}


def _medians(data, measured, n_rounds, is_quick):
    rounds = [
        [run_search(data, *which, is_quick) for which in measured] for _ in range(n_rounds)
    ]
    return {
        f"{title_of(contestant)}, {way}": [
            median(clock) for clock in zip(*runs, strict=True)
        ]
        for (contestant, way), runs in zip(measured, zip(*rounds, strict=True), strict=True)
    }


def run_search(data, contestant, way, is_quick):
    """Run a search in a fresh process; return its seconds, elapsed and of processors."""
    environment = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    environment |= WAYS[way][2] | {"PYTHONWARNINGS": "ignore"}  # it will not converge
    done = subprocess.run(
        [sys.executable, __file__, json.dumps([data, contestant, way, is_quick])],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main(data, contestant, way, is_quick):
    """Print what a search in this process and those that it starts takes."""
    from joblib import parallel_config
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV

    from workloads import Bundled

    X, y = Bundled(data).load("float64")
    candidates = {"alpha": [1e-4, 1e-3]} if is_quick else CANDIDATES
    n_jobs, backend, _ = WAYS[way]
    search = GridSearchCV(_estimator(contestant, EPOCHS[data]), candidates, cv=N_FOLDS)
    start, start_of_processors = time.perf_counter(), _processor_seconds()
    with parallel_config(backend=backend, n_jobs=n_jobs):
        search.fit(X, y)
    seconds = time.perf_counter() - start
    if n_jobs > 1 and backend == "loky":
        get_reusable_executor().shutdown(wait=True)  # only then is their time known
    print(json.dumps([seconds, _processor_seconds() - start_of_processors]))


def _estimator(contestant, max_iter):
    if contestant == "sklearn":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(max_iter=max_iter, random_state=0)
    from skbackprop import BackpropClassifier

    return BackpropClassifier(engine=contestant, max_iter=max_iter, random_state=0)


def _processor_seconds():
    return sum(os.times()[:4])  # with those of processes that have ended


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
