"""Import times, each import in a fresh process."""

import os
import subprocess
import sys
from statistics import median

AFTER_MLP = "skbackprop, scikit-learn's MLP being there"
# what is imported first, unmeasured; what is measured; for whom it matters
STATEMENTS = {
    "scikit-learn's MLP": ("", "sklearn.neural_network", "sklearn"),
    "skbackprop": ("", "skbackprop", "numpy"),
    AFTER_MLP: ("sklearn.neural_network", "skbackprop", "numpy"),
    "PyTorch": ("", "torch", "torch"),
    "JAX": ("", "jax", "jax"),
}
LARGEST_AFTER_MLP = 0.030  # seconds: the goal
PROGRAM = """
import time
{first}
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def measure_imports(contestants, n_rounds):
    """Return the median seconds of every import that matters for the contestants.

    Of several times the first, which reads the disk and may write bytecode, does not count.
    """
    return {
        title: median([_import(first, module) for _ in range(n_rounds)][n_rounds > 1 :])
        for title, (first, module, contestant) in STATEMENTS.items()
        if contestant in contestants
    }


def _import(first, module):
    first = f"import {first}" if first else ""
    program = PROGRAM.format(first=first, module=module)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as installed packages
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
