"""Train the problem of `optimizer_problem.py` with PyTorch and optax; store the weights.

    pip install torch==2.13.0 optax==0.2.8 jax==0.10.2
    python tests/references/make_optimizer_references.py

The gradients are PyTorch's. Its own optimizers serve where they have the same rule; Lion
and NAdam with a constant beta_1 are optax's.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from optimizer_problem import (
    BATCH_SIZE,
    N_ROWS,
    N_STEPS,
    SETTINGS,
    first_parameters,
    training_data,
)

STORE = Path(__file__).with_name("optimizer_references.json")

TORCH_RULES = {
    "sgd": lambda groups, rate, momentum, nesterovs_momentum=False: torch.optim.SGD(
        groups, rate, momentum=momentum, nesterov=nesterovs_momentum
    ),
    "adam": lambda groups, rate, beta_1, beta_2, epsilon: torch.optim.Adam(
        groups, rate, betas=(beta_1, beta_2)
    ),
    "adamw": lambda groups, rate, beta_1, beta_2, epsilon: torch.optim.AdamW(
        groups, rate, betas=(beta_1, beta_2), weight_decay=0.0
    ),
    "rmsprop": lambda groups, rate, decay, epsilon: torch.optim.RMSprop(
        groups, rate, alpha=decay, eps=epsilon
    ),
    "adagrad": lambda groups, rate, epsilon: torch.optim.Adagrad(groups, rate, eps=epsilon),
    "rprop": lambda groups, rate, increase, decrease, smallest, largest: torch.optim.Rprop(
        groups, rate, etas=(decrease, increase), step_sizes=(smallest, largest)
    ),
}
OPTAX_NAMES = {"beta_1": "b1", "beta_2": "b2", "epsilon": "eps"}


def train(rule, learning_rate, weight_decay=0.0, **setting):
    """Return weights and biases after the last step, in one flat list."""
    X, y = map(torch.as_tensor, training_data())
    weights, biases = (
        [torch.tensor(array, requires_grad=True) for array in arrays]
        for arrays in first_parameters()
    )
    make = torch_step if rule in TORCH_RULES else optax_step
    take_step = make(rule, weights, biases, learning_rate, weight_decay, setting)
    n_batch = N_ROWS if rule == "rprop" else BATCH_SIZE
    for t in range(1, N_STEPS + 1):
        start = (t - 1) * n_batch % N_ROWS
        rows = slice(start, start + n_batch)
        for parameter in [*weights, *biases]:
            parameter.grad = None
        hidden = torch.tanh(X[rows] @ weights[0] + biases[0])
        z = hidden @ weights[1] + biases[1]
        torch.nn.functional.cross_entropy(z, y[rows]).backward()
        take_step(t)
    flat = [parameter.detach().numpy().ravel() for parameter in [*weights, *biases]]
    return np.concatenate(flat).tolist()


def torch_step(rule, weights, biases, learning_rate, weight_decay, setting):
    """Return a function that takes step t; only weights decay."""
    groups = [{"params": weights}, {"params": biases}]
    if weight_decay:
        groups[0]["weight_decay"] = weight_decay
    optimizer = TORCH_RULES[rule](groups, learning_rate, **setting)

    def take_step(t):
        if rule in ("adam", "adamw"):
            # in this library epsilon meets the root of the second moment before the bias
            # correction, in PyTorch after it
            for group in optimizer.param_groups:
                group["eps"] = setting["epsilon"] / (1 - setting["beta_2"] ** t) ** 0.5
        optimizer.step()

    return take_step


def optax_step(rule, weights, biases, learning_rate, weight_decay, setting):
    """Return a function that takes a step; only weights decay."""
    parameters = [*weights, *biases]
    arguments = {OPTAX_NAMES[name]: value for name, value in setting.items()}
    if weight_decay:
        arguments["mask"] = [True] * len(weights) + [False] * len(biases)
    if rule == "lion":  # whose default is not zero
        arguments["weight_decay"] = weight_decay
    optimizer = getattr(optax, rule)(learning_rate, **arguments)
    state = optimizer.init(as_jax(parameters))

    def take_step(t):
        nonlocal state
        gradients = as_jax([parameter.grad for parameter in parameters])
        updates, state = optimizer.update(gradients, state, as_jax(parameters))
        with torch.no_grad():
            for parameter, update in zip(parameters, updates, strict=True):
                parameter += torch.tensor(np.array(update))

    return take_step


def as_jax(tensors):
    return [jnp.asarray(tensor.detach().numpy()) for tensor in tensors]


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    references = {name: train(**setting) for name, setting in SETTINGS.items()}
    STORE.write_text(json.dumps(references, indent=1) + "\n")
