"""Texts as symbols, in memory or mapped from a file, which may then be larger than memory.

A file is read once from end to end, block by block: to see that it is UTF-8, and which characters
it has; a byte-order mark in front is none. If all are ASCII, each byte is a character and the file
itself is mapped. Otherwise its symbols are written, one or two bytes each, to a temporary file,
which is mapped and which goes when the text does, also by `kill -9`.
"""

import codecs
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.vocabulary import Vocabulary

BLOCK = 1 << 20  # bytes or symbols read at once
UNITS = ("character", "byte")
MARK = codecs.BOM_UTF8


class Mapped:
    """Symbols read through a table: [a:b] gives table[codes[a:b]], an array."""

    def __init__(self, codes: Any, table: NDArray[Any]) -> None:
        """Keep codes, (T,), which may be mapped or `Mapped`, and the table."""
        self.codes, self.table = codes, table

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self.codes)

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Return the symbols of a part."""
        symbols: NDArray[Any] = self.table[self.codes[part]]
        return symbols

    def part(self, lo: int, hi: int) -> "Mapped":
        """Return the symbols lo … hi - 1, none of them read yet."""
        return Mapped(cut(self.codes, lo, hi), self.table)


def cut(ids: Any, lo: int, hi: int) -> Any:
    """Return ids[lo:hi] without reading them where they are mapped."""
    return ids.part(lo, hi) if isinstance(ids, Mapped) else ids[lo:hi]


class Text:
    """One text: its vocabulary and its symbols. Sequence estimators fit and score it.

    Attributes:
        vocabulary: what the symbols stand for.
        ids: (T,), an array or what reads like one, mapped if the text is from a file.
        name: where it is from.

    Example:
        >>> from chainrule.encoders.texts import Text
        >>> train, valid = Text.of("to be or not to be, that is the question").split(0.1)
        >>> len(train), valid.read()
        (36, 'tion')
    """

    def __init__(self, ids: Any, vocabulary: Vocabulary, name: str = "text") -> None:
        """Keep what is given."""
        self.ids, self.vocabulary, self.name = ids, vocabulary, name

    @classmethod
    def of(cls, text: str | bytes, name: str = "text") -> "Text":
        """Return a str or bytes as a Text."""
        kind = Vocabulary("byte", 256) if isinstance(text, bytes) else Vocabulary.of(text)
        return cls(kind.encode(text), kind, name)

    @classmethod
    def open(cls, path: str | os.PathLike[str], unit: str = "character") -> "Text":
        """Return the text in a file, mapped; see the module.

        unit: "character", for UTF-8, or "byte", for any file. Nothing is changed on the way: line
        ends stay as they are. Of characters a byte-order mark in front is left out.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is empty, or is not UTF-8.
        """
        path = Path(path)
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, got {unit!r}")
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; check its name and folder")
        if not path.is_file():
            raise ValueError(f"{path} is no file; name a text file")
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty; give a file with text in it")
        if unit == "byte":
            return cls(_map(path), Vocabulary("byte", 256), path.stem)
        start = len(MARK) if _is_marked(path) else 0
        if path.stat().st_size == start:
            raise ValueError(f"{path} is empty but for a byte-order mark; give a file with text")
        codes = _characters(path, start)
        vocabulary = Vocabulary.of_codes(codes)
        if max(codes) < 128:
            table = np.zeros(128, vocabulary.dtype)
            table[vocabulary.codes] = np.arange(vocabulary.size)
            return cls(Mapped(_map(path, start), table), vocabulary, path.stem)
        return cls(_encoded(path, start, vocabulary), vocabulary, path.stem)

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Return name and size."""
        kind = self.vocabulary.kind
        return f"Text({self.name!r}, {len(self)} {kind}s, {self.vocabulary.size} of them distinct)"

    def split(self, valid: float = 0.1) -> tuple["Text", "Text"]:
        """Return all but the last part, and the last part: `valid` of the symbols, at least one.

        Both have the vocabulary of the whole.
        """
        if not 0 < valid < 1:
            raise ValueError(f"valid must be a share between 0 and 1, got {valid!r}")
        T = len(self)
        at = min(max(1, T - round(valid * T)), T - 1)
        if T < 2:
            raise ValueError(f"{self.name} has {T} symbols; at least 2 can be split in two")
        parts = cut(self.ids, 0, at), cut(self.ids, at, T)
        return Text(parts[0], self.vocabulary, self.name), Text(
            parts[1], self.vocabulary, self.name
        )

    def read(self, lo: int = 0, hi: int | None = None) -> Any:
        """Return a part, or all of it, as str, bytes or an array of ids."""
        return self.vocabulary.decode(self.ids[lo:hi])

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the symbols, a block at a time."""
        for lo in range(0, len(self), BLOCK):
            yield self.ids[lo : lo + BLOCK]


def _map(path: Path, start: int = 0) -> NDArray[np.uint8]:
    return np.memmap(path, np.uint8, "r", offset=start)


def _is_marked(path: Path) -> bool:
    """Return whether a file begins with the byte-order mark, as Windows' editors write it."""
    with open(path, "rb") as file:
        return file.read(len(MARK)) == MARK


def _characters(path: Path, start: int) -> set[int]:
    """Return the code points in a UTF-8 file from a byte on."""
    seen: set[int] = set()
    for block in _decoded(path, start):
        seen.update(block if isinstance(block, bytes) else map(ord, set(block)))
    return seen


def _decoded(path: Path, start: int) -> Iterator[str | bytes]:
    """Yield the characters of a UTF-8 file block by block, as bytes where all are ASCII."""
    decoder, n_read = codecs.getincrementaldecoder("utf-8")(), start
    with open(path, "rb") as file:
        file.seek(start)
        while True:
            block = file.read(BLOCK)
            pending = len(decoder.getstate()[0])
            if block and not pending and block.isascii():
                yield block
            else:
                try:
                    yield decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    at = n_read - pending + error.start
                    raise ValueError(
                        f"{path} is not UTF-8 text: byte 0x{error.object[error.start]:02x} at "
                        f"position {at:,}; save it as UTF-8, or read its bytes: unit='byte'"
                    ) from error
            if not block:
                return
            n_read += len(block)


def _encoded(path: Path, start: int, vocabulary: Vocabulary) -> NDArray[Any]:
    """Return the symbols of a UTF-8 file, mapped from a temporary file that has no name."""
    dtype, n = vocabulary.dtype, 0
    with tempfile.TemporaryFile() as file:
        for block in _decoded(path, start):
            text = block.decode("ascii") if isinstance(block, bytes) else block
            n += file.write(vocabulary.encode(text).tobytes()) // dtype.itemsize
        file.flush()
        return np.memmap(file, dtype, "r", shape=(n,))
