"""Several labels for every row."""

from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score, hamming_loss, label_ranking_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, Y = make_multilabel_classification(n_samples=300, n_classes=4, random_state=0)
X = StandardScaler().fit_transform(X)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)

clf = MLPClassifier((20,), "logistic", solver="sgd", learning_rate_init=0.1, random_state=0)
clf.set_params(max_iter=60, batch_size=20).fit(X_train, Y_train)

predicted, proba = clf.predict(X_test), clf.predict_proba(X_test)
print("shapes", predicted.shape, proba.shape, predicted.sum(axis=0))
print("exact matches", clf.score(X_test, Y_test))
print("F1 of each label", f1_score(Y_test, predicted, average=None))
print("hamming loss", hamming_loss(Y_test, predicted))
print("ranking loss", label_ranking_loss(Y_test, proba))
print("epochs", clf.n_iter_, "loss", clf.loss_, clf.out_activation_)
