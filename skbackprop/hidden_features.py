"""`HiddenLayerTransformer`: what a hidden layer has learnt, as features."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
    is_regressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, check_array, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from .estimator.fitted_model import FittedModel, check_backprop
from .estimator.fitted_network import RuleEstimator
from .estimator.hyperparameters import resolve_hyperparameters
from .inspection.network_summary import check_hidden_layer, hidden_activations

__all__ = ["HiddenLayerTransformer"]

TARGETS = ("y", "X")


class HiddenLayerTransformer(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, RuleEstimator
):
    """Replace the columns of X by the activations of a hidden layer.

    A network that learns to predict y also learns features of X that are useful for it.
    This transformer returns them, for another estimator, a nearest-neighbour search or
    a plot. With ``target="X"`` the network learns to reproduce its own input through
    its hidden layers: an autoencoder.

    Parameters
    ----------
    estimator : BackpropClassifier, BackpropRegressor or FrozenEstimator of one
        The network. `fit` trains a clone of it. To use a network that is already
        trained, pass ``FrozenEstimator(network)``, from `sklearn.frozen`.

    layer : int, default=-1
        Which hidden layer: 0 is the first, -1 the last.

    target : {"y", "X"}, default="y"
        What the network learns to predict: "y", or "X", its own input. The latter needs
        a regressor, and ignores the y that a pipeline passes to `fit`.

    Attributes
    ----------
    estimator_ : BackpropClassifier or BackpropRegressor
        The trained network.

    n_features_in_ : int
        Number of columns of X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.

    See Also
    --------
    hidden_activations : The same activations of a fitted network, as a function.
    sklearn.frozen.FrozenEstimator : Keeps a trained network from being trained again.
    sklearn.decomposition.PCA : What an autoencoder with linear units amounts to.

    References
    ----------
    Hinton & Salakhutdinov (2006), *Reducing the Dimensionality of Data with Neural
    Networks*, Science 313 (autoencoders).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skbackprop import BackpropClassifier, HiddenLayerTransformer
    >>> X, y = load_iris(return_X_y=True)
    >>> network = BackpropClassifier((10, 2), "tanh", learning_rate=0.03, random_state=0)
    >>> features = HiddenLayerTransformer(network)
    >>> model = make_pipeline(StandardScaler(), features, KNeighborsClassifier())
    >>> model.fit(X, y)[:-1].transform(X).shape
    (150, 2)
    >>> model.score(X, y) > 0.95
    True
    """

    def __init__(self, estimator: Any, *, layer: int = -1, target: str = "y") -> None:
        self.estimator = estimator
        self.layer = layer
        self.target = target

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:
        """Train the network; a frozen one is only checked against X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to learn from.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What the network learns to predict, where `target` is "y".

        **fit_params : dict
            Passed on to the `fit` of the network, such as `sample_weight`. With
            scikit-learn's metadata routing, what the network has requested.

        Returns
        -------
        self : HiddenLayerTransformer
            The fitted transformer.

        Raises
        ------
        TypeError
            If `estimator` is not one of this library.
        ValueError
            For a wrong parameter, for a layer that does not exist, and for whatever the
            `fit` of the network refuses.
        sklearn.exceptions.NotFittedError
            If a frozen network is not fitted.
        """
        self._check_parameters()
        if isinstance(self.estimator, FrozenEstimator):
            FittedModel(self._network, type(self).__name__).rows(X)
            trained = self._network
        else:
            fit_params = self._routed(fit_params)
            trained = clone(self.estimator).fit(X, self._target(X, y), **fit_params)
        self.estimator_ = trained
        return self

    def transform(self, X: Any) -> NDArray:
        """Return the activations of the hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows to transform.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            The activations as they are in prediction, without dropout.
        """
        check_is_fitted(self)
        return hidden_activations(self.estimator_, X, self.layer)

    @property
    def n_features_in_(self):
        """Number of columns of X."""
        return self._of_network("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the columns of X, if all of them are strings."""
        return self._of_network("feature_names_in_")

    @property
    def _n_features_out(self):
        return self.estimator_.coefs_[:-1][self.layer].shape[1]

    @property
    def _network(self):
        frozen = isinstance(self.estimator, FrozenEstimator)
        return self.estimator.estimator if frozen else self.estimator

    def _of_network(self, attribute):
        """Return an attribute of the trained network; AttributeError before `fit`."""
        if "estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {attribute} before fit.")
        return getattr(self.estimator_, attribute)

    def _check_parameters(self):
        owner = type(self).__name__
        check_backprop(self._network, owner)
        for name, is_allowed, words in (
            ("layer", isinstance(self.layer, Integral), "an int"),
            ("target", self.target in TARGETS, f"one of {TARGETS}"),
        ):
            value = getattr(self, name)
            if not is_allowed or isinstance(value, bool):
                raise ValueError(
                    f"The {name!r} parameter of {owner} must be {words}. Got {value!r} "
                    "instead."
                )
        if self._learns_x and not is_regressor(self._network):
            raise ValueError(
                f"target='X' needs a regressor, whose outputs can be the columns of X. Got "
                f"{type(self._network).__name__}. Use BackpropRegressor, or target='y'."
            )
        sizes = resolve_hyperparameters(self._network).hidden_sizes
        check_hidden_layer(self.layer, len(sizes))

    @property
    def _learns_x(self):
        return self.target == TARGETS[1]

    def _target(self, X, y):
        if self._learns_x:
            X = check_array(X, accept_sparse="csr", input_name="X")
            target = X.toarray() if issparse(X) else X
            return target[:, 0] if target.shape[1] == 1 else target
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Pass y, or set target='X' for a network that learns to reproduce X."
            )
        return y

    def _routed(self, fit_params):
        """Return what of the arguments of `fit` goes to the network."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **fit_params).estimator.fit
        return Bunch(**fit_params)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata are routed: all go to the `fit` of the network.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRouter
            The routing.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        to_fit.add(caller="fit_transform", callee="fit")  # a pipeline calls it
        router = MetadataRouter(owner=type(self).__name__)
        return router.add(estimator=self.estimator, method_mapping=to_fit)

    def __sklearn_tags__(self):
        tags, of_network = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = of_network.input_tags
        is_frozen = isinstance(self.estimator, FrozenEstimator)
        tags.target_tags.required = not (is_frozen or self._learns_x)
        tags.target_tags.multi_output = of_network.target_tags.multi_output
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
