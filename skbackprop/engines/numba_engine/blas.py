"""Matrix products by SciPy's BLAS, called from within compiled code.

Numba compiles ``np.dot`` to the same calls, and to checks and copies that are not needed
here, which takes three times as long.
"""

from __future__ import annotations

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

__all__ = ["matmul"]

LETTERS = {types.float32: "s", types.float64: "d"}
PREFIX = "skbackprop_"
# BLAS reads integers of 32 or of 64 bits; the lower half comes first in memory.
WORD, CHARACTER = ir.IntType(64), ir.IntType(8)


def _name_functions():
    """Give BLAS names by which compiled code, which is kept in files, finds it again."""
    for letter in LETTERS.values():
        for name in (f"{letter}gemm", f"{letter}gemv"):
            address = get_cython_function_address("scipy.linalg.cython_blas", name)
            binding.add_symbol(PREFIX + name, address)


_name_functions()


@intrinsic
def matmul(typingctx, a, b, out):
    """Fill `out` with ``a @ b``, where `a` and `b` may be transposes; none may be empty."""

    def codegen(context, builder, signature, args):
        letter = LETTERS[signature.args[2].dtype]
        number, step = context.get_value_type(signature.args[2].dtype), WORD(1)
        a, b, out = (
            _Stored(context, builder, kind, value)
            for kind, value in zip(signature.args, args, strict=True)
        )
        result, sizes = (number(0), out.data), (b.columns, a.rows, a.columns)
        has_one_row, has_one_column = (
            builder.icmp_signed("==", n, WORD(1)) for n in (a.rows, b.columns)
        )
        with builder.if_else(has_one_column) as (is_column, is_none):
            with is_column:
                passed = (*a.shape, number(1), *a.place, b.data, step, *result, step)
                _call(builder, f"{letter}gemv", a.if_not_turned, *passed)
            with is_none, builder.if_else(has_one_row) as (is_row, is_matrix):
                with is_row:
                    passed = (*b.shape, number(1), *b.place, a.data, step, *result, step)
                    _call(builder, f"{letter}gemv", b.if_turned, *passed)
                with is_matrix:  # out.T = b.T @ a.T
                    flags = b.if_turned, a.if_turned
                    passed = (*sizes, number(1), *b.place, *a.place, *result, b.columns)
                    _call(builder, f"{letter}gemm", *flags, *passed)
        return context.get_dummy_value()

    return types.void(a, b, out), codegen


class _Stored:
    """A matrix as BLAS finds it in memory, where it expects column after column."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value)
        self.data = array.data
        self.rows, self.columns = cgutils.unpack_tuple(builder, array.shape)
        is_turned = kind.layout == "C"  # BLAS sees the transpose
        self.shape = (self.columns, self.rows) if is_turned else (self.rows, self.columns)
        self.place = array.data, self.shape[0]
        as_it_is, transpose = (CHARACTER(ord(flag)) for flag in "NT")
        self.if_turned = as_it_is if is_turned else transpose  # the transpose is wanted
        self.if_not_turned = transpose if is_turned else as_it_is


def _call(builder, name, *values):
    """Call BLAS, which takes the address of each number."""
    passed = [
        value
        if isinstance(value.type, ir.PointerType)
        else cgutils.alloca_once_value(builder, value)
        for value in values
    ]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
    function = cgutils.get_or_insert_function(builder.module, kind, PREFIX + name)
    builder.call(function, passed)
