"""The binary rows that the benchmarks run on: real MNIST where it is at hand, else look-alikes."""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 28
ONES = 0.13  # share of ones in binarized MNIST
SEED = 0


def source() -> str:
    """Return in words which rows are used."""
    if _mnist_file():
        return "binarized MNIST (CHAINRULE_DATA), training rows shuffled with a fixed seed"
    return f"synthetic rows, {ONES:.0%} ones in MNIST-like columns (CHAINRULE_DATA has no MNIST)"


def rows(N: int, D: int, ones: float | None = None) -> Any:
    """Return N binary rows of D columns, (N, D) uint8; always the same for the same arguments.

    ones: None for MNIST's images; else independent bits, each a one with this probability.
    D other than 784 takes evenly spaced pixels, repeated where D is larger, so that the share of
    ones stays MNIST's.
    """
    rng = np.random.default_rng([SEED, N, D])
    if ones is not None:
        return (rng.random((N, D)) < ones).astype(np.uint8)
    columns = np.linspace(0, SIDE * SIDE - 1, D).round().astype(int)
    if _mnist_file():
        return np.ascontiguousarray(_mnist()[:N, columns])
    return (rng.random((N, D)) < _column_means()[columns]).astype(np.uint8)


def _mnist_file() -> Path | None:
    folder = os.environ.get("CHAINRULE_DATA")
    path = Path(folder) / "binarized_mnist.npz" if folder else None
    return path if path and path.is_file() else None


@functools.cache
def _mnist() -> Any:
    with np.load(str(_mnist_file()), allow_pickle=False) as file:
        train = np.unpackbits(file["train"], axis=1, count=SIDE * SIDE)
    return train[np.random.default_rng(SEED).permutation(len(train))]


def _column_means() -> Any:
    """Return (784,) means like MNIST's: a bright, broad middle and an empty border."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    bump = np.exp(-(x**2 + y**2) / (2 * 5.5**2)).ravel()
    return np.minimum(bump * ONES / bump.mean(), 0.95)
