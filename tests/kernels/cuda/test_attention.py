"""Causal attention's CUDA kernels on the CPU rig, beyond what `cases` asks of every kernel."""

from itertools import pairwise

import numpy as np
import pytest
from cuda_on_cpu import attention
from cuda_on_cpu.cases import Case, Expected, cast
from cuda_on_cpu.fake_cupy import to_device
from cuda_on_cpu.rig import ORDERS

from chainrule.kernels import causal_attention
from chainrule.kernels.causal_attention import cuda, reference, tiles
from chainrule.kernels.device import Device, use_device

CASE = Case(causal_attention, attention.inputs, attention.run)
FLOATS = [np.float32, np.float64]


def check(rig, inputs, dtype, orders=ORDERS):
    """Compare with the reference, and the bits of every order with those of the first."""
    expected = Expected(CASE, reference, inputs, dtype)
    on_device = {k: to_device(a) for k, a in cast(inputs, dtype).items()}
    first = None
    for rig.order in orders:
        got = CASE.run(causal_attention, **on_device)
        expected.check(got)
        first = first or got
        for output in got:
            np.testing.assert_array_equal(got[output], first[output], err_msg=output)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [32, 64, 96, 128, 131, 192, 256])
def test_head_sizes(d, dtype, rig, rng):
    check(rig, attention.sized(rng, 1, 67, 1, d), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [31, 64, 128, 256])
@pytest.mark.parametrize("shared", [64, 99])
def test_cards_with_less_shared_memory(shared, d, dtype, rig, rng):
    """Where a block has room for smaller tiles, for fewer warps: one warp, in the end."""
    with use_device(Device(40, shared * 1024)):
        check(rig, attention.sized(rng, 1, 67, 1, d), dtype, orders=(0, 3, 5))


# T = 130 and two heads make 4 blocks of 128 rows, 6 of 64, 10 of 32: two for each of these.
CHOICES = {1: (4, 1), 3: (4, 1), 5: (2, 2), 132: (1, 2)}


@pytest.mark.parametrize("multiprocessors", CHOICES, indirect=True)
def test_every_way_to_share_a_block(multiprocessors, rig, rng):
    """Many rows a block to few; one slice of columns, and two, of which one may see nothing."""
    chosen = tiles.tiles(tiles.NEEDS["attention_forward"], 2, 130, 32, 4, True)
    assert (chosen.ROW_WARPS, chosen.SLICES) == CHOICES[multiprocessors]
    assert chosen.MINE == (8 if multiprocessors == 1 else 4)
    check(rig, attention.sized(rng, 1, 130, 2, 20), np.float32)


def test_logits_of_ten_thousand(rig, rng):
    inputs = attention.sized(rng, 2, 70, 2, 8)
    q, k = inputs["qkv"][:, :, 0], inputs["qkv"][:, :, 1]
    for a in (q, k, inputs["cache"][:, :, 0]):
        a *= np.sqrt(1e4 * 8**0.5) / np.linalg.norm(a, axis=-1, keepdims=True)
    k[:, ::2], k[:, 1::2] = -q[:, ::2], q[:, 1::2]  # of a position with itself: -1e4, +1e4, …
    true = CASE.run(reference, **inputs)
    assert true["lse"].max() > 9000 > -9000 > true["lse"].min()
    assert all(np.isfinite(a).all() for a in true.values())
    check(rig, inputs, np.float32)


def test_long_sequence(rig, rng):
    """T = 4096: what the last positions see, and gradients of the first keys."""
    check(rig, attention.sized(rng, 1, 4096, 1, 16), np.float32, orders=(0,))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("S", "d"), [(1000, 24), (257, 128), (300, 1), (260, 256)])
def test_decode_in_parts(S, d, dtype, rig, rng):
    """Caches long enough to be split, with lengths from nothing to all of it."""
    length = np.array([S, 0, 1, 7, S // 2, S - 1], np.int32)
    N, n = len(length), 2
    plan = cuda.plan_decode((N, n, d), S, np.dtype(dtype), False, ())
    assert plan.scalars[2] > 1
    inputs = {
        "q": rng.normal(size=(N, 3, n, d)),
        "cache": rng.normal(size=(2, N, n, S, d)),
        "length": length,
    }

    def run(op, q, cache, length):
        keys, values = (a.transpose(0, 2, 1, 3) for a in cache)
        o = q * np.nan
        op.decode(q[:, 1], keys, values, length, o[:, 2])
        return {"o": o[:, 2]}

    case = Case(causal_attention, attention.inputs, run)
    expected = Expected(case, reference, inputs, dtype)
    on_device = {k: to_device(a) for k, a in cast(inputs, dtype).items()}
    first = None
    for rig.order in ORDERS:
        got = run(causal_attention, **on_device)["o"]
        expected.check({"o": got})
        first = got if first is None else first
        np.testing.assert_array_equal(got, first)


@pytest.mark.parametrize("layout", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_any_layout_and_nothing_beside_it(layout, rig, rng):
    """Arrays whose axes lie in another order; what lies between the outputs stays as it was."""
    N, T, n, d = 2, 35, 3, 5
    inputs = attention.sized(rng, N, T, n, d)
    back = np.argsort(layout)

    def room(a=None):
        whole = np.full([(N, T, n)[axis] for axis in layout] + [d + 2], 7.0)
        view = whole.transpose(*back, 3)[..., 1:-1]
        if a is not None:
            view[...] = a
        whole = to_device(whole)
        return whole, whole.transpose(*back, 3)[..., 1:-1]

    q, k, v = (room(inputs["qkv"][:, :, part])[1] for part in range(3))
    do = room(inputs["do"])[1]
    outputs = {name: room() for name in ("o", "dq", "dk", "dv")}
    lse = to_device(np.empty((N, n, T)))
    o, dq, dk, dv = (view for _, view in outputs.values())
    causal_attention.forward(q, k, v, o, lse)
    causal_attention.backward(do, q, k, v, o, lse, dq, dk, dv)
    true = CASE.run(reference, **inputs)
    for name, (whole, view) in outputs.items():
        np.testing.assert_allclose(view.get(), true[name], rtol=1e-12, atol=1e-13)
        assert (whole.get()[..., [0, -1]] == 7).all(), name


@pytest.mark.parametrize(("N", "n"), [(0, 2), (2, 0), (0, 0)])
def test_no_sequences_and_no_heads(N, n, rig):
    empty = to_device(np.zeros((N, 3, n, 4)))
    lse = to_device(np.zeros((N, n, 3)))
    causal_attention.forward(empty, empty, empty, empty, lse)
    causal_attention.backward(empty, empty, empty, empty, empty, lse, empty, empty, empty)
    length = to_device(np.zeros(N, np.int32))
    causal_attention.decode(empty[:, 0], empty, empty, length, empty[:, 0])


def test_limits_are_named(rig):
    wide, lse = to_device(np.zeros((1, 1, 1, 257))), to_device(np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="heads of up to 256 numbers, got 257"):
        causal_attention.forward(wide, wide, wide, wide, lse)
    a = to_device(np.zeros((2, 3, 4, 5)))
    lse = to_device(np.zeros((2, 4, 3)))
    apart = to_device(np.zeros((2, 3, 4, 10)))[..., ::2]
    with pytest.raises(ValueError, match="last axis must be contiguous"):
        causal_attention.forward(a, a, apart, a, lse)
    with pytest.raises(ValueError, match="must be C-contiguous"):
        causal_attention.forward(a, a, a, a, to_device(np.zeros((2, 4, 6)))[..., ::2])


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("shared", [227, 163, 99, 64])
@pytest.mark.parametrize("kernel", tiles.NEEDS)
@pytest.mark.parametrize("itemsize", [4, 8])
def test_tiles_fit(kernel, itemsize, shared, wide):
    """What a block may have on an H100, an A100, a desktop card and a T4; fewer rows, if few."""
    needs = tiles.NEEDS[kernel]
    for padded in range(32, 257, 32):
        for T in (1, 64, 65, 784, 4096):
            sizes = []
            for pairs in (1, 8, 48, 1000):
                with use_device(Device(132, shared * 1024)):
                    chosen = tiles.tiles(needs, pairs, T, padded, itemsize, wide)
                assert chosen.is_whole()
                assert chosen.shared_bytes(needs, padded, itemsize) <= min(shared, 113) * 1024
                assert chosen.registers(needs, padded, itemsize) <= tiles.REGISTERS[wide]
                sizes.append(chosen.rows)
            assert all(few <= many for few, many in pairwise(sizes))


def test_plans_are_kept_for_each_device():
    shape, dtype = (8, 1024, 16, 128), np.dtype(np.float32)
    most = {}
    for shared in (227, 163, 99, 64):
        with use_device(Device(132, shared * 1024)):
            plans = [
                cuda.plan_tiled(kernel, shape, dtype, True, (1,) * 18) for kernel in tiles.NEEDS
            ]
        most[shared] = max(plan.shared_bytes for plan in plans) / 1024
        assert most[shared] <= shared
    assert most[227] > 99 and most[99] > 64
