"""A table as it comes in three lines, and scikit-learn's MLPClassifier by one import."""

# %%
# Data: 442 patients; a column becomes text, and every ninth body mass index is lost.

import time

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skbackprop import BackpropClassifier, TabularRegressor

threadpool_limits(1)  # matrices this small gain nothing from a second thread

print(__doc__)

X, y = load_diabetes(return_X_y=True, scaled=False)
X = X.astype(object)
X[:, 1] = np.where(X[:, 1] == 1, "one", "the other")
X[::9, 2] = None
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

print("1. A table with text and holes: how ill will a patient be in a year?\n")
start = time.perf_counter()
model = TabularRegressor(random_state=0).fit(X_train, y_train)
print(f"   fitted to {len(X_train)} rows in {time.perf_counter() - start:.1f} seconds")

low, high = model.predict_interval(X_test, coverage=0.9).T
inside = np.mean((low <= y_test) & (y_test <= high))
print(f"   R2 of {len(X_test)} test rows: {model.score(X_test, y_test):.2f}")
print(f"   inside its intervals for 90%: {inside:.0%} of them")
print(f"   the first of them: {model.predict(X_test[:1])[0]:.0f}, ", end="")
print(f"between {low[0]:.0f} and {high[0]:.0f}; it was {y_test[0]:.0f}")

# %%
# Data: 1797 handwritten digits, 8 x 8 pixels each. A quarter is kept for testing.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

print(f"\nHandwritten digits: {len(X_train)} images to learn from, {len(X_test)} to test.")

# %%
# Comparison: both classes, the same parameters, the same random_state.


def digits_pipeline(classifier):
    return Pipeline([("scale", StandardScaler()), ("net", classifier)])


models, seconds = {}, {MLPClassifier: [], BackpropClassifier: []}
for cls in [MLPClassifier, BackpropClassifier] * 2:
    start = time.perf_counter()
    models[cls] = digits_pipeline(cls((64,), random_state=0)).fit(X_train, y_train)
    seconds[cls].append(time.perf_counter() - start)

print("\n2. Side by side (one thread; the shorter of two training times)\n")
print(f"   {'':20}{'accuracy':>10}{'epochs':>10}{'seconds':>10}")
for cls, model in models.items():
    accuracy, n_epochs = model.score(X_test, y_test), model["net"].n_iter_
    print(f"   {cls.__name__:20}{accuracy:>10.4f}{n_epochs:>10}{min(seconds[cls]):>10.2f}")

theirs, ours = (model.predict(X_test) for model in models.values())
ratio = min(seconds[MLPClassifier]) / min(seconds[BackpropClassifier])
print(f"\n   They agree on {np.sum(theirs == ours)} of {len(X_test)} test images.")
print(f"   MLPClassifier took {ratio:.1f} times as long in this run.")

# %%
# Picture: the test image it is least sure about, in characters.

probabilities = models[BackpropClassifier].predict_proba(X_test)
hardest = probabilities.max(axis=1).argmin()
second, first = np.argsort(probabilities[hardest])[-2:]
shades = np.array(list("  .:-=+*#@"))

print("\n   The image it is least sure about:\n")
for row in X_test[hardest].reshape(8, 8):
    line = "".join(shade * 2 for shade in shades[(row / 16 * 9).astype(int)])
    print(f"      {line.rstrip()}")
print(
    f"\n   It says {first} ({probabilities[hardest, first]:.0%}) or {second} "
    f"({probabilities[hardest, second]:.0%}). It is a {y_test[hardest]}."
)

# %%
# Search: learning rates as plain numbers, and both ways to write the error.

rates = [0.001, 0.01, 0.1]
conventions = ["output_minus_target", "target_minus_output"]
search = GridSearchCV(
    digits_pipeline(BackpropClassifier((32,), tol=1e-2, random_state=0)),
    {"net__learning_rate": rates, "net__error_convention": conventions},
    cv=3,
).fit(X_train, y_train)

scores = search.cv_results_["mean_test_score"].reshape(len(conventions), len(rates))
print("\n3. Which learning rate? And does the sign of the error matter?\n")
print(f"   {'learning rate':20}" + "".join(f"{rate:>10}" for rate in rates))
for convention, row in zip(conventions, scores, strict=True):
    print(f"   {convention:20}" + "".join(f"{score:>10.4f}" for score in row))
print(f"\n   Best learning rate: {search.best_params_['net__learning_rate']}.")
print(f"   Both conventions give the same scores: {np.array_equal(*scores)}.")

# %%
# Streaming: the data comes in chunks, as from a file that does not fit into memory.


def chunks(n_rows=200):
    for start in range(0, len(X_train), n_rows):
        rows = slice(start, start + n_rows)
        yield X_train[rows], y_train[rows]


scaler = StandardScaler()
for X_chunk, _ in chunks():
    scaler.partial_fit(X_chunk)

print("\n4. Out of core: chunks of 200 images, several passes\n")
net = BackpropClassifier((64,), learning_rate=0.005, random_state=0)
n_passes = 10
for i in range(1, n_passes + 1):
    for X_chunk, y_chunk in chunks():
        net.partial_fit(scaler.transform(X_chunk), y_chunk, classes=range(10))
    if i in (1, 2, 3, 5, n_passes):
        n_wrong = np.sum(net.predict(scaler.transform(X_test)) != y_test)
        bar = "#" * (n_wrong // 3)
        print(f"   pass {i:2}   {n_wrong:3} of {len(X_test)} wrong   {bar}")

# %%
# A table needed no preparation. One changed import gave the same network; the learning
# rate and the sign of the error are parameters to search over, and data may come in pieces.

print("\nThe same numbers, one import changed. Next: docs/tables.md, docs/index.md")
