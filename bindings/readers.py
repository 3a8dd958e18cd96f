"""Read arrays from files that may be broken or hostile: .npy, .npz, .csv, .txt, folders of PNGs.

Nothing is unpickled. What a file says about its size is held against its real size, and against
MAX_BYTES, before memory is set aside. Every error is one sentence that names the file.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 4 * 2**30  # of one array; of one text file, an eighth
MAX_MEMBERS = 1000  # arrays in one .npz
MAX_PIXELS = 2**24  # of one picture
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@contextmanager
def _one_sentence(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser says about a broken file into one ValueError that names it."""
    try:
        yield
    except (ValueError, EOFError, KeyError, RuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from error
    except (zipfile.BadZipFile, zlib.error, SyntaxError, MemoryError) as error:
        raise ValueError(
            f"{path} cannot be read as {kind}: it is damaged or of another kind"
        ) from error


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file."""
    with _one_sentence(path, ".npy"), open(path, "rb") as file:
        return _read_array(file, path.stat().st_size)


def read_npz(path: Path, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file whose names begin with `prefix`, by name without it."""
    arrays = {}
    with _one_sentence(path, ".npz"), zipfile.ZipFile(path) as archive:
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
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its format version is {version}; save it again with numpy.save")
    shape, fortran_order, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded; save plain numbers")
    n_bytes = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or n_bytes != size - file.tell():
        raise ValueError(
            f"its header promises {n_bytes:,} bytes of {dtype} {shape}, the file holds "
            f"{size - file.tell():,}; it is damaged or cut short"
        )
    if n_bytes > MAX_BYTES:
        raise ValueError(f"it holds {n_bytes:,} bytes, more than {MAX_BYTES:,}; cut it up")
    flat = np.empty(n_bytes, np.uint8)
    _fill(file, flat.data)
    array: NDArray[Any] = flat.view(dtype)
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)


def _fill(file: IO[bytes], target: memoryview) -> None:
    at = 0
    while at < len(target):
        block = file.read(min(2**20, len(target) - at))
        if not block:
            raise ValueError("it is cut short")
        target[at : at + len(block)] = block
        at += len(block)


def read_text(path: Path) -> NDArray[Any]:
    """Return a table of numbers, one row a line: comma- or blank-separated, or rows like 01101.

    A first line that holds no numbers is taken for column names. Whole numbers from 0 to 255
    come back as uint8, everything else as float64.
    """
    with _one_sentence(path, "a table of numbers"):
        if path.stat().st_size > MAX_BYTES // 8:
            raise ValueError(f"it is larger than {MAX_BYTES // 8:,} bytes; save it as .npy instead")
        with open(path, "rb") as file:
            first = file.readline().strip()
        if not first:
            raise ValueError("it is empty or begins with an empty line")
        if len(first) > 1 and set(first) <= set(b"01"):
            return _rows_of_digits(path, len(first))
        delimiter = "," if b"," in first else None
        header = 0 if _is_numeric(first.decode("utf-8", "replace"), delimiter) else 1
        table = np.loadtxt(path, delimiter=delimiter, skiprows=header, ndmin=2, encoding="utf-8")
    small = table.astype(np.uint8) if _is_bytes(table) else table
    return small


def _rows_of_digits(path: Path, width: int) -> NDArray[np.uint8]:
    """Return rows such as 01101, all `width` digits long."""
    lines = path.read_bytes().split()
    if any(len(line) != width for line in lines):
        wrong = next(n for n, line in enumerate(lines, 1) if len(line) != width)
        raise ValueError(f"row {wrong} has {len(lines[wrong - 1])} digits, the first has {width}")
    rows = np.frombuffer(b"".join(lines), np.uint8).reshape(-1, width) - ord("0")
    if rows.max() > 1:
        raise ValueError("it mixes rows like 01101 with other values")
    return rows


def _is_numeric(line: str, delimiter: str | None) -> bool:
    try:
        [float(field) for field in line.split(delimiter)]
    except ValueError:
        return False
    return True


def _is_bytes(table: NDArray[np.float64]) -> bool:
    return bool(((table >= 0) & (table <= 255) & (table == np.floor(table))).all())


def read_images(folder: Path) -> NDArray[np.uint8]:
    """Return the PNGs of a folder, sorted by name, as grey levels 0 … 255, shape (N, H, W).

    Colours are averaged, transparency is ignored.
    """
    from matplotlib.image import imread

    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise ValueError(f"{folder} holds no .png files; convert the pictures to PNG")
    height, width = _png_shape(paths[0])
    if len(paths) * height * width > MAX_BYTES:
        raise ValueError(f"{folder} holds more than {MAX_BYTES:,} pixels; use fewer or smaller")
    images = np.empty((len(paths), height, width), np.uint8)
    for image, path in zip(images, paths, strict=True):
        if _png_shape(path) != (height, width):
            raise ValueError(f"{path} is not {height}×{width} as {paths[0].name} is; resize it")
        with _one_sentence(path, "PNG"):
            try:
                pixels = imread(path)
            except OSError as error:  # what the decoder raises for a damaged file
                raise ValueError(str(error)) from error
        grey = pixels if pixels.ndim == 2 else _grey(pixels)
        image[...] = np.rint(255 * grey)
    return images


def _grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the mean over red, green and blue; of grey with alpha, the grey."""
    n_colours = 3 if pixels.shape[2] >= 3 else 1
    grey: NDArray[Any] = pixels[:, :, :n_colours].mean(axis=2)
    return grey


def _png_shape(path: Path) -> tuple[int, int]:
    """Return (height, width) from a PNG's first chunk, before anything is decoded."""
    with open(path, "rb") as file:
        head = file.read(24)
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        raise ValueError(f"{path} is no PNG; convert or remove it")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"{path} has {width}×{height} pixels, more than {MAX_PIXELS:,}; shrink it")
    return height, width
