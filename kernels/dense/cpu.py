"""Numba twin of the layers: all threads in one kernel, from layer to layer (`teams`).

A minibatch's products are done in a tenth of a millisecond, and a dispatch of threads takes as long
again. A part of a layer is some columns of it, or some rows, its product, bias and activation in
one; backward it is a part of dW, of dc and of da below.
"""

from typing import Any

import numpy as np
from numba import from_dtype, types

from chainrule.kernels import matrices, teams
from chainrule.kernels.activation.cpu import activate, descend
from chainrule.kernels.compiled import njit
from chainrule.kernels.dense import NONE
from chainrule.kernels.entries import entry
from chainrule.kernels.inline import JIT
from chainrule.kernels.linear.panels import multiply_at, multiply_part, share, types_of
from chainrule.kernels.masked_linear.cpu import sum_columns
from chainrule.kernels.matrices import matrix
from chainrule.kernels.teams import finish, take, wait
from chainrule.kernels.threads import map_rows, n_threads
from chainrule.kernels.tiles import lanes, row
from chainrule.kernels.types import Array

THREAD_WORK = 4_000_000  # multiply-adds worth a thread: 0.06 ms


def forward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], c: tuple[Array, ...],
    h: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.forward`."""
    lying, turned = _lying(W)
    places = matrices.places([x, *h, *lying, *c])
    _together(_forward, np.array(kinds), turned, places, x, W)


def backward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], h: tuple[Array, ...],
    dh: tuple[Array, ...], dW: tuple[Array, ...], dc: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.backward`."""
    (lying, turned), (gradients, as_well) = _lying(W), _lying(dW)
    if (turned != as_well).any():  # what is written where it lies must lie as it is read
        raise ValueError("dW must be transposes where W are")
    places = matrices.places([x, *h, *lying, *dh, *gradients, *dc])
    _together(_backward, np.array(kinds), turned, places, x, W)


def _lying(W: tuple[Array, ...]) -> tuple[list[Array], Any]:
    """Return the weights, or their transposes, that are contiguous, and which they are."""
    turned = np.array([not W_l.flags.c_contiguous for W_l in W])
    return [W_l.T if other else W_l for W_l, other in zip(W, turned, strict=True)], turned


def _together(
    layers: Any, kinds: Any, turned: Any, places: Any, x: Array, W: tuple[Array, ...]
) -> None:
    """Let as many threads as the work is worth go through the layers."""
    work = len(x) * sum(W_l.size for W_l in W)
    parts = max(1, min(n_threads(), work // THREAD_WORK))
    team, like = teams.new(len(W) + 1), x[:0]
    multiply = entry(multiply_part, types_of(types.Array(from_dtype(x.dtype), 2, "C")))
    map_rows(lambda lo, hi: layers(multiply, team, parts, kinds, turned, places, like), parts)


@njit(**JIT)
def _forward(
    multiply: int, team: Array, parts: int, kinds: Array, turned: Array, places: Array, like: Array
) -> None:
    """Do what parts there are, layer after layer; places: of x, h, W and c."""
    L = kinds.size
    for l in range(L):
        x, h = matrix(places, l, like), matrix(places, l + 1, like)
        W, c = matrix(places, 1 + L + l, like), matrix(places, 1 + 2 * L + l, like)
        part = take(team, l)
        while part < parts:
            multiply_at(multiply, x, False, W, turned[l], h, part, part + 1, parts)  # F1
            _add_and_activate(kinds[l], c, h, part, parts)
            finish(team, l)
            part = take(team, l)
        wait(team, l, parts)


@njit(**JIT)
def _add_and_activate(kind: int, c: Array, h: Array, part: int, parts: int) -> None:
    """Update a part of h, which holds the product, by F1's bias and F2."""
    i, i_end, j, j_end = share(h.shape[0], h.shape[1], lanes(h), part, part + 1, parts)
    for n in range(i, i_end):
        h_n, c_n = row(h, n)[j:j_end], row(c, n if len(c) > 1 else 0)[j:j_end]
        for k in range(h_n.size):
            h_n[k] += c_n[k]
        if kind != NONE:
            activate(kind, h_n)  # F2


@njit(**JIT)
def _backward(
    multiply: int, team: Array, parts: int, kinds: Array, turned: Array, places: Array, like: Array
) -> None:
    """Do what parts there are, layer after layer down; places: of x, h, W, dh, dW and dc."""
    L = kinds.size
    last, d_last = matrix(places, L, like), matrix(places, 3 * L, like)
    part = take(team, L)
    while part < parts:
        _descend(kinds[L - 1], last, d_last, part, parts)  # B1
        finish(team, L)
        part = take(team, L)
    wait(team, L, parts)
    for l in range(L - 1, -1, -1):
        below, W = matrix(places, l, like), matrix(places, 1 + L + l, like)
        d, dW = matrix(places, 1 + 2 * L + l, like), matrix(places, 1 + 3 * L + l, like)
        dc = matrix(places, 1 + 4 * L + l, like)
        part = take(team, l)
        while part < parts:
            if turned[l]:
                multiply_at(multiply, d, True, below, False, dW, part, part + 1, parts)  # B2
            else:
                multiply_at(multiply, below, True, d, False, dW, part, part + 1, parts)  # B2
            if len(dc):
                sum_columns(d, row(dc, 0), part, part + 1, parts)  # B3
            if l:
                d_below = matrix(places, 2 * L + l, like)
                multiply_at(
                    multiply, d, False, W, not turned[l], d_below, part, part + 1, parts
                )  # B4
                _descend(kinds[l - 1], below, d_below, part, parts)  # B1
            finish(team, l)
            part = take(team, l)
        wait(team, l, parts)


@njit(**JIT)
def _descend(kind: int, h: Array, dh: Array, part: int, parts: int) -> None:
    """Update a part of dh by B1."""
    if kind == NONE:
        return
    i, i_end, j, j_end = share(h.shape[0], h.shape[1], lanes(h), part, part + 1, parts)
    for n in range(i, i_end):
        descend(kind, row(h, n)[j:j_end], row(dh, n)[j:j_end])
