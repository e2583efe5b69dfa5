"""How often intervals and label sets hold the truth, and how large they are."""

from dataclasses import dataclass
from importlib.metadata import version
from itertools import product

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline

from quality_models import CommonCategories, hist_gradient_boosting
from quality_tables import TABLES, wanted
from report import markdown

COVERAGE = 0.9
N_ROWS = 1000  # of each table, 700 to train
N_SPLITS = 20
N_FOLDS = 8  # of MAPIE, and members of the tabular estimators


def _tabular_interval(X, y, X_test, seed):
    from skbackprop import TabularRegressor

    model = TabularRegressor(n_members=N_FOLDS, random_state=seed).fit(X, y)
    return np.asarray(model.predict_interval(X_test, coverage=COVERAGE))


def _mapie_interval(X, y, X_test, seed):
    from mapie.regression import CrossConformalRegressor

    model = CrossConformalRegressor(
        hist_gradient_boosting("regression")(seed),
        confidence_level=COVERAGE,
        method="plus",
        cv=N_FOLDS,
        random_state=seed,
    )
    return model.fit_conformalize(X, y).predict_interval(X_test)[1][:, :, 0]


def _quantile_interval(X, y, X_test, seed):
    tails = (1 - COVERAGE) / 2
    models = [
        HistGradientBoostingRegressor(loss="quantile", quantile=q, random_state=seed)
        for q in (tails, 1 - tails)
    ]
    ends = [
        make_pipeline(CommonCategories(), model).fit(X, y).predict(X_test)
        for model in models
    ]
    return np.column_stack(ends)


def _tabular_set(X, y, X_test, seed):
    from skbackprop import TabularClassifier

    model = TabularClassifier(n_members=N_FOLDS, random_state=seed).fit(X, y)
    return np.asarray(model.predict_set(X_test, coverage=COVERAGE))


def _mapie_set(X, y, X_test, seed):
    from mapie.classification import CrossConformalClassifier

    model = CrossConformalClassifier(
        hist_gradient_boosting("classification")(seed),
        confidence_level=COVERAGE,
        cv=N_FOLDS,
        random_state=seed,
    )
    return model.fit_conformalize(X, y).predict_set(X_test)[1][:, :, 0]


@dataclass(frozen=True)
class Study:
    """What is asked of a task: who answers, and how an answer is judged."""

    task: str
    unit: str
    contestants: dict
    judge: object
    names: tuple[str, ...]  # five tables, of those that are fitted in a second

    @property
    def tables(self):
        return [table for table in TABLES if table.name in self.names]


def _judge_interval(interval, y_test):
    """Return the share of targets inside, and the width by the target's spread."""
    lower, upper = interval.T
    inside = (lower <= y_test) & (y_test <= upper)
    return inside.mean(), np.mean(upper - lower) / y_test.std()


def _judge_set(labels, y_test):
    """Return the share of labels in their sets, and the mean number of labels."""
    return labels[np.arange(len(y_test)), y_test].mean(), labels.sum(axis=1).mean()


STUDIES = [
    Study(
        "regression",
        "width in standard deviations of y",
        {
            "TabularRegressor": _tabular_interval,
            "MAPIE CV+ of HistGradientBoosting": _mapie_interval,
            "quantile HistGradientBoosting": _quantile_interval,
        },
        _judge_interval,
        ("loans_full_schema", "SaratogaHouses", "CollegeDistance", "SLID", "Wages"),
    ),
    Study(
        "classification",
        "labels in a set",
        {
            "TabularClassifier": _tabular_set,
            "MAPIE cross-conformal of HistGradientBoosting": _mapie_set,
        },
        _judge_set,
        ("wa_churn", "hpc_data", "email", "Chile", "flchain"),
    ),
]


def measure_coverage(options):
    """Return coverage and size for each task, contestant, table and split."""
    found = {}
    for study in STUDIES:
        tables = wanted(study.tables, options.tables)
        for name in study.contestants:
            seeds = range(1 if options.quick else N_SPLITS)
            for table, seed in product(tables, seeds):
                key = study.task, name, table.name, seed
                found[key] = _kept(options.cache, study, name, table, seed)
    return found


def _kept(folder, study, name, table, seed):
    file = folder / f"coverage-{name.replace(' ', '_')}-{table.name}-{seed}.npy"
    if not file.exists():
        X, X_test, y, y_test = table.split(seed, N_ROWS)
        answer = study.contestants[name](X, y, X_test, seed)
        np.save(file, study.judge(answer, y_test))
    return np.load(file)


def report_coverage(found):
    """Return a table for each task: means over tables and splits."""
    parts = []
    for study in STUDIES:
        rows = [_row(found, study.task, name) for name in study.contestants]
        header = [
            study.task,
            "splits",
            "coverage",
            "lowest table",
            "highest table",
            study.unit,
        ]
        parts.append(markdown(header, [row for row in rows if row]))
    tables = [len({t for task, _, t, _ in found if task == s.task}) for s in STUDIES]
    parts.append(
        f"Nominal coverage {COVERAGE:.0%}; {tables[0]} and {tables[1]} tables of at most "
        f"{N_ROWS:,} rows, {N_FOLDS} members and folds; "
        f"scikit-learn {version('scikit-learn')}, MAPIE {version('mapie')}."
    )
    return "\n\n".join(parts)


def _row(found, task, name):
    own = {key: value for key, value in found.items() if key[:2] == (task, name)}
    if not own:
        return None
    tables = sorted({table for _, _, table, _ in own})
    means = np.array(
        [np.mean([v for k, v in own.items() if k[2] == table], axis=0) for table in tables]
    )
    coverage, size = means.T
    return [
        name,
        str(len({seed for *_, seed in own})),
        f"{coverage.mean():.1%}",
        f"{coverage.min():.1%}",
        f"{coverage.max():.1%}",
        f"{size.mean():.2f}",
    ]
