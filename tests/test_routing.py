"""Sample weights and validation rows on their way through meta-estimators."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
X, X_VAL, Y, Y_VAL = train_test_split(
    3 * load_iris().data + 10, load_iris().target, test_size=40, random_state=0
)
WEIGHT = np.linspace(0.5, 2, len(Y))
REQUESTED = {"sample_weight": True, "X_val": True, "y_val": True, "sample_weight_val": True}


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def make(**params):
    return BackpropClassifier((5,), max_iter=5, random_state=0, **params)


def scaled(clf, **metadata):
    """What a pipeline should do, by hand."""
    scaler = StandardScaler().fit(X)
    if "X_val" in metadata:
        metadata["X_val"] = scaler.transform(metadata["X_val"])
    return clf.fit(scaler.transform(X), Y, **metadata)


def assert_same(one, other):
    assert all(map(np.array_equal, one.coefs_, other.coefs_))
    assert one.validation_loss_curve_ == other.validation_loss_curve_


# -- with routing --------------------------------------------------------------------------


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_fit_and_partial_fit_can_ask_for_metadata(cls):
    request = cls().set_fit_request(**REQUESTED).get_metadata_routing().fit
    assert request.requests == REQUESTED
    cls().set_partial_fit_request(sample_weight=True).set_score_request(sample_weight=True)


@pytest.mark.usefixtures("routing")
def test_a_pipeline_scales_the_validation_rows_that_it_is_told_to():
    clf = make(early_stopping=True).set_fit_request(**REQUESTED)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    model = make_pipeline(scaler, clf, transform_input=["X_val"])
    metadata = {"sample_weight": WEIGHT, "X_val": X_VAL, "y_val": Y_VAL}
    metadata["sample_weight_val"] = np.linspace(1, 2, len(Y_VAL))
    model.fit(X, Y, **metadata)
    assert_same(model[-1], scaled(make(early_stopping=True), **metadata))


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_hands_the_whole_validation_set_to_every_fit(n_jobs):
    """And cuts the sample weights as it cuts the rows."""
    clf = make(engine="numpy").set_fit_request(sample_weight=True, X_val=True, y_val=True)
    scoring = make_scorer(accuracy_score).set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    model = make_pipeline(scaler, clf, transform_input=["X_val"])
    folds = [(np.arange(80), np.arange(80, 110)), (np.arange(30, 110), np.arange(30))]
    grid = {"backpropclassifier__alpha": [1e-4, 1.0]}
    search = GridSearchCV(model, grid, cv=folds, scoring=scoring, n_jobs=n_jobs)
    search.fit(X, Y, sample_weight=WEIGHT, X_val=X_VAL, y_val=Y_VAL)
    for i, (train, test) in enumerate(folds):
        by_hand = StandardScaler().fit(X[train])
        clf = make(engine="numpy").fit(
            by_hand.transform(X[train]),
            Y[train],
            WEIGHT[train],
            X_val=by_hand.transform(X_VAL),
            y_val=Y_VAL,
        )
        score = clf.score(by_hand.transform(X[test]), Y[test], WEIGHT[test])
        assert search.cv_results_[f"split{i}_test_score"][0] == score
    assert len(search.best_estimator_[-1].validation_scores_) == 5


# -- without routing -----------------------------------------------------------------------


def test_a_pipeline_passes_metadata_on_as_it_is():
    """Validation rows have to be scaled by hand then."""
    step = "backpropclassifier__"
    model = make_pipeline(StandardScaler(), make())
    X_val = StandardScaler().fit(X).transform(X_VAL)
    model.fit(
        X,
        Y,
        **{f"{step}sample_weight": WEIGHT, f"{step}X_val": X_val, f"{step}y_val": Y_VAL},
    )
    by_hand = scaled(make(), sample_weight=WEIGHT, X_val=X_VAL, y_val=Y_VAL)
    assert_same(model[-1], by_hand)


def test_a_cross_validation_cuts_sample_weights_into_folds():
    folds = [(np.arange(80), np.arange(80, 110))]
    params = {"sample_weight": WEIGHT}
    found = cross_validate(make(), X, Y, cv=folds, params=params, return_estimator=True)
    alone = make().fit(X[:80], Y[:80], WEIGHT[:80])
    assert_same(found["estimator"][0], alone)


# -- a validation set of as many rows as X ------------------------------------------------


def search(metadata, **params):
    GridSearchCV(make(), {}, cv=2, error_score="raise", **params).fit(X, Y, **metadata)


def cross_validated(metadata):
    cross_validate(make(), X, Y, cv=2, params=metadata)


def calibrated(metadata):
    CalibratedClassifierCV(make(), cv=2).fit(X, Y, **metadata)


def searched_in_a_pipeline(metadata):
    metadata = {f"backpropclassifier__{name}": value for name, value in metadata.items()}
    model = make_pipeline(StandardScaler(), make())
    GridSearchCV(model, {}, cv=2, error_score="raise").fit(X, Y, **metadata)


@pytest.mark.parametrize(
    ("rows", "n_seen"), [(slice(None), len(X) // 2), (slice(1, None), len(X) - 1)]
)
@pytest.mark.parametrize(
    "fit", [search, cross_validated, calibrated, searched_in_a_pipeline]
)
def test_a_fold_is_cut_from_a_validation_set_of_as_many_rows_only(
    fit, rows, n_seen, monkeypatch
):
    """As docs/at_home.md says: scikit-learn cuts every argument of the size of X."""
    seen, original = [], BackpropClassifier.fit

    def recording(self, X, y, X_val=None, y_val=None):
        seen.append(len(X_val))
        return original(self, X, y, X_val=X_val, y_val=y_val)

    monkeypatch.setattr(BackpropClassifier, "fit", recording)
    fit({"X_val": X[rows], "y_val": Y[rows]})
    assert seen[0] == n_seen


def test_outside_of_a_search_as_many_rows_are_nothing_unusual():
    """The training rows themselves, to record the training score."""
    clf = make().fit(X, Y, X_val=X, y_val=Y)
    model = make_pipeline(make())
    model.fit(X, Y, backpropclassifier__X_val=X, backpropclassifier__y_val=Y)
    assert_array_equal(model[-1].validation_scores_, clf.validation_scores_)
