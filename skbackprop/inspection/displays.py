"""Pictures of trainings, networks and weights, after scikit-learn's Display conventions.

Matplotlib comes with the extra ``plot`` and is imported when something is drawn. Colours
are those of Okabe and Ito, which colour-blind readers can tell apart; orange is positive
and blue negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

__all__ = ["LossCurveDisplay", "NetworkDisplay", "WeightsDisplay"]

ORANGE, BLUE = "#D55E00", "#0072B2"
PALETTE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
QUANTITIES = {"loss": "loss", "score": "validation score", "learning_rate": "learning rate"}


def pyplot():
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            'The displays need matplotlib: pip install "matplotlib>=3.8".'
        ) from error
    return pyplot


def _check_network(estimator, display, attribute="coefs_"):
    """Raise TypeError for what is fitted and no network, and for what is not fitted."""
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"{display.__name__} needs a fitted network, with {attribute}. Got "
            f"{type(estimator).__name__}. For a Pipeline pass its last step, pipeline[-1]; "
            "for a search, search.best_estimator_."
        )


def _diverging():
    """Return the colour map from blue by white to orange."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blue_orange", [BLUE, "white", ORANGE])


def _symmetric(values):
    """Return a norm whose middle is zero."""
    from matplotlib.colors import Normalize

    largest = np.nanmax(np.abs(values), initial=0) or 1.0
    return Normalize(-largest, largest)


class LossCurveDisplay:
    """Curves of a training: loss, validation score and learning rate by epoch.

    Make it with :meth:`from_estimator`.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Objective of every epoch.

    validation_loss_curve : array-like of shape (n_epochs,) or None, default=None
        Loss of the validation rows after every epoch.

    validation_scores : array-like of shape (n_epochs,) or None, default=None
        Score of the validation rows after every epoch.

    learning_rate_curve : array-like of shape (n_epochs,) or None, default=None
        Learning rate of every epoch.

    name : str or None, default=None
        What the legend calls the training.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes, the first of several.

    axes_ : ndarray of matplotlib Axes
        One per quantity.

    figure_ : matplotlib Figure
        The figure.

    lines_ : list of matplotlib Line2D
        What was drawn.
    """

    def __init__(
        self,
        *,
        loss_curve: ArrayLike,
        validation_loss_curve: ArrayLike | None = None,
        validation_scores: ArrayLike | None = None,
        learning_rate_curve: ArrayLike | None = None,
        name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.learning_rate_curve = learning_rate_curve
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        show: str | Sequence[str] = ("loss",),
        name: str | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : BackpropClassifier or BackpropRegressor
            A fitted estimator; scikit-learn's MLP classes have a loss curve too.

        show : sequence of {"loss", "score", "learning_rate"}, default=("loss",)
            What to draw, each on axes of its own, one below the other. The validation
            loss is drawn beside the training loss where there is one.

        name : str or None, default=None
            What the legend calls the training; None takes the name of the class.

        ax : matplotlib Axes, or one per quantity, or None, default=None
            Where to draw; `axes_` of another display puts both trainings together.

        **line_kw : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skbackprop import BackpropClassifier, LossCurveDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = BackpropClassifier(
        ...     (10,), early_stopping=True, tol=0, max_iter=40, n_iter_no_change=40
        ... )
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     clf = clf.fit(X, y)
        >>> display = LossCurveDisplay.from_estimator(clf, show=("loss", "score"))
        >>> [ax.get_ylabel() for ax in display.axes_]
        ['loss', 'validation score']
        """
        _check_network(estimator, cls, "loss_curve_")
        display = cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
            validation_scores=getattr(estimator, "validation_scores_", None),
            learning_rate_curve=getattr(estimator, "learning_rate_curve_", None),
            name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(show=show, ax=ax, **line_kw)

    def plot(
        self, *, show: str | Sequence[str] = ("loss",), ax: Any = None, **line_kw: Any
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        show : sequence of {"loss", "score", "learning_rate"}, default=("loss",)
            What to draw, each on axes of its own.

        ax : matplotlib Axes, or one per quantity, or None, default=None
            Where to draw.

        **line_kw : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        self : LossCurveDisplay
            The display.
        """
        show = [show] if isinstance(show, str) else list(show)
        curves = {quantity: self._curves(quantity) for quantity in show}
        self.axes_ = self._axes(show, ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_ = []
        n_trainings = sum(line.get_linestyle() == "-" for line in self.ax_.lines)
        line_kw = {"color": PALETTE[n_trainings % len(PALETTE)], **line_kw}
        for axes, (quantity, lines) in zip(self.axes_, curves.items(), strict=True):
            for (label, curve), style in zip(lines, ("-", "--"), strict=False):
                epochs = np.arange(1, len(curve) + 1)
                settings = {"linestyle": style, "label": label, **line_kw}
                self.lines_ += axes.plot(epochs, curve, **settings)
            axes.set_ylabel(QUANTITIES[quantity])
            axes.legend()
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].locator_params(axis="x", integer=True)
        return self

    def _curves(self, quantity):
        """Return labels and curves of one quantity; raise ValueError if there are none."""
        name = self.name or "training"
        lines = {
            "loss": [
                (name, self.loss_curve),
                (f"{name}, validation rows", self.validation_loss_curve),
            ],
            "score": [(name, self.validation_scores)],
            "learning_rate": [(name, self.learning_rate_curve)],
        }
        if quantity not in lines:
            raise ValueError(f"show takes any of {list(lines)}. Got {quantity!r}.")
        there = [(label, curve) for label, curve in lines[quantity] if curve is not None]
        if not there:
            raise ValueError(
                f"There is no {QUANTITIES[quantity]} to show: scores need validation rows "
                "(early_stopping=True, or X_val and y_val in fit)."
            )
        return there

    @staticmethod
    def _axes(show, ax):
        """Return the given axes as an array, or new ones, one below the other."""
        if ax is None:
            size = (6.4, 4.8 if len(show) == 1 else 1.2 + 2.4 * len(show))
            _, ax = pyplot().subplots(
                len(show), sharex=True, figsize=size, layout="constrained"
            )
        axes = np.atleast_1d(np.asarray(ax, dtype=object))
        if len(axes) != len(show):
            raise ValueError(
                f"show has {len(show)} quantities, each with axes of its own, but ax "
                f"has {len(axes)} axes."
            )
        return axes


class NetworkDisplay:
    """A network as units and connections.

    Orange connections have a positive weight and blue ones a negative; the wider, the
    larger. Make it with :meth:`from_estimator` or :meth:`from_trace`.

    Parameters
    ----------
    weights : list of ndarray of shape (n_inputs, n_units)
        Weights, layer by layer.

    layer_names : list of str
        What is written below each layer, the inputs included.

    input_names, output_names : list of str or None, default=None
        What is written beside the inputs and the outputs.

    values : list of ndarray of shape (n_units,) or None, default=None
        Numbers that colour the units, layer by layer without the inputs.

    value_name : str, default="value"
        What these numbers are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    connections_ : list of matplotlib LineCollection
        The connections, layer by layer.

    units_ : matplotlib PathCollection
        The units.
    """

    def __init__(
        self,
        *,
        weights: Sequence[NDArray],
        layer_names: Sequence[str],
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        values: Sequence[NDArray] | None = None,
        value_name: str = "value",
    ) -> None:
        self.weights = weights
        self.layer_names = layer_names
        self.input_names = input_names
        self.output_names = output_names
        self.values = values
        self.value_name = value_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, max_units: int = 12, ax: Any = None) -> Self:
        """Draw a fitted estimator.

        Parameters
        ----------
        estimator : BackpropClassifier or BackpropRegressor
            A fitted estimator.

        max_units : int, default=12
            Of a layer with more units only the first and the last few are drawn.

        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : NetworkDisplay
            The display, drawn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skbackprop import BackpropClassifier, NetworkDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = BackpropClassifier((5,)).partial_fit(X, y, classes=[0, 1, 2])
        >>> NetworkDisplay.from_estimator(clf).layer_names
        ['inputs', 'hidden 1', 'outputs']
        """
        _check_network(estimator, cls)
        weights = [array.copy() for array in estimator.coefs_]
        names = getattr(estimator, "feature_names_in_", None)
        classes = getattr(estimator, "classes_", ())
        display = cls(
            weights=weights,
            layer_names=_layer_names(len(weights)),
            input_names=None if names is None else list(names),
            output_names=list(map(str, classes))
            if len(classes) == estimator.n_outputs_
            else None,
        )
        return display.plot(max_units=max_units, ax=ax)

    @classmethod
    def from_trace(
        cls, trace: Any, *, row: int = 0, max_units: int = 12, ax: Any = None
    ) -> Self:
        """Draw the deltas of a traced step: how much each unit contributed to the error.

        Parameters
        ----------
        trace : StepTrace
            What :func:`skbackprop.trace_step` returned.

        row : int, default=0
            Which row of the step, in the order of ``trace.rows``.

        max_units : int, default=12
            Of a layer with more units only the first and the last few are drawn.

        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : NetworkDisplay
            The display, drawn, with the weights from before the step.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skbackprop import BackpropClassifier, NetworkDisplay, trace_step
        >>> X, y = load_iris(return_X_y=True)
        >>> trace = trace_step(BackpropClassifier((5,)), X[::50], y[::50])
        >>> NetworkDisplay.from_trace(trace).value_name
        'delta'
        """
        display = cls(
            weights=[layer.weights_before for layer in trace.layers],
            layer_names=_layer_names(len(trace.layers)),
            values=[layer.delta[row] for layer in trace.layers],
            value_name="delta",
        )
        return display.plot(max_units=max_units, ax=ax)

    def plot(self, *, max_units: int = 12, ax: Any = None) -> Self:
        """Draw the network.

        Parameters
        ----------
        max_units : int, default=12
            Of a layer with more units only the first and the last few are drawn.

        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        self : NetworkDisplay
            The display.
        """
        if ax is None:
            _, ax = pyplot().subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        sizes = [self.weights[0].shape[0], *(array.shape[1] for array in self.weights)]
        places = [_Places(x, size, max_units) for x, size in enumerate(sizes)]
        self._draw_connections(places)
        self._draw_units(places)
        self._write_names(places)
        ax.set_axis_off()
        return self

    def _draw_connections(self, places):
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        largest = max(np.abs(array).max() for array in self.weights) or 1.0
        self.connections_ = []
        for array, below, above in zip(self.weights, places, places[1:], strict=False):
            shown = array[np.ix_(below.shown, above.shown)].ravel()
            ends = [[low, high] for low in below.points for high in above.points]
            lines = LineCollection(
                ends,
                colors=np.where(shown > 0, ORANGE, BLUE),
                linewidths=0.2 + 3.8 * np.abs(shown) / largest,
                zorder=1,
            )
            self.connections_.append(self.ax_.add_collection(lines))
        handles = [
            Line2D([], [], color=color, linewidth=4, label=f"weight {sign * largest:+.3g}")
            for color, sign in ((ORANGE, 1), (BLUE, -1))
        ]
        self.ax_.legend(
            handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2
        )

    def _draw_units(self, places):
        n_slots = max(place.n_slots for place in places)
        points = np.concatenate([place.points for place in places])
        values = np.full(len(points), np.nan)
        if self.values is not None:
            shown = [
                array[p.shown] for array, p in zip(self.values, places[1:], strict=True)
            ]
            values[len(places[0].points) :] = np.concatenate(shown)
        self.units_ = self.ax_.scatter(
            *points.T,
            s=min(20.0, 160 / n_slots) ** 2,  # points: a slot is some 300 / n_slots high
            c=values,
            cmap=_diverging().with_extremes(bad="white"),
            norm=_symmetric(values),
            plotnonfinite=True,
            edgecolors="black",
            zorder=2,
        )
        if self.values is not None:
            self.figure_.colorbar(
                self.units_, ax=self.ax_, label=self.value_name, shrink=0.8
            )
        for place in places:
            if place.gap is not None:
                self.ax_.text(*place.gap, "\u22ee", ha="center", va="center", fontsize=16)

    def _write_names(self, places):
        bottom = -max(place.n_slots for place in places) / 2 - 0.3
        for place, name in zip(places, self.layer_names, strict=True):
            self.ax_.text(
                place.x, bottom, f"{name}\n{place.n_units}", ha="center", va="top"
            )
        sides = [(places[0], self.input_names, -14, "right")]
        sides.append((places[-1], self.output_names, 14, "left"))
        for place, names, offset, side in sides:
            for unit, point in zip(place.shown, place.points, strict=True):
                if names is not None:
                    self.ax_.annotate(
                        names[unit],
                        point,
                        xytext=(offset, 0),
                        textcoords="offset points",
                        ha=side,
                        va="center",
                    )
        self.ax_.set_ylim(bottom - 0.1, -bottom)
        self.ax_.set_xlim(-0.2, len(places) - 0.8)


class _Places:
    """Where the units of a layer are drawn."""

    def __init__(self, x, n_units, max_units):
        self.x, self.n_units = x, n_units
        is_cut = n_units > max_units
        n_top = max_units // 2 if is_cut else n_units
        n_end = max(0, max_units - n_top - 1) if is_cut else 0
        self.shown = np.r_[0:n_top, n_units - n_end : n_units]
        self.n_slots = n_top + is_cut + n_end
        slots = np.r_[0:n_top, n_top + is_cut : self.n_slots]
        top = (self.n_slots - 1) / 2
        self.points = np.column_stack([np.full(len(slots), x), top - slots])
        self.gap = (x, top - n_top) if is_cut else None


def _layer_names(n_layers):
    return ["inputs", *(f"hidden {i}" for i in range(1, n_layers)), "outputs"]


class WeightsDisplay:
    """The weights of a layer, as a heat map or as one image per unit.

    Orange is positive, blue negative, white zero. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    weights : ndarray of shape (n_inputs, n_units)
        The weights.

    input_names : list of str or None, default=None
        What is written beside the rows of the heat map.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    image_ : matplotlib AxesImage
        What was drawn.
    """

    def __init__(
        self, *, weights: NDArray, input_names: Sequence[str] | None = None
    ) -> None:
        self.weights = weights
        self.input_names = input_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: int = 0,
        image_shape: tuple[int, int] | None = None,
        max_units: int = 64,
        ax: Any = None,
    ) -> Self:
        """Draw a layer of a fitted estimator.

        Parameters
        ----------
        estimator : BackpropClassifier or BackpropRegressor
            A fitted estimator.

        layer : int, default=0
            Which weights: 0 are those from the inputs, -1 those to the outputs.

        image_shape : tuple of two ints or None, default=None
            Shape of the image that the inputs of a unit are; None draws a heat map.

        max_units : int, default=64
            How many units are drawn at most.

        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : WeightsDisplay
            The display, drawn.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skbackprop import BackpropClassifier, WeightsDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> clf = BackpropClassifier((16,)).partial_fit(X / 16, y, classes=range(10))
        >>> WeightsDisplay.from_estimator(clf, image_shape=(8, 8)).weights.shape
        (64, 16)
        """
        _check_network(estimator, cls)
        names = getattr(estimator, "feature_names_in_", None)
        is_first = layer in (0, -len(estimator.coefs_))
        display = cls(
            weights=estimator.coefs_[layer].copy(),
            input_names=list(names) if names is not None and is_first else None,
        )
        return display.plot(image_shape=image_shape, max_units=max_units, ax=ax)

    def plot(
        self,
        *,
        image_shape: tuple[int, int] | None = None,
        max_units: int = 64,
        ax: Any = None,
    ) -> Self:
        """Draw the weights.

        Parameters
        ----------
        image_shape : tuple of two ints or None, default=None
            Shape of the image that the inputs of a unit are; None draws a heat map.

        max_units : int, default=64
            How many units are drawn at most.

        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        self : WeightsDisplay
            The display.
        """
        if image_shape is not None and np.prod(image_shape) != len(self.weights):
            raise ValueError(
                f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but a unit "
                f"of this layer has {len(self.weights)} inputs."
            )
        if ax is None:
            _, ax = pyplot().subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        shown = self.weights[:, :max_units]
        picture = shown if image_shape is None else _montage(shown, image_shape)
        self.image_ = ax.imshow(
            picture,
            cmap=_diverging().with_extremes(bad="lightgrey"),  # between images
            norm=_symmetric(picture),
            aspect="auto" if image_shape is None else "equal",
        )
        self.figure_.colorbar(self.image_, ax=ax, label="weight")
        if image_shape is not None:
            ax.set_axis_off()
            return self
        ax.set(xlabel="unit", ylabel="input")
        for axis in (ax.xaxis, ax.yaxis):  # there is no half a unit
            axis.set_major_locator(pyplot().MaxNLocator(integer=True))
        if self.input_names is not None:
            ax.set_yticks(range(len(self.input_names)), self.input_names)
            ax.set_ylabel("")
        return self


def _montage(weights, image_shape):
    """Return the images of all units side by side, NaN between them."""
    height, width = image_shape
    n_units = weights.shape[1]
    n_columns = int(np.ceil(np.sqrt(n_units)))
    n_rows = -(-n_units // n_columns)
    picture = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1), np.nan)
    for unit, image in enumerate(weights.T):
        top, left = divmod(unit, n_columns) * np.array([height + 1, width + 1])
        picture[top : top + height, left : left + width] = image.reshape(image_shape)
    return picture
