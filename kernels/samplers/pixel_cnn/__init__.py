"""Sample from a PixelCNN, channel by channel, each with no more work than its own pixel's features.

Shapes      N images of R rows of S pixels of C channels; F features, L blocks or layers, Q the
            width of the stream that the top reads: 2F plain, F gated; K outputs a channel
            u: (N, n) uniforms, x: (N, n) int32 levels, drawn or given: chainrule.kernels.samplers
            low, high: (N, n) int32, the levels that one is chosen of, where none is drawn
            W: (taps, inputs, outputs), with L in front where there are layers; b: (n_classes,
            outputs), of layers (n_classes, L, outputs), n_classes being 1 where all images share
            it. Those of the network that is not there are (0, 0, 0).

            plain   W_x: (T, C, 2F)   W_i: (L, 1, 2F, F)   W_m: (L, T, F, F)   W_o: (L, 1, F, 2F)
                    b_x: (·, 2F)   b_i: (1, L, F)   b_m: (·, L, F)
            gated   W_xv, W_xh: (T, C, 2F)   W_v, W_h: (L, T, F, 2F)   W_vh: (L+1, 1, 2F, 2F)
                    W_o: (L+1, 1, F, F)   b_v, b_h: (·, L+1, 2F)
            both    W_t: (1, Q, Q)   W_s: (1, Q, C K)   b_t: (1, Q)   b_s: (·, C K)
                    b_p: (R, S, 2F), biases of each pixel, or (0, 0, 0)

Memory      x: (N, R S C) int32     the images' levels, of which those before `at` are known
            y: (N,) int32           their classes; (0,) where there is one
            kept                    what an implementation remembers of its own: features of pixels
                                    before, and the weights as it reads them. An empty dictionary
                                    at the start, or at any time: it is then computed anew.

Step t      Channel c of pixel (i, j). `seen` are masked maps (chainrule.kernels.masked_conv), z the
            levels scaled to [-1, 1], h_l a layer's stream; all of it is of this pixel and of the
            features of group c alone.
            (F1)  plain   h_0 = b_x + b_p + seen(z),  and in each block
                          a = relu(b_i + seen(relu(h))),  m = relu(b_m + seen(a)),
                          h = h + seen(m)
            (F2)  gated   where a row begins, of all its pixels and layers, from the rows above,
                          p = b_v + b_p + seen(v),  v' = gate(p)    in the first layer v is z, and
                                                                    b_p in it alone
            (F3)          and q = b_h + seen(h) + p W_vh,  h = h + seen(gate(q))    h_0: z, once
            (F4)  s = b_s + seen(relu(b_t + seen(relu(h))))
            (F5)  the level is drawn from s and u: chainrule.kernels.logistics where s is a mixture,
                  chainrule.kernels.bernoulli where levels are two, else
                  chainrule.kernels.categorical; or it is x's. z learns of it.
            (F6)  or it is chosen: the likeliest of levels low … high, argmax P(v), of several the
                  lowest. Of logits that is argmax s_v, since P grows with s; of two levels' logit
                  whether s > 0; of a mixture the table of chainrule.kernels.logistics, in float64.

            Why old features stay as they are: every map is masked, so that a feature of group c at
            pixel (i, j) is a function of levels before that pixel's channel c alone (by induction
            over layers: chainrule.kernels.masked_conv). A new level is that of a channel no feature
            computed so far has looked at, hence no old feature changes, and what F1-F3 read of
            other pixels is what was computed when these were drawn. Of the own pixel they read
            groups up to c, which were computed one after the other before this one.

            What is kept: of a (plain), or v (gated), the rows that a window still reaches, ⌊k/2⌋ +
            1 of them, each row in the place of the one that leaves; of h (gated) the own row, and
            of p W_vh; of z all. Beyond the image, and above its first row, there are zeros.
            Of a pixel all of whose channels are given nothing is computed that only s would read.

Cost        2 FLOPs for each weight that is not hidden, a pixel and image: a pass over R S pixels
            costs as much as one pass of the whole network, where recomputing it for every channel
            is R S C times as much. Weights are read once a pixel for all images: 16 images make
            4 multiply-adds of a byte of them in float32.
            Memory: ((⌊k/2⌋ + 1) L F + R C) (S + k) numbers an image, and a few pixels' features.

Source      Ramachandran et al. 2017, "Fast Generation for Convolutional Autoregressive Models"
            (arXiv:1704.06001), caches features so; Le Paine et al. 2016, "Fast Wavenet
            Generation Algorithm" (arXiv:1611.09482), in one dimension. Rings of rows, groups of
            colours one by one: ours.

`reference` (NumPy) recomputes everything for every channel; `cpu` and `cuda` draw the same levels
but where a uniform falls within rounding of a boundary.
"""

from typing import Any, NamedTuple

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """The parameters, shaped as above."""

    W_x: Array
    W_i: Array
    W_m: Array
    W_xv: Array
    W_xh: Array
    W_v: Array
    W_h: Array
    W_vh: Array
    W_o: Array
    W_t: Array
    W_s: Array
    b_x: Array
    b_i: Array
    b_m: Array
    b_v: Array
    b_h: Array
    b_t: Array
    b_s: Array
    b_p: Array

    @property
    def gated(self) -> bool:
        """Whether there are two stacks."""
        return self.W_xv.size > 0


class Sizes(NamedTuple):
    """What the arrays' shapes do not say: of an image, and of the kernels, k and the first's."""

    height: int
    width: int
    channels: int
    levels: int
    n_logistics: int
    kernel_size: int
    first_size: int

    @property
    def n_outputs(self) -> int:
        """K: a logit for each level, of two the second's; or those of a mixture of logistics."""
        if self.n_logistics:
            return 3 * self.n_logistics
        return 1 if self.levels == 2 else self.levels


class Memory(NamedTuple):
    """What the images remember, shaped as above."""

    x: Ids
    y: Ids
    kept: dict[str, Any]


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """Update x and the memory by draws, where u ≥ 0, and given levels, x's where u < 0; F1-F5.

    at: how many channels of each image are known so far. Calls with pieces of u and x do what one
    call does.
    """
    op = select(__name__, u, *weights, memory.x, memory.y, x)
    op.extend(u, weights, sizes, at, memory, x)


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """Overwrite x by the likeliest of levels low … high, and update the memory; F1-F4, F6.

    low, high: (N, n) int32, 0 ≤ low ≤ high < levels; where they are equal the level is given.
    """
    op = select(__name__, low, high, *weights, memory.x, memory.y, x)
    op.choose(low, high, weights, sizes, at, memory, x)


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """Overwrite s, (N, K), by the outputs of every image's next channel, F1-F4; nothing moves."""
    select(__name__, *weights, memory.x, memory.y, s).peek(weights, sizes, at, memory, s)
