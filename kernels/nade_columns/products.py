"""The products of a variable's step, whose sums stay in registers until they are whole.

    dots            C[r, k] = b_k + Σ_j A[r, j] B[k, j]             F3: s_i = b_i + V_i h
    outer           C = Aᵀ B, or C += Aᵀ B                          B4: dV_i = ds_iᵀ h
    into_sums       Q += ρ t,  t = (A B) ∘ h ∘ (1 - h)              B5, S1: A B = ds_i V_i
                    and Σ a t beside it                             B6

All are skinny: a variable has few outputs. In `dots` the sum runs along the rows of both, so that
neither has to be turned round; tiles of TALL by FEW numbers hold a vector of partial sums each. The
others hold tiles of some rows by a panel, `chainrule.kernels.tiles.panel_width` numbers, as the
tiles there do; but they begin with what is there, and end with what is made of dh, which no other
way leaves in registers.

Operands are as there: an array, the index of its first number and the distance of its rows. The
caller answers for bounds: the rows of A in `dots` are read in whole vectors, B's up to n. How many
rows are done at a time, `tiles.at_once` says; a sum has one order, whatever number that is.
"""

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from chainrule.kernels.target import REGISTERS
from chainrule.kernels.tiles import HEIGHTS
from chainrule.kernels.vectors import Vectors, index

_intrinsic: Any = intrinsic  # as anything: Numba ships no types
# Heights of tiles, the tallest that registers hold first.
TALL = (4, 1) if REGISTERS == 32 else (3, 1)
FEW = (5, 4, 1) if REGISTERS == 32 else (4, 1)  # widths of `dots`
MANY = (6, 3, 1)  # of `into_sums`
_AT = types.intp


def _data(context: Any, builder: Any, signature: Any, values: Any, k: int) -> Any:
    """Return a pointer to argument k's number at index k + 1."""
    array = context.make_array(signature.args[k])(context, builder, values[k])
    return builder.gep(array.data, [values[k + 1]])


@_intrinsic
def dots(
    context: Any, m: Any, q: Any, A: Any, a: Any, a_row: Any, n: Any, B: Any, b: Any, b_row: Any,
    bias: Any, at: Any, C: Any, c: Any, c_row: Any,
) -> Any:  # fmt: skip
    """C = bias + A Bᵀ for m rows of A, one of TALL, and q of B, one of FEW; n: how long they are.

    bias[at], … are the q numbers to begin with.
    """
    where = (A, _AT, _AT, _AT, B, _AT, _AT, bias, _AT, C, _AT, _AT)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B, of_bias, of_C = (
            _data(context, builder, signature, values, k) for k in (2, 6, 9, 11)
        )
        v = Vectors(builder, of_A.type.pointee)
        n = values[5]
        left = builder.srem(n, index(v.lanes))
        whole = builder.sub(n, left)

        def emit(m: int, q: int) -> None:
            a, b = v.rows(of_A, values[4], m), v.rows(of_B, values[8], q)

            def products(j: Any, sums: list[Any], load: Any) -> list[Any]:
                b_j, a_j = [load(v.at(p, j)) for p in b], [v.load(v.at(p, j)) for p in a]
                pairs = [(x, y) for x in a_j for y in b_j]
                return [v.multiply_add(*xy, s) for xy, s in zip(pairs, sums, strict=True)]

            def last() -> list[Any]:
                return products(whole, sums, lambda p: v.load_first(p, left))

            sums = [v.zero] * (m * q)
            sums = v.loop(index(0), whole, v.lanes, sums, lambda j, s: products(j, s, v.load))
            sums = v.unless(builder.icmp_signed("==", left, index(0)), sums, last)
            totals = v.totals(sums)
            begin = ir.VectorType(of_bias.type.pointee, q)
            begin = builder.load(builder.bitcast(of_bias, begin.as_pointer()), align=v.size)
            for r, to in enumerate(v.rows(of_C, values[13], m)):
                v.store(builder.fadd(begin, v.part(totals, r * q, q)), to)

        def of_height(m: int) -> Any:
            return lambda: v.choose(values[1], {q: partial(emit, m, q) for q in FEW})

        v.choose(values[0], {m: of_height(m) for m in TALL})
        return context.get_dummy_value()

    return types.void(_AT, _AT, *where), generate


def _rows_by_panel(v: Vectors, m: int, n: Any, number: Any, B: Any, b_row: Any, unroll: int) -> Any:
    """Return what adds the products of k < n to the sums of m rows, two vectors each.

    number: takes r and k, and returns a pointer to A[r, k].
    """

    def products(k: Any, sums: list[Any]) -> list[Any]:
        row = v.at(B, v.builder.mul(k, b_row))
        b = [v.load(v.at(row, j)) for j in (0, v.lanes)]
        a = [v.spread(number(r, k)) for r in range(m)]
        pairs = [(x, y) for x in a for y in b]
        return [v.multiply_add(*xy, s) for xy, s in zip(pairs, sums, strict=True)]

    return lambda sums: v.unrolled(n, unroll, sums, products)


@_intrinsic
def outer(
    context: Any, m: Any, A: Any, a: Any, a_row: Any, n: Any, B: Any, b: Any, b_row: Any,
    C: Any, c: Any, c_row: Any, anew: Any,
) -> Any:  # fmt: skip
    """C += Aᵀ B for m columns of A, one of HEIGHTS, and a panel of B; anew: C = Aᵀ B.

    n: rows of A and of B.
    """
    where = (A, _AT, _AT, _AT, B, _AT, _AT, C, _AT, _AT, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B, of_C = (_data(context, builder, signature, values, k) for k in (1, 5, 8))
        v = Vectors(builder, of_A.type.pointee)
        anew = builder.icmp_unsigned("!=", values[11], ir.Constant(values[11].type, 0))

        def emit(m: int) -> None:
            to = [v.at(p, j) for p in v.rows(of_C, values[10], m) for j in (0, v.lanes)]
            before = v.unless(anew, [v.zero] * (2 * m), lambda: [v.load(p) for p in to])
            add = _rows_by_panel(
                v, m, values[4], lambda r, k: v.at(of_A, builder.mul(k, values[3]), r),
                of_B, values[7], 2,
            )  # fmt: skip
            for total, p in zip(add(before), to, strict=True):
                v.store(total, p)

        v.choose(values[0], {m: partial(emit, m) for m in HEIGHTS})
        return context.get_dummy_value()

    return types.void(_AT, *where), generate


@_intrinsic
def into_sums(
    context: Any, m: Any, A: Any, a: Any, a_row: Any, n: Any, B: Any, b: Any, b_row: Any,
    units: Any, h: Any, Q: Any, at: Any, row: Any, rate: Any, rescaled: Any, along: Any,
) -> Any:  # fmt: skip
    """Q += rate t for m rows, one of MANY, and a panel; along += Σ a t, lane by lane, if rescaled.

    t = (A B) ∘ h ∘ (1 - h); n: columns of A, rows of B. units: a. It, h and Q are rows so far
    apart, and begin at index `at`.
    """
    of_rows = (units, h, Q, _AT, _AT, A.dtype, types.boolean, along)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B = (_data(context, builder, signature, values, k) for k in (1, 5))
        of_a, of_h, of_Q, of_along = (
            context.make_array(signature.args[k])(context, builder, values[k]).data
            for k in (8, 9, 10, 15)
        )
        v = Vectors(builder, of_A.type.pointee)
        rate = v.everywhere(values[13])
        plain = builder.icmp_unsigned("==", values[14], ir.Constant(values[14].type, 0))

        def emit(m: int) -> None:
            starts = v.rows(of_A, values[3], m)
            add = _rows_by_panel(
                v, m, values[4], lambda r, k: v.at(starts[r], k), of_B, values[7], 2
            )
            dh = add([v.zero] * (2 * m))
            first = [builder.add(values[11], builder.mul(index(r), values[12])) for r in range(m)]
            places = [builder.add(at, index(j)) for at in first for j in (0, v.lanes)]
            t = []
            for dh_j, at in zip(dh, places, strict=True):
                h_j, to = v.load(v.at(of_h, at)), v.at(of_Q, at)
                dh_h = builder.fmul(dh_j, h_j)
                t.append(v.multiply_add(builder.fneg(dh_h), h_j, dh_h))  # dh h - dh h h
                v.store(v.multiply_add(rate, t[-1], v.load(to)), to)

            def add_along() -> list[Any]:
                total = v.load(of_along)
                for t_j, at in zip(t, places, strict=True):
                    total = v.multiply_add(v.load(v.at(of_a, at)), t_j, total)
                v.store(total, of_along)
                return []

            v.unless(plain, [], add_along)

        v.choose(values[0], {m: partial(emit, m) for m in MANY})
        return context.get_dummy_value()

    return types.void(_AT, A, _AT, _AT, _AT, B, _AT, _AT, *of_rows), generate


@_intrinsic
def to_panel(context: Any, n: Any, A: Any, a: Any, B: Any, b: Any) -> Any:
    """Copy the n numbers that fill no panel to B, where zeros fill it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B = (_data(context, builder, signature, values, k) for k in (1, 3))
        v = Vectors(builder, of_A.type.pointee)
        for j in (0, v.lanes):
            left = builder.sub(values[0], index(j))
            v.store(v.load_first(v.at(of_A, j), left), v.at(of_B, j))
        return context.get_dummy_value()

    return types.void(_AT, A, _AT, B, _AT), generate


@_intrinsic
def from_panel(context: Any, n: Any, A: Any, a: Any, B: Any, b: Any, anew: Any) -> Any:
    """Copy the first n numbers of a panel to B, or unless it is anew, add them."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        of_A, of_B = (_data(context, builder, signature, values, k) for k in (1, 3))
        v = Vectors(builder, of_A.type.pointee)
        anew = builder.icmp_unsigned("!=", values[5], ir.Constant(values[5].type, 0))
        for j in (0, v.lanes):
            to, left = v.at(of_B, j), builder.sub(values[0], index(j))

            def old(to: Any = to, left: Any = left) -> list[Any]:
                return [v.load_first(to, left)]

            (before,) = v.unless(anew, [v.zero], old)
            v.store_first(builder.fadd(before, v.load(v.at(of_A, j))), to, left)
        return context.get_dummy_value()

    return types.void(_AT, A, _AT, B, _AT, types.boolean), generate


@_intrinsic
def prefetch(context: Any, A: Any, a: Any) -> Any:
    """Ask for the line of A's number at index a; where there is none, for nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        at = _data(context, builder, signature, values, 0)
        Vectors(builder, at.type.pointee).fetch(at)
        return context.get_dummy_value()

    return types.void(A, _AT), generate
