"""Means over tables relative to the reference, as a table and as a picture."""

import numpy as np

from quality_models import MODELS
from report import markdown

MEASURES = ("1 - R2", "log loss", "error")
PANELS = ("1 - R2", "log loss")
GREY = "#808080"  # readable on white and on black
OURS = "#0072B2"
# Okabe & Ito (2008): told apart by the colour-blind; the markers tell without colour
LOOKS = {
    "mlp": (GREY, "o"),
    "histgb": ("#E69F00", "s"),
    "lightgbm": ("#009E73", "D"),
    "xgboost": ("#D55E00", "^"),
    "catboost": ("#CC79A7", "v"),
    "realmlp": ("#56B4E9", "P"),
    "tabular8": (OURS, "o"),
    "tabular4": (OURS, "X"),
    "blend": (OURS, "*"),
}
TIMES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)  # on the axis


def report(record):
    """Return the table of a record, with what was run below it."""
    rows = [_row(name, title, record) for name, title in record["models"].items()]
    header = ["relative to MLP", *MEASURES, "wins", "CPU seconds a fit", "by MLP's"]
    return "\n\n".join([markdown(header, rows), _spread(record), _machine(record)])


def scores(result, task):
    """Return the measures of a prediction that the task has, each the lower the better."""
    target, prediction = result["target"], result["prediction"]
    if task == "regression":
        variance = np.mean((target - target.mean()) ** 2)
        return {"1 - R2": np.mean((target - prediction) ** 2) / variance}
    probabilities = np.clip(prediction, 1e-7, None)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    of_target = probabilities[np.arange(len(target)), target]
    wrong = np.sum(prediction.argmax(axis=1) != target)
    # a logarithm is taken: no wrong row counts as one
    return {
        "log loss": -np.mean(np.log(of_target)),
        "error": max(wrong, 1) / len(target),
    }


def ratios(record, name, measure):
    """Return the ratios to the reference, of shape (tables, splits), nan where missing."""
    found = [
        [_ratio(record, name, table, seed, measure) for seed in range(record["n_splits"])]
        for table in record["tables"]
    ]
    found = np.array(found, dtype=float)
    return found[~np.isnan(found).all(axis=1)]


def _ratio(record, name, table, seed, measure):
    both = [
        record["results"].get((model, table.name, seed))
        for model in (name, record["reference"])
    ]
    if None in both:
        return np.nan
    own, reference = (scores(one, table.task).get(measure, np.nan) for one in both)
    return own / reference


def _row(name, title, record):
    means = [_geometric_mean(ratios(record, name, measure)) for measure in MEASURES]
    own, reference = (_seconds(record, one, name) for one in (name, record["reference"]))
    return [
        title,
        *(_number(mean) for mean in means),
        "" if name not in _single(record) else str(_wins(record, name)),
        f"{own / _n_fits(record, name):.2f}",
        f"{own / reference:.2f}",
    ]


def _geometric_mean(found, axis=None):
    return np.exp(np.nanmean(np.log(found), axis=axis)) if found.size else np.nan


def _number(mean):
    return "" if np.isnan(mean) else f"{mean:.3f}"


def _seconds(record, name, like):
    """Return the seconds of a model over the splits that model `like` has."""
    return sum(
        float(result["seconds"])
        for (model, *where), result in record["results"].items()
        if model == name and (like, *where) in record["results"]
    )


def _n_fits(record, name):
    return sum(model == name for model, *_ in record["results"])


def _single(record):
    """Return the names of the models that are no blends."""
    present = record["models"]
    return [model.name for model in MODELS if model.name in present]


def _wins(record, name):
    """Count the tables where no other single model has a better mean over the splits."""
    best = 0
    for table in record["tables"]:
        measure = "1 - R2" if table.task == "regression" else "log loss"
        found = np.array(
            [
                [
                    _ratio(record, one, table, seed, measure)
                    for seed in range(record["n_splits"])
                ]
                for one in _single(record)
            ]
        )
        means = found[:, ~np.isnan(found).any(axis=0)].sum(axis=1)  # splits that all have
        best += means[_single(record).index(name)] == min(means) > 0
    return best


def _spread(record):
    """Say between which means the single splits lie."""
    rows = []
    for name, title in record["models"].items():
        cells = []
        for measure in MEASURES:
            found = ratios(record, name, measure)
            means = _geometric_mean(found[:, ~np.isnan(found).any(axis=0)], axis=0)
            ends = [_number(end(means)) for end in (np.min, np.max)] if found.size else []
            cells.append(" to ".join(ends))
        rows.append([title, *cells])
    return markdown(["lowest and highest split", *MEASURES], rows)


def _machine(record):
    n_all = len(record["tables"]) * record["n_splits"]
    listed = []
    for name in _single(record):
        runs = [run for (one, *_), run in record["results"].items() if one == name]
        part = f" (on {len(runs)} of the {n_all} splits)" * (len(runs) < n_all)
        listed.append(f"{record['models'][name]} {runs[0]['version']}{part}")
    quick = " A quick run on 300 rows: its figures mean nothing." * record["is_quick"]
    models = ", ".join(listed)
    return (
        "Geometric means over tables, the lower the better: 1 - R2 of those with a number "
        "to predict, log loss and error of those with classes. Wins: tables on which the "
        "model is the best in 1 - R2 or log loss. "
        f"Measured on {record['date']}: {len(record['tables'])} tables, "
        f"{record['n_splits']} random splits of each, one thread; {models}.{quick}"
    )


def picture(record, file):
    """Draw means against processor time, one panel for each kind of task."""
    import matplotlib

    matplotlib.use("svg")
    style = {"svg.hashsalt": "skbackprop", "svg.fonttype": "none", "text.color": GREY}
    style |= {f"{part}color": GREY for part in ("axes.label", "xtick.", "ytick.")}
    style |= {"axes.edgecolor": GREY, "font.size": 11, "font.family": "sans-serif"}
    with matplotlib.rc_context(style):
        figure = _figure(record)
        figure.savefig(file, transparent=True, metadata={"Date": None})


def _figure(record):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, measure in zip(panels, PANELS, strict=True):
        for name, title in record["models"].items():
            mean = _geometric_mean(ratios(record, name, measure))
            times = _seconds(record, name, name) / _seconds(
                record, record["reference"], name
            )
            colour, marker = LOOKS[name]
            axes.plot(times, mean, marker, color=colour, markersize=10, label=title)
        axes.set(xscale="log", xlabel="processor time, by MLP's")
        axes.set_ylabel(f"{measure}, by MLP's (lower is better)")
        seen = [time for time in TIMES if axes.get_xlim()[0] < time < axes.get_xlim()[1]]
        axes.set_xticks(seen, [f"{time:g}" for time in seen])
        axes.set_xticks([], minor=True)
        axes.grid(color=GREY, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        frameon=False,
    )  # fmt: skip
    return figure
