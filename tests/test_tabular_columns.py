"""What TabularClassifier and TabularRegressor take for a table, from any library."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tables import FEW, FRAMES, as_objects, as_pandas, as_rows, mixed_columns

from skbackprop import TabularRegressor
from skbackprop.preprocessing import PiecewiseLinearEncoder

# of versions of scikit-learn that are older than polars
pytestmark = pytest.mark.filterwarnings("ignore:Support for the dataframe interchange")


def fitted(X, y, **parameters):
    return TabularRegressor(**{**FEW, **parameters}).fit(X, y)


def encoded(X, y=None, **parameters):
    """The matrix of X, of an estimator fitted to it, and the names of its columns."""
    y = np.arange(len(X)) if y is None else y
    encoder = fitted(X, y, **parameters).encoder_
    return encoder.transform(X), list(encoder.get_feature_names_out())


# -- one table, many libraries -------------------------------------------------------------


@pytest.mark.parametrize("make", [*FRAMES, as_objects, as_rows])
def test_the_library_of_a_table_makes_no_difference(make):
    columns, y = mixed_columns()
    expected = fitted(as_pandas(columns), y)
    model = fitted(make(columns), y)
    assert_array_equal(model.predict(make(columns)), expected.predict(as_pandas(columns)))
    new, _ = mixed_columns(30, seed=1)
    assert_array_equal(model.predict(make(new)), expected.predict(as_pandas(new)))


@pytest.mark.parametrize("make", FRAMES)
def test_the_names_of_columns_are_remembered_and_compared(make):
    columns, y = mixed_columns()
    model = fitted(make(columns), y)
    assert_array_equal(model.feature_names_in_, ["size", "rooms", "is new", "town"])
    assert model.n_features_in_ == 4
    other = {name: columns[name] for name in ["rooms", "size", "is new", "town"]}
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(make(other))
    with pytest.raises(ValueError, match=r"now missing:\s- rooms"):
        model.predict(make({name: columns[name] for name in ["size", "is new", "town"]}))


def test_odd_names_of_columns():
    """Numbers, empty, with spaces and underlines."""
    columns, y = mixed_columns()
    frame = as_pandas(columns)
    expected = fitted(frame, y).predict(frame)
    for names in ([1, 2, 3, 4], ["", " ", "_bin1", "x_"]):
        odd = frame.set_axis(names, axis=1)
        assert_array_equal(fitted(odd, y).predict(odd), expected)


def test_columns_of_the_same_name_are_refused():
    columns, y = mixed_columns()
    twice = as_pandas(columns).set_axis(["a", "b", "a", "c"], axis=1)
    with pytest.raises(ValueError, match=r"the same name: \['a'\]"):
        fitted(twice, y)


# -- numbers -------------------------------------------------------------------------------


def test_missing_numbers_are_the_median_and_have_an_indicator():
    x = np.array([1.0, 2, np.nan, 4, 7, np.nan, 9, 10])
    matrix, names = encoded(x[:, np.newaxis])
    assert names[:2] == ["x0", "missingindicator_x0"]
    filled = np.where(np.isnan(x), 5.5, x)
    both = np.column_stack([filled, np.isnan(x)])
    assert_allclose(matrix, PiecewiseLinearEncoder(4).fit_transform(both), rtol=1e-12)


def test_a_number_that_is_missing_only_later_is_the_median():
    X = np.arange(20.0)[:, np.newaxis]
    model = fitted(X, X[:, 0])
    assert_array_equal(model.predict([[np.nan]]), model.predict([[9.5]]))
    assert_array_equal(model.predict([[None]]), model.predict([[9.5]]))


@pytest.mark.parametrize(
    "column",
    [
        pd.array([True, False, None] * 4, dtype="boolean"),
        pd.array([1, 0, None] * 4, dtype="Int8"),
        pd.array([1, 0, None] * 4, dtype="Float32"),
        pd.arrays.SparseArray([1.0, 0.0, np.nan] * 4),
        pd.Series([decimal.Decimal(1), decimal.Decimal(0), None] * 4, dtype=object),
        pd.Series([True, False, None] * 4, dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_all_types_of_numbers_are_numbers(column):
    plain = [[1.0, 0.0, np.nan][i % 3] for i in range(12)]
    y = np.arange(12)
    matrix, _ = encoded(pd.DataFrame({"x0": column}), y)
    assert_array_equal(matrix, encoded(pd.DataFrame({"x0": plain}), y)[0])


def test_a_column_without_any_value_does_no_harm():
    columns, y = mixed_columns()
    frame = as_pandas(columns)
    for nothing in (np.nan, None, pd.NA):
        both = frame.assign(nothing=nothing)
        assert np.isfinite(fitted(both, y).predict(both)).all()


def test_infinity_is_refused_with_the_name_of_its_column():
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, np.inf, 2, 3]})
    with pytest.raises(ValueError, match=r"Input X contains infinity .* in column 'b'"):
        fitted(frame, [1, 2, 3, 4])


# -- categories ----------------------------------------------------------------------------


def test_categories_have_a_column_each_and_rare_ones_one_together():
    town = ["York"] * 6 + ["Bath"] * 7 + ["Ely"] * 4 + ["Rye"] * 3 + [None] * 5
    matrix, names = encoded(pd.DataFrame({"town": town}))
    assert names == ["town_Bath", "town_York", "town_None", "town_infrequent_sklearn"]
    kinds = [["Bath"], ["York"], [None], ["Ely", "Rye"]]
    is_of = np.column_stack([[t in kind for t in town] for kind in kinds])
    assert_array_equal(matrix, 2 * is_of)


def test_an_unknown_category_is_a_rare_one_or_none():
    many = ["York"] * 8 + ["Bath"] * 8
    for towns in (many, [*many, "Ely"]):
        model = fitted(pd.DataFrame({"town": towns}), np.arange(len(towns)))
        unknown = model.encoder_.transform(pd.DataFrame({"town": ["Oz", None]}))
        assert_array_equal(unknown[0], unknown[1])
        assert_array_equal(unknown[0], [0, 0, 2][: unknown.shape[1]])


def test_categories_of_numbers_are_the_same_as_int_and_as_float():
    """pandas makes floats of ints where a value is missing."""
    code = np.repeat([1, 2, 3], 6)
    frame = pd.DataFrame({"code": code}, dtype="category")
    model = fitted(frame, code)
    holes = pd.DataFrame({"code": pd.Categorical([1.0, 2.0, np.nan])})
    assert_array_equal(model.predict(holes)[:2], model.predict(frame)[[0, 6]])


def test_more_than_256_categories_are_the_256_most_frequent():
    code = np.r_[np.repeat(np.arange(300), 5), np.arange(100)].astype(str)
    assert len(encoded(pd.DataFrame({"code": code}))[1]) == 256


@pytest.mark.parametrize(
    "given", [["rooms", "town"], [1, 3], np.array([False, True, False, True]), (1, 3)]
)
def test_categorical_features_are_names_numbers_or_a_mask(given):
    columns, y = mixed_columns()
    names = encoded(as_pandas(columns), y, categorical_features=given)[1]
    assert {"rooms_1.0", "rooms_6.0", "town_Ely", "is new"} <= set(names)


def test_without_categorical_features_all_columns_are_numbers():
    columns, y = mixed_columns()
    del columns["town"]
    frame = as_pandas(columns).assign(rooms=pd.Categorical(columns["rooms"]))
    names = encoded(frame, y, categorical_features=None)[1]
    assert "rooms" in names
    assert "rooms_1.0" in encoded(frame, y)[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["price"], r"names \['price'\], which are not among the columns"),
        ([4], "their numbers from 0 to 3"),
        ([-1], "their numbers from 0 to 3"),
        ([True, False], "one bool for each of the 4 columns"),
        ([0.5], "must be 'from_dtype', None, names"),
        ("town", r"a list, too: \['town'\]"),
    ],
)
def test_wrong_categorical_features_are_refused(given, words):
    columns, y = mixed_columns()
    with pytest.raises(ValueError, match=words):
        fitted(as_pandas(columns), y, categorical_features=given)


def test_text_among_numbers_is_refused():
    columns, y = mixed_columns()
    frame = as_pandas(columns)
    with pytest.raises(
        ValueError, match="Column 'town' of X is treated as numbers, but holds"
    ):
        fitted(frame, y, categorical_features=None)
    model = fitted(frame, y)
    with pytest.raises(ValueError, match=r"Column 'rooms' .* holds 'many'"):
        model.predict(frame.assign(rooms="many"))


def test_numbers_in_a_column_of_text_are_refused():
    columns, y = mixed_columns()
    model = fitted(as_pandas(columns), y)
    with pytest.raises(ValueError, match="'town' of X holds a float where fit saw a str"):
        model.predict(as_pandas(columns).assign(town=3))


# -- what is no table ----------------------------------------------------------------------

DAYS = [datetime.date(2024, 1, day) for day in range(1, 13)]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"day": pd.to_datetime(DAYS)}),
        pd.DataFrame({"day": pd.to_datetime(DAYS).tz_localize("UTC")}),
        pd.DataFrame({"day": pd.to_datetime(DAYS) - pd.Timestamp("2024-01-01")}),
        pd.DataFrame({"day": pd.to_datetime(DAYS).to_period("D")}),
        pd.DataFrame({"day": DAYS}),
        pl.DataFrame({"day": DAYS}),
        pa.table({"day": DAYS}),
        np.array(DAYS, dtype="M8[D]")[:, np.newaxis],
    ],
    ids=["points", "zone", "spans", "periods", "objects", "polars", "pyarrow", "numpy"],
)
def test_dates_are_refused_with_what_to_do(table):
    with pytest.raises(ValueError, match=r"Column '(day|x0)' .* holds dates .* weekday"):
        fitted(table, np.arange(12))


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], b"text", 1j])
def test_other_objects_are_refused(value):
    frame = pd.DataFrame({"odd": [value] * 12})
    with pytest.raises(
        TypeError, match=r"'odd' of X holds a .* must be a string or a number"
    ):
        fitted(frame, np.arange(12))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame({"a": []}), r"0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pd.DataFrame(index=range(4)), r"0 feature\(s\) \(shape=\(4, 0\)\)"),
        (pl.DataFrame({"a": []}), r"0 sample\(s\)"),
        (pd.Series([1.0, 2.0]), "Expected a 2-dimensional container"),
        (np.array([1.0, 2.0]), "Expected 2D array, got 1D"),
    ],
)
def test_an_empty_table_is_refused(table, words):
    with pytest.raises(ValueError, match=words):
        fitted(table, [1.0] * len(table))


def test_a_lazy_frame_must_be_collected():
    with pytest.raises(TypeError, match=r"Pass X.collect\(\)"):
        fitted(pl.LazyFrame({"a": [1.0, 2.0]}), [1, 2])
