"""One training step with every quantity kept, shown as a table one can follow on paper.

The step is the engine's own: an objective and an optimizer that keep what passes
through them take the place of the plan's. Nothing is computed by other code.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..activations import slope
from ..conventions import CONVENTIONS
from ..engines import NumpyEngine
from ..estimator.fitted_model import first_step
from ..network.network import LayerWork, Network
from ..network.objective import Batch, Objective
from ..training.loop import train
from ..training.minimizer import Minimizer
from ..training.state import Plan
from .notations import HERE, NOTATIONS
from .step_report import sections
from .tables import as_html, as_text
from .typesetting import as_latex, in_words

__all__ = [
    "LayerTrace",
    "StepTrace",
    "TracingEngine",
    "check_steps_can_be_traced",
    "trace_step",
    "turned",
]


@dataclass(kw_only=True, eq=False, repr=False)
class LayerTrace:
    """What one layer computed in a traced step: plain arrays.

    Attributes
    ----------
    inputs : ndarray or sparse array of shape (n_rows, n_inputs)
        Rows of X, or the activations of the layer below.

    net_input, activation : ndarray of shape (n_rows, n_units)
        The weighted sums and their values after the function; the activation of the
        output layer is the output.

    mask : ndarray of shape (n_rows, n_units) or None
        What dropout multiplied the activation with; None without dropout.

    error : ndarray of shape (n_rows, n_units) or None
        Output minus target, or target minus output; None for hidden layers.

    slope : ndarray of shape (n_rows, n_units) or None
        Derivative of the activation by the net input. None where a unit's activation
        depends on other units too, or where the loss does not name its link.

    delta : ndarray of shape (n_rows, n_units)
        Derivative of the loss by the net input, signed by the convention.

    weights_before, weights_gradient, weights_clipped, weights_update, weights_after : \
            ndarray of shape (n_inputs, n_units)
        The weights, the derivative of the objective by them, signed by the convention,
        the same after `clip_norm`, the update that the optimizer made of it, and where
        the weights arrived.

    bias_before, bias_gradient, bias_clipped, bias_update, bias_after : ndarray of shape \
            (n_units,)
        The same of the biases.
    """

    inputs: NDArray
    net_input: NDArray
    activation: NDArray
    mask: NDArray | None
    error: NDArray | None
    slope: NDArray | None
    delta: NDArray
    weights_before: NDArray
    weights_gradient: NDArray
    weights_clipped: NDArray
    weights_update: NDArray
    weights_after: NDArray
    bias_before: NDArray
    bias_gradient: NDArray
    bias_clipped: NDArray
    bias_update: NDArray
    bias_after: NDArray


@dataclass(kw_only=True, eq=False, repr=False)
class StepTrace:
    """One training step, number by number: what :func:`trace_step` returns.

    ``print(trace)`` shows it as a table, and so does a notebook.

    Attributes
    ----------
    layers : list of LayerTrace
        The layers, from the first hidden layer to the output layer.

    rows : ndarray of shape (n_rows,)
        Row numbers of X in the order in which the step took them.

    target : ndarray of shape (n_rows, n_outputs)
        What the output is compared with.

    sample_weight : ndarray of shape (n_rows,) or None
        How much each row counted: its sample weight times the weight of its class.

    weight_sum : float
        What the sum over the rows is divided by: their sample weights, class weights left
        out; without sample weights the number of rows.

    loss_before, loss_after : float
        Loss of these rows without the penalty.

    objective_before, objective_after : float
        Loss plus penalty.

    step : int
        Number of the step, counted from 1.

    learning_rate : float
        The factor on the update in this step.

    error_convention : str
        "output_minus_target" or "target_minus_output": the sign of errors, deltas,
        gradients and updates, and whether the update is subtracted or added.

    memory_before, memory_after : dict of str to ndarray of shape (n_parameters,)
        What the optimizer remembers, all weights first, then all biases.

    plan : Plan
        Objective, optimizer and schedule of the step.
    """

    layers: list[LayerTrace]
    rows: NDArray
    target: NDArray
    sample_weight: NDArray | None
    weight_sum: float
    loss_before: float
    loss_after: float
    objective_before: float
    objective_after: float
    step: int
    learning_rate: float
    error_convention: str
    memory_before: dict[str, NDArray]
    memory_after: dict[str, NDArray]
    plan: Plan

    def __str__(self):
        return self.to_text()

    def __repr__(self):
        return (
            f"<StepTrace of step {self.step}: {len(self.rows)} rows, {len(self.layers)} "
            f"layers, loss {self.loss_before:.6g} -> {self.loss_after:.6g}>"
        )

    def _repr_html_(self):
        return as_html([in_words(section) for section in sections(self)])

    def to_text(self, *, notation: str | None = None, max_rows: int | None = None) -> str:
        """Return the step as a table of text, as `print` shows it.

        Parameters
        ----------
        notation : {"rumelhart", "bishop", "goodfellow", "nielsen"} or None, default=None
            The book whose symbols are used, its sign of the error included. None: the
            symbols of this library, and the sign with which the step was taken.

        max_rows : int or None, default=None
            The largest number of lines of each table: of a longer one the first are
            shown, and the number of the others. None: all.

        Returns
        -------
        text : str
            Lines of at most 100 characters.

        Raises
        ------
        ValueError
            For another notation, for `max_rows` below 1, and if the sign of the book
            is not that of the step and the optimizer remembers something that cannot be
            turned.

        Examples
        --------
        >>> from skbackprop import BackpropRegressor, trace_step
        >>> reg = BackpropRegressor((), solver="sgd", momentum=0, alpha=0)
        >>> reg = reg.partial_fit([[0.0]], [0.0])
        >>> reg.coefs_, reg.intercepts_ = [[[0.5]]], [[1.0]]
        >>> trace = trace_step(reg, [[2.0]], [3.0])
        >>> print(trace.to_text(notation="rumelhart"))
        One training step...
          error e = t - o (o output, t target): signals point downhill, so add...
          net[1]  1 + 2 * 0.5  2
        ...
        >>> len(trace.to_text(max_rows=1).splitlines()) < len(str(trace).splitlines())
        True
        """
        book, step_sections = self._written(notation, max_rows)
        return as_text([in_words(section, book) for section in step_sections])

    def to_latex(self, *, notation: str | None = None, max_rows: int | None = None) -> str:
        r"""Return the step as LaTeX: an ``align*`` environment.

        It needs the package amsmath, and ``\allowdisplaybreaks`` before it where it is
        longer than a page. A notebook shows it by
        ``IPython.display.Math(trace.to_latex())``.

        Parameters
        ----------
        notation : {"rumelhart", "bishop", "goodfellow", "nielsen"} or None, default=None
            The book whose symbols are used, its sign of the error included. None: the
            symbols of this library, and the sign with which the step was taken.

        max_rows : int or None, default=None
            The largest number of lines of each table: of a longer one the first are
            shown, and the number of the others. None: all.

        Returns
        -------
        latex : str
            The environment, a row of it in every line.

        Raises
        ------
        ValueError
            As :meth:`to_text`.

        Examples
        --------
        >>> from skbackprop import BackpropRegressor, trace_step
        >>> reg = BackpropRegressor((), solver="sgd", momentum=0, alpha=0)
        >>> reg = reg.partial_fit([[0.0]], [0.0])
        >>> reg.coefs_, reg.intercepts_ = [[[0.5]]], [[1.0]]
        >>> latex = trace_step(reg, [[2.0]], [3.0]).to_latex(notation="nielsen")
        >>> print(*[line for line in latex.splitlines() if line.startswith("z")])
        z^{2}_{1} &= 1 + 2 \cdot 0.5 = 2 \\
        """
        book, step_sections = self._written(notation, max_rows)
        convention = CONVENTIONS[book.error_convention or self.error_convention]
        sign = "-" if convention.words.operator == "+" else ""
        return as_latex(step_sections, book, sign)

    def _written(self, notation, max_rows):
        """Return the notation, and the step in its sign of the error."""
        if notation is not None and notation not in NOTATIONS:
            raise ValueError(
                f"notation must be one of {', '.join(map(repr, NOTATIONS))}, or None for "
                f"the symbols of this library. Got {notation!r}."
            )
        if max_rows is not None and max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, or None. Got {max_rows!r}.")
        book = HERE if notation is None else NOTATIONS[notation]
        trace = turned(self, book.error_convention or self.error_convention)
        return book, [section.shortened(max_rows) for section in sections(trace)]

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as nested dicts and lists of plain arrays.

        Returns
        -------
        numbers : dict
            The attributes by name, without `plan`; `layers` is a list of dicts.
        """
        numbers = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "plan"}
        return numbers | {"layers": [dict(vars(layer)) for layer in self.layers]}


def turned(trace: StepTrace, error_convention: str) -> StepTrace:
    """Return the same step as training takes it with the other sign of the error."""
    if trace.error_convention == error_convention:
        return trace
    plan = trace.plan
    signs = _signs_of_memory(plan.optimizer)
    objective = copy(plan.objective)
    objective.convention = CONVENTIONS[error_convention]()
    return replace(
        trace,
        layers=[replace(layer, **_opposite(layer)) for layer in trace.layers],
        error_convention=error_convention,
        memory_before={name: signs[name] * v for name, v in trace.memory_before.items()},
        memory_after={name: signs[name] * v for name, v in trace.memory_after.items()},
        plan=replace(plan, objective=objective),
    )


def _opposite(layer):
    """Return what of a layer has the sign of the error, negated."""
    signals = ["error", "delta"]
    signals += [
        f"{part}_{moment}"
        for part in ("weights", "bias")
        for moment in ("gradient", "clipped", "update")
    ]
    arrays = {name: getattr(layer, name) for name in signals}
    return {name: None if array is None else -array for name, array in arrays.items()}


def _signs_of_memory(optimizer):
    """Return by name whether what an optimizer remembers turns with the gradient: -1 or 1.

    Found by trying: a step with a gradient, and one with the opposite.
    """
    memories = []
    for sign in (1.0, -1.0):
        memory = optimizer.init(np.ones(2))
        for t, size in enumerate((0.5, 0.25), start=1):
            optimizer.update(sign * size * np.array([1.0, -2.0]), memory, 0.1, t)
        memories.append(memory)
    signs = {}
    for name, one in memories[0].items():
        matches = [s for s in (1, -1) if np.array_equal(one, s * memories[1][name])]
        if not matches:
            raise ValueError(
                f"The optimizer {optimizer} remembers {name!r}, which does not turn with "
                "the sign of the error. Set error_convention to that of the book before "
                "the training, or leave notation=None."
            )
        signs[name] = matches[0]
    return signs


def trace_step(
    estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> StepTrace:
    """Take one training step on a copy and keep every number of it.

    The estimator stays as it is. The weights of the trace after the step equal those
    after `partial_fit` of the same rows: bit for bit with the NumPy engine, to rounding
    with a compiled one. The copy draws the same order of the rows and goes on with the
    same momentum, schedule and step count.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Fitted or not. One that is not starts from the weights that `partial_fit` would
        draw; a classifier then takes the classes from y. After early stopping the step
        starts, as training would, from the last weights and not from the best ones.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows of the step, at most `batch_size`.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their class labels or target values.

    sample_weight : array-like of shape (n_samples,) or None, default=None
        How much each row counts; not negative. None: all the same.

    Returns
    -------
    trace : StepTrace
        Every quantity of the step; print it.

    Raises
    ------
    TypeError
        If `estimator` is not one of this library.
    ValueError
        For more than `batch_size` rows, for the solver "lbfgs", and for whatever
        `partial_fit` refuses.

    Examples
    --------
    A linear model with the weight 0.5 and the bias 1 is told that 2 should give 3:

    >>> from skbackprop import BackpropRegressor, trace_step
    >>> reg = BackpropRegressor((), solver="sgd", learning_rate=0.1, momentum=0, alpha=0)
    >>> reg = reg.partial_fit([[0.0]], [0.0])
    >>> reg.coefs_, reg.intercepts_ = [[[0.5]]], [[1.0]]
    >>> trace = trace_step(reg, [[2.0]], [3.0])
    >>> trace.layers[-1].error  # output - target
    array([[-1.]])
    >>> print(trace)
    One training step...
      subtract -0.2 from w[0, 0]  0.5 - (-0.2)        0.7
    ...
    """
    plan, state, data = first_step(estimator, X, y, sample_weight, "trace_step")
    check_steps_can_be_traced(estimator, plan)
    _check_is_one_step(plan, data)
    engine = TracingEngine(estimator.error_convention)
    next(train(plan, state, data, engine))
    (trace,) = engine.take_traces()
    return trace


class TracingEngine(NumpyEngine):
    """The NumPy engine, keeping every number of the steps that are wanted.

    A step is asked for by its number, counted from 1.
    """

    def __init__(
        self,
        error_convention: str,
        is_wanted: Callable[[int], bool] = lambda step: True,
    ):
        self.error_convention, self.is_wanted = error_convention, is_wanted
        self.traces: list[StepTrace] = []
        self.n_rows_taken = 0

    def take_traces(self) -> list[StepTrace]:
        """Return the traces of the last epoch."""
        traces, self.traces, self.n_rows_taken = self.traces, [], 0
        return traces

    def prepare(self, plan, state, data):
        self.plan = plan
        keeping = replace(plan, objective=_KeepingObjective.of(plan.objective))
        return super().prepare(keeping, state, data)

    def take_step(self, plan, state, parameters, gradient, batch, work):
        start = self.n_rows_taken
        self.n_rows_taken += len(batch.target)
        if not self.is_wanted(state.step + 1):
            return super().take_step(plan, state, parameters, gradient, batch, work)
        before, learning_rate = state.copy(), plan.learning_rate(state)
        optimizer = _KeepingOptimizer(plan.optimizer)
        keeping = replace(plan, optimizer=optimizer)
        super().take_step(keeping, state, parameters, gradient, batch, work)
        objective = plan.objective
        vectors = {
            "before": before.vector,
            "gradient": objective.gradient,
            "clipped": np.concatenate(optimizer.gradients),
            "update": np.concatenate(optimizer.updates),
            "after": state.vector.copy(),
        }
        loss_before = objective.loss_of(objective.work[-1].net_input, objective.batch)
        loss_after, objective_after = objective.values_at(state.vector)
        self.traces.append(
            StepTrace(
                layers=_layers(objective, vectors),
                rows=state.order[start : self.n_rows_taken].copy(),
                target=objective.batch.target,
                sample_weight=objective.batch.loss_weight,
                weight_sum=objective.batch.weight_sum,
                loss_before=loss_before,
                loss_after=loss_after,
                objective_before=objective.value,
                objective_after=objective_after,
                step=state.step,
                learning_rate=learning_rate,
                error_convention=self.error_convention,
                memory_before=before.optimizer_memory,
                memory_after=state.copy().optimizer_memory,
                plan=self.plan,
            )
        )
        return objective.value


def check_steps_can_be_traced(estimator: Any, plan: Plan) -> None:
    """Raise ValueError for a training that has no steps of single batches."""
    if isinstance(plan.optimizer, Minimizer):
        raise ValueError(
            "trace_step and replay need a stochastic solver: "
            f"solver={plan.optimizer.name!r} does not go step by step. Use solver='sgd' or "
            "solver='adam'."
        )
    if isinstance(getattr(estimator, "class_weight", None), str):
        raise ValueError(
            "trace_step and replay cannot balance classes, which needs all rows at once. "
            "Pass the weights of the rows as sample_weight, and set class_weight=None."
        )


def _check_is_one_step(plan, data):
    n_rows = data.X.shape[0]
    if n_rows > plan.batch_size:
        raise ValueError(
            f"trace_step opens one step, which takes at most batch_size={plan.batch_size} "
            f"rows. Got {n_rows}: pass fewer rows, or set_params(batch_size={n_rows})."
        )


class _SeparateNetwork(Network):
    """A network whose work arrays keep net input and activation apart."""

    def allocate(self, n_rows, dtype):
        return super().allocate(n_rows, dtype, separate=True)


class _KeepingObjective(Objective):
    """An objective that keeps what went into a step and what came out."""

    @classmethod
    def of(cls, objective):
        network = _SeparateNetwork(layers=objective.network.layers)
        return cls(**{**vars(objective), "network": network})

    def value_and_gradient(self, parameters, batch, work, gradient):
        self.value = super().value_and_gradient(parameters, batch, work, gradient)
        self.batch = Batch(*map(_copied, batch))
        self.work = [LayerWork(*map(_copied, layer)) for layer in work]
        self.gradient = gradient.vector.copy()  # the optimizer overwrites it
        return self.value

    def values_at(self, vector):
        """Return loss and objective of the kept batch, under the kept dropout masks."""
        parameters, gradient = map(self.network.parameters, (vector, vector.copy()))
        work = self.network.allocate(self.batch.X.shape[0], vector.dtype)
        work = [
            own._replace(mask=kept.mask) for own, kept in zip(work, self.work, strict=True)
        ]
        with np.errstate(all="ignore"):
            value = super().value_and_gradient(parameters, self.batch, work, gradient)
        return self.loss_of(work[-1].net_input, self.batch), value


def _copied(array):
    return None if array is None else array.copy()


class _KeepingOptimizer:
    """An optimizer that keeps the gradients it got and the updates it made of them."""

    def __init__(self, optimizer):
        self.optimizer, self.gradients, self.updates = optimizer, [], []

    def __getattr__(self, name):
        return getattr(self.optimizer, name)

    def update(self, gradient, memory, learning_rate, t):
        self.gradients.append(gradient.copy())
        self.optimizer.update(gradient, memory, learning_rate, t)
        self.updates.append(gradient.copy())


def _layers(objective, vectors):
    """Return what the objective kept, layer by layer, with each layer's parameters."""
    network = objective.network
    views = {name: network.parameters(vector).layers for name, vector in vectors.items()}
    below, layers = objective.batch.X, []
    for i, work in enumerate(objective.work):
        if i < len(objective.work) - 1:
            signals = _hidden_signals(network.layers[i].activation, work)
        else:
            signals = _output_signals(objective, work)
        parameters = {
            f"{part}_{name}": getattr(layers_of[i], part)
            for name, layers_of in views.items()
            for part in ("weights", "bias")
        }
        layers.append(
            LayerTrace(
                inputs=below,
                mask=work.mask,
                delta=work.delta,
                **signals,
                **parameters,
            )
        )
        below = work.output
    return layers


def _hidden_signals(activation, work):
    return {
        "net_input": work.net_input,
        "activation": work.activation,
        "error": None,
        "slope": slope(activation, work.net_input, work.activation),
    }


def _output_signals(objective, work):
    z, link = work.net_input, getattr(objective.loss, "link", None)
    output = objective.link(z.copy())
    return {
        "net_input": z,
        "activation": output,
        "error": objective.convention.orient(output - objective.batch.target),
        "slope": None if link is None else slope(link, z, output),
    }
