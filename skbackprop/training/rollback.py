"""A snapshot: the end of the last complete epoch, should the next be interrupted."""

from __future__ import annotations

import numpy as np

from .state import State

__all__ = ["Snapshot"]

EPOCHS_PER_NOTE = 64  # reading a random stream takes as long as a small epoch


class Snapshot:
    """Copies of what an epoch changes, so that the state can be set back to its beginning.

    An interrupt may come at any moment, also while copies are made. So either the state
    or the copies are whole, and one attribute says which. The random stream and the order
    of the rows are not copied but noted now and then, and replayed from there.
    """

    def __init__(self, state: State, *, shuffles: bool):
        self._state, self._shuffles, self._first_epoch = state, shuffles, state.epoch
        arrays = [state.vector, *state.optimizer_memory.values()]
        if state.best_vector is not None:
            arrays.append(state.best_vector)
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
