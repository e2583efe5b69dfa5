"""Views of arrays, and loops over rows that several kernels share."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compilation import glue, kernel
from .numerics import exp

__all__ = [
    "FEW",
    "add",
    "add_rows",
    "copy",
    "exp_of_rows",
    "few",
    "fill",
    "flat",
    "matrix",
    "matrix_at",
    "multiply",
    "part",
    "prefetch",
    "sum_beside_one",
    "sum_of",
    "sum_of_products",
]

FEW = 64  # rows of which a number each is kept on the stack
_SIZE = ir.IntType(64)


@intrinsic
def flat(typingctx, a):
    """Return a view without rows, which may be too short for vector instructions."""
    kind = a.copy(ndim=1)

    def codegen(context, builder, signature, args):
        array = context.make_array(a)(context, builder, args[0])
        view = context.make_array(kind)(context, builder)
        _set_shape(builder, view, [array.nitems], array.itemsize)
        view.data = array.data
        return _without_owner(view)

    return kind(a), codegen


@intrinsic
def matrix(typingctx, a, start, n_rows, n_columns):
    """Return a view of a part of a flat array."""
    kind = a.copy(ndim=2)

    def codegen(context, builder, signature, args):
        array = context.make_array(a)(context, builder, args[0])
        view = context.make_array(kind)(context, builder)
        _set_shape(builder, view, args[2:], array.itemsize)
        view.data = builder.gep(array.data, [args[1]])
        return _without_owner(view)

    return kind(a, types.intp, types.intp, types.intp), codegen


@intrinsic
def few(typingctx, like):
    """Return room for FEW numbers in the precision of an array, on the stack."""
    kind = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, signature, args):
        view = context.make_array(kind)(context, builder)
        number = context.get_data_type(like.dtype)
        _set_shape(builder, view, [_SIZE(FEW)], _SIZE(like.dtype.bitwidth // 8))
        view.data = cgutils.alloca_once(builder, number, FEW)
        return _without_owner(view)

    return kind(like), codegen


@intrinsic
def matrix_at(typingctx, pointer, n_rows, n_columns):
    """Return a view of what follows a pointer."""
    kind = types.Array(pointer.dtype, 2, "C")

    def codegen(context, builder, signature, args):
        view = context.make_array(kind)(context, builder)
        _set_shape(builder, view, args[1:], _SIZE(pointer.dtype.bitwidth // 8))
        view.data = args[0]
        return _without_owner(view)

    return kind(pointer, types.intp, types.intp), codegen


@intrinsic
def part(typingctx, a, start, stop):
    """Return a view of numbers of a flat array, or of rows of a matrix, that it has.

    It compiles to a tenth of the instructions of a slice, which may reach beyond.
    """

    def codegen(context, builder, signature, args):
        array = context.make_array(a)(context, builder, args[0])
        view = context.make_array(a)(context, builder)
        _, *others = cgutils.unpack_tuple(builder, array.shape)
        n = builder.sub(args[2], args[1])
        _set_shape(builder, view, [n, *others], array.itemsize)
        place = builder.mul(args[1], *others) if others else args[1]
        view.data = builder.gep(array.data, [place])
        return _without_owner(view)

    return a(a, types.intp, types.intp), codegen


def _set_shape(builder, view, shape, size):
    """Set the shape of an array whose elements follow one another, and what it implies."""
    strides, n = [], size
    for n_along in reversed(shape):
        strides.insert(0, n)
        n = builder.mul(n, n_along)
    view.shape = cgutils.pack_array(builder, shape)
    view.strides = cgutils.pack_array(builder, strides)
    view.nitems = shape[0] if len(shape) == 1 else builder.mul(*shape)
    view.itemsize = size


def _without_owner(array):
    for name in ("meminfo", "parent"):
        setattr(array, name, ir.Constant(getattr(array, name).type, None))
    return array._getvalue()


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
        to_read, keep, data = word(0), word(2), word(1)  # where it displaces little
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
def add(a, out):
    """Add `a`, which may be longer, to `out`, in place."""
    for i in range(len(out)):
        out[i] += a[i]


@kernel
def add_rows(a, out):
    """Add all rows of `a` to `out`, in place."""
    n_in_fours = len(a) // 4 * 4
    for i in range(0, n_in_fours, 4):
        for j in range(len(out)):
            out[j] += (a[i, j] + a[i + 1, j]) + (a[i + 2, j] + a[i + 3, j])
    for i in range(n_in_fours, len(a)):
        for j in range(len(out)):
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
