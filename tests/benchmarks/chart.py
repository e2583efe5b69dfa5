"""The chart at the head of the page: how many times as fast as scikit-learn's MLP."""

from math import log10
from pathlib import Path
from xml.sax.saxutils import escape

from contestants import title_of
from report import CLOCKS, ratio_of

CHART = Path(__file__).parents[2] / "docs" / "_static" / "performance.svg"

# what is shown, and by which name; the tables have the rest
SHOWN = {
    "20,000 x 30, (100,), batch 200, float32": "train, batches of 200",
    "20,000 x 30, (64, 32), batch 32, float32": "train, batches of 32",
    "digits, (32, 16) logistic, sgd, batch 1": "train row by row",
    "9,984 x 784, (512, 256), batch 128, float32": "train, 784-512-256-10",
    "width 2048": "train, 2,048 units wide",
    "breast_cancer, defaults": "fit of breast_cancer",
    "partial_fit one row": "partial_fit, one row",
    "partial_fit 100 rows": "partial_fit, 100 rows",
    "predict one row": "predict, one row",
    "predict 10,000 rows": "predict, 10,000 rows",
}
# Okabe & Ito (2008): told apart by the colour-blind, on white and on black; shapes help
LOOKS = {
    "numpy": ("#56B4E9", "circle"),
    "numba": ("#0072B2", "square"),
    "torch": ("#D55E00", "up"),
    "torch_compile": ("#E69F00", "down"),
    "jax": ("#009E73", "diamond"),
}
OURS = ("numpy", "numba")
GREY = "#777777"  # readable on white and on black
WIDTH, ROW, TOP, MARK = 400, 40, 56, 5.5  # pixels; of a phone, so that letters stay large
LEFT, RIGHT = 14, WIDTH - 22  # ends of the axis
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100)


def section(record, clock):
    """Return the picture with what it shows in words, as Markdown."""
    picture = f"![{alternative_text(record, clock)}](_static/{CHART.name})"
    return f"{_summary(_values(record, clock))}\n\n{picture}"


def _summary(values):
    """Say in sentences how far the faster engine is ahead, and where it is not."""
    own = {label: max(of[n] for n in OURS if n in of) for label, of in values.items()}
    least, most = min(own, key=own.get), max(own, key=own.get)
    peers = {
        label: max([of[n] for n in LOOKS if n in of and n not in OURS], default=0)
        for label, of in values.items()
    }
    behind = [f"{label} ({peers[label] / own[label]:.2g} times)" for label in values
              if peers[label] > own[label]]  # fmt: skip
    ahead = f" PyTorch or JAX is faster at: {'; '.join(behind)}." if behind else ""
    return (
        "How many times as fast as scikit-learn's `MLPClassifier`, one thread each: the "
        f"faster of the two engines {_times(own[least])} ({least}) to "
        f"{_times(own[most])} times ({most}).{ahead}"
    )


def alternative_text(record, clock):
    """Say in words what the chart shows."""
    rows = [
        f"{label}: "
        + ", ".join(f"{title_of(name)} {_times(value)}" for name, value in values.items())
        for label, values in _values(record, clock).items()
    ]
    return f"Times as fast as MLPClassifier. {'; '.join(rows)}."


def draw(record, clock):
    """Return the chart as SVG: a row for each workload, a mark for each contestant."""
    values = _values(record, clock)
    bottom = TOP + ROW * len(values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" '
        f'width="{1.5 * WIDTH:.0f}" font-family="sans-serif" font-size="13" fill="{GREY}">',
        f"<title>{escape(alternative_text(record, clock))}</title>",
        *_legend({name for of in values.values() for name in of}),
        *_axis(bottom, CLOCKS[clock]),
        *(
            part
            for i, row in enumerate(values.items())
            for part in _row(TOP + ROW * i, *row)
        ),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _values(record, clock):
    """Return what is shown: by label and contestant, times as fast as MLPClassifier."""
    record, values = {**record, "clock": clock}, {}
    for name, label in SHOWN.items():
        ratios = {one: ratio_of(record, name, one, "sklearn") for one in LOOKS}
        ratios = {one: ratio for one, ratio in ratios.items() if ratio is not None}
        if ratios:
            values[label] = ratios
    return values


def _times(value):
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _place(value):
    """Return where on the axis a ratio lies; what is beyond its ends lies at them."""
    value = min(max(value, TICKS[0]), TICKS[-1])
    share = log10(value / TICKS[0]) / log10(TICKS[-1] / TICKS[0])
    return LEFT + share * (RIGHT - LEFT)


def _legend(present):
    x, y = LEFT, 16
    for name in LOOKS:
        if name not in present:
            continue
        width = 24 + 7 * len(title_of(name))
        if x + width > WIDTH:
            x, y = LEFT, y + 20
        yield _mark(name, x, y)
        yield f'<text x="{x + 11}" y="{y + 4.5}">{title_of(name)}</text>'
        x += width


def _axis(bottom, clock):
    for tick in TICKS:
        x = f"{_place(tick):.1f}"
        width = 2 if tick == 1 else 0.5  # as fast as MLPClassifier
        path = f"M{x} {TOP}V{bottom}"
        yield f'<path d="{path}" stroke="{GREY}" stroke-width="{width}" opacity="0.5"/>'
        yield f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>'
    yield (
        f'<text x="{WIDTH / 2}" y="{bottom + 37}" text-anchor="middle">'
        f"times as fast as MLPClassifier, {clock}</text>"
    )


def _row(y, label, values):
    line = f"M{LEFT} {y + 25}H{RIGHT}"
    yield f'<path d="{line}" stroke="{GREY}" stroke-width="0.5" stroke-dasharray="2 3"/>'
    yield f'<text x="{LEFT}" y="{y + 13}">{escape(label)}</text>'
    own = {name: values[name] for name in OURS if name in values}
    best = max(own, key=own.get)
    for name in sorted(values, key=lambda name: name == best):  # the best one on top
        yield _mark(name, _place(values[name]), y + 25)
    yield (
        f'<text x="{RIGHT}" y="{y + 13}" text-anchor="end">'
        f'{best} <tspan font-weight="bold">{_times(own[best])}</tspan></text>'
    )


def _mark(name, x, y):
    colour, shape = LOOKS[name]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y}" r="{MARK}" fill="{colour}"/>'
    paths = {
        "square": "-5,-5 5,-5 5,5 -5,5",
        "up": "0,-6 6,5 -6,5",
        "down": "0,6 6,-5 -6,-5",
        "diamond": "0,-7 6,0 0,7 -6,0",
    }
    return (
        f'<polygon points="{paths[shape]}" fill="{colour}" '
        f'transform="translate({x:.1f} {y})"/>'
    )
