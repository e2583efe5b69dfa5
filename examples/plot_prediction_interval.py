"""
Two quantiles of one network hold eight of ten patients between them
====================================================================

A regressor with the squared error estimates a mean and says nothing of how far off it may
be. With ``Quantiles`` one network estimates several quantiles, which cannot cross. The
interval between the 0.1 and the 0.9 quantile should hold eight of ten rows, also of those
that the network has never seen.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropRegressor
from skbackprop.losses import Quantiles

# %%
# The data: how far the diabetes of 442 patients progressed in a year, by body mass index.

X, y = load_diabetes(return_X_y=True, scaled=False)
bmi = X[:, [2]]
X_train, X_test, y_train, y_test = train_test_split(bmi, y, random_state=0)

# %%
# One network for all three quantiles. The target is scaled too, and the quantiles are
# scaled back.

levels = [0.1, 0.5, 0.9]
of_x, of_y = StandardScaler().fit(X_train), StandardScaler().fit(y_train.reshape(-1, 1))
network = BackpropRegressor(
    (10,),
    "tanh",
    loss=Quantiles(quantiles=levels),
    learning_rate=0.01,
    alpha=1.0,
    random_state=0,
)
network.fit(of_x.transform(X_train), of_y.transform(y_train.reshape(-1, 1))[:, 0])


def quantiles(X):
    """Return the quantiles in the units of the target, shape (3, n_rows)."""
    return (network.predict_quantiles(of_x.transform(X)) * of_y.scale_ + of_y.mean_).T


# %%
# The comparison: how many rows lie below each estimate, and how many between the outer two.

lower, middle, upper = quantiles(X_test)
for q, quantile in zip(levels, (lower, middle, upper), strict=True):
    below = np.mean(y_test < quantile)
    print(f"below the {q} quantile: {below:.0%} of {len(y_test)} test rows")
inside = (lower <= y_test) & (y_test <= upper)
print(f"inside the interval: {inside.mean():.0%}")

# %%
# The picture.

grid = np.linspace(bmi.min(), bmi.max(), 200).reshape(-1, 1)
lower, middle, upper = quantiles(grid)
fig, ax = plt.subplots(layout="constrained")
ax.fill_between(grid[:, 0], lower, upper, color="#56B4E9", alpha=0.4, label="0.1 to 0.9")
ax.plot(grid[:, 0], middle, color="#0072B2", label="median")
ax.plot(*X_test[inside].T, y_test[inside], ".", color="black", label="test rows inside")
ax.plot(*X_test[~inside].T, y_test[~inside], "x", color="#D55E00", label="outside")
ax.set(xlabel="body mass index", ylabel="progression of the disease", ylim=(0, 400))
ax.legend(loc="upper left")
plt.show()

# %%
# The interval is wider where the patients differ more. A mean and one standard deviation
# would not have shown that.
