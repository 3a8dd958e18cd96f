"""Sequences of symbols: their vocabulary, and whether an end stands behind each."""

from typing import Any, Self

import numpy as np

from chainrule.encoders.base import Encoder
from chainrule.encoders.sequences import Sequences, read
from chainrule.encoders.vocabulary import Vocabulary
from chainrule.engine.event import Sequence

__all__ = ["Symbols", "read"]


class Symbols(Encoder):
    """Between texts or ids, in any of the forms of `sequences`, and int32 symbols.

    Args:
        ends: whether a symbol of its own, numbered after all others, stands behind each sequence.
            None: behind each text of a list, not behind rows of ids, or a single text.

    Attributes:
        vocabulary: what the symbols stand for. ends: True or False, once data were learnt.
    """

    dims = 1
    vocabulary: Vocabulary

    def __init__(self, ends: bool | None = None) -> None:
        """Keep the setting; nothing is learnt yet."""
        self.ends = ends

    def learn(self, X: Any, name: str = "X") -> Self:
        """Learn the vocabulary and whether there are ends; see `Encoder`."""
        data = read(X, None, name)
        if self.ends and data.lengths is None:
            raise ValueError("ends=True is for lists of sequences, and X is one; leave it out")
        self.vocabulary = data.vocabulary
        if self.ends is None:
            self.ends = data.lengths is not None and data.vocabulary.kind != "id"
        self.ends = bool(self.ends)
        return self

    @property
    def n_symbols(self) -> int:
        """V, the end included."""
        return self.vocabulary.size + bool(self.ends)

    @property
    def event(self) -> Sequence:
        """A sequence over so many symbols."""
        return Sequence(self.n_symbols)

    @property
    def unit(self) -> str:  # type: ignore[override]
        """What a symbol is: "character", "byte" or "symbol"."""
        return "symbol" if self.vocabulary.kind == "id" else self.vocabulary.kind

    @property
    def per(self) -> str:  # type: ignore[override]
        """A score is a mean over symbols."""
        return self.unit

    def encode(self, X: Any, name: str = "X") -> Sequences:
        """Return sequences as symbols, each with its end where they have ends."""
        data = read(X, self.vocabulary, name, empty=bool(self.ends))
        return data.ended() if self.ends else data

    def decode(self, x: Any) -> Any:
        """Return symbols, (T,), as str, bytes or int32 ids, whichever were learnt."""
        return self.vocabulary.decode(x)

    def decode_all(self, ids: Any) -> Any:
        """Return several rows decoded: a list of them, or of ids in a table, the table."""
        if self.vocabulary.kind == "id" and isinstance(ids, np.ndarray):
            return ids
        return [self.vocabulary.decode(row) for row in ids]

    def describe(self) -> str:
        """Return what the symbols are, in words."""
        return f"{self.vocabulary.size} {self.unit}s{' and an end' if self.ends else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        return {"vocabulary": self.vocabulary.as_json(), "ends": self.ends}

    def of_json(self, values: dict[str, Any]) -> Self:
        """Take what `as_json` made, here or of chainrule 0.1.0; return itself.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        self.vocabulary = Vocabulary.of_json(values["vocabulary"])
        self.ends = values.get("ends", False)  # which files before it lack
        if not isinstance(self.ends, bool):
            raise TypeError("its metadata are damaged")
        return self
