"""Random data, parameters and nonsense, as strategies of hypothesis."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy import sparse

MORE = float(os.environ.get("SKBACKPROP_FUZZ", 1))  # times as many, and other ones


def try_all(strategy, check, n):
    """Check n examples of a strategy; return how many there were.

    Always the same ones, unless the environment variable SKBACKPROP_FUZZ asks for more.
    """
    n_tried = 0

    @settings(
        max_examples=int(n * MORE),
        derandomize=MORE == 1,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(example):
        nonlocal n_tried
        n_tried += 1
        check(example)

    each()
    return n_tried


# -- one table, stored in many ways ----------------------------------------------------


def _strided(X):
    wide = np.zeros((2 * len(X), 3 * X.shape[1]), X.dtype)
    wide[::2, 1::3] = X
    return wide[::2, 1::3]


def _readonly(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _mapped(X):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X"
        X.tofile(path)
        return np.memmap(path, X.dtype, "r", shape=X.shape)


def _with_long_indices(X):
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _with_unsorted_indices(X):
    X = sparse.csr_array(X)
    for row in range(X.shape[0]):
        part = slice(X.indptr[row], X.indptr[row + 1])
        X.indices[part], X.data[part] = X.indices[part][::-1], X.data[part][::-1].copy()
    X.has_sorted_indices = False
    return X


STORAGES = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": _strided,
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _readonly,
    "memory map": _mapped,
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"c{i}" for i in range(X.shape[1])]),
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "coo_array": sparse.coo_array,
    "lil_array": sparse.lil_array,
    "dok_array": sparse.dok_array,
    "bsr_array": sparse.bsr_array,
    "long indices": _with_long_indices,
    "unsorted indices": _with_unsorted_indices,
}
DTYPES = [np.float64, np.float32, np.int64, np.uint8, np.int8, np.bool_]

LABELS = {
    "ints": lambda y: y,
    "negative ints": lambda y: 7 - 5 * y,
    "small ints": lambda y: y.astype(np.int8),
    "large ints": lambda y: y.astype(np.uint64) + np.uint64(2**63),
    "floats": lambda y: y.astype(float),
    "strings": lambda y: np.array(["ä", "", "a b"])[y],
    "bytes": lambda y: np.array(["b", "a", "c"])[y].tolist(),
    "objects": lambda y: np.array(["no", "yes", "?"], dtype=object)[y],
    "series": lambda y: pd.Series(np.array(["no", "yes", "?"])[y]),
    "categories": lambda y: pd.Categorical(np.array(["no", "yes", "?"])[y]),
    "polars": lambda y: pl.Series(np.array(["no", "yes", "?"])[y]),
}


@st.composite
def tables(draw, min_rows=2, dtypes=DTYPES):
    """A table of up to 40 x 6 numbers of size one, some of them zero."""
    n_rows, n_features = draw(st.integers(min_rows, 40)), draw(st.integers(1, 6))
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    X = 2 * rng.randn(n_rows, n_features) * (rng.rand(n_rows, n_features) > 0.3)
    return np.abs(X).astype(draw(st.sampled_from(dtypes))) if rng.rand() < 0.5 else X


# -- nonsense --------------------------------------------------------------------------


class Unhelpful:
    """Answers no question."""

    def __len__(self):
        raise RuntimeError("no length")

    def __repr__(self):
        return "<unhelpful>"


def nonsense():
    """What is no table, no labels, no weights and no parameter."""
    numbers = st.floats() | st.integers(-9, 50) | st.complex_numbers()
    leaves = (
        numbers | st.text(max_size=3) | st.binary(max_size=3) | st.none() | st.booleans()
    )
    lists = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
    things = st.sampled_from(
        [
            object(),
            int,
            len,
            ...,
            {},
            {1: 2},
            {3},
            range(3),
            iter([1, 2]),
            slice(None),
            np.array([]),
            np.empty((0, 3)),
            np.empty((3, 0)),
            np.array(1.0),
            np.zeros((2, 2, 2)),
            np.array([object()]),
            np.array([None, 1.0]),
            np.array([1, "a"], dtype=object),
            np.array(["2020-01-01"], dtype="M8[D]"),
            np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
            np.array([1 + 2j, 3]),
            np.ma.masked_array([1.0, 2.0], [True, False]),
            sparse.csr_array((3, 2)),
            sparse.csr_array((0, 2)),
            sparse.coo_array(np.array([1.0, 0, 2])),
            pd.DataFrame({"a": ["x", None]}),
            pd.DataFrame({"a": [1.0, 2.0], 3: [1, 2]}),
            pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
            pd.Series([pd.NaT, pd.Timestamp(0)]),
            pl.DataFrame({"a": ["x", None]}),
            Unhelpful(),
            np.float128(1) if hasattr(np, "float128") else np.float64(1),
        ]
    )
    return lists | things
