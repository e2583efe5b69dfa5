"""Compare predictions on tables: ``python tests/benchmarks/quality.py --cache FOLDER``.

Every model is fitted on the same splits of the same tables, one after the other, with one
thread. What a fit came to is kept in the folder, so that a run that was stopped goes on,
and models that need an environment of their own are run from that one.
"""

import argparse
import os
import sys
import time
import warnings
from datetime import date
from itertools import product
from pathlib import Path

from contestants import ONE_THREAD

os.environ.update(ONE_THREAD)  # before NumPy is imported

import numpy as np

from quality_coverage import measure_coverage, report_coverage
from quality_large import measure_large, report_large
from quality_models import BLENDS, MODELS, REFERENCE
from quality_report import picture, report
from quality_tables import N_ROWS, TABLES, wanted
from report import replace_section

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "tables.md"
PICTURE = DOCS / "_static" / "tables_quality.svg"
ALTERNATIVE = "Errors of every model by those of MLP, against processor time by MLP's"


def main():
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # MLP does not converge in 200 epochs, and so on
    if options.coverage:
        text, section = report_coverage(measure_coverage(options)), "quality.py, coverage"
    elif options.large:
        text, section = report_large(measure_large(options)), "quality.py, large"
    else:
        record = measure(options)
        text, section = report(record), "quality.py"
    print(text)
    if options.update_docs and section == "quality.py":
        picture(record, PICTURE)
        text = f"![{ALTERNATIVE}]({PICTURE.relative_to(DOCS)})\n\n{text}"
    if options.update_docs:
        PAGE.write_text(replace_section(PAGE.read_text(), text, section))


def _options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--cache", type=Path, required=True, help="folder, outside the checkout")
    names = ", ".join(model.name for model in MODELS)
    add("--models", help=f"of {names}, or what these begin with; with commas; mlp always")
    add("--tables", help="only tables whose name contains one of these, with commas")
    add("--splits", type=int, default=3, help="random splits of each table")
    add("--quick", action="store_true", help="300 rows, one split: does everything work?")
    add("--coverage", action="store_true", help="intervals and label sets instead")
    add("--large", action="store_true", help="time and memory of 100,000 rows instead")
    add("--update-docs", action="store_true", help="write docs/tables.md and its picture")
    options = parser.parse_args()
    options.n_rows, options.splits = (300, 1) if options.quick else (N_ROWS, options.splits)
    if options.quick and options.update_docs:
        parser.error("a quick run is not for the docs")
    return options


def measure(options):
    """Fit what is not in the cache; return the record that is reported."""
    models = [
        model
        for model in MODELS
        if options.models is None
        or model.name.startswith((REFERENCE, *options.models.split(",")))
    ]
    tables = wanted(TABLES, options.tables)
    results = {}
    for table, seed in product(tables, range(options.splits)):
        split = table.split(seed, options.n_rows)
        for model in models:
            result = _kept(options.cache, model, table, seed, options.n_rows, split)
            if result is not None:
                results[model.name, table.name, seed] = result
        _say(f"{table.name}, split {seed}")
        for blend in BLENDS:
            _add_blend(results, blend, table.name, seed)
    return {
        "date": date.today().isoformat(),
        "n_splits": options.splits,
        "is_quick": options.quick,
        "tables": tables,
        "models": _titles(results),
        "results": results,
        "reference": REFERENCE,
    }


def _kept(folder, model, table, seed, n_rows, split):
    """Return the result from the folder, or fit and put it there; None: not installed."""
    file = folder / f"{model.name}-{table.name}-{seed}-{n_rows}.npz"
    if not file.exists():
        if not model.is_installed:
            return None
        np.savez(file, **_fit(model, table.task, seed, *split))
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _fit(model, task, seed, X, X_test, y, y_test):
    """Fit and predict; processor time of both, after a fit that only warms up."""
    kind = model.name, task, task == "classification" and y.max() > 1
    if kind not in _warm:
        _warm.add(kind)
        model.make[task](seed).fit(X, y)  # imports, compiles, fills caches
    start = time.process_time()
    estimator = model.make[task](seed).fit(X, y)
    predict = estimator.predict if task == "regression" else estimator.predict_proba
    prediction = np.asarray(predict(X_test), dtype=float)
    seconds = time.process_time() - start
    return {
        "prediction": prediction,
        "target": y_test,
        "seconds": seconds,
        "version": model.version,
    }


_warm = set()


def _add_blend(results, blend, table, seed):
    parts = {name: results.get((name, table, seed)) for name in blend.weights}
    if None in parts.values():
        return
    results[blend.name, table, seed] = {
        "prediction": blend.of({name: part["prediction"] for name, part in parts.items()}),
        "target": parts["histgb"]["target"],
        "seconds": sum(part["seconds"] for part in parts.values()),
        "version": "",
    }


def _titles(results):
    present = {name for name, _, _ in results}
    return {one.name: one.title for one in (*MODELS, *BLENDS) if one.name in present}


def _say(sentence):
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
