"""Numba twin of the categorical draw: a heap finds as many ranks as are looked at, no more."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

THREAD_WORK = 20_000  # logits worth a thread: about 0.2 ms


def draw(s: Array, u: Array, temperature: float, top_k: int, top_p: float, x: Ids) -> None:
    """See `chainrule.kernels.categorical.draw`."""
    s, u = np.ascontiguousarray(s), np.ascontiguousarray(u, np.float64)
    drawn, options = np.ascontiguousarray(x), (float(temperature), top_k, float(top_p))

    def rows(lo: int, hi: int) -> None:
        _draw(s[lo:hi], u[lo:hi], *options, drawn[lo:hi])

    map_rows(rows, len(s), 1 + THREAD_WORK // max(1, s.shape[1]))
    if drawn is not x:
        x[...] = drawn


@njit(**JIT)
def _draw(s: Array, u: Array, temperature: float, top_k: int, top_p: float, x: Ids) -> None:
    w, heap = np.empty(s.shape[1], np.float64), np.empty(s.shape[1], np.int32)
    for n in range(len(s)):
        if not u[n] < 0:
            x[n] = pick(s, n, u[n], temperature, top_k, top_p, w, heap)


@njit(**JIT)
def pick(
    s: Array,
    n: int,
    u: float,
    temperature: float,
    top_k: int,
    top_p: float,
    w: Array,
    heap: Ids,
) -> int:
    """Return the symbol for row n of s, (N, V), and u ≥ 0: D1-D5, for compiled callers.

    w: (V,) float64 and heap: (V,) int32 are working memory.
    """
    V = s.shape[1]
    largest = weigh(s, n, 0, V, temperature, w)
    if temperature == 0:
        return int(largest)
    if 0 < top_k < V or top_p < 1:
        _keep_first_ranks(s, n, top_k, top_p, w, heap)
    return int(invert(w, V, u))


@njit(**JIT)
def weigh(s: Array, n: int, first: int, V: int, temperature: float, w: Array) -> int:
    """Write the weights w_0 … w_{V-1} of the logits in s[n, first : first + V].

    Returns the first of the largest logits. Where the temperature is 0, w stays as it is.
    """
    largest = 0
    for v in range(1, V):
        if s[n, first + v] > s[n, first + largest]:
            largest = v
    if temperature != 0:
        top = np.float64(s[n, first + largest])
        for v in range(V):
            w[v] = np.exp((np.float64(s[n, first + v]) - top) / temperature)  # D1
    return largest


@njit(**JIT)
def invert(w: Array, V: int, u: float) -> int:
    """Return the first v < V with w_0 + … + w_v > u Σ w, or the last with any weight (D5)."""
    W = 0.0
    for v in range(V):
        W += w[v]
    threshold, below, last = np.float64(u) * W, 0.0, 0
    for v in range(V):
        below += w[v]
        if below > threshold:  # D5
            return v
        if w[v] > 0:
            last = v
    return last


@njit(**JIT)
def _keep_first_ranks(s: Array, n: int, top_k: int, top_p: float, w: Array, heap: Ids) -> None:
    """Set w to 0 beyond top_k ranks and beyond the ranks that hold top_p of what is left.

    heap[: size] holds the symbols not ranked yet, the next one in front, and heap[V - 1 - r] the
    symbol of rank r once it is known.
    """
    V = w.size
    for v in range(V):
        heap[v] = v
    for i in range(V // 2 - 1, -1, -1):
        _sift_down(s, n, heap, i, V)
    size = V
    if 0 < top_k < V:
        while size > V - top_k:
            size = _rank_next(s, n, heap, size)
        for i in range(size):
            w[heap[i]] = 0  # D3
    if top_p < 1:
        W = 0.0
        for v in range(V):
            W += w[v]
        mass, rank, ranks = 0.0, 0, top_k if 0 < top_k < V else V
        while rank < ranks and (rank == 0 or mass < top_p * W):  # D4
            if rank == V - size:
                size = _rank_next(s, n, heap, size)
            mass += w[heap[V - 1 - rank]]
            rank += 1
        for i in range(V - rank):
            w[heap[i]] = 0  # D4


@njit(**JIT)
def _rank_next(s: Array, n: int, heap: Ids, size: int) -> int:
    """Move the front of the heap behind it and return the heap's new size."""
    heap[0], heap[size - 1] = heap[size - 1], heap[0]
    _sift_down(s, n, heap, 0, size - 1)
    return size - 1


@njit(**JIT)
def _sift_down(s: Array, n: int, heap: Ids, i: int, size: int) -> None:
    """Let the symbol at i sink below every child that ranks before it (D2)."""
    while True:
        first = i
        for child in (2 * i + 1, 2 * i + 2):
            if child < size:
                a, b = s[n, heap[child]], s[n, heap[first]]
                if a > b or (a == b and heap[child] < heap[first]):  # D2
                    first = child
        if first == i:
            return
        heap[i], heap[first] = heap[first], heap[i]
        i = first
