"""Time and memory of fits on a frame of 100,000 rows and 30 columns."""

import json
import multiprocessing
import resource
import time

import numpy as np
import pandas as pd

from quality_models import MODELS
from report import markdown

N_ROWS, N_NUMBERS, N_CATEGORIES = 100_000, 24, 6
NAMES = ("histgb", "tabular8", "tabular4")


def make_frame(n_rows, seed=0):
    """Return a frame of numbers, some missing, and categories, and a label for each row.

    The log odds are a sum of waves of the numbers, of products and of the categories.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal((n_rows, N_NUMBERS))
    codes = rng.integers(12, size=(n_rows, N_CATEGORIES))
    offsets = np.random.default_rng(1).standard_normal((12, N_CATEGORIES))
    odds = np.sin(2 * numbers[:, :8]).sum(axis=1) + numbers[:, 8] * numbers[:, 9]
    odds += offsets[codes, np.arange(N_CATEGORIES)].sum(axis=1)
    y = (odds + rng.logistic(size=n_rows) > 0).astype(int)
    numbers[rng.random(numbers.shape) < 0.02] = np.nan
    frame = pd.DataFrame(numbers, columns=[f"number {i}" for i in range(N_NUMBERS)])
    for i, column in enumerate(codes.T):
        frame[f"category {i}"] = pd.Categorical.from_codes(column, list("abcdefghijkl"))
    return frame, y


def measure_large(options):
    """Return seconds, bytes and log loss of each model, each in a process of its own."""
    n_rows = 2000 if options.quick else N_ROWS
    found = {}
    for name in NAMES:
        file = options.cache / f"large-{name}-{n_rows}.json"
        if not file.exists():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                file.write_text(json.dumps(pool.apply(_fit, (name, n_rows))))
        found[name] = json.loads(file.read_text())
    return found


def _fit(name, n_rows):
    """Measure one fit; the memory is the most that the process ever held."""
    from sklearn.metrics import log_loss

    make = next(model.make for model in MODELS if model.name == name)["classification"]
    frame, y = make_frame(n_rows)
    X_test, y_test = make_frame(10_000, seed=2)
    make(0).fit(frame[:1000], y[:1000])  # compiles
    before, start, wall = _most_bytes(), time.process_time(), time.perf_counter()
    model = make(0).fit(frame, y)
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    return {
        "seconds": seconds,
        "elapsed": wall,
        "before": before,
        "bytes": _most_bytes(),
        "loss": log_loss(y_test, model.predict_proba(X_test)),
    }


def _most_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report_large(found):
    titles = {model.name: model.title for model in MODELS}
    rows = [
        [
            titles[name],
            f"{one['seconds']:.0f}",
            f"{one['bytes'] / 2**30:.2f}",
            f"{one['loss']:.3f}",
        ]
        for name, one in found.items()
    ]
    before = max(one["before"] for one in found.values()) / 2**30
    header = [f"{N_ROWS:,} rows x {N_NUMBERS + N_CATEGORIES} columns", "CPU seconds"]
    header += ["GiB at most", "log loss of other rows"]
    note = (
        f"One thread. The memory is that of the whole process; of it, {before:.2f} GiB or "
        "less were there before the fit: libraries, the frame, and what a small fit took."
    )
    return f"{markdown(header, rows)}\n\n{note}"
