"""Sums of chosen rows of a panel that never leave the registers: what `tiles` is to products.

    overwrite(count, rows, r, B, C, c)      C  = Σ_q B[rows[q]]      q = r … r + count - 1
    add(count, rows, r, B, C, c)            C += Σ_q B[rows[q]]

B is a panel, contiguous rows of `panel_width` numbers, and C a row of so many, which begins at
number c of its array. Row after row, a sum would be loaded and stored once for each of them, which
takes twice as long as the row itself. Here it is VECTORS vector registers; even rows are added to
one set of them and odd ones to another, since an addition takes as long as four rows' loads; both
sets are added up at the end. Nothing is checked: the caller answers for bounds, and for a panel
that lies on whole lines of the cache and stays in the first of them.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.kernels.target import VECTOR_BYTES
from chainrule.kernels.vectors import INDEX, Vectors, index, numbers_in

VECTORS = 4
_intrinsic: Any = intrinsic
panel_width = numbers_in(VECTORS * VECTOR_BYTES)


def _sum(accumulate: bool) -> Callable[..., Any]:
    """Return the intrinsic (count, rows, r, B, C, c) -> None."""

    def typed(context: Any, count: Any, rows: Any, r: Any, B: Any, C: Any, c: Any) -> Any:
        at = types.intp

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            count, _, r, _, _, c = values
            rows, B, C = (
                context.make_array(signature.args[k])(context, builder, values[k]).data
                for k in (1, 3, 4)
            )
            v = Vectors(builder, B.type.pointee)
            _emit(v, count, v.at(rows, r), B, v.at(C, c), accumulate)
            return context.get_dummy_value()

        return types.void(at, rows, at, B, C, at), generate

    return _intrinsic(typed)  # type: ignore[no-any-return]


def _emit(v: Vectors, count: Any, rows: Any, B: Any, C: Any, accumulate: bool) -> None:
    """Emit two rows a round, then the last one of an odd number, then the store."""
    builder, width = v.builder, index(VECTORS * v.lanes)

    def with_row(sums: list[Any], q: Any) -> list[Any]:
        """Return sums with the row that is chosen at q added."""
        chosen = builder.sext(builder.load(v.at(rows, q)), INDEX)
        of_row = v.side_by_side(v.at(B, builder.mul(chosen, width)), VECTORS)
        return [builder.fadd(total, v.load(p)) for total, p in zip(sums, of_row, strict=True)]

    def two(q: Any, sums: list[Any]) -> list[Any]:
        odd = builder.add(q, index(1))
        return with_row(sums[:VECTORS], q) + with_row(sums[VECTORS:], odd)

    def one(q: Any, sums: list[Any]) -> list[Any]:
        return with_row(sums[:VECTORS], q) + sums[VECTORS:]

    targets = v.side_by_side(C, VECTORS)
    before = [v.load(p) if accumulate else v.zero for p in targets]
    even = builder.and_(count, index(-2))
    sums = v.loop(index(0), even, 2, before + VECTORS * [v.zero], two)
    sums = v.loop(even, count, 1, sums, one)
    for k, pointer in enumerate(targets):
        v.store(builder.fadd(sums[k], sums[k + VECTORS]), pointer)


overwrite = _sum(accumulate=False)
add = _sum(accumulate=True)
