"""Draw a symbol from a row of logits: the one definition that every sampler follows.

Definition  Given logits s_0 … s_{V-1}, a uniform u in [0, 1), a temperature τ, top_k and top_p:

            (D1)  w_v = exp((s_v - max s) / τ)                 in float64, so 0 ≤ w_v ≤ 1
            (D2)  rank the symbols by logit, largest first; of equal logits the lower id first
            (D3)  top_k: w_v = 0 beyond the first k ranks      off at 0 and from V on
            (D4)  top_p: with W = Σ_v w_v after D3, keep the shortest run of first ranks whose
                  weights add up to p W or more, and one symbol at least; w_v = 0 beyond it
                                                               off at 1
            (D5)  the symbol is the first v with w_0 + … + w_v > u W, W = Σ_v w_v after D4

            D5 inverts the cumulative distribution in the order of the ids, so a larger u never
            gives a smaller id, and a symbol without weight is never drawn. Where u W rounds up to
            W, the last symbol that has weight is drawn. τ = 0 draws the largest logit, of equal
            ones the lowest id: the limit of D1-D5 for τ → 0. All sums run in the order written
            and in float64 whatever the logits' dtype, so that the implementations agree but for
            the last bit of an exponential.

            Logits may be as large as they like: D1 depends on their differences alone. NaN gives
            some id below V.

Cost        O(V) with neither top_k nor top_p. Ranks come from a heap: O(V + r log V) for the r
            ranks looked at.

`draw` (NumPy or CuPy arrays) defines the result; `pick` is its compiled twin for one row, to be
called from compiled samplers.

Source      top_p: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.inline import JIT
from chainrule.kernels.types import Array, Ids


def draw(s: Array, u: Array, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Ids:
    """Return one symbol for each row of logits s, (N, V), and each uniform of u, (N,).

    temperature ≥ 0; top_k ≥ 0, 0 for off; 0 < top_p ≤ 1. Returns (N,) int32.
    """
    xp = array_module(s, u)
    s = s.astype(xp.float64)
    if temperature == 0:
        largest: Ids = s.argmax(axis=1).astype(xp.int32)
        return largest
    with np.errstate(over="ignore", under="ignore"):
        w = xp.exp((s - s.max(axis=1, keepdims=True)) / temperature)  # D1
    V = s.shape[1]
    if 0 < top_k < V or top_p < 1:
        order = xp.argsort(-s, axis=1, kind="stable")  # D2
        rank = xp.argsort(order, axis=1)
        if 0 < top_k < V:
            w = xp.where(rank < top_k, w, 0.0)  # D3
        if top_p < 1:
            mass = xp.cumsum(xp.take_along_axis(w, order, axis=1), axis=1)
            W = xp.cumsum(w, axis=1)[:, -1:]
            n_kept = 1 + (mass < top_p * W).sum(axis=1)
            w = xp.where(rank < n_kept[:, None], w, 0.0)  # D4
    below = xp.cumsum(w, axis=1)
    first = (below <= u.astype(xp.float64)[:, None] * below[:, -1:]).sum(axis=1)  # D5
    last = V - 1 - (w[:, ::-1] > 0).argmax(axis=1)
    symbols: Ids = xp.minimum(first, last).astype(xp.int32)
    return symbols


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
    """Return the symbol for row n of s, (N, V), and u: `draw`, for compiled callers.

    w: (V,) float64 and heap: (V,) int32 are working memory.
    """
    V = s.shape[1]
    largest = 0
    for v in range(1, V):
        if s[n, v] > s[n, largest]:
            largest = v
    if temperature == 0:
        return largest
    top = np.float64(s[n, largest])
    for v in range(V):
        w[v] = np.exp((np.float64(s[n, v]) - top) / temperature)  # D1
    if 0 < top_k < V or top_p < 1:
        _keep_first_ranks(s, n, top_k, top_p, w, heap)
    return int(_invert(w, u))


@njit(**JIT)
def _invert(w: Array, u: float) -> int:
    """Return the first v with w_0 + … + w_v > u Σ w, or the last with any weight (D5)."""
    W = 0.0
    for v in range(w.size):
        W += w[v]
    threshold, below, last = np.float64(u) * W, 0.0, 0
    for v in range(w.size):
        below += w[v]
        if below > threshold:
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
    if 0 < top_k < V:  # D3
        while size > V - top_k:
            size = _rank_next(s, n, heap, size)
        for i in range(size):
            w[heap[i]] = 0
    if top_p < 1:  # D4
        W = 0.0
        for v in range(V):
            W += w[v]
        mass, rank, ranks = 0.0, 0, top_k if 0 < top_k < V else V
        while rank < ranks and (rank == 0 or mass < top_p * W):
            if rank == V - size:
                size = _rank_next(s, n, heap, size)
            mass += w[heap[V - 1 - rank]]
            rank += 1
        for i in range(V - rank):
            w[heap[i]] = 0


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
                if a > b or (a == b and heap[child] < heap[first]):
                    first = child
        if first == i:
            return
        heap[i], heap[first] = heap[first], heap[i]
        i = first
