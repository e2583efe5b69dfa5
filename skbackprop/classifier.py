"""BackpropClassifier: a network that tells classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from .activations import Activation
from .averaging import Averaging
from .engines import Engine
from .estimator.base import BaseBackprop, Call, has_partial_fit
from .estimator.hyperparameters import loss_of, require, resolve_loss
from .estimator.input_validation import expand_class_weight
from .estimator.labels import (
    Multilabel,
    label_column,
    labels_of_classes,
    learn_labels,
    stored_labels,
    sums_to_one,
)
from .estimator.missing_targets import check_y, subset_accuracy
from .estimator.soft_labels import expected_accuracy, learn_soft_labels, soft_target
from .estimator.warning import warn
from .initializers import Initializer
from .losses import CLASSIFIER_LOSSES, BinaryLogLoss, Loss
from .optimizers import Optimizer
from .rule import BOOL
from .schedules import Schedule

__all__ = ["BackpropClassifier"]


class BackpropClassifier(ClassifierMixin, BaseBackprop):
    """A feed-forward neural network classifier trained by backpropagation.

    It has the parameters of scikit-learn's ``MLPClassifier`` and gives the same
    numbers. The migration guide lists the differences.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or Layers, default=(100,)
        Number of units of each hidden layer. An empty sequence gives a linear model.
        :class:`Layers` gives equal layers as two numbers that a search can vary.

    activation : str, object or sequence of them, default="relu"
        Activation of the hidden units: "identity", "logistic" (or "sigmoid"), "tanh",
        "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", or an
        object that follows :class:`skbackprop.activations.Activation`. A sequence has
        one per hidden layer.

    loss : {"log_loss", "squared_error", "focal"} or object, default="log_loss"
        The loss to minimise. "log_loss" has logistic outputs for two classes and for
        multilabel targets, and softmax outputs otherwise. "squared_error" is half the
        sum of squares over one sigmoid output per class (two for two classes);
        `predict_proba` divides by their sum. "focal" is a log loss in which rows that
        are classified well count less. An object follows
        :class:`skbackprop.losses.Loss`.

    error_convention : str, default="output_minus_target"
        "output_minus_target" or "target_minus_output": how the error of an output is
        defined, and so whether weight updates are subtracted or added. It changes the
        sign of everything that is passed back, but no result: the weights are the same
        bit for bit.

    solver : str or object, default="adam"
        The rule that turns the gradient into a weight update: "adam", "sgd", "adamw",
        "nadam", "rmsprop", "adagrad", "lion", "rprop" (always all rows in one batch), or
        "lbfgs", which minimises over all rows at once, or "lm" (Levenberg-Marquardt),
        which does so for squared errors of at most 4000 parameters. An object follows
        :class:`skbackprop.optimizers.Optimizer`, and its own parameters are used
        instead of `momentum`, `beta_1` and so on.

    alpha : float, default=0.0001
        Strength of the L2 penalty, ``alpha / 2 * sum(weights ** 2) / n`` with n the
        number of rows of the batch (the sum of their sample weights).

    l1_ratio : float, default=0.0
        Part of the penalty that is L1, from 0 to 1: ``alpha / n * ((1 - l1_ratio) / 2 *
        sum(weights ** 2) + l1_ratio * sum(abs(weights)))``. It drives weights that are not
        needed to about 0, for example those of columns that say nothing. Not for "lbfgs"
        and "lm".

    batch_size : int or "auto", default="auto"
        Number of rows used for one step, at most all of them. "auto" is min(200,
        n_samples).

    learning_rate : float, str or object, default="constant"
        A float is the learning rate itself and replaces `learning_rate_init`. A name is
        a schedule that starts from `learning_rate_init`, for every stochastic solver:

        - "constant" does not change;
        - "invscaling" is ``learning_rate_init / (samples seen + 1) ** power_t``,
          changed after each epoch;
        - "adaptive" divides by 5 whenever there was no improvement of `tol` for more
          than `n_iter_no_change` epochs, and training stops at a rate of 1e-6 or less;
        - "exponential", "step", "cosine", "one_cycle", "warmup" and "plateau" are the
          schedules of :mod:`skbackprop.schedules` with their defaults; those that need
          to know an end take `max_iter`.

        An object follows :class:`skbackprop.schedules.Schedule`.

    learning_rate_init : float, default=0.001
        The learning rate at which schedules start.

    power_t : float, default=0.5
        Exponent of the "invscaling" schedule.

    max_iter : int, default=200
        Largest number of epochs in one call of `fit` (of iterations for "lbfgs" and
        "lm").

    shuffle : bool, default=True
        Whether to shuffle the rows before each epoch.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the validation rows and the order of the rows.
        Pass an int for results that you can reproduce.

    tol : float, default=1e-4
        Smallest improvement of the training loss (with `early_stopping`, of the
        validation score) that counts. For "lbfgs" and "lm" the tolerance of the
        gradient.

    verbose : bool or int, default=False
        True prints the lines of scikit-learn's MLP, of every epoch. An int n > 1 prints
        one line for the first and every n-th epoch: the loss, loss and score of the
        validation rows, and the time that an epoch takes.

    warm_start : bool, default=False
        Whether `fit` continues where the last call ended, with the same weights, memory
        of the solver, step count, schedule, random stream and order of the rows, so
        that two calls of 5 epochs equal one of 10. With "lbfgs" and "lm" only the
        weights are kept. If the data differ, the weights are kept, and what was
        measured on the old data (best loss or score, epochs without improvement, a
        lowered learning rate) is reset. Data count as the same if they have the same
        shape and dtype, and the same values in a few thousand rows spread evenly over
        targets and weights, and in rows of X of about 16,000 elements together. The
        same holds for validation rows.

    momentum : float, default=0.9
        Factor on the previous weight update, for "sgd", between 0 and 1.

    nesterovs_momentum : bool, default=True
        Whether momentum looks one step ahead, for "sgd".

    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, stop when the score on
        them no longer improves, and keep the weights with the best score. With "lbfgs"
        and "lm" this needs validation rows that you pass to `fit`.

    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` sets aside; at least one row per class,
        and two in all.

    validation_rows : {"random", "last"}, default="random"
        Which rows `early_stopping` sets aside: random ones, with the classes in
        proportion, or the last ones. Use "last" if the rows are ordered by time,
        because random ones would be neighbours of training rows.

    beta_1 : float, default=0.9
        Decay of the first moment of "adam", "adamw" and "nadam", in [0, 1).

    beta_2 : float, default=0.999
        Decay of the second moment of "adam", "adamw" and "nadam", in [0, 1).

    epsilon : float, default=1e-8
        Added to the root of the second moment of "adam", "adamw" and "nadam", and of the
        squares of "rmsprop" and "adagrad".

    n_iter_no_change : int or inf, default=10
        Patience: training stops when there was no improvement of `tol` for more than
        this number of epochs.

    max_fun : int, default=15000
        Largest number of evaluations of the objective for "lbfgs".

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss; scores do not use them. "balanced" gives
        every class the same total weight, sample weights included. Only their ratios
        matter, because they are divided by their mean over all rows (in `partial_fit`
        over those of `fit` and all chunks since). So they work in batches of any size.
        With all rows in one batch they are equivalent to such a `sample_weight`.

    dropout : float or sequence of float, default=0.0
        Fraction of the units of each hidden layer that are switched off in every
        training step, while the others are scaled up: one for all hidden layers, or one
        for each. Predictions use all units. Not for "lbfgs" and "lm".

    initializer : str or object, default="glorot_uniform"
        How to initialize the weights: "glorot_uniform" (as scikit-learn),
        "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
        "uniform", "normal", "orthogonal", "zeros", or an object that follows
        :class:`skbackprop.initializers.Initializer`, such as ``GivenWeights(coefs,
        intercepts)``.

    scoring : str, callable or None, default=None
        How to score validation rows: None (accuracy), "loss" (minus the loss), the name
        of a scorer or a callable ``scorer(estimator, X, y)``, which also gets
        `sample_weight` if validation rows have weights.

    clip_norm : float or None, default=None
        Largest Euclidean norm of the gradient of the objective. A larger gradient is
        scaled down before the solver uses it. Not for "lbfgs" and "lm".

    target_loss : float or None, default=None
        Training stops as soon as `loss_` is at or below this value.

    averaging : {"ema", "swa"}, object or None, default=None
        Whether to predict with an average of the weights at the ends of epochs: "ema"
        is an exponential moving average, "swa" the mean over the last quarter of
        `max_iter` epochs. Early stopping watches the average. Training continues from
        the weights themselves, and `loss_curve_` is theirs. A call of `partial_fit` is
        an epoch. An object follows :class:`skbackprop.averaging.Averaging`. Not for
        "lbfgs" and "lm".

    max_time : float or None, default=None
        Number of seconds after which `fit` stops, at the end of the current epoch, with
        a warning as for `max_iter`. Compiling is not counted. With `warm_start` each
        call has this many, and the next continues exactly. Results then depend on the
        speed of the machine.

    missing_targets : {"error", "ignore"}, default="error"
        What NaN in y means. With "ignore", for a multilabel y, it means not measured: it
        is left out of loss, gradient and score, and the row counts for its other labels.
        Rows and columns without any value raise an error, and so does NaN in a y of one
        column.

    soft_labels : bool, default=False
        Whether y has a probability for each class, shape (n_samples, n_classes), instead
        of labels. A row then counts as one row of each class, weighted by its
        probability; `classes_` are the numbers of the columns.

    engine : {"auto", "numpy", "numba"} or object, default="auto"
        What runs the epochs. "numpy" is always available. "numba" compiles a whole
        epoch and gives the same numbers up to rounding. It needs ``pip install
        "numba>=0.60"`` and dense X, and the first fit on a machine takes longer because
        of compiling. "auto" uses it if the training is long enough to gain from it,
        judged by the shapes of data and network and by `max_iter`, and keeps its choice
        when training continues; if it cannot run, "auto" uses NumPy. An object follows
        :class:`skbackprop.engines.Engine`; :class:`skbackprop.engines.MPIEngine` trains
        with other processes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, in the order of the columns of `predict_proba`.

    coefs_ : list of ndarray of shape (n_inputs, n_units)
        Weights of each layer, as used by `predict`. Writing to them changes the
        network.

    intercepts_ : list of ndarray of shape (n_units,)
        Biases of each layer, as used by `predict`. Writing to them changes the network.

    loss_ : float
        Objective (loss plus penalty) of the last epoch.

    best_loss_ : float or None
        Smallest objective of an epoch; None with `early_stopping`.

    loss_curve_ : list of float
        Objective of every epoch (of every iteration for "lbfgs" and "lm").

    learning_rate_curve_ : list of float
        Learning rate at the first step of every epoch; 1 for "lbfgs" and "lm".

    validation_loss_curve_ : list of float or None
        Loss of the validation rows after every epoch, without the penalty.

    validation_scores_ : list of float or None
        Accuracy of the validation rows, or `scoring`, after every epoch; None
        where there are none.

    best_validation_score_ : float or None
        The largest of `validation_scores_`.

    best_iter_ : int or None
        With `early_stopping` the epoch of the best validation score, whose weights
        `predict` uses; otherwise the epoch of `best_loss_`. Counted from 1 over the
        whole training, like the curves. None before the first epoch.

    n_iter_ : int
        Number of epochs of the last `fit`; after `partial_fit`, of the whole training.

    t_ : int
        Number of samples seen by a stochastic solver, over the whole training.

    n_layers_ : int
        Number of layers, input and output included.

    n_outputs_ : int
        Number of units of the output layer.

    out_activation_ : str
        Activation of the output layer, the link of the loss.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.

    See Also
    --------
    BackpropRegressor : The same network for continuous targets.

    Notes
    -----
    If `fit` or `partial_fit` raises an error, the estimator is as it was before.

    References
    ----------
    Rumelhart, Hinton & Williams (1986), *Learning representations by back-propagating
    errors*, Nature 323.

    Kingma & Ba (2015), *Adam: a method for stochastic optimization*, ICLR.

    Glorot & Bengio (2010), *Understanding the difficulty of training deep feedforward
    neural networks*, AISTATS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    >>> clf.predict(X[[0, 50, 100]])
    array([0, 1, 2])

    The learning rate can be a number, and you can choose the sign convention of your
    textbook:

    >>> clf = BackpropClassifier(
    ...     (8,), "tanh", learning_rate=0.05, error_convention="target_minus_output",
    ...     random_state=0,
    ... ).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        loss: str | Loss = "log_loss",
        error_convention: str = "output_minus_target",
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        l1_ratio: float = 0.0,
        batch_size: int | str = "auto",
        learning_rate: float | str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        validation_rows: str = "random",
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: dict[Any, float] | str | None = None,
        dropout: float | Sequence[float] = 0.0,
        initializer: str | Initializer = "glorot_uniform",
        scoring: str | Callable[..., float] | None = None,
        clip_norm: float | None = None,
        target_loss: float | None = None,
        averaging: str | Averaging | None = None,
        max_time: float | None = None,
        missing_targets: str = "error",
        soft_labels: bool = False,
        engine: str | Engine = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.error_convention = error_convention
        self.solver = solver
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_rows = validation_rows
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dropout = dropout
        self.initializer = initializer
        self.scoring = scoring
        self.clip_norm = clip_norm
        self.target_loss = target_loss
        self.averaging = averaging
        self.max_time = max_time
        self.missing_targets = missing_targets
        self.soft_labels = soft_labels
        self.engine = engine

    _defaults = __init__.__kwdefaults__
    _losses = CLASSIFIER_LOSSES

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network on X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training rows. float32 stays float32; everything else is converted to
            float64.

        y : array-like of shape (n_samples,), or (n_samples, n_labels) of 0 and 1
            The class labels, strings or numbers; a 0/1 array of several columns, dense or
            sparse, gives a multilabel classifier, where any positive number means yes.
            With ``soft_labels=True`` probabilities, shape (n_samples, n_classes).

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts, not negative. With None, all rows count the same.

        X_val : {array-like, sparse matrix} of shape (n_validation, n_features) or None
            Rows that are never trained on. With `early_stopping` they decide when to
            stop, and no row of X is set aside. Without it, their loss and score are
            only recorded.

        y_val : array-like like y or None
            The targets of `X_val`.

        sample_weight_val : array-like of shape (n_validation,) or None
            How much each validation row counts.

        Returns
        -------
        self : BackpropClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or sample_weight is invalid, or if training diverges.
        """
        return self._train_copy(Call(X, y, sample_weight, X_val, y_val, sample_weight_val))

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on a chunk of rows, continuing exactly from the last call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The chunk.

        y : array-like of shape (n_samples,), or (n_samples, n_labels) of 0 and 1
            The class labels, strings or numbers; a 0/1 array of several columns, dense or
            sparse, gives a multilabel classifier, where any positive number means yes.
            With ``soft_labels=True`` probabilities, shape (n_samples, n_classes).

        classes : array-like of shape (n_classes,) or None, default=None
            All class labels that may occur in any chunk, each once. Required in the
            first call.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts, not negative. With None, all rows count the same.

        Returns
        -------
        self : BackpropClassifier
            The estimator after the epoch.

        Raises
        ------
        AttributeError
            If `solver` is "lbfgs" or "lm".
        ValueError
            As in `fit`, for unknown classes, for `classes` that may be meant as
            `sample_weight` (the third argument in scikit-learn's MLPClassifier since 1.7),
            if `early_stopping` is on, and if the network cannot continue with this
            chunk because its shape changed.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a "
                "chunk. Pass a dict, for example from sklearn.utils.compute_class_weight."
            )
        return self._train_copy(Call(X, y, sample_weight, classes=classes, is_chunk=True))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy of the predicted classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The class labels. With ``missing_targets="ignore"`` NaN is left out. With
            ``soft_labels=True`` probabilities, or labels of one column.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts.

        Returns
        -------
        score : float
            Fraction of the rows that are right; of multilabel rows all labels have to be.
            Of probabilities the mean of those of the predicted classes.
        """
        if self._has_soft_labels() and np.ndim(y) == 2:
            decided = self._labels.decided(self._output(X))
            target = soft_target(np.asarray(y), self._labels, len(self.classes_))
            return expected_accuracy(target, decided, sample_weight)
        if self.missing_targets == "error" or self._kind != Multilabel.kind:
            return super().score(X, y, sample_weight)
        labels = self._labels.decided(self._output(X))
        return subset_accuracy(check_y(y, X), labels, sample_weight)

    def predict(self, X: Any) -> NDArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class of each row. For a multilabel classifier, every
            label with a probability above one half.
        """
        objective, z = self._net_output(X)
        return self._labels.predict(objective, z)

    def predict_proba(self, X: Any) -> NDArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            One column per class in the order of `classes_`; rows sum to one. For a
            multilabel classifier, the probability of each label, below 1. All are at
            least the smallest normal number of the precision, so that their logarithm
            is finite.
        """
        objective, z = self._net_output(X)
        return self._labels.probabilities(objective, z)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            The logarithms of `predict_proba`. With a log loss they are computed from
            the net inputs, so they are exact where a probability rounds to 1.
        """
        objective, z = self._net_output(X)
        return self._labels.log_probabilities(objective, z)

    def predict_samples(
        self,
        X: Any,
        n_samples: int = 100,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> NDArray:
        """Predict class probabilities many times, with dropout on: Monte Carlo dropout.

        Their spread says how sure the network is of a row, as far as dropout does (Gal
        & Ghahramani, 2016).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            The rows to predict.

        n_samples : int, default=100
            Number of predictions of each row.

        random_state : int, RandomState instance or None, default=None
            Draws the units that are silenced, for every row and sample others.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_rows, n_classes)
            Each ``samples[i]`` is as `predict_proba` returns it.

        Raises
        ------
        ValueError
            If `dropout` is 0.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skbackprop import BackpropClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = BackpropClassifier(
        ...     (20,), dropout=0.2, learning_rate=0.02, random_state=0
        ... ).fit(X, y)
        >>> samples = clf.predict_samples(X[[0, 70]], random_state=0)
        >>> sure, unsure = samples.std(axis=0)[:, 1]
        >>> bool(sure < unsure)
        True
        """
        samples = self._sampled(X, n_samples, random_state)
        return np.stack([self._labels.probabilities(*sample) for sample in samples])

    @classmethod
    def from_weights(
        cls,
        coefs: Sequence[ArrayLike],
        intercepts: Sequence[ArrayLike],
        *,
        classes: ArrayLike,
        multilabel: bool = False,
        **parameters: Any,
    ) -> Self:
        """Create a classifier from weights, without fitting.

        Parameters
        ----------
        coefs : sequence of array-like of shape (n_inputs, n_units)
            Weights, layer by layer.

        intercepts : sequence of array-like of shape (n_units,)
            Biases, layer by layer.

        classes : array-like of shape (n_classes,)
            The class labels, sorted as in `classes_`; for a multilabel classifier the
            numbers of the labels.

        multilabel : bool, default=False
            Whether the outputs are independent labels.

        **parameters
            Constructor parameters, except `hidden_layer_sizes`, which follows from the
            weights.

        Returns
        -------
        estimator : BackpropClassifier
            It predicts, and `partial_fit` trains it further.

        Raises
        ------
        ValueError
            If the shapes do not fit each other or the classes.

        Examples
        --------
        >>> from skbackprop import BackpropClassifier
        >>> both = BackpropClassifier.from_weights(
        ...     [[[10.0], [10.0]]], [[-15.0]], classes=["no", "yes"]
        ... )
        >>> both.predict([[0, 1], [1, 1]])
        array(['no', 'yes'], dtype='<U3')
        """
        estimator, sizes, weights = cls._of_weights(coefs, intercepts, parameters)
        estimator.classes_ = np.unique(classes)
        if not np.array_equal(estimator.classes_, classes):
            raise ValueError(
                f"classes={classes!r} must be sorted and hold each label once, "
                "because each output belongs to the class at its position."
            )
        estimator._hold(
            Multilabel(estimator.classes_)
            if multilabel
            else labels_of_classes(estimator.classes_)
        )
        expected = estimator._labels.n_outputs(resolve_loss(estimator, estimator._kind))
        if sizes[-1] != expected:
            raise ValueError(
                f"The last layer has {sizes[-1]} units, but {len(estimator.classes_)} "
                f"classes and this loss need {expected}. Check classes, "
                "multilabel and loss."
            )
        return estimator._hold_weights(sizes, weights)

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_state" not in state:
            return
        n_outputs = state["_state"]["layer_sizes"][-1]
        if not self._labels.may_have(n_outputs):
            raise ValueError(
                f"A network of {n_outputs} outputs is stored with {len(self.classes_)} "
                "classes."
            )

    # -- what the base class asks for --------------------------------------------------

    def _bounded(self, z):
        largest = np.finfo(z.dtype).max  # with infinity a class is as sure
        return np.clip(super()._bounded(z), -largest, largest)

    @property
    def _labels(self):
        """The labels, made of what is stored of them: plain arrays and strings."""
        return stored_labels(self._kind, self.classes_, self._sparse_labels)

    def _hold(self, labels):
        self._kind, self._sparse_labels = labels.kind, labels.is_sparse
        self.classes_ = labels.classes

    def _encode(self, rows, losses, *, fresh, is_chunk=True, classes=None):
        if self.soft_labels is not False and self._has_soft_labels():
            return self._encode_soft(rows.y, losses, fresh, classes)
        try:
            with np.errstate(invalid="ignore"):  # labels are perhaps cast to int64 and back
                y = label_column(rows.group.gather(rows.y))
                if fresh:
                    labels = learn_labels(y, classes, is_chunk)
                    self._hold(labels)
                else:
                    labels = self._labels
                    if classes is not None:
                        labels.check_classes(classes, y)
                    labels.check(y, must_have_all=not is_chunk)
        except TypeError as error:  # of labels that have no order, as 1 and "a"
            raise ValueError(
                "The labels in y and classes must be of one kind, all strings or all "
                f"numbers: {error}."
            ) from error
        loss = loss_of(losses, self._kind)
        return labels.encode(y[rows.shard.own], labels.n_outputs(loss)), loss

    def _target_filler(self, objective):
        return self._labels.fill

    def _has_soft_labels(self):
        """Say whether y is to hold probabilities; ValueError if that is not said."""
        is_bool, owner = self.soft_labels in BOOL, type(self).__name__
        require(is_bool, "soft_labels", owner, BOOL, self.soft_labels)
        return bool(self.soft_labels)

    def _encode_soft(self, y, losses, fresh, classes):
        if self.class_weight is not None:
            raise ValueError(
                "class_weight is for class labels, and with soft_labels=True a row has "
                "several. Multiply the columns of y by the weights of the classes, divide "
                "the rows by their sums, and pass the sums as sample_weight."
            )
        labels = learn_soft_labels(y) if fresh else self._labels
        if classes is not None:
            labels.check_classes(classes, y)
        if fresh:
            self._hold(labels)
        loss = loss_of(losses, self._kind)
        return soft_target(y, labels, labels.n_outputs(loss)), loss

    def _scored(self, y):
        return self._labels.scored(y)

    def _class_weights(self, class_weight, rows, target, sample_weight):
        gather = rows.group.gather
        sample_weight = gather(sample_weight)
        weight = expand_class_weight(
            class_weight,
            self.classes_,
            gather(self._labels.class_indices(target)),
            sample_weight,
        )
        if not (weight if sample_weight is None else weight * sample_weight).any():
            raise ValueError(
                "class_weight is zero for every row that has a sample weight, so there is "
                "nothing to learn from. Give a class of y a positive weight."
            )
        return weight[rows.shard.own]

    def _score_output(self, output, target, sample_weight):
        if self._has_soft_labels():
            return expected_accuracy(target, self._labels.decided(output), sample_weight)
        return self._labels.accuracy(output, target, sample_weight)

    def _is_poor(self, output, target, weight):
        return self._labels.is_poor(output, target, weight)

    def _strata(self, rows, target):
        strata = rows.group.gather(self._labels.strata(target))
        if strata is None:
            return None
        found, counts = np.unique(strata, return_counts=True)
        if counts.min() == 1:
            alone = ", ".join(map(repr, self.classes_[found[counts == 1]].tolist()))
            warn(
                f"early_stopping sets rows aside, but of class {alone} there is only one "
                "row: if it is set aside, the class is never predicted, and otherwise it "
                "is not validated. Pass X_val and y_val, or more rows of it.",
                UserWarning,
            )
        return strata

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        loss = self.loss
        if isinstance(loss, str):  # of an unknown name `fit` tells
            loss = CLASSIFIER_LOSSES.get(loss, BinaryLogLoss)
            loss = loss if isinstance(loss, dict) else loss()
        # a name of several losses, one for each kind of y, has one for labels
        is_for_labels = isinstance(loss, dict) or not sums_to_one(loss)
        tags.classifier_tags.multi_label = is_for_labels and self.class_weight is None
        tags.classifier_tags.poor_score = self._hardly_moves()
        is_bool = isinstance(self.soft_labels, (bool, np.bool_))
        tags.target_tags.two_d_labels = is_bool and bool(self.soft_labels)
        return tags
