"""PyTorch compiled: loss, gradient and update of a step in one graph.

That takes less than half the time of a compiled model with an optimizer beside it.
"""

from functools import partial
from math import sqrt

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from workloads import initial_weights

ACTIVATIONS = {"relu": torch.relu, "logistic": torch.sigmoid}


class WithTorchCompile:
    def __init__(self):
        torch.set_num_threads(1)

    def train(self, workload, X, y):
        inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
        training = _Training(workload, X, workload.batch_size)

        def run():
            torch.manual_seed(0)
            training.begin()
            for _ in range(workload.epochs):
                for rows in torch.randperm(len(inputs)).split(workload.batch_size):
                    training.step(
                        inputs.index_select(0, rows), labels.index_select(0, rows)
                    )
            return training.layers()

        return run

    def predict(self, workload, X, y):
        layers = _tensors(workload, X)

        @_compiled
        def labels(rows):
            return _net_output(layers, rows, workload.activation).argmax(dim=1)

        chunks = [X[rows] for rows in workload.chunks(len(X))]

        @torch.inference_mode()
        def run():
            return np.concatenate([labels(torch.from_numpy(c)).numpy() for c in chunks])

        return run

    def partial_fit(self, workload, X, y):
        training = _Training(workload, X, workload.rows_per_call)
        chunks = [(X[rows], y[rows]) for rows in workload.chunks(len(X))]

        def run():
            training.begin()
            for chunk in chunks:
                training.step(*map(torch.from_numpy, chunk))
            return training.layers()

        return run


class _Training:
    """Parameters and moments, which a compiled step changes in place."""

    def __init__(self, workload, X, batch_size):
        self._initial = _tensors(workload, X)
        self._parameters = [parameter.clone() for parameter in self._initial]
        self._moments = [[torch.zeros_like(p) for p in self._initial] for _ in range(2)]
        self._t, self._rate = 0, torch.zeros((), dtype=torch.float64)
        self._rate_of = partial(RATES[workload.solver], workload.learning_rate)
        rule, decay = RULES[workload.solver], workload.alpha / batch_size

        def loss(parameters, inputs, labels):
            z = _net_output(parameters, inputs, workload.activation)
            return cross_entropy(z, labels)

        @_compiled
        def step(parameters, moments, rate, inputs, labels):
            gradient = torch.func.grad(loss)(parameters, inputs, labels)
            gradient[::2] = [  # in place, a compiled step would forget the factor
                of_weights + decay * weights
                for weights, of_weights in zip(parameters[::2], gradient[::2], strict=True)
            ]
            rule(rate, parameters, gradient, moments)

        self._step = step

    def begin(self):
        for parameter, value in zip(self._parameters, self._initial, strict=True):
            parameter.copy_(value)
        for moment in (*self._moments[0], *self._moments[1]):
            moment.zero_()
        self._t = 0

    def step(self, inputs, labels):
        self._t += 1
        self._rate.fill_(self._rate_of(self._t))  # a number would be compiled in
        self._step(self._parameters, self._moments, self._rate, inputs, labels)

    def layers(self):
        arrays = [parameter.numpy().copy() for parameter in self._parameters]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


def _compiled(function):
    torch.compiler.reset()  # of one function it keeps eight versions at most
    return torch.compile(function, fullgraph=True, dynamic=False)


def _tensors(workload, X):
    """Return weights and biases in turn."""
    return [torch.from_numpy(a) for layer in initial_weights(workload, X) for a in layer]


def _net_output(parameters, inputs, activation):
    *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
    for weights, bias in hidden:
        inputs = ACTIVATIONS[activation](torch.addmm(bias, inputs, weights))
    weights, bias = last
    return torch.addmm(bias, inputs, weights)


def _sgd(rate, parameters, gradient, moments):
    for w, g in zip(parameters, gradient, strict=True):
        w.sub_(rate * g)


def _adam(rate, parameters, gradient, moments):
    for w, g, m, v in zip(parameters, gradient, *moments, strict=True):
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        w.sub_(rate * m / (v.sqrt() + 1e-8))


def _rate_of_adam(learning_rate, t):
    return learning_rate * sqrt(1 - 0.999**t) / (1 - 0.9**t)


RULES = {"sgd": _sgd, "adam": _adam}
RATES = {"sgd": lambda learning_rate, t: learning_rate, "adam": _rate_of_adam}
