"""Sparse word counts: which data set does a line of documentation describe?"""

from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

LOADERS = [load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine]
lines, names = [], []
for loader in LOADERS:
    found = [line for line in loader().DESCR.splitlines() if len(line.split()) > 3]
    lines += found
    names += [loader.__name__.removeprefix("load_")] * len(found)
train, test, y_train, y_test = train_test_split(lines, names, random_state=0)

network = MLPClassifier((20,), learning_rate_init=0.02, max_iter=30, random_state=0)
model = make_pipeline(TfidfVectorizer(), network).fit(train, y_train)

print("words", model[0].transform(test).shape, "loss", network.loss_)
print(classification_report(y_test, model.predict(test), zero_division=0))
print(model.predict_log_proba(["mean radius of the cell", "class of iris plant"]))
