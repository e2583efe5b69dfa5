"""Each optimizer against an independent implementation, through the estimator.

The figures are PyTorch's and optax's, stored by `references/make_optimizer_references.py`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from references.optimizer_problem import (
    BATCH_SIZE,
    N_ROWS,
    N_STEPS,
    SETTINGS,
    SIZES,
    first_parameters,
    training_data,
)
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.conventions import CONVENTIONS
from skbackprop.initializers import GivenWeights
from skbackprop.optimizers import OPTIMIZERS, AdamW, Lion, Rprop
from skbackprop.schedules import Cosine

REFERENCES = json.loads(
    Path(__file__).with_name("references").joinpath("optimizer_references.json").read_text()
)


def parameters_of(setting):
    """The parameters of the rule alone."""
    return {k: v for k, v in setting.items() if k not in ("rule", "learning_rate")}


def can_be_named(setting):
    """Whether the estimator has all parameters of the rule, so that its name is enough."""
    return set(parameters_of(setting)) <= set(OPTIMIZERS[setting["rule"]].from_estimator)


def trained(solver, setting, **params):
    """The problem after its 12 steps, three in an epoch (for rprop one)."""
    n_epochs = N_STEPS
    if setting["rule"] != "rprop":
        n_epochs //= N_ROWS // BATCH_SIZE
        params["batch_size"] = BATCH_SIZE
    classifier = BackpropClassifier(
        SIZES[1:-1],
        "tanh",
        solver=solver,
        learning_rate=setting["learning_rate"],
        alpha=0.0,
        shuffle=False,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        initializer=GivenWeights(*first_parameters()),
        **params,
    )
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        return classifier.fit(*training_data())


def flat(classifier):
    return np.concatenate(
        [a.ravel() for a in [*classifier.coefs_, *classifier.intercepts_]]
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", SETTINGS)
def test_optimizer_gives_the_weights_of_another_library(name, convention):
    setting = SETTINGS[name]
    solver = OPTIMIZERS[setting["rule"]](**parameters_of(setting))
    classifier = trained(solver, setting, error_convention=convention)
    # float64, a few hundred roundings away from each other after 12 steps
    assert_allclose(flat(classifier), REFERENCES[name], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", [n for n in SETTINGS if can_be_named(SETTINGS[n])])
def test_named_optimizer_takes_its_parameters_from_the_estimator(name):
    setting = SETTINGS[name]
    classifier = trained(setting["rule"], setting, **parameters_of(setting))
    # as above
    assert_allclose(flat(classifier), REFERENCES[name], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_every_optimizer_is_compared(rule):
    assert rule in {setting["rule"] for setting in SETTINGS.values()}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_compared_training_moves_every_parameter(name):
    coefs, intercepts = first_parameters()
    first = np.concatenate([a.ravel() for a in [*coefs, *intercepts]])
    assert np.abs(REFERENCES[name] - first).min() > 1e-5


@pytest.mark.parametrize("rule", [AdamW, Lion])
def test_weight_decay_shrinks_weights_and_leaves_biases(rule):
    """No gradient reaches the weights: X is zero, and the target is the output.

    Three steps of a rate of 0.1 and a decay of 0.5 leave 0.95^3 of a weight.
    """
    regressor = BackpropRegressor(
        (),
        solver=rule(weight_decay=0.5),
        learning_rate=0.1,
        alpha=0.0,
        max_iter=3,
        initializer=GivenWeights([[[2.0], [-4.0]]], [[1.0]]),
    )
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        regressor.fit(np.zeros((5, 2)), np.ones(5))
    # a few roundings
    assert_allclose(regressor.coefs_[0], np.array([[2.0], [-4.0]]) * 0.95**3, rtol=1e-14)
    assert_allclose(regressor.intercepts_[0], [1.0], rtol=0)


# -- rprop -----------------------------------------------------------------------------


def rprop_steps(gradients, learning_rate=0.1, **params):
    """The updates of one parameter, step after step."""
    rule = Rprop(**params)
    memory, found = rule.init(np.zeros(1)), []
    for t, gradient in enumerate(gradients, start=1):
        update = np.array([float(gradient)])
        rule.update(update, memory, learning_rate, t)
        found.append(update[0])
    return found


def test_rprop_on_paper():
    """0.1; same sign 0.12; a change of sign is waited out; then half of 0.12."""
    found = rprop_steps([5, 0.01, -7, -7, -7])
    # a few roundings
    assert_allclose(found, [0.1, 0.12, 0.0, -0.06, -0.072], rtol=1e-14)


def test_rprop_keeps_its_steps_between_smallest_and_largest():
    grows = rprop_steps([1] * 20, largest=0.3)
    shrinks = rprop_steps([(-1) ** (i // 2) for i in range(40)], smallest=0.01)
    # one rounding of the step and one of its product with the rate
    assert_allclose(max(grows), 0.3, rtol=1e-15)
    assert_allclose(min(abs(u) for u in shrinks if u), 0.01, rtol=1e-15)


def test_rprop_takes_all_rows_as_its_batch(rng):
    X, y = rng.standard_normal((450, 2)), rng.randint(0, 2, 450)
    classifier = BackpropClassifier((3,), solver="rprop", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        classifier.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        whole = classifier.set_params(batch_size=450).fit(X, y)
    assert np.array_equal(flat(classifier), flat(whole))


def test_rprop_refuses_a_smaller_batch(rng):
    classifier = BackpropClassifier((3,), solver="rprop", batch_size=10)
    with pytest.raises(ValueError, match="batch_size=10 cannot be used with Rprop"):
        classifier.fit(rng.standard_normal((20, 2)), np.arange(20) % 2)


def test_rprop_takes_a_chunk_of_partial_fit_as_its_batch(rng):
    classifier = BackpropClassifier((3,), solver="rprop", random_state=0)
    classifier.partial_fit(
        rng.standard_normal((450, 2)), np.arange(450) % 2, classes=[0, 1]
    )
    first = classifier.coefs_[0].copy()
    classifier.partial_fit(rng.standard_normal((30, 2)), np.arange(30) % 2)
    assert not np.array_equal(classifier.coefs_[0], first)


@pytest.mark.filterwarnings("ignore:The learning rate was 0")
def test_rprop_stands_still_where_a_schedule_ends_at_zero(rng):
    """Its steps are multiples of the rate, which it cannot divide by here."""
    X, y = rng.standard_normal((20, 2)), np.arange(20) % 2
    classifier = BackpropClassifier(
        (3,), solver="rprop", learning_rate=Cosine(n_epochs=2), random_state=0
    )
    for _ in range(2):
        classifier.partial_fit(X, y, classes=[0, 1])
    at_the_end = flat(classifier)
    classifier.partial_fit(X, y)
    assert np.array_equal(flat(classifier), at_the_end)
