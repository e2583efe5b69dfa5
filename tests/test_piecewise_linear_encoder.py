"""PiecewiseLinearEncoder: what it puts out, beside `numpy.interp` and `numpy.quantile`."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from test_estimator_checks import checks_of, name_of

from skbackprop import BackpropRegressor
from skbackprop.preprocessing import PiecewiseLinearEncoder

SETTINGS = [{}, {"handle_missing": "zero", "linear": False}, {"sparse_output": True}]


@pytest.fixture
def X(rng):
    """Columns of many values, of five, of two, and of one."""
    return np.column_stack(
        [
            rng.lognormal(size=300),
            rng.randint(5, size=300),
            rng.rand(300) > 0.5,
            np.ones(300),
        ]
    )


EVERY_CHECK = {
    name_of(check) for _, check in estimator_checks_generator(PiecewiseLinearEncoder())
}


@checks_of(
    [PiecewiseLinearEncoder(**setting) for setting in SETTINGS], by_default=EVERY_CHECK
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


# -- the code ------------------------------------------------------------------------------


def test_edges_are_quantiles(X):
    encoder = PiecewiseLinearEncoder(n_bins=10).fit(X)
    wanted = np.quantile(X[:, 0], np.linspace(0, 1, 11), method="inverted_cdf")
    assert_array_equal(encoder.bin_edges_[0], wanted)
    assert_array_equal(encoder.bin_edges_[1], np.arange(5))  # each of them once


def test_a_code_sums_to_the_interpolation_between_edges(X, rng):
    """Inside the range and outside: `numpy.interp` is constant there, too."""
    encoder = PiecewiseLinearEncoder(linear=False).fit(X[:, :1])
    x = np.r_[rng.lognormal(size=50), -5, 1e3]
    edges = encoder.bin_edges_[0]
    code = encoder.transform(x[:, np.newaxis])
    # a sum of 24 numbers up to 1 is rounded 24 times
    assert_allclose(
        code.sum(axis=1), np.interp(x, edges, np.arange(len(edges))), rtol=0, atol=1e-14
    )
    assert_array_equal(code, -np.sort(-code, axis=1))  # ones, a fraction, zeros
    assert ((code > 0) & (code < 1)).sum(axis=1).max() == 1


def test_the_linear_part_is_the_standardised_column_bent_at_three(X):
    encoder = PiecewiseLinearEncoder().fit(X)
    z = (X[:, :3] - X[:, :3].mean(axis=0)) / X[:, :3].std(axis=0)
    bent = z / np.sqrt(1 + (z / 3) ** 2)
    assert_allclose(encoder.transform(X)[:, :3], bent, rtol=1e-12, atol=1e-12)


def test_far_outside_the_range_codes_are_bounded_and_the_linear_part_still_rises():
    encoder = PiecewiseLinearEncoder(n_bins=2).fit([[0.0], [1.0], [2.0]])
    with np.errstate(all="raise"):
        far = encoder.transform([[-1e308], [-4.0], [-3.0], [5.0], [6.0], [1e308]])
    assert (np.diff(far[:, 0]) > 0).all()
    assert_allclose(far[[0, -1], 0], [-3, 3], rtol=1e-12)
    assert_array_equal(far[:, 1:], np.repeat([[0.0, 0.0], [1.0, 1.0]], 3, axis=0))


def test_few_valued_columns_have_only_what_says_something(X):
    encoder = PiecewiseLinearEncoder().fit(X)
    assert [max(len(edges) - 1, 0) for edges in encoder.bin_edges_] == [24, 4, 0, 0]
    assert encoder.transform(X).shape == (300, 4 + 24 + 4)
    assert not encoder.transform(X)[:, 3].any()  # the constant
    alone = PiecewiseLinearEncoder(linear=False).fit(X)
    assert [max(len(edges) - 1, 0) for edges in alone.bin_edges_] == [24, 4, 1, 0]
    assert_array_equal(alone.transform(X)[:, -1], X[:, 2])


def test_a_constant_column_is_zero_whatever_comes_later():
    """Rounding in a mean of thirds must not pass for a spread."""
    encoder = PiecewiseLinearEncoder().fit(np.full((7, 1), 1 / 3))
    assert_array_equal(encoder.transform([[1 / 3], [4.0]]), [[0], [0]])


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_weight_of_two_is_a_row_that_is_there_twice(X, rng, setting):
    weight = rng.randint(3, size=len(X))
    weighted = PiecewiseLinearEncoder(**setting).fit(X, sample_weight=weight)
    repeated = PiecewiseLinearEncoder(**setting).fit(np.repeat(X, weight, axis=0))
    for ours, theirs in zip(weighted.bin_edges_, repeated.bin_edges_, strict=True):
        assert_array_equal(ours, theirs)
    assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-12)
    assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-12)


# -- what it takes and puts out ------------------------------------------------------------


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("asked", [None, "float32", np.float64])
def test_the_precision_is_that_of_x_or_the_one_asked_for(X, given, asked):
    encoded = PiecewiseLinearEncoder(dtype=asked).fit_transform(X.astype(given))
    assert encoded.dtype == (given if asked is None else asked)
    exact = PiecewiseLinearEncoder().fit_transform(X.astype(given).astype(np.float64))
    # rounded once to float32, whose spacing near 3 is 2.4e-7
    assert_allclose(encoded, exact, rtol=0, atol=2e-7)


def test_sparse_output_holds_the_same_numbers(X):
    X = np.tile(X, (20, 1))  # more rows than are dense at a time
    sparse = PiecewiseLinearEncoder(sparse_output=True).fit_transform(X)
    assert issparse(sparse)
    assert sparse.format == "csr"
    assert_array_equal(sparse.toarray(), PiecewiseLinearEncoder().fit_transform(X))
    assert sparse.nnz < 0.7 * np.prod(sparse.shape)


def test_missing_values_are_refused_or_zero(X):
    holes = X.copy()
    holes[::7, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        PiecewiseLinearEncoder().fit(holes)
    encoder = PiecewiseLinearEncoder(handle_missing="zero").fit(holes)
    names = encoder.get_feature_names_out()
    first = [j for j, name in enumerate(names) if name.startswith("x0")]
    encoded = encoder.transform(holes)
    assert not encoded[::7, first].any()
    there = np.arange(300) % 7 != 0
    alone = PiecewiseLinearEncoder().fit(X[there, :1])
    assert_array_equal(alone.bin_edges_[0], encoder.bin_edges_[0])
    assert_array_equal(encoded[there][:, first], alone.transform(X[there, :1]))


def test_a_column_without_any_value_is_zero():
    holes = np.column_stack([np.full(5, np.nan), np.arange(5.0)])
    encoder = PiecewiseLinearEncoder(handle_missing="zero").fit(holes)
    assert not encoder.transform([[3.0, 2.0]])[:, 0].any()


def test_names_say_column_and_bin(X):
    frame = pd.DataFrame(X, columns=["income", "rooms", "new", "same"])
    encoder = PiecewiseLinearEncoder(n_bins=2).set_output(transform="pandas").fit(frame)
    assert list(encoder.transform(frame).columns) == [
        *("income", "rooms", "new", "same"),
        *("income_bin1", "income_bin2", "rooms_bin1", "rooms_bin2"),
    ]
    without = PiecewiseLinearEncoder(n_bins=2, linear=False).fit(X[:, :1])
    assert list(without.get_feature_names_out()) == ["x0_bin1", "x0_bin2"]
    assert list(without.get_feature_names_out(["a"])) == ["a_bin1", "a_bin2"]
    with pytest.raises(ValueError, match="equal to number of features"):
        without.get_feature_names_out(["a", "b"])


def test_it_is_cloned_and_stored(X):
    encoder = PiecewiseLinearEncoder(3, sparse_output=True, dtype="float32").fit(X)
    assert clone(encoder).get_params() == encoder.get_params()
    stored = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(stored.transform(X).toarray(), encoder.transform(X).toarray())


@pytest.mark.usefixtures("few_epochs")
def test_a_network_finds_a_bend_sooner_with_it(rng):
    """A tooth of a saw in an outlier's company, after 60 epochs."""
    x = np.r_[rng.rand(499), 50.0][:, np.newaxis]
    y = (3 * x[:, 0]) % 1
    plain = BackpropRegressor((20,), max_iter=60, learning_rate=0.01, random_state=0)
    piped = make_pipeline(PiecewiseLinearEncoder(), clone(plain))
    assert plain.fit(x, y).score(x, y) < 0.3 < 0.8 < piped.fit(x, y).score(x, y)


# -- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"n_bins": 0}, r"'n_bins' .* must be an int in the range \[1, inf\). Got 0"),
        ({"n_bins": 2.5}, "Got 2.5"),
        ({"linear": "no"}, "'linear' .* must be a bool"),
        ({"handle_missing": "mean"}, "'handle_missing' .* must be one of"),
        ({"dtype": "int32"}, "must be float32, float64 or None"),
    ],
)
def test_a_wrong_parameter_is_named(X, parameter, words):
    with pytest.raises(ValueError, match=words):
        PiecewiseLinearEncoder(**parameter).fit(X)


def test_a_range_that_cannot_be_held_is_refused():
    with pytest.raises(ValueError, match=r"reaches from -1e\+308 to 1.7e\+308"):
        PiecewiseLinearEncoder().fit([[-1e308], [1.7e308], [0.0]])


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ([1, -1, 1], "must not be negative"),
        ([0, 0, 0], "zero for every sample"),
        ([[1], [1], [1]], "must be 1-dimensional"),
        ([1, 1], "inconsistent numbers of samples"),
    ],
)
def test_a_wrong_weight_is_refused(weight, words):
    with pytest.raises(ValueError, match=words):
        PiecewiseLinearEncoder().fit([[1.0], [2.0], [3.0]], sample_weight=weight)
