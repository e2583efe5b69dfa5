"""Examples worked on paper, in plain Python loops, or published by others.

The published ones are those of "How to Code a Neural Network with Backpropagation In
Python (from scratch)" (Machine Learning Mastery, 2016, 2021): sigmoids in every layer,
half the squared error of each row, one row per step. Its first edition took the target
minus the output and added, its current one takes the output minus the target and
subtracts.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Identity, Sigmoid, Softmax
from skbackprop.conventions import CONVENTIONS
from skbackprop.initializers import GivenWeights
from skbackprop.losses import (
    AbsoluteError,
    BinaryLogLoss,
    Focal,
    Gamma,
    Huber,
    LogCosh,
    LogLoss,
    Poisson,
    Quantile,
    SquaredError,
)
from skbackprop.network.network import Dense, LayerParameters, Network
from skbackprop.optimizers import SGD, Adagrad, Adam, AdamW, Lion, NAdam, RMSprop, Rprop

TEXTBOOK = {
    "activation": "sigmoid",
    "loss": SquaredError(link=Sigmoid()),
    "solver": "sgd",
    "momentum": 0,
    "learning_rate": 0.5,
    "alpha": 0,
    "batch_size": 1,
    "shuffle": False,
}


# -- the published forward and backward pass -------------------------------------------


def test_forward_pass_of_the_published_network():
    """2-1-2, input (1, 0)."""
    reg = BackpropRegressor.from_weights(
        coefs=[
            [[0.13436424411240122], [0.8474337369372327]],
            [[0.2550690257394217, 0.4494910647887381]],
        ],
        intercepts=[[0.763774618976614], [0.49543508709194095, 0.651592972722763]],
        **TEXTBOOK,
    )
    expected = [[0.6629970129852887, 0.7253160725279748]]
    # a few roundings of numbers below one
    assert_allclose(reg.predict([[1, 0]]), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("convention", "sign"), [("output_minus_target", 1), ("target_minus_output", -1)]
)
def test_backward_pass_of_the_published_network(convention, sign):
    """The activations are the article's, so the rules are used without an estimator."""
    hidden = np.array([[0.7105668883115941]])
    output = np.array([[0.6213859615555266, 0.6573693455986976]])
    target = np.array([[0.0, 1.0]])
    delta, hidden_delta = np.empty((1, 2)), np.empty((1, 1))

    loss = SquaredError(link=Sigmoid())
    loss.value_and_delta(target, np.log(output / (1 - output)), delta)
    CONVENTIONS[convention]().orient(delta)
    top = Dense(n_inputs=1, n_units=2, activation=Identity())
    weights = np.array([[0.2550690257394217, 0.4494910647887381]])
    [work] = Network(layers=[top]).allocate(1, delta.dtype)
    work = work._replace(delta=delta)
    top.pass_down(LayerParameters(weights, np.zeros(2)), work, hidden_delta)
    Sigmoid().backward(hidden, hidden_delta)

    # 1e-14 of the deltas: net inputs come from a logarithm, a few roundings
    published = np.array([[0.14619064683582808, -0.0771723774346327]])
    assert_allclose(delta, sign * published, rtol=1e-14)
    assert_allclose(hidden_delta, [[sign * 0.0005348048046610517]], rtol=0, atol=1e-14)


# -- the published training run --------------------------------------------------------

TOY_X = np.array(
    [
        [2.7810836, 2.550537003],
        [1.465489372, 2.362125076],
        [3.396561688, 4.400293529],
        [1.38807019, 1.850220317],
        [3.06407232, 3.005305973],
        [7.627531214, 2.759262235],
        [5.332441248, 2.088626775],
        [6.922596716, 1.77106367],
        [8.675418651, -0.242068655],
        [7.673756466, 3.508563011],
    ]
)
TOY_Y = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
TOY_ERRORS = [
    *(6.350, 5.531, 5.221, 4.951, 4.519, 4.173, 3.835, 3.506, 3.192, 2.898),
    *(2.626, 2.377, 2.153, 1.953, 1.774, 1.614, 1.472, 1.346, 1.233, 1.132),
]
# unit by unit: the weights of its two inputs, then its bias
TOY_FINAL_HIDDEN = [
    [-1.4688375095432327, 1.850887325439514, 1.0858178629550297],
    [0.37711098142462157, -0.0625909894552989, 0.2765123702642716],
]
TOY_FINAL_OUTPUT = [
    [2.515394649397849, -0.3391927502445985, -0.9671565426390275],
    [-2.5584149848484263, 1.0036422106209202, 0.42383086467582715],
]


def draw_units():
    """Two hidden and two output units, drawn by the seed 1 of Python's generator.

    They are written out, since another Python might draw other numbers.
    """
    hidden = [
        [0.13436424411240122, 0.8474337369372327, 0.763774618976614],
        [0.2550690257394217, 0.49543508709194095, 0.4494910647887381],
    ]
    output = [
        [0.651592972722763, 0.7887233511355132, 0.0938595867742349],
        [0.02834747652200631, 0.8357651039198697, 0.43276706790505337],
    ]
    return hidden, output


def as_arrays(*layers):
    """Weights (n_inputs, n_units) and biases (n_units,) of layers given unit by unit."""
    layers = [np.array(layer).T for layer in layers]
    return [layer[:-1] for layer in layers], [layer[-1] for layer in layers]


def scalar_epoch(hidden, output, rows, classes, rate):
    """One epoch of backpropagation, number by number; the sum of squared errors."""
    total = 0.0
    for row, label in zip(rows, classes, strict=True):
        below = [scalar_unit(unit, row) for unit in hidden]
        above = [scalar_unit(unit, below) for unit in output]
        deltas, hidden_deltas = [], [0.0] * len(hidden)
        for k, unit in enumerate(output):
            error = above[k] - (1.0 if k == label else 0.0)
            total += error * error
            deltas.append(error * above[k] * (1.0 - above[k]))
            for j in range(len(hidden)):
                hidden_deltas[j] += unit[j] * deltas[k] * below[j] * (1.0 - below[j])
        scalar_update(output, deltas, below, rate)
        scalar_update(hidden, hidden_deltas, row, rate)
    return total


def scalar_unit(unit, inputs):
    net_input = unit[-1]
    for j in range(len(inputs)):
        net_input += unit[j] * inputs[j]
    return 1.0 / (1.0 + math.exp(-net_input))


def scalar_update(layer, deltas, inputs, rate):
    for k, unit in enumerate(layer):
        for j in range(len(inputs)):
            unit[j] -= rate * deltas[k] * inputs[j]
        unit[-1] -= rate * deltas[k]


def toy_classifier(convention, n_epochs=0):
    """The classifier after some epochs of the toy run."""
    start = GivenWeights(*as_arrays(*draw_units()))
    clf = BackpropClassifier(
        (2,), initializer=start, error_convention=convention, **TEXTBOOK
    )
    for _ in range(n_epochs):
        clf.partial_fit(TOY_X, TOY_Y, classes=[0, 1])
    return clf


def test_scalar_backpropagation_gives_the_published_run():
    """The oracle of the next tests is right itself."""
    hidden, output = draw_units()
    errors = [scalar_epoch(hidden, output, TOY_X.tolist(), TOY_Y, 0.5) for _ in range(20)]
    assert [round(error, 3) for error in errors] == TOY_ERRORS
    # the article's own order of operations differs by roundings
    assert_allclose(hidden, TOY_FINAL_HIDDEN, rtol=1e-12)
    assert_allclose(output, TOY_FINAL_OUTPUT, rtol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_toy_run_prints_the_twenty_published_errors(convention):
    """Sums over rows and outputs of (t - o)^2, each before its row's update.

    The loss is half of them, as a mean over the ten rows.
    """
    errors = 2 * 10 * np.array(toy_classifier(convention, 20).loss_curve_)
    assert errors.round(3).tolist() == TOY_ERRORS


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_toy_run_ends_with_the_published_weights(convention):
    clf = toy_classifier(convention, 20)
    coefs, intercepts = as_arrays(TOY_FINAL_HIDDEN, TOY_FINAL_OUTPUT)
    for ours, published in zip(clf.coefs_, coefs, strict=True):
        assert_allclose(ours, published, rtol=0, atol=1e-12)  # 200 steps of roundings
    for ours, published in zip(clf.intercepts_, intercepts, strict=True):
        assert_allclose(ours, published, rtol=0, atol=1e-12)


def test_toy_run_classifies_all_ten_rows():
    clf = toy_classifier("output_minus_target", 20)
    assert clf.predict(TOY_X).tolist() == TOY_Y.tolist()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_epoch_equals_scalar_backpropagation(convention):
    hidden, output = draw_units()
    clf = toy_classifier(convention)
    for _ in range(20):
        error = scalar_epoch(hidden, output, TOY_X.tolist(), TOY_Y, 0.5)
        clf.partial_fit(TOY_X, TOY_Y, classes=[0, 1])
        # roundings of up to 200 steps
        assert_allclose(2 * 10 * clf.loss_, error, rtol=1e-12)
        coefs, intercepts = as_arrays(hidden, output)
        assert_allclose(clf.coefs_, coefs, rtol=0, atol=1e-12)
        assert_allclose(clf.intercepts_, intercepts, rtol=0, atol=1e-12)


# -- one step on paper -----------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_step_of_a_linear_unit_with_penalty(convention):
    """o = 0.5 * 2 + 0 = 1 and t = 3, so the delta is 1 - 3 = -2.

    gradient of the weight  -2 * 2 + alpha * 0.5 / 1 row = -4 + 0.25 = -3.75
    gradient of the bias    -2                             (no penalty)
    objective               (1 - 3)^2 / 2 + 0.5 / 2 * 0.5^2 = 2 + 0.0625
    """
    reg = BackpropRegressor(
        (),
        solver="sgd",
        momentum=0,
        learning_rate=0.125,
        alpha=0.5,
        initializer=GivenWeights([[[0.5]]], [[0.0]]),
        error_convention=convention,
    ).partial_fit([[2.0]], [3.0])
    assert reg.loss_ == 2.0625
    assert reg.coefs_[0] == 0.5 + 0.125 * 3.75  # exact in binary, as all numbers here
    assert reg.intercepts_[0] == 0.125 * 2


def test_step_with_sample_weights():
    """Outputs 1 and 2 at x = 1, 2; targets 0; weights 1 and 3, sum 4.

    loss      (1 * 1^2 / 2 + 3 * 2^2 / 2) / 4 = 6.5 / 4 = 1.625
    gradient  (1 * 1 * 1 + 3 * 2 * 2) / 4 = 13 / 4 = 3.25, bias (1 + 6) / 4 = 1.75
    penalty   1 / 2 * 1^2 / 4 = 0.125, gradient 1 * 1 / 4 = 0.25
    """
    reg = BackpropRegressor(
        (),
        solver="sgd",
        momentum=0,
        learning_rate=0.5,
        alpha=1,
        initializer=GivenWeights([[[1.0]]], [[0.0]]),
    ).partial_fit([[1.0], [2.0]], [0.0, 0.0], sample_weight=[1, 3])
    assert reg.loss_ == 1.625 + 0.125
    assert reg.coefs_[0] == 1 - 0.5 * 3.5
    assert reg.intercepts_[0] == -0.5 * 1.75


# -- optimizers on paper ---------------------------------------------------------------


def updates(optimizer, gradients, learning_rate):
    """The updates of one parameter, step after step."""
    memory = optimizer.init(np.zeros(1))
    found = []
    for t, gradient in enumerate(gradients, start=1):
        update = np.array([float(gradient)])
        optimizer.update(update, memory, learning_rate, t)
        found.append(update[0])
    return found


def test_sgd_without_momentum_is_rate_times_gradient():
    assert updates(SGD(), [1, 2, -4], 0.25) == [0.25, 0.5, -1.0]


def test_sgd_with_momentum():
    """v1 = 0.25; v2 = 0.5 * 0.25 + 0.5 = 0.625; v3 = 0.5 * 0.625 - 1 = -0.6875."""
    assert updates(SGD(momentum=0.5), [1, 2, -4], 0.25) == [0.25, 0.625, -0.6875]


def test_sgd_with_nesterovs_momentum():
    """0.5 * v + 0.25 * g with the v above: 0.125 + 0.25, 0.3125 + 0.5, -0.34375 - 1."""
    rule = SGD(momentum=0.5, nesterovs_momentum=True)
    assert updates(rule, [1, 2, -4], 0.25) == [0.375, 0.8125, -1.34375]


def test_adam_in_two_steps():
    """beta_1 = 0.5, beta_2 = 0.75, epsilon = 1, gradients 4 and -2, rate 0.1.

    m1 = 0.5 * 4 = 2, v1 = 0.25 * 16 = 4
    rate 0.1 * sqrt(1 - 0.75) / (1 - 0.5) = 0.1 * 0.5 / 0.5 = 0.1
    update 0.1 * 2 / (sqrt(4) + 1) = 0.2 / 3

    m2 = 0.5 * 2 + 0.5 * -2 = 0, v2 = 0.75 * 4 + 0.25 * 4 = 4: update 0

    m3 = 0.5 * 0 + 0.5 * 6 = 3, v3 = 0.75 * 4 + 0.25 * 36 = 12
    rate 0.1 * sqrt(1 - 0.75^3) / (1 - 0.5^3) = 0.1 * sqrt(37) / 8 / (7 / 8)
    update 0.1 * sqrt(37) / 7 * 3 / (sqrt(12) + 1)
    """
    rule = Adam(beta_1=0.5, beta_2=0.75, epsilon=1.0)
    third = 0.1 * math.sqrt(37) / 7 * 3 / (math.sqrt(12) + 1)
    # a few roundings: the memory holds the moments in another scale
    assert_allclose(updates(rule, [4, -2, 6], 0.1), [0.2 / 3, 0, third], rtol=1e-14)


def test_adagrad_in_two_steps():
    """epsilon = 1, rate 0.1: v 9 and 25, so 0.3 / (3 + 1) and -0.4 / (5 + 1)."""
    found = updates(Adagrad(epsilon=1.0), [3, -4], 0.1)
    assert_allclose(found, [0.075, -0.4 / 6], rtol=1e-14)  # a few roundings


def test_rmsprop_in_two_steps():
    """decay = 0.75, epsilon = 1, rate 0.1.

    v1 = 0.25 * 16 = 4, update 0.4 / (2 + 1)
    v2 = 0.75 * 4 + 0.25 * 4 = 4, update -0.2 / (2 + 1)
    """
    found = updates(RMSprop(decay=0.75, epsilon=1.0), [4, -2], 0.1)
    assert_allclose(found, [0.4 / 3, -0.2 / 3], rtol=1e-14)  # a few roundings


def test_nadam_in_two_steps():
    """beta_1 = 0.5, beta_2 = 0.75, epsilon = 1, gradients 4 and -2, rate 0.1.

    m1 = 2, ahead 0.5 * 2 / (1 - 0.25) + 0.5 * 4 / (1 - 0.5) = 4 / 3 + 4
    v1 = 4, root of 4 / (1 - 0.75) = 16: 4, update 0.1 * (16 / 3) / 5

    m2 = 1 - 1 = 0, ahead 0 + 0.5 * -2 / (1 - 0.25) = -4 / 3
    v2 = 3 + 1 = 4, root of 4 / (1 - 0.5625) = 64 / 7, update 0.1 * (-4 / 3) / (root + 1)
    """
    found = updates(NAdam(beta_1=0.5, beta_2=0.75, epsilon=1.0), [4, -2], 0.1)
    second = 0.1 * (-4 / 3) / (math.sqrt(64 / 7) + 1)
    assert_allclose(found, [1.6 / 15, second], rtol=1e-14)  # a few roundings


def test_rprop_changes_its_steps_with_the_sign():
    """The step doubles while the sign stays, halves when it changes, and waits once."""
    rule = Rprop(increase=2.0, decrease=0.5)
    assert updates(rule, [1, 3, -1, -2, -5], 0.125) == [0.125, 0.25, 0, -0.125, -0.25]


def test_lion_moves_by_the_sign_of_its_momentum():
    """beta_1 = 0.5, beta_2 = 0.75.

    m = 0, 1, -0.25; 0.5 * m + 0.5 * g = 2, -1.5, -0.125 + 0.05
    """
    rule = Lion(beta_1=0.5, beta_2=0.75)
    assert updates(rule, [4, -4, 0.1], 0.125) == [0.125, -0.125, -0.125]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_decoupled_weight_decay_shrinks_weights_and_not_biases(convention):
    """x = 0 and t = bias: the gradient is zero, so all that is left is the decay."""
    reg = BackpropRegressor(
        (),
        solver=AdamW(weight_decay=0.5),
        learning_rate=0.25,
        alpha=0,
        initializer=GivenWeights([[[2.0]]], [[1.0]]),
        error_convention=convention,
    ).partial_fit([[0.0]], [1.0])
    assert reg.coefs_[0] == 2 * (1 - 0.25 * 0.5)
    assert reg.intercepts_[0] == 1


# -- losses on paper -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "target", "z", "value", "delta"),
    [
        # (2 - 5)^2 / 2 + (1 - 0)^2 / 2 = 4.5 + 0.5; delta o - t
        (SquaredError(), [5, 0], [2, 1], 5.0, [-3, 1]),
        # o = 1/2: (1/2 - 1)^2 / 2 = 1/8; delta -1/2 * 1/2 * 1/2
        (SquaredError(link=Sigmoid()), [1], [0], 0.125, [-0.125]),
        # o = (1/2, 1/4, 1/4), e = (-1/2, 1/4, 1/4): (1/4 + 1/16 + 1/16) / 2 = 3/16;
        # sum_k o_k e_k = -1/8, delta o * (e + 1/8) = (-3/16, 3/32, 3/32)
        (
            SquaredError(link=Softmax()),
            [1, 0, 0],
            [math.log(2), 0, 0],
            3 / 16,
            [-3 / 16, 3 / 32, 3 / 32],
        ),
        # o = (1/2, 1/4, 1/4): -log(1/2)
        (LogLoss(), [1, 0, 0], [math.log(2), 0, 0], math.log(2), [-0.5, 0.25, 0.25]),
        # o = (1/2, 3/4): -log(1/2) - log(1 - 3/4)
        (BinaryLogLoss(), [1, 0], [0, math.log(3)], math.log(8), [-0.5, 0.75]),
        # o = 2, t = 4: 4 log(4 / 2) - 4 + 2; t = 0, o = 1: 0 - 0 + 1
        (Poisson(), [4, 0], [math.log(2), 0], 4 * math.log(2) - 1, [-2, 1]),
        # o = 2, t = 4: 4 / 2 - log(4 / 2) - 1; delta 1 - t / o
        (Gamma(), [4], [math.log(2)], 1 - math.log(2), [-1]),
        # errors -3 and 1
        (AbsoluteError(), [5, 0], [2, 1], 4, [-1, 1]),
        # errors -3 and 1/2: 1 * (3 - 1/2) + (1/2)^2 / 2
        (Huber(threshold=1.0), [5, 0], [2, 0.5], 2.625, [-1, 0.5]),
        # 3 below: 1/4 * 3; 1 above: 3/4 * 1
        (Quantile(quantile=0.25), [5, 0], [2, 1], 1.5, [-0.25, 0.75]),
        # error log(2): cosh (2 + 1/2) / 2 = 5/4, tanh (2 - 1/2) / (2 + 1/2) = 3/5
        (LogCosh(), [1], [1 + math.log(2)], math.log(5 / 4), [0.6]),
        # t = (0.8, 0.1, 0.1), o = (1/2, 1/4, 1/4): 0.8 log 2 + 0.2 log 4; delta o - t
        (
            LogLoss(label_smoothing=0.3),
            [1, 0, 0],
            [math.log(2), 0, 0],
            1.2 * math.log(2),
            [-0.3, 0.15, 0.15],
        ),
        # t = 3/4, o = 1/2
        (BinaryLogLoss(label_smoothing=0.5), [1], [0], math.log(2), [-0.25]),
        # o = 1/2 of the class: (1 - o)^2 log 2, its derivative in o
        # -2 (1 - o) log 2 - (1 - o)^2 / o = -log 2 - 1/2, times o (1 - o) and -o / 4
        (
            Focal(gamma=2.0),
            [1, 0, 0],
            [math.log(2), 0, 0],
            math.log(2) / 4,
            (math.log(2) + 0.5) * np.array([-1 / 4, 1 / 8, 1 / 8]),
        ),
    ],
    ids=repr,
)
def test_loss_and_delta_at_a_point(loss, target, z, value, delta):
    target, z = np.array([target], dtype=float), np.array([z], dtype=float)
    found = np.empty_like(z)
    # a few roundings of numbers near one
    assert_allclose(loss.value_and_delta(target, z, found), value, rtol=1e-14)
    assert_allclose(found, [delta], rtol=1e-14)


def test_squared_errors_of_the_sign_question():
    """t = (0, 1, 0), o = (0.20, 0.70, 0.10): 0.04 + 0.09 + 0.01 = 0.14, whichever way.

    The errors are (0.20, -0.30, 0.10), or with the other convention their negatives.
    """
    target, z = np.array([[0.0, 1.0, 0.0]]), np.array([[0.20, 0.70, 0.10]])
    errors = {name: np.empty((1, 3)) for name in CONVENTIONS}
    for name, error in errors.items():
        value = SquaredError().value_and_delta(target, z, error)
        CONVENTIONS[name]().orient(error)
        assert_allclose(2 * value, 0.14, rtol=1e-14)  # one rounding each
    assert_allclose(errors["output_minus_target"], [[0.20, -0.30, 0.10]], rtol=1e-14)
    assert_allclose(errors["target_minus_output"], [[-0.20, 0.30, -0.10]], rtol=1e-14)
