"""PyTorch as a contestant: eager, fused optimizers, data preloaded as tensors."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from workloads import initial_weights

ACTIVATIONS = {"relu": nn.ReLU, "logistic": nn.Sigmoid}
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class WithTorch:
    def __init__(self):
        torch.set_num_threads(1)

    def train(self, workload, X, y):
        inputs, labels = torch.from_numpy(X), torch.from_numpy(y)

        def run():
            torch.manual_seed(0)
            model = _model(workload, X)
            optimizer = _optimizer(workload, model, workload.batch_size)
            for _ in range(workload.epochs):
                for rows in torch.randperm(len(inputs)).split(workload.batch_size):
                    batch = inputs.index_select(0, rows), labels.index_select(0, rows)
                    _step(model, optimizer, *batch)
            return _layers(model)

        return run

    def predict(self, workload, X, y):
        model = _model(workload, X)

        @torch.inference_mode()
        def predict(rows):
            return model(torch.from_numpy(rows)).argmax(dim=1).numpy()

        chunks = [X[rows] for rows in workload.chunks(len(X))]
        return lambda: np.concatenate([predict(chunk) for chunk in chunks])

    def partial_fit(self, workload, X, y):
        chunks = [(X[rows], y[rows]) for rows in workload.chunks(len(X))]

        def run():
            model = _model(workload, X)
            optimizer = _optimizer(workload, model, workload.rows_per_call)
            for chunk in chunks:
                _step(model, optimizer, *map(torch.from_numpy, chunk))
            return _layers(model)

        return run


def _step(model, optimizer, inputs, labels):
    optimizer.zero_grad()
    cross_entropy(model(inputs), labels).backward()
    optimizer.step()


def _model(workload, X):
    modules = []
    for weights, bias in initial_weights(workload, X):
        linear = nn.Linear(*weights.shape)
        linear.weight = nn.Parameter(torch.from_numpy(weights.T.copy()))
        linear.bias = nn.Parameter(torch.from_numpy(bias))
        modules += [linear, ACTIVATIONS[workload.activation]()]
    return nn.Sequential(*modules[:-1])


def _optimizer(workload, model, batch_size):
    parameters = list(model.parameters())
    groups = [
        {"params": parameters[0::2], "weight_decay": workload.alpha / batch_size},
        {"params": parameters[1::2]},
    ]
    return OPTIMIZERS[workload.solver](groups, lr=workload.learning_rate, fused=True)


def _layers(model):
    arrays = [parameter.detach().numpy() for parameter in model.parameters()]
    return [(w.T, b) for w, b in zip(arrays[0::2], arrays[1::2], strict=True)]
