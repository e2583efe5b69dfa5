"""Initializers: the distributions they promise, and weights of your own."""

from math import sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.initializers import (
    INITIALIZERS,
    GivenWeights,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Normal,
    Orthogonal,
    Uniform,
    Zeros,
)

FAN_IN, FAN_OUT = 300, 200


def drawn(initializer, kind="weights", fan_in=FAN_IN, fan_out=FAN_OUT, layer=0):
    out = np.full((fan_in, fan_out) if kind == "weights" else fan_out, np.nan)
    initializer(layer, kind, (fan_in, fan_out), np.random.RandomState(0), out)
    return out


VARIANCES = [
    (GlorotUniform(), 2 / (FAN_IN + FAN_OUT)),
    (GlorotUniform(factor=2.0), 2 / 3 / (FAN_IN + FAN_OUT)),
    (GlorotNormal(), 2 / (FAN_IN + FAN_OUT)),
    (HeUniform(), 2 / FAN_IN),
    (HeNormal(), 2 / FAN_IN),
    (LecunUniform(), 1 / FAN_IN),
    (LecunNormal(), 1 / FAN_IN),
    (Uniform(), 0.05**2 / 3),
    (Uniform(bound=2.0), 4 / 3),
    (Normal(), 0.05**2),
    (Normal(deviation=2.0), 4.0),
    # columns of norm 1 in 300 dimensions
    (Orthogonal(), 1 / FAN_IN),
    (Zeros(), 0.0),
]


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES, ids=repr)
def test_weights_have_mean_0_and_the_variance(initializer, variance):
    """Within five standard errors of 60,000 draws of a normal distribution, or of less."""
    weights = drawn(initializer)
    assert abs(weights.mean()) <= 5 * sqrt(variance / weights.size)
    assert abs(weights.var() - variance) <= 5 * variance * sqrt(2 / weights.size)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance_of_every_initializer_is_tested(name):
    assert INITIALIZERS[name] in {type(case[0]) for case in VARIANCES}


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (GlorotUniform(), sqrt(6 / (FAN_IN + FAN_OUT))),
        (GlorotUniform(factor=0.5), sqrt(0.5 / (FAN_IN + FAN_OUT))),
        (HeUniform(), sqrt(6 / FAN_IN)),
        (LecunUniform(), sqrt(3 / FAN_IN)),
        (Uniform(bound=0.2), 0.2),
    ],
    ids=repr,
)
def test_uniform_weights_reach_their_bound_and_no_further(initializer, bound):
    largest = np.abs(drawn(initializer)).max()
    # all 60,000 below 0.999 of it has a probability of 0.999^60000 = 1e-26
    assert 0.999 * bound < largest <= bound


@pytest.mark.parametrize(
    "initializer", [GlorotNormal(), HeNormal(), LecunNormal()], ids=repr
)
def test_normal_weights_have_normal_tails(initializer):
    """2.3 % of the weights lie more than two standard deviations above 0."""
    weights = drawn(initializer)
    share = np.mean(weights > 2 * weights.std())
    # five standard errors of a share of 0.0228 of 60,000
    assert_allclose(share, 0.0228, atol=5 * sqrt(0.0228 / 60_000))


@pytest.mark.parametrize(
    "initializer",
    [
        GlorotNormal(),
        HeUniform(),
        HeNormal(),
        LecunUniform(),
        LecunNormal(),
        Orthogonal(),
        Zeros(),
    ],
    ids=repr,
)
def test_biases_start_at_zero(initializer):
    assert not drawn(initializer, "bias").any()


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [(GlorotUniform(), sqrt(6 / (FAN_IN + FAN_OUT))), (Uniform(bound=0.2), 0.2)],
    ids=repr,
)
def test_biases_are_drawn_like_the_weights(initializer, bound):
    biases = np.abs(drawn(initializer, "bias"))
    assert 0.9 * bound < biases.max() <= bound  # 0.9^200 = 7e-10


@pytest.mark.parametrize(("fan_in", "fan_out"), [(7, 4), (4, 7), (5, 5)])
def test_orthogonal_weights_have_orthonormal_rows_or_columns(fan_in, fan_out):
    weights = drawn(Orthogonal(gain=2.0), fan_in=fan_in, fan_out=fan_out)
    if fan_in < fan_out:
        weights = weights.T
    # rounding of the products
    assert_allclose(weights.T @ weights, 4 * np.eye(min(fan_in, fan_out)), atol=1e-14)


def test_orthogonal_directions_are_uniform():
    """The first of two coordinates is positive for half of the matrices."""
    rng, out = np.random.RandomState(0), np.empty((2, 2))
    positive = 0
    for _ in range(400):
        Orthogonal()(0, "weights", (2, 2), rng, out)
        positive += out[0, 0] > 0
    assert abs(positive - 200) < 50  # five standard errors, sqrt(400) / 2 each


def test_glorot_factor_of_each_layer():
    """2 for logistic units, 6 for others; see the bounds above."""
    for layer, factor in enumerate([2.0, 6.0]):
        weights = drawn(GlorotUniform(factor=[2.0, 6.0]), layer=layer)
        bound = sqrt(factor / (FAN_IN + FAN_OUT))
        assert 0.999 * bound < np.abs(weights).max() <= bound


# -- in an estimator -------------------------------------------------------------------


def first_weights(**params):
    """The weights that training starts from: a learning rate that moves nothing."""
    regressor = BackpropRegressor((200,), learning_rate=1e-300, max_iter=1, **params)
    X = np.random.RandomState(1).standard_normal((10, 300))
    with pytest.warns(ConvergenceWarning):
        return regressor.fit(X, X[:, 0]).coefs_


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializer_by_name_and_as_an_object_draw_the_same(name):
    by_name = first_weights(initializer=name, random_state=0)
    by_object = first_weights(initializer=INITIALIZERS[name](), random_state=0)
    assert all(map(np.array_equal, by_name, by_object))


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"zeros"}))
def test_random_state_decides_the_weights(name):
    first, second = (first_weights(initializer=name, random_state=seed) for seed in (0, 1))
    assert not np.array_equal(first[0], second[0])


def test_named_glorot_has_the_factor_of_each_activation():
    """A bound of sqrt(2 / 500) for logistic units, sqrt(6 / 201) for the output."""
    hidden, output = first_weights(activation=["logistic"], random_state=0)
    assert 0.999 * sqrt(2 / 500) < np.abs(hidden).max() <= sqrt(2 / 500)
    assert 0.9 * sqrt(6 / 201) < np.abs(output).max() <= sqrt(6 / 201)


def test_zero_weights_keep_the_units_of_a_layer_alike(rng):
    X, y = rng.standard_normal((30, 3)), np.arange(30) % 2
    classifier = BackpropClassifier((4,), "softplus", initializer="zeros", random_state=0)
    for _ in range(3):
        classifier.partial_fit(X, y, classes=[0, 1])
    assert classifier.coefs_[0].any()
    assert (classifier.coefs_[0] == classifier.coefs_[0][:, :1]).all()


def test_parameter_of_an_initializer_outside_its_range_is_refused():
    regressor = BackpropRegressor((), initializer=Normal(deviation=0.0))
    with pytest.raises(ValueError, match="The 'deviation' parameter of Normal"):
        regressor.fit(np.ones((5, 1)), np.ones(5))


# -- weights of your own --------------------------------------------------------------


@pytest.fixture
def given(rng):
    return (
        [rng.standard_normal((3, 4)), rng.standard_normal((4, 2))],
        [rng.standard_normal(4), rng.standard_normal(2)],
    )


@pytest.fixture
def Xy(rng):
    return rng.standard_normal((30, 3)), rng.standard_normal((30, 2))


def test_training_starts_from_given_weights(given, Xy):
    X, y = Xy
    regressor = BackpropRegressor((4,), initializer=GivenWeights(*given), alpha=0.0)
    regressor.partial_fit(X, y)
    hidden = np.maximum(X @ given[0][0] + given[1][0], 0)
    errors = hidden @ given[0][1] + given[1][1] - y
    # one batch: the loss of the first epoch is that of the given weights; sums in another
    # order
    assert_allclose(regressor.loss_, (errors**2).sum() / 2 / 30, rtol=1e-13)


def test_training_leaves_the_given_arrays_as_they_were(given, Xy):
    before = [array.copy() for array in [*given[0], *given[1]]]
    regressor = BackpropRegressor((4,), initializer=GivenWeights(*given))
    regressor.partial_fit(*Xy)
    assert not np.array_equal(regressor.coefs_[0], before[0])
    assert all(map(np.array_equal, [*given[0], *given[1]], before))


def test_given_weights_may_be_lists(Xy):
    X, _ = Xy
    y = np.arange(30) % 2
    classifier = BackpropClassifier(
        (), initializer=GivenWeights([[[1.0], [2.0], [3.0]]], [[0.5]]), alpha=0.0
    )
    classifier.partial_fit(X, y, classes=[0, 1])
    first = BackpropClassifier.from_weights(
        [[[1.0], [2.0], [3.0]]], [[0.5]], classes=[0, 1]
    )
    # the metric takes the logarithms of rounded probabilities
    assert_allclose(classifier.loss_, log_loss(y, first.predict_proba(X)), rtol=1e-12)


def test_given_weights_are_cloned_with_the_estimator(given, Xy):
    regressor = BackpropRegressor((4,), initializer=GivenWeights(*given), random_state=0)
    twin = clone(regressor)
    assert twin.initializer is not regressor.initializer
    assert np.array_equal(
        twin.partial_fit(*Xy).predict(Xy[0]), regressor.partial_fit(*Xy).predict(Xy[0])
    )


def test_warm_start_goes_on_and_does_not_start_from_the_given_weights_again(given, Xy):
    twice, once = (
        BackpropRegressor(
            (4,),
            initializer=GivenWeights(*given),
            warm_start=True,
            max_iter=max_iter,
            random_state=0,
        )
        for max_iter in (2, 4)
    )
    with pytest.warns(ConvergenceWarning):
        twice.fit(*Xy).fit(*Xy)
    with pytest.warns(ConvergenceWarning):
        once.fit(*Xy)
    assert np.array_equal(twice.coefs_[0], once.coefs_[0])


@pytest.mark.parametrize(
    ("part", "layer", "array", "match"),
    [
        (0, 0, np.ones((4, 3)), r"weights of shape \(3, 4\) for layer 0 .* has \(4, 3\)"),
        (0, 1, np.ones((4, 1)), r"weights of shape \(4, 2\) for layer 1 .* has \(4, 1\)"),
        (1, 1, np.ones((1, 2)), r"bias of shape \(2,\) for layer 1 .* has \(1, 2\)"),
    ],
)
def test_given_weights_that_do_not_fit_are_refused(part, layer, array, match, given, Xy):
    given[part][layer] = array
    with pytest.raises(ValueError, match=match):
        BackpropRegressor((4,), initializer=GivenWeights(*given)).fit(*Xy)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (4, 2)])
def test_given_weights_for_fewer_or_more_layers_are_refused(hidden_layer_sizes, given, Xy):
    regressor = BackpropRegressor(hidden_layer_sizes, initializer=GivenWeights(*given))
    n_layers = len(hidden_layer_sizes) + 1
    pattern = f"GivenWeights is for 2 layers, but the network has {n_layers}"
    with pytest.raises(ValueError, match=pattern):
        regressor.fit(*Xy)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", [0, 1])
def test_given_weights_that_are_not_finite_are_refused(part, value, given, Xy):
    given[part][1][..., 0] = value
    with pytest.raises(ValueError, match="GivenWeights has a weight or bias that is not"):
        BackpropRegressor((4,), initializer=GivenWeights(*given)).fit(*Xy)


@pytest.mark.filterwarnings("ignore:Not converged")
@pytest.mark.parametrize("factor", [1e-3, 50.0, [0.5, 6]])
def test_any_positive_glorot_factor_is_taken(factor, Xy):
    net = BackpropRegressor((4,), initializer=GlorotUniform(factor=factor), max_iter=1)
    first = factor[0] if isinstance(factor, list) else factor
    bound = sqrt(first / (Xy[0].shape[1] + 4)) + 0.002  # and two steps of Adam
    assert np.abs(net.fit(*Xy).coefs_[0]).max() < bound


@pytest.mark.parametrize("factor", [-1, 0, np.nan, np.inf, True, "a", [6, -1], [[6], [6]]])
def test_glorot_factor_that_is_not_positive_is_refused(factor, Xy):
    regressor = BackpropRegressor((4,), initializer=GlorotUniform(factor=factor))
    with pytest.raises(ValueError, match="'factor' parameter of GlorotUniform must be"):
        regressor.fit(*Xy)


def test_given_weights_are_not_printed_number_by_number(given):
    assert repr(GivenWeights(*given)) == "GivenWeights(<2 layers>)"


@pytest.mark.parametrize("factor", [[6], [6, 6, 6], []])
def test_glorot_factors_for_fewer_or_more_layers_are_refused(factor, Xy):
    regressor = BackpropRegressor((4,), initializer=GlorotUniform(factor=factor))
    with pytest.raises(
        ValueError, match=rf"for {len(factor)} layers?, but the network has 2"
    ):
        regressor.fit(*Xy)


@pytest.mark.parametrize("part", [0, 1])
def test_given_weights_need_as_many_weights_as_biases(part, given, Xy):
    del given[part][1]
    with pytest.raises(ValueError, match="one array of weights and one of biases"):
        BackpropRegressor((4,), initializer=GivenWeights(*given)).fit(*Xy)


def test_failed_start_leaves_an_earlier_fit_as_it_was(given, Xy):
    regressor = BackpropRegressor((4,), initializer=GivenWeights(*given))
    before = regressor.partial_fit(*Xy).predict(Xy[0])
    with pytest.raises(ValueError, match="GivenWeights needs"):
        regressor.fit(Xy[0][:, :2], Xy[1])
    assert np.array_equal(regressor.predict(Xy[0]), before)


def test_factors_that_are_left_open_are_no_fault():
    GlorotUniform().check()
    with pytest.raises(ValueError, match="'factor' parameter of GlorotUniform"):
        GlorotUniform(factor=0).check()
