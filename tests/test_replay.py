"""replay: a training that can be played, and its page."""

import json
import re
from base64 import b64decode
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons

from skbackprop import BackpropClassifier, BackpropRegressor, replay

pytestmark = pytest.mark.usefixtures("few_epochs")
X, Y = make_moons(30, noise=0.2, random_state=0)
PARAMETERS = {"batch_size": 7, "learning_rate": 0.05, "random_state": 0, "engine": "numpy"}


def moons(n_epochs=4, **params):
    net = BackpropClassifier((4, 3), "tanh", **PARAMETERS)
    return replay(net, X, Y, n_epochs=n_epochs, **params)


def numbers_of(page):
    """What the script of a page reads."""
    text = re.search(r'<script id="data".*?>(.*?)</script>', page, re.DOTALL)[1]
    return json.loads(text)


def test_its_steps_are_those_of_fit():
    clf = BackpropClassifier((4, 3), "tanh", max_iter=4, **PARAMETERS).fit(X, Y)
    result = moons()
    assert [step.step for step in result.steps] == list(range(1, 21))
    assert result.epochs == np.repeat([1, 2, 3, 4], 5).tolist()
    for layer, weights, bias in zip(
        result.steps[-1].layers, clf.coefs_, clf.intercepts_, strict=True
    ):
        assert_array_equal(layer.weights_after, weights)
        assert_array_equal(layer.bias_after, bias)
    assert_array_equal(result.loss_curve, clf.loss_curve_)


def test_a_step_begins_where_the_one_before_ended():
    steps = moons().steps
    for one, other in pairwise(steps):
        assert_array_equal(one.layers[0].weights_after, other.layers[0].weights_before)


def test_rows_of_an_epoch_are_taken_once():
    steps = moons().steps[:5]
    rows = np.concatenate([step.rows for step in steps])
    assert_array_equal(np.sort(rows), np.arange(30))
    for step in steps:
        assert_array_equal(step.layers[0].inputs, X[step.rows])
        assert_array_equal(step.target[:, 0], Y[step.rows])


def test_a_long_training_keeps_the_first_and_the_last_step():
    result = moons(n_epochs=20, max_steps=12)
    steps = [step.step for step in result.steps]
    assert len(steps) <= 12
    assert (steps[:4], steps[-1]) == ([1, 2, 3, 4], 100)
    assert (np.diff(np.diff(steps[3:])) >= -1).all()  # rarer and rarer, but for rounding
    assert len(result.loss_curve) == 20


def test_the_surface_is_what_the_network_answers_before_a_step():
    result = moons()
    last = result.steps[-1]
    clf = BackpropClassifier.from_weights(
        [layer.weights_before for layer in last.layers],
        [layer.bias_before for layer in last.layers],
        classes=[0, 1],
        activation="tanh",
    )
    left, right, bottom, top = result.extent
    corner, opposite = [[left, bottom]], [[right, top]]
    assert_allclose(result.surfaces[-1][0, 0], clf.predict_proba(corner)[0, 1])
    assert_allclose(result.surfaces[-1][-1, -1], clf.predict_proba(opposite)[0, 1])
    assert left < X[:, 0].min() < X[:, 0].max() < right


def test_the_page_has_the_numbers_of_the_steps():
    result = moons()
    page = numbers_of(result.to_html())
    assert page["sizes"] == [2, 4, 3, 1]
    assert len(page["steps"]) == 20
    for shown, step in zip(page["steps"], result.steps, strict=True):
        assert shown["loss_before"] == pytest.approx(step.loss_before, rel=1e-5)
        for of_page, layer in zip(shown["layers"], step.layers, strict=True):
            for part in ("weights", "bias"):
                for moment, numbers in of_page[part].items():
                    # six digits are shown
                    assert_allclose(numbers, getattr(layer, f"{part}_{moment}"), rtol=1e-5)
        row = shown["rows"][0]
        place = list(step.rows).index(row["row"])
        assert_allclose(row["x"], step.layers[0].inputs[place], rtol=1e-5)
        assert_allclose(row["error"], step.layers[-1].error[place], rtol=1e-5)
        for i, layer in enumerate(step.layers):
            assert_allclose(row["z"][i], layer.net_input[place], rtol=1e-5)
            assert_allclose(row["a"][i], layer.activation[place], rtol=1e-5)
            assert_allclose(row["delta"][i], layer.delta[place], rtol=1e-5)
    surface = np.frombuffer(b64decode(page["surfaces"][-1]), np.uint8).reshape(41, 41)
    # a byte has 256 steps
    assert_allclose(surface / 255, result.surfaces[-1], atol=0.5 / 255 + 1e-9)


def test_the_page_asks_nobody_for_anything():
    page = moons().to_html().replace("http://www.w3.org/2000/svg", "")
    assert "http" not in page
    assert not re.search(r"\b(src|href)=|@import|url\(|fetch\(|XMLHttp", page)
    assert len(page) < 500_000


def test_the_page_survives_names_that_look_like_its_end():
    frame = pd.DataFrame(X, columns=["</script><b>", "height"])
    net = BackpropClassifier((2,), **PARAMETERS)
    page = replay(net, frame, Y, n_epochs=1).to_html()
    assert numbers_of(page)["features"] == ["</script><b>", "height"]
    assert "</script><b>" not in page


def test_it_is_written_where_one_says(tmp_path):
    result = moons(path=tmp_path / "training.html")
    assert (tmp_path / "training.html").read_text("utf-8") == result.to_html()
    assert result.save(str(tmp_path / "again.html")) == tmp_path / "again.html"
    assert "srcdoc=" in result._repr_html_()


def test_several_classes_are_numbers_and_a_quantity_is_scaled():
    three = replay(BackpropClassifier((3,), **PARAMETERS), X, np.arange(30) % 3, n_epochs=1)
    page = numbers_of(three.to_html())
    assert (page["surface_kind"], page["outputs"][2]) == ("classes", "class 2")
    assert set(np.frombuffer(b64decode(page["surfaces"][0]), np.uint8)) <= {0, 1, 2}
    reg = replay(BackpropRegressor((3,), **PARAMETERS), X, X[:, 0] * 9, n_epochs=1)
    page = numbers_of(reg.to_html())
    assert (page["surface_kind"], page["outputs"]) == ("quantity", ["output"])
    assert {0, 255} <= {colour for *_, colour in page["points"]} | set(
        np.frombuffer(b64decode("".join(page["surfaces"])), np.uint8)
    )


def test_other_numbers_of_features_have_no_plane():
    result = replay(BackpropClassifier((3,), **PARAMETERS), np.c_[X, X], Y, n_epochs=1)
    assert result.surfaces is None
    assert numbers_of(result.to_html())["surfaces"] is None


def test_the_estimator_stays_as_it_is():
    net = BackpropClassifier((3,), max_iter=2, **PARAMETERS).fit(X, Y)
    before = net.predict_proba(X)
    replay(net, X, Y, n_epochs=3)
    assert_array_equal(net.predict_proba(X), before)
    assert net.max_iter == 2


def test_both_conventions_have_opposite_signals_and_the_same_weights():
    net = BackpropClassifier((3,), **PARAMETERS)
    one = replay(net, X, Y, n_epochs=2)
    other = replay(net.set_params(error_convention="target_minus_output"), X, Y, n_epochs=2)
    for a, b in zip(one.steps, other.steps, strict=True):
        for mine, theirs in zip(a.layers, b.layers, strict=True):
            assert_array_equal(mine.delta, -theirs.delta)
            assert_array_equal(mine.weights_update, -theirs.weights_update)
            assert_array_equal(mine.weights_after, theirs.weights_after)


@pytest.mark.parametrize(
    ("params", "arguments", "words"),
    [
        ({}, {"n_epochs": 0}, "n_epochs must be an int of at least 1. Got 0"),
        ({}, {"max_steps": 2.5}, "max_steps must be an int of at least 1. Got 2.5"),
        ({"hidden_layer_sizes": (13,)}, {}, r"at most 12 .* layers of \[2, 13, 1\]"),
        ({"solver": "lbfgs"}, {}, "solver='lbfgs' does not go step by step"),
        ({"class_weight": "balanced"}, {}, "cannot balance classes"),
        ({"alpha": -1}, {}, "'alpha' parameter of BackpropClassifier"),
    ],
)
def test_what_cannot_be_shown_is_refused(params, arguments, words):
    with pytest.raises(ValueError, match=words):
        replay(BackpropClassifier((3,)).set_params(**params), X, Y, **arguments)


def test_an_estimator_of_others_is_refused():
    with pytest.raises(TypeError, match="replay"):
        replay(object(), X, Y)
