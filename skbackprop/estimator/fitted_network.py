"""The fitted network: what an estimator holds between calls, and how it looks at rows."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..initializers import GivenWeights
from ..network.network import Network
from ..training.state import State, all_finite
from ..training.trainer import History
from .hyperparameters import (
    COUNT,
    check_nested,
    require,
    resolve_hyperparameters,
    resolve_objective,
)
from .input_validation import check_rows

__all__ = [
    "CURVES",
    "DOCUMENTATION",
    "KEPT",
    "NOT_STORED",
    "FittedNetwork",
    "OtherVersionWarning",
    "RuleEstimator",
    "raise_overflow",
    "warn_of_other_version",
]

DOCUMENTATION = "https://skbackprop.readthedocs.io/en/stable"  # as in pyproject.toml

CURVES = tuple(f"{name}_" for name in History.CURVES)

KEPT = "_kept_training"  # of `partial_fit`: see `kept_training.py`

# What is not stored: what an estimator has while `fit` runs, the first two by
# scikit-learn, and between calls of `partial_fit`.
NOT_STORED = {
    "_callback_fit_ctx",
    "_skl_callbacks_to_teardown",
    "_should_stop",
    KEPT,
}


class OtherVersionWarning(InconsistentVersionWarning):
    """scikit-learn's warning of another version, here of this library.

    So who catches or filters that one gets this one, too; its attributes, named after
    scikit-learn, hold versions of skbackprop.
    """

    def __str__(self):
        return (
            f"This {self.estimator_name} was stored by version "
            f"{self.original_sklearn_version} of skbackprop and is read by version "
            f"{self.current_sklearn_version}. It may fail, or predict something else. "
            "Install the version that stored it, or train it again."
        )


def warn_of_other_version(version: str, owner: str) -> None:
    """Warn where `__setstate__` reads what another version of this library stored."""
    if version != __version__:
        warning = OtherVersionWarning(
            estimator_name=owner,
            current_sklearn_version=__version__,
            original_sklearn_version=version,
        )
        warnings.warn(warning, stacklevel=3)


def raise_overflow(output):
    """Raise ValueError for rows whose output is too large for the precision."""
    rows = np.flatnonzero(~np.isfinite(output).all(axis=1))
    raise ValueError(
        f"The outputs of {len(rows)} rows, the first of them row {rows[0]}, are too large "
        f"for {output.dtype}, because the values of X there are, or the weights. Scale X, "
        "for example with StandardScaler, or train with a smaller learning rate."
    )


class WritableViews(list):
    """Views of the fitted parameters; an assigned item is copied into its view."""

    def __setitem__(self, index, value):
        self[index][...] = value


class RuleEstimator(BaseEstimator):
    """An estimator whose parameters may be rules, with parameters of their own."""

    _doc_link_module = "skbackprop"
    _doc_link_template = f"{DOCUMENTATION}/generated/skbackprop.{{estimator_name}}.html"

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of the rules that are passed as objects.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``name__inner`` is the parameter `inner` of the object that
            the parameter `name` holds, as ``solver__momentum`` of ``solver=SGD()``.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            For a name that does not exist, and for ``name__inner`` where the parameter
            `name` holds a name, not an object.
        """
        check_nested(params, self.get_params(deep=False))
        return super().set_params(**params)


class FittedNetwork(RuleEstimator):
    """An estimator with the state of a training, whose parameters can be read and set.

    Only plain arrays, numbers, lists and the random stream are kept; views of the flat
    vector and rules are made whenever they are needed.
    """

    _kind: ClassVar[str]  # of target: what a loss asked for by name depends on

    @property
    def coefs_(self):
        """Weights, layer by layer: views of shape (n_inputs, n_units)."""
        return self._views("weights", self._vector)

    @coefs_.setter
    def coefs_(self, arrays):
        self._copy_in("weights", arrays)

    @property
    def intercepts_(self):
        """Biases, layer by layer: views of shape (n_units,)."""
        return self._views("bias", self._vector)

    @intercepts_.setter
    def intercepts_(self, arrays):
        self._copy_in("bias", arrays)

    @property
    def out_activation_(self):
        """Activation of the output layer, the link of the loss."""
        self._check_fitted()
        return getattr(self._objective().loss, "output_activation", "custom")

    @out_activation_.setter
    def out_activation_(self, value):
        raise AttributeError(
            f"out_activation_ cannot be set: it belongs to loss={self.loss!r}. For other "
            f"outputs of the same weights use {type(self).__name__}.from_weights with "
            "another loss, for example loss=SquaredError(link=Identity())."
        )

    @classmethod
    def _of_weights(cls, coefs, intercepts, parameters):
        """Return an estimator that holds the weights, and the checked arrays."""
        coefs = [check_array(array, input_name="coefs") for array in coefs]
        intercepts = [
            check_array(array, input_name="intercepts", ensure_2d=False)
            for array in intercepts
        ]
        weights = GivenWeights(coefs, intercepts)
        weights.check()
        sizes = [len(coefs[0]), *(array.shape[1] for array in coefs)]
        estimator = cls(**{"hidden_layer_sizes": tuple(sizes[1:-1]), **parameters})
        if resolve_hyperparameters(estimator).hidden_sizes != sizes[1:-1]:
            raise ValueError(
                f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} contradicts the "
                f"weights, which have hidden layers of {sizes[1:-1]} units. Leave it out."
            )
        return estimator, sizes, weights

    def _check_fitted(self):
        if "_state" not in vars(self):
            raise AttributeError(
                f"This {type(self).__name__} is not fitted yet. To use weights that "
                f"you already have, call {type(self).__name__}.from_weights."
            )

    @property
    def _vector(self):
        """The parameters that predict: best ones after early stopping, averaged ones."""
        self._check_fitted()
        state = self._state
        if state["best_vector"] is not None:
            return state["best_vector"]
        return state["vector"] if state["average"] is None else state["average"]

    def _views(self, part, vector):
        layers = Network.of_sizes(self._state["layer_sizes"]).parameters(vector).layers
        return WritableViews(getattr(layer, part) for layer in layers)

    def _copy_in(self, part, arrays):
        """Copy arrays into the parameters, those that predict and those trained last."""
        shapes = [np.shape(array) for array in arrays]
        predicts = self._vector  # raises where there is none yet
        latest = self._state["average"], self._state["vector"]
        for vector in (predicts, *(v for v in latest if v is not None)):
            views = self._views(part, vector)
            expected = [view.shape for view in views]
            if shapes != expected:
                raise ValueError(
                    f"The {part} of this network have the shapes {expected}, one array "
                    f"per layer. Got {shapes}."
                )
            for view, array in zip(views, arrays, strict=True):
                view[...] = array

    def _objective(self):
        return resolve_objective(self, self._state["layer_sizes"], self._kind)

    def _open_rows(self, X):
        """Return the objective, the parameters that predict, and checked rows."""
        if "_state" not in vars(self):
            check_is_fitted(self)
        vector = self._vector
        return self._objective(), vector, check_rows(self, X, vector.dtype)

    def _net_output(self, X):
        """Check X; return the objective and the net input of the output layer."""
        objective, vector, X = self._open_rows(X)
        z = objective.net_output(vector, X)
        return objective, z if all_finite(z) else self._bounded(z)

    def _sampled(self, X, n_samples, random_state):
        """Yield the objective and the net input of the output layer, with dropout on.

        The place of a row decides on its masks, not how many rows are looked at at once.
        """
        require(n_samples in COUNT, "n_samples", "predict_samples", COUNT, n_samples)
        objective, vector, X = self._open_rows(X)
        if not objective.network.has_dropout:
            raise ValueError(
                "predict_samples needs dropout, which makes one sample differ from "
                f"another, and dropout={self.dropout!r}. Train with dropout=0.1, say."
            )
        seed = int(check_random_state(random_state).randint(2**32, dtype=np.uint32))
        for i in range(n_samples):
            z = objective.net_output(vector, X, masks=(seed, i))
            yield objective, z if np.isfinite(z).all() else self._bounded(z)

    def _bounded(self, z):
        """Return net inputs without infinity where that makes sense; NaN never does."""
        if np.isnan(z).any():
            raise_overflow(z)
        return z

    def _output(self, X):
        """Return the output of the network, shape (n_rows, n_outputs)."""
        objective, z = self._net_output(X)
        return objective.link(z)

    def __getstate__(self):
        """Return what is stored: all that outlasts the calls, and the version.

        Without `warm_start` nothing in it grows with the number of rows.
        """
        state = super().__getstate__().items()
        stored = {name: value for name, value in state if name not in NOT_STORED}
        if "_state" in stored and not self.warm_start:
            stored["_state"] = State.without_rows(stored["_state"])
        for name in stored.keys() & CURVES:  # a list is stored number by number
            if stored[name] is not None:
                stored[name] = np.array(stored[name], np.float64)
        return stored | {"_version": __version__}

    def __setstate__(self, state):
        """Take over what was stored; warn if another version of this library did it."""
        warn_of_other_version(state.pop("_version", "unknown"), type(self).__name__)
        if "_state" in state:
            State.check_stored(state["_state"])
            sizes, n_features = state["_state"]["layer_sizes"], state["n_features_in_"]
            if sizes[0] != n_features:
                raise ValueError(
                    f"A network of {sizes[0]} inputs is stored as one of {n_features} "
                    "features."
                )
        curves = {n: c for n, c in state.items() if n in CURVES and c is not None}
        super().__setstate__(state | {name: list(c) for name, c in curves.items()})
