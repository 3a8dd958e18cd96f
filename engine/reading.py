"""Reading sequences without a gradient: what all sequence models make of their logits.

A model gives `read(use)`, which calls use(piece, s) for one piece of x after the other, in bounded
memory: s, (M, V), are the logits of the piece's M symbols, valid during the call. `Piece.of` takes
the same piece out of any array of x's layout, in the order in which s has its rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.engine.distributions import categorical
from chainrule.engine.params import Params
from chainrule.kernels import threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array, Ids


class Piece(NamedTuple):
    """Some rows and columns of x, (N, T); time_major: a model that reads step by step."""

    rows: slice
    columns: slice
    time_major: bool = False

    def of(self, a: Any) -> Any:
        """Return this piece of a, (N, T, …): a view."""
        part = a[self.rows, self.columns]
        return part.swapaxes(0, 1) if self.time_major else part


Use = Callable[[Piece, Array], None]
Read = Callable[[Use], None]


def log_prob_terms(read: Read, params: Params, x: Ids) -> Array:
    """Return log p(x_t | x_<t) of every symbol, (N, T), in nats; 0 at padding."""
    xp = array_module(params.flat)
    out: Array = xp.empty(x.shape, params.dtype)

    def write(piece: Piece, s: Array) -> None:
        ids = xp.ascontiguousarray(piece.of(x))
        piece.of(out)[...] = categorical.log_prob_terms(s, ids.reshape(-1)).reshape(ids.shape)

    read(write)
    return out


def conditionals(read: Read, params: Params, x: Ids, n_symbols: int) -> Array:
    """Return p(x_t = v | x_<t) of every position and symbol, (N, T, V)."""
    out: Array = array_module(params.flat).empty((*x.shape, n_symbols), params.dtype)

    def write(piece: Piece, s: Array) -> None:
        part = piece.of(out)
        part[...] = categorical.conditionals(s).reshape(part.shape)

    read(write)
    return out


def log_prob(terms: Callable[..., Array]) -> Callable[..., Array]:
    """Return the `log_prob` of the model with these `log_prob_terms`."""

    def log_prob(config: Any, params: Params, x: Ids, y: Any = None) -> Array:
        """Return log p(x) of each row of x, (N, T), any T, in nats; -1 at its end is padding.

        y: (N,), labels, of a model that has them.
        """
        out: Array = terms(config, params, x, y).sum(axis=1)
        return out

    return log_prob


def map_rows(rows: Callable[[int, int], None], params: Params, n_rows: int, at_once: int) -> None:
    """Run rows(lo, hi) over all rows, so many at a time within each thread; a GPU has one."""

    def part(lo: int, hi: int) -> None:
        for first in range(lo, hi, at_once):
            rows(first, min(hi, first + at_once))

    threads.map_rows(part, n_rows, max(1, n_rows) if on_device(params.flat) else 1)


def time_major(x: Ids) -> tuple[Ids, Ids]:
    """Return x, (N, T), as (T, N), and the same with symbol 0 for padding.

    Any symbol would do: what is read behind a row's end decides about padding alone.
    """
    xp = array_module(x)
    ids: Ids = xp.ascontiguousarray(x.T)
    return ids, xp.maximum(ids, 0)
