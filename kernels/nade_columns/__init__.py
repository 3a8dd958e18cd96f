"""NADE over columns of any kind: bits, categories and real numbers, told a label or not.

Shapes      x: (N, D)    y: (N,) labels, or (0,), which is y = 0    s, ds: (N, S)
            W: (R, H)    V: (S, H)    b: (S,)    c: (n_classes, H)
            ρ: (D,), or (0,), which is ρ_i = 1    a_i, h_i, δ_i, Q_i: (N, H)

            What x_i is, how many outputs n_i speak of it and which of the S they are, is in a
            `chainrule.kernels.columns.Layout`. V_i (n_i, H), b_i, s_i and ds_i are variable i's.

            Of W a real variable has one row, a bit one, and K categories have K - 1, for the values
            1 … K-1; R is their number. Let r(x_i) be the row of a value and f(x_i) what it is
            multiplied by:
                real            the variable's row          f = x_i
                value v ≥ 1     the v-th of its rows        f = 1
                value 0         no row                      f = 0
            So a bit is the case K = 2, and NADE of bits the case in which all are.

Forward     (F1)  a_1     = c_y
            (F2)  h_i     = σ(ρ_i a_i)
            (F3)  s_i     = b_i + V_i h_i                   what x_i's distribution is made of
            (F4)  a_{i+1} = a_i + f(x_i) W_r(x_i)           O(H), whatever K is

            ρ_i keeps σ in its range where a, a sum of i terms of real size, outgrows it. A row of W
            for value 0 would add Σ_{j<i} W_{j,0} to each a_i, x apart: more, but the same for all
            rows of data, and the price of F2 and F4 in each of N·D places. Without one they are
            paid only where x_i is not the value 0; so let the commonest be 0.

Backward    Let t_i = dL/dh_i ∘ h_i ∘ (1 - h_i) and δ_i = dL/da_i, δ_{D+1} = 0. For i = D … 1:
            (B1)  dW_r  = Σ_{n: r = r(x_i)} f(x_i) δ_{i+1}  undoes F4
            (B2)  dx_i  = W_i·δ_{i+1} of a number x_i       undoes F4: ∂a_{i+1}/∂x_i = W_i
            (B3)  a_i   = a_{i+1} - f(x_i) W_r(x_i)         F4 run backwards
            (B4)  dV_i  = ds_iᵀ h_i,   db_i = Σ_n ds_i      undoes F3
            (B5)  t_i   = (ds_i V_i) ∘ h_i ∘ (1 - h_i)      undoes F3, and F2's σ: σ' = σ (1 - σ)
            (B6)  dρ_i  = Σ_n a_i·t_i                       undoes F2, whose argument is ρ_i a_i
            (B7)  δ_i   = δ_{i+1} + ρ_i t_i                 a_i feeds F4 and F2
            (B8)  dc_k  = Σ_{n: y = k} δ_1                  undoes F1

            ds, and what the loss itself says of a real x_i, to be added to dx_i, are derived in
            chainrule.kernels.columns. A bit is taken for a number, as in chainrule.kernels.nade,
            and its loss, scale · (softplus(s_i) - x_i s_i), names x_i too:
            (B9)  dx_i  = W_i·δ_{i+1} - scale · s_i         of a bit
            Of categories dx is 0: they are no numbers.

One sweep   ds_i is known as soon as s_i is, so that no second sweep is needed. With
            (S1)  Q_1 = 0,   Q_{i+1} = Q_i + ρ_i t_i
            δ_i = Q_{D+1} - Q_i, by B7 unrolled. Hence
            (S2)  dW_r  = Σ_n f (Q_{D+1} - Q_{i+1})         subtract Q_{i+1} when x_i comes, add
                                                            Q_{D+1} when the row of data is done
            (S3)  dx_i  = W_i·Q_{D+1} - W_i·Q_{i+1}         likewise
            (S4)  dc_k  = Σ_{n: y = k} Q_{D+1}.
            x_D's rows of W, and dx_D but for the loss's own part, are 0: nobody sees a_{D+1}.

            x is known, so that a sweep may begin with any variable k, at a_k by F1 and F4, which
            take no outputs. Begun with Q_k = 0, it counts all Q from there, and the differences
            Q_{i+1} - Q_j within it stay what they are. So parts of the variables may be swept at
            once: what each adds to Q is added up from the last part to the first, and gives
            Q_{D+1} - Q_k for S2 and S3 in the part that begins with k, and Q_{D+1} for S4.

            The sweep goes through the variables in the outer loop and a block of rows of data in
            the inner ones, so that F3, B4 and ds_i V_i are products of matrices; of the block only
            a, h and Q are kept from one variable to the next, whatever D is.

Cost        2 N·S·H FLOPs for F3 and 4 N·S·H for its gradient; σ and a row of W for each value that
            is not 0, for each number where ρ_i changes. V is read, and dV written, once a block.
            Memory: the gradients, and 3 H + max n_i numbers a row of a block, for each part.

Source      Uria, Murray and Larochelle 2013, "RNADE: The real-valued neural autoregressive
            density-estimator", NIPS: F1-F4 for real x, with ρ. Larochelle and Murray 2011,
            "The Neural Autoregressive Distribution Estimator", for bits. Categories, and S1-S4 with
            ρ, are ours.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from typing import NamedTuple

from chainrule.kernels.columns import Layout
from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids, Table


class Weights(NamedTuple):
    """The parameters, or their gradients."""

    W: Array  # (R, H)
    V: Array  # (S, H)
    b: Array  # (S,)
    c: Array  # (n_classes, H)
    rho: Array  # (D,); (0,) for σ(a_i)


def n_rows(values: tuple[int, ...]) -> int:
    """Return R, how many rows of W variables of so many values have; 0 is a real one's number."""
    return sum(max(1, K) - (K > 0) for K in values)


def forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> None:
    """Overwrite s, (N, S), with the outputs for each variable, given those before it."""
    op = select(__name__, *layout[:4], *weights, x, y, s)
    op.forward(layout, weights, x, y, s)


def log_prob(layout: Layout, weights: Weights, x: Table, y: Ids, log_p: Array) -> None:
    """Overwrite log_p, (N,), with log p(x | y) of each row, in nats, and store no outputs."""
    op = select(__name__, *layout[:4], *weights, x, y, log_p)
    op.log_prob(layout, weights, x, y, log_p)


def nll_and_grad(
    layout: Layout,
    weights: Weights,
    x: Table,
    y: Ids,
    scale: float,
    nll: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """Overwrite nll, (N,), with -log p(x | y) of each row, in nats, and the gradient of its sum.

    grad, shaped like weights, becomes that of scale · Σ_n nll_n, and dx, (N, D), that in x: in its
    real numbers, 0 elsewhere. A dx without rows, (0, D), is not wanted. One sweep, S1-S4.
    """
    op = select(__name__, *layout[:4], *weights, x, y, nll, *grad, dx)
    op.nll_and_grad(layout, weights, x, y, scale, nll, grad, dx)


def sample(layout: Layout, weights: Weights, u: Array, y: Ids, x: Table) -> None:
    """Update x, (N, D): x_i is drawn where u_i is in [0, 1), given x_<i, and kept where u_i < 0.

    u: (N, D), float64. What value a u draws, `chainrule.kernels.columns` says.
    """
    op = select(__name__, *layout[:4], *weights, u, y, x)
    op.sample(layout, weights, u, y, x)
