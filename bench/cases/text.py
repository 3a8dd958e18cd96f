"""The symbols that the benchmarks of sequences run on: real characters where they are at hand."""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
FILE = "tinyshakespeare.txt"
V = 65  # distinct characters in it


def source() -> str:
    """Return in words which symbols are used."""
    if _file():
        return "tiny-shakespeare (CHAINRULE_DATA), windows at random places, fixed seed"
    return f"synthetic symbols, as unequal as letters (CHAINRULE_DATA has no {FILE})"


def windows(B: int, T: int) -> Any:
    """Return B windows of T symbols in 0 … V-1, (B, T) int32; always the same for B and T."""
    rng = np.random.default_rng([SEED, B, T])
    if _file():
        ids = _characters()
        starts = rng.integers(0, len(ids) - T + 1, B)
        return np.stack([ids[start : start + T] for start in starts])
    share = 1 / np.arange(1, V + 1)  # Zipf's law
    return rng.choice(V, (B, T), p=share / share.sum()).astype(np.int32)


def _file() -> Path | None:
    folder = os.environ.get("CHAINRULE_DATA")
    path = Path(folder) / FILE if folder else None
    return path if path and path.is_file() else None


@functools.cache
def _characters() -> Any:
    """Return the file's characters as ids, in the order of their code points."""
    path = _file()
    assert path is not None
    codes = np.frombuffer(path.read_bytes(), np.uint8)
    return np.unique(codes, return_inverse=True)[1].astype(np.int32)
