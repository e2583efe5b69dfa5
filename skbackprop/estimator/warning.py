"""Warnings that point at the line that called this package."""

from __future__ import annotations

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = ["warn"]


def warn(sentence: str, category: type[Warning] = ConvergenceWarning) -> None:
    """Warn at the line that called this package."""
    # scikit-learn's decorator for callbacks stands in between
    inside = {__package__, __package__.partition(".")[0], "sklearn.callback"}
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__package__") in inside:
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, category, stacklevel=level)
