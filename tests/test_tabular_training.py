"""How members of a tabular estimator are trained: together, for a time, or not at all."""

import io
import pickle
import time
import warnings
from typing import ClassVar

import joblib
import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.fixes import parse_version
from test_tabular import each, few, mixed, output
from threadpoolctl import threadpool_info, threadpool_limits

import skbackprop
from skbackprop import TabularClassifier, TabularRegressor
from skbackprop.engines import NumpyEngine


def numbers_of(model):
    """All that was learnt, as text that tells every bit."""
    values = {n: v for n, v in vars(model).items() if n.endswith("_")}
    members = [member._vector.tobytes() for member in values.pop("members_")]
    values["encoder_"] = values["encoder_"].get_feature_names_out()
    return members, {name: pickle.dumps(value) for name, value in values.items()}


# -- at the same time ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "engine"),
    [("threading", "numpy"), ("loky", "numpy"), ("threading", "numba")],
)
@each
def test_two_at_a_time_are_the_same_bits_as_one_after_the_other(cls, backend, engine):
    X, y = mixed(cls)
    one = few(cls, n_members=3, engine=engine).fit(X, y)
    with parallel_config(backend=backend):
        two = few(cls, n_members=3, engine=engine, n_jobs=2).fit(X, y)
    assert numbers_of(one) == numbers_of(two)


def blas_threads():
    pools = threadpool_info()
    return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]


class NotesThreads(NumpyEngine):
    """The NumPy engine, which notes how many threads share a matrix product."""

    noted: ClassVar[set] = set()

    def prepare(self, plan, state, data):
        self.noted.update(blas_threads())
        if plan.max_epochs == 7:
            raise OSError("as asked for")
        return super().prepare(plan, state, data)


@pytest.mark.parametrize("n_jobs", [1, 2])
@each
def test_members_train_with_one_blas_thread_and_give_the_others_back(cls, n_jobs):
    X, y = mixed(cls)
    model = few(cls, engine=NotesThreads(), n_jobs=n_jobs)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        NotesThreads.noted.clear()
        model.fit(X, y)
        assert NotesThreads.noted == {1}
        assert blas_threads() == before
        with pytest.raises(OSError, match="as asked for"):
            model.set_params(max_iter=7).fit(X, y)
        assert blas_threads() == before


@each
def test_the_same_seed_gives_the_same_bits_and_another_one_others(cls):
    X, y = mixed(cls)
    first, again, other = (few(cls, random_state=s).fit(X, y) for s in (0, 0, 1))
    assert numbers_of(first) == numbers_of(again)
    assert not np.array_equal(output(first, X), output(other, X))
    streams = [np.random.RandomState(5) for _ in range(2)]
    first, again = (few(cls, random_state=s).fit(X, y) for s in streams)
    assert numbers_of(first) == numbers_of(again)


@each
def test_the_convention_of_the_error_changes_no_bit(cls):
    X, y = mixed(cls)
    one = few(cls).fit(X, y)
    other = few(cls, error_convention="target_minus_output").fit(X, y)
    assert_array_equal(output(one, X), output(other, X))


# -- for a time ----------------------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
@each
def test_members_share_the_seconds_that_they_have(cls, n_jobs):
    X, y = mixed(cls)
    endless = {"max_iter": 10**6, "n_iter_no_change": np.inf, "engine": "numpy"}
    few(cls).fit(X, y)  # what is imported and cached once
    started = time.perf_counter()
    model = few(cls, n_members=4, n_jobs=n_jobs, max_time=0.4, **endless).fit(X, y)
    # an epoch takes milliseconds; the rest is what else this machine does
    assert 0.35 < time.perf_counter() - started < 6
    assert (model.n_iter_ > 3).all()


@each
def test_every_member_has_one_epoch_however_short_the_time(cls):
    X, y = mixed(cls)
    model = few(cls, max_time=1e-9).fit(X, y)
    assert_array_equal(model.n_iter_, [1, 1])


# -- failures ------------------------------------------------------------------------------


class Failing:
    """A scorer that fails, or is interrupted, in the second epoch of the second member."""

    calls = [0]  # noqa: RUF012 of all its copies

    def __init__(self, exception):
        self.exception = exception
        self.calls[0] = 0

    def __call__(self, member, X, y):
        self.calls[0] += 1
        if self.calls[0] == 5:
            raise self.exception
        return 0.0


@pytest.mark.parametrize("exception", [KeyboardInterrupt, MemoryError("all of it")])
@each
def test_a_failed_or_interrupted_member_leaves_an_earlier_fit_as_it_was(cls, exception):
    X, y = mixed(cls)
    model = few(cls).fit(X, y)
    before = numbers_of(model)
    model.set_params(scoring=Failing(exception))
    with pytest.raises(type(exception) if isinstance(exception, Exception) else exception):
        model.fit(X[:100], y[:100])
    assert numbers_of(model) == before
    unfitted = few(cls, scoring=Failing(exception))
    with pytest.raises(BaseException):  # noqa: B017, PT011
        unfitted.fit(X, y)
    assert vars(unfitted).keys() == unfitted.get_params().keys()


class OneFails:
    """A scorer that fails in the third epoch of the second member, and counts the calls."""

    calls = [0]  # noqa: RUF012 of all its copies

    def __call__(self, member, X, y):
        self.calls[0] += 1
        if len(member.validation_scores_) == 2 and member.activation == "silu":
            raise MemoryError("all of it")
        return 0.0


@pytest.mark.timeout(60)
def test_where_one_member_fails_those_in_other_threads_stop():
    X, y = mixed(TabularRegressor)
    endless = {"max_iter": 10**6, "n_iter_no_change": np.inf, "engine": "numpy"}
    model = few(TabularRegressor, n_jobs=2, scoring=OneFails(), **endless)
    with pytest.raises(MemoryError):
        model.fit(X, y)
    deadline = time.perf_counter() + 30
    before = -1
    while before < OneFails.calls[0] and time.perf_counter() < deadline:
        before = OneFails.calls[0]
        time.sleep(0.3)
    assert OneFails.calls[0] == before


@each
def test_bad_input_leaves_an_earlier_fit_as_it_was(cls):
    X, y = mixed(cls)
    model = few(cls).fit(X, y)
    before = numbers_of(model)
    for bad in (
        {"X": X.assign(size=np.inf)},
        {"y": y[:-1]},
        {"sample_weight": -np.ones(len(y))},
        {"X_val": X},
        {"groups": np.arange(len(y))},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(**{"X": X, "y": y} | bad)
    assert numbers_of(model) == before


def test_a_later_fit_forgets_what_only_the_earlier_one_had():
    X, y = mixed(TabularRegressor)
    model = few(TabularRegressor).fit(X, y)
    model.fit(np.arange(80.0).reshape(-1, 1), np.arange(80.0))
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 1


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"n_members": 0}, r"'n_members' parameter of Tabular.* in the range \[1, inf\)"),
        ({"n_bins": 1.5}, "'n_bins' parameter of Tabular"),
        ({"max_time": 0}, "'max_time' parameter of Tabular.* or None. Got 0 instead"),
        ({"max_iter": 0}, "'max_iter' parameter of Tabular"),
        ({"activation": "sine"}, "'activation' parameter of Tabular"),
        ({"weight_decay": -1}, "'weight_decay' parameter of"),
        ({"batch_size": "many"}, "'batch_size' parameter of Tabular"),
        ({"engine": "torch"}, "'engine' parameter of Tabular"),
        ({"scoring": "best"}, "'scoring' parameter of Tabular"),
        ({"random_state": -1}, "'random_state' parameter of Tabular"),
        ({"cv": [([0, 1], [])]}, "each with rows to train on"),
        ({"cv": 5}, "'cv' parameter of Tabular"),
        ({"verbose": "yes"}, "'verbose' parameter of Tabular"),
    ],
)
@each
def test_a_wrong_parameter_is_named(cls, parameter, words):
    X, y = mixed(cls)
    with pytest.raises(ValueError, match=words):
        few(cls, **parameter).fit(X, y)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X_val": [[1.0]]}, "X_val and y_val belong together"),
        ({"X_val": [[1.0, 2.0]], "y_val": [1]}, "X has 2 features"),
        ({"groups": [1, 2, 3, 4]}, "groups are for a splitter"),
        ({"sample_weight": [1, 1]}, "inconsistent numbers of samples"),
        ({"sample_weight": [0, 0, 0, 0]}, "zero for every sample"),
        ({"sample_weight": [0, 0, 0, 1]}, "n_samples=1 with a positive weight"),
        ({"y": [1, 2, 3]}, "inconsistent numbers of samples"),
        ({"y": None}, "requires y to be passed"),
        ({"y": [1, 2, 3, np.nan]}, "Input y contains NaN"),
    ],
)
@each
def test_wrong_arguments_are_refused(cls, arguments, words):
    call = {"X": [[0.0], [1.0], [2.0], [3.0]], "y": [1, 1, 2, 2]} | arguments
    with pytest.raises(ValueError, match=words):
        few(cls).fit(**call)


def test_own_validation_rows_and_folds_exclude_each_other():
    X, y = mixed(TabularRegressor)
    with pytest.raises(ValueError, match="X_val replaces the folds"):
        few(TabularRegressor, cv=GroupKFold(2)).fit(X, y, X_val=X, y_val=y)


def test_validation_rows_of_another_form_are_refused():
    X, y = mixed(TabularClassifier)
    with pytest.raises(ValueError, match=r"y_val .* has the classes \['odd'\]"):
        few(TabularClassifier).fit(X, y, X_val=X[:2], y_val=["dear", "odd"])
    with pytest.raises(ValueError, match="y_val has 2 outputs, but y has 1"):
        few(TabularRegressor).fit(X, range(200), X_val=X, y_val=np.ones((200, 2)))


# -- weights -------------------------------------------------------------------------------


@each
def test_rows_of_weight_zero_are_as_if_they_were_not_there(cls):
    """They are held out from nobody, and the median and the edges do not know them."""
    X, y = mixed(cls)
    weight = (np.arange(len(y)) % 4 > 0).astype(float)
    there = weight > 0
    splits = [(np.flatnonzero(there)[::2], np.flatnonzero(there)[1::2])]
    of_those = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    weighted = few(cls, cv=splits, batch_size=75).fit(X, y, sample_weight=weight)
    alone = few(cls, cv=of_those, batch_size=75).fit(X[there], y[there])
    # sums are taken in another order, in float32
    assert_allclose(output(weighted, X), output(alone, X), rtol=1e-4)


def test_balanced_classes_weigh_the_same_in_training_and_in_the_folds():
    X, y = mixed(TabularClassifier)
    balanced = few(TabularClassifier, class_weight="balanced").fit(X, y)
    labels, counts = np.unique(y, return_counts=True)
    weights = dict(zip(labels, len(y) / (2 * counts), strict=True))
    by_hand = few(TabularClassifier, class_weight=weights).fit(X, y)
    assert_array_equal(balanced.predict_proba(X), by_hand.predict_proba(X))
    plain = few(TabularClassifier).fit(X, y)
    rare = np.argmin(counts)
    gain = balanced.predict_proba(X)[:, rare] - plain.predict_proba(X)[:, rare]
    assert gain.mean() > 0
    with pytest.raises(ValueError, match="class_weight is zero for every row"):
        few(TabularClassifier, class_weight={"cheap": 0, "dear": 0}).fit(X, y)


def test_class_weights_act_whatever_the_batch():
    """A batch of one row would divide by its own weight, were it the row's."""
    X, y = mixed(TabularClassifier)
    rows = few(TabularClassifier, batch_size=1, max_iter=2, n_iter_no_change=9)
    plain = clone(rows).fit(X, y).predict_proba(X)
    dear = rows.set_params(class_weight={"cheap": 1, "dear": 30}).fit(X, y)
    column = list(dear.classes_).index("dear")
    assert dear.members_[0].class_weight == {"cheap": 1, "dear": 30}
    assert dear.predict_proba(X)[:, column].mean() > plain[:, column].mean() + 0.1


# -- in scikit-learn -----------------------------------------------------------------------


@each
def test_it_is_searched_and_cross_validated(cls):
    X, y = mixed(cls)
    search = GridSearchCV(few(cls), {"n_bins": [2, 8], "weight_decay": [0, 1]}, cv=2)
    assert search.fit(X, y).best_score_ == max(search.cv_results_["mean_test_score"])
    assert len(cross_val_score(few(cls), X, y, cv=2)) == 2


def test_it_is_blended_with_trees():
    X, y = mixed(TabularRegressor)
    X = X.assign(town=X["town"].astype("category"))
    net, trees = few(TabularRegressor), HistGradientBoostingRegressor(max_iter=5)
    both = VotingRegressor([("net", net), ("trees", trees)], weights=[2, 1]).fit(X, y)
    by_hand = (2 * net.fit(X, y).predict(X) + trees.fit(X, y).predict(X)) / 3
    assert_allclose(both.predict(X), by_hand, rtol=1e-12)
    X, y = mixed(TabularClassifier)
    X = X.assign(town=X["town"].astype("category"))
    net, trees = few(TabularClassifier), HistGradientBoostingClassifier(max_iter=5)
    pair = [("net", net), ("trees", trees)]
    both = VotingClassifier(pair, voting="soft", weights=[2, 1]).fit(X, y)
    by_hand = (2 * net.fit(X, y).predict_proba(X) + trees.fit(X, y).predict_proba(X)) / 3
    assert_allclose(both.predict_proba(X), by_hand, rtol=1e-12)


@each
def test_fit_can_ask_for_metadata(cls):
    names = ["sample_weight", "X_val", "y_val", "sample_weight_val", "groups"]
    with config_context(enable_metadata_routing=True):
        asking = cls().set_fit_request(**dict.fromkeys(names, True))
        assert asking.get_metadata_routing().fit.requests == dict.fromkeys(names, True)


def test_a_search_hands_weights_on():
    X, y = mixed(TabularRegressor)
    weight = np.linspace(0.1, 2, len(y))
    with config_context(enable_metadata_routing=True):
        model = few(TabularRegressor).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"n_bins": [4]}, cv=2)
        search.fit(X, y, sample_weight=weight)
    alone = few(TabularRegressor).fit(X, y, sample_weight=weight)
    assert_array_equal(search.predict(X), alone.predict(X))


@pytest.mark.parametrize("by", [pickle, joblib])
@each
def test_a_stored_model_predicts_the_same(cls, by):
    X, y = mixed(cls)
    model, file = few(cls).fit(X, y), io.BytesIO()
    by.dump(model, file)
    file.seek(0)
    stored = by.load(file)
    assert_array_equal(output(stored, X), output(model, X))
    assert numbers_of(stored) == numbers_of(model)
    assert numbers_of(clone(stored).fit(X, y)) == numbers_of(model)


def test_a_model_of_another_version_warns(monkeypatch):
    X, y = mixed(TabularRegressor)
    stored = pickle.dumps(few(TabularRegressor).fit(X, y))
    monkeypatch.setattr(skbackprop.estimator.fitted_network, "__version__", "0.0.7")
    with warnings.catch_warnings(record=True, action="always") as caught:
        pickle.loads(stored)
    assert "TabularRegressor was stored by version" in str(caught[-1].message)


def test_it_says_what_members_do_when_asked(capsys):
    X, y = mixed(TabularRegressor)
    few(TabularRegressor, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Member 2 of 2: 3 epochs, validation score -")
    few(TabularRegressor, verbose=2).fit(X, y)
    assert "Iteration 2, loss" in capsys.readouterr().out


# -- callbacks -----------------------------------------------------------------------------

has_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has callbacks from 1.9",
)


class Recorder:
    """Writes down what it is told; it reaches members if it may."""

    def __init__(self, max_propagation_depth=None):
        self.told = []
        if max_propagation_depth is not None:
            self.max_propagation_depth = max_propagation_depth

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.estimator_name, context.task_name))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.told.append(("end", context.estimator_name, context.task_name))
        self.fitted = fitted_estimator


@has_callbacks
@each
def test_a_callback_is_told_of_every_member(cls):
    X, y = mixed(cls)
    recorder = Recorder()
    model = few(cls).set_callbacks(recorder).fit(X, y)
    member = [(what, cls.__name__, "member") for what in ("begin", "end")]
    fit = [(what, cls.__name__, "fit") for what in ("begin", "end")]
    assert recorder.told == ["setup", fit[0], *member * 2, fit[1], "teardown"]
    assert_array_equal(output(recorder.fitted, X), output(model, X))
    assert numbers_of(few(cls).fit(X, y)) == numbers_of(model)
    assert vars(model).keys() - vars(few(cls).fit(X, y)).keys() == {"_skl_callbacks"}


@has_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@each
def test_a_progress_bar_sees_the_epochs_of_all_members_below_one_fit(cls, n_jobs):
    X, y = mixed(cls)
    recorder = Recorder(max_propagation_depth=1)
    few(cls, n_jobs=n_jobs).set_callbacks(recorder).fit(X, y)
    name = f"Backprop{cls.__name__.removeprefix('Tabular')}"
    assert recorder.told.count(("end", name, "epoch")) == 2 * 3
    assert recorder.told.count(("end", name, "fit")) == 2
    assert recorder.told.count("setup") == recorder.told.count("teardown") == 1
    assert recorder.told[1] == ("begin", cls.__name__, "fit")
    assert recorder.told[-2] == ("end", cls.__name__, "fit")


@has_callbacks
def test_a_monitor_scores_the_whole():
    from sklearn.callback import ScoringMonitor

    X, y = mixed(TabularRegressor)
    monitor = ScoringMonitor(scoring="r2")
    model = few(TabularRegressor).set_callbacks(monitor).fit(X, y)
    assert monitor.get_logs().data[-1]["r2"] == model.score(X, y)


@has_callbacks
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_progress_bar_of_scikit_learn_shows_members(backend, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y = mixed(TabularRegressor)
    with parallel_config(backend=backend):
        few(TabularRegressor, n_jobs=2).set_callbacks(ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "TabularRegressor - fit" in shown
    assert shown.count("BackpropRegressor - fit") == 2


@has_callbacks
def test_a_fit_that_fails_tears_down_what_it_set_up():
    X, y = mixed(TabularRegressor)
    recorder = Recorder()
    model = few(TabularRegressor, scoring=Failing(MemoryError())).set_callbacks(recorder)
    with pytest.raises(MemoryError):
        model.fit(X, y)
    assert recorder.told.count("setup") == recorder.told.count("teardown") == 1
