"""The two hottest loops of NADE's sweeps, as LLVM instructions: logits, and an event with one.

    dots(m, H, V, v, distance, h, j, b, i, s, o)    s_{o+r} = b_{i+r} + V_r·h for m rows, 1 … MOST
    move(H, q, j, E, k, h, l, V, v, b, i, s, o)     q = q E_k, h = 1 / (1 + q), s_o = b_i + V·h

`distance` is that of V's rows; every other number but m and H says where a row of the array before
it begins, counted in numbers: all arrays are contiguous and of one dtype. `move` returns whether
all of q is inside (1/LIMIT, LIMIT), given that before it all of q and E_k was: then none is NaN.

Why by hand. A compiler's loop ends with up to a few vectors' worth of single numbers, and adds up
lanes anew for every row. Here the last numbers are one vector, masked, and lanes of all rows are
added up together: of H = 500 units a likelihood took 8% less with AVX2, 15% with AVX-512. And an
event is slow for its division, 1.2 ns for eight float32 with AVX2 and 1.9 for sixteen with AVX-512
(a Zen 5), in which `move` finds most of the time for a row of V: where a one follows a one, as
inside of strokes, no other loop is needed.
"""

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from chainrule.kernels.chunks import Chunk, adding, extreme, sweep
from chainrule.kernels.nade.hidden import LIMIT
from chainrule.kernels.vectors import Vectors

MOST = 8  # rows of V at a time: as many sums as hide the time of a multiply-add
IN_MOVE = 2  # sums of `move`, whose time is the division's
_intrinsic: Any = intrinsic  # typed as anything, as in `chainrule.kernels.tiles`


def _check(*arrays: Any) -> None:
    """Refuse to compile for arrays that lie otherwise: numbers are counted, strides not read."""
    if len({x.dtype for x in arrays}) > 1 or any(x.layout != "C" for x in arrays):
        raise TypingError("products need contiguous arrays of one dtype")


def _pointers(context: Any, builder: Any, signature: Any, values: Any, *which: int) -> list[Any]:
    """Return pointers to where rows begin: of the arrays that are these arguments."""
    return [
        builder.gep(
            context.make_array(signature.args[k])(context, builder, values[k]).data, [values[k + 1]]
        )
        for k in which
    ]


@_intrinsic
def dots(
    context: Any, m: Any, H: Any, V: Any, v: Any, distance: Any, h: Any, j: Any, b: Any, i: Any,
    s: Any, o: Any,
) -> Any:  # fmt: skip
    """Write the logits of a run, s_{o+r} = b_{i+r} + V_r·h (F3)."""
    _check(V, h, b, s)
    at = types.intp

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_V, of_h, of_b, of_s = _pointers(context, builder, signature, values, 2, 5, 7, 9)
        v = Vectors(builder, of_V.type.pointee)

        def emit(m: int) -> None:
            rows = v.rows(of_V, values[4], m)

            def products(chunk: Chunk, sums: list[Any]) -> list[Any]:
                h = chunk.load(of_h)
                return [v.multiply_add(chunk.load(rows[r]), h, sums[r]) for r in range(m)]

            _add_biases(v, sweep(v, values[1], MOST // m, [adding(v)] * m, products), of_b, of_s)

        v.choose(values[0], {m: partial(emit, m) for m in range(1, MOST + 1)})
        return context.get_dummy_value()

    return types.void(at, at, V, at, at, h, at, b, at, s, at), generate


@_intrinsic
def move(
    context: Any, H: Any, q: Any, j: Any, E: Any, k: Any, h: Any, l: Any, V: Any, v: Any, b: Any,
    i: Any, s: Any, o: Any,
) -> Any:  # fmt: skip
    """q = q E_k, h = 1 / (1 + q) (F4, F2), s_o = b_i + V_v·h (F3); return whether q is in range."""
    _check(q, E, h, V, b, s)
    at = types.intp

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        which = 1, 3, 5, 7, 9, 11
        of_q, of_E, of_h, of_V, of_b, of_s = _pointers(context, builder, signature, values, *which)
        v = Vectors(builder, of_q.type.pointee)
        folds = adding(v), extreme(v, "<", v.one), extreme(v, ">", v.one)

        def products(chunk: Chunk, totals: list[Any]) -> list[Any]:
            q = builder.fmul(chunk.load(of_q), chunk.load(of_E))
            h = builder.fdiv(v.one, builder.fadd(v.one, q))
            chunk.store(q, of_q)
            chunk.store(h, of_h)
            s, *extremes = totals
            q = chunk.or_one(q)
            least, most = (fold.of(q, x) for fold, x in zip(folds[1:], extremes, strict=True))
            return [v.multiply_add(chunk.load(of_V), h, s), least, most]

        s, least, most = sweep(v, values[0], IN_MOVE, folds, products)
        _add_biases(v, [s], of_b, of_s)
        low, high = (ir.Constant(v.kind, [x] * v.lanes) for x in (1 / LIMIT, LIMIT))
        inside = builder.and_(
            builder.fcmp_ordered(">", least, low), builder.fcmp_ordered("<", most, high)
        )
        bits = ir.IntType(v.lanes)
        return builder.icmp_unsigned("==", builder.bitcast(inside, bits), ir.Constant(bits, -1))

    return types.boolean(at, q, at, E, at, h, at, V, at, b, at, s, at), generate


def _add_biases(v: Vectors, sums: list[Any], b: Any, s: Any) -> None:
    """Write the sum of each vector's lanes and a number of b into s, one after the other."""
    total = v.part(v.totals(sums), 0, len(sums))
    bias = v.builder.load(v.builder.bitcast(b, total.type.as_pointer()), align=v.size)
    v.store(v.builder.fadd(bias, total), s)
