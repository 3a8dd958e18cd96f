"""Sampling sequences: what the models' `start`, `sample` and `stream` share.

A sampler holds what its rows remember and has one method, `extend`, that draws symbols and moves
the memory on. So drawing in pieces gives the pieces of what drawing at once gives, and a stream
may go on for ever in the memory that it had after its first symbol: the recurrent state, or the
cache of one context.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from chainrule.engine import windows
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.samplers import recurrent, transformer
from chainrule.kernels.types import Array, Ids


class Sampler(Protocol):
    """The memory of a batch of rows that are being sampled."""

    def extend(self, u: Array, temperature: float, top_k: int, top_p: float) -> Ids:
        """Return the next symbols, (N, k) int32, one for each uniform in [0, 1), (N, k)."""


def stream(
    start: Callable[[int], Sampler],
    uniforms: Array | Iterable[Array],
    temperature: float,
    top_k: int,
    top_p: float,
    chunk: int,
) -> Iterator[Ids]:
    """Yield pieces of a sample, (N, k): k = `chunk` but for the last.

    start: from the number of rows to a sampler. uniforms: (N, n_new), or for streams without end
    an iterable of pieces (N, k), each of which gives one piece of the result.
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    sampler = None
    for u in _pieces(uniforms, chunk):
        sampler = sampler or start(len(u))
        yield sampler.extend(u, temperature, top_k, top_p)


def _pieces(uniforms: Array | Iterable[Array], chunk: int) -> Iterator[Array]:
    if not isinstance(uniforms, np.ndarray) and not on_device(uniforms):
        yield from uniforms
        return
    whole: Any = uniforms
    for first in range(0, whole.shape[1], chunk):
        yield whole[:, first : first + chunk]


def _prompt(xp: Any, n: int, prompt: Ids | None, lengths: Any) -> tuple[Ids, list[int]]:
    """Return the prompt, (n, P) int32, and each row's length; no prompt is one of no symbols."""
    if prompt is None:
        return xp.zeros((n, 0), np.int32), [0] * n
    prompt = xp.ascontiguousarray(prompt.astype(np.int32))
    P = prompt.shape[1]
    sizes = [P] * n if lengths is None else [int(length) for length in lengths]
    if len(prompt) != n or len(sizes) != n or not all(0 <= size <= P for size in sizes):
        raise ValueError(
            f"prompts of {n} rows need as many rows and lengths from 0 to their width, got shape"
            f" {prompt.shape} and lengths {sizes}"
        )
    return prompt, sizes


def _fill_windows(window: Ids, first: int, context: int, prompt: Ids, sizes: list[int]) -> Ids:
    """Write what each row's next symbol sees into window[:, first:]; return how many, (N,) int32.

    A prompt longer than the context leaves the symbols that chainrule.engine.windows leaves it.
    """
    kept = np.zeros(len(sizes), np.int32)
    for n, size in enumerate(sizes):
        start = windows.window_start(size, context)
        kept[n] = size - start
        window[n, first : first + size - start] = prompt[n, start:size]
    return array_module(window).asarray(kept)  # type: ignore[no-any-return]


class TransformerSampler:
    """A Transformer's rows: their window of tokens and the keys and values of these."""

    def __init__(
        self, config: Any, params: Params, n: int, labels: Any, prompt: Ids | None, lengths: Any
    ) -> None:
        """Let n rows begin with their start tokens and prompts; nothing is computed yet."""
        xp = array_module(params.flat)
        V, S, C = config.n_symbols, config.context, config.n_embd
        window: Ids = xp.zeros((n, S), np.int32)
        window[:, 0] = V if labels is None else V + xp.asarray(labels)
        kept = _fill_windows(window, 1, S, *_prompt(xp, n, prompt, lengths))
        cache = (n, config.n_layers, S, C)
        self._state: dict[str, Any] = {
            "window": window,
            "length": kept + np.int32(1),
            "cached": xp.zeros(n, np.int32),
            "keys": xp.empty(cache, params.dtype),
            "values": xp.empty(cache, params.dtype),
        }
        self._weights: dict[str, Any] = {**params}
        if config.tied:
            self._weights["W_y"] = params["E"][:V].T
        self._sizes = {"n_heads": config.n_heads, "stride": windows.stride(S)}

    def extend(self, u: Array, temperature: float, top_k: int, top_p: float) -> Ids:
        """See `Sampler`."""
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return transformer.extend(u, **self._weights, **self._sizes, **options, **self._state)


class RecurrentSampler:
    """An RNN's rows: their state, which the prompt has gone through."""

    def __init__(
        self, config: Any, params: Params, n: int, prompt: Ids | None, lengths: Any
    ) -> None:
        """Let n rows begin from b_0 and read their prompts."""
        xp = array_module(params.flat)
        self._weights: dict[str, Any] = _cell(params)
        b_0 = params["b_0"]
        c_0 = params.get("c_0", b_0[:, :0])
        self._state: dict[str, Any] = {
            "h": xp.broadcast_to(b_0, (n, *b_0.shape)).copy(),
            "c": xp.broadcast_to(c_0, (n, *c_0.shape)).copy(),
        }
        self._output = {"W_hy": params["W_hy"], "b_y": params["b_y"]}
        prompt, sizes = _prompt(xp, n, prompt, lengths)
        read = xp.asarray(np.array(sizes, np.int32))
        recurrent.feed(prompt, read, **self._weights, **self._state)

    def extend(self, u: Array, temperature: float, top_k: int, top_p: float) -> Ids:
        """See `Sampler`."""
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        weights = {**self._weights, **self._output}
        return recurrent.extend(u, **weights, **options, **self._state)


class AttentionSampler:
    """An AttentionRNN's rows: their window of symbols and the states after each of these."""

    def __init__(
        self, config: Any, params: Params, n: int, prompt: Ids | None, lengths: Any
    ) -> None:
        """Let n rows begin with their prompts; nothing is computed yet."""
        xp = array_module(params.flat)
        S, H = config.context, config.n_hidden
        window: Ids = xp.zeros((n, S), np.int32)
        b_0 = params["b_0"]
        c_0 = params.get("c_0", b_0[:, :0])
        self._state: dict[str, Any] = {
            "window": window,
            "length": _fill_windows(window, 0, S, *_prompt(xp, n, prompt, lengths)),
            "seen": xp.asarray(np.full(n, -1, np.int32)),
            "history": xp.empty((n, S, H), params.dtype),
            "c": xp.empty((n, *c_0.shape), params.dtype),
        }
        output = {name: params[name] for name in ("W_hy", "W_ay", "b_y", "b_0")}
        self._weights: dict[str, Any] = {**_cell(params), **output, "c_0": c_0}
        del self._weights["U"]  # one layer
        self._sizes = {"n_heads": config.n_heads, "stride": windows.stride(S)}

    def extend(self, u: Array, temperature: float, top_k: int, top_p: float) -> Ids:
        """See `Sampler`."""
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return recurrent.extend_attention(
            u, **self._weights, **self._sizes, **options, **self._state
        )


def _cell(params: Params) -> dict[str, Array]:
    """Return the arrays that move a recurrent state, empty ones for those that a model lacks."""
    absent = {"U": params["W_hh"][:0], "b_n": params["b_0"][:, :0]}
    names = ("W_xh", "U", "W_hh", "b_h", "b_n")
    return {name: params[name] if name in params else absent[name] for name in names}
