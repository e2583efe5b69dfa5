"""How functions are compiled: to loops without Python in them, once per precision.

Depth, widths and the addresses of rules are numbers in arrays, so that the loop over the
batches is compiled once for float32 and once for float64. Literals take the precision of
what they meet, ``type(x)(0.5)``: one float64 would turn a loop over float32 into float64.

Rules are compiled one by one, when they are first used, and called by their addresses.
Nothing counts references, which takes as long as the arithmetic where a batch has one row.
The caller of the compiled function keeps the arrays, and no kernel makes any.

Numba keeps compiled code as long as the file that a function is from stays the same and
its name and code too. A rule's function says that it is from this file; its name holds
what its text, and the text of all that it calls, amounts to.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any

from numba import cfunc, njit

__all__ = [
    "OPTIONS",
    "address_of",
    "entry_point",
    "exact_kernel",
    "fingerprint",
    "glue",
    "kernel",
    "make",
]

# Sums may be reordered and products fused; a NaN stays one, so that divergence is seen.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
_RULE = {"_nrt": False, "error_model": "numpy", "fastmath": FASTMATH}
OPTIONS = {"nogil": True, **_RULE}
_INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # never called from Python

kernel = njit(**OPTIONS, **_INNER)  # compiled by itself
glue = njit(**OPTIONS, **_INNER, inline="always")  # compiled with what calls it
exact_kernel = njit(**{**OPTIONS, "fastmath": {"contract"}}, **_INNER)


def fingerprint() -> str:
    """Return what changes whenever the text of this engine does."""
    folder = Path(__file__).parent
    sources = sorted(
        [*folder.glob("*.py"), folder.parent.parent / "network" / "dropout.py"]
    )
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


ENGINE = fingerprint()
_compiled: dict[str, Any] = {}  # by name; what has an address is never given back
_lock = Lock()


def entry_point(function: Any) -> Any:
    """Compile a function that Python calls, and keep the code in files of its own.

    Numba writes which file has the code before it writes the code, and gives the files of
    a changed function the same numbers again. A process that looks in between would run
    the code of before, so the name of the files says of which text they are.
    """
    function.__qualname__ = f"{function.__name__}_{ENGINE[:16]}"
    return njit(**OPTIONS, cache=True)(function)


def make(text: str, name: str, names: dict[str, Any]) -> FunctionType:
    """Return the function that a text defines, as one of this file."""
    module = compile(text, __file__, "exec")
    space = {"__name__": __name__, **names}
    return FunctionType(module.co_consts[0], space, name)


def address_of(text: str, name: str, names: dict[str, Any], signature: Any) -> int:
    """Return the address of the compiled function that a text defines.

    `name` stands for the text and all that `names` hold.
    """
    with _lock:
        if name not in _compiled:
            function = make(text, name, names)
            _compiled[name] = cfunc(signature, cache=True, **_RULE)(function)
        return _compiled[name].address
