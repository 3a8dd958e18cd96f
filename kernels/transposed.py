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

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from chainrule.kernels.target import VECTOR_BYTES
from chainrule.kernels.vectors import LANE, Vectors, numbers_in

_intrinsic: Any = intrinsic
block_width = numbers_in(VECTOR_BYTES)  # rows and columns of a block


@_intrinsic
def turn(context: Any, A: Any, a: Any, a_row: Any, C: Any, c: Any, c_row: Any) -> Any:
    """Overwrite a block of C with a block of A transposed; see the module."""
    at = types.intp

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = [
            context.make_array(signature.args[k])(context, builder, values[k]).data for k in (0, 3)
        ]
        v = Vectors(builder, data[0].type.pointee)
        of_A, of_C = (
            v.rows(v.at(begin, values[k]), values[k + 1], v.lanes)
            for begin, k in zip(data, (1, 4), strict=True)
        )
        block, d = [v.load(p) for p in of_A], 1
        while d < v.lanes:
            block = _exchanged(builder, block, d)
            d *= 2
        for vector, pointer in zip(block, of_C, strict=True):
            v.store(vector, pointer)
        return context.get_dummy_value()

    return types.void(A, at, at, C, at, at), generate


def _exchanged(builder: Any, block: list[Any], d: int) -> list[Any]:
    """Return the rows after round d."""
    n, after = len(block), list(block)
    lanes = ir.VectorType(LANE, n)
    for r in range(n):
        if r & d:
            continue
        upper, lower = block[r], block[r + d]  # lane l of the lower one is lane n + l of both
        of_upper = [n + l - d if l & d else l for l in range(n)]
        of_lower = [n + l if l & d else l + d for l in range(n)]
        after[r] = builder.shuffle_vector(upper, lower, ir.Constant(lanes, of_upper))
        after[r + d] = builder.shuffle_vector(upper, lower, ir.Constant(lanes, of_lower))
    return after
