"""Tabular estimators as ONNX graphs: the runtime predicts what they predict."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skbackprop import TabularClassifier, TabularRegressor, to_onnx

pytestmark = pytest.mark.integration
FEW = {"n_members": 3, "hidden_layer_sizes": (16,), "max_iter": 10, "random_state": 0}


def frame(n_rows=300, seed=0):
    """Numbers of any scale, with holes; categories of text and of numbers, with holes."""
    rng = np.random.RandomState(seed)
    size = np.where(rng.rand(n_rows) < 0.1, np.nan, rng.lognormal(3, 1, n_rows))
    town = rng.choice(
        ["York", "Bath", "Ely", "Rye", None], n_rows, p=[0.4, 0.4, 0.1, 0.01, 0.09]
    )
    code = pd.Categorical(rng.choice([1.0, 2.5, np.nan], n_rows))
    columns = {"size of it": size, "year": 1e9 + rng.randint(20, size=n_rows)}
    columns |= {"is new": rng.rand(n_rows) < 0.3, "town": town, "code": code}
    y = np.nan_to_num(size) + 20 * (town == "Bath") + rng.normal(0, 1, n_rows)
    return pd.DataFrame(columns), y


def feeds(model, table):
    """The columns as the graph wants them."""
    graph = model.graph
    given = {}
    for source in graph.input:
        column = table[source.name]
        is_text = source.type.tensor_type.elem_type == 8
        if is_text:
            values = np.array(["" if pd.isna(v) else str(v) for v in column], dtype=object)
        else:
            values = column.astype(float).to_numpy()
        given[source.name] = values[:, np.newaxis]
    return given


def run(model, given):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)


def test_a_regressor_of_a_mixed_frame():
    X, y = frame()
    reg = TabularRegressor(**FEW).fit(X, y)
    model = to_onnx(reg)
    assert [source.name for source in model.graph.input] == list(X.columns)
    new, _ = frame(200, seed=1)
    new.loc[0, "town"] = "Oz"  # never seen
    new.loc[1, "size of it"] = 1e12  # far outside
    (variable,) = run(model, feeds(model, new))
    # networks in float32, on rows that are coded alike
    assert_allclose(variable[:, 0], reg.predict(new), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_classifier_of_a_mixed_frame(n_classes):
    X, y = frame()
    cuts = np.quantile(y, np.arange(1, n_classes) / n_classes)
    labels = np.array(["a", "b", "c", "d"])[np.digitize(y, cuts)]
    clf = TabularClassifier(**FEW).fit(X, labels)
    new, _ = frame(200, seed=1)
    model = to_onnx(clf)
    label, probabilities = run(model, feeds(model, new))
    assert_allclose(probabilities, clf.predict_proba(new), atol=1e-5)
    assert_array_equal(label, clf.predict(new))


def test_an_array_of_numbers_is_one_input():
    rng = np.random.RandomState(0)
    X = rng.randn(200, 4)
    X[::7, 1] = np.nan
    both = np.column_stack([X[:, 0], 1000 + X[:, 2]])
    reg = TabularRegressor(**FEW).fit(X, both)
    (variable,) = run(to_onnx(reg), {"X": X})
    assert_allclose(variable, reg.predict(X), rtol=1e-5, atol=1e-4)


def test_few_rows_and_columns_without_a_code():
    """Members in double, and a column of two values, which has no code."""
    X = np.array([[0.0, 5.0], [1.0, 5.0]] * 10)
    clf = TabularClassifier(**FEW).fit(X, X[:, 0].astype(int))
    label, probabilities = run(to_onnx(clf), {"X": X})
    assert_array_equal(label, clf.predict(X))
    assert_allclose(probabilities, clf.predict_proba(X), atol=1e-6)


def test_categories_of_an_array_without_names_have_an_input_each():
    X = np.array([["a", 1.5], ["b", None]] * 20, dtype=object)
    reg = TabularRegressor(**FEW).fit(X, np.arange(40))
    model = to_onnx(reg)
    assert [source.name for source in model.graph.input] == ["x0", "x1"]
    given = feeds(model, pd.DataFrame(X, columns=["x0", "x1"]))
    assert_allclose(run(model, given)[0][:, 0], reg.predict(X), rtol=1e-4)


def test_a_classifier_of_one_class_has_no_graph():
    clf = TabularClassifier(**FEW).fit([[1.0], [2.0], [3.0]], ["a", "a", "a"])
    with pytest.raises(ValueError, match="one class has nothing to compute"):
        to_onnx(clf)
