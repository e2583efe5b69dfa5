"""Who predicts: every model as one takes it from the shelf, with one thread.

A model is an estimator that takes a frame with categories and missing values. Nobody is
tuned: each has its defaults, and the preprocessing without which it does not run.
"""

from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.compose import make_column_selector as columns
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N_COMMON = 5  # rows from which on a category is one of its own
N_LEVELS = 254  # the most that HistGradientBoosting takes, the missing one aside


@dataclass(frozen=True)
class Model:
    """A name, the modules it needs, and the estimator for each task."""

    name: str
    title: str
    package: str  # the distribution whose version is reported
    module: str
    make: dict

    @property
    def is_installed(self):
        return find_spec(self.module) is not None

    @property
    def version(self):
        own = getattr(import_module(self.module), "__version__", None)
        return own or metadata.version(self.package)


class CommonCategories(TransformerMixin, BaseEstimator):
    """Make categories that are rare or were not seen in fit missing: for trees.

    A column without a common category is left out: XGBoost refuses it.
    """

    def fit(self, X, y=None):
        counts = {name: X[name].value_counts() for name in X.select_dtypes("category")}
        self.levels_ = {
            name: count.index[count >= N_COMMON][:N_LEVELS].to_list()
            for name, count in counts.items()
        }
        return self

    def transform(self, X):
        made = {
            name: pd.Categorical(X[name].where(X[name].isin(levels)), categories=levels)
            for name, levels in self.levels_.items()
            if levels
        }
        empty = [name for name, levels in self.levels_.items() if not levels]
        return X.drop(columns=empty).assign(**made)


class AsText(TransformerMixin, BaseEstimator):
    """Make categories text, missing ones too: for CatBoost."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        names = X.select_dtypes("category").columns
        return X.astype(dict.fromkeys(names, object)).fillna(
            dict.fromkeys(names, "missing")
        )


def _as_numbers():
    """Median and standardised, one-hot: what one does before MLPClassifier."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = OneHotEncoder(
        min_frequency=N_COMMON, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, columns(dtype_include="number")),
            ("categories", one_hot, columns(dtype_exclude="number")),
        ]
    )


def _mlp_classifier(seed):
    return make_pipeline(_as_numbers(), MLPClassifier(random_state=seed))


def _mlp_regressor(seed):
    model = make_pipeline(_as_numbers(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def hist_gradient_boosting(task):
    """Return a function that makes the model for a seed."""
    estimator = {
        "classification": HistGradientBoostingClassifier,
        "regression": HistGradientBoostingRegressor,
    }[task]
    return lambda seed: make_pipeline(CommonCategories(), estimator(random_state=seed))


def _boosting(module, name, **parameters):
    def make(seed):
        estimator = getattr(import_module(module), name)
        return make_pipeline(
            CommonCategories(), estimator(random_state=seed, n_jobs=1, **parameters)
        )

    return make


def _catboost(name):
    def make(seed):
        return make_pipeline(AsText(), _WithTextColumns(name, seed))

    return make


class _WithTextColumns(BaseEstimator):
    """CatBoost, which wants to be told which columns are text."""

    def __init__(self, name, seed):
        self.name = name
        self.seed = seed

    def fit(self, X, y):
        import catboost

        text = X.select_dtypes(object).columns.to_list()
        self.model_ = getattr(catboost, self.name)(
            random_seed=self.seed, thread_count=1, cat_features=text,
            verbose=False, allow_writing_files=False,
        )  # fmt: skip
        self.model_.fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def _realmlp(name):
    def make(seed):
        model = getattr(import_module("pytabkit"), name)(
            random_state=seed, n_threads=1, device="cpu"
        )
        return make_pipeline(_filled(), model)

    return make


def _filled():
    """Numbers without missing values, which RealMLP refuses; categories as they are."""
    filled = ("numbers", SimpleImputer(strategy="median"), columns(dtype_include="number"))
    made = ColumnTransformer(
        [filled], remainder="passthrough", verbose_feature_names_out=False
    )
    return made.set_output(transform="pandas")


def _tabular(name, n_members):
    def make(seed):
        estimator = getattr(import_module("skbackprop"), name)
        return estimator(n_members=n_members, random_state=seed)

    return make


def _pair(classifier, regressor):
    return {"classification": classifier, "regression": regressor}


def _tabular_pair(n_members):
    names = ("TabularClassifier", "TabularRegressor")
    return _pair(*(_tabular(name, n_members) for name in names))


REFERENCE = "mlp"

MODELS = [
    Model("mlp", "MLP", "scikit-learn", "sklearn", _pair(_mlp_classifier, _mlp_regressor)),
    Model(
        "histgb",
        "HistGradientBoosting",
        "scikit-learn",
        "sklearn",
        _pair(*map(hist_gradient_boosting, ("classification", "regression"))),
    ),
    Model(
        "lightgbm",
        "LightGBM",
        "lightgbm",
        "lightgbm",
        _pair(
            _boosting("lightgbm", "LGBMClassifier", verbose=-1),
            _boosting("lightgbm", "LGBMRegressor", verbose=-1),
        ),
    ),
    Model(
        "xgboost",
        "XGBoost",
        "xgboost",
        "xgboost",
        _pair(
            _boosting("xgboost", "XGBClassifier", enable_categorical=True),
            _boosting("xgboost", "XGBRegressor", enable_categorical=True),
        ),
    ),
    Model(
        "catboost",
        "CatBoost",
        "catboost",
        "catboost",
        _pair(_catboost("CatBoostClassifier"), _catboost("CatBoostRegressor")),
    ),
    Model(
        "realmlp",
        "RealMLP-TD-S",
        "pytabkit",
        "pytabkit",
        _pair(_realmlp("RealMLP_TD_S_Classifier"), _realmlp("RealMLP_TD_S_Regressor")),
    ),
    Model("tabular8", "Tabular, 8 members", "skbackprop", "skbackprop", _tabular_pair(8)),
    Model("tabular4", "Tabular, 4 members", "skbackprop", "skbackprop", _tabular_pair(4)),
]


@dataclass(frozen=True)
class Blend:
    """The weighted mean of what two models predict."""

    name: str
    title: str
    weights: dict

    def of(self, predictions):
        """Return the mean of a dict of predictions, and the model's name in it."""
        total = sum(self.weights.values())
        return sum(w * predictions[name] for name, w in self.weights.items()) / total


BLENDS = [Blend("blend", "Tabular, 8 + HistGradientBoosting", {"tabular8": 2, "histgb": 1})]
