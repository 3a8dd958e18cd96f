"""What all classifiers have in common: softmax, loss, and gradients in parameters and in inputs.

Shapes      x: (N, …)    s, ds: (N, K), logits    y: (N,), classes    dx: as x

Forward     (F1)  s = network(x)                            the classifier's own
            (F2)  -log p(y | x) = log Σ_k e^{s_k} - s_y     chainrule.kernels.softmax_cross_entropy
            loss = Σ_n of it / total

Backward    (B1)  ds_k = (p_k - [k = y]) / total            chainrule.kernels.softmax_cross_entropy
                  p the softmax of s                        undoes F2
            (B2)  parameters and x from ds, by the network  undoes F1
            The network is linear in ds backwards, so that any ds will do: with 1 at k and else 0
            it is the gradient of logit k in x, with a difference of two of them that of a margin.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import arena
from chainrule.engine.params import Params
from chainrule.kernels import softmax_cross_entropy
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

NUMBERS_AT_ONCE = 1 << 18  # of inputs in one pass where no gradient in parameters is wanted
Forward = Callable[..., tuple[Array, Any]]
Backward = Callable[..., None]
OfLogits = Callable[[Array, slice], Array]


class Classifying(NamedTuple):
    """A classifier's functions, as `chainrule.engine.classifiers` describes them."""

    logits: Callable[..., Array]
    losses: Callable[..., Array]
    loss_and_grad: Callable[..., float]
    input_gradient: Callable[..., tuple[Array, Array]]


def functions(forward: Forward, backward: Backward, input_backward: Backward) -> Classifying:
    """Return what follows from a network's forward and its two backwards."""

    def logits(config: Any, params: Params, x: Any) -> Array:
        """Return the logits of every row, (N, K)."""
        s: Array = array_module(params.flat).empty((len(x), config.n_classes), params.dtype)
        for some in _parts(x):
            with arena.borrow(params.flat) as new:
                s[some] = forward(config, params, _numbers(x[some], params), new)[0]  # F1
        return s

    def losses(config: Any, params: Params, x: Any, y: Any) -> Array:
        """Return -log p(y | x) of each row, (N,), in nats."""
        nll: Array = array_module(params.flat).empty(len(x), params.dtype)
        softmax_cross_entropy.forward(logits(config, params, x), _classes(y), nll)  # F2
        return nll

    def loss_and_grad(
        config: Any, params: Params, x: Any, grad: Params, total: int | None = None, y: Any = None,
        dx: Array | None = None,
    ) -> float:  # fmt: skip
        """Return Σ -log p(y | x) / total in nats; write its gradient into `grad`.

        total: rows of the whole minibatch where x is a slice of it. dx: as x, overwritten, where
        given, by the gradient in x.
        """
        nll: Array = array_module(params.flat).empty(len(x), params.dtype)
        with arena.borrow(params.flat) as new:
            s, tape = forward(config, params, _numbers(x, params), new)  # F1
            rate = 1 / (total or len(x))
            softmax_cross_entropy.nll_and_grad(s, _classes(y), rate, nll, s)  # F2, B1
            if dx is not None:
                input_backward(config, params, tape, s, dx)  # B2
            backward(config, params, grad, tape, s)  # B2
        return float(nll.sum(dtype=np.float64)) * rate

    def input_gradient(
        config: Any, params: Params, x: Any, of_logits: OfLogits
    ) -> tuple[Array, Array]:
        """Return the logits s, (N, K), and the gradient in x of what `of_logits` says.

        of_logits: from logits of some rows, (n, K), and which rows these are, to ds, (n, K), or to
        several of them, (M, n, K); then dx has an axis for them in front.
        """
        xp = array_module(params.flat)
        s: Array = xp.empty((len(x), config.n_classes), params.dtype)
        parts = []
        for some in _parts(x):
            with arena.borrow(params.flat) as new:
                s[some], tape = forward(config, params, _numbers(x[some], params), new)  # F1
                ds = of_logits(s[some], some)
                several = (ds if ds.ndim == 3 else ds[None]).astype(params.dtype, copy=False)
                dx = xp.empty((len(several), *x[some].shape), params.dtype)
                for m, one in enumerate(several):
                    input_backward(config, params, tape, xp.ascontiguousarray(one), dx[m])  # B2
                parts.append(dx[0] if ds.ndim == 2 else dx)
        return s, xp.concatenate(parts, axis=parts[0].ndim - x.ndim)

    return Classifying(logits, losses, loss_and_grad, input_gradient)


def slopes(s: Array, y: Any) -> Array:
    """Return the gradient of each row's -log p(y | x) in its logits, (N, K): B1, total = 1."""
    xp = array_module(s)
    ds, one = xp.empty_like(s), xp.ones(len(s), s.dtype)
    softmax_cross_entropy.backward(one, xp.ascontiguousarray(s), _classes(y), ds)  # B1
    return ds  # type: ignore[no-any-return]


def numbered(name: str, l: int) -> str:
    """Return what layer l's array is called, as weight decay knows it: W, W2, W3, …"""
    return name if l == 1 else f"{name}{l}"


def _numbers(x: Any, params: Params) -> Array:
    """Return x as contiguous numbers of the parameters' dtype."""
    real: Array = array_module(params.flat).ascontiguousarray(x, params.dtype)
    return real


def _parts(x: Any) -> list[slice]:
    """Return slices of rows that are worked on at once, one at least."""
    step = max(1, NUMBERS_AT_ONCE // max(1, prod(x.shape[1:])))
    return [slice(lo, min(len(x), lo + step)) for lo in range(0, max(1, len(x)), step)]


def _classes(y: Any) -> Ids:
    """Return labels as the kernel reads them."""
    ids: Ids = array_module(y).ascontiguousarray(y, np.int32)
    return ids
