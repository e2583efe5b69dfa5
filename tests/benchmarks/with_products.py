"""The floor: the matrix products of a workload in NumPy, and nothing else."""

import numpy as np

from workloads import initial_weights


class WithProducts:
    """Work arrays are there beforehand; batches are not even gathered."""

    def train(self, workload, X, y):
        layers = [weights for weights, _ in initial_weights(workload, X)]
        products = {n: _of_a_step(layers, X[:n]) for n in set(workload.batch_sizes)}

        def run():
            for _ in range(workload.epochs):
                for n_rows in workload.batch_sizes:
                    for a, b, out in products[n_rows]:
                        np.matmul(a, b, out=out)

        return run

    def predict(self, workload, X, y):
        layers = [weights for weights, _ in initial_weights(workload, X)]
        products = _of_a_prediction(layers, X[: workload.rows_per_call])

        def run():
            for _ in range(workload.n_calls):
                for a, b, out in products:
                    np.matmul(a, b, out=out)

        return run


def _of_a_prediction(layers, X):
    """Return the products of a forward pass, as (a, b, out)."""
    products, below = [], X
    for weights in layers:
        z = np.zeros((len(X), weights.shape[1]), X.dtype)
        products.append((below, weights, z))
        below = z
    return products


def _of_a_step(layers, X):
    """Return the products of a forward and a backward pass, as (a, b, out)."""
    products = _of_a_prediction(layers, X)
    deltas = [np.zeros_like(z) for _, _, z in products]
    for i in reversed(range(len(layers))):
        below = products[i][0]
        products.append((below.T, deltas[i], np.zeros_like(layers[i])))
        if i > 0:
            products.append((deltas[i], layers[i].T, deltas[i - 1]))
    return products
