"""Decoder-only Transformer: p(x_1 … x_T) = Π_t p(x_t | x_<t), every factor in one parallel pass.

Model       The input is [start token, x_1 … x_{T-1}], so position t predicts x_t:
            (F1)  x_t = E[token_t] + E_pos[t]            learned positions, or none with rotary
            (F2)  L blocks: x += attention(LN x), x += MLP(LN x)
            (F3)  s_t = LN(x_t) W_y,  p(x_t | x_<t) = softmax(s_t)     W_y = E[:V]ᵀ where tied

            The start token is row V of E, or row V + label: one for each class, so that a model
            with labels is p(x | label), "class token in front". Attention at t sees the tokens up
            to t, x_{t-1} the last of them: causal by construction.

            E: (V + n_classes, C)   E_pos: (context, C)   L layers of W_qkv: (C, 3C),
            W_o: (C, C), W_1: (C, 4C), W_2: (4C, C), their biases and two LayerNorms' gains and
            biases

Gradient    loss = Σ_n Σ_t -log p(x_nt | x_n,<t) / total. Each piece is derived where it is coded:
                logits s to loss             chainrule.kernels.softmax_cross_entropy
                E, W_y, and both when tied   chainrule.engine.layers.tied_output
                blocks                       chainrule.engine.layers.transformer_block
                E_pos                        x_nt = … + E_pos[t], so dE_pos[t] = Σ_n dx_nt

Context     A symbol sees at most context - 1 symbols and a start token; chainrule.engine.windows
            says which, for sequences of any length.

Dropout     On F1's sum, site 0, and on layer l's two branches, sites 2l - 1 and 2l, while training
            only. Not on attention probabilities: they are never in memory.

Cost        A position: 2 · 12 C² L + 2 C V FLOPs forward for the products and 2 C L T for
            attention; twice as much again backward. Memory, numbers a position: 14 C L
            of the blocks, 2 C for x after the last one and LN(x), V for s.

Source      Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762; Radford et al. 2019,
            "Language Models are Unsupervised Multitask Learners" (pre-norm, initial weights).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import arena, classes, reading, sampling
from chainrule.engine.arena import New
from chainrule.engine.distributions import categorical
from chainrule.engine.event import Abilities, Sequence
from chainrule.engine.layers import dropout, tied_output
from chainrule.engine.layers import transformer_block as block
from chainrule.engine.layers.dropout import Site
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.engine.windows import windows
from chainrule.kernels import embedding, layer_norm, linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

WEIGHTS = ("E", "E_pos", "W_qkv", "W_o", "W_1", "W_2", "W_y")
EVENT = Sequence
ABILITIES = Abilities(labels=True, dropout=True, context=True, attention=True)
STD = 0.02  # of initial weights
POSITIONS_AT_ONCE = 4096  # in one pass where no gradient is wanted


@dataclass(frozen=True)
class Config:
    """The shapes of a Transformer.

    Args:
        n_symbols: V, the size of the alphabet.
        context: most positions of one pass, the start token's included.
        n_layers, n_heads, n_embd: L, n and C; C is a multiple of n.
        n_classes: start tokens; labels are 0 … n_classes - 1.
        rotary: turn queries and keys instead of adding learned positions; C/n must be even.
        tied: the output matrix is the input's table.
        dropout: share of numbers dropped while training, in [0, 1).
    """

    n_symbols: int
    context: int
    n_layers: int
    n_heads: int
    n_embd: int
    n_classes: int = 1
    rotary: bool = False
    tied: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit together."""
        if self.n_embd % self.n_heads:
            raise ValueError(
                f"n_embd must be a multiple of n_heads, got {self.n_embd} and {self.n_heads}"
            )
        if self.rotary and self.n_embd // self.n_heads % 2:
            raise ValueError(
                "rotary positions turn pairs of numbers: n_embd / n_heads must be even, got "
                f"{self.n_embd // self.n_heads}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def event(self) -> Sequence:
        """What an observation is: symbols."""
        return Sequence(self.n_symbols, self.context)


def shapes(config: Config) -> Shapes:
    """Return parameters' names and shapes, in layout order; E_pos or W_y is empty if not used."""
    V, L, C = config.n_symbols, config.n_layers, config.n_embd
    weights = {
        "E": (V + config.n_classes, C),
        "E_pos": (0 if config.rotary else config.context, C),
        "W_qkv": (L, C, 3 * C),
        "W_o": (L, C, C),
        "W_1": (L, C, 4 * C),
        "W_2": (L, 4 * C, C),
        "W_y": (C, 0 if config.tied else V),
    }
    biases = {"b_qkv": (L, 3 * C), "b_o": (L, C), "b_1": (L, 4 * C), "b_2": (L, C)}
    norms = {name: (L, C) for name in ("ln1_g", "ln1_b", "ln2_g", "ln2_b")}
    return {**weights, **biases, **norms, "ln_g": (C,), "ln_b": (C,)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: matrices normal with deviation 0.02, gains 1, biases 0.

    W_o and W_2, the last of their branches, have 0.02 / √(2L): 2L branches add up in the residual
    stream, so its variance after the last does not grow with L.
    """
    params = Params(shapes(config), dtype=dtype)
    for name in WEIGHTS:
        std = STD / (2 * config.n_layers) ** 0.5 if name in ("W_o", "W_2") else STD
        params[name][...] = rng.normal(0, std, params[name].shape)
    for name in ("ln1_g", "ln2_g", "ln_g"):
        params[name][...] = 1
    return params


def log_prob_terms(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return log p(x_t | x_<t) of every symbol, (N, T), in nats; 0 at padding. Any T.

    y: (N,), the rows' classes; a model with n_classes > 1 needs them.
    """
    return reading.log_prob_terms(partial(_read, config, params, x, y), params, x)


log_prob = reading.log_prob(log_prob_terms)


def conditionals(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return p(x_t = v | x_<t) for every position and symbol, (N, T, V). Any T."""
    read = partial(_read, config, params, x, y)
    return reading.conditionals(read, params, x, config.n_symbols)


def attention_maps(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return how much each position looks at each, (N, L, n_heads, T, T), T ≤ context.

    Entry [n, l, h, t, j] is head h's weight in layer l of input token j (0 is the start token, j
    is x_{j-1} counted from 0) where x_t is predicted; rows sum to one, j > t is 0.
    """
    _check_length(config, x)
    xp, (N, T), n = array_module(params.flat), x.shape, config.n_heads
    maps: Array = xp.empty((N, config.n_layers, n, T, T), params.dtype)
    with arena.borrow(params.flat) as new:
        tape = _forward(config, params, _tokens(config, params, x, y), None, new)
        for l, (attention, _) in enumerate(tape.blocks):
            q, k, _ = tape.heads.split_qkv(attention.qkv)
            s = xp.einsum("nthd,njhd->nhtj", q, k) / (config.n_embd // n) ** 0.5
            maps[:, l] = xp.exp(s - attention.lse[..., None]) * xp.tri(T, dtype=params.dtype)
    return maps


def loss_and_grad(
    config: Config,
    params: Params,
    x: Ids,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    noise: Noise | None = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x_t | x_<t) / total in nats and write its gradient into `grad`.

    Args:
        config, params: the model.
        x: (N, T) symbols, T ≤ context; -1 at a row's end is padding.
        grad: overwritten; laid out like params.
        total: what the sum is divided by; N if not given. The number of symbols of the whole
            minibatch makes the loss nats a symbol.
        y: (N,), the rows' classes; a model with n_classes > 1 needs them.
        noise: what this pass's dropout is drawn from; None is no dropout.
        dx: (N, T, C), overwritten by the gradient in the row of E that each symbol was looked up
            in; 0 for the last, which nobody reads, and for padding.

    Raises:
        ValueError: x is longer than the context, or y is missing or out of place.
    """
    _check_length(config, x)
    total = total or len(x)
    with arena.borrow(params.flat) as new:
        tokens = _tokens(config, params, x, y)
        tape = _forward(config, params, tokens, noise, new)
        s = _logits(config, params, tape.h, new)
        loss = categorical.loss_and_grad(s, x.reshape(-1), total, s)
        _backward(config, params, grad, tape, s, dx)
    return loss


def start(config: Config, params: Params, n: int, y: Any = None) -> sampling.SymbolSampler:
    """Return a sampler of n rows. y: (n,), their classes, where n_classes > 1."""
    return sampling.TransformerSampler(config, params, n, classes.told(config, params, n, y))


sample, stream = sampling.functions(start)


class _Tape(NamedTuple):
    """One forward pass: all that the backward reads."""

    tokens: Ids  # (M,), M = N·T
    heads: block.Heads
    site: Site | None
    blocks: list[tuple[block.AttentionCache, block.MLPCache]]
    x: Array  # (M, C), the residual stream after the last block
    mean: Array
    rstd: Array
    h: Array  # LN(x)


def _forward(config: Config, params: Params, tokens: Ids, noise: Noise | None, new: New) -> _Tape:
    """Return the pass over tokens, (N, T); its arrays come from `new`."""
    site, *sites = (dropout.site(config.dropout, noise, k) for k in range(2 * config.n_layers + 1))
    x, heads = _embed(config, params, tokens, site, new)
    blocks = []
    for l, (attention, mlp) in enumerate(_layers(config, params)):  # F2
        x, kept = block.attention_forward(x, attention, heads, sites[2 * l], new)
        x, kept_mlp = block.mlp_forward(x, mlp, heads, sites[2 * l + 1], new)
        blocks.append((kept, kept_mlp))
    mean, rstd, h = new((len(x),)), new((len(x),)), new(x.shape)
    layer_norm.forward(x, params["ln_g"], params["ln_b"], h, mean, rstd)  # F3
    return _Tape(tokens.reshape(-1), heads, site, blocks, x, mean, rstd, h)


def _backward(
    config: Config, params: Params, grad: Params, tape: _Tape, ds: Array, out: Array | None
) -> None:
    """Overwrite grad, given ds = dL/d(logits), (M, V); the mirror image of `_forward`.

    out: `loss_and_grad`'s dx; position t read x_{t-1}, the first one the start token.
    """
    with arena.borrow(ds) as new:
        dh, dx = new(tape.h.shape), new(tape.h.shape)
        matrices = (params["E"], params["W_y"], grad["E"], grad["W_y"])
        tied_output.backward(ds, tape.h, *matrices, dh)  # F3
        dx[...] = 0
        layer_norm.backward(
            dh, tape.x, params["ln_g"], tape.mean, tape.rstd, dx, grad["ln_g"], grad["ln_b"]
        )
        layers = zip(_layers(config, params), _layers(config, grad), tape.blocks, strict=True)
        for (w_attention, w_mlp), (d_attention, d_mlp), (attention, mlp) in reversed([*layers]):
            block.mlp_backward(dx, mlp, w_mlp, d_mlp, tape.heads)  # F2
            block.attention_backward(dx, attention, w_attention, d_attention, tape.heads)
        dropout.forward(tape.heads.rows(dx), tape.site)  # M ∘ dx, as the forward's M ∘ x
        if out is not None:
            out[:, :-1], out[:, -1:] = tape.heads.rows(dx)[:, 1:], 0
        if not config.rotary:  # F1
            T = tape.heads.T
            dx.reshape(-1, T, config.n_embd).sum(axis=0, out=grad["E_pos"][:T])
            grad["E_pos"][T:] = 0
        embedding.backward(dx, tape.tokens, grad["E"])


def _embed(
    config: Config, params: Params, tokens: Ids, site: Site | None, new: New
) -> tuple[Array, block.Heads]:
    """Return x of F1, (M, C), and how to read its rows."""
    N, T = tokens.shape
    heads = block.Heads(N, T, config.n_heads, config.rotary)
    x = new((N * T, config.n_embd))
    embedding.forward(tokens.reshape(-1), params["E"], x)
    if not config.rotary:
        positions = heads.rows(x)
        positions += params["E_pos"][:T]
    dropout.forward(heads.rows(x), site)
    return x, heads


def _layers(
    config: Config, params: Params
) -> Iterator[tuple[block.AttentionWeights, block.MLPWeights]]:
    """Yield each layer's parameters, or gradients: views."""
    attention = [params[name] for name in ("ln1_g", "ln1_b", "W_qkv", "b_qkv", "W_o", "b_o")]
    mlp = [params[name] for name in ("ln2_g", "ln2_b", "W_1", "b_1", "W_2", "b_2")]
    for l in range(config.n_layers):
        yield (
            block.AttentionWeights(*(a[l] for a in attention)),
            block.MLPWeights(*(a[l] for a in mlp)),
        )


def _logits(config: Config, params: Params, h: Array, new: New) -> Array:
    """Return the logits of rows h, (M, V); F3."""
    s = new((len(h), config.n_symbols))
    W_y = tied_output.output_matrix(params["E"], params["W_y"], config.n_symbols)
    linear.product(h, W_y, s)
    return s


def _read(config: Config, params: Params, x: Ids, y: Any, use: reading.Use) -> None:
    """Call use(piece, s) on every window of every few rows of x."""
    at_once = max(1, POSITIONS_AT_ONCE // config.context)
    for start, first, stop in windows(x.shape[1], config.context):
        for lo in range(0, len(x), at_once):
            rows = slice(lo, min(lo + at_once, len(x)))
            kept = None if y is None else y[rows]
            tokens = _tokens(config, params, x[rows, start:stop], kept)
            s = _last_logits(config, params, tokens, stop - first)
            use(reading.Piece(rows, slice(first, stop)), s)


def _last_logits(config: Config, params: Params, tokens: Ids, n: int) -> Array:
    """Return the logits at the last n positions of tokens, (N·n, V), an array of its own.

    No activation is kept longer than its half block, so memory does not grow with the layers.
    """
    with arena.borrow(params.flat) as new:
        x, heads = _embed(config, params, tokens, None, new)
        for attention, mlp in _layers(config, params):
            with arena.borrow(x) as temporary:
                x[...] = block.attention_forward(x, attention, heads, None, temporary)[0]
            with arena.borrow(x) as temporary:
                x[...] = block.mlp_forward(x, mlp, heads, None, temporary)[0]
        wanted = x.reshape(heads.N, heads.T, -1)[:, heads.T - n :]
        last, h = new((heads.N * n, config.n_embd)), new((heads.N * n, config.n_embd))
        last.reshape(wanted.shape)[...] = wanted
        mean, rstd = new((len(h),)), new((len(h),))
        layer_norm.forward(last, params["ln_g"], params["ln_b"], h, mean, rstd)
        return _logits(config, params, h, new).copy()


def _tokens(config: Config, params: Params, x: Ids, y: Any) -> Ids:
    """Return [start token, x_1 … x_{T-1}] of every row, (N, T): rows of E. y as everywhere.

    Padding becomes symbol 0: what comes after a row's end is read by padding alone.
    """
    known = classes.told(config, params, len(x), y)
    xp = array_module(params.flat)
    tokens: Ids = xp.empty(x.shape, np.int32)
    tokens[:, 0] = config.n_symbols
    if config.n_classes > 1:
        tokens[:, 0] += known
    xp.maximum(x[:, :-1], 0, out=tokens[:, 1:])
    return tokens


def _check_length(config: Config, x: Ids) -> None:
    """Raise ValueError for sequences longer than one pass may be."""
    if x.shape[1] > config.context:
        raise ValueError(
            f"sequences of {x.shape[1]} symbols are longer than the context of {config.context}; "
            "cut them into windows"
        )
