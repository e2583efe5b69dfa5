"""ONNX: the encoding of a table, from its columns to the rows that networks take.

Numbers come as double, since edges are compared with them; the codes are float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..preprocessing import CLIP, FAR, PiecewiseLinearEncoder
from ..tabular.table_encoder import IN_CATEGORY, TableEncoder

__all__ = ["inputs_of_table", "write_table"]

FLOAT, INT64, STRING, DOUBLE = 1, 7, 8, 11  # ONNX's numbers for types
MISSING = ""  # in a column of text


def inputs_of_table(encoder: TableEncoder) -> list[tuple[str, int, list[int | None]]]:
    """Return name, type and shape of the inputs.

    One "X" where all columns are numbers without a name, else one for each column.
    """
    if not hasattr(encoder, "feature_names_in_") and not len(encoder.categorical_):
        return [("X", DOUBLE, [None, encoder.n_features_in_])]
    names = getattr(encoder, "feature_names_in_", None)
    names = [f"x{j}" for j in range(encoder.n_features_in_)] if names is None else names
    text = {
        j
        for j, categories in zip(encoder.categorical_, _categories(encoder), strict=True)
        if _is_text(categories)
    }
    return [(n, STRING if j in text else DOUBLE, [None, 1]) for j, n in enumerate(names)]


def write_table(graph: Any, encoder: TableEncoder) -> str:
    """Add the encoding to the graph; return the name of the encoded rows, float32."""
    names = [name for name, _, _ in inputs_of_table(encoder)]
    parts = []
    if encoder.piecewise_linear_ is not None:
        numbers = names[0]
        if len(names) > 1 or names[0] != "X":
            numbers = graph("Concat", *(names[j] for j in encoder.numeric_), axis=1)
        filled = _fill_missing(graph, encoder.imputer_, numbers)
        parts += _write_numbers(graph, encoder.piecewise_linear_, filled)
    if encoder.one_hot_ is not None:
        for j, categories, infrequent in zip(
            encoder.categorical_,
            encoder.one_hot_.categories_,
            encoder.one_hot_.infrequent_categories_,
            strict=True,
        ):
            parts.append(_write_categories(graph, names[j], categories, infrequent))
    return graph("Concat", *parts, axis=1)


def _fill_missing(graph, imputer, numbers):
    """Put medians in place of NaN, and indicators beside them."""
    is_missing = graph("IsNaN", numbers)
    medians = np.nan_to_num(imputer.statistics_)[np.newaxis].astype(np.float64)
    filled = graph("Where", is_missing, graph.constant(medians), numbers)
    if not len(imputer.indicator_.features_):
        return filled
    told = graph("Gather", is_missing, imputer.indicator_.features_.astype(int), axis=1)
    return graph("Concat", filled, graph("Cast", told, to=DOUBLE), axis=1)


def _write_numbers(graph, encoder: PiecewiseLinearEncoder, numbers):
    """Add the linear part and the code; return their names."""
    double = graph.constant
    scale = encoder.scale_
    rise = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    z = graph("Mul", graph("Sub", numbers, double(encoder.mean_)), double(rise))
    z = graph("Clip", z, double(np.float64(-FAR)), double(np.float64(FAR)))
    root = graph("Sqrt", graph("Add", graph("Mul", z, z), double(np.float64(CLIP**2))))
    linear = graph("Div", graph("Mul", z, double(np.float64(CLIP))), root)
    names = [graph("Cast", linear, to=FLOAT)]
    edges = [(j, e) for j, e in enumerate(encoder.bin_edges_) if len(e)]
    if edges:
        column = np.concatenate([np.full(len(e) - 1, j) for j, e in edges])
        low = np.concatenate([e[:-1] for _, e in edges])
        width = np.concatenate([np.diff(e) for _, e in edges])
        passed = graph("Sub", graph("Gather", numbers, column, axis=1), double(low))
        share = graph("Div", passed, double(width))
        code = graph("Clip", share, double(np.float64(0)), double(np.float64(1)))
        names.append(graph("Cast", code, to=FLOAT))
    return names


def _write_categories(graph, name, categories, infrequent):
    """Add the columns of one column's categories; return their name."""
    codes = _codes(categories, infrequent)
    if _is_text(categories):
        known = [MISSING if category is None else category for category in categories]
        index = graph(
            "LabelEncoder",
            name,
            domain="ai.onnx.ml",
            keys_strings=known,
            values_int64s=list(range(len(known))),
            default_int64=len(known),
        )
        return graph("Gather", codes, graph("Squeeze", index, np.array([1])), axis=0)
    *of_known, of_unknown = codes
    values = [np.inf if category is None else category for category in categories]
    is_of = graph("Equal", name, graph.constant(np.array([values], dtype=np.float64)))
    if None in list(categories):
        is_none = np.array([[category is None for category in categories]])
        is_of = graph("Or", is_of, graph("And", graph("IsNaN", name), is_none))
    gain = graph("MatMul", graph("Cast", is_of, to=FLOAT), np.array(of_known - of_unknown))
    return graph("Add", gain, of_unknown)


def _codes(categories, infrequent) -> NDArray:
    """Return the code of each category, and last of one that was never seen."""
    rare = [] if infrequent is None else list(infrequent)
    frequent = [category for category in categories if category not in rare]
    codes = np.zeros((len(categories) + 1, len(frequent) + bool(rare)), np.float32)
    for i, category in enumerate(categories):
        codes[i, -1 if category in rare else frequent.index(category)] = IN_CATEGORY
    codes[-1, -1] = IN_CATEGORY if rare else 0
    return codes


def _categories(encoder):
    return [] if encoder.one_hot_ is None else encoder.one_hot_.categories_


def _is_text(categories):
    return any(isinstance(category, str) for category in categories)
