"""The LSTM's sequence pass: a state that is added to, not multiplied, and three gates.

Shapes      z, gates, dz: (T, N, 4H) in four blocks i, f, g, o    W, dW: (H, 4H)
            z_t is the input's part of step t, x_t W_x + b: the caller works it out for all steps
            in one product (or, for symbols, looks it up), since it waits for no state.
            h, c: (T + 1, N, H), h_0 and c_0 given    dh: (T, N, H), upstream of h_1 … h_T
            dh0, dc0: (N, H)
            Time-major; the last axis contiguous, the others may be strided. h[t], c[t] hold h_t,
            c_t, and z[t - 1], gates[t - 1], dh[t - 1] belong to step t = 1 … T.

Forward     (F1)  a_t = z_t + h_{t-1} W                        all four blocks, one product
            (F2)  i_t = σ(a_i)   f_t = σ(a_f)   g_t = tanh(a_g)   o_t = σ(a_o)
            (F3)  c_t = f_t ∘ c_{t-1} + i_t ∘ g_t
            (F4)  h_t = o_t ∘ tanh(c_t)

            The activated gates replace z, which nothing needs again: `gates` below.

Backward    Let δ_t = dL/dh_t and ε_t = dL/dc_t along every path. For t = T … 1, with dz_{T+1} and
            f_{T+1} ∘ ε_{T+1} zero:
            (B1)  δ_t = dh_t + dz_{t+1} Wᵀ                     undoes F1 of step t + 1
            (B2)  do  = δ_t ∘ tanh(c_t)                        undoes F4
                  ε_t = f_{t+1} ∘ ε_{t+1} + δ_t ∘ o_t ∘ (1 - tanh²(c_t))
                                                               undoes F3 of step t + 1, and F4
            (B3)  di  = ε_t ∘ g_t    df = ε_t ∘ c_{t-1}    dg = ε_t ∘ i_t       undoes F3
            (B4)  dz_i = di ∘ i_t (1 - i_t)    dz_f, dz_o alike                 undoes F2:
                  dz_g = dg ∘ (1 - g_t²)                       σ' = σ(1 - σ), tanh' = 1 - tanh²
            (B5)  dW  = Σ_t h_{t-1}ᵀ dz_t                      undoes F1 of every step; one matrix
                                                               product once all dz are known
            (B6)  dh0 = dz_1 Wᵀ    dc0 = f_1 ∘ ε_1             undoes F1 and F3 of step 1

            Along the path of the cells, c_{t-1} to c_t, ε is multiplied by f alone, a number near 1
            while the network wants to remember: no matrix, hence no power of a matrix. That is not
            all of the gradient: B1's δ_t also carries Wᵀ from step to step, through the gates, and
            comes back into ε by B2. That path has products of matrices as in `kernels.rnn`; what
            the cells add is one path beside it that has none. tanh(c_t) is computed again rather
            than kept: H numbers a row where the product before it took 8H².

Cost        8 T·N·H² FLOPs forward, twice that backward; T·N·H exponentials: 5 forward, and with
            tanh(c_t) a sixth backward. The T products wait for each other: W (16H² bytes in
            float32) is read T times, so it has to stay in a cache, and so has what a step leaves to
            the next. Every other array counts once a pass, 4 bytes a number. In T·N·H bytes:
            forward 40 (z 16 read, gates 16, h 4, c 4 written), backward 40 (gates 16, c 4, dh 4
            read, dz 16 written), B5's product 20 (h 4, dz 16 read). Of these B5's dz was written
            just before; the others are 84 (forward 40, backward 40, h 4).

Source      Hochreiter and Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8); the
            forget gate f: Gers, Schmidhuber and Cummins 2000, "Learning to forget: continual
            prediction with LSTM", Neural Computation 12(10). No peepholes. Full gradient: Werbos
            1990, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78(10).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array, c: Array) -> None:
    """Overwrite h[1:] and c[1:], which follow from h[0] and c[0], and z by the gates; F1-F4."""
    select(__name__, z, W, h, c).forward(z, W, h, c)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    h: Array,
    c: Array,
    dz: Array,
    dW: Array,
    dh0: Array,
    dc0: Array,
) -> None:
    """Overwrite dz, dW, dh0 and dc0 by the gradients of z, W, h[0] and c[0]; B1-B6.

    dz may be gates itself.
    """
    op = select(__name__, dh, gates, W, h, c, dz, dW, dh0, dc0)
    op.backward(dh, gates, W, h, c, dz, dW, dh0, dc0)
