"""TabularClassifier: classes of the rows of a table, with probabilities and sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from ..activations import Activation
from ..classifier import BackpropClassifier
from ..engines import Engine
from ..estimator.input_validation import expand_class_weight
from .base import BaseTabular, TableData, mean_of_held_out
from .calibration import apply_temperature, fit_temperature
from .conformal import check_coverage, cross_conformal_sets

__all__ = ["TabularClassifier"]


class TabularClassifier(ClassifierMixin, BaseTabular):
    """A classifier for tables as they come: mixed columns, missing values, any scale.

    Numbers are encoded piecewise linearly and categories one-hot. Then several networks
    are trained, each is stopped early on its own held-out rows, and their probabilities
    are averaged. The defaults were chosen on many tables and rarely need to be changed.

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
        similar. With None the folds are random, with each class spread evenly over
        them.

    hidden_layer_sizes : int, sequence of int or Layers, default=(128, 64)
        Number of units of each hidden layer. :class:`Layers` gives equal layers as two
        numbers that a search can vary.

    activation : str, object or sequence of them, default="auto"
        "auto" uses "relu" and "silu" in turn. Any other value is for all members, as in
        :class:`BackpropClassifier`: one activation for all hidden layers, or one for
        each.

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

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, for training and for the folds, as in
        :class:`BackpropClassifier`. "balanced" gives every class the same total weight
        over all rows.

    scoring : str, callable or None, default="loss"
        How to score the fold of a member: "loss" (minus the log loss), None (accuracy),
        the name of a scorer, or a callable ``scorer(member, X, y)`` on the encoded
        rows.

    error_convention : str, default="output_minus_target"
        "output_minus_target" or "target_minus_output", as in
        :class:`BackpropClassifier`. It changes no result.

    engine : {"auto", "numpy", "numba"} or object, default="auto"
        What runs the epochs of the members, as in :class:`BackpropClassifier`. "auto"
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
    classes_ : ndarray of shape (n_classes,)
        The class labels, in the order of the columns of `predict_proba`.

    temperature_ : float
        The number, from 0.5 to 2, by which the logarithms of the mean probabilities are
        divided, chosen to minimise the log loss of the held-out rows. Above 1 the
        members are too confident, below 1 not confident enough.

    oof_prediction_ : ndarray of shape (n_samples, n_classes) or None
        Out-of-fold probabilities: for each row those of the member that was trained
        without it, or the mean if there are several; NaN for a row that was not held
        out. None after a fit with `X_val`.

    oof_score_ : float or None
        Accuracy of `oof_prediction_`. It estimates how good a single member is on new
        rows; all together are better.

    n_iter_ : ndarray of shape (n_members,)
        Number of epochs of each member.

    encoder_ : TableEncoder
        The encoder: ``encoder_.transform(X)`` is the matrix that the members get,
        ``encoder_.get_feature_names_out()`` names its columns.

    members_ : list of BackpropClassifier
        The networks. They predict from the output of `encoder_`.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.

    See Also
    --------
    TabularRegressor : The same for quantities.
    BackpropClassifier : A single network on numbers, with every choice open.
    sklearn.ensemble.HistGradientBoostingClassifier : Trees; faster for very many rows.

    Notes
    -----
    Categories with fewer than 5 rows are merged, as are all but the 255 most frequent
    of a column. A category that was never seen counts as one of the merged ones, or as
    none if there are none. Each category is a column of the matrix that the members
    get. A missing number is replaced by the median of its column, and if there were any
    in `fit`, another column says that it was missing. Among categories, a missing value
    is a category.

    If a class has a single row, one member is trained without any row of this class.

    References
    ----------
    Gorishniy, Rubachev & Babenko (2022), *On Embeddings for Numerical Features in Tabular
    Deep Learning*, NeurIPS (the encoding).

    Holzmüller, Grinsztajn & Steinwart (2024), *Better by Default: Strong Pre-Tuned MLPs
    and Boosted Trees on Tabular Data*, NeurIPS (the smooth clip and beta_2).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import train_test_split
    >>> from skbackprop import TabularClassifier
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_wine(return_X_y=True, as_frame=True), random_state=0
    ... )
    >>> model = TabularClassifier(n_members=2, random_state=0).fit(X_train, y_train)
    >>> bool(model.score(X_test, y_test) > 0.9)
    True
    >>> model.predict_set(X_test[:2]).sum(axis=1)
    array([1, 1])
    """

    _member_class = BackpropClassifier
    _method = "predict_proba"

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
        class_weight: dict[Any, float] | str | None = None,
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
        self.class_weight = class_weight
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

        y : array-like of shape (n_samples,)
            The class labels, strings or numbers.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts, in the encoding of numbers, in training and in the
            folds; not negative. With None, all rows count the same.

        X_val : table of shape (n_validation, n_features) or None
            Rows that decide when all members stop, instead of their folds. Every member
            is then trained on all of X, so there are no out-of-fold predictions.

        y_val : array-like like y or None
            The class labels, strings or numbers of `X_val`.

        sample_weight_val : array-like of shape (n_validation,) or None
            How much each validation row counts.

        groups : array-like of shape (n_samples,) or None
            Which rows belong together, for the splitter `cv`.

        Returns
        -------
        self : TabularClassifier
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
        """Predict class labels.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable class of each row.
        """
        indices = self.predict_proba(X).argmax(axis=1)
        return self.classes_[indices]

    def predict_proba(self, X: Any) -> NDArray:
        """Predict class probabilities: the calibrated mean of those of the members.

        The mean is raised to the power ``1 / temperature_``, and each row is divided by
        its sum.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            One column per class in the order of `classes_`; rows sum to one.
        """
        return apply_temperature(self._outputs(X).mean(axis=0), self.temperature_)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            The logarithms of what `predict_proba` returns; finite.
        """
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float32).tiny))

    def predict_set(self, X: Any, coverage: float = 0.9) -> NDArray:
        """Predict a set of plausible classes for each row.

        It contains the true class in most rows. A class is in the set if its
        probability is not lower than that of the true class in enough held-out rows
        (cross-conformal prediction, Vovk 2015). The most
        probable class is always in the set, so no set is empty.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The rows to predict, with the columns of `fit`.

        coverage : float, default=0.9
            The share of rows whose set should contain the true class, between 0 and 1.

        Returns
        -------
        possible : ndarray of shape (n_samples, n_classes), of bool
            Whether each class, in the order of `classes_`, is in the set of the row.

        Raises
        ------
        ValueError
            If coverage is outside (0, 1), and after a fit with `X_val`.

        Notes
        -----
        The guarantee: let the rows of `fit` and the new row be exchangeable, as rows
        drawn at random from one population are. If members learn nothing from their own
        folds, the true class is in the set with a probability of at least
        ``2 * coverage - 1 - 2 * K / n``, with K members and n held-out rows, whatever
        the data (Vovk 2015, Barber et al. 2021). This is an average over rows, not for
        each class or kind of row. In practice it is close to `coverage`. Two things are
        not covered by the theorem: members are stopped by their own folds, which makes
        held-out probabilities slightly better than those of new rows, and new rows may
        come from a different population. With ``n_members=1`` this is split conformal
        prediction, whose bound is `coverage` itself. If `cv` does not hold out every
        row once, no bound is known.

        All rows count the same here, whatever their weights, except that rows of weight
        0 do not count.
        """
        check_coverage(coverage)
        outputs = self._outputs(X)
        possible = cross_conformal_sets(outputs, self._held_out_errors(), coverage)
        best = outputs.mean(axis=0).argmax(axis=1)
        possible[np.arange(len(possible)), best] = True
        return possible

    # -- what the base class asks for --------------------------------------------------

    def _check_y(self, y):
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        return y

    def _learn(self, y, sample_weight):
        self.classes_ = unique_labels(y)

    def _target(self, y):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y_val does not match y: it has the classes {unknown}, and y those of "
                f"{self.classes_}. Leave such rows out."
            )
        return y

    def _weight(self, y, sample_weight):
        if self.class_weight is None:
            return sample_weight
        weight = self._of_classes(y, sample_weight)
        weight = weight if sample_weight is None else weight * sample_weight
        if not weight.any():
            raise ValueError(
                "class_weight is zero for every row that has a sample weight, so there is "
                "nothing to learn from. Give a class of y a positive weight."
            )
        return weight

    def _of_classes(self, y, sample_weight):
        indices = np.searchsorted(self.classes_, y)
        return expand_class_weight(self.class_weight, self.classes_, indices, sample_weight)

    def _member_parameters(self, y, sample_weight):
        """Give members the weights of classes in all rows, not in their folds."""
        if self.class_weight is None:
            return {}
        labels, rows = np.unique(y, return_index=True)
        weights = self._of_classes(y, sample_weight)[rows].tolist()
        return {"class_weight": dict(zip(labels.tolist(), weights, strict=True))}

    def _strata(self, y):
        return np.searchsorted(self.classes_, y)

    def _shown(self, y, fold):
        """Show one row of each class that the member would not know of otherwise."""
        unseen = np.setdiff1d(self.classes_, y[fold.train])
        return fold._replace(
            shown=np.array(
                [np.flatnonzero(y == label)[0] for label in unseen], dtype=np.intp
            )
        )

    def _conclude(self, y, sample_weight, weight, folds, outputs):
        indices = np.searchsorted(self.classes_, y)
        self._errors = [
            1.0 - np.take_along_axis(output, indices[fold.held_out, np.newaxis], 1)[:, 0]
            for fold, output in zip(folds, outputs, strict=True)
        ]
        self.oof_prediction_ = mean_of_held_out(len(y), folds, outputs)
        there = ~np.isnan(self.oof_prediction_[:, 0])
        of_rows, indices = self.oof_prediction_[there], indices[there]
        weight = None if weight is None else weight[there]
        sample_weight = None if sample_weight is None else sample_weight[there]
        self.temperature_ = fit_temperature(of_rows, indices, weight)
        self.oof_score_ = accuracy_score(
            indices, of_rows.argmax(axis=1), sample_weight=sample_weight
        )

    def _conclude_validation(self, validation, outputs):
        indices = np.searchsorted(self.classes_, validation.y)
        self.temperature_ = fit_temperature(
            np.mean(outputs, axis=0),
            indices,
            self._weight(validation.y, validation.weight),
        )
