"""The lines of a text, packed or not, in bounded memory whatever the file holds."""

import gzip
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from chainrule.datasets import readers

BLOCK = 1 << 20  # characters in lines that are worked on at once
OVERHEAD = 100  # bytes that a line takes besides its characters
MAX_LINE = 1 << 24  # characters
FIRST = 100  # lines that tell how all are cut up
KEPT = 5  # comments
SEP = re.compile(r'"?sep=([,;\t ])"?\s*', re.IGNORECASE)  # for Excel, which writes and reads it

Line = tuple[int, str]  # its number, from 1 as editors count, and what it says


@contextmanager
def opened(source: Path | IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Yield the text of a file, unpacked if its name ends in .gz, or of an open binary stream.

    A byte-order mark goes, and lines may end in any of the three ways.
    """
    if not isinstance(source, Path):
        yield _text(source)
    elif source.name.lower().endswith(".gz"):
        with gzip.open(source) as packed:
            yield _text(packed)
    else:
        with open(source, "rb") as file:
            yield _text(file)


def _text(stream: Any) -> io.TextIOWrapper:
    bounded = io.BufferedReader(_Bounded(stream), 1 << 16)
    return io.TextIOWrapper(bounded, "utf-8-sig", errors="replace")


class _Bounded(io.RawIOBase):
    """A stream that refuses to be longer than a text may be."""

    def __init__(self, stream: Any) -> None:
        """Begin where the stream stands."""
        self.stream, self.limit = stream, readers.MAX_BYTES // 8
        self.left = self.limit

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into the buffer; return how many."""
        content = self.stream.read(len(buffer))
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"it is larger than {self.limit:,} bytes; save it as .npy instead")
        buffer[: len(content)] = content
        return len(content)


class Lines:
    """The lines of a text that say something: not blank, nor beginning with # before all others.

    gap: the number of the first blank line among them; 0 as long as none was met. comments: the
    last KEPT of the lines before the first that begin with #. delimiter: what a first line like
    sep=; says, None without.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        """Begin with the first line."""
        self.gap, self._lines = 0, self._read(text)
        self.delimiter: str | None = None
        self.comments: deque[Line] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Line]:
        """Return the iterator; there is only one."""
        return self._lines

    def _read(self, text: io.TextIOWrapper) -> Iterator[Line]:
        number, blank, began = 0, 0, False
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"line {number} is longer than {MAX_LINE:,} characters")
            if "\ufffd" in line:  # what stands for bytes that are no character
                raise ValueError(f"line {number} is not UTF-8 text; save the file as UTF-8")
            if number == 1 and (said := SEP.fullmatch(line)):
                self.delimiter = said[1]
            elif line.isspace():
                blank = blank or number
            elif line.startswith("#") and not began:
                self.comments.append((number, line))
            else:
                self.gap = self.gap or (blank if began else 0)
                blank, began = 0, True
                yield number, line


def first(lines: Iterator[Line]) -> list[Line]:
    """Return the first lines: FIRST of them, or about an eighth of BLOCK in characters, or two."""
    found: list[Line] = []
    size = 0
    while (len(found) < 2 or (len(found) < FIRST and 8 * size < BLOCK)) and (
        line := next(lines, None)
    ):
        found.append(line)
        size += len(line[1])
    return found


def blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield lines, about BLOCK characters of them at a time."""
    block: list[Line] = []
    size = 0
    for line in lines:
        block.append(line)
        size += OVERHEAD + len(line[1])
        if size >= BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block
