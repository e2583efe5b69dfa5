"""One epoch: the entry point, the only function that Python calls."""

from __future__ import annotations

import math
import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .batch import gather
from .compilation import entry_point, glue, kernel
from .layers import backward, forward
from .losses import fill_in, fill_losses, leave_out, weigh
from .numerics import in_precision_of
from .optimizers import update
from .rows import matrix, part

__all__ = ["run_epoch"]

IS_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
FLUSH = 0x9FC0  # all exceptions masked, subnormal results and operands taken as zero


@glue
def loss_and_gradient(
    layers, rules, rows, coded, missing, batch, coming, vector, work, gradient, step
):
    """Return the loss of the batch; fill the gradient, signed by the convention.

    Meanwhile the rows of the coming batch are asked for.
    """
    n_rows = len(batch)
    seed = rules.dropout_seed
    forward(layers, rows, coded, coming, n_rows, vector, work, seed, step)
    last = layers[len(layers) - 1]
    target = matrix(work, rows.batch_target, n_rows, last.n_units)
    output = matrix(work, last.activated, n_rows, last.n_units)
    delta = matrix(work, last.delta, n_rows, last.n_units)
    share = part(work, rows.share, rows.share + n_rows)
    (orientation,) = in_precision_of(work[0], (rules.orientation,))
    if missing is not None:
        fill_in(target)
    fill_losses(rules, target, output, delta)
    if missing is not None:
        leave_out(missing, batch, target, delta)
    loss = weigh(target, delta, share, orientation)
    backward(layers, coded, n_rows, vector, work, gradient)
    return loss


@kernel
def scale_of_clipping(vector, gradient, n_weights, strength, clip_norm):
    """Return the factor that brings gradient and penalty to at most the given norm."""
    if clip_norm == math.inf:
        return 1.0
    largest = 0.0
    for i in range(len(vector)):
        g = gradient[i] + (strength * vector[i] if i < n_weights else 0.0)
        largest = abs(g) if abs(g) > largest else largest
    norm = largest
    if 0 < largest < math.inf:
        squares = 0.0  # of numbers up to 1, whose sum cannot overflow
        for i in range(len(vector)):
            g = gradient[i] + (strength * vector[i] if i < n_weights else 0.0)
            squares += (g / largest) ** 2
        norm = largest * math.sqrt(squares)
    return clip_norm / norm if norm > clip_norm else 1.0


@kernel
def pull_to_zero(vector, gradient, n_weights, strength):
    """Add the signal of an L1 penalty to the gradient; return the sum of sizes."""
    (strength,) = in_precision_of(vector[0], (strength,))
    sizes = 0.0
    for i in range(n_weights):
        sizes += abs(vector[i])
        if vector[i] > 0:
            gradient[i] += strength
        elif vector[i] < 0:
            gradient[i] -= strength
    return sizes


@glue
def move(rules, n_weights, weight_sum, vector, gradient, memory, step):
    """Penalise, clip, decay and update in one walk; return the penalty before it."""
    alpha, orientation = rules.alpha / weight_sum, rules.orientation
    l1, sizes = alpha * rules.l1_ratio, 0.0
    if l1 > 0:
        sizes = pull_to_zero(vector, gradient, n_weights, l1 * orientation)
    alpha -= l1
    strength, keep = alpha * orientation, 1 - step[0] * rules.weight_decay
    scale = scale_of_clipping(vector, gradient, n_weights, strength, rules.clip_norm)
    of_weights, of_biases = (
        (strength, keep, scale, orientation),
        (0.0, 1.0, scale, orientation),
    )
    n = len(vector)
    squares = update(rules, vector, gradient, memory, 0, n_weights, of_weights, step)
    update(rules, vector, gradient, memory, n_weights, n, of_biases, step)
    penalty = alpha / 2 * type(vector[0])(squares) if alpha > 0 else 0.0
    return penalty + l1 * sizes


@intrinsic
def exchange_float_mode(typingctx, mode):
    """Set the mode of the x86 vector unit and return the one before.

    Numbers that become subnormal make each operation 20 to 50 times slower there;
    elsewhere they cost nothing, and there is nothing to do.
    """

    def codegen(context, builder, signature, args):
        if not IS_X86:
            return args[0]
        before, after = (cgutils.alloca_once(builder, ir.IntType(32)) for _ in range(2))
        builder.store(args[0], after)
        for name, place in (("stmxcsr", before), ("ldmxcsr", after)):
            address = builder.bitcast(place, ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [address.type])
            name = f"llvm.x86.sse.{name}"
            builder.call(
                cgutils.get_or_insert_function(builder.module, kind, name), [address]
            )
        return builder.load(before)

    return types.int32(types.int32), codegen


@entry_point
def run_epoch(
    layers, rules, rows, coded, missing, order, rates, step, vector, memory, gradient, work
):
    """Take a step per batch, in place on the vector and the memory.

    Returns the sum of the objectives, weighted as their rows are, the sum of those
    weights, the number of steps, and the last objective. An epoch ends early after an
    objective that is not finite; the step that met it is not counted.
    """
    mode = exchange_float_mode(FLUSH)
    total = total_weight = objective = 0.0
    taken = 0
    size, n_rows = rows.batch_size, len(order)
    for start in range(0, n_rows, size):
        stop = start + size if start + size < n_rows else n_rows
        after = stop + size if stop + size < n_rows else n_rows
        batch, coming = part(order, start, stop), part(order, stop, after)
        weight = gather(rows, coded, batch, work)
        if weight == 0:
            continue  # rows of weight zero say nothing
        at = step + taken
        objective = loss_and_gradient(
            layers, rules, rows, coded, missing, batch, coming, vector, work, gradient, at
        )
        n_weights = layers[0].bias  # where the biases begin
        this = rates[taken], at + 1
        objective += move(rules, n_weights, weight, vector, gradient, memory, this)
        is_finite = abs(objective) < math.inf  # math.isfinite sees sums that cancel
        if not is_finite:
            break
        total += objective * weight
        total_weight += weight
        taken += 1
    exchange_float_mode(mode)
    return total, total_weight, taken, objective
