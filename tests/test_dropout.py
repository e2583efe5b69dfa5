"""Dropout: inverted scaling, masks from a counter, never in a prediction."""

import pickle
from math import sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import assert_same_weights

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import ACTIVATIONS, Identity, Tanh
from skbackprop.conventions import CONVENTIONS, OutputMinusTarget
from skbackprop.losses import SquaredError
from skbackprop.network.dropout import fill_mask
from skbackprop.network.network import Network
from skbackprop.network.objective import Batch, Objective
from skbackprop.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Not converged")

SMALL = {
    "hidden_layer_sizes": (8, 6),
    "activation": "tanh",
    "batch_size": 16,
    "max_iter": 6,
    "dropout": 0.4,
    "random_state": 0,
}


@pytest.fixture
def Xy(rng):
    X = rng.standard_normal((40, 3))
    return X, (X[:, 0] > 0).astype(int)


def mask(seed=1, step=0, layer=0, rate=0.5, shape=(64, 16), dtype=float):
    out = np.full(shape, np.nan, dtype)
    fill_mask(seed, step, layer, rate, out)
    return out


# -- masks -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mask_is_zero_or_scaled_up(rate, dtype):
    assert set(np.unique(mask(rate=rate, dtype=dtype))) == {0, dtype(1 / (1 - rate))}


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.95])
def test_mask_silences_the_fraction_and_keeps_the_mean(rate):
    """Within five standard errors of a million draws."""
    found = mask(rate=rate, shape=(1000, 1000))
    error = sqrt(rate * (1 - rate) / 1e6)
    assert abs(np.mean(found == 0) - rate) <= 5 * error
    assert abs(found.mean() - 1) <= 5 * error / (1 - rate)


def test_rows_of_a_mask_are_drawn_as_a_part_of_it():
    rows = np.array([5, 0, 63, 5])
    part = np.full((4, 16), np.nan)
    fill_mask(1, 0, 0, 0.5, part, rows)
    assert np.array_equal(part, mask()[rows])


def test_mask_depends_on_seed_step_and_layer():
    base = {"seed": 5, "step": 5, "layer": 5}
    masks = [mask(**base), *(mask(**{**base, name: 6}) for name in base)]
    for i, first in enumerate(masks):
        for second in masks[:i]:
            # independent masks of 1024 elements at rate 1/2 agree in half of them
            assert abs(np.mean(first == second) - 0.5) <= 5 * sqrt(0.25 / 1024)


def test_mask_depends_on_nothing_else():
    first = mask()
    mask(seed=9, step=9, layer=9, shape=(3, 3))
    np.random.seed(0)  # noqa: NPY002 it must not depend on the global stream
    assert np.array_equal(mask(), first)


def test_element_of_a_mask_does_not_depend_on_the_number_of_rows():
    assert np.array_equal(mask(shape=(10, 16)), mask(shape=(64, 16))[:10])


def test_smaller_rate_silences_a_part_of_what_a_larger_one_does():
    few, many = mask(rate=0.2) == 0, mask(rate=0.6) == 0
    assert many[few].all()


def murmur_finalizer(word):
    """fmix32 of MurmurHash3, in Python's integers."""
    word ^= word >> 16
    word = word * 0x85EBCA6B & 0xFFFFFFFF
    word ^= word >> 13
    word = word * 0xC2B2AE35 & 0xFFFFFFFF
    return word ^ word >> 16


def test_mask_is_the_hash_of_its_place():
    """Else a training saved by one version would go on with other masks in the next."""
    assert murmur_finalizer(1) == 0x514E28B7  # published
    key = 0
    for number in (2, 3, 4):  # layer, step, seed
        key = murmur_finalizer(key ^ number)
    words = [murmur_finalizer(murmur_finalizer(i) ^ key) for i in range(60)]
    kept = np.reshape(words, (12, 5)) >= 0.3 * 2**32
    found = mask(seed=4, step=3, layer=2, rate=0.3, shape=(12, 5))
    assert np.array_equal(found != 0, kept)


def chi_square(first, second):
    """The statistic of independence of two arrays of booleans, one degree of freedom."""
    observed = np.histogram2d(first.ravel(), second.ravel(), bins=2)[0]
    expected = observed.sum(1, keepdims=True) * observed.sum(0) / observed.sum()
    return ((observed - expected) ** 2 / expected).sum()


MASKS = np.array(
    [[mask(seed=77, step=s, layer=la) == 0 for la in range(3)] for s in range(40)]
)  # 40 steps, 3 layers, 64 rows, 16 units


NEIGHBOURS = {
    "step": (MASKS[1:], MASKS[:-1]),
    "2 steps": (MASKS[2:], MASKS[:-2]),
    "16 steps": (MASKS[16:], MASKS[:-16]),
    "layer": (MASKS[:, 0], MASKS[:, 1]),
    "2 layers": (MASKS[:, 0], MASKS[:, 2]),
    "step and layer": (MASKS[:-1, 1], MASKS[1:, 0]),
    "row": (MASKS[:, :, 1:], MASKS[:, :, :-1]),
    "32 rows": (MASKS[:, :, 32:], MASKS[:, :, :-32]),
    "unit": (MASKS[..., 1:], MASKS[..., :-1]),
    "8 units": (MASKS[..., 8:], MASKS[..., :-8]),
    "row and unit": (MASKS[:, :, 1:, 1:], MASKS[:, :, :-1, :-1]),
}


@pytest.mark.parametrize("distance", NEIGHBOURS)
def test_masks_are_independent_of_their_neighbours(distance):
    """Chance exceeds 20 once in 130,000 times; the masks are always the same."""
    assert chi_square(*NEIGHBOURS[distance]) < 20


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["step", "layer", "row", "unit"])
def test_no_step_layer_row_or_unit_is_silenced_more_often(axis):
    """The sum of squares of n standardised counts is chi-square of n degrees of freedom.

    Its mean is n and its variance 2 n; five standard deviations are allowed.
    """
    counts = MASKS.sum(axis=tuple({0, 1, 2, 3} - {axis}))
    n, draws = len(counts), MASKS.size / len(counts)
    statistic = ((counts - draws / 2) ** 2 / (draws / 4)).sum()
    assert abs(statistic - n) <= 5 * sqrt(2 * n)


# -- in a network ----------------------------------------------------------------------


def objective_of(dropout, activation=Tanh, sizes=(3, 8, 6, 2)):
    """A network with dropout, its parameters, a batch and work arrays."""
    rng = np.random.RandomState(0)
    hidden = [activation()] * (len(sizes) - 2)
    network = Network.of_sizes(sizes, hidden, dropout)
    vector = rng.uniform(-1, 1, network.n_parameters)
    batch = Batch(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), None)
    objective = Objective(
        network=network, loss=SquaredError(), alpha=0.1, convention=OutputMinusTarget()
    )
    return objective, vector, batch, network.allocate(5, float)


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"sigmoid"}))
def test_gradient_is_the_derivative_with_the_mask_held_fixed(activation):
    objective, vector, batch, work = objective_of([0.5, 0.3], ACTIVATIONS[activation])
    network = objective.network
    network.draw_masks(work, seed=3, step=4)
    masks = [layer_work.mask.copy() for layer_work in work[:-1]]
    gradient = network.parameters(np.empty_like(vector))

    def value(at):
        parameters = network.parameters(at)
        return objective.value_and_gradient(parameters, batch, work, gradient)

    value(vector)
    analytic = gradient.vector.copy()
    assert any((mask == 0).any() for mask in masks)
    eps = 1e-5
    for direction in np.random.RandomState(1).standard_normal((3, vector.size)):
        direction /= np.linalg.norm(direction)
        numeric = (value(vector + eps * direction) - value(vector - eps * direction)) / (
            2 * eps
        )
        # a hundred times the error of the difference, eps^2; no net input near a kink
        assert_allclose(analytic @ direction, numeric, rtol=1e-7, atol=1e-8)
    assert all(map(np.array_equal, masks, [layer_work.mask for layer_work in work[:-1]]))


def test_silenced_units_have_no_gradient():
    """Neither their own weights nor those above them, in a batch of one row."""
    objective, vector, batch, _ = objective_of([0.5, 0.0], sizes=(3, 8, 6, 2))
    network = objective.network
    work = network.allocate(1, float)
    network.draw_masks(work, seed=3, step=4)
    silent = work[0].mask[0] == 0
    gradient = network.parameters(np.empty_like(vector))
    objective.alpha = 0.0
    row = Batch(batch.X[:1], batch.target[:1], None)
    objective.value_and_gradient(network.parameters(vector), row, work, gradient)
    assert 0 < silent.sum() < 8
    below, above = gradient.layers[0], gradient.layers[1]
    assert not below.weights[:, silent].any()
    assert not below.bias[silent].any()
    assert not above.weights[silent].any()
    assert below.weights[:, ~silent].all()


def test_mean_output_over_masks_is_the_output_of_prediction():
    """Exact for identity units, where the output is linear in each mask."""
    objective, vector, batch, work = objective_of([0.5, 0.3], Identity)
    network, n_steps = objective.network, 4000
    outputs = np.empty((n_steps, 5, 2))
    for step in range(n_steps):
        network.draw_masks(work, seed=3, step=step)
        outputs[step] = network.forward(network.parameters(vector), batch.X, work)
    error = outputs.std(axis=0) / sqrt(n_steps)
    predicted = network.net_output(network.parameters(vector), batch.X)
    assert (np.abs(outputs.mean(axis=0) - predicted) <= 5 * error).all()
    assert (error > 0).all()


def test_each_hidden_layer_has_its_own_rate():
    network = Network.of_sizes([3, 400, 300, 2], [Tanh()] * 2, [0.5, 0.2])
    work = network.allocate(100, float)
    network.draw_masks(work, seed=3, step=4)
    for layer_work, rate in zip(work, [0.5, 0.2], strict=False):
        # five standard errors of 30,000 draws or more
        share = np.mean(layer_work.mask == 0)
        assert_allclose(share, rate, atol=5 * sqrt(rate * (1 - rate) / 30_000))
    assert work[2].mask is None  # the output has none


# -- in an estimator -------------------------------------------------------------------


def test_prediction_silences_nothing(Xy):
    X, y = Xy
    fitted = BackpropClassifier(**SMALL).fit(X, y)
    without = BackpropClassifier.from_weights(
        fitted.coefs_, fitted.intercepts_, classes=[0, 1], activation="tanh"
    )
    assert np.array_equal(fitted.predict_proba(X), without.predict_proba(X))


def test_dropout_changes_the_training(Xy):
    with_it = BackpropClassifier(**SMALL).fit(*Xy)
    without = BackpropClassifier(**{**SMALL, "dropout": 0.0}).fit(*Xy)
    assert not np.array_equal(with_it.coefs_[0], without.coefs_[0])


def test_validation_rows_are_seen_without_dropout(Xy):
    X, y = Xy
    regressor = BackpropRegressor(**SMALL).fit(X, y, X_val=X, y_val=y)
    expected = np.mean((regressor.predict(X) - y) ** 2) / 2
    # sums in another order
    assert_allclose(regressor.validation_loss_curve_[-1], expected, rtol=1e-13)


def test_no_dropout_leaves_the_random_stream_alone(Xy):
    """Or the numbers would not be those of MLPClassifier."""
    plain = BackpropClassifier(**{**SMALL, "dropout": 0.0}).fit(*Xy)
    zeros = BackpropClassifier(**{**SMALL, "dropout": (0.0, 0.0)}).fit(*Xy)
    assert_same_weights(plain, zeros)


def test_same_seed_gives_the_same_masks_and_another_seed_others(Xy):
    first, again = (BackpropClassifier(**SMALL).fit(*Xy) for _ in range(2))
    other = BackpropClassifier(**{**SMALL, "random_state": 1}).fit(*Xy)
    assert_same_weights(first, again)
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])


def test_one_rate_is_the_rate_of_every_hidden_layer(Xy):
    one = BackpropClassifier(**SMALL).fit(*Xy)
    each = BackpropClassifier(**{**SMALL, "dropout": [0.4, 0.4]}).fit(*Xy)
    assert_same_weights(one, each)


def test_rate_of_the_second_layer_counts(Xy):
    first = BackpropClassifier(**{**SMALL, "dropout": (0.4, 0.0)}).fit(*Xy)
    both = BackpropClassifier(**{**SMALL, "dropout": (0.4, 0.2)}).fit(*Xy)
    assert not np.array_equal(first.coefs_[0], both.coefs_[0])


@pytest.mark.parametrize(
    ("solver", "through_pickle"),
    [("adam", False), *[(solver, True) for solver in OPTIMIZERS]],
)
def test_warm_start_goes_on_with_the_masks(solver, through_pickle, Xy):
    params = {**SMALL, "solver": solver, "batch_size": "auto"}
    once = BackpropClassifier(**params).fit(*Xy)
    twice = BackpropClassifier(**{**params, "max_iter": 3}, warm_start=True).fit(*Xy)
    if through_pickle:
        twice = pickle.loads(pickle.dumps(twice))
    twice.fit(*Xy)
    assert_same_weights(twice, once)


@pytest.mark.parametrize("through_pickle", [False, True])
def test_partial_fit_goes_on_with_the_masks(through_pickle, Xy):
    once = BackpropClassifier(**SMALL).fit(*Xy)
    in_parts = BackpropClassifier(**SMALL)
    for _ in range(6):
        in_parts.partial_fit(*Xy, classes=[0, 1])
        if through_pickle:
            in_parts = pickle.loads(pickle.dumps(in_parts))
    assert_same_weights(in_parts, once)


def test_dropout_may_begin_later(Xy):
    classifier = BackpropClassifier(**{**SMALL, "dropout": 0.0})
    classifier.partial_fit(*Xy, classes=[0, 1])
    twin = pickle.loads(pickle.dumps(classifier)).set_params(dropout=0.4)
    twin.partial_fit(*Xy)
    classifier.partial_fit(*Xy)
    assert not np.array_equal(twin.coefs_[0], classifier.coefs_[0])


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_weights_do_not_depend_on_the_convention(solver, Xy):
    params = {**SMALL, "solver": solver, "batch_size": "auto"}
    first, second = (
        BackpropClassifier(**params, error_convention=name).fit(*Xy) for name in CONVENTIONS
    )
    assert first.loss_curve_ == second.loss_curve_
    assert_same_weights(first, second)


def test_early_stopping_keeps_going_exactly_with_dropout(Xy):
    params = {**SMALL, "early_stopping": True, "n_iter_no_change": 100}
    once = BackpropClassifier(**params).fit(*Xy)
    twice = BackpropClassifier(**{**params, "max_iter": 3}, warm_start=True)
    twice.fit(*Xy).fit(*Xy)
    assert twice.validation_loss_curve_ == once.validation_loss_curve_
    assert_same_weights(twice, once)


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [1.0, -0.1, "half", None, True, (0.5, 1.0)], ids=str)
def test_rates_outside_0_to_1_are_refused(dropout, Xy):
    with pytest.raises(ValueError, match="The 'dropout' parameter of BackpropClassifier"):
        BackpropClassifier(**{**SMALL, "dropout": dropout}).fit(*Xy)


@pytest.mark.parametrize("dropout", [(0.5,), (0.5, 0.5, 0.5)], ids=str)
def test_number_of_rates_must_be_that_of_hidden_layers(dropout, Xy):
    with pytest.raises(ValueError, match="items for 2 hidden layers"):
        BackpropClassifier(**{**SMALL, "dropout": dropout}).fit(*Xy)


def test_lbfgs_refuses_dropout(Xy):
    params = {**SMALL, "solver": "lbfgs"}
    with pytest.raises(ValueError, match=r"solver='lbfgs' cannot use dropout=0\.4"):
        BackpropClassifier(**params).fit(*Xy)
