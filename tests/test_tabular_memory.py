"""A table of 100,000 rows and 30 columns fits into the memory that is promised for it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.scaling,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PROGRAM = """
import numpy as np, pandas as pd
from pathlib import Path
from skbackprop import TabularRegressor

rng = np.random.default_rng(0)
columns = {f"x{j}": rng.standard_normal(100_000) for j in range(24)}
letters = rng.choice(list("abcdefgh"), (6, 100_000))
columns |= {f"c{j}": pd.Categorical(column) for j, column in enumerate(letters)}
y = columns["x0"] + rng.standard_normal(100_000)
table = pd.DataFrame(columns)
model = TabularRegressor(n_bins=24, max_iter=1, engine="numpy").fit(table, y)
model.predict_interval(table[:1000])
model.predict(table)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.timeout(600)
def test_a_hundred_thousand_rows_take_less_than_a_gigabyte_and_a_half():
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert int(result.stdout) < 1.5 * 2**20  # kB
