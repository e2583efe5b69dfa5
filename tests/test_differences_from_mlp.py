"""Where results or behaviour differ from scikit-learn's MLP, on purpose.

One section for each difference. It shows what we do and, where that is cheap, what the
installed scikit-learn does, so that a change over there is noticed. The difference that
matters most, that training goes on exactly, has tests of its own:
`test_exact_continuation.py`.
"""

import inspect
import pickle
import pickletools
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import parameters_of
from scipy.special import log_expit, log_softmax
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # a few epochs show all there is
)

# scikit-learn 1.6 has neither sample_weight nor loss: nothing to compare with there
MLP_HAS_WEIGHTS_AND_LOSS = "loss" in MLPRegressor().get_params()

# One epoch at a rate that moves nothing: what is reported belongs to the first weights.
STILL = {"solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0.0}


@pytest.fixture
def X(rng):
    return rng.randn(40, 4)


@pytest.fixture
def outputs(X, rng):
    return X @ rng.randn(4, 3) + 0.5 * rng.randn(40, 3)


@pytest.fixture
def classes(outputs):
    return outputs.argmax(axis=1)


@pytest.fixture
def labels(outputs):
    return (outputs > 0).astype(int)


def net_output_of(estimator, X):
    """Return the net input of the output layer of a network of relu units."""
    *hidden, last = zip(estimator.coefs_, estimator.intercepts_, strict=True)
    for weights, bias in hidden:
        X = np.maximum(X @ weights + bias, 0)
    return X @ last[0] + last[1]


# -- several outputs: the reported loss is the one the gradient belongs to -----------------


def test_the_loss_of_several_outputs_is_their_sum(X, outputs):
    ours = BackpropRegressor((5,), random_state=0, **STILL).fit(X, outputs)
    mlp = MLPRegressor(hidden_layer_sizes=(5,), random_state=0, **STILL).fit(X, outputs)
    half_squares = ((ours.predict(X) - outputs) ** 2).mean(axis=0) / 2
    assert_allclose(ours.loss_, half_squares.sum(), rtol=1e-12)
    assert_allclose(mlp.loss_, half_squares.mean(), rtol=1e-12)


def test_lbfgs_minimises_the_loss_it_reports(X, outputs):
    """Without hidden layers the minimum is known: ridge regression."""
    settings = {"solver": "lbfgs", "alpha": 10.0, "tol": 1e-9, "max_iter": 1000}
    ours = BackpropRegressor((), random_state=0, **settings).fit(X, outputs)
    mlp = MLPRegressor(hidden_layer_sizes=(), random_state=0, **settings).fit(X, outputs)

    def objective(ridge, n_averaged):
        squares = ((ridge.predict(X) - outputs) ** 2).sum() / n_averaged
        return (squares + 10.0 * (ridge.coef_**2).sum()) / (2 * len(X))

    minimum = objective(Ridge(alpha=10.0).fit(X, outputs), 1)
    assert_allclose(ours.loss_, minimum, rtol=1e-8)  # L-BFGS stops at relative 2e-9
    # The mean over three outputs against the same penalty: three times the alpha.
    assert mlp.loss_ > 1.02 * objective(Ridge(alpha=30.0).fit(X, outputs), 3)


# -- log loss: exact, however sure and wrong the network is --------------------------------


@pytest.mark.parametrize(
    ("dtype", "largest", "rtol"), [(np.float64, 37, 1e-12), (np.float32, 17, 1e-5)]
)
def test_a_sure_mistake_costs_what_it_costs(X, classes, dtype, largest, rtol):
    X, y = 1000 * X.astype(dtype), classes == 0
    ours = BackpropClassifier((5,), random_state=0, **STILL).fit(X, y)
    mlp = MLPClassifier((5,), random_state=0, **STILL).fit(X, y)
    z = net_output_of(ours, X)[:, 0].astype(float)
    losses = -log_expit(np.where(y, z, -z))
    assert_allclose(ours.loss_, losses.mean(), rtol=rtol)
    assert_allclose(mlp.loss_, np.minimum(losses, largest - 1).mean(), rtol=1e-2)
    assert losses.mean() > largest


# -- early stopping: stratified for several classes, and wherever that is possible ---------


def class_counts_in_training_part(estimator_class, n_per_class, seed, fraction=0.25):
    """Return the loss if the split is stratified, and the loss there is.

    All rows are the same: the loss is a sum over classes, each times its number of rows.
    """
    y = np.repeat(np.arange(len(n_per_class)), n_per_class)
    X = np.zeros((len(y), 1))
    estimator = estimator_class(
        (5,), early_stopping=True, validation_fraction=fraction, random_state=seed, **STILL
    ).fit(X, y)
    share = np.asarray(n_per_class) / sum(n_per_class)
    return -share @ np.log(estimator.predict_proba(X[:1])[0]), estimator.loss_


@pytest.mark.parametrize("seed", range(3))
def test_early_stopping_stratifies_several_classes(seed):
    expected, loss = class_counts_in_training_part(BackpropClassifier, [20, 12, 8], seed)
    assert_allclose(loss, expected, rtol=1e-12)


@pytest.mark.parametrize("n_per_class", [[18, 2], [2, 2, 2]])
@pytest.mark.parametrize("seed", range(4))
def test_two_members_of_each_class_are_enough_to_stratify(n_per_class, seed):
    expected, loss = class_counts_in_training_part(
        BackpropClassifier, n_per_class, seed, fraction=0.5
    )
    assert_allclose(loss, expected, rtol=1e-12)


def test_mlp_stratifies_two_classes_only():
    pairs = [class_counts_in_training_part(MLPClassifier, [20, 12, 8], s) for s in range(3)]
    assert any(abs(expected - loss) > 1e-6 for expected, loss in pairs)


def test_early_stopping_bears_a_class_of_one_member_and_names_it(X):
    y = np.arange(40) == 0
    settings = {"early_stopping": True, "max_iter": 2, "random_state": 0}
    with pytest.warns(UserWarning, match="of class True there is only one row"):
        assert BackpropClassifier((5,), **settings).fit(X, y).t_ == 2 * 36
    with pytest.raises(ValueError, match="least populated class"):
        MLPClassifier((5,), **settings).fit(X, y)


def test_the_validation_part_has_room_for_every_class(X):
    y = np.repeat([0, 1, 2], 3)
    clf = BackpropClassifier((5,), early_stopping=True, max_iter=2).fit(X[:9], y)
    assert clf.t_ == 2 * 6  # validation_fraction=0.1 alone would set aside a single row


# -- early stopping: the best weights are a copy -------------------------------------------


@pytest.mark.parametrize(
    ("estimator_class", "keeps"), [(BackpropClassifier, True), (MLPClassifier, False)]
)
def test_a_further_fit_that_finds_nothing_better_leaves_the_best_weights(
    X, classes, estimator_class, keeps
):
    clf = estimator_class(
        (5,),
        solver="sgd",
        learning_rate_init=0.1,
        early_stopping=True,
        validation_fraction=0.5,
        warm_start=True,
        random_state=0,
    ).fit(X, classes == 1)
    best, score = parameters_of(clf), clf.best_validation_score_
    n_before = len(clf.validation_scores_)
    clf.set_params(max_iter=3).fit(X, classes == 1)
    assert max(clf.validation_scores_[n_before:]) <= score == clf.best_validation_score_
    assert np.array_equal(parameters_of(clf), best) == keeps


# -- set_params(learning_rate_init=...) between calls of partial_fit takes effect ----------


def updates_at_rates(estimator_class, X, y, rates):
    """Return how calls of partial_fit move the weights, each at a rate of its own."""
    settings = {"hidden_layer_sizes": (5,), "solver": "sgd", "nesterovs_momentum": False}
    reg = estimator_class(learning_rate_init=1e-300, random_state=0, **settings)
    vectors = [parameters_of(reg.partial_fit(X, y))]
    for rate in rates:
        reg.set_params(learning_rate_init=rate).partial_fit(X, y)
        vectors.append(parameters_of(reg))
    return np.diff(vectors, axis=0)


def test_a_new_learning_rate_takes_effect_and_keeps_the_momentum(X, outputs):
    """At a rate of nothing the velocity alone moves the weights: 0.9 of the last update."""
    first, second = updates_at_rates(BackpropRegressor, X, outputs, [0.1, 1e-300])
    assert np.abs(first).max() > 0.01
    # differences of weights of size one, rounded at 1e-16
    assert_allclose(second, 0.9 * first, rtol=0, atol=1e-14)


def test_mlp_ignores_a_new_learning_rate(X, outputs):
    assert not updates_at_rates(MLPRegressor, X, outputs, [0.1, 0.1]).any()


# -- n_iter_ counts the epochs of a fit, and all of partial_fit --------------------------


def test_n_iter_counts_the_calls_of_partial_fit(X, outputs):
    ours, mlp = BackpropRegressor((5,)), MLPRegressor(hidden_layer_sizes=(5,))
    for _ in range(5):
        ours.partial_fit(X, outputs)
        mlp.partial_fit(X, outputs)
    assert ours.n_iter_ == len(ours.loss_curve_) == 5
    assert mlp.n_iter_ == 1


def test_n_iter_counts_the_epochs_of_the_last_fit_as_in_mlp(X, outputs):
    settings = {"hidden_layer_sizes": (5,), "warm_start": True, "max_iter": 5}
    ours, mlp = BackpropRegressor(**settings), MLPRegressor(**settings)
    for _ in range(2):
        ours.fit(X, outputs)
        mlp.fit(X, outputs)
    assert ours.n_iter_ == mlp.n_iter_ == 5
    assert len(ours.loss_curve_) == len(mlp.loss_curve_) == 10


# -- multilabel probabilities stay inside (0, 1) -------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_multilabel_probabilities_stay_normal_numbers_inside_0_and_1(X, labels, dtype):
    X = 1e6 * X.astype(dtype)
    ours = BackpropClassifier((5,), random_state=0, **STILL).fit(X, labels)
    proba = ours.predict_proba(X)
    assert proba.min() == np.finfo(dtype).tiny
    assert proba.max() == np.nextafter(dtype(1), dtype(0))
    mlp = MLPClassifier((5,), random_state=0, **STILL).fit(X, labels)
    assert mlp.predict_proba(X).max() == 1


# -- verbose -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator_class", "epochs"),
    [(BackpropRegressor, [1, 3, 6]), (MLPRegressor, [1, 2, 3, 4, 5, 6, 7])],
)
def test_verbose_3_prints_the_first_and_every_third_epoch(
    X, outputs, capsys, estimator_class, epochs
):
    reg = estimator_class(hidden_layer_sizes=(5,), verbose=3, max_iter=7).fit(X, outputs)
    curve = reg.loss_curve_
    expected = [f"Iteration {n}, loss = {curve[n - 1]:.8f}" for n in epochs]
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r", \S+ s per epoch$", "", line) for line in lines] == expected


# -- only plain arrays, numbers and lists stay on the estimator ----------------------------


def classes_in_pickle(estimator):
    """Return the names of what a pickle needs, besides Python's and NumPy's own."""
    opcodes = pickletools.genops(pickle.dumps(estimator, protocol=2))
    names = {arg.replace(" ", ".") for op, arg, _ in opcodes if op.name == "GLOBAL"}
    return {n for n in names if not n.startswith(("numpy.", "_codecs.", "copy_reg."))}


def test_a_fitted_estimator_holds_no_object_but_itself(X, classes):
    settings = {"early_stopping": True, "learning_rate": "adaptive", "max_iter": 3}
    ours = BackpropClassifier((5,), **settings).fit(X, classes)
    mlp = MLPClassifier((5,), **settings).fit(X, classes)
    assert classes_in_pickle(ours) == {"skbackprop.classifier.BackpropClassifier"}
    optimizer = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"
    assert optimizer in classes_in_pickle(mlp)


# -- schedules act with every stochastic solver --------------------------------------------


def test_adam_follows_a_schedule(X, outputs):
    """As if the rate were set by hand before every epoch."""
    settings = {"hidden_layer_sizes": (5,), "batch_size": 7, "random_state": 0}
    scheduled = BackpropRegressor(
        learning_rate="invscaling", learning_rate_init=0.1, max_iter=4, **settings
    ).fit(X, outputs)
    by_hand = BackpropRegressor(**settings)
    for epoch in range(4):
        rate = 0.1 / (40 * epoch + 1) ** 0.5
        by_hand.set_params(learning_rate_init=rate).partial_fit(X, outputs)
    assert_array_equal(parameters_of(scheduled), parameters_of(by_hand))


def test_adam_lowers_an_adaptive_rate(X, outputs):
    """Where a constant rate stops, an adaptive one goes on with a fifth of it."""
    settings = {"tol": 10.0, "n_iter_no_change": 2, "random_state": 0, "max_iter": 30}
    constant = BackpropRegressor((5,), **settings).fit(X, outputs)
    adaptive = BackpropRegressor((5,), learning_rate="adaptive", **settings)
    assert constant.n_iter_ == 4  # the first epoch counts as an improvement
    # three epochs for each of the rates 1e-3, 2e-4, ... 1.6e-6 and 3.2e-7, the last
    assert adaptive.fit(X, outputs).n_iter_ == 4 + 5 * 3


def test_mlp_ignores_schedules_with_adam(X, outputs):
    settings = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    constant = MLPRegressor(**settings).fit(X, outputs)
    scheduled = MLPRegressor(learning_rate="invscaling", **settings).fit(X, outputs)
    assert_array_equal(parameters_of(constant), parameters_of(scheduled))


# -- partial_fit refuses early stopping, as over there -------------------------------------


@pytest.mark.parametrize("estimator_class", [BackpropRegressor, MLPRegressor])
def test_partial_fit_refuses_early_stopping(X, outputs, estimator_class):
    reg = estimator_class(early_stopping=True)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        reg.partial_fit(X, outputs)


# -- the loss of an epoch is the weighted mean over all its rows ---------------------------


def test_the_loss_of_an_epoch_is_divided_by_the_sum_of_weights(X, outputs, rng):
    y, weight = outputs[:, 0], rng.rand(40)
    settings = STILL | {"batch_size": 7, "shuffle": False, "random_state": 0}
    ours = BackpropRegressor((5,), **settings).fit(X, y, sample_weight=weight)
    mean = np.average((ours.predict(X) - y) ** 2 / 2, weights=weight)
    assert_allclose(ours.loss_, mean, rtol=1e-12)
    if MLP_HAS_WEIGHTS_AND_LOSS:
        mlp = MLPRegressor(hidden_layer_sizes=(5,), **settings)
        assert abs(mlp.fit(X, y, sample_weight=weight).loss_ / mean - 1) > 1e-3


# -- hidden_layer_sizes comes first in both classes ----------------------------------------


@pytest.mark.parametrize("estimator_class", [BackpropClassifier, BackpropRegressor])
def test_only_hidden_layer_sizes_and_activation_are_positional(estimator_class):
    parameters = inspect.signature(estimator_class).parameters.values()
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    assert positional == ["hidden_layer_sizes", "activation"]


def test_a_regressor_takes_its_layers_by_position(X, outputs):
    reg = BackpropRegressor((7,), max_iter=1).fit(X, outputs)
    assert reg.coefs_[0].shape == (4, 7)
    if MLP_HAS_WEIGHTS_AND_LOSS:
        with pytest.raises(ValueError, match="'loss' parameter"):
            MLPRegressor((7,), max_iter=1).fit(X, outputs)


# -- partial_fit takes the classes by position ---------------------------------------------


def test_the_classes_are_the_third_argument_of_partial_fit(X, classes):
    weight = np.ones(40)
    clf = BackpropClassifier((5,)).partial_fit(X[:2], classes[:2], [0, 1, 2], weight[:2])
    assert_array_equal(clf.classes_, [0, 1, 2])
    names = list(inspect.signature(MLPClassifier().partial_fit).parameters)
    if MLP_HAS_WEIGHTS_AND_LOSS:
        assert names == ["X", "y", "sample_weight", "classes"]
    else:
        assert names == ["X", "y", "classes"]


# -- a training that diverges says so at once, and leaves what was there -------------------


def test_a_diverged_training_names_epoch_step_rate_and_remedies(X, outputs):
    reg = BackpropRegressor((5,), solver="sgd", learning_rate_init=1e4, random_state=0)
    with pytest.raises(ValueError, match="Training diverged") as failure:
        reg.fit(X, outputs)
    pattern = (
        r"epoch \d+, step \d+, with a learning rate of 10000\. .*smaller learning rate"
    )
    failure.match(pattern)
    failure.match("scale the inputs")
    failure.match("clip")


def test_a_diverged_training_stops_at_the_first_loss_that_is_not_finite(X, outputs):
    """Of two rows, one a batch, the first makes the prediction of the second overflow."""
    reg = BackpropRegressor((), solver="sgd", learning_rate=1e160, batch_size=1, alpha=0)
    with pytest.raises(ValueError, match=r"loss became inf in epoch 1, step 2, "):
        reg.fit(X[:2], outputs[:2])


def test_a_diverged_training_leaves_the_earlier_weights(X, outputs):
    reg = BackpropRegressor((5,), solver="sgd", warm_start=True, max_iter=5)
    before = reg.fit(X, outputs).predict(X)
    with pytest.raises(ValueError, match="Training diverged"):
        reg.set_params(learning_rate_init=1e4).fit(X, outputs)
    assert_array_equal(reg.predict(X), before)


def test_lbfgs_fails_when_it_ends_without_a_finite_loss(X, outputs):
    reg = BackpropRegressor((5,), solver="lbfgs", max_iter=5)
    with pytest.raises(ValueError, match="Training diverged: L-BFGS ended with a loss of"):
        reg.fit(1e200 * X, outputs)


# -- probabilities are normal numbers, and predict_log_proba their exact logarithms --------


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_log_probabilities_are_finite_and_exact(X, classes, labels, kind):
    """Near 1 too, where probabilities have lost digits; bounded as probabilities are."""
    X, y = 1e5 * X, {"binary": classes == 0, "multiclass": classes, "multilabel": labels}
    ours = BackpropClassifier((5,), random_state=0, **STILL).fit(X, y[kind])
    z = net_output_of(ours, X)
    expected = {
        "binary": lambda: np.hstack([log_expit(-z), log_expit(z)]),
        "multiclass": lambda: log_softmax(z, axis=1),
        "multilabel": lambda: log_expit(z),
    }[kind]()
    assert expected.min() < -1000  # exp of it is zero
    expected = np.maximum(expected, np.log(np.finfo(float).tiny))
    # z is a sum of terms of 1e5, rounded at 1e-11 each
    assert_allclose(ours.predict_log_proba(X), expected, rtol=1e-12, atol=1e-9)
    proba = ours.predict_proba(X)
    assert proba.min() >= np.finfo(float).tiny
    # an error of 1e-9 in the logarithm
    assert_allclose(proba, np.exp(expected), rtol=1e-8)
    mlp = MLPClassifier((5,), random_state=0, **STILL).fit(X, y[kind])
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert mlp.predict_log_proba(X).min() == -np.inf


# -- Poisson regression has no negative targets --------------------------------------------


def test_poisson_refuses_negative_targets(X, outputs):
    reg = BackpropRegressor((5,), loss="poisson", max_iter=3)
    with pytest.raises(ValueError, match=r"needs y >= 0"):
        reg.fit(X, outputs[:, 0])
    if MLP_HAS_WEIGHTS_AND_LOSS:
        mlp = MLPRegressor(hidden_layer_sizes=(5,), loss="poisson", max_iter=3)
        assert np.isnan(mlp.fit(X, outputs[:, 0]).loss_)


# -- a fit that fails changes nothing ------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "sample_weight"),
    [(np.ones(40), -np.ones(40)), (np.ones(40), np.ones(3)), (np.full(40, 1e300), None)],
    ids=["negative weights", "too few weights", "y beyond float32"],
)
def test_a_fit_that_fails_late_leaves_the_model(X, outputs, y, sample_weight):
    reg = BackpropRegressor((5,), max_iter=3).fit(X, outputs)
    before, attributes = reg.predict(X), set(vars(reg))
    with pytest.raises(ValueError, match=r"sample_weight|y contains|inconsistent"):
        reg.fit(X[:, :2].astype(np.float32), y, sample_weight=sample_weight)
    assert reg.n_features_in_ == 4
    assert set(vars(reg)) == attributes
    assert_array_equal(reg.predict(X), before)


def test_mlp_does_not_predict_after_a_fit_that_fails_late(X, outputs):
    mlp = MLPRegressor(hidden_layer_sizes=(5,), max_iter=3).fit(X, outputs)
    with pytest.raises(ValueError, match="inconsistent"):
        mlp.fit(X[:, :2], outputs[:3])
    assert mlp.n_features_in_ == 4


# -- float32 stays float32, with L-BFGS too ------------------------------------------------


def test_lbfgs_keeps_float32(X, outputs):
    X, outputs = X.astype(np.float32), outputs.astype(np.float32)
    ours = BackpropRegressor((5,), solver="lbfgs", max_iter=3).fit(X, outputs)
    mlp = MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=3).fit(X, outputs)
    assert ours.predict(X).dtype == ours.coefs_[0].dtype == np.float32
    assert mlp.predict(X).dtype == mlp.coefs_[0].dtype == np.float64
