"""A hidden layer between bits and their logits, each under a staircase: loss and gradient, draws.

Shapes      x: (N, D) uint8 of 0 and 1    W: (D, H)    c: (H,)    V: (H, D)    b: (D,)
            h, da: (N, H)    s: (N, D)    rate, nll: (N,)
            below, above: the staircases of W and V, `chainrule.kernels.masked_linear`'s

Forward     With M and M' the masks of the staircases and act of `chainrule.kernels.activation`,
            (F1)  h = act(c + x (M ∘ W))
            (F2)  s = b + h (M' ∘ V)
            (F3)  nll_n = Σ_i -log p(x_ni | s_ni)           `chainrule.kernels.bernoulli`, F1 there

Backward    Of Σ_n rate_n nll_n,
            (B1)  ds_ni = rate_n (σ(s_ni) - x_ni)           undoes F3
            (B2)  dV = M' ∘ hᵀ ds,   db = Σ_n ds_n,   dh = ds (M' ∘ V)ᵀ         undoes F2
            (B3)  da = dh ∘ act'(h)                         undoes F1's act
            (B4)  dW = M ∘ xᵀ da,   dc = Σ_n da_n           undoes F1's sum

            Every step is one that `masked_linear`, `activation` and `bernoulli` derive, and the
            twins are made of theirs. It is an operation of its own because of what lies between:
            of a minibatch of 100 rows a step is 0.2 ms on two cores, and to hand it out to threads,
            and to come back to Python, takes half as long again. The CPU twin hands out once.

Sampling    Output i sees the units k < reach_i of `above`, which depend on x_1 … x_{i-1} alone and
            so have all that they will ever get before x_i is drawn. With a_n and s_n the sums so
            far, c and b at first, for i = 1 … D:
            (S1)  h_nk = act(a_nk),   s_nj += h_nk V_kj for the j that see k
                  for each unit that variable i is the first to see: reach_{i-1} ≤ k < reach_i
            (S2)  x_ni = [u_ni < σ(s_ni)] where u_ni ≥ 0, else what x holds
            (S3)  a_nk += W_ik for the k that see i, where x_ni = 1

            Each unit is passed on once and each bit once, so a draw has F1's and F2's terms, no
            more, in the order of i.

Cost        As of the steps: N·D·H FLOPs for each of F1, F2, dV, dh and dW, where all are dense.
            Sampling: F1 and F2 once, N·D·H FLOPs and of W's rows those of ones; V is read once for
            some rows together.

Source      Germain, Gregor, Murray and Larochelle 2015, "MADE: Masked Autoencoder for Distribution
            Estimation" (arXiv:1502.03509), of one layer.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from typing import NamedTuple

from chainrule.kernels.dispatch import select
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.types import Array, Bits


class Layers(NamedTuple):
    """Parameters, or gradients of them."""

    W: Array
    c: Array
    V: Array
    b: Array


def loss_and_grad(
    kind: int,
    x: Bits,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    h: Array,
    s: Array,
    da: Array,
    nll: Array,
    grad: Layers,
) -> None:
    """Overwrite grad, and nll, by F1 to B4; h, s and da are memory, and end as h, ds and da.

    kind: of the activation.
    """
    chosen = select(__name__, x, rate, *theta, *below, *above, h, s, da, nll, *grad)
    chosen.loss_and_grad(kind, x, rate, theta, below, above, h, s, da, nll, grad)


def sample(kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits) -> None:
    """Update x, (N, D): drawn by S1 to S3 where u, (N, D) float64, is in [0, 1), kept elsewhere.

    kind: of the activation.
    """
    select(__name__, u, *theta, *below, *above, x).sample(kind, u, theta, below, above, x)
