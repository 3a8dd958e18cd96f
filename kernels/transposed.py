"""Square blocks of a matrix, turned over in the registers: C[l, r] = A[r, l].

    turn(A, a, a_row, C, c, c_row)      both of `block_width` rows and columns

Number after number, a transpose is one load and one store for each, and the stores lie a row
apart. Here n = `block_width` rows are loaded as n vectors of n numbers, and log₂ n rounds of
exchanges turn them over: round d, for d = 1, 2, 4 … n/2, has every pair of rows r and r + d, bit d
of r being 0, exchange the lanes of which that bit is different from the row's:

    row r      lane l  ←  l without bit d: its own lane l          with: the other's lane l - d
    row r + d  lane l  ←  l with bit d: its own lane l             without: the other's lane l + d

Each round swaps one bit of the row's number with the same bit of the lane's, so that after all of
them number (r, l) stands at (l, r). Operands as in `tiles`: an array, the index of its first number
and the distance of its rows. Nothing is checked: the caller answers for bounds.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from chainrule.kernels.tiles import WIDE_BYTES
from chainrule.kernels.types import Array

_intrinsic: Any = intrinsic
_INDEX, _LANE = ir.IntType(64), ir.IntType(32)


def block_width(x: Array) -> int:
    """Return how many rows and columns a block of numbers like x's has; usable in kernels."""
    return int(WIDE_BYTES // x.itemsize)


@overload(block_width)
def _constant(x: Any) -> Callable[[Any], int]:
    width: int = WIDE_BYTES * 8 // x.dtype.bitwidth

    def constant(x: Any) -> int:
        return width

    return constant


@_intrinsic
def turn(context: Any, A: Any, a: Any, a_row: Any, C: Any, c: Any, c_row: Any) -> Any:
    """Overwrite a block of C with a block of A transposed; see the module."""
    at = types.intp

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number_bytes = A.dtype.bitwidth // 8
        n = WIDE_BYTES // number_bytes

        def rows(operand: int) -> list[Any]:
            """Return pointers to the rows of a block."""
            array, first, distance = values[operand : operand + 3]
            data = context.make_array(signature.args[operand])(context, builder, array).data
            kind = ir.VectorType(data.type.pointee, n).as_pointer()
            begin = builder.gep(data, [first])
            places = (builder.mul(ir.Constant(_INDEX, r), distance) for r in range(n))
            return [builder.bitcast(builder.gep(begin, [place]), kind) for place in places]

        block = [builder.load(p, align=number_bytes) for p in rows(0)]
        d = 1
        while d < n:
            block = _exchanged(builder, block, d)
            d *= 2
        for vector, pointer in zip(block, rows(3), strict=True):
            builder.store(vector, pointer, align=number_bytes)
        return context.get_dummy_value()

    return types.void(A, at, at, C, at, at), generate


def _exchanged(builder: Any, block: list[Any], d: int) -> list[Any]:
    """Return the rows after round d."""
    n, after = len(block), list(block)
    lanes = ir.VectorType(_LANE, n)
    for r in range(n):
        if r & d:
            continue
        upper, lower = block[r], block[r + d]  # lane l of the lower one is lane n + l of both
        of_upper = [n + l - d if l & d else l for l in range(n)]
        of_lower = [n + l if l & d else l + d for l in range(n)]
        after[r] = builder.shuffle_vector(upper, lower, ir.Constant(lanes, of_upper))
        after[r + d] = builder.shuffle_vector(upper, lower, ir.Constant(lanes, of_lower))
    return after
