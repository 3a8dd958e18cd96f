"""What a training learns from: rows of any kind, or a text.

A source says what each minibatch is, as a function of the seed and the step alone, so nothing
random is ever kept. Minibatch `step`, counted from 0, of

    RowSource   is the next batch_size rows of an epoch's shuffle, whatever their variables are:
                bits, categories, real numbers, levels of an image (`pixels`: drawn anew)
    SymbolRows  is the same for rows of symbols, of different lengths, in groups of like lengths:
                what is computed beyond their ends stays a share of the whole
    Windows     is batch_size windows of `context` symbols from all over a text
    Streams     is the next `context` symbols of batch_size readers, who walk through the text with
                their states carried over: truncated back-propagation through time

Rows may have labels y. A RowSource counts epochs and its losses are nats a row; the others count
steps and their losses are nats a symbol. Neither rows nor a text are copied, only minibatches are:
what is mapped from a file larger than memory will do, if it has len, shape, dtype and slices.

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

from math import ceil, gcd
from typing import Any

import numpy as np

from chainrule.engine import ragged
from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.engine.training import scoring
from chainrule.engine.training.batches import Batch, Chosen, gradient, in_turn
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.windows import Readable
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Ids

MIN_ROWS = 8  # the fewest rows of a minibatch worth a thread
EVAL_ROWS = 256  # rows of symbols validated on, at least: rows differ more than symbols do
GOLDEN = 0.6180339887498949


class Source:
    """Base class of what a training learns from.

    size: how many rows or symbols there are; unit: what these are called.
    length: the setting of the recipe that says how long the training is.
    per: what losses are a mean over.
    has_valid: whether there is something to choose the best record by; labelled: whether labels.
    contents: the data, to tell them from others.
    """

    unit, length, per = "symbols", "steps", "symbol"
    size: int
    has_valid: bool
    labelled = False
    contents: tuple[Any, ...]

    def on(self, xp: Any) -> "Source":
        """Return the source for a training in module xp; by default minibatches go over singly."""
        return self

    def clock(self, recipe: Recipe) -> str:
        """Return what records are counted by, "epoch" or "step"."""
        return "step"

    def n_steps(self, recipe: Recipe) -> int:
        """Return how many minibatches the whole training has."""
        if not recipe.steps:
            raise ValueError("a training on symbols counts steps; set steps to 1 or more")
        return recipe.steps

    def period(self, recipe: Recipe) -> int:
        """Return after how many minibatches each record is made: validation, the best is kept."""
        return min(self.n_steps(recipe), recipe.eval_every or max(1, recipe.steps // 10))

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return minibatch `step`; `state` is the training's, of which only `carry` is read."""
        raise NotImplementedError

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean validation loss in nats a row or symbol; each rank scores a share."""
        raise NotImplementedError


class RowSource(Source):
    """Rows x, (N, …), of any event of fixed size, and a label of each or None.

    valid: (x, y) of other rows, to choose the best record by, or None.
    """

    unit, length, per = "rows", "epochs", "row"

    def __init__(self, x: Any, y: Any = None, valid: tuple[Any, Any] | None = None) -> None:
        """Keep the rows as they are; labels go to their side."""
        x_valid, y_valid = valid or (None, None)
        self._x, self._y = x, _labels(x, y)
        self._valid = None if valid is None else (x_valid, _labels(x_valid, y_valid))
        self.size, self.has_valid, self.labelled = len(x), valid is not None, y is not None
        self.contents = (x, x_valid) if y is None else (x, x_valid, y, y_valid)
        if self.size == 0 or (x_valid is not None and len(x_valid) == 0):
            raise ValueError("there are no rows to train or validate on; give at least one of each")
        self._shuffled: tuple[tuple[int, int], Any] = (-1, -1), None

    def on(self, xp: Any) -> Source:
        """Return the rows as arrays of xp, all of them at once."""
        x, x_valid, y, y_valid = (
            None if a is None else xp.asarray(a) for a in (*self.contents, None, None)[:4]
        )
        return type(self)(x, y, None if x_valid is None else (x_valid, y_valid))

    def clock(self, recipe: Recipe) -> str:
        """Return "epoch", but where records are made every eval_every minibatches."""
        return "step" if recipe.eval_every else "epoch"

    def n_steps(self, recipe: Recipe) -> int:
        """Return epochs times minibatches of an epoch."""
        return recipe.epochs * self._epoch(recipe)

    def period(self, recipe: Recipe) -> int:
        """Return the minibatches of an epoch, or eval_every."""
        return min(self.n_steps(recipe), recipe.eval_every or self._epoch(recipe))

    def batch(self, model: Any, config: Any, recipe: Recipe, step: int, state: Any) -> Batch:
        """Return the next rows of the epoch's shuffle."""
        rows = self._rows(recipe, step)
        x, y = self._some(recipe, step, rows), None if self._y is None else Chosen(self._y, rows)
        of_slice = gradient(model, config, recipe, step, x, len(rows), y=y)
        min_rows = len(rows) if model.ABILITIES.whole else MIN_ROWS
        return Batch(len(rows), len(rows), of_slice, min_rows)

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean over all validation rows; of a model in any order an estimate of it."""
        assert self._valid is not None
        x, y = self._valid
        if model.ABILITIES.any_order:
            return scoring.mean_estimate(model, config, params, x, recipe.seed, y, team=team)
        return scoring.mean_nll(model, config, params, x, y=y, team=team)

    def _some(self, recipe: Recipe, step: int, rows: Any) -> Any:
        """Return rows of minibatch `step` as the model is to see them, sliced when asked for."""
        return Chosen(self._x, rows)

    def _epoch(self, recipe: Recipe) -> int:
        return ceil(self.size / recipe.batch_size)

    def _rows(self, recipe: Recipe, step: int) -> Any:
        """Return which rows a minibatch has. Epochs count from 1: 0 drew the parameters."""
        epoch, batch = divmod(step, self._epoch(recipe))
        if self._shuffled[0] != (recipe.seed, epoch):
            order = np.random.default_rng([recipe.seed, epoch + 1]).permutation(self.size)
            self._shuffled = (recipe.seed, epoch), array_module(self._x).asarray(order)
        return self._shuffled[1][batch * recipe.batch_size : (batch + 1) * recipe.batch_size]


def _labels(x: Any, y: Any) -> Any:
    """Return labels y of rows x, on their side."""
    if y is not None and len(y) != len(x):
        raise ValueError(f"there are {len(x)} rows and {len(y)} labels; give one for each row")
    return None if y is None else array_module(x).asarray(y)


class SymbolRows(RowSource):
    """Rows of symbols x, and a label of each or None.

    x: `Ragged`, or a table (N, T), -1 behind the end of shorter rows. valid: such a pair, or None.
    Each row is a whole sequence, read from the model's start.
    """

    unit, length, per = "rows", "steps", "symbol"
    on, clock, n_steps, period = Source.on, Source.clock, Source.n_steps, Source.period

    def __init__(self, x: Any, y: Any = None, valid: tuple[Any, Any] | None = None) -> None:
        """Keep the rows as they are, of any integer dtype."""
        super().__init__(x, y, valid)
        self._lengths = ragged.lengths(x)
        x_valid, y_valid = valid or (None, None)
        self.contents = x, x_valid, y, y_valid

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
            y = None if self._y is None else xp.asarray(self._y[some])
            part = gradient(model, config, recipe, step, x, count, first, y=y)
            parts.append((first, first + len(group), part))
            first += len(group)
        return Batch(len(rows), count, in_turn(parts))

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean over rows from all over, of eval_symbols symbols or EVAL_ROWS, or all."""
        assert self._valid is not None
        x, y = self._valid
        mean = round(float(ragged.lengths(x).mean()))
        limit = recipe.eval_symbols and max(recipe.eval_symbols, EVAL_ROWS * mean)
        return scoring.rows_nll(model, config, params, x, y, limit, team=team)


class Windows(Source):
    """Windows of `context` symbols of a text, and another text to choose the best by."""

    def __init__(self, text: Readable, context: int, valid: Readable | None = None) -> None:
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
        return Batch(B, x.size, gradient(model, config, recipe, step, x, x.size))

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean over eval_symbols symbols from all over the text, or over all."""
        assert self._valid is not None
        limit = recipe.eval_symbols
        return scoring.text_nll(model, config, params, self._valid, limit, team=team)

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
        of_slice = gradient(model, config, recipe, step, x, x.size, **rest)
        return Batch(n, x.size, of_slice, carry=carry)
