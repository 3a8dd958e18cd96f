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

from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic, overload

from chainrule.kernels.tiles import WIDE_BYTES
from chainrule.kernels.types import Array

VECTORS = 4
_intrinsic: Any = intrinsic
cgutils: Any = _cgutils
_INDEX = ir.IntType(64)


def panel_width(x: Array) -> int:
    """Return how many numbers like x's a panel is wide; usable inside compiled kernels."""
    return int(VECTORS * WIDE_BYTES // x.itemsize)


@overload(panel_width)
def _constant(x: Any) -> Callable[[Any], int]:
    width: int = VECTORS * WIDE_BYTES * 8 // x.dtype.bitwidth

    def constant(x: Any) -> int:
        return width

    return constant


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
            _emit(builder, count, builder.gep(rows, [r]), B, builder.gep(C, [c]), accumulate)
            return context.get_dummy_value()

        return types.void(at, rows, at, B, C, at), generate

    return _intrinsic(typed)  # type: ignore[no-any-return]


def _emit(builder: Any, count: Any, rows: Any, B: Any, C: Any, accumulate: bool) -> None:
    """Emit two rows a round, then the last one of an odd number, then the store."""
    number_bytes = 4 if isinstance(B.type.pointee, ir.FloatType) else 8
    width = WIDE_BYTES // number_bytes
    vector = ir.VectorType(B.type.pointee, width)
    zeros = [ir.Constant(vector, [0.0] * width)] * VECTORS

    def index(value: int) -> Any:
        return ir.Constant(_INDEX, value)

    def vectors(pointer: Any) -> list[Any]:
        kind = vector.as_pointer()
        return [
            builder.bitcast(builder.gep(pointer, [index(v * width)]), kind) for v in range(VECTORS)
        ]

    def with_row(sums: list[Any], q: Any) -> list[Any]:
        """Return sums with the row that is chosen at q added."""
        chosen = builder.sext(builder.load(builder.gep(rows, [q])), _INDEX)
        begin = builder.gep(B, [builder.mul(chosen, index(VECTORS * width))])
        return [
            builder.fadd(total, builder.load(p, align=number_bytes))
            for total, p in zip(sums, vectors(begin), strict=True)
        ]

    def loop(first: Any, end: Any, at_once: int, before: list[Any]) -> list[Any]:
        """Emit a loop over q; row q + u goes into set u of the sums. Return the sums after it."""
        above = builder.block
        head, body, done = (builder.append_basic_block(s) for s in ("next_row", "take", "end"))
        builder.branch(head)
        builder.position_at_end(head)
        q = builder.phi(_INDEX)
        q.add_incoming(first, above)
        sums = [builder.phi(vector) for _ in before]
        for total, value in zip(sums, before, strict=True):
            total.add_incoming(value, above)
        builder.cbranch(builder.icmp_signed("<", q, end), body, done)
        builder.position_at_end(body)
        after: list[Any] = []
        for u in range(at_once):
            some = sums[u * VECTORS : (u + 1) * VECTORS]
            after += with_row(some, builder.add(q, index(u)))
        after += sums[len(after) :]
        q.add_incoming(builder.add(q, index(at_once)), builder.block)
        for total, value in zip(sums, after, strict=True):
            total.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(done)
        return sums

    targets = vectors(C)
    before = [builder.load(p, align=number_bytes) for p in targets] if accumulate else zeros
    even = builder.and_(count, index(-2))
    sums = loop(index(0), even, 2, [*before, *zeros])
    sums = loop(even, count, 1, sums)
    for v, pointer in enumerate(targets):
        total = builder.fadd(sums[v], sums[v + VECTORS])
        builder.store(total, pointer, align=number_bytes)


overwrite = _sum(accumulate=False)
add = _sum(accumulate=True)
