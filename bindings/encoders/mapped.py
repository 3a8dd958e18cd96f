"""Rows that stay in their file: read as they are asked for, converted then, and let go of again.

A training touches a minibatch at a time, and of that each rank of a team its own slice. So rows of
a large `.npy` need not be in memory: `MappedRows` has the shape and the dtype of an array, and
whoever asks for some of its rows gets these as an array, whatever was done to all of them before:

    select      some rows, as of a shuffle: their numbers alone are kept
    made        a function of rows, such as a threshold, done to those that are asked for
    reshape     rows as images

NumPy makes an array of all of it where somebody wants one: who would not hold the data in memory
asks for slices, as `validation.dense` does.

A system maps a file by pages, and with one that is asked for those around it. They stay until
memory is short, and would count as a process's own; so they are given back whenever about HELD
bytes were read. They are still in the system's cache, which all processes of a machine share.
"""

import mmap
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD = 64 * 2**20  # bytes of a file in memory at a time; what is smaller is better read at once
AROUND = 2**16  # bytes that Linux maps about a row


class MappedArray:
    """An array in a file, (N, …), rows one after the other, of which little is in memory."""

    def __init__(self, memory: mmap.mmap, array: NDArray[Any]) -> None:
        """Keep the mapped file, and the array that stands in it."""
        self._memory, self.array, self._read = memory, array, 0

    def read(self, place: Any, n: int, apart: bool) -> NDArray[Any]:
        """Return a copy of array[place], n rows of it; apart: they may lie anywhere."""
        found = self.array[place]
        part: NDArray[Any] = found if found.flags.writeable else found.copy()
        size = self.array.nbytes // max(1, len(self.array))
        self._read += n * (max(size, AROUND) if apart else size)
        if self._read > HELD:
            self._read = 0
            if hasattr(mmap, "MADV_DONTNEED"):
                self._memory.madvise(mmap.MADV_DONTNEED)
        return part


class MappedRows:
    """Rows of an array in a file, (N, …), read when they are asked for; nothing of them is kept.

    The file has to stay as it is for as long as they are used.

    Attributes:
        shape, ndim, size: as of an array. dtype: of the rows that one gets.
    """

    def __init__(
        self,
        file: MappedArray,
        rows: NDArray[np.intp] | None = None,
        form: tuple[int, ...] | None = None,
        steps: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...] = (),
        dtype: Any = None,
    ) -> None:
        """Keep where rows are, and what is done to them.

        rows: their numbers in the file; None: all. form: the shape of one, before any step.
        """
        self._file, self._rows, self._steps = file, rows, steps
        n = len(file.array) if rows is None else len(rows)
        self.shape: tuple[int, ...] = (n, *(file.array.shape[1:] if form is None else form))
        self.dtype = np.dtype(file.array.dtype if dtype is None else dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __len__(self) -> int:
        """Return N."""
        return self.shape[0]

    def __repr__(self) -> str:
        """Return shape and dtype."""
        return f"<MappedRows of shape {self.shape}, {self.dtype}>"

    def __eq__(self, other: object) -> Any:
        """Refuse: one comparison of all rows would read all of them."""
        raise TypeError("rows in a file are compared a slice at a time, or as numpy.asarray(rows)")

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all rows, read into memory."""
        if copy is False:
            raise ValueError("an array of rows in a file is a copy of them; leave copy=False out")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def __getitem__(self, part: Any) -> NDArray[Any]:
        """Return some rows: of a slice, an array of numbers or bools, or a number; or a column."""
        if isinstance(part, tuple):
            rows, *rest = part
            everywhere = isinstance(rows, slice) and rows == slice(None)
            if everywhere and len(rest) == 1 and isinstance(rest[0], int | np.integer):
                return self._column(int(rest[0]))
            found: NDArray[Any] = self[rows][(slice(None), *rest)]
            return found
        if isinstance(part, int | np.integer):
            one: NDArray[Any] = self[np.array([part])][0]
            return one
        chosen: Any = part if isinstance(part, slice) else np.asarray(part)
        if self._rows is not None:
            chosen = self._rows[chosen]
        apart = not isinstance(chosen, slice)
        n = len(range(*chosen.indices(len(self)))) if isinstance(chosen, slice) else len(chosen)
        read = self._file.read(chosen, n, apart)
        if not len(read):  # of which a step may know nothing
            return np.empty((0, *self.shape[1:]), self.dtype)
        for step in self._steps:
            read = step(read)
        return read.reshape(len(read), *self.shape[1:])

    def _column(self, k: int) -> NDArray[Any]:
        """Return column k of rows that are as they are in the file without reading the others."""
        if self._steps or self.ndim != 2 or self._file.array.ndim != 2:
            return np.concatenate([self[lo : lo + 1024][:, k] for lo in range(0, len(self), 1024)])
        rows = slice(None) if self._rows is None else self._rows
        return self._file.read((rows, k), len(self), True)

    def reshape(self, n: int, *form: int) -> "MappedRows":
        """Return rows of another shape of as many values; n: their number, or -1."""
        size = prod(self.shape[1:])
        known = prod(one for one in form if one >= 0)
        full = tuple(one if one >= 0 else size // known for one in form)
        if n not in (-1, len(self)) or prod(full) != size:
            raise ValueError(f"rows of shape {self.shape} cannot be of shape {(n, *form)}")
        return MappedRows(self._file, self._rows, full, self._steps, self.dtype)

    def select(self, rows: NDArray[np.intp]) -> "MappedRows":
        """Return the rows with these numbers; nothing is read."""
        chosen = rows if self._rows is None else self._rows[rows]
        return MappedRows(self._file, chosen, self.shape[1:], self._steps, self.dtype)

    def made(self, step: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any) -> "MappedRows":
        """Return what a function makes of each row, of as many values and of a dtype.

        step: from rows (n, …) to as many; of what a row is, its neighbours have no part.
        """
        form = self.shape[1:]
        shaped = (lambda read: step(read.reshape(len(read), *form)),)
        return MappedRows(self._file, self._rows, form, self._steps + shaped, dtype)

    def whole(self) -> "MappedRows":
        """Return all rows of the file, in its order, whichever of them these are."""
        return MappedRows(self._file, None, self.shape[1:], self._steps, self.dtype)
