"""Regression: a scaled target, one output and then two, and a permutation importance."""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_diabetes(return_X_y=True)
network = MLPRegressor(hidden_layer_sizes=(10,), max_iter=60, random_state=0)
model = TransformedTargetRegressor(
    make_pipeline(StandardScaler(), network), transformer=StandardScaler()
)
predicted = cross_val_predict(model, X, y, cv=KFold(3))
print("mean absolute error", mean_absolute_error(y, predicted))
fitted = model.fit(X, y).regressor_[-1]
print("R2", model.score(X, y), "epochs", fitted.n_iter_, "loss", fitted.loss_)
print("importances", permutation_importance(model, X, y, random_state=0).importances_mean)

exercises, physiology = load_linnerud(return_X_y=True)
exercises = StandardScaler().fit_transform(exercises)
scaled = StandardScaler().fit_transform(physiology)
# tol=0: MLPRegressor reports the mean loss of several outputs, BackpropRegressor the sum
several = MLPRegressor(hidden_layer_sizes=(4,), solver="sgd", tol=0, random_state=0)
several.set_params(max_iter=100).fit(exercises, scaled)
print("several outputs", np.round(several.predict(exercises[:3]), 8))
