"""Change one operator, number or name of the core after the other; show what no test sees.

Not a stage of .ci/run: all of the core takes an hour and more on two cores.

    pip install cosmic-ray coverage
    python .ci/mutation.py                            # the core
    python .ci/mutation.py skbackprop/training/early_stopping.py     # one module
    python .ci/mutation.py --again mutation.jsonl     # what survived, with new tests
    python .ci/mutation.py --sample 20 --tests losses,gradients skbackprop/losses.py

A first run of the tests records which of them reach which line. Then every change is made
in the memory of a process forked for it, which runs the tests that reach it: first a few
short ones, then, if they pass, the others. docs/security.md has what was found.
"""

import argparse
import ast
import contextlib
import difflib
import importlib
import importlib.machinery
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import accumulate, islice
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).parent.parent
os.environ.update(NUMBA_DISABLE_JIT="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
os.environ["SKBACKPROP_TEST_ENGINE"] = "numpy"
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# What skbackprop and its tests import, imported once before the forks.
for name in (
    *("hypothesis", "mpmath", "numba", "scipy.optimize", "scipy.special"),
    *("sklearn.datasets", "sklearn.model_selection", "sklearn.neural_network"),
    *("sklearn.pipeline", "sklearn.utils.estimator_checks"),
):
    importlib.import_module(name)

CORE = [
    "elementwise",
    "activations",
    "averaging",
    "conventions",
    "initializers",
    "losses",
    "optimizers",
    "rule",
    "schedules",
    "network/dropout",
    "network/network",
    "network/objective",
    "training/diagnostics",
    "training/early_stopping",
    "training/engine",
    "training/levenberg_marquardt",
    "training/loop",
    "training/state",
    "engines/__init__",
    "engines/numpy_engine",
    "estimator/hyperparameters",
    "estimator/input_validation",
    "inspection/finite_differences",
    "inspection/formatting",
    "inspection/tables",
]
# Tests that take minutes, or whose subject runs in processes of its own.
LEFT_OUT = [
    "cluster",
    "determinism",
    "docs",
    "drop_in_scripts",
    "endurance",
    "engines",
    "estimator_checks",
    "estimator_checks_features",
    "fuzzing",
    "mpi",
    "works_with",
]

# Files of tests that are about a module, where they are not called after it.
TESTS_OF = {
    "diagnostics": ["problem_warnings"],
    "input_validation": [
        "inputs",
        "class_weight",
        "differences_from_mlp",
        "rows_of_several",
    ],
    "formatting": ["formatting", "trace"],
    "network": ["gradients", "dropout", "gradient_check", "inputs"],
    "numpy_engine": ["clipping_and_target", "same_numbers_as_mlp", "exact_continuation"],
    "objective": ["gradients", "clipping_and_target"],
    "hyperparameters": ["bad_input", "specs"],
    "rule": ["specs", "bad_input"],
    "state": ["exact_continuation", "interrupts", "dropout", "schedules"],
    "early_stopping": ["stopping", "validation_data"],
    "loop": ["stopping", "verbose"],
}

# Tests that read parameters, defaults and intervals without running a line of their module.
DECLARED = "tests/test_structure.py::test_documented_"

# One change for each operator; the number of all others would be ten times as large.
BINARY = [
    "Add_Sub",
    "Sub_Add",
    "Mul_Div",
    "Div_Mul",
    "FloorDiv_Mul",
    "Mod_Mul",
    "Pow_Mul",
    "BitAnd_BitOr",
    "BitOr_BitAnd",
    "BitXor_BitAnd",
    "LShift_RShift",
    "RShift_LShift",
]
COMPARISON = [
    "Eq_NotEq",
    "NotEq_Eq",
    "Lt_LtE",
    "Lt_Gt",
    "LtE_Lt",
    "LtE_Gt",
    "Gt_GtE",
    "Gt_Lt",
    "GtE_Gt",
    "GtE_Lt",
    "Is_IsNot",
    "IsNot_Is",
]
OPERATORS = [
    *(f"ReplaceBinaryOperator_{change}" for change in BINARY),
    *(f"ReplaceComparisonOperator_{change}" for change in COMPARISON),
    "ReplaceUnaryOperator_USub_UAdd",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
    "AddNot",
    "NumberReplacer",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
]
FIRST_FILES, FIRST_TESTS = 3, 15  # other files, and tests of each, tried before the rest
OWN_SECONDS = 10.0  # of the tests of a file that is about the module
PYTEST = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
MEMORY = 8 << 30  # bytes that a process with a change may ask for


# -- what the tests reach --------------------------------------------------------------


class Recorder:
    """Writes down which tests reach which lines, and how long they take."""

    def __init__(self):
        import coverage

        self.coverage = coverage.Coverage(
            data_file=None, source=["skbackprop"], config_file=False
        )
        self.seconds, self.failed = {}, set()
        self.coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        self.coverage.switch_context(item.nodeid)
        started = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - started
        self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.failed.add(report.nodeid)

    def reached(self):
        self.coverage.stop()
        data = self.coverage.get_data()
        tests = [test for test in self.seconds.items() if test[0] not in self.failed]
        names = {name: number for number, (name, _) in enumerate(tests)}
        found = {}
        for file in data.measured_files():
            lines = data.contexts_by_lineno(file)
            found[str(Path(file).relative_to(ROOT))] = {
                line: sorted(names[c] for c in contexts if c in names)
                for line, contexts in lines.items()
            }
        return {"tests": tests, "lines": found}


def test_files(named):
    """Return the files of tests that are named, or all but those that are left out."""
    files = sorted(file.name for file in Path("tests").glob("test_*.py"))
    stems = [file.removeprefix("test_").removesuffix(".py") for file in files]
    wanted = named.split(",") if named else [s for s in stems if s not in LEFT_OUT]
    return [f"tests/test_{stem}.py" for stem in wanted]


def record(path, files):
    """Run the tests once and keep what those reach that pass without compiled code."""
    recorder = Recorder()
    pytest.main([*PYTEST, *files], plugins=[recorder])
    path.write_text(json.dumps(recorder.reached()))


# -- changes ---------------------------------------------------------------------------


def without_annotations(source):
    """Return what a source does, as text: no annotations and no docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(0)
    return ast.dump(tree)


def changes(path):
    """Yield (operator, line, changed source) for all changes that do not only annotate."""
    source = (ROOT / path).read_text()
    nodes, seen = list(ast_nodes(get_ast(source))), {without_annotations(source)}
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [p for node in nodes for p in operator.mutation_positions(node)]
        for occurrence, ((line, _), _) in enumerate(places):
            changed = mutate_code(source, operator, occurrence)
            try:
                does = without_annotations(changed)
            except SyntaxError:
                continue
            if does not in seen:
                seen.add(does)
                yield name, line, changed


def statement_lines(path):
    """Return for each line the lines of the innermost statement, its body left out."""
    lines = {}
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            for line in range(node.lineno, max(end, node.lineno) + 1):
                lines[line] = range(node.lineno, max(end, node.lineno) + 1)
    return lines


# -- tests of a change -----------------------------------------------------------------


class Chosen:
    """Lets the chosen tests run, the shortest first."""

    def __init__(self, seconds):
        self.seconds = seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted(
            (item for item in items if item.nodeid in self.seconds),
            key=lambda item: self.seconds[item.nodeid],
        )


class Changed(importlib.machinery.SourceFileLoader):
    """Finds and loads one module from a changed source."""

    def __init__(self, name, path, source):
        super().__init__(name, path)
        self.source = source

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.machinery.ModuleSpec(
                name, self, origin=self.path, is_package=False
            )
        return None

    def get_code(self, fullname):
        return compile(self.source, self.path, "exec")


def in_a_fork(path, source, seconds):
    """Start a process that runs tests with a changed module; return its number."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    name = path.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, Changed(name, str(ROOT / path), source))
    files = sorted({test.split("::")[0] for test in seconds})
    code = 1
    with contextlib.suppress(BaseException):
        code = pytest.main([*PYTEST, "-x", *files], plugins=[Chosen(seconds)])
    os._exit(int(code != 0))


def portions(tests, module, longest):
    """Yield the tests of a change: those about its module and a few others, then more."""
    tests = dict(sorted(tests.items(), key=lambda test: test[1]))  # the shortest first
    by_file = defaultdict(dict)
    for name, seconds in tests.items():
        by_file[name.split("::")[0]][name] = seconds
    stem = Path(module).stem
    first = {name: tests[name] for name in tests if name.startswith(DECLARED)}
    for own in TESTS_OF.get(stem, [stem]):
        first |= fitting(by_file.pop(f"tests/test_{own}.py", {}), OWN_SECONDS)
    for file in sorted(by_file, key=lambda file: -len(by_file[file]))[:FIRST_FILES]:
        first |= dict(islice(by_file[file].items(), FIRST_TESTS))
    yield first
    rest = fitting({name: tests[name] for name in tests if name not in first}, longest)
    if rest:
        yield rest


def fitting(tests, seconds):
    """Return the first tests, as many as fit into the seconds."""
    totals = accumulate(tests.values())
    return dict(
        t for t, total in zip(tests.items(), totals, strict=True) if total <= seconds
    )


class Trial:
    """One change, and the process that tests it."""

    def __init__(self, path, operator, line, source, tests):
        self.path, self.operator, self.line, self.source = path, operator, line, source
        original = (ROOT / path).read_text().splitlines()
        rows = difflib.unified_diff(original, source.splitlines(), lineterm="", n=0)
        self.diff = [row for row in list(rows)[2:] if row[0] in "+-"]
        self.tests, self.outcome = tests, None

    def start(self, longest):
        """Begin with the first tests, if any reach the change."""
        self.started = time.time()
        self.left = list(portions(self.tests, self.path, longest))
        self.next_tests() if self.tests else self.end("not reached")

    def next_tests(self):
        seconds = self.left.pop(0)
        self.pid = in_a_fork(self.path, self.source, seconds)
        self.deadline = time.time() + 30 + 5 * sum(seconds.values())

    def poll(self):
        """Take note of what the process says; start the next tests if all have passed."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            if status != 0:
                self.end("noticed")
            elif self.left:
                self.next_tests()
            else:
                self.end("survived")
        elif time.time() > self.deadline:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.end("noticed")  # it hangs

    def end(self, outcome):
        self.outcome, self.seconds = outcome, round(time.time() - self.started, 1)

    def result(self):
        names = ("path", "operator", "line", "outcome", "seconds", "diff")
        return {name: getattr(self, name) for name in names}


def sampled(found, n, seed):
    """Return n of what was found, or all, in its order; the same ones for a seed."""
    found = list(found)
    if n is None or n >= len(found):
        return found
    drawn = sorted(random.Random(seed).sample(range(len(found)), n))
    return [found[i] for i in drawn]


def trials(modules, recorded, n, seed):
    """Yield a trial for each change of the modules, or for n changes of each."""
    names = recorded["tests"]
    declared = {i for i, (name, _) in enumerate(names) if name.startswith(DECLARED)}
    for path in modules:
        found = recorded["lines"].get(path, {}).items()
        lines = {int(line): tests for line, tests in found}
        anywhere = {test for tests in lines.values() for test in tests}
        together = statement_lines(path)
        for operator, line, source in sampled(changes(path), n, seed):
            near = together.get(line, [line])
            reached = {test for place in near for test in lines.get(place, [])}
            if not reached:  # what runs at import matters to all
                reached = anywhere | declared
            yield Trial(path, operator, line, source, dict(names[test] for test in reached))


def run(waiting, jobs, longest):
    """Run trials side by side; yield them as they end."""
    running = []
    while True:
        while len(running) < jobs and (trial := next(waiting, None)) is not None:
            trial.start(longest)
            running.append(trial)
        if not running:
            return
        time.sleep(0.02)
        for trial in running[:]:
            if not trial.outcome:
                trial.poll()
            if trial.outcome:
                running.remove(trial)
                yield trial


def parsed():
    """Return what the command line asks for."""
    out = Path(tempfile.gettempdir(), "mutation.jsonl")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="default: all of the core")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--record", type=Path, help="file that keeps what the tests reach")
    parser.add_argument(
        "--out", type=Path, default=out, help="file of the results, as JSON"
    )
    parser.add_argument("--again", type=Path, help="results: try only what survived there")
    parser.add_argument("--sample", type=int, metavar="N", help="N changes of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--tests", help="only those of these files, as losses,gradients")
    parser.add_argument("--longest", type=float, default=20, help="seconds of later tests")
    return parser.parse_args()


def main():
    """Record what the tests reach, try all changes, print what survives."""
    options = parsed()
    os.chdir(ROOT)
    path = options.record or Path(tempfile.mkdtemp(), "reached.json")
    if not path.exists():
        if os.fork() == 0:
            record(path, test_files(options.tests))
            os._exit(0)
        os.wait()
    modules = options.modules or [f"skbackprop/{name}.py" for name in CORE]
    recorded = json.loads(path.read_text())
    waiting = trials(modules, recorded, options.sample, options.seed)
    if options.again:
        before = [json.loads(row) for row in options.again.read_text().splitlines()]
        survived = [(r["path"], r["diff"]) for r in before if r["outcome"] != "noticed"]
        waiting = (trial for trial in waiting if (trial.path, trial.diff) in survived)
    counts = Counter()
    with options.out.open("a") as out:
        for trial in run(waiting, options.jobs, options.longest):
            out.write(json.dumps(trial.result()) + "\n")
            out.flush()
            counts[trial.outcome] += 1
            if trial.outcome != "noticed":
                print(f"{trial.path}:{trial.line} {trial.operator} {trial.outcome}")
                print("    " + "\n    ".join(trial.diff), flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main()
