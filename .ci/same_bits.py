#!/usr/bin/env python
"""Trainings compared with those of an earlier revision, bit for bit.

    python .ci/same_bits.py REVISION

Trains the settings below with each engine, in this tree and in a worktree of the
revision, and names the settings whose weights, curves or predictions differ. Fails if
there are any. What Numba compiled in a process is not what it loads in the next, to the
last bit, so the first trainings of each tree only fill its cache.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from itertools import cycle, islice
from pathlib import Path

TREE = Path(__file__).parents[1]
FEW_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ACTIVATIONS = (
    *("relu", "tanh", "logistic", "identity", "leaky_relu", "elu", "selu", "gelu", "silu"),
    *("mish", "softplus"),
)
SOLVERS = ("adam", "sgd", "adamw", "rmsprop", "nadam", "adagrad", "lion", "rprop")
LEARNING_RATES = (
    *("constant", "invscaling", "adaptive", "exponential", "step", "cosine", "one_cycle"),
    *("warmup", "plateau", 0.02),
)
TARGETS = ("multiclass", "binary", "multilabel", "quantity", "quantities")
LOSSES = {  # cycled through, each with the targets that it takes
    "multiclass": ("log_loss", "squared_error", "focal"),
    "binary": ("log_loss", "focal", "squared_error"),
    "multilabel": ("log_loss",),
    "quantity": ("huber", "quantile", "poisson", "gamma", "log_cosh"),
    "quantities": ("squared_error", "absolute_error"),
}
FEATURES = (
    {"early_stopping": True, "batch_size": 7},
    {"dropout": 0.3, "clip_norm": 0.5},
    {"batch_size": 1, "shuffle": False},
    {"error_convention": "target_minus_output", "hidden_layer_sizes": ()},
    {"early_stopping": True, "scoring": "loss", "n_iter_no_change": 1, "tol": 1.0},
    {"momentum": 0.5, "nesterovs_momentum": False, "alpha": 0.0, "target_loss": 0.3},
    {"hidden_layer_sizes": (6, 5), "initializer": "he_normal", "batch_size": 13},
)
WAYS = ("fit", "warm fit", "partial_fit", "one row", "X_val", "sample_weight", "float32")


def settings():
    """Return 40 of them: the lists have lengths that let everything meet."""
    losses = {target: cycle(names) for target, names in LOSSES.items()}
    columns = (ACTIVATIONS, SOLVERS, LEARNING_RATES, TARGETS, FEATURES, WAYS)
    found = []
    for i, (activation, solver, rate, target, features, way) in enumerate(
        islice(zip(*map(cycle, columns), strict=True), 40)
    ):
        way = WAYS[(i + i // 7) % 7]  # shifted, as FEATURES has the same length
        parameters = {"activation": activation, "solver": solver, "learning_rate": rate}
        parameters |= {"loss": next(losses[target]), "max_iter": 6, **features}
        if solver == "rprop":
            parameters["batch_size"] = "auto"
        if i % 10 == 9:
            unknown = {"dropout": 0.0, "clip_norm": None, "scoring": None}
            parameters |= {"solver": "lbfgs", **unknown}
            way = "X_val" if i > 20 else "warm fit"
        if way in ("partial_fit", "one row"):
            parameters["early_stopping"] = False
        found.append((parameters, target, way, i % 8 == 5))
    return found


def train(engine, parameters, target, way, is_sparse):
    """Return the estimator, and the rows it was trained on."""
    import numpy as np
    from scipy.sparse import csr_matrix

    from skbackprop import BackpropClassifier, BackpropRegressor

    rng = np.random.RandomState(3)
    X = rng.randn(60, 4)
    outputs = np.exp(0.5 * X @ rng.randn(4, 3))
    y = {
        "multiclass": outputs.argmax(axis=1),
        "binary": np.where(outputs[:, 0] > 1, "yes", "no"),
        "multilabel": (outputs > 1).astype(int),
        "quantity": outputs[:, 0],
        "quantities": outputs,
    }[target]
    X = X.astype(np.float32 if way == "float32" else np.float64)
    X = csr_matrix(X * (X > 0)) if is_sparse else X
    cls = BackpropRegressor if target in ("quantity", "quantities") else BackpropClassifier
    settings = {"hidden_layer_sizes": (8,), "random_state": 1, "engine": engine}
    model = cls(**settings | parameters)
    if way in ("partial_fit", "one row"):
        classes = {"multilabel": np.arange(3)}.get(target, np.unique(y))
        classes = {"classes": classes} if cls is BackpropClassifier else {}
        cuts = range(6, 60, 6) if way == "partial_fit" else range(1, 60)
        for rows in np.split(np.arange(60), cuts):
            model.partial_fit(X[rows], y[rows], **classes)
        return model, X
    given = {}
    if way == "X_val":
        given = {"X_val": X[:20], "y_val": y[:20], "sample_weight_val": np.arange(20.0)}
    if way == "sample_weight":
        given = {"sample_weight": np.arange(60) % 4.0}
    model.set_params(warm_start=way == "warm fit").fit(X, y, **given)
    return (model.fit(X, y) if way == "warm fit" else model), X


def fingerprints():
    """Yield for each setting its name, and a hash of each of its results."""
    import numpy as np

    warnings.simplefilter("ignore")
    for engine in ("numpy", "numba"):
        for i, (parameters, target, way, is_sparse) in enumerate(settings()):
            if engine == "numba" and (is_sparse or parameters["solver"] == "lbfgs"):
                continue
            name = f"{engine} {i}: {target}, {way}, {is_sparse=}, {parameters}"
            try:
                model, X = train(engine, parameters, target, way, is_sparse)
            except ValueError as error:
                yield name, {"error": str(error)}
                continue
            values = {
                attribute: getattr(model, attribute)
                for attribute in sorted(vars(model) | {"coefs_": 0, "intercepts_": 0})
                if attribute.endswith("_") and attribute[0] != "_"
            }
            values["predictions"] = model.predict(X)
            values |= {f"state {key}": value for key, value in model._state.items()}
            del values["state rng"]
            values["stream"] = model._state["rng"].get_state()[1:3]
            with np.printoptions(floatmode="unique", threshold=10**9, legacy="1.25"):
                yield (
                    name,
                    {
                        key: hashlib.sha256(repr(value).encode()).hexdigest()
                        for key, value in values.items()
                    },
                )


def fingerprints_of(tree):
    """Return the fingerprints of the package in a tree."""
    environment = os.environ | FEW_THREADS | {"PYTHONPATH": str(tree)}
    command = [sys.executable, __file__, "--train"]
    for _ in range(2):
        done = subprocess.run(
            command, env=environment, cwd=tree, stdout=subprocess.PIPE, check=True
        )
    return json.loads(done.stdout)


def main(revision):
    """Print the settings that differ; return whether there are any."""
    with tempfile.TemporaryDirectory() as folder:
        git, before = ["git", "-C", str(TREE), "worktree"], Path(folder, "before")
        subprocess.run([*git, "add", "-q", "--detach", str(before), revision], check=True)
        try:
            then = fingerprints_of(before)
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)
    now, n_different = fingerprints_of(TREE), 0
    for name in then:
        keys = then[name].keys() & now[name].keys()  # others are another layout
        different = sorted(k for k in keys if then[name][k] != now[name][k])
        if different or not keys:
            n_different += 1
            print(f"{name}\n    {', '.join(different)}")
    print(f"{len(then)} trainings, {n_different} differ from {revision}")
    return n_different > 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--train"]:
        print(json.dumps(dict(fingerprints())))
    elif len(sys.argv) == 2:
        sys.exit(main(sys.argv[1]))
    else:
        sys.exit(__doc__)
