"""Measure the MPI engine on 1 and 2 ranks: ``python tests/benchmarks/scaling.py``.

Started by itself under mpirun it is also the program of a rank. A step is timed by a
learning rate that looks at the clock. Rounds of 1 and 2 ranks take turns.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import log2
from pathlib import Path
from statistics import median

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
RANKS = (8, 64, 512)
CABLES = {"Ethernet": (30e-6, 10e9 / 8), "InfiniBand": (2e-6, 100e9 / 8)}  # s, bytes/s
N_STEPS = 16


@dataclass(frozen=True)
class Network:
    """Layers, and two sizes of a batch between which a line is drawn."""

    layers: tuple
    batch_sizes: tuple

    @property
    def name(self):
        return "-".join(map(str, self.layers))

    @property
    def n_parameters(self):
        pairs = pairwise(self.layers)
        return sum((n_inputs + 1) * n_units for n_inputs, n_units in pairs)

    @property
    def n_bytes(self):
        return 4 * (self.n_parameters + 2)


NETWORKS = [
    Network((64, 50, 10), (256, 4096)),
    Network((784, 256, 10), (256, 2048)),
    Network((784, 1024, 1024, 10), (256, 1024)),
]


# -- what a rank does ------------------------------------------------------------------


class Clock:
    """A learning rate that notes when each step asked for it."""

    def __init__(self):
        self.times = {}

    def __call__(self, step, epoch, samples_seen):
        self.times[step] = time.perf_counter()  # the last one, where an epoch begins
        return 1e-4

    def seconds(self):
        """Return the seconds of each step, without the first ones."""
        times = list(self.times.values())[2:]
        return [after - before for before, after in pairwise(times)]


def rank_main():
    """Print what this rank, if it is the first, has measured."""
    from mpi4py import MPI

    warnings.simplefilter("ignore")
    comm, measured = MPI.COMM_WORLD, {}
    for network in NETWORKS:
        sizes = {size * times for size in network.batch_sizes for times in (1, comm.size)}
        steps = {size: seconds_per_step(network, size, comm) for size in sorted(sizes)}
        measured[network.name] = {
            "steps": steps,
            "allreduce": seconds_per_allreduce(network, comm),
        }
    if comm.rank == 0:
        print(json.dumps(measured))


def seconds_per_step(network, batch_size, comm):
    import numpy as np

    from skbackprop import BackpropClassifier
    from skbackprop.engines import MPIEngine

    n_classes = network.layers[-1]
    rng = np.random.RandomState(comm.rank)
    n_rows = 2 * batch_size // comm.size
    X = rng.standard_normal((n_rows, network.layers[0])).astype(np.float32)
    clock = Clock()
    BackpropClassifier(
        network.layers[1:-1],
        batch_size=batch_size,
        max_iter=N_STEPS // 2,
        learning_rate=clock,
        random_state=0,
        engine=MPIEngine(),
    ).fit(X, np.arange(n_rows) % n_classes)
    return median(clock.seconds())


def seconds_per_allreduce(network, comm):
    import numpy as np
    from mpi4py import MPI

    buffer, seconds = np.zeros(network.n_parameters + 2, np.float32), []
    for _ in range(50):
        comm.Barrier()
        start = time.perf_counter()
        comm.Allreduce(MPI.IN_PLACE, buffer)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


# -- what is made of it ----------------------------------------------------------------


def measure(n_rounds):
    """Return, for 1 and 2 ranks, the median over rounds of every figure."""
    rounds = [{n: run_ranks(n) for n in (1, 2)} for _ in range(n_rounds)]
    return {n: _medians([one[n] for one in rounds]) for n in (1, 2)}


def run_ranks(n_ranks):
    environment = os.environ | {
        "PYTHONPATH": str(PAGE.parents[1]),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",  # who waits lets others work
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    mpirun = Path(sys.executable).parent / "mpirun"
    command = [mpirun, "--oversubscribe", "-n", n_ranks, sys.executable, __file__, "--rank"]
    result = subprocess.run(
        list(map(str, command)),
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if result.returncode:
        raise SystemExit(result.stderr)
    return json.loads(result.stdout)


def _medians(rounds):
    first = rounds[0]
    if not isinstance(first, dict):
        return median(rounds)
    return {key: _medians([one[key] for one in rounds]) for key in first}


def line_of(network, measured):
    """Return seconds per update and per row, from steps with two sizes of the batch."""
    small, large = network.batch_sizes
    steps = measured[1][network.name]["steps"]
    row = (steps[str(large)] - steps[str(small)]) / (large - small)
    return max(0.0, steps[str(small)] - row * small), row


def allreduce(n_ranks, n_bytes, latency, bandwidth):
    """Return the seconds of an Allreduce by Rabenseifner's algorithm."""
    moved = 2 * (n_ranks - 1) / n_ranks * n_bytes
    return 2 * log2(n_ranks) * latency + moved / bandwidth


def smallest_batch(n_ranks, update, row, seconds):
    """Return the batch from which on half of the processors' time is put to use."""
    return (n_ranks * (update + seconds) - 2 * update) / row


def report(measured, load):
    """Return the tables as Markdown; `load` is that of the machine before the start."""
    lines = {network: line_of(network, measured) for network in NETWORKS}
    return "\n\n".join(
        [
            f"Measured on {date.today()}: {platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}, both ranks on one machine. Its load was "
            f"{load:.1f} before the start; above 1, ranks wait for processors and not only "
            "for each other, and the figures of 2 ranks are too bad.",
            _table(
                [
                    "network",
                    "parameters",
                    "bytes",
                    "update, ms",
                    "row, us",
                    "Allreduce, ms",
                ],
                [_cost(network, *lines[network], measured) for network in NETWORKS],
            ),
            _table(
                [
                    "network",
                    "batch",
                    "1 rank, ms",
                    "2 ranks, ms",
                    "model, ms",
                    "strong",
                    "weak",
                ],
                [
                    _scaling(network, size, *lines[network], measured)
                    for network in NETWORKS
                    for size in network.batch_sizes
                ],
            ),
            _table(
                ["smallest batch", *(f"{n}, {c}" for c in CABLES for n in RANKS)],
                [_pays(network, *lines[network]) for network in NETWORKS],
            ),
        ]
    )


def _cost(network, update, row, measured):
    seconds = measured[2][network.name]["allreduce"]
    return [
        network.name,
        f"{network.n_parameters:,}",
        f"{network.n_bytes:,}",
        f"{1e3 * update:.2f}",
        f"{1e6 * row:.2f}",
        f"{1e3 * seconds:.2f}",
    ]


def _scaling(network, size, update, row, measured):
    one, two = (measured[n][network.name] for n in (1, 2))
    alone, together = one["steps"][str(size)], two["steps"][str(size)]
    twice = two["steps"][str(2 * size)]
    model = update + row * size / 2 + two["allreduce"]
    return [
        network.name,
        f"{size:,}",
        *(f"{1e3 * seconds:.2f}" for seconds in (alone, together, model)),
        f"{alone / together / 2:.0%}",
        f"{alone / twice:.0%}",
    ]


def _pays(network, update, row):
    cells = [
        smallest_batch(n, update, row, allreduce(n, network.n_bytes, *cable))
        for cable in CABLES.values()
        for n in RANKS
    ]
    return [network.name, *(f"{_two_digits(cell):,}" for cell in cells)]


def _two_digits(number):
    return int(float(f"{max(1.0, number):.2g}"))


def _table(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="1 and 2 ranks, in turn")
    parser.add_argument("--update-docs", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    if options.rank:
        rank_main()
        return
    from report import replace_section

    load = os.getloadavg()[0]
    text = report(measure(options.rounds), load)
    print(text)
    if options.update_docs:
        PAGE.write_text(replace_section(PAGE.read_text(), text, "scaling.py"))


if __name__ == "__main__":
    main()
