"""TabularRegressor: quantities of the rows of a table, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array, column_or_1d

from ..activations import Activation
from ..engines import Engine
from ..preprocessing import mean_and_scale
from ..regressor import BackpropRegressor
from .base import BaseTabular, TableData, mean_of_held_out
from .conformal import check_coverage, cv_plus_intervals

__all__ = ["TabularRegressor"]


class TabularRegressor(RegressorMixin, BaseTabular):
    """A regressor for tables as they come: mixed columns, missing values, any scale.

    Numbers are encoded piecewise linearly and categories one-hot. Then several networks
    are trained on the standardised target, each is stopped early on its own held-out
    rows, and their predictions are averaged. The defaults were chosen on many tables
    and rarely need to be changed.

    Parameters
    ----------
    n_members : int, default=8
        Number of networks to average. The rows are split into the same number of folds,
        and each member is trained without its fold and stopped by it. A single member
        holds out a random tenth of the rows. Time grows in proportion; 4 members are
        nearly as good as 8. There are never more members than rows.

    cv : splitter, iterable of (train, held out) or None, default=None
        Your own folds, with one member per split, whatever `n_members` is. Use for
        example ``GroupKFold(8)`` and `groups` in `fit` if the rows of a group are
        similar. With None the folds are random.

    hidden_layer_sizes : int, sequence of int or Layers, default=(128, 64)
        Number of units of each hidden layer. :class:`Layers` gives equal layers as two
        numbers that a search can vary.

    activation : str, object or sequence of them, default="auto"
        "auto" has members of "relu" and of "silu" in turn. Everything else is for every
        member, as in :class:`BackpropRegressor`: one for all hidden layers or one for each.

    n_bins : int, default=16
        Largest number of bins of a numeric column, as in
        :class:`~skbackprop.preprocessing.PiecewiseLinearEncoder`.

    learning_rate_init : float, default=0.003
        Learning rate of AdamW for batches of 256 rows; with smaller batches it is
        ``learning_rate_init * sqrt(batch_size / 256)``. It falls to 0 along a cosine
        over `max_iter` epochs.

    weight_decay : float, default=1.0
        Decoupled weight decay of AdamW: each step takes a fraction of ``learning_rate *
        weight_decay`` off the weights.

    batch_size : int or "auto", default="auto"
        Number of rows used for one step. "auto" is the power of two nearest to a
        sixteenth of the rows, from 32 to 256, or all rows if there are fewer than 64.

    max_iter : int, default=200
        Largest number of epochs of a member.

    n_iter_no_change : int or inf, default=12
        Patience: a member stops when the score on its fold did not improve for more
        than this number of epochs. The weights of the best epoch are kept.

    max_time : float or None, default=None
        Number of seconds after which training ends. The members share them; each trains
        for at least one epoch, and ends with the epoch in which its share is used up.
        Encoding is not counted. Results then depend on the speed of the machine.

    categorical_features : str, array-like or None, default="from_dtype"
        Which columns hold categories: names, numbers or a mask. "from_dtype" means
        columns of strings and of a categorical type; in an array of objects, those that
        hold strings. None means no column.

    scoring : str, callable or None, default="loss"
        How to score the fold of a member: "loss" (minus the squared error), None (R2),
        the name of a scorer, or a callable ``scorer(member, X, y)`` on the encoded rows
        and the standardised target.

    error_convention : str, default="output_minus_target"
        "output_minus_target" or "target_minus_output", as in
        :class:`BackpropRegressor`. It changes no result.

    engine : {"auto", "numpy", "numba"} or object, default="auto"
        What runs the epochs of the members, as in :class:`BackpropRegressor`. "auto"
        uses the compiled engine if it pays off over a few fits like this one: with 8
        members from about 1000 rows on.

    n_jobs : int or None, default=None
        Number of members to train at the same time, in threads, or in processes inside
        ``joblib.parallel_config(backend="loky")``. Threads pay off with the compiled
        engine. The result is the same bit for bit.

    random_state : int, RandomState instance or None, default=None
        Determines the folds and the seeds of the members. Pass an int for results that
        you can reproduce.

    verbose : bool or int, default=False
        True prints a line per member; an int n > 1 also the first and every n-th epoch.

    Attributes
    ----------
    target_mean_ : ndarray of shape (n_outputs,)
        Mean of the target.

    target_scale_ : ndarray of shape (n_outputs,)
        Standard deviation of the target; 1 for a constant one.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
        Out-of-fold predictions: for each row that of the member that was trained
        without it, or the mean if there are several; NaN for a row that was not held
        out. None after a fit with `X_val`.

    oof_score_ : float or None
        R2 of `oof_prediction_`; NaN for a single row. It estimates how good a single
        member is on new rows; all together are better.

    n_iter_ : ndarray of shape (n_members,)
        Number of epochs of each member.

    encoder_ : TableEncoder
        The encoder: ``encoder_.transform(X)`` is the matrix that the members get,
        ``encoder_.get_feature_names_out()`` names its columns.

    members_ : list of BackpropRegressor
        The networks. They take the output of `encoder_`, and predict the standardised
        target: ``(y - target_mean_) / target_scale_``.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.

    See Also
    --------
    TabularClassifier : The same for classes.
    BackpropRegressor : A single network on numbers, with every choice open.
    sklearn.ensemble.HistGradientBoostingRegressor : Trees; faster for very many rows.

    Notes
    -----
    Categories with fewer than 5 rows are merged, as are all but the 255 most frequent
    of a column. A category that was never seen counts as one of the merged ones, or as
    none if there are none. Each category is a column of the matrix that the members
    get. A missing number is replaced by the median of its column, and if there were any
    in `fit`, another column says that it was missing. Among categories, a missing value
    is a category.

    References
    ----------
    Gorishniy, Rubachev & Babenko (2022), *On Embeddings for Numerical Features in Tabular
    Deep Learning*, NeurIPS (the encoding).

    Holzmüller, Grinsztajn & Steinwart (2024), *Better by Default: Strong Pre-Tuned MLPs
    and Boosted Trees on Tabular Data*, NeurIPS (the smooth clip and beta_2).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from skbackprop import TabularRegressor
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_diabetes(return_X_y=True, as_frame=True), random_state=0
    ... )
    >>> model = TabularRegressor(n_members=2, random_state=0).fit(X_train, y_train)
    >>> bool(model.score(X_test, y_test) > 0.2)
    True
    >>> low, high = model.predict_interval(X_test, coverage=0.9).T
    >>> bool(((low <= y_test) & (y_test <= high)).mean() > 0.8)
    True
    """

    _member_class = BackpropRegressor
    _method = "predict"

    def __init__(
        self,
        *,
        n_members: int = 8,
        cv: Any = None,
        hidden_layer_sizes: int | Sequence[int] = (128, 64),
        activation: str | Activation | Sequence[str | Activation] = "auto",
        n_bins: int = 16,
        learning_rate_init: float = 0.003,
        weight_decay: float = 1.0,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        n_iter_no_change: float = 12,
        max_time: float | None = None,
        categorical_features: Any = "from_dtype",
        scoring: str | Callable[..., float] | None = "loss",
        error_convention: str = "output_minus_target",
        engine: str | Engine = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_members = n_members
        self.cv = cv
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_bins = n_bins
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.categorical_features = categorical_features
        self.scoring = scoring
        self.error_convention = error_convention
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Encode the table and train the members.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            A pandas or polars DataFrame, a pyarrow Table, an array or a list of lists.
            Columns hold numbers, bools, strings or a categorical type. None, NaN and
            the missing values of these libraries are allowed. Dates raise an error:
            convert them to numbers.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts, in the encoding of numbers, in training and in the
            folds; not negative. With None, all rows count the same.

        X_val : table of shape (n_validation, n_features) or None
            Rows that decide when all members stop, instead of their folds. Every member
            is then trained on all of X, so there are no out-of-fold predictions.

        y_val : array-like like y or None
            The target values of `X_val`.

        sample_weight_val : array-like of shape (n_validation,) or None
            How much each validation row counts.

        groups : array-like of shape (n_samples,) or None
            Which rows belong together, for the splitter `cv`.

        Returns
        -------
        self : TabularRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a column, y or a weight is invalid; the error names the
            column. An estimator that was fitted before is as it was.
        TypeError
            If a column holds objects that are neither strings nor numbers.
        """
        return self._fit_copy(
            TableData(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)
        )

    def predict(self, X: Any) -> NDArray:
        """Predict target values: the mean of the predictions of the members.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, in float64.
        """
        return self._like_y(self._quantities(X).mean(axis=0))

    def predict_std(self, X: Any) -> NDArray:
        """Predict how far the members are apart.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        Returns
        -------
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Standard deviation of the predictions of the members. It is large where the
            rows of `fit` said little, and does not hold the noise of the target: for
            that use `predict_interval`.
        """
        return self._like_y(self._quantities(X).std(axis=0))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray:
        """Predict an interval for each row that contains the target in most rows.

        Its width follows from the errors of the members on the rows that were held out
        from them (CV+ of Barber, Candès, Ramdas & Tibshirani 2021).

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        coverage : float, default=0.9
            The share of rows whose interval should contain the target, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper end, in units of the target. Infinite if there are fewer
            rows than ``coverage / (1 - coverage)``. With several outputs, the share
            holds for each output separately.

        Raises
        ------
        ValueError
            If coverage is outside (0, 1), and after a fit with `X_val`.

        Notes
        -----
        The guarantee: let the rows of `fit` and the new row be exchangeable, as rows
        drawn at random from one population are. If members learn nothing from their own
        folds, the target is inside with a probability of at least
        ``2 * coverage - 1 - sqrt(2 / n)`` for n rows, whatever the data (theorem 4 of the
        paper). This is an average over rows, not for each kind of row. In practice it
        is close to `coverage`. Two things are not covered by the theorem: members are
        stopped by their own folds, which makes held-out errors slightly smaller than
        those on new rows, and new rows may come from a different population. With
        ``n_members=1`` this is split conformal prediction, whose bound is `coverage`
        itself. If `cv` does not hold out every row once, no bound is known.

        All rows count the same here, whatever their weights, except that rows of weight
        0 do not count. The time is proportional to the rows of `fit` times those of X.
        """
        check_coverage(coverage)
        predictions = self._quantities(X)
        errors = self._held_out_errors()
        intervals = [
            cv_plus_intervals(predictions[:, :, j], [e[:, j] for e in errors], coverage)
            for j in range(predictions.shape[2])
        ]
        return intervals[0] if self._is_single else np.stack(intervals, axis=1)

    # -- what the base class asks for --------------------------------------------------

    def _check_y(self, y):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y

    def _learn(self, y, sample_weight):
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        moments = [mean_and_scale(t, weight) for t in _columns(y).T]
        self._is_single = y.ndim == 1
        self.target_mean_ = np.array([mean for mean, _ in moments])
        self.target_scale_ = np.array([scale if scale > 0 else 1.0 for _, scale in moments])

    def _target(self, y):
        n_outputs, expected = _columns(y).shape[1], len(self.target_mean_)
        if n_outputs != expected:
            raise ValueError(
                f"y_val has {n_outputs} outputs, but y has {expected}. Pass y_val in the "
                "form of y."
            )
        return self._like_y((_columns(y) - self.target_mean_) / self.target_scale_)

    def _weight(self, y, sample_weight):
        return sample_weight

    def _member_parameters(self, y, sample_weight):
        return {}

    def _strata(self, y):
        return None

    def _shown(self, y, fold):
        return fold

    def _conclude(self, y, sample_weight, weight, folds, outputs):
        outputs = [self._rescaled(_columns(output)) for output in outputs]
        self._errors = [
            np.abs(_columns(y)[fold.held_out] - output)
            for fold, output in zip(folds, outputs, strict=True)
        ]
        self.oof_prediction_ = self._like_y(mean_of_held_out(len(y), folds, outputs))
        there = ~np.isnan(_columns(self.oof_prediction_)[:, 0])
        self.oof_score_ = np.nan
        if there.sum() > 1:
            self.oof_score_ = r2_score(
                y[there],
                self.oof_prediction_[there],
                sample_weight=None if sample_weight is None else sample_weight[there],
            )

    def _conclude_validation(self, validation, outputs):
        """Nothing: quantities are not calibrated."""

    def _quantities(self, X):
        """Return the predictions of the members, shape (n_members, n_rows, n_outputs)."""
        return self._rescaled(self._outputs(X))

    def _rescaled(self, outputs):
        return outputs * self.target_scale_ + self.target_mean_

    def _like_y(self, columns):
        return columns[:, 0] if self._is_single else columns

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _columns(y):
    """Return y, or what is like it, as columns."""
    return y.reshape(len(y), -1)
