"""Columns: a table from any library, as numbers and as categories.

pandas, polars and pyarrow are never imported: a table of theirs comes only where they
are imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from importlib.util import find_spec
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

__all__ = ["CATEGORY", "Column", "Table", "read_table"]

NUMBER, CATEGORY, DATE = "numbers", "categories", "dates"
READS_ALL = find_spec("sklearn.callback") is not None  # scikit-learn from 1.9 on
NUMERIC, TEMPORAL = "biuf", "mM"  # NumPy's letters
NUMBERS = (Real, Decimal, np.bool_)
DATES = (date, time, timedelta, np.datetime64, np.timedelta64)


class Column(NamedTuple):
    """One column; a missing value is NaN among numbers and None among categories."""

    name: Any
    kind: str
    values: NDArray  # float64 for numbers, objects for categories, empty for dates

    def numbers(self) -> NDArray:
        """Return the values as float64."""
        self._refuse_dates()
        if self.kind == NUMBER:
            if np.isinf(self.values).any():
                raise ValueError(
                    "Input X contains infinity or a value too large for dtype('float64'), "
                    f"in column {self.name!r}. Put NaN in its place if it stands for a "
                    "missing value."
                )
            return self.values
        for value in self.values:
            if not (value is None or isinstance(value, NUMBERS)):
                raise ValueError(
                    f"Column {self.name!r} of X is treated as numbers, but holds "
                    f"{value!r}. Turn it into numbers, or name it in categorical_features "
                    "and fit again."
                )
        return self.values.astype(np.float64)  # which makes NaN of None

    def categories(self) -> NDArray:
        """Return floats where all values are numbers, else strings, as objects."""
        self._refuse_dates()
        if self.kind == NUMBER:
            missing, values = np.isnan(self.values), self.values.astype(object)
            values[missing] = None
            return values
        there = [value for value in self.values if value is not None]
        as_one = float if all(isinstance(value, NUMBERS) for value in there) else str
        return _objects(None if v is None else as_one(v) for v in self.values)

    def _refuse_dates(self):
        if self.kind == DATE:
            raise ValueError(
                f"Column {self.name!r} of X holds dates or times, neither numbers nor "
                "categories. Turn it into numbers, such as year, month, weekday, or "
                "days since the first of them, or leave it out."
            )


class Table(NamedTuple):
    """The columns of a table, all of the same length."""

    columns: list[Column]
    n_rows: int
    has_names: bool  # that are all strings


class _Names(NamedTuple):
    """Names in the form in which scikit-learn before 1.9 reads them; polars 2 lacks it."""

    shape: tuple[int, int]
    names: list[Any]

    def __dataframe__(self):
        return self

    def column_names(self):
        return self.names


def read_table(estimator: Any, X: Any, *, reset: bool) -> Table:
    """Return what X holds; the estimator learns, or compares, names and number of columns.

    Raises ValueError and TypeError for what is no table, and for a table of other columns.
    """
    reader = READERS.get(type(X).__module__.partition(".")[0])
    if reader is None or len(getattr(X, "shape", ())) != 2:
        return _read_array(estimator, X, reset)
    for n, what, axis in ((X.shape[0], "sample(s)", 0), (X.shape[1], "feature(s)", 1)):
        if n == 0:
            raise ValueError(
                f"Found array with 0 {what} (shape={tuple(X.shape)}) while a minimum of 1 "
                f"is required. X needs {('rows', 'columns')[axis]}."
            )
    columns = list(reader(X))
    names = [column.name for column in columns]
    _refuse_twins(names)
    known = X if READS_ALL or hasattr(X, "__dataframe__") else _Names(X.shape, names)
    validate_data(estimator, known, skip_check_array=True, reset=reset)
    return Table(columns, X.shape[0], hasattr(estimator, "feature_names_in_"))


def _refuse_twins(names):
    twins = sorted({str(name) for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"Columns of X have the same name: {twins}. Rename or drop them.")


def _read_array(estimator, X, reset):
    if type(X).__name__ == "LazyFrame":
        raise TypeError("A LazyFrame has no rows yet. Pass X.collect().")
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "US":
        X = np.asarray(X, dtype=object)  # numbers between strings stay numbers
    X = validate_data(estimator, X, dtype=None, ensure_all_finite=False, reset=reset)
    names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(X.shape[1])])
    columns = [_column(name, x) for name, x in zip(names, X.T, strict=True)]
    return Table(columns, len(X), hasattr(estimator, "feature_names_in_"))


def _column(name, x, is_categorical=False):
    """Return the column of a one-dimensional array."""
    if x.dtype.kind in NUMERIC and not is_categorical:
        return Column(name, NUMBER, x.astype(np.float64, copy=False))
    if x.dtype.kind in TEMPORAL:
        return Column(name, DATE, x[:0])
    values = _objects(None if _is_missing(value) else value for value in x.tolist())
    for value in values:
        if isinstance(value, DATES) or type(value).__name__ == "Period":
            return Column(name, DATE, x[:0])
        if not (value is None or isinstance(value, (str, *NUMBERS))):
            raise TypeError(
                f"Column {name!r} of X holds a {type(value).__name__}, {value!r}: an "
                "argument must be a string or a number. Turn it into one, or leave the "
                "column out."
            )
        is_categorical = is_categorical or isinstance(value, str)
    if is_categorical:
        return Column(name, CATEGORY, values)
    return Column(name, NUMBER, values.astype(np.float64))  # which makes NaN of None


def _objects(values):
    """Return an array of objects; lists among them stay objects."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def _is_missing(value):
    """Say whether an object is None, NaN, or one of pandas, which have no truth value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, NUMBERS) and bool(value != value)


# -- one reader for each library -----------------------------------------------------------


def _read_pandas(X) -> Iterator[Column]:
    for j, name in enumerate(X.columns):
        series = X.iloc[:, j]
        is_categorical = type(series.dtype).__name__ == "CategoricalDtype"
        kind = getattr(series.dtype, "kind", "O")
        if kind in NUMERIC and not is_categorical:
            x = series.to_numpy(dtype=np.float64, na_value=np.nan)
        elif kind in TEMPORAL:
            x = np.empty(0, dtype="M8[s]")
        else:
            x = series.astype(object).to_numpy()
        yield _column(name, x, is_categorical)


def _read_polars(X) -> Iterator[Column]:
    polars = sys.modules["polars"]
    for name, series in zip(X.columns, X.get_columns(), strict=True):
        dtype = series.dtype
        is_categorical = dtype in (polars.Categorical, polars.Enum)
        if dtype.is_numeric() or dtype in (polars.Boolean, polars.Null):
            x = series.cast(polars.Float64).fill_null(float("nan")).to_numpy()
        elif dtype.is_temporal():
            x = np.empty(0, dtype="M8[s]")
        else:
            x = _objects(series.to_list())
        yield _column(name, x, is_categorical)


def _read_pyarrow(X) -> Iterator[Column]:
    types = sys.modules["pyarrow"].types
    for name, values in zip(X.schema.names, X.columns, strict=True):
        is_categorical = types.is_dictionary(values.type)
        if types.is_integer(values.type) or types.is_floating(values.type):
            x = values.cast("float64").to_numpy(zero_copy_only=False)
        elif types.is_temporal(values.type):
            x = np.empty(0, dtype="M8[s]")
        else:
            x = _objects(values.to_pylist())
        yield _column(name, x, is_categorical)


READERS = {"pandas": _read_pandas, "polars": _read_polars, "pyarrow": _read_pyarrow}
