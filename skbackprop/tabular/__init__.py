"""Estimators that take a table as it comes: mixed columns, missing values, any scale."""

from .classifier import TabularClassifier
from .regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
