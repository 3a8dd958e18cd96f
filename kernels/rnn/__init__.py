"""The textbook's recurrent sequence pass: one state, updated symbol by symbol, and BPTT.

Shapes      z, dz: (T, N, H), z_t = x_t W_x + b the input's part of step t    W, dW: (H, H)
            h: (T + 1, N, H), h_0 given    dh: (T, N, H), upstream of h_1 … h_T    dh0: (N, H)
            Time-major; the last axis contiguous, the others may be strided. h[t] holds h_t, and
            z[t - 1], dh[t - 1] belong to step t = 1 … T.

Forward     (F1)  a_t = z_t + h_{t-1} W
            (F2)  h_t = tanh(a_t)

Backward    h_t is read twice: by the layer above (upstream, dh_t) and by step t + 1. Let δ_t be
            dL/dh_t along every path. Back-propagation through time: for t = T … 1
            (B1)  δ_t  = dh_t + dz_{t+1} Wᵀ,  dz_{T+1} = 0     undoes F1 of step t + 1
            (B2)  dz_t = δ_t ∘ (1 - h_t²)                      undoes F2: tanh' = 1 - tanh², and
                                                               da_t/dz_t = 1
            (B3)  dW   = Σ_t h_{t-1}ᵀ dz_t                     undoes F1 of every step; one matrix
                                                               product once all dz are known
            (B4)  dh0  = dz_1 Wᵀ                               undoes F1 of step 1

            Between steps the row δ is multiplied by diag(1 - h²) Wᵀ, so that what dh_T leaves of
            itself at the start has been through T such factors, and with σ_max the largest singular
            value of W
                ‖dh_T diag(1 - h_T²) Wᵀ … diag(1 - h_1²) Wᵀ‖ ≤ (max |1 - h²| · σ_max)^T ‖dh_T‖:
            exponential in T. Below 1 the past is forgotten at that rate, whatever it said; only if
            σ_max is above 1 can δ blow up, and tanh', at most 1, is all that holds it. That is why
            the LSTM was invented, and why gradients are clipped.

Cost        2 T·N·H² FLOPs forward, twice that backward, and T·N·H tanh. The T products wait for
            each other: W (4H² bytes in float32) is read T times, so it has to stay in a cache, and
            so has what a step leaves to the next. Every other array counts once a pass, 4 bytes a
            number. In T·N·H bytes: forward 8 (z 4 read, h 4 written), backward 12 (dh 4, h 4 read,
            dz 4 written), B3's product 8 (h 4, dz 4 read). Once in all: 16 (z 4, h 4, dh 4, dz 4).

Source      Elman 1990, "Finding structure in time", Cognitive Science 14; Werbos 1990,
            "Backpropagation through time: what it does and how to do it", Proc. IEEE 78(10). The
            bound: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural
            networks", ICML (arXiv:1211.5063).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array) -> None:
    """Overwrite h[1:] by the states h_1 … h_T that follow from h[0]; F1, F2."""
    select(__name__, z, W, h).forward(z, W, h)


def backward(dh: Array, h: Array, W: Array, dz: Array, dW: Array, dh0: Array) -> None:
    """Overwrite dz, dW and dh0 by the gradients of z, W and h[0]; B1-B4. dz may be dh itself."""
    select(__name__, dh, h, W, dz, dW, dh0).backward(dh, h, W, dz, dW, dh0)
