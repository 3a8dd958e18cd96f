"""Sample from a Transformer, one symbol a step, with the keys and values of the past kept.

Shapes      N rows, V symbols, L layers, n heads of size d = C/n, context S
            u: (N, ·) uniforms, x: (N, ·) int32 symbols, drawn or given: chainrule.kernels.samplers
            E: (at least V, C) rows looked up: symbols, start tokens
            E_pos: (S, C) positions, or (0, C) where positions rotate queries and keys instead
            W_qkv: (L, C, 3C)   W_o: (L, C, C)   W_1: (L, C, 4C)   W_2: (L, 4C, C)   W_y: (C, V)
            b_qkv: (L, 3C)   b_1: (L, 4C)   b_o, b_2, ln1_g, ln1_b, ln2_g, ln2_b: (L, C)
            ln_g, ln_b: (C,)

Memory      What a row remembers, each array overwritten by `extend`:
            window: (N, S) int32    rows of E that the next symbol sees: a start token, then symbols
            length: (N,) int32      how many of them there are, 1 … S
            cached: (N,) int32      how many of them, from the left, have keys and values
            keys, values: (N, L, S, C)
            Rows never meet: each has its own length, so prompts of different lengths share a call.

Step t      Where a symbol is drawn or looked at, and F7 alone where one is given. For the tokens
            from cached to length, at positions p, in every layer l:
            (F1)  x_p = E[window_p] + E_pos[p]
            (F2)  q_p, k_p, v_p = split(LN1(x_p) W_qkv + b_qkv), of which q_p and k_p are rotated by
                  p where there is no E_pos; k_p and v_p enter the cache
            (F3)  a_p = Σ_{j≤p} softmax_j(q_p·k_j / √d) v_j, each head by itself
            (F4)  x_p = x_p + a_p W_o + b_o
            (F5)  x_p = x_p + gelu(LN2(x_p) W_1 + b_1) W_2 + b_2
            and after the last layer, for the last token alone,
            (F6)  s = LN(x_p) W_y, and the symbol is chainrule.kernels.categorical's draw from s, u
            (F7)  the symbol joins the window; if that makes S + 1, the window's first `stride`
                  symbols leave it, the start token stays, and nothing of it is cached any more

            Why the cache is exact: x_p after layer l is a function of x_j, j ≤ p, before it (F3 is
            the only line where positions meet, and it looks back only). By induction over layers,
            k_p and v_p of every layer depend on window_0 … window_p alone, and a new symbol
            changes none of these. So all that F2 and F3 would recompute for old positions is what
            stands in the cache already, and the work for a symbol is that of one position. Nor
            would F3-F5 of old positions be read by anybody.
            F7 moves every symbol to another position, so there the argument ends: the cache is
            filled anew, in one pass over all kept positions at once (F1-F5, in the last layer
            F2's keys and values alone).

Cost        A symbol of one row: 2 (12 C² L + C V) FLOPs for the products and 4 C L t for attention
            over t positions. At 4 layers of 128 with V = 65: 1.6 MFLOP, and 3.2 MB of weights to
            read in float32, 2 C L t · 4 bytes of cache. One row is hence a chain of matrix-vector
            products that wait for weights (half a FLOP a byte); several rows share each read.
            Once the window is full it moves every `stride` symbols, for the work of S - stride
            positions more, without their logits and without most of the last layer. At stride = S/2
            that is one position more a symbol: less than double the cost.
            Memory: 2 N L S C numbers, whatever the number of symbols drawn.

Source      Shazeer 2019, "Fast Transformer Decoding: One Write-Head is All You Need", section 2,
            analyses this incremental form.

`reference` (NumPy) defines the result; `cpu` and `cuda` draw the same symbols but where a uniform
falls within rounding of a boundary.
"""

from typing import Any, NamedTuple

from chainrule.kernels.categorical import Options
from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """The parameters, shaped as above."""

    E: Array
    E_pos: Array
    W_qkv: Array
    W_o: Array
    W_1: Array
    W_2: Array
    W_y: Array
    b_qkv: Array
    b_o: Array
    b_1: Array
    b_2: Array
    ln1_g: Array
    ln1_b: Array
    ln2_g: Array
    ln2_b: Array
    ln_g: Array
    ln_b: Array


class Sizes(NamedTuple):
    """What the arrays' shapes do not say: heads, and how far a full window moves, 1 … S."""

    n_heads: int
    stride: int


class Memory(NamedTuple):
    """What the rows remember, shaped as above."""

    window: Ids
    length: Ids
    cached: Ids
    keys: Array
    values: Array

    def rows(self, part: slice) -> "Memory":
        """Return the memory of some rows: views."""
        parts: Any = (a[part] for a in self)
        return Memory(*parts)


def extend(
    u: Array, weights: Weights, sizes: Sizes, options: Options, memory: Memory, x: Ids
) -> None:
    """Update x, and with it the memory, by its draws and its given symbols, F1-F7.

    Calls with pieces of u and x do what one call does.
    """
    op = select(__name__, u, *weights, *memory, x)
    op.extend(u, weights, sizes, options, memory, x)


def peek(weights: Weights, sizes: Sizes, memory: Memory, s: Array) -> None:
    """Overwrite s, (N, V), by the logits of every row's next symbol, F1-F6; nothing moves.

    What has been computed stays in the cache.
    """
    select(__name__, *weights, *memory, s).peek(weights, sizes, memory, s)
