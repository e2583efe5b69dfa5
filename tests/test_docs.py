"""The pages: their links, the names and signatures they list, the commands they give."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

import skbackprop
from skbackprop import BackpropClassifier, BackpropRegressor

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PAIRS = [(MLPClassifier, BackpropClassifier), (MLPRegressor, BackpropRegressor)]
X, Y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]

each_pair = pytest.mark.parametrize(
    ("theirs", "ours"), PAIRS, ids=["classifier", "regressor"]
)


def relative_links(page):
    """Return the files that a page links to, fragments cut off."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    paths = [target.partition("#")[0] for target in targets if "://" not in target]
    return [(page.parent / path).resolve() for path in paths if path]


def table_rows(page, heading):
    """Return the cells of the first table under a heading, row by row, without its head."""
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", section, flags=re.MULTILINE).group()
    rows = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_points_to_an_existing_file(page):
    assert [str(path) for path in relative_links(page) if not path.is_file()] == []


def test_every_page_can_be_reached_from_the_index():
    reached, to_visit = set(), [DOCS / "index.md"]
    while to_visit:
        page = to_visit.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            to_visit += relative_links(page)
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_ci_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)\n```", readme, flags=re.DOTALL)
    assert commands == [
        "pip install . && python examples/quickstart.py",
        'pip install ".[test]" && pytest',
    ]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [command for command in commands if f"'{command}'" not in ci] == []


def test_examples_of_pages_and_docstrings_are_part_of_the_test_run(pytestconfig):
    assert {"README.md", "docs", "skbackprop"} <= set(pytestconfig.getini("testpaths"))
    assert pytestconfig.getoption("doctestmodules")
    assert "*.md" in pytestconfig.getoption("doctestglob")


def test_the_changelog_begins_with_the_version_of_the_package():
    text = (DOCS / "changelog.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", text, flags=re.MULTILINE).group(1)
    assert newest == skbackprop.__version__


def about_the_project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_links_of_the_readme_work_on_a_package_index():
    """They have the addresses of the project, and lead to pages that are there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = dict(re.findall(r"^\[(\w+)\]: (\S+)$", text, flags=re.MULTILINE))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    used = re.findall(r"\[[^\]\n]+\]\[(\w+)\]|\[(\w+)\](?=[\s.:,])", text)
    assert {(full or short).lower() for full, short in used} == links.keys()
    assert relative_links(ROOT / "README.md") == []
    urls = about_the_project()["urls"]
    files = {f"{urls['Documentation']}/{page.stem}.html" for page in DOCS.glob("*.md")}
    files |= {f"{urls['Documentation']}/gallery/index.html"}  # of examples/README.rst
    files |= {f"{urls['Source']}/blob/main/LICENSE"}
    assert set(links.values()) <= files


def test_addresses_and_citation_follow_the_project():
    project = about_the_project()
    urls = project["urls"]
    assert urls["Issues"] == f"{urls['Source']}/issues"
    assert urls["Citation"] == f"{urls['Documentation']}/CITATION.cff"
    lines = (DOCS / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert fields["version"] == skbackprop.__version__
    assert fields["license"] == project["license"]
    assert fields["repository-code"] == urls["Source"]
    assert fields["url"] == urls["Documentation"]


@pytest.mark.parametrize(
    "page", sorted((DOCS / "decisions").glob("0*.md")), ids=lambda page: page.stem[:4]
)
def test_a_decision_has_its_number_and_its_three_parts(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem[:4]} ")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequence",
    ]


def test_every_row_of_the_differences_says_what_was_what_is_and_why():
    rows = table_rows(DOCS / "migrating_from_mlp.md", "What is deliberately different")
    subjects = [row for row in rows if row[0].startswith("**")]
    differences = [row for row in rows if row not in subjects]
    assert len(differences) >= 28  # a row may be added, none may be lost
    assert [row for row in differences if len(row) != 3 or not all(row)] == []


@each_pair
def test_every_new_parameter_is_on_the_migration_page(theirs, ours):
    page = (DOCS / "migrating_from_mlp.md").read_text(encoding="utf-8")
    new = inspect.signature(ours).parameters.keys() - inspect.signature(theirs).parameters
    assert "error_convention" in new
    assert {name for name in new if f"`{name}`" not in page} == set()


@each_pair
def test_every_moved_argument_has_a_row_on_the_migration_page(theirs, ours):
    rows = table_rows(DOCS / "migrating_from_mlp.md", "What is deliberately different")
    calls = {theirs.__name__: (theirs, ours)}
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if not name.startswith("_"):
            calls[name] = method, getattr(ours, name)
    moved = [
        name
        for name, (old, new) in calls.items()
        if any(a != b for a, b in zip(positional(old), positional(new), strict=False))
    ]
    assert [name for name in moved if not any(f"`{name}(" in row[0] for row in rows)] == []


def positional(function):
    """Return the names of the arguments that may be passed by position."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@each_pair
def test_every_new_fitted_attribute_is_on_the_migration_page(theirs, ours, solver):
    page = (DOCS / "migrating_from_mlp.md").read_text(encoding="utf-8")
    new = fitted_attributes(ours, solver) - fitted_attributes(theirs, solver)
    assert "validation_loss_curve_" in new
    assert {name for name in new if f"`{name}`" not in page} == set()


def fitted_attributes(cls, solver):
    estimator = cls(hidden_layer_sizes=(2,), solver=solver, max_iter=1).fit(X, Y)
    return {
        name
        for name in dir(estimator)
        if name.endswith("_") and not name.startswith("_") and hasattr(estimator, name)
    }
