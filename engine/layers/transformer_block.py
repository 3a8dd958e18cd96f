"""A Transformer's block, pre-norm: an attention half and an MLP half, each x + branch(x).

Shapes      x, z, dz, dx: (N·T, C), the rows of sequence n from n·T on    n heads of size d = C/n
            W_qkv: (C, 3C)   W_o: (C, C)   W_1: (C, 4C)   W_2: (4C, C)

Forward     Attention: the only place where positions meet, and position t looks at j ≤ t only.
            (A1)  h = LN(x)                          chainrule.kernels.layer_norm
            (A2)  [q k v] = h W_qkv + b_qkv          chainrule.kernels.linear
            (A3)  q, k rotated, with rotary positions   chainrule.kernels.rotary
            (A4)  a = attention(q, k, v)             chainrule.kernels.causal_attention
            (A5)  z = x + M ∘ (a W_o + b_o)          M: chainrule.kernels.dropout

            MLP: each position by itself.
            (M1)  h = LN(x)
            (M2)  u = h W_1,   y = gelu(u + b_1)     chainrule.kernels.gelu
            (M3)  z = x + M ∘ (y W_2 + b_2)

Backward    With z = x + f(x), dx = dz + (df/dx)ᵀ dz: the gradient of the residual stream goes
            straight on, and what comes back through the branch is added to it. So one array serves
            as dz and dx, and the normalisation's backward, the branch's last step, adds into it.
            Each step is derived where the one that it undoes is named. The MLP, from its dz:
            (B1)  dy = (M ∘ dz) W_2ᵀ,  dW_2 = yᵀ (M ∘ dz),  db_2 = Σ M ∘ dz    undoes M3's product
            (B2)  du = dy ∘ gelu'(u + b_1),  db_1 = Σ du                       undoes M2's gelu
            (B3)  dh = du W_1ᵀ,  dW_1 = hᵀ du                                  undoes M2's product
            (B4)  dx = dz + dh through LN, and its gain and bias               undoes M1; M3's x
            Its dx is the dz of the attention half:
            (B5)  da = (M ∘ dz) W_oᵀ,  dW_o = aᵀ (M ∘ dz),  db_o = Σ M ∘ dz    undoes A5's product
            (B6)  dq, dk, dv from da                                           undoes A4
            (B7)  dq, dk rotated back                                          undoes A3
            (B8)  dh = [dq dk dv] W_qkvᵀ,  dW_qkv = hᵀ [dq dk dv],  db_qkv     undoes A2
            (B9)  dx = dz + dh through LN, and its gain and bias               undoes A1; A5's x
            Sums are over all rows, positions and sequences.

Memory      Kept for the backward: x, q, k, v, a, log-sum-exps and row statistics in the attention
            half (5C numbers a position), x, u, y in the MLP half (9C). h is made again, one pass
            over x instead of C more numbers a position and half.

Source      Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762; Radford et al. 2019,
            "Language Models are Unsupervised Multitask Learners" (pre-norm, GELU).
"""

from dataclasses import dataclass
from typing import NamedTuple

from chainrule.engine import arena
from chainrule.engine.arena import New
from chainrule.engine.layers import dropout
from chainrule.engine.layers.dropout import Site
from chainrule.kernels import causal_attention, gelu, layer_norm, linear, rotary
from chainrule.kernels.types import Array


class AttentionWeights(NamedTuple):
    """The attention half's parameters, or their gradients."""

    ln_g: Array
    ln_b: Array
    W_qkv: Array
    b_qkv: Array
    W_o: Array
    b_o: Array


class MLPWeights(NamedTuple):
    """The MLP half's parameters, or their gradients."""

    ln_g: Array
    ln_b: Array
    W_1: Array
    b_1: Array
    W_2: Array
    b_2: Array


@dataclass(frozen=True)
class Heads:
    """How the rows of x are to be read: N sequences of T positions, n heads."""

    N: int
    T: int
    n: int
    rotary: bool = False

    def rows(self, x: Array) -> Array:
        """Return x, (N·T, C), as a view (N, T, C)."""
        return x.reshape(self.N, self.T, -1)

    def split(self, x: Array) -> Array:
        """Return x, (N·T, C), as a view (N, T, n, d)."""
        return x.reshape(self.N, self.T, self.n, -1)

    def split_qkv(self, qkv: Array) -> tuple[Array, Array, Array]:
        """Return q, k and v of a projection, (N·T, 3C), as views (N, T, n, d)."""
        parts = qkv.reshape(self.N, self.T, 3, self.n, -1)
        return parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]


class AttentionCache(NamedTuple):
    """What `attention_backward` needs from `attention_forward`."""

    x: Array
    mean: Array
    rstd: Array
    qkv: Array
    a: Array
    lse: Array
    site: Site | None


class MLPCache(NamedTuple):
    """What `mlp_backward` needs from `mlp_forward`."""

    x: Array
    mean: Array
    rstd: Array
    u: Array
    y: Array
    site: Site | None


def attention_forward(
    x: Array,
    w: AttentionWeights,
    heads: Heads,
    site: Site | None,
    new: New,
) -> tuple[Array, AttentionCache]:
    """Return z, (N·T, C), and the cache for `attention_backward`; no dropout without a site."""
    M, C = x.shape
    mean, rstd, lse = new((M,)), new((M,)), new((heads.N, heads.n, heads.T))
    qkv, a, z = new((M, 3 * C)), new((M, C)), new((M, C))
    with arena.borrow(x) as temporary:
        h = temporary((M, C))
        layer_norm.forward(x, w.ln_g, w.ln_b, h, mean, rstd)  # A1
        linear.forward(h, w.W_qkv, w.b_qkv, qkv)  # A2
    q, k, v = heads.split_qkv(qkv)
    if heads.rotary:
        rotary.rotate(q, 0, 1)  # A3
        rotary.rotate(k, 0, 1)
    causal_attention.forward(q, k, v, heads.split(a), lse)  # A4
    linear.forward(a, w.W_o, w.b_o, z)
    dropout.forward(heads.rows(z), site)
    z += x  # A5
    return z, AttentionCache(x, mean, rstd, qkv, a, lse, site)


def attention_backward(
    dz: Array, cache: AttentionCache, w: AttentionWeights, grad: AttentionWeights, heads: Heads
) -> None:
    """Turn dz into dx in place and overwrite the gradients; the mirror image of the forward."""
    x, mean, rstd, qkv, a, lse, site = cache
    M, C = x.shape
    with arena.borrow(x) as new:
        da, dqkv = new((M, C)), new((M, 3 * C))
        with arena.borrow(x) as temporary:
            dbranch = dropout.backward(heads.rows(dz), site, temporary)
            linear.backward(dbranch.reshape(M, C), a, w.W_o, da, grad.W_o, grad.b_o)  # B5
        q, k, v = heads.split_qkv(qkv)
        dq, dk, dv = heads.split_qkv(dqkv)
        o, do = heads.split(a), heads.split(da)
        causal_attention.backward(do, q, k, v, o, lse, dq, dk, dv)  # B6
        if heads.rotary:
            rotary.rotate(dk, 0, -1)  # B7
            rotary.rotate(dq, 0, -1)
        h, dh = new((M, C)), da  # da has been read for the last time
        layer_norm.forward(x, w.ln_g, w.ln_b, h, mean, rstd)
        linear.backward(dqkv, h, w.W_qkv, dh, grad.W_qkv, grad.b_qkv)  # B8
        layer_norm.backward(dh, x, w.ln_g, mean, rstd, dz, grad.ln_g, grad.ln_b)  # B9


def mlp_forward(
    x: Array, w: MLPWeights, heads: Heads, site: Site | None, new: New
) -> tuple[Array, MLPCache]:
    """Return z, (N·T, C), and the cache for `mlp_backward`; no dropout without a site."""
    M, C = x.shape
    mean, rstd = new((M,)), new((M,))
    u, y, z = new((M, 4 * C)), new((M, 4 * C)), new((M, C))
    with arena.borrow(x) as temporary:
        h = temporary((M, C))
        layer_norm.forward(x, w.ln_g, w.ln_b, h, mean, rstd)  # M1
        linear.product(h, w.W_1, u)  # M2
    gelu.forward(u, w.b_1, y)
    linear.forward(y, w.W_2, w.b_2, z)
    dropout.forward(heads.rows(z), site)
    z += x  # M3
    return z, MLPCache(x, mean, rstd, u, y, site)


def mlp_backward(dz: Array, cache: MLPCache, w: MLPWeights, grad: MLPWeights, heads: Heads) -> None:
    """Turn dz into dx in place and overwrite the gradients; the mirror image of the forward."""
    x, mean, rstd, u, y, site = cache
    M, C = x.shape
    with arena.borrow(x) as new:
        du = new((M, 4 * C))
        with arena.borrow(x) as temporary:
            dbranch = dropout.backward(heads.rows(dz), site, temporary)
            linear.backward(dbranch.reshape(M, C), y, w.W_2, du, grad.W_2, grad.b_2)  # B1
        gelu.backward(du, u, w.b_1, du, grad.b_1)  # B2
        h, dh = new((M, C)), new((M, C))
        layer_norm.forward(x, w.ln_g, w.ln_b, h, mean, rstd)
        linear.product_backward(du, h, w.W_1, dh, grad.W_1)  # B3
        layer_norm.backward(dh, x, w.ln_g, mean, rstd, dz, grad.ln_g, grad.ln_b)  # B4
