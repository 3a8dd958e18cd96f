"""Numba twin of the Bernoulli kernels: one vectorised sweep each, few logarithms.

A slope below the smallest normal number becomes 0. A network that is sure of a bit has such, and
processors multiply by a subnormal number a hundred times as slowly: where one slope in forty was
one, the products behind it took most of a training's time.
"""

import numpy as np

from chainrule.kernels.bernoulli import rows
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp, smallest_normal
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Bits

FACTORS = 512  # multiplied before one logarithm is taken; at most 2 each, so 2⁵¹² at most
THREAD_WORK = 50_000  # elements worth a thread: about 0.1 ms


def forward(s: Array, x: Bits, nll: Array) -> None:
    """See `chainrule.kernels.bernoulli.forward`."""
    map_rows(lambda lo, hi: _forward(s[lo:hi], x[lo:hi], nll[lo:hi]), len(s), _min_rows(s))


def terms(s: Array, x: Bits, log_p: Array) -> None:
    """See `chainrule.kernels.bernoulli.terms`."""
    map_rows(lambda lo, hi: _terms(s[lo:hi], x[lo:hi], log_p[lo:hi]), len(s), _min_rows(s))


def backward(dnll: Array, s: Array, x: Bits, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.backward`."""

    def some(lo: int, hi: int) -> None:
        _backward(dnll[lo:hi], s[lo:hi], x[lo:hi], ds[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def loss(rate: Array, s: Array, x: Bits, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.loss`."""

    def some(lo: int, hi: int) -> None:
        loss_of_rows(rate[lo:hi], s[lo:hi], x[lo:hi], nll[lo:hi], ds[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def _min_rows(s: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(s.shape[1]))


@njit(**JIT)
def _forward(s: Array, x: Bits, nll: Array) -> None:
    N, D = s.shape
    for n in range(N):
        total = 0.0
        for first in range(0, D, FACTORS):
            end = min(first + FACTORS, D)
            total += _block_nll(s[n, first:end], x[n, first:end])
        nll[n] = total


@njit(**JIT_SUMS)
def _block_nll(s: Array, x: Bits) -> float:
    """Return Σ_i softplus(±s_i), minus where x_i = 1: F1, since softplus(s) - s = softplus(-s)."""
    linear, product = 0.0, 1.0
    for i in range(len(s)):
        wrong = -s[i] if x[i] else s[i]  # the logit of the value that x_i does not have
        linear += max(wrong, s.dtype.type(0))  # F2
        product *= 1.0 + exp(-abs(wrong))  # F2
    return float(linear + np.log(product))  # F1


@njit(**JIT)
def _terms(s: Array, x: Bits, log_p: Array) -> None:
    N, D = s.shape
    for n in range(N):
        for i in range(D):
            log_p[n, i] = -rows.loss(s[n, i], x[n, i] != 0)  # F2, F3


@njit(**JIT)
def _backward(dnll: Array, s: Array, x: Bits, ds: Array) -> None:
    """Overwrite ds. From a copy of each row: a loop that reads what it writes is not vectorised."""
    N, D = s.shape
    s_n, tiny, zero = np.empty(D, s.dtype), smallest_normal(s), s.dtype.type(0)
    for n in range(N):
        s_n[:] = s[n]
        for i in range(D):
            slope = dnll[n] * rows.slope(s_n[i], x[n, i] != 0)  # B1, B2
            ds[n, i] = zero if abs(slope) < tiny else slope


@njit(**JIT)
def loss_of_rows(rate: Array, s: Array, x: Bits, nll: Array, ds: Array) -> None:
    """Overwrite nll and ds, in three sweeps of a row that its exponentials outlive.

    Shared with the network of bits.
    """
    (N, D), zero, one = s.shape, s.dtype.type(0), s.dtype.type(1)
    tiny = smallest_normal(s)
    wrong, e = np.empty(D, s.dtype), np.empty(D, s.dtype)
    for n in range(N):
        s_n, x_n, ds_n = s[n], x[n], ds[n]
        for i in range(D):
            wrong[i] = -s_n[i] if x_n[i] != 0 else s_n[i]
            e[i] = exp(-abs(wrong[i]))
        nll[n] = _sum_losses(wrong, e)
        for i in range(D):
            error = (one if wrong[i] > zero else e[i]) / (one + e[i])  # B1
            error = rate[n] * (-error if x_n[i] != 0 else error)  # B2
            ds_n[i] = zero if abs(error) < tiny else error


@njit(**JIT_SUMS)
def _sum_losses(wrong: Array, e: Array) -> float:
    """Return F1's sum, given the logits of the values that x does not have, and their e^-|s|."""
    total = 0.0
    for first in range(0, e.size, FACTORS):
        total += np.log(_product(e[first : first + FACTORS]))  # F2
    for i in range(wrong.size):
        total += max(wrong[i], wrong.dtype.type(0))  # F2
    return total


@njit(**JIT_SUMS)
def _product(e: Array) -> float:
    """Return the product of 1 + e_i."""
    product = 1.0
    for i in range(e.size):
        product *= 1.0 + e[i]
    return product
