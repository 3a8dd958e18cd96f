"""Drawing from estimators of sequences: samples and streams, in the symbols that were fitted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from chainrule import runtime, validation
from chainrule.sequence_base import SequenceDensity

CHUNK = 64  # symbols drawn at once: Ctrl-C is heard between
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
        labels: Any = None,
        size: int | None = None,
    ) -> Any:
        """Draw the n symbols that follow a prompt, of which the result holds none.

        Each symbol is drawn from p(x_t | the prompt and all symbols before), as far as the model
        sees them: a Transformer or an AttentionRNN sees `context` symbols at most, the last
        half to whole context of a prompt that is longer (`chainrule.engine.windows`); an RNN all.

        Args:
            n: how many symbols, at least 1.
            prompt: what was fitted, str, bytes or ids, or a list of several of any lengths; None
                begins where a text begins.
            temperature: divides the logits; 0 always takes the likeliest symbol.
            top_k: draw from so many likeliest symbols only; 0, or as many as there are, is all.
            top_p: draw from the fewest likeliest symbols that have this much probability, in
                (0, 1].
            seed: of numpy.random.default_rng; None draws fresh entropy.
            labels: of a model that was fitted with labels: one, or one for each sequence.
            size: how many sequences; None is one, or one for each prompt or label.

        Returns:
            A str, bytes or int32 ids (n,), as was fitted; where `size`, several prompts or several
            labels ask for many, a list of them, or ids (size, n). The same seed and backend give
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
        rng = np.random.default_rng(seed)
        many, starts = self._starts(prompt, labels, size)
        settings = _settings(temperature, top_k, top_p)
        drawn = []
        for lo in range(0, len(starts[0]), ROWS):
            part = tuple(None if column is None else column[lo : lo + ROWS] for column in starts)
            pieces = self._pieces(part, n, CHUNK, rng, settings)
            drawn.append(np.concatenate(list(pieces), axis=1))
        return self._decoded(np.concatenate(drawn), many)

    def stream(
        self,
        n: int | None = None,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: Any = None,
        labels: Any = None,
        size: int | None = None,
        chunk: int = 1,
    ) -> Iterator[Any]:
        """Yield what `sample` returns, piece by piece, as it is drawn.

        n: how many symbols; None never ends, in bounded memory. chunk: symbols a piece. The rest
        is as in `sample`, whose result the joined pieces are, for up to 256 sequences.

        Example:
            >>> from chainrule import RNN
            >>> model = RNN(8, steps=5, context=4).fit("to be or not to be")
            >>> "".join(model.stream(6, "to", seed=1)) == model.sample(6, "to", seed=1)
            True
        """
        n = None if n is None else validation.integer("n", n, 1)
        chunk = validation.integer("chunk", chunk, 1)
        rng = np.random.default_rng(seed)
        many, starts = self._starts(prompt, labels, size)
        settings = _settings(temperature, top_k, top_p)
        return (
            self._decoded(piece, many) for piece in self._pieces(starts, n, chunk, rng, settings)
        )

    def _starts(self, prompt: Any, labels: Any, size: int | None) -> tuple[bool, tuple[Any, ...]]:
        """Return whether many sequences are asked for; prompts (N, P), lengths (N,) and labels."""
        check_is_fitted(self, "params_")
        data = None if prompt is None or _empty(prompt) else self._read(prompt, "prompt")
        counts = set()
        if data is not None and data.lengths is not None:
            counts.add(len(data.lengths))
        if np.ndim(labels) > 0:
            counts.add(len(labels))
        if size is not None:
            counts.add(validation.integer("size", size, 1))
        if len(counts) > 1:
            raise ValueError(
                f"prompts, labels and size ask for different numbers of sequences, {counts}; give "
                "one of each for every sequence"
            )
        N = counts.pop() if counts else 1
        many = bool(np.ndim(labels) > 0 or size is not None)
        many = many or (data is not None and data.lengths is not None)
        prompts, lengths = np.zeros((N, 0), np.int32), np.zeros(N, np.int64)
        if data is not None:
            rows = np.maximum(data.rows(), 0).astype(np.int32)
            lengths = np.full(1, rows.shape[1]) if data.lengths is None else data.lengths
            prompts, lengths = np.broadcast_to(rows, (N, rows.shape[1])), np.resize(lengths, N)
        return many, (prompts, lengths, self._labels(labels, N, "labels"))

    def _pieces(
        self,
        starts: tuple[Any, ...],
        n: int | None,
        chunk: int,
        rng: np.random.Generator,
        settings: dict[str, Any],
    ) -> Iterator[NDArray[np.int32]]:
        """Yield the symbols of all sequences, (N, chunk), as they are drawn."""
        xp = runtime.array_module(self.backend)
        prompts, lengths, labels = starts
        rest = {} if labels is None else {"labels": xp.asarray(labels)}
        prompt = xp.asarray(np.ascontiguousarray(prompts))
        with self._evaluating() as params:
            rows = self._model().start(
                self.config_, params, len(prompts), prompt=prompt, lengths=lengths, **rest
            )
        done = 0
        while n is None or done < n:
            k = chunk if n is None else min(chunk, n - done)
            u = rng.random((k, len(prompts))).T  # time first: pieces draw the numbers of the whole
            with runtime.resources(self.backend, self.n_threads):
                piece = runtime.to_host(
                    rows.extend(xp.asarray(np.ascontiguousarray(u)), **settings)
                )
            yield piece
            done += k

    def _decoded(self, ids: NDArray[np.int32], many: bool) -> Any:
        """Return drawn symbols, (N, n), as what was fitted."""
        if not many:
            return self.vocabulary_.decode(ids[0])
        if self.vocabulary_.kind == "id":
            return ids
        return [self.vocabulary_.decode(row) for row in ids]


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
