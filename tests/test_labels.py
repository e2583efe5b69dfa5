"""Labels: which y a classifier takes, what it makes of it, and what it refuses."""

from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier

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
    with pytest.raises(ValueError, match=f"y_val does not go with y.*{message}"):
        clf.fit(X, indicators, X_val=X, y_val=refused)
    assert_array_equal(clf.predict_proba(X), before)
