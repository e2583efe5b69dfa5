"""Calls of compiled rules by their addresses, from within compiled code."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["call_dropout", "call_on_rows", "call_update", "pointer_at"]

DOUBLE, WORD = ir.DoubleType(), ir.IntType(64)


@intrinsic
def call_on_rows(typingctx, address, arrays, numbers):
    """Call a rule with matrices of one shape and with the address of its numbers."""

    def codegen(context, builder, signature, args):
        matrices = _matrices(context, builder, signature.args[1], args[1])
        place = builder.inttoptr(args[2], DOUBLE.as_pointer())
        _call(builder, ir.VoidType(), args[0], [*matrices, place])
        return context.get_dummy_value()

    return types.void(types.int64, arrays, types.int64), codegen


@intrinsic
def call_dropout(typingctx, address, arrays, when, rate):
    """Call dropout with matrices of one shape, seed, step and layer, and its rate."""

    def codegen(context, builder, signature, args):
        matrices = _matrices(context, builder, signature.args[1], args[1])
        numbers = cgutils.unpack_tuple(builder, args[2])
        _call(builder, ir.VoidType(), args[0], [*matrices, *numbers, args[3]])
        return context.get_dummy_value()

    integers = types.UniTuple(types.int64, 3)
    return types.void(types.int64, arrays, integers, types.float64), codegen


def _matrices(context, builder, kinds, values):
    """Return where the data of matrices are, and their common shape."""
    matrices = [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(kinds, cgutils.unpack_tuple(builder, values), strict=True)
    ]
    shape = cgutils.unpack_tuple(builder, matrices[0].shape)
    return [*(matrix.data for matrix in matrices), *shape]


@intrinsic
def call_update(typingctx, address, vector, gradient, memory, start, how, numbers, step):
    """Call an optimizer's rule; return the sum of squares that it returns.

    `memory` are the addresses of arrays whose part from `start` on belongs to the vector,
    `how` four numbers in its precision, `step` the learning rate and the step's number.
    """

    def codegen(context, builder, signature, args):
        _, vector, gradient, memory, start, how, numbers, step = args
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(
                signature.args[1:4], (vector, gradient, memory), strict=True
            )
        ]
        passed = [array.data for array in arrays]
        passed += [start, *cgutils.unpack_tuple(builder, arrays[0].shape)]
        passed += cgutils.unpack_tuple(builder, how)
        passed.append(builder.inttoptr(numbers, DOUBLE.as_pointer()))
        passed += cgutils.unpack_tuple(builder, step)
        return _call(builder, DOUBLE, args[0], passed)

    kinds = types.int64, vector, gradient, memory, types.int64, how, types.int64
    return types.float64(*kinds, types.Tuple((types.float64, types.int64))), codegen


def _call(builder, result, address, passed):
    kind = ir.FunctionType(result, [value.type for value in passed])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), passed)


@intrinsic
def pointer_at(typingctx, addresses, place, start, like):
    """Return a pointer to what follows `start` in the array of an address."""

    def codegen(context, builder, signature, args):
        address = builder.load(builder.gep(args[0], [args[1]]))
        kind = context.get_value_type(signature.return_type)
        return builder.gep(builder.inttoptr(address, kind), [args[2]])

    pointer = types.CPointer(like.dtype)
    return pointer(addresses, types.int64, types.int64, like), codegen
