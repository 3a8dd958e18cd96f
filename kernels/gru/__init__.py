"""The GRU's sequence pass: one state, a gate that keeps it and a gate that resets it.

Shapes      z, gates, dz: (T, N, 3H) in three blocks r, u, n    W, dW: (H, 3H)    b, db: (H,)
            z_t is the input's part of step t, x_t W_x + b_x, worked out beforehand for all steps
            h: (T + 1, N, H), h_0 given    m: (T, N, H)
            dh: (T, N, H), upstream of h_1 … h_T    dh0: (N, H)
            Time-major; the last axis contiguous, the others may be strided. h[t] holds h_t, and
            z[t - 1], gates[t - 1], m[t - 1], dh[t - 1] belong to step t = 1 … T.

Forward     (F1)  [p_r, p_u, p_n] = h_{t-1} W,   m_t = p_n + b     all three blocks, one product
            (F2)  r_t = σ(z_r + p_r)   u_t = σ(z_u + p_u)
            (F3)  n_t = tanh(z_n + r_t ∘ m_t)
            (F4)  h_t = (1 - u_t) ∘ n_t + u_t ∘ h_{t-1}

            r resets after the product, not before it as in Cho's paper (h W_n with r ∘ h for h):
            cuDNN's and PyTorch's form, which needs one product a step instead of two that wait for
            each other; hence the bias b inside r's reach. u is the share of the old state kept, as
            in PyTorch. The activated gates replace z, which nothing needs again: `gates` below.

Backward    Let δ_t = dL/dh_t along every path and q_t = [dz_r, dz_u, dm] of step t, the gradient
            of F1's product. For t = T … 1, with q_{T+1} and u_{T+1} ∘ δ_{T+1} zero:
            (B1)  δ_t  = dh_t + u_{t+1} ∘ δ_{t+1} + q_{t+1} Wᵀ   undoes F4 and F1 of step t + 1
            (B2)  du   = δ_t ∘ (h_{t-1} - n_t)    dn = δ_t ∘ (1 - u_t)          undoes F4
            (B3)  dz_n = dn ∘ (1 - n_t²)    dr = dz_n ∘ m_t    dm = dz_n ∘ r_t  undoes F3
            (B4)  dz_r = dr ∘ r_t (1 - r_t)    dz_u = du ∘ u_t (1 - u_t)        undoes F2
            (B5)  dW   = Σ_t h_{t-1}ᵀ q_t    db = Σ_t Σ_j dm_j, j a row         undoes F1 of every
                                                               step; one matrix product at the end
            (B6)  dh0  = u_1 ∘ δ_1 + q_1 Wᵀ                    undoes F4 and F1 of step 1

            q differs from dz in the last block alone. m, which nothing needs after B3, makes room
            for dm.

Cost        6 T·N·H² FLOPs forward, twice that backward, 3 T·N·H exponentials. The T products wait
            for each other: W (12H² bytes in float32) is read T times, so it has to stay in a cache,
            and so has what a step leaves to the next. Every other array counts once a pass, 4 bytes
            a number. In T·N·H bytes: forward 32 (z 12 read, gates 12, h 4, m 4 written), backward
            40 (gates 12, h 4, m 4, dh 4 read, dz 12, dm 4 written), B5 24 (for two products and a
            sum: h 8, twice, dz_r and dz_u 8, dm 8, twice). The two passes are 72.

Source      Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for
            statistical machine translation", EMNLP; the form is that of cuDNN and of PyTorch's
            torch.nn.GRU. Full gradient: Werbos 1990, "Backpropagation through time: what it
            does and how to do it", Proc. IEEE 78(10).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, b: Array, h: Array, m: Array) -> None:
    """Overwrite h[1:], which follows from h[0], m, and z by the gates r, u, n; F1-F4."""
    select(__name__, z, W, b, h, m).forward(z, W, b, h, m)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    b: Array,
    h: Array,
    m: Array,
    dz: Array,
    dW: Array,
    db: Array,
    dh0: Array,
) -> None:
    """Overwrite dz, dW, db and dh0 by the gradients of z, W, b and h[0]; B1-B6.

    dz may be gates itself. m is overwritten too: afterwards it holds its own gradient.
    """
    op = select(__name__, dh, gates, W, b, h, m, dz, dW, db, dh0)
    op.backward(dh, gates, W, b, h, m, dz, dW, db, dh0)
