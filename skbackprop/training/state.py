"""What a training is made of: the plan, which stays, and the state, which changes.

A snapshot is the state at the end of the last complete epoch, should the next one be
interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dasum, sasum

from ..averaging import Averaging
from ..network.network import Network
from ..network.objective import Objective
from ..schedules import Schedule

__all__ = ["DivergenceError", "Plan", "Snapshot", "State", "a_part_of", "all_finite"]

EPOCHS_PER_NOTE = 64  # reading a random stream takes as long as a small epoch
LARGEST_PART = 65_536  # parameters
# of a vector, by BLAS, in half the time of a scalar product
SUM_OF_SIZES = {np.dtype(np.float32): sasum, np.dtype(np.float64): dasum}
MUTABLE = (np.ndarray, list, dict)
CHANGED_IN_PLACE = ("vector", "order", "best_vector", "average")  # by an epoch


def all_finite(array: NDArray) -> bool:
    """Say whether all numbers are finite: at a glance, unless a sum of them overflows."""
    is_vector = array.ndim == 1 and len(array) > 0 and array.dtype in SUM_OF_SIZES
    size = SUM_OF_SIZES[array.dtype](array) if is_vector else np.vdot(array, array)
    return isfinite(size) or bool(np.isfinite(array).all())


class DivergenceError(ValueError):
    """A loss or a parameter of a training is not a finite number."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Plan:
    """What the training does; rebuilt from the constructor parameters at every call."""

    objective: Objective
    optimizer: Any  # an Optimizer, or a Minimizer
    schedule: Schedule
    batch_size: int
    shuffle: bool
    clip_norm: float | None = None
    averaging: Averaging | None = None
    max_epochs: float = np.inf  # of this call; unknown where one call follows another
    n_trainings: int = 1  # like this one, that an ensemble begins together

    def learning_rate(self, state: State) -> float:
        """Return the learning rate of the next step."""
        rate = self.schedule(state.step, state.epoch, state.samples_seen)
        return float(rate) * state.schedule_memory["factor"]


@dataclass(kw_only=True, eq=False, repr=False)
class State:
    """All that training changes: arrays, numbers and the random stream, nothing else."""

    vector: NDArray  # (n_parameters,)
    rng: np.random.RandomState
    layer_sizes: list[int]  # input and output included
    order: NDArray | None = None  # (n_rows,): training rows, in the order of the last epoch
    validation_rows: NDArray | None = None
    n_rows: int = 0  # of the data that order and validation_rows belong to
    n_shuffles: int = 0  # of the order, since it was the natural one
    first_stream: NDArray | None = None  # where the random stream was before them
    optimizer_memory: dict[str, NDArray] = field(default_factory=dict)
    schedule_memory: dict[str, float] = field(default_factory=lambda: {"factor": 1.0})
    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    dropout_seed: int | None = None  # drawn when the first mask is needed
    watches_score: bool = False  # whether `best` is a score of early stopping
    n_stale: int = 0  # epochs since the last improvement
    best: float = -np.inf  # the largest score, or minus the smallest loss
    best_epoch: int | None = None  # that has it
    best_vector: NDArray | None = None  # the parameters of the best score
    average: NDArray | None = None  # of the parameters at the ends of epochs
    n_averaged: int = 0  # such epochs
    mean_class_weight: float = 0.0  # of the rows of the last `fit` and all chunks since
    weight_of_chunks: float = 0.0  # the sum of their sample weights
    engine: str | None = None  # the name of what trained last, so that it goes on
    data_mark: int | None = None  # fingerprints of what `best` and the like are measured on
    validation_mark: int | None = None

    @classmethod
    def resume(cls, values: dict[str, Any]) -> State:
        """Return a state of the given values that shares no array with them."""
        return cls(**_copied(values))

    @classmethod
    def check_stored(cls, values: dict[str, Any]) -> None:
        """Raise ValueError for stored values that are not those of a state."""
        cls._check_layout(values)
        for name in ("vector", "best_vector", "average"):
            if name == "vector" or values[name] is not None:
                _check_vector(values[name], values["layer_sizes"])

    @classmethod
    def _check_layout(cls, values: dict[str, Any]) -> None:
        expected = {f.name for f in fields(cls)}
        missing, unknown = expected - values.keys(), values.keys() - expected
        if missing or unknown:
            raise ValueError(
                "This estimator was stored in another layout, by another version or by "
                f"somebody else: it lacks {sorted(missing)} and has the unknown "
                f"{sorted(unknown)}. Load it with the version that stored it."
            )

    def copy(self) -> State:
        """Return a state that shares no array with this one, and the same stream."""
        return State.resume(vars(self))

    def shuffle(self) -> None:
        """Shuffle the order, in place; it composes on the previous one."""
        assert self.order is not None, "the rows are arranged before an epoch"
        if self.n_shuffles == 0:
            self.first_stream = _place_in(self.rng)
        if len(self.order) > 1:  # nothing is drawn for one row
            self.rng.shuffle(self.order)
        self.n_shuffles += 1

    def begin_order(self, n_rows: int) -> None:
        """Set the order of so many rows to the natural one."""
        self.n_rows, self.order, self.validation_rows = n_rows, np.arange(n_rows), None
        self.n_shuffles, self.first_stream = 0, None

    def restore_order(self) -> None:
        """Shuffle again as often as before it was stored without its order.

        Where the stream gave numbers to somebody else between, begin a new order.
        """
        place, order = self.first_stream, np.arange(self.n_rows)
        rng = np.random.RandomState()
        if place is not None:
            rng.set_state(("MT19937", place[:-1], int(place[-1]), 0, 0.0))
            for _ in range(self.n_shuffles):
                rng.shuffle(order)
        if place is None or np.array_equal(_place_in(rng), _place_in(self.rng)):
            self.order = order
        else:
            self.begin_order(self.n_rows)

    @staticmethod
    def without_rows(values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a state without those that grow with the rows.

        The order is found again by :meth:`restore_order`; a split is not.
        """
        if values["validation_rows"] is not None:
            nothing = {"n_rows": 0, "n_shuffles": 0, "first_stream": None}
            return {**values, "order": None, "validation_rows": None, **nothing}
        if values["n_shuffles"] > 0 and values["first_stream"] is None:
            return values  # a generator whose place is not known
        return {**values, "order": None}

    def refresh(self, plan: Plan) -> None:
        """Make what the plan needs and is not there yet, in place."""
        init, memory = plan.optimizer.init, self.optimizer_memory
        is_first = self.step == 0 and not memory
        if is_first or init(self.vector[:1]).keys() != memory.keys():  # another optimizer's
            self.optimizer_memory, self.step = init(self.vector), 0
        if plan.objective.network.has_dropout and self.dropout_seed is None:
            self.dropout_seed = int(self.rng.randint(2**32, dtype=np.uint32))

        if plan.averaging is None:
            self.average, self.n_averaged = None, 0
        elif self.average is None:
            self.average = self.vector.copy()

    def average_in(self, averaging: Averaging) -> None:
        """Let the average take the parameters of an epoch in, in place."""
        assert self.average is not None, "it is made before an epoch"
        share = averaging.share(self.epoch, self.n_averaged)
        if share == 1:
            np.copyto(self.average, self.vector)
            self.n_averaged = 1
        else:
            self.average += share * (self.vector - self.average)
            self.n_averaged += 1

    def begin_anew(self) -> None:
        """Forget what was measured on other data, in place; the parameters stay."""
        self.best, self.best_epoch, self.best_vector = -np.inf, None, None
        self.n_stale, self.n_averaged = 0, 0
        self.schedule_memory = {"factor": 1.0}

    def fall_back(self) -> None:
        """Go back to the best parameters, in place; the optimizer begins anew."""
        self.vector[...] = self.best_vector
        self.optimizer_memory, self.n_stale = {}, 0
        if self.average is not None:
            self.average[...], self.n_averaged = self.vector, 0

    def watch(self, score: bool) -> None:
        """Say what `best` will mean; a score and a loss cannot be compared. In place."""
        if score != self.watches_score:
            self.watches_score, self.n_stale = score, 0
            self.best, self.best_epoch = -np.inf, None
        if not score:
            self.best_vector = None
        elif self.best_vector is None:
            self.best_vector = self.vector.copy()

    def check_finite(self) -> None:
        """Raise ValueError for parameters, or memory, of a training that diverged."""
        for array in (self.vector, *self.optimizer_memory.values()):
            if not all_finite(array):
                what = "weights" if array is self.vector else "moments of the gradient"
                raise DivergenceError(
                    f"Training diverged: after epoch {self.epoch} the {what} are not "
                    "finite. Try a smaller learning rate, scale the inputs (for example "
                    "with StandardScaler), or set clip_norm."
                )

    @property
    def latest_vector(self) -> NDArray:
        """The parameters of now as they would predict: averaged, where that is wanted."""
        return self.vector if self.average is None else self.average

    @property
    def predicting_vector(self) -> NDArray:
        """The parameters that predict: the best ones where they are kept."""
        return self.latest_vector if self.best_vector is None else self.best_vector

    def to_dict(self) -> dict[str, Any]:
        """Return the state as a dict of plain arrays, numbers, lists and the stream."""
        return dict(vars(self))

    def to_dict_apart(self) -> dict[str, Any]:
        """Return the same, with copies of what another epoch would change in place."""
        values = self.to_dict()
        for name in CHANGED_IN_PLACE:
            if values[name] is not None:
                values[name] = values[name].copy()
        memory = self.optimizer_memory
        values["optimizer_memory"] = {name: memory[name].copy() for name in memory}
        values["schedule_memory"] = self.schedule_memory.copy()
        return values

    def take_parameters(self, values: dict[str, Any]) -> None:
        """Take over the parameters of such a dict, in place."""
        self.vector[...] = values["vector"]
        if self.average is not None:
            self.average[...] = values["average"]


class Snapshot:
    """Copies of what an epoch changes, so that the state can be set back to its beginning.

    An interrupt may come at any moment, also while copies are made. So either the state
    or the copies are whole, and one attribute says which. The random stream and the order
    of the rows are not copied but noted now and then, and replayed from there.
    """

    def __init__(self, state: State, *, shuffles: bool):
        self._state, self._shuffles, self._first_epoch = state, shuffles, state.epoch
        arrays = [state.vector, *state.optimizer_memory.values()]
        arrays += [a for a in (state.best_vector, state.average) if a is not None]
        self._arrays = [(array, np.empty_like(array)) for array in arrays]
        self.keep()

    def keep(self) -> None:
        """Copy the state at the end of an epoch."""
        self._state_is_whole = True
        state = self._state
        for array, copy in self._arrays:
            np.copyto(copy, array)
        self._attributes = vars(state) | {"schedule_memory": dict(state.schedule_memory)}
        is_due = (state.epoch - self._first_epoch) % EPOCHS_PER_NOTE == 0
        if self._shuffles and is_due and state.order is not None:
            smallest = np.min_scalar_type(state.n_rows)
            self._noted = (
                state.rng.get_state(legacy=False),
                state.order.astype(smallest),
                state.epoch,
            )
        self._state_is_whole = False

    def restore(self) -> int:
        """Set the state back to what was kept, in place; return the epochs it has more."""
        state = self._state
        if not self._state_is_whole:
            for array, copy in self._arrays:
                np.copyto(array, copy)
            vars(state).update(self._attributes)
            if self._shuffles:
                self._replay_shuffles()
        return state.epoch - self._first_epoch

    def _replay_shuffles(self):
        state, (stream, order, epoch) = self._state, self._noted
        state.rng.set_state(stream)
        np.copyto(state.order, order)
        for _ in range(state.epoch - epoch):
            state.rng.shuffle(state.order)


def a_part_of(vector: NDArray) -> NDArray:
    """Return parameters spread over the vector, all of a small one: whether they move."""
    return vector[:: max(1, len(vector) // LARGEST_PART)]


def _place_in(rng):
    """Return where a stream is, as an array; None for another generator than usual."""
    state = rng.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        return None
    place = state["state"]
    return np.append(place["key"], np.uint32(place["pos"]))


def _check_vector(array, sizes):
    """Raise ValueError for what is not the parameters of layers of these sizes."""
    n_parameters = Network.of_sizes(sizes).n_parameters
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape != (n_parameters,) or dtype not in (np.float32, np.float64):
        raise ValueError(
            f"Layers of {sizes} units have {n_parameters} parameters, but an array "
            f"of shape {shape} and dtype {dtype} is stored."
        )
    if not np.isfinite(array).all():
        raise ValueError("The stored parameters of the network are not finite.")


def _copied(value):
    if isinstance(value, dict):
        return {
            key: _copied(item) if isinstance(item, MUTABLE) else item
            for key, item in value.items()
        }
    return value.copy()
