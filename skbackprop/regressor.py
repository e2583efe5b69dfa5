"""BackpropRegressor: a network that predicts quantities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from .activations import Activation
from .averaging import Averaging
from .engines import Engine
from .estimator.base import BaseBackprop, Call, has_partial_fit
from .estimator.fitted_network import raise_overflow
from .estimator.hyperparameters import loss_of, resolve_loss
from .estimator.input_validation import check_target
from .estimator.missing_targets import check_y, has_missing, mean_r2
from .initializers import Initializer
from .losses import REGRESSOR_LOSSES, Loss, central_outputs, outputs_per_target
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["BackpropRegressor"]


def has_quantiles(estimator):
    """Say that the outputs are quantiles, or raise the AttributeError that says why not."""
    if not hasattr(_loss_of(estimator), "quantiles"):
        raise AttributeError(
            "predict_quantiles needs a loss with an output for each of several quantiles, "
            f"loss=Quantiles(quantiles=[0.1, 0.5, 0.9]). Got loss={estimator.loss!r}."
            f"{_instead(estimator, 'distribution', 'predict_distribution(X).ppf(0.9)')}"
        )
    return True


def has_distribution(estimator):
    """Say that there is a distribution, or raise the AttributeError that says why not."""
    if not hasattr(_loss_of(estimator), "distribution"):
        raise AttributeError(
            "predict_distribution needs a loss whose outputs are the parameters of a "
            "distribution, such as loss='gaussian' or loss='student_t'. Got "
            f"loss={estimator.loss!r}."
            f"{_instead(estimator, 'quantiles', 'predict_quantiles(X)')}"
        )
    return True


def _loss_of(estimator):
    """Return the loss, or the class that its name stands for; of others `fit` tells."""
    loss = estimator.loss
    return REGRESSOR_LOSSES.get(loss) if isinstance(loss, str) else loss


def _instead(estimator, attribute, call):
    return f" What it has is {call}." if hasattr(_loss_of(estimator), attribute) else ""


class BackpropRegressor(RegressorMixin, BaseBackprop):
    """A feed-forward neural network regressor trained by backpropagation.

    It has the parameters of scikit-learn's ``MLPRegressor`` and gives the same numbers.
    The migration guide lists the differences.

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

    loss : str or object, default="squared_error"
        The loss to minimise. "squared_error" is half the sum of squares over the
        outputs;
        "poisson" and "gamma" are half deviances with exponential outputs, for targets
        that are not negative (positive); "absolute_error", "huber", "quantile" (the
        median; ``Quantile(quantile=0.9)`` for another) and "log_cosh" are robust to
        outliers. "quantiles" estimates several quantiles at once, "gaussian" and
        "student_t" a distribution, with several outputs for each target: `predict` and
        `score` use the central one, `predict_quantiles` or `predict_distribution` all
        of them. An object follows :class:`skbackprop.losses.Loss`.

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
        Fraction of the rows that `early_stopping` sets aside; two rows at least.

    validation_rows : {"random", "last"}, default="random"
        Which rows `early_stopping` sets aside: random ones or the last ones. Use "last"
        if the rows are ordered by time, because random ones would be neighbours of
        training rows.

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
        How to score validation rows: None (R2), "loss" (minus the loss), the name of a
        scorer or a callable ``scorer(estimator, X, y)``, which also gets
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
        What NaN in y means. With "ignore", for a y of several outputs, it means not
        measured: it is left out of loss, gradient and score, and the row counts for its
        other targets. Rows and columns without any value raise an error, and so does NaN
        in a y of one column.

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
        R2 of the validation rows, or `scoring`, after every epoch; None
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
    BackpropClassifier : The same network for class labels.

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
    >>> import numpy as np
    >>> from skbackprop import BackpropRegressor
    >>> x = np.linspace(-2, 2, 200)[:, np.newaxis]
    >>> reg = BackpropRegressor((20,), "tanh", solver="lbfgs", random_state=0)
    >>> reg.fit(x, np.sin(2 * x[:, 0])).predict([[0.5]]).round(2)
    array([0.84])
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        loss: str | Loss = "squared_error",
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
        dropout: float | Sequence[float] = 0.0,
        initializer: str | Initializer = "glorot_uniform",
        scoring: str | Callable[..., float] | None = None,
        clip_norm: float | None = None,
        target_loss: float | None = None,
        averaging: str | Averaging | None = None,
        max_time: float | None = None,
        missing_targets: str = "error",
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
        self.dropout = dropout
        self.initializer = initializer
        self.scoring = scoring
        self.clip_norm = clip_norm
        self.target_loss = target_loss
        self.averaging = averaging
        self.max_time = max_time
        self.missing_targets = missing_targets
        self.engine = engine

    _defaults = __init__.__kwdefaults__
    _losses = REGRESSOR_LOSSES
    _kind = "continuous"

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

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values.

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
        self : BackpropRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or sample_weight is invalid, or if training diverges.
        """
        return self._train_copy(Call(X, y, sample_weight, X_val, y_val, sample_weight_val))

    @available_if(has_partial_fit)
    def partial_fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train one epoch on a chunk of rows, continuing exactly from the last call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The chunk.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts, not negative. With None, all rows count the same.

        Returns
        -------
        self : BackpropRegressor
            The estimator after the epoch.

        Raises
        ------
        AttributeError
            If `solver` is "lbfgs" or "lm".
        ValueError
            As in `fit`, if `early_stopping` is on, and if the network cannot continue
            with this chunk because its shape changed.
        """
        return self._train_copy(Call(X, y, sample_weight, is_chunk=True))

    def predict(self, X: Any) -> NDArray:
        """Predict target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The outputs of the network; where the loss has several for each target, the
            central one: the quantile nearest to the median, the mean or the location.
        """
        return self._prediction(*self._net_output(X))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R2, the coefficient of determination, of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target values. With ``missing_targets="ignore"`` NaN is left out, and
            columns with fewer than two values are.

        sample_weight : array-like of shape (n_samples,) or None, default=None
            How much each row counts.

        Returns
        -------
        score : float
            R2, of several outputs their mean.
        """
        if self.missing_targets == "error":
            return super().score(X, y, sample_weight)
        target = check_y(y, X)
        output = self.predict(X).reshape(len(target), -1)
        return mean_r2(target.reshape(output.shape), output, sample_weight)

    @available_if(has_quantiles)
    def predict_quantiles(self, X: Any) -> NDArray:
        """Predict the quantiles of the target values; needs ``loss=Quantiles(...)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, \
                n_quantiles)
            The quantiles in the order of the loss, each at least the one before it.

        Raises
        ------
        AttributeError
            If the outputs of the loss are no quantiles.

        Examples
        --------
        >>> import numpy as np
        >>> from skbackprop import BackpropRegressor
        >>> from skbackprop.losses import Quantiles
        >>> X = np.linspace(0, 1, 1000)[:, np.newaxis]
        >>> y = X[:, 0] * np.random.RandomState(0).uniform(0, 1, 1000)
        >>> quartiles = Quantiles(quantiles=[0.25, 0.75])
        >>> reg = BackpropRegressor((), loss=quartiles, learning_rate=0.01, random_state=0)
        >>> reg.fit(X, y).predict_quantiles([[0.4], [0.8]]).round(1)
        array([[0.1, 0.3],
               [0.2, 0.6]])
        """
        loss, output = self._finite_output(*self._net_output(X))
        n_quantiles = outputs_per_target(loss)
        return self._in_form_of_y(output.reshape(len(output), -1, n_quantiles))

    @available_if(has_distribution)
    def predict_distribution(self, X: Any) -> Any:
        """Predict the distributions of the target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to predict.

        Returns
        -------
        distribution : a frozen distribution of `scipy.stats`
            That of each target, of shape (n_samples,) or (n_samples, n_outputs):
            ``distribution.std()``, ``.interval(0.9)``, ``.ppf(0.1)``, ``.logpdf(y)``.

        Raises
        ------
        AttributeError
            If the loss has no distribution, as "gaussian" and "student_t" have.

        Examples
        --------
        >>> import numpy as np
        >>> from skbackprop import BackpropRegressor
        >>> X = np.linspace(0, 1, 1000)[:, np.newaxis]
        >>> y = X[:, 0] + 0.5 * np.random.RandomState(0).standard_normal(1000)
        >>> reg = BackpropRegressor((), loss="gaussian", solver="lbfgs", random_state=0)
        >>> found = reg.fit(X, y).predict_distribution([[0.4]])
        >>> found.mean().round(1), found.std().round(1)
        (array([0.4]), array([0.5]))
        """
        loss, output = self._finite_output(*self._net_output(X))
        by_target = output.reshape(len(output), -1, outputs_per_target(loss))
        return loss.distribution(self._in_form_of_y(by_target))

    def predict_samples(
        self,
        X: Any,
        n_samples: int = 100,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> NDArray:
        """Predict target values many times, with dropout on: Monte Carlo dropout.

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
        samples : ndarray of shape (n_samples, n_rows) or (n_samples, n_rows, n_outputs)
            Each ``samples[i]`` is as `predict` returns it.

        Raises
        ------
        ValueError
            If `dropout` is 0.

        Examples
        --------
        >>> import numpy as np
        >>> from skbackprop import BackpropRegressor
        >>> x = np.linspace(-1, 1, 200)[:, np.newaxis]
        >>> reg = BackpropRegressor(
        ...     (50,), dropout=0.1, learning_rate=0.01, random_state=0
        ... ).fit(x, x[:, 0])
        >>> samples = reg.predict_samples([[0.5], [5.0]], random_state=0)
        >>> near, far = samples.std(axis=0)
        >>> bool(far > 3 * near)
        True
        """
        samples = self._sampled(X, n_samples, random_state)
        return np.stack([self._prediction(*sample) for sample in samples])

    @classmethod
    def from_weights(
        cls,
        coefs: Sequence[ArrayLike],
        intercepts: Sequence[ArrayLike],
        **parameters: Any,
    ) -> Self:
        """Create a regressor from weights, without fitting.

        Parameters
        ----------
        coefs : sequence of array-like of shape (n_inputs, n_units)
            Weights, layer by layer.

        intercepts : sequence of array-like of shape (n_units,)
            Biases, layer by layer.

        **parameters
            Constructor parameters, except `hidden_layer_sizes`, which follows from the
            weights.

        Returns
        -------
        estimator : BackpropRegressor
            It predicts, and `partial_fit` trains it further.

        Raises
        ------
        ValueError
            If the shapes do not fit each other.

        Examples
        --------
        >>> from skbackprop import BackpropRegressor
        >>> line = BackpropRegressor.from_weights([[[2.0]]], [[1.0]])
        >>> line.predict([[0.0], [3.0]])
        array([1., 7.])
        """
        estimator, sizes, weights = cls._of_weights(coefs, intercepts, parameters)
        estimator._check_outputs(resolve_loss(estimator, cls._kind), sizes[-1])
        return estimator._hold_weights(sizes, weights)

    # -- several outputs for each target -----------------------------------------------

    def _prediction(self, objective, z):
        """Return what is predicted where the output layer has the net input z."""
        loss, output = self._finite_output(objective, z)
        if output.shape[1] == 1:
            return output[:, 0]
        if outputs_per_target(loss) > 1:
            return self._in_form_of_y(central_outputs(loss, output))
        return output

    def _finite_output(self, objective, z):
        """Return the loss and the outputs of the network, if they are finite."""
        output = objective.link(z)
        if not np.isfinite(output).all():
            raise_overflow(output)
        return objective.loss, output

    def _in_form_of_y(self, array):
        """Return an array of shape (n_rows, n_targets, ...), of one target without axis."""
        return np.ascontiguousarray(array[:, 0] if array.shape[1] == 1 else array)

    def _objective(self):
        objective = super()._objective()
        self._check_outputs(objective.loss, self._state["layer_sizes"][-1])
        return objective

    def _check_outputs(self, loss, n_outputs):
        """Raise ValueError for a network of another loss."""
        if n_outputs % outputs_per_target(loss):
            raise ValueError(
                f"loss={self.loss!r} has {outputs_per_target(loss)} outputs for each "
                f"target, and this network has {n_outputs} altogether. Fit it with this "
                "loss, or set the one that it was trained with."
            )

    # -- what the base class asks for --------------------------------------------------

    def _encode(self, rows, losses, *, fresh, is_chunk=True, classes=None):
        y = rows.y.toarray() if issparse(rows.y) else rows.y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        target = y if y.ndim == 2 else y[:, np.newaxis]
        loss = loss_of(losses, self._kind)
        n = outputs_per_target(loss)
        return target if n == 1 else np.repeat(target, n, axis=1), loss

    def _central(self, *arrays):
        loss = resolve_loss(self, self._kind)
        return (central_outputs(loss, array) for array in arrays)

    def _target_filler(self, objective):
        return partial(_fill_target, objective)

    def _score_output(self, output, target, sample_weight):
        target, output = self._central(target, output)
        with np.errstate(all="ignore"):  # squares of very large numbers overflow
            return mean_r2(target, output, sample_weight)

    def _is_poor(self, output, target, weight):
        target, output = self._central(target, output)
        of_columns = np.average
        if has_missing(target):  # it is left out of the sums
            target, of_columns = np.ma.masked_invalid(target), np.ma.average
        mean = of_columns(target, axis=0, weights=weight)
        squares = np.square(target - mean), np.square(target - output)
        spread, error = (np.average(s.sum(axis=1), weights=weight) for s in squares)
        return 0 < 0.95 * spread <= error

    def _strata(self, rows, target):
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        positive_only = getattr(_loss_of(self), "positive_only", False)
        tags.target_tags.positive_only = positive_only
        # an exponential output, as MLP's, takes more steps than the default of 200
        is_slow = self._hardly_moves() or tags.target_tags.positive_only
        tags.regressor_tags.poor_score = is_slow
        return tags


def _fill_target(objective, target, y):
    """Fill the target with numbers, checked; return False where they are something else."""
    n_outputs = outputs_per_target(objective.loss)
    if target.shape[1] != n_outputs or y.dtype.kind not in "iubf":
        return False
    with np.errstate(over="ignore"):  # what overflows is reported as such
        target[...] = y[:, np.newaxis]
    check_target(target, objective)
    return True
