"""The chart of docs/performance.md, drawn from the first table of the page.

``python tests/benchmarks/chart.py`` draws it again; ``run.py --update-docs`` does, too.
"""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FILE = DOCS / "performance.md", DOCS / "_static" / "performance.svg"
TABLE = re.compile(r"^\| microseconds per step .*?\n\n", re.MULTILINE | re.DOTALL)
OWN = "numba engine"
LOOKS = {  # colours that are told apart without red and green, and by their shapes
    "MLPClassifier": ("#d55e00", "s"),
    "PyTorch": ("#cc79a7", "D"),
    "numpy engine": ("#0072b2", "o"),
    "JAX": ("#009e73", "^"),
}
GREY = "#808080"  # on a white page and on a black one
TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100]


def ratios(page):
    """Return for each workload the time of each contestant by the compiled engine's."""
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in TABLE.search(page)[0].splitlines()
        if line
    )
    times = {
        row[0]: dict(zip(header[1:], map(_number, row[1:]), strict=True)) for row in rows
    }
    return {name: {c: t / of[OWN] for c, t in of.items()} for name, of in times.items()}


def _number(cell):
    return float(cell.replace(",", "")) if cell else float("nan")


def draw(page=PAGE, file=FILE):
    """Draw a line of marks for each workload of the page."""
    import matplotlib

    matplotlib.use("svg")
    style = {"svg.hashsalt": "skbackprop", "svg.fonttype": "none", "text.color": GREY}
    style |= {f"{part}color": GREY for part in ("axes.label", "xtick.", "ytick.")}
    style |= {"axes.edgecolor": GREY, "font.size": 11, "font.family": "sans-serif"}
    with matplotlib.rc_context(style):
        figure = _figure(ratios(page.read_text(encoding="utf-8")))
        figure.savefig(file, transparent=True, metadata={"Date": None})


def _figure(found):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots()
    for name, (colour, marker) in LOOKS.items():
        values = [of[name] for of in found.values()]
        axes.plot(values, range(len(found)), marker, color=colour, markersize=9, label=name)
    axes.axvline(1, color=GREY, linewidth=2, label=OWN)
    axes.set(xscale="log", xlabel=f"time of a training step, by the {OWN}'s")
    axes.set_yticks(range(len(found)), found)
    axes.invert_yaxis()
    axes.set_xticks(TICKS, map(str, TICKS))
    axes.set_xticks([], minor=True)
    axes.grid(color=GREY, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    return figure


if __name__ == "__main__":
    draw()
