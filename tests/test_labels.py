"""Labels: which y a classifier takes, what it makes of it, and what it refuses."""

import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
ENGINES = ["numpy", "numba"] if find_spec("numba") else ["numpy"]
SETTINGS = [{"solver": "lbfgs"}, *({"engine": engine} for engine in ENGINES)]


@pytest.fixture
def X(rng):
    return rng.standard_normal((40, 5))


@pytest.fixture
def indicators(X):
    return (X[:, :3] > 0).astype(int)


def assert_same(first, second):
    """Bit for bit."""
    assert first.loss_curve_ == second.loss_curve_
    for one, other in zip(first.coefs_, second.coefs_, strict=True):
        assert_array_equal(one, other)


# -- several labels per row ------------------------------------------------------------

FORMS = [
    lambda y: y * 255,
    lambda y: (y * 255).astype(np.uint8),
    lambda y: y * 0.5,
    lambda y: y.astype(bool),
    lambda y: sp.csr_matrix(y * 7),
    lambda y: sp.csc_array(y * 7.0),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_any_positive_number_is_the_yes_of_a_label(form, setting, X, indicators):
    params = SMALL | setting
    clf = BackpropClassifier(**params).fit(X, form(indicators))
    assert_same(clf, BackpropClassifier(**params).fit(X, indicators))
    predicted = clf.predict(X)
    predicted = predicted.toarray() if sp.issparse(predicted) else predicted
    assert set(np.unique(predicted)) <= {0, 1}


@pytest.mark.skipif(
    "sparse_interface" not in sklearn.get_config(), reason="scikit-learn 1.9"
)
@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("interface", ["spmatrix", "sparray"])
def test_sparse_labels_are_what_scikit_learn_is_set_to_return(
    interface, form, X, indicators
):
    """As those of `MLPClassifier`, whatever the sparse y of the training was."""
    clf = BackpropClassifier(**SMALL).fit(X, form(indicators))
    with sklearn.config_context(sparse_interface=interface):
        predicted = clf.predict(X)
        by_mlp = MLPClassifier((2,), max_iter=2).fit(X, form(indicators)).predict(X)
    assert type(predicted) is type(by_mlp)
    assert_array_equal(predicted.toarray(), clf.predict(X).toarray())


@pytest.mark.parametrize("form", FORMS)
def test_yes_is_the_same_in_every_way_of_training(form, X, indicators):
    """Chunks, going on, and validation rows; the first call may have had another yes."""
    given, plain = (
        BackpropClassifier(**SMALL, warm_start=True, scoring="accuracy") for _ in range(2)
    )
    given.partial_fit(X, indicators * 3, [0, 1, 2]).partial_fit(X[:9], form(indicators[:9]))
    plain.partial_fit(X, indicators, [0, 1, 2]).partial_fit(X[:9], indicators[:9])
    assert_same(given, plain)
    given.fit(X, form(indicators), X_val=X, y_val=form(indicators))
    plain.fit(X, indicators, X_val=X, y_val=indicators)
    assert_same(given, plain)
    assert given.validation_loss_curve_ == plain.validation_loss_curve_
    assert given.validation_scores_ == plain.validation_scores_


def test_rows_set_aside_are_scored_by_yes_and_no(X, indicators):
    params = {**SMALL, "early_stopping": True, "scoring": "f1_macro"}
    with np.errstate(all="ignore"):
        given = BackpropClassifier(**params).fit(X, indicators * 255)
        plain = BackpropClassifier(**params).fit(X, indicators)
    assert given.validation_scores_ == plain.validation_scores_


REFUSED = {
    "-1, 1": lambda y: 2 * y - 1,
    "1, 2": lambda y: y + 1,
    "0, 1, 2": lambda y: np.vstack([[2, 1, 0], y[1:]]),
    "-1, 0": lambda y: y - 1,
    "0.0, 0.5, 1.0": lambda y: np.vstack([[0.5, 1, 0], y[1:]]),
    "0, 1, 2 ": lambda y: sp.csr_matrix(np.vstack([[2, 1, 0], y[1:]])),
    "-1, 0 ": lambda y: sp.csr_matrix(y - 1),
}


@pytest.mark.parametrize(("values", "form"), REFUSED.items())
def test_other_values_of_labels_are_refused_by_name(values, form, X, indicators):
    refused = form(indicators)
    message = rf"0 for no and 1.* Got the values {values.strip()}\."
    with pytest.raises(ValueError, match=message):
        BackpropClassifier(**SMALL).fit(X, refused)
    with pytest.raises(ValueError, match=message):
        BackpropClassifier(**SMALL).partial_fit(X, refused)
    clf = BackpropClassifier(**SMALL).fit(X, indicators)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, refused)
    with pytest.raises(ValueError, match=f"y_val does not match y.*{message}"):
        clf.fit(X, indicators, X_val=X, y_val=refused)
    assert_array_equal(clf.predict_proba(X), before)


# -- the third argument of partial_fit -------------------------------------------------


@pytest.fixture
def y(X):
    return (X[:, 0] > 0).astype(int)


MEANT_AS_WEIGHTS = "as many as rows of X: if they are weights.*sample_weight="


@pytest.mark.parametrize("is_later", [False, True])
@pytest.mark.parametrize(
    "weights",
    [np.arange(40) % 2, np.linspace(0.1, 4, 40), [1.0] * 40],
    ids=["mask", "floats", "ones"],
)
def test_weights_are_not_taken_for_classes(weights, is_later, X, y):
    """scikit-learn's MLPClassifier has sample_weight in this place since 1.7."""
    clf = BackpropClassifier(**SMALL)
    if is_later:
        clf.partial_fit(X, y, [0, 1])
    with pytest.raises(ValueError, match=MEANT_AS_WEIGHTS):
        clf.partial_fit(X, y, weights)
    with pytest.raises(ValueError, match=MEANT_AS_WEIGHTS):
        clf.partial_fit(X, y, weights, [0, 1])


def test_two_weights_are_not_taken_for_two_classes(X):
    with pytest.raises(ValueError, match=f"decimal point, y is not.*{MEANT_AS_WEIGHTS}"):
        BackpropClassifier(**SMALL).partial_fit(X[:2], [0, 1], [0.0, 1.0])


def test_classes_named_twice_are_refused(X, y):
    with pytest.raises(ValueError, match=r"each class once.* 3 values of which 2 differ"):
        BackpropClassifier(**SMALL).partial_fit(X, y, [0, 1, 1])


def test_classes_may_be_as_many_as_rows(X):
    """And no warning says that y may be a regression's."""
    clf = BackpropClassifier(**SMALL)
    clf.partial_fit(X[:26], range(26), range(26)).partial_fit(X[:26], range(26))
    assert_array_equal(clf.classes_, np.arange(26))


def test_chunk_of_quantities_is_refused(X):
    with pytest.raises(ValueError, match=r"Unknown label type: continuous"):
        BackpropClassifier(**SMALL).partial_fit(X, X[:, 0], [0, 1])


# -- labels of other types -------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["Int64", "Int8", "UInt16", "boolean", "Float32"])
def test_extension_types_of_pandas_are_the_types_of_numpy(dtype, X, y):
    column = pd.Series(y, dtype=dtype)
    expected = column.dtype.numpy_dtype
    fitted = BackpropClassifier(**SMALL).fit(X, column)
    chunk = BackpropClassifier(**SMALL).partial_fit(X, y, column.unique())
    for clf in (fitted, chunk):
        assert clf.classes_.dtype == clf.predict(X).dtype == expected


WRONG_LABELS = {
    "bytes": (lambda y: np.where(y, b"a", b"b"), "labels of bytes"),
    "bytes as objects": (lambda y: np.where(y, b"a", b"b").astype(object), "of bytes"),
    "a sparse column": (lambda y: sp.csr_matrix(y[:, np.newaxis]), "is a sparse column"),
    "None": (lambda y: np.where(y, None, 1), "has the label None"),
    "None beside a name": (lambda y: np.where(y, None, "a"), "has the label None"),
    "kinds": (lambda y: np.array(["a", *y[1:].tolist()], object), "one kind.* int, str"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_the_trouble_with_labels_is_named(wrong, message, X, y):
    with pytest.raises(ValueError, match=message):
        BackpropClassifier(**SMALL).fit(X, wrong(y))
    with pytest.raises(ValueError, match=message):
        BackpropClassifier(**SMALL).partial_fit(X, wrong(y), [0, 1])
    clf = BackpropClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=f"y_val does not match y.*{message}"):
        clf.fit(X, y, X_val=X, y_val=wrong(y))


@pytest.mark.parametrize("classes", [{0, 1}, {0: 0, 1: 1}, 2, "ab"], ids=str)
def test_classes_that_are_no_array_are_named(classes, X, y):
    with pytest.raises(ValueError, match=r"a list or an array. Got .*sorted\("):
        BackpropClassifier(**SMALL).partial_fit(X, y, classes)


def test_missing_target_of_a_regressor_is_named(X):
    for y in ([None] * 40, np.array([*range(39), np.nan], object)):
        with pytest.raises(ValueError, match=r"y has missing values|contains NaN"):
            BackpropRegressor(**SMALL).fit(X, y)


# -- a class with one row --------------------------------------------------------------


def test_class_of_one_row_is_named_where_rows_are_set_aside(X, y):
    names = np.array(["rare", "a", "b"])[np.where(np.arange(40) == 7, 0, y + 1)]
    clf = BackpropClassifier(**SMALL, early_stopping=True)
    with pytest.warns(UserWarning, match="of class 'rare' there is only one row"):
        clf.fit(X, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, names, X_val=X, y_val=names)  # none is set aside
        clf.fit(X, y)
