"""Digits that arrive in chunks, with the accuracy on the next chunk before learning it.

A chunk of 100 rows is one batch, so the order of its rows changes nothing but rounding.
(With an integer seed MLPClassifier draws the same order in every call, BackpropClassifier
a new one.)
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X = X / 16
classes = np.unique(y)

clf = MLPClassifier((30,), learning_rate_init=0.03, random_state=3)
for start in range(0, 1700, 100):
    chunk = slice(start, start + 100)
    if start:
        print("rows seen", start, "accuracy on the next", clf.score(X[chunk], y[chunk]))
    clf.partial_fit(X[chunk], y[chunk], classes=classes)

print("loss curve", np.array(clf.loss_curve_))
print("samples seen", clf.t_)
print("accuracy of the rest", clf.score(X[1700:], y[1700:]))
