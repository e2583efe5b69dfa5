"""The interactive page of the sign question, driven in a headless browser.

Its numbers are those that the page of the documentation works out, and NumPy's. Collected
where Chromium is installed.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import CATCH, in_browser

pytestmark = pytest.mark.slow  # a browser may take ten seconds to start

PAGE = Path(__file__).parents[1] / "docs" / "_static" / "sign_question.html"
TARGET, OUTPUT = np.array([0.0, 1.0, 0.0]), np.array([0.20, 0.70, 0.10])
DRIVE = """<script>
setTimeout(() => {
  const $ = id => document.getElementById(id), seen = {};
  const look = name => { seen[name] = { ...document.body.dataset, say: $("say").textContent,
    texts: Object.fromEntries(["subtract", "add", "mixed"].map(id => [id, {
      sum: $(id).querySelector(".sum").textContent,
      words: $(id).querySelector("svg").getAttribute("aria-label"),
      colours: [...$(id).querySelectorAll(".move")].map(e => e.classList[1]) }])) }; };
  const slide = value => {
    $("rate").value = value; $("rate").dispatchEvent(new Event("input")); };
  look("start");
  slide(0.1); look("slid");
  slide(0); look("still");
  slide(0.1); $("step").click();
  const wait = setInterval(() => {
    if (document.body.dataset.steps !== "1") return;  // still gliding
    clearInterval(wait);
    look("step"); $("again").click(); look("again");
    seen.controls = [...document.querySelectorAll("input, button")].map(e => e.tabIndex);
    seen.wide = document.documentElement.scrollWidth > innerWidth;
    seen.errors = errors;
    const out = document.createElement("pre"); out.id = "seen";
    out.textContent = JSON.stringify(seen); document.body.appendChild(out);
  }, 100);
}, 100);
</script>"""


@pytest.fixture(
    scope="module",
    params=[
        ["--window-size=1280,900"],
        ["--window-size=500,900", "--force-dark-mode", "--force-prefers-reduced-motion"],
    ],
    ids=["desktop", "phone"],
)
def seen(request, tmp_path_factory):
    page = PAGE.read_text(encoding="utf-8").replace("<head>", f"<head>{CATCH}")
    page = page.replace("</body>", f"{DRIVE}</body>")
    return json.loads(in_browser(page, tmp_path_factory.mktemp("sign"), *request.param))


def test_there_are_no_errors_and_nothing_is_wider_than_the_page(seen):
    assert seen["errors"] == []
    assert not seen["wide"]
    assert seen["controls"] == [0, 0, 0]  # a slider and two buttons, reached by Tab


def test_page_asks_nothing_of_the_network():
    page = PAGE.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://|\bsrc=|@import|url\(", page) == []


def test_both_squared_errors_are_those_worked_out_on_paper(seen):
    for way in seen["start"]["texts"].values():
        assert way["sum"].startswith("0.04 + 0.09 + 0.01 = 0.14 ")


@pytest.mark.parametrize("rate", [0.1])
def test_the_two_halves_go_to_the_same_place_and_the_mixture_climbs(seen, rate):
    descended = np.sum((OUTPUT - rate * (OUTPUT - TARGET) - TARGET) ** 2)
    climbed = np.sum((OUTPUT - rate * (TARGET - OUTPUT) - TARGET) ** 2)
    texts = seen["slid"]["texts"]
    assert texts["subtract"]["sum"].endswith(f"\N{RIGHTWARDS ARROW} {descended:.3f}")
    assert texts["add"]["sum"] == texts["subtract"]["sum"]
    assert texts["mixed"]["sum"].endswith(f"\N{RIGHTWARDS ARROW} {climbed:.3f}")
    assert seen["slid"]["same"] == "true"
    assert "moves to 0.73" in texts["add"]["words"]
    assert "error +0.30" in texts["add"]["words"]
    assert "error \N{MINUS SIGN}0.30" in texts["subtract"]["words"]


def test_step_is_taken_and_taken_back(seen):
    taken = np.sum((0.9 * (OUTPUT - TARGET)) ** 2)
    assert f"= {taken:.3f} " in seen["step"]["texts"]["subtract"]["sum"]
    assert seen["step"]["steps"] == "1"
    assert seen["again"] == seen["slid"]


def test_nothing_moves_at_a_learning_rate_of_zero(seen):
    assert "nothing moves" in seen["still"]["say"]
    assert seen["still"]["texts"]["mixed"]["colours"] == []
