"""CUDA twin of the recurrent samplers: all rows in step, the passes' own kernels for a step.

A symbol takes a launch of the cell's pass a layer (kernels/lstm/cuda.py) and some fifteen more, for
F1, the draw and the look-up, and these set the pace: at H = 256 the pass itself is a few µs.
Its symbols were checked on an H100 (tests/kernels/cuda/test_gpu.py); its speed was not measured.

With attention, rows whose window has moved are caught up symbol by symbol, side by side, while the
others' steps are taken back.
"""

from typing import Any

import numpy as np

from chainrule.kernels import categorical, causal_attention, gru, lstm, rnn
from chainrule.kernels.categorical import Options
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.samplers import columns
from chainrule.kernels.samplers.recurrent import (
    AttentionMemory,
    First,
    Memory,
    Output,
    Sizes,
    Weights,
)
from chainrule.kernels.types import Array, Ids


def extend(
    u: Array, weights: Weights, output: Output, options: Options, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend`."""
    if not u.size:
        return
    states, (drawn, given) = _States(weights, *memory), columns.kinds(u, x)
    for t in range(u.shape[1]):
        if drawn[:, t].any():
            s = states.top() @ output.W_hy + output.b_y  # F1
            categorical.draw(s, u[:, t], *options, x[:, t])  # F2
        states.advance(x[:, t], drawn[:, t] | given[:, t])
    states.store(*memory)


def peek(output: Output, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek`."""
    s[...] = memory.h[:, -1] @ output.W_hy + output.b_y  # F1


def extend_attention(
    u: Array,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    options: Options,
    memory: AttentionMemory,
    x: Ids,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend_attention`."""
    if not u.size:
        return
    rows, (drawn, given) = _Rows(weights, first, sizes, memory), columns.kinds(u, x)
    for start, stop in columns.runs(drawn):
        if drawn[:, start].any():
            s = rows.logits(drawn[:, start], output)
            categorical.draw(s, u[:, start], *options, x[:, start])
        rows.read(x[:, start:stop], (drawn | given)[:, start:stop])
    rows.store()


def peek_attention(
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
    s: Array,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek_attention`."""
    if not s.size:
        return
    rows = _Rows(weights, first, sizes, memory)
    s[...] = rows.logits(np.ones(len(s), bool), output)
    rows.store()


class _States:
    """h and c of all rows, twice: a step reads one and writes the other."""

    def __init__(self, weights: Weights, h: Array, c: Array) -> None:
        self.xp, self.weights = array_module(h), weights
        self.h, self.c = (self.xp.stack([a.swapaxes(0, 1)] * 2, axis=1) for a in (h, c))
        self.now = 0  # which of the two, (L, 2, N, H), holds

    def top(self) -> Array:
        """Return the last layer's h, (N, H)."""
        top: Array = self.h[-1, self.now]
        return top

    def advance(self, x: Ids, moving: Any) -> None:
        """Move the rows where `moving`, a mask on the host, on by one symbol each (F3, F4)."""
        if not moving.any():
            return
        w, turn = self.weights, 1 - 2 * self.now
        gates = w.W_hh.shape[2] // w.W_hh.shape[1]
        below: Any = None
        for l, W in enumerate(w.W_hh):
            h, c = self.h[l, ::turn], self.c[l, ::turn]
            # A row that waits may have no symbol, -1: any will do, its step is taken back.
            z = (w.W_xh[self.xp.maximum(x, 0)] if l == 0 else below @ w.U[l - 1]) + w.b_h[l]  # F3
            if gates == 1:
                rnn.forward(z[None], W, h)  # F4
            elif gates == 4:
                lstm.forward(z[None], W, h, c)  # F4
            else:
                gru.forward(z[None], W, w.b_n[l], h, self.xp.empty_like(h[1:]))  # F4
            below = h[1]
        self.now = 1 - self.now
        if not moving.all():
            self._keep(self.xp.asarray(np.flatnonzero(~moving)))

    def _keep(self, rows: Any) -> None:
        """Take back the last step of some rows."""
        for a in (self.h, self.c):
            a[:, self.now, rows] = a[:, 1 - self.now, rows]

    def store(self, h: Array, c: Array) -> None:
        """Write the states as a memory has them."""
        h[...], c[...] = (a[:, self.now].swapaxes(0, 1) for a in (self.h, self.c))


class _Rows:
    """All rows of a sampler with attention. size, done: `length` and `seen`, on the host."""

    def __init__(
        self, weights: Weights, first: First, sizes: Sizes, memory: AttentionMemory
    ) -> None:
        self.xp, self.sizes, self.memory, self.first = (
            array_module(memory.c),
            sizes,
            memory,
            first,
        )
        self.size, self.done = memory.length.get(), memory.seen.get()  # type: ignore[attr-defined]
        self.n = self.xp.arange(len(self.size))
        latest = self.xp.asarray(np.maximum(self.done, 0))
        self.states = _States(weights, memory.history[self.n, latest][:, None], memory.c)

    def logits(self, wanted: Any, output: Output) -> Array:
        """Return the next symbol's logits, (N, V), right of the rows where `wanted`, (N,) bool."""
        self._begin()
        while (wanted & (self.done < self.size)).any():
            self._catch_up()
        h, history = self.states.top(), self.memory.history
        N, S, H = history.shape
        heads = self.sizes.n_heads, H // self.sizes.n_heads
        a, past = self.xp.empty((N, *heads), h.dtype), history.reshape(N, S, *heads)
        length = self.xp.asarray(self.size)
        causal_attention.decode(h.reshape(N, *heads), past, past, length, a)  # A1
        s: Array = h @ output.W_hy + a.reshape(N, H) @ output.W_ay + output.b_y  # A2
        return s

    def read(self, x: Ids, moving: Any) -> None:
        """Let the symbols of x, (N, k), where `moving`, join the windows."""
        given = [x[n, self.xp.asarray(np.flatnonzero(row))] for n, row in enumerate(moving)]
        window = self.memory.window
        moved = columns.join(window, self.size, window.shape[1], self.sizes.stride, given)
        self.done[moved] = -1

    def store(self) -> None:
        """Write lengths and cells back into the memory."""
        memory, xp = self.memory, self.xp
        memory.length[...], memory.seen[...] = map(xp.asarray, (self.size, self.done))
        memory.c[...] = self.states.c[:, self.states.now].swapaxes(0, 1)

    def _begin(self) -> None:
        """Give rows that start anew their first state."""
        if (self.done < 0).any():
            rows, states = self.xp.asarray(np.flatnonzero(self.done < 0)), self.states
            y = self.memory.y[rows]
            states.h[0, states.now, rows] = self.first.b_0[y]
            states.c[0, states.now, rows] = self.first.c_0[y]
            self.memory.history[rows, 0] = self.first.b_0[y]
            self.done[self.done < 0] = 0

    def _catch_up(self) -> None:
        """Let the states of the rows that lag behind see one more symbol."""
        late = self.done < self.size
        rows, at = self.xp.asarray(np.flatnonzero(late)), self.xp.asarray(self.done)
        self.states.advance(self.memory.window[self.n, at], late)
        self.done += late
        self.memory.history[rows, self.xp.asarray(self.done[late])] = self.states.top()[rows]
