"""The LSTM over pixels: its order, its gradients, its twins, who sees whom, and what is refused."""

import numpy as np
import pytest
from cuda_on_cpu import grids
from cuda_on_cpu.cases import CASES, Expected, cast
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import grid_lstm, use_threads
from chainrule.kernels.grid_lstm import cpu, diagonals, mirrored, reference, rows
from chainrule.kernels.maths import sigmoid

CASE = CASES["grid_lstm"]
KINDS = [rows, diagonals, mirrored]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
# N, R, S, H, groups
SIZES = [(1, 1, 1, 1, 1), (2, 3, 2, 2, 2), (1, 2, 4, 3, 3), (3, 1, 3, 2, 1), (2, 3, 1, 2, 1)]
ODD = [*SIZES, (3, 7, 5, 33, 3), (2, 5, 9, 16, 1), (40, 4, 6, 17, 1), (5, 3, 300, 2, 1)]


@pytest.fixture(autouse=True)
def many_threads(monkeypatch):
    """Let threads share even the smallest work."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 1)


def draw(rng, kind, N, R, S, H, groups):
    """Return a, W, fronts and dh."""
    fronts = kind(groups)
    W = rng.normal(size=(len(fronts.taps), H, 4 * H)) / H**0.5
    return rng.normal(size=(N, R, S, 4 * H)), W, fronts, rng.normal(size=(N, R, S, H))


def forward(a, W, fronts, op=grid_lstm):
    """Return gates, h and c."""
    gates = a.copy()
    h = np.full((*a.shape[:3], a.shape[3] // 4), np.nan, a.dtype)
    c = h.copy()
    op.forward(gates, W, fronts, h, c)
    return gates, h, c


def pixels(kind, R, S):
    """Return all pixels in an order in which they can be worked out."""
    columns = range(S) if kind is not mirrored else range(S - 1, -1, -1)
    return [(i, j) for i in range(R) for j in columns]


@every_kind
@pytest.mark.parametrize("size", ODD, ids=str)
def test_cell_by_cell_by_the_definition(kind, size, backend, rng):
    """Number by number, with a frame of zeros around the image."""
    a, W, fronts, _ = draw(rng, kind, *size)
    N, R, S, H, groups = size
    h, c = np.zeros((2, N, R + 2, S + 2, H))
    taps = {rows: [(-1, -1), (-1, 0), (-1, 1)], diagonals: [(-1, 0), (0, -1)]}
    for i, j in pixels(kind, R, S):
        z = a[:, i, j].copy()
        for (u, v), W_p in zip(taps.get(kind, [(-1, 0), (0, 1)]), W, strict=True):
            z += h[:, i + 1 + u, j + 1 + v] @ W_p
        u, v = {rows: (-1, 0), diagonals: (0, -1), mirrored: (0, 1)}[kind]
        w = H // groups
        for g in range(groups):
            own = slice(g * w, g * w + w)
            of_gate = [z[:, (4 * g + k) * w : (4 * g + k + 1) * w] for k in range(4)]
            before = c[:, i + 1 + u, j + 1 + v, own]
            c_new = sigmoid(of_gate[1]) * before + sigmoid(of_gate[0]) * np.tanh(of_gate[2])
            c[:, i + 1, j + 1, own] = c_new
            h[:, i + 1, j + 1, own] = sigmoid(of_gate[3]) * np.tanh(c_new)
    _, found_h, found_c = forward(a, W, fronts)
    assert_allclose(found_h, h[:, 1:-1, 1:-1], rtol=1e-10, atol=1e-12)
    assert_allclose(found_c, c[:, 1:-1, 1:-1], rtol=1e-10, atol=1e-12)


@every_kind
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradient(kind, size, backend, rng):
    a, W, fronts, dh = draw(rng, kind, *size)

    def loss():
        return float((forward(a, W, fronts)[1] * dh).sum())

    gates, h, c = forward(a, W, fronts)
    da, dW = gates * np.nan, W * np.nan
    grid_lstm.backward(dh, gates, W, fronts, h, c, da, dW)
    agree(da, numeric_grad(loss, a), "da")
    numeric = numeric_grad(loss, W)
    assert_allclose(dW, numeric, rtol=1e-6, atol=1e-8)
    assert numeric.any() or size[1:3] == (1, 1) or (kind is rows and size[1] == 1)


@every_kind
def test_nothing_comes_from_the_future(kind, backend, rng):
    """A change of a at one pixel reaches all cells after it, and no other."""
    R, S = 4, 5
    a, W, fronts, _ = draw(rng, kind, 1, R, S, 3, 1)
    _, before, _ = forward(a, W, fronts)
    for i, j in pixels(kind, R, S):
        changed = a.copy()
        changed[0, i, j] += 1
        moved = (forward(changed, W, fronts)[1] != before).any(axis=(0, 3))
        rows_on, columns = np.arange(R)[:, None] - i, np.arange(S) - j
        reached = {
            rows: (rows_on >= 0) & (abs(columns) <= rows_on),
            diagonals: (rows_on >= 0) & (columns >= 0),
            mirrored: (rows_on >= 0) & (columns <= 0),
        }[kind]
        assert_array_equal(moved, reached)


@every_kind
def test_groups_stay_clean(kind, backend, rng):
    """What group 1 is given moves group 1 of its own pixel alone, and all groups of later ones."""
    a, W, fronts, _ = draw(rng, kind, 2, 3, 4, 6, 3)
    changed = a.copy()
    changed[:, 1, 2, 8:16] += 1
    moved = (forward(changed, W, fronts)[1] != forward(a, W, fronts)[1]).any(axis=0)
    assert_array_equal(moved[1, 2], [False, False, True, True, False, False])
    assert moved[2, 2].all()


@every_kind
def test_pixel_by_pixel_is_the_same(kind, backend, rng):
    """To the last bit, alone or in fronts: samplers rely on it."""
    a, W, fronts, _ = draw(rng, kind, 9, 4, 5, 18, 3)
    a, W = a.astype(np.float32), W.astype(np.float32)
    gates, h, c = forward(a, W, fronts)
    h_one, c_one = h * np.nan, c * np.nan
    for i, j in pixels(kind, 4, 5):
        z = a[:, i, j].copy()
        grid_lstm.pixel(z, W, fronts, i, j, h_one, c_one)
        close = {"rtol": 0, "atol": 0 if backend == "cpu" else 1e-6}
        assert_allclose(z, gates[:, i, j], **close)
    assert_allclose(h_one, h, **close)
    assert_allclose(c_one, c, **close)


@pytest.mark.parametrize("threads", [1, 3])
@both_dtypes
@pytest.mark.parametrize("shape", grids.SHAPES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(shape, dtype, threads, rng):
    inputs = CASE.inputs(rng, *shape)
    with use_threads(threads):
        got = CASE.run(cpu, **cast(inputs, dtype))
    Expected(CASE, reference, inputs, dtype).check(got)


@both_dtypes
@pytest.mark.parametrize("size", ODD, ids=str)
@every_kind
def test_cpu_at_odd_sizes(kind, size, dtype, rng, assert_rounds_like_numpy):
    def run(op, dtype):
        args = [x.astype(dtype) for x in (a, W, dh)]
        gates, h, c = forward(args[0], args[1], fronts, op)
        dW, kept = args[1] * np.nan, gates.copy()
        op.backward(args[2], gates, args[1], fronts, h, c, gates, dW)
        return kept, h, c, gates, dW

    a, W, fronts, dh = draw(rng, kind, *size)
    a, W, dh = (x.astype(dtype).astype(np.float64) for x in (a, W, dh))
    truths = run(reference, np.longdouble)
    with use_threads(3):
        for got, ref, true in zip(run(cpu, dtype), run(reference, dtype), truths, strict=True):
            assert_rounds_like_numpy(got, ref, true)


@every_kind
def test_no_images(kind, backend, rng):
    a, W, fronts, dh = draw(rng, kind, 0, 3, 4, 2, 1)
    gates, h, c = forward(a, W, fronts)
    dW = W * np.nan
    grid_lstm.backward(dh, gates, W, fronts, h, c, gates, dW)
    assert not dW.any()


@every_kind
def test_large_numbers_saturate_and_nan_shows(kind, backend, rng):
    a, W, fronts, _ = draw(rng, kind, 2, 3, 3, 4, 1)
    with np.errstate(under="ignore"):
        _, h, c = forward((a * 1e4).astype(np.float32), W.astype(np.float32), fronts)
    assert np.isfinite(h).all() and np.isfinite(c).all()
    a[0, 0, 1] = np.nan
    _, h, _ = forward(a, W, fronts)
    assert np.isnan(h[0, 1, 1]).all() and np.isfinite(h[1]).all()


@pytest.mark.parametrize(
    ("shape", "fronts", "message"),
    [
        ((2, 4, 16), rows(), r"W must have shape \(3, 4, 16\)"),
        ((3, 4, 16), diagonals(), r"W must have shape \(2, 4, 16\)"),
        ((2, 4, 16), mirrored(3), "4 units cannot be cut into 3 groups"),
    ],
)
def test_what_is_refused(shape, fronts, message):
    a, h, W = np.zeros((1, 2, 2, 16)), np.zeros((1, 2, 2, 4)), np.zeros(shape)
    with pytest.raises(ValueError, match=message):
        grid_lstm.forward(a, W, fronts, h, h.copy())
    with pytest.raises(ValueError, match=message):
        grid_lstm.backward(h, a, W, fronts, h, h, a, W)
    with pytest.raises(ValueError, match=message):
        grid_lstm.pixel(a[:, 0, 0], W, fronts, 0, 0, h, h)
