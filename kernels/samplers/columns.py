"""What the CUDA samplers share: which columns of x are drawn, found on the host once a call.

So no step waits for an answer from the device, and a prompt joins the windows in one piece.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

Kinds = NDArray[np.bool_]


def kinds(u: Array, x: Ids) -> tuple[Kinds, Kinds]:
    """Return on the host which entries of x are drawn and which are given, (N, k)."""
    drawn: Any = u >= 0
    given: Any = (u < 0) & (x >= 0)
    return drawn.get(), given.get()


def runs(drawn: Kinds) -> Iterator[tuple[int, int]]:
    """Yield (first, stop) for each column that some row draws, and each run of the others."""
    some: Any = drawn.any(axis=0)
    first = 0
    while first < len(some):
        stop = first + 1
        while not some[first] and stop < len(some) and not some[stop]:
            stop += 1
        yield first, stop
        first = stop


def join(window: Ids, length: Any, full: int, stride: int, given: list[Ids]) -> NDArray[np.bool_]:
    """Let given symbols join the windows, of which length[n] are there; return which moved.

    length: (N,), on the host, overwritten. given: each row's symbols. A window that would have
    `full` symbols moves on by `stride`: the same as one symbol after the other.
    """
    xp = array_module(window)
    moved = np.zeros(len(window), bool)
    for n, symbols in enumerate(given):
        total = int(length[n]) + len(symbols)
        dropped = 0 if total < full else stride * ((total - full) // stride + 1)
        if len(symbols):
            kept = xp.concatenate([window[n, : int(length[n])], symbols])[dropped:]
            window[n, : len(kept)] = kept
            length[n], moved[n] = len(kept), dropped > 0
    return moved
