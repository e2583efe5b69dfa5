"""A training that stops when a validation part no longer improves."""

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

for solver in ("adam", "sgd"):
    clf = MLPClassifier(
        (10,),
        solver=solver,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=5,
        random_state=0,
    ).fit(X_train, y_train)
    print(solver, "stopped after epoch", clf.n_iter_)
    print("best validation score", clf.best_validation_score_, "loss", clf.loss_)
    print("scores", clf.validation_scores_)
    print("test score", clf.score(X_test, y_test))
    print(confusion_matrix(y_test, clf.predict(X_test)))
