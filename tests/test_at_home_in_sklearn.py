"""The estimators in scikit-learn's tools: cloned, pickled, searched, in pipelines."""

import io
import pickle
import tomllib
from importlib.util import find_spec
from pathlib import Path

import joblib
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import parameters_of
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Tanh
from skbackprop.losses import SquaredError
from skbackprop.optimizers import SGD
from skbackprop.schedules import InverseScaling

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "learning_rate": 0.05},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True},
    "rules as objects": {
        "activation": Tanh(),
        "loss": SquaredError(),
        "solver": SGD(momentum=0.5),
        "learning_rate": InverseScaling(learning_rate_init=0.1),
    },
}


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


# -- pickle and joblib ---------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_stored_classifier_predicts_the_same(iris, setting):
    X, y = iris
    clf = BackpropClassifier((5,), max_iter=20, random_state=0, **SETTINGS[setting])
    clf.fit(X, y)
    for copied in by_pickle(clf), by_joblib(clf):
        assert_array_equal(copied.predict_proba(X), clf.predict_proba(X))
        assert copied.get_params().keys() == clf.get_params().keys()


def test_the_weights_of_a_stored_estimator_can_still_be_set(iris):
    """The views of a copy belong to the copy: what is written there is what predicts."""
    X, y = iris
    reg = BackpropRegressor((5,), max_iter=5, random_state=0).fit(X, y)
    before = reg.predict(X)
    copied = by_pickle(reg)
    copied.intercepts_[-1][:] += 1
    assert_allclose(copied.predict(X), before + 1, rtol=1e-12)
    assert_array_equal(reg.predict(X), before)


# -- clone and set_params ------------------------------------------------------------------


@pytest.mark.parametrize("estimator_class", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_clone_is_unfitted_and_trains_to_the_same_bits(iris, estimator_class, setting):
    estimator = estimator_class((5,), max_iter=5, random_state=0, **SETTINGS[setting])
    estimator.fit(*iris)
    copied = clone(estimator)
    assert not hasattr(copied, "coefs_")
    assert_array_equal(parameters_of(copied.fit(*iris)), parameters_of(estimator))


def test_a_rule_object_is_searched_by_its_own_parameters(iris):
    clf = BackpropClassifier((5,), solver=SGD(), learning_rate=0.05, max_iter=20)
    clf.set_params(random_state=0)
    search = GridSearchCV(clf, {"solver__momentum": [0.0, 0.9]}, cv=2).fit(*iris)
    slow, fast = search.cv_results_["mean_test_score"]
    assert slow < fast
    assert clf.solver.momentum == 0  # the search worked on clones


# -- pipelines and searches ----------------------------------------------------------------


@pytest.mark.parametrize("setting", ["early stopping", "rules as objects"])
def test_two_jobs_find_the_same_bits_as_one(iris, setting):
    X, y = iris
    params = {"max_iter": 5, "random_state": 0, **SETTINGS[setting]}
    # workers would not know which engine a test session prefers; see test_engines
    clf = BackpropClassifier((5,), engine="numpy", **params)
    model = make_pipeline(StandardScaler(), clf)
    grid = {
        "backpropclassifier__alpha": [1e-4, 1.0],
        "backpropclassifier__error_convention": [
            "output_minus_target",
            "target_minus_output",
        ],
    }
    one, two = (
        GridSearchCV(model, grid, cv=2, n_jobs=n_jobs, scoring="neg_log_loss").fit(X, y)
        for n_jobs in (1, 2)
    )
    for name in ("split0_test_score", "split1_test_score"):
        assert_array_equal(one.cv_results_[name], two.cv_results_[name])
    assert one.best_params_ == two.best_params_
    best = [parameters_of(search.best_estimator_[-1]) for search in (one, two)]
    assert_array_equal(*best)


def test_both_conventions_score_the_same_in_a_search(iris):
    clf = BackpropClassifier((5,), max_iter=10, random_state=0)
    grid = {"error_convention": ["output_minus_target", "target_minus_output"]}
    search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss").fit(*iris)
    assert len(set(search.cv_results_["mean_test_score"])) == 1


def test_a_pipeline_passes_sample_weights_on(iris, rng):
    X, y = iris
    weight = rng.rand(len(y))
    clf = BackpropClassifier((5,), max_iter=5, random_state=0)
    model = make_pipeline(StandardScaler(), clf)
    model.fit(X, y, backpropclassifier__sample_weight=weight)
    alone = clone(clf).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    assert_array_equal(parameters_of(model[-1]), parameters_of(alone))


def test_a_network_without_hidden_layers_is_cross_validated_like_ridge():
    """With alpha as scikit-learn defines it, both minimise the same."""
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    reg = BackpropRegressor((), solver="lbfgs", alpha=5.0, tol=1e-9, max_iter=1000)
    # L-BFGS stops at a change of 2e-9 of the objective: weights exact to its root, 5e-5
    assert_allclose(
        cross_val_score(reg, X, y, cv=3),
        cross_val_score(Ridge(alpha=5.0), X, y, cv=3),
        rtol=1e-4,
    )


# -- callbacks -----------------------------------------------------------------------------


@pytest.mark.parametrize("estimator_class", [BackpropClassifier, BackpropRegressor])
def test_callbacks_can_be_set_wherever_scikit_learn_has_them(estimator_class):
    """What they do is in test_callbacks; before 1.9 there is nothing that could do it."""
    has_callbacks = find_spec("sklearn.callback") is not None
    assert hasattr(estimator_class, "set_callbacks") == has_callbacks


# -- how an estimator looks in a notebook --------------------------------------------------


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("estimator_class", [BackpropClassifier, BackpropRegressor])
def test_a_notebook_links_to_our_documentation(iris, estimator_class, fitted):
    estimator = estimator_class((5,), max_iter=2)
    page = estimator.fit(*iris)._repr_html_() if fitted else estimator._repr_html_()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    base = pyproject["project"]["urls"]["Documentation"]
    link = f"{base}/generated/skbackprop.{estimator_class.__name__}.html"
    assert f'href="{link}"' in page
    assert "https://scikit-learn.org" not in page


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BackpropClassifier, MLPClassifier), (BackpropRegressor, MLPRegressor)],
)
def test_a_notebook_explains_every_parameter_where_it_does_so_for_mlp(ours, theirs):
    """Tooltips are new in scikit-learn 1.8."""
    pages = ours()._repr_html_(), theirs()._repr_html_()
    n_ours, n_theirs = (page.count('class="param-doc-link"') for page in pages)
    assert n_ours == (len(ours().get_params()) if n_theirs else 0)


def test_the_documentation_of_a_subclass_is_not_ours():
    class Derived(BackpropClassifier):
        pass

    assert "readthedocs" not in Derived()._repr_html_()
