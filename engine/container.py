"""One safetensors file: arrays by name and one text, written whole or not at all, read warily.

Writing     writes a new file beside the old one, syncs it, renames it over the old one, and syncs
            the folder. So at every moment, a power cut included, the name leads to the whole old
            or the whole new file. A failure leaves the old one; only `kill -9` and power cuts can
            leave a hidden ".tmp…" beside it (ours or safetensors' own), which may be deleted.

Reading     believes nothing: the header's length is bounded before anything is parsed, safetensors
            checks that the arrays fill the file exactly, and a CRC-32 covers text and arrays.
"""

import contextlib
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Tensors = Mapping[str, NDArray[Any]]
PathLike = str | os.PathLike[str]

KEY = "chainrule"  # of the metadata entry "<crc> <text>"
MAX_HEADER = 16 * 2**20  # bytes; 784 pixels and a thousand epochs of history need 200 thousand


class CheckpointError(ValueError):
    """A file that is not a checkpoint, is damaged, or is not the one asked for."""


def refuse(path: PathLike, why: str) -> NoReturn:
    """Raise CheckpointError saying what is wrong with the file, and what to do."""
    raise CheckpointError(f"{os.fspath(path)} {why}") from None


def write(path: PathLike, tensors: Tensors, text: str) -> None:
    """Put host arrays and a text into `path`, replacing what is there, whole or not at all.

    Raises:
        OSError: full disk, missing or unwritable folder, a folder of that name.
        ValueError: the text is longer than `read` would accept.
    """
    if len(text.encode()) > MAX_HEADER // 2:
        raise ValueError(f"{path} was not written: its metadata exceeds {MAX_HEADER // 2} bytes")
    target = Path(os.path.realpath(path))  # through a link, not over it
    temp = target.with_name(f".tmp{uuid4().hex}")
    try:
        with open(temp, "xb") as file:
            mode = os.fstat(file.fileno()).st_mode  # what the user's umask gives a new file
        save_file(dict(tensors), temp, {KEY: f"{_checksum(tensors, text)} {text}"})
        os.chmod(temp, mode)
        with open(temp, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temp, target)
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"could not write {path}: {error}; what was there is untouched, so free some space "
            "or name a folder that can be written to"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it is gone unless something failed
            temp.unlink()
    _sync_folder(target.parent)


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
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = os.fstat(file.fileno()).st_size
    if size < 8 or length > min(size - 8, MAX_HEADER):
        refuse(path, "is not a chainrule checkpoint, or is cut short; use another copy")


def _checksum(tensors: Tensors, text: str) -> str:
    """Return the CRC-32 of the text and of every array's name, dtype, shape and bytes."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where folders can be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
