"""Vectors: several registers of the processor, full of numbers, as values in kernels.

Numba makes vector instructions of most loops by itself. It cannot keep the running sum of
rows in registers, which these are for. A vector is as long as registers allow, or a quarter
of that; the short one may end before its last number.
"""

from __future__ import annotations

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LONG",
    "SHORT",
    "add",
    "add_multiple",
    "add_product",
    "load",
    "store",
    "sum_of_lanes",
    "zeros",
]


def _features():
    """Return the features of the processors that Numba compiles for."""
    by_hand = config.CPU_FEATURES  # from the environment
    features = get_host_cpu_features() if by_hand is None else by_hand
    return {name[1:] for name in features.split(",") if name.startswith("+")}


_FEATURES = _features()
_REGISTER = 64 if "avx512f" in _FEATURES else 32 if "avx" in _FEATURES else 16  # bytes
# A sum, weights and a row each need as many registers; of 16 or 32 there are.
LONG = _REGISTER * (4 if _REGISTER == 32 else 8)
SHORT = LONG // 4
_INDEX = ir.IntType(32)


class Vector(types.Type):
    """A number of bytes that hold numbers of a precision."""

    def __init__(self, dtype, n_bytes):
        self.dtype, self.n_lanes = dtype, n_bytes * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype}, {self.n_lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.n_lanes))


def zeros(n_bytes):
    """Make the function that returns a vector of zeros in the precision of an array."""

    @intrinsic
    def zeros(typingctx, a):
        def codegen(context, builder, signature, args):
            return context.get_constant_null(signature.return_type)

        return Vector(a.dtype, n_bytes)(a), codegen

    return zeros


@intrinsic
def load(typingctx, like, a, row, column):
    """Return the numbers of a row from a column on, in a vector like another.

    A short one has zeros where the row has ended.
    """

    def codegen(context, builder, signature, args):
        where = _Place(context, builder, signature.args[1], like, args[1:])
        if where.mask is None:
            return builder.load(where.pointer, align=where.size)
        nothing = ir.Constant(where.kind, None)
        return where.call(
            "load", where.kind, where.pointer, where.align, where.mask, nothing
        )

    return like(like, a, types.intp, types.intp), codegen


@intrinsic
def store(typingctx, vector, a, row, column):
    """Fill a row from a column on, as far as it goes."""

    def codegen(context, builder, signature, args):
        where = _Place(context, builder, signature.args[1], vector, args[1:])
        if where.mask is None:
            builder.store(args[0], where.pointer, align=where.size)
        else:
            void = ir.VoidType()
            where.call("store", void, args[0], where.pointer, where.align, where.mask)
        return context.get_dummy_value()

    return types.void(vector, a, types.intp, types.intp), codegen


class _Place:
    """Where a vector lies in a matrix, and which of its numbers do."""

    def __init__(self, context, builder, array_type, vector, args):
        array, row, column = args
        self.builder, self.size = builder, vector.dtype.bitwidth // 8
        self.kind, self.align = context.get_value_type(vector), _INDEX(self.size)
        struct = context.make_array(array_type)(context, builder, array)
        element = cgutils.get_item_pointer(
            context, builder, array_type, struct, [row, column]
        )
        self.pointer = builder.bitcast(element, self.kind.as_pointer())
        self.mask = None
        if vector.n_lanes * self.size == SHORT:
            n_columns = cgutils.unpack_tuple(builder, struct.shape)[1]
            left = builder.trunc(builder.sub(n_columns, column), _INDEX)
            lanes = ir.VectorType(_INDEX, vector.n_lanes)
            index = ir.Constant(lanes, [_INDEX(i) for i in range(vector.n_lanes)])
            self.mask = builder.icmp_signed("<", index, _in_all_lanes(builder, left, lanes))

    def call(self, name, result, *args):
        """Call LLVM's masked load or store."""
        function = ir.FunctionType(result, [arg.type for arg in args])
        name = f"llvm.masked.{name}.{_name(self.kind)}.p0"
        function = cgutils.get_or_insert_function(self.builder.module, function, name)
        return self.builder.call(function, args)


def _in_all_lanes(builder, x, kind):
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), x, _INDEX(0))
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(_INDEX, kind.count), None)
    )


@intrinsic
def add(typingctx, x, y):
    """Return the sum of two vectors."""

    def codegen(context, builder, signature, args):
        return builder.fadd(*args)

    return x(x, x), codegen


@intrinsic
def add_multiple(typingctx, x, factor, y):
    """Return ``x + factor * y`` for a number and two vectors."""

    def codegen(context, builder, signature, args):
        factors = _in_all_lanes(builder, args[1], args[0].type)
        return _add_product(builder, args[0], factors, args[2])

    return x(x, x.dtype, x), codegen


@intrinsic
def add_product(typingctx, x, y, z):
    """Return ``x + y * z`` for three vectors."""

    def codegen(context, builder, signature, args):
        return _add_product(builder, *args)

    return x(x, x, x), codegen


def _add_product(builder, x, y, z):
    name = f"llvm.fmuladd.{_name(x.type)}"  # fused where it can be
    of_three = ir.FunctionType(x.type, [x.type] * 3)
    multiply_add = cgutils.get_or_insert_function(builder.module, of_three, name)
    return builder.call(multiply_add, [y, z, x])


@intrinsic
def sum_of_lanes(typingctx, x):
    """Return the sum of the numbers of a vector, in any order."""

    def codegen(context, builder, signature, args):
        kind, number = args[0].type, args[0].type.element
        name = f"llvm.vector.reduce.fadd.{_name(kind)}"
        function = ir.FunctionType(number, [number, kind])
        reduce = cgutils.get_or_insert_function(builder.module, function, name)
        return builder.call(reduce, [number(0.0), args[0]], fastmath=("reassoc",))

    return x.dtype(x), codegen


def _name(kind):
    """Return what LLVM calls a kind of vector in the names of its functions."""
    return f"v{kind.count}f{64 if kind.element == ir.DoubleType() else 32}"
