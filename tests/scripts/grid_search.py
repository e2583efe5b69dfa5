"""A grid search over layers, activation and penalty, with the scores of every point."""

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

X, y = load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)

search = GridSearchCV(
    MLPClassifier(max_iter=40, learning_rate_init=0.01, random_state=0),
    {
        "hidden_layer_sizes": [(4,), (8, 4)],
        "activation": ["relu", "tanh"],
        "alpha": [1e-4, 1.0],
    },
    scoring="neg_log_loss",
    cv=3,
).fit(X, y)

print("best parameters:", search.best_params_)
print("best score:", search.best_score_)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(parameters, score)
print("accuracy of the best:", search.best_estimator_.score(X, y))
