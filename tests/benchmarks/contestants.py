"""Contestants, each in a process of its own with one thread, at the end of a pipe."""

import gc
import importlib
import multiprocessing
import os
import time
import traceback
import tracemalloc
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which

from threadpoolctl import threadpool_limits

# Before NumPy, PyTorch or JAX are imported; NPROC sizes the thread pool of XLA.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


@dataclass(frozen=True)
class Contestant:
    """A name, the modules it needs, and the class that does the work."""

    name: str
    title: str
    needs: tuple[str, ...]
    module: str
    factory: str
    arguments: tuple[str, ...] = ()
    compiler: str | None = None  # a program that it calls

    @property
    def missing(self):
        """The modules and the program that it needs and that are not installed."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if self.compiler and which(self.compiler) is None:
            missing.append(self.compiler)
        return missing


def engine(name):
    """Return one of skbackprop's engines as a contestant."""
    needs = ("skbackprop", "numba") if name == "numba" else ("skbackprop",)
    return Contestant(
        name, f"{name} engine", needs, "with_estimators", "WithSkbackprop", (name,)
    )


PEERS = {
    peer.name: peer
    for peer in (
        Contestant(
            "sklearn", "MLPClassifier", ("sklearn",), "with_estimators", "WithSklearn"
        ),
        Contestant("torch", "PyTorch", ("torch",), "with_torch", "WithTorch"),
        Contestant(
            "torch_compile",
            "torch.compile",
            ("torch",),
            "with_torch_compile",
            "WithTorchCompile",
            compiler="g++",
        ),
        Contestant("jax", "JAX", ("jax",), "with_jax", "WithJax"),
    )
}
FLOOR = Contestant("products", "bare products", ("numpy",), "with_products", "WithProducts")


def title_of(name):
    """Return how a contestant is called in a table."""
    for contestant in (*PEERS.values(), FLOOR):
        if contestant.name == name:
            return contestant.title
    return engine(name).title


@dataclass(frozen=True)
class Measurement:
    """What one run of a workload took."""

    amount: float  # seconds that went by, or bytes
    processor: float  # seconds of the processor, or the same bytes


class Worker:
    """A contestant in its process, which waits whenever it is not asked for something."""

    def __init__(self, contestant):
        self.contestant = contestant
        os.environ.update(ONE_THREAD)  # what is started from here inherits it
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, contestant), daemon=True
        )
        self._process.start()
        far_end.close()  # or a process that dies would never be noticed

    def versions(self):
        """Return the versions of what the contestant needs."""
        return self._ask("versions")

    def prepare(self, workload):
        """Get ready and run once unmeasured; say whether the contestant has this task."""
        return self._ask("prepare", workload)

    def measure(self):
        """Return the measurement of one run."""
        return self._ask("measure")

    def answer(self):
        """Return what the last run came to: parameters, or predicted labels."""
        return self._ask("answer")

    def _ask(self, *request):
        self._connection.send(request)
        succeeded, reply = self._connection.recv()
        if not succeeded:
            raise RuntimeError(f"{self.contestant.title} failed:\n{reply}")
        return reply


def _serve(connection, contestant):
    """Answer requests until the other side hangs up."""
    server = _Server(contestant)
    while True:
        try:
            method, *arguments = connection.recv()
        except EOFError:
            return
        try:
            reply = True, getattr(server, method)(*arguments)
        except Exception:
            reply = False, traceback.format_exc()
        connection.send(reply)


class _Server:
    """The far end of a :class:`Worker`."""

    def __init__(self, contestant):
        module = importlib.import_module(contestant.module)
        self._does = getattr(module, contestant.factory)(*contestant.arguments)
        self._needs = [importlib.import_module(name) for name in contestant.needs]
        threadpool_limits(1)  # of the libraries that are loaded by now

    def versions(self):
        return {module.__name__: module.__version__ for module in self._needs}

    def prepare(self, workload):
        task = getattr(self._does, workload.task, None)
        if task is None:
            return False
        self._is_memory = workload.task == "memory"
        self._run = task(workload, *workload.data.load(workload.dtype))
        self._answer = self._run()  # compiles, fills caches
        return True

    def measure(self):
        gc.collect()
        return self._measure_memory() if self._is_memory else self._measure_time()

    def answer(self):
        return self._answer

    def _measure_time(self):
        start, start_of_processor = time.perf_counter(), time.process_time()
        self._answer = self._run()
        seconds = time.perf_counter() - start
        return Measurement(seconds, time.process_time() - start_of_processor)

    def _measure_memory(self):
        """The largest sum of all allocations of Python and NumPy during the run."""
        tracemalloc.start()
        try:
            self._answer = self._run()
            n_bytes = tracemalloc.get_traced_memory()[1]
            return Measurement(n_bytes, n_bytes)
        finally:
            tracemalloc.stop()
