"""Functions: a part of a rule becomes the address of a compiled function."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core.errors import NumbaError

from ...elementwise import Formula, NotElementwise, read
from . import activations, loops, losses
from .calls import pointer_at
from .compilation import ENGINE, address_of, glue, make
from .dropout import fill_and_multiply
from .numerics import FUNCTIONS
from .parts import Part
from .rows import matrix_at

__all__ = ["dropout_of", "function_of"]

KERNELS = {
    **{"softmax": activations.softmax, "softmax_slope": activations.softmax_slope},
    **{"log_loss": losses.log_loss, "focal": losses.focal},
    "quantiles": losses.quantiles,
}
N_ARRAYS = {"forward": 3, "backward": 2, "value_and_delta": 3}  # that a function takes


@lru_cache(maxsize=256)
def function_of(part: Part, dtype: np.dtype) -> int:
    """Return the address of the compiled part of a rule, in a precision."""
    real = np.float64 if dtype == np.float64 else np.float32
    text, formula = _text_of(part)
    if formula is None:
        helpers = _Helpers({"kernel": KERNELS[part.kernel]}, part.kernel)
    else:
        helpers = _helpers(formula, real)
    title = part.kernel or formula.function.__qualname__
    try:
        return _compiled(title, text, helpers, real, _signature(part, real))
    except NumbaError as error:
        reason = str(error).strip().splitlines()[-1]
        raise NotElementwise(f"{title} ({type(error).__name__}: {reason}).") from error


@lru_cache
def dropout_of(dtype: np.dtype) -> int:
    """Return the address of compiled dropout, in a precision."""
    real = np.float64 if dtype == np.float64 else np.float32
    array, integer = types.CPointer(_number(real)), types.int64
    return _compiled(
        "dropout",
        loops.around_kernel(3, "seed, step, layer, rate"),
        _Helpers({"kernel": fill_and_multiply}, ""),
        real,
        types.void(*[array] * 3, *[integer] * 5, types.float64),
    )


def _compiled(title, text, helpers, real, signature):
    names = {"real": real, "matrix_at": matrix_at, "pointer_at": pointer_at}
    names |= helpers.names
    stamp = sha256(f"{ENGINE}{text}{helpers.text}{real}".encode()).hexdigest()[:24]
    name = f"{re.sub(r'[^A-Za-z0-9]+', '_', title)}_{stamp}"
    return address_of(text.replace("NAME", name, 1), name, names, signature)


def _number(real):
    return types.float64 if real is np.float64 else types.float32


def _text_of(part):
    formula = part.formula
    if formula is None:
        return loops.around_kernel(N_ARRAYS[part.method]), None
    make = {
        "forward": lambda: loops.activation(formula, part.is_in_place),
        "backward": lambda: loops.derivative(formula),
        "value_and_delta": lambda: loops.loss(formula),
        "update": lambda: loops.update(formula, part.memory),
    }
    return make[part.method](), formula


def _signature(part, real):
    number = _number(real)
    array, numbers = types.CPointer(number), types.CPointer(types.float64)
    if part.method == "update":
        addresses = types.CPointer(types.int64)
        return types.float64(
            *(array, array, addresses, types.int64, types.int64),
            *(number, number, number, number),
            *(numbers, types.float64, types.int64),
        )
    arrays = [array] * N_ARRAYS[part.method]
    return types.void(*arrays, types.int64, types.int64, numbers)


class _Helpers(NamedTuple):
    """The functions that a formula calls, and the text that they amount to."""

    names: dict[str, Callable[..., Any]]
    text: str


def _helpers(formula: Formula, real: type) -> _Helpers:
    names, texts = {}, []
    for name, value in formula.scope.items():
        own = loops.function_name(name)
        if callable(value):  # a name may stand for another function in another scope
            texts.append(f"{own}: {value.__name__}")
        if value in FUNCTIONS:
            names[own] = FUNCTIONS[value]
        elif isinstance(value, FunctionType):
            inner = _helpers(read(value), real)
            text = loops.helper(read(value))
            texts[-1:] = [text, inner.text]
            names[own] = glue(make(text, "NAME", {"real": real, **inner.names}))
        elif callable(value):
            names[own] = value
    return _Helpers(names, "".join(texts))
