"""A failed call leaves the random stream where it was, for the calls that follow."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropRegressor
from skbackprop.training import random_stream

RNG = np.random.RandomState(0)
X, COEFS = RNG.randn(40, 3), [RNG.randn(3, 2), RNG.randn(2, 1)]
Y = X[:, 0] * X[:, 1]
BIASES = [np.zeros(2), np.zeros(1)]


def from_weights():
    return BackpropRegressor.from_weights(COEFS, BIASES, batch_size=5, random_state=0)


def trained_with_a_stream_object():
    net = BackpropRegressor((2,), batch_size=5, random_state=np.random.RandomState(0))
    return net.partial_fit(X, Y)


@pytest.mark.parametrize("n_rows", [1, 40])
def test_dropout_switched_on_in_a_failed_call_draws_no_seed(n_rows):
    expected, net = from_weights(), from_weights()
    net.set_params(dropout=0.5, solver="sgd", learning_rate=1e300)
    with pytest.raises(ValueError, match="diverged"):
        net.partial_fit(1e10 * X[:n_rows], Y[:n_rows])
    net.set_params(**expected.get_params())
    for each in (expected, net):
        each.partial_fit(X, Y)
    for theirs, ours in zip(expected.coefs_, net.coefs_, strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("make", [from_weights, trained_with_a_stream_object])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_diverged_training_leaves_the_random_stream_where_it_was(make, method):
    expected = make().partial_fit(X, Y)

    net = make().set_params(solver="sgd", learning_rate=1e300)
    with pytest.raises(ValueError, match="diverged"):
        getattr(net, method)(X, Y)
    net.set_params(solver="adam", learning_rate="constant").partial_fit(X, Y)

    # batches of 5 rows: another order of the rows would give other weights
    for theirs, ours in zip(expected.coefs_, net.coefs_, strict=True):
        assert_array_equal(ours, theirs)


class OtherStream(np.random.RandomState):
    """A stream that may do whatever it likes."""


STREAMS = {
    "usual": lambda: np.random.RandomState(7),
    "of another class": lambda: OtherStream(7),
    "of another generator": lambda: np.random.RandomState(np.random.PCG64(7)),
}


def fail_after_a_shuffle(rng, n_chunks):
    """Let a chunk fail after its rows were shuffled; return the stream before and after."""
    failing = []

    def rate(step, epoch, samples_seen):
        if failing and failing.pop():
            raise ZeroDivisionError
        return 0.01

    net = BackpropRegressor((2,), batch_size=5, learning_rate=rate, random_state=rng)
    for _ in range(n_chunks):
        net.partial_fit(X, Y)
    rng.normal()  # of a pair, whose other number is kept
    before = rng.get_state(legacy=False)
    failing += [True, False]  # for a report, and for the first step
    with pytest.raises(ZeroDivisionError):
        net.partial_fit(X, Y)
    assert not failing
    return before, rng.get_state(legacy=False)


@pytest.mark.parametrize("n_chunks", [1, 3])  # the first one is made ready for
@pytest.mark.parametrize("stream", STREAMS)
def test_a_chunk_that_fails_after_its_rows_were_shuffled_gives_the_numbers_back(
    stream, n_chunks
):
    before, after = fail_after_a_shuffle(STREAMS[stream](), n_chunks)
    np.testing.assert_equal(after, before)


def test_numbers_are_given_back_where_numpy_keeps_them_elsewhere(monkeypatch):
    random_stream._lie_as_expected.cache_clear()
    monkeypatch.setattr(random_stream, "_numbers_of", lambda rng: rng.no_such_attribute)
    before, after = fail_after_a_shuffle(np.random.RandomState(7), 3)
    random_stream._lie_as_expected.cache_clear()
    np.testing.assert_equal(after, before)
