"""Data larger than memory: chunks, checkpoints, a process that is killed, memory maps."""

import copy
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier, BackpropRegressor, train_on_chunks
from skbackprop.activations import LeakyRelu
from skbackprop.initializers import GivenWeights
from skbackprop.optimizers import SGD

PROGRAMS = Path(__file__).parent / "chunks"
sys.path.insert(0, str(PROGRAMS))

from readers import READERS, write  # noqa: E402
from train import N_PASSES, new_classifier  # noqa: E402

N_CHUNKS = 10  # of a pass
GIVEN = GivenWeights([np.ones((2, 3)), np.ones((3, 1))], [np.zeros(3), np.zeros(1)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chunks")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """The classifier that was trained without an interruption."""
    clf = new_classifier()
    for _ in range(N_PASSES):
        for X, y in READERS["memory_map"](folder)(0):
            clf.partial_fit(X, y, classes=[0, 1])
    return clf


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "checkpoint"


def assert_same(found, expected):
    for ours, theirs in zip(
        found.coefs_ + found.intercepts_,
        expected.coefs_ + expected.intercepts_,
        strict=True,
    ):
        assert_array_equal(ours, theirs)
    assert_array_equal(found.loss_curve_, expected.loss_curve_)
    assert found.t_ == expected.t_


def train(read, checkpoint=None, stop_after=None, every=1):
    """Train; return the classifier and the reports, up to a chunk if one is named."""
    clf, reports = new_classifier(), []
    training = train_on_chunks(
        clf, read, n_passes=N_PASSES, classes=[0, 1], checkpoint=checkpoint, every=every
    )
    for report in training:
        reports.append(report)
        if report.n_done == stop_after:
            break
    return clf, reports


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_gives_the_numbers_of_partial_fit(reader, folder, whole):
    assert_same(train(READERS[reader](folder))[0], whole)


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("reader", READERS)
def test_a_training_that_stopped_goes_on_exactly(reader, every, folder, whole, checkpoint):
    read = READERS[reader](folder)
    for stop_after in (3, 10, 15):
        train(read, checkpoint, stop_after, every)
    clf, reports = train(read, checkpoint, every=every)
    assert_same(clf, whole)
    first = 16 if every == 1 else 13  # of those after chunk 12, which was saved last
    assert [report.n_done for report in reports] == list(range(first, 31))


def test_reports_count_passes_and_chunks(folder):
    _, reports = train(READERS["memory_map"](folder))
    counted = [(report.n_pass, report.n_chunk, report.n_done) for report in reports]
    assert counted[:2] == [(1, 1, 1), (1, 2, 2)]
    assert counted[9:11] == [(1, 10, 10), (2, 1, 11)]
    assert counted[-1] == (N_PASSES, N_CHUNKS, N_PASSES * N_CHUNKS)


def test_a_training_that_ended_is_read_back(folder, whole, checkpoint):
    read = READERS["memory_map"](folder)
    train(read, checkpoint)
    clf, reports = train(read, checkpoint)
    assert reports == []
    assert_same(clf, whole)


def test_more_passes_go_on_from_the_checkpoint(folder, whole, checkpoint):
    read, clf = READERS["memory_map"](folder), new_classifier()
    for n_passes in range(1, N_PASSES + 1):
        clf = new_classifier()
        list(
            train_on_chunks(
                clf, read, n_passes=n_passes, classes=[0, 1], checkpoint=checkpoint
            )
        )
    assert_same(clf, whole)


def test_a_random_state_that_was_drawn_from_is_no_other_parameter(checkpoint):
    X, y = np.eye(4), np.arange(4.0)
    for n_passes in (2, 4):
        reg = BackpropRegressor((3,), random_state=np.random.RandomState(0))
        training = train_on_chunks(
            reg, lambda start: [(X, y)][start:], n_passes=n_passes, checkpoint=checkpoint
        )
        assert len(list(training)) == 2


def test_weights_come_with_the_chunk():
    X, y, weight = np.eye(4), np.arange(4.0), np.array([0.0, 1, 2, 3])
    found, expected = (BackpropRegressor((3,), random_state=0) for _ in range(2))
    list(train_on_chunks(found, lambda start: [(X, y, weight)]))
    assert_same(found, expected.partial_fit(X, y, weight))


def test_nothing_is_written_without_a_checkpoint(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(READERS["memory_map"](folder))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_other_parameters_is_refused(folder, checkpoint):
    read = READERS["memory_map"](folder)
    train(read, checkpoint, stop_after=2)
    clf = new_classifier().set_params(alpha=0.5, dropout=0.0)
    with pytest.raises(ValueError, match=r"other values of alpha, dropout"):
        next(train_on_chunks(clf, read, classes=[0, 1], checkpoint=checkpoint))


def test_a_checkpoint_of_another_estimator_is_refused(folder, checkpoint):
    read = READERS["memory_map"](folder)
    train(read, checkpoint, stop_after=2)
    with pytest.raises(ValueError, match="holds a BackpropClassifier, not a BackpropReg"):
        next(train_on_chunks(BackpropRegressor(), read, checkpoint=checkpoint))


EQUAL = [
    ("hidden_layer_sizes", (3, 3), tuple(int(n) for n in "33")),  # pickled as two objects
    ("hidden_layer_sizes", (3, 3), [3, 3]),
    ("hidden_layer_sizes", (3,), np.array([3])),
    ("alpha", 0.01, np.float64(0.01)),
    ("class_weight", {0: 1.0, 1: 2.0}, {1: 2, 0: 1}),
    ("solver", SGD(momentum=0.5), SGD(momentum=np.float64(0.5))),
    ("activation", [LeakyRelu(slope=0.1)], (LeakyRelu(slope=0.1),)),
    ("initializer", GIVEN, copy.deepcopy(GIVEN)),
    ("random_state", np.random.RandomState(0), np.random.RandomState(0)),
]
WITHOUT_EFFECT = [
    ("verbose", False, True),
    ("warm_start", False, True),
    ("max_fun", 15000, 10),
    ("max_time", None, 10.0),
    ("validation_fraction", 0.1, 0.2),
    ("validation_rows", "random", "last"),
    ("target_loss", None, 0.0),
    ("scoring", None, "loss"),
]
UNEQUAL = [
    ("hidden_layer_sizes", (3,), (3, 3)),
    ("class_weight", {0: 1.0, 1: 2.0}, {0: 1.0, 1: 3.0}),
    ("solver", SGD(momentum=0.5), SGD(momentum=0.6)),
    ("solver", SGD(), "sgd"),
    ("activation", [LeakyRelu(slope=0.1)], [LeakyRelu(slope=0.2)]),
    ("random_state", np.random.RandomState(0), np.random.RandomState(1)),
    ("random_state", 0, 1),
    ("max_iter", 200, 100),  # a schedule may take its length from it
    ("learning_rate", "cosine", "constant"),
]
CHUNK = np.eye(2), np.arange(2)


def with_checkpoint(checkpoint, n_passes, **params):
    clf = BackpropClassifier(**{"hidden_layer_sizes": (3,)} | params)
    training = train_on_chunks(
        clf,
        lambda start: [CHUNK][start:],
        n_passes=n_passes,
        classes=[0, 1],
        checkpoint=checkpoint,
    )
    return len(list(training))


@pytest.mark.parametrize(("name", "before", "now"), EQUAL + WITHOUT_EFFECT)
def test_equal_parameters_and_those_without_effect_go_on(name, before, now, checkpoint):
    assert with_checkpoint(checkpoint, 2, **{name: copy.deepcopy(before)}) == 2
    assert with_checkpoint(checkpoint, 5, **{name: copy.deepcopy(now)}) == 3


@pytest.mark.parametrize(("name", "before", "now"), UNEQUAL)
def test_other_parameters_do_not_go_on(name, before, now, checkpoint):
    with_checkpoint(checkpoint, 2, **{name: copy.deepcopy(before)})
    with pytest.raises(ValueError, match=f"checkpoint was written with other .*{name}"):
        with_checkpoint(checkpoint, 5, **{name: copy.deepcopy(now)})


def test_the_parameters_of_the_new_start_hold(checkpoint, capsys):
    """Those without effect on the numbers; what was learnt comes from the file."""
    with_checkpoint(checkpoint, 2)
    assert capsys.readouterr().out == ""
    with_checkpoint(checkpoint, 3, verbose=True)
    assert capsys.readouterr().out.startswith("Iteration 3, loss = ")


@pytest.mark.parametrize("part", [0, 1, 0.5, 0.99], ids=str)
def test_a_damaged_checkpoint_is_named_with_its_path(part, checkpoint):
    with_checkpoint(checkpoint, 2)
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(part * len(content)) if part < 1 else 1])
    with pytest.raises(ValueError, match=f"{re.escape(str(checkpoint))} .* no checkpoint"):
        with_checkpoint(checkpoint, 5)


@pytest.mark.parametrize("content", [{"a": 1}, (1, 2, 3), BackpropClassifier()], ids=str)
def test_another_pickle_is_no_checkpoint(content, checkpoint):
    checkpoint.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=f"{re.escape(str(checkpoint))} .* no checkpoint"):
        with_checkpoint(checkpoint, 5)


def test_an_iterator_that_is_used_up_is_noticed():
    once = iter([(np.eye(2), [0.0, 1.0])])
    with pytest.raises(ValueError, match=r"no chunk in pass 2\. It must start again"):
        list(train_on_chunks(BackpropRegressor((2,)), lambda start: once, n_passes=2))


# -- processes that are killed ---------------------------------------------------------


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / "train.py"), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.scaling
@pytest.mark.parametrize("when", ["chunk", "write", "sync", "replace", "replaced"])
def test_killed_at_any_place_it_goes_on_exactly(when, folder, whole, tmp_path):
    """At the seventh chunk of the first start, the eighth of the second."""
    for name in ("X.npy", "y.npy"):
        (tmp_path / name).symlink_to(folder / name)
    for n in (7, 8):
        process = start("memory_map", tmp_path, when, n)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    process = start("memory_map", tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    clf, _, position = pickle.loads((tmp_path / "checkpoint").read_bytes())
    assert position == (N_PASSES, 0, N_PASSES * N_CHUNKS)
    assert_same(clf, whole)


@pytest.mark.scaling
def test_killed_from_outside_it_goes_on_exactly(folder, whole, tmp_path, rng):
    """Whenever the signal comes."""
    (tmp_path / "rows.parquet").symlink_to(folder / "rows.parquet")
    for n_lines in (2, 7, 12):
        process = start("parquet", tmp_path)
        for _ in range(n_lines):
            process.stdout.readline()
        time.sleep(0.01 * rng.random_sample())
        process.kill()
        process.communicate(timeout=60)
    process = start("parquet", tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    clf, _, _ = pickle.loads((tmp_path / "checkpoint").read_bytes())
    assert_same(clf, whole)


# -- fit on a memory map ---------------------------------------------------------------

FIT_ON_A_MAP = """
import resource, sys, warnings
import numpy as np
from skbackprop import BackpropClassifier

X, y = np.load(sys.argv[1], mmap_mode="r"), np.arange(200_000) % 2
warnings.simplefilter("ignore")
clf = BackpropClassifier((16,), max_iter=1, engine=sys.argv[2])
clf.fit(X[:2000], y[:2000])  # whatever is imported or compiled comes first
used = dict(line.split(":") for line in open("/proc/self/status"))["VmData"].split()[0]
limit = int(used) * 1024 + int(sys.argv[3]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print(clf.fit(X, y).n_iter_)
"""


@pytest.mark.scaling
@pytest.mark.timeout(660)
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_fit_on_a_memory_map_takes_at_most_32_mib(engine, tmp_path):
    """Of 391 MiB of rows; the operating system refuses the process any more."""
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", "w+", dtype=np.float32, shape=(200_000, 512)
    )
    rng = np.random.RandomState(0)
    for first in range(0, len(X), 10_000):
        X[first : first + 10_000] = rng.random_sample((10_000, 512))
    X.flush()

    def fit_within(mib):
        return subprocess.run(
            [sys.executable, "-c", FIT_ON_A_MAP, tmp_path / "X.npy", engine, str(mib)],
            capture_output=True,
            text=True,
            timeout=300,  # compiling for the first time takes its time
            cwd=Path(__file__).parents[1],
        )

    result = fit_within(32)
    assert result.stdout == "1\n", result.stderr
    assert "MemoryError" in fit_within(2).stderr  # the limit is one
