"""Vocabularies: the characters, bytes or whole numbers that a model's symbols stand for."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS = {"character": "a str", "byte": "bytes", "id": "whole numbers"}


class Vocabulary(NamedTuple):
    """What symbol v of 0 … size - 1 is: characters[v], or for the others the number v itself.

    Attributes:
        kind: "character", "byte" or "id".
        size: how many symbols there are; 256 for bytes.
        characters: the distinct ones, sorted by code point; empty for the other kinds.

    Example:
        >>> from chainrule.encoders.vocabulary import Vocabulary
        >>> v = Vocabulary.of("hello")
        >>> v.characters, v.encode("hole").tolist(), v.decode([1, 0, 2, 2, 3])
        ('ehlo', [1, 3, 2, 0], 'hello')
    """

    kind: str
    size: int
    characters: str = ""

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """Return the vocabulary of a text's characters."""
        return cls.of_codes(np.unique(_codes(text)))

    @classmethod
    def of_codes(cls, codes: Any) -> "Vocabulary":
        """Return the vocabulary of characters given by their code points, in any order."""
        characters = "".join(map(chr, sorted(set(map(int, codes)))))
        return cls("character", len(characters), characters)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> "Vocabulary":
        """Return the vocabulary that `as_json`, here or of chainrule 0.1.0, made `values` of.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        kind, size = values["kind"], values["size"]
        codes = values["codes"] if "codes" in values else list(map(ord, values["characters"]))
        if kind == "character":
            found = cls.of_codes(codes)
        else:
            found = cls(kind, 256 if kind == "byte" else size)
        good = kind in KINDS and type(size) is int and size >= 1 and found.size == size
        if not good or found.codes.tolist() != codes:
            raise ValueError("its vocabulary is damaged")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold of it: code points, as it joins two surrogates to one."""
        return {"kind": self.kind, "size": self.size, "codes": self.codes.tolist()}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest dtype that holds every symbol."""
        return smallest(self.size)

    def encode(self, text: Any, name: str = "X") -> NDArray[Any]:
        """Return the symbols of a str or bytes, whichever this is of, (T,), of `dtype`.

        Raises:
            ValueError: a character that is not in the vocabulary; the text names it.
        """
        if self.kind == "byte":
            return np.frombuffer(bytes(text), np.uint8)
        codes, known = _codes(text), self.codes
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        if (known[at] != codes).any():
            where = int(np.argmax(known[at] != codes))
            raise unseen(text[where], f"{name} at position {where}")
        return at.astype(self.dtype)

    def decode(self, ids: Any) -> Any:
        """Return symbols, (T,), as str, bytes or int32 ids, whichever this is of."""
        ids = np.asarray(ids)
        if self.kind == "byte":
            return ids.astype(np.uint8).tobytes()
        if self.kind == "character":
            return _text(self.codes[ids])
        return ids.astype(np.int32)

    @property
    def codes(self) -> NDArray[np.uint32]:
        """The characters' code points, ascending."""
        return _codes(self.characters)

    def table_from(self, other: "Vocabulary", name: str) -> NDArray[Any] | None:
        """Return the table from another vocabulary's symbols to this one's; None if the same.

        Raises:
            ValueError: the other has a symbol that this one lacks, or is of another kind.
        """
        if other.kind != self.kind:
            raise ValueError(
                f"{name} is {KINDS[other.kind]} and the model was fitted on {KINDS[self.kind]}; "
                "give it the same"
            )
        if other == self or self.kind == "byte":
            return None
        if self.kind == "id":
            if other.size > self.size:
                raise unseen(other.size - 1, name, f"; ids go from 0 to {self.size - 1}")
            return None
        for character in other.characters:
            if character not in self.characters:
                raise unseen(character, name)
        return self.encode(other.characters)

    def names(self, ids: Any) -> list[str]:
        """Return a name for each symbol, to be written into a picture."""
        if self.kind == "character":
            return [self.characters[v] for v in ids]
        return [f"{v:02x}" if self.kind == "byte" else str(int(v)) for v in ids]


def unseen(symbol: Any, where: str, more: str = "") -> ValueError:
    """Return the error about a symbol that the model has no number for."""
    what = "character" if isinstance(symbol, str) else "symbol"
    return ValueError(
        f"{where} holds {symbol!r}, a {what} never seen in training{more}; leave it out or fit on "
        "data that have it"
    )


def smallest(n_symbols: int) -> np.dtype[Any]:
    """Return the smallest dtype that holds 0 … n_symbols - 1."""
    return np.dtype(
        np.uint8 if n_symbols <= 1 << 8 else np.uint16 if n_symbols <= 1 << 16 else np.int32
    )


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _text(codes: NDArray[np.uint32]) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
