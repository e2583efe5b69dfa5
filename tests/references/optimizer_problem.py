"""A small training that every optimizer is compared on, here and in other libraries.

A network of 4 inputs, 5 tanh units and 3 softmax outputs, 24 rows, 12 steps. Each setting
names a rule of this library, its learning rate and the parameters of the rule.
"""

from itertools import pairwise

import numpy as np

SIZES = (4, 5, 3)
N_ROWS = 24
BATCH_SIZE = 8
N_STEPS = 12

SETTINGS = {
    "sgd": {"rule": "sgd", "learning_rate": 0.5, "momentum": 0.0},
    "sgd, momentum": {
        "rule": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterovs_momentum": False,
    },
    "sgd, Nesterov's momentum": {
        "rule": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterovs_momentum": True,
    },
    "adam": {
        "rule": "adam",
        "learning_rate": 0.05,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-8,
    },
    "adam, large epsilon": {
        "rule": "adam",
        "learning_rate": 0.05,
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 0.01,
    },
    "adamw": {
        "rule": "adamw",
        "learning_rate": 0.05,
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 0.01,
        "weight_decay": 0.3,
    },
    "nadam": {
        "rule": "nadam",
        "learning_rate": 0.05,
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 0.01,
    },
    "rmsprop": {"rule": "rmsprop", "learning_rate": 0.02, "decay": 0.8, "epsilon": 1e-3},
    "adagrad": {"rule": "adagrad", "learning_rate": 0.1, "epsilon": 1e-3},
    "rprop": {
        "rule": "rprop",
        "learning_rate": 0.02,
        "increase": 1.3,
        "decrease": 0.4,
        "smallest": 0.001,
        "largest": 0.1,
    },
    "lion": {
        "rule": "lion",
        "learning_rate": 0.02,
        "beta_1": 0.7,
        "beta_2": 0.9,
        "weight_decay": 0.0,
    },
    "lion, weight decay": {
        "rule": "lion",
        "learning_rate": 0.02,
        "beta_1": 0.7,
        "beta_2": 0.9,
        "weight_decay": 0.3,
    },
}


def training_data():
    """Return X of shape (24, 4) and class numbers of shape (24,)."""
    rng = np.random.RandomState(0)
    return rng.standard_normal((N_ROWS, SIZES[0])), np.arange(N_ROWS) % SIZES[-1]


def first_parameters():
    """Return the weights and the biases, a list of arrays each."""
    rng = np.random.RandomState(1)
    coefs = [rng.standard_normal(shape) for shape in pairwise(SIZES)]
    intercepts = [rng.standard_normal(n_units) for n_units in SIZES[1:]]
    return coefs, intercepts
