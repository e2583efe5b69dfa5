"""A traced step is the step that training takes, and its table can be followed on paper."""

import math
import re
from html import unescape
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    TabularClassifier,
    trace_step,
)
from skbackprop.activations import ACTIVATIONS, Sigmoid, Softmax
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, SquaredError
from skbackprop.optimizers import OPTIMIZERS
from skbackprop.schedules import SCHEDULES

CONVENTIONS = ["output_minus_target", "target_minus_output"]
X = np.random.RandomState(0).uniform(0.1, 2, (12, 3))
CLASSES = np.arange(12) % 3
QUANTITY = X @ [1.0, 2.0, 0.5]


def assert_traces_partial_fit(estimator, X, y, sample_weight=None):
    """Bit for bit: the engine is the same and so are the arrays it gets."""
    estimator.set_params(engine="numpy")
    trace = trace_step(estimator, X, y, sample_weight)
    classes = {"classes": np.unique(y)} if hasattr(estimator, "predict_proba") else {}
    if hasattr(estimator, "coefs_"):
        classes = {}
    estimator.partial_fit(X, y, sample_weight=sample_weight, **classes)
    for layer, weights, bias in zip(
        trace.layers, estimator.coefs_, estimator.intercepts_, strict=True
    ):
        assert_array_equal(layer.weights_after, weights)
        assert_array_equal(layer.bias_after, bias)
    # an epoch of one batch multiplies its objective by the weight sum and divides again
    assert trace.objective_before == pytest.approx(estimator.loss_curve_[-1], rel=1e-15)
    return trace


# -- the step is the one that training takes -------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_weights_after_the_trace_are_those_after_partial_fit(solver, convention):
    clf = BackpropClassifier(
        (4, 3), solver=solver, error_convention=convention, random_state=1
    )
    assert_traces_partial_fit(clf, X, CLASSES)  # begins
    assert_traces_partial_fit(clf, X, CLASSES)  # goes on: memory, order, step count
    trace = assert_traces_partial_fit(clf, X[:5], CLASSES[:5])  # another number of rows
    assert trace.step == 3


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_trace_of_every_loss_of_the_regressor_is_its_step(loss):
    reg = BackpropRegressor((3,), "tanh", loss=loss, random_state=0)
    assert_traces_partial_fit(reg, X, QUANTITY)


@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_trace_of_every_loss_of_the_classifier_is_its_step(loss):
    clf = BackpropClassifier((3,), "tanh", loss=loss, random_state=0)
    assert_traces_partial_fit(clf, X, CLASSES)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_trace_of_every_activation_is_its_step(activation):
    reg = BackpropRegressor((3, 2), activation, random_state=0)
    assert_traces_partial_fit(reg, X, QUANTITY)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_trace_has_the_learning_rate_of_its_step(schedule):
    reg = BackpropRegressor((3,), solver="sgd", learning_rate=schedule, random_state=0)
    reg.partial_fit(X, QUANTITY)
    assert_traces_partial_fit(reg, X, QUANTITY)


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.5},
        {"clip_norm": 1e-3},
        {"alpha": 1.0},
        {"alpha": 1.0, "l1_ratio": 0.3},
        {"shuffle": False},
        {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
        {"hidden_layer_sizes": ()},
        {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}},
        {"hidden_layer_sizes": (400, 200)},  # more parameters than one block of the engine
    ],
    ids=str,
)
def test_trace_has_all_that_changes_a_step(params):
    clf = BackpropClassifier(**{"hidden_layer_sizes": (5, 4), "random_state": 0, **params})
    assert_traces_partial_fit(clf, X, CLASSES, sample_weight=np.linspace(0.5, 2, 12))
    assert_traces_partial_fit(clf, X, CLASSES)


@pytest.mark.parametrize(
    "rows", [X.astype(np.float32), np.asfortranarray(X), csr_array(X * (X > 1))]
)
def test_trace_of_other_kinds_of_rows_is_the_step(rows):
    clf = BackpropClassifier((4,), random_state=0)
    trace = assert_traces_partial_fit(clf, rows, CLASSES)
    assert trace.layers[0].weights_after.dtype == rows.dtype
    assert str(trace)


def test_two_estimators_go_on_alike_when_one_was_traced():
    traced, other = (
        BackpropClassifier((4,), random_state=np.random.RandomState(3)) for _ in range(2)
    )
    for estimator in (traced, other):
        for _ in range(3):
            if estimator is traced:
                trace_step(traced, X, CLASSES)
            estimator.partial_fit(X, CLASSES, classes=[0, 1, 2])
    assert_array_equal(traced.coefs_[0], other.coefs_[0])


def test_trace_of_an_unfitted_estimator_leaves_it_unfitted():
    clf = BackpropClassifier((4,))
    parameters = clf.get_params()
    trace_step(clf, X, CLASSES)
    assert vars(clf) == parameters
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_trace_without_random_state_leaves_the_global_stream_alone():
    stream = check_random_state(None)
    before = str(stream.get_state(legacy=False))
    trace_step(BackpropRegressor((4,)), X, QUANTITY)
    assert str(stream.get_state(legacy=False)) == before


def test_trace_changes_neither_the_rows_nor_the_weights_it_was_given():
    reg = BackpropRegressor((4,), shuffle=False, random_state=0).partial_fit(X, QUANTITY)
    rows, weights = X.copy(), reg.coefs_[0].copy()
    trace = trace_step(reg, rows, QUANTITY)
    trace.layers[0].inputs[...] = 0
    trace.layers[0].weights_before[...] = 0
    assert_array_equal(rows, X)
    assert_array_equal(reg.coefs_[0], weights)


@pytest.mark.usefixtures("few_epochs")
def test_trace_after_early_stopping_starts_from_the_last_weights():
    params = {"early_stopping": True, "random_state": 0, "max_iter": 30}
    clf = BackpropClassifier((4,), engine="numpy", **params)
    X_many, y_many = np.tile(X, (4, 1)), np.tile(CLASSES, 4)
    clf.fit(X_many, y_many)
    trace = trace_step(clf, X, CLASSES)
    assert not np.array_equal(trace.layers[0].weights_before, clf.coefs_[0])
    clf.set_params(early_stopping=False).partial_fit(X, CLASSES)
    assert_array_equal(trace.layers[0].weights_after, clf.coefs_[0])


# -- the numbers of the trace ----------------------------------------------------------


def test_signals_of_the_two_conventions_have_opposite_signs_and_the_same_weights():
    uphill, downhill = (
        trace_step(
            BackpropClassifier((4,), error_convention=convention, random_state=0),
            X,
            CLASSES,
        )
        for convention in CONVENTIONS
    )
    for up, down in zip(uphill.layers, downhill.layers, strict=True):
        assert up.delta.any()
        assert_array_equal(up.delta, -down.delta)
        assert_array_equal(up.weights_gradient, -down.weights_gradient)
        assert_array_equal(up.weights_update, -down.weights_update)
        assert_array_equal(up.weights_after, down.weights_after)
    assert_array_equal(uphill.layers[-1].error, -downhill.layers[-1].error)


def test_net_input_activation_and_slope_of_a_hidden_layer_are_kept_apart():
    layer = trace_step(BackpropRegressor((4,), "tanh", random_state=0), X, QUANTITY).layers[
        0
    ]
    # the last bits of tanh depend on where an element lies in its array
    assert_allclose(layer.activation, np.tanh(layer.net_input), rtol=1e-14)
    assert_allclose(layer.slope, 1 - np.tanh(layer.net_input) ** 2, rtol=1e-12)


def test_slope_is_none_where_units_share_an_activation():
    loss = SquaredError(link=Softmax())
    trace = trace_step(BackpropClassifier((4,), loss=loss, random_state=0), X, CLASSES)
    assert trace.layers[-1].slope is None


def test_loss_after_is_the_loss_of_the_same_rows_after_partial_fit():
    reg = BackpropRegressor((4,), random_state=0, alpha=0)
    after = trace_step(reg, X, QUANTITY).loss_after
    predicted = reg.partial_fit(X, QUANTITY).predict(X)
    assert_allclose(after, np.mean((predicted - QUANTITY) ** 2) / 2, rtol=1e-12)


def test_objective_is_loss_plus_penalty():
    reg = BackpropRegressor((4,), random_state=0, alpha=0.3)
    trace = trace_step(reg, X, QUANTITY)
    squares = sum(np.sum(layer.weights_before**2) for layer in trace.layers)
    assert_allclose(trace.objective_before - trace.loss_before, 0.3 / 2 * squares / len(X))
    assert trace.objective_after > trace.loss_after


def test_rows_are_those_of_X_in_the_order_of_the_step():
    trace = trace_step(BackpropRegressor((4,), random_state=0), X, QUANTITY)
    assert sorted(trace.rows) == list(range(12))
    assert list(trace.rows) != list(range(12))
    assert_array_equal(trace.layers[0].inputs, X[trace.rows])
    assert_array_equal(trace.target[:, 0], QUANTITY[trace.rows])


def test_to_dict_holds_plain_arrays_and_numbers_under_the_names_of_the_attributes():
    trace = trace_step(BackpropRegressor((4,), random_state=0), X, QUANTITY)
    numbers = trace.to_dict()
    assert numbers["loss_before"] == trace.loss_before
    assert numbers["layers"][1]["weights_gradient"] is trace.layers[1].weights_gradient
    kinds = {type(value) for value in numbers["layers"][0].values()}
    assert kinds == {np.ndarray, type(None)}


# -- what cannot be traced -------------------------------------------------------------


def test_more_rows_than_a_batch_are_refused():
    reg = BackpropRegressor((4,), batch_size=5)
    with pytest.raises(ValueError, match=r"at most batch_size=5 rows\. Got 12"):
        trace_step(reg, X, QUANTITY)


def test_more_rows_than_the_automatic_batch_are_refused():
    with pytest.raises(ValueError, match=r"batch_size=200 rows\. Got 240"):
        trace_step(BackpropRegressor((4,)), np.tile(X, (20, 1)), np.tile(QUANTITY, 20))


def test_lbfgs_is_refused():
    with pytest.raises(ValueError, match="stochastic solver"):
        trace_step(BackpropRegressor((4,), solver="lbfgs"), X, QUANTITY)


def test_balanced_classes_are_refused_as_in_partial_fit():
    with pytest.raises(ValueError, match="all rows at once"):
        trace_step(BackpropClassifier((4,), class_weight="balanced"), X, CLASSES)


def test_pipeline_is_refused_with_the_remedy():
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier((4,)))
    with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
        trace_step(pipeline, X, CLASSES)


def test_ensemble_is_refused_with_the_remedy_that_works():
    model = TabularClassifier(n_members=1, max_iter=2, random_state=0).fit(X, CLASSES)
    with pytest.raises(TypeError, match=r"model\.members_\[0\].*encoder_\.transform"):
        trace_step(model, X[:2], CLASSES[:2])
    rows = model.encoder_.transform(X)
    assert trace_step(model.members_[0], rows[:2], CLASSES[:2]).step > 1


def test_bad_rows_are_refused_as_by_partial_fit():
    reg = BackpropRegressor((4,), random_state=0).partial_fit(X, QUANTITY)
    with pytest.raises(ValueError, match="2 features"):
        trace_step(reg, X[:, :2], QUANTITY)


# -- the table -------------------------------------------------------------------------

TOY_X = np.array([[2.7810836, 2.550537003], [7.627531214, 2.759262235]])
TOY_Y = np.array([0, 1])
LINE = re.compile(r"^  (\S.*?)  +(?:(\S.*?)  +)?(\S+)$")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?")
FUNCTIONS = {
    **{
        name: getattr(math, name)
        for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh")
    },
    **{"abs": abs, "maximum": max, "minimum": min, "sign": np.sign, "clip": np.clip},
    "where": lambda condition, one, other: one if condition else other,
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "ndtr": NormalDist().cdf,
}


def toy(**params):
    settings = {
        "activation": "sigmoid",
        "loss": "squared_error",
        "solver": "sgd",
        "momentum": 0,
        "learning_rate": 0.5,
        "alpha": 0,
        "random_state": 0,
    }
    return BackpropClassifier((2,), **(settings | params))


def lines_of(text):
    """Quantity, numbers put in and result of every line of the tables."""
    lines = []
    for line in text.splitlines():
        match = LINE.match(line)
        if match and is_number(match[3]):
            lines.append(list(match.groups()))
        elif line.startswith(" " * 8):  # what did not fit goes on below
            lines[-1][1] += f" {line.strip()}"
    return lines


def is_number(text):
    return re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) is not None


def evaluate(numbers):
    return eval(numbers, {"__builtins__": {}}, FUNCTIONS)


def rounding_of(numbers):
    """How far the result moves when each number moves within its six printed digits."""
    total = 0.0
    for match in NUMBER.finditer(numbers):
        start, stop = match.span()
        moved = f"{numbers[:start]}({match[0]} * (1 + 5e-6)){numbers[stop:]}"
        total += abs(evaluate(moved) - evaluate(numbers))
    return total


@pytest.mark.parametrize("n_rows", [1, 2])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_printed_result_follows_from_the_numbers_beside_it(convention, n_rows):
    text = str(trace_step(toy(error_convention=convention), TOY_X[:n_rows], TOY_Y[:n_rows]))
    checked = [line for line in lines_of(text) if line[1]]
    # 4 units with net input, activation, slope and delta, 2 errors, their squares and
    # a loss per row; gradient, move, velocity, update and new value of 12 parameters
    assert len(checked) == n_rows * (4 * 4 + 2 + 2 * 2 + 1) + 12 * 5 + (n_rows > 1)
    for quantity, numbers, result in checked:
        tolerance = rounding_of(numbers) + 5e-6 * abs(float(result))  # both are rounded
        assert abs(evaluate(numbers) - float(result)) <= tolerance, quantity


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_number_put_in_is_given_or_was_printed_before(convention):
    text = str(trace_step(toy(error_convention=convention), TOY_X, TOY_Y))
    lines = lines_of(text)
    moves = [numbers for quantity, numbers, _ in lines if re.search("from|to ", quantity)]
    weights_before = [NUMBER.search(move)[0] for move in moves]
    assert len(weights_before) == 12
    given = {"0", "1", "2", "0.5", *weights_before, *(f"{x:.6g}" for x in TOY_X.flat)}
    for quantity, numbers, result in lines:
        for number in NUMBER.findall(numbers or ""):
            assert number in given, quantity
        given.add(result.lstrip("-"))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_printed_new_weights_give_the_printed_loss_after(convention):
    text = str(trace_step(toy(error_convention=convention), TOY_X[:1], TOY_Y[:1]))
    results = {}
    for section in text.split("\n\n"):
        layer = re.search(r"Update, layer (\d)", section)
        for quantity, _, result in lines_of(section):
            name = re.search(r"(?:from|to) (\w)\[([\d, ]+)\]", quantity)
            key = (int(layer[1]), name[1], name[2]) if name else quantity
            results[key] = float(result)

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    below = list(TOY_X[0])
    for number in (1, 2):
        z = [
            results[number, "b", f"{j}"]
            + sum(below[i] * results[number, "w", f"{i}, {j}"] for i in range(2))
            for j in range(2)
        ]
        below = [sigmoid(value) for value in z]
    loss = ((below[0] - 1) ** 2 + below[1] ** 2) / 2
    # twelve weights of six digits each, times inputs of at most 2.8
    assert loss == pytest.approx(results["loss after"], rel=5e-5)


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_formulas_of_every_optimizer_give_its_update(solver):
    clf = toy(solver=solver, momentum=0.9).partial_fit(TOY_X, TOY_Y, classes=[0, 1])
    text = str(trace_step(clf, TOY_X, TOY_Y))
    for quantity, numbers, result in lines_of(text):
        if numbers:
            tolerance = rounding_of(numbers) + 5e-6 * abs(float(result))
            assert abs(evaluate(numbers) - float(result)) <= tolerance, quantity


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        *[(activation, "log_loss") for activation in ACTIVATIONS],
        *[("tanh", loss) for loss in CLASSIFIER_LOSSES if loss != "log_loss"],
    ],
)
def test_formulas_of_every_activation_and_loss_give_its_value_and_slope(activation, loss):
    clf = BackpropClassifier((3,), activation, loss=loss, random_state=0, alpha=0.1)
    text = str(trace_step(clf, X[:3], CLASSES[:3], [1, 2, 3]))
    lines = [line for line in lines_of(text) if line[1]]
    assert len(lines) > 60
    for quantity, numbers, result in lines:
        tolerance = rounding_of(numbers) + 5e-6 * abs(float(result))
        assert abs(evaluate(numbers) - float(result)) <= tolerance, quantity


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dropout": 0.5, "clip_norm": 1e-3, "solver": "adamw"},
        {"hidden_layer_sizes": (30, 20), "error_convention": "target_minus_output"},
        {"hidden_layer_sizes": (), "loss": SquaredError(link=Sigmoid())},
    ],
    ids=str,
)
def test_table_fits_a_terminal_of_100_columns(params):
    clf = BackpropClassifier(**{"hidden_layer_sizes": (4,), "random_state": 0, **params})
    text = str(trace_step(clf, 1e5 * X, CLASSES))
    assert max(map(len, text.splitlines())) <= 100
    assert max(map(len, str(trace_step(toy(), TOY_X, TOY_Y)).splitlines())) <= 100


def test_large_layers_are_abbreviated_and_say_how_much_is_left_out():
    clf = BackpropClassifier((500,), random_state=0)
    text = str(trace_step(clf, np.tile(X, (10, 30)), np.tile(CLASSES, 10)))
    assert len(text.splitlines()) < 250
    assert "118 more rows and 498 more units" in text


def test_rows_without_a_known_formula_show_their_results():
    class Cube:
        def predict(self, z, out):
            out[...] = z

        def value_and_delta(self, target, z, delta, sample_weight=None):
            delta[...] = 3 * (z - target) ** 2
            return float(np.sum((z - target) ** 3))

    reg = BackpropRegressor((2,), loss=Cube(), random_state=0)
    text = str(trace_step(reg, X[:1], QUANTITY[:1]))
    assert "delta[j] = d loss / d z[j]" in text
    reg.set_params(error_convention="target_minus_output")
    assert "delta[j] = -d loss / d z[j]" in str(trace_step(reg, X[:1], QUANTITY[:1]))


def test_verbs_follow_the_convention():
    subtracts = str(trace_step(toy(), TOY_X, TOY_Y))
    adds = str(trace_step(toy(error_convention="target_minus_output"), TOY_X, TOY_Y))
    moves = re.findall(r"subtract (-?[\d.e-]+) from (w\[\d, \d\])", subtracts)
    turned = [(f"{-float(update):.6g}", weight) for update, weight in moves]
    assert re.findall(r"add (-?[\d.e-]+) to (w\[\d, \d\])", adds) == turned
    assert len(moves) == 8


def test_html_holds_the_lines_of_the_text():
    trace = trace_step(toy(activation="relu", random_state=2), TOY_X, TOY_Y)
    html = trace._repr_html_()
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html)]
    flat = [cell or None for cell in cells]
    assert flat == [cell for line in lines_of(str(trace)) for cell in line]
    assert "0 &gt; 0" in html


def test_a_row_of_a_heavy_class_says_its_weight():
    """In a chunk of one row; the weights of the classes have been averaged before."""
    X = np.array([[1.0, 2.0], [0.5, -1.0], [-1.0, 0.3]])
    clf = BackpropClassifier((2,), class_weight={0: 1.0, 1: 4.0}, random_state=0)
    clf.partial_fit(X, [0, 1, 0], [0, 1])  # mean 2
    clf.partial_fit(X[:1], [0])  # mean 1.75
    trace = trace_step(clf, X[1:2], [1])  # mean 2.2
    assert_allclose(trace.sample_weight, [4 / 2.2], rtol=1e-12)
    assert trace.weight_sum == 1
    p = clf.predict_proba(X[1:2])[0, 1]
    assert_allclose(trace.loss_before, -np.log(p) * 4 / 2.2, rtol=1e-12)
    assert f"{trace.loss_before:.6g}" in str(trace)
