"""A level as a mixture of K logistics cut into steps, of few outputs whatever the number of levels.

The mathematics stands in `chainrule.kernels.logistics`. A variable has 3 K outputs, the last axis
of s, in the order [means μ | log scales t | weight logits a], K of each, in units in which the
levels 0 … L-1 go from -1 to 1: s (…, 3 K) and x (…), of any integer dtype; -1 is no value and
contributes 0. Each variable has a mixture of its own, also each channel of a pixel.
"""

import math

import numpy as np

from chainrule.kernels import logistics
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids, Table


def n_outputs(n_components: int) -> int:
    """Return how many outputs a variable needs, whatever its number of levels."""
    return 3 * n_components


def log_prob_terms(s: Array, x: Table, levels: int) -> Array:
    """Return log P(x_i | x_<i) in nats, shaped like x; 0 where x = -1."""
    nll: Array = array_module(s).empty(x.size, s.dtype)
    logistics.forward(_rows(s), _ids(x), levels, nll)
    return -nll.reshape(x.shape)


def loss_and_grad(s: Array, x: Table, total: int, ds: Array, levels: int) -> float:
    """Return Σ -log P / total in nats; overwrite ds by its gradient; ds may be s itself.

    s, ds: C-contiguous.
    """
    nll: Array = array_module(s).empty(x.size, s.dtype)
    into = _rows(ds)
    of_s = into if ds is s else _rows(s)
    logistics.nll_and_grad(of_s, _ids(x), levels, 1 / total, nll, into)
    return float(nll.sum(dtype=np.float64)) / total


def conditionals(s: Array, levels: int) -> Array:
    """Return P(x_i = v | x_<i) of every level v, (…, L)."""
    p: Array = array_module(s).empty((math.prod(s.shape[:-1]), levels), s.dtype)
    logistics.conditionals(_rows(s), p)
    return p.reshape(*s.shape[:-1], levels)


def sample(s: Array, u: Array, x: Table, levels: int) -> None:
    """Draw x, the level whose part of the distribution function holds u ≥ 0; keep it at u < 0.

    u: float64, shaped like x.
    """
    xp, drawn = array_module(s), _ids(x).copy()
    rows, of_rows = xp.ascontiguousarray(_rows(s)), xp.ascontiguousarray(u.reshape(-1))
    logistics.draw(rows, of_rows, levels, drawn)
    x[...] = drawn.reshape(x.shape)


def first_biases(n_components: int) -> Array:
    """Return outputs, (3 K,) on the host, of a mixture near the uniform distribution.

    From there training should begin. The means are in the middles of K parts of [-1, 1], the scales
    a quarter of a part, and the weights alike: of 256 levels it has 0.13 nats or less more than the
    uniform distribution's where K > 1, and 0.02 where K = 10.
    """
    s: Array = np.zeros(n_outputs(n_components))
    s[:n_components] = (2 * np.arange(n_components) + 1) / n_components - 1
    s[n_components : 2 * n_components] = -math.log(2 * n_components)
    return s


def _rows(s: Array) -> Array:
    """Return s as (M, 3 K), a view."""
    return s.reshape(-1, s.shape[-1])


def _ids(x: Table) -> Ids:
    """Return x as (M,) int32, the kernel's dtype; a copy only where it is another one."""
    ids: Ids = array_module(x).ascontiguousarray(x.reshape(-1)).astype(np.int32, copy=False)
    return ids
