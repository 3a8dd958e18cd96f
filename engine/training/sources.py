"""What a training learns from: rows, epoch by epoch, or a text, step by step.

A source says what each minibatch is, as a function of the seed and the step alone, so nothing
random is ever kept. Minibatch `step`, counted from 0, of

    Rows        is the next batch_size rows of an epoch's shuffle
    SymbolRows  is the same for rows of symbols, with labels and of different lengths, in groups
                of like lengths: what is computed beyond their ends stays a share of the whole
    Windows     is batch_size windows of `context` symbols from all over a text
    Streams     is the next `context` symbols of batch_size readers, who walk through the text with
                their states carried over: truncated back-propagation through time

Losses are nats a row of Rows, and nats a symbol of the others. A text is never copied, only its
minibatches are: an array mapped from a file that is larger than memory will do.

Windows     A model with a context scores a long text by windows that restart every half context
            (`engine.windows`), each from its start token on. Training windows look the same: a
            start token, then context symbols, and the loss of all of them, the early ones too.
            Those are what the start of a text is scored with, and the rest of a window's scores
            rest on what early positions compute; leaving them out would throw half of the
            gradient away. Windows are tiles: each pass over the text cuts it afresh at a random
            offset and visits every tile once, in leaps of about a golden section of the text, so
            that any run of minibatches samples the text evenly and none is seen twice before all
            are seen once.
"""

from collections.abc import Callable
from math import ceil, gcd
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule.engine import ragged
from chainrule.engine.layers.dropout import Noise
from chainrule.engine.params import Params
from chainrule.engine.training import scoring
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

MIN_ROWS = 8  # the fewest binary rows of a minibatch worth a thread
EVAL_ROWS = 256  # rows of symbols validated on, at least: rows differ more than symbols do
GOLDEN = 0.6180339887498949


class Batch(NamedTuple):
    """One minibatch, to be cut in slices of its rows.

    n_rows: how many there are. min_rows: the fewest worth a thread.
    total: how many rows, or symbols, the loss is a mean over.
    gradient: from params, lo, hi, grad to the share of rows lo … hi - 1 in the mean loss, in nats;
        grad is overwritten by its gradient.
    carry: (n_rows, S), the rows' recurrent states after all gradients are taken; None without.
    """

    n_rows: int
    total: int
    gradient: Callable[[Params, int, int, Params], float]
    min_rows: int = 1
    carry: Array | None = None


class Source:
    """Base class of what a training learns from.

    size: how many rows or symbols there are; unit: what these are called.
    clock: what records are counted by. per: what losses are a mean over.
    has_valid: whether there is something to choose the best record by.
    contents: the data, to tell them from others.
    """

    unit, clock, per = "symbols", "step", "symbol"
    size: int
    has_valid: bool
    contents: tuple[Any, ...]

    def n_steps(self, recipe: Recipe) -> int:
        """Return how many minibatches the whole training has."""
        if not recipe.steps:
            raise ValueError("a training on symbols counts steps; set steps to 1 or more")
        return recipe.steps

    def period(self, recipe: Recipe) -> int:
        """Return after how many minibatches each record is made: validation, the best is kept."""
        return min(self.n_steps(recipe), recipe.eval_every or max(1, recipe.steps // 10))

    def reading(self, recipe: Recipe, step: int) -> int:
        """Return what the clock shows after so many minibatches."""
        return step

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return minibatch `step`; `state` is the training's, of which only `carry` is read."""
        raise NotImplementedError

    def validate(self, model: Any, config: Any, recipe: Recipe, params: Params) -> float:
        """Return the mean validation loss in nats a row or symbol."""
        raise NotImplementedError


class Rows(Source):
    """Binary rows X, (N, D), and X_valid to choose the epoch by."""

    unit, clock, per = "rows", "epoch", "row"

    def __init__(self, X: Any, X_valid: Any = None) -> None:
        """Keep the rows as they are."""
        self._x, self._valid = X, X_valid
        self.contents = X, X_valid
        self.size, self.has_valid = len(X), X_valid is not None
        if self.size == 0 or (X_valid is not None and len(X_valid) == 0):
            raise ValueError("there are no rows to train or validate on; give at least one of each")
        self._shuffled: tuple[tuple[int, int], Any] = (-1, -1), None

    def n_steps(self, recipe: Recipe) -> int:
        """Return epochs times minibatches of an epoch."""
        return recipe.epochs * ceil(self.size / recipe.batch_size)

    def period(self, recipe: Recipe) -> int:
        """Return eval_every, or the minibatches of an epoch."""
        return recipe.eval_every or ceil(self.size / recipe.batch_size)

    def reading(self, recipe: Recipe, step: int) -> int:
        """Return the number of the epoch, counted from 1."""
        return ceil(step / ceil(self.size / recipe.batch_size))

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return the next rows of the epoch's shuffle."""
        rows = self._rows(recipe, step)

        def gradient(params: Params, lo: int, hi: int, grad: Params) -> float:
            x = self._x[rows[lo:hi]]  # each thread copies its own rows alone
            nll: float = model.loss_and_grad(config, params, x, grad, total=len(rows))
            return nll

        return Batch(len(rows), len(rows), gradient, MIN_ROWS)

    def validate(self, model: Any, config: Any, recipe: Recipe, params: Params) -> float:
        """Return the mean over all validation rows."""
        assert self._valid is not None
        return scoring.mean_nll(model, config, params, self._valid)

    def _rows(self, recipe: Recipe, step: int) -> Any:
        """Return which rows a minibatch has. Epochs count from 1: 0 drew the parameters."""
        epoch, batch = divmod(step, ceil(self.size / recipe.batch_size))
        if self._shuffled[0] != (recipe.seed, epoch):
            order = np.random.default_rng([recipe.seed, epoch + 1]).permutation(self.size)
            self._shuffled = (recipe.seed, epoch), array_module(self._x).asarray(order)
        return self._shuffled[1][batch * recipe.batch_size : (batch + 1) * recipe.batch_size]


class SymbolRows(Rows):
    """Rows of symbols x, and a label of each or None.

    x: `Ragged`, or a table (N, T), -1 behind the end of shorter rows. valid: such a pair, or None.
    Each row is a whole sequence, read from the model's start.
    """

    unit, clock, per = "rows", "step", "symbol"
    n_steps, period, reading = Source.n_steps, Source.period, Source.reading

    def __init__(self, x: Any, labels: Any = None, valid: tuple[Any, Any] | None = None) -> None:
        """Keep the rows as they are, of any integer dtype."""
        super().__init__(x, None if valid is None else valid[0])
        self._lengths = ragged.lengths(x)
        self._labels = labels
        self._valid_labels = None if valid is None else valid[1]
        self.contents += labels, self._valid_labels

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return the next rows of the epoch's shuffle, the shortest first."""
        rows, xp = self._rows(recipe, step), array_module(state.params.flat)
        sizes = self._lengths[rows]
        groups = list(ragged.groups(sizes))
        if len(groups) == 1:
            groups = [np.arange(len(rows))]  # as they come
        count, first, parts = int(sizes.sum()), 0, []
        for group in groups:
            some = rows[group]
            x = xp.asarray(ragged.table(self._x, some))
            labels = None if self._labels is None else xp.asarray(self._labels[some])
            gradient = _gradient(model, config, recipe, step, x, count, labels, first)
            parts.append((first, first + len(group), gradient))
            first += len(group)
        return Batch(len(rows), count, _in_turn(parts))

    def validate(self, model: Any, config: Any, recipe: Recipe, params: Params) -> float:
        """Return the mean over rows from all over, of eval_symbols symbols or EVAL_ROWS, or all."""
        assert self._valid is not None
        mean = round(float(ragged.lengths(self._valid).mean()))
        limit = recipe.eval_symbols and max(recipe.eval_symbols, EVAL_ROWS * mean)
        return scoring.rows_nll(model, config, params, self._valid, self._valid_labels, limit)


class Text(Protocol):
    """A sequence of symbols: a NumPy array, mapped or not, or what reads like one."""

    def __len__(self) -> int:
        """Return the number of symbols."""

    def __getitem__(self, part: slice, /) -> Any:
        """Return a part of it as an integer array, (n,)."""


class Windows(Source):
    """Windows of `context` symbols of a text, and another text to choose the best by."""

    def __init__(self, text: Text, context: int, valid: Text | None = None) -> None:
        """Keep the text as it is; context ≤ its length."""
        if len(text) < context or (valid is not None and len(valid) == 0):
            raise ValueError(
                f"the text has {len(text)} symbols, fewer than context={context}, or the "
                "validation text none; give more or lower context"
            )
        self._text, self._valid, self._context = text, valid, context
        self.contents = text, valid
        self.size, self.has_valid = len(text), valid is not None
        self._drawn: tuple[tuple[int, int], Any] = (-1, -1), None

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return the next windows of the passes over the text."""
        B = recipe.batch_size
        starts = [self._start(recipe.seed, row) for row in range(step * B, (step + 1) * B)]
        x = self._read(starts, state)
        return Batch(B, x.size, _gradient(model, config, recipe, step, x, x.size))

    def validate(self, model: Any, config: Any, recipe: Recipe, params: Params) -> float:
        """Return the mean over eval_symbols symbols from all over the text, or over all."""
        assert self._valid is not None
        return scoring.text_nll(model, config, params, self._valid, recipe.eval_symbols)

    def _start(self, seed: int, row: int) -> int:
        """Return where window `row` of the training begins."""
        T, S = self.size, self._context
        n_tiles = max(1, (T - S + 1) // S)
        lap, k = divmod(row, n_tiles)
        if self._drawn[0] != (seed, lap):
            self._drawn = (seed, lap), np.random.default_rng([seed, lap + 1]).random(2)
        first, offset = self._drawn[1]
        leap = round(GOLDEN * n_tiles) or 1
        while gcd(leap, n_tiles) > 1:
            leap += 1
        tile = (int(first * n_tiles) + k * leap) % n_tiles
        return tile * S + int(offset * (T - n_tiles * S + 1))

    def _read(self, starts: Any, state: Any) -> Ids:
        """Return the windows that begin there, (B, context), on the side of the parameters."""
        x = np.empty((len(starts), self._context), np.int32)
        for row, start in zip(x, starts, strict=True):
            row[...] = self._text[start : start + self._context]
        ids: Ids = array_module(state.params.flat).asarray(x)
        return ids


class Streams(Windows):
    """A text read by batch_size readers at once, for models that carry a state.

    Each reads pieces of `context` symbols, one after the other, from a place of its own to the
    text's end, then from the start again, where its state begins anew and the pieces are cut at
    another offset. There are at most as many readers as pieces.
    """

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return every reader's next piece; `carry` of the batch is a copy that moves on."""
        n_pieces = self.size // self._context
        n = min(recipe.batch_size, n_pieces)
        laps, pieces = np.divmod(np.arange(n) * n_pieces // n + step, n_pieces)
        spare = self.size - n_pieces * self._context
        offsets = {
            lap: np.random.default_rng([recipe.seed, lap + 1]).integers(0, spare + 1)
            for lap in laps.tolist()
        }
        cut = np.array([offsets[lap] for lap in laps.tolist()])
        x = self._read((cut + pieces * self._context).tolist(), state)
        xp = array_module(state.params.flat)
        shape = n, model.state_size(config)
        carry = xp.zeros(shape, state.params.dtype) if state.carry is None else state.carry.copy()
        if carry.shape != shape:
            raise ValueError("this training carries other states than the model; start anew")
        fresh = xp.asarray((pieces == 0) | (step == 0))
        rest = {"carry": carry, "fresh": fresh}
        gradient = _gradient(model, config, recipe, step, x, x.size, None, **rest)
        return Batch(n, x.size, gradient, carry=carry)


Gradient = Callable[[Params, int, int, Params], float]


def _gradient(
    model: Any,
    config: Any,
    recipe: Recipe,
    step: int,
    x: Ids,
    count: int,
    labels: Any = None,
    first: int = 0,
    **by_row: Any,
) -> Gradient:
    """Return the `gradient` of rows x of a batch, of which row 0 of x is the `first`.

    by_row: further arrays with a row each.
    """
    if labels is not None:
        by_row["y"] = labels
    drops = getattr(config, "dropout", 0) > 0

    def gradient(params: Params, lo: int, hi: int, grad: Params) -> float:
        rest = {name: array[lo:hi] for name, array in by_row.items()}
        if drops:
            rest["noise"] = Noise(recipe.seed, step, first + lo)
        nll: float = model.loss_and_grad(config, params, x[lo:hi], grad, total=count, **rest)
        return nll

    return gradient


def _in_turn(parts: list[tuple[int, int, Gradient]]) -> Gradient:
    """Return the `gradient` of a batch of several parts: rows lo … hi - 1 of it, and theirs."""

    def gradient(params: Params, lo: int, hi: int, grad: Params) -> float:
        nll, more = 0.0, None
        for first, last, part in parts:
            if lo < last and first < hi:
                target = grad if more is None else more
                nll += part(params, max(lo, first) - first, min(hi, last) - first, target)
                if more is not None:
                    grad.flat[...] += more.flat
                elif hi > last:
                    more = grad.like()
        return nll

    return gradient
