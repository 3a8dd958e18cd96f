"""What a symbol sees where a sequence is longer than a model's context. The one definition.

Position t, counted from 0, is conditioned on x_{s(t)} … x_{t-1}. In a context of S symbols

    s(t) = 0                                     for t < S
    s(t) = stride · (⌊(t - S) / stride⌋ + 1)     from there on,  stride = max(1, ⌊S/2⌋)

So windows restart every `stride` symbols, and each symbol sees between S - stride and S - 1
symbols before it (S = 1: none). A model that reads S symbols in one pass then scores `stride` new
ones with each, about twice the work of one pass, instead of a pass a symbol for the last S - 1.
Every x_t has one well-defined distribution given its past, so probabilities of sequences of any
length sum to one, and sampling, scoring and training mean the same model.
"""

from collections.abc import Iterator
from typing import Any, Protocol


class Readable(Protocol):
    """A sequence of symbols: a NumPy array, mapped or not, or what reads like one."""

    def __len__(self) -> int:
        """Return the number of symbols."""

    def __getitem__(self, part: slice, /) -> Any:
        """Return a part of it as an integer array, (n,)."""


def stride(context: int) -> int:
    """Return how many symbols a window moves on when it restarts."""
    return max(1, context // 2)


def window_start(t: int, context: int) -> int:
    """Return s(t), the first symbol that position t, counted from 0, may see."""
    if t < context:
        return 0
    step = stride(context)
    return step * ((t - context) // step + 1)


def windows(T: int, context: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, first, stop): the window x[start:stop] decides positions first … stop - 1."""
    first = 0
    while first < T:
        start = window_start(first, context)
        stop = min(start + context, T)
        yield start, first, stop
        first = stop


def count(T: int, context: int) -> int:
    """Return how many windows `windows` yields."""
    return min(T, 1) + -(-max(0, T - context) // stride(context))


def window(k: int, T: int, context: int) -> tuple[int, int, int]:
    """Return the k-th of `windows`, counted from 0, without those before it."""
    start = k * stride(context)
    return start, start + context - stride(context) if k else 0, min(start + context, T)
