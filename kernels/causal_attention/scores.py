"""What attention does with a row of scores and no compiler does as well: the largest, a mask."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic

from chainrule.kernels.vectors import LANE, index

MASKED = 32  # numbers that `mask` looks at
MASK_BYTES = 32  # of its vectors: wider ones are slower, for what was just written is read again
_intrinsic: Any = intrinsic  # as anything: Numba ships no types
cgutils: Any = _cgutils


@_intrinsic
def larger(context: Any, x: Any, y: Any) -> Any:
    """Return the larger of two numbers, either if one is NaN: in a loop, a vector operation.

    Python's max has an answer for NaN, and the compiler will not reorder it for that.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number = values[0].type
        bits = 32 if isinstance(number, ir.FloatType) else 64
        kind = ir.FunctionType(number, [number] * 2)
        largest = cgutils.get_or_insert_function(builder.module, kind, f"llvm.maxnum.f{bits}")
        return builder.call(largest, values, fastmath=("nnan", "nsz"))

    return x(x, x), generate


@_intrinsic
def mask(context: Any, x: Any, start: Any, first: Any, value: Any) -> Any:
    """Set those of x[start : start + MASKED] to `value` whose index is `first` or more.

    As a loop from `first` on, of a few numbers each time, it would cost more than the exponentials.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(x)(context, builder, values[0]).data
        width = MASK_BYTES * 8 // x.dtype.bitwidth
        vector, lane = ir.VectorType(data.type.pointee, width), ir.VectorType(LANE, width)

        def spread(one: Any, kind: Any) -> Any:
            nothing = ir.Constant(kind, ir.Undefined)
            place = builder.insert_element(nothing, one, ir.Constant(LANE, 0))
            everywhere = ir.Constant(ir.VectorType(LANE, width), [0] * width)
            return builder.shuffle_vector(place, nothing, everywhere)

        limit = spread(builder.trunc(builder.sub(values[2], values[1]), LANE), lane)
        new = spread(values[3], vector)
        for at in range(0, MASKED, width):
            here = builder.gep(data, [builder.add(values[1], index(at))])
            here = builder.bitcast(here, vector.as_pointer())
            old = builder.load(here, align=MASK_BYTES // width)
            lanes = ir.Constant(lane, list(range(at, at + width)))
            inside = builder.icmp_signed("<", lanes, limit)
            chosen = builder.select(inside, old, new)
            builder.store(chosen, here, align=MASK_BYTES // width)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, x.dtype), generate
