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
from chart import draw
from contestants import FLOOR, PEERS, Worker, engine
from fresh import FIRST_FITS, IMPORTS, measure_fresh
from report import replace_section, report
from threads import measure_threads
from workloads import all_tables

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def main():
    options = _options()
    record = json.loads(options.show.read_text()) if options.show else measure(options)
    text = report(record)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))
    if options.update_docs:
        PAGE.write_text(replace_section(PAGE.read_text(), text))
        draw()
    for sentence in record["disagreements"]:
        _say(f"NOT THE SAME PROBLEM: {sentence}")
    return len(record["disagreements"])


def _options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--peers", type=_peers, default=list(PEERS), help="of sklearn, torch, jax")
    add("--engines", type=_names, default=["numpy", "numba"], help="numpy, numba, auto")
    add("--only", default="", help="workloads, or tables, whose name contains this")
    add("--rounds", type=int, default=7, help="how often everything is repeated")
    add("--quick", action="store_true", help="small and once: does everything work?")
    add("--json", type=Path, help="write all measurements to this file")
    add("--show", type=Path, help="show such a file instead of measuring")
    add(
        "--update-docs", action="store_true", help="write the tables to docs/performance.md"
    )
    return parser.parse_args()


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
    times = {"imports": {}, "first_fits": {}, "threads": {}}
    if _is_chosen("import", options):
        times["imports"] = measure_fresh(IMPORTS, names, n_rounds)
    if _is_chosen("first fit", options):
        times["first_fits"] = measure_fresh(FIRST_FITS, names, n_rounds)
    if _is_chosen("threads", options):
        times["threads"] = measure_threads(n_rounds, max_iter=2 if options.quick else 40)
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


def _is_chosen(text, options):
    return options.only.lower() in text.lower()


def run(workload, workers, n_rounds):
    """Run a workload on all workers in turn; return measurements and figures."""
    start = time.perf_counter()
    workers = [
        worker
        for worker in workers
        if worker.contestant.name not in workload.not_for and worker.prepare(workload)
    ]
    rounds = [[worker.measure() for worker in workers] for _ in range(n_rounds)]
    result, figures = {}, {}
    for worker, runs in zip(workers, zip(*rounds, strict=True), strict=True):
        name = worker.contestant.name
        figures[name] = figure_of(workload, worker.answer())
        result[name] = {
            "amounts": [one.amount / workload.n_units_of_work for one in runs],
            "cores": [one.cores for one in runs],
            "loss": figures[name] if isinstance(figures[name], float) else None,
        }
    _say(f"{workload.name}: {time.perf_counter() - start:.1f} s")
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
