"""What data are, in 64 letters: whether a training goes on with those it began on.

A hash of values, shapes and kinds, not of how they are kept: whole numbers of any width (bits and
bools among them) are the same numbers, and so are real ones, but 1 and 1.0 differ, for a category
is no real number. Arrays are read in blocks, so they may be mapped from files larger than memory.

`of` writes "2:" in front. Trainings of earlier versions keep their own hashes, which `agrees` has
recomputed as they were: `of_format_1`, and others that only their callers know.
"""

import hashlib
from collections.abc import Callable
from dataclasses import is_dataclass
from math import prod
from typing import Any

import numpy as np

from chainrule.engine.ragged import Ragged
from chainrule.kernels.dispatch import on_device

SCHEME = "2:"
BLOCK = 1 << 20  # values hashed at once


def of(*parts: Any) -> str:
    """Return the fingerprint of some data, in their order.

    parts: arrays on either side, what reads like one (len and slices), `Ragged`, numbers, strings,
    bytes, None, frozen dataclasses such as events and Configs, and tuples and lists of these.

    Raises:
        TypeError: something else, whose values are not known.
    """
    digest = hashlib.sha256()
    _add(digest, parts)
    return SCHEME + digest.hexdigest()


def agrees(stored: Any, now: str, *older: Callable[[], str]) -> bool:
    """Return whether a stored fingerprint is that of the data at hand.

    now: what `of` says of them. older: functions that say what earlier versions said of them,
    called only for a fingerprint of such a version.
    """
    if isinstance(stored, str) and stored.startswith(SCHEME):
        return stored == now
    return isinstance(stored, str) and any(stored == before() for before in older)


def _add(digest: Any, part: Any) -> None:
    """Hash one part: its kind and size first, so that no two lists of parts read alike."""
    if isinstance(part, np.generic):
        part = part.item()
    if part is None or isinstance(part, bool | int | float) or is_dataclass(part):
        _say(digest, type(part).__name__, repr(part).encode("utf-8", "surrogatepass"))
    elif isinstance(part, str):
        _say(digest, "str", part.encode("utf-8", "surrogatepass"))
    elif isinstance(part, bytes):
        _say(digest, "bytes", part)
    elif isinstance(part, tuple | list):
        _say(digest, f"{len(part)} parts")
        for inner in part:
            _add(digest, inner)
    elif isinstance(part, Ragged):
        _say(digest, "rows")
        _add(digest, (part.flat, part.lengths))
    elif hasattr(part, "__len__") and not isinstance(part, dict | set | frozenset):
        _add_array(digest, part)
    else:
        raise TypeError(f"data of type {type(part).__name__} have no fingerprint; give arrays")


def _say(digest: Any, kind: str, content: bytes = b"") -> None:
    digest.update(f"{kind} {len(content)}:".encode())
    digest.update(content)


def _add_array(digest: Any, array: Any) -> None:
    """Hash an array, block by block."""
    shape = tuple(getattr(array, "shape", (len(array),)))
    dtype = _block(array, slice(0, 0)).dtype
    if dtype.kind in "UOT":  # words, of which the width of the widest is no part
        _say(digest, f"words {shape}")
        _add(digest, array.tolist())
        return
    wide = {"b": "<i8", "i": "<i8", "u": "<i8", "f": "<f8"}.get(dtype.kind)
    if wide is None:
        raise TypeError(f"data of dtype {dtype} have no fingerprint; give numbers")
    _say(digest, f"{'whole' if wide == '<i8' else 'real'} {shape}")
    step = max(1, BLOCK // max(1, prod(shape[1:])))
    for lo in range(0, shape[0] if shape else 0, step):
        values = _block(array, slice(lo, lo + step)).astype(wide)
        digest.update(np.ascontiguousarray(values + 0 if wide == "<f8" else values).data)  # no -0.0


def _block(array: Any, part: slice) -> Any:
    """Return a part of an array on the host."""
    block = array[part]
    return block.get() if on_device(block) else np.asarray(block)


def of_format_1(parts: Any) -> str:
    """Return what chainrule 0.1.0's `fit` said of the same parts."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Ragged):
            digest.update(of_format_1((part.flat, part.lengths)).encode())
            continue
        if not hasattr(part, "__len__") or isinstance(part, tuple):
            digest.update(repr(part).encode("utf-8", "surrogatepass"))
            continue
        digest.update(repr(getattr(part, "shape", (len(part),))).encode())
        step = max(1, BLOCK // prod(getattr(part, "shape", (1,))[1:]))
        for lo in range(0, len(part), step):
            block = np.asarray(part[lo : lo + step])
            values = block.astype(np.int64) if block.dtype.kind in "biu" else block
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def of_packed_bits(rows: Any, valid: Any) -> str:
    """Return what chainrule 0.1.0's command line said of rows of bits, and of those to validate."""
    digest = hashlib.sha256()
    for part in (rows, valid):
        digest.update(repr(None if part is None else part.shape).encode())
        digest.update(b"" if part is None else np.packbits(part).data)
    return digest.hexdigest()
