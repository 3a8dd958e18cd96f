"""Sampling: what the models' `start`, `sample` and `stream` share.

A sampler holds what its rows remember and moves them on, by symbols that it draws or that it is
given. So drawing in pieces gives the pieces of what drawing at once gives, and a stream may go on
for ever in the memory that it had after its first symbol: the recurrent state, or the cache of one
context.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from chainrule.engine import windows
from chainrule.engine.distributions import categorical
from chainrule.engine.params import Params
from chainrule.kernels.categorical import Options
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.samplers import recurrent, transformer
from chainrule.kernels.types import Array, Ids

GIVEN = -1.0  # a "uniform" where x is kept


class Sampler(Protocol):
    """The memory of n rows that are being sampled, variable by variable."""

    def extend(self, uniforms: Array, x: Any = None) -> Any:
        """Return the next k variables, (n, k), and move on by them.

        Drawn where the uniform, (n, k), is in [0, 1), kept from x, (n, k), where it is negative.
        Of symbols also temperature, top_k and top_p may be given.
        """

    def peek(self) -> Array:
        """Return the next variable's distribution; nothing moves.

        p(x_i = 1), (n,), of a bit; p(x_i = v), (n, V), of a symbol.
        """

    def put(self, x: Any) -> None:
        """Move on by given values of the next variable, (n,)."""


class Sample(Protocol):
    """A sequence model's `sample`."""

    def __call__(
        self,
        config: Any,
        params: Params,
        uniforms: Array,
        x: Ids | None = None,
        y: Any = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> Ids:
        """Return sequences, (N, T) int32, drawn where the uniform is in [0, 1), else x's.

        uniforms: (N, T); where one is negative, x is kept, and where that is -1 there is no symbol:
        the row waits, the result keeps the -1. So prompts of different lengths are columns in
        front, padded with -1. x: (N, T); None where nothing is given. y: (N,), labels, of a model
        that has them. temperature, top_k, top_p as in chainrule.kernels.categorical.
        """


class Stream(Protocol):
    """A sequence model's `stream`."""

    def __call__(
        self,
        config: Any,
        params: Params,
        uniforms: Array | Iterable[Array],
        x: Ids | Iterable[Ids] | None = None,
        y: Any = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        chunk: int = 16,
    ) -> Iterator[Ids]:
        """Yield what `sample` returns in pieces of `chunk` symbols, (N, chunk), as they are drawn.

        uniforms, and x if given, may also be iterables of pieces, (N, k) each, for a stream without
        end.
        """


def functions(start: "Callable[..., SymbolSampler]") -> tuple[Sample, Stream]:
    """Return the `sample` and the `stream` of the model with this `start`."""

    def sample(
        config: Any,
        params: Params,
        uniforms: Array,
        x: Ids | None = None,
        y: Any = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> Ids:
        rows = start(config, params, len(uniforms), y)
        return rows.extend(uniforms, x, temperature, top_k, top_p)

    def stream(
        config: Any,
        params: Params,
        uniforms: Array | Iterable[Array],
        x: Ids | Iterable[Ids] | None = None,
        y: Any = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        chunk: int = 16,
    ) -> Iterator[Ids]:
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {chunk}")
        given, sampler = None if x is None else _pieces(x, chunk), None
        for u in _pieces(uniforms, chunk):
            sampler = sampler or start(config, params, len(u), y)
            x_u = None if given is None else next(given)
            yield sampler.extend(u, x_u, temperature, top_k, top_p)

    sample.__doc__, stream.__doc__ = Sample.__call__.__doc__, Stream.__call__.__doc__
    return sample, stream


def _pieces(a: Any, chunk: int) -> Iterator[Any]:
    """Yield the columns of an array, `chunk` at a time, or the pieces that there are."""
    if not isinstance(a, np.ndarray) and not on_device(a):
        yield from a
        return
    for first in range(0, a.shape[1], chunk):
        yield a[:, first : first + chunk]


class SymbolSampler:
    """What samplers of symbols share; a model's own says how x and logits come about."""

    def __init__(self, config: Any, params: Params, n: int) -> None:
        """Remember the sizes."""
        self.n, self.n_symbols = n, config.n_symbols
        self.xp, self.dtype = array_module(params.flat), params.dtype

    def extend(
        self,
        uniforms: Array,
        x: Ids | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> Ids:
        """See `Sampler`; where the uniform is negative and x is -1, or not given, the row waits."""
        out: Ids = self.xp.empty(uniforms.shape, np.int32)
        if len(out) != self.n or (x is not None and x.shape != out.shape):
            given = "" if x is None else f" and x {x.shape}"
            raise ValueError(f"there are {self.n} rows; got uniforms {out.shape}{given}")
        out[...] = -1 if x is None else x
        self._extend(uniforms, Options(temperature, top_k, top_p), out)
        return out

    def peek(self) -> Array:
        """See `Sampler`."""
        s: Array = self.xp.empty((self.n, self.n_symbols), self.dtype)
        self._logits(s)
        return categorical.conditionals(s)

    def put(self, x: Ids) -> None:
        """See `Sampler`; also several in a row, (n, k). A row waits where x is -1."""
        x = x.reshape(self.n, -1) if self.n else x.reshape(0, 0)
        self.extend(self.xp.full(x.shape, GIVEN), x)

    def _extend(self, u: Array, options: Options, x: Ids) -> None:
        raise NotImplementedError

    def _logits(self, s: Array) -> None:
        raise NotImplementedError


class TransformerSampler(SymbolSampler):
    """A Transformer's rows: their window of tokens and the keys and values of these."""

    def __init__(self, config: Any, params: Params, n: int, y: Ids) -> None:
        """Let n rows begin with their start tokens; nothing is computed yet. y: of `told`."""
        super().__init__(config, params, n)
        xp, V, S, C = self.xp, config.n_symbols, config.context, config.n_embd
        window: Ids = xp.zeros((n, S), np.int32)
        window[:, 0] = V
        if len(y):
            window[:, 0] += y
        cache = (n, config.n_layers, S, C)
        self._memory = transformer.Memory(
            window,
            length=xp.full(n, 1, np.int32),
            cached=xp.zeros(n, np.int32),
            keys=xp.empty(cache, params.dtype),
            values=xp.empty(cache, params.dtype),
        )
        weights = dict(params)
        if config.tied:
            weights["W_y"] = xp.ascontiguousarray(params["E"][:V].T)
        self._model = transformer.Weights(**weights), _sizes(transformer.Sizes, config)

    def _extend(self, u: Array, options: Options, x: Ids) -> None:
        transformer.extend(u, *self._model, options, self._memory, x)

    def _logits(self, s: Array) -> None:
        transformer.peek(*self._model, self._memory, s)


class RecurrentSampler(SymbolSampler):
    """An RNN's rows: their state."""

    def __init__(self, config: Any, params: Params, h_0: Array, c_0: Array | None) -> None:
        """Let n rows begin from their h_0 and c_0, (L, n, H) each."""
        super().__init__(config, params, h_0.shape[1])
        self._weights, self._output = _cell(params), _output(params)
        first = h_0, h_0[..., :0] if c_0 is None else c_0
        self._memory = recurrent.Memory(
            *(self.xp.ascontiguousarray(a.swapaxes(0, 1)) for a in first)
        )

    def _extend(self, u: Array, options: Options, x: Ids) -> None:
        recurrent.extend(u, self._weights, self._output, options, self._memory, x)

    def _logits(self, s: Array) -> None:
        recurrent.peek(self._output, self._memory, s)


class AttentionSampler(SymbolSampler):
    """An AttentionRNN's rows: their window of symbols and the states after each of these."""

    def __init__(self, config: Any, params: Params, n: int, y: Ids) -> None:
        """Let n rows begin without a symbol; nothing is computed yet. y: of `told`."""
        super().__init__(config, params, n)
        xp, S, H = self.xp, config.context, config.n_hidden
        b_0 = params["b_0"].reshape(config.n_classes, H)
        c_0 = params["c_0"].reshape(b_0.shape) if "c_0" in params else b_0[:, :0]
        first = recurrent.First(b_0, c_0)
        self._memory = recurrent.AttentionMemory(
            window=xp.zeros((n, S), np.int32),
            length=xp.zeros(n, np.int32),
            seen=xp.full(n, -1, np.int32),
            history=xp.empty((n, S, H), params.dtype),
            c=xp.empty((n, 1, c_0.shape[1]), params.dtype),
            y=y if len(y) else xp.zeros(n, np.int32),
        )
        sizes = _sizes(recurrent.Sizes, config)
        self._model = _cell(params), _output(params), first, sizes

    def _extend(self, u: Array, options: Options, x: Ids) -> None:
        recurrent.extend_attention(u, *self._model, options, self._memory, x)

    def _logits(self, s: Array) -> None:
        recurrent.peek_attention(*self._model, self._memory, s)


def _sizes(kind: Any, config: Any) -> Any:
    return kind(config.n_heads, windows.stride(config.context))


def _cell(params: Params) -> recurrent.Weights:
    """Return the arrays that move a recurrent state, empty ones for those that a model lacks."""
    absent = {"U": params["W_hh"][:0], "b_n": params["b_h"][:, :0]}
    names = recurrent.Weights._fields
    return recurrent.Weights(*(params[k] if k in params else absent[k] for k in names))


def _output(params: Params) -> recurrent.Output:
    W_hy = params["W_hy"]
    return recurrent.Output(W_hy, params.get("W_ay", W_hy[:0]), params["b_y"])
