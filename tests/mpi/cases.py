"""Trainings that several processes and one process do alike."""

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import Tanh
from skbackprop.losses import SquaredError

N_ROWS, N_VALIDATION = 203, 51
SMALL = {"hidden_layer_sizes": (7,), "batch_size": 32, "max_iter": 8, "random_state": 1}


@dataclass(frozen=True)
class Case:
    """Parameters, data, and how many of the rows the first of two processes holds."""

    parameters: dict = field(default_factory=dict)
    data: str = "labels"
    weighted: bool = False
    validation: bool = False
    chunks: int = 0  # for partial_fit; 0: fit
    first_has: int = 80

    def fit(self, engine, rank=None):
        """Return the estimator after training on all rows, or on those of a rank."""
        cls = BackpropRegressor if self.data == "quantities" else BackpropClassifier
        estimator = cls(**{**SMALL, **self.parameters}, engine=engine)
        arrays = self.arrays(rank)
        if self.chunks:
            return self._fit_in_chunks(estimator, **arrays)
        return estimator.fit(**arrays)

    def arrays(self, rank=None):
        """Return the arguments of fit: all rows, or those that a process holds."""
        arrays = {
            name: values[held(len(values), self.first_has, rank)]
            for name, values in data_of(self.data).items()
            if (self.weighted or "weight" not in name)
            and (self.validation or "val" not in name)
        }
        if self.data == "sparse":
            arrays["X"] = csr_matrix(arrays["X"])
        return arrays

    def _fit_in_chunks(self, estimator, X, y):
        """Call partial_fit; a chunk of all rows is made of those of both processes."""
        classes = {} if self.data == "quantities" else {"classes": list("abc")}
        cuts = [self.first_has] if len(X) == N_ROWS else []
        parts = [np.array_split(p, self.chunks) for p in np.split(np.arange(len(X)), cuts)]
        for chunk in map(np.concatenate, zip(*parts, strict=True)):
            estimator.partial_fit(X[chunk], y[chunk], **classes)
        return estimator


def held(n_rows, first_has, rank):
    """Return the rows of a rank: the first holds `first_has`, in validation data half."""
    cut = n_rows // 2 if n_rows == N_VALIDATION else first_has
    return {None: slice(None), 0: slice(cut), 1: slice(cut, None)}[rank]


def data_of(kind):
    """Return training and validation rows, with targets and weights."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((N_ROWS + N_VALIDATION, 5))
    scores = X[:, :3] + 0.3 * rng.standard_normal((len(X), 3))
    y = {
        "quantities": scores,
        "multilabel": (scores > 0).astype(int),
    }.get(kind, np.array(list("abc"))[scores.argmax(axis=1)])
    if kind == "sorted":  # only the last of the processes sees the last class
        order = np.argsort(y[:N_ROWS], kind="stable")
        X[:N_ROWS], y[:N_ROWS] = X[:N_ROWS][order], y[:N_ROWS][order]
    if kind == "float32":
        X = X.astype(np.float32)
    weight = rng.randint(0, 4, len(X)).astype(float)
    weight[:20] = 0
    train, rest = slice(N_ROWS), slice(N_ROWS, None)
    return {
        "X": X[train],
        "y": y[train],
        "sample_weight": weight[train],
        "X_val": X[rest],
        "y_val": y[rest],
        "sample_weight_val": weight[rest],
    }


STOPPING = {"early_stopping": True, "max_iter": 40, "n_iter_no_change": 3}
CASES = {
    "sgd": Case({"solver": "sgd", "learning_rate": 0.1}),
    "adam": Case(),
    "adamw": Case({"solver": "adamw", "alpha": 0.1}),
    "rprop": Case({"solver": "rprop", "batch_size": "auto"}),
    "lbfgs": Case({"solver": "lbfgs", "alpha": 0.1}),
    "lbfgs, sample weights": Case({"solver": "lbfgs"}, weighted=True),
    "lbfgs, a rank without rows": Case({"solver": "lbfgs"}, first_has=0),
    "lbfgs, early stopping": Case(STOPPING | {"solver": "lbfgs"}, validation=True),
    "lm, sample weights": Case({"solver": "lm"}, data="quantities", weighted=True),
    "lm, a rank without rows": Case({"solver": "lm"}, data="quantities", first_has=0),
    "the other sign": Case({"error_convention": "target_minus_output", "alpha": 0.1}),
    "L1 penalty": Case({"alpha": 0.5, "l1_ratio": 0.7}),
    "no shuffling": Case({"shuffle": False}),
    "one batch": Case({"batch_size": N_ROWS}),
    "batch size auto": Case({"batch_size": "auto"}),
    "two hidden layers": Case({"hidden_layer_sizes": (8, 4), "activation": "tanh"}),
    "clipped gradients": Case({"clip_norm": 0.05}),
    "learning rate that reacts": Case(
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2}
    ),
    "dropout": Case({"hidden_layer_sizes": (9, 5), "dropout": 0.4}),
    "dropout, a rank without rows": Case({"dropout": 0.4}, first_has=N_ROWS),
    "early stopping": Case(STOPPING),
    "early stopping, averaged weights": Case(STOPPING | {"averaging": "ema"}),
    "early stopping, weighted": Case(STOPPING, weighted=True),
    "early stopping, a rank without rows": Case(STOPPING, first_has=0),
    "early stopping by the loss": Case(STOPPING | {"scoring": "loss"}),
    "early stopping by a scorer": Case(STOPPING | {"scoring": "roc_auc_ovr"}),
    "X_val": Case(STOPPING, validation=True),
    "X_val, weighted": Case(STOPPING, validation=True, weighted=True),
    "X_val, by a scorer": Case(
        STOPPING | {"scoring": "neg_log_loss"}, validation=True, weighted=True
    ),
    "sample weights": Case(weighted=True),
    "a rank whose rows weigh nothing": Case(weighted=True, first_has=20),
    "class weights": Case({"class_weight": {"a": 2.0, "b": 0.5}}),
    "balanced classes": Case({"class_weight": "balanced"}, weighted=True),
    "classes on one rank": Case({"class_weight": "balanced"}, "sorted", first_has=120),
    "classes on one rank, early stopping": Case(STOPPING, "sorted", first_has=10),
    "multilabel": Case(STOPPING, "multilabel"),
    "quantities": Case({"loss": "huber"}, "quantities"),
    "quantities, early stopping": Case(STOPPING, "quantities", weighted=True),
    "sparse X": Case(STOPPING, "sparse", first_has=0),
    "rules as objects": Case({"activation": Tanh(), "loss": SquaredError(link=Tanh())}),
    "partial_fit": Case({"batch_size": 16}, chunks=4),
    "partial_fit of quantities": Case({"batch_size": 16}, "quantities", chunks=3),
    "float32": Case({}, "float32"),
    "float32, lbfgs": Case({"solver": "lbfgs", "max_iter": 5}, "float32"),
}
