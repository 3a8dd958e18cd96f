"""Numba twin of causal attention: splits the heads over threads; `heads` computes.

A head's size is padded to whole vectors where it is not a multiple of one, a copy that heads of 32,
64 and 128 do without.
"""

from collections.abc import Callable

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.causal_attention import heads
from chainrule.kernels.causal_attention.rows import attend
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.tiles import HEIGHT, lanes
from chainrule.kernels.types import Array, Ids

BLOCK = 8 * HEIGHT  # queries that share each key and value read, at most
BACKWARD_BLOCK = 12 * HEIGHT  # the same in the backward, whose sums over queries like to be long
CHUNK = 4 * BACKWARD_BLOCK  # keys that share each query read in the backward; whole panels
SCORES = 128 * 1024  # bytes of scores in a block, at most: they stay in a core's second-level cache
THREAD_WORK = 1_000_000  # pairs · d worth a thread: about 0.1 ms


def forward(q: Array, k: Array, v: Array, o: Array, lse: Array) -> None:
    """See `chainrule.kernels.causal_attention.forward`."""
    scale, wide = q.shape[3] ** -0.5, [_padded(a) for a in (q, k, v, o)]

    def some(lo: int, hi: int) -> None:
        heads.forward(*wide, lse, lo, hi, _block(q), scale)

    _map_heads(some, q)
    _narrow(o, wide[3])


def backward(
    do: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """See `chainrule.kernels.causal_attention.backward`."""
    scale, inputs = q.shape[3] ** -0.5, [_padded(a) for a in (do, q, k, v, o)]
    gradients = [_padded(a) for a in (dq, dk, dv)]

    def some(lo: int, hi: int) -> None:
        heads.backward(*inputs, lse, *gradients, lo, hi, BACKWARD_BLOCK, CHUNK, scale)

    _map_heads(some, q)
    for narrow, wide in zip((dq, dk, dv), gradients, strict=True):
        _narrow(narrow, wide)


def decode(q: Array, keys: Array, values: Array, length: Ids, o: Array) -> None:
    """See `chainrule.kernels.causal_attention.decode`."""
    (N, n, d), S = q.shape, keys.shape[1]
    flat, out = q.reshape(N, n * d), np.empty((N, n * d), q.dtype)
    caches = [a.reshape(N, 1, S, n * d) for a in (keys, values)]  # one layer of a sampler's cache

    def rows(lo: int, hi: int) -> None:
        _decode(flat, *caches, length, n, lo, hi, out)

    threads.map_rows(rows, N, 1 + THREAD_WORK // max(1, S * n * d))
    o[...] = out.reshape(q.shape)


@njit(**JIT)
def _decode(
    q: Array, keys: Array, values: Array, length: Ids, n: int, lo: int, hi: int, o: Array
) -> None:
    p = np.empty((n, keys.shape[2]), q.dtype)
    for r in range(lo, hi):
        attend(q, r, r, 0, length[r], keys, values, p, o)


def _block(q: Array) -> int:
    """Return how many queries are taken at a time: whole tiles, fewer the longer their rows."""
    tiles = SCORES // (max(1, q.shape[1]) * q.itemsize * HEIGHT)
    return int(min(BLOCK, max(HEIGHT, tiles * HEIGHT)))


def _map_heads(some: Callable[[int, int], None], q: Array) -> None:
    """Run some(lo, hi) over slices of the heads of all sequences, one a thread."""
    N, T, n, d = q.shape
    threads.map_rows(some, N * n, 1 + THREAD_WORK // max(1, T * T // 2 * d))


def _padded(a: Array) -> Array:
    """Return a, (N, T, n, d), with zeros after d up to a whole vector; a itself if d is whole."""
    missing = -a.shape[3] % lanes(a)
    return np.pad(a, [(0, 0)] * 3 + [(0, missing)]) if missing else a


def _narrow(a: Array, wide: Array) -> None:
    """Copy what was computed into `wide` back into a."""
    if wide is not a:
        a[...] = wide[..., : a.shape[3]]
