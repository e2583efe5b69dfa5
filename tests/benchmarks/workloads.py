"""Workloads: something to do, in words that every contestant understands."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, sqrt
from typing import Any

import numpy as np
from sklearn import datasets


@dataclass(frozen=True)
class Synthetic:
    """Normal inputs; labels drawn from a linear softmax model, so that no one is sure."""

    n_rows: int
    n_features: int
    n_classes: int = 10

    def load(self, dtype):
        """Return X, C-ordered, and the labels 0, 1, 2, ..."""
        rng = np.random.RandomState(0)
        X = rng.standard_normal((self.n_rows, self.n_features))
        shape = self.n_features, self.n_classes
        slopes = rng.standard_normal(shape) / sqrt(self.n_features)
        noise = rng.gumbel(size=(self.n_rows, self.n_classes))
        labels = (2 * X @ slopes + noise).argmax(axis=1)
        labels[: self.n_classes] = range(self.n_classes)  # none is missing
        return X.astype(dtype), labels

    def shortened(self, n_rows):
        n_classes = min(n_rows // 10, self.n_classes)
        return replace(self, n_rows=min(n_rows, self.n_rows), n_classes=n_classes)


@dataclass(frozen=True)
class Bundled:
    """A data set that comes with scikit-learn, its columns standardised."""

    name: str
    step: int = 1  # only every so many rows

    @property
    def n_rows(self):
        return len(self._target())

    @property
    def n_classes(self):
        return int(self._target().max()) + 1

    def load(self, dtype):
        """Return X, C-ordered, and the labels 0, 1, 2, ..."""
        X = self._bunch().data[:: self.step]
        scale = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1)
        return X.astype(dtype), self._target()

    def shortened(self, n_rows):
        return replace(self, step=ceil(self.n_rows / n_rows))

    def _target(self):
        return self._bunch().target[:: self.step]

    def _bunch(self):
        return getattr(datasets, f"load_{self.name}")()


@dataclass(frozen=True)
class Goal:
    """An engine should be `ratio` times as fast (or as small) as another contestant."""

    engine: str
    than: str
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Something to do, for all contestants alike.

    The tasks: "train" runs a number of epochs, "fit" an estimator with `parameters` and
    its own rule to stop, "predict" and "partial_fit" are called `n_calls` times with some
    rows each; "memory" is "train" with bytes instead of seconds.
    """

    name: str
    task: str
    data: Synthetic | Bundled
    dtype: str = "float32"
    hidden: tuple[int, ...] = (100,)
    activation: str = "relu"
    solver: str = "adam"  # or "sgd", without momentum
    learning_rate: float = 0.001
    alpha: float = 0.0001  # L2 penalty as scikit-learn defines it
    batch_size: int = 200
    epochs: int = 1
    n_calls: int = 1
    rows_per_call: int | None = None  # None: all
    tolerance: float = 0.05  # of the log loss, relative: orders of the rows differ
    not_for: tuple[str, ...] = ()  # contestants that would do what another one does
    parameters: dict[str, Any] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()

    @property
    def batch_sizes(self):
        """The number of rows of each batch of an epoch."""
        n_rows = self.data.n_rows
        n_full, rest = divmod(n_rows, self.batch_size)
        return [self.batch_size] * n_full + [rest] * (rest > 0)

    @property
    def n_units_of_work(self):
        """By what the time of a run is divided: steps, calls or fits."""
        if self.task == "train":
            return self.epochs * ceil(self.data.n_rows / self.batch_size)
        return self.n_calls

    def chunks(self, n_rows):
        """Return the rows of each call, one chunk after the other, over and over again."""
        size = self.rows_per_call or n_rows
        n_different = n_rows // size
        starts = [i % n_different * size for i in range(self.n_calls)]
        return [slice(start, start + size) for start in starts]

    @property
    def estimator_parameters(self):
        """The constructor parameters of MLPClassifier and BackpropClassifier."""
        if self.task == "fit":
            return {"random_state": 0, **self.parameters}
        return {
            "hidden_layer_sizes": self.hidden,
            "activation": self.activation,
            "solver": self.solver,
            "momentum": 0.0,
            "nesterovs_momentum": False,
            "learning_rate_init": self.learning_rate,
            "alpha": self.alpha,
            "batch_size": self.rows_per_call or self.batch_size,
            "max_iter": self.epochs,
            "tol": 0.0,
            "n_iter_no_change": np.inf,
            "random_state": 0,
        }

    def shortened(self):
        """Return a small copy that only shows that everything works."""
        return replace(
            self,
            data=self.data.shortened(500),
            epochs=1,
            n_calls=min(self.n_calls, 20),
            parameters={**self.parameters, "max_iter": 10},
        )


def initial_weights(workload, X):
    """Return the weights and biases that scikit-learn starts from with random_state=0.

    Glorot & Bengio's uniform distribution, drawn layer by layer, so that contestants
    without an initializer of that kind start from the very same parameters.
    """
    rng = np.random.RandomState(0)
    sizes = [X.shape[1], *workload.hidden, workload.data.n_classes]
    factor = 2 if workload.activation == "logistic" else 6
    layers = []
    for shape in pairwise(sizes):
        bound = sqrt(factor / sum(shape))
        weights = rng.uniform(-bound, bound, shape).astype(X.dtype)
        layers.append((weights, rng.uniform(-bound, bound, shape[1]).astype(X.dtype)))
    return layers
