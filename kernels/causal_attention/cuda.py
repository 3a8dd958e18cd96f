"""CUDA twin of causal attention: tiles of scores in registers, made again in the backward.

Tiles       (tiles.cuh) A block owns rows of a head's scores and walks over the columns that the
            mask leaves, a tile at a time: two tiles of d numbers in shared memory, scores and
            outputs in registers. A warp has 4 · MINE rows, so softmax and P stay within it. MINE =
            8 where there are rows enough, else 4: 256 multiply-adds for 16 reads of 16 bytes, or
            128 for 12 (in the code for sm_90, of 279 and 147 instructions). Where the rows are too
            few to give each multiprocessor a block, a block takes fewer, and pairs of warps share
            the columns; what they found is added up at the end, in a fixed order. What a block
            takes, on this GPU and that, is decided in tiles.py.

Backward    Two launches, dq by queries, then dk and dv by keys, with nothing shared among blocks:
            the same bits every time. Scores and dP are computed in both: 14 d FLOPs a pair where
            10 d would do.

Floor       H100: 67 TFLOP/s and 3.35 TB/s; float32 throughout, since tensor cores would round
            products to 11 bits. FLOPs of F1-F4 and B1-B5 below the diagonal, bytes of each array
            once, in µs:

                (B, T, heads, d)     forward: FLOPs, bytes     backward: FLOPs, bytes
                (12, 64, 4, 32)                0.2     0.5               0.5      0.9
                (8, 256, 6, 64)                6.0     3.8              15.1      7.5
                (1, 784, 8, 64)                9.4     1.9              23.5      3.8

            so arithmetic sets it, but for the smallest, where three launches of some 3 µs do.

How near    Counted in instructions, of which a multiprocessor issues 4 a cycle at 1.75 GHz. At d =
            64 a tile of 16 × 64 scores takes 5,700 forward and 18,200 backward; 4,096 and 14,336 of
            them are multiply-adds. Tiles on the diagonal are half wasted: 1.25 times the scores at
            T = 256, 1.12 at 784. All schedulers busy, that is 12 and 38 µs for (8, 256, 6, 64) and
            17 and 53 µs for (1, 784, 8, 64); there the last queries' warps alone take 23 and 73 µs,
            and set the pace. The backward's extra 4 d are a quarter of its distance from the floor.
            Shared memory delivers 128 bytes a cycle: 12 reads take 12 to 48 cycles, depending on
            how far lanes that read the same are served at once, and the 147 instructions 37; so
            with MINE = 4 it may be what limits, with MINE = 8 (16 to 64, and 70) not. From L2, a
            block of 64 queries reads 512 bytes a key at d = 64: 6 bytes a cycle and multiprocessor
            of some 24. Two blocks or more fit a multiprocessor, to compute while others load.

Decoding    Reads 2 n t d numbers and does little else: at n = 8, d = 64, t = 4096 a row's 17 MB
            take 5 µs. One row has 8 heads for 132 multiprocessors; so a head's keys are split into
            parts of at least 256, until there are two blocks for each, and a second launch merges
            them, again in a fixed order.

Measured    On an H100, in µs of the GPU alone (`python -m bench.device`), beside PyTorch 2.11's
            scaled_dot_product_attention in float32 with autograd, recorded in a graph likewise:

                (B, T, heads, d)      forward: ours, PyTorch    with backward: ours, PyTorch
                (12, 64, 4, 32)               5.6     8.9             16.7      33.6
                (8, 256, 6, 64)              30.0    39.4            119.7     138.2
                (1, 784, 8, 64)              52.0    88.1            196.9     294.0
                (1, 4096, 8, 64)              634     786             2342      2628

            Two to three times the counts above: 27 TFLOP/s forward at T = 4096, half of what a
            large product reaches there (51.5). Two blocks a multiprocessor beat one by up to 13%,
            and at T = 256 four by 30%. Decoding (N = 1, t = 4096) takes 9.6 µs. From Python a call
            costs the host some 40 µs, forward and backward 100 to 180: called from there
            (`bench/results/gpu_sequences.json`), the forward alone takes 52, 88 and 106 µs at the
            first three sizes, and PyTorch's 34, 65 and 108.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.causal_attention.tiles import NEEDS, WARP, tiles
from chainrule.kernels.device import (
    Plan,
    aligned,
    blocks,
    current_device,
    launch,
    need_contiguous,
    planner,
)
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("causal_attention.cu")
BACKWARD_SOURCE = Path(__file__).with_name("causal_attention_backward.cu")
DECODE_SOURCE = Path(__file__).with_name("causal_attention_decode.cu")

LARGEST_HEAD = 256


@planner
def plan_tiled(
    kernel: str, shape: tuple[int, ...], dtype: np.dtype[Any], wide: bool, strides: tuple[Any, ...]
) -> Plan:
    """Return the launch of attention_forward, attention_dq or attention_dk_dv.

    shape: (N, T, n, d). wide: every row of every array may be read in 16-byte accesses.
    """
    N, T, n, d = shape
    padded = WARP * blocks(d, WARP)
    needs = NEEDS[kernel]
    chosen = tiles(needs, N * n, T, padded, dtype.itemsize, wide)
    constants = {"PADDED": padded, **chosen._asdict(), "VECTOR": int(wide)}
    return Plan(
        kernel,
        dtype,
        grid=(N * n * blocks(T, chosen.rows),),
        block=chosen.ROW_WARPS * chosen.SLICES * WARP,
        scalars=(*map(np.int32, shape), dtype.type(d**-0.5), *strides),
        shared_bytes=chosen.shared_bytes(needs, padded, dtype.itemsize),
        constants=tuple(constants.items()),
        strided=True,
    )


@planner
def plan_decode(
    shape: tuple[int, ...], S: int, dtype: np.dtype[Any], wide: bool, strides: tuple[Any, ...]
) -> Plan:
    """Return the launch of attention_decode: heads times the parts that their keys come in.

    shape: (N, n, d). Parts are as many as fill the device twice over, of 256 keys at least.
    """
    N, n, d = shape
    packs = blocks(d, 16 // dtype.itemsize)
    lanes = min(WARP, max(8, 1 << (packs - 1).bit_length()))
    splits = max(1, min(blocks(S, 256), 2 * current_device().multiprocessors // max(1, N * n)))
    constants = {"KEY_LANES": lanes, "PACKS_A_LANE": blocks(packs, lanes), "VECTOR": int(wide)}
    sizes = (np.int32(n), np.int32(d), np.int32(splits))
    return Plan(
        "attention_decode",
        dtype,
        grid=(N * n * splits,),
        block=128,
        scalars=(*sizes, dtype.type(d**-0.5), *strides),
        constants=tuple(constants.items()),
        strided=True,
    )


@planner
def plan_merge(decode: Plan, strides: tuple[Any, ...]) -> Plan:
    """Return the launch of attention_decode_merge over the parts of `decode`."""
    n, d, splits = decode.scalars[:3]
    return Plan(
        "attention_decode_merge",
        decode.dtype,
        grid=(decode.grid[0] // int(splits),),
        block=decode.block,
        scalars=(n, d, splits, *strides),
        constants=decode.constants,
        strided=True,
    )


def _strides(*arrays: Array) -> tuple[Any, ...]:
    """Return the steps along all axes but the last, in numbers, of one array after the other."""
    return tuple(np.int64(s // a.itemsize) for a in arrays for s in a.strides[:-1])


def _wide(*arrays: Array) -> bool:
    """Check the arrays and return whether all of their rows may be read in 16-byte accesses."""
    d = arrays[0].shape[-1]
    if d > LARGEST_HEAD:
        raise ValueError(
            f"on a GPU, attention takes heads of up to {LARGEST_HEAD} numbers, got {d}"
        )
    if any(a.strides[-1] != a.itemsize and d > 1 for a in arrays):
        raise ValueError(
            "causal_attention: the last axis must be contiguous; copy the arrays first"
        )
    steps = [s for a in arrays for s in a.strides[:-1]]
    return aligned(*arrays) and all(s % 16 == 0 for s in (*steps, d * arrays[0].itemsize))


def forward(q: Array, k: Array, v: Array, o: Array, lse: Array) -> None:
    """See `chainrule.kernels.causal_attention.forward`."""
    arrays = (q, k, v, o)
    need_contiguous("causal_attention", lse)
    wide = _wide(*arrays)
    plan = plan_tiled("attention_forward", q.shape, q.dtype, wide, _strides(*arrays))
    launch(SOURCE, plan, *arrays, lse)


def backward(
    do: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """See `chainrule.kernels.causal_attention.backward`."""
    need_contiguous("causal_attention", lse)
    wide = _wide(do, q, k, v, o, dq, dk, dv)
    strides = _strides(do, q, k, v, o, dq)
    mean: Array = array_module(q).empty(lse.shape, q.dtype)
    plan = plan_tiled("attention_dq", q.shape, q.dtype, wide, strides)
    launch(BACKWARD_SOURCE, plan, do, q, k, v, o, lse, dq, mean)
    strides = _strides(do, q, k, v, dk, dv)
    plan = plan_tiled("attention_dk_dv", q.shape, q.dtype, wide, strides)
    launch(BACKWARD_SOURCE, plan, do, q, k, v, lse, mean, dk, dv)


def decode(q: Array, keys: Array, values: Array, length: Ids, o: Array) -> None:
    """See `chainrule.kernels.causal_attention.decode`."""
    need_contiguous("causal_attention", length)
    wide, S = _wide(keys, values, q, o), keys.shape[1]
    plan = plan_decode(q.shape, S, q.dtype, wide, _strides(keys, values, q, o))
    splits, d = int(plan.scalars[2]), q.shape[2]
    partial: Array = array_module(q).empty((plan.grid[0], 2 + d) if splits > 1 else 0, q.dtype)
    launch(DECODE_SOURCE, plan, q, keys, values, length, o, partial)
    if splits > 1:
        launch(DECODE_SOURCE, plan_merge(plan, _strides(o)), partial, o)
