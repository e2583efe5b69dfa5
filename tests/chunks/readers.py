"""Chunks of 100 rows from files of several kinds, as `train_on_chunks` reads them."""

from itertools import islice

import numpy as np

N_ROWS, N_FEATURES, SIZE = 950, 6, 100
NAMES = [f"x{i}" for i in range(N_FEATURES)]


def write(folder):
    """Write the same rows as NumPy's, Parquet and CSV files."""
    import pandas as pd

    rng = np.random.RandomState(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    table = pd.DataFrame(X, columns=NAMES).assign(y=y)
    table.to_parquet(folder / "rows.parquet", row_group_size=SIZE)
    table.to_csv(folder / "rows.csv", index=False, float_format="%.9g")


def memory_map(folder):
    X, y = (np.load(folder / name, mmap_mode="r") for name in ("X.npy", "y.npy"))

    def read(start):
        for first in range(start * SIZE, N_ROWS, SIZE):
            yield X[first : first + SIZE], y[first : first + SIZE]

    return read


def parquet(folder):
    from pyarrow.parquet import ParquetFile

    def read(start):
        batches = ParquetFile(folder / "rows.parquet").iter_batches(SIZE)
        for batch in islice(batches, start, None):
            table = batch.to_pandas()
            yield table[NAMES].to_numpy(np.float32), table["y"].to_numpy()

    return read


def pandas(folder):
    import pandas as pd

    def read(start):
        with pd.read_csv(folder / "rows.csv", chunksize=SIZE, dtype=np.float32) as tables:
            for table in islice(tables, start, None):
                yield table[NAMES].to_numpy(), table["y"].to_numpy(int)

    return read


def polars(folder):
    import polars as pl

    def read(start):
        rows = pl.scan_parquet(folder / "rows.parquet")
        for first in range(start * SIZE, N_ROWS, SIZE):
            table = rows.slice(first, SIZE).collect()
            yield table.select(NAMES).to_numpy(), table["y"].to_numpy()

    return read


READERS = {
    "memory_map": memory_map,
    "parquet": parquet,
    "pandas": pandas,
    "polars": polars,
}
