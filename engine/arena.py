"""Memory for activations that is used again from step to step: a stack of arrays a thread.

    with arena.borrow(like) as new:
        y = new((N, C))         uninitialised, like's dtype, on like's side
        with arena.borrow(like) as temporary:
            h = temporary((N, C))
        z = new((N, C))         may lie where h lay

A training step asks for the same arrays in the same order as the step before, so a pointer that
moves up at each `new` and back at the end of the `with` is all the allocator that is needed: no
page is touched for the first time again, and no two steps fragment memory. What was borrowed ends
with its `with` block: copy what has to outlive it, and never `yield` inside.

Threads. A thread's outermost `borrow` takes a stack from a common pool and its end gives it back,
so there are as many stacks as threads ever worked at once, each as large as the most that one of
them held. `release` frees those not in use. On a GPU, CuPy keeps a pool like this of its own, and
`new` is `cupy.empty`.
"""

import mmap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

New = Callable[[tuple[int, ...]], Array]
ALIGN = 64  # bytes: a cache line, and more than any vector register
FIRST = 1 << 16  # bytes of a stack's first block


class _Stack:
    """Blocks of bytes, filled from the first on; once all is given back, one block for all."""

    def __init__(self) -> None:
        self.blocks = [_aligned(FIRST)]
        self.block, self.used = 0, 0  # where the next array goes
        self.live, self.peak = 0, 0  # bytes lent now, and at most
        self.open: list[object] = []  # one for each block, the innermost last

    def push(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        size = prod(shape) * dtype.itemsize
        while self.used + size > len(self.blocks[self.block]):
            self.block, self.used = self.block + 1, 0
            if self.block == len(self.blocks):
                self.blocks.append(_aligned(max(size, FIRST, self.live)))
        array: Array = self.blocks[self.block][self.used : self.used + size].view(dtype)
        self.used += _whole_lines(size)
        self.live += _whole_lines(size)
        self.peak = max(self.peak, self.live)
        return array.reshape(shape)

    def mark(self) -> tuple[int, int, int]:
        return self.block, self.used, self.live

    def pop(self, mark: tuple[int, int, int]) -> None:
        self.block, self.used, self.live = mark
        if self.live == 0 and len(self.blocks) > 1:
            self.blocks.clear()  # before the new one is asked for: never both
            self.blocks.append(_aligned(self.peak))
            self.block = self.used = 0


def _whole_lines(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _aligned(size: int) -> Any:
    """Return bytes that start at a page, a multiple of ALIGN long.

    Of pages of their own, which go back to the system at once: `malloc` would keep what a stack
    grew through, a third of a training step's memory. Private ones, so that a fork copies them.
    """
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    return np.frombuffer(mmap.mmap(-1, _whole_lines(size), **flags), np.uint8)


_idle: list[_Stack] = []  # append and pop are atomic
_mine = threading.local()


@contextmanager
def borrow(like: Array) -> Iterator[New]:
    """Lend a function from shape to array, valid inside the block, with like's dtype and side.

    Raises (from the function):
        RuntimeError: called after its block has ended, or inside a block opened after it, whose
            end would take the array away.
    """
    if on_device(like):
        xp, dtype = array_module(like), like.dtype
        yield lambda shape: xp.empty(shape, dtype)
        return
    stack: _Stack = _mine.__dict__.get("stack") or (_idle.pop() if _idle else _Stack())
    _mine.stack = stack
    mark = stack.mark()
    block = object()
    stack.open.append(block)

    def new(shape: tuple[int, ...]) -> Array:
        if _mine.__dict__.get("stack") is not stack or stack.open[-1] is not block:
            raise RuntimeError("an arena's function works only in its own, innermost block")
        array: Array = stack.push(shape, like.dtype)
        return array

    try:
        yield new
    finally:
        stack.open.pop()
        stack.pop(mark)
        if not stack.open:
            _mine.stack = None
            _idle.append(stack)


def held_bytes() -> int:
    """Return how many bytes the stacks hold that no thread uses at the moment."""
    return sum(len(block) for stack in list(_idle) for block in stack.blocks)


def release() -> None:
    """Free all memory that no thread uses at the moment."""
    _idle.clear()
