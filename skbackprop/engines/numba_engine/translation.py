"""Translation: rules, network and data become the numbers and arrays that kernels take."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ...activations import Identity
from ...elementwise import NotElementwise
from ...network.network import Dense
from ...network.objective import Batch
from ...training.minimizer import Minimizer
from ...training.state import Plan, State
from .parts import numbers_of, part_of

if TYPE_CHECKING:
    from .coded_layer import Coded

__all__ = ["constant", "memory_of", "obstacle", "translate"]

ALIGNED = 16  # elements: arrays in `work` start on their own cache line


def obstacle(plan: Plan, data: Batch) -> str | None:
    """Say in a sentence what of the plan or the data has no translation."""
    if isinstance(plan.optimizer, Minimizer):
        name = plan.optimizer.name
        return f"solver={name!r} takes no steps that the compiled engine could run."
    if issparse(data.X):
        return "The compiled engine takes dense X only, and X is sparse."
    for rule, methods in _rules(plan):
        if _takes_no_numbers(type(rule), methods):
            continue
        try:
            for method in methods:
                numbers_of(rule, method)
        except NotElementwise as reason:
            return f"The compiled engine does not know {type(rule).__name__}: {reason}"
    if any(type(layer) is not Dense for layer in plan.objective.network.layers):
        return "The compiled engine knows dense layers only."
    return None


@lru_cache(maxsize=256)
def _takes_no_numbers(cls, methods):
    """Say whether a class is known as it is, whatever the object."""
    try:
        return not any(part_of(cls, method).numbers for method in methods)
    except NotElementwise:
        return False


ACTIVATION = "forward", "backward"


def _rules(plan: Plan) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield each rule that is compiled, with its methods."""
    loss = plan.objective.loss
    yield loss, ("value_and_delta",)
    yield plan.optimizer, ("update",)
    yield _last_activation(loss), ACTIVATION
    for layer in plan.objective.network.layers:
        yield layer.activation, ACTIVATION


def _last_activation(loss):
    """Return the link where the loss is one of the output, which the last layer makes."""
    return loss.link if getattr(loss, "takes", None) == "output" else Identity()


# One record per layer. Places from `below` on are in the work array.
LAYER = np.dtype(
    [
        ("n_inputs", np.int64),
        ("n_units", np.int64),
        ("weights", np.int64),  # places in the vector
        ("bias", np.int64),
        # addresses of the activation's functions, 0 where nothing has to be done; the last
        # layer's is the link of a loss that takes the output
        ("value", np.int64),
        ("derivative", np.int64),
        ("numbers", np.int64),  # addresses of what the functions take of the rule
        ("numbers_of_derivative", np.int64),
        ("silence", np.int64),  # address of dropout's function
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
    """The loss, and what is done with its gradient; functions and numbers by addresses."""

    loss: int
    loss_numbers: int
    optimizer: int
    optimizer_numbers: int
    weight_decay: float
    alpha: float
    l1_ratio: float
    clip_norm: float  # infinite: no clipping
    orientation: float  # of the convention's signals, 1 or -1
    dropout_seed: int


class Rows(NamedTuple):
    """The data, and where a batch of it is gathered in `work`."""

    X: NDArray  # without the columns that are coded
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
    coded: Coded | None
    missing: NDArray | None  # the target, where NaN in it costs nothing
    n_work: int
    numbers: list[NDArray]  # what the addresses of numbers point to, kept here


def translate(plan: Plan, state: State, data: Batch) -> Program:
    """Return the plan and the data as the kernels take them; compile what is new."""
    dtype = state.vector.dtype
    space, functions = _Space(min(plan.batch_size, len(state.order))), _Functions(dtype)
    n_units = plan.objective.network.layers[0].n_units
    rows, coded = _translate_rows(data, dtype, space, n_units)
    layers = _translate_layers(plan, rows.batch_X, space, functions)
    rules = _translate_rules(plan, state, functions)
    missing = rows.target if plan.objective.ignores_missing else None
    return Program(layers, rules, rows, coded, missing, space.size, functions.numbers)


def constant(array: NDArray, dtype: type) -> NDArray:
    """Return a view that is always of one Numba type: read-only, C-ordered, aligned."""
    view = np.ascontiguousarray(array, dtype).view(np.ndarray)
    if not view.flags.aligned:
        view = view.copy()
    view.flags.writeable = False
    return view


def memory_of(plan: Plan, state: State) -> NDArray:
    """Return the addresses of the optimizer's memory, which the state keeps."""
    arrays = [state.optimizer_memory[name] for name in plan.optimizer.memory]
    vector = state.vector
    for array in arrays:  # an address says nothing of what is there
        is_like_vector = array.dtype == vector.dtype and array.shape == vector.shape
        if not (is_like_vector and array.flags.carray):
            raise ValueError(
                f"The optimizer remembers an array of shape {array.shape} and dtype "
                f"{array.dtype}, but the parameters have {vector.shape}, {vector.dtype}."
            )
    return np.array([array.ctypes.data for array in arrays], np.int64)


class _Functions:
    """Rules as addresses of compiled functions and of the numbers that these take."""

    def __init__(self, dtype):
        self.dtype, self.numbers = dtype, []

    def of(self, rule, method):
        """Return the address of a rule's function and that of its numbers."""
        cls = type(rule)
        function, numbers, place = _at(cls, method, numbers_of(rule, method), self.dtype)
        self.numbers.append(numbers)
        return function, place

    def dropout(self):
        from .functions import dropout_of  # imports Numba

        return dropout_of(self.dtype)


# Numba knows the type of an object that it has met before, and looks into one that is only
# equal: for one row this takes longer than the step. The same addresses make it the same.
@lru_cache(maxsize=256)
def _at(cls, method, numbers, dtype):
    """Return the address of a function, its numbers, and the address of these."""
    from .functions import function_of  # imports Numba

    if cls is Identity:
        return 0, None, 0
    array = np.array(numbers or (0.0,), np.float64)
    return function_of(part_of(cls, method), dtype), array, array.ctypes.data


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
    rows = Rows(
        X=X,
        target=target,
        sample_weight=constant(weight, dtype),
        class_weight=constant(of_class, dtype),
        batch_size=space.n_rows,
        batch_X=space.reserve(X.shape[1]),
        batch_target=space.reserve(target.shape[1]),
        share=space.reserve(1),
    )
    return rows, coded


def _translate_layers(plan, below, space, functions):
    network = plan.objective.network
    rules = [layer.activation for layer in network.layers[:-1]]
    rules.append(_last_activation(plan.objective.loss))
    weights, bias = 0, network.n_weights
    records = []
    for layer, rule in zip(network.layers, rules, strict=True):
        value, derivative = (functions.of(rule, method) for method in ACTIVATION)
        places = _reserve_layer(layer, rule, space)
        sizes = layer.n_inputs, layer.n_units
        of_rule = value[0], derivative[0], value[1], derivative[1]
        dropout = functions.dropout() if layer.dropout else 0, layer.dropout
        records.append((*sizes, weights, bias, *of_rule, *dropout, below, *places))
        weights, bias = weights + sizes[0] * sizes[1], bias + sizes[1]
        below = places.output
    return _as_array(tuple(records))


@lru_cache(maxsize=128)  # see above
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
    net_input = activated = space.reserve(layer.n_units)
    part = part_of(type(function), "forward")
    if not part.is_in_place:
        activated = space.reserve(layer.n_units)
    output = mask = activated
    if layer.dropout:
        output, mask = (space.reserve(layer.n_units) for _ in range(2))
    saved = net_input if part.saves == "net_input" else activated
    return Places(net_input, activated, output, mask, space.reserve(layer.n_units), saved)


def _translate_rules(plan, state, functions):
    loss, optimizer = plan.objective.loss, plan.optimizer
    of_loss, of_optimizer = (
        functions.of(loss, "value_and_delta"),
        functions.of(optimizer, "update"),
    )
    rules = Rules(
        *of_loss,
        *of_optimizer,
        weight_decay=float(getattr(optimizer, "weight_decay", 0.0)),
        alpha=float(plan.objective.alpha),
        l1_ratio=float(plan.objective.l1_ratio),
        clip_norm=float(np.inf if plan.clip_norm is None else plan.clip_norm),
        orientation=float(plan.objective.convention.orient(np.ones(1))[0]),
        dropout_seed=state.dropout_seed or 0,
    )
    return _met_before(rules)
