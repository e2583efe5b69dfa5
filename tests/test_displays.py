"""The displays draw what they are given, on the axes they are given."""

import sys
import warnings
from functools import partial
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    LossCurveDisplay,
    NetworkDisplay,
    WeightsDisplay,
    trace_step,
)

ORANGE, BLUE = to_rgb("#D55E00"), to_rgb("#0072B2")
DISPLAYS = [LossCurveDisplay, NetworkDisplay, WeightsDisplay]
FRAME, y = load_iris(return_X_y=True, as_frame=True)
X = FRAME.to_numpy()


@pytest.fixture(autouse=True)
def headless():
    """Draw without a window, and leave no figure open."""
    backend = mpl.get_backend()
    mpl.use("Agg")
    yield
    plt.close("all")
    mpl.use(backend)


def fitted(cls=BackpropClassifier, rows=X, **params):
    settings = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(**settings).fit(rows, y)


def texts_of(display):
    return [text for text in display.figure_.findobj(Text) if text.get_text().strip()]


# -- what all displays have in common --------------------------------------------------


@pytest.mark.parametrize(
    "wrap", [make_pipeline, partial(GridSearchCV, param_grid={}, cv=2)]
)
@pytest.mark.parametrize("display", DISPLAYS)
def test_display_given_what_is_around_a_network_says_how_to_take_it_out(display, wrap):
    around = fitted(lambda **params: wrap(BackpropClassifier(**params)))
    with pytest.raises(TypeError, match=f"Got {type(around).__name__}") as error:
        display.from_estimator(around)
    assert str(error.value).startswith(f"{display.__name__} needs a fitted network")
    for way in "pipeline[-1]", "search.best_estimator_":
        assert way in str(error.value)
    taken_out = around[-1] if wrap is make_pipeline else around.best_estimator_
    assert display.from_estimator(taken_out).ax_ is not None


@pytest.mark.parametrize("display", DISPLAYS)
def test_display_draws_on_the_axes_it_is_given(display):
    _, ax = plt.subplots()
    shown = display.from_estimator(fitted(), ax=ax)
    assert shown.ax_ is ax
    assert shown.figure_ is ax.figure
    assert isinstance(shown, display)


@pytest.mark.parametrize("display", DISPLAYS)
def test_display_makes_a_figure_if_it_is_given_none_and_can_plot_again(display):
    shown = display.from_estimator(fitted())
    first = shown.figure_
    assert shown.plot() is shown
    assert shown.figure_ is not first


@pytest.mark.parametrize("display", DISPLAYS)
def test_display_of_an_unfitted_estimator_is_refused(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(BackpropClassifier())


@pytest.mark.parametrize("display", DISPLAYS)
def test_display_without_matplotlib_says_what_to_install(display, monkeypatch):
    estimator = fitted()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match='pip install "matplotlib>='):
        display.from_estimator(estimator)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: NetworkDisplay.from_estimator(
            fitted(rows=FRAME, hidden_layer_sizes=(20, 8))
        ),
        lambda: NetworkDisplay.from_estimator(fitted(hidden_layer_sizes=(4, 4, 4, 4))),
        lambda: NetworkDisplay.from_trace(
            trace_step(BackpropClassifier((30,)), X[::50], y[::50])
        ),
        lambda: WeightsDisplay.from_estimator(fitted(rows=FRAME, hidden_layer_sizes=(30,))),
        lambda: LossCurveDisplay.from_estimator(
            fitted(early_stopping=True), show=("loss", "score", "learning_rate")
        ),
    ],
    ids=["names", "deep", "trace", "weights", "curves"],
)
def test_no_text_overlaps_another_at_the_default_size(draw, monkeypatch):
    figure, drawn, original = draw().figure_, set(), Text.draw

    def draw_text(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn.add(text)
        original(text, renderer)

    figure.canvas.draw()  # the layout settles
    monkeypatch.setattr(Text, "draw", draw_text)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in drawn]
    assert len(boxes) > 5
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


# -- loss curves -----------------------------------------------------------------------


def test_loss_curve_is_drawn_by_epoch():
    clf = fitted()
    display = LossCurveDisplay.from_estimator(clf)
    [line] = display.lines_
    assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5, 6])
    assert_array_equal(line.get_ydata(), clf.loss_curve_)
    assert display.ax_.get_legend().get_texts()[0].get_text() == "BackpropClassifier"


def test_validation_loss_is_dashed_beside_the_training_loss():
    clf = fitted(early_stopping=True)
    training, validation = LossCurveDisplay.from_estimator(clf, name="net").lines_
    assert_array_equal(validation.get_ydata(), clf.validation_loss_curve_)
    assert training.get_color() == validation.get_color()
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert validation.get_label() == "net, validation rows"


def test_each_quantity_has_axes_of_its_own():
    clf = fitted(early_stopping=True, learning_rate="exponential")
    show = ("loss", "score", "learning_rate")
    display = LossCurveDisplay.from_estimator(clf, show=show)
    labels = [ax.get_ylabel() for ax in display.axes_]
    assert labels == ["loss", "validation score", "learning rate"]
    assert_array_equal(display.axes_[1].lines[0].get_ydata(), clf.validation_scores_)
    assert_allclose(display.axes_[2].lines[0].get_ydata(), 0.001 * 0.95 ** np.arange(6))


def test_several_trainings_share_axes_in_colours_of_their_own():
    show = ("loss", "score")
    first = LossCurveDisplay.from_estimator(fitted(early_stopping=True), show=show)
    second = LossCurveDisplay.from_estimator(
        fitted(early_stopping=True, solver="sgd"), show=show, ax=first.axes_, name="sgd"
    )
    assert second.ax_ is first.ax_
    assert len(first.ax_.lines) == 4
    assert {line.get_color() for line in first.lines_} == {"#0072B2"}
    assert {line.get_color() for line in second.lines_} == {"#D55E00"}


def test_loss_curve_of_scikit_learns_network_is_drawn_too():
    mlp = fitted(MLPClassifier)
    assert_array_equal(
        LossCurveDisplay.from_estimator(mlp).lines_[0].get_ydata(), mlp.loss_curve_
    )


def test_line_settings_are_passed_on():
    display = LossCurveDisplay.from_estimator(fitted(), color="black", linewidth=3)
    assert display.lines_[0].get_color() == "black"
    assert display.lines_[0].get_linewidth() == 3


def test_scores_that_were_not_recorded_are_refused_with_the_remedy():
    with pytest.raises(
        ValueError, match=r"no validation score to show.*early_stopping=True"
    ):
        LossCurveDisplay.from_estimator(fitted(), show="score")


def test_unknown_quantity_is_refused():
    with pytest.raises(ValueError, match=r"'learning_rate'\]. Got 'accuracy'"):
        LossCurveDisplay.from_estimator(fitted(), show="accuracy")


def test_too_few_axes_are_refused():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"show has 2 quantities.* ax has 1 axes"):
        LossCurveDisplay.from_estimator(fitted(), show=("loss", "learning_rate"), ax=ax)


def test_learning_rate_curve_grows_with_the_training():
    reg = BackpropRegressor((3,), learning_rate="invscaling", random_state=0)
    for _ in range(3):
        reg.partial_fit(X, y)
    # 0.001 / (samples seen + 1) ** 0.5, after whole epochs of 150 rows
    assert_allclose(reg.learning_rate_curve_, 0.001 / np.sqrt([1, 151, 301]), rtol=1e-15)


def test_learning_rate_that_reacts_is_recorded_where_it_was_used():
    reg = BackpropRegressor(
        (3,),
        solver="sgd",
        learning_rate="adaptive",
        n_iter_no_change=2,
        tol=1e9,
        max_iter=9,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rates = reg.fit(X, y).learning_rate_curve_
    # the first epoch improves on nothing, three more are stale, then it divides by 5
    assert_allclose(rates, 0.001 / 5.0 ** np.array([0, 0, 0, 0, 1, 1, 1, 2, 2]))


# -- networks --------------------------------------------------------------------------


def test_connections_show_sign_by_colour_and_size_by_width():
    clf = fitted()
    display = NetworkDisplay.from_estimator(clf)
    for lines, weights in zip(display.connections_, clf.coefs_, strict=True):
        colours = lines.get_colors()[:, :3]
        assert_allclose(colours, [ORANGE if w > 0 else BLUE for w in weights.ravel()])
        order = np.argsort(np.abs(weights.ravel()))
        assert (np.diff(np.array(lines.get_linewidths())[order]) >= 0).all()


def test_units_beside_their_names():
    display = NetworkDisplay.from_estimator(fitted(rows=FRAME))
    texts = {text.get_text() for text in texts_of(display)}
    assert texts >= {
        *FRAME.columns,
        "0",
        "1",
        "2",
        "inputs\n4",
        "hidden 1\n5",
        "outputs\n3",
    }
    assert len(display.units_.get_offsets()) == 4 + 5 + 3


def test_large_layers_are_cut_in_the_middle():
    display = NetworkDisplay.from_estimator(fitted(hidden_layer_sizes=(100,)), max_units=6)
    assert len(display.units_.get_offsets()) == 4 + 5 + 3
    assert [len(lines.get_segments()) for lines in display.connections_] == [20, 15]
    texts = [text.get_text() for text in texts_of(display)]
    assert "hidden 1\n100" in texts
    assert texts.count("\u22ee") == 1


def test_trace_colours_the_units_by_their_deltas():
    trace = trace_step(BackpropClassifier((5,), random_state=0), X[::50], y[::50])
    display = NetworkDisplay.from_trace(trace, row=1)
    values = np.ma.filled(display.units_.get_array(), np.nan)
    assert np.isnan(values[:4]).all()  # inputs have no delta
    assert_array_equal(
        values[4:], np.r_[trace.layers[0].delta[1], trace.layers[1].delta[1]]
    )
    low, high = display.units_.get_clim()
    assert low == -high
    assert "delta" in [ax.get_ylabel() for ax in display.figure_.axes]


def test_network_of_zeros_can_be_drawn():
    reg = BackpropRegressor((3,), initializer="zeros").partial_fit(X, y)
    for weights in reg.coefs_:
        weights[...] = 0
    NetworkDisplay.from_estimator(reg).figure_.canvas.draw()


# -- weights ---------------------------------------------------------------------------


def test_heat_map_shows_the_weights_around_white_zero():
    clf = fitted(rows=FRAME)
    display = WeightsDisplay.from_estimator(clf)
    assert_array_equal(display.image_.get_array(), clf.coefs_[0])
    low, high = display.image_.get_clim()
    assert low == -high
    assert display.image_.cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert ticks == list(FRAME.columns)


def test_other_layers_have_no_feature_names():
    display = WeightsDisplay.from_estimator(fitted(rows=FRAME), layer=-1)
    assert display.image_.get_array().shape == (5, 3)
    assert display.ax_.get_ylabel() == "input"


def test_ticks_of_the_heat_map_are_whole_numbers():
    display = WeightsDisplay.from_estimator(fitted(), layer=-1)  # 5 x 3: halves would fit
    ticks = np.concatenate([display.ax_.get_xticks(), display.ax_.get_yticks()])
    assert_array_equal(ticks, ticks.round())


def test_images_stand_side_by_side_with_a_gap():
    clf = fitted(hidden_layer_sizes=(5,))
    display = WeightsDisplay.from_estimator(clf, image_shape=(2, 2))
    picture = np.ma.filled(display.image_.get_array(), np.nan)
    assert picture.shape == (5, 8)  # two rows of three images of 2 x 2, with gaps
    assert_array_equal(picture[:2, :2], clf.coefs_[0][:, 0].reshape(2, 2))
    assert_array_equal(picture[3:, 3:5], clf.coefs_[0][:, 4].reshape(2, 2))
    assert np.isnan(picture[2]).all()
    assert np.isnan(picture[3:, 6:]).all()


def test_number_of_units_is_limited():
    display = WeightsDisplay.from_estimator(fitted(hidden_layer_sizes=(30,)), max_units=7)
    assert display.image_.get_array().shape == (4, 7)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"image_shape=\(3, 3\) has 9 pixels.* 4 inputs"):
        WeightsDisplay.from_estimator(fitted(), image_shape=(3, 3))


def test_display_keeps_the_weights_of_its_time():
    clf = fitted()
    display = WeightsDisplay.from_estimator(clf)
    before = display.weights.copy()
    clf.partial_fit(X, y)
    assert_array_equal(display.weights, before)
