"""A training no better than a constant says why, in a ConvergenceWarning per cause."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.initializers import GivenWeights

DEAD = "units of hidden layer"
CONSTANT = "predicts the same for every row"
NOT_MOVED = "weights hardly moved"
UNSCALED = "the largest column of X is"
SAID_ELSEWHERE = ("y has mean", "The loss rose", "The network predicts no better")
CAUSES = [DEAD, CONSTANT, NOT_MOVED, UNSCALED]


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 3))


def warnings_of(estimator, *args):
    """What fit warns of, besides too few epochs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(*args)
    too_few = ("Not converged after", "L-BFGS stopped with", *SAID_ELSEWHERE)
    return [w for w in caught if not str(w.message).startswith(too_few)]


def causes_of(estimator, *args):
    """The causes that fit warns of, each as often as it does."""
    messages = [str(w.message) for w in warnings_of(estimator, *args)]
    assert all(any(cause in message for cause in CAUSES) for message in messages)
    return [cause for message in messages for cause in CAUSES if cause in message]


def of_dead_units(layer=0):
    """Two hidden layers of relu units, one of them so negative that no row reaches it."""
    intercepts = [np.zeros(4), np.ones(5), np.zeros(1)]
    intercepts[layer] -= 1e3
    rng = np.random.RandomState(1)
    coefs = [rng.standard_normal(shape) for shape in [(3, 4), (4, 5), (5, 1)]]
    return {"hidden_layer_sizes": (4, 5), "initializer": GivenWeights(coefs, intercepts)}


# -- each cause ------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("layer", [0, 1])
def test_dead_layer(layer, solver, X):
    """Rows that reach no unit are all predicted alike; layers above a dead one may live."""
    params = of_dead_units(layer)
    regressor = BackpropRegressor(**params, solver=solver, max_iter=20)
    found = warnings_of(regressor, X, X[:, 0])
    messages = [str(w.message) for w in found if DEAD in str(w.message)]
    n_units = params["hidden_layer_sizes"][layer]
    assert messages[0].startswith(
        f"All {n_units} units of hidden layer {layer + 1} are dead"
    )
    assert "activation='leaky_relu'" in messages[0]


def test_dead_layer_of_a_classifier(X):
    classifier = BackpropClassifier(**of_dead_units(), max_iter=20)
    assert DEAD in causes_of(classifier, X, (X[:, 0] > 0).astype(int))


def test_constant_output(X):
    """Features far from zero saturate every tanh unit: alive, and the same for all rows."""
    regressor = BackpropRegressor((4,), "tanh", max_iter=20, random_state=0)
    assert causes_of(regressor, 1e4 + X, X[:, 0]) == [CONSTANT]


def test_constant_output_of_a_classifier(X):
    classifier = BackpropClassifier((4,), "tanh", max_iter=20, random_state=0)
    assert causes_of(classifier, 1e4 + X, (X[:, 0] > 0).astype(int)) == [CONSTANT]


def test_output_that_is_constant_but_for_a_few_digits(X):
    """1 and a few hundred-thousandths, where the target is 5 and units."""
    weights = GivenWeights([[[1e-5], [0.0], [0.0]]], [[1.0]])
    regressor = BackpropRegressor(
        (), initializer=weights, solver="sgd", learning_rate=1e-7, max_iter=5
    )
    assert causes_of(regressor, X, 5 + X[:, 0]) == [CONSTANT]


def barely_trained(coef, intercept, learning_rate, y, X):
    """The causes that a linear model of given weights names after five small steps."""
    weights = GivenWeights([np.reshape(coef, (3, 1))], [[intercept]])
    params = {"initializer": weights, "learning_rate": learning_rate, "alpha": 0}
    return causes_of(BackpropRegressor((), max_iter=5, **params), X, y)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("share", [1e-5, 1e-3])
def test_constant_is_meant_relative_to_the_output(share, size, X):
    """Outputs between 1 and 1 plus a share, in units of a size; far from y."""
    largest = np.ptp(X[:, 0])
    causes = barely_trained(
        [share * size / largest, 0, 0], size, 1e-12, 9 * size * X[:, 1], X
    )
    assert (CONSTANT in causes) == (share < 1e-4)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("share", [1e-7, 1e-5])
def test_movement_is_meant_relative_to_the_largest_parameter(share, size, X):
    """Five steps of Adam, each of about the learning rate."""
    y = 100 * size * X[:, 1]
    causes = barely_trained([0, 0, size], 0, share / 5 * size, y, X)
    assert (NOT_MOVED in causes) == (share < 1e-6)


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(1, []), (2, [CONSTANT]), (3, [CONSTANT])]
)
def test_one_row_is_no_constant_output(n_rows, expected, X):
    classifier = BackpropRegressor((), initializer="zeros", max_iter=2, random_state=0)
    X = np.zeros((n_rows, 3))
    assert causes_of(classifier, X, np.arange(float(n_rows))) == expected


def test_ratio_of_scales_does_not_overflow(X):
    """The squares of the columns would."""
    params = {"solver": "sgd", "learning_rate": 1e-300, "initializer": "zeros"}
    regressor = BackpropRegressor((), max_iter=1, **params)
    assert UNSCALED in causes_of(regressor, X * [1e180, 1e175, 1e180], X[:, 1])


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_learning_rate_so_small_that_nothing_moved(cls, X):
    y = np.repeat([0, 1], 30) if cls is BackpropClassifier else 3 - X[:, 0]
    estimator = cls((4,), learning_rate=1e-12, max_iter=20, random_state=0)
    assert causes_of(estimator, X, y) == [NOT_MOVED]


def test_part_of_a_large_network_tells_that_nothing_moved(X):
    """20,000 units have 100,001 parameters, of which only a part is looked at."""
    still = BackpropRegressor((20_000,), learning_rate=1e-12, max_iter=2, random_state=0)
    assert causes_of(still, X, 100 + X[:, 0]) == [NOT_MOVED]
    moving = still.set_params(learning_rate=1e-5)
    assert NOT_MOVED not in causes_of(moving, X, 100 + X[:, 0])


@pytest.mark.parametrize("form", [np.asarray, csr_array])
@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_unscaled_inputs(cls, form, X):
    """The third column says nothing, 1e5 times louder than the first, which says all."""
    X[:, 2] *= 1e5
    y = (X[:, 0] > 0).astype(int) if cls is BackpropClassifier else X[:, 0]
    estimator = cls((4,), max_iter=20, random_state=0)
    found = warnings_of(estimator, form(X), y)
    assert len(found) == 1
    assert UNSCALED in str(found[0].message)
    assert "e+05 times the smallest" in str(found[0].message)
    assert "StandardScaler" in str(found[0].message)


def test_zero_columns_are_not_unscaled(X):
    """A column of zeros has no scale; a poor fit to noise has no other cause."""
    X[:, 2] = 0
    y = np.random.RandomState(1).standard_normal(60)
    regressor = BackpropRegressor((4,), max_iter=20, random_state=0)
    assert causes_of(regressor, X, y) == []


def test_multilabel_targets_are_diagnosed_too(X):
    y = (X[:, :2] > 0).astype(int)
    classifier = BackpropClassifier((4,), "tanh", max_iter=20, random_state=0)
    assert causes_of(classifier, 1e4 + X, y) == [CONSTANT]


def test_several_causes_are_all_named(X):
    params = of_dead_units()
    regressor = BackpropRegressor(**params, learning_rate=1e-12, max_iter=20)
    found = causes_of(regressor, X, 100 + X[:, 0])
    assert sorted(found) == sorted([NOT_MOVED, DEAD, CONSTANT])


# -- no cause --------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_healthy_classifier_warns_of_nothing(activation, solver):
    classifier = BackpropClassifier(
        (8,), activation, solver=solver, learning_rate=0.02, random_state=0
    )
    assert causes_of(classifier, *load_iris(return_X_y=True)) == []


def test_lbfgs_that_begins_where_it_would_end_warns_of_nothing(X):
    """There is no iteration, and so no loss that could have risen."""
    regressor = BackpropRegressor((), solver="lbfgs", initializer="zeros")
    assert warnings_of(regressor, X, np.zeros(len(X))) == []
    assert regressor.loss_curve_ == []


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_healthy_regressor_warns_of_nothing(solver, X):
    regressor = BackpropRegressor((8,), solver=solver, learning_rate=0.02, random_state=0)
    assert causes_of(regressor, X, X[:, 0]) == []


def test_unscaled_inputs_that_are_learnt_nevertheless_are_fine(X):
    """The loud column is the one that counts."""
    X[:, 2] *= 1e5
    classifier = BackpropClassifier((8,), learning_rate=0.02, random_state=0)
    assert causes_of(classifier, X, (X[:, 2] > 0).astype(int)) == []


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_target_of_one_value_is_no_failure(cls, X):
    """To predict the same for every row is right here."""
    assert causes_of(cls((4,), max_iter=20, random_state=0), X, np.ones(60)) == []


def test_some_dead_units_are_no_failure(X):
    coefs = [np.eye(3)[:, [0, 0]], np.ones((2, 1))]
    weights = GivenWeights(coefs, [np.array([5.0, -1e3]), np.array([-5.0])])
    regressor = BackpropRegressor((2,), initializer=weights, max_iter=5)
    assert causes_of(regressor, X, X[:, 0]) == []


def test_partial_fit_warns_of_nothing(X):
    regressor = BackpropRegressor(**of_dead_units(), learning_rate=1e-12)
    regressor.partial_fit(X, X[:, 0])  # a warning would be an error here


# -- like every other warning ----------------------------------------------------------


def test_warnings_are_convergence_warnings_at_the_line_of_the_call(X):
    found = warnings_of(BackpropRegressor(**of_dead_units(), max_iter=5), X, X[:, 0])
    assert len(found) > 1
    assert {w.category for w in found} == {ConvergenceWarning}
    assert {w.filename for w in found} == {__file__}


def test_warnings_can_be_silenced(X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        BackpropRegressor(**of_dead_units(), max_iter=5).fit(X, X[:, 0])
    assert caught == []


def test_warning_does_not_undo_the_fit(X):
    regressor = BackpropRegressor(**of_dead_units(), max_iter=5)
    assert warnings_of(regressor, X, X[:, 0])
    assert np.isfinite(regressor.predict(X)).all()
