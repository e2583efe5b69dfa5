"""The same data, parameters and seed give the numbers of MLPClassifier and MLPRegressor.

Every case of the grid fits the MLP class of the installed scikit-learn and ours, and
compares what they made. There is one tolerance for the whole grid: where training itself
amplifies rounding, a case runs for fewer epochs instead. Cases that differ from the first
of their grid in more than two choices at once run with -m slow.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1 or larger"),
    pytest.mark.filterwarnings("ignore:batch_size=1000 is larger"),
]

N_ROWS, N_FEATURES, N_OUTPUTS = 41, 5, 3

# Measured: 1e-11 at worst for single weights near zero, 1e-14 for all others.
# A weight near zero keeps the rounding of the sums it came from, terms of size one.
FLOAT64 = {"rtol": 1e-10, "atol": 1e-13}
# The same in units of float32's rounding, 1.2e-7; measured: 1e-6 at worst.
FLOAT32 = {"rtol": 1e-5, "atol": 2e-6}

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
PLAIN = {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0}
MOMENTUM = {**PLAIN, "momentum": 0.9, "nesterovs_momentum": False}
NESTEROV = {**PLAIN, "momentum": 0.9, "nesterovs_momentum": True}
ADAM = {"solver": "adam", "learning_rate_init": 0.01}
# A line search amplifies rounding about tenfold per iteration or two.
LBFGS = {"solver": "lbfgs", "max_iter": 10}
INVSCALING = {**NESTEROV, "learning_rate": "invscaling", "power_t": 0.3}
# Little patience and a large tol: the rate is lowered within the 20 epochs.
ADAPTIVE = {**PLAIN, "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2}
SOLVERS = [PLAIN, MOMENTUM, NESTEROV, INVSCALING, ADAPTIVE, ADAM, LBFGS]

# scikit-learn 1.6 has no loss for its regressor: there these cases are not generated.
HAS_POISSON = "loss" in MLPRegressor().get_params()
TARGETS = ["binary", "multiclass", "multilabel", "continuous", "outputs"]
TARGETS += ["count"] * HAS_POISSON

STORAGES = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
}

# What the reported loss of several outputs is multiplied by: MLPRegressor reports their
# mean, we report their sum, whose derivative both of them follow.
LOSS_FACTOR = {"outputs": N_OUTPUTS}


class Case(NamedTuple):
    """What is learnt, with which parameters, and how X is stored."""

    target: str
    parameters: dict[str, Any]
    storage: str = "dense"
    n_changes: int = 0  # choices that are not the first of their grid

    def __str__(self):
        values = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.target},{self.storage},{values}".replace(" ", "")


def cases_of(targets, *choices, storages=("dense",)):
    """Combine targets, storages and one dict of parameters out of each of the choices."""
    cases = []
    for numbered in product(*map(enumerate, (targets, storages, *choices))):
        numbers, (target, storage, *chosen) = zip(*numbered, strict=True)
        parameters = {k: v for one in chosen for k, v in one.items()}
        if target == "outputs":
            if parameters["solver"] == "lbfgs":
                continue  # MLPRegressor's gradient is not that of its loss there
            # tol acts on the reported loss, and so does the penalty's share of it
            parameters |= {"tol": 0.0, "alpha": 0.0}
        if target == "count":
            parameters["loss"] = "poisson"
        n_changes = sum(number > 0 for number in numbers)
        cases.append(Case(target, parameters, storage, n_changes))
    return cases


def run_of(cases, n_changes):
    """Parametrize with all cases; those with more changes at once are slow."""
    slow = [pytest.mark.slow]
    return pytest.mark.parametrize(
        "case",
        [pytest.param(case, marks=slow * (case.n_changes > n_changes)) for case in cases],
        ids=str,
    )


def each(name, values):
    return [{name: value} for value in values]


SOLVER_CASES = cases_of(TARGETS, each("activation", ACTIVATIONS), SOLVERS)
# single rows need a smaller rate, and 5 epochs of them are 205 steps
BATCHES = [
    {"batch_size": 1, "learning_rate_init": 0.005, "max_iter": 5},
    {"batch_size": 7, "learning_rate_init": 0.01, "max_iter": 20},
    {"batch_size": 1000},
    {"batch_size": "auto"},
]
BATCH_CASES = cases_of(TARGETS, [NESTEROV, ADAM], BATCHES, each("shuffle", [True, False]))
STORAGE_CASES = cases_of(
    ["binary", "continuous"],
    [NESTEROV, ADAM, LBFGS],
    each("batch_size", [7]),
    storages=[name for name in STORAGES if name != "dense"],
)
EARLY_STOPPING = {
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 4,
}
EARLY_STOPPING_CASES = cases_of(
    ["binary", "multilabel", "continuous", "outputs"],
    [NESTEROV, ADAM],
    each("activation", ACTIVATIONS),
    [EARLY_STOPPING],
)
# an accuracy that stays the same is an improvement of 0
EARLY_STOPPING_CASES += cases_of(
    ["binary"], [NESTEROV, ADAM], [EARLY_STOPPING | {"tol": 1e-3}]
)
LAYER_CASES = cases_of(
    ["multiclass", "continuous"],
    [{**NESTEROV, "learning_rate_init": 0.1}, ADAM],  # deep logistic layers learn slowly
    each("hidden_layer_sizes", [(), (1,), 7, (6, 4), (4, 3, 5)]),
    each("activation", ["logistic", "relu"]),
)
# Found below to end before max_iter, the last one at the floor of the rate.
STOPPING = [
    {**NESTEROV, "tol": 0.05, "n_iter_no_change": 3},
    {**ADAM, "tol": 0.05, "n_iter_no_change": 3},
    {**ADAPTIVE, "n_iter_no_change": 1, "max_iter": 40},
]
STOPPING_CASES = cases_of(["binary", "continuous"], STOPPING)
PARAMETER_CASES = cases_of(
    ["binary", "continuous"],
    [
        *({**NESTEROV, "alpha": alpha} for alpha in (0.0, 0.1, 1)),
        *({**ADAM, "alpha": alpha} for alpha in (0.0, 1)),
        {**LBFGS, "alpha": 1.0},
        *({**INVSCALING, "power_t": power_t} for power_t in (0.0, 0.5, 1.0)),
        *({**MOMENTUM, "momentum": momentum} for momentum in (0.5, 1.0)),
        {**NESTEROV, "momentum": 0.5},
        *({**ADAM, "beta_1": beta_1} for beta_1 in (0.0, 0.5)),
        *({**ADAM, "beta_2": beta_2} for beta_2 in (0.5, 0.9)),
        *({**ADAM, "epsilon": epsilon} for epsilon in (1e-10, 1e-3)),
        {**ADAM, "n_iter_no_change": np.inf},
        *({**NESTEROV, "random_state": seed} for seed in (0, 2**32 - 1)),
    ],
)
GRID = [
    *SOLVER_CASES,
    *BATCH_CASES,
    *STORAGE_CASES,
    *EARLY_STOPPING_CASES,
    *LAYER_CASES,
    *STOPPING_CASES,
    *PARAMETER_CASES,
]


def make_data(case, dtype=np.float64):
    """Return X, a third of it zeros, and a noisy target that a line explains."""
    rng = np.random.RandomState(7)
    X = rng.randn(N_ROWS, N_FEATURES) * (rng.rand(N_ROWS, N_FEATURES) > 1 / 3)
    signal = X @ rng.randn(N_FEATURES, N_OUTPUTS) + 0.5 * rng.randn(N_ROWS, N_OUTPUTS)
    y = {
        "binary": signal[:, 0] > 0,
        "multiclass": np.array(["ant", "bee", "cat"])[signal.argmax(axis=1)],
        "multilabel": (signal > 0).astype(int),
        "continuous": signal[:, 0],
        "outputs": signal,
        "count": rng.poisson(np.exp(signal[:, 0] / 3)),
    }[case.target]
    return STORAGES[case.storage](X.astype(dtype)), y


def make_both(case):
    """Return our estimator and scikit-learn's, with the same parameters."""
    base = {"hidden_layer_sizes": (6,), "max_iter": 20, "random_state": 3}
    parameters = base | case.parameters
    if case.target in ("binary", "multiclass", "multilabel"):
        return BackpropClassifier(**parameters), MLPClassifier(**parameters)
    return BackpropRegressor(**parameters), MLPRegressor(**parameters)


def first_parameters(mlp, X, y):
    """Return the parameters training starts from: a rate too small to move them."""
    still = {"solver": "sgd", "learning_rate": "constant", "learning_rate_init": 1e-300}
    started = type(mlp)(**mlp.get_params() | still | {"max_iter": 1}).fit(X, y)
    return started.coefs_ + started.intercepts_


def assert_has_trained(mlp, start):
    """Without this, two estimators that do nothing would agree."""
    assert mlp.n_iter_ >= 2
    for before, after in zip(start, mlp.coefs_ + mlp.intercepts_, strict=True):
        assert np.abs(after - before).max() > 1e-4


def assert_same_parameters(ours, mlp, tolerance):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(ours, name), getattr(mlp, name), strict=True):
            assert_allclose(a, b, **tolerance)


def assert_same_course(ours, mlp, loss_factor, tolerance):
    """Compare counts, curves and what was found best on the way."""
    assert ours.n_iter_ == mlp.n_iter_
    assert ours.t_ == mlp.t_
    assert_allclose(ours.loss_, loss_factor * mlp.loss_, **tolerance)
    if mlp.solver == "lbfgs":
        return  # MLP keeps no curve of it
    assert_allclose(ours.loss_curve_, loss_factor * np.array(mlp.loss_curve_), **tolerance)
    if mlp.early_stopping:
        assert_allclose(ours.validation_scores_, mlp.validation_scores_, **tolerance)
        best = mlp.best_validation_score_
        assert_allclose(ours.best_validation_score_, best, **tolerance)
        assert ours.best_loss_ is mlp.best_loss_ is None
    else:
        assert_allclose(ours.best_loss_, loss_factor * mlp.best_loss_, **tolerance)


def assert_same_predictions(ours, mlp, X, y, tolerance):
    assert ours.out_activation_ == mlp.out_activation_
    if is_classifier(mlp):
        assert_array_equal(ours.predict(X), mlp.predict(X))
        assert_allclose(ours.predict_proba(X), mlp.predict_proba(X), **tolerance)
    else:
        assert_allclose(ours.predict(X), mlp.predict(X), **tolerance)
    assert_allclose(ours.score(X, y), mlp.score(X, y), **tolerance)


def assert_same(case, dtype, tolerance):
    X, y = make_data(case, dtype)
    ours, mlp = (estimator.fit(X, y) for estimator in make_both(case))
    assert_has_trained(mlp, first_parameters(mlp, X, y))
    assert_same_parameters(ours, mlp, tolerance)
    assert_same_course(ours, mlp, LOSS_FACTOR.get(case.target, 1), tolerance)
    assert_same_predictions(ours, mlp, X, y, tolerance)


@run_of(GRID, n_changes=2)
def test_same_numbers(case, record_property):
    assert_same(case, np.float64, FLOAT64)
    record_property("agrees_with_mlp", True)  # counted in the terminal summary


def test_the_grid_has_at_least_300_different_combinations():
    assert len({str(case) for case in GRID}) == len(GRID) >= 300


@pytest.mark.parametrize("case", STOPPING_CASES, ids=str)
def test_the_cases_that_are_meant_to_stop_early_do(case):
    X, y = make_data(case)
    _, mlp = make_both(case)
    assert mlp.fit(X, y).n_iter_ < mlp.max_iter


@pytest.mark.parametrize("target", ["binary", "multiclass", "multilabel", "continuous"])
def test_the_adaptive_cases_lower_their_rate(target):
    """A rate that is not lowered lets the same training end where it stalls."""
    X, y = make_data(Case(target, {}))
    constant, adaptive = (
        make_both(Case(target, ADAPTIVE | {"learning_rate": name}))[1].fit(X, y)
        for name in ("constant", "adaptive")
    )
    assert constant.n_iter_ < adaptive.n_iter_


# MLP goes on in float64 inside L-BFGS: three iterations stay within float32's rounding.
FLOAT32_SOLVERS = [*SOLVERS[:-1], {**LBFGS, "max_iter": 3}]


@run_of(
    [
        *cases_of(TARGETS, each("activation", ACTIVATIONS), FLOAT32_SOLVERS),
        *cases_of(["binary", "continuous"], FLOAT32_SOLVERS[:-1], BATCHES[:2]),
    ],
    n_changes=1,
)
def test_same_numbers_to_the_rounding_of_float32(case):
    assert_same(case, np.float32, FLOAT32)


@run_of(
    cases_of(TARGETS, each("activation", ACTIVATIONS), [{**LBFGS, "max_iter": 20}]),
    n_changes=1,
)
def test_lbfgs_still_agrees_after_20_iterations(case):
    """To 1e-9: measured 6e-10 at worst, ten times the rounding that 10 iterations make."""
    assert_same(case, np.float64, {"rtol": 1e-9, "atol": 1e-12})


@pytest.mark.parametrize("solver", [NESTEROV, INVSCALING, ADAM])
def test_several_outputs_have_the_same_weights_with_a_penalty_too(solver):
    """The grid has them without: it is in both reported losses, once and unscaled."""
    case = Case("outputs", solver | {"alpha": 1.0, "tol": 0.0})
    X, y = make_data(case)
    ours, mlp = (estimator.fit(X, y) for estimator in make_both(case))
    assert_same_parameters(ours, mlp, FLOAT64)
