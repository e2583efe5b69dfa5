"""scikit-learn's callbacks (from 1.9): what `fit` tells them, and that they may stop it."""

import io
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
SOLVERS = ["adam", "sgd", "rprop", "lbfgs"]
each_solver = pytest.mark.parametrize("solver", SOLVERS)


class Recorder:
    """Writes down what it is told; stops after `stop_after` epochs."""

    def __init__(self, stop_after=np.inf):
        self.stop_after = stop_after
        self.told, self.estimators, self.fitted, self.rows = [], [], [], []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.told.append(("end", context.task_name, context.task_id))
        self.estimators.append(estimator)
        self.fitted.append(fitted_estimator)
        self.rows.append((X, y, metadata))
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after


class Light(Recorder):
    """Does not ask for a fitted estimator."""

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)


class Failing(Light):
    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        if context.task_id == 2:
            raise RuntimeError("the disk is full")


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def make(solver="adam", **params):
    params = {"max_iter": 6, "random_state": 0, **params}
    return BackpropClassifier((5,), learning_rate=0.02, solver=solver, **params)


def same_weights(a, b):
    pairs = zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


# -- what callbacks are told ---------------------------------------------------------------


@each_solver
def test_every_epoch_begins_and_ends_inside_the_fit(iris, solver):
    recorder = Recorder()
    clf = make(solver).set_callbacks(recorder).fit(*iris)
    n_epochs = clf.n_iter_
    assert n_epochs == 6
    epochs = [(what, "epoch", i) for i in range(n_epochs) for what in ("begin", "end")]
    begin, end = ("begin", "fit", 0), ("end", "fit", 0)
    assert recorder.told == ["setup", begin, *epochs, end, "teardown"]


@each_solver
def test_callbacks_change_nothing(iris, solver):
    splits = {"early_stopping": solver != "lbfgs"}
    plain = make(solver, **splits).fit(*iris)
    watched = make(solver, **splits).set_callbacks(Recorder()).fit(*iris)
    assert same_weights(plain, watched)
    assert plain.loss_curve_ == watched.loss_curve_
    assert vars(plain).keys() == vars(watched).keys() - {"_skl_callbacks"}


@each_solver
def test_the_estimator_handed_over_is_the_one_that_is_trained(iris, solver):
    """It has the curves so far."""
    lengths = []

    class Curves(Light):
        def on_fit_task_end(self, estimator, context):
            lengths.append(len(estimator.loss_curve_))

    make(solver).set_callbacks(Curves()).fit(*iris)
    assert lengths == [1, 2, 3, 4, 5, 6, 6]


def test_callbacks_get_rows_labels_and_weights_as_fit_got_them(iris):
    X, y = iris
    names = np.array(["a", "b", "c"])[y]
    weight = np.linspace(1, 2, len(y))
    recorder = Recorder()
    make().set_callbacks(recorder).fit(X, names, sample_weight=weight)
    make().set_callbacks(recorder).fit(X, names)
    for their_X, their_y, metadata in recorder.rows[:7]:
        assert their_X is X
        assert their_y is names
        assert metadata == {"sample_weight": weight}
    assert recorder.rows[-1][2] is None


def test_nothing_is_told_by_partial_fit(iris):
    recorder = Recorder()
    make().set_callbacks(recorder).partial_fit(*iris, classes=[0, 1, 2])
    assert recorder.told == []


# -- the fitted estimator of an epoch ------------------------------------------------------


@each_solver
def test_the_fitted_estimator_is_the_one_of_a_fit_that_ends_there(iris, solver):
    recorder = Recorder()
    make(solver).set_callbacks(recorder).fit(*iris)
    for n_epochs, fitted in enumerate(recorder.fitted[:6], start=1):
        shorter = make(solver, max_iter=n_epochs).fit(*iris)
        assert same_weights(fitted, shorter)
        assert fitted.loss_curve_ == shorter.loss_curve_
        for name in ("loss_", "best_loss_", "n_iter_", "t_"):
            assert getattr(fitted, name) == getattr(shorter, name), name


def test_with_early_stopping_it_has_the_best_weights_so_far(iris):
    recorder = Recorder()
    make(early_stopping=True, learning_rate_init=1.0).set_callbacks(recorder).fit(*iris)
    for n_epochs, fitted in enumerate(recorder.fitted[:6], start=1):
        shorter = make(early_stopping=True, max_iter=n_epochs).fit(*iris)
        assert same_weights(fitted, shorter)


def test_training_a_fitted_estimator_further_does_not_disturb_the_fit(iris):
    class Meddler(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            fitted_estimator.partial_fit(*iris).coefs_[0][:] = 7

    assert same_weights(make().set_callbacks(Meddler()).fit(*iris), make().fit(*iris))


def test_a_checkpoint_written_by_a_callback_goes_on_like_the_fit(iris):
    """In the stored estimator is nothing of the running fit, nor the callback."""
    files = []

    class Checkpoint(Recorder):
        def __reduce__(self):
            raise TypeError("a callback need not be picklable")

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            fitted_estimator.set_callbacks()
            files.append(io.BytesIO())
            joblib.dump(fitted_estimator, files[-1])

    whole = make().set_callbacks(Checkpoint()).fit(*iris)
    files[2].seek(0)
    resumed = joblib.load(files[2])
    for _ in range(3):
        resumed.partial_fit(*iris)
    assert same_weights(resumed, whole)


# -- stopping ------------------------------------------------------------------------------


@each_solver
def test_a_callback_that_returns_true_stops_training(iris, solver, capsys):
    recorder = Recorder(stop_after=3)
    clf = make(solver, verbose=True).set_callbacks(recorder).fit(*iris)
    assert clf.n_iter_ == len(clf.loss_curve_) == 3
    assert recorder.told[-2:] == [("end", "fit", 0), "teardown"]
    assert same_weights(clf, make(solver, max_iter=3).fit(*iris))
    assert "A callback stopped the training." in capsys.readouterr().out


@each_solver
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_to_be_stopped_by_a_callback_is_not_a_failure_to_converge(iris, solver):
    with pytest.warns(ConvergenceWarning):  # it would be, without
        make(solver).fit(*iris)
    make(solver).set_callbacks(Recorder(stop_after=5)).fit(*iris)


def test_one_callback_is_enough_to_stop(iris):
    clf = make().set_callbacks(Recorder(), Recorder(stop_after=2), Recorder()).fit(*iris)
    assert clf.n_iter_ == 2


# -- failure -------------------------------------------------------------------------------


def test_a_callback_that_fails_leaves_the_estimator_as_it_was(iris):
    clf = make(warm_start=True).fit(*iris)
    before = pickle.dumps(clf)
    failing = Failing()
    with pytest.raises(RuntimeError, match="the disk is full"):
        clf.set_callbacks(failing).fit(*iris)
    assert failing.told[-1] == "teardown"
    assert pickle.dumps(clf.set_callbacks()) == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"X_val": [[1.0] * 4]}, "X_val and y_val belong together"),
        ({"sample_weight": [1.0]}, "inconsistent numbers of samples"),
    ],
)
def test_a_fit_that_fails_tears_down_what_it_set_up(iris, bad, message):
    recorder = Light()
    clf = make().set_callbacks(recorder)
    with pytest.raises(ValueError, match=message):
        clf.fit(*iris, **bad)
    assert recorder.told.count("setup") == recorder.told.count("teardown")
    assert vars(clf).keys() - clf.get_params() == {"_skl_callbacks"}


# -- scikit-learn's own --------------------------------------------------------------------


@each_solver
def test_the_scoring_monitor_scores_every_epoch(iris, solver):
    X, y = iris
    monitor, recorder = ScoringMonitor(scoring="accuracy"), Recorder()
    make(solver).set_callbacks(monitor, recorder).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = [accuracy_score(y, fitted.predict(X)) for fitted in recorder.fitted[:6]]
    assert [row["accuracy"] for row in rows] == expected
    assert len(set(expected)) > 1  # it is not one model six times


def test_the_scoring_monitor_counts_the_sample_weights():
    X, y = np.arange(6.0)[:, np.newaxis], np.arange(6.0) ** 2
    weight = np.array([1.0, 1, 1, 5, 5, 5])
    monitor = ScoringMonitor(scoring="r2")
    reg = BackpropRegressor((3,), max_iter=3, random_state=0).set_callbacks(monitor)
    reg.fit(X, y, sample_weight=weight)
    last = monitor.get_logs().data[-1]["r2"]
    assert_allclose(last, reg.score(X, y, sample_weight=weight), rtol=1e-12)
    assert abs(last - reg.score(X, y)) > 1e-3


def in_a_pipeline(clf):
    return make_pipeline(StandardScaler(), clf)


def test_a_pipeline_hands_over_its_own_rows(iris):
    X, y = iris
    recorder = Recorder()
    pipeline = in_a_pipeline(make().set_callbacks(recorder)).fit(10 + 3 * X, y)
    assert [told for told in recorder.told if told[0] == "end"][-1][1] == "fit"
    assert_allclose(recorder.rows[0][0], X, atol=1e-12)  # scaled back, up to rounding
    assert same_weights(pipeline[-1], recorder.fitted[-1])


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("wrap", [lambda clf: clf, in_a_pipeline], ids=["alone", "piped"])
def test_the_scoring_monitor_sees_every_fit_of_a_search(iris, wrap, n_jobs):
    """Two values, two folds and the refit, six epochs and a fit each."""
    monitor = ScoringMonitor(scoring="accuracy")
    model = wrap(make().set_callbacks(monitor))
    name = next(name for name in model.get_params() if name.endswith("alpha"))
    GridSearchCV(model, {name: [0.1, 1.0]}, cv=2, n_jobs=n_jobs).fit(*iris)
    rows = monitor.get_logs().data
    names = [row["task_name"] for row in rows]
    assert names.count("epoch") == 5 * 6
    assert len(rows) == 5 * 7
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_with_a_monitor_finds_what_it_finds_without(iris, n_jobs):
    grid = {"alpha": [0.1, 1.0]}
    plain = GridSearchCV(make(engine="numpy"), grid, cv=2).fit(*iris)
    monitor = ScoringMonitor(scoring="accuracy")
    watched = make(engine="numpy").set_callbacks(monitor)
    watched = GridSearchCV(watched, grid, cv=2, n_jobs=n_jobs).fit(*iris)
    for key in ("split0_test_score", "split1_test_score"):
        assert_array_equal(plain.cv_results_[key], watched.cv_results_[key])


def test_a_monitor_in_a_search_can_stop_every_fit(iris):
    clf = make().set_callbacks(Recorder(stop_after=2))
    search = GridSearchCV(clf, {"alpha": [0.1, 1.0]}, cv=2).fit(*iris)
    assert search.best_estimator_.n_iter_ == 2


class Propagated(Recorder):
    """Is handed down from the outermost estimator."""

    max_propagation_depth = None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_of_the_search_reaches_the_epochs(iris, solver):
    recorder = Propagated()
    search = GridSearchCV(in_a_pipeline(make(solver)), {}, cv=2)
    search.set_callbacks(recorder).fit(*iris)
    assert sum(told[:2] == ("end", "epoch") for told in recorder.told) == 3 * 6
    assert "_skl_callbacks" not in vars(search.best_estimator_[-1])
    assert "_parent_callback_ctx" not in vars(search.best_estimator_[-1])


@pytest.mark.integration
def test_the_progress_bar_shows_the_epochs(iris, capsys):
    make().set_callbacks(ProgressBar()).fit(*iris)
    out = capsys.readouterr().out
    assert "BackpropClassifier - fit" in out
    assert "100%" in out


@pytest.mark.integration
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_progress_bar_of_a_search_shows_every_fit(iris, n_jobs, capsys, monkeypatch):
    """Two folds and the refit."""
    monkeypatch.setenv("COLUMNS", "200")  # else the names of the tasks are cut off
    search = GridSearchCV(in_a_pipeline(make()), {}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris)
    lines = [line for line in capsys.readouterr().out.splitlines() if "100%" in line]
    assert sum("BackpropClassifier" in line for line in lines) == 3
