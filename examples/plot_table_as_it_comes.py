"""
A table is fitted as it comes, and the intervals of new rows hold as promised
=============================================================================

Text, holes and columns of any scale go into ``TabularRegressor`` as they are. Each of its
members is trained without a part of the rows; the errors there tell how far off a
prediction for a new row may be, so that intervals need no assumption about the noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from skbackprop import TabularRegressor

# %%
# The data: how far the diabetes of 442 patients progressed in a year. Sex becomes text,
# and every ninth body mass index is lost. Half of the patients are for testing.

X, y = load_diabetes(return_X_y=True, scaled=False)
X = X.astype(object)
X[:, 1] = np.where(X[:, 1] == 1, "one", "the other")
X[::9, 2] = None
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# Three lines: no scaler, no encoder, no imputer.

model = TabularRegressor(random_state=0)
model.fit(X_train, y_train)
predicted = model.predict(X_test)

# %%
# The comparison: for every coverage that is asked for, how many test rows are inside.

wanted = np.linspace(0.5, 0.95, 10)
intervals = [model.predict_interval(X_test, coverage) for coverage in wanted]
held = [
    ((low <= y_test) & (y_test <= high)).mean() for low, high in (i.T for i in intervals)
]
print(f"R2 of the test rows: {model.score(X_test, y_test):.2f}")
print(f"inside the interval for 0.9: {held[8]:.0%} of {len(y_test)} test rows")

# %%
# The picture: intervals for 0.9 in the order of the prediction, and the promise.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=[3, 2])
order = np.argsort(predicted)
rank = np.arange(len(order))
low, high = intervals[8][order].T
inside = (low <= y_test[order]) & (y_test[order] <= high)
left.fill_between(rank, low, high, alpha=0.25, label="interval for 0.9")
left.plot(rank, predicted[order], label="prediction")
left.plot(rank[inside], y_test[order][inside], "k.", ms=4, label="patient, inside")
left.plot(rank[~inside], y_test[order][~inside], "rx", ms=6, label="patient, outside")
left.set(xlabel="test patients, in the order of the prediction", ylabel="progression")
left.legend(loc="upper left", fontsize="small")
right.plot([0.45, 1], [0.45, 1], "k:", label="as promised")
right.plot(wanted, held, "o-", label="held")
right.set(xlabel="coverage asked for", ylabel="share of test rows inside", aspect="equal")
right.legend(loc="upper left", fontsize="small")
figure.tight_layout()
plt.show()

# %%
# The table needed no preparation, and the intervals are right as often as they say.
