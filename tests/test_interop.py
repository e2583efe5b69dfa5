"""To and from scikit-learn's networks: the same predictions, and training that goes on."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rules import classes_of
from scipy.sparse import csr_matrix, issparse
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

import skbackprop.losses
from skbackprop import BackpropClassifier, BackpropRegressor, from_sklearn, to_sklearn
from skbackprop.activations import LeakyRelu, Sigmoid, Tanh
from skbackprop.losses import LogLoss, SquaredError
from skbackprop.optimizers import SGD, Adam
from skbackprop.schedules import Adaptive, InverseScaling

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
HAS_LOSS = "loss" in inspect.signature(MLPRegressor).parameters  # from 1.7

X, CLASS = make_classification(
    60, 4, n_informative=4, n_redundant=0, n_classes=3, random_state=0
)
LABELS = make_multilabel_classification(60, 4, n_classes=3, random_state=0)[1]
TARGETS = {
    "binary": (CLASS == 1).astype(int),
    "strings": np.array(["a", "b", "c"])[CLASS],
    "multiclass": CLASS,
    "multilabel": LABELS,
    "sparse labels": csr_matrix(LABELS),
}
QUANTITIES = {"one output": X[:, 0] * X[:, 1], "two outputs": X[:, :2] ** 2}
TASKS = {**TARGETS, **QUANTITIES}
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
# every task, every activation and L-BFGS, each once
NETWORKS = [
    *[(task, "tanh", "adam") for task in TASKS],
    *[("multiclass", name, "adam") for name in ACTIVATIONS if name != "tanh"],
    ("multiclass", "tanh", "lbfgs"),
]
# rounding, after 5 epochs of 60 rows
ROUNDING = {"rtol": 1e-10, "atol": 1e-12}

TRAININGS = {
    "adam": {"solver": "adam"},
    "plain sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive"},
}
each_task_or_training = pytest.mark.parametrize(
    ("task", "training"),
    [
        *[(task, "adam") for task in TASKS],
        *[("multiclass", name) for name in TRAININGS if name != "adam"],
    ],
)


def ours(task, **params):
    cls = BackpropClassifier if task in TARGETS else BackpropRegressor
    params = {"learning_rate_init": 0.01, "random_state": 0, "max_iter": 5, **params}
    return cls((5, 3), **params)


def theirs(task, **params):
    cls = MLPClassifier if task in TARGETS else MLPRegressor
    params = {"learning_rate_init": 0.01, "random_state": 0, "max_iter": 5, **params}
    return cls(hidden_layer_sizes=(5, 3), **params)


def dense(labels):
    return labels.toarray() if issparse(labels) else labels


def assert_same_predictions(one, other):
    if hasattr(one, "predict_proba"):
        assert_array_equal(dense(one.predict(X)), dense(other.predict(X)))
        assert issparse(one.predict(X)) == issparse(other.predict(X))
        assert_allclose(one.predict_proba(X), other.predict_proba(X), **ROUNDING)
    else:
        assert_allclose(one.predict(X), other.predict(X), **ROUNDING)


def assert_same_weights(one, other):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert_allclose(a, b, **ROUNDING)


def go_on(estimator, task, n=3):
    for _ in range(n):
        estimator.partial_fit(X, TASKS[task])
    return estimator


# -- predictions ---------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "activation", "solver"), NETWORKS)
def test_to_sklearn_predicts_the_same(task, activation, solver):
    estimator = ours(task, activation=activation, solver=solver).fit(X, TASKS[task])
    mlp = to_sklearn(estimator)
    assert_same_predictions(mlp, estimator)
    for name in ("n_iter_", "t_", "loss_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(mlp, name) == getattr(estimator, name), name


@pytest.mark.parametrize(("task", "activation", "solver"), NETWORKS)
def test_from_sklearn_predicts_the_same(task, activation, solver):
    mlp = theirs(task, activation=activation, solver=solver).fit(X, TASKS[task])
    estimator = from_sklearn(mlp)
    assert_same_predictions(estimator, mlp)
    for name in ("n_iter_", "t_", "loss_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(estimator, name) == getattr(mlp, name), name
    parameters = mlp.get_params()
    assert {name: estimator.get_params()[name] for name in parameters} == parameters


@pytest.mark.parametrize("task", ["multiclass", "one output"])
def test_there_and_back_is_the_same_estimator(task):
    estimator = go_on(ours(task).fit(X, TASKS[task]), task, 2)
    back = from_sklearn(to_sklearn(estimator))
    assert_same_weights(go_on(back, task), go_on(estimator, task))
    assert back.get_params() == {**estimator.get_params(), "hidden_layer_sizes": (5, 3)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    rows = X.astype(dtype)
    estimator = ours("binary").fit(rows, TASKS["binary"])
    mlp = to_sklearn(estimator)
    assert {a.dtype for a in mlp.coefs_ + mlp.intercepts_} == {np.dtype(dtype)}
    assert {a.dtype for a in from_sklearn(mlp).coefs_} == {np.dtype(dtype)}


def test_names_of_columns_are_kept():
    frame = pd.DataFrame(X, columns=list("abcd"))
    estimator = ours("binary").fit(frame, TASKS["binary"])
    mlp = to_sklearn(estimator)
    assert list(mlp.feature_names_in_) == list("abcd")
    assert_array_equal(mlp.predict(frame), from_sklearn(mlp).predict(frame))


@pytest.mark.parametrize("exchange", [to_sklearn, from_sklearn])
def test_no_array_is_shared(exchange):
    make = ours if exchange is to_sklearn else theirs
    original = go_on(make("multiclass").fit(X, CLASS), "multiclass", 1)
    exchanged = exchange(original)
    before = pickle.dumps(original.predict_proba(X))
    go_on(exchanged, "multiclass")
    exchanged.coefs_[0][:] = 7
    assert pickle.dumps(original.predict_proba(X)) == before
    twin = go_on(make("multiclass").fit(X, CLASS), "multiclass", 1)
    assert_same_weights(go_on(original, "multiclass"), go_on(twin, "multiclass"))


# -- training goes on ----------------------------------------------------------------------


@each_task_or_training
def test_to_sklearn_goes_on_as_the_original_would(task, training):
    estimator = ours(task, **TRAININGS[training], shuffle=False).fit(X, TASKS[task])
    mlp = to_sklearn(estimator)
    assert_same_weights(go_on(mlp, task), go_on(estimator, task))


@pytest.mark.parametrize("training", ["adam", "nesterov"])
def test_the_other_sign_convention_goes_on_as_well(training):
    """Its memory has the other sign."""
    params = {**TRAININGS[training], "error_convention": "target_minus_output"}
    estimator = ours("multiclass", **params, shuffle=False).fit(X, CLASS)
    mlp = to_sklearn(estimator)
    assert_same_weights(go_on(mlp, "multiclass"), go_on(estimator, "multiclass"))


@each_task_or_training
def test_from_sklearn_goes_on_as_the_original_would(task, training):
    mlp = theirs(task, **TRAININGS[training], shuffle=False).fit(X, TASKS[task])
    estimator = from_sklearn(mlp)
    assert_same_weights(go_on(estimator, task), go_on(mlp, task))


def test_a_lowered_learning_rate_is_taken_along_both_ways():
    """Patience of one epoch and a rate that is too large: "adaptive" has divided it."""
    hasty = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5}
    hasty |= {"n_iter_no_change": 1, "max_iter": 60, "shuffle": False, "tol": 0.01}
    estimator = ours("multiclass", **hasty).fit(X, CLASS)
    assert estimator.learning_rate_curve_[-1] < 0.5
    mlp = to_sklearn(estimator)
    back = from_sklearn(mlp)
    for other in (mlp, back):
        go_on(other, "multiclass", 1)
    go_on(estimator, "multiclass", 1)
    assert_same_weights(mlp, estimator)
    assert_same_weights(back, estimator)


def test_weights_that_were_never_trained_go_on_with_an_empty_memory():
    mlp = theirs("binary", shuffle=False, max_iter=1).fit(X, TASKS["binary"])
    fresh = BackpropClassifier.from_weights(
        mlp.coefs_, mlp.intercepts_, classes=[0, 1], shuffle=False
    )
    exchanged = to_sklearn(fresh)
    assert_same_weights(go_on(exchanged, "binary"), go_on(fresh, "binary"))


def test_rules_as_objects_go_on_too():
    rules = {
        "activation": Tanh(),
        "loss": LogLoss(),
        "solver": SGD(momentum=0.5, nesterovs_momentum=True),
        "learning_rate": InverseScaling(learning_rate_init=0.1, power_t=0.2),
    }
    estimator = ours("multiclass", shuffle=False, **rules).fit(X, CLASS)
    mlp = to_sklearn(estimator)
    assert (mlp.activation, mlp.solver, mlp.learning_rate) == ("tanh", "sgd", "invscaling")
    assert (mlp.momentum, mlp.power_t, mlp.learning_rate_init) == (0.5, 0.2, 0.1)
    assert_same_weights(go_on(mlp, "multiclass"), go_on(estimator, "multiclass"))


def test_after_early_stopping_the_best_weights_are_exchanged():
    estimator = ours("multiclass", early_stopping=True, max_iter=30).fit(X, CLASS)
    mlp = to_sklearn(estimator)
    assert_same_predictions(mlp, estimator)
    assert mlp.best_validation_score_ == estimator.best_validation_score_
    back = from_sklearn(mlp)
    assert_same_predictions(back, estimator)
    assert back.validation_scores_ == estimator.validation_scores_
    assert back.best_iter_ == estimator.best_iter_
    assert len(back.validation_loss_curve_) == back.n_iter_


# -- what cannot be expressed --------------------------------------------------------------

REFUSED = [
    ("multiclass", {"activation": "gelu"}, "one activation for all hidden layers"),
    ("multiclass", {"activation": LeakyRelu()}, "one activation for all hidden layers"),
    ("multiclass", {"activation": ("tanh", "relu")}, "one activation for all hidden"),
    ("multiclass", {"loss": "squared_error"}, "softmax outputs for more classes"),
    ("binary", {"loss": "squared_error"}, "one logistic output for two classes"),
    ("binary", {"loss": "focal"}, "one logistic output for two classes"),
    ("one output", {"loss": SquaredError(link=Sigmoid())}, "no output activation 'logi"),
]


@pytest.mark.parametrize(("task", "params", "reason"), REFUSED, ids=str)
def test_what_cannot_be_expressed_is_refused_with_the_reason(task, params, reason):
    estimator = ours(task, **params).fit(X, TASKS[task])
    with pytest.raises(ValueError, match=reason) as caught:
        to_sklearn(estimator)
    (name,) = params
    assert f"{name}=" in str(caught.value)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="only one"):
        to_sklearn(ours("binary").fit(X, np.ones(60)))


LOST = [
    ("multiclass", {"dropout": 0.5}),
    ("multiclass", {"class_weight": "balanced"}),
    ("multiclass", {"clip_norm": 1.0}),
    ("multiclass", {"solver": "rmsprop"}),
    ("multiclass", {"solver": "adamw"}),
    ("multiclass", {"learning_rate": "cosine"}),
    ("multiclass", {"learning_rate": "adaptive"}),  # acts with sgd only, there
    ("multiclass", {"solver": "sgd", "learning_rate": Adaptive(factor=0.5)}),
    ("multiclass", {"loss": "focal"}),
    ("multiclass", {"loss": LogLoss(label_smoothing=0.1)}),
    ("multiclass", {"initializer": "he_normal"}),
    ("one output", {"loss": "huber"}),
]


@pytest.mark.parametrize(("task", "params"), LOST, ids=str)
def test_what_is_lost_for_training_is_named_and_the_predictions_stay(task, params):
    estimator = ours(task, **params).fit(X, TASKS[task])
    name, value = list(params.items())[-1]
    with pytest.warns(UserWarning, match="predicts the same, but cannot train") as caught:
        mlp = to_sklearn(estimator)
    assert f"{name}={value!r}." in str(caught[0].message)
    assert_same_predictions(mlp, estimator)
    go_on(mlp, task, 1)  # in its own way


def test_what_changes_no_result_is_not_called_lost():
    estimator = ours("binary", engine="numpy", error_convention="target_minus_output")
    to_sklearn(estimator.fit(X, TASKS["binary"]))  # a warning would be an error


@pytest.mark.parametrize("loss", classes_of(skbackprop.losses), ids=lambda c: c.__name__)
@pytest.mark.filterwarnings("ignore:MLP.* predicts the same")
def test_every_loss_is_either_exchanged_with_its_predictions_or_refused(loss):
    """Of quantities between 0 and 1, which no loss minds but those for classes."""
    y = TARGETS["binary"] * 0.5 + 0.25
    for estimator, target in [
        (BackpropRegressor((3,), loss=loss(), max_iter=2, random_state=0), y),
        (BackpropClassifier((3,), loss=loss(), max_iter=2, random_state=0), CLASS),
    ]:
        try:
            mlp = to_sklearn(estimator.fit(X, target))
        except ValueError:
            continue
        assert_same_predictions(mlp, estimator)


@pytest.mark.parametrize(
    "params", [{}, {"loss": "squared_error"}, {"loss": "poisson"}][: 1 + 2 * HAS_LOSS]
)
def test_losses_of_regressors_go_on_both_ways(params):
    params = {"shuffle": False, **params}
    y = QUANTITIES["two outputs"]
    estimator = ours("two outputs", **params).fit(X, y)
    mlp = theirs("two outputs", **params).fit(X, y)
    for one, other in [(estimator, to_sklearn(estimator)), (mlp, from_sklearn(mlp))]:
        assert_same_predictions(go_on(one, "two outputs"), go_on(other, "two outputs"))


@pytest.mark.parametrize("stranger", [LogisticRegression(), MLPClassifier()], ids=str)
def test_to_sklearn_takes_only_ours(stranger):
    with pytest.raises(TypeError, match="to_sklearn needs a BackpropClassifier"):
        to_sklearn(stranger)


def test_from_sklearn_takes_only_theirs():
    with pytest.raises(TypeError, match="from_sklearn needs an MLPClassifier"):
        from_sklearn(BackpropClassifier())


@pytest.mark.parametrize(
    ("exchange", "unfitted"),
    [(to_sklearn, BackpropClassifier()), (from_sklearn, MLPRegressor())],
)
def test_an_unfitted_estimator_is_refused(exchange, unfitted):
    with pytest.raises(NotFittedError):
        exchange(unfitted)


@pytest.mark.parametrize(("before", "after"), [("adam", "sgd"), ("sgd", "adam")])
def test_another_solver_after_training_begins_an_empty_memory(before, after):
    """There MLP would go on with the solver it was trained by."""
    mlp = theirs("binary", solver=before, shuffle=False).fit(X, TASKS["binary"])
    estimator = from_sklearn(mlp.set_params(solver=after))
    estimator.partial_fit(X, TASKS["binary"])
    fresh = theirs("binary", solver=before, shuffle=False).fit(X, TASKS["binary"])
    fresh.set_params(solver=after)
    del fresh._optimizer
    assert_same_weights(estimator, fresh.partial_fit(X, TASKS["binary"]))


def test_a_named_adam_and_an_object_are_the_same():
    solver = Adam(beta_1=0.8)
    mlp = to_sklearn(ours("binary", solver=solver).fit(X, TASKS["binary"]))
    assert (mlp.solver, mlp.beta_1) == ("adam", 0.8)
