"""scikit-learn's meta-estimators and tools, each with a claim a working fit meets."""

from importlib import import_module
from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_iris, make_moons
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import recall_score
from sklearn.model_selection import (
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)

IRIS = load_iris(as_frame=True)
X = StandardScaler().fit_transform(IRIS.data)
Y = IRIS.target.to_numpy()
MOONS, MOON = make_moons(120, noise=0.2, random_state=0)
RNG = np.random.RandomState(0)
LINE = RNG.uniform(-1, 1, (120, 3))
TARGET = LINE[:, 0] + 2 * LINE[:, 1]  # the third column means nothing


def classifier(**params):
    params = {"max_iter": 40, "learning_rate": 0.05, "random_state": 0, **params}
    return BackpropClassifier((8,), **params)


def regressor(**params):
    params = {"max_iter": 40, "learning_rate": 0.05, "random_state": 0, **params}
    return BackpropRegressor((8,), "tanh", **params)


# -- ensembles and wrappers ----------------------------------------------------------------

OF_CLASSIFIERS = {
    "calibrated": CalibratedClassifierCV(classifier(), cv=3),
    "calibrated with weights": CalibratedClassifierCV(classifier(), cv=3, ensemble=False),
    "bagging": BaggingClassifier(classifier(), n_estimators=3, random_state=0),
    "AdaBoost": AdaBoostClassifier(classifier(), n_estimators=3, random_state=0),
    "stacking": StackingClassifier([("net", classifier()), ("line", LogisticRegression())]),
    "voting": VotingClassifier(
        [("net", classifier()), ("line", LogisticRegression())], voting="soft"
    ),
    "one against the rest": OneVsRestClassifier(classifier()),
    "one against one": OneVsOneClassifier(classifier()),
}
OF_REGRESSORS = {
    "bagging": BaggingRegressor(regressor(), n_estimators=3, random_state=0),
    "AdaBoost": AdaBoostRegressor(regressor(), n_estimators=3, random_state=0),
    "stacking": StackingRegressor([("net", regressor()), ("line", Ridge())]),
    "voting": VotingRegressor([("net", regressor()), ("line", Ridge())]),
    "transformed target": TransformedTargetRegressor(
        regressor(), transformer=StandardScaler()
    ),
}


@pytest.mark.parametrize("labels", [Y, np.array(["a", "b", "c"])[Y]], ids=["ints", "str"])
@pytest.mark.parametrize("name", OF_CLASSIFIERS)
def test_meta_classifiers_learn_iris(name, labels):
    meta = clone(OF_CLASSIFIERS[name]).fit(X, labels)
    assert meta.score(X, labels) > 0.9
    if hasattr(meta, "predict_proba"):
        assert_allclose(meta.predict_proba(X).sum(axis=1), 1, rtol=1e-9)


@pytest.mark.parametrize("name", OF_REGRESSORS)
def test_meta_regressors_learn_a_plane(name):
    assert clone(OF_REGRESSORS[name]).fit(LINE, TARGET).score(LINE, TARGET) > 0.9


@pytest.mark.parametrize("wrapper", [MultiOutputClassifier, ClassifierChain])
def test_several_labels_by_one_network_each(wrapper):
    labels = np.c_[MOON, MOONS[:, 0] > 0.5, MOONS[:, 1] > 0.2].astype(int)
    predicted = wrapper(classifier()).fit(MOONS, labels).predict(MOONS)
    assert (predicted == labels).mean() > 0.9
    alone = classifier().fit(MOONS, labels[:, 0])
    assert_array_equal(predicted[:, 0], alone.predict(MOONS))


@pytest.mark.parametrize("wrapper", [MultiOutputRegressor, RegressorChain])
def test_several_quantities_by_one_network_each(wrapper):
    targets = np.c_[TARGET, TARGET**2]
    predicted = wrapper(regressor()).fit(LINE, targets).predict(LINE)
    assert_allclose(predicted[:, 0], regressor().fit(LINE, TARGET).predict(LINE))


def test_multi_output_trains_on_in_chunks():
    labels = np.c_[MOON, 1 - MOON]
    meta, alone = MultiOutputClassifier(classifier()), classifier()
    for _ in range(3):
        meta.partial_fit(MOONS, labels, classes=[[0, 1], [0, 1]])
        alone.partial_fit(MOONS, labels[:, 0], classes=[0, 1])
    assert_array_equal(meta.predict(MOONS)[:, 0], alone.predict(MOONS))


def test_a_tuned_threshold_finds_more_of_the_class_it_is_tuned_for():
    plain = classifier(max_iter=10).fit(MOONS, MOON)
    scorer = TunedThresholdClassifierCV(
        classifier(max_iter=10), cv=3, scoring="recall", thresholds=20
    )
    tuned = scorer.fit(MOONS, MOON)
    assert tuned.best_threshold_ < 0.5
    found = recall_score(MOON, tuned.predict(MOONS))
    assert found > recall_score(MOON, plain.predict(MOONS))


# -- searches and curves -------------------------------------------------------------------


@pytest.mark.skipif(
    "resource" not in signature(HalvingGridSearchCV).parameters,
    reason="from scikit-learn 1.10 a halving search spends rows, nothing else",
)
def test_a_halving_search_spends_its_epochs_on_the_good_candidates():
    search = HalvingGridSearchCV(
        classifier(),
        {"learning_rate": [1e-6, 1e-4, 0.05, 1e-5]},
        resource="max_iter",
        min_resources=5,
        max_resources=20,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(X, Y)
    assert search.best_params_["learning_rate"] == 0.05
    assert search.n_resources_ == [5, 10, 20]
    assert search.best_estimator_.n_iter_ == search.best_estimator_.max_iter == 20


def test_a_learning_curve_can_train_on_where_the_shorter_one_ended():
    """Each part of the rows is one more call of `partial_fit`."""
    sizes, _, scores = learning_curve(
        classifier(),
        X,
        Y,
        train_sizes=[20, 60, 100],
        cv=[(np.random.RandomState(0).permutation(150)[:100], np.arange(150))],
        exploit_incremental_learning=True,
    )
    rows = np.random.RandomState(0).permutation(150)[:100]
    clf = classifier()
    expected = []
    for chunk in np.split(rows, [20, 60]):
        expected.append(clf.partial_fit(X[chunk], Y[chunk], np.unique(Y)).score(X, Y))
    assert list(sizes) == [20, 60, 100]
    assert list(scores[:, 0]) == expected


def test_a_validation_curve_shows_what_too_much_penalty_does():
    params = {"param_name": "alpha", "param_range": [1e-4, 1e4], "cv": 3}
    _, scores = validation_curve(classifier(), X, Y, **params)
    assert scores[0].mean() > 0.85 > scores[1].mean()


def test_cross_validated_probabilities_have_a_column_per_class():
    proba = cross_val_predict(classifier(), X, Y, cv=3, method="predict_proba")
    assert proba.shape == (150, 3)
    assert (proba.argmax(axis=1) == Y).mean() > 0.85


def test_features_are_selected_forward():
    selector = SequentialFeatureSelector(regressor(max_iter=20), n_features_to_select=2)
    selector.set_params(cv=2).fit(LINE, TARGET)
    assert list(selector.get_support()) == [True, True, False]


def reach(net):
    """How far a column reaches into the first layer."""
    return np.abs(net.coefs_[0]).sum(axis=1)


@pytest.mark.parametrize(
    "selector",
    [
        RFE(regressor(), n_features_to_select=2, importance_getter=reach),
        SelectFromModel(
            regressor(), max_features=2, threshold=-np.inf, importance_getter=reach
        ),
    ],
    ids=["RFE", "SelectFromModel"],
)
def test_features_are_selected_by_a_measure_of_importance(selector):
    selector.estimator.set_params(solver="lbfgs", alpha=1.0)
    chosen = clone(selector).fit(LINE, TARGET).get_support()
    assert list(chosen) == [True, True, False]


# -- inspection ----------------------------------------------------------------------------


def test_permutation_importance_finds_the_columns_that_matter():
    net = regressor().fit(LINE, TARGET)
    found = permutation_importance(net, LINE, TARGET, n_repeats=3, random_state=0)
    one, two, nothing = found.importances_mean
    assert two > one > 0.1
    assert abs(nothing) < 0.05


@pytest.mark.parametrize("column", [0, 1])
def test_partial_dependence_shows_the_slope(column):
    """Of one and of two, from one end of the column to the other."""
    net = regressor(solver="lbfgs").fit(LINE, TARGET)
    found = partial_dependence(net, LINE, [column], grid_resolution=5)
    (values,), (average,) = found["grid_values"], found["average"]
    slope = (average[-1] - average[0]) / (values[-1] - values[0])
    assert abs(slope - [1, 2][column]) < 0.2


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_the_boundary_of_a_classifier_can_be_drawn(method):
    net = classifier().fit(MOONS, MOON)
    display = DecisionBoundaryDisplay.from_estimator(
        net, MOONS, response_method=method, grid_resolution=20
    )
    grid = np.c_[display.xx0.ravel(), display.xx1.ravel()]
    expected = net.predict(grid) if method == "predict" else net.predict_proba(grid)[:, 1]
    assert_allclose(display.response.ravel(), expected)


# -- data frames ---------------------------------------------------------------------------

# those whose names this scikit-learn sees: before 1.9 not those of the newest Polars
LIBRARIES = [
    name
    for name in ("pandas", "polars")
    if hasattr(
        StandardScaler().fit(import_module(name).DataFrame({"a": [0.0, 1.0]})),
        "feature_names_in_",
    )
]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_data_frame_gives_its_names_and_the_numbers_of_its_array(library):
    frames = import_module(library)
    frame = frames.DataFrame(dict(zip("abcd", X.T, strict=True)))
    labels = frames.Series(np.array(["a", "b", "c"])[Y].tolist())
    net = classifier(max_iter=5).fit(frame, labels, X_val=frame, y_val=labels)
    plain = classifier(max_iter=5).fit(X, labels.to_numpy().astype(str))
    assert list(net.feature_names_in_) == list("abcd")
    assert_array_equal(net.predict_proba(frame), plain.predict_proba(X))
    renamed = frames.DataFrame(dict(zip("abcz", X.T, strict=True)))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(renamed)


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_of_a_data_frame_are_transformed_by_name(library):
    frames = import_module(library)
    frame = frames.DataFrame({"x": MOONS[:, 0], "y": MOONS[:, 1], "kind": list("ab") * 60})
    columns = make_column_transformer(
        (StandardScaler(), ["x", "y"]), (OneHotEncoder(), ["kind"])
    )
    model = make_pipeline(columns, classifier()).fit(frame, MOON)
    assert model.score(frame, MOON) > 0.85
    assert model[-1].n_features_in_ == 4


def test_pandas_output_of_a_transformer_reaches_the_network_with_its_names():
    scaled = StandardScaler().set_output(transform="pandas").fit_transform(IRIS.data)
    net = classifier(max_iter=3).fit(scaled, IRIS.target)
    assert list(net.feature_names_in_) == list(IRIS.data.columns)
