"""Training goes on exactly: several calls leave the bits of one, also through pickle.

That is the difference from scikit-learn's MLP that matters most: its warm starts and
its partial_fit begin the optimizer or the order of the rows anew.
"""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import assert_same_weights
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.averaging import SWA

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # five epochs are not to converge
)

ADAM = {"solver": "adam", "learning_rate_init": 0.01}
SGD = {"solver": "sgd", "learning_rate_init": 0.05}
STOCHASTIC = {
    "adam": ADAM,
    "plain": {**SGD, "momentum": 0.0},
    "momentum": {**SGD, "nesterovs_momentum": False},
    "nesterov": SGD,
    "invscaling": {**SGD, "learning_rate": "invscaling"},
    "adam invscaling": {**ADAM, "learning_rate": "invscaling"},
    "target minus output": {**ADAM, "error_convention": "target_minus_output"},
    "single rows": {**ADAM, "batch_size": 1},
    "whole data": {**ADAM, "batch_size": 40},
    "ema": {**ADAM, "averaging": "ema"},
}
# A tol that no epoch meets: the rate is lowered after epochs 4, 7 and 10.
ADAPTIVE = {**SGD, "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 2}
EARLY_STOPPING = {"early_stopping": True, "validation_fraction": 0.25}
WARM = STOCHASTIC | {
    "adaptive": ADAPTIVE,
    "early stopping": {**ADAM, **EARLY_STOPPING},
    "early stopping, swa": {**ADAM, **EARLY_STOPPING, "averaging": SWA(start=3)},
    "early stopping, adaptive": {**ADAPTIVE, **EARLY_STOPPING},
}
TARGETS = ["binary", "multiclass", "multilabel", "outputs"]


def as_is(estimator):
    return estimator


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def each_setting_of(settings):
    """Every setting through pickle; as it is, and without shuffling, those that differ."""
    differ = settings.keys() & {"adam", "early stopping", "early stopping, adaptive"}
    return [
        *[(name, True, through_pickle) for name in settings],
        *[(name, True, as_is) for name in sorted(differ)],
        *[(name, False, through_pickle) for name in sorted(differ)],
    ]


def make_data(target, n_rows=40, dtype=np.float64):
    rng = np.random.RandomState(0)
    X = rng.randn(n_rows, 4)
    outputs = X @ rng.randn(4, 3) + rng.randn(n_rows, 3)
    y = {
        "binary": outputs[:, 0] > 0,
        "multiclass": outputs.argmax(axis=1),
        "multilabel": (outputs > 0).astype(int),
        "outputs": outputs,
    }[target]
    return X.astype(dtype), y


def make_estimator(target, **parameters):
    estimator_class = BackpropRegressor if target == "outputs" else BackpropClassifier
    return estimator_class(
        **{"hidden_layer_sizes": (5,), "batch_size": 7, "random_state": 0} | parameters
    )


def assert_same_bits(one, other):
    """Compare all that a training leaves behind, bit for bit.

    `n_iter_` counts the epochs of the last `fit`.
    """
    assert_same_weights(one, other)
    for name in ("loss_curve_", "validation_scores_", "t_", "loss_"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("best_loss_", "best_validation_score_", "best_iter_"):
        assert getattr(one, name) == getattr(other, name)


# -- warm_start ----------------------------------------------------------------------------


def assert_five_and_five_are_ten(target, X, y, parameters, carry):
    ten = make_estimator(target, max_iter=10, **parameters).fit(X, y)
    assert ten.n_iter_ == 10
    five = make_estimator(target, max_iter=5, warm_start=True, **parameters).fit(X, y)
    assert five.n_iter_ == 5
    assert_same_bits(carry(five).fit(X, y), ten)


@pytest.mark.parametrize(("setting", "shuffle", "carry"), each_setting_of(WARM))
def test_five_epochs_and_five_are_ten(setting, shuffle, carry):
    X, y = make_data("multiclass")
    parameters = WARM[setting] | {"shuffle": shuffle}
    assert_five_and_five_are_ten("multiclass", X, y, parameters, carry)


@pytest.mark.parametrize("setting", ["adam", "early stopping"])
@pytest.mark.parametrize("target", TARGETS)
def test_five_epochs_and_five_are_ten_for_every_kind_of_target(target, setting):
    for dtype in np.float64, np.float32:
        X, y = make_data(target, dtype=dtype)
        assert_five_and_five_are_ten(target, X, y, WARM[setting], through_pickle)


def test_ten_times_one_epoch_is_ten():
    X, y = make_data("binary")
    ten = make_estimator("binary", max_iter=10).fit(X, y)
    one = make_estimator("binary", max_iter=1, warm_start=True)
    for _ in range(10):
        one = through_pickle(one.fit(X, y))
    assert_same_bits(one, ten)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_patience_ends_a_continued_training_at_the_same_epoch(early_stopping):
    X, y = make_data("multiclass")
    settings = {"tol": 10.0, "n_iter_no_change": 6, "early_stopping": early_stopping}
    whole = make_estimator("multiclass", max_iter=50, **settings).fit(X, y)
    parts = make_estimator("multiclass", max_iter=5, warm_start=True, **settings)
    assert whole.n_iter_ == 8
    assert_same_bits(parts.fit(X, y).fit(X, y), whole)


def test_a_warm_start_shows_the_best_weights_and_trains_on_from_the_last():
    X, y = make_data("multiclass")
    settings = {**ADAM, **EARLY_STOPPING, "max_iter": 15, "n_iter_no_change": np.inf}
    settings["warm_start"] = True
    clf = make_estimator("multiclass", **settings).fit(X, y)
    best_epoch = int(np.argmax(clf.validation_scores_)) + 1
    assert best_epoch < 15
    until_best = make_estimator("multiclass", **settings | {"max_iter": best_epoch})
    assert_array_equal(clf.coefs_[0], until_best.fit(X, y).coefs_[0])
    thirty = make_estimator("multiclass", **settings | {"max_iter": 30}).fit(X, y)
    assert clf.fit(X, y).loss_curve_ == thirty.loss_curve_


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_changed_number_of_rows_is_arranged_anew(early_stopping):
    X, y = make_data("multiclass")
    settings = {"max_iter": 2, "warm_start": True, "early_stopping": early_stopping}
    clf = make_estimator("multiclass", **settings).fit(X, y).fit(X[:20], y[:20])
    assert len(clf.loss_curve_) == 4
    # a tenth, but at least one row per class, is set aside for validation
    n_trained = 36 + 17 if early_stopping else 40 + 20
    assert clf.t_ == 2 * n_trained


def test_lbfgs_goes_on_from_its_weights():
    X, y = make_data("multiclass")
    clf = make_estimator("multiclass", solver="lbfgs", max_iter=5, warm_start=True)
    first = clf.fit(X, y).loss_
    assert len(clf.fit(X, y).loss_curve_) == 10
    assert clf.loss_curve_[5] < first == clf.loss_curve_[4]


def test_mlp_does_not_go_on_exactly():
    X, y = make_data("binary")
    ten = MLPClassifier((5,), max_iter=10, random_state=0, **ADAM).fit(X, y)
    five = MLPClassifier((5,), max_iter=5, warm_start=True, random_state=0, **ADAM)
    assert np.abs(five.fit(X, y).fit(X, y).coefs_[0] - ten.coefs_[0]).max() > 1e-4


# -- partial_fit ---------------------------------------------------------------------------


def train_in_parts(estimator, X, y, n_calls, carry=as_is):
    first = {} if isinstance(estimator, BackpropRegressor) else {"classes": np.unique(y)}
    estimator.partial_fit(X, y, **first)
    for _ in range(n_calls - 1):
        estimator = carry(estimator).partial_fit(X, y)
    return estimator


@pytest.mark.parametrize(("setting", "shuffle", "carry"), each_setting_of(STOCHASTIC))
def test_six_calls_of_partial_fit_are_a_fit_of_six_epochs(setting, shuffle, carry):
    X, y = make_data("multiclass")
    parameters = STOCHASTIC[setting] | {"shuffle": shuffle}
    whole = make_estimator("multiclass", max_iter=6, **parameters).fit(X, y)
    parts = make_estimator("multiclass", **parameters)
    assert_same_bits(train_in_parts(parts, X, y, 6, carry), whole)


@pytest.mark.parametrize("target", TARGETS)
def test_partial_fit_is_fit_for_every_kind_of_target(target):
    for dtype in np.float64, np.float32:
        X, y = make_data(target, dtype=dtype)
        whole = make_estimator(target, max_iter=6).fit(X, y)
        parts = train_in_parts(make_estimator(target), X, y, 6, through_pickle)
        assert_same_bits(parts, whole)


def test_partial_fit_lowers_an_adaptive_rate_as_fit_does():
    X, y = make_data("multiclass")
    whole = make_estimator("multiclass", max_iter=10, **ADAPTIVE).fit(X, y)
    parts = train_in_parts(make_estimator("multiclass", **ADAPTIVE), X, y, 10)
    assert_same_bits(parts, whole)


def test_partial_fit_and_warm_start_continue_each_other():
    X, y = make_data("multiclass")
    whole = make_estimator("multiclass", max_iter=6).fit(X, y)
    parts = train_in_parts(make_estimator("multiclass"), X, y, 3)
    parts.set_params(warm_start=True, max_iter=3)
    assert_same_bits(parts.fit(X, y), whole)


def test_a_chunk_of_another_size_starts_from_the_natural_order():
    """As in MLP given a RandomState, whose stream goes on from call to call too."""
    X, y = make_data("multiclass")
    settings = {"hidden_layer_sizes": (5,), "batch_size": 7}
    ours = BackpropClassifier(random_state=0, **settings)
    mlp = MLPClassifier(random_state=np.random.RandomState(0), **settings)
    for rows in [slice(0, 20), slice(20, 35), slice(0, 20), slice(10, 40)]:
        ours.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        mlp.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert_allclose(ours.coefs_[0], mlp.coefs_[0], rtol=1e-10)


def test_mlp_with_a_seed_repeats_its_order():
    X, y = make_data("multiclass")
    whole = MLPClassifier((5,), batch_size=7, max_iter=3, random_state=0).fit(X, y)
    parts = MLPClassifier((5,), batch_size=7, random_state=0)
    for _ in range(3):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert np.abs(parts.coefs_[0] - whole.coefs_[0]).max() > 1e-6


# -- a call that fails in between changes nothing ------------------------------------------


def diverge(clf, X, y):
    clf.set_params(solver="sgd", learning_rate=1e300).fit(X, y)


def pass_an_unknown_class(clf, X, y):
    clf.fit(X, np.where(y == 0, 7, y))


def pass_too_few_weights(clf, X, y):
    clf.fit(X, y, sample_weight=[1.0, 2.0])


@pytest.mark.parametrize("fail", [diverge, pass_an_unknown_class, pass_too_few_weights])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_training_goes_on_exactly_after_a_call_that_failed(fail, early_stopping):
    X, y = make_data("multiclass")
    parameters = {"max_iter": 5, "warm_start": True, "early_stopping": early_stopping}
    undisturbed = make_estimator("multiclass", **parameters).fit(X, y).fit(X, y)
    clf = make_estimator("multiclass", **parameters).fit(X, y)
    parameters = clf.get_params()
    with pytest.raises(ValueError, match=r"diverged|classes|inconsistent"):
        fail(clf, X, y)
    assert_same_bits(clf.set_params(**parameters).fit(X, y), undisturbed)


# -- what is stored without its order ------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_without_warm_start_goes_on_exactly_after_it_was_stored(shuffle, dropout):
    """The order of the rows is found again, though nothing of its length is stored."""
    X, y = make_data("binary")
    parameters = {"max_iter": 3, "shuffle": shuffle, "dropout": dropout}
    here = make_estimator("binary", **parameters).fit(X, y)
    stored = through_pickle(here)
    for _ in range(2):  # and again after another chunk
        here.partial_fit(X, y)
        stored = through_pickle(stored).partial_fit(X, y)
        assert_same_bits(stored, here)
    for net in here, stored:
        net.set_params(warm_start=True, max_iter=2).fit(X, y)
    assert_same_bits(stored, here)


def test_chunks_of_changing_size_go_on_exactly_after_they_were_stored():
    X, y = make_data("binary")
    stored, here = (
        make_estimator("binary").partial_fit(X, y, classes=[False, True]) for _ in range(2)
    )
    for n_rows in (40, 40, 25, 25, 1, 40, 40):
        stored = through_pickle(stored).partial_fit(X[:n_rows], y[:n_rows])
        here.partial_fit(X[:n_rows], y[:n_rows])
    assert_same_bits(stored, here)


def test_a_stream_that_others_draw_from_begins_a_new_order_after_it_was_stored():
    """Nothing is promised for it but that it goes on."""
    X, y = make_data("binary")
    stream = np.random.RandomState(0)
    net = make_estimator("binary", random_state=stream)
    net.partial_fit(X, y, classes=[False, True])
    stream.random_sample(3)
    net.partial_fit(X, y)
    assert through_pickle(net).partial_fit(X, y).n_iter_ == 3


def test_another_generator_than_usual_is_stored_with_its_order():
    X, y = make_data("binary")
    nets = [
        make_estimator("binary", random_state=np.random.RandomState(np.random.PCG64(0)))
        for _ in range(2)
    ]
    for _ in range(3):
        for net in nets:
            net.partial_fit(X, y, classes=[False, True])
        nets[0] = through_pickle(nets[0])
    assert_same_bits(*nets)
