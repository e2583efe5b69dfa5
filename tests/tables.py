"""Small tables of mixed columns for the tests of the tabular estimators."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

FEW = {  # for tests of everything but the quality of predictions
    "n_members": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "n_bins": 4,
    "random_state": 0,
}


def mixed_columns(n_rows=200, seed=0):
    """Numbers with holes, counts, bools, categories with holes; a target of both kinds."""
    rng = np.random.RandomState(seed)
    size = rng.lognormal(3, 0.5, n_rows)
    rooms = rng.randint(1, 7, n_rows)
    is_new = rng.rand(n_rows) < 0.3
    town = rng.choice(["York", "Bath", "Ely"], n_rows)
    price = 3 * size + 10 * rooms + 40 * (town == "Bath") * is_new
    hole = rng.rand(n_rows) < 0.1
    columns = {
        "size": np.where(hole, np.nan, size),
        "rooms": rooms,
        "is new": is_new,
        "town": np.where(rng.rand(n_rows) < 0.1, None, town.astype(object)),
    }
    return columns, price + rng.normal(0, 3, n_rows)


def as_pandas(columns):
    return pd.DataFrame(columns)


def as_pandas_categories(columns):
    frame = pd.DataFrame(columns)
    return frame.assign(town=frame["town"].astype("category"))


def as_pandas_nullable(columns):
    return pd.DataFrame(columns).convert_dtypes()


def as_pandas_arrow(columns):
    return pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow")


def as_polars(columns):
    columns = columns | {"town": columns["town"].tolist()}
    return pl.DataFrame(columns).with_columns(pl.col("size").fill_nan(None))


def as_polars_enum(columns):
    return as_polars(columns).with_columns(pl.col("town").cast(pl.Categorical))


def as_pyarrow(columns):
    return pa.table(columns)


def as_pyarrow_dictionary(columns):
    table = pa.table(columns)
    i = table.schema.get_field_index("town")
    return table.set_column(i, "town", table["town"].dictionary_encode())


FRAMES = [
    as_pandas,
    as_pandas_categories,
    as_pandas_nullable,
    as_pandas_arrow,
    as_polars,
    as_polars_enum,
    as_pyarrow,
    as_pyarrow_dictionary,
]


def as_objects(columns):
    """An array of Python objects, as of a list of rows."""
    return pd.DataFrame(columns).astype(object).to_numpy()


def as_rows(columns):
    return as_objects(columns).tolist()
