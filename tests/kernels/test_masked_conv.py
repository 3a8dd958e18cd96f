"""Masked convolution: who sees whom, its gradients, its twins, and what is never touched."""

from itertools import product

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from support.parity import Parity, agree

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import masked_conv, use_backend, use_threads
from chainrule.kernels.masked_conv import (
    Window,
    above,
    cpu,
    full,
    left,
    raster,
    reference,
    runs,
)
from chainrule.kernels.tiles import HEIGHT, panel_width

MAKERS = {"raster": raster, "above": above, "left": left}
WINDOWS = [  # what makes it, k, kind, groups
    *product(["raster"], [3, 5, 7], "AB", [1, 3]),
    *product(["above"], [3, 5], "AB", [1]),
    *product(["left"], [3, 5], "AB", [1, 3]),
    *(("raster", 1, *rest) for rest in (("B", 1), ("A", 3), ("B", 3))),
    *(("above", 1, "B", 1), ("left", 1, "B", 3)),
    *product(["full"], [1, 3, 5], "B", [1]),
]
SIZES = [(1, 1, 1), (1, 4, 3), (2, 2, 5)]  # images, rows, columns
every_window = pytest.mark.parametrize("spec", WINDOWS, ids=lambda s: " ".join(map(str, s)))


@pytest.fixture(params=["reference", "cpu", "cuda"])
def on_side(request):
    """Run a test on each side, "cuda" on the rig; return what copies an array there."""
    if request.param == "cuda":
        request.getfixturevalue("rig")
        yield to_device
    else:
        with use_backend(request.param):
            yield np.array


def window_of(spec):
    name, k, kind, groups = spec
    if name == "full":
        return full(k)
    return MAKERS[name](k, kind) if name == "above" else MAKERS[name](k, kind, groups)


def sees(spec, u, v, g, h):
    """Return by definition whether group g sees group h of the pixel u rows down, v columns on."""
    name, k, kind, _ = spec
    inside = abs(u) <= k // 2 and abs(v) <= k // 2
    own = u == v == 0 and (h < g or (h == g and kind == "B"))
    if name == "full":
        return inside
    if name == "above":
        return inside and (u < 0 or (u == 0 and kind == "B"))
    if name == "left":
        return inside and u == 0 and (v < 0 or own)
    return inside and (u < 0 or (u == 0 and v < 0) or own)


def seeing(spec, R, S):
    """Return who sees whom, (R, S, groups) by (R, S, groups), out of an image of R × S pixels."""
    places = list(product(range(R), range(S), range(spec[3])))
    shape = (R, S, spec[3])
    pairs = [[sees(spec, i - r, j - s, g, h) for i, j, h in places] for r, s, g in places]
    return np.array(pairs).reshape(*shape, *shape)


def visible(spec, C, O):
    """Return which weights are seen, (T, C, O), by definition."""
    taps, groups = list(window_of(spec).taps()), spec[3]
    seen = np.zeros((len(taps), C, O), bool)
    for t, c, o in np.ndindex(seen.shape):
        seen[t, c, o] = sees(spec, *taps[t], o * groups // O, c * groups // C)
    return seen


def problem(rng, spec, N=2, R=4, S=5, each=2, dtype=np.float64, more=1):
    """Return x, W, b and dy of a window with `each` channels a group, some more in the outputs."""
    window, groups = window_of(spec), spec[3]
    C, O = groups * each, groups * (each + more)
    shapes = (N, R, S, C), (window.n_taps, C, O), (O,), (N, R, S, O)
    return window, *(rng.normal(size=shape).astype(dtype) for shape in shapes)


# --- windows --------------------------------------------------------------------------------------

DRAWN = {
    ("raster", 3, "B", 1): "■■■ ■■· ···",
    ("raster", 3, "A", 1): "■■■ ■·· ···",
    ("raster", 3, "A", 3): "■■■ ■■· ···",
    ("raster", 5, "B", 1): "■■■■■ ■■■■■ ■■■·· ····· ·····",
    ("above", 3, "A", 1): "■■■ ··· ···",
    ("above", 3, "B", 1): "■■■ ■■■ ···",
    ("left", 3, "A", 1): "··· ■·· ···",
    ("left", 5, "B", 1): "····· ····· ■■■·· ····· ·····",
    ("raster", 1, "B", 1): "■",
    ("full", 3, "B", 1): "■■■ ■■■ ■■■",
}


@pytest.mark.parametrize(("spec", "drawn"), DRAWN.items(), ids=str)
def test_windows_as_drawn(spec, drawn):
    rows, half = drawn.split(), spec[1] // 2
    taps = [
        (i - half, j - half) for i, row in enumerate(rows) for j, c in enumerate(row) if c == "■"
    ]
    window = window_of(spec)
    assert list(window.taps()) == taps
    assert window.n_taps == len(taps)
    assert window.centre == (taps.index((0, 0)) if (0, 0) in taps else None)


def test_what_is_seen_of_the_own_pixel():
    assert raster(3, "A", 3).seen(3, 6) == [0, 0, 1, 1, 2, 2]
    assert raster(3, "B", 3).seen(6, 3) == [2, 4, 6]
    assert raster(3, "B").seen(2, 3) == [2, 2, 2]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("k", [0, 2, -1])
def test_a_kernel_has_a_middle(make, k):
    with pytest.raises(ValueError, match=f"size must be odd, so that it has a middle, got {k}"):
        make(k, "A")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_windows_that_do_not_exist(make):
    with pytest.raises(ValueError, match="a mask is of kind A or B, got 'C'"):
        make(3, "C")
    with pytest.raises(ValueError, match="sees nothing: choose a larger one, or kind B"):
        make(1, "A")
    if make is not above:
        with pytest.raises(ValueError, match="channels are in 1 group or more, got 0"):
            make(3, "B", 0)


@pytest.mark.parametrize(("C", "O"), [(4, 6), (6, 4)])
def test_groups_of_one_size(C, O, on_side, rng):
    window = raster(3, "B", 3)
    shapes = (1, 2, 2, C), (window.n_taps, C, O), (O,), (1, 2, 2, O)
    x, W, b, y = (on_side(rng.normal(size=shape)) for shape in shapes)
    with pytest.raises(ValueError, match=f"{C} and {O} channels cannot be cut into 3 groups"):
        masked_conv.forward(x, W, b, window, y)
    with pytest.raises(ValueError, match="choose multiples of 3"):
        masked_conv.weight_gradient(y, x, window, W, b)


def test_a_full_window_has_a_middle_and_is_its_own_mirror():
    with pytest.raises(ValueError, match="size must be odd, so that it has a middle, got 2"):
        full(2)
    assert full(3).mirrored == full(3).runs and full(5).n_taps == 25


def test_windows_that_a_gpu_does_not_take(rig, rng):
    shapes = (1, 2, 2, 1), (3, 1, 1), (1, 2, 2, 1)
    x, W, y = (to_device(rng.normal(size=shape)) for shape in shapes)
    for taps in (((-1, 0, 2), (0, -1, 1)), ((-1, 0, 1), (0, 0, 2)), ((-2, 0, 2), (0, 0, 1))):
        with pytest.raises(ValueError, match="on a GPU, the rows of a window must begin in one"):
            masked_conv.add(x, W, Window(taps), y)


# --- results --------------------------------------------------------------------------------------


@every_window
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_as_a_dense_convolution_with_a_masked_kernel(spec, size, on_side, rng):
    window, x, W, b, dy = problem(rng, spec, *size)
    k, groups, (_, C, O) = spec[1], spec[3], W.shape
    half, kernel = k // 2, np.zeros((k, k, C, O))
    for (u, v), W_t in zip(window.taps(), W, strict=True):
        kernel[half + u, half + v] = W_t
    for u, v, c, o in np.ndindex(kernel.shape):
        kernel[u, v, c, o] *= sees(spec, u - half, v - half, o * groups // O, c * groups // C)
    padded = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    expected = np.zeros_like(dy)
    for n, c, o in np.ndindex(len(x), C, O):
        expected[n, ..., o] += correlate(
            padded[n, ..., c], kernel[..., c, o], mode="valid", method="direct"
        )
    y, more = (on_side(a) for a in (dy * np.nan, dy))
    masked_conv.forward(*map(on_side, (x, W, b)), window, y)
    masked_conv.add(*map(on_side, (x, W)), window, more)
    assert_allclose(np.asarray(y), expected + b, rtol=0, atol=1e-12)
    assert_allclose(np.asarray(more), expected + dy, rtol=0, atol=1e-12)


@every_window
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradient(spec, size, backend, rng):
    """Of the map with its bias, of what is added, whose derivatives are the same, and of data."""
    window, x, W, b, dy = problem(rng, spec, *size, each=1)
    y = np.empty_like(dy)

    def loss():
        masked_conv.forward(x, W, b, window, y)
        return float((y * dy).sum())

    dx, of_add = (np.full_like(x, np.nan) for _ in range(2))
    dW, dW_of_add, dW_of_data = (np.full_like(W, np.nan) for _ in range(3))
    db, db_of_data = (np.full_like(b, np.nan) for _ in range(2))
    masked_conv.backward(dy, x, W, window, dx, dW, db)
    masked_conv.add_backward(dy, x, W, window, of_add, dW_of_add)
    masked_conv.weight_gradient(dy, x, window, dW_of_data, db_of_data)
    for p, gradients in ((x, (dx, of_add)), (W, (dW, dW_of_add, dW_of_data))):
        numeric = numeric_grad(loss, p)
        assert numeric.any() == seeing(spec, *size[1:]).any(), "zero proves nothing"
        for gradient in gradients:
            assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    numeric = numeric_grad(loss, b)
    for gradient in (db, db_of_data):
        agree(gradient, numeric, "db")


class TestMaskedConv(Parity):
    name = "masked_conv"


# --- what must be seen, and what must not ---------------------------------------------------------


@every_window
def test_who_sees_whom(spec, on_side, rng):
    """By the definition: a number that is changed changes what sees it, and nothing else."""
    R, S, groups = 4, 5, spec[3]
    window, _, W, b, _ = problem(rng, spec, each=1)
    x = np.repeat(rng.normal(size=(1, R, S, groups)), R * S * groups + 1, axis=0)
    for n, place in enumerate(np.ndindex(R, S, groups)):
        x[n + 1][place] += 1
    y = on_side(np.full((*x.shape[:3], len(b)), np.nan))
    masked_conv.forward(*map(on_side, (x, W, b)), window, y)
    changed = np.asarray(y)[1:] != np.asarray(y)[0]
    changed = changed.reshape(R * S * groups, R, S, groups, -1)
    by_definition = np.moveaxis(seeing(spec, R, S).reshape(R, S, groups, -1), -1, 0)
    assert_array_equal(changed.all(axis=-1), by_definition)
    assert_array_equal(changed.any(axis=-1), by_definition)


TWO_LAYERS = [
    *(((name, 3, "A", g), (name, 3, "B", g)) for name in ("raster", "left") for g in (1, 3)),
    (("above", 3, "A", 1), ("above", 3, "B", 1)),
    (("above", 5, "A", 1), ("left", 3, "B", 1)),
    (("raster", 1, "A", 3), ("raster", 3, "B", 3)),
]


@pytest.mark.parametrize("specs", TWO_LAYERS, ids=str)
def test_two_layers_see_the_past_and_nothing_else(specs, on_side, rng):
    """In space and in colour: all that two windows reach, all of it before (pixel, channel)."""
    R, S, groups = 5, 4, specs[0][3]
    size = R * S * groups
    first, second = (seeing(spec, R, S).reshape(size, size) for spec in specs)
    reached = second @ first
    assert not np.triu(reached).any(), "a window is not causal"
    assert reached.any()
    h = on_side(np.repeat(rng.normal(size=(1, R, S, groups)), size + 1, axis=0))
    for n, place in enumerate(np.ndindex(R, S, groups)):
        h[n + 1][place] += 1
    for spec in specs:
        window = window_of(spec)
        W = rng.normal(size=(window.n_taps, groups, groups))
        y = on_side(np.full((size + 1, R, S, groups), np.nan))
        masked_conv.forward(h, on_side(W), on_side(np.zeros(groups)), window, y)
        h = np.tanh(y)
    found = np.asarray(h).reshape(size + 1, size)
    assert_array_equal((found[1:] != found[0]).T, reached)


@every_window
def test_what_is_hidden_is_neither_read_nor_moved(spec, on_side, rng):
    """Not even where it is no number: nor does its gradient ever differ from zero by a sign."""
    window, x, W, b, dy = problem(rng, spec, each=3)
    hidden = ~visible(spec, *W.shape[1:])
    assert hidden.any() == (spec[3] > 1)
    poisoned = on_side(np.where(hidden, np.nan, W))
    x, b, dy = map(on_side, (x, b, dy))
    y, more, dx, again = (on_side(np.full(a.shape, 0.0)) for a in (dy, dy, x, x))
    dW = [on_side(np.full(W.shape, np.nan)) for _ in range(3)]
    db = on_side(np.zeros(b.shape))
    masked_conv.forward(x, poisoned, b, window, y)
    masked_conv.add(x, poisoned, window, more)
    masked_conv.backward(dy, x, poisoned, window, dx, dW[0], db)
    masked_conv.add_backward(dy, x, poisoned, window, again, dW[1])
    masked_conv.weight_gradient(dy, x, window, dW[2], db)
    for found in map(np.asarray, (y, more, dx, again, *dW)):
        assert np.isfinite(found).all()
    for found in map(np.asarray, dW):
        assert not found[hidden].any() and not np.signbit(found[hidden]).any()


@every_window
def test_what_is_out_of_sight_is_not_multiplied(spec, on_side, rng):
    """Not with a 0 either, which would make NaN of it: a pixel that is none stays out of sight."""
    window, x, W, _, dy = problem(rng, spec, N=1, R=5, S=7, each=3)
    seen = seeing(spec, 5, 7).any(axis=(2, 5))
    for place in ((0, 0), (2, 3), (4, 6)):
        poisoned = [a.copy() for a in (x, dy)]
        for a in poisoned:
            a[0][place] = np.nan
        y, dx = on_side(np.zeros(dy.shape)), on_side(np.zeros(x.shape))
        masked_conv.add(on_side(poisoned[0]), on_side(W), window, y)
        masked_conv.add_backward(
            on_side(poisoned[1]), on_side(x), on_side(W), window, dx, on_side(W)
        )
        for found, expected in ((y, seen[:, :, *place]), (dx, seen[place])):
            none = np.isnan(np.asarray(found)[0])
            assert not none[~expected].any()
            assert spec[3] > 1 or none[expected].all()


# --- company --------------------------------------------------------------------------------------

ONE_OF_EACH = [("raster", 3, "B", 3), ("raster", 7, "A", 1), ("above", 3, "B", 1)]


@pytest.mark.parametrize("spec", ONE_OF_EACH, ids=str)
@pytest.mark.parametrize("each", [1, 8])
def test_an_image_is_the_same_in_any_company(spec, each, on_side, rng):
    """To the last bit: alone, among others, and beside images that are no numbers."""
    window, x, W, b, dy = problem(rng, spec, 6, 5, 7, each, np.float32)
    W, b, unused = on_side(W), on_side(b), on_side(W)
    found = []
    for many in (x, x * np.nan):
        many[0] = x[0]
        y, dx = on_side(dy * np.nan), on_side(x * np.nan)
        masked_conv.forward(on_side(many), W, b, window, y)
        masked_conv.add_backward(on_side(dy), on_side(x), W, window, dx, unused)
        found.append((np.asarray(y), np.asarray(dx)))
    assert_array_equal(found[0][0][0], found[1][0][0])
    for n in range(len(x)):
        y, dx = on_side(dy[:1] * np.nan), on_side(x[:1] * np.nan)
        masked_conv.forward(on_side(x[n : n + 1]), W, b, window, y)
        masked_conv.add_backward(
            on_side(dy[n : n + 1]), on_side(x[n : n + 1]), W, window, dx, unused
        )
        assert_array_equal(np.asarray(y)[0], found[0][0][n])
        assert_array_equal(np.asarray(dx)[0], found[0][1][n])


@pytest.mark.parametrize(
    ("spec", "each"),
    [*((spec, 6) for spec in ONE_OF_EACH), (("raster", 17, "A", 1), 1), (("raster", 5, "A", 1), 1)],
    ids=str,
)
def test_results_do_not_depend_on_the_number_of_threads(spec, each, rng, monkeypatch):
    """Of the last, whose dW has two tiles, some of five threads have none."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    window, x, W, b, dy = problem(rng, spec, 7, 9, 6, each, np.float32)
    found = []
    for threads in (1, 2, 5):
        y, dx, dW, db = (np.full_like(a, np.nan) for a in (dy, x, W, b))
        with use_threads(threads):
            cpu.forward(x, W, b, window, y)
            cpu.backward(dy, x, W, window, dx, dW, db)
        found.append((y, dx, dW, db))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert_array_equal(one, two)


@pytest.mark.parametrize("spec", [("raster", 3, "B", 1), ("full", 3, "B", 1)])
@pytest.mark.parametrize(("C", "more"), [(1, 0), (2, -1), (8, -7), (8, -6)])
def test_no_more_outputs_than_inputs(spec, C, more, rng):
    """Of one output alone, what comes back from it is one number a pixel."""
    window, x, W, b, dy = problem(rng, spec, each=C, more=more)
    found = []
    for side in (reference, cpu):
        dx, dW, db = (np.full_like(a, np.nan) for a in (x, W, b))
        side.backward(dy, x, W, window, dx, dW, db)
        found.append((dx, dW, db))
    for one, two in zip(*found, strict=True):
        assert_allclose(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spec", [("raster", 3, "B", 1), ("raster", 3, "B", 3)], ids=str)
@pytest.mark.parametrize("O", [15, 33, 48, 66, 99])
def test_panels_of_every_width(spec, O, dtype, rng):
    """Of one vector to the most that there are, whole ones and cut ones, and several panels."""
    window, x, W, b, dy = problem(rng, spec, 1, 3, 7, O // spec[3] - 1, dtype)
    found = []
    for side in (reference, cpu):
        y, more, dx, dW, db = (np.full_like(a, np.nan) for a in (dy, dy, x, W, b))
        more[:] = dy
        side.forward(x, W, b, window, y)
        side.add(x, W, window, more)
        side.backward(dy, x, W, window, dx, dW, db)
        found.append((y, more, dx, dW, db))
    for one, two in zip(*found, strict=True):
        assert_allclose(one, two, rtol=0, atol=200 * np.finfo(dtype).eps * np.abs(one).max())


def test_rows_of_dW_are_dealt_by_their_work():
    """Of a window as large as the image: rows of taps far away are in few pixels' sight."""
    large = runs.course(raster(55, "A"), False, (16, 28, 28, 1), (1512, 1, 64), np.dtype("f4"))
    assert large.ends[0] == 0
    assert large.ends[-1] == runs.PARTS
    half = np.searchsorted(large.ends, runs.PARTS // 2) * HEIGHT
    seen = 28 + large.laid[:, 1]  # rows of pixels that see the number inside the image
    assert_allclose(seen[:half].sum() / seen.sum(), 0.5, atol=0.02)
    even = runs.course(raster(3, "B"), False, (1, 9, 9, 64), (5, 64, 64), np.dtype("f4"))
    assert_allclose(np.diff(even.ends), runs.PARTS / -(-5 * 64 // HEIGHT), atol=1)


@pytest.mark.parametrize(
    "spec",
    [
        ("raster", 7, "A", 1),
        ("above", 3, "B", 1),
        ("full", 3, "B", 1),
        ("raster", 17, "A", 1),  # past the whole image from any pixel
        ("above", 13, "A", 1),
        ("full", 15, "B", 1),
    ],
)
@pytest.mark.parametrize("each", [1, 5])
@pytest.mark.parametrize("rows", [1, 3])
def test_images_worked_on_a_few_rows_at_a_time(spec, each, rows, rng, monkeypatch):
    """As the reference does: 7 rows by 1 and by 3, of pixels that are one number and of others."""
    window, x, W, b, dy = problem(rng, spec, 2, 7, 9, each, more=39)  # outputs: several panels
    pads = runs.course(window, False, x.shape, W.shape, x.dtype).pads
    of_row = (9 + pads.gap) * 8
    monkeypatch.setattr(runs, "ROW_BYTES", rows * of_row * each)
    monkeypatch.setattr(runs, "LAID_BYTES", rows * of_row * window.n_taps)
    monkeypatch.setattr(cpu, "ROW_BYTES", rows * 9 * 8 * int(panel_width(x)))
    runs.course.cache_clear()
    try:
        assert runs.course(window, False, x.shape, W.shape, x.dtype).rows == rows
        found = []
        for side in (reference, cpu):
            y, more, dx, dW, db = (np.full_like(a, np.nan) for a in (dy, dy, x, W, b))
            more[:] = dy
            side.forward(x, W, b, window, y)
            side.add(x, W, window, more)
            side.backward(dy, x, W, window, dx, dW, db)
            found.append((y, more, dx, dW, db))
        for one, two in zip(*found, strict=True):
            assert_allclose(one, two, rtol=0, atol=1e-11)
    finally:
        runs.course.cache_clear()


def test_of_no_images_nothing_is_made(on_side, rng):
    window, x, W, b, dy = problem(rng, ("raster", 3, "B", 3), 0)
    x, W, b, dy, dW, db = map(on_side, (x, W, b, dy, W, b))
    masked_conv.forward(x, W, b, window, dy)
    masked_conv.backward(dy, x, W, window, x, dW, db)
    assert not np.asarray(dW).any() and not np.asarray(db).any()
