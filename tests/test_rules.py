"""What the core relies on in every rule of a kind, over all rules of that kind."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules import LINKS, LOSSES, OPTIMIZER_OBJECTS, SCHEDULE_OBJECTS, n_outputs_of

from skbackprop.initializers import INITIALIZERS
from skbackprop.rule import complete

FLOATS = [np.float64, np.float32]


@pytest.mark.parametrize("activation", LINKS)
def test_activation_may_overwrite_its_net_input(activation, rng):
    z = rng.standard_normal((6, 4))
    apart = np.empty_like(z)
    LINKS[activation].forward(z, apart)
    LINKS[activation].forward(z, z)
    assert np.array_equal(z, apart)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", LINKS)
def test_activation_multiplies_delta_by_its_derivative(activation, dtype, rng):
    """Of ``delta @ f(z)`` for a whole layer, so that softmax shows its full Jacobian."""
    activation = LINKS[activation]
    z = rng.uniform(0.1, 2, (6, 4)) * rng.choice([-1, 1], (6, 4))  # away from a kink at 0
    delta = rng.standard_normal((6, 4))
    eps = 1e-5
    numeric = np.empty_like(z)
    for index in np.ndindex(*z.shape):
        shift = np.zeros_like(z)
        shift[index] = eps
        above, below = np.empty_like(z), np.empty_like(z)
        activation.forward(z + shift, above)
        activation.forward(z - shift, below)
        numeric[index] = np.sum(delta * (above - below)) / (2 * eps)
    z, signal = z.astype(dtype), delta.astype(dtype)
    a = np.empty_like(z)
    activation.forward(z, a)
    activation.backward({"activation": a, "net_input": z}[activation.saves], signal)
    # float64: a hundred times eps^2; float32: some tens of roundings
    tolerance = 1e-8 if dtype == np.float64 else 3e-6
    assert_allclose(signal, numeric, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_may_overwrite_its_net_input_with_the_output(loss, rng):
    z = rng.standard_normal((6, n_outputs_of(LOSSES[loss])[-1]))
    apart = np.empty_like(z)
    LOSSES[loss].predict(z, apart)
    LOSSES[loss].predict(z, z)
    assert np.array_equal(z, apart)


@pytest.mark.parametrize(
    "loss", [name for name, loss in LOSSES.items() if hasattr(loss, "log_predict")]
)
def test_log_predict_is_the_logarithm_of_predict(loss, rng):
    loss = LOSSES[loss]
    z = 3 * rng.standard_normal((6, n_outputs_of(loss)[-1]))
    output, log_output = np.empty_like(z), np.empty_like(z)
    loss.predict(z, output)
    loss.log_predict(z, log_output)
    # outputs above 1e-4 here: the logarithm keeps 12 digits of them
    assert_allclose(log_output, np.log(output), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("optimizer", OPTIMIZER_OBJECTS)
def test_optimizer_is_odd_in_the_gradient(optimizer, dtype, rng):
    """Bit for bit, memory and all: that makes the error convention change no result."""
    optimizer = OPTIMIZER_OBJECTS[optimizer]
    vector = rng.standard_normal(20).astype(dtype)
    memory, mirrored = optimizer.init(vector), optimizer.init(vector)
    for t in range(1, 6):
        update = rng.standard_normal(20).astype(dtype)
        opposite = -update
        optimizer.update(update, memory, 0.1, t)
        optimizer.update(opposite, mirrored, 0.1, t)
        assert update.any()
        assert np.array_equal(opposite, -update)


@pytest.mark.parametrize("optimizer", OPTIMIZER_OBJECTS)
def test_optimizer_works_element_by_element(optimizer, rng):
    """An engine may hand it the arrays in pieces, of any size."""
    optimizer = OPTIMIZER_OBJECTS[optimizer]
    vector = rng.standard_normal(20)
    memory, in_pieces = optimizer.init(vector), optimizer.init(vector)
    for t in range(1, 6):
        whole = rng.standard_normal(20)
        pieces = whole.copy()
        optimizer.update(whole, memory, 0.1, t)
        for piece in slice(0, 7), slice(7, 8), slice(8, 20):
            own = {name: array[piece] for name, array in in_pieces.items()}
            optimizer.update(pieces[piece], own, 0.1, t)
        assert np.array_equal(pieces, whole)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("optimizer", OPTIMIZER_OBJECTS)
def test_optimizer_remembers_arrays_like_the_parameters(optimizer, dtype):
    memory = OPTIMIZER_OBJECTS[optimizer].init(np.ones(20, dtype))
    assert all(array.shape == (20,) for array in memory.values())
    assert all(array.dtype == dtype for array in memory.values())


@pytest.mark.parametrize("schedule", SCHEDULE_OBJECTS)
def test_schedule_is_a_function_of_time(schedule):
    open_fields = {"learning_rate_init": 0.1, "patience": 10, "n_epochs": 20}
    schedule = complete(SCHEDULE_OBJECTS[schedule], open_fields)
    times = [(0, 0, 0), (1, 0, 0), (2, 1, 50), (40, 20, 1000), (4000, 2000, 100_000)]
    forth = [schedule(*time) for time in times]
    back = [schedule(*time) for time in reversed(times)]
    assert forth == back[::-1]
    assert all(0 <= rate < np.inf for rate in forth)


@pytest.mark.parametrize("kind", ["weights", "bias"])
@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_initializer_fills_with_finite_numbers_of_the_given_stream(initializer, kind):
    shape = (5, 3)
    first, second = (np.full(shape if kind == "weights" else 3, np.nan) for _ in range(2))
    for out in first, second:
        INITIALIZERS[initializer]()(0, kind, shape, np.random.RandomState(1), out)
    assert np.isfinite(first).all()
    assert np.array_equal(first, second)
