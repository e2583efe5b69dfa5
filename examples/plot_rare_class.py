"""
The weight of a rare class buys recall and pays in precision
============================================================

Of the training images only ten show an eight. A network that counts every row alike
learns to do without eights. `class_weight` makes the few count more: the more they count,
the more eights are found, and the more other digits are taken for one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier

# %%
# The data: is it an eight? Half of the images are kept for the test; of the eights of the
# other half all but ten are taken out.

X, y = load_digits(return_X_y=True)
X, is_eight = X / 16, y == 8
X_train, X_test, y_train, y_test = train_test_split(
    X, is_eight, test_size=0.5, stratify=is_eight, random_state=0
)
rows = np.sort(np.r_[np.flatnonzero(y_train)[:10], np.flatnonzero(~y_train)])
X_train, y_train = X_train[rows], y_train[rows]
print(f"{y_train.sum()} eights among {len(y_train)} training images")

# %%
# The comparison: the same network with weights from a tenth to a thousand for an eight.

weights = np.geomspace(0.1, 1000, 9)
recalls, precisions = [], []
for weight in weights:
    clf = BackpropClassifier(
        (20,),
        class_weight={False: 1, True: weight},
        solver="lbfgs",
        alpha=10,
        tol=1e-3,
        random_state=0,
    )
    predicted = clf.fit(X_train, y_train).predict(X_test)
    recalls.append(recall_score(y_test, predicted))
    precisions.append(precision_score(y_test, predicted, zero_division=np.nan))
    print(f"weight {weight:6.1f}: {recalls[-1]:4.0%} of the eights found")

# %%
# "balanced" is the weight with which both classes count the same.

balanced = (~y_train).sum() / y_train.sum()

# %%
# The picture.

fig, ax = plt.subplots(layout="constrained")
ax.semilogx(weights, recalls, color="#0072B2", label="recall: eights that are found")
ax.semilogx(
    weights, precisions, "--", color="#D55E00", label="precision: finds that are eights"
)
ax.axvline(balanced, color="black", linewidth=0.8)
ax.text(balanced * 1.1, 0.03, '"balanced"')
ax.set(xlabel="weight of an eight", ylabel="fraction", ylim=(0, 1.03))
ax.legend(loc=(0.02, 0.63))
plt.show()

# %%
# Which weight is right depends on what a missed eight costs you, compared with a false
# one.
