"""Turn what users hand in as sequences into checked symbols; every error text is here.

| handed in | taken for |
|---|---|
| str, bytes, a whole-number array (T,) | one text |
| a path, a `texts.Text` | one text, mapped from its file |
| a list, Series or array of str or of bytes, of lists of ids | rows of different lengths |
| a whole-number array (N, T) | rows |
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.cells import CellError
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.encoders.texts import BLOCK, Mapped, Text
from chainrule.encoders.validation import unmasked
from chainrule.encoders.vocabulary import KINDS, Vocabulary, smallest
from chainrule.engine.ragged import Ragged, lengths

# What no symbol is, and what is said of it.
WRONG: tuple[tuple[Callable[[Any], Any], str], ...] = (
    (
        lambda x: (x != np.floor(x)) | ~np.isfinite(x) if x.dtype.kind == "f" else np.zeros(1),
        "{name} must hold whole numbers, the symbols, got %g at {place}; round or binarize it "
        "first",
    ),
    (lambda x: x < 0, "{name} holds %g at {place}; symbols are counted from 0"),
    (lambda x: x >= 1 << 31, "{name} holds %g at {place}; symbols go up to 2^31 - 1"),
)


class Sequences(NamedTuple):
    """Checked sequences.

    Attributes:
        ids: one text, (T,), which may be mapped; or rows: a table, (N, T), or `Ragged`.
        vocabulary: what the numbers stand for.
        lengths: (N,), of rows; None for a text.
        ended_text: whether they were a text, which has become a row with an end.
    """

    ids: Any
    vocabulary: Vocabulary
    lengths: NDArray[Any] | None = None
    ended_text: bool = False

    @property
    def is_text(self) -> bool:
        """Whether this is one text, not rows."""
        return self.lengths is None

    @property
    def single(self) -> bool:
        """Whether one text came, so that one result is expected and no list."""
        return self.is_text or self.ended_text

    @property
    def ragged(self) -> bool:
        """Whether the rows came as a list, each of a length of its own."""
        return isinstance(self.ids, Ragged)

    @property
    def n_symbols(self) -> int:
        """How many symbols there are in all."""
        return len(self.ids) if self.lengths is None else int(self.lengths.sum())

    def rows(self) -> Any:
        """Return rows, a table or `Ragged`; of a text its only one, read into memory."""
        if self.lengths is None:
            return np.asarray(self.ids[0 : len(self.ids)])[None]
        return self.ids

    def ended(self) -> "Sequences":
        """Return rows with one more symbol behind each, the end, numbered after all others."""
        rows, end = self.rows(), self.vocabulary.size
        if isinstance(rows, Ragged):
            rows = rows.ended(end)
        else:
            rows = np.pad(rows.astype(np.int32), ((0, 0), (0, 1)), constant_values=end)
        return self._replace(ids=rows, lengths=lengths(rows), ended_text=self.is_text)


def read(
    X: Any, vocabulary: Vocabulary | None = None, name: str = "X", empty: bool = False
) -> Sequences:
    """Return X as symbols of a vocabulary, by default of X's own.

    empty: whether sequences of no symbols have a meaning: those that have an end.

    Raises:
        TypeError: what is no sequence of symbols.
        ValueError: an empty text or row; a symbol that the vocabulary lacks; negative ids, or
            masked ones.
        FileNotFoundError: a path to nothing.
    """
    if isinstance(X, Sequences):  # read before
        return _known(X, vocabulary, name)
    X = _unboxed(X)
    if isinstance(X, os.PathLike):
        byte = vocabulary is not None and vocabulary.kind == "byte"
        X = Text.open(X, "byte" if byte else "character")
    if isinstance(X, str | bytes | bytearray):
        return _own_or(vocabulary, bytes(X) if isinstance(X, bytearray) else X, name, empty)
    if isinstance(X, Text):
        return _known(Sequences(X.ids, X.vocabulary), vocabulary, name)
    if isinstance(X, list | tuple) and any(isinstance(x, str | bytes) for x in X):
        return _list_of_texts(X, vocabulary, name, empty)
    if isinstance(X, list | tuple) and len(X) and not np.isscalar(X[0]):
        return _known(_ragged_ids(X, name, empty), vocabulary, name)
    return _known(_array(X, name), vocabulary, name)


def _unboxed(X: Any) -> Any:
    """Return a Series, or an array of texts or lists, as a list; rows in a file as an array."""
    if isinstance(X, RowsOnDisk):
        return np.asarray(X)
    if hasattr(X, "to_numpy") and len(X.shape) == 1:
        X = X.to_numpy()
    if isinstance(X, np.ndarray) and X.dtype.kind in "USTO" and X.ndim < 2:
        return X.tolist()
    return X


def _own_or(vocabulary: Vocabulary | None, text: str | bytes, name: str, empty: bool) -> Sequences:
    """Return the symbols of a str or bytes."""
    if not text and not empty:
        raise ValueError(f"{name} is empty; give a text of at least one symbol")
    if vocabulary is None:
        vocabulary = Vocabulary("byte", 256) if isinstance(text, bytes) else Vocabulary.of(text)
    _check_kind("byte" if isinstance(text, bytes) else "character", vocabulary, name)
    return Sequences(vocabulary.encode(text, name), vocabulary)


def _list_of_texts(X: Any, vocabulary: Vocabulary | None, name: str, empty: bool) -> Sequences:
    """Return the rows of a list of str, or of bytes."""
    kind = bytes if isinstance(X[0], bytes) else str
    for n, text in enumerate(X):
        if not isinstance(text, kind):
            raise TypeError(
                f"{name} must be a list of {kind.__name__} alone, got {type(text).__name__} at {n}"
            )
        if not text and not empty:
            raise ValueError(f"{name}[{n}] is empty; give texts of at least one symbol")
    if vocabulary is None:
        vocabulary = Vocabulary.of("".join(X)) if kind is str else Vocabulary("byte", 256)
    _check_kind("byte" if kind is bytes else "character", vocabulary, name)
    rows = Ragged.of([vocabulary.encode(text, f"{name}[{n}]") for n, text in enumerate(X)])
    return Sequences(rows, vocabulary, rows.lengths)


def _ragged_ids(X: Any, name: str, empty: bool) -> Sequences:
    """Return the rows of a list of lists of ids: plain rows where all are equally long."""
    spare = empty and any(np.size(row) == 0 for row in X)
    try:
        if not spare:
            return _array(X, name)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
    none = Sequences(np.zeros(0, np.uint8), Vocabulary("id", 0))
    rows = [
        none if spare and len(row) == 0 else _array(row, f"{name}[{n}]") for n, row in enumerate(X)
    ]
    if any(row.lengths is not None for row in rows):
        raise ValueError(f"{name} must be a list of one-dimensional sequences of ids")
    size = max(row.vocabulary.size for row in rows)
    together = Ragged.of([row.ids for row in rows])
    return Sequences(together, Vocabulary("id", size), together.lengths)


def _array(X: Any, name: str) -> Sequences:
    """Return an array of ids, (T,) or (N, T); a mapped one stays mapped."""
    ids = X if isinstance(X, np.memmap) else unmasked(X, name)
    if ids.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must be a str, bytes, whole numbers (T,) or (N, T), a list of texts, or a "
            f"path; got {type(X).__name__} of {ids.dtype}"
        )
    if ids.ndim not in (1, 2) or ids.size == 0:
        raise ValueError(
            f"{name} must be one sequence (T,) or rows (N, T) of symbols and not empty, got shape "
            f"{ids.shape}"
        )
    high = 0.0
    for lo, block in _blocks(ids):
        for wrong, sentence in WRONG:
            if wrong(block).any():
                raise _refused(block, wrong, sentence, name, lo)
        high = max(high, float(block.max()))
    vocabulary = Vocabulary("id", int(high) + 1)
    if ids.dtype.kind != "u" and not isinstance(ids, np.memmap):
        ids = ids.astype(smallest(vocabulary.size))
    return Sequences(ids, vocabulary, None if ids.ndim == 1 else np.full(len(ids), ids.shape[1]))


def _blocks(ids: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield ids a part at a time, each with the number of its first symbol or row."""
    step = BLOCK if ids.ndim == 1 else max(1, BLOCK // ids.shape[1])
    for lo in range(0, len(ids), step):
        yield lo, ids[lo : lo + step]


def _refused(
    block: NDArray[Any], wrong: Callable[[Any], Any], sentence: str, name: str, lo: int
) -> ValueError:
    """Return the error about the first symbol of a block that is wrong."""
    where = np.argwhere(wrong(block))[0]
    text, at = sentence % block[tuple(where)], lo + int(where[0])
    if block.ndim == 2:
        return CellError(text, name, at, where[1])
    return ValueError(text.format(name=name, place=at))


def _check_kind(kind: str, vocabulary: Vocabulary, name: str) -> None:
    if kind != vocabulary.kind:
        raise ValueError(
            f"{name} is {KINDS[kind]} and the model was fitted on {KINDS[vocabulary.kind]}; give "
            "it the same"
        )


def _known(symbols: Sequences, vocabulary: Vocabulary | None, name: str) -> Sequences:
    """Return the symbols in the numbers of a vocabulary; None is their own."""
    if len(symbols.ids) == 0:
        raise ValueError(f"{name} is empty; give a text of at least one symbol")
    if vocabulary is None:
        return symbols
    table = vocabulary.table_from(symbols.vocabulary, name)
    ids = symbols.ids if table is None else Mapped(symbols.ids, table)
    return symbols._replace(ids=ids, vocabulary=vocabulary)
