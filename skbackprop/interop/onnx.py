"""ONNX: a fitted estimator, or a pipeline that ends with one, as an ONNX graph.

The graph is written in operators that every runtime has, in float32. onnx and skl2onnx
are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ..activations import Elu, LeakyRelu, Relu, Selu, Sigmoid, Softmax, Softplus
from ..classifier import BackpropClassifier
from ..elementwise import NotElementwise
from ..estimator.fitted_model import FittedModel
from ..estimator.labels import Binary, Multiclass, Multilabel
from ..losses import Ascending, LocationScale, central_outputs, outputs_per_target
from ..regressor import BackpropRegressor
from ..rule import Spec
from ..tabular.base import BaseTabular
from .onnx_formula import write_formula
from .onnx_table import inputs_of_table, write_table

__all__ = ["register_converters", "to_onnx"]

OPSET, IR_VERSION = 13, 7  # the oldest that know all operators in the form used here
OPSETS = {"": OPSET, "ai.onnx.ml": 2}

# Activations for which there is one operator; the others are written as their formula.
OPERATORS: dict[type[Spec], Callable[[Any, Any, Any], Any]] = {
    Sigmoid: lambda graph, z, rule: graph("Sigmoid", z),
    Relu: lambda graph, z, rule: graph("Relu", z),
    LeakyRelu: lambda graph, z, rule: graph("LeakyRelu", z, alpha=float(rule.slope)),
    Elu: lambda graph, z, rule: graph("Elu", z, alpha=float(rule.alpha)),
    Selu: lambda graph, z, rule: graph("Selu", z, alpha=rule.alpha, gamma=rule.scale),
    Softplus: lambda graph, z, rule: graph("Softplus", z),
    Softmax: lambda graph, z, rule: graph("Softmax", z, axis=1),
    # of these links only the central outputs are kept, which are their net inputs
    Ascending: lambda graph, z, rule: z,
    LocationScale: lambda graph, z, rule: z,
}


def to_onnx(estimator: Any) -> Any:
    """Return a fitted estimator as an ONNX model.

    It needs ``pip install "onnx>=1.16" "skl2onnx>=1.18"``; the latter for pipelines only.

    The input is named "X", float32 of shape (n_samples, n_features). A classifier has the
    outputs "label", the labels of `predict` without a digit lost (as int64, uint64, float,
    double, bool or string), and "probabilities", what `predict_proba` returns; a regressor
    has "variable" of shape (n_samples, n_outputs), what `predict` returns. Probabilities
    and variables differ from those of the estimator by the rounding of float32.

    Of a `TabularClassifier` or `TabularRegressor` the graph holds encoding, members, their
    mean and the calibration. Numbers come as double, NaN where they are missing, text as
    string, "" where it is missing: in one input for each column, of shape (n_samples, 1)
    and with its name, or "x0", "x1" and so on; in one "X" where all columns are numbers
    without a name.

    Parameters
    ----------
    estimator : an estimator of this library, or a meta-estimator around one
        Fitted. A Pipeline, or whatever else is not of this library, is handed to
        skl2onnx, which knows `BackpropClassifier` and `BackpropRegressor` inside it.

    Returns
    -------
    model : onnx.ModelProto
        ``model.SerializeToString()`` is what goes into a file or a runtime.

    Raises
    ------
    ImportError
        If one of these is needed and not installed.
    ValueError
        If an activation or output activation is not written as a formula, or with a
        function that ONNX does not have; for labels that no ONNX type holds exactly,
        such as dates; and for a classifier of one class.

    See Also
    --------
    to_sklearn : The same network as scikit-learn's MLPClassifier or MLPRegressor.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    >>> model = to_onnx(clf)  # doctest: +SKIP
    """
    check_is_fitted(estimator)
    if not isinstance(estimator, (BackpropClassifier, BackpropRegressor, BaseTabular)):
        return _by_skl2onnx(estimator)
    onnx, graph = _imported("onnx"), _Graph()
    write = _write_table if isinstance(estimator, BaseTabular) else _write_rows
    for output, (name, _, _) in zip(
        write(graph, estimator), _outputs(estimator), strict=True
    ):
        graph("Identity", output, output=name)
    graph.drop_unused([name for name, _, _ in _outputs(estimator)])
    proto = _to_proto(onnx, graph, estimator)
    used = sorted({node.domain for node in proto.node})  # others may be cut off unnoticed
    model = onnx.helper.make_model(
        proto,
        opset_imports=[onnx.helper.make_opsetid(name, OPSETS[name]) for name in used],
        ir_version=IR_VERSION,
        producer_name="skbackprop",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def register_converters() -> None:
    """Teach skl2onnx both estimators, for a call of its own `to_onnx` or `convert_sklearn`.

    For columns of several types, other options or another opset than :func:`to_onnx` uses.

    Returns
    -------
    None
    """
    skl2onnx = _imported("skl2onnx")
    for cls, options in [
        (BackpropClassifier, {"zipmap": [True, False, "columns"], "nocl": [True, False]}),
        (BackpropRegressor, None),
    ]:
        skl2onnx.update_registered_converter(
            cls, f"Skbackprop{cls.__name__}", _declare, _convert, options=options
        )


# -- the graph of a network ------------------------------------------------------------

FLOAT, INT64, STRING, BOOL, DOUBLE, UINT64 = 1, 7, 8, 9, 11, 13  # ONNX's numbers for types
TYPES = {
    np.dtype(np.float32): FLOAT,
    np.dtype(np.float64): DOUBLE,
    np.dtype(np.int64): INT64,
    np.dtype(np.uint64): UINT64,
    np.dtype(bool): BOOL,
    np.dtype(object): STRING,
}


class _Graph:
    """Nodes and constants in the order they were asked for, not yet in a graph."""

    def __init__(self, unique=str):
        self.unique = unique  # makes a name one that is not taken
        self.nodes, self.constants = [], []

    def __call__(self, operator, *inputs, output=None, **attributes):
        """Add a node; return the name of its output. Arrays become float32 constants."""
        inputs = [name if isinstance(name, str) else self._weights(name) for name in inputs]
        output = output or self.unique(f"{operator}_{len(self.nodes)}")
        self.nodes.append((operator, inputs, [output], attributes))
        return output

    def _weights(self, array):
        array = np.asarray(array)
        return self.constant(array.astype(np.float32) if array.dtype.kind == "f" else array)

    def constant(self, array):
        """Add an array as it is; return its name."""
        name = self.unique(f"constant_{len(self.constants)}")
        self.constants.append((name, array))
        return name

    def drop_unused(self, outputs):
        """Keep only what the outputs of these names need."""
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node[2]):
                nodes.append(node)
                needed |= set(node[1])
        self.nodes = nodes[::-1]
        self.constants = [pair for pair in self.constants if pair[0] in needed]


def _write_rows(graph, estimator):
    """Add a network on rows of numbers; return the names of what it puts out."""
    return _write(graph, estimator, "X")


def _write_table(graph, estimator):
    """Add a tabular estimator; return the names of what it puts out."""
    rows = write_table(graph, estimator.encoder_)
    outputs = [_write(graph, member, rows)[-1] for member in estimator.members_]
    mean = graph("Mean", *outputs)
    if not is_classifier(estimator):
        scaled = graph("Mul", mean, estimator.target_scale_)
        return [graph("Add", scaled, estimator.target_mean_)]
    powers = graph("Pow", mean, [1 / estimator.temperature_])
    total = graph("ReduceSum", powers, [1], keepdims=1)
    return [_largest(graph, estimator, mean), graph("Div", powers, total)]


def _write(graph, estimator, below):
    """Add the network to the graph; return the names of what it puts out."""
    model, owner = FittedModel(estimator, "to_onnx"), type(estimator).__name__
    functions = [layer.activation for layer in model.network.layers[:-1]]
    functions.append(getattr(model.objective.loss, "link", None))
    parameters = model.network.parameters(model.vector).layers
    for (weights, bias), rule in zip(parameters, functions, strict=True):
        z = graph("Add", graph("MatMul", below, weights), bias)
        try:
            below = OPERATORS.get(type(rule), write_formula)(graph, z, rule)
        except NotElementwise as reason:
            raise ValueError(
                f"No ONNX operator is known for {rule!r}, the activation of a layer of "
                f"this {owner}: {reason}"
            ) from None
    if model.labels is None:
        return [_central(graph, model.objective.loss, below, estimator.n_outputs_)]
    return CLASSIFY[type(model.labels)](graph, estimator, below)


def _central(graph, loss, output, n_outputs):
    """Add what a regressor predicts of its outputs."""
    if outputs_per_target(loss) == 1:
        return output
    places = central_outputs(loss, np.arange(n_outputs)[np.newaxis])[0]
    return graph("Gather", output, places, axis=1)


def _classify_multilabel(graph, estimator, output):
    return [graph("Cast", graph("Greater", output, [0.5]), to=INT64), output]


def _classify_multiclass(graph, estimator, output):
    is_softmax = estimator.out_activation_ == "softmax"
    n_outputs = estimator.n_outputs_
    probabilities = output if is_softmax else _shares(graph, output, n_outputs)
    return [_largest(graph, estimator, output), probabilities]


def _classify_binary(graph, estimator, output):
    if len(estimator.classes_) == 1:
        raise ValueError(
            "A classifier of one class has nothing to compute, and no ONNX graph."
        )
    if estimator.n_outputs_ == 2:
        return _classify_multiclass(graph, estimator, output)
    scores = graph("Concat", graph("Sub", [1.0], output), output, axis=1)
    return [_largest(graph, estimator, scores), scores]


CLASSIFY = {
    Binary: _classify_binary,
    Multiclass: _classify_multiclass,
    Multilabel: _classify_multilabel,
}


def _largest(graph, estimator, scores):
    index = graph("ArgMax", scores, axis=1, keepdims=0)
    return graph("Gather", graph.constant(_classes(estimator)), index)


def _shares(graph, output, n_outputs):
    """Add what each output has of its row's sum; equal shares where all are zero."""
    output = graph("Relu", output)
    total = graph("ReduceSum", output, [1], keepdims=1)
    share = graph("Div", output, total)
    return graph("Where", graph("Greater", total, [0.0]), share, [1 / n_outputs])


def _classes(estimator):
    """Return the classes in a type that ONNX has and that holds every one exactly."""
    classes = estimator.classes_
    kind, dtype = classes.dtype.kind, classes.dtype
    if kind in "UT" or (kind == "O" and all(isinstance(c, str) for c in classes)):
        return classes.astype(object)
    if kind in "biuf":
        wanted = dtype if dtype in TYPES else np.int64 if kind in "iu" else np.float64
        if np.array_equal(classes.astype(wanted), classes):
            return classes.astype(wanted)
    raise ValueError(
        f"ONNX has no type that holds the labels of this classifier, of dtype {dtype}, "
        "exactly. Train on numbers for them, for example those of LabelEncoder."
    )


# -- as onnx and skl2onnx want it ------------------------------------------------------


def _outputs(estimator):
    """Return name, type and shape of every output; the names are those of skl2onnx."""
    if isinstance(estimator, BaseTabular):
        if not is_classifier(estimator):
            return [("variable", FLOAT, [None, len(estimator.target_mean_)])]
        kind, n_classes = TYPES[_classes(estimator).dtype], len(estimator.classes_)
        return [("label", kind, [None]), ("probabilities", FLOAT, [None, n_classes])]
    n_outputs = estimator.n_outputs_
    if not is_classifier(estimator):
        n_targets = n_outputs // outputs_per_target(estimator._objective().loss)
        return [("variable", FLOAT, [None, n_targets])]
    n_classes = len(estimator.classes_)
    is_multilabel = isinstance(FittedModel(estimator, "to_onnx").labels, Multilabel)
    kind = INT64 if is_multilabel else TYPES[_classes(estimator).dtype]
    shape = [None, n_outputs] if is_multilabel else [None]
    return [("label", kind, shape), ("probabilities", FLOAT, [None, n_classes])]


def _inputs(estimator):
    """Return name, type and shape of every input."""
    if isinstance(estimator, BaseTabular):
        return inputs_of_table(estimator.encoder_)
    return [("X", FLOAT, [None, estimator.n_features_in_])]


def _to_proto(onnx, graph, estimator):
    describe = onnx.helper.make_tensor_value_info
    return onnx.helper.make_graph(
        [
            onnx.helper.make_node(operator, inputs, outputs, **attributes)
            for operator, inputs, outputs, attributes in graph.nodes
        ],
        type(estimator).__name__,
        [describe(*source) for source in _inputs(estimator)],
        [describe(*output) for output in _outputs(estimator)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants],
    )


def _by_skl2onnx(estimator):
    skl2onnx = _imported("skl2onnx")
    register_converters()
    kind = skl2onnx.common.data_types.FloatTensorType([None, estimator.n_features_in_])
    return skl2onnx.to_onnx(
        estimator,
        initial_types=[("X", kind)],
        options={"zipmap": False} if is_classifier(estimator) else None,
        target_opset=OPSET,
    )


def _declare(operator):
    """Tell skl2onnx the types of the outputs."""
    types = _imported("skl2onnx").common.data_types
    kinds = {
        FLOAT: types.FloatTensorType,
        INT64: types.Int64TensorType,
        STRING: types.StringTensorType,
        BOOL: types.BooleanTensorType,
        DOUBLE: types.DoubleTensorType,
        UINT64: types.UInt64TensorType,
    }
    described = _outputs(operator.raw_operator)
    for variable, (_, kind, shape) in zip(operator.outputs, described, strict=True):
        variable.type = kinds[kind](shape)


def _convert(scope, operator, container):
    """Hand the graph of one estimator to skl2onnx."""
    graph = _Graph(scope.get_unique_variable_name)
    X = graph("Cast", operator.inputs[0].full_name, to=FLOAT)
    outputs = _write(graph, operator.raw_operator, X)
    for variable, output in zip(operator.outputs, outputs, strict=True):
        graph("Identity", output, output=variable.full_name)
    for name, array in graph.constants:
        kind = TYPES[array.dtype]
        container.add_initializer(name, kind, array.shape, array.ravel().tolist())
    for operator_type, inputs, outputs, attributes in graph.nodes:
        container.add_node(operator_type, inputs, outputs, op_version=OPSET, **attributes)


def _imported(name):
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f'ONNX export needs {name}: pip install "onnx>=1.16" "skl2onnx>=1.18"'
        ) from error
