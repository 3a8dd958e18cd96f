"""CUDA twin of rotary positions: one sweep in place, 16-byte accesses, angles from a table.

On an H100 (3.35 TB/s, 67 TFLOP/s), queries of 12 windows of 64, C=128 in float32 are read and
written, 0.8 MB, 0.2 µs: the launch, a few µs, is the floor. 3 FLOPs a number are nothing.

The angles are found on the host, in float64 as the contract says, and kept on the device: the
layers and steps of a training run ask for the same few. So a first call waits for a small copy,
and cannot be part of a graph that is being recorded; the calls after it can. (Waiting and refusing
were tested with a stand-in for CuPy's streams, not on a GPU.)

Measured on an H100 (`python -m bench.device`): 2.1 µs.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import (
    Plan,
    aligned,
    blocks,
    constant,
    current_device,
    launch,
    planner,
)
from chainrule.kernels.rotary import angles
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("rotary.cu")
THREADS = 256


@planner
def plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: np.dtype[Any],
    wide: bool,
    direction: int,
) -> Plan:
    """Return the launch of rotary_rotate for x of a shape and strides, the latter in bytes.

    wide: the array starts on a 16-byte boundary.

    Raises:
        ValueError: x's last two axes are not contiguous.
    """
    B, T, heads, d = shape
    if (d > 1 and strides[3] != dtype.itemsize) or (heads > 1 and strides[2] != d * strides[3]):
        raise ValueError("rotary: the last two axes must be contiguous; copy the array first")
    pack, half = 16 // dtype.itemsize, d // 2
    vector = wide and half % pack == 0 and not (strides[0] % 16 or strides[1] % 16)
    threads = B * T * heads * half // (pack if vector else 1)
    scalars = (
        *(np.int32(size) for size in (B, T, heads, half)),
        *(np.int64(stride // dtype.itemsize) for stride in strides[:2]),
        dtype.type(direction),
    )
    constants, grid = (("VECTOR", int(vector)),), (blocks(threads, THREADS),)
    return Plan("rotary_rotate", dtype, grid, THREADS, scalars, 0, constants, strided=True)


def rotate(x: Array, first: int, direction: int) -> None:
    """See `chainrule.kernels.rotary.rotate`."""
    tables = _tables(current_device().number, first, x.shape[1], x.shape[3], x.dtype)
    launch(SOURCE, plan(x.shape, x.strides, x.dtype, aligned(x), direction), x, *tables)


@lru_cache(maxsize=64)
def _tables(device: int, first: int, T: int, d: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the contract's `angles` on the current device, whose number is `device`."""
    size = 1 << max(0, first + T - 1).bit_length()
    cosine, sine = _all_tables(device, size, d, dtype)
    return cosine[first : first + T], sine[first : first + T]


@cache
def _all_tables(device: int, size: int, d: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the angles of positions 0 … size - 1, kept for good.

    A recorded graph, or a kernel of another stream, may read them at any time from now on. Sizes
    are powers of two, so all of them together are less than twice the largest.
    """
    cosine, sine = angles(0, size, d, dtype)
    return constant(cosine), constant(sine)
