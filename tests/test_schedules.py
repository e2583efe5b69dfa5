"""Schedules: their formulas at points computed by hand, and what the estimator adds."""

import warnings
from dataclasses import dataclass, replace
from math import cos, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.initializers import Zeros
from skbackprop.optimizers import SGD
from skbackprop.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Plateau,
    Step,
    Warmup,
)

# -- formulas --------------------------------------------------------------------------

INIT = {"learning_rate_init": 0.8}
AT_EPOCHS = [
    (Constant(**INIT), {0: 0.8, 7: 0.8}),
    (Exponential(**INIT, decay=0.5), {0: 0.8, 1: 0.4, 3: 0.1}),
    (Step(**INIT, factor=0.5, every=3), {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2}),
    # an eighth, a half and all of the half circle
    (
        Cosine(**INIT, n_epochs=4),
        {0: 0.8, 1: 0.4 * (1 + sqrt(0.5)), 2: 0.4, 4: 0.0, 9: 0.0},
    ),
    (Cosine(**INIT, n_epochs=4, floor=0.2), {0: 0.8, 2: 0.5, 4: 0.2, 9: 0.2}),
    # two epochs up in thirds, four down
    (
        Cosine(**INIT, n_epochs=6, warmup=2),
        {0: 0.8 / 3, 1: 1.6 / 3, 2: 0.8, 4: 0.4, 6: 0.0},
    ),
    (Cosine(**INIT, n_epochs=2, warmup=2), {0: 0.8 / 3, 1: 1.6 / 3, 2: 0.8, 3: 0.0}),
    # four stairs up from 0.8 / 4, six down to 0.8 / 8; halfway is the mean of the ends
    (
        OneCycle(**INIT, n_epochs=11, rise=0.4, start=4, end=8),
        {0: 0.2, 2: 0.5, 4: 0.8, 7: 0.45, 10: 0.1, 11: 0.1, 20: 0.1},
    ),
    (OneCycle(**INIT, n_epochs=3, rise=0.5, start=4, end=8), {0: 0.2, 1: 0.8, 2: 0.1}),
    (Warmup(then=Constant(**INIT), n_epochs=4), {0: 0.2, 1: 0.4, 3: 0.8, 9: 0.8}),
    # half of 0.8, then all of what the exponential has fallen to
    (
        Warmup(then=Exponential(**INIT, decay=0.5), n_epochs=2),
        {0: 0.4, 1: 0.4, 2: 0.2, 3: 0.1},
    ),
    (Plateau(**INIT), {0: 0.8, 7: 0.8}),
    (Adaptive(**INIT), {0: 0.8, 7: 0.8}),
]


@pytest.mark.parametrize(("schedule", "rates"), AT_EPOCHS, ids=lambda value: repr(value))
def test_rate_of_an_epoch(schedule, rates):
    found = [schedule(10 * epoch, epoch, 100 * epoch) for epoch in rates]
    # cos(pi / 2) is 6e-17 and not 0
    assert_allclose(found, list(rates.values()), rtol=1e-15, atol=1e-16)


def test_inverse_scaling_counts_samples():
    schedule = InverseScaling(**INIT, power_t=0.5)
    found = [schedule(0, 0, n) for n in (0, 3, 15, 99)]
    assert_allclose(found, [0.8, 0.4, 0.2, 0.08], rtol=1e-15)  # one rounding


def test_inverse_scaling_of_power_0_is_constant():
    assert InverseScaling(**INIT, power_t=0.0)(5, 5, 500) == 0.8


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_a_rate_computed_by_hand(name):
    assert SCHEDULES[name] in {InverseScaling, *(type(case[0]) for case in AT_EPOCHS)}


# The first and the last rate of a training of one epoch, two and five, from 0.8.
ENDS = [
    (Constant(**INIT), [(0.8, 0.8), (0.8, 0.8), (0.8, 0.8)]),
    # of 99 rows: 99, 399 samples before
    (InverseScaling(**INIT), [(0.8, 0.8), (0.8, 0.08), (0.8, 0.8 / sqrt(397))]),
    (Exponential(**INIT, decay=0.5), [(0.8, 0.8), (0.8, 0.4), (0.8, 0.05)]),
    (Step(**INIT, every=2), [(0.8, 0.8), (0.8, 0.8), (0.8, 0.2)]),
    # the floor comes after the last epoch: 0, 1/2 and 4/5 of the half circle are done
    (
        Cosine(**INIT, floor=0.2),
        [(0.8, 0.8), (0.8, 0.5), (0.8, 0.2 + 0.3 * (1 + cos(0.8 * pi)))],
    ),
    # one epoch up; then none of it, none and 3/4 are done
    (Cosine(**INIT, warmup=1), [(0.4, 0.4), (0.4, 0.8), (0.4, 0.4 * (1 - sqrt(0.5)))]),
    # the last epoch has the end rate
    (OneCycle(**INIT, start=4, end=8), [(0.1, 0.1), (0.2, 0.1), (0.2, 0.1)]),
    (OneCycle(**INIT), [(8e-5, 8e-5), (0.032, 8e-5), (0.032, 8e-5)]),
    (Warmup(then=Constant(**INIT), n_epochs=2), [(0.4, 0.4), (0.4, 0.8), (0.4, 0.8)]),
    (Plateau(**INIT), [(0.8, 0.8), (0.8, 0.8), (0.8, 0.8)]),
    (Adaptive(**INIT), [(0.8, 0.8), (0.8, 0.8), (0.8, 0.8)]),
]


@pytest.mark.parametrize(("schedule", "ends"), ENDS, ids=lambda value: repr(value))
def test_first_and_last_rate_of_a_training_of_one_epoch_two_and_five(schedule, ends):
    has_length = hasattr(schedule, "n_epochs") and not isinstance(schedule, Warmup)
    for n_epochs, expected in zip((1, 2, 5), ends, strict=True):
        if has_length:
            schedule = replace(schedule, n_epochs=n_epochs)
        last = n_epochs - 1
        found = schedule(0, 0, 0), schedule(9 * last, last, 99 * last)
        assert_allclose(found, expected, rtol=1e-14)  # a few roundings


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_ends_computed_by_hand(name):
    assert SCHEDULES[name] in {type(schedule) for schedule, _ in ENDS}


# -- in a training ---------------------------------------------------------------------


@dataclass(kw_only=True)
class Recording(SGD):
    """Plain gradient descent that writes down the learning rate of every step."""

    def __post_init__(self):
        self.rates = []

    def update(self, gradient, memory, learning_rate, t):
        self.rates.append(learning_rate)
        super().update(gradient, memory, learning_rate, t)


def rates_per_step(n_epochs, n_rows=20, **params):
    """The learning rates of a training that makes two steps per epoch."""
    recording = Recording()
    regressor = BackpropRegressor(
        (3,),
        solver=recording,
        batch_size=n_rows // 2,
        max_iter=n_epochs,
        n_iter_no_change=1000,
        random_state=0,
    ).set_params(**params)
    X = np.linspace(-1, 1, n_rows)[:, np.newaxis]
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        regressor.fit(X, X[:, 0])
    return recording.rates


def twice(rates):
    return np.repeat(rates, 2)


@pytest.mark.parametrize(
    ("learning_rate", "rates"),
    [
        ("constant", [0.8, 0.8, 0.8, 0.8]),
        # 0, 20, 40 and 60 samples before
        ("invscaling", 0.8 / np.sqrt([1, 21, 41, 61])),
        ("adaptive", [0.8, 0.8, 0.8, 0.8]),
        ("plateau", [0.8, 0.8, 0.8, 0.8]),
        ("exponential", 0.8 * 0.95 ** np.arange(4)),
        ("step", [0.8, 0.8, 0.8, 0.8]),
        ("warmup", [0.16, 0.32, 0.48, 0.64]),
        # max_iter is 4: from the angle 0 in quarters of a half circle
        ("cosine", 0.4 * (1 + np.array([1, sqrt(0.5), 0, -sqrt(0.5)]))),
        (Cosine(), 0.4 * (1 + np.array([1, sqrt(0.5), 0, -sqrt(0.5)]))),
        (Cosine(learning_rate_init=0.2, n_epochs=2, floor=0.1), [0.2, 0.15, 0.1, 0.1]),
        # 0.9 of the 3 stairs up, from the angle 0; 2.1 down: 0.1 / 2.1, 1.1 / 2.1, all
        (
            "one_cycle",
            [
                0.8 / 25,
                0.8e-4 + (0.8 - 0.8e-4) * (1 + np.cos(np.pi * 0.1 / 2.1)) / 2,
                0.8e-4 + (0.8 - 0.8e-4) * (1 + np.cos(np.pi * 1.1 / 2.1)) / 2,
                0.8e-4,
            ],
        ),
        # within a warm-up the schedule is completed too
        (
            Warmup(then=Cosine(), n_epochs=2),
            [0.4, *(0.4 * (1 + np.array([sqrt(0.5), 0, -sqrt(0.5)])))],
        ),
        (Warmup(n_epochs=2), [0.4, 0.8, 0.8, 0.8]),
        (0.3, [0.3, 0.3, 0.3, 0.3]),
    ],
    ids=str,
)
def test_training_follows_the_schedule(learning_rate, rates):
    found = rates_per_step(4, learning_rate=learning_rate, learning_rate_init=0.8)
    # a few roundings of rates below 1
    assert_allclose(found, twice(rates), rtol=1e-14, atol=1e-16)


def test_power_of_inverse_scaling_comes_from_the_estimator():
    rates = rates_per_step(
        2, learning_rate="invscaling", learning_rate_init=0.8, power_t=1.0
    )
    assert_allclose(rates, twice([0.8, 0.8 / 21]), rtol=1e-15)  # one rounding


def test_schedule_may_count_steps():
    rates = rates_per_step(2, learning_rate=lambda step, epoch, n: 0.1 / (step + 1))
    assert_allclose(rates, [0.1, 0.1 / 2, 0.1 / 3, 0.1 / 4], rtol=1e-15)  # one rounding


@pytest.mark.parametrize("schedule", [Cosine(), Warmup(then=Cosine()), Adaptive()], ids=str)
def test_training_leaves_the_schedule_object_as_it_was(schedule):
    before = replace(schedule)
    rates_per_step(2, learning_rate=schedule)
    assert schedule == before


def test_schedule_counts_the_epochs_of_all_calls():
    recording = Recording()
    regressor = BackpropRegressor(
        (3,), solver=recording, learning_rate=Cosine(n_epochs=4), learning_rate_init=0.8
    )
    X = np.linspace(-1, 1, 20)[:, np.newaxis]
    for _ in range(4):
        regressor.partial_fit(X, X[:, 0])
    with pytest.warns(ConvergenceWarning, match="learning rate was 0 from epoch 5 on"):
        regressor.partial_fit(X, X[:, 0])
    expected = 0.4 * (1 + np.array([1, sqrt(0.5), 0, -sqrt(0.5), -1]))
    # a few roundings of rates below 1
    assert_allclose(recording.rates, expected, rtol=1e-14, atol=1e-16)


# -- schedules that come to 0 ----------------------------------------------------------

STOPS = {
    "cosine": Cosine(n_epochs=2),
    "warmup": Warmup(then=Cosine(n_epochs=2), n_epochs=1),
    "function": lambda step, epoch, samples_seen: max(0.0, 0.2 - 0.1 * epoch),
    "underflow": Exponential(decay=1e-200),
}


def sentences_on_zero(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    sentences = [str(warning.message) for warning in caught]
    return [sentence for sentence in sentences if "learning rate was 0" in sentence]


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("schedule", STOPS)
def test_schedule_that_comes_to_0_before_the_end_is_said_once(schedule, engine, cls):
    """In a fit, in the calls of `partial_fit` together, and in each fit that goes on."""
    X, y = np.linspace(-1, 1, 20)[:, np.newaxis], np.arange(20) % 2
    net = cls((3,), learning_rate=STOPS[schedule], engine=engine, max_iter=6)
    sentence = (
        "The learning rate was 0 from epoch 3 on, and the weights stood still. Give the "
        "schedule more epochs or a floor, or train for fewer."
    )
    assert sentences_on_zero(lambda: net.fit(X, y)) == [sentence]
    net.set_params(warm_start=True)
    assert sentences_on_zero(lambda: net.fit(X, y)) == [sentence.replace("3", "7")]
    classes = {"classes": [0, 1]} if cls is BackpropClassifier else {}
    net = clone(net)
    calls = [sentences_on_zero(lambda: net.partial_fit(X, y, **classes)) for _ in range(5)]
    assert calls == [[], [], [sentence], [], []]


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_that_takes_as_long_as_the_training_does_not_come_to_0(name):
    X = np.linspace(-1, 1, 20)[:, np.newaxis]
    for n_epochs in 1, 2, 5:
        net = BackpropRegressor((3,), learning_rate=name, max_iter=n_epochs)
        assert sentences_on_zero(lambda net=net: net.fit(X, X[:, 0])) == []
        assert min(net.learning_rate_curve_) > 0


# -- schedules that react --------------------------------------------------------------


def stalled(learning_rate, n_iter_no_change, **params):
    """A training whose loss is 0 in every epoch; rates per epoch, and the regressor."""
    recording = Recording()
    regressor = BackpropRegressor(
        (),
        solver=recording,
        learning_rate=learning_rate,
        initializer=Zeros(),
        n_iter_no_change=n_iter_no_change,
        **params,
    )
    regressor.fit(np.ones((5, 1)), np.zeros(5))
    return recording.rates, regressor


def test_plateau_lowers_the_rate_whenever_patience_is_over():
    """Epoch 1 improves on nothing; epochs 2, 3 and 4 stall, which is more than 2.

    From the count of 0 after epoch 4, epoch 7 is the third again. 0.2 is below the floor;
    after epoch 7 five more epochs stall, which is more than n_iter_no_change.
    """
    schedule = Plateau(factor=0.5, patience=2, floor=0.3)
    rates, regressor = stalled(schedule, 4, learning_rate_init=0.8)
    assert rates == [0.8] * 4 + [0.4] * 3 + [0.2] * 5
    assert regressor.n_iter_ == 12


def test_plateau_stops_at_its_floor():
    plateau, memory = Plateau(patience=3, factor=0.5, floor=0.25), {"factor": 0.5}
    assert not plateau.react(memory, n_stale=3, learning_rate=0.5)  # still tolerated
    assert not plateau.react(memory, n_stale=4, learning_rate=0.25)
    assert memory == {"factor": 0.5}
    assert plateau.react(memory, n_stale=4, learning_rate=0.5)
    assert memory == {"factor": 0.25}


def test_plateau_takes_its_patience_from_the_estimator():
    schedule = Plateau(patience=None, factor=0.5, floor=0.5)
    rates, _ = stalled(schedule, 3, learning_rate_init=0.8)
    assert rates == [0.8] * 5 + [0.4] * 4


def test_adaptive_divides_by_5_down_to_a_millionth():
    rates, _ = stalled("adaptive", 1, learning_rate_init=1e-5)
    # products with 0.2, rounded
    assert_allclose(rates, [1e-5] * 3 + [2e-6] * 2 + [4e-7] * 2, rtol=1e-15)


def test_warmup_lets_the_schedule_after_it_react():
    schedule = Warmup(then=Plateau(factor=0.5, patience=2, floor=0.3), n_epochs=2)
    rates, _ = stalled(schedule, 4, learning_rate_init=0.8)
    assert rates == [0.4] + [0.8] * 3 + [0.4] * 3 + [0.2] * 5


def test_warmup_to_a_schedule_that_does_not_react_stops_by_patience():
    rates, _ = stalled(Warmup(n_epochs=2), 4, learning_rate_init=0.8)
    assert rates == [0.4] + [0.8] * 5


def test_lowered_rate_is_a_factor_on_a_new_learning_rate_init():
    schedule = Plateau(factor=0.5, patience=2, floor=0.3)
    rates, regressor = stalled(schedule, 4, learning_rate_init=0.8)
    assert rates[-1] == 0.2
    regressor.set_params(learning_rate_init=0.4).partial_fit(np.ones((5, 1)), np.zeros(5))
    assert rates[-1] == 0.4 / 4


# -- learning rates that cannot be -----------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (Exponential(decay=0.0), "decay"),
        (Exponential(decay=1.5), "decay"),
        (Step(every=0), "every"),
        (Cosine(n_epochs=2.5), "n_epochs"),
        (OneCycle(rise=1.0), "rise"),
        (Warmup(n_epochs=0), "n_epochs"),
        (Warmup(then=Step(factor=2.0)), "factor"),
        (Plateau(factor=1.0), "factor"),
        (Plateau(patience=0), "patience"),
    ],
    ids=str,
)
def test_parameter_of_a_schedule_outside_its_range_is_refused(schedule, field):
    regressor = BackpropRegressor((), learning_rate=schedule)
    with pytest.raises(ValueError, match=f"The '{field}' parameter of"):
        regressor.fit(np.ones((5, 1)), np.zeros(5))
