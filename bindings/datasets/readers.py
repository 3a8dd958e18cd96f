"""Read arrays from files that may be broken or hostile: .npy and .npz.

`tables` reads text, and `pictures` folders of pictures, by the same rules: nothing is unpickled;
what a file says about its size is held against its real size, and against MAX_BYTES, before memory
is set aside; every error is one sentence that names the file. Rows that stay in their file set
nothing aside, so there may be as many as it holds.
"""

import csv
import gzip
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import on_disk
from chainrule.encoders.on_disk import RowsOnDisk

MAX_BYTES = 4 * 2**30  # of one array; of one text file, an eighth
MAX_MEMBERS = 1000  # arrays in one .npz
DAMAGE = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, SyntaxError, MemoryError)
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@contextmanager
def one_sentence(path: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever a parser says about a broken file into one ValueError that names it."""
    try:
        yield
    except (ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, csv.Error) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from error
    except DAMAGE as error:
        raise ValueError(
            f"{path} cannot be read as {kind}: it is damaged or of another kind"
        ) from error


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file."""
    with one_sentence(path, ".npy"), open(path, "rb") as file:
        return _read_array(file, path.stat().st_size)


def npy_on_disk(path: Path) -> NDArray[Any] | RowsOnDisk:
    """Return the rows of a .npy file where they are: nothing but its header is read.

    Those of a small file, of at most `on_disk.HELD` bytes, are read at once, and so are those of an
    array that lies column by column (Fortran's order), of a single axis, or without any value.
    """
    with one_sentence(path, ".npy"), open(path, "rb") as file:
        size = path.stat().st_size
        shape, by_columns, dtype = _header(file, size)
        small = size <= on_disk.HELD or len(shape) < 2 or not prod(shape)
        if small or by_columns or not hasattr(os, "preadv"):  # Windows has it not
            file.seek(0)
            return _read_array(file, size)
        return RowsOnDisk(on_disk.ArrayOnDisk(path, file.tell(), shape, dtype))


def read_npz(path: Path, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file whose names begin with `prefix`, by name without it."""
    arrays = {}
    with one_sentence(path, ".npz"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"it holds {len(members)} arrays, more than {MAX_MEMBERS}")
        wanted = [m for m in members if m.filename.startswith(prefix)]
        if sum(member.file_size for member in wanted) > MAX_BYTES:
            raise ValueError(f"unpacked it is larger than {MAX_BYTES:,} bytes; cut it up")
        for member in wanted:
            with archive.open(member) as file:
                name = member.filename.removeprefix(prefix).removesuffix(".npy")
                arrays[name] = _read_array(file, member.file_size)
    return arrays


def _read_array(file: IO[bytes], size: int) -> NDArray[Any]:
    """Return the array in an open .npy file of `size` bytes, if its header tells the truth."""
    shape, by_columns, dtype = _header(file, size)
    n_bytes = prod(shape) * dtype.itemsize
    if n_bytes > MAX_BYTES:
        raise ValueError(f"it holds {n_bytes:,} bytes, more than {MAX_BYTES:,}; cut it up")
    flat = np.empty(n_bytes, np.uint8)
    _fill(file, flat.data)
    array: NDArray[Any] = flat.view(dtype)
    return array.reshape(shape[::-1]).T if by_columns else array.reshape(shape)


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return what an open .npy file of `size` bytes holds, if its header tells the truth.

    That is the array's shape, whether it lies column by column, and its dtype.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its format version is {version}; save it again with numpy.save")
    shape, by_columns, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded; save plain numbers")
    n_bytes = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or n_bytes != size - file.tell():
        raise ValueError(
            f"its header promises {n_bytes:,} bytes of {dtype} {shape}, the file holds "
            f"{size - file.tell():,}; it is damaged or cut short"
        )
    return shape, by_columns, dtype


def _fill(file: IO[bytes], target: memoryview) -> None:
    at = 0
    while at < len(target):
        block = file.read(min(2**20, len(target) - at))
        if not block:
            raise ValueError("it is cut short")
        target[at : at + len(block)] = block
        at += len(block)
