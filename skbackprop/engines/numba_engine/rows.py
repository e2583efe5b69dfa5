"""Views of arrays, and loops over rows that several kernels share.

Views count no references, which takes as long as the arithmetic where a batch has one row.
The caller of the compiled function keeps the arrays.
"""

from __future__ import annotations

from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from .compilation import OPTIONS, glue
from .numerics import exp

__all__ = [
    "add_rows",
    "add_to_rows",
    "bare",
    "copy",
    "exp_of_rows",
    "fill",
    "flat",
    "matrix",
    "multiply",
    "prefetch",
    "sum_beside_one",
    "sum_of",
    "sum_of_products",
]


@intrinsic
def _pointer(typingctx, a, start):
    """Return a pointer to an element of an array without gaps."""

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.gep(array.data, [args[1]])

    return types.CPointer(a.dtype)(a, types.intp), codegen


def bare(a):
    """Return a view of all."""
    return a


def flat(a):
    """Return a view without rows, which may be too short for vector instructions."""
    return a.reshape(a.size)


def matrix(a, start, n_rows, n_columns):
    """Return a view of a part of a flat array."""
    return a[start : start + n_rows * n_columns].reshape((n_rows, n_columns))


@overload(bare, jit_options=OPTIONS)
def _bare(a):
    return lambda a: carray(_pointer(a, 0), a.shape)


@overload(flat, jit_options=OPTIONS)
def _flat(a):
    return lambda a: carray(_pointer(a, 0), a.size)


@overload(matrix, jit_options=OPTIONS)
def _matrix(a, start, n_rows, n_columns):
    def matrix(a, start, n_rows, n_columns):
        return carray(_pointer(a, start), (n_rows, n_columns))

    return matrix


@intrinsic
def prefetch(typingctx, a, row, place):
    """Ask for an element of a matrix, and what shares its cache line, ahead of its use.

    Rows that a permutation scatters over memory are waited for otherwise.
    """

    def codegen(context, builder, signature, args):
        matrix = context.make_array(signature.args[0])(context, builder, args[0])
        address = cgutils.get_item_pointer(
            context, builder, signature.args[0], matrix, args[1:]
        )
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, data = word(0), word(3), word(1)
        builder.call(function, [builder.bitcast(address, byte), to_read, keep, data])
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp), codegen


@glue
def fill(out, value):
    """Fill `out` with a value."""
    for i in range(len(out)):
        out[i] = value


@glue
def copy(a, out):
    """Fill `out` with a."""
    for i in range(len(out)):
        out[i] = a[i]


@glue
def multiply(factors, out):
    """Multiply `out` by factors, in place."""
    for i in range(len(out)):
        out[i] *= factors[i]


@glue
def sum_of(a):
    """Return the sum."""
    total = type(a[0])(0)
    for i in range(len(a)):
        total += a[i]
    return total


@glue
def sum_beside_one(z, exponentials):
    """Return the sum of exp(z) without the largest, which is 1, of z up to 0."""
    zero = type(z[0])(0)
    total, n_largest = zero, 0
    for i in range(len(z)):
        total += exponentials[i] if z[i] < zero else zero
        n_largest += 0 if z[i] < zero else 1
    return total + type(z[0])(n_largest - 1)


@glue
def sum_of_products(a, b):
    """Return the inner product."""
    total = type(a[0])(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@glue
def add_to_rows(bias, out):
    """Add the same bias to each row of `out`, in place."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += bias[j]


@glue
def add_rows(a, out):
    """Add all rows of `a` to `out`, in place."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j] += a[i, j]


@glue
def exp_of_rows(z, out):
    """Fill `out` with exp(z - largest of the row), which cannot overflow; z is changed."""
    for i in range(z.shape[0]):
        top = z[i, 0]
        for j in range(1, z.shape[1]):
            top = z[i, j] if z[i, j] > top else top
        for j in range(z.shape[1]):
            z[i, j] -= top
    shifted, exponentials = flat(z), flat(out)
    for i in range(len(shifted)):
        exponentials[i] = exp(shifted[i])
