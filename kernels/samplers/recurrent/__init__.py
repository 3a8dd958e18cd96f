"""Sample from a recurrent network, one symbol a step, with or without attention to its past.

Shapes      N rows, V symbols, H hidden units, L layers, S context
            u: (N, n_new) uniforms
            W_xh: (V, G H)   U: (L-1, H, G H)   W_hh: (L, H, G H)   b_h: (L, G H)
            G gates a unit: 1 tanh, 3 GRU (r, u, n), 4 LSTM (i, f, g, o)
            b_n: (L, H) of the GRU, else (L, 0)
            W_hy: (H, V)   b_y: (V,)   with attention W_ay: (H, V)
            h: (N, L, H) state; c: (N, L, H) the LSTM's cells, else (N, L, 0)

Step t      (F1)  s = h W_hy + b_y, of the last layer's h
            (F2)  the symbol x_t is chainrule.kernels.categorical's draw from s and u_t
            (F3)  z = W_xh[x_t] + b_h in the first layer, h' U + b_h above, h' from the layer below
            (F4)  h, c = the cell's step from z and h W_hh:
                    tanh  h = tanh(z + h W)
                    LSTM  i, f, g, o = σ, σ, tanh, σ of z + h W;   c = f c + i g,   h = o tanh(c)
                    GRU   r, u = σ of their parts of z + h W;   n = tanh(z_n + r (h W_n + b_n)),
                          h = (1 - u) n + u h
            The state is all that the past has left: memory and work a symbol never grow.

Attention   (`extend_attention`, one layer) keys and values are the states before the current one:
            (A1)  a = Σ_{j<t} softmax_j(h_t·h_j / √d) h_j, each head of d = H / n_heads by itself;
                  a = 0 where there is no past
            (A2)  s = h W_hy + a W_ay + b_y
            The history h_0 … h_t is kept, (N, S, H): h_j is a function of x_1 … x_j, hence final.
            Once S symbols are in the window, its first `stride` leave it and the states are
            computed anew from h_0 = b_0 over those that stay, one after the other.

Cost        A symbol of one row: 2 G H² (2 L - 1) + 2 H V FLOPs, all in products of a row with
            matrices that must be read once: one row waits for memory, G rows share the reading.
            Attention adds 4 H t. A restart costs S - stride steps, every `stride` symbols.

Source      Graves 2013, "Generating Sequences With Recurrent Neural Networks"
            (arXiv:1308.0850), for sampling as feeding the drawn symbol back; the cells are derived
            in chainrule.kernels.rnn, lstm and gru.

`reference` (NumPy) defines the result; `cpu` and `cuda` draw the same symbols but where a uniform
falls within rounding of a boundary.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


def feed(
    x: Ids,
    lengths: Ids,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    b_h: Array,
    b_n: Array,
    h: Array,
    c: Array,
) -> None:
    """Update h and c by the first lengths[n] symbols of each row n of x, (N, P): F3 and F4."""
    op = select(__name__, x, lengths, W_xh, U, W_hh, b_h, b_n, h, c)
    op.feed(x, lengths, W_xh, U, W_hh, b_h, b_n, h, c)


def extend(
    u: Array,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    W_hy: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    h: Array,
    c: Array,
) -> Ids:
    """Return the next symbols of every row, (N, n_new) int32, one for each uniform in [0, 1).

    h and c move on by n_new symbols, so that calls with pieces of u give the pieces of what one
    call gives. temperature, top_k and top_p as in `chainrule.kernels.categorical`.
    """
    op = select(__name__, u, W_xh, U, W_hh, W_hy, b_h, b_n, b_y, h, c)
    ids: Ids = op.extend(u, W_xh, U, W_hh, W_hy, b_h, b_n, b_y, temperature, top_k, top_p, h, c)
    return ids


def extend_attention(
    u: Array,
    W_xh: Array,
    W_hh: Array,
    W_hy: Array,
    W_ay: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    b_0: Array,
    c_0: Array,
    n_heads: int,
    stride: int,
    temperature: float,
    top_k: int,
    top_p: float,
    window: Ids,
    length: Ids,
    seen: Ids,
    history: Array,
    c: Array,
) -> Ids:
    """Return the next symbols of every row, as `extend`, with attention to the row's past states.

    W_hh: (1, H, G H), b_h: (1, G H), b_n: (1, H) or (1, 0): one layer. b_0, c_0: (1, H), the first
    state, c_0: (1, 0) without cells.

    The state, overwritten: window: (N, S) int32 symbols of which the first length[n] < S are
    there; history: (N, S, H), h_0 … h_seen of the seen[n] ≤ length[n] symbols that the states
    have been through; c: (N, 1, H) or (N, 1, 0), the cells after these. seen = -1: not even h_0
    is there.
    """
    weights = (W_xh, W_hh, W_hy, W_ay, b_h, b_n, b_y, b_0, c_0)
    state = (window, length, seen, history, c)
    op = select(__name__, u, *weights, *state)
    ids: Ids = op.extend_attention(u, *weights, n_heads, stride, temperature, top_k, top_p, *state)
    return ids
