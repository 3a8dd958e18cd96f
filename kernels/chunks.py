"""Sweeps over the numbers of rows, vector by vector, of which the last may be a part of one.

    sweep(v, n, at_once, folds, body)    what each fold, of `adding`, `extreme`, makes of n numbers

What a kernel does to a vector is said once, in body(chunk, totals), and emitted for rounds of
several vectors, for single ones and, masked, for what is left: no number is worked on alone.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from chainrule.kernels.vectors import Vectors, index


class Chunk(NamedTuple):
    """Numbers k, k + 1, … of rows of one length: a vector of them, or only the first `left`."""

    v: Vectors
    k: Any
    left: Any = None

    def load(self, row: Any) -> Any:
        """Return a row's numbers, given where it begins; zeros for those past its end."""
        at = self.v.at(row, self.k)
        return self.v.load(at) if self.left is None else self.v.load_first(at, self.left)

    def store(self, value: Any, row: Any) -> None:
        """Write them."""
        at = self.v.at(row, self.k)
        if self.left is None:
            self.v.store(value, at)
        else:
            self.v.store_first(value, at, self.left)

    def or_one(self, value: Any) -> Any:
        """Return the value with 1 in the lanes of numbers that there are none of."""
        v = self.v
        return value if self.left is None else v.builder.select(v.below(self.left), value, v.one)


class Fold(NamedTuple):
    """What a sweep makes of all its chunks: where it begins, and how two vectors become one."""

    first: Any
    of: Callable[[Any, Any], Any]


OfChunk = Callable[[Chunk, list[Any]], list[Any]]


def adding(v: Vectors) -> Fold:
    """Return how a sum comes about, from nothing."""
    return Fold(v.zero, v.builder.fadd)


def extreme(v: Vectors, order: str, first: Any) -> Fold:
    """Return how the least (order "<") or the largest (">") of numbers and `first` does."""

    def of(x: Any, y: Any) -> Any:
        return v.builder.select(v.builder.fcmp_ordered(order, x, y), x, y)

    return Fold(first, of)


def sweep(v: Vectors, n: Any, at_once: int, folds: Sequence[Fold], body: OfChunk) -> list[Any]:
    """Emit body for each vector of n numbers; return what each fold makes of them, in a vector.

    body(chunk, totals): the totals after a chunk, one a fold. A round takes `at_once` chunks,
    of which each has totals of its own, so that none waits for another; the last chunk may be
    a part of a vector.
    """
    builder, many = v.builder, len(folds)

    def of_round(k: Any, totals: list[Any]) -> list[Any]:
        after = []
        for t in range(at_once):
            chunk = Chunk(v, builder.add(k, index(t * v.lanes)))
            after += body(chunk, totals[t * many : (t + 1) * many])
        return after

    def alone(k: Any, totals: list[Any]) -> list[Any]:
        return body(Chunk(v, k), totals[:many]) + totals[many:]

    rounds, vectors = (builder.sub(n, builder.srem(n, index(m * v.lanes))) for m in (at_once, 1))
    before = [fold.first for fold in folds] * at_once
    totals = v.loop(index(0), rounds, at_once * v.lanes, before, of_round)
    if at_once > 1:
        totals = v.loop(rounds, vectors, v.lanes, totals, alone)
    left = builder.sub(n, vectors)
    none, whole = builder.icmp_signed("==", left, index(0)), totals[:many]
    last = v.unless(none, whole, lambda: body(Chunk(v, vectors, left), whole))
    totals = last + totals[many:]
    return [reduce(fold.of, totals[k::many]) for k, fold in enumerate(folds)]
