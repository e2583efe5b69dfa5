"""The recipes of the page on other packages, each where its package is installed."""

import re
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # of the other packages; some say they are old
]
PAGE = Path(__file__).parents[2] / "docs" / "other_packages.md"
RECIPES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PACKAGES = ["skrub", "emlearn", "nyoka", "mlflow", "mapie", "river"]


@pytest.mark.parametrize(
    ("package", "recipe"), [*zip(PACKAGES, RECIPES, strict=True)], ids=PACKAGES
)
def test_recipe_runs(package, recipe, tmp_path, monkeypatch):
    """Each says by itself, with an assertion, whether it did what it is for."""
    pytest.importorskip(package)
    assert f"import {package}" in recipe or f"from {package}" in recipe
    monkeypatch.chdir(tmp_path)
    exec(compile(recipe, f"{PAGE.name}: {package}", "exec"), {"__name__": "recipe"})
