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
from scipy import special

from .compilation import exact_kernel, glue

__all__ = [
    "FUNCTIONS",
    "exp",
    "expm1",
    "in_precision_of",
    "log1p",
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


# log(2) in two parts; the first has so few digits that its multiples are exact
LOG_2 = {
    np.float64: np.array([6.93147180369123816490e-01, 1.90821492927058770002e-10]),
    np.float32: np.array([0.693359375, -2.12194440054690583e-04], np.float32),
}


def _split_exp(x):
    """Return ``scale, p`` with ``exp(x) = 2 scale (1 + p)``, where p is small."""


@overload(_split_exp, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _split_exp_of(x):
    if x == types.float64:
        dtype, n_digits = np.float64, 52
        smallest, largest = -708.3, 710.0
    else:
        dtype, n_digits = np.float32, 23
        smallest, largest = -87.0, 89.0
    # from largest on the result is infinite, from smallest down the scale is 0
    smallest, largest = dtype(smallest), dtype(largest)
    (high, low), per_log_2 = LOG_2[dtype], dtype(1 / math.log(2))
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
    """Return e^x - 1 without cancellation."""
    scale, p = _split_exp(x)
    half = scale * p + (scale - type(x)(0.5))
    return half + half


@intrinsic
def _split_log(typingctx, x):
    """Return ``k, m`` with ``x = 2^k m`` and m from sqrt(1/2) to sqrt(2), for normal x."""
    width = x.bitwidth
    n_digits, root_half, of_rounder = {
        32: (23, 0x3F3504F3, 0x4B400000),
        64: (52, 0x3FE6A09E667F3BCD, 0x4338000000000000),
    }[width]

    def codegen(context, builder, signature, args):
        integer, real = ir.IntType(width), args[0].type
        bits = builder.bitcast(args[0], integer)
        k = builder.ashr(builder.sub(bits, integer(root_half)), integer(n_digits))
        m = builder.sub(bits, builder.shl(k, integer(n_digits)))
        shifted = builder.bitcast(builder.add(k, integer(of_rounder)), real)
        rounder = builder.bitcast(integer(of_rounder), real)
        items = [builder.fsub(shifted, rounder), builder.bitcast(m, real)]
        return context.make_tuple(builder, signature.return_type, items)

    return types.UniTuple(x, 2)(x), codegen


def log1p(x):
    """Return log(1 + x)."""


@overload(log1p, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _log1p(x):
    dtype = np.float64 if x == types.float64 else np.float32
    zero, one, two = dtype(0), dtype(1), dtype(2)
    infinity, not_a_number = dtype(np.inf), dtype(np.nan)
    high, low = LOG_2[dtype]
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = (dtype(2 / n) for n in range(1, 18, 2))
    c9, c10, c11, c12, c13, c14, c15, c16 = (dtype(2 / n) for n in range(19, 34, 2))

    def log1p(x):
        u = one + x
        k, m = _split_log(u)
        lost = (one - (u - x) if x > one else x - (u - one)) / u  # in rounding u
        is_part = (x >= zero) & (x <= one)
        k, lost = zero if is_part else k, zero if is_part else lost
        f = x if is_part else m - one
        s = f / (two + f)  # up to 1 / 3; log(1 + f) = 2 artanh(s) = 2 (s + s^3 / 3 + ...)
        t = s * s
        p = c12 + t * (c13 + t * (c14 + t * (c15 + t * c16)))
        p = c8 + t * (c9 + t * (c10 + t * (c11 + t * p)))
        p = c4 + t * (c5 + t * (c6 + t * (c7 + t * p)))
        p = s * (c0 + t * (c1 + t * (c2 + t * (c3 + t * p))))
        p = k * high + (p + (k * low + lost))
        p = p if x < infinity else x
        return p if u > zero else (-infinity if u == zero else not_a_number)

    return log1p


@glue
def tanh(z):
    """Return the hyperbolic tangent, (e^2z - 1) / (e^2z + 1)."""
    two, enough = type(z)(2), type(z)(20)
    size = abs(z)
    m = expm1(two * (enough if size > enough else size))
    return math.copysign(m / (m + two), z)


@glue
def sqrt(x):
    return math.sqrt(x)


@glue
def log(x):
    return math.log(x)


@glue
def absolute(x):
    return abs(x)


@glue
def ndtr(z):
    """Return the probability that a standard normal number is at most z."""
    return type(z)(0.5) * math.erfc(-z * type(z)(math.sqrt(0.5)))


@glue
def expit(z):
    """Return 1 / (1 + e^-z)."""
    one = type(z)(1)
    return one / (one + exp(-z))


@glue
def sign(x):
    """Return 1, -1, or 0 for zero and NaN."""
    zero, one = type(x)(0), type(x)(1)
    return one if x > zero else (-one if x < zero else zero)


@glue
def where(condition, x, y):
    return x if condition else y


@glue
def maximum(x, y):
    """Return the larger one; NaN where one of them is."""
    return y if (x < y) | (y != y) else x


@glue
def minimum(x, y):
    """Return the smaller one; NaN where one of them is."""
    return y if (y < x) | (y != y) else x


@glue
def clip(x, low, high):
    x = low if x < low else x
    return high if x > high else x


#: What stands in compiled formulas for the functions of NumPy and SciPy. The other ufuncs
#: of NumPy are left to Numba, which takes one number at a time.
FUNCTIONS = {
    **{np.exp: exp, np.expm1: expm1, np.log: log, np.log1p: log1p, np.sqrt: sqrt},
    **{np.tanh: tanh, np.sign: sign, np.abs: absolute, abs: absolute},
    **{np.where: where, np.maximum: maximum, np.minimum: minimum, np.clip: clip},
    **{special.ndtr: ndtr, special.expit: expit},
}
