"""
A hundred steps tell a good learning rate
=========================================

Too small a learning rate wastes epochs, too large a one makes the training diverge, and
between them lie several powers of ten. A short training whose learning rate rises at every
step shows both ends (Smith, 2017): :func:`skbackprop.learning_rate_range`.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, LossCurveDisplay, learning_rate_range

# %%
# The data: handwritten digits, and a network with two solvers. The same learning rate
# does not suit both.

X, y = load_digits(return_X_y=True)
X = X / 16
networks = {
    solver: BackpropClassifier((64,), solver=solver, max_iter=30, random_state=0)
    for solver in ("adam", "sgd")
}

# %%
# The comparison: thirty epochs with the default of 0.001, and with what is suggested.

found = {name: learning_rate_range(net, X, y) for name, net in networks.items()}
trained = {}
for name, net in networks.items():
    for rate in (0.001, found[name].suggestion):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # thirty epochs are few
            trained[name, rate] = clone(net).set_params(learning_rate=rate).fit(X, y)
        print(f"{name}, learning rate {rate}: loss {trained[name, rate].loss_:.3f}")

# %%
# The picture: above, the loss after each step; below, the two trainings.

fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for (top, bottom), name in zip(axes.T, networks, strict=True):
    found[name].plot(ax=top)
    top.set_title(f'solver="{name}"')
    for rate in (0.001, found[name].suggestion):
        LossCurveDisplay.from_estimator(
            trained[name, rate], name=f"learning rate {rate:g}", ax=bottom
        )
    bottom.set(yscale="log", ylabel="loss (logarithmic)")
plt.show()

# %%
# The suggestion is a third of the smallest rate at which 98 % of the largest drop was
# reached. It is a beginning, not an end: a search over factors of two or three around it
# finds the rest.
