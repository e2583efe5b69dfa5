"""Translation: rules, network and data become the numbers and arrays that kernels take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ... import activations, losses, optimizers
from ...network.layers import Dense
from ...network.objective import Batch
from ...training.lbfgs import LBFGS
from ...training.state import Plan, State
from . import codes

if TYPE_CHECKING:
    from .coded_layer import Coded

__all__ = ["constant", "memory_of", "obstacle", "translate"]

ALIGNED = 16  # elements: arrays in `work` start on their own cache line


class Rule(NamedTuple):
    """What stands for a rule: its code, and the attributes its kernel takes."""

    code: int
    numbers: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()


ACTIVATIONS = {
    activations.Identity: Rule(codes.IDENTITY),
    activations.Sigmoid: Rule(codes.SIGMOID),
    activations.Tanh: Rule(codes.TANH),
    activations.Relu: Rule(codes.RELU),
    activations.LeakyRelu: Rule(codes.LEAKY_RELU, ("slope",)),
    activations.Elu: Rule(codes.ELU, ("alpha",)),
    activations.Selu: Rule(codes.ELU, ("alpha", "scale")),
    activations.Gelu: Rule(codes.GELU),
    activations.Silu: Rule(codes.SILU),
    activations.Mish: Rule(codes.MISH),
    activations.Softplus: Rule(codes.SOFTPLUS),
    activations.Exponential: Rule(codes.EXPONENTIAL),
    activations.Softmax: Rule(codes.SOFTMAX),
}
LOSSES = {
    losses.LogLoss: Rule(codes.LOG_LOSS, ("label_smoothing",)),
    losses.BinaryLogLoss: Rule(codes.BINARY_LOG_LOSS, ("label_smoothing",)),
    losses.Focal: Rule(codes.FOCAL, ("gamma",)),
    losses.SquaredError: Rule(codes.SQUARED_ERROR),
    losses.Poisson: Rule(codes.POISSON),
    losses.Gamma: Rule(codes.GAMMA),
    losses.AbsoluteError: Rule(codes.ABSOLUTE_ERROR),
    losses.Huber: Rule(codes.HUBER, ("threshold",)),
    losses.Quantile: Rule(codes.QUANTILE, ("quantile",)),
    losses.LogCosh: Rule(codes.LOG_COSH),
}
_MOMENTS = ("beta_1", "beta_2", "epsilon")
OPTIMIZERS = {
    optimizers.SGD: Rule(codes.SGD, ("momentum", "nesterovs_momentum"), ("velocity",)),
    optimizers.Adam: Rule(codes.ADAM, _MOMENTS, ("m", "v")),
    optimizers.AdamW: Rule(codes.ADAM, _MOMENTS, ("m", "v")),
    optimizers.NAdam: Rule(codes.NADAM, _MOMENTS, ("m", "v")),
    optimizers.RMSprop: Rule(codes.RMSPROP, ("decay", "epsilon"), ("v",)),
    optimizers.Adagrad: Rule(codes.ADAGRAD, ("epsilon",), ("v",)),
    optimizers.Rprop: Rule(
        codes.RPROP,
        ("increase", "decrease", "smallest", "largest"),
        ("step", "previous"),
    ),
    optimizers.Lion: Rule(codes.LION, ("beta_1", "beta_2"), ("m",)),
}


def obstacle(plan: Plan, data: Batch) -> str | None:
    """Say in a sentence what of the plan or the data has no translation."""
    if isinstance(plan.optimizer, LBFGS):
        return "solver='lbfgs' takes no steps that the compiled engine could run."
    if issparse(data.X):
        return "The compiled engine takes dense X only, and X is sparse."
    for rule, known in _rules(plan):
        if type(rule) not in known:
            return (
                f"The compiled engine does not know {type(rule).__name__}, only the rules "
                "that come with skbackprop."
            )
    return None


def _rules(plan: Plan) -> Iterator[tuple[Any, Mapping[type, Any]]]:
    """Yield each rule that a kernel has to know, with the ones that it knows."""
    loss = plan.objective.loss
    yield loss, LOSSES
    yield plan.optimizer, OPTIMIZERS
    yield _last_activation(loss), ACTIVATIONS
    for layer in plan.objective.network.layers:
        yield layer, {Dense: None}
        yield layer.activation, ACTIVATIONS


def _last_activation(loss):
    """Return the link where the kernel of the loss leaves it to the last layer."""
    return loss.link if type(loss) is losses.SquaredError else activations.Identity()


# One record per layer. Places from `below` on are in the work array.
LAYER = np.dtype(
    [
        ("n_inputs", np.int64),
        ("n_units", np.int64),
        ("weights", np.int64),  # places in the vector
        ("bias", np.int64),
        ("activation", np.int64),  # code; the last layer's is the link of a squared error
        ("p", np.float64),  # parameters of the activation
        ("q", np.float64),
        ("dropout", np.float64),
        ("below", np.int64),
        ("net_input", np.int64),
        ("activated", np.int64),
        ("output", np.int64),  # what the layer above sees: activated, but for dropout
        ("mask", np.int64),
        ("delta", np.int64),
        ("saved", np.int64),  # net_input or activated: what the derivative is written in
    ]
)


class Rules(NamedTuple):
    """The loss, and what is done with its gradient."""

    loss: int
    loss_number: float
    optimizer: int
    optimizer_numbers: tuple[float, float, float, float]
    weight_decay: float
    alpha: float
    clip_norm: float  # infinite: no clipping
    orientation: float  # of the convention's signals, 1 or -1
    dropout_seed: int


class Rows(NamedTuple):
    """The data, and where a batch of it is gathered in `work`."""

    X: NDArray  # without the columns that are coded
    coded: Coded
    target: NDArray
    sample_weight: NDArray  # empty: all rows count the same
    class_weight: NDArray  # empty: all classes do
    batch_size: int
    batch_X: int
    batch_target: int
    share: int  # of each row in the loss of the batch


class Program(NamedTuple):
    """All that a kernel needs to know and does not change, and the size of `work`."""

    layers: NDArray  # of LAYER
    rules: Rules
    rows: Rows
    n_work: int


def translate(plan: Plan, state: State, data: Batch) -> Program:
    """Return the plan and the data as the kernels take them."""
    dtype = state.vector.dtype
    space = _Space(min(plan.batch_size, len(state.order)))
    rows = _translate_rows(data, dtype, space, plan.objective.network.layers[0].n_units)
    layers = _translate_layers(plan, rows.batch_X, space)
    return Program(layers, _translate_rules(plan, state), rows, space.size)


def constant(array: NDArray, dtype: type) -> NDArray:
    """Return a view that is always of one Numba type: read-only, C-ordered, aligned."""
    view = np.ascontiguousarray(array, dtype).view(np.ndarray)
    if not view.flags.aligned:
        view = view.copy()
    view.flags.writeable = False
    return view


def memory_of(plan: Plan, state: State) -> tuple[NDArray, NDArray]:
    """Return the optimizer's memory as two arrays, the same one twice if it has one."""
    names = OPTIMIZERS[type(plan.optimizer)].memory
    return state.optimizer_memory[names[0]], state.optimizer_memory[names[-1]]


class _Space:
    """Places in the flat work array, each for a matrix of one batch."""

    def __init__(self, n_rows):
        self.n_rows, self.size = n_rows, 0

    def reserve(self, n_columns):
        place = self.size
        self.size += -(-self.n_rows * n_columns // ALIGNED) * ALIGNED
        return place


def _translate_rows(data, dtype, space, n_units):
    from .coded_layer import code  # brings Numba, which those who only ask may not have

    X, coded = code(constant(data.X, dtype), space.n_rows, n_units)
    X, target = constant(X, dtype), constant(data.target, dtype)
    weight, of_class = (
        np.empty(0, dtype) if array is None else array
        for array in (data.sample_weight, data.class_weight)
    )
    return Rows(
        X=X,
        coded=coded,
        target=target,
        sample_weight=constant(weight, dtype),
        class_weight=constant(of_class, dtype),
        batch_size=space.n_rows,
        batch_X=space.reserve(X.shape[1]),
        batch_target=space.reserve(target.shape[1]),
        share=space.reserve(1),
    )


def _translate_layers(plan, below, space):
    network = plan.objective.network
    functions = [layer.activation for layer in network.layers[:-1]]
    functions.append(_last_activation(plan.objective.loss))
    weights, bias = 0, network.n_weights
    records = []
    for layer, function in zip(network.layers, functions, strict=True):
        places = _reserve_layer(layer, function, space)
        code, (p, q) = ACTIVATIONS[type(function)].code, _numbers(function, ACTIVATIONS, 2)
        sizes = layer.n_inputs, layer.n_units
        records.append((*sizes, weights, bias, code, p, q, layer.dropout, below, *places))
        weights, bias = weights + sizes[0] * sizes[1], bias + sizes[1]
        below = places.output
    return _as_array(tuple(records))


# Numba knows the type of an object that it has met before, and looks into one that is only
# equal: for one row this takes longer than the step.
@lru_cache(maxsize=128)
def _as_array(records):
    return np.array(list(records), LAYER)


@lru_cache(maxsize=128)
def _met_before(rules):
    return rules


class Places(NamedTuple):
    """Where the arrays of a layer lie in the work array."""

    net_input: int
    activated: int
    output: int
    mask: int
    delta: int
    saved: int


def _reserve_layer(layer, function, space):
    net_input, activated, delta = (space.reserve(layer.n_units) for _ in range(3))
    output = mask = activated
    if layer.dropout:
        output, mask = (space.reserve(layer.n_units) for _ in range(2))
    saved = net_input if function.saves == "net_input" else activated
    return Places(net_input, activated, output, mask, delta, saved)


def _translate_rules(plan, state):
    loss, optimizer = plan.objective.loss, plan.optimizer
    rules = Rules(
        loss=LOSSES[type(loss)].code,
        loss_number=_numbers(loss, LOSSES, 1)[0],
        optimizer=OPTIMIZERS[type(optimizer)].code,
        optimizer_numbers=tuple(_numbers(optimizer, OPTIMIZERS, 4)),
        weight_decay=float(getattr(optimizer, "weight_decay", 0.0)),
        alpha=float(plan.objective.alpha),
        clip_norm=float(np.inf if plan.clip_norm is None else plan.clip_norm),
        orientation=float(plan.objective.convention.orient(np.ones(1))[0]),
        dropout_seed=state.dropout_seed or 0,
    )
    return _met_before(rules)


def _numbers(rule, known, n):
    """Return the numbers that the rule's kernel takes, filled up with ones."""
    numbers = [float(getattr(rule, name)) for name in known[type(rule)].numbers]
    return numbers + [1.0] * (n - len(numbers))
