"""
The Keras example, with its history, is one estimator
=====================================================

``Dense(64, "relu")``, ``Dense(64, "relu")``, ``Dense(k, "softmax")``, categorical
cross-entropy, adam, epochs, a batch size, class weights and validation data: what a Keras
tutorial puts together piece by piece is one call of a constructor and one of `fit`. The
summary of the layers and the history are there too.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, LossCurveDisplay, summary

# %%
# The data, scaled with what the training rows say, and a part set aside to validate.

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_val = scaler.transform(X_train), scaler.transform(X_val)

# %%
# The network. `fit` takes the validation data as Keras does; they are recorded and never
# trained on.

clf = BackpropClassifier(
    hidden_layer_sizes=(64, 64),
    activation="relu",
    solver="adam",
    batch_size=32,
    max_iter=30,
    class_weight="balanced",
    random_state=0,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    clf.fit(X_train, y_train, X_val=X_val, y_val=y_val)
print(summary(clf))

# %%
# The history: one entry per epoch in each of these.

history = {
    "loss": clf.loss_curve_,
    "validation loss": clf.validation_loss_curve_,
    "validation accuracy": clf.validation_scores_,
}
for epoch in (0, 9, 29):
    print(
        f"epoch {epoch + 1:2d}", {name: round(c[epoch], 4) for name, c in history.items()}
    )

# %%
# The picture.

display = LossCurveDisplay.from_estimator(clf, show=("loss", "score"), name="64-64")
display.axes_[0].set_yscale("log")
plt.show()

# %%
# The training loss keeps falling long after the validation loss has settled: this is
# what early_stopping=True is for.
