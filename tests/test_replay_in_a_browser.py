"""The page of replay, driven in a headless browser: no errors, the numbers of the steps.

A script is added to the page that presses its buttons and keys, and writes what it saw
into the document, which the browser prints. Collected where Chromium is installed.
"""

import json

import pytest
from browser import CATCH, in_browser
from sklearn.datasets import make_moons

from skbackprop import BackpropClassifier, replay

pytestmark = pytest.mark.slow  # a browser may take ten seconds to start

DRIVE = """<script>
setTimeout(() => {
  const $ = id => document.getElementById(id), seen = {};
  const look = name => { seen[name] = {
    step: document.body.dataset.step, phase: document.body.dataset.phase,
    where: $("where").textContent, say: $("say").textContent,
    sums: $("sums").innerText, signs: $("signs").innerText,
    title: $("unit-title").textContent,
    hint: $("hint").style.display === "block" ? $("hint").textContent : "" }; };
  const press = (node, key, shiftKey) =>
    node.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
  const key = (name, shiftKey) => press(document.body, name, shiftKey);
  const point = node =>
    node.dispatchEvent(new MouseEvent("mousemove", { clientX: 50, clientY: 50 }));
  look("start");
  $("phase-on").click(); look("phase");
  $("on").click(); look("step");
  key("ArrowRight", true); look("key step");
  key("ArrowRight"); look("key phase");
  key("ArrowLeft"); key("ArrowLeft", true); look("back");
  $("slider").value = 5; $("slider").dispatchEvent(new Event("input")); look("slider");
  key("Home"); look("home");
  const unit = document.querySelectorAll(".unit")[3];
  point(unit); look("hover");
  unit.dispatchEvent(new MouseEvent("mouseleave")); look("left");
  press(unit, "Enter"); look("chosen");
  const edge = document.querySelector('.hit[tabindex="0"]');
  point(edge); look("edge");
  seen.reachable = document.querySelectorAll('[tabindex="0"]').length;
  const units = [...document.querySelectorAll(".unit")];
  seen.labels = units.map(u => u.getAttribute("aria-label"));
  seen.wide = document.documentElement.scrollWidth > innerWidth;
  $("pace").value = "step"; $("play").click();
  setTimeout(() => {
    look("played"); seen.errors = errors;
    const out = document.createElement("pre"); out.id = "seen";
    out.textContent = JSON.stringify(seen); document.body.appendChild(out);
  }, 6000);
}, 100);
</script>"""

X, Y = make_moons(30, noise=0.2, random_state=0)


@pytest.fixture(scope="module")
def training():
    net = BackpropClassifier(
        (4, 3), "tanh", batch_size=30, learning_rate=0.05, random_state=0, engine="numpy"
    )
    return replay(net, X, Y, n_epochs=10)


def driven(result, folder, *options):
    """What the added script saw."""
    page = result.to_html().replace("<head>", f"<head>{CATCH}")
    return json.loads(
        in_browser(page.replace("</body>", f"{DRIVE}</body>"), folder, *options)
    )


@pytest.fixture(scope="module")
def seen(training, tmp_path_factory):
    return driven(training, tmp_path_factory.mktemp("desktop"), "--window-size=1280,900")


def test_there_are_no_errors(seen):
    assert seen["errors"] == []


def test_buttons_keys_and_slider_lead_to_steps_and_phases(seen):
    looks = {name: look for name, look in seen.items() if isinstance(look, dict)}
    places = {name: (look["step"], look["phase"]) for name, look in looks.items()}
    assert places["start"] == ("1", "forward 0")
    assert places["phase"] == ("1", "forward 1")
    assert places["step"] == ("2", "forward 1")
    assert places["key step"] == ("3", "forward 1")
    assert places["key phase"] == ("3", "forward 2")
    assert places["back"] == ("2", "forward 1")
    assert places["slider"] == ("6", "forward 1")
    assert places["home"] == ("1", "forward 0")
    assert seen["slider"]["where"] == "6 (epoch 6 of 10)"


def test_play_runs_to_the_last_step_and_stops(seen):
    assert seen["played"]["step"] == "10"
    assert seen["played"]["phase"] == "update "


def shown(number):
    return f"{float(f'{number:.4g}'):.10g}"


def test_numbers_are_those_of_the_traced_step(seen, training):
    step = training.steps[0]
    place = list(step.rows).index(min(step.rows))
    hidden = step.layers[0]
    words = seen["hover"]["hint"]  # the second unit of the first hidden layer
    assert f"net input {shown(hidden.net_input[place, 1])}" in words
    assert f"activation {shown(hidden.activation[place, 1])}" in words
    assert f"delta {shown(hidden.delta[place, 1])}" in words
    assert seen["left"]["hint"] == ""
    assert seen["chosen"]["title"].startswith("Hidden unit a[1] of layer 1")
    assert f"= {shown(hidden.net_input[place, 1])}" in seen["chosen"]["sums"]
    assert f"= {shown(hidden.weights_after[0, 1])}" in seen["chosen"]["signs"]
    assert f"after the step {shown(hidden.weights_after[0, 1])}" in seen["edge"]["hint"]


def test_both_conventions_stand_side_by_side(seen, training):
    delta = training.steps[0].layers[0].delta
    value = delta[list(training.steps[0].rows).index(min(training.steps[0].rows)), 1]
    signs = seen["chosen"]["signs"]
    assert shown(value) in signs
    assert shown(-value) in signs
    assert "output minus target" in signs


def test_all_units_can_be_reached_and_have_words(seen):
    assert seen["reachable"] == 2 + 4 + 3 + 1 + 2  # units, and weights into the chosen one
    assert all(seen["labels"])
    assert len(seen["labels"]) == 10


def test_a_phone_needs_no_sideways_scrolling(training, tmp_path):
    seen = driven(training, tmp_path, "--window-size=500,900", "--force-dark-mode")
    assert seen["errors"] == []
    assert not seen["wide"]
