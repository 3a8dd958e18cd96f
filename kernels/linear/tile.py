"""The tile of a product, its sums in registers.

HEIGHT rows by WIDTH vectors of the product stay in registers while k runs, and one k takes WIDTH
loads of B, and of A HEIGHT numbers, each spread over a vector as it is multiplied. Where both
are laid out for it, k after k, nothing is read but what the next multiplication needs; a few rows
of A may as well be read where they lie. With 32 registers
8 by 3 leaves as many as B's vectors and a number of A take, with 16 registers 4 by 3: the widest
that does, and the narrowest whose additions never wait for each other.

Measured on a Xeon with AVX-512: 177 of the core's 178 GFLOP/s, in float32, from the first cache;
12 by 2 and 14 by 2 reach 160.
"""

from functools import partial
from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.kernels.target import REGISTERS, VECTOR_BYTES
from chainrule.kernels.tiles import tile
from chainrule.kernels.vectors import Vectors, index, numbers_in

HEIGHT, WIDTH = (8, 3) if REGISTERS == 32 else (4, 3)
HEIGHTS = (HEIGHT, HEIGHT // 2, 1)  # a product's last rows are in lower tiles
MOST = max(WIDTH, HEIGHT * 8 // VECTOR_BYTES)  # vectors that are laid out side by side
panel_width = numbers_in(WIDTH * VECTOR_BYTES)
_intrinsic: Any = intrinsic  # as anything: Numba ships no types
_AT = types.intp


multiply = tile(HEIGHTS, range(1, WIDTH + 1))


@_intrinsic
def copy(
    context: Any, q: Any, n: Any, A: Any, a: Any, a_row: Any, B: Any, b: Any, b_row: Any
) -> Any:
    """B = A, n rows of q ≤ MOST vectors."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B = (
            builder.gep(context.make_array(signature.args[k])(context, builder, values[k]).data, at)
            for k, at in ((2, [values[3]]), (5, [values[6]]))
        )
        v = Vectors(builder, of_A.type.pointee)

        def emit(q: int) -> None:
            def row(k: Any, nothing: list[Any]) -> list[Any]:
                come, go = (
                    v.side_by_side(v.at(begin, builder.mul(k, distance)), q)
                    for begin, distance in ((of_A, values[4]), (of_B, values[7]))
                )
                for x, y in zip(come, go, strict=True):
                    v.store(v.load(x), y)
                return nothing

            v.loop(index(0), values[1], 1, [], row)

        v.choose(values[0], {q: partial(emit, q) for q in range(1, MOST + 1)})
        return context.get_dummy_value()

    return types.void(_AT, _AT, A, _AT, _AT, B, _AT, _AT), generate
