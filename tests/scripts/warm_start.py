"""A path of penalties, each fit starting from the weights of the one before.

With L-BFGS both libraries start from the weights. With the stochastic solvers MLPClassifier
forgets the optimizer's memory, which SGD without momentum does not have, and the order of
the rows, which does not change without shuffling.
"""

from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)

clf = MLPClassifier((6,), solver="lbfgs", warm_start=True, max_iter=10, random_state=0)
for alpha in (100.0, 30.0, 10.0, 3.0):
    clf.set_params(alpha=alpha).fit(X, y)
    size = sum((weights**2).sum() for weights in clf.coefs_)
    print("alpha", alpha, "loss", clf.loss_, "squares of weights", size)

sgd = MLPClassifier((6,), solver="sgd", momentum=0, shuffle=False, random_state=0)
sgd.set_params(learning_rate_init=0.1, warm_start=True, max_iter=20)
for _ in range(3):
    sgd.fit(X, y)
    print("epochs so far", len(sgd.loss_curve_), sgd.loss_, sgd.score(X, y))
