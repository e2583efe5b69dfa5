"""The pages of features and of extensions: complete, and true to the code.

A formula of `docs/features.md` is the text of the rule, where the rule is one; the others
are evaluated and compared with the rule they describe.
"""

import inspect
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from math import lgamma
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from rules import classes_of
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_docs import table_rows

import skbackprop
import skbackprop.activations
import skbackprop.averaging
import skbackprop.initializers
import skbackprop.losses
import skbackprop.optimizers
import skbackprop.schedules
from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    TabularClassifier,
    TabularRegressor,
)
from skbackprop.activations import ACTIVATIONS, Selu, Softmax, softplus
from skbackprop.averaging import AVERAGINGS
from skbackprop.elementwise import lines, read
from skbackprop.engines import MPIEngine
from skbackprop.initializers import INITIALIZERS, GivenWeights
from skbackprop.losses import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    DistributionLoss,
    Focal,
    LogLoss,
    outputs_per_target,
)
from skbackprop.optimizers import OPTIMIZERS
from skbackprop.rule import Spec
from skbackprop.schedules import SCHEDULES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "features.md"
SEVERAL = {
    n: loss for n, loss in REGRESSOR_LOSSES.items() if outputs_per_target(loss()) > 1
}
SECTIONS = {
    "Activations": (ACTIVATIONS, skbackprop.activations),
    "Losses of the classifier": (CLASSIFIER_LOSSES, skbackprop.losses),
    "Losses of the regressor": (
        {name: loss for name, loss in REGRESSOR_LOSSES.items() if name not in SEVERAL},
        skbackprop.losses,
    ),
    "Losses of several outputs for each target": (SEVERAL, skbackprop.losses),
    "Solvers": ({**OPTIMIZERS, "lbfgs": None, "lm": None}, skbackprop.optimizers),
    "Schedules": (SCHEDULES, skbackprop.schedules),
    "Averages": (AVERAGINGS, skbackprop.averaging),
    "Initializers": (INITIALIZERS, skbackprop.initializers),
}
MODULES = list(dict.fromkeys(module for _, module in SECTIONS.values()))
ROWS = {title: table_rows(PAGE, title) for title in SECTIONS}


def code(cell):
    """The first piece of code of a cell."""
    found = re.search(r"`(.*?)`", cell)
    return found and found.group(1)


def with_objects(title):
    """The object and the cells after it, of the rows whose object needs no arguments."""
    return [
        pytest.param(made(title, cell), rest, id=code(cell))
        for _, cell, *rest in ROWS[title]
        if cell and "coefs" not in cell
    ]


def made(title, cell):
    return eval(code(cell), {**vars(skbackprop.activations), **vars(SECTIONS[title][1])})


def written(spec):
    """A rule as the page writes it: with the parameters that are not left open."""
    values = {f.name: getattr(spec, f.name) for f in fields(spec)}
    words = [
        f"{name}={written(value) if isinstance(value, Spec) else repr(value)}"
        for name, value in values.items()
        if value is not None
    ]
    return f"{type(spec).__name__}({', '.join(words)})"


def rules_of(entry):
    """The rules that a name stands for, which for some losses the kind of y decides."""
    return [cls() for cls in entry.values()] if isinstance(entry, Mapping) else [entry()]


# -- completeness ----------------------------------------------------------------------


@pytest.mark.parametrize("title", SECTIONS)
def test_page_has_all_names_and_no_others(title):
    registry, _ = SECTIONS[title]
    assert {code(name) for name, *_ in ROWS[title] if name} == set(registry)


@pytest.mark.parametrize("title", SECTIONS)
def test_page_writes_the_rules_that_the_names_stand_for(title):
    """With all parameters and their defaults."""
    registry, _ = SECTIONS[title]
    for name, entry in registry.items():
        of_name = {
            code(cell) for cell_name, cell, *_ in ROWS[title] if code(cell_name) == name
        }
        assert of_name == ({None} if entry is None else set(map(written, rules_of(entry))))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_page_has_every_public_rule(module):
    titles = [title for title in SECTIONS if SECTIONS[title][1] is module]
    cells = [cell for title in titles for _, cell, *_ in ROWS[title]]
    assert {code(cell).partition("(")[0] for cell in cells if cell} == {
        rule.__name__ for rule in classes_of(module)
    }


@pytest.mark.parametrize("title", SECTIONS)
def test_every_row_has_all_cells(title):
    assert len({len(row) for row in ROWS[title]}) == 1
    formulas = [row[2] for row in ROWS[title]]
    assert all(formulas)


# -- formulas that run -----------------------------------------------------------------


def text_of(rule, method, *results):
    """What a rule computes, as its source has it: ``a = 1; b = a``, or an expression."""
    steps = lines(read(type(rule).source(method)), rule, results)
    if len(steps) == 1:
        return steps[0].text
    return "; ".join(f"{name} = {text}" for name, text in steps)


def elementwise(title):
    """The object and the cells after it, of the rows whose rule is a formula."""
    found = [row for row in with_objects(title) if not is_of_rows(row.values[0])]
    assert found
    return found


def is_of_rows(rule):
    return isinstance(rule, (Softmax, LogLoss, Focal))


@pytest.mark.parametrize(("activation", "cells"), elementwise("Activations"))
def test_formula_of_an_activation_is_the_one_that_runs(activation, cells):
    assert code(cells[0]) == text_of(activation, "forward", "a")


@pytest.mark.parametrize(
    ("loss", "cells"),
    elementwise("Losses of the classifier") + elementwise("Losses of the regressor"),
)
def test_formula_of_a_loss_is_the_one_that_runs(loss, cells):
    assert code(cells[0]) == text_of(loss.link, "forward", "o")
    assert code(cells[2]) == text_of(loss, "value_and_delta", "loss", "slope")


@pytest.mark.parametrize(
    ("loss", "cells"), with_objects("Losses of several outputs for each target")
)
def test_formula_of_a_loss_of_several_outputs_is_the_one_that_runs(loss, cells):
    if isinstance(loss, DistributionLoss):
        slopes = [f"slope_{output}" for output in loss.outputs]
        assert code(cells[2]) == text_of(loss, "value_and_delta", "loss", *slopes)
    else:
        assert cells[2] == "of rows"


@pytest.mark.parametrize(("optimizer", "cells"), elementwise("Solvers"))
def test_formula_of_a_solver_is_the_one_that_runs(optimizer, cells):
    assert code(cells[0]) == text_of(optimizer, "update", "update", *optimizer.memory)


# -- formulas that describe ------------------------------------------------------------


def numpy_and(**names):
    functions = {"ndtr": np.vectorize(NormalDist().cdf), "softplus": softplus}
    functions["lgamma"] = lgamma
    return {**vars(np), **functions, **names}


def run(statements, **names):
    """What statements like ``a = 1; b = a`` define, and the names they are given."""
    namespace = numpy_and(**names)
    exec(statements, namespace)
    return namespace


def parameters(spec):
    constants = {"scale": Selu.scale, "alpha": Selu.alpha} if spec == Selu() else {}
    return constants | {f.name: getattr(spec, f.name) for f in fields(spec)}


@pytest.mark.parametrize(("activation", "cells"), with_objects("Activations"))
def test_formula_of_an_activation(activation, cells, rng):
    z = 2 * rng.standard_normal((5, 4))
    out = np.empty_like(z)
    activation.forward(z, out)
    expected = eval(code(cells[0]), numpy_and(z=z, **parameters(activation)))
    assert_allclose(out, expected, rtol=1e-14)  # a few roundings


@pytest.mark.parametrize(("loss", "cells"), with_objects("Losses of the classifier"))
def test_formulas_of_a_classifier_loss(loss, cells, rng):
    assert_formulas_hold(loss, cells, t=np.array([0.0, 1.0, 0.0]), rng=rng)


@pytest.mark.parametrize(("loss", "cells"), with_objects("Losses of the regressor"))
def test_formulas_of_a_regressor_loss(loss, cells, rng):
    assert_formulas_hold(loss, cells, t=rng.gamma(2, size=3), rng=rng)


def assert_formulas_hold(loss, cells, t, rng):
    """For one row with the target t: that of the output, and that of the loss."""
    z, out, delta = rng.standard_normal(3), np.empty((1, 3)), np.empty((1, 3))
    loss.predict(z[np.newaxis], out)
    value = loss.value_and_delta(t[np.newaxis], z[np.newaxis], delta)
    o = eval(code(cells[0]), numpy_and(z=z))
    expected = eval(code(cells[1]), numpy_and(t=t, o=o, **parameters(loss)))
    # a few roundings of the output, some tens of the loss
    assert_allclose(out[0], o, rtol=1e-14)
    assert_allclose(value, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("loss", "cells"), with_objects("Losses of several outputs for each target")
)
def test_formulas_of_a_loss_of_several_outputs(loss, cells, rng):
    n = outputs_per_target(loss)
    t, z = rng.standard_normal(), rng.standard_normal(n)
    out, delta, names = np.empty((1, n)), np.empty((1, n)), parameters(loss)
    loss.predict(z[np.newaxis], out)
    value = loss.value_and_delta(np.full((1, n), t), z[np.newaxis], delta)
    o = np.array(eval(code(cells[0]), numpy_and(z=z, **names)))
    if "quantiles" in names:
        names["quantiles"] = np.array(names["quantiles"])
    # a few roundings of the output, some tens of the loss
    assert_allclose(out[0], o, rtol=1e-14)
    expected = eval(code(cells[1]), numpy_and(t=t, o=o, **names))
    assert_allclose(value, expected, rtol=1e-13)


@pytest.mark.parametrize(("optimizer", "cells"), with_objects("Solvers"))
def test_formula_of_a_solver(optimizer, cells, rng):
    memory = optimizer.init(np.zeros(6))
    at_zero = ("velocity", "m", "v", "previous")
    by_hand = {**dict.fromkeys(at_zero, 0.0), "step": 1.0}
    for t in range(1, 6):
        g = rng.standard_normal(6)
        names = {**parameters(optimizer), **by_hand, "t": t, "learning_rate": 0.1, "g": g}
        found = run(code(cells[0]), **names)
        by_hand = {name: found[name] for name in by_hand}
        update = g.copy()
        optimizer.update(update, memory, 0.1, t)
        assert_allclose(update, found["update"], rtol=1e-12)  # some tens of roundings


@pytest.mark.parametrize(("schedule", "cells"), with_objects("Schedules"))
def test_formula_of_a_schedule(schedule, cells):
    """Over 20 epochs of 50 samples; nothing has lowered the rate."""
    given = {"learning_rate_init": 0.4, "n_epochs": 20, "patience": 5}
    own = {k: given[k] if v is None else v for k, v in parameters(schedule).items()}
    if "then" in own:
        own["then"] = type(own["then"])(learning_rate_init=0.4)
    complete = type(schedule)(**own)
    for epoch in range(21):
        time = {"epoch": epoch, "samples_seen": 50 * epoch}
        names = {**own, **time, "n_lowered": 0}
        if "then" in own:
            names["then"] = own["then"](epoch, **time)
        statements = code(cells[0])
        if "rate = " not in statements:
            statements = f"rate = {statements}"
        rate = complete(epoch, **time)
        # a few roundings; the half cosine ends at 0
        assert_allclose(rate, run(statements, **names)["rate"], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(("averaging", "cells"), with_objects("Averages"))
def test_formula_of_an_average(averaging, cells):
    names = parameters(averaging)
    names = {name: 2 if value is None else value for name, value in names.items()}
    for epoch in range(1, 6):
        time = {"epoch": epoch, "n_averaged": max(0, epoch - 2)}
        share = type(averaging)(**names).share(**time)
        # a few roundings
        assert_allclose(share, eval(code(cells[0]), numpy_and(**names, **time)), rtol=1e-14)


@pytest.mark.parametrize(("initializer", "cells"), with_objects("Initializers"))
def test_formula_of_an_initializer(initializer, cells):
    """The same stream gives the same numbers."""
    fan_in, fan_out = 5, 3
    weights, bias = np.full((fan_in, fan_out), np.nan), np.full(fan_out, np.nan)
    rng = np.random.RandomState(0)
    initializer(0, "weights", (fan_in, fan_out), rng, weights)
    initializer(0, "bias", (fan_in, fan_out), rng, bias)
    stream, shapes = np.random.RandomState(0), iter([(fan_in, fan_out), fan_out])
    found = run(
        code(cells[0]),
        **{**parameters(initializer), "factor": 6.0},
        fan_in=fan_in,
        fan_out=fan_out,
        uniform=lambda low, high: stream.uniform(low, high, next(shapes)),
        normal=lambda mean, deviation: stream.normal(mean, deviation, next(shapes)),
        orthonormal=orthonormal,
        bias=0,
    )
    # a few roundings
    assert_allclose(weights, np.broadcast_to(found["weights"], weights.shape), rtol=1e-14)
    assert_allclose(bias, np.broadcast_to(found["bias"], bias.shape), rtol=1e-14)


def orthonormal(matrix):
    """Columns made orthonormal one after the other, as Gram and Schmidt do."""
    columns = []
    for column in matrix.T:
        rest = column - sum((column @ other) * other for other in columns)
        columns.append(rest / np.linalg.norm(rest))
    return np.array(columns).T


# -- extending -------------------------------------------------------------------------


def shown_sources():
    """The pieces of code of the package that a page shows, by their dotted names."""
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"`skbackprop\.(\w+)\.(\w+)`:\n\n```python\n(.*?)```", text, re.DOTALL
    )
    return [pytest.param(*block, id=f"{block[0]}.{block[1]}") for block in blocks]


@pytest.mark.parametrize(("module", "name", "shown"), shown_sources())
def test_code_on_the_page_is_the_code_of_the_package(module, name, shown):
    rule = getattr(getattr(skbackprop, module), name)
    assert shown == inspect.getsource(rule)


def test_page_shows_a_rule_of_every_kind():
    shown = {f"skbackprop.{parameter.values[0]}" for parameter in shown_sources()}
    assert shown == {module.__name__ for module in MODULES}


# -- recipes ---------------------------------------------------------------------------

REFUSED = (
    *(9113, 6175, 10097, 11952, 26912, 30199, 14571, 29270),
    *(18748, 24411, 18507, 12505, 6091, 8291, 9468, 27996, 19701, 31235),
)


def recipes():
    _, *sections = (DOCS / "recipes.md").read_text(encoding="utf-8").split("\n## ")
    return [pytest.param(text, id=text.partition("\n")[0]) for text in sections]


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_names_an_issue_and_has_code(recipe):
    assert re.search(r"^Issues? #\d+", recipe, flags=re.MULTILINE)
    assert "```pycon\n>>> " in recipe


@pytest.mark.parametrize("issue", REFUSED)
def test_every_refused_wish_has_its_recipe(issue):
    assert any(f"#{issue}" in recipe.values[0] for recipe in recipes())


# -- beside other systems --------------------------------------------------------------


def beside_others():
    """The rows of all tables of features: what it is, here, and also where."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## Beside other systems\n")[2]
    lines = re.findall(r"^\| (?!feature)(.*) \|(?: ?(.*) \|)$", text, flags=re.MULTILINE)
    rows = [f"{first} | {last}".split(" | ") for first, last in lines]
    return [pytest.param(here, also, id=what) for what, here, also in rows]


SYSTEMS = {
    *("scikit-learn", "skorch", "PyTorch", "Lightning", "fastai", "Keras", "RealMLP"),
    *("sknn", "H2O", "Spark", "Weka", "nnet", "neuralnet", "MATLAB"),
}


@pytest.fixture(scope="module")
def fitted():
    """Data, and estimators that were fitted to them, by the names that the page uses."""
    rng, few = np.random.RandomState(0), {"max_iter": 2, "random_state": 0}
    X, y = rng.standard_normal((40, 3)), np.arange(40) % 2
    t, colours = X[:, 0] ** 2 + 0.1, np.array(["red", "blue"])
    frame = pd.DataFrame({"size": np.where(y, np.nan, t), "colour": colours[y]})
    few_members = {"hidden_layer_sizes": (3,), "n_members": 2, **few}
    return {
        **{"X": X, "y": y, "t": t, "targets": np.column_stack([t, t])},
        **{"frame": frame, "weight": np.ones(40)},
        "clf": BackpropClassifier((3,), **few).fit(X, y),
        "reg": BackpropRegressor((3,), **few).fit(X, t),
        "table": TabularClassifier(**few_members).fit(frame, y),
        "amounts": TabularRegressor(**few_members).fit(frame, t),
    }


@pytest.fixture
def at_hand(fitted):
    """What the code of the page is run with; it may change it."""
    public = {name: getattr(skbackprop, name) for name in skbackprop.__all__}
    others = [clone, csr_array, ConvergenceWarning, GivenWeights, LogLoss, MPIEngine]
    return public | {other.__name__: other for other in others} | deepcopy(fitted)


def fits_with(parameter, at_hand):
    """Whether one of the estimators takes a parameter, written as in a call, and fits."""
    given = eval(f"dict({parameter})", at_hand)
    for name, target in (("clf", "y"), ("reg", "t"), ("table", "y")):
        estimator = clone(at_hand[name])
        takes_it = given.keys() <= estimator.get_params().keys()
        rows = at_hand["frame" if name == "table" else "X"]
        try:
            if takes_it and estimator.set_params(**given).fit(rows, at_hand[target]):
                return True
        except ValueError:
            continue  # a loss of the other estimator
    return False


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("here", "also"), beside_others())
def test_features_are_here_and_the_other_systems_are_on_the_list(here, also, at_hand):
    pieces = re.findall(r"`(.*?)`", here)
    assert here == "no" or ", ".join(f"`{piece}`" for piece in pieces) == here
    for piece in pieces:
        if re.match(r"\w+=", piece):
            assert fits_with(piece, at_hand), piece
        else:
            assert eval(piece, at_hand) is not None
    named = [name for name in re.split(r"[,;] ", re.sub(r" \(.*?\)", "", also)) if name]
    assert set(named) <= SYSTEMS


def test_there_are_as_many_features_and_systems_as_the_page_promises():
    assert len(beside_others()) >= 44
    text = PAGE.read_text(encoding="utf-8").partition("\n## Beside other systems\n")[2]
    head = text.partition("\n### ")[0]
    listed = set(re.findall(r"\*\*(.*?)\*\*", head))
    assert listed == SYSTEMS
