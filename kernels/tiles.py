"""Register tiles: the innermost loop of a matrix product, laid out by hand for the vector unit.

A tile of the product C = A B is m rows by q vectors of columns, a panel, and all of it stays in
registers while k runs:

    for k in 0 … n-1:   b = B[k, panel]                   q loads
                        C[r, panel] += A[r, k] · b        for each of the m rows: a number of A
                                                          spread over a vector, q multiply-adds

So each number of B is read from memory once for m uses and each of A once for a panel's. With 32
registers, 8 by 2 sums, 2 vectors of b and 1 of A leave some over; with 16, 6 by 2 sums make 15.
Fewer than 8 sums would wait for each other. A loop over NumPy-style indices computes the same, but
no compiler we tried keeps such a tile in registers; hence LLVM instructions, of
`chainrule.kernels.vectors`.

    multiply(m, q, n, A, a, a_row, a_k, B, b, b_row, C, c, c_row, anew)     C += A B;  anew: C = A B

m is one of HEIGHTS (`at_once` says which; `multiply_rows` takes any), and q vectors of `lanes`
numbers make at most a panel of `panel_width`. `tile` makes the like for other shapes.

Each operand is an array, the index of its first number and the distance of its rows, all counted in
numbers from where the array begins in memory. A[r, k] stands at a + r · a_row + k · a_k, so Aᵀ
serves as well as A. Nothing is checked: the caller answers for bounds and for C, B overlapping
nowhere. A sum begins at k = 0 and is added to C when it is whole, so a bit of it depends neither on
the tile that it stands in nor on the width of vectors.

A caller may read B in place, its rows wider than a panel, or lay it out panel by panel with `pack`
or `pack_transposed`, whose loops are short beside a product that reads each panel many times.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np import arrayobj as _arrayobj

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.target import REGISTERS, VECTOR_BYTES
from chainrule.kernels.types import Array
from chainrule.kernels.vectors import Vectors, index, numbers_in

HEIGHTS = (8, 4, 2, 1) if REGISTERS == 32 else (6, 4, 2, 1)  # of tiles, the tallest first
HEIGHT, WIDTH = HEIGHTS[0], 2
UNROLLED = 2  # k of a round; of 8 LLVM loads a row's as a vector and takes it apart: twice as slow
# Typed as anything: Numba ships no types, and an intrinsic is not called as it is written.
_intrinsic: Any = intrinsic
cgutils: Any = _cgutils
arrayobj: Any = _arrayobj
Cases = dict[int, Callable[[], None]]


lanes = numbers_in(VECTOR_BYTES)  # of a vector
panel_width = numbers_in(WIDTH * VECTOR_BYTES)  # of a panel


def tile(heights: Sequence[int], widths: Sequence[int]) -> Any:
    """Return `multiply` for other heights and widths of tiles."""

    def typed(
        context: Any, m: Any, q: Any, n: Any, A: Any, a: Any, a_row: Any, a_k: Any, B: Any, b: Any,
        b_row: Any, C: Any, c: Any, c_row: Any, anew: Any,
    ) -> Any:  # fmt: skip
        if not (A.dtype == B.dtype == C.dtype and A.dtype in (types.float32, types.float64)):
            raise TypingError("tiles need three arrays of one dtype, float32 or float64")
        at = types.intp
        where = (at, at, at, A, at, at, at, B, at, at, C, at, at, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            of_A, of_B, of_C = (
                builder.gep(
                    context.make_array(signature.args[k])(context, builder, values[k]).data,
                    [values[k + 1]],
                )
                for k in (3, 7, 10)
            )
            v = Vectors(builder, of_A.type.pointee)
            operands = (of_A, *values[5:7]), (of_B, values[9]), (of_C, values[12])
            anew = builder.icmp_unsigned("!=", values[13], ir.Constant(values[13].type, 0))

            def of_height(m: int) -> Callable[[], None]:
                emits = partial(_emit, v, m, n=values[2], operands=operands, anew=anew)
                cases: Cases = {q: partial(emits, q) for q in widths}
                return lambda: v.choose(values[1], cases)

            tall: Cases = {m: of_height(m) for m in heights}
            v.choose(values[0], tall)
            return context.get_dummy_value()

        return types.void(*where), generate

    return _intrinsic(typed)


def _emit(v: Vectors, m: int, q: int, n: Any, operands: Any, anew: Any) -> None:
    """Emit a tile of m rows by q vectors."""
    A, B, C = operands
    to = [p for begin in v.rows(C[0], C[1], m) for p in v.side_by_side(begin, q)]
    sums = products(v, m, q, n, A, B, [v.zero] * len(to))

    def with_old() -> list[Any]:
        return [v.builder.fadd(v.load(p), s) for p, s in zip(to, sums, strict=True)]

    for total, p in zip(v.unless(anew, sums, with_old), to, strict=True):
        v.store(total, p)


def products(v: Vectors, m: int, q: int, n: Any, A: Any, B: Any, before: list[Any]) -> list[Any]:
    """Emit the loop over k; return the tile's sums, row by row, that begin with `before`."""
    starts = v.rows(A[0], A[1], m)

    def of_k(k: Any, sums: list[Any]) -> list[Any]:
        """Return the sums with the products of one k added."""
        b = [v.load(p) for p in v.side_by_side(v.at(B[0], v.builder.mul(k, B[1])), q)]
        along, after = v.builder.mul(k, A[2]), []
        for r in range(m):
            a = v.spread(v.at(starts[r], along))
            after += [v.multiply_add(a, b[j], sums[q * r + j]) for j in range(q)]
        return after

    return v.unrolled(n, UNROLLED, before, of_k)


multiply = tile(HEIGHTS, range(1, WIDTH + 1))


@njit(**INLINE)
def at_once(left: int, heights: Any = HEIGHTS) -> int:
    """Return the tallest of some heights that is not above what is left."""
    for height in heights:
        if height <= left:
            return int(height)
    return 1


@njit(**INLINE)
def multiply_rows(
    m: int, q: int, n: int, A: Array, a: int, a_row: int, a_k: int, B: Array, b: int, b_row: int,
    C: Array, c: int, c_row: int, anew: bool,
) -> None:  # fmt: skip
    """`multiply` for any number of rows, tile by tile."""
    r = 0
    while r < m:
        tall = at_once(m - r)
        at, to = a + r * a_row, c + r * c_row
        multiply(tall, q, n, A, at, a_row, a_k, B, b, b_row, C, to, c_row, anew)
        r += tall


@njit(**INLINE)
def row_distance(x: Array) -> int:
    """Return how many numbers lie between one row of x and the next."""
    return x.strides[0] // x.itemsize


@_intrinsic
def row(context: Any, x: Any, i: Any) -> Any:
    """Return row i of x, (n, K), whose last axis is contiguous: told so, the compiler vectorises.

    The row does not keep x alive.
    """
    result = types.Array(x.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = context.make_array(x)(context, builder, values[0])
        of_row = context.make_array(result)(context, builder)
        begin = cgutils.pointer_add(
            builder,
            whole.data,
            builder.mul(values[1], builder.extract_value(whole.strides, 0)),
            return_type=whole.data.type,
        )
        bits = index(x.dtype.bitwidth // 8)
        arrayobj.populate_array(
            of_row,
            data=begin,
            shape=[builder.extract_value(whole.shape, 1)],
            strides=[bits],
            itemsize=bits,
            meminfo=None,
        )
        return of_row._getvalue()

    return result(x, types.intp), generate


@njit(**JIT)
def pack(x: Array, out: Array) -> None:
    """Lay out x, (n, K), as panels: out[g, i, j] = x[i, g · width + j], 0 beyond the last column.

    out: (⌈K / width⌉, n, width), contiguous. Rows of a panel then follow each other, where in x
    they lie a row apart and share few of a cache's sets.
    """
    K, width = x.shape[1], out.shape[2]
    for i in range(out.shape[1]):
        x_i = row(x, i)
        for g in range(K // width):
            for j in range(width):
                out[g, i, j] = x_i[g * width + j]
        for j in range(out.shape[0] * width - K // width * width):  # the last panel, in part
            k = K // width * width + j
            out[out.shape[0] - 1, i, j] = x_i[k] if k < K else 0


@njit(**JIT)
def pack_transposed(x: Array, out: Array) -> None:
    """Lay out xᵀ for x, (K, n), as panels: out[g, i, j] = x[g · width + j, i], 0 beyond the last.

    out: (⌈K / width⌉, n, width), contiguous.
    """
    K, n = x.shape
    width = panel_width(x)
    for g in range(out.shape[0]):
        for j in range(width):
            if g * width + j < K:
                x_j = row(x, g * width + j)
                for i in range(n):
                    out[g, i, j] = x_j[i]
            else:
                for i in range(n):
                    out[g, i, j] = 0
