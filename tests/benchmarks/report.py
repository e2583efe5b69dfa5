"""Tables of the results, as plain Markdown that also reads well in a terminal."""

from statistics import median

from catalogue import all_tables
from contestants import FLOOR, title_of
from fresh import AFTER_MLP, LARGEST_AFTER_MLP
from searches import goals_of

CLOCKS = {"wall": "elapsed time", "processor": "processor time"}

MARKS = [f"<!-- {end}: written by tests/benchmarks/%s -->" for end in ("begin", "end")]


def report(record, clock):
    """Return the whole report of a record, the dict that --json writes."""
    record = {**record, "clock": clock}
    sections = [_machine(record)]
    for table in all_tables():
        names = [w.name for w in table.workloads if w.name in record["results"]]
        if names:
            sections += _sections(table, names, record)
    sections.append(_searches(record["searches"]))
    sections.append(_seconds("Import", "import of", record["imports"]))
    sections.append(_seconds("First fit", "import and fit of iris", record["first_fits"]))
    sections.append(_faster_peers(record))
    sections.append(_goals(record))
    sections.append(_losses(record))
    return "\n\n".join(filter(None, sections))


def replace_section(page, text, script="run.py"):
    """Return the page with the text between the two marks of a script replaced."""
    begin, end = (mark % script for mark in MARKS)
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    if not tail:
        raise ValueError(f"The page lacks the marks {begin} and {end}.")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def _machine(record):
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [
        f"Measured on {record['date']}: {record['machine']}; {versions}.",
        f"{record['n_rounds']} rounds, medians; ratios are of {CLOCKS[record['clock']]}.",
    ]
    cores = _cores_used(record)
    if cores:
        lines.append(
            f"The processes used {min(cores):.2f} to {max(cores):.2f} of a core "
            f"(median {median(cores):.2f}): below 1, the machine was busy with "
            "something else; above 1, more than one thread worked."
        )
    if record["is_quick"]:
        lines.append("A quick run: the workloads are cut down and the times mean nothing.")
    return "\n".join(lines)


def _cores_used(record):
    """Return processor time by elapsed time for everything that has both."""
    runs = [run for of in record["results"].values() for run in of.values()]
    shares = [
        processor / wall
        for run in runs
        for wall, processor in zip(run["wall"], run["processor"], strict=True)
    ]
    return [share for share in shares if share != 1]  # bytes have no other clock


# -- one table of times, one of ratios -------------------------------------------------


def _sections(table, names, record):
    yield f"### {table.title}"
    yield _times(table, names, record)
    ratios = _ratios(names, record)
    if ratios:
        yield ratios


def _times(table, names, record):
    present = [c for c in _everyone(record) if _any_has(c, names, record)]
    rows = [[name, *(_time(record, name, c, table) for c in present)] for name in names]
    clocks = "" if table.unit == "MiB" else ", elapsed (of the processor)"
    return markdown([f"{table.unit}{clocks}", *(title_of(c) for c in present)], rows)


def _time(record, name, contestant, table):
    if contestant not in record["results"][name]:
        return ""
    wall, processor = (
        _number(median_of({**record, "clock": clock}, name, contestant), table.scale)
        for clock in CLOCKS
    )
    return wall if table.unit == "MiB" else f"{wall} ({processor})"


def _ratios(names, record):
    """Compare each engine with MLPClassifier, the fastest peer and the floor."""
    engines = [c for c in record["engines"] if _any_has(c, names, record)]
    peers = [c for c in record["peers"] if _any_has(c, names, record)]
    has_floor = _any_has(FLOOR.name, names, record)
    if not engines or not peers:
        return ""
    header, rows = ["ratio"], [[name] for name in names]
    for own in engines:
        title = title_of(own)
        header += [f"{title_of('sklearn')} / {title}"] * ("sklearn" in peers)
        header += [f"best peer / {title}"] * (len(peers) > 1)
        header += [f"{title} / {FLOOR.title}"] * has_floor
        for row, name in zip(rows, names, strict=True):
            row += [_ratio(record, name, own, "sklearn")] * ("sklearn" in peers)
            row += [_against_best(record, name, own, peers)] * (len(peers) > 1)
            row += [_ratio(record, name, FLOOR.name, own)] * has_floor
    return markdown(header, rows)


def _ratio(record, name, own, other):
    ratio = ratio_of(record, name, own, other)
    return "" if ratio is None else f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def _against_best(record, name, own, peers):
    best = _fastest(record, name, peers)
    if best is None or median_of(record, name, own) is None:
        return ""
    return f"{_ratio(record, name, own, best)} ({title_of(best)})"


def ratio_of(record, name, own, other):
    """Return the median over rounds of `other` by `own`, or None where one is missing."""
    results = record["results"].get(name, {})
    if own not in results or other not in results:
        return None
    theirs, ours = (results[name][record["clock"]] for name in (other, own))
    return median(their / our for their, our in zip(theirs, ours, strict=True))


# -- faster peers, plain times, goals, losses ------------------------------------------


def _faster_peers(record):
    """List every workload in which a peer beats every engine."""
    items = []
    for name in _timed(record):
        own = _fastest(record, name, record["engines"])
        peer = _fastest(record, name, record["peers"])
        ratio = ratio_of(record, name, own, peer) if own and peer else None
        if ratio is not None and ratio < 1:
            items.append(f"- {name}: {title_of(peer)}, {ratio:.2g} of the {title_of(own)}")
    if not items or record["is_quick"]:
        return ""
    return "\n".join(["### Where a peer is faster than every engine", "", *items])


def _timed(record):
    """Return the names of the workloads whose time was measured."""
    workloads = [w for table in all_tables() for w in table.workloads]
    return [w.name for w in workloads if w.name in record["results"] and w.task != "memory"]


def _fastest(record, name, contestants):
    medians = {c: median_of(record, name, c) for c in contestants}
    medians = {c: value for c, value in medians.items() if value is not None}
    return min(medians, key=medians.get, default=None)


def _searches(searches):
    """A table of searches, a column for each data set."""
    if not searches:
        return ""
    titles = list(next(iter(searches.values())))
    rows = [
        [title, *("{:.1f} ({:.1f})".format(*of[title]) for of in searches.values())]
        for title in titles
    ]
    header = ["200 fits, seconds elapsed (of processors)", *searches]
    table = markdown(header, rows)
    return f"### Searches: GridSearchCV with 40 candidates and 5 folds\n\n{table}"


def _seconds(title, header, seconds):
    """A table of plain times, without a comparison."""
    if not seconds:
        return ""
    rows = [[name, _number(value, 1e3)] for name, value in seconds.items()]
    return f"### {title}\n\n{markdown([header, 'milliseconds'], rows)}"


def _goals(record):
    rows = [
        [w.name, *_goal(g, ratio_of(record, w.name, g.engine, g.than), w.task)]
        for table in all_tables()
        for w in table.workloads
        for g in w.goals
        if ratio_of(record, w.name, g.engine, g.than) is not None
    ]
    rows += [
        [name, *_goal(goal, ratio, "search")]
        for name, goal, ratio in goals_of(record["searches"])
    ]
    if AFTER_MLP in record["imports"]:
        rows.append(_import_goal(record["imports"][AFTER_MLP]))
    if not rows or record["is_quick"]:
        return ""
    return f"### Goals\n\n{markdown(['workload', 'goal', 'measured', ''], rows)}"


def _goal(goal, ratio, task):
    own, other = title_of(goal.engine), title_of(goal.than)
    if goal.ratio >= 1:
        times = f"{goal.ratio:g} times " if goal.ratio > 1 else ""
        text = f"{own} {times}as fast as {other}"
        return (
            text,
            f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}",
            _met(ratio / goal.ratio),
        )
    quantity = "memory" if task == "memory" else "time"
    text = f"{own} at most {1 / goal.ratio:.3g} times the {quantity} of {other}"
    return text, f"{1 / ratio:.3g}", _met(ratio / goal.ratio)


def _import_goal(seconds):
    limit = LARGEST_AFTER_MLP
    text = f"at most {limit * 1e3:.0f} ms"
    return [f"import of {AFTER_MLP}", text, _number(seconds, 1e3), _met(limit / seconds)]


def _met(share):
    """Say whether a goal is met; `share` is what was reached by what was wanted."""
    return "met" if share >= 1 else f"missed by {100 * (1 - share):.0f}%"


def _losses(record):
    """The log losses that show that the same problem was solved."""
    names = _everyone(record)
    rows = [
        [name, *(_loss(of.get(c, {}).get("loss")) for c in names)]
        for name, of in record["results"].items()
        if any(one["loss"] is not None for one in of.values())
    ]
    present = [i for i, c in enumerate(names) if any(row[i + 1] for row in rows)]
    rows = [[row[0], *(row[i + 1] for i in present)] for row in rows]
    if not rows:
        return ""
    table = markdown(["training log loss", *(title_of(names[i]) for i in present)], rows)
    return f"### The same problem\n\n{table}"


def _loss(value):
    return "" if value is None else f"{value:.4f}"


# -- plain helpers ---------------------------------------------------------------------


def _everyone(record):
    return [*record["engines"], *record["peers"], FLOOR.name]


def _any_has(contestant, names, record):
    return any(contestant in record["results"][name] for name in names)


def median_of(record, name, contestant):
    """Return the median over rounds by the record's clock, or None where it is missing."""
    result = record["results"][name].get(contestant)
    return None if result is None else median(result[record["clock"]])


def _number(value, scale):
    if value is None:
        return ""
    value *= scale
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def markdown(header, rows):
    """Return an aligned Markdown table, the first column to the left, the rest right."""
    cells = [header, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (header, rule, *rows))


def _line(row, widths):
    first, *rest = row
    cells = [first.ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    return f"| {' | '.join(cells)} |"
