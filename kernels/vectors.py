"""Vectors as wide as the processor's, and loops over them, written as LLVM instructions.

What an intrinsic is put together from that keeps its sums in registers: `chainrule.kernels.tiles`
says why such things are written by hand. A `Vectors` writes into the function that is being
compiled:

    v = Vectors(builder, number)                            number: LLVM's float or double
    sums = v.loop(first, end, step, [v.zero], body)         body(k, sums): the sums after k
    v.choose(m, {6: six, 1: one})                           a switch, of what emits each case

Nothing here is x86's alone: LLVM knows the instructions of every processor.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils as _cgutils
from numba.extending import overload

from chainrule.kernels.target import VECTOR_BYTES
from chainrule.kernels.types import Array

cgutils: Any = _cgutils
INDEX, LANE = ir.IntType(64), ir.IntType(32)
Body = Callable[[Any, list[Any]], list[Any]]


def index(value: int) -> Any:
    """Return a constant index."""
    return ir.Constant(INDEX, value)


def numbers_in(size: int) -> Callable[[Array], int]:
    """Return a function: how many numbers like an array's so many bytes hold.

    Compiled kernels may call it, and have a constant.
    """

    def numbers(x: Array) -> int:
        return int(size // x.itemsize)

    @overload(numbers)
    def compiled(x: Any) -> Callable[[Any], int]:
        width: int = size * 8 // x.dtype.bitwidth

        def constant(x: Any) -> int:
            return width

        return constant

    return numbers


class Vectors:
    """Instructions on vectors of one kind of number."""

    def __init__(self, builder: Any, number: Any) -> None:
        """Write to builder; number: the LLVM type of a lane."""
        self.builder = builder
        self.size = 4 if isinstance(number, ir.FloatType) else 8  # bytes of a lane
        self.lanes = VECTOR_BYTES // self.size
        self.kind = ir.VectorType(number, self.lanes)
        self.zero, self.one = (ir.Constant(self.kind, [x] * self.lanes) for x in (0.0, 1.0))
        self._nothing = ir.Constant(self.kind, ir.Undefined)

    def at(self, pointer: Any, *offsets: Any) -> Any:
        """Return a pointer so many numbers further on."""
        for offset in offsets:
            by = index(offset) if isinstance(offset, int) else offset
            pointer = self.builder.gep(pointer, [by])
        return pointer

    def rows(self, pointer: Any, distance: Any, n: int) -> list[Any]:
        """Return pointers to n rows, so many numbers apart."""
        return [self.at(pointer, self.builder.mul(index(r), distance)) for r in range(n)]

    def side_by_side(self, pointer: Any, n: int) -> list[Any]:
        """Return pointers to n vectors, one behind the other."""
        return [self.at(pointer, r * self.lanes) for r in range(n)]

    def load(self, pointer: Any) -> Any:
        """Return the vector that begins at a number."""
        whole = self.builder.bitcast(pointer, self.kind.as_pointer())
        return self.builder.load(whole, align=self.size)

    def load_first(self, pointer: Any, n: Any) -> Any:
        """Return the first n numbers there and zeros after them, and read no others."""
        return self._call("masked.load", ".p0", self.kind, [*self._masked(pointer, n), self.zero])

    def store(self, value: Any, pointer: Any) -> None:
        """Write a vector, or a part of one."""
        whole = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, whole, align=self.size)

    def store_first(self, value: Any, pointer: Any, n: Any) -> None:
        """Write the first n numbers of a vector, and no others."""
        arguments = [value, *self._masked(pointer, n)]
        self._call("masked.store", ".p0", ir.VoidType(), arguments)

    def fetch(self, pointer: Any) -> None:
        """Ask for the line of a number, to be in the second-level cache when it is read."""
        line = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        to_read, near, data = (ir.Constant(LANE, x) for x in (0, 2, 1))
        kind = ir.FunctionType(ir.VoidType(), [line.type, LANE, LANE, LANE])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [line, to_read, near, data])

    def everywhere(self, one: Any) -> Any:
        """Return a vector that has a number in all lanes."""
        nothing = ir.Constant(ir.VectorType(one.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, one, ir.Constant(LANE, 0))
        return self.builder.shuffle_vector(first, nothing, _lanes([0] * self.lanes))

    def spread(self, pointer: Any) -> Any:
        """Return a vector that has one number in all lanes."""
        return self.everywhere(self.builder.load(pointer))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """Return x y + z."""
        return self._call("fmuladd", "", self.kind, [x, y, z])

    def part(self, vectors: list[Any], first: int, n: int) -> Any:
        """Return n numbers, counted from lane `first` of the first vector, as one."""
        number = self.kind.element
        whole = ir.Constant(ir.VectorType(number, n), ir.Undefined)
        for k in range(n):
            at, lane = divmod(first + k, self.lanes)
            x = self.builder.extract_element(vectors[at], ir.Constant(LANE, lane))
            whole = self.builder.insert_element(whole, x, ir.Constant(LANE, k))
        return whole

    def totals(self, vectors: list[Any]) -> list[Any]:
        """Return the sum of each vector's lanes, one after the other, in as few vectors as hold it.

        Halves are added to halves, two vectors at a time, until of each a lane is left: the order
        of a sum is the same whatever its neighbours are.
        """
        length = self.lanes
        while length > 1:
            half = length // 2
            starts = range(0, 2 * self.lanes, length)  # of what is left of each, in a pair
            halves = [_lanes(s + k for s in starts for k in range(i, i + half)) for i in (0, half)]
            padded = [*vectors, self._nothing][: len(vectors) + len(vectors) % 2]
            vectors = [
                self.builder.fadd(*(self.builder.shuffle_vector(x, y, some) for some in halves))
                for x, y in zip(padded[::2], padded[1::2], strict=True)
            ]
            length = half
        return vectors

    def loop(self, first: Any, end: Any, step: int, before: list[Any], body: Body) -> list[Any]:
        """Emit a loop over k = first, first + step, … while below end; return the sums after it."""
        builder, above = self.builder, self.builder.block
        head, inside, done = map(builder.append_basic_block, ("next", "inside", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(INDEX)
        k.add_incoming(first, above)
        sums = [builder.phi(self.kind) for _ in before]
        for total, value in zip(sums, before, strict=True):
            total.add_incoming(value, above)
        builder.cbranch(builder.icmp_signed("<", k, end), inside, done)
        builder.position_at_end(inside)
        after = body(k, sums)
        k.add_incoming(builder.add(k, index(step)), builder.block)
        for total, value in zip(sums, after, strict=True):
            total.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(done)
        return sums

    def unrolled(self, n: Any, at_once: int, before: list[Any], body: Body) -> list[Any]:
        """Emit a loop over k = 0 … n - 1, so many of them a round; return the sums after it."""
        builder = self.builder

        def several(k: Any, sums: list[Any]) -> list[Any]:
            for u in range(at_once):
                sums = body(builder.add(k, index(u)), sums)
            return sums

        whole = builder.sub(n, builder.srem(n, index(at_once)))
        return self.loop(whole, n, 1, self.loop(index(0), whole, at_once, before, several), body)

    def unless(self, skip: Any, before: list[Any], body: Callable[[], list[Any]]) -> list[Any]:
        """Emit a branch; return what body does, or if skip is true, `before`."""
        builder, above = self.builder, self.builder.block
        inside, done = map(builder.append_basic_block, ("unless", "done"))
        builder.cbranch(skip, done, inside)
        builder.position_at_end(inside)
        after = body()
        last = builder.block
        builder.branch(done)
        builder.position_at_end(done)
        values = [builder.phi(self.kind) for _ in before]
        for value, old, new in zip(values, before, after, strict=True):
            value.add_incoming(old, above)
            value.add_incoming(new, last)
        return values

    def choose(self, value: Any, cases: dict[int, Callable[[], None]]) -> None:
        """Emit a switch over a number. cases: what emits each; any other number does nothing."""
        builder = self.builder
        end = builder.append_basic_block("end_of_cases")
        chosen = builder.switch(value, end)
        for case, emit in cases.items():
            block = builder.append_basic_block(f"case_{case}")
            chosen.add_case(index(case), block)
            builder.position_at_end(block)
            emit()
            builder.branch(end)
        builder.position_at_end(end)

    def below(self, n: Any) -> Any:
        """Return which lanes are below n."""
        order = ir.Constant(ir.VectorType(INDEX, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", order, self.everywhere(n))

    def _masked(self, pointer: Any, n: Any) -> list[Any]:
        """Return a pointer to a vector, its alignment and which lanes are below n."""
        whole = self.builder.bitcast(pointer, self.kind.as_pointer())
        return [whole, ir.Constant(LANE, self.size), self.below(n)]

    def _call(self, name: str, suffix: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, [x.type for x in arguments])
        full = f"llvm.{name}.v{self.lanes}f{8 * self.size}{suffix}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, full)
        return self.builder.call(function, arguments)


def _lanes(chosen: Any) -> Any:
    """Return the constant that says which lanes a shuffle takes."""
    numbers = list(chosen)
    return ir.Constant(ir.VectorType(LANE, len(numbers)), numbers)
