"""A training that can be played, step by step, as one page: no network, no library.

The numbers are those of :func:`trace_step`, kept while a copy trains.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import islice
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils.multiclass import unique_labels

from ..elementwise import NotElementwise, in_one_line, read
from ..estimator.fitted_model import check_backprop, first_step
from ..losses import central_outputs
from ..training.loop import train
from .trace import StepTrace, TracingEngine, check_steps_can_be_traced

__all__ = ["Replay", "replay"]

MAX_UNITS = 12  # of a layer; more cannot be told apart on a page
MAX_ROWS = 3  # of a step whose signals are shown
MAX_POINTS = 300  # of the data in the plane
GRID = 41  # points of the surface in each direction
DIGITS = 6


@dataclass(kw_only=True, eq=False, repr=False)
class Replay:
    """A training as a sequence of steps: what :func:`replay` returns.

    A notebook shows it as a page with controls; `save` writes that page to a file.

    Attributes
    ----------
    steps : list of StepTrace
        The steps that were kept, in their order.

    epochs : list of int
        The epoch of each of these steps, counted from 1.

    loss_curve : ndarray of shape (n_epochs,)
        The objective of each epoch, as in `loss_curve_` after `fit`.

    surfaces : ndarray of shape (n_steps, 41, 41) or None
        For two features, what the network answers over the plane before each kept step:
        the probability of the second of two classes, the number of the most probable of
        several, or the predicted quantity. The rows go up the second feature, the columns
        along the first. None for another number of features.

    extent : tuple of float or None
        Left, right, bottom and top of the plane.

    classes : ndarray of shape (n_classes,) or None
        The class labels; None for a regressor.

    X, y : ndarray
        The rows that were trained on, and their labels or quantities.

    title : str
        What stands above the page.
    """

    steps: list[StepTrace]
    epochs: list[int]
    loss_curve: NDArray
    surfaces: NDArray | None
    extent: tuple[float, float, float, float] | None
    classes: NDArray | None
    X: NDArray
    y: NDArray
    feature_names: list[str]
    title: str

    def __repr__(self) -> str:
        return (
            f"<Replay of {len(self.loss_curve)} epochs, {len(self.steps)} steps kept, "
            f"loss {self.loss_curve[0]:.6g} -> {self.loss_curve[-1]:.6g}>"
        )

    def to_html(self) -> str:
        """Return the page: HTML with its style, script and numbers in it.

        Returns
        -------
        page : str
            A whole document. It asks no server for anything.
        """
        template = files(__package__).joinpath("replay.html").read_text(encoding="utf-8")
        # "</" would end the script that the numbers lie in
        numbers = json.dumps(_page(self), separators=(",", ":")).replace("</", "<\\/")
        return template.replace("{{data}}", numbers)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file.

        Parameters
        ----------
        path : str or path-like
            Where to write; an existing file is replaced.

        Returns
        -------
        path : Path
            The file, which any browser opens.
        """
        path = Path(path)
        path.write_text(self.to_html(), encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return (
            '<iframe title="Replay of a training" style="width: 100%; height: 900px; '
            f'border: 0" srcdoc="{escape(self.to_html())}"></iframe>'
        )


def replay(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    n_epochs: int = 30,
    max_steps: int = 60,
    path: str | PathLike[str] | None = None,
) -> Replay:
    """Train a copy of a small network and keep its steps, to be played on a page.

    You see the signals go forward, the error go back and the weights move, with every
    number, and the same step in both error conventions. The steps are those of `fit` with
    ``max_iter=n_epochs``, taken by the NumPy engine; nothing is computed for the page alone
    but what the network answers over the plane. The estimator stays as it is.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Its parameters are used: the copy starts from new weights, with a stochastic
        solver, on all rows. At most 12 inputs, and 12 units to a layer.

    X : array-like of shape (n_samples, n_features)
        Rows to train on. Two features are also shown as a plane. A data frame gives the
        features their names.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Class labels or target values.

    n_epochs : int, default=30
        How many times to pass over the rows.

    max_steps : int, default=60
        How many steps to keep, at most. Of a longer training the first steps are kept
        close together, the later ones farther and farther apart.

    path : str, path-like or None, default=None
        Where to write the page, too: ``"training.html"``. A notebook shows the result
        without it.

    Returns
    -------
    replay : Replay
        The steps and the page; ``replay.save("training.html")`` writes it later.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        For a layer of more than 12 units or inputs, for the solver "lbfgs", for a number
        of epochs or steps below 1, and for whatever `fit` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import BackpropClassifier, replay
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> net = BackpropClassifier(
    ...     (4,), "tanh", solver="sgd", learning_rate=0.5, batch_size=1, random_state=1
    ... )
    >>> xor = replay(net, X, [0, 1, 1, 0], n_epochs=50)
    >>> xor
    <Replay of 50 epochs, 60 steps kept, loss 1.2... -> 0.02...>
    >>> xor.steps[0].layers[-1].delta.shape  # one row, one output
    (1, 1)
    """
    check_backprop(estimator, "replay")
    _check_counts(n_epochs=n_epochs, max_steps=max_steps)
    network = clone(estimator).set_params(
        max_iter=n_epochs, early_stopping=False, warm_start=False
    )
    plan, state, data = first_step(network, X, y, None, "replay")
    if np.isnan(data.target).any():
        raise ValueError("replay shows every target, and y has missing ones (NaN).")
    check_steps_can_be_traced(network, plan)
    _check_sizes(state.layer_sizes)
    n_steps = -(-len(data.target) // plan.batch_size) * n_epochs
    engine = TracingEngine(
        network.error_convention, _spread(n_steps, max_steps).__contains__
    )
    steps, epochs, losses = [], [], []
    for report in islice(train(plan, state, data, engine), n_epochs):
        traces = engine.take_traces()
        steps += traces
        epochs += [report.epoch] * len(traces)
        losses.append(report.loss)
    extent, surfaces = _surfaces(data.X, steps)
    result = Replay(
        steps=steps,
        epochs=epochs,
        loss_curve=np.array(losses),
        surfaces=surfaces,
        extent=extent,
        classes=_classes(network, y),
        X=data.X,
        y=np.asarray(y),
        feature_names=_feature_names(X, data.X.shape[1]),
        title=f"{type(network).__name__}: a training, step by step",
    )
    if path is not None:
        result.save(path)
    return result


def _classes(network, y):
    if not is_classifier(network):
        return None
    return np.arange(np.shape(y)[1]) if network.soft_labels else unique_labels(y)


def _check_counts(**counts):
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{name} must be an int of at least 1. Got {count!r} instead.")


def _check_sizes(sizes):
    if max(sizes) > MAX_UNITS:
        raise ValueError(
            f"replay draws every unit, and shows layers of at most {MAX_UNITS} inputs or "
            f"units. Got layers of {sizes}: pass fewer features, or a smaller network."
        )


def _spread(n_steps, n_kept):
    """Return the numbers of the steps to keep: the first, the last, and rarer and rarer."""
    if n_steps <= n_kept:
        return set(range(1, n_steps + 1))
    close = np.arange(1, n_kept // 3 + 1)
    apart = np.geomspace(max(1, len(close)), n_steps, n_kept - len(close) + 1)
    return {int(step) for step in np.union1d(close, apart.round())}


def _feature_names(X, n_features):
    columns = getattr(X, "columns", None)
    if columns is None:
        return [f"x{j}" for j in range(n_features)]
    return [str(name) for name in columns]


def _surfaces(X, steps):
    """Return the plane, and what the network answers over it before each step."""
    if X.shape[1] != 2:
        return None, None
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1)
    (left, bottom), (right, top) = low - margin, high + margin
    columns, rows = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    plane = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(X.dtype)
    surfaces = [_answers(step, plane).reshape(GRID, GRID) for step in steps]
    extent = (float(left), float(right), float(bottom), float(top))
    return extent, np.array(surfaces)


def _answers(step, X):
    """Return the prediction before a step; of several the number of the largest."""
    weights = [layer.weights_before.ravel() for layer in step.layers]
    biases = [layer.bias_before for layer in step.layers]
    objective = step.plan.objective
    output = objective.output(np.concatenate([*weights, *biases]), X)
    output = central_outputs(objective.loss, output)
    return output[:, 0] if output.shape[1] == 1 else output.argmax(axis=1)


# -- what the page is told -------------------------------------------------------------


def _page(result):
    """Return everything the page shows, as lists of rounded numbers."""
    first = result.steps[0]
    largest = [
        max(np.abs(step.layers[i].activation).max() for step in result.steps)
        for i in range(len(first.layers))
    ]
    return {
        "title": result.title,
        "sizes": [result.X.shape[1], *(len(layer.bias_before) for layer in first.layers)],
        "features": result.feature_names,
        "outputs": _output_names(result),
        "convention": first.error_convention,
        "layers": [_layer_words(first, i) for i in range(len(first.layers))],
        "steps": [
            _step_data(step, epoch)
            for step, epoch in zip(result.steps, result.epochs, strict=True)
        ],
        "losses": _rounded(result.loss_curve),
        "largest_input": _rounded(np.abs(result.X).max() or 1.0),
        "largest_activation": _rounded(largest),
        **_plane(result),
    }


def _output_names(result):
    n_outputs = len(result.steps[0].layers[-1].bias_before)
    if result.classes is not None and n_outputs == 1:
        return [f"class {result.classes[-1]}"]
    if result.classes is not None and n_outputs == len(result.classes):
        return [f"class {label}" for label in result.classes]
    return ["output"] if n_outputs == 1 else [f"output {k}" for k in range(n_outputs)]


def _plane(result):
    """Return the surfaces as bytes in text, and the points with a colour each."""
    if result.surfaces is None:
        return {"surfaces": None}
    kind, surfaces, colours = "quantity", result.surfaces, result.y
    if result.surfaces.dtype.kind == "i":  # numbers of the largest outputs
        kind, colours = "classes", _class_numbers(result)
    elif result.classes is not None:
        kind, surfaces, colours = "probability", 255 * surfaces, _class_numbers(result)
    else:
        low = min(surfaces.min(), colours.min())
        width = max(surfaces.max(), colours.max()) - low or 1.0
        surfaces, colours = (255 * (a - low) / width for a in (surfaces, colours))
    chosen = slice(None, None, -(-len(result.X) // MAX_POINTS))
    points = zip(result.X[chosen], np.rint(colours[chosen]).astype(int), strict=True)
    return {
        "surface_kind": kind,
        "surfaces": [
            b64encode(np.rint(surface).astype(np.uint8).tobytes()).decode()
            for surface in surfaces
        ],
        "grid": GRID,
        "extent": _rounded(result.extent),
        "points": [[*_rounded(x), int(colour)] for x, colour in points],
    }


def _class_numbers(result):
    if result.y.ndim > 1:  # several labels: the first of them
        return result.y.argmax(axis=1)
    return np.searchsorted(result.classes, result.y)


def _layer_words(trace, number):
    objective = trace.plan.objective
    is_output = number == len(trace.layers) - 1
    rule = objective.loss if is_output else objective.network.layers[number].activation
    activation = getattr(rule, "link", None) if is_output else rule
    value, slope = (_formula(activation, i) for i in range(2))
    if is_output:
        name = getattr(rule, "output_activation", "custom")
    else:
        name = getattr(activation, "name", type(activation).__name__)
    layer = trace.layers[number]
    share = 1 / len(trace.rows)
    return {
        "name": name,
        "value": "" if "sum(" in value else value,
        "slope": slope,
        "delta_is_error": is_output and bool(np.allclose(layer.error * share, layer.delta)),
    }


def _formula(activation, number):
    """Return value (0) or derivative (1) of an activation as text, "" if unknown."""
    try:
        formula = read(type(activation).source(("forward", "backward")[number]))
    except (AttributeError, NotElementwise):
        return getattr(activation, "written", ("", ""))[number]
    return in_one_line(formula, activation)


def _step_data(trace, epoch):
    return {
        "step": trace.step,
        "epoch": epoch,
        "n_rows": len(trace.rows),
        "loss_before": _rounded(trace.loss_before),
        "loss_after": _rounded(trace.loss_after),
        "layers": [
            {
                part: {
                    moment: _rounded(getattr(layer, f"{part}_{moment}"))
                    for moment in ("before", "gradient", "update", "after")
                }
                for part in ("weights", "bias")
            }
            for layer in trace.layers
        ],
        # the same rows in every full batch, whatever the order
        "rows": [_row_data(trace, r) for r in np.argsort(trace.rows)[:MAX_ROWS]],
    }


def _row_data(trace, r):
    def of_layers(name):
        arrays = [getattr(layer, name) for layer in trace.layers]
        return [None if array is None else _rounded(array[r]) for array in arrays]

    return {
        "row": int(trace.rows[r]),
        "x": _rounded(trace.layers[0].inputs[r]),
        "z": of_layers("net_input"),
        "a": of_layers("activation"),
        "slope": of_layers("slope"),
        "delta": of_layers("delta"),
        "target": _rounded(trace.target[r]),
        "error": _rounded(trace.layers[-1].error[r]),
    }


def _rounded(values):
    """Return numbers as nested lists, with as many digits as a page can use."""
    values = np.asarray(values, dtype=float)
    if values.ndim:
        return [_rounded(value) for value in values]
    return float(f"{values:.{DIGITS}g}")
