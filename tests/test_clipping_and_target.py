"""clip_norm bounds the gradient before the optimizer, target_loss ends the training."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import SMALL

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.conventions import CONVENTIONS
from skbackprop.initializers import GivenWeights
from skbackprop.optimizers import OPTIMIZERS, SGD

FEW_EPOCHS = pytest.mark.filterwarnings("ignore:Not converged")


@pytest.fixture
def Xy(rng):
    X = rng.standard_normal((40, 3))
    return X, (X[:, 0] > 0).astype(int)


@dataclass(kw_only=True)
class Spying(SGD):
    """Plain gradient descent that keeps the gradients it was given."""

    gradients: list = field(default_factory=list, repr=False)

    def update(self, gradient, memory, learning_rate, t):
        self.gradients.append(gradient.copy())
        super().update(gradient, memory, learning_rate, t)


def gradients_of(Xy, **params):
    """The gradients that reach the optimizer, step by step: (n_steps, n_parameters)."""
    spy = Spying()
    BackpropClassifier(**{**SMALL, **params}, solver=spy, learning_rate=0.1).fit(*Xy)
    return np.array(spy.gradients)


def assert_same_training(first, second):
    """Bit for bit."""
    assert first.loss_curve_ == second.loss_curve_
    assert all(map(np.array_equal, first.coefs_, second.coefs_))


# -- clip_norm -------------------------------------------------------------------------


@FEW_EPOCHS
def test_gradient_is_clipped_to_the_norm(Xy):
    unclipped = np.linalg.norm(gradients_of(Xy), axis=1)
    limit = np.median(unclipped)
    norms = np.linalg.norm(gradients_of(Xy, clip_norm=limit), axis=1)
    # two roundings
    assert norms.max() <= limit * (1 + 1e-15)
    assert_allclose(norms[unclipped.argmax()], limit, rtol=1e-15)
    assert norms.min() < 0.9 * limit


@FEW_EPOCHS
def test_clipping_keeps_the_direction(Xy):
    first, clipped = gradients_of(Xy)[0], gradients_of(Xy, clip_norm=0.01)[0]
    # two roundings
    assert_allclose(clipped, 0.01 * first / np.linalg.norm(first), rtol=1e-14)


@FEW_EPOCHS
def test_gradient_within_the_norm_is_left_alone(Xy):
    assert np.array_equal(gradients_of(Xy, clip_norm=1e3), gradients_of(Xy))


def linear_step(**params):
    """The update of one step of a rate of 1 on w = (1, 2), b = 0, x = (3, 4), y = 0.

    The output is 11. Without penalty the gradient is (33, 44, 11); alpha = 2 adds
    (2, 4, 0): (35, 48, 11).
    """
    regressor = BackpropRegressor(
        (),
        solver=SGD(),
        learning_rate=1.0,
        max_iter=1,
        initializer=GivenWeights([[[1.0], [2.0]]], [[0.0]]),
        **params,
    )
    regressor.fit(np.array([[3.0, 4.0]]), np.array([0.0]))
    moved = np.array([1.0, 2.0, 0.0])
    return moved - [*regressor.coefs_[0][:, 0], *regressor.intercepts_[0]]


@FEW_EPOCHS
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    ("alpha", "gradient"), [(0.0, [33.0, 44.0, 11.0]), (2.0, [35.0, 48.0, 11.0])]
)
def test_norm_is_of_weights_and_biases_with_the_penalty(alpha, gradient, convention):
    update = linear_step(alpha=alpha, clip_norm=5.0, error_convention=convention)
    # a few roundings of numbers near 5
    assert_allclose(update, np.array(gradient) * 5 / np.linalg.norm(gradient), rtol=1e-14)


@FEW_EPOCHS
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_clipped_weights_do_not_depend_on_the_convention(solver, Xy):
    params = {**SMALL, "solver": solver, "batch_size": "auto", "clip_norm": 0.05}
    assert_same_training(
        *(BackpropClassifier(**params, error_convention=c).fit(*Xy) for c in CONVENTIONS)
    )


@FEW_EPOCHS
def test_norm_does_not_overflow_where_its_square_would():
    """Columns of 1e200 under the absolute error, whose gradient is the row itself."""
    regressor = BackpropRegressor(
        (),
        loss="absolute_error",
        solver=SGD(),
        learning_rate=1.0,
        alpha=0.0,
        clip_norm=1.0,
        max_iter=1,
        initializer=GivenWeights([[[1.0], [0.0]]], [[0.0]]),
    )
    regressor.fit(np.array([[3e200, 4e200]]), np.array([0.0]))
    # a few roundings
    assert_allclose(regressor.coefs_[0][:, 0], [1 - 0.6, -0.8], rtol=1e-14)


@FEW_EPOCHS
def test_clipping_tames_a_rate_that_diverges(Xy):
    X, _ = Xy
    y = 100 * X[:, 0]
    params = {**SMALL, "solver": "sgd", "learning_rate": 1.0, "activation": "relu"}
    with pytest.raises(ValueError, match="Training diverged"):
        BackpropRegressor(**{**params, "max_iter": 100}).fit(X, y)
    regressor = BackpropRegressor(**params, clip_norm=1.0).fit(X, y)
    assert np.isfinite(regressor.loss_)


def test_lbfgs_refuses_clipping(Xy):
    classifier = BackpropClassifier(**SMALL | {"solver": "lbfgs"}, clip_norm=1.0)
    with pytest.raises(ValueError, match=r"solver='lbfgs' cannot use clip_norm=1\.0"):
        classifier.fit(*Xy)


@pytest.mark.parametrize("clip_norm", [0.0, -1.0, np.nan, np.inf, "1", True])
def test_clip_norm_outside_its_range_is_refused(clip_norm, Xy):
    with pytest.raises(ValueError, match="The 'clip_norm' parameter of"):
        BackpropClassifier(clip_norm=clip_norm).fit(*Xy)


# -- target_loss -----------------------------------------------------------------------


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_training_ends_with_the_first_epoch_at_the_target(solver, Xy):
    params = {**SMALL, "solver": solver, "batch_size": "auto", "max_iter": 12}
    params["learning_rate_init"] = 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = BackpropClassifier(**params).fit(*Xy)
    target = full.loss_curve_[7]
    first = 1 + next(i for i, loss in enumerate(full.loss_curve_) if loss <= target)
    # a warning that it did not converge would be an error here
    stopped = BackpropClassifier(**params, target_loss=target).fit(*Xy)
    assert stopped.n_iter_ == first < 12
    assert stopped.loss_curve_ == full.loss_curve_[:first]
    assert stopped.loss_ == full.loss_curve_[first - 1]


def test_target_counts_the_penalty(Xy):
    """It is an entry of the loss curve that is compared."""
    params = {**SMALL, "alpha": 100.0, "max_iter": 1, "learning_rate": 1e-6}
    with pytest.warns(UserWarning, match="Not converged"):
        penalised = BackpropClassifier(**params).fit(*Xy)
    with pytest.warns(UserWarning, match="Not converged"):
        plain = BackpropClassifier(**params | {"alpha": 0.0}).fit(*Xy)
    between = (penalised.loss_ + plain.loss_) / 2
    with pytest.warns(UserWarning, match="Not converged"):
        BackpropClassifier(**params, target_loss=between).fit(*Xy)
    BackpropClassifier(**params | {"alpha": 0.0}, target_loss=between).fit(*Xy)


@FEW_EPOCHS
def test_target_that_is_not_reached_changes_nothing(Xy):
    assert_same_training(
        BackpropClassifier(**SMALL, target_loss=1e-9).fit(*Xy),
        BackpropClassifier(**SMALL).fit(*Xy),
    )


def test_target_that_is_reached_at_once_ends_after_one_epoch(Xy):
    assert BackpropClassifier(**SMALL, target_loss=10.0).fit(*Xy).n_iter_ == 1


def test_warm_start_ends_after_one_more_epoch_at_the_target(Xy):
    classifier = BackpropClassifier(**SMALL, target_loss=10.0, warm_start=True)
    assert len(classifier.fit(*Xy).fit(*Xy).loss_curve_) == 2


def test_partial_fit_is_one_epoch_whatever_the_target(Xy):
    classifier = BackpropClassifier(**SMALL, target_loss=10.0)
    for _ in range(3):
        classifier.partial_fit(*Xy, classes=[0, 1])
    assert classifier.n_iter_ == 3


def test_verbose_says_that_the_target_was_reached(Xy, capsys):
    BackpropClassifier(**SMALL, target_loss=10.0, verbose=True).fit(*Xy)
    assert "Training loss reached target_loss=10.0: stopped." in capsys.readouterr().out


@pytest.mark.parametrize("target_loss", [np.nan, "low", True, [0.1]], ids=str)
def test_target_loss_that_is_no_number_is_refused(target_loss, Xy):
    with pytest.raises(ValueError, match="The 'target_loss' parameter of"):
        BackpropClassifier(target_loss=target_loss).fit(*Xy)
