"""skops and MLflow: what they must be told to trust, and that they load what was saved."""

import mlflow
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skbackprop.estimator.fitted_network
from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    Layers,
    TabularClassifier,
    TabularRegressor,
)
from skbackprop.activations import Tanh
from skbackprop.optimizers import OPTIMIZERS, SGD

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
X, y = load_iris(return_X_y=True)
TYPES = {
    BackpropClassifier: "skbackprop.classifier.BackpropClassifier",
    BackpropRegressor: "skbackprop.regressor.BackpropRegressor",
}
SETTINGS = [
    *({"solver": solver} for solver in [*OPTIMIZERS, "lbfgs"]),
    *({"learning_rate": schedule} for schedule in ("invscaling", "adaptive", 0.1)),
    {"early_stopping": True},
    {"dropout": 0.2},
    {"scoring": "loss", "early_stopping": True},
]


def trained(cls, **params):
    few = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    return cls(**{**few, **params}).fit(X, y)


# -- skops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("params", SETTINGS, ids=str)
@pytest.mark.parametrize("cls", TYPES)
def test_skops_has_to_trust_our_class_and_nothing_else(cls, params):
    estimator = trained(cls, **params)
    stored = skops.io.dumps(estimator)
    assert skops.io.get_untrusted_types(data=stored) == [TYPES[cls]]
    loaded = skops.io.loads(stored, trusted=[TYPES[cls]])
    assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert vars(loaded).keys() == vars(estimator).keys()


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_skops_has_to_trust_the_parts_of_a_tabular_estimator(cls):
    """Estimator, members, their optimizer, the encoders; a dtype of SimpleImputer's."""
    few = {"n_members": 2, "hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    table = np.column_stack([X.astype(object), np.where(y > 1, "red", "blue")])
    estimator = cls(**few).fit(table, y)
    stored = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=stored)
    member = cls.__name__.replace("Tabular", "Backprop")
    assert set(untrusted) == {
        "numpy.dtype",
        f"skbackprop.{member.removeprefix('Backprop').lower()}.{member}",
        "skbackprop.optimizers.AdamW",
        "skbackprop.preprocessing.PiecewiseLinearEncoder",
        f"skbackprop.tabular.{cls.__name__.removeprefix('Tabular').lower()}.{cls.__name__}",
        "skbackprop.tabular.table_encoder.TableEncoder",
    }
    loaded = skops.io.loads(stored, trusted=untrusted)
    assert_array_equal(loaded.predict(table), estimator.predict(table))


def test_rule_objects_add_their_own_types():
    rules = {"activation": Tanh(), "solver": SGD(momentum=0.5)}
    estimator = trained(
        BackpropClassifier, hidden_layer_sizes=Layers(n=2, width=3), **rules
    )
    stored = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=stored)
    assert untrusted == [
        "skbackprop.activations.Tanh",
        TYPES[BackpropClassifier],
        "skbackprop.layer_sizes.Layers",
        "skbackprop.optimizers.SGD",
    ]
    loaded = skops.io.loads(stored, trusted=untrusted)
    assert loaded.solver == SGD(momentum=0.5)
    assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize("cls", TYPES)
def test_training_goes_on_exactly_after_skops(cls):
    estimator = trained(cls)
    loaded = skops.io.loads(skops.io.dumps(estimator), trusted=[TYPES[cls]])
    for _ in range(3):
        estimator.partial_fit(X, y)
        loaded.partial_fit(X, y)
    assert all(map(np.array_equal, loaded.coefs_, estimator.coefs_))


def test_skops_warns_of_another_version_too(monkeypatch):
    monkeypatch.setattr(skbackprop.estimator.fitted_network, "__version__", "0.0.1")
    stored = skops.io.dumps(trained(BackpropClassifier))
    monkeypatch.undo()
    with pytest.warns(InconsistentVersionWarning, match=r"stored by version 0\.0\.1"):
        skops.io.loads(stored, trusted=[TYPES[BackpropClassifier]])


# -- MLflow --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own modules
@pytest.mark.parametrize("cls", TYPES)
@pytest.mark.parametrize("piped", [False, True])
def test_mlflow_saves_and_loads_in_its_default_format(cls, piped, tmp_path):
    model = trained(cls)
    if piped:
        model = make_pipeline(StandardScaler(), model).fit(X, y)
    path = str(tmp_path / "model")
    with pytest.raises(mlflow.MlflowException, match="skops_trusted_types"):
        mlflow.sklearn.save_model(
            model, f"{path}-refused"
        )  # as any class that is not scikit-learn's
    mlflow.sklearn.save_model(model, path, skops_trusted_types=[TYPES[cls]])
    loaded = mlflow.sklearn.load_model(path)
    assert_array_equal(loaded.predict(X), model.predict(X))
    generic = mlflow.pyfunc.load_model(path)
    assert_array_equal(generic.predict(X), model.predict(X))
