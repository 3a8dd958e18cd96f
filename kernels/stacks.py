"""Tiles one below the other, in a function of their own.

A tile's loop (`chainrule.kernels.tiles`) is compiled with all that stands around it, and a
processor has few registers for addresses: in a long function the same loop takes up to a third more
time. `stack` makes tiles a function of LLVM's own that is never inlined: nothing of its caller's is
alive in it.

    multiply(q, c, n, m, A, a, a_row, a_k, B, b, b_row, C, c_at, c_row, D, d)

is C = D + A B for any number m of rows and q vectors of columns, of which c columns are wanted;
`tiles` has the letters. D, from number d on, is a row that each row of C begins with. Where d is
negative C is what it begins with itself: C += A B.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from chainrule.kernels.tiles import products
from chainrule.kernels.vectors import INDEX, Vectors, index

_intrinsic: Any = intrinsic


def stack(name: str, heights: Mapping[int, Sequence[int]], rows: int = 0, along: int = 0) -> Any:
    """Return `multiply` for some widths, with the heights of each, the tallest first, the last 1.

    name: of the functions, unlike any other's. rows, along: what a_row or a_k is, if it is always
    the same; addresses then need fewer registers.
    """

    def typed(
        context: Any, q: Any, c: Any, n: Any, m: Any, A: Any, a: Any, a_row: Any, a_k: Any, B: Any,
        b: Any, b_row: Any, C: Any, c_at: Any, c_row: Any, D: Any, d: Any,
    ) -> Any:  # fmt: skip
        if not (A.dtype == B.dtype == C.dtype == D.dtype):
            raise TypingError("tiles need arrays of one dtype")
        if A.dtype not in (types.float32, types.float64):
            raise TypingError("tiles need arrays of float32 or float64")
        at = types.intp
        where = (at, at, at, at, A, at, at, at, B, at, at, C, at, at, D, at)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def begin(k: int) -> Any:
                """Return a pointer to the first number of the operand that is argument k."""
                array = context.make_array(signature.args[k])(context, builder, values[k])
                return builder.gep(array.data, [values[k + 1]])

            of_A, of_B, of_C, of_D = map(begin, (4, 8, 11, 14))
            fresh = builder.icmp_signed(">=", values[15], index(0))
            passed = [*values[1:4], of_A, *values[6:8], of_B, values[10], of_C, values[13]]
            passed += [of_D, fresh]

            def of_width(q: int) -> Any:
                called = _function(builder.module, name, q, heights[q], rows, along, of_A.type)
                return lambda: builder.call(called, passed)

            v = Vectors(builder, of_A.type.pointee)
            v.choose(values[0], {q: of_width(q) for q in heights})
            return context.get_dummy_value()

        return types.void(*where), generate

    return _intrinsic(typed)


def _function(
    module: Any, name: str, q: int, heights: Sequence[int], rows: int, along: int, pointer: Any
) -> Any:
    """Return the module's function of tiles of q vectors, written if it is not there."""
    full = f"chainrule.{name}.{q}.{pointer.pointee}"
    if full in module.globals:
        return module.globals[full]
    kinds = [INDEX, INDEX, INDEX, pointer, INDEX, INDEX, pointer, INDEX, pointer, INDEX, pointer]
    kind = ir.FunctionType(ir.VoidType(), [*kinds, ir.IntType(1)])
    function = ir.Function(module, kind, full)
    function.linkage = "internal"
    function.attributes.add("noinline")
    v = Vectors(ir.IRBuilder(function.append_basic_block("entry")), pointer.pointee)
    c, n, m, A, a_row, a_k, B, b_row, C, c_row, D, fresh = function.args
    a_row, a_k = index(rows) if rows else a_row, index(along) if along else a_k
    whole = v.builder.icmp_signed("==", c, index(q * v.lanes))
    last = v.builder.sub(c, index((q - 1) * v.lanes))  # columns of the last vector
    r = index(0)
    for tall in heights:

        def tiles(r: Any, none: list[Any], tall: int = tall) -> list[Any]:
            of_A = v.at(A, v.builder.mul(r, a_row)), a_row, a_k
            of_C = v.at(C, v.builder.mul(r, c_row))
            before = v.unless(
                v.builder.not_(fresh), [v.zero] * (tall * q), lambda: _row(v, D, q) * tall
            )
            sums = products(v, tall, q, n, of_A, (B, b_row), before)
            places = [v.side_by_side(p, q) for p in v.rows(of_C, c_row, tall)]
            _write(v, sums, places, fresh, whole, last)
            return none

        left = v.builder.sub(m, r)
        end = v.builder.sub(m, v.builder.srem(left, index(tall)))
        v.loop(r, end, tall, [], tiles)
        r = end
    v.builder.ret_void()
    return function


def _row(v: Vectors, pointer: Any, q: int) -> list[Any]:
    return [v.load(p) for p in v.side_by_side(pointer, q)]


def _write(
    v: Vectors, sums: list[Any], places: list[list[Any]], fresh: Any, whole: Any, last: Any
) -> None:
    """Store a tile's sums, or add them to what is there; of a row's last vector `last` lanes."""
    flat = [p for row in places for p in row]
    q = len(places[0])

    def written(full: bool) -> None:
        def cut(k: int) -> bool:
            return not full and k % q == q - 1

        def added() -> list[Any]:
            old = [v.load_first(p, last) if cut(k) else v.load(p) for k, p in enumerate(flat)]
            return [v.builder.fadd(x, s) for x, s in zip(old, sums, strict=True)]

        for k, total in enumerate(v.unless(fresh, sums, added)):
            if cut(k):
                v.store_first(total, flat[k], last)
            else:
                v.store(total, flat[k])

    builder = v.builder
    all_of_it, some, done = map(builder.append_basic_block, ("whole", "cut", "done"))
    builder.cbranch(whole, all_of_it, some)
    for block, full in ((all_of_it, True), (some, False)):
        builder.position_at_end(block)
        written(full)
        builder.branch(done)
    builder.position_at_end(done)
