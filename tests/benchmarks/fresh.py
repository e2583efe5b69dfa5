"""What a fresh process takes: to import something, and to come to its first fit."""

import os
import subprocess
import sys
from statistics import median

AFTER_MLP = "skbackprop, scikit-learn's MLP being there"
LARGEST_AFTER_MLP = 0.030  # seconds: the goal

# what is measured, what is done before that, and for which contestant it matters
IMPORTS = {
    "scikit-learn's MLP": ("import sklearn.neural_network", "", "sklearn"),
    "skbackprop": ("import skbackprop", "", "numpy"),
    AFTER_MLP: ("import skbackprop", "import sklearn.neural_network", "numpy"),
    "PyTorch": ("import torch", "", "torch"),
    "JAX": ("import jax", "", "jax"),
}

DATA = "from sklearn.datasets import load_iris; X, y = load_iris(return_X_y=True)"
OURS = "from skbackprop import BackpropClassifier; BackpropClassifier({}).fit(X, y)"
MLP = "from sklearn.neural_network import MLPClassifier; MLPClassifier().fit(X, y)"
FIRST_FITS = {
    "MLPClassifier": (MLP, DATA, "sklearn"),
    "numpy engine": (OURS.format("engine='numpy'"), DATA, "numpy"),
    "numba engine, compiled before": (OURS.format("engine='numba'"), DATA, "numba"),
    'the default, engine="auto"': (OURS.format(""), DATA, "numpy"),
}


def measure_fresh(entries, contestants, n_rounds):
    """Return the median seconds of every entry that matters for the contestants.

    Of several times the first, which may compile and write to the disk, does not count.
    """
    return {
        title: median([_seconds(*what) for _ in range(n_rounds)][n_rounds > 1 :])
        for title, (*what, contestant) in entries.items()
        if contestant in contestants
    }


def _seconds(measured, before):
    program = "\n".join(
        [
            "import time",
            before,
            "start = time.perf_counter()",
            measured,
            "print(time.perf_counter() - start)",
        ]
    )
    quietly = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **quietly},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
