"""Probabilities before and after calibration, by their Brier score."""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

X, y = make_classification(n_samples=400, n_informative=5, flip_y=0.2, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

network = MLPClassifier((10,), learning_rate_init=0.02, max_iter=60, random_state=0)
network.fit(X_train, y_train)
models = {"network": network}
for method in ("sigmoid", "isotonic"):
    calibrated = CalibratedClassifierCV(network, method=method, cv=3)
    models[method] = calibrated.fit(X_train, y_train)

for name, model in models.items():
    proba = model.predict_proba(X_test)[:, 1]
    print(name, "Brier", brier_score_loss(y_test, proba), "loss", log_loss(y_test, proba))
    print("first rows", proba[:4])
