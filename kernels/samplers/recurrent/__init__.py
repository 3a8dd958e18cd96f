"""Sample from a recurrent network, one symbol a step, with or without attention to its past.

Shapes      N rows, V symbols, H hidden units, L layers, S context
            u: (N, ·) uniforms, x: (N, ·) int32 symbols, drawn or given: chainrule.kernels.samplers
            W_xh: (V, G H)   U: (L-1, H, G H)   W_hh: (L, H, G H)   b_h: (L, G H)
            G gates a unit: 1 tanh, 3 GRU (r, w, n), 4 LSTM (i, f, g, o)
            b_n: (L, H) of the GRU, else (L, 0)
            W_hy: (H, V)   b_y: (V,)   with attention W_ay: (H, V)
            h: (N, L, H) state; c: (N, L, H) the LSTM's cells, else (N, L, 0)

Step t      F1 and F2 where the symbol is drawn; where it is given, F3 and F4 alone.
            (F1)  s = h W_hy + b_y, of the last layer's h
            (F2)  the symbol x_t is chainrule.kernels.categorical's draw from s and u_t
            (F3)  z = W_xh[x_t] + b_h in the first layer, h' U + b_h above, h' from the layer below
            (F4)  h, c = the cell's step from z and h W_hh:
                    tanh  h = tanh(z + h W)
                    LSTM  i, f, g, o = σ, σ, tanh, σ of z + h W;   c = f c + i g,   h = o tanh(c)
                    GRU   r, w = σ of their parts of z + h W;   n = tanh(z_n + r (h W_n + b_n)),
                          h = (1 - w) n + w h      w: u of chainrule.kernels.gru; u is uniform here
            The state is all that the past has left: memory and work a symbol never grow.

Attention   (`extend_attention`, one layer) keys and values are the states before the current one:
            (A1)  a = Σ_{j<t} softmax_j(h_t·h_j / √d) h_j, each head of d = H / n_heads by itself;
                  a = 0 where there is no past
            (A2)  s = h W_hy + a W_ay + b_y
            The history h_0 … h_t is kept, (N, S, H): h_j is a function of x_1 … x_j, hence final.
            A given symbol only joins the window; the states catch up before the next draw.
            Once S symbols are in the window, its first `stride` leave it and the states are
            computed anew from h_0 = b_0^y over those that stay, one after the other; y is the
            row's class, of which each has a first state of its own.

Cost        A symbol of one row: 2 G H² (2 L - 1) + 2 H V FLOPs, all in products of a row with
            matrices that must be read once: one row waits for memory, several share the reading.
            Attention adds 4 H t. A restart costs S - stride steps, every `stride` symbols.

Source      Graves 2013, "Generating Sequences With Recurrent Neural Networks"
            (arXiv:1308.0850), for sampling as feeding the drawn symbol back; the cells are derived
            in chainrule.kernels.rnn, lstm and gru.

`reference` (NumPy) defines the result; `cpu` and `cuda` draw the same symbols but where a uniform
falls within rounding of a boundary.
"""

from typing import Any, NamedTuple

from chainrule.kernels.categorical import Options
from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """The parameters that move the state, shaped as above."""

    W_xh: Array
    U: Array
    W_hh: Array
    b_h: Array
    b_n: Array


class Output(NamedTuple):
    """The parameters that turn states into logits; W_ay: (0, V) where nothing attends."""

    W_hy: Array
    W_ay: Array
    b_y: Array


class Memory(NamedTuple):
    """What the rows remember: their state, shaped as above."""

    h: Array
    c: Array

    def rows(self, part: slice) -> "Memory":
        """Return the memory of some rows: views."""
        return Memory(self.h[part], self.c[part])


class First(NamedTuple):
    """The states before the first symbol, a row for each class: (n_classes, H); c_0 or (·, 0)."""

    b_0: Array
    c_0: Array


class Sizes(NamedTuple):
    """What the arrays' shapes do not say: heads, and how far a full window moves, 1 … S."""

    n_heads: int
    stride: int


class AttentionMemory(NamedTuple):
    """What the rows remember where they attend.

    window: (N, S), the symbols that a row sees, of which the first length[n] < S are there.
    history: (N, S, H), h_0 … h_seen of the seen[n] ≤ length[n] symbols that the states have been
    through. c: (N, 1, H) or (N, 1, 0), the cells after these. seen = -1: not even h_0 is there.
    y: (N,), the rows' classes, 0 where there is one.
    """

    window: Ids
    length: Ids
    seen: Ids
    history: Array
    c: Array
    y: Ids

    def rows(self, part: slice) -> "AttentionMemory":
        """Return the memory of some rows: views."""
        parts: Any = (a[part] for a in self)
        return AttentionMemory(*parts)


def extend(
    u: Array, weights: Weights, output: Output, options: Options, memory: Memory, x: Ids
) -> None:
    """Update x, and with it the memory, by its draws and its given symbols, F1-F4.

    Calls with pieces of u and x do what one call does.
    """
    op = select(__name__, u, *weights, *output, *memory, x)
    op.extend(u, weights, output, options, memory, x)


def peek(output: Output, memory: Memory, s: Array) -> None:
    """Overwrite s, (N, V), by the logits of every row's next symbol, F1; nothing moves."""
    select(__name__, *output, *memory, s).peek(output, memory, s)


def extend_attention(
    u: Array,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    options: Options,
    memory: AttentionMemory,
    x: Ids,
) -> None:
    """Update x and the memory as `extend` does, with attention to the row's past states.

    One layer: weights.U is empty.
    """
    op = select(__name__, u, *weights, *output, *first, *memory, x)
    op.extend_attention(u, weights, output, first, sizes, options, memory, x)


def peek_attention(
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
    s: Array,
) -> None:
    """Overwrite s, (N, V), by the logits of every row's next symbol, A1 and A2; nothing moves.

    The states catch up with the window, and stay so.
    """
    op = select(__name__, *weights, *output, *first, *memory, s)
    op.peek_attention(weights, output, first, sizes, memory, s)
