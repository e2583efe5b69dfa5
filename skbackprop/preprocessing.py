"""Preprocessing: numeric columns in the form in which a network learns from them best."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from .rule import BOOL, INFINITY, Interval

__all__ = ["PiecewiseLinearEncoder"]

FLOATS = (np.float64, np.float32)
N_BINS = Interval(Integral, 1, INFINITY, "[)")
HANDLE_MISSING = ("error", "zero")
CLIP = 3.0  # standard deviations at which the linear part bends; it stays below them
HALF_RANGE = np.finfo(np.float64).max / 2
FAR = 1e100  # as good as infinite
ROWS_AT_ONCE = 4096  # rows that are dense for a moment on the way to a sparse matrix


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode each numeric column by a bounded linear part and a piecewise-linear code.

    Networks learn a smooth function of a number easily, but a step or a bend only
    slowly, and a single outlier in a column disturbs them. After this encoding a bend
    at a quantile is a single weight, and there are no outliers.

    Each column is divided at its quantiles into bins with the edges ``b_0 < ... <
    b_T``. A value x becomes

    - the linear part ``z / sqrt(1 + (z / 3) ** 2)`` with ``z = (x - mean) / std``: z near
      the mean, never beyond -3 and 3, and rising everywhere, outside the edges too;
    - one number per bin, ``c_t = clip((x - b_(t-1)) / (b_t - b_(t-1)), 0, 1)``: 1 in the
      bins below x, the fraction that was passed in its own bin, 0 in those above. Outside
      the edges all are 0, or all are 1.

    Parameters
    ----------
    n_bins : int, default=24
        Largest number of bins of a column, at least 1. A column with few distinct
        values has fewer bins, because quantiles that coincide are one edge.

    linear : bool, default=True
        Whether to include the linear part. If so, a column whose code would have a
        single bin has no code, because its linear part says the same.

    handle_missing : {"error", "zero"}, default="error"
        How to handle NaN. "error" raises a ValueError. "zero" encodes it as zeros, in
        the linear part (where 0 is the mean) and in the code, and ignores it in all
        statistics. Add an indicator column if the network should tell it from other
        values.

    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix. Codes are mostly ones and zeros.

    dtype : "float32", "float64", NumPy dtype or None, default=None
        Precision of the output. None keeps that of X; other types become float64.

    Attributes
    ----------
    bin_edges_ : list of ndarray of shape (n_edges,)
        The edges of the bins of each column, rising; empty for a column without code.

    mean_ : ndarray of shape (n_features,)
        Mean of each column.

    scale_ : ndarray of shape (n_features,)
        Standard deviation of each column; 0 for a constant one, whose linear part is 0.

    n_features_out_ : int
        Number of columns of the output.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.

    See Also
    --------
    TabularClassifier : A classifier that brings this encoding with it.
    TabularRegressor : A regressor that brings this encoding with it.
    sklearn.preprocessing.KBinsDiscretizer : Says only in which bin a value is.
    sklearn.preprocessing.SplineTransformer : Smooth pieces instead of linear ones.

    References
    ----------
    Gorishniy, Rubachev & Babenko (2022), *On Embeddings for Numerical Features in Tabular
    Deep Learning*, NeurIPS (the code).

    Holzmüller, Grinsztajn & Steinwart (2024), *Better by Default: Strong Pre-Tuned MLPs
    and Boosted Trees on Tabular Data*, NeurIPS (the smooth clip).

    Examples
    --------
    >>> from skbackprop.preprocessing import PiecewiseLinearEncoder
    >>> X = [[0.0], [1.0], [2.0], [4.0]]
    >>> encoder = PiecewiseLinearEncoder(n_bins=2, linear=False).fit(X)
    >>> encoder.bin_edges_
    [array([0., 1., 4.])]
    >>> encoder.transform([[0.5], [2.5], [9.0]])
    array([[0.5, 0. ],
           [1. , 0.5],
           [1. , 1. ]])
    """

    def __init__(
        self,
        n_bins: int = 24,
        *,
        linear: bool = True,
        handle_missing: str = "error",
        sparse_output: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.linear = linear
        self.handle_missing = handle_missing
        self.sparse_output = sparse_output
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn edges, mean and standard deviation of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows to learn from.

        y : None
            Ignored; present for compatibility with scikit-learn's pipelines.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts. A row of weight 2 counts like two equal rows.

        Returns
        -------
        self : PiecewiseLinearEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a parameter is invalid, for infinite values, for NaN unless
            `handle_missing` is "zero", and for a column whose range float64 cannot
            hold.
        """
        self._check_parameters()
        X = self._check_rows(X, reset=True)
        weight = check_weight(sample_weight, len(X))
        columns = [_statistics(x, weight, self.n_bins) for x in X.T]
        self.mean_ = np.array([mean for mean, _, _ in columns])
        self.scale_ = np.array([scale for _, scale, _ in columns])
        fewest = 3 if self.linear else 2  # edges of a code that says anything new
        self.bin_edges_ = [
            edges if len(edges) >= fewest else edges[:0] for _, _, edges in columns
        ]
        n_linear = X.shape[1] if self.linear else 0
        self.n_features_out_ = n_linear + sum(_n_bins(e) for e in self.bin_edges_)
        return self

    def transform(self, X: Any) -> NDArray | csr_matrix:
        """Encode the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows to encode.

        Returns
        -------
        encoded : ndarray or CSR matrix of shape (n_samples, n_encoded_features)
            First the linear parts of all columns, then the codes of all columns, as
            `get_feature_names_out` names them.
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        dtype = X.dtype if self.dtype is None else np.dtype(self.dtype)
        if not self.sparse_output:
            return self._encode(X, dtype)
        parts = gen_batches(len(X), ROWS_AT_ONCE)
        return vstack([csr_matrix(self._encode(X[rows], dtype)) for rows in parts], "csr")

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return the names of the encoded columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X. None means those seen in `fit`, or "x0", "x1" and
            so on.

        Returns
        -------
        names : ndarray of str objects
            The name of a column for its linear part, and the name with "_bin<t>" for
            bin t.
        """
        check_is_fitted(self)
        names = _input_names(self, input_features)
        codes = [
            f"{name}_bin{t}"
            for name, edges in zip(names, self.bin_edges_, strict=True)
            for t in range(1, len(edges))
        ]
        linear = list(names) if self.linear else []
        return np.array(linear + codes, dtype=object)

    def _check_parameters(self):
        owner = type(self).__name__
        for name, allowed, words in (
            ("n_bins", N_BINS, str(N_BINS)),
            ("linear", BOOL, str(BOOL)),
            ("handle_missing", HANDLE_MISSING, f"one of {HANDLE_MISSING}"),
            ("sparse_output", BOOL, str(BOOL)),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"The {name!r} parameter of {owner} must be {words}. Got {value!r} "
                    "instead."
                )
        if self.dtype is not None and np.dtype(self.dtype) not in FLOATS:
            raise ValueError(
                f"The 'dtype' parameter of {owner} must be float32, float64 or None. Got "
                f"{self.dtype!r} instead."
            )

    def _check_rows(self, X, reset):
        missing = "allow-nan" if self.handle_missing == "zero" else True
        return validate_data(self, X, dtype=FLOATS, ensure_all_finite=missing, reset=reset)

    def _encode(self, X, dtype):
        """Return the dense codes of checked rows; every number is written once."""
        n_linear = X.shape[1] if self.linear else 0
        encoded = np.empty((len(X), self.n_features_out_), dtype)
        if self.linear:
            encoded[:, :n_linear] = smooth_clip(X, self.mean_, self.scale_)
        first = n_linear
        for x, edges in zip(X.T, self.bin_edges_, strict=True):
            last = first + _n_bins(edges)
            _fill_code(x, edges, encoded[:, first:last])
            first = last
        if self.handle_missing == "zero":
            encoded[np.isnan(encoded)] = 0
        return encoded

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.handle_missing == "zero"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def smooth_clip(x: NDArray, mean: NDArray, scale: NDArray) -> NDArray:
    """Return ``z / sqrt(1 + (z / 3) ** 2)`` of ``z = (x - mean) / scale``; 0 for scale 0.

    It is computed as ``3 * z / hypot(3, z)``, whose squares cannot overflow.
    """
    with np.errstate(over="ignore"):  # what is infinitely far is clipped
        z = np.divide(x - mean, scale, out=np.zeros(x.shape), where=scale > 0)
    z = np.clip(z, -FAR, FAR)
    return CLIP * z / np.hypot(CLIP, z)


def _n_bins(edges):
    return max(len(edges) - 1, 0)


def _fill_code(x, edges, code):
    """Fill the code, shape (n_rows, n_bins), of one column."""
    with np.errstate(over="ignore"):
        np.subtract.outer(x, edges[:-1], out=code, casting="same_kind")
        code /= np.diff(edges)
    np.clip(code, 0, 1, out=code)


def check_weight(sample_weight: ArrayLike | None, n_rows: int) -> NDArray:
    """Return the weights of the rows, shape (n_rows,); ones where there are none."""
    if sample_weight is None:
        return np.ones(n_rows)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.ndim != 1:
        raise ValueError(
            "sample_weight must be 1-dimensional, one weight per row of X. Got an array of "
            f"shape {weight.shape}; pass sample_weight.ravel() if that is meant."
        )
    check_consistent_length(weight, range(n_rows))
    if (weight < 0).any() or not weight.any():
        raise ValueError(
            "sample_weight must not be negative, nor zero for every sample. It is between "
            f"{weight.min()} and {weight.max()}."
        )
    return weight


def _statistics(x, weight, n_bins):
    """Return mean, standard deviation and edges of the values that count."""
    counts = (weight > 0) & ~np.isnan(x)
    x, weight = x[counts].astype(np.float64), weight[counts]
    if len(x) == 0:
        return 0.0, 0.0, x
    return *mean_and_scale(x, weight), np.unique(_quantiles(x, weight, n_bins))


def mean_and_scale(x: NDArray, weight: NDArray) -> tuple[float, float]:
    """Return mean and standard deviation of values that are not all of weight 0.

    Of equal values the latter is exactly 0, and squares do not overflow.
    """
    x, weight = x[weight > 0], weight[weight > 0]
    low, high = x.min(), x.max()
    if low == high:
        return low, 0.0
    if high / 2 - low / 2 > HALF_RANGE:
        raise ValueError(
            f"A column reaches from {low} to {high}, further than float64 can tell. Scale "
            "it, or look for a value that stands for a missing one."
        )
    largest = max(abs(low), abs(high))
    mean = np.average(x / largest, weights=weight) * largest
    variance = np.average(np.square((x - mean) / largest), weights=weight)
    return mean, np.sqrt(variance) * largest


def _quantiles(x, weight, n_bins):
    """Return the smallest values that have at least t / n_bins of the weight below them.

    The value itself counts as below, so that all of them were seen, and a row of weight 2
    is a row that is there twice.
    """
    order = np.argsort(x, kind="stable")
    below = np.cumsum(weight[order])
    wanted = np.linspace(0, 1, n_bins + 1) * below[-1]
    return x[order][np.minimum(np.searchsorted(below, wanted), len(x) - 1)]


def _input_names(encoder, input_features):
    """Return the names of the columns that go in: those given, seen, or made up."""
    seen = getattr(encoder, "feature_names_in_", None)
    n_features = encoder.n_features_in_
    if input_features is None:
        made_up = np.array([f"x{j}" for j in range(n_features)], dtype=object)
        return made_up if seen is None else seen
    names = np.asarray(input_features, dtype=object)
    if len(names) != n_features:
        raise ValueError(
            f"input_features should have length equal to number of features "
            f"({n_features}), got {len(names)}."
        )
    if seen is not None and not np.array_equal(names, seen):
        raise ValueError("input_features is not equal to feature_names_in_.")
    return names
