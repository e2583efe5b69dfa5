"""SHAP explains the networks, and Optuna searches for them and prunes."""

import warnings

import numpy as np
import optuna
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor, Layers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
X = np.random.RandomState(0).uniform(-1, 1, (100, 3))
TARGET = X[:, 0] + 2 * X[:, 1]  # the third column means nothing
# a sum over few columns: rounding
ADDS_UP = {"rtol": 1e-9, "atol": 1e-9}


# -- SHAP ----------------------------------------------------------------------------------


def explain(predict, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SHAP's own, when it is imported too
        import shap

        return shap.Explainer(predict, X, algorithm="exact")(rows)


def test_shap_explains_a_regressor():
    """Shares add up to the prediction; for a linear network they are known."""
    net = BackpropRegressor((), solver="lbfgs", alpha=0, max_iter=500).fit(X, TARGET)
    found = explain(net.predict, X[:10])
    total = found.base_values + found.values.sum(axis=1)
    assert_allclose(total, net.predict(X[:10]), **ADDS_UP)
    expected = np.array([1, 2, 0]) * (X[:10] - X.mean(axis=0))
    # the background is the mean of the rows; L-BFGS stops at a gradient of 1e-4
    assert_allclose(found.values, expected, atol=2e-3)


def test_shap_explains_the_probabilities_of_a_pipeline():
    model = make_pipeline(
        StandardScaler(), BackpropClassifier((8,), learning_rate=0.05, random_state=0)
    ).fit(X, TARGET > 0)
    found = explain(model.predict_proba, X[:10])
    total = found.base_values + found.values.sum(axis=1)
    assert_allclose(total, model.predict_proba(X[:10]), **ADDS_UP)
    importance = np.abs(found.values[..., 1]).mean(axis=0)
    assert importance[1] > importance[0] > 3 * importance[2]


# -- Optuna --------------------------------------------------------------------------------


@pytest.fixture
def rows():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return train_test_split(X, y, test_size=50, random_state=0)


def test_optuna_prunes_between_epochs(rows):
    """Rates that learn nothing are given up before the last epoch."""
    X_train, X_val, y_train, y_val = rows

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-6, 1e-1, log=True)
        net = BackpropClassifier((8,), learning_rate=rate, random_state=0)
        for epoch in range(20):
            net.partial_fit(X_train, y_train, classes=[0, 1, 2])
            loss = log_loss(y_val, net.predict_proba(X_val))
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("n_iter", net.n_iter_)
        return loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3),
    )
    study.optimize(objective, n_trials=15)
    states = [trial.state.name for trial in study.trials]
    assert states.count("PRUNED") >= 3
    assert states.count("COMPLETE") >= 4
    assert study.best_trial.user_attrs["n_iter"] == 20
    assert study.best_params["learning_rate"] > 1e-3
    pruned = [t.params["learning_rate"] for t in study.trials if t.state.name == "PRUNED"]
    assert max(pruned) < study.best_params["learning_rate"]


def test_optuna_suggests_the_sizes():
    """As the recipe shows it."""

    def objective(trial):
        sizes = Layers(
            n=trial.suggest_int("n", 0, 2),
            width=trial.suggest_int("width", 4, 32, log=True),
        )
        net = BackpropRegressor(sizes, solver="lbfgs", max_iter=200, random_state=0)
        return net.fit(X[:70], TARGET[:70]).score(X[70:], TARGET[70:])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=8)
    assert study.best_value > 0.99  # the target is linear
    assert {trial.params["n"] for trial in study.trials} == {0, 1, 2}
