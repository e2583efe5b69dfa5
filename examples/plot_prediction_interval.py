"""
Two quantile losses hold eight of ten patients between them
===========================================================

A regressor with the squared error estimates a mean and says nothing of how far off it may
be. With the quantile loss it estimates any quantile: the interval between the 0.1 and the
0.9 quantile should hold eight of ten rows, those it has never seen too.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropRegressor
from skbackprop.losses import Quantile

# %%
# The data: how far the diabetes of 442 patients progressed in a year, by body mass index.

X, y = load_diabetes(return_X_y=True, scaled=False)
bmi = X[:, [2]]
X_train, X_test, y_train, y_test = train_test_split(bmi, y, random_state=0)

# %%
# One network per quantile. The target is scaled too, and the prediction scaled back.


def regressor(quantile):
    network = BackpropRegressor(
        (10,),
        "tanh",
        loss=Quantile(quantile=quantile),
        learning_rate=0.01,
        alpha=0.1,
        random_state=0,
    )
    target_scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), target_scaled)


models = {q: regressor(q).fit(X_train, y_train) for q in (0.1, 0.5, 0.9)}

# %%
# The comparison: how many rows lie below each estimate, and how many between the outer two.

for q, model in models.items():
    below = np.mean(y_test < model.predict(X_test))
    print(f"below the {q} quantile: {below:.0%} of {len(y_test)} test rows")
inside = models[0.1].predict(X_test) <= y_test
inside &= y_test <= models[0.9].predict(X_test)
print(f"inside the interval: {inside.mean():.0%}")

# %%
# The picture.

grid = np.linspace(bmi.min(), bmi.max(), 200).reshape(-1, 1)
lower, middle, upper = (model.predict(grid) for model in models.values())
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
