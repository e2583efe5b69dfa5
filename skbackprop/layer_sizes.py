"""Layers: how many hidden layers there are, and of how many units, as two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from .rule import INFINITY, Spec, number, spec

__all__ = ["Layers"]


@spec
class Layers(Spec, Sequence[int]):
    """``n`` hidden layers of ``width`` units each, as `hidden_layer_sizes`.

    A search varies numbers more easily than tuples: `n` and `width` are reached as
    ``hidden_layer_sizes__n`` and ``hidden_layer_sizes__width``, and each may have a list
    or a distribution of its own. It is a sequence, too: ``tuple(Layers(n=2, width=64))``
    is ``(64, 64)``, and scikit-learn's MLP classes take it as well.

    Parameters
    ----------
    n : int, default=1
        Number of hidden layers, 0 or more. 0 gives a linear model.

    width : int, default=100
        Number of units of each of them, 1 or more.

    Examples
    --------
    >>> from scipy.stats import loguniform, randint
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skbackprop import BackpropClassifier, Layers
    >>> net = BackpropClassifier(Layers(), solver="lbfgs", max_iter=2000, random_state=0)
    >>> search = RandomizedSearchCV(
    ...     make_pipeline(StandardScaler(), net),
    ...     {
    ...         "backpropclassifier__hidden_layer_sizes__n": randint(1, 4),
    ...         "backpropclassifier__hidden_layer_sizes__width": randint(4, 33),
    ...         "backpropclassifier__alpha": loguniform(1e-4, 10),
    ...     },
    ...     n_iter=3,
    ...     cv=2,
    ...     random_state=0,
    ... )
    >>> search = search.fit(*load_wine(return_X_y=True))
    >>> len(search.best_estimator_[-1].hidden_layer_sizes) in (1, 2, 3)
    True
    """

    n: int = number(1, 0, INFINITY, "[)", Integral)
    width: int = number(100, 1, INFINITY, "[)", Integral)

    def __len__(self):
        return int(self.n)

    def __getitem__(self, index):
        return ([int(self.width)] * len(self))[index]
