"""The encoding of a table: mixed columns become one matrix of floats for a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ..preprocessing import PiecewiseLinearEncoder, check_weight
from .columns import CATEGORY, Table, read_table

__all__ = ["TableEncoder"]

RARE = 5  # rows; categories of fewer are taken together
MOST_CATEGORIES = 256  # of one column; the rarest beyond that are taken together
IN_CATEGORY = (
    2  # what a row's category has in its column; about what standardised ones have
)
ROWS_AT_ONCE = 4096  # whose parts are copied into the matrix


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode the columns of a table, numbers and categories, missing values included.

    Numbers: a missing value becomes the median, and if there were any in `fit`, an
    indicator column says where. Then comes
    :class:`~skbackprop.preprocessing.PiecewiseLinearEncoder`. Categories: each has a
    column that is 2 in its rows, so that it is as large as numbers are. A missing value
    is a category like others. Categories with fewer than 5 rows are merged. One that
    was never seen counts as merged, or as none if nothing was merged.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like of str, int or bool, or None
        Which columns hold categories, as in :class:`TabularClassifier`.

    n_bins : int, default=16
        Largest number of bins of a numeric column.

    dtype : NumPy dtype, default="float32"
        Precision of the matrix.

    Attributes
    ----------
    numeric_ : ndarray of int
        The columns that hold numbers.

    categorical_ : ndarray of int
        The columns that hold categories.

    imputer_ : SimpleImputer or None
        Medians and indicators of the numeric columns; None if there are none.

    piecewise_linear_ : PiecewiseLinearEncoder or None
        The encoder of numbers and indicators.

    one_hot_ : OneHotEncoder or None
        The encoder of the categorical columns; None if there are none.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.
    """

    def __init__(
        self,
        categorical_features: Any = "from_dtype",
        *,
        n_bins: int = 16,
        dtype: DTypeLike = "float32",
    ) -> None:
        self.categorical_features = categorical_features
        self.n_bins = n_bins
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn how to encode the columns of X, a table or what `read_table` made of it."""
        table = X if isinstance(X, Table) else read_table(self, X, reset=True)
        self.n_features_in_ = len(table.columns)
        if table.has_names:
            names = [column.name for column in table.columns]
            self.feature_names_in_ = np.array(names, dtype=object)
        self.categorical_ = self._find_categorical(table)
        self.numeric_ = np.setdiff1d(np.arange(len(table.columns)), self.categorical_)
        weight = check_weight(sample_weight, table.n_rows)
        self._fit_numbers(table, weight)
        self._fit_categories(table, weight)
        return self

    def transform(self, X: Any) -> NDArray:
        """Return the matrix of X, shape (n_rows, n_encoded_features)."""
        check_is_fitted(self)
        table = X if isinstance(X, Table) else read_table(self, X, reset=False)
        n_features = len(self.get_feature_names_out())
        encoded = np.empty((table.n_rows, n_features), self.dtype)
        for rows, part in self.batches(table):
            encoded[rows] = part
        return encoded

    def batches(self, table: Table) -> Iterator[tuple[slice, NDArray]]:
        """Yield the matrix in parts of bounded size, and where they lie."""
        numbers, one_hot = self._numbers(table), self._one_hot(table)
        for rows in gen_batches(table.n_rows, ROWS_AT_ONCE):
            parts = []
            if numbers is not None:
                parts.append(self.piecewise_linear_.transform(numbers[rows]))
            if one_hot is not None:
                parts.append(IN_CATEGORY * one_hot[rows].toarray())
            yield rows, np.hstack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the columns of the matrix."""
        check_is_fitted(self)
        made_up = [f"x{j}" for j in range(len(self.numeric_) + len(self.categorical_))]
        names = np.asarray(getattr(self, "feature_names_in_", made_up), dtype=object)
        parts = []
        if self.piecewise_linear_ is not None:
            numeric = self.imputer_.get_feature_names_out(names[self.numeric_])
            parts.append(self.piecewise_linear_.get_feature_names_out(numeric))
        if self.one_hot_ is not None:
            parts.append(self.one_hot_.get_feature_names_out(names[self.categorical_]))
        return np.concatenate(parts)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []  # it is `dtype`
        return tags

    # -- which columns hold what -------------------------------------------------------

    def _find_categorical(self, table):
        """Return the numbers of the columns that hold categories."""
        given = self.categorical_features
        if given is None:
            return np.empty(0, dtype=np.intp)
        if isinstance(given, str) and given == "from_dtype":
            kinds = [column.kind for column in table.columns]
            return np.flatnonzero([kind == CATEGORY for kind in kinds])
        if isinstance(given, str):
            raise ValueError(
                f"categorical_features={given!r} is neither 'from_dtype' nor a list. A "
                f"single column is a list, too: [{given!r}]."
            )
        return _indices(np.asarray(given), [column.name for column in table.columns])

    # -- numbers -----------------------------------------------------------------------

    def _fit_numbers(self, table, weight):
        self.imputer_ = self.piecewise_linear_ = None
        if len(self.numeric_):
            numbers = self._read_numbers(table)
            self.imputer_ = SimpleImputer(
                strategy="median", add_indicator=True, keep_empty_features=True
            ).fit(numbers[weight > 0])
            self.piecewise_linear_ = PiecewiseLinearEncoder(self.n_bins, dtype=self.dtype)
            self.piecewise_linear_.fit(self.imputer_.transform(numbers), None, weight)

    def _numbers(self, table):
        """Return the numbers, missing ones filled, and the indicators; None without."""
        if self.imputer_ is None:
            return None
        return self.imputer_.transform(self._read_numbers(table))

    def _read_numbers(self, table):
        return np.column_stack([table.columns[j].numbers() for j in self.numeric_])

    # -- categories --------------------------------------------------------------------

    def _fit_categories(self, table, weight):
        self.one_hot_ = None
        if len(self.categorical_):
            self.one_hot_ = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=RARE,
                max_categories=MOST_CATEGORIES,
                dtype=self.dtype,
            ).fit(self._read_categories(table)[weight > 0])

    def _one_hot(self, table):
        """Return the sparse columns of the categories; None without."""
        if self.one_hot_ is None:
            return None
        return self.one_hot_.transform(self._read_categories(table))

    def _read_categories(self, table):
        columns = [table.columns[j].categories() for j in self.categorical_]
        if self.one_hot_ is not None and hasattr(self.one_hot_, "categories_"):
            self._compare_types(table, columns)
        return np.stack(columns, axis=1)

    def _compare_types(self, table, columns):
        """Raise ValueError where all of a column would be unknown for its type alone."""
        for j, seen, now in zip(
            self.categorical_, self.one_hot_.categories_, columns, strict=True
        ):
            known, found = (
                {type(v) for v in values} - {type(None)} for values in (seen, now)
            )
            if known and found and not known & found:
                raise ValueError(
                    f"Column {table.columns[j].name!r} of X holds a {found.pop().__name__} "
                    f"where fit saw a {known.pop().__name__} as category. Pass the column "
                    "in the type it had in fit."
                )


def _indices(given, names):
    """Return column numbers for names, numbers or a mask."""
    n_columns = len(names)
    if given.ndim == 1 and given.dtype.kind == "b" and len(given) == n_columns:
        return np.flatnonzero(given)
    if (
        given.ndim == 1
        and given.dtype.kind in "iu"
        and np.isin(given, range(n_columns)).all()
    ):
        return np.unique(given)
    if given.ndim == 1 and given.dtype.kind in "UO":
        unknown = [name for name in given.tolist() if name not in names]
        if not unknown:
            return np.flatnonzero([name in set(given.tolist()) for name in names])
        raise ValueError(
            f"categorical_features names {unknown}, which are not among the columns of X, "
            f"{names}."
        )
    if given.size == 0:
        return np.empty(0, dtype=np.intp)
    raise ValueError(
        "categorical_features must be 'from_dtype', None, names of columns, their numbers "
        f"from 0 to {n_columns - 1}, or a mask with one bool for each of the {n_columns} "
        f"columns. Got {given!r} instead."
    )
