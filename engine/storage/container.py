"""One safetensors file: arrays by name and one text, written whole or not at all, read warily.

Writing     goes through `engine.files`: the name always leads to the whole old or new file.

Reading     believes nothing: the header's length is bounded before anything is parsed, safetensors
            checks that the arrays fill the file exactly, and a CRC-32 covers text and arrays.
"""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from chainrule.engine.storage.files import replacing

Tensors = Mapping[str, NDArray[Any]]
PathLike = str | os.PathLike[str]

KEY = "chainrule"  # of the metadata entry "<crc> <text>"
MAX_HEADER = 16 * 2**20  # bytes of names, shapes and the text; 784 named pixels need 20 thousand


class CheckpointError(ValueError):
    """A file that is not a checkpoint, is damaged, or is not the one asked for."""


def refuse(path: PathLike, why: str) -> NoReturn:
    """Raise CheckpointError saying what is wrong with the file, and what to do."""
    raise CheckpointError(f"{os.fspath(path)} {why}") from None


def write(path: PathLike, tensors: Tensors, text: str) -> None:
    """Put host arrays and a text into `path`, replacing what is there, whole or not at all.

    Raises:
        OSError: full disk, missing or unwritable folder, a folder of that name.
        ValueError: names, shapes and text are longer than `read` would accept.
    """
    with replacing(path) as temporary:
        try:
            save_file(dict(tensors), temporary, {KEY: f"{_checksum(tensors, text)} {text}"})
        except SafetensorError as error:  # how it reports a full disk, among others
            raise OSError(str(error)) from error
        length, _ = _header(temporary)  # with what JSON escapes, and every array's entry
        if length > MAX_HEADER:
            raise ValueError(
                f"{path} was not written: its metadata need {length} bytes, and {MAX_HEADER} is "
                "what can be read again; shorten names or vocabulary"
            )


def read(path: PathLike) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the arrays, on the host, and the text of a file that `write` made.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is no such file, is cut short or damaged.
    """
    _check_header(Path(path))
    try:
        with safe_open(path, framework="np") as file:
            entry = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError):
        refuse(path, "is not a chainrule checkpoint, or is cut short or damaged; use another copy")
    if entry is None:
        refuse(path, "holds no chainrule model; give a file that chainrule has saved")
    checksum, _, text = entry.partition(" ")
    if checksum != _checksum(tensors, text):
        refuse(path, "is damaged: its checksum does not match; use another copy")
    return tensors, text


def _check_header(path: Path) -> None:
    """Refuse a file whose first 8 bytes do not give a header length that it can hold."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check its name and folder")
    if not path.is_file():
        refuse(path, "is not a file; name the checkpoint itself")
    length, size = _header(path)
    if size < 8 or length > min(size - 8, MAX_HEADER):
        refuse(path, "is not a chainrule checkpoint, or is cut short; use another copy")


def _header(path: Path) -> tuple[int, int]:
    """Return the length that a file gives of its header, and its size, in bytes."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(8), "little"), os.fstat(file.fileno()).st_size


def _checksum(tensors: Tensors, text: str) -> str:
    """Return the CRC-32 of the text and of every array's name, dtype, shape and bytes."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
