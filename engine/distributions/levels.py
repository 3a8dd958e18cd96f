"""The distribution of a pixel's level, 0 … levels - 1, from a network's outputs by channel.

    levels = 2          a logit                              bernoulli
    more                a logit for each                     categorical
    n_logistics > 0     a mixture of so many logistics       logistics: 3 numbers for each

s: (N, R, S, C·K), K outputs a channel, those of a channel next to each other. x: (N, R, S, C).

Colours     A pixel q has a level for each of its channels, and the chain rule goes on inside it:

                p(x_q | x_<q) = p(red | x_<q) p(green | x_<q, red) p(blue | x_<q, red, green)

            Outputs of a channel are made from features of its own group, which know the pixels
            before and the channels before (`kernels.masked_conv`, Why so). So each factor is a
            distribution over the levels of one channel, by its own K outputs: 3 · 256 numbers a
            pixel, where one softmax over all its colours would need 256³.

Sums        Each factor sums to 1 over its own channel, whatever the outputs are. So a pixel's do,
            the last channel summed first:

                Σ_r p(r) Σ_g p(g | r) Σ_b p(b | r, g) = Σ_r p(r) Σ_g p(g | r) = Σ_r p(r) = 1

            and an image's likewise, from the last pixel to the first.

Gradient    Let loss = -w Σ_i log p(x_i | x_<i), i all channels of all pixels in that order, s_iv
            the logit of level v of i: log p(x_i | x_<i) = s_i,x_i - log Σ_u exp s_iu. No other
            factor has s_iv in it, so

                ∂loss/∂s_iv = w (exp s_iv / Σ_u exp s_iu - [v = x_i]) = w (p_i(v) - [v = x_i])

            and red's error stays with red's outputs, although the value of red moves those of green
            and blue: that is a path from x, through the masks, and x are data. Of bits only the
            logit of a one is there, that of zero being 0: w (σ(s) - x).
"""

from typing import Any

import numpy as np

from chainrule.engine.distributions import bernoulli, categorical, logistics
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def n_outputs(levels: int, n_logistics: int = 0) -> int:
    """Return K, how many outputs a channel needs."""
    if n_logistics:
        return logistics.n_outputs(n_logistics)
    return 1 if levels == 2 else levels


def first_biases(channels: int, n_logistics: int = 0) -> Any:
    """Return outputs near a uniform distribution: 0, or all channels' of mixtures, on the host."""
    return np.tile(logistics.first_biases(n_logistics), channels) if n_logistics else 0


def log_prob_terms(s: Array, x: Any, levels: int, n_logistics: int = 0) -> Array:
    """Return log p(x_i | x_<i) of every channel of every pixel in nats, shaped like x."""
    if is_bit(levels, n_logistics):
        terms = bernoulli.log_prob_terms(_rows(s), _rows(x))
    elif n_logistics:
        terms = logistics.log_prob_terms(_each(s, x), x, levels)
    else:
        terms = categorical.log_prob_terms(_each(s, x), _codes(x))
    return terms.reshape(x.shape)


def loss_and_grad(
    s: Array, x: Any, total: int, ds: Array, levels: int, n_logistics: int = 0
) -> float:
    """Return Σ -log p / total in nats; overwrite ds by its gradient; ds may be s itself."""
    if is_bit(levels, n_logistics):
        return bernoulli.loss_and_grad(_rows(s), _rows(x), total, _rows(ds))
    if n_logistics:
        of_s = _each(s, x)
        return logistics.loss_and_grad(of_s, x, total, of_s if ds is s else _each(ds, x), levels)
    return categorical.loss_and_grad(_each(s, x), _codes(x), total, _each(ds, x))


def conditionals(s: Array, channels: int, levels: int, n_logistics: int = 0) -> Array:
    """Return p(x_i = 1) of bits, (N, R, S, C); else p(x_i = v), (N, R, S, C, levels)."""
    if is_bit(levels, n_logistics):
        return bernoulli.conditionals(s)
    each = s.reshape(*s.shape[:3], channels, -1)
    return logistics.conditionals(each, levels) if n_logistics else categorical.conditionals(each)


def sample(s: Array, u: Array, levels: int, n_logistics: int = 0) -> Any:
    """Return levels, (M,), drawn by uniforms u, (M,) float64, from outputs s, (M, K)."""
    out: Any = array_module(s).zeros(len(u), np.int32)
    if is_bit(levels, n_logistics):
        bernoulli.sample(s[:, 0], u, out)
    elif n_logistics:
        logistics.sample(s, u, out, levels)
    else:
        categorical.sample(s, u, out)
    return out


def is_bit(levels: int, n_logistics: int = 0) -> bool:
    """Return whether a level is a bit with a logit."""
    return levels == 2 and not n_logistics


def _rows(a: Any) -> Any:
    """Return an image a row, a view."""
    return a.reshape(len(a), -1)


def _each(s: Array, x: Array) -> Array:
    """Return a channel a row, (M, K), a view."""
    return s.reshape(x.size, -1)


def _codes(x: Any) -> Any:
    """Return levels, (M,) int32; of real ones, which a gradient in x is checked by, the nearest."""
    whole = x if x.dtype.kind in "iu" else array_module(x).rint(x)
    return whole.reshape(-1).astype(np.int32)
