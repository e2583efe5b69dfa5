"""Searches on a real dask cluster of two worker processes: what they find locally.

The estimators know nothing of it: joblib's dask backend, and Optuna's storage in dask.
"""

import os
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier

pytestmark = [
    pytest.mark.scaling,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
ROOT = Path(__file__).parents[1]
X, Y = load_breast_cancer(return_X_y=True)
# lists travel with the tasks; an array of more than 1 kB lies on one worker, perhaps the
# one that is killed
SPLITS = [(a.tolist(), b.tolist()) for a, b in StratifiedKFold(3).split(X, Y)]
GRID = {
    "backpropclassifier__alpha": [1e-4, 1.0, 100.0],
    "backpropclassifier__learning_rate_init": [1e-5, 1e-2],
}


@pytest.fixture(scope="module")
def client():
    """Processes: a cluster of one worker with one thread would run in this one."""
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(warnings.simplefilter, "ignore", ConvergenceWarning)
        yield client


def scored(estimator, X, y):
    return estimator.score(X, y)


def kill_once(marker, client_process, estimator, X, y):
    """A scorer that is the end of the first worker that comes here."""
    if os.getpid() != client_process:
        try:
            marker.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        except FileExistsError:
            pass
    return estimator.score(X, y)


def new_search(search, scoring=scored):
    net = BackpropClassifier((8,), max_iter=30, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net)
    halving = {} if search is GridSearchCV else {"random_state": 0, "min_resources": 180}
    return search(pipeline, GRID, cv=SPLITS, scoring=scoring, **halving)


def on_the_cluster():
    return joblib.parallel_config(backend="dask", scatter=[X, Y])  # to every worker


def assert_same_results(found, expected):
    assert found.best_params_ == expected.best_params_
    for name, values in expected.cv_results_.items():
        if "test_score" in name:
            assert_array_equal(found.cv_results_[name], values)
            assert np.isfinite(values).all()


@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_a_search_on_the_cluster_finds_what_it_finds_locally(search, client):
    expected = new_search(search).fit(X, Y)
    with on_the_cluster():
        found = new_search(search).fit(X, Y)
    assert_same_results(found, expected)


@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_a_worker_killed_in_mid_search_loses_nothing(search, client, tmp_path):
    expected = new_search(search).fit(X, Y)
    marker = tmp_path / "killed"
    scoring = partial(kill_once, marker, os.getpid())
    with on_the_cluster():
        found = new_search(search, scoring).fit(X, Y)
    assert marker.exists()
    assert_same_results(found, expected)
    client.wait_for_workers(2, timeout=60)  # dask replaces the worker


@pytest.mark.parametrize("found", ["alpha", "learning_rate_init"])
def test_the_scripts_of_the_page_run(found, tmp_path):
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```python\n(.*?)```", page, re.S)
    (script,) = (s for s in scripts if "LocalCluster" in s and f'"{found}"' in s)
    path = tmp_path / "script.py"
    path.write_text(script)
    result = subprocess.run(
        [sys.executable, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert f"{{'{found}':" in result.stdout


LEARNING_RATES = [1e-6, 1e-5, 3e-2]
N_EPOCHS = 30


def objective(trial):
    """Train epoch by epoch; give up where Optuna says so."""
    from optuna import TrialPruned

    X_train, X_val, y_train, y_val = train_test_split(X, Y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    X_train, X_val = scaler.transform(X_train), scaler.transform(X_val)
    rate = trial.suggest_categorical("learning_rate_init", LEARNING_RATES)
    width = trial.suggest_categorical("width", [4, 16])
    clf = BackpropClassifier((width,), learning_rate_init=rate, random_state=0)
    for epoch in range(N_EPOCHS):
        clf.partial_fit(X_train, y_train, classes=[0, 1])
        trial.report(clf.score(X_val, y_val), epoch)
        if trial.should_prune():
            raise TrialPruned
    return clf.score(X_val, y_val)


def new_study(storage=None):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    grid = {"learning_rate_init": LEARNING_RATES, "width": [16, 4]}
    return optuna.create_study(
        direction="maximize",
        storage=storage,
        sampler=optuna.samplers.GridSampler(grid, seed=0),
        # compares with no other trial, so the order of the trials does not matter
        pruner=optuna.pruners.ThresholdPruner(lower=0.75, n_warmup_steps=20),
    )


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_prunes_through_partial_fit_on_the_cluster(client):
    from optuna.trial import TrialState
    from optuna_integration import DaskStorage

    local = new_study()
    local.optimize(objective, n_trials=6)
    study = new_study(DaskStorage(client=client))
    trials = [client.submit(study.optimize, objective, 1, pure=False) for _ in range(6)]
    client.gather(trials)
    assert study.best_params == local.best_params
    assert study.best_value == local.best_value > 0.9
    pruned = [
        sorted(tuple(t.params.values()) for t in s.get_trials(states=[TrialState.PRUNED]))
        for s in (study, local)
    ]
    assert pruned[0] == pruned[1] != []
