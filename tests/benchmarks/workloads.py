"""What is measured: every workload, declared once, for all contestants."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, sqrt
from typing import Any

import numpy as np
from sklearn import datasets

N_CLASSES = 10


@dataclass(frozen=True)
class Synthetic:
    """Normal inputs; labels drawn from a linear softmax model, so that no one is sure."""

    n_rows: int
    n_features: int

    def load(self, dtype):
        """Return X, C-ordered, and the labels 0, 1, 2, ..."""
        rng = np.random.RandomState(0)
        X = rng.standard_normal((self.n_rows, self.n_features))
        slopes = rng.standard_normal((self.n_features, N_CLASSES)) / sqrt(self.n_features)
        noise = rng.gumbel(size=(self.n_rows, N_CLASSES))
        return X.astype(dtype), (2 * X @ slopes + noise).argmax(axis=1)

    def shortened(self, n_rows):
        return replace(self, n_rows=min(n_rows, self.n_rows))


@dataclass(frozen=True)
class Bundled:
    """A data set that comes with scikit-learn, its columns standardised."""

    name: str
    step: int = 1  # only every so many rows

    @property
    def n_rows(self):
        return len(self._target())

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
    """Something to do, in words that every contestant understands.

    The tasks: "train" runs a number of epochs, "fit" an estimator with `parameters` and
    its own rule to stop, "predict" the labels of all rows `n_calls` times (or of one row
    after the other), "partial_fit" one row after the other; "memory" is "train" with
    bytes instead of seconds.
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
    row_by_row: bool = False
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
            "batch_size": 1 if self.n_calls > 1 else self.batch_size,
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
            n_calls=min(self.n_calls, 50),
            parameters={**self.parameters, "max_iter": 10},
        )


def initial_weights(workload, X):
    """Return the weights and biases that scikit-learn starts from with random_state=0.

    Glorot & Bengio's uniform distribution, drawn layer by layer, so that contestants
    without an initializer of that kind start from the very same parameters.
    """
    rng = np.random.RandomState(0)
    sizes = [X.shape[1], *workload.hidden, N_CLASSES]
    factor = 2 if workload.activation == "logistic" else 6
    layers = []
    for shape in pairwise(sizes):
        bound = sqrt(factor / sum(shape))
        weights = rng.uniform(-bound, bound, shape).astype(X.dtype)
        layers.append((weights, rng.uniform(-bound, bound, shape[1]).astype(X.dtype)))
    return layers


@dataclass(frozen=True)
class Table:
    """Workloads whose results stand under one title."""

    title: str
    unit: str
    scale: float  # from seconds or bytes to the unit
    workloads: list[Workload]


def _training():
    small = {"task": "train", "data": Synthetic(20_000, 30)}
    one = {**small, "hidden": (100,), "batch_size": 200, "epochs": 5}
    two = {**small, "hidden": (64, 32), "batch_size": 200, "epochs": 5}
    tiny = {**small, "hidden": (64, 32), "batch_size": 32, "epochs": 2}
    large = {
        "task": "train",
        "data": Synthetic(30_000, 784),
        "hidden": (512, 256),
        "batch_size": 128,
    }
    online = {
        "task": "train",
        "data": Bundled("digits"),
        "dtype": "float64",
        "hidden": (32, 16),
        "activation": "logistic",
        "solver": "sgd",
        "learning_rate": 0.05,
        "batch_size": 1,
        "epochs": 2,
    }
    at_batch_200 = (
        Goal("numpy", "sklearn", 3),
        Goal("numba", "sklearn", 6),
        Goal("numba", "torch", 1),
        Goal("numba", "jax", 1),
    )
    at_batch_32 = (
        Goal("numpy", "sklearn", 4),
        Goal("numba", "sklearn", 15),
        Goal("numba", "torch", 20),
        Goal("numba", "jax", 1),
    )
    when_large = (
        Goal("numpy", "sklearn", 1.6),
        Goal("numba", "sklearn", 2.2),
        Goal("numba", "torch", 1),
        Goal("numba", "jax", 1 / 1.5),
        Goal("numba", "products", 1 / 1.15),
    )
    when_online = (Goal("numpy", "sklearn", 6), Goal("numba", "sklearn", 40))
    return [
        *_both_precisions("20,000 x 30, (100,), batch 200", one, at_batch_200),
        *_both_precisions("20,000 x 30, (64, 32), batch 200", two, at_batch_200),
        *_both_precisions("20,000 x 30, (64, 32), batch 32", tiny, at_batch_32),
        *_both_precisions("30,000 x 784, (512, 256), batch 128", large, when_large),
        Workload(
            name="digits, (32, 16) logistic, sgd, batch 1", **online, goals=when_online
        ),
    ]


def _both_precisions(name, settings, goals):
    """Return the workload in float32, which has the goals, and in float64."""
    return [
        Workload(name=f"{name}, float32", dtype="float32", **settings, goals=goals),
        Workload(name=f"{name}, float64", dtype="float64", **settings),
    ]


def _fits():
    defaults = (Goal("numpy", "sklearn", 3), Goal("numba", "sklearn", 5))
    return [
        *(
            Workload(
                name=f"{name}, defaults",
                task="fit",
                data=Bundled(name),
                dtype="float64",
                goals=defaults,
            )
            for name in ("iris", "wine", "breast_cancer")
        ),
        Workload(
            name="digits, L-BFGS",
            task="fit",
            data=Bundled("digits"),
            dtype="float64",
            parameters={"solver": "lbfgs", "max_iter": 50},
            not_for=("numba",),
            goals=(Goal("numpy", "sklearn", 1.3),),
        ),
    ]


def _calls():
    digits = {"data": Bundled("digits"), "dtype": "float64"}
    return [
        Workload(
            name="predict one row",
            task="predict",
            **digits,
            row_by_row=True,
            n_calls=1_000,
            not_for=("numba",),
            goals=(Goal("numpy", "sklearn", 4),),
        ),
        Workload(
            name="predict 10,000 rows",
            task="predict",
            data=Synthetic(10_000, 64),
            dtype="float64",
            n_calls=20,
            not_for=("numba",),
            goals=(Goal("numpy", "sklearn", 1.2),),
        ),
        Workload(
            name="partial_fit one row",
            task="partial_fit",
            **digits,
            row_by_row=True,
            n_calls=1_000,
            goals=(Goal("numpy", "sklearn", 10), Goal("numba", "sklearn", 15)),
        ),
    ]


def _growth():
    rows = [
        Workload(name=f"{n:,} rows", task="train", data=Synthetic(n, 30), epochs=epochs)
        for n, epochs in ((2_000, 50), (20_000, 5), (200_000, 1))
    ]
    width = [
        Workload(
            name=f"width {n}",
            task="train",
            data=Synthetic(4_000, 30),
            hidden=(n, n),
            epochs=epochs,
        )
        for n, epochs in ((16, 40), (64, 20), (256, 4), (1024, 1))
    ]
    depth = [
        Workload(
            name=f"depth {n}",
            task="train",
            data=Synthetic(6_400, 30),
            hidden=(64,) * n,
            batch_size=32,
            learning_rate=0.0001,  # deep ones would differ by chance with a larger one
            epochs=3,
        )
        for n in (1, 2, 4, 8, 16)
    ]
    return rows, width, depth


def _memory():
    goals = (Goal("numpy", "sklearn", 1 / 1.1), Goal("numba", "sklearn", 1 / 1.1))
    small = {"data": Synthetic(20_000, 30)}
    large = {"data": Synthetic(10_000, 784), "hidden": (512, 256), "batch_size": 128}
    return [
        Workload(
            name=f"{name}, {dtype}", task="memory", dtype=dtype, **settings, goals=goals
        )
        for name, settings in (
            ("memory of 20,000 x 30, (100,)", small),
            ("memory of 10,000 x 784, (512, 256)", large),
        )
        for dtype in ("float32", "float64")
    ]


def all_tables():
    """Return every table with its workloads."""
    rows, width, depth = _growth()
    per_step = ("microseconds per step", 1e6)
    return [
        Table("Training", *per_step, _training()),
        Table("Whole fits", "milliseconds per fit", 1e3, _fits()),
        Table("Single calls", "microseconds per call", 1e6, _calls()),
        Table(
            "Growth with the number of rows: 30 columns, (100,), batch 200", *per_step, rows
        ),
        Table("Growth with the width: two hidden layers, batch 200", *per_step, width),
        Table("Growth with the depth: layers of 64 units, batch 32", *per_step, depth),
        Table("Memory of fit beyond X and y", "MiB", 2**-20, _memory()),
    ]
