"""What is measured: every workload, declared once, in the tables that they stand in."""

from dataclasses import dataclass

from workloads import Bundled, Goal, Synthetic, Workload

CHUNKS = (1, 10, 100)  # rows of a call
SLOW_TO_COMPILE = ("torch_compile",)  # ten seconds and more for each shape


@dataclass(frozen=True)
class Table:
    """Workloads whose results stand under one title."""

    title: str
    unit: str
    scale: float  # from seconds or bytes to the unit
    workloads: list[Workload]


def _training():
    small = {"task": "train", "data": Synthetic(20_000, 30)}
    one = {**small, "hidden": (100,), "batch_size": 200, "epochs": 5}
    two = {**small, "hidden": (64, 32), "batch_size": 200, "epochs": 5}
    tiny = {**small, "hidden": (64, 32), "batch_size": 32, "epochs": 2}
    large = {
        "task": "train",
        "data": Synthetic(9_984, 784),  # 78 whole batches: a last one of few rows is noise
        "hidden": (512, 256),
        "batch_size": 128,
        "tolerance": 0.1,  # 78 steps: another order moves the loss by 2 percent (sd)
    }
    return [
        *_both_precisions(
            "20,000 x 30, (100,), batch 200",
            one,
            _at_batch_200(3.3, 6.5),
            _at_batch_200(2.6, 4.8),
        ),
        *_both_precisions(
            "20,000 x 30, (64, 32), batch 200",
            two,
            _at_batch_200(3.3, 6.5),
            _at_batch_200(2.6, 4.8),
        ),
        *_both_precisions(
            "20,000 x 30, (64, 32), batch 32",
            tiny,
            _at_batch_32(4.2, 18),
            _at_batch_32(3.2, 11),
        ),
        *_both_precisions(
            "9,984 x 784, (512, 256), batch 128",
            large,
            _when_large(1.5, 2.2),
            _when_large(1.4, 2.0),
        ),
        Workload(
            name="10,000 x 64, 1,000 classes, batch 200, float32",
            task="train",
            data=Synthetic(10_000, 64, n_classes=1_000),
            epochs=2,
        ),
        Workload(
            name="digits, (32, 16) logistic, sgd, batch 1",
            task="train",
            data=Bundled("digits"),
            dtype="float64",
            hidden=(32, 16),
            activation="logistic",
            solver="sgd",
            learning_rate=0.05,
            batch_size=1,
            epochs=2,
            goals=(*_against_mlp(3.5, 60), Goal("numba", "jax", 1)),
        ),
    ]


def _both_precisions(name, settings, in_single, in_double):
    """Return the workload in float32 and in float64, with the goals of each."""
    return [
        Workload(name=f"{name}, {dtype}", dtype=dtype, **settings, goals=goals)
        for dtype, goals in (("float32", in_single), ("float64", in_double))
    ]


def _against_mlp(numpy, numba):
    return Goal("numpy", "sklearn", numpy), Goal("numba", "sklearn", numba)


def _at_batch_200(numpy, numba):
    peers = Goal("numba", "jax", 1.3), Goal("numba", "torch", 8)
    return *_against_mlp(numpy, numba), *peers


def _at_batch_32(numpy, numba):
    peers = Goal("numba", "jax", 1.5), Goal("numba", "torch", 25)
    return *_against_mlp(numpy, numba), *peers


def _when_large(numpy, numba):
    peers = Goal("numba", "jax", 1.15), Goal("numba", "torch", 1.15)
    return *_against_mlp(numpy, numba), *peers


def _fits():
    return [
        *(
            Workload(
                name=f"{name}, defaults",
                task="fit",
                data=Bundled(name),
                dtype="float64",
                goals=_against_mlp(2.8, 5.5),
            )
            for name in ("iris", "wine", "breast_cancer")
        ),
        Workload(
            name="digits, L-BFGS",
            task="fit",
            data=Bundled("digits"),
            dtype="float64",
            parameters={"solver": "lbfgs", "max_iter": 50},
            not_for=("numba",),
            goals=(Goal("numpy", "sklearn", 1.3),),
        ),
    ]


def _predictions():
    """Return calls of `predict`, which does not depend on the engine."""
    in_double = {"task": "predict", "dtype": "float64", "not_for": ("numba",)}
    small = {
        1: (Goal("numpy", "sklearn", 6), Goal("numpy", "torch", 1), Goal("numpy", "jax", 1))
    }
    classes = Synthetic(5_000, 64, n_classes=1_000)
    return [
        *(
            Workload(
                name=f"predict {_rows(n)}",
                **in_double,
                data=Bundled("digits"),
                rows_per_call=n,
                n_calls=500,
                goals=small.get(n, ()),
            )
            for n in CHUNKS
        ),
        Workload(
            name="predict 10,000 rows",
            **in_double,
            data=Synthetic(10_000, 64),
            n_calls=10,
            goals=(Goal("numpy", "sklearn", 1.2),),
        ),
        Workload(
            name="predict 5,000 rows, 1,000 classes",
            **in_double,
            data=classes,
            n_calls=4,
            goals=(Goal("numpy", "sklearn", 1.1),),
        ),
        Workload(
            name="predict 2,000 rows, (2048, 2048)",
            **in_double,
            data=Synthetic(2_000, 64),
            hidden=(2048, 2048),
            goals=(Goal("numpy", "sklearn", 1.0),),
        ),
    ]


def _partial_fits():
    goals = {1: (*_against_mlp(12, 30), Goal("numba", "jax", 1))}
    return [
        Workload(
            name=f"partial_fit {_rows(n)}",
            task="partial_fit",
            dtype="float64",
            data=Bundled("digits"),
            rows_per_call=n,
            n_calls=n_calls,
            goals=goals.get(n, ()),
        )
        for n, n_calls in zip(CHUNKS, (500, 300, 200), strict=True)
    ]


def _rows(n):
    return "one row" if n == 1 else f"{n} rows"


def _growth():
    rows = [
        Workload(
            name=f"{n:,} rows",
            task="train",
            data=Synthetic(n, 30),
            epochs=epochs,
            not_for=SLOW_TO_COMPILE,
        )
        for n, epochs in ((2_000, 50), (20_000, 5), (200_000, 1))
    ]
    width = [
        Workload(
            name=f"width {n}",
            task="train",
            data=Synthetic(n_rows, 30),
            hidden=(n, n),
            epochs=epochs,
            not_for=SLOW_TO_COMPILE,
        )
        for n, n_rows, epochs in (
            (16, 4_000, 40),
            (64, 4_000, 20),
            (256, 4_000, 4),
            (1024, 2_000, 1),
            (2048, 1_000, 1),
        )
    ]
    depth = [
        Workload(
            name=f"depth {n}",
            task="train",
            data=Synthetic(6_400, 30),
            hidden=(64,) * n,
            batch_size=32,
            learning_rate=0.0001,  # deep ones would differ by chance with a larger one
            epochs=2,
            not_for=SLOW_TO_COMPILE,
        )
        for n in (1, 2, 4, 8, 16)
    ]
    return rows, width, depth


def _memory():
    goals = _against_mlp(1 / 1.1, 1 / 1.1)
    small, many = Synthetic(20_000, 30), Synthetic(10_000, 30, n_classes=1_000)
    large = {"data": Synthetic(10_000, 784), "hidden": (512, 256), "batch_size": 128}
    return [
        Workload(
            name=f"memory of {name}, {dtype}",
            task="memory",
            dtype=dtype,
            **settings,
            goals=goals,
        )
        for name, settings in (
            ("20,000 x 30, (100,)", {"data": small}),
            ("10,000 x 30, (100,), 1,000 classes", {"data": many}),
            ("10,000 x 784, (512, 256)", large),
        )
        for dtype in ("float32", "float64")
    ]


def all_tables():
    """Return every table with its workloads."""
    rows, width, depth = _growth()
    per_step, per_call = ("microseconds per step", 1e6), ("microseconds per call", 1e6)
    return [
        Table("Training", *per_step, _training()),
        Table("Whole fits", "milliseconds per fit", 1e3, _fits()),
        Table("Prediction", *per_call, _predictions()),
        Table("Streams: partial_fit, one step for each call", *per_call, _partial_fits()),
        Table(
            "Growth with the number of rows: 30 columns, (100,), batch 200", *per_step, rows
        ),
        Table("Growth with the width: two hidden layers, batch 200", *per_step, width),
        Table("Growth with the depth: layers of 64 units, batch 32", *per_step, depth),
        Table("Memory of fit beyond X and y", "MiB", 2**-20, _memory()),
    ]
