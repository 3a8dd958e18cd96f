"""Where what is drawn stops: at a sequence's end, or before a stop string."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.vocabulary import Vocabulary

Ids = NDArray[np.int32]


def strings(stop: Any, vocabulary: Vocabulary) -> list[list[int]]:
    """Return stop strings, one or several, as the symbols of a vocabulary.

    stop: None, or what was fitted (str, bytes, or ids), or a list of such.

    Raises:
        ValueError, TypeError: an empty one, one of another kind, or one with an unknown symbol.
    """
    if stop is None:
        return []
    if np.isscalar(stop) and not isinstance(stop, str | bytes):
        raise TypeError(f"stop must be a string of symbols, or a list of several, got {stop!r}")
    one = isinstance(stop, str | bytes) or (len(stop) and np.ndim(stop[0]) == 0)
    if one and not isinstance(stop, str | bytes) and not isinstance(stop[0], str | bytes):
        stop = [stop]  # ids
    several = [stop] if isinstance(stop, str | bytes) else list(stop)
    return [_symbols(each, vocabulary) for each in several]


def _symbols(stop: Any, vocabulary: Vocabulary) -> list[int]:
    kinds = {"character": str, "byte": bytes}
    expected = kinds.get(vocabulary.kind)
    if expected is not None and not isinstance(stop, expected):
        raise TypeError(f"stop must be {expected.__name__} as was fitted, got {stop!r}")
    if len(stop) == 0:
        raise ValueError("stop is empty, which would stop before the first symbol; leave it out")
    if expected is not None:
        return [int(v) for v in vocabulary.encode(stop, "stop")]
    ids = np.asarray(stop)
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= vocabulary.size:
        raise ValueError(f"stop must hold ids from 0 to {vocabulary.size - 1}, got {stop!r}")
    return [int(v) for v in ids]


class Row:
    """One sequence as it is drawn: gives what stands before the first stop, piece by piece.

    What may be the beginning of a stop is held back until it is known to be none.

    Attributes:
        done: whether a stop was met; nothing comes after it.
    """

    def __init__(self, stops: Sequence[Sequence[int]]) -> None:
        """Begin; stops: the symbols of each."""
        self.done = False
        self._stops = [tuple(stop) for stop in stops]
        self._held: list[int] = []

    def feed(self, drawn: Any) -> Ids:
        """Return the symbols that are now known to stand before any stop."""
        if self.done:
            return np.zeros(0, np.int32)
        symbols = self._held + [int(v) for v in drawn]
        for at in range(len(symbols)):
            if self._stops_at(symbols, at):
                self.done, self._held = True, []
                return np.array(symbols[:at], np.int32)
            if any(tuple(symbols[at:]) == stop[: len(symbols) - at] for stop in self._stops):
                self._held = symbols[at:]
                return np.array(symbols[:at], np.int32)
        self._held = []
        return np.array(symbols, np.int32)

    def rest(self) -> Ids:
        """Return what was held back, once nothing more is drawn.

        It was the beginning of a stop, within which a shorter one may be complete.
        """
        held, self._held = self._held, []
        stop = next((at for at in range(len(held)) if self._stops_at(held, at)), len(held))
        return np.array(held[:stop], np.int32)

    def _stops_at(self, symbols: list[int], at: int) -> bool:
        """Return whether a stop is complete that begins with symbols[at]."""
        return any(tuple(symbols[at : at + len(stop)]) == stop for stop in self._stops)
