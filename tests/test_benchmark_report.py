"""What the benchmark command makes of measurements: tables, and a chart for everybody."""

import importlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

SECONDS = {"sklearn": 6e-4, "numpy": 2e-4, "numba": 1e-4, "torch": 6e-4, "jax": 0.5e-4}


@pytest.fixture
def benchmarks(monkeypatch):
    """Import a module of the benchmarks, which lie in a folder of programs."""
    monkeypatch.syspath_prepend(Path(__file__).with_name("benchmarks"))
    return importlib.import_module


@pytest.fixture
def record(benchmarks):
    """Every workload of the chart, in which the machine had half of its time to spare."""
    runs = {
        name: {"wall": [2 * s] * 3, "processor": [s] * 3} for name, s in SECONDS.items()
    }
    return {
        "date": "2026-01-01",
        "machine": "a machine",
        "versions": {"numpy": "2.0"},
        "n_rounds": 3,
        "is_quick": False,
        "engines": ["numpy", "numba"],
        "peers": ["sklearn", "torch", "jax"],
        "results": {
            name: {one: {**times, "loss": 0.5} for one, times in runs.items()}
            for name in benchmarks("chart").SHOWN
        },
        **{"searches": {}, "imports": {}, "first_fits": {}, "disagreements": []},
    }


def test_the_chart_has_a_mark_for_every_contestant_and_its_numbers_in_words(
    benchmarks, record
):
    chart = benchmarks("chart")
    root = ElementTree.fromstring(chart.draw(record, "processor"))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    n_marks = tags.count("circle") + tags.count("polygon")
    assert n_marks == 4 * (len(chart.SHOWN) + 1)  # with the legend
    text = chart.section(record, "processor")
    assert text.count("numpy engine 3, numba engine 6, PyTorch 1, JAX 12") == len(
        chart.SHOWN
    )
    assert "JAX is faster at: train, batches of 200 (2 times)" in text


def test_tables_show_both_clocks_and_how_far_goals_are(benchmarks, record):
    text = benchmarks("report").report(record, "processor")
    assert "| 400 (200) | 200 (100) |" in " ".join(text.split())
    assert "used 0.50 to 0.50 of a core" in text
    # 6 times as fast as MLPClassifier where 6.5 was wanted, half as fast as JAX and not 1.3
    assert "missed by 8%" in text
    assert "missed by 62%" in text


def test_a_section_can_be_written_again_and_again(benchmarks):
    replace = benchmarks("report").replace_section
    page = "head\n<!-- begin: written by tests/benchmarks/run.py -->\n\nold\n\n"
    page += "<!-- end: written by tests/benchmarks/run.py -->\ntail\n"
    once = replace(page, "new")
    assert once == replace(once, "new")
    assert "old" not in once
    with pytest.raises(ValueError, match="lacks the marks"):
        replace("a page without marks", "new")
