"""Looking at a fitted network: layers, hidden activations, gradients of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..estimator.fitted_model import FittedModel
from ..estimator.hyperparameters import in_numbers
from .tables import Section, as_html, as_text

__all__ = [
    "LayerSummary",
    "Summary",
    "check_hidden_layer",
    "hidden_activations",
    "input_gradient",
    "summary",
]

ROWS_AT_ONCE = 4096  # of which the activations of all layers are there for a moment


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One layer of a network.

    Attributes
    ----------
    name : str
        "hidden 1", "hidden 2", ..., "output".

    n_inputs, n_units : int
        The shape of its weights.

    activation : str
        Its activation; that of the output layer is the link of the loss.

    dropout : float
        Fraction of its units that is silenced while training.

    n_parameters, n_bytes : int
        Weights and biases, and the memory they take.
    """

    name: str
    n_inputs: int
    n_units: int
    activation: str
    dropout: float
    n_parameters: int
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The layers of a network and their sizes: what :func:`summary` returns.

    ``print(summary(estimator))`` shows a line per layer.

    Attributes
    ----------
    estimator : str
        The name of its class.

    layers : list of LayerSummary
        Layer by layer, the output layer last.

    n_parameters : int
        Number of weights and biases.

    n_bytes : int
        Memory of the weights and biases.

    n_training_bytes : int
        Memory of what goes with them in training: the memory of the solver, and the best
        parameters of early stopping.

    dtype : str
        Precision of the parameters.
    """

    estimator: str
    layers: list[LayerSummary]
    n_parameters: int
    n_bytes: int
    n_training_bytes: int
    dtype: str

    def __str__(self):
        return as_text(self._sections())

    def _repr_html_(self):
        return as_html(self._sections())

    def _sections(self):
        sizes = [self.layers[0].n_inputs, *(layer.n_units for layer in self.layers)]
        network = "-".join(map(str, sizes))
        rows = [
            (
                layer.name,
                f"{layer.n_inputs:,} x {layer.n_units:,}",
                layer.activation,
                f"{layer.dropout:g}",
                f"{layer.n_parameters:,}",
                _memory(layer.n_bytes),
            )
            for layer in self.layers
        ]
        total = ("all", "", "", "", f"{self.n_parameters:,}", _memory(self.n_bytes))
        return [
            Section(
                heading=f"{self.estimator}: {network} network, {self.dtype}",
                prose=[f"training keeps another {_memory(self.n_training_bytes)}"],
                names=("layer", "weights", "activation", "dropout", "parameters", "memory"),
                rows=[*rows, total],
                flush_right=True,
            )
        ]


def _memory(n_bytes):
    """Return a number of bytes in a unit that keeps it short."""
    for unit in ("B", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.4g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.4g} GiB"


def summary(estimator: Any) -> Summary:
    """Summarise the layers of a fitted network: shapes, activations, parameters, memory.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        A fitted estimator.

    Returns
    -------
    summary : Summary
        Print it for a table; its attributes hold the numbers.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    sklearn.exceptions.NotFittedError
        If it is not fitted: the data decide about the first and the last layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, summary
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((10, 5)).partial_fit(X, y, classes=[0, 1, 2])
    >>> print(summary(clf))
    BackpropClassifier: 4-10-5-3 network, float64
      training keeps another 1.922 KiB
      layer     weights  activation  dropout  parameters     memory
      hidden 1   4 x 10        relu        0          50      400 B
      hidden 2   10 x 5        relu        0          55      440 B
      output      5 x 3     softmax        0          18      144 B
      all                                            123      984 B
    """
    model = FittedModel(estimator, "summary")
    vector, layers = model.vector, model.network.layers
    last = len(layers) - 1
    kept = [*model.state.optimizer_memory.values(), model.state.best_vector]
    kept.append(model.state.average)
    return Summary(
        estimator=type(estimator).__name__,
        layers=[
            _summary_of_layer(
                "output" if i == last else f"hidden {i + 1}",
                layer,
                estimator.out_activation_ if i == last else _name_of(layer.activation),
                vector.itemsize,
            )
            for i, layer in enumerate(layers)
        ],
        n_parameters=vector.size,
        n_bytes=vector.nbytes,
        n_training_bytes=sum(array.nbytes for array in kept if array is not None),
        dtype=str(vector.dtype),
    )


def _summary_of_layer(name, layer, activation, itemsize):
    n_parameters = (layer.n_inputs + 1) * layer.n_units
    return LayerSummary(
        name=name,
        n_inputs=layer.n_inputs,
        n_units=layer.n_units,
        activation=activation,
        dropout=layer.dropout,
        n_parameters=n_parameters,
        n_bytes=n_parameters * itemsize,
    )


def _name_of(activation):
    return getattr(activation, "name", type(activation).__name__)


def hidden_activations(estimator: Any, X: Any, layer: int = -1) -> NDArray:
    """Return what the units of a hidden layer make of rows: learnt features.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        A fitted estimator.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows.

    layer : int, default=-1
        Which hidden layer: 0 is the first, -1 the last.

    Returns
    -------
    activations : ndarray of shape (n_samples, n_units)
        The activations as they are in prediction, without dropout.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        If the network has no such hidden layer, or for rows that `predict` refuses.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, hidden_activations
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((10, 5)).partial_fit(X, y, classes=[0, 1, 2])
    >>> hidden_activations(clf, X).shape
    (150, 5)
    """
    model = FittedModel(estimator, "hidden_activations")
    X = model.rows(X)
    check_hidden_layer(layer, len(model.network.layers) - 1)
    return np.concatenate(
        [
            model.objective.hidden_activations(model.vector, X[rows])[layer]
            for rows in gen_batches(X.shape[0], ROWS_AT_ONCE)
        ]
    )


def check_hidden_layer(layer: int, n_hidden: int) -> None:
    """Raise ValueError for a layer that a network of so many hidden layers lacks."""
    if not -n_hidden <= layer < n_hidden:
        raise ValueError(
            f"layer={layer} does not exist: the network has "
            f"{in_numbers(n_hidden, 'hidden layer')}. Pass 0 for the first, -1 for the "
            "last."
        )


def input_gradient(estimator: Any, X: Any, of: str = "output") -> NDArray:
    """Return the derivative of the outputs by the inputs, row by row.

    It says how much each output would change with each feature of a row: the
    sensitivity, or saliency, of the prediction.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        A fitted estimator.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows at which the derivative is taken.

    of : {"output", "net_input"}, default="output"
        What is differentiated: the outputs, or the net inputs of the output layer, which
        do not flatten where a probability is near 0 or 1. The outputs of a regressor
        are its predictions (with a loss of several outputs for each target all of
        them); those of a classifier its probabilities (with two classes
        and one output, that of the second class; with loss="squared_error", before they
        are divided by their sum).

    Returns
    -------
    gradient : ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, \
            n_features)
        The derivative; without the middle axis where there is one output.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        For rows that `predict` refuses, and if the loss is an object that does not name
        its output activation as `link`.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import BackpropRegressor, input_gradient
    >>> x = np.linspace(-2, 2, 200)[:, np.newaxis]
    >>> reg = BackpropRegressor((20,), "tanh", solver="lbfgs", random_state=0)
    >>> slope = input_gradient(reg.fit(x, np.sin(x[:, 0])), [[0.0]])
    >>> slope.round(1)  # cos(0) = 1
    array([[1.]])
    """
    model = FittedModel(estimator, "input_gradient")
    if of not in ("output", "net_input"):
        raise ValueError(f"of must be 'output' or 'net_input'. Got {of!r}.")
    X, vector, network = model.rows(X), model.vector, model.network
    n_rows = X.shape[0]
    parameters, scratch = map(network.parameters, (vector, np.empty_like(vector)))
    work = network.allocate(n_rows, vector.dtype)
    with np.errstate(all="ignore"):
        z = network.forward(parameters, X, work).copy()
    n_outputs, bottom = z.shape[1], network.layers[0]
    gradient = np.empty((n_outputs, n_rows, bottom.n_inputs), vector.dtype)
    for k in range(n_outputs):
        work[-1].delta[...] = _output_by_net_input(model.objective.loss, z, k, of)
        network.backward(parameters, X, work, scratch)
        bottom.pass_down(parameters.layers[0], work[0], gradient[k])
    return gradient[0] if n_outputs == 1 else np.ascontiguousarray(gradient.swapaxes(0, 1))


def _output_by_net_input(loss, z, k, of):
    """Return the derivative of output k by all net inputs, shape (n_rows, n_outputs)."""
    delta = np.zeros_like(z)
    delta[:, k] = 1
    if of == "net_input":
        return delta
    if not hasattr(loss, "link"):
        raise ValueError(
            f"{type(loss).__name__} does not say how its output depends on the net input. "
            "Give it an attribute `link`, the output activation, or pass of='net_input'."
        )
    output = np.empty_like(z)
    with np.errstate(all="ignore"):
        loss.link.forward(z, output)
        loss.link.backward(output if loss.link.saves == "activation" else z, delta)
    return delta
