"""How functions are compiled: to loops without Python in them, once per precision.

Depth, widths and rules are numbers in arrays, so that nothing is compiled twice but for
float32 and float64. Literals take the precision of what they meet, ``type(x)(0.5)``: one
float64 would turn a loop over float32 into float64.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from numba import njit

__all__ = ["OPTIONS", "exact_kernel", "fingerprint", "glue", "kernel"]

# Sums may be reordered and products fused; a NaN stays one, so that divergence is seen.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": FASTMATH}
_INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # never called from Python

kernel = njit(**OPTIONS, **_INNER)  # compiled by itself
glue = njit(**OPTIONS, **_INNER, inline="always")  # compiled with what calls it
exact_kernel = njit(**{**OPTIONS, "fastmath": {"contract"}}, **_INNER)


def fingerprint() -> str:
    """Return what changes whenever the text of this engine does."""
    folder = Path(__file__).parent
    sources = sorted([*folder.glob("*.py"), folder.parent.parent / "network/dropout.py"])
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
