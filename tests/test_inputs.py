"""The same data in another form gives the same numbers."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from problems import assert_same_weights
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.usefixtures("few_epochs")

SMALL = {
    "hidden_layer_sizes": (5,),
    "activation": "tanh",
    "learning_rate_init": 0.05,
    "batch_size": 8,
    "max_iter": 6,
    "random_state": 0,
}
NAMES = ["height", "width", "depth"]


@pytest.fixture
def X(rng):
    """Numbers that float16 holds exactly, a third of them zero."""
    return rng.randint(-2, 3, (30, 3)) / 2.0


@pytest.fixture
def y(X):
    return X @ [1.0, -0.5, 0.25]


@pytest.fixture
def labels(y):
    return np.digitize(y, [-0.25, 0.25])


@pytest.fixture
def binary(y):
    return (y > 0).astype(int)


@pytest.fixture
def multilabel(X):
    return (X > 0).astype(int)


def regressor(X, y, sample_weight=None, **params):
    return BackpropRegressor(**{**SMALL, **params}).fit(X, y, sample_weight=sample_weight)


def classifier(X, y, sample_weight=None, **params):
    return BackpropClassifier(**{**SMALL, **params}).fit(X, y, sample_weight=sample_weight)


def assert_close_weights(one, other):
    for array, expected in zip(one.coefs_, other.coefs_, strict=True):
        # some twenty steps on sums that are taken in another order
        assert_allclose(array, expected, rtol=1e-10, atol=1e-12)


# -- X ---------------------------------------------------------------------------------


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def strided(X):
    wide = np.full((2 * len(X), 2 * X.shape[1]), np.nan)
    wide[::2, ::2] = X
    return wide[::2, ::2]


DENSE = {
    "list": np.ndarray.tolist,
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "float16": lambda X: X.astype(np.float16),
    "long double": lambda X: X.astype(np.longdouble),
    "big-endian": lambda X: X.astype(">f8"),
    "object": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
}
SPARSE = {
    "csr_array": sp.csr_array,
    "csr_matrix": sp.csr_matrix,
    "csc_array": sp.csc_array,
    "csc_matrix": sp.csc_matrix,
    "coo_array": sp.coo_array,
    "csr_array of float32": lambda X: sp.csr_array(X.astype(np.float32)),
}


@pytest.mark.parametrize("form", DENSE)
@pytest.mark.parametrize("shuffle", [False, True])
def test_dense_forms_of_X_give_the_same_weights(form, shuffle, X, y):
    assert_close_weights(
        regressor(DENSE[form](X), y, shuffle=shuffle), regressor(X, y, shuffle=shuffle)
    )


@pytest.mark.parametrize("form", DENSE)
def test_dense_forms_of_X_give_the_same_predictions(form, X, y):
    reg = regressor(X, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        # the products sum a few terms in another order
        assert_allclose(reg.predict(DENSE[form](X)), reg.predict(X), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool])
def test_integers_and_bools_count_as_float64(dtype, X, y):
    whole = np.abs(X) > 0
    assert_same_weights(
        regressor(whole.astype(dtype), y), regressor(whole.astype(float), y)
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("form", [form for form in SPARSE if "float32" not in form])
def test_sparse_forms_of_X_give_the_same_weights(form, solver, X, y):
    assert_close_weights(
        regressor(SPARSE[form](X), y, solver=solver), regressor(X, y, solver=solver)
    )


@pytest.mark.parametrize("form", SPARSE)
def test_sparse_forms_of_X_give_the_same_predictions(form, X, labels):
    clf = classifier(X, labels)
    # the products sum a few terms in another order
    assert_allclose(clf.predict_proba(SPARSE[form](X)), clf.predict_proba(X), rtol=1e-12)


def test_sparse_X_with_early_stopping_gives_the_same_weights(X, labels):
    params = {"early_stopping": True, "validation_fraction": 0.3}
    sparse, dense = (classifier(form, labels, **params) for form in (sp.csr_array(X), X))
    assert_close_weights(sparse, dense)
    assert sparse.validation_scores_ == dense.validation_scores_


def test_chunks_may_be_sparse_or_dense(X, labels):
    mixed, dense = BackpropClassifier(**SMALL), BackpropClassifier(**SMALL)
    for rows, form in (slice(0, 20), sp.csr_array), (slice(20, 30), np.asarray):
        mixed.partial_fit(form(X[rows]), labels[rows], classes=[0, 1, 2])
        dense.partial_fit(X[rows], labels[rows], classes=[0, 1, 2])
    assert_close_weights(mixed, dense)


def test_fit_leaves_the_data_as_they_were(X, y):
    X_before, y_before, weight = X.copy(), y.copy(), np.ones(len(y))
    regressor(X, y, sample_weight=weight)
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    assert np.array_equal(weight, np.ones(len(y)))


# -- precision -------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_float32_stays_float32(form, solver, X, y):
    reg = regressor(form(X.astype(np.float32)), y, solver=solver)
    assert {array.dtype for array in [*reg.coefs_, *reg.intercepts_]} == {np.dtype("f4")}
    assert reg.predict(form(X.astype(np.float32))).dtype == np.float32


def test_probabilities_of_float32_are_float32(X, labels, binary, multilabel):
    X = X.astype(np.float32)
    for target in labels, binary, multilabel:
        clf = classifier(X, target)
        assert clf.predict_proba(X).dtype == np.float32
        assert clf.predict_log_proba(X).dtype == np.float32


def test_float32_is_close_to_float64(X, y):
    single, double = regressor(X.astype(np.float32), y), regressor(X, y)
    # some twenty steps of float32, which rounds at 6e-8, with Adam's division by roots
    assert_allclose(single.predict(X), double.predict(X), atol=1e-4)


def test_network_in_float32_predicts_float64_rows_in_float32(X, y):
    reg = regressor(X.astype(np.float32), y)
    assert reg.predict(X).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.int32, bool])
def test_all_else_becomes_float64(dtype, X, y):
    reg = regressor(X.astype(dtype), y)
    assert reg.coefs_[0].dtype == np.float64
    assert reg.predict(X.astype(dtype)).dtype == np.float64


def test_training_that_goes_on_keeps_its_precision(X, y):
    reg = BackpropRegressor(**SMALL).partial_fit(X.astype(np.float32), y)
    assert reg.partial_fit(X, y).coefs_[0].dtype == np.float32


# -- frames ----------------------------------------------------------------------------

# those whose names this scikit-learn sees: before 1.9 not those of the newest Polars
FRAMES = {
    name: DENSE[name]
    for name in ("pandas", "polars")
    if hasattr(StandardScaler().fit(DENSE[name](np.eye(3))), "feature_names_in_")
}


@pytest.mark.parametrize("frame", FRAMES)
def test_frame_gives_the_names_of_its_columns(frame, X, y):
    reg = regressor(FRAMES[frame](X), y)
    assert reg.feature_names_in_.tolist() == NAMES


@pytest.mark.parametrize("frame", FRAMES)
def test_columns_in_another_order_are_refused(frame, X, y):
    frame = FRAMES[frame](X)
    reg = regressor(frame, y)
    with pytest.raises(ValueError, match="feature names should match"):
        reg.predict(frame[["width", "height", "depth"]])


@pytest.mark.parametrize("call", ["predict", "partial_fit"])
def test_array_without_the_names_it_was_trained_with_is_taken_with_a_warning(call, X, y):
    reg = BackpropRegressor(**SMALL).fit(pd.DataFrame(X, columns=NAMES), y)
    arguments = (X,) if call == "predict" else (X, y)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        getattr(reg, call)(*arguments)


@pytest.mark.parametrize("call", ["predict", "partial_fit"])
@pytest.mark.parametrize("shape", [(3, 4), (4, 2), (3, 3, 1), (3,), (0, 3)])
def test_other_shapes_of_X_are_refused_after_a_training(shape, call, X, y):
    """Checks of small arrays are short where they pass; none may be left out."""
    reg = BackpropRegressor(**SMALL).fit(X, y)
    rows = np.zeros(shape)
    arguments = (rows,) if call == "predict" else (rows, np.zeros(shape[0]))
    with pytest.raises(
        ValueError, match=r"expecting 3 features|2D array|array with dim 3|0 sample"
    ):
        getattr(reg, call)(*arguments)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_y_that_is_not_finite_is_refused_after_a_training(value, X, y):
    reg = BackpropRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="Input y contains"):
        reg.partial_fit(X[:2], np.array([0.5, value]))


def test_y_of_another_length_is_refused_after_a_training(X, y):
    reg = BackpropRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        reg.partial_fit(X[:2], y[:3])


@pytest.mark.parametrize("n_rows", [655, 656, 3000])
def test_many_rows_are_predicted_like_few(n_rows, rng, X, y):
    """Rows are taken as many at a time as stay in cache: 655 of 100 units."""
    reg = BackpropRegressor(**SMALL | {"hidden_layer_sizes": (100,)}).fit(X, y)
    many = rng.standard_normal((n_rows, 3))
    few = [reg.predict(many[start : start + 50]) for start in range(0, n_rows, 50)]
    # BLAS sums in another order where there are other numbers of rows
    assert_allclose(reg.predict(many), np.concatenate(few), rtol=1e-11, atol=1e-13)


def test_refit_on_an_array_forgets_the_names(X, y):
    reg = regressor(FRAMES["pandas"](X), y).fit(X, y)
    assert not hasattr(reg, "feature_names_in_")


@pytest.mark.parametrize(
    "column", [pd.Series, pl.Series, list], ids=["pandas", "polars", "list"]
)
def test_y_and_weights_may_be_columns_of_a_frame(column, X, y):
    weight = np.arange(30) % 3 + 1.0
    expected = regressor(X, y, sample_weight=weight)
    assert_same_weights(regressor(X, column(y), sample_weight=column(weight)), expected)


def test_categories_are_labels(X, labels):
    colours = np.array(["blue", "green", "red"])[labels]
    clf = classifier(X, pd.Series(colours, dtype="category"))
    assert_same_weights(clf, classifier(X, colours))
    assert clf.classes_.tolist() == ["blue", "green", "red"]


# -- labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        np.array(["ant", "bee", "cat"]),
        np.array(["ant", "bee", "cat"], dtype=object),
        np.array([-5, 0, 7]),
        np.array([1.0, 2.0, 3.0]),
        np.array([0, 1, 2], dtype=np.uint8),
    ],
    ids=repr,
)
def test_labels_may_have_any_names(names, X, labels):
    clf = classifier(X, names[labels])
    expected = classifier(X, labels)
    assert clf.classes_.tolist() == names.tolist()
    assert_same_weights(clf, expected)
    assert np.array_equal(clf.predict(X), names[expected.predict(X)])


@pytest.mark.parametrize("names", [["no", "yes"], [False, True], [-1, 1]], ids=repr)
def test_two_labels_may_have_any_names(names, X, binary):
    clf = classifier(X, np.array(names)[binary])
    expected = classifier(X, binary)
    assert clf.n_outputs_ == 1
    assert_same_weights(clf, expected)
    assert np.array_equal(clf.predict(X), np.array(names)[expected.predict(X)])


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("target", ["binary", "labels"])
def test_probabilities_of_classes_sum_to_one(target, loss, X, request):
    y = request.getfixturevalue(target)
    clf = classifier(X, y, loss=loss)
    probabilities = clf.predict_proba(X)
    assert probabilities.shape == (30, len(clf.classes_))
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)  # a few roundings
    assert np.array_equal(clf.classes_[probabilities.argmax(axis=1)], clf.predict(X))


def test_one_column_of_labels_is_taken_with_a_warning(X, labels):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        clf = classifier(X, labels[:, np.newaxis])
    assert_same_weights(clf, classifier(X, labels))


def test_single_class_is_always_predicted(X):
    clf = classifier(X, np.full(30, "only"))
    assert clf.predict(X[:2]).tolist() == ["only", "only"]
    assert clf.predict_proba(X[:2]).tolist() == [[1.0], [1.0]]
    assert clf.predict_log_proba(X[:2]).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    "form", [list, np.asarray, pd.DataFrame, sp.csr_array, sp.csc_matrix]
)
def test_forms_of_several_labels_give_the_same_weights(form, X, multilabel):
    given = multilabel.tolist() if form is list else form(multilabel)
    assert_same_weights(classifier(X, given), classifier(X, multilabel))


def test_several_labels_are_predicted_each_above_one_half(X, multilabel):
    clf = classifier(X, multilabel, max_iter=60)
    probabilities = clf.predict_proba(X)
    assert probabilities.shape == (30, 3)
    assert np.array_equal(clf.predict(X), probabilities > 0.5)
    assert clf.score(X, multilabel) > 0.9  # each label is the sign of a column


def test_sparse_labels_are_predicted_sparse(X, multilabel):
    predicted = classifier(X, sp.csr_array(multilabel)).predict(X)
    assert sp.issparse(predicted)
    assert np.array_equal(predicted.toarray(), classifier(X, multilabel).predict(X))


# -- quantities ------------------------------------------------------------------------


def test_several_outputs_are_predicted_in_columns(X, y):
    reg = regressor(X, np.column_stack([y, -y, 0 * y]), max_iter=100)
    assert reg.n_outputs_ == 3
    predicted = reg.predict(X)
    assert predicted.shape == (30, 3)
    # learnt roughly: the columns are not mixed up
    assert_allclose(predicted, np.column_stack([y, -y, 0 * y]), atol=0.3)


def test_one_column_of_quantities_is_taken_with_a_warning(X, y):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        reg = regressor(X, y[:, np.newaxis])
    assert_same_weights(reg, regressor(X, y))
    assert reg.predict(X).shape == (30,)


@pytest.mark.parametrize("form", [np.ndarray.tolist, pd.DataFrame, sp.csr_array])
def test_forms_of_several_outputs_give_the_same_weights(form, X):
    assert_same_weights(regressor(X, form(X)), regressor(X, X))


# -- sample weights --------------------------------------------------------------------

# on all rows at once, where weights and repetitions make the same batch
ALL_ROWS = {"batch_size": 1000, "shuffle": False, "alpha": 0.1}


def fit_all_rows(estimator, X, y, sample_weight=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "batch_size=1000 is larger")
        return estimator(X, y, sample_weight=sample_weight, **ALL_ROWS)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("target", ["labels", "binary", "multilabel"])
def test_weights_of_a_classifier_count_as_repetitions(target, form, X, request):
    y, times = request.getfixturevalue(target), np.arange(30) % 4
    weighted = fit_all_rows(classifier, form(X), y, times)
    repeated = fit_all_rows(
        classifier, form(np.repeat(X, times, axis=0)), np.repeat(y, times, axis=0)
    )
    assert_close_weights(weighted, repeated)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-12)  # rounding


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_weights_of_a_regressor_count_as_repetitions(loss, X, y):
    y, times = np.exp(y), np.arange(30) % 4
    reg = {"loss": loss}
    weighted, repeated = (
        fit_all_rows(lambda *args, **kwargs: regressor(*args, **kwargs, **reg), *data)
        for data in ((X, y, times), (np.repeat(X, times, axis=0), np.repeat(y, times)))
    )
    assert_close_weights(weighted, repeated)


def test_rows_of_weight_zero_are_as_good_as_absent(X, y):
    weight = (np.arange(30) < 20).astype(float)
    assert_close_weights(
        fit_all_rows(regressor, X, y, weight), fit_all_rows(regressor, X[:20], y[:20])
    )


def test_batch_whose_weights_are_all_zero_is_passed_over(X, y):
    """The second of three batches of ten."""
    weight = np.r_[np.ones(10), np.zeros(10), np.ones(10)]
    rows = weight > 0
    params = {"batch_size": 10, "shuffle": False}
    assert_close_weights(
        regressor(X, y, sample_weight=weight, **params),
        regressor(X[rows], y[rows], **params),
    )


def test_scalar_weight_is_that_weight_for_every_row(X, y):
    assert_same_weights(
        regressor(X, y, sample_weight=2.5),
        regressor(X, y, sample_weight=np.full(30, 2.5)),
    )


def test_equal_weights_change_nothing_but_the_share_of_the_penalty(X, y):
    assert_close_weights(
        regressor(X, y, sample_weight=2.5, alpha=0.5), regressor(X, y, alpha=0.5 / 2.5)
    )


def test_weights_steer_what_is_learnt(X, y):
    """Of two contradicting halves the heavier one wins."""
    doubled, targets = np.vstack([X, X]), np.r_[y, -y]
    for heavy, expected in ((slice(0, 30), y), (slice(30, 60), -y)):
        weight = np.full(60, 1e-3)
        weight[heavy] = 1
        reg = regressor(doubled, targets, sample_weight=weight, max_iter=100)
        assert np.corrcoef(reg.predict(X), expected)[0, 1] > 0.9
