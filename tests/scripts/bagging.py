"""Networks on bootstrap samples, and their score on the rows they have not seen.

Bagging passes rows that were drawn twice as sample weights to an estimator that takes them
and as rows to one that does not, such as MLPClassifier of scikit-learn 1.6. With one batch
of all rows both are the same.
"""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)

network = MLPClassifier((5,), learning_rate_init=0.05, batch_size=len(X), max_iter=30)
bagging = BaggingClassifier(network, n_estimators=20, oob_score=True, random_state=2)
bagging.fit(X, y)

print("score", bagging.score(X, y), "out of bag", bagging.oob_score_)
print("losses", np.array([member.loss_ for member in bagging.estimators_]))
print(bagging.predict_proba(X[::30]))
