"""JAX as a contestant: a jitted scan over the batches of an epoch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from workloads import initial_weights

jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {"relu": jax.nn.relu, "logistic": jax.nn.sigmoid}


class WithJax:
    def train(self, workload, X, y):
        step = _step_of(workload, workload.batch_size)
        inputs, labels = jnp.asarray(X), jnp.asarray(y)
        size = workload.batch_size
        n_full = len(X) // size
        start, row_numbers = _start(workload, X), np.arange(len(X), dtype=np.int32)

        @jax.jit
        def epoch(training, order):
            def one(training, rows):
                return step(training, inputs[rows], labels[rows])

            batches = order[: n_full * size].reshape(n_full, size)
            training, _ = jax.lax.scan(one, training, batches)
            if n_full * size < len(X):
                training, _ = one(training, order[n_full * size :])
            return training

        def run():
            training, rng = start, np.random.default_rng(0)
            for _ in range(workload.epochs):
                training = epoch(training, rng.permutation(row_numbers))
            return _layers(training)

        return run

    def predict(self, workload, X, y):
        layers = _start(workload, X)[0]

        @jax.jit
        def labels(rows):
            return _net_output(layers, rows, workload.activation).argmax(axis=1)

        chunks = [X[rows] for rows in workload.chunks(len(X))]
        return lambda: np.concatenate([np.asarray(labels(chunk)) for chunk in chunks])

    def partial_fit(self, workload, X, y):
        step = jax.jit(_step_of(workload, workload.rows_per_call))
        chunks = [(X[rows], y[rows]) for rows in workload.chunks(len(X))]

        def run():
            training = _start(workload, X)
            for chunk in chunks:
                training, _ = step(training, *chunk)
            return _layers(training)

        return run


def _start(workload, X):
    """Return what a training carries along: parameters, both moments, step count."""
    layers = jax.tree.map(jnp.asarray, initial_weights(workload, X))
    zeros = jax.tree.map(jnp.zeros_like, layers)
    return layers, zeros, zeros, 0


def _layers(training):
    return [(np.asarray(weights), np.asarray(bias)) for weights, bias in training[0]]


def _net_output(layers, inputs, activation):
    for weights, bias in layers[:-1]:
        inputs = ACTIVATIONS[activation](inputs @ weights + bias)
    weights, bias = layers[-1]
    return inputs @ weights + bias


def _step_of(workload, batch_size):
    """Return the function that takes one training step."""
    rule = partial(RULES[workload.solver], workload.learning_rate)

    def objective(layers, inputs, labels):
        z = _net_output(layers, inputs, workload.activation)
        log_o = jax.nn.log_softmax(z)
        penalty = sum((weights**2).sum() for weights, _ in layers)
        loss = -jnp.take_along_axis(log_o, labels[:, None], axis=1).mean()
        return loss + workload.alpha / (2 * batch_size) * penalty

    def step(training, inputs, labels):
        value, gradient = jax.value_and_grad(objective)(training[0], inputs, labels)
        return rule(training, gradient), value

    return step


def _sgd(learning_rate, training, gradient):
    layers, *rest = training
    return jax.tree.map(lambda w, g: w - learning_rate * g, layers, gradient), *rest


def _adam(learning_rate, training, gradient):
    layers, m, v, t = training
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    rate = learning_rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)

    def moved(w, m, v):
        return w - rate.astype(w.dtype) * m / (jnp.sqrt(v) + 1e-8)

    return jax.tree.map(moved, layers, m, v), m, v, t


RULES = {"sgd": _sgd, "adam": _adam}
