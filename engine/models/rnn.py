"""RNN: p(x) = Π_t p(x_t | h_{t-1}), all the past in one state of fixed size.

Model       h_{t+1} = tanh(h_t W_hh + x_{t+1} W_xh),   h_0 = b_0^y learned
            s_{t+1} = h_{t+1} W_hy,   p(x_{t+2} | x_1 … x_{t+1}) = softmax(s_{t+1})
            and s_0 = h_0 W_hy predicts x_1. Here with biases, several layers, and by the option
            `cell` an LSTM or a GRU in place of tanh; x_t one-hot, and all vectors rows.

            x: (N, T) symbols, any T    y: (N,) labels    h: (L, N, H)
            W_xh: (V, G H)  U: (L - 1, H, G H)  W_hh: (L, H, G H)  W_hy: (H, V)
            b_h: (L, G H)  b_y: (V,)  b_n: (L, H) GRU only
            b_0: (n_classes, L, H)  c_0: the same, LSTM only; (L, H) where there is one class
            G = 1, 4, 3 gates for the cells tanh, lstm, gru

Labels      The state is all that a symbol sees of what came before it, so a label is told as what
            comes before the first symbol: each class has a state of its own to begin from, as a
            Transformer has a start token for each. It costs nothing a symbol, s_0 sees it too, and
            the recurrence has to keep it, as it keeps all else; LSTM and GRU keep it for longer.

Gradient    loss = Σ -log p(x_t) / total. The chain rule runs through three pieces, each derived
            where it is coded:
                logits to loss               chainrule.kernels.softmax_cross_entropy
                top states to logits         below: dW_hy = Σ h_tᵀ ds_t, db_y = Σ ds_t, over all t
                                             and rows; dh_t = ds_t W_hyᵀ
                parameters to top states     chainrule.engine.layers.recurrent
            db_0^k is the sum of the gradients of h_0 of the rows of class k that begin there.

Truncation  A stream longer than a minibatch is cut in pieces; the state is carried from piece to
            piece and the gradient is not. So the state still holds the whole past, while the
            gradient sees the last T symbols of it: truncated back-propagation through time.

Cost        A symbol: 2 (2L - 1) G H² + 2 H V FLOPs, three times that with the gradient. Without
            a gradient the memory does not depend on T but for the answer.

Source      Elman 1990, "Finding structure in time"; Mikolov et al. 2010, "Recurrent neural network
            based language model"; truncation: Williams and Peng 1990, "An efficient gradient-based
            algorithm for on-line training of recurrent network trajectories", Neural Computation
            2(4). Open forget gates: Jozefowicz, Zaremba and Sutskever 2015, "An Empirical
            Exploration of Recurrent Network Architectures", ICML.
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
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Bits, Ids

WEIGHTS = ("W_xh", "U", "W_hh", "W_hy")
EVENT = Sequence
ABILITIES = Abilities(labels=True, dropout=True, state=True)
# Where no gradient is wanted, so many rows and so many symbols of them all are read at once.
_ROWS, _CHUNK = 256, 4096


@dataclass(frozen=True)
class Config:
    """The shapes of an RNN: V symbols, L layers of H units, and the cell: tanh, lstm or gru.

    dropout: the share of each layer's outputs set to zero in training, never between steps.
    n_classes: how many labels there are.
    """

    n_symbols: int
    n_hidden: int
    n_layers: int = 1
    cell: str = "tanh"
    dropout: float = 0.0
    n_classes: int = 1

    def __post_init__(self) -> None:
        """Refuse a cell that does not exist, and a dropout that leaves nothing."""
        if self.cell not in recurrent.GATES:
            known = ", ".join(recurrent.GATES)
            raise ValueError(f"cell must be one of {known}, got {self.cell!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def event(self) -> Sequence:
        """What an observation is: symbols."""
        return Sequence(self.n_symbols)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    V, H, L = config.n_symbols, config.n_hidden, config.n_layers
    width = recurrent.GATES[config.cell] * H
    wanted = {
        "W_xh": (V, width),
        "U": (L - 1, H, width),
        "W_hh": (L, H, width),
        "W_hy": (H, V),
        "b_h": (L, width),
        "b_y": (V,),
        "b_0": classes.shape(config, L, H),
        "c_0": classes.shape(config, L, H),
        "b_n": (L, H),
    }
    absent = {"c_0": config.cell != "lstm", "b_n": config.cell != "gru"}
    return {name: shape for name, shape in wanted.items() if not absent.get(name)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: matrices uniform in ±1/√H, the rest 0, but LSTM's b_f 1.

    A forget gate that starts open lets the gradient through: Jozefowicz et al. 2015.
    """
    params = Params(shapes(config), dtype=dtype)
    bound = config.n_hidden**-0.5
    for name in WEIGHTS:
        params[name][...] = rng.uniform(-bound, bound, params[name].shape)
    if config.cell == "lstm":
        params["b_h"][:, config.n_hidden : 2 * config.n_hidden] = 1
    return params


def state_size(config: Config) -> int:
    """Return S, the numbers a row carries on: h of every layer, then c of every layer (LSTM)."""
    return config.n_layers * config.n_hidden * (2 if config.cell == "lstm" else 1)


def initial_state(config: Any, params: Params, n: int, y: Ids) -> tuple[Array, Array | None]:
    """Return h_0 = b_0^y and c_0^y for n rows, (L, n, H) each; None where the cell has no c.

    config: of this model, or of `attention_rnn`. y: as `classes.told` returns it.
    """
    xp = array_module(params.flat)

    def rows(name: str) -> Array:
        learned = classes.table(config, params[name]).swapaxes(0, 1)
        out: Array = xp.empty((len(learned), n, learned.shape[2]), params.dtype)
        out[...] = learned[:, y] if config.n_classes > 1 else learned
        return out

    return rows("b_0"), rows("c_0") if config.cell == "lstm" else None


def log_prob_terms(
    config: Config,
    params: Params,
    x: Ids,
    y: Any = None,
    carry: Array | None = None,
    fresh: Bits | None = None,
) -> Array:
    """Return log p(x_t | x_<t, y) in nats, (N, T); 0 at padding. Any T.

    y: (N,), labels; None: of a single class. carry, fresh: as in `loss_and_grad`, to read a long
    text piece by piece.
    """
    read = partial(_read, config, params, x, y, carry, fresh)
    return reading.log_prob_terms(read, params, x)


log_prob = reading.log_prob(log_prob_terms)


def conditionals(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return p(x_t = v | x_<t, y) for every position and symbol, (N, T, V)."""
    read = partial(_read, config, params, x, y, None, None)
    return reading.conditionals(read, params, x, config.n_symbols)


def loss_and_grad(
    config: Config,
    params: Params,
    x: Ids,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    carry: Array | None = None,
    fresh: Bits | None = None,
    noise: Noise | None = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x_t) / total in nats; write its gradient into `grad`.

    total: what the sum is divided by; the rows of x if not given.
    y: (N,), labels, of which rows that start anew are told; None: of a single class.
    carry: (N, S) states of the rows, read and overwritten by those after x; no gradient
        reaches them. fresh: (N,) bool, the rows that start from b_0^y instead; all, without.
    noise: what the dropout is drawn from; none without it.
    dx: (N, T, G H), overwritten by the gradient in the row of W_xh that each symbol was looked up
        in; 0 for the last, which nobody reads, and for padding.
    """
    total, known_y = total or len(x), classes.told(config, params, len(x), y)
    start = initial_state(config, params, len(x), known_y)
    if carry is not None:
        _continue(carry, fresh, start)
    with arena.borrow(params.flat) as new:
        ids, known = reading.time_major(x)
        passes = recurrent.forward(config.cell, known, params, *start, new, config.dropout, noise)
        loss, dy, d_first = _predict_and_undo(params, grad, passes[-1], ids, total, new)
        dh_0 = new(start[0].shape)
        dc_0 = None if start[1] is None else new(dh_0.shape)
        recurrent.backward(config.cell, dy, known, passes, params, grad, dh_0, dc_0, new)
        if dx is not None:
            dx[...] = passes[0].z.swapaxes(0, 1)
        dh_0[-1] += d_first
        begun = None if carry is None else _as_numbers(fresh, params, len(x))
        into_initial(config, grad, dh_0, dc_0, known_y, begun)
        if carry is not None:
            _keep(carry, passes)
    return loss


def start(config: Config, params: Params, n: int, y: Any = None) -> sampling.SymbolSampler:
    """Return a sampler of n rows. y: (n,), their labels; None: of a single class."""
    first = initial_state(config, params, n, classes.told(config, params, n, y))
    return sampling.RecurrentSampler(config, params, *first)


sample, stream = sampling.functions(start)


def _predict_and_undo(
    params: Params, grad: Params, top: recurrent.Pass, ids: Ids, total: int, new: New
) -> tuple[float, Array, Array]:
    """Return the loss, dy of the top layer's y, and the gradient of its h_0; write W_hy's, b_y's.

    Position t is predicted by the state before it: y_0 = h_0, and y_T by nobody.
    """
    (T, N), H = ids.shape, top.h.shape[2]
    d = new((T + 1, N, H))
    with arena.borrow(d) as brief:
        before, s = brief((T, N, H)), brief((T * N, len(params["b_y"])))
        before[0], before[1:] = top.h[0], top.y[:-1]
        states, dstates = before.reshape(T * N, H), d[:T].reshape(T * N, H)
        linear.forward(states, params["W_hy"], params["b_y"], s)
        loss = categorical.loss_and_grad(s, ids.reshape(-1), total, s)
        linear.backward(s, states, params["W_hy"], dstates, grad["W_hy"], grad["b_y"])
    d[T] = 0
    return loss, d[1:], d[0]


def _as_numbers(fresh: Bits | None, params: Params, n: int) -> Array:
    """Return 1 for a row that is fresh and else 0, (n,), of the parameters' dtype."""
    xp = array_module(params.flat)
    numbers: Array = xp.zeros(n, params.dtype) if fresh is None else fresh.astype(params.dtype)
    return numbers


def into_initial(
    config: Any, grad: Params, dh_0: Array, dc_0: Array | None, y: Ids, begun: Array | None
) -> None:
    """Write the gradients of b_0 and c_0: of each class, the sum over the rows that began there.

    begun: (N,), 1 of a row that did and else 0; None: all.
    """
    for name, d in (("b_0", dh_0), ("c_0", dc_0)):
        if d is not None:
            if begun is not None:
                d *= begun[None, :, None]
            classes.add_up(d.swapaxes(0, 1), y, classes.table(config, grad[name]))


def _continue(carry: Array, fresh: Bits | None, start: tuple[Array, Array | None]) -> None:
    """Put the carried states into `start` for the rows that are not fresh."""
    xp, first = array_module(carry), 0
    keep = slice(None) if fresh is None else xp.nonzero(~fresh.astype(bool))[0]
    for state in start:
        if state is not None:
            L, _, H = state.shape
            rows = carry[:, first : first + L * H].reshape(-1, L, H)
            state[:, keep] = rows.transpose(1, 0, 2)[:, keep]
            first += L * H


def _keep(carry: Array, passes: list[recurrent.Pass]) -> None:
    """Overwrite the carried rows by the states after the last symbol."""
    H = passes[0].h.shape[2]
    last = [p.h[-1] for p in passes] + [p.c[-1] for p in passes if p.c is not None]
    for k, state in enumerate(last):
        carry[:, k * H : (k + 1) * H] = state


def _read(
    config: Config,
    params: Params,
    x: Ids,
    y: Any,
    carry: Array | None,
    fresh: Bits | None,
    use: reading.Use,
) -> None:
    """Call use(piece, s) on pieces of x, a few rows at a time, the state carried along."""
    known_y = classes.told(config, params, len(x), y)

    def rows(lo: int, hi: int) -> None:
        N, T = hi - lo, x.shape[1]
        k = max(1, _CHUNK // max(1, N))
        start = initial_state(config, params, N, known_y[lo:hi])
        if carry is None:
            mine = array_module(params.flat).empty((N, state_size(config)), params.dtype)
        else:
            mine = carry[lo:hi]
            _continue(mine, None if fresh is None else fresh[lo:hi], start)
        for first in range(0, T, k):
            piece = reading.Piece(slice(lo, hi), slice(first, min(T, first + k)), time_major=True)
            _read_piece(config, params, x, start, mine, piece, use)
            _continue(mine, None, start)

    reading.map_rows(rows, params, len(x), _ROWS)


def _read_piece(
    config: Config,
    params: Params,
    x: Ids,
    start: tuple[Array, Array | None],
    carry: Array,
    piece: reading.Piece,
    use: reading.Use,
) -> None:
    """Call use(piece, s) on the logits that follow from `start`; overwrite carry."""
    with arena.borrow(params.flat) as new:
        _, known = reading.time_major(x[piece.rows, piece.columns])
        passes = recurrent.forward(config.cell, known, params, *start, new)
        states = passes[-1].h[:-1].reshape(known.size, config.n_hidden)
        s = new((known.size, config.n_symbols))
        linear.forward(states, params["W_hy"], params["b_y"], s)
        use(piece, s)
        _keep(carry, passes)
