"""HiddenLayerTransformer: a layer's activations as features, beside arithmetic by hand."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from problems import assert_same_weights
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator
from test_estimator_checks import checks_of, name_of

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    HiddenLayerTransformer,
    TabularRegressor,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)

TRANSFORMERS = [
    HiddenLayerTransformer(BackpropClassifier((4,), max_iter=2, random_state=0)),
    HiddenLayerTransformer(
        BackpropRegressor((5, 3), max_iter=2, random_state=0), layer=0, target="X"
    ),
]
# what is about arrays in and arrays out; the rest is about the network, which has its own
OF_TRANSFORMERS = {
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
    "check_transformers_unfitted",
    "check_requires_y_none",
    "check_estimator_sparse_array",
    "check_n_features_in",
    "check_fit_check_is_fitted",
    "check_fit2d_1feature",
    "check_f_contiguous_array_estimator",
}


@checks_of(TRANSFORMERS, by_default=OF_TRANSFORMERS)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


def test_scikit_learn_yields_its_checks_of_transformers():
    names = {name_of(check) for _, check in estimator_checks_generator(TRANSFORMERS[0])}
    assert names >= OF_TRANSFORMERS


# the checks fit on frames and transform arrays, and the other way round
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=["supervised", "autoencoder"])
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_get_feature_names_out_error,
        estimator_checks.check_global_set_output_transform_polars,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
def test_names_and_frames_pass_what_scikit_learn_checks_of_its_own(transformer, check):
    check("HiddenLayerTransformer", transformer)


@pytest.fixture
def network(X):
    y = np.where(X[:, 0] > 0, "right", "left")
    return BackpropClassifier((6, 4), "tanh", max_iter=5, random_state=0).fit(X, y)


# -- what comes out --------------------------------------------------------------------


@pytest.mark.parametrize("layer", [0, 1, -1, -2])
def test_a_frozen_network_gives_its_activations_and_stays_as_it_is(network, X, layer):
    before = network._vector.copy()
    transformer = HiddenLayerTransformer(FrozenEstimator(network), layer=layer).fit(X)
    activations = [np.tanh(X @ network.coefs_[0] + network.intercepts_[0])]
    activations += [np.tanh(activations[0] @ network.coefs_[1] + network.intercepts_[1])]
    # rounding of a few sums of ten terms of size one
    assert_allclose(transformer.transform(X), activations[layer], rtol=1e-10, atol=1e-13)
    assert transformer.estimator_ is network
    assert_array_equal(network._vector, before)


def test_a_network_that_is_not_frozen_is_trained_and_the_given_one_is_not(network, X):
    y = X[:, 1] > 0
    transformer = HiddenLayerTransformer(network).fit(X, y, sample_weight=1 + y)
    assert_same_weights(transformer.estimator_, clone(network).fit(X, y, 1 + y))
    assert list(network.classes_) == ["left", "right"]


def test_an_autoencoder_learns_x_and_leaves_y_aside(X):
    reg = BackpropRegressor((3,), max_iter=5, random_state=0)
    transformer = HiddenLayerTransformer(reg, target="X")
    for y in (None, ["some", "classes"] * (len(X) // 2)):
        assert_same_weights(transformer.fit(X, y).estimator_, clone(reg).fit(X, X))


def test_an_autoencoder_of_linear_units_finds_the_principal_components(rng):
    """Baldi & Hornik (1989): both span the same plane."""
    X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6))
    X = X - X.mean(axis=0) + 0.01 * rng.standard_normal((200, 6))
    reg = BackpropRegressor(
        (2,), "identity", solver="lbfgs", alpha=0, max_iter=2000, tol=1e-12, random_state=0
    )
    features = HiddenLayerTransformer(reg, target="X").fit_transform(X)
    components = PCA(2).fit_transform(X)
    explained = LinearRegression().fit(features, components).score(features, components)
    assert explained > 1 - 1e-6  # what L-BFGS leaves


@pytest.mark.parametrize("make", [np.asarray, csr_matrix, pd.DataFrame])
def test_an_autoencoder_of_one_column(make):
    x = make(np.linspace(-1, 1, 20).reshape(-1, 1))
    x = x.rename(columns=str) if isinstance(x, pd.DataFrame) else x
    reg = BackpropRegressor((2,), max_iter=2, random_state=0)
    transformer = HiddenLayerTransformer(reg, target="X").fit(x)
    assert transformer.transform(x).shape == (20, 2)


def test_rows_may_be_sparse(network, X):
    y = X[:, 0] > 0
    sparse = HiddenLayerTransformer(network).fit(csr_matrix(X), y).transform(csr_matrix(X))
    dense = HiddenLayerTransformer(network).fit(X, y).transform(X)
    assert_allclose(sparse, dense, rtol=1e-7, atol=1e-9)  # sums in another order, 5 epochs


def test_layers_that_are_not_asked_for_do_not_pile_up(rng):
    """The first layer has 32 MB of activations altogether, the narrow one 0.3 MB."""
    X = rng.standard_normal((20_000, 4))
    network = BackpropRegressor((200, 2), max_iter=1, random_state=0).fit(X[:50], X[:50, 0])
    frozen = HiddenLayerTransformer(FrozenEstimator(network)).fit(X)
    tracemalloc.start()
    frozen.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6


# -- among scikit-learn's tools --------------------------------------------------------


def test_in_a_pipeline_names_frames_search_and_pickle(X):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    y = X[:, 0] - X[:, 1]
    net = BackpropRegressor((4,), max_iter=5, random_state=0)
    model = make_pipeline(StandardScaler(), HiddenLayerTransformer(net), LinearRegression())
    grid = {
        "hiddenlayertransformer__estimator__hidden_layer_sizes": [(2,), (3, 5)],
        "hiddenlayertransformer__layer": [0, -1],
    }
    model.set_output(transform="pandas")
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(frame, y)
    search = pickle.loads(pickle.dumps(search))
    best = search.best_estimator_[1]
    out = search.best_estimator_[:-1].transform(frame)
    n = best.estimator_.coefs_[:-1][best.layer].shape[1]
    names = [f"hiddenlayertransformer{i}" for i in range(n)]
    assert list(out.columns) == list(best.get_feature_names_out()) == names
    assert list(best.feature_names_in_) == list(frame.columns)


def test_weights_are_routed_to_the_network(X):
    y, weight = X[:, 0], np.arange(len(X)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        reg = BackpropRegressor((3,), max_iter=2, random_state=0)
        routed = HiddenLayerTransformer(reg.set_fit_request(sample_weight=True))
        model = make_pipeline(
            routed, LinearRegression().set_fit_request(sample_weight=False)
        )
        trained = model.fit(X, y, sample_weight=weight)[0].estimator_
    assert_same_weights(trained, clone(reg).fit(X, y, sample_weight=weight))


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transformer", "error", "words"),
    [
        (HiddenLayerTransformer(LinearRegression()), TypeError, "Got LinearRegression"),
        (HiddenLayerTransformer(TabularRegressor()), TypeError, "Got TabularRegressor"),
        (
            HiddenLayerTransformer(FrozenEstimator(BackpropRegressor())),
            NotFittedError,
            "not fitted",
        ),
        (
            HiddenLayerTransformer(BackpropRegressor((3, 2)), layer=2),
            ValueError,
            "2 hidden layers. Pass 0",
        ),
        (HiddenLayerTransformer(BackpropRegressor(())), ValueError, "0 hidden layers"),
        (
            HiddenLayerTransformer(BackpropRegressor(), layer=0.5),
            ValueError,
            "an int. Got 0.5",
        ),
        (HiddenLayerTransformer(BackpropRegressor(), layer=True), ValueError, "Got True"),
        (
            HiddenLayerTransformer(BackpropRegressor(), target="Y"),
            ValueError,
            r"one of \('y', 'X'\). Got 'Y'",
        ),
        (
            HiddenLayerTransformer(BackpropClassifier(), target="X"),
            ValueError,
            "needs a regressor",
        ),
        (HiddenLayerTransformer(BackpropRegressor()), ValueError, "set target='X'"),
    ],
)
def test_what_cannot_work_is_refused(X, transformer, error, words):
    with pytest.raises(error, match=words):
        transformer.fit(X)
    assert not hasattr(transformer, "n_features_in_")


def test_a_frozen_network_is_checked_against_the_columns(network, X):
    transformer = HiddenLayerTransformer(FrozenEstimator(network)).fit(X)
    with pytest.raises(ValueError, match="features"):
        transformer.fit(X[:, :2])
    assert transformer.transform(X).shape == (len(X), 4)  # as before


def test_a_fit_that_fails_leaves_the_transformer_as_it_was(network, X):
    transformer = HiddenLayerTransformer(network).fit(X, X[:, 0] > 0)
    before = transformer.transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="NaN"):
            transformer.fit(np.full_like(X, np.nan), X[:, 0] > 0)
    assert_array_equal(transformer.transform(X), before)
