"""Register tiles: the innermost loop of a matrix product, laid out by hand for the vector unit.

A tile of the product C = A B is m ≤ ROWS rows by one panel of columns, as wide as two vectors: 16
numbers in float32, 8 in float64. All of it stays in registers while k runs:

    for k in 0 … n-1:   b = B[k, panel]                   two loads
                        C[r, panel] += A[r, k] · b        for each of the m rows: a number of A
                                                          spread over a vector, two multiply-adds

So each number of B is read from memory once for m uses and each of A once for a panel's. At
m = 6 the loop does 12 multiply-adds for 8 loads; 12 sums, 2 vectors of b and 1 of A make 15
registers, and AVX2 has 16. A loop over NumPy-style indices computes the same, but no compiler we
tried keeps such a tile in registers; hence LLVM instructions, of `chainrule.kernels.vectors`.

    overwrite(m, A, n, B, C)                 C  = A B      A: m rows, each contiguous
    add(m, A, n, B, C)                       C += A B
    overwrite_transposed(m, A, n, B, C)      C  = Aᵀ B     A: n rows, of which m columns
    add_transposed(m, A, n, B, C)            C += Aᵀ B

`wide_overwrite`, `wide_add` and `wide_overwrite_transposed` are the same for panels of
`wide_width`: twice as wide where the processor has AVX-512, whose vectors are; for products whose
panels are many and deep. The order of a sum does not depend on the width, nor does a bit of it.

Each operand is three arguments: an array, the index of its first number and the distance of its
rows, both counted in numbers from where the array begins in memory. Nothing is checked: the
caller answers for bounds, for m in 1 … ROWS and for C, B overlapping nowhere.

A caller may read B in place, its rows wider than a panel, or lay it out panel by panel with `pack`
or `pack_transposed`, whose loops are short beside a product that reads each panel many times.
"""

from collections.abc import Callable
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
from chainrule.kernels.target import VECTOR_BYTES
from chainrule.kernels.types import Array
from chainrule.kernels.vectors import LANE, Vectors, index, numbers_in

ROWS = 6
NARROW_BYTES = 32  # a vector of the narrow tiles, and of `mask`
PANEL_BYTES = 2 * NARROW_BYTES
AT_ONCE = 8  # k of a round, so that a short loop has few rounds, whose end can be foreseen
MASKED = 32  # numbers that `mask` looks at
# Typed as anything: Numba ships no types, and an intrinsic is not called as it is written.
_intrinsic: Any = intrinsic
cgutils: Any = _cgutils
arrayobj: Any = _arrayobj


panel_width = numbers_in(PANEL_BYTES)  # of a panel
wide_width = numbers_in(2 * VECTOR_BYTES)  # of a panel of the wide tiles


def _tile(transposed: bool, accumulate: bool, size: int = NARROW_BYTES) -> Callable[..., Any]:
    """Return the intrinsic (m, A, a, a_row, n, B, b, b_row, C, c, c_row) -> None."""

    def typed(
        context: Any, m: Any, A: Any, a: Any, a_row: Any, n: Any, B: Any, b: Any, b_row: Any,
        C: Any, c: Any, c_row: Any,
    ) -> Any:  # fmt: skip
        if not (A.dtype == B.dtype == C.dtype and A.dtype in (types.float32, types.float64)):
            raise TypingError("tiles need three arrays of one dtype, float32 or float64")
        at = types.intp
        signature = types.void(at, A, at, at, at, B, at, at, C, at, at)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            m, n = values[0], values[4]
            operands = []
            for first in (1, 5, 8):
                kind, array = signature.args[first], values[first]
                data = context.make_array(kind)(context, builder, array).data
                operands.append((builder.gep(data, [values[first + 1]]), values[first + 2]))
            v, kind = Vectors(builder, operands[0][0].type.pointee, size), (transposed, accumulate)
            heights = range(1, ROWS + 1)
            v.choose(m, {rows: partial(_emit, v, rows, n, operands, *kind) for rows in heights})
            return context.get_dummy_value()

        return signature, generate

    return _intrinsic(typed)  # type: ignore[no-any-return]


def _emit(v: Vectors, rows: int, n: Any, operands: Any, transposed: bool, accumulate: bool) -> None:
    """Emit the loop over k for a tile of so many rows."""
    (A, a_row), (B, b_row), (C, c_row) = operands
    targets = [p for begin in v.rows(C, c_row, rows) for p in v.side_by_side(begin, 2)]
    before = [v.load(p) if accumulate else v.zero for p in targets]
    # Where row r of A, or of Aᵀ, begins; and how far the next k is.
    starts = v.rows(A, index(1) if transposed else a_row, rows)
    step = a_row if transposed else index(1)

    def multiply(k: Any, sums: list[Any]) -> list[Any]:
        """Return the sums with the products of one k added."""
        b = [v.load(p) for p in v.side_by_side(v.at(B, v.builder.mul(k, b_row)), 2)]
        along = v.builder.mul(k, step)
        after = []
        for r in range(rows):
            a = v.spread(v.at(starts[r], along))
            after += [v.multiply_add(a, b[j], sums[2 * r + j]) for j in (0, 1)]
        return after

    sums = v.unrolled(n, AT_ONCE, before, multiply)
    for total, pointer in zip(sums, targets, strict=True):
        v.store(total, pointer)


overwrite = _tile(transposed=False, accumulate=False)
add = _tile(transposed=False, accumulate=True)
overwrite_transposed = _tile(transposed=True, accumulate=False)
add_transposed = _tile(transposed=True, accumulate=True)
wide_overwrite = _tile(transposed=False, accumulate=False, size=VECTOR_BYTES)
wide_add = _tile(transposed=False, accumulate=True, size=VECTOR_BYTES)
wide_overwrite_transposed = _tile(transposed=True, accumulate=False, size=VECTOR_BYTES)


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
        width = NARROW_BYTES * 8 // x.dtype.bitwidth
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
            old = builder.load(here, align=NARROW_BYTES // width)
            lanes = ir.Constant(lane, list(range(at, at + width)))
            inside = builder.icmp_signed("<", lanes, limit)
            chosen = builder.select(inside, old, new)
            builder.store(chosen, here, align=NARROW_BYTES // width)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, x.dtype), generate


@njit(**JIT)
def pack(x: Array, out: Array) -> None:
    """Lay out x, (n, K), as panels: out[g, i, j] = x[i, g · width + j], 0 beyond the last column.

    out: (⌈K / width⌉, n, width), contiguous. Rows of a panel then follow each other, where in x
    they lie a row apart and share few of a cache's sets.
    """
    K, width = x.shape[1], panel_width(x)
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
