"""Rows that stay in their file: read as they are asked for, converted then, and let go of again.

A training touches a minibatch at a time, and of that each rank of a team its own slice. So rows of
a large `.npy` need not be in memory: `RowsOnDisk` has the shape and the dtype of an array, and
whoever asks for some of its rows gets these as an array, whatever was done to all of them before:

    select      some rows, as of a shuffle: their numbers alone are kept
    made        a function of rows, such as a threshold, done to those that are asked for
    reshape     rows as images

NumPy makes an array of all of it where somebody wants one: who would not hold the data in memory
asks for slices, as `validation.dense` does.

Rows are read from the file one by one, where they lie apart, into an array of their own: nothing
else of it is in this process's memory. (What a system maps is by pages, a megabyte for a row where
they are large, and takes ten times as long; 100 rows take 0.1 ms here.) What was read before is in
the system's cache, which all processes of a machine share.
"""

import os
import weakref
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD = 64 * 2**20  # bytes of a file that is read at once, and of some columns of a larger one


class ArrayOnDisk:
    """An array in a file, (N, …), rows one after the other, none of them in memory."""

    def __init__(self, path: Any, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Open the file, in which the array begins at byte `start`."""
        self.path, self._start, self.shape, self.dtype = path, start, shape, dtype
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._size = prod(shape[1:]) * dtype.itemsize
        self._first, self._columns = 0, np.empty((0, 0))

    def read(self, rows: Any) -> NDArray[Any]:
        """Return some rows, a slice of step 1 or numbers (n,)."""
        self._first, self._columns = 0, np.empty((0, 0))  # columns are of learning, which is over
        return self._rows(rows)

    def column(self, k: int) -> NDArray[Any]:
        """Return column k, (N,), of rows of D values, read with those behind it."""
        if not self._first <= k < self._first + len(self._columns):
            N, D = self.shape[0], prod(self.shape[1:])
            some = slice(k, min(D, k + max(1, HELD // (N * self.dtype.itemsize))))
            self._first, found = k, np.empty((some.stop - k, N), self.dtype)
            step = max(1, 2**20 // self._size)
            for lo in range(0, N, step):
                part = slice(lo, min(lo + step, N))
                found[:, part] = self._rows(part).reshape(-1, D)[:, some].T
            self._columns = found
        return self._columns[k - self._first]  # type: ignore[no-any-return]

    def _rows(self, rows: Any) -> NDArray[Any]:
        """Read rows."""
        together = isinstance(rows, slice)
        out = np.empty(
            (rows.stop - rows.start if together else len(rows), *self.shape[1:]), self.dtype
        )
        memory = out.reshape(-1).view(np.uint8).data if out.size else memoryview(b"")
        if together:
            self._fill(memory, rows.start)
        else:
            for k, row in enumerate(rows.tolist()):
                self._fill(memory[k * self._size : (k + 1) * self._size], row)
        return out

    def _fill(self, memory: memoryview, row: int) -> None:
        """Read the bytes that are from a row on.

        Raises:
            OSError: there are fewer than there were.
        """
        at = self._start + row * self._size
        while len(memory):
            n = os.preadv(self._file, [memory], at)
            if n == 0:
                raise OSError(f"{self.path} became shorter; leave it as it is while it is in use")
            memory, at = memory[n:], at + n


class RowsOnDisk:
    """Rows of an array in a file, (N, …), read when they are asked for; nothing of them is kept.

    The file has to stay as it is for as long as they are used.

    Attributes:
        shape, ndim, size: as of an array. dtype: of the rows that one gets.
    """

    def __init__(
        self,
        file: ArrayOnDisk,
        rows: NDArray[np.intp] | None = None,
        form: tuple[int, ...] | None = None,
        steps: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...] = (),
        dtype: Any = None,
    ) -> None:
        """Keep where rows are, and what is done to them.

        rows: their numbers in the file; None: all. form: the shape of one, before any step.
        """
        self._file, self._rows, self._steps = file, rows, steps
        n = file.shape[0] if rows is None else len(rows)
        self.shape: tuple[int, ...] = (n, *(file.shape[1:] if form is None else form))
        self.dtype = np.dtype(file.dtype if dtype is None else dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __len__(self) -> int:
        """Return N."""
        return self.shape[0]

    def __repr__(self) -> str:
        """Return shape and dtype."""
        return f"<RowsOnDisk of shape {self.shape}, {self.dtype}>"

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
        read = self._file.read(self._chosen(part))
        if not len(read):  # of which a step may know nothing
            return np.empty((0, *self.shape[1:]), self.dtype)
        for step in self._steps:
            read = step(read)
        return read.reshape(len(read), *self.shape[1:])

    def _chosen(self, part: Any) -> Any:
        """Return which rows of the file are meant, a slice of step 1 or numbers, (n,)."""
        if isinstance(part, slice):
            lo, hi, step = part.indices(len(self))
            if self._rows is None and step == 1:
                return slice(lo, max(lo, hi))
            numbers = np.arange(lo, hi, step)
        else:
            numbers = np.arange(len(self))[np.asarray(part)]
        return numbers if self._rows is None else self._rows[numbers]

    def _column(self, k: int) -> NDArray[Any]:
        """Return column k of rows that are as they are in the file without reading the others."""
        if self._steps or self.ndim != 2:
            return np.concatenate([self[lo : lo + 1024][:, k] for lo in range(0, len(self), 1024)])
        column = self._file.column(k % self.shape[1])
        return column.copy() if self._rows is None else column[self._rows]

    def reshape(self, n: int, *form: int) -> "RowsOnDisk":
        """Return rows of another shape of as many values; n: their number, or -1."""
        size = prod(self.shape[1:])
        known = prod(one for one in form if one >= 0)
        full = tuple(one if one >= 0 else size // known for one in form)
        if n not in (-1, len(self)) or prod(full) != size:
            raise ValueError(f"rows of shape {self.shape} cannot be of shape {(n, *form)}")
        return RowsOnDisk(self._file, self._rows, full, self._steps, self.dtype)

    def select(self, rows: NDArray[np.intp]) -> "RowsOnDisk":
        """Return the rows with these numbers; nothing is read."""
        chosen = rows if self._rows is None else self._rows[rows]
        return RowsOnDisk(self._file, chosen, self.shape[1:], self._steps, self.dtype)

    def made(self, step: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any) -> "RowsOnDisk":
        """Return what a function makes of each row, of as many values and of a dtype.

        step: from rows (n, …) to as many; of what a row is, its neighbours have no part.
        """
        form = self.shape[1:]
        shaped = (lambda read: step(read.reshape(len(read), *form)),)
        return RowsOnDisk(self._file, self._rows, form, self._steps + shaped, dtype)

    def whole(self) -> "RowsOnDisk":
        """Return all rows of the file, in its order, whichever of them these are."""
        return RowsOnDisk(self._file, None, self.shape[1:], self._steps, self.dtype)
