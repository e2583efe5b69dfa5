"""Interop: to and from scikit-learn's own networks, the memory of the solver included."""

from __future__ import annotations

import inspect
import warnings
from copy import deepcopy
from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from ..activations import Exponential, Identity, Relu, Sigmoid, Tanh
from ..classifier import BackpropClassifier
from ..estimator.fitted_model import FittedModel, adopt_labels, adopt_training
from ..estimator.labels import Multilabel
from ..losses import (
    CLASSIFIER_LOSSES,
    BinaryLogLoss,
    LogLoss,
    Poisson,
    SquaredError,
    outputs_per_target,
)
from ..optimizers import SGD, Adam
from ..regressor import BackpropRegressor
from ..schedules import Adaptive, Constant, InverseScaling
from ..training.lbfgs import LBFGS
from ..training.minimizer import Minimizer
from ..training.trainer import History

__all__ = ["from_sklearn", "to_sklearn"]

ACTIVATIONS = {Identity: "identity", Sigmoid: "logistic", Tanh: "tanh", Relu: "relu"}
CHANGE_NO_RESULT = {"error_convention", "engine"}
COPIED = (
    *("loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("best_validation_score_", "n_iter_", "t_"),
)


def to_sklearn(
    estimator: BackpropClassifier | BackpropRegressor,
) -> MLPClassifier | MLPRegressor:
    """Return the fitted MLPClassifier or MLPRegressor that predicts the same.

    `partial_fit` goes on from the memory of the solver, for "sgd" and "adam". The random
    stream and the order of the rows are not taken along: MLP starts both anew in every
    call. After early stopping only the best weights are.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Fitted.

    Returns
    -------
    mlp : MLPClassifier or MLPRegressor
        It shares no array with `estimator`.

    Raises
    ------
    ValueError
        If MLP cannot express the predictions: for an activation or an output activation
        that it does not have, and for a classifier of one class.

    Warns
    -----
    UserWarning
        If MLP predicts the same but cannot train in the same way; it names the
        parameters that are lost.

    See Also
    --------
    from_sklearn : The way back.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier, to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    >>> mlp = to_sklearn(clf)
    >>> mlp
    MLPClassifier(hidden_layer_sizes=(8,), random_state=0, solver='lbfgs')
    >>> bool(abs(mlp.predict_proba(X) - clf.predict_proba(X)).max() < 1e-12)
    True
    """
    model = FittedModel(estimator, "to_sklearn")
    cls = MLPRegressor if model.labels is None else MLPClassifier
    parameters, lost = _mlp_parameters(model, cls)
    if lost:
        warnings.warn(
            f"{cls.__name__} predicts the same, but cannot train with {', '.join(lost)}.",
            stacklevel=2,
        )
    mlp = _trained_on_nothing(model, cls(**parameters))
    _give_fitted(model, mlp)
    if hasattr(mlp, "_optimizer"):
        _give_memory(model, mlp)
    return mlp


def from_sklearn(
    mlp: MLPClassifier | MLPRegressor,
) -> BackpropClassifier | BackpropRegressor:
    """Return the fitted BackpropClassifier or BackpropRegressor that predicts the same.

    It goes on where `mlp` stopped: weights, memory of the solver, step and sample counts,
    learning rate and random stream. Not known to MLP, and so not taken along, are the
    order of the rows, the last weights before early stopping restored the best, and
    `learning_rate_curve_` and `validation_loss_curve_`, which hold NaN for its epochs.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    estimator : BackpropClassifier or BackpropRegressor
        It shares no array with `mlp`.

    Raises
    ------
    TypeError
        For anything else.

    See Also
    --------
    to_sklearn : The way back.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from skbackprop import from_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier((8,), solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> clf = from_sklearn(mlp)
    >>> clf
    BackpropClassifier(hidden_layer_sizes=(8,), max_iter=1000, random_state=0,
                       solver='lbfgs')
    >>> bool(abs(mlp.predict_proba(X) - clf.predict_proba(X)).max() < 1e-12)
    True
    """
    if not isinstance(mlp, (MLPClassifier, MLPRegressor)):
        raise TypeError(
            "from_sklearn needs an MLPClassifier or an MLPRegressor. Got "
            f"{type(mlp).__name__}. For a Pipeline pass its last step, pipeline[-1]."
        )
    check_is_fitted(mlp)
    estimator = _holding_weights_of(mlp)
    state = FittedModel(estimator, "from_sklearn").state.copy()
    _take_counts(mlp, state)
    if hasattr(mlp, "_optimizer"):
        _take_memory(mlp, state)
    adopt_training(estimator, state, _history_of(mlp, state.epoch))
    return estimator


# -- to scikit-learn: what it can express ----------------------------------------------


def _mlp_parameters(model, cls):
    """Return the constructor parameters of the MLP, and words for those that are lost."""
    estimator, ours = model.estimator, model.estimator.get_params(deep=False)
    known = inspect.signature(cls).parameters.keys()
    translated = {
        "activation": (_activation(model), True),
        "loss": _loss(model, cls),
        "solver": _solver(model.hyperparameters.optimizer),
        "learning_rate": _learning_rate(model.hyperparameters),
    }
    parameters = {name: ours[name] for name in known if name in ours}
    parameters |= {
        "hidden_layer_sizes": tuple(model.state.layer_sizes[1:-1]),
        "verbose": bool(estimator.verbose),
    }
    for value, _ in translated.values():
        parameters |= value
    lost = [name for name, (_, is_same) in translated.items() if not is_same]
    lost += _unknown_and_set(estimator, ours.keys() - known - translated.keys())
    return parameters, [f"{name}={ours[name]!r}" for name in lost]


def _unknown_and_set(estimator, names):
    """Return the parameters that have another value than their default, sorted."""
    defaults = inspect.signature(type(estimator)).parameters
    return [
        name
        for name in sorted(names - CHANGE_NO_RESULT)
        if repr(getattr(estimator, name)) != repr(defaults[name].default)
    ]


def _activation(model):
    hidden = model.network.layers[:-1]
    kinds = {type(layer.activation) for layer in hidden} or {Identity}
    if len(kinds) > 1 or not kinds <= ACTIVATIONS.keys():
        raise ValueError(
            "scikit-learn's networks have one activation for all hidden layers, out of "
            f"{sorted(ACTIVATIONS.values())}: activation={model.estimator.activation!r} "
            "cannot "
            "be expressed."
        )
    return {"activation": ACTIVATIONS[kinds.pop()]}


def _loss(model, cls):
    """Return the loss with the same output activation, and whether it is the same."""
    loss, estimator = model.objective.loss, model.estimator
    link = type(getattr(loss, "link", None))
    if cls is MLPClassifier:
        _check_output(estimator, model.labels, link)
        return {}, loss in (LogLoss(), BinaryLogLoss())
    has_loss = "loss" in inspect.signature(cls).parameters  # from scikit-learn 1.7
    if link is Identity and outputs_per_target(loss) == 1:
        return {"loss": "squared_error"} if has_loss else {}, loss == SquaredError()
    if link is Exponential and has_loss:
        return {"loss": "poisson"}, loss == Poisson()
    raise ValueError(
        f"MLPRegressor has no output activation {estimator.out_activation_!r}: "
        f"loss={estimator.loss!r} cannot be expressed."
    )


def _check_output(estimator, labels, link):
    if len(estimator.classes_) == 1:
        raise ValueError(
            "MLPClassifier predicts the probabilities of two classes where there is only "
            "one: it cannot be expressed."
        )
    theirs = CLASSIFIER_LOSSES["log_loss"][labels.kind]
    n_outputs = labels.n_outputs(theirs)
    if link is not type(theirs.link) or estimator.n_outputs_ != n_outputs:
        raise ValueError(
            "MLPClassifier has one logistic output for two classes, one for each label, "
            f"and softmax outputs for more classes: loss={estimator.loss!r} cannot be "
            "expressed."
        )


def _solver(optimizer):
    if type(optimizer) is LBFGS:
        return {"solver": "lbfgs"}, True
    if isinstance(optimizer, Minimizer):
        return {"solver": "lbfgs"}, False
    if type(optimizer) is SGD:
        return {"solver": "sgd", **optimizer.get_params()}, True
    if type(optimizer) is Adam:
        return {"solver": "adam", **optimizer.get_params()}, True
    return {"solver": "adam"}, False


def _learning_rate(hyperparameters):
    schedule, optimizer = hyperparameters.schedule, hyperparameters.optimizer
    constant = {"learning_rate": "constant"}
    if isinstance(optimizer, Minimizer):
        return constant, True  # it has no learning rate
    if type(schedule) is Constant:
        return constant | schedule.get_params(), True
    if type(optimizer) is SGD and type(schedule) is InverseScaling:
        return {"learning_rate": "invscaling", **schedule.get_params()}, True
    if type(optimizer) is SGD and type(schedule) is Adaptive:
        rate = schedule.learning_rate_init
        same = Adaptive(learning_rate_init=rate, patience=hyperparameters.n_iter_no_change)
        return {"learning_rate": "adaptive", "learning_rate_init": rate}, schedule == same
    return constant, False


# -- to scikit-learn: fitted attributes ------------------------------------------------


def _trained_on_nothing(model, mlp):
    """Fit one epoch, which makes every attribute under the name its version gives it."""
    parameters, y = mlp.get_params(), _some_target(model)
    X = np.zeros((y.shape[0], model.state.layer_sizes[0]), model.dtype)
    mlp.set_params(max_iter=1, batch_size="auto", verbose=False, random_state=0)
    mlp.set_params(early_stopping=False, warm_start=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is not enough, it says
        mlp.fit(X, y)
    return mlp.set_params(**parameters)


def _some_target(model):
    if model.labels is not None:
        return model.labels.each()
    n_outputs = model.state.layer_sizes[-1]
    return np.ones(2) if n_outputs == 1 else np.ones((2, n_outputs))


def _give_fitted(model, mlp):
    estimator = model.estimator
    for part in ("coefs", "intercepts"):
        arrays = getattr(estimator, f"{part}_")
        setattr(mlp, f"{part}_", [array.copy() for array in arrays])
        setattr(mlp, f"_best_{part}", [array.copy() for array in arrays])
    for name in COPIED:
        if hasattr(mlp, name):
            setattr(mlp, name, deepcopy(getattr(estimator, name)))
    if not estimator.loss_curve_ and hasattr(mlp, "best_loss_"):
        mlp.best_loss_ = np.inf  # weights that were never trained
    if hasattr(estimator, "feature_names_in_"):
        mlp.feature_names_in_ = estimator.feature_names_in_


def _give_memory(model, mlp):
    """Fill the memory of the MLP's optimizer, or let it begin a new one."""
    state, optimizer = model.state.copy(), model.hyperparameters.optimizer
    mlp._no_improvement_count, theirs = state.n_stale, mlp._optimizer
    uphill, arrays = model.objective.convention.orient, partial(_arrays, model.network)
    is_known = type(optimizer) in (SGD, Adam)
    if not is_known or state.optimizer_memory.keys() != optimizer.init([]).keys():
        del mlp._optimizer
    elif type(optimizer) is SGD:
        velocity = uphill(state.optimizer_memory["velocity"])
        theirs.velocities = arrays(-velocity)  # theirs is added
        theirs.learning_rate = model.learning_rate
    else:
        m, v = uphill(state.optimizer_memory["m"]), state.optimizer_memory["v"]
        theirs.ms = arrays(m * (1 - optimizer.beta_1))
        theirs.vs = arrays(v * (1 - optimizer.beta_2))
        theirs.t = state.step


def _arrays(network, vector):
    """Return the parts of a vector as scikit-learn holds them: all weights, all biases."""
    layers = network.parameters(vector).layers
    return [layer.weights for layer in layers] + [layer.bias for layer in layers]


# -- from scikit-learn -----------------------------------------------------------------


def _holding_weights_of(mlp):
    weights = {"coefs": mlp.coefs_, "intercepts": mlp.intercepts_}
    if isinstance(mlp, MLPRegressor):
        estimator = BackpropRegressor.from_weights(**weights, **mlp.get_params())
    else:
        is_multilabel = mlp.n_outputs_ > 1 and mlp.out_activation_ == "logistic"
        estimator = BackpropClassifier.from_weights(
            **weights,
            classes=mlp.classes_,
            multilabel=is_multilabel,
            **mlp.get_params(),
        )
        if is_multilabel and mlp._label_binarizer.sparse_input_:
            adopt_labels(estimator, Multilabel(mlp.classes_, is_sparse=True))
    if hasattr(mlp, "feature_names_in_"):
        estimator.feature_names_in_ = mlp.feature_names_in_
    return estimator


def _take_counts(mlp, state):
    curve = getattr(mlp, "loss_curve_", None)  # L-BFGS has none
    state.epoch = mlp.n_iter_ if curve is None else len(curve)
    state.samples_seen = mlp.t_
    state.n_stale = getattr(mlp, "_no_improvement_count", 0)
    state.rng = deepcopy(mlp._random_state)
    best_score = getattr(mlp, "best_validation_score_", None)
    state.watch(score=best_score is not None)
    best_loss = getattr(mlp, "best_loss_", mlp.loss_)  # L-BFGS has none
    state.best = -best_loss if best_score is None else best_score
    merits = np.negative(curve or []) if best_score is None else mlp.validation_scores_
    state.best_epoch = int(np.argmax(merits)) + 1 if len(merits) else None


def _take_memory(mlp, state):
    """Fill the memory of our optimizer from that of the MLP's."""
    theirs = mlp._optimizer
    if hasattr(theirs, "velocities"):
        velocity = -_vector(theirs.velocities)  # theirs is added, ours subtracted
        state.optimizer_memory = {"velocity": velocity}
        if mlp.learning_rate == "adaptive":
            factor = theirs.learning_rate / theirs.learning_rate_init
            state.schedule_memory["factor"] = factor
    else:
        m = _vector(theirs.ms) / (1 - theirs.beta_1)
        v = _vector(theirs.vs) / (1 - theirs.beta_2)
        state.optimizer_memory, state.step = {"m": m, "v": v}, theirs.t


def _vector(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def _history_of(mlp, n_epochs):
    """Return the curves; those that the MLP does not record hold NaN for its epochs."""
    unknown, scores = [np.nan] * n_epochs, getattr(mlp, "validation_scores_", None)
    return History(
        loss=mlp.loss_,
        loss_curve=list(getattr(mlp, "loss_curve_", unknown)),
        learning_rate_curve=unknown,
        validation_scores=None if scores is None else list(scores),
        validation_loss_curve=None if scores is None else list(unknown),
        best_validation_score=None if scores is None else mlp.best_validation_score_,
    )
