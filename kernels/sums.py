"""The sum of numbers that lie side by side, in one order wherever it is asked for.

    total(A, a, n)      Σ_k A[a + k], k < n

A compiler that may reorder a sum chooses an order for each loop that it stands in, so two kernels
that add the same numbers would differ in the last bit. Here the order is written down: ROUND
vectors of partial sums, those added together, and of that vector halves to halves. The numbers
beyond A's last are not read. A is an array, a the index of its first number as in `tiles`; nothing
is checked.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE
from chainrule.kernels.types import Array
from chainrule.kernels.vectors import Vectors, index

_intrinsic: Any = intrinsic  # as anything: Numba ships no types
ROUND = 4  # an addition waits for the one before it: four vectors keep their unit busy


@njit(**INLINE, **BORROWS)
def total(A: Array, a: int, n: int) -> Any:
    """Return the sum of n numbers from index a on.

    A function, as a caller's permission to reorder sums would reach into an intrinsic's.
    """
    return _total(A, a, n)


@_intrinsic
def _total(context: Any, A: Any, a: Any, n: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(A)(context, builder, values[0])
        first, n = builder.gep(array.data, [values[1]]), values[2]
        v = Vectors(builder, first.type.pointee)
        left = builder.srem(n, index(v.lanes))
        whole = builder.sub(n, left)
        in_rounds = builder.sub(whole, builder.srem(whole, index(ROUND * v.lanes)))

        def several(k: Any, sums: list[Any]) -> list[Any]:
            found = v.side_by_side(v.at(first, k), ROUND)
            return [builder.fadd(s, v.load(p)) for s, p in zip(sums, found, strict=True)]

        def one(k: Any, sums: list[Any]) -> list[Any]:
            return [builder.fadd(sums[0], v.load(v.at(first, k)))]

        def last() -> list[Any]:
            return [builder.fadd(rest, v.load_first(v.at(first, whole), left))]

        sums = v.loop(index(0), in_rounds, ROUND * v.lanes, [v.zero] * ROUND, several)
        (rest,) = v.loop(in_rounds, whole, v.lanes, sums[:1], one)
        (rest,) = v.unless(builder.icmp_signed("==", left, index(0)), [rest], last)
        both = builder.fadd(builder.fadd(rest, sums[1]), builder.fadd(sums[2], sums[3]))
        return builder.extract_element(v.totals([both])[0], index(0))

    return A.dtype(A, types.intp, types.intp), generate
