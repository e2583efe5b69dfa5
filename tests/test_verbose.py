"""What `verbose` prints."""

import re
from itertools import count

import numpy as np
import pytest

import skbackprop.training.trainer
from skbackprop import BackpropClassifier, BackpropRegressor

pytestmark = pytest.mark.usefixtures("few_epochs")


def classifier(**params):
    defaults = {"hidden_layer_sizes": (4,), "random_state": 0, "max_iter": 10}
    return BackpropClassifier(**{**defaults, **params})


def printed_losses(text):
    """Epoch number and loss of every line that reports one."""
    return [
        (int(epoch), float(loss))
        for epoch, loss in re.findall(r"^Iteration (\d+), loss = ([\d.]+)", text, re.M)
    ]


@pytest.mark.parametrize("verbose", [False, 0])
def test_nothing_is_printed_unless_asked_for(verbose, X, y, capsys):
    classifier(verbose=verbose).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [True, 1, np.True_])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_true_prints_a_line_for_every_epoch(solver, verbose, X, y, capsys):
    clf = classifier(verbose=verbose, solver=solver, max_iter=4).fit(X, y)
    lines = printed_losses(capsys.readouterr().out)
    assert [epoch for epoch, _ in lines] == [1, 2, 3, 4]
    # eight decimals are printed
    np.testing.assert_allclose([loss for _, loss in lines], clf.loss_curve_, atol=5e-9)


def test_lines_look_like_those_of_scikit_learn(X, y, capsys):
    clf = classifier(verbose=True, max_iter=2).fit(X, y)
    first, second = clf.loss_curve_
    assert capsys.readouterr().out.splitlines() == [
        f"Iteration 1, loss = {first:.8f}",
        f"Iteration 2, loss = {second:.8f}",
    ]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_number_prints_the_first_and_every_so_many(solver, X, y, capsys):
    classifier(verbose=4, solver=solver, max_iter=13, tol=0).fit(X, y)
    lines = printed_losses(capsys.readouterr().out)
    assert [epoch for epoch, _ in lines] == [1, 4, 8, 12]


def test_validation_scores_follow_their_epochs(X, y, capsys):
    clf = classifier(verbose=True, early_stopping=True, max_iter=3).fit(X, y)
    found = re.findall(r"Iteration \d, loss = .+\nValidation score: (.+)\n", _out(capsys))
    assert found == [f"{score:f}" for score in clf.validation_scores_]
    assert len(found) == 3


def test_rare_lines_say_loss_and_score_of_the_validation_rows_and_the_time(X, y, capsys):
    clf = classifier(verbose=2, early_stopping=True, max_iter=5).fit(X, y)
    pattern = (
        r"Iteration (\d), loss = (\S+), validation loss = (\S+), score = (\S+), (\S+) s "
    )
    found = [re.match(pattern, line) for line in _out(capsys).splitlines()]
    epochs, *numbers, seconds = zip(*(match.groups() for match in found), strict=True)
    assert epochs == ("1", "2", "4")
    curves = (clf.loss_curve_, clf.validation_loss_curve_, clf.validation_scores_)
    for texts, curve in zip(numbers, curves, strict=True):
        expected = [curve[0], curve[1], curve[3]]
        # six decimals of the score are printed, eight of the losses
        np.testing.assert_allclose([float(text) for text in texts], expected, atol=5e-7)
    assert all(0 <= float(text) < 10 for text in seconds)


def test_time_per_epoch_is_that_of_the_epochs_since_the_last_line(
    X, y, capsys, monkeypatch
):
    """By a clock that goes on by ten seconds whenever somebody looks at it."""
    monkeypatch.setattr(skbackprop.training.trainer, "monotonic", count(0, 10).__next__)
    classifier(verbose=5, max_iter=10).fit(X, y)
    found = re.findall(r"(\S+) s per epoch", _out(capsys))
    assert found == ["10", "2.5", "2"]  # after 1, another 4 and another 5 epochs


def test_last_line_says_that_patience_ended_the_training(X, y, capsys):
    classifier(verbose=True, tol=1e3, n_iter_no_change=2).fit(X, y)
    assert _out(capsys).splitlines()[-1] == (
        "No improvement for more than 2 epochs: stopped."
    )


def test_last_line_says_that_the_target_was_reached(X, y, capsys):
    classifier(verbose=True, target_loss=100).fit(X, y)
    assert _out(capsys).splitlines()[-1] == (
        "Training loss reached target_loss=100: stopped."
    )


def test_epochs_are_numbered_over_all_calls(X, y, capsys):
    reg = BackpropRegressor((4,), verbose=True, random_state=0)
    for _ in range(3):
        reg.partial_fit(X, y)
    assert [epoch for epoch, _ in printed_losses(_out(capsys))] == [1, 2, 3]


def test_prediction_prints_nothing(X, y, capsys):
    clf = classifier(verbose=True).fit(X, y)
    capsys.readouterr()
    clf.predict_proba(X)
    assert _out(capsys) == ""


def _out(capsys):
    return capsys.readouterr().out
