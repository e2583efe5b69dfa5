"""Quantiles of one network beside those of separate models, in mean pinball loss.

Run it by itself: ``python tests/benchmarks/quantiles.py``. It takes about a minute and
prints the table of the recipe on intervals.
"""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropRegressor
from skbackprop.losses import Quantile, Quantiles

LEVELS = 0.05, 0.25, 0.5, 0.75, 0.95


def sine(n_rows=1000):
    rng = np.random.RandomState(0)
    x = rng.uniform(-3, 3, (n_rows, 1))
    return x, np.sin(2 * x[:, 0]) + (0.1 + 0.2 * np.abs(x[:, 0])) * rng.standard_normal(
        n_rows
    )


def friedman(n_rows=1000):
    X, y = make_friedman1(n_rows, random_state=0)
    return X, y + 4 * X[:, 4] * np.random.RandomState(0).standard_gamma(2, n_rows)


SETS = {"diabetes": load_diabetes(return_X_y=True), "sine": sine(), "friedman": friedman()}
NETWORK = BackpropRegressor(
    (50,), learning_rate=0.01, max_iter=500, early_stopping=True, scoring="loss",
    alpha=0.1, random_state=0,
)  # fmt: skip


def one_network(X, y, X_new):
    net = clone(NETWORK).set_params(loss=Quantiles(quantiles=LEVELS))
    return net.fit(X, y).predict_quantiles(X_new)


def separate(make):
    def predict(X, y, X_new):
        return np.stack([make(q).fit(X, y).predict(X_new) for q in LEVELS], axis=1)

    return predict


MODELS = {
    "`Quantiles`, one network": one_network,
    "`Quantile`, a network for each": separate(
        lambda q: clone(NETWORK).set_params(loss=Quantile(quantile=q))
    ),
    "`QuantileRegressor`": separate(lambda q: QuantileRegressor(quantile=q, alpha=0.0)),
    "`HistGradientBoostingRegressor`": separate(
        lambda q: HistGradientBoostingRegressor(
            loss="quantile", quantile=q, early_stopping=True, random_state=0
        )
    ),
}


def measured(predict, X, y):
    """Mean pinball loss of five held-out folds, in deviations of y; rows that cross."""
    losses, crossed = [], []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        of_X, of_y = StandardScaler().fit(X[train]), StandardScaler().fit(y[train, None])
        t = of_y.transform(y[:, None])[:, 0]
        found = predict(of_X.transform(X[train]), t[train], of_X.transform(X[test]))
        losses.append(
            np.mean(
                [
                    mean_pinball_loss(t[test], o, alpha=q)
                    for o, q in zip(found.T, LEVELS, strict=True)
                ]
            )
        )
        crossed.append(np.mean((np.diff(found, axis=1) < 0).any(axis=1)))
    return np.mean(losses), np.mean(crossed)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| |", " | ".join(SETS), "| rows that cross |")
    print("|---" * (len(SETS) + 2) + "|")
    for name, predict in MODELS.items():
        results = [measured(predict, X, y) for X, y in SETS.values()]
        losses = " | ".join(f"{loss:.4f}" for loss, _ in results)
        print(f"| {name} | {losses} | {100 * max(share for _, share in results):.0f} % |")
