"""The rules of the house that a reader may rely on, read off the source.

Floors, sizes of functions, the public surface, and documentation that is true.
"""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
import warnings
from dataclasses import fields
from importlib import import_module
from itertools import pairwise
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rules import CLASSIFIER_TASKS, classes_of
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import skbackprop
from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    HiddenLayerTransformer,
    TabularClassifier,
    TabularRegressor,
    activations,
    averaging,
    conventions,
    engines,
    initializers,
    layer_sizes,
    losses,
    optimizers,
    schedules,
)
from skbackprop import rule as rule_module
from skbackprop._former_paths import MOVED
from skbackprop.activations import ACTIVATIONS
from skbackprop.conventions import CONVENTIONS
from skbackprop.initializers import INITIALIZERS
from skbackprop.losses import REGRESSOR_LOSSES
from skbackprop.optimizers import OPTIMIZERS
from skbackprop.preprocessing import PiecewiseLinearEncoder
from skbackprop.rule import Interval, Spec
from skbackprop.schedules import SCHEDULES

CLASSES = [BackpropClassifier, BackpropRegressor]
TABULAR = [TabularClassifier, TabularRegressor]
TRANSFORMERS = [HiddenLayerTransformer, PiecewiseLinearEncoder]
RULE_MODULES = (
    *(
        activations,
        averaging,
        conventions,
        initializers,
        layer_sizes,
        losses,
        optimizers,
        schedules,
    ),
    rule_module,
)
RULES = [rule for module in RULE_MODULES[:-1] for rule in classes_of(module)]
PACKAGE = Path(skbackprop.__file__).parent
ROOT = Path(__file__).parents[1]

# The map on the page on architecture: a module imports only what stands above it there.
MAP = re.findall(
    r"^\| `(\S+)` \|",
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
FLOORS = {name.rstrip("/"): floor for floor, name in enumerate(MAP)}
CORE = FLOORS["engines/__init__.py"]  # the highest floor that knows NumPy and SciPy only
BELOW_STRINGS = FLOORS["estimator/warning.py"]  # above, rules have no names yet

FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def place_of(path):
    """The entry of the map that a file belongs to: the file itself, or its folder."""
    relative = path.relative_to(PACKAGE)
    folders = [folder.as_posix() for folder in relative.parents]
    return next((name for name in (name_of(path), *folders) if name in FLOORS), None)


def opens_a_room(path):
    """Whether a file only gathers the names of its folder, as an ``__init__.py`` may."""
    return path.name == "__init__.py" and place_of(path) is None


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


# -- imports ---------------------------------------------------------------------------


def own_imports(path):
    """The files of this package that a file imports, anywhere in it."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            base += (node.module or "").split(".") if node.module else []
            names = [base, *([*base, alias.name] for alias in node.names)]
        else:
            continue
        for name in names:
            file = PACKAGE.parent.joinpath(*name)
            if name[0] == "skbackprop" and file.with_suffix(".py") in TREES:
                yield file.with_suffix(".py")
            elif name[0] == "skbackprop" and len(name) > 1 and file.is_dir():
                yield file / "__init__.py"


def foreign_imports(tree):
    """The packages of others that a file imports when it is imported itself."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending.extend(ast.iter_child_nodes(node))


def test_the_map_shows_every_module_and_nothing_else():
    places = {place_of(path) for path in FILES if not opens_a_room(path)}
    assert places == FLOORS.keys()
    assert len(MAP) == len(FLOORS)


def test_rooms_are_not_split_on_the_map():
    """All modules of a folder stand together, so that folders have an order, too."""
    rooms = [name.partition("/")[0] for name in MAP]
    changes = sum(one != other for one, other in pairwise(rooms))
    assert changes == len(set(rooms)) - 1


@each_file
def test_imports_point_to_a_lower_floor(path):
    if opens_a_room(path):
        assert {file.parent for file in own_imports(path)} <= {path.parent}
    else:
        imported = {place_of(file) for file in own_imports(path) if not opens_a_room(file)}
        too_high = {name for name in imported if FLOORS[name] > FLOORS[place_of(path)]}
        assert not too_high


def test_imports_are_found():
    """The reader of imports reads all their forms."""
    found = {name_of(file) for path in FILES for file in own_imports(path)}
    assert {
        "rule.py",
        "estimator/hyperparameters.py",
        "training/state.py",
        "engines/__init__.py",
        "classifier.py",
    } <= found


def floor_of(path):
    """The floor of a file; a room is entered on the floor of its first module."""
    files = path.parent.glob("*.py") if opens_a_room(path) else [path]
    return min(FLOORS.get(place_of(file), len(MAP)) for file in files)


@each_file
def test_core_imports_numpy_and_scipy_only(path):
    allowed = {"numpy", "scipy", *sys.stdlib_module_names}
    if floor_of(path) > CORE:
        # which scikit-learn depends on
        allowed |= {"sklearn", "joblib", "threadpoolctl"}
    if "numba_engine" in path.parts:  # imported on demand
        allowed |= {"numba", "llvmlite"}
    assert set(foreign_imports(TREES[path])) <= allowed


def test_optional_packages_are_not_imported_with_the_package():
    """In a fresh interpreter."""
    optional = [
        *("numba", "matplotlib", "onnx", "skl2onnx", "skops", "mlflow", "torch", "mpi4py"),
        "distributed",
    ]
    code = "from skbackprop import *; import sys; "  # what comes on first use, too
    code += f"print(sorted(set(sys.modules) & set({optional})))"
    assert printed_by_fresh_interpreter(code).strip() == "[]"


def printed_by_fresh_interpreter(code):
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return result.stdout


# -- what a rule touches ---------------------------------------------------------------

# of which other parts are made: links of losses, what a network or a table begins with
PARTS_OF_OTHERS = {"Identity", "Sigmoid", "Exponential", "Softmax", "AdamW"}
COUNTERPARTS = {"interop/sklearn.py", "schedules.py"}  # of MLP's rules; of the same name


@pytest.fixture(scope="module")
def words_of_files():
    """All names in each file."""
    return {
        name_of(path): {getattr(n, "id", getattr(n, "name", None)) for n in ast.walk(tree)}
        for path, tree in TREES.items()
    }


@pytest.mark.parametrize(
    "module", [activations, losses, optimizers], ids=lambda module: module.__name__
)
def test_a_rule_stands_in_one_file_and_at_most_in_one_more(module, words_of_files):
    """Both engines, trace and ONNX included."""
    rules = [rule for rule in classes_of(module) if rule.__name__ not in PARTS_OF_OTHERS]
    for rule in rules:
        files = {file for file, words in words_of_files.items() if rule.__name__ in words}
        assert 1 <= len(files - COUNTERPARTS) <= 2, rule


# -- functions -------------------------------------------------------------------------


def functions(tree):
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def body_of(function):
    """The statements without the docstring."""
    first, *rest = function.body
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return rest if is_docstring else function.body


def n_lines(function):
    body = body_of(function)
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def only_assigns(function):
    return function.name == "__init__" and all(
        isinstance(node, ast.Assign) for node in body_of(function)
    )


def counted_functions():
    return [
        (f"{name_of(path)}:{function.name}", n_lines(function))
        for path, tree in TREES.items()
        for function in functions(tree)
        if not only_assigns(function)
    ]


def test_no_function_is_longer_than_forty_lines():
    assert [(name, n) for name, n in counted_functions() if n > 40] == []


def test_nine_of_ten_functions_are_shorter_than_thirty_lines():
    lengths = np.array([n for _, n in counted_functions()])
    assert np.mean(lengths < 30) >= 0.9


# -- the way from fit to the first step --------------------------------------------------

WAY = {"calls": 120, "files": 20, "files beside the rules": 13}  # an upper bound of each
RULE_FILES = {f"{module.__name__.split('.')[-1]}.py" for module in RULE_MODULES}


def way_to_the_first_step(hidden_layer_sizes):
    """The calls within the package from `fit` on iris until weights are moved."""
    calls, arrived = [], False
    activations.filled.cache_clear()  # as in a new process

    def note(frame, event, arg):
        nonlocal arrived
        code = frame.f_code
        path = Path(code.co_filename)
        if arrived or event != "call" or PACKAGE not in path.parents:
            return
        if code.co_name[0] != "<":
            calls.append((name_of(path), code.co_name))
        arrived = calls[-1:] == [("optimizers.py", "update")]

    X, y = load_iris(return_X_y=True)
    net = BackpropClassifier(hidden_layer_sizes, max_iter=1, random_state=7, engine="numpy")
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        net.fit(X, y)
    finally:
        sys.setprofile(before)
    assert arrived
    return calls


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hidden_layer_sizes", [(4,), (100,)])
def test_the_way_from_fit_to_the_first_step_is_short(hidden_layer_sizes):
    calls = way_to_the_first_step(hidden_layer_sizes)
    files = {name for name, _ in calls}
    found = {
        "calls": len(calls),
        "files": len(files),
        "files beside the rules": len(files - RULE_FILES),
    }
    print(found)
    assert all(found[name] <= WAY[name] for name in WAY), found


def test_what_the_estimators_share_is_short():
    assert (PACKAGE / "estimator" / "base.py").read_text().count("\n") < 320


# -- strings end at the estimator ------------------------------------------------------

NAMES_OF_RULES = {
    *ACTIVATIONS,
    *CONVENTIONS,
    *INITIALIZERS,
    *OPTIMIZERS,
    *REGRESSOR_LOSSES,
    *SCHEDULES,
    *(name for name, _ in CLASSIFIER_TASKS),
    *("lbfgs", "auto", "numpy", "numba", "balanced", "loss"),
}


def compared_strings(tree):
    """The strings that something is compared with or matched against."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        for side in sides:
            for leaf in ast.walk(side):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if floor_of(path) < BELOW_STRINGS],
    ids=name_of,
)
def test_below_the_estimator_no_rule_is_told_by_its_name(path):
    assert not NAMES_OF_RULES & set(compared_strings(TREES[path]))


# -- public surface --------------------------------------------------------------------


def test_public_names():
    assert skbackprop.__all__ == [
        "BackpropClassifier",
        "BackpropRegressor",
        "ChunkReport",
        "HiddenLayerTransformer",
        "Layers",
        "LossCurveDisplay",
        "NetworkDisplay",
        "TabularClassifier",
        "TabularRegressor",
        "WeightsDisplay",
        "__version__",
        "check_gradient",
        "compare_step",
        "from_sklearn",
        "hidden_activations",
        "input_gradient",
        "learning_rate_range",
        "replay",
        "summary",
        "to_onnx",
        "to_sklearn",
        "trace_step",
        "train_on_chunks",
    ]


def test_public_names_exist():
    assert all(hasattr(skbackprop, name) for name in skbackprop.__all__)
    assert skbackprop.__getattr__("inspection").summary is skbackprop.summary
    assert dir(skbackprop) == sorted(skbackprop.__all__)  # and nothing internal
    with pytest.raises(AttributeError, match="no attribute 'to_pytorch'"):
        _ = skbackprop.to_pytorch


def test_advice_to_install_works_from_a_checkout_too():
    """It names the packages, as the extras do; the name skbackprop is not published yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {need for extra in project["optional-dependencies"].values() for need in extra}
    advised = [
        need
        for path in sorted(PACKAGE.rglob("*.py"))
        for command in re.findall(
            r"pip install ([^.:`]*(?:\.[0-9][^.:`]*)*)", path.read_text()
        )
        for need in re.findall(r'"([^"\s]+)"', command)
    ]
    assert len(advised) >= 7
    assert set(advised) <= known


@pytest.mark.parametrize(("former", "path"), MOVED.items())
def test_former_paths_of_public_modules_lead_to_the_same_objects(former, path):
    moved = import_module(f"skbackprop.{path}")
    assert import_module(f"skbackprop.{former}") is moved
    assert moved.__spec__.name == f"skbackprop.{path}"


def test_engines_exist():
    assert all(hasattr(engines, name) for name in engines.__all__)
    with pytest.raises(AttributeError, match="no attribute 'TorchEngine'"):
        _ = engines.TorchEngine


def test_what_training_does_not_need_is_imported_on_first_use():
    """In a fresh interpreter: scikit-learn's own networks are imported by interop."""
    later = [
        "skbackprop.inspection.displays",
        "skbackprop.engines.mpi_engine",
        "skbackprop.interop.sklearn",
        "sklearn.neural_network",
    ]
    code = (
        "import skbackprop, sys; print(*set(sys.modules) & set({0}));"
        "skbackprop.LossCurveDisplay, skbackprop.to_sklearn, skbackprop.engines.MPIEngine;"
        "print(*set({0}) - set(sys.modules))"
    )
    assert printed_by_fresh_interpreter(code.format(later)) == "\n\n"


@pytest.mark.parametrize("cls", CLASSES)
def test_only_layers_and_activation_may_be_positional(cls):
    kinds = {p.name: p.kind for p in inspect.signature(cls).parameters.values()}
    positional = [
        n for n, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert positional == ["hidden_layer_sizes", "activation"]


# -- documentation ---------------------------------------------------------------------


def documented(cls, section):
    """Name and type of every entry of a section of the class docstring."""
    text = inspect.getdoc(cls)
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.M | re.S)
    entries = re.findall(r"^(\w+) : (.*)$", body[1] if body else "", re.M)
    return {name: " ".join(kind.split()) for name, kind in entries}


@pytest.mark.parametrize("cls", [*CLASSES, *TABULAR, *TRANSFORMERS, *RULES])
def test_parameters_are_documented_in_their_order(cls):
    assert list(documented(cls, "Parameters")) == list(inspect.signature(cls).parameters)


@pytest.mark.parametrize("cls", [*CLASSES, *TABULAR, *TRANSFORMERS, *RULES])
def test_documented_defaults_are_the_defaults(cls):
    for name, kind in documented(cls, "Parameters").items():
        default = inspect.signature(cls).parameters[name].default
        shown = re.search(r"default=(.+)$", kind)
        if shown is None:
            assert default is inspect.Parameter.empty
        elif isinstance(default, Spec):
            assert shown[1] == repr(default).replace("learning_rate_init=None", "")
        else:
            assert ast.literal_eval(shown[1]) == default


def documented_interval(text):
    """Low end, high end and whether the low end is open, as a sentence says it."""
    if found := re.search(r"in ([\[(])([\d.]+), ([\d.]+)[\])]", text):
        return float(found[2]), float(found[3]), found[1] == "("
    if found := re.search(r"(\d+) or more|[Aa]t least (\d+)", text):
        return float(found[1] or found[2]), np.inf, False
    if found := re.search(r"above (\d+)", text):
        return float(found[1]), np.inf, True
    return (0.0, np.inf, True) if "positive" in text else None


@pytest.mark.parametrize("rule", RULES)
def test_documented_interval_is_the_one_that_is_checked(rule):
    parts = re.split(r"^(\w+) : (.*)\n", inspect.getdoc(rule), flags=re.M)
    for name, kind, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        allowed = {f.name: f for f in fields(rule)}[name].metadata.get("allowed")
        if isinstance(allowed, Interval):
            checked = allowed.low, allowed.high, allowed.ends[0] == "("
            assert documented_interval(" ".join(text.split())) == checked
            assert kind.startswith("int" if allowed.kind is Integral else "float")


@pytest.mark.parametrize("cls", CLASSES)
def test_documented_attributes_are_those_of_a_fit(cls):
    X = pd.DataFrame(np.eye(6)[:, :3], columns=["a", "b", "c"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = cls((2,), max_iter=2).fit(X, [0, 1, 0, 1, 0, 1])
    assert attributes_of(estimator) == documented(cls, "Attributes").keys()


def attributes_of(estimator):
    return {name for name in dir(estimator) if re.fullmatch(r"[a-z]\w*(?<!_)_", name)}


@pytest.mark.parametrize("cls", TABULAR)
def test_documented_attributes_are_those_of_a_table(cls):
    X = pd.DataFrame(np.eye(6)[:, :3], columns=["a", "b", "c"])
    estimator = cls(n_members=2, max_iter=2).fit(X, [0, 1, 0, 1, 0, 1])
    assert attributes_of(estimator) == documented(cls, "Attributes").keys()
    encoder = estimator.encoder_
    assert attributes_of(encoder) == documented(type(encoder), "Attributes").keys()
    encoder = encoder.piecewise_linear_.fit(X)
    assert attributes_of(encoder) == documented(type(encoder), "Attributes").keys()


@pytest.mark.parametrize("cls", [*CLASSES, *TABULAR, *TRANSFORMERS])
def test_public_methods_are_documented_in_full(cls):
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if name[0] != "_" and method.__module__.startswith("skbackprop"):
            parameters = list(inspect.signature(method).parameters)[1:]
            text = inspect.getdoc(method)
            assert all(re.search(rf"^\*{{0,2}}{p} : ", text, re.M) for p in parameters), (
                name
            )
            assert "Returns\n-------" in text, name


# -- type hints ------------------------------------------------------------------------


def public_functions():
    """The public functions, and the public methods of public classes."""
    for name in skbackprop.__all__:
        value = getattr(skbackprop, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for method_name, method in inspect.getmembers(value, callable):
                module = getattr(method, "__module__", None) or ""
                if module.startswith("skbackprop") and (
                    method_name[0] != "_" or method_name == "__init__"
                ):
                    yield f"{name}.{method_name}", getattr(method, "__func__", method)


@pytest.mark.parametrize(
    "function", [pytest.param(f, id=name) for name, f in public_functions()]
)
def test_public_functions_are_annotated_in_full(function):
    names = inspect.signature(function).parameters.keys() - {"self", "cls"}
    assert names | {"return"} == function.__annotations__.keys()


def test_the_checker_of_users_is_told_that_there_are_types():
    assert (PACKAGE / "py.typed").is_file()
