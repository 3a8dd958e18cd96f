"""NADE's D conditionals in O(N·D·H): each hidden pre-activation extends the previous one.

Shapes      x: (N, D) of 0 and 1    W, V: (D, H)    b: (D,)    c: (n_classes, H)
            y: (N,) classes, 0 … n_classes - 1; (0,) will do where there is one class
            s, ds: (N, D)           a_i, h_i, δ_i, Q_i: (N, H)

Forward     (F1)  a_1     = c_y                    a class's own start, one for all without labels
            (F2)  h_i     = σ(a_i)
            (F3)  s_i     = b_i + V_i·h_i          logit of p(x_i = 1 | x_<i)
            (F4)  a_{i+1} = a_i + x_i W_i          O(H), where c_y + Σ_{j≤i} x_j W_j is O(D·H)

            The D conditionals share W, so a_{i+1} differs from a_i by one row of it: all of them
            together cost O(D·H) a sample instead of O(D²·H). And a_{i+1} = a_i where x_i = 0,
            so a and σ(a) are computed only after a one ("event").

Backward    Let g_i = dL/ds_i and δ_i = dL/da_i, with δ_{D+1} = 0. For i = D … 1:
            (B1)  dW_i  = Σ_n x_i δ_{i+1}                     undoes F4: da_{i+1}/dW_i = x_i
            (B2)  a_i   = a_{i+1} - x_i W_i                   F4 run backwards, so that no
                                                              (N, D, H) array is ever stored
            (B3)  dV_i  = Σ_n g_i h_i,   db_i = Σ_n g_i       undoes F3
            (B4)  dh_i  = g_i V_i                             undoes F3
            (B5)  δ_i   = δ_{i+1} + dh_i ∘ h_i ∘ (1 - h_i)    a_i feeds F4 (da_{i+1}/da_i = 1)
                                                              and F2 (σ' = σ(1 - σ))
            (B6)  dc_k  = Σ_{n: y_n = k} δ_1                  undoes F1

            B1 and the subtraction of B2 are skipped where x_i = 0.

Labels      A class as a one-hot vector in front of x, with weights U: (n_classes, H) and no
            conditional of its own, adds Σ_k [y = k] U_k = U_y to every a_i: with c it is c_y. So
            the hidden units of every conditional see the label together with x_<i, at the cost of
            nothing; and as c_y enters F1 alone, da_1/dc_k is 1 for the rows of class k and else 0.

Input       F3 and F4 make sense for real x too. As a function of it, with ds fixed, x_i enters F4
            alone: a_{i+1} = a_i + x_i W_i, so ∂a_{i+1}/∂x_i = W_i, and all that comes of a_{i+1} is
            in δ_{i+1} = dL/da_{i+1}. By the chain rule
            (B7)  dx_i  = W_i·δ_{i+1}                         undoes F4; dx_D = 0

            That is Σ_{k>i} g_k ∂s_k/∂x_i. A loss that names x_i itself, as the Bernoulli's does,
            has ∂L/∂x_i to be added: of scale · (softplus(s_i) - x_i s_i) it is -scale · s_i.

One sweep   For the Bernoulli loss L = scale · Σ_n Σ_i (softplus(s_ni) - x_ni s_ni), the gradient
            g_i = dL/ds_i = scale · (σ(s_i) - x_i) is known as soon as s_i is, so nothing has to
            wait for a second sweep. Let Q_i be the sum of B5's new terms so far,
            (S1)  Q_1 = 0,   Q_{i+1} = Q_i + g_i V_i ∘ h_i ∘ (1 - h_i).
            Unrolling B5, δ_i = Σ_{k≥i} g_k V_k h_k (1 - h_k) = Q_{D+1} - Q_i, so that
            (S2)  dW_i = Σ_n x_i δ_{i+1} = Σ_n x_i (Q_{D+1} - Q_{i+1})    subtract Q_{i+1} at the
                                                    event, add Q_{D+1} once when the row is done
            (S3)  dc_k = Σ_{n: y_n = k} δ_1 = Σ_{n: y_n = k} Q_{D+1},
            where S2 gives dW_D = 0, which is not computed: a_{D+1} is seen by no logit. These are
            the same numbers as B1 and B6, in the order of the forward sweep and with one σ an
            event. B2's subtraction, and the rounding it adds, disappears.

Cost        With η the share of ones: about 2 N·D·H FLOPs for F3 and N·D·H·η (1 + one σ) for F2
            and F4; the gradient adds 8 N·D·H and 3 N·D·H·η, dx about as much. W and V are
            read once for each panel of rows that stays in cache; memory O(N·(D + H)) beside the
            gradients.

Source      Larochelle and Murray 2011, "The Neural Autoregressive Distribution Estimator",
            AISTATS, which gives F1-F4 for one class, and the O(D·H) argument. B2 and S1-S3 are
            ours.

The hidden units' part (F1, F2, F4 and what undoes them) and the outputs' (F3, the loss, the draw)
are apart in the code: a kind of variable is a head, in `nade.heads` for the CPU and in
`nade/heads/*.cuh` for the GPU. Here are the functions of the Bernoulli head.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Bits, Ids


def forward(
    x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, s: Array, a_end: Array
) -> None:
    """Overwrite s, (N, D), with the logits and a_end, (N, H), with a_{D+1}, for `backward`."""
    select(__name__, x, W, V, b, c, y, s, a_end).forward(x, W, V, b, c, y, s, a_end)


def backward(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a_end: Array,
    y: Ids,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """Overwrite dW, dV, db and dc for any upstream gradient ds = dL/ds, (N, D), by B1-B6."""
    op = select(__name__, ds, x, W, V, a_end, y, dW, dV, db, dc)
    op.backward(ds, x, W, V, a_end, y, dW, dV, db, dc)


def input_gradient(ds: Array, x: Bits, W: Array, V: Array, a_end: Array, dx: Array) -> None:
    """Overwrite dx, (N, D), with Σ_k ds_k ∂s_k/∂x_i, for real x as for bits, by B7."""
    select(__name__, ds, x, W, V, a_end, dx).input_gradient(ds, x, W, V, a_end, dx)


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, log_p: Array) -> None:
    """Overwrite log_p, (N,), with log p(x | y) of each row, in nats, without storing the logits."""
    select(__name__, x, W, V, b, c, y, log_p).log_prob(x, W, V, b, c, y, log_p)


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    y: Ids,
    scale: float,
    nll: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """Overwrite nll, (N,), with -log p(x | y) of each row, in nats, and its sum's gradient.

    dW, dV, db and dc, shaped like W, V, b and c, become that of scale · Σ_n nll_n. One sweep,
    S1-S3.
    """
    op = select(__name__, x, W, V, b, c, y, nll, dW, dV, db, dc)
    op.nll_and_grad(x, W, V, b, c, y, scale, nll, dW, dV, db, dc)


def sample(u: Array, W: Array, V: Array, b: Array, c: Array, y: Ids, x: Bits) -> None:
    """Update x, (N, D): where u_i ≥ 0, x_i = 1 if u_i < σ(s_i), else 0; kept where u_i < 0.

    s_i is given the x_<i, drawn or kept. u: (N, D), uniform in [0, 1) or negative, of W's dtype.
    """
    select(__name__, u, W, V, b, c, y, x).sample(u, W, V, b, c, y, x)
