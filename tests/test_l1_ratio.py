"""The L1 part of the penalty: its derivative, its minimum, what it does to weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import ElasticNet

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    check_gradient,
    compare_step,
    trace_step,
)

pytestmark = pytest.mark.usefixtures("few_epochs")


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_linear_network_is_an_elastic_net(l1_ratio, engine, rng):
    """Whose objective has half the mean of squares and no n below its penalty."""
    X, weight = rng.standard_normal((60, 5)), rng.uniform(0.5, 1.5, 60)
    y = X @ [2.0, -1.0, 0.0, 0.0, 0.3] + 0.5 * rng.standard_normal(60)
    reg = BackpropRegressor(
        (),
        alpha=20.0,
        l1_ratio=l1_ratio,
        solver="sgd",
        learning_rate="exponential",
        learning_rate_init=0.1,
        momentum=0.0,
        nesterovs_momentum=False,
        batch_size=60,
        max_iter=400,
        n_iter_no_change=np.inf,
        engine=engine,
        random_state=0,
    ).set_params(learning_rate="cosine")
    reg.fit(X, y, weight)
    net = ElasticNet(alpha=20.0 / weight.sum(), l1_ratio=l1_ratio, tol=1e-12)
    net.fit(X, y, weight)
    # a step of 0.1 pulls weights over zero by 0.1 * 20 / 60; the rate has fallen to 1e-6
    assert_allclose(reg.coefs_[0][:, 0], net.coef_, atol=2e-3)
    squares = np.average((reg.predict(X) - y) ** 2, weights=weight) / 2
    w = reg.coefs_[0]
    penalty = (1 - l1_ratio) / 2 * np.sum(w**2) + l1_ratio * np.abs(w).sum()
    assert_allclose(reg.loss_, squares + 20.0 / weight.sum() * penalty, atol=1e-5)


def test_gradient_is_the_derivative_of_the_objective(X, y):
    clf = BackpropClassifier((4,), "tanh", alpha=3.0, l1_ratio=0.4, random_state=0)
    assert check_gradient(clf, X, y).passed


def test_without_a_penalty_it_does_nothing(X, y):
    one, other = (
        BackpropClassifier((4,), alpha=0.0, l1_ratio=r, max_iter=3, random_state=0)
        for r in (0.0, 1.0)
    )
    assert one.fit(X, y).loss_curve_ == other.fit(X, y).loss_curve_


def test_weights_of_columns_that_say_nothing_go_to_zero(rng):
    X = rng.standard_normal((200, 10))
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2
    shares, params = {}, {"learning_rate_init": 0.02, "n_iter_no_change": np.inf}
    for l1_ratio in (0.0, 1.0):
        reg = BackpropRegressor(
            (10,), alpha=0.1, l1_ratio=l1_ratio, learning_rate="cosine", batch_size=20
        )
        reg.set_params(random_state=0, **params).fit(X, y)
        of_columns = np.abs(reg.coefs_[0]).max(axis=1)
        shares[l1_ratio] = of_columns[2:].mean() / of_columns[:2].min()
    assert shares[1.0] < 0.25 < 0.5 < shares[0.0]


@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
def test_minimizers_of_smooth_objectives_refuse_it(solver, X, y):
    reg = BackpropRegressor((2,), solver=solver, l1_ratio=0.5)
    with pytest.raises(ValueError, match=f"solver='{solver}' cannot use l1_ratio=0.5"):
        reg.fit(X, y)


# -- a step on paper -------------------------------------------------------------------


@pytest.fixture
def net():
    """One weight of 2 and one of -1; alpha of 0.6, half of it L1."""
    return BackpropRegressor.from_weights(
        [[[2.0], [-1.0]]],
        [[0.0]],
        solver="sgd",
        momentum=0.0,
        learning_rate=0.5,
        alpha=0.6,
        l1_ratio=0.5,
    )


def test_traced_step_is_the_one_on_paper(net):
    """x is (1, 1) and e is 1: for the weight 2 the gradient is 1 + 0.6 * (0.5 * 2 + 0.5).

    That is 1.9, and for the weight -1 it is 1 - 0.6 = 0.4.
    """
    step = trace_step(net, [[1.0, 1.0]], [0.0])
    assert_allclose(step.layers[0].weights_gradient, [[1.9], [0.4]], rtol=1e-12)
    assert_allclose(step.layers[0].weights_after, [[1.05], [-1.2]], rtol=1e-12)
    # 1/2 + 0.6 * (0.25 * (4 + 1) + 0.5 * (2 + 1))
    assert_allclose(step.objective_before, 2.15, rtol=1e-12)
    text = str(step)
    assert "sum of absolute weights" in text
    assert "0.6 * (0.5 / 2 * 5 + 0.5 * 3) / 1" in text
    assert "0.6 / 1 * (0.5 * 2 + 0.5 * sign(2))" in text
    assert "0.6 / 1 * (0.5 * (-1) + 0.5 * sign(-1))" in text


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        ([[1.0], [1.0]], "L1 and L2 penalty is left out"),
        ([[1.9], [0.4]], "L1 and L2 penalty is not divided by the weight of the rows, 2"),
    ],
)
def test_mistake_with_the_penalty_is_named(gradient, words, net):
    """Of two equal rows: 1 + 0.6 / 2 * 1.5 is right, 1 + 0.6 * 1.5 is not."""
    trace = trace_step(net, [[1.0, 1.0]] * 2, [0.0] * 2)
    assert words in compare_step(trace, {"weights_gradient": [gradient]}).cause
