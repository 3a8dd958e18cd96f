"""AttentionRNN: an RNN that looks back at all its past states, not at the last one alone.

Model       h_t = cell(h_{t-1}, x_t), h_0 = b_0^y learned: one recurrent layer, as in `rnn`
            P_tj = softmax over j < t of h_t·h_j / √d    query h_t, keys h_0 … h_{t-1}
            a_t  = Σ_{j<t} P_tj h_j,  a_0 = 0        the weighted sum of the history
            p(x_{t+1} | x_1 … x_t) = softmax(h_t W_hy + a_t W_ay + b_y)

            With several heads, h is cut into n_heads parts of d = H / n_heads, each with a P of
            its own. x: (N, T) symbols    W_xh: (V, G H)  W_hh: (1, H, G H)  W_hy, W_ay: (H, V)
            b_h: (1, G H)  b_y: (V,)  b_n: (1, H) GRU only
            b_0: (n_classes, 1, H)  c_0: the same, LSTM only; (1, H) where there is one class

            A label is told by the state to begin from, as in `rnn`. Here no symbol has to keep it:
            h_0 stays among the states that all look back at.

Gradient    loss = Σ -log p(x_t) / total. With ds_t from chainrule.kernels.softmax_cross_entropy,
            and Σ over all t and rows,
            (B1)  dW_hy = Σ h_tᵀ ds_t,  dW_ay = Σ a_tᵀ ds_t,  db_y = Σ ds_t,  da_t = ds_t W_ayᵀ
            (B2)  da to dq, dk, dv                   chainrule.kernels.causal_attention
                  which pairs i with all j ≤ i, itself too. Here h_t must not look at itself; so
                  q_i = h_{i+1} and k_j = v_j = h_j, i, j = 0 … T-1. Then j ≤ i is j < i + 1 = t:
                  query i is h_t's, it sees h_0 … h_{t-1}, and its output o_i is a_t.
            (B3)  dh_t = ds_t W_hyᵀ + dq_{t-1} + dk_t + dv_t: a state predicts, asks (as query
                  t - 1; h_0 never does), is compared with and is read
            (B4)  dh to the rest                     chainrule.engine.layers.recurrent

Window      A row longer than `context` is read in windows (chainrule.engine.windows), each from
            h_0 = b_0^y on: what a symbol may see is the same in scoring, sampling and training.

Cost        The cell's 2 G H² FLOPs a symbol, 4 H V for the logits and 4 H t for the attention.

Source      Bahdanau, Cho and Bengio 2015, "Neural Machine Translation by Jointly Learning to Align
            and Translate" (arXiv:1409.0473), for attention over states; within one sequence: Cheng,
            Dong and Lapata 2016, "Long Short-Term Memory-Networks for Machine Reading"
            (arXiv:1601.06733); 1/√d: Vaswani et al. 2017, "Attention Is All You Need"
            (arXiv:1706.03762).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from chainrule.engine import arena, classes, reading, sampling
from chainrule.engine.arena import New
from chainrule.engine.distributions import categorical
from chainrule.engine.event import Abilities, Sequence
from chainrule.engine.layers import recurrent
from chainrule.engine.models import rnn
from chainrule.engine.params import Params, Shapes
from chainrule.engine.windows import windows
from chainrule.kernels import causal_attention, linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

WEIGHTS = ("W_xh", "W_hh", "W_hy", "W_ay")
EVENT = Sequence
ABILITIES = Abilities(labels=True, context=True, attention=True)
_SYMBOLS = 4096  # read at once where no gradient is wanted


@dataclass(frozen=True)
class Config:
    """The shapes of an AttentionRNN: V symbols, H units, longest window, cell, heads, labels."""

    n_symbols: int
    n_hidden: int
    context: int
    cell: str = "lstm"
    n_heads: int = 1
    n_classes: int = 1

    def __post_init__(self) -> None:
        """Refuse a cell that does not exist, and heads that do not share the units out."""
        if self.cell not in recurrent.GATES:
            known = ", ".join(recurrent.GATES)
            raise ValueError(f"cell must be one of {known}, got {self.cell!r}")
        if self.n_hidden % self.n_heads:
            raise ValueError(
                f"n_hidden must be a multiple of n_heads, got {self.n_hidden} and {self.n_heads}"
            )

    @property
    def event(self) -> Sequence:
        """What an observation is: symbols."""
        return Sequence(self.n_symbols, self.context)


@dataclass
class _Forward:
    """What the backward pass needs. Time-major h; q, k, a batch-major (N, T, H), as is lse."""

    passes: list[recurrent.Pass]
    q: Array
    k: Array
    a: Array
    lse: Array
    states: Array  # (T N, H): h_0 … h_{T-1}
    looked: Array  # (T N, H): a_0 … a_{T-1}


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    plain = dict(rnn.shapes(_plain(config)))
    matrices = {name: plain.pop(name) for name in ("W_xh", "W_hh", "W_hy")}
    del plain["U"]  # of upper layers
    return {**matrices, "W_ay": matrices["W_hy"], **plain}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: those of `rnn`, and W_ay drawn like W_hy."""
    params, plain = Params(shapes(config), dtype=dtype), rnn.init(_plain(config), rng, dtype)
    bound = config.n_hidden**-0.5
    for name, array in params.items():
        array[...] = rng.uniform(-bound, bound, array.shape) if name == "W_ay" else plain[name]
    return params


def log_prob_terms(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return log p(x_t | x_<t, y) in nats, (N, T); 0 at padding. Any T, by windows.

    y: (N,), labels; None: of a single class.
    """
    return reading.log_prob_terms(partial(_read, config, params, x, y), params, x)


log_prob = reading.log_prob(log_prob_terms)


def conditionals(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return p(x_t = v | x_<t, y) for every position and symbol, (N, T, V). Any T, by windows."""
    read = partial(_read, config, params, x, y)
    return reading.conditionals(read, params, x, config.n_symbols)


def attention_maps(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return P, (N, n_heads, T, T), of one window: row t is what x_{t+1}'s prediction looks at.

    Column j < t is the state h_j after j symbols; row 0, where there is no past, is zero.
    """
    T = _checked(config, x).shape[1]
    known_y = classes.told(config, params, len(x), y)
    xp = array_module(params.flat)
    maps: Array = xp.zeros((len(x), config.n_heads, T, T), params.dtype)
    with arena.borrow(params.flat) as new:
        done = _forward(config, params, reading.time_major(x)[1], known_y, new)
        q, k = (_heads(config, a)[:, : T - 1].transpose(0, 2, 1, 3) for a in (done.q, done.k))
        e = xp.matmul(q, k.transpose(0, 1, 3, 2)) * (config.n_hidden // config.n_heads) ** -0.5
        seen = xp.exp(e - done.lse[:, :, : T - 1, None])
        maps[:, :, 1:, : T - 1] = xp.where(xp.tri(T - 1, dtype=bool), seen, 0)
    return maps


def loss_and_grad(
    config: Config,
    params: Params,
    x: Ids,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x_t) / total in nats; write its gradient into `grad`. T ≤ context.

    total: what the sum is divided by; the rows of x if not given.
    y: (N,), labels; None: of a single class.
    dx: (N, T, G H), overwritten by the gradient in the row of W_xh that each symbol was looked up
        in; 0 for the last, which nobody reads, and for padding.
    """
    known_y = classes.told(config, params, len(x), y)
    ids, known = reading.time_major(_checked(config, x))
    (T, N), H = ids.shape, config.n_hidden
    total = total or N
    with arena.borrow(params.flat) as new:
        done = _forward(config, params, known, known_y, new)
        s, da, d = new((T * N, config.n_symbols)), new((T, N, H)), new((T + 1, N, H))
        _logits(params, done, s)
        loss = categorical.loss_and_grad(s, ids.reshape(-1), total, s)
        rows = da.reshape(T * N, H)
        linear.backward(s, done.looked, params["W_ay"], rows, grad["W_ay"], grad["b_y"])  # B1
        rows = d[:T].reshape(T * N, H)
        linear.backward(s, done.states, params["W_hy"], rows, grad["W_hy"], grad["b_y"])
        d[T] = 0
        _look_back(config, done, da, d, new)
        start = new((1, N, H)), (new((1, N, H)) if config.cell == "lstm" else None)
        recurrent.backward(config.cell, d[1:], known, done.passes, params, grad, *start, new)  # B4
        start[0][0] += d[0]
        rnn.into_initial(config, grad, *start, known_y, None)
        if dx is not None:
            dx[...] = done.passes[0].z.swapaxes(0, 1)
    return loss


def start(config: Config, params: Params, n: int, y: Any = None) -> sampling.SymbolSampler:
    """Return a sampler of n rows. y: (n,), their labels; None: of a single class."""
    return sampling.AttentionSampler(config, params, n, classes.told(config, params, n, y))


sample, stream = sampling.functions(start)


def _forward(config: Config, params: Params, known: Ids, y: Ids, new: New) -> _Forward:
    """Run the cell and the attention over known: (T, N)."""
    (T, N), H = known.shape, config.n_hidden
    start = rnn.initial_state(config, params, N, y)
    passes = recurrent.forward(config.cell, known, params, *start, new)
    h = passes[0].h
    q, k, a = new((N, T, H)), new((N, T, H)), new((N, T, H))
    lse, looked = new((N, config.n_heads, T)), new((T, N, H))
    q[...], k[...] = h[1:].transpose(1, 0, 2), h[:-1].transpose(1, 0, 2)
    keys = _heads(config, k)
    causal_attention.forward(_heads(config, q), keys, keys, _heads(config, a), lse)
    looked[0], looked[1:] = 0, a[:, :-1].transpose(1, 0, 2)  # h_T's view is for a symbol beyond
    states = h[:-1].reshape(T * N, H)
    return _Forward(passes, q, k, a, lse, states, looked.reshape(T * N, H))


def _look_back(config: Config, done: _Forward, da: Array, d: Array, new: New) -> None:
    """B2, B3: add to d, the gradient of h_0 … h_T, what comes through the attention."""
    T, N, H = da.shape
    do, dq, dk, dv = (new((N, T, H)) for _ in range(4))
    do[:, :-1], do[:, -1] = da[1:].transpose(1, 0, 2), 0
    q, k, o = _heads(config, done.q), _heads(config, done.k), _heads(config, done.a)
    gradients = _heads(config, dq), _heads(config, dk), _heads(config, dv)
    causal_attention.backward(_heads(config, do), q, k, k, o, done.lse, *gradients)  # B2
    dk += dv  # B3
    d[1:] += dq.transpose(1, 0, 2)
    d[:-1] += dk.transpose(1, 0, 2)


def _logits(params: Params, done: _Forward, s: Array) -> None:
    """Overwrite s by h W_hy + a W_ay + b_y."""
    linear.forward(done.states, params["W_hy"], params["b_y"], s)
    s += done.looked @ params["W_ay"]


def _read(config: Config, params: Params, x: Ids, y: Any, use: reading.Use) -> None:
    """Call use(piece, s) on every window of every few rows of x."""
    known_y = classes.told(config, params, len(x), y)

    def rows(lo: int, hi: int) -> None:
        for start, first, stop in windows(x.shape[1], config.context):
            piece = reading.Piece(slice(lo, hi), slice(first, stop), time_major=True)
            _, known = reading.time_major(x[lo:hi, start:stop])
            with arena.borrow(params.flat) as new:
                done = _forward(config, params, known, known_y[lo:hi], new)
                s = new((known.size, config.n_symbols))
                _logits(params, done, s)
                use(piece, s[(first - start) * (hi - lo) :])

    longest = min(config.context, max(1, x.shape[1]))
    reading.map_rows(rows, params, len(x), max(1, _SYMBOLS // longest))


def _checked(config: Config, x: Ids) -> Ids:
    """Return x, (N, T), or say that it is longer than the context."""
    if x.shape[1] > config.context:
        raise ValueError(
            f"rows may have up to context={config.context} symbols here, got {x.shape[1]};"
            " cut them into windows"
        )
    return x


def _plain(config: Config) -> rnn.Config:
    """Return the RNN that this is without attention."""
    return rnn.Config(
        config.n_symbols, config.n_hidden, cell=config.cell, n_classes=config.n_classes
    )


def _heads(config: Config, a: Array) -> Array:
    """Return (N, T, H) as (N, T, n_heads, d)."""
    return a.reshape(*a.shape[:2], config.n_heads, -1)
