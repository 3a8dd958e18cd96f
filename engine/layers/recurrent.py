"""A stack of recurrent layers over symbols, read forward and, as a mirror image, backward.

Shapes      x: (T, N) symbols, time-major    state, dstate: L rows of h_0 (N, H), and c_0 for LSTM
            layer l's input z^l: (T, N, G H)    its states h^l: (T + 1, N, H)
            W_xh: (V, G H)   U: (L - 1, H, G H)   W_hh: (L, H, G H)   b_h: (L, G H)   b_n: (L, H)
            G = 1, 4, 3 for the cells tanh, lstm, gru

Forward     (F1)  z^1_t = W_xh[x_t] + b_h^1            a row looked up: x_t one-hot times W_xh
            (F2)  h^l   = pass(z^l, W_hh^l, h^l_0)     kernels.rnn, lstm or gru
            (F3)  y^l_t = M^l_t ∘ h^l_t                kernels.dropout, site l - 1; never on the way
                                                       from step to step
            (F4)  z^{l+1}_t = y^l_t U^l + b_h^{l+1}    up to the last layer

Backward    From dy^L, the gradient of what the top layer shows, for l = L … 1:
            (B1)  dh^l_t = M^l_t ∘ dy^l_t                                       undoes F3
            (B2)  dz^l, dW_hh^l, dh^l_0 by the pass's own backward              undoes F2
            and for l ≥ 2, with n a row of the minibatch,
            (B3)  dU^{l-1} = Σ_t Σ_n y^{l-1}_tnᵀ dz^l_tn                        undoes F4
                  db_h^l = Σ_t Σ_n dz^l_tn,    dy^{l-1}_t = dz^l_t (U^{l-1})ᵀ
            (B4)  dW_xh[v] = Σ over the (t, n) where x = v of dz^1_tn           undoes F1; and then
                  db_h^1 = Σ_t Σ_n dz^1_tn = Σ_v dW_xh[v], the same terms added up

Cost        4 T·N·G·H² FLOPs a layer forward but 2 T·N·G·H² the first one, twice that backward.
            All of F1, F4 and B3 are one call for the whole sequence; only F2 waits for itself.

Source      Graves 2013, "Generating Sequences With Recurrent Neural Networks" (arXiv:1308.0850),
            for deep recurrent networks of symbols; dropout off the recurrent path: Zaremba,
            Sutskever and Vinyals 2014, "Recurrent Neural Network Regularization" (arXiv:1409.2329).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.engine.arena import New
from chainrule.engine.layers import dropout
from chainrule.engine.layers.dropout import Site
from chainrule.engine.noise import Noise
from chainrule.kernels import embedding, gru, linear, lstm, rnn
from chainrule.kernels.types import Array, Ids

GATES = {"tanh": 1, "lstm": 4, "gru": 3}


@dataclass
class Pass:
    """One layer's pass: what its backward needs. z holds the gates, and later their gradient."""

    z: Array
    h: Array
    c: Array | None  # LSTM
    m: Array | None  # GRU
    y: Array  # h_1 … h_T as the layer above sees them
    site: Site | None


def forward(
    cell: str,
    x: Ids,
    params: Mapping[str, Array],
    h_0: Array,
    c_0: Array | None,
    new: New,
    rate: float = 0.0,
    noise: Noise | None = None,
) -> list[Pass]:
    """Return every layer's pass over x, (T, N), from the states h_0, c_0: (L, N, H).

    The last pass is the top layer's. rate: of the dropout, drawn from noise; none without.
    """
    T, N = x.shape
    L, H, width = params["W_hh"].shape
    passes: list[Pass] = []
    for l in range(L):
        z = new((T, N, width))
        if l == 0:
            table = params["W_xh"] + params["b_h"][0]
            embedding.forward(x.reshape(-1), table, z.reshape(T * N, width))  # F1
        else:
            below, U, b = passes[-1].y.reshape(T * N, H), params["U"][l - 1], params["b_h"][l]
            linear.forward(below, U, b, z.reshape(T * N, width))  # F4
        passes.append(_run(cell, z, params, l, h_0, c_0, new))  # F2
        if site := dropout.site(rate, noise, l):
            passes[-1].y, passes[-1].site = new((T, N, H)), site
            site.drop(passes[-1].h[1:], passes[-1].y, time_major=True)  # F3
    return passes


def backward(
    cell: str,
    dh: Array,
    x: Ids,
    passes: list[Pass],
    params: Mapping[str, Array],
    grad: Mapping[str, Array],
    dh_0: Array,
    dc_0: Array | None,
    new: New,
) -> None:
    """Overwrite the stack's gradients in `grad`, and dh_0, dc_0, from dh: (T, N, H), top layer's.

    dh is the gradient of the top layer's y; its memory is used up, as are the passes.
    """
    T, N, H = dh.shape
    for l in reversed(range(len(passes))):
        this = passes[l]
        if this.site is not None:
            this.site.drop(dh, dh, time_major=True)  # B1
        dz = _run_back(cell, dh, this, params, grad, l, dh_0, dc_0)  # B2
        dz = dz.reshape(T * N, dz.shape[2])
        if l == 0:
            grad["W_xh"][...] = 0
            embedding.backward(dz, x.reshape(-1), grad["W_xh"])  # B4
            grad["W_xh"].sum(axis=0, out=grad["b_h"][0])
        else:
            below, U, dU = passes[l - 1].y.reshape(T * N, H), params["U"][l - 1], grad["U"][l - 1]
            dh = new((T, N, H))
            linear.backward(dz, below, U, dh.reshape(T * N, H), dU, grad["b_h"][l])  # B3


def _run(
    cell: str,
    z: Array,
    params: Mapping[str, Array],
    l: int,
    h_0: Array,
    c_0: Array | None,
    new: New,
) -> Pass:
    """F2: run layer l's pass over z."""
    T, N, _ = z.shape
    h, W, c, m = new((T + 1, *h_0[l].shape)), params["W_hh"][l], None, None
    h[0] = h_0[l]
    if cell == "lstm":
        assert c_0 is not None
        c = new(h.shape)
        c[0] = c_0[l]
        lstm.forward(z, W, h, c)
    elif cell == "gru":
        m = new((T, N, h.shape[2]))
        gru.forward(z, W, params["b_n"][l], h, m)
    else:
        rnn.forward(z, W, h)
    return Pass(z, h, c, m, h[1:], None)


def _run_back(
    cell: str,
    dh: Array,
    this: Pass,
    params: Mapping[str, Array],
    grad: Mapping[str, Array],
    l: int,
    dh_0: Array,
    dc_0: Array | None,
) -> Array:
    """B2: undo `_run`, and return dz, in the memory of the gates."""
    W, dW, z = params["W_hh"][l], grad["W_hh"][l], this.z
    if cell == "lstm":
        assert this.c is not None and dc_0 is not None
        lstm.backward(dh, z, W, this.h, this.c, z, dW, dh_0[l], dc_0[l])
    elif cell == "gru":
        assert this.m is not None
        b, db = params["b_n"][l], grad["b_n"][l]
        gru.backward(dh, z, W, b, this.h, this.m, z, dW, db, dh_0[l])
    else:
        rnn.backward(dh, this.h, W, z, dW, dh_0[l])
    return z
