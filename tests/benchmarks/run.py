"""Measure skbackprop against its peers: ``python tests/benchmarks/run.py``.

Every contestant runs in a process of its own with one thread. A round runs a workload
once on every contestant, one after the other; the rounds repeat that, so that a slow
minute of the machine hits all of them alike. Ratios are taken within a round.
"""

import argparse
import json
import platform
import sys
import time
from datetime import date
from pathlib import Path

from agreement import disagreements, figure_of
from catalogue import SLOW_TO_COMPILE, all_tables
from chart import CHART, draw, section
from contestants import FLOOR, PEERS, Worker, engine
from fresh import FIRST_FITS, IMPORTS, measure_fresh
from report import replace_section, report
from searches import measure_searches

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def main():
    options = _options()
    start = time.perf_counter()
    record = json.loads(options.show.read_text()) if options.show else measure(options)
    text = report(record, options.clock)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))
    if options.update_docs:
        CHART.write_text(draw(record, options.clock))
        page = replace_section(PAGE.read_text(), section(record, options.clock), "chart.py")
        PAGE.write_text(replace_section(page, text))
    for sentence in record["disagreements"]:
        _say(f"NOT THE SAME PROBLEM: {sentence}")
    _say(f"{time.perf_counter() - start:.0f} s in all")
    return len(record["disagreements"])


def _options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--peers", type=_peers, help=f"of {', '.join(PEERS)}")
    add("--engines", type=_names, default=["numpy", "numba"], help="numpy, numba, auto")
    add("--workloads", nargs="+", default=[""], metavar="TEXT",
        help="only tables and workloads whose name contains one of these")  # fmt: skip
    add("--rounds", type=int, default=7, help="how often everything is repeated")
    add("--clock", choices=["wall", "processor"], default="wall",
        help="what ratios are made of: processor where the machine is busy")  # fmt: skip
    add("--quick", action="store_true", help="small and once: does everything work?")
    add("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    add("--show", type=Path, metavar="FILE", help="show such a file, measure nothing")
    add("--update-docs", action="store_true",
        help="write tables and chart to docs/performance.md")  # fmt: skip
    options = parser.parse_args()
    if options.peers is None:
        slow = SLOW_TO_COMPILE if options.quick else ()
        options.peers = [name for name in PEERS if name not in slow]
    return options


def _names(text):
    return [name for name in text.split(",") if name]


def _peers(text):
    unknown = [name for name in _names(text) if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {unknown}; there are {list(PEERS)}")
    return _names(text)


def measure(options):
    """Run everything that was asked for; return the record that is reported."""
    engines = _installed([engine(name) for name in options.engines])
    peers = _installed([PEERS[name] for name in options.peers])
    workers = [Worker(contestant) for contestant in (*engines, *peers, FLOOR)]
    n_rounds = 1 if options.quick else options.rounds
    results, differences = {}, []
    for workload in _chosen(options):
        results[workload.name], figures = run(workload, workers, n_rounds)
        differences += disagreements(workload, figures)
    return {
        "date": date.today().isoformat(),
        "machine": _machine(),
        "versions": {k: v for worker in workers for k, v in worker.versions().items()},
        "n_rounds": n_rounds,
        "is_quick": options.quick,
        "engines": [contestant.name for contestant in engines],
        "peers": [contestant.name for contestant in peers],
        "results": results,
        **_measure_processes([*engines, *peers], n_rounds, options),
        "disagreements": differences,
    }


def _measure_processes(contestants, n_rounds, options):
    """Measure what only whole processes show; what was not asked for stays empty."""
    names = [contestant.name for contestant in contestants]
    times = {"searches": {}, "imports": {}, "first_fits": {}}
    if _is_chosen("searches", options):
        n_searches = max(1, n_rounds // 2)  # of 200 fits each
        times["searches"] = measure_searches(names, n_searches, options.quick)
    if _is_chosen("import", options):
        times["imports"] = measure_fresh(IMPORTS, names, n_rounds)
    if _is_chosen("first fit", options):
        times["first_fits"] = measure_fresh(FIRST_FITS, names, n_rounds)
    return times


def _installed(contestants):
    """Leave out what is not installed, and say so."""
    for contestant in contestants:
        if contestant.missing:
            _say(f"{contestant.title} left out, not installed: {contestant.missing}")
    return [contestant for contestant in contestants if not contestant.missing]


def _chosen(options):
    for table in all_tables():
        for workload in table.workloads:
            if _is_chosen(f"{table.title} {workload.name}", options):
                yield workload.shortened() if options.quick else workload


def _is_chosen(title, options):
    return any(text.lower() in title.lower() for text in options.workloads)


def run(workload, workers, n_rounds):
    """Run a workload on all workers in turn; return measurements and figures."""
    start = time.perf_counter()
    workers = [
        worker
        for worker in workers
        if worker.contestant.name not in workload.not_for and worker.prepare(workload)
    ]
    prepared = time.perf_counter() - start
    rounds = [[worker.measure() for worker in workers] for _ in range(n_rounds)]
    result, figures = {}, {}
    for worker, runs in zip(workers, zip(*rounds, strict=True), strict=True):
        name = worker.contestant.name
        figures[name] = figure_of(workload, worker.answer())
        result[name] = {
            "wall": [one.amount / workload.n_units_of_work for one in runs],
            "processor": [one.processor / workload.n_units_of_work for one in runs],
            "loss": figures[name] if isinstance(figures[name], float) else None,
        }
    seconds = time.perf_counter() - start
    _say(f"{workload.name}: {seconds:.1f} s, of which {prepared:.1f} to prepare")
    return result, figures


def _machine():
    return f"{_processor()}, {platform.system()}, Python {platform.python_version()}"


def _processor():
    """Return the name of the processor, as well as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return f"{models[0] if models else platform.machine()}, {len(models)} cores"


def _say(sentence):
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
