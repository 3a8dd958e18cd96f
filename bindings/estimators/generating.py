"""Drawing from estimators of sequences: samples and streams, in the symbols that were fitted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import validation, warned
from chainrule.encoders.uniforms import generator
from chainrule.engine import ragged, windows
from chainrule.estimators import runtime, stopping
from chainrule.estimators.sequence_density import SequenceDensity

CHUNK = 64  # symbols drawn at once: Ctrl-C is heard between
PROMPT = 4096  # symbols of a prompt read at once, for the same reasons
ROWS = 256  # sequences drawn at once: bounds the memory of what they remember


class Generating(SequenceDensity):
    """Adds `sample` and `stream` to an estimator of sequences."""

    def sample(
        self,
        n: int = 100,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: Any = None,
        y: Any = None,
        size: int | None = None,
        stop: Any = None,
        labels: Any = None,
    ) -> Any:
        """Draw the n symbols that follow a prompt, of which the result holds none.

        Each symbol is drawn from p(x_t | the prompt and all symbols before), as far as the model
        sees them: a Transformer or an AttentionRNN sees `context` symbols at most, the last
        half to whole context of a prompt that is longer (`chainrule.engine.windows`); an RNN all.

        A model whose sequences end (`ends_`: by default one that was fitted on a list of texts)
        draws whole strings: each stops at its end, of which the result holds nothing, or after n
        symbols.

        Args:
            n: how many symbols, at least 1; at most so many where sequences end or `stop` is given.
            prompt: what was fitted, str, bytes or ids, or a list of several of any lengths; None
                begins where a text begins.
            temperature: divides the logits; 0 always takes the likeliest symbol.
            top_k: draw from so many likeliest symbols only; 0, or as many as there are, is all.
            top_p: draw from the fewest likeliest symbols that have this much probability, in
                (0, 1].
            seed: of numpy.random.default_rng; None draws fresh entropy.
            y: labels, of a model that was fitted with labels: one, or one for each sequence;
                without them a sequence's is drawn first, by `class_prior_`.
            size: how many sequences; None is one, or one for each prompt or label.
            stop: a string (bytes, ids), or a list of several, before whose first occurrence a
                sequence stops; only what is drawn is looked at, not the prompt.
            labels: the former name of y.

        Returns:
            A str, bytes or int32 ids (n,), as was fitted; where `size`, several prompts or several
            labels ask for many, a list of them, or, where none can stop early, ids (size, n). The
            same seed and backend give
            the same symbols; every backend gives the same but where a uniform number falls within
            rounding of a probability.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: a setting out of its range, a symbol never seen in training.

        Cost:
            A pass over the prompt, then one position a symbol, with a cache of what was computed
            before.
        """
        n = validation.integer("n", n, 1)
        rng = generator(seed)
        many, starts = self._starts(prompt, _renamed(y, labels), size, rng)
        settings, stops = _settings(temperature, top_k, top_p), self._stops(stop)
        drawn: list[Any] = []
        for lo in range(0, len(starts[1]), ROWS):
            pieces = self._pieces(starts, slice(lo, lo + ROWS), n, CHUNK, rng, settings)
            drawn += _joined(_stopped(pieces, stops) if stops else pieces)
        return self._decoded(drawn if stops else np.stack(drawn), many)

    def stream(
        self,
        n: int | None = None,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: Any = None,
        y: Any = None,
        size: int | None = None,
        stop: Any = None,
        chunk: int = 1,
        labels: Any = None,
    ) -> Iterator[Any]:
        """Yield what `sample` returns, piece by piece, as it is drawn.

        n: how many symbols; None never ends, in bounded memory, unless all sequences end or meet a
        stop. chunk: symbols a piece; fewer where a sequence stops, or where what was drawn may be
        the beginning of a stop string and is held back. The rest is as in `sample`, whose result
        the joined pieces are, for up to 256 sequences.

        Example:
            >>> from chainrule import RNN
            >>> model = RNN(8, steps=5, context=4).fit("to be or not to be")
            >>> "".join(model.stream(6, "to", seed=1)) == model.sample(6, "to", seed=1)
            True
        """
        n = None if n is None else validation.integer("n", n, 1)
        chunk = validation.integer("chunk", chunk, 1)
        rng = generator(seed)
        many, starts = self._starts(prompt, _renamed(y, labels), size, rng)
        settings, stops = _settings(temperature, top_k, top_p), self._stops(stop)
        pieces = self._pieces(starts, slice(None), n, chunk, rng, settings)
        return (
            self._decoded(piece, many) for piece in (_stopped(pieces, stops) if stops else pieces)
        )

    def _stops(self, stop: Any) -> list[list[int]]:
        """Return the symbols at which a sequence stops: the end, and stop strings."""
        end = [[int(self.vocabulary_.size)]] if self.ends_ else []
        return end + stopping.strings(stop, self.vocabulary_)

    def _starts(
        self, prompt: Any, y: Any, size: int | None, rng: np.random.Generator
    ) -> tuple[bool, tuple[Any, ...]]:
        """Return whether many sequences are asked for; prompts, their lengths (N,), and classes.

        prompts: a table, `Ragged`, or a single row for all.
        """
        check_is_fitted(self, "params_")
        data = None if prompt is None or _empty(prompt) else self._begin(prompt, "prompt")
        counts = set()
        if data is not None and data.lengths is not None:
            counts.add(len(data.lengths))
        if np.ndim(y) > 0:
            counts.add(len(y))
        if size is not None:
            counts.add(validation.integer("size", size, 1))
        if len(counts) > 1:
            raise ValueError(
                f"prompts, labels and size ask for different numbers of sequences, {counts}; give "
                "one of each for every sequence"
            )
        many, N = bool(counts), counts.pop() if counts else 1
        prompts: Any = np.zeros((1, 0), np.int32)
        lengths = np.zeros(N, np.int64)
        if data is not None:
            prompts = data.rows()
            lengths = np.resize(ragged.lengths(prompts), N)
        return many, (prompts, lengths, self._classes_to_draw(y, N, rng))

    def _pieces(
        self,
        starts: tuple[Any, ...],
        rows: slice,
        n: int | None,
        chunk: int,
        rng: np.random.Generator,
        settings: dict[str, Any],
    ) -> Iterator[NDArray[np.int32]]:
        """Yield the symbols of some sequences, (N, chunk), as they are drawn."""
        xp = runtime.array_module(self.backend)
        prompts, lengths, y = starts
        lengths = lengths[rows]
        rest = {} if y is None else {"y": xp.asarray(y[rows])}
        N, own = len(lengths), len(prompts) > 1
        table = ragged.table(prompts, rows if own else slice(None))
        if self._engine().ABILITIES.context:
            table = _remembered(table, self.config_.context)
        with self._evaluating() as params:
            sampler = self._engine().start(self.config_, params, N, **rest)
            for at in range(0, table.shape[1], PROMPT):
                piece = table[:, at : at + PROMPT]
                piece = np.broadcast_to(piece, (N, piece.shape[1]))
                sampler.put(xp.asarray(np.ascontiguousarray(piece)))
        done = 0
        while n is None or done < n:
            k = chunk if n is None else min(chunk, n - done)
            u = rng.random((k, N)).T  # time first: pieces draw the numbers of the whole
            with runtime.resources(self.backend, self.n_threads):
                piece = runtime.to_host(
                    sampler.extend(xp.asarray(np.ascontiguousarray(u)), **settings)
                )
            yield piece
            done += k

    def _decoded(self, ids: Any, many: bool) -> Any:
        """Return drawn symbols, (N, n) or a list of rows, as what was fitted."""
        return self._symbols.decode_all(ids) if many else self._symbols.decode(ids[0])


def _remembered(table: NDArray[np.int32], context: int) -> NDArray[np.int32]:
    """Return of prompts, (N, P), what a model of a context still sees behind them, -1 before it."""
    starts = [windows.window_start(int(n), context) for n in ragged.lengths(table)]
    first = min(starts)
    if max(starts) == 0:
        return table
    seen = table[:, first:].copy()
    for row, start in zip(seen, starts, strict=True):
        row[: start - first] = -1
    return seen


def _renamed(y: Any, labels: Any) -> Any:
    """Return labels by their new name or their former one."""
    if labels is None:
        return y
    if y is not None:
        raise ValueError("labels is the former name of y; give y alone")
    warned.warn("labels is now called y", FutureWarning)
    return labels


def _stopped(
    pieces: Iterator[NDArray[np.int32]], stops: list[list[int]]
) -> Iterator[list[NDArray[np.int32]]]:
    """Yield what stands before each row's first stop, until all have met one."""
    rows: list[stopping.Row] = []
    for piece in pieces:
        rows = rows or [stopping.Row(stops) for _ in piece]
        yield [row.feed(drawn) for row, drawn in zip(rows, piece, strict=True)]
        if all(row.done for row in rows):
            return
    if rest := [row.rest() for row in rows]:
        yield rest


def _joined(pieces: Iterator[Any]) -> list[NDArray[np.int32]]:
    """Return each row's pieces end to end."""
    return [np.concatenate(row) for row in zip(*pieces, strict=True)]


def _empty(prompt: Any) -> bool:
    return isinstance(prompt, str | bytes | list | tuple) and len(prompt) == 0


def _settings(temperature: Any, top_k: Any, top_p: Any) -> dict[str, Any]:
    """Return the checked settings of a draw."""
    settings = {
        "temperature": validation.real("temperature", temperature, 0),
        "top_k": validation.integer("top_k", top_k, 0),
        "top_p": validation.real("top_p", top_p, 0, 1),
    }
    if settings["top_p"] == 0:
        raise ValueError("top_p must be above 0, got 0; temperature=0 takes the likeliest symbol")
    return settings
