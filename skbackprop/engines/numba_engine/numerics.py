"""Exponentials and logarithms that become vector instructions.

The mathematical library's take one number at a time. These are plain arithmetic, right to
two units in the last place.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from .compilation import exact_kernel, glue

__all__ = [
    "exp",
    "expm1",
    "in_precision_of",
    "log1p_of_part",
    "normal_probability",
    "sigmoid",
    "sign",
    "softplus",
    "tanh",
]


@intrinsic
def in_precision_of(typingctx, x, numbers):
    """Return a tuple of numbers in the precision of x."""

    def codegen(context, builder, signature, args):
        items = cgutils.unpack_tuple(builder, args[1])
        cast = [context.cast(builder, item, numbers.dtype, x) for item in items]
        return context.make_tuple(builder, signature.return_type, cast)

    return types.UniTuple(x, numbers.count)(x, numbers), codegen


@intrinsic
def _half_power_of_two(typingctx, shifted):
    """Return 2^(k - 1) for ``shifted = k + 1.5 * 2^digits``, whose last bits are k."""
    width = shifted.bitwidth
    n_digits, bits_of_half = {32: (23, 0x3F000000), 64: (52, 0x3FE0000000000000)}[width]

    def codegen(context, builder, signature, args):
        integer = ir.IntType(width)
        exponent = builder.shl(builder.bitcast(args[0], integer), integer(n_digits))
        return builder.bitcast(builder.add(exponent, integer(bits_of_half)), args[0].type)

    return shifted(shifted), codegen


def _split_exp(x):
    """Return ``scale, p`` with ``exp(x) = 2 scale (1 + p)``, where p is small."""


@overload(_split_exp, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _split_exp_of(x):
    if x == types.float64:
        dtype, n_digits = np.float64, 52
        high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
        smallest, largest = -708.3, 710.0
    else:
        dtype, n_digits = np.float32, 23
        high, low = 0.693359375, -2.12194440054690583e-04
        smallest, largest = -87.0, 89.0
    # from largest on the result is infinite, from smallest down the scale is 0
    smallest, largest = dtype(smallest), dtype(largest)
    # log(2) is high + low; high has so few digits that its multiples are exact
    high, low, per_log_2 = dtype(high), dtype(low), dtype(1 / math.log(2))
    rounder = dtype(1.5 * 2**n_digits)
    c2, c3, c4, c5, c6, c7 = (dtype(1 / math.factorial(n)) for n in range(2, 8))
    c8, c9, c10, c11, c12, c13 = (dtype(1 / math.factorial(n)) for n in range(8, 14))

    def split(x):
        x = smallest if x < smallest else (largest if x > largest else x)
        shifted = x * per_log_2 + rounder
        k = shifted - rounder
        r = (x - k * high) - k * low  # |r| <= log(2) / 2
        # Taylor's series of exp(r) - 1: what is left out of it is below rounding
        p = c9 + r * (c10 + r * (c11 + r * (c12 + r * c13)))
        p = c5 + r * (c6 + r * (c7 + r * (c8 + r * p)))
        p = r + r * r * (c2 + r * (c3 + r * (c4 + r * p)))
        return _half_power_of_two(shifted), p

    return split


@exact_kernel
def exp(x):
    """Return e^x; 0 where that would be subnormal."""
    scale, p = _split_exp(x)
    return scale * (type(x)(2) + (p + p))


@exact_kernel
def expm1(x):
    """Return e^x - 1 without cancellation, for x far from overflow."""
    scale, p = _split_exp(x)
    scale += scale
    return scale * p + (scale - type(x)(1))


def log1p_of_part(x):
    """Return log(1 + x) for x from 0 to 1."""


@overload(log1p_of_part, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _log1p_of_part(x):
    dtype = np.float64 if x == types.float64 else np.float32
    two = dtype(2)
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = (dtype(2 / n) for n in range(1, 18, 2))
    c9, c10, c11, c12, c13, c14, c15, c16 = (dtype(2 / n) for n in range(19, 34, 2))

    def log1p(x):
        s = x / (two + x)  # up to 1 / 3; log(1 + x) = 2 artanh(s) = 2 (s + s^3 / 3 + ...)
        t = s * s
        p = c12 + t * (c13 + t * (c14 + t * (c15 + t * c16)))
        p = c8 + t * (c9 + t * (c10 + t * (c11 + t * p)))
        p = c4 + t * (c5 + t * (c6 + t * (c7 + t * p)))
        return s * (c0 + t * (c1 + t * (c2 + t * (c3 + t * p))))

    return log1p


@glue
def sigmoid(z):
    """Return 1 / (1 + e^-z)."""
    one = type(z)(1)
    return one / (one + exp(-z))


@glue
def tanh(z):
    """Return the hyperbolic tangent, (e^2z - 1) / (e^2z + 1)."""
    two, enough = type(z)(2), type(z)(20)
    size = abs(z)
    m = expm1(two * (enough if size > enough else size))
    return math.copysign(m / (m + two), z)


@glue
def softplus(z):
    """Return log(1 + e^z), where nothing overflows."""
    zero = type(z)(0)
    return log1p_of_part(exp(-abs(z))) + (zero if z < zero else z)


@glue
def normal_probability(z):
    """Return the probability that a standard normal number is at most z."""
    return type(z)(0.5) * math.erfc(-z * type(z)(math.sqrt(0.5)))


@glue
def sign(x):
    """Return 1, -1, or 0 for zero and NaN."""
    zero, one = type(x)(0), type(x)(1)
    return one if x > zero else (-one if x < zero else zero)
