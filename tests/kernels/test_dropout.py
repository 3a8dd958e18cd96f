"""Dropout: the generator's published answers, the same bits everywhere, and what E[y] = x needs."""

from contextlib import nullcontext
from itertools import combinations, pairwise

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2
from support.parity import Parity

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import dropout, use_backend, use_threads
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.dropout import cpu, reference

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
ONES = 0xFFFFFFFF
# Random123's known answers for philox4x32-10: counter, key, words. The last are digits of π.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
# One number; channels before, at and after a pack of four and a warp of packs; several blocks.
SHAPES = ((1, 1, 1), (2, 3, 3), (3, 1, 4), (1, 5, 5), (7, 9, 33), (2, 2, 127), (3, 2, 131))


@pytest.fixture(params=[*HOST_BACKENDS, "cuda"])
def drop(request):
    """Return a function from x and the numbers drawn from to M ∘ x, by each backend."""
    on_device = request.param == "cuda"
    if on_device:
        request.getfixturevalue("rig")

    def apply(x, *numbers, time_major=False):
        x = to_device(x) if on_device else x
        y = x * np.nan
        with nullcontext() if on_device else use_backend(request.param):
            dropout.apply(x, y, time_major, *numbers)
        return y.get() if on_device else y

    return apply


def ones(*shape):
    return np.ones(shape, np.float32)


def defined(x, *numbers, time_major=False):
    """Return M ∘ x as the reference has it."""
    y = x * np.nan
    reference.apply(x, y, time_major, *numbers)
    return y


# --- the same bits


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_published_answers(counter, key, words):
    assert tuple(int(w) for w in reference.philox(counter, key)) == words
    assert tuple(int(w) for w in cpu._philox(*map(np.uint32, (*counter, *key)))) == words


def test_published_answers_decide_who_is_dropped(drop):
    """A rate of w / 2³² keeps a number whose word is w, and the next rate drops it."""
    for j, word in enumerate(KNOWN[0][2]):
        kept, dropped = (drop(ones(1, 1, 4), tau / 2**32, 0, 0, 0, 0) for tau in (word, word + 1))
        assert kept[0, 0, j] > 0 and dropped[0, 0, j] == 0


@both_dtypes
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_backend_gives_the_same_bits(shape, time_major, dtype, drop, rng):
    x = rng.normal(size=shape).astype(dtype)
    for drawn_from in ((0, 0, 0, 0), (2**63 + 2**32 + 1, 3, 5, 2**32 - 2)):
        ours = drop(x, 0.4, *drawn_from, time_major=time_major)
        assert ours.dtype == dtype
        assert_array_equal(ours, defined(x, 0.4, *drawn_from, time_major=time_major))


@pytest.mark.parametrize("edges", [(0, 7), (0, 3, 7), (0, 1, 2, 5, 7)])
def test_any_cut_of_the_rows_draws_the_same(edges, drop):
    whole = drop(ones(7, 3, 5), 0.3, 1, 2, 3, 10)
    parts = [drop(ones(hi - lo, 3, 5), 0.3, 1, 2, 3, 10 + lo) for lo, hi in pairwise(edges)]
    assert_array_equal(np.concatenate(parts), whole)


def test_neither_the_length_nor_the_layout_matters(drop):
    whole = drop(ones(3, 8, 6), 0.3, 1, 2, 3, 0)
    assert_array_equal(drop(ones(3, 5, 6), 0.3, 1, 2, 3, 0), whole[:, :5])
    time_major = drop(ones(8, 3, 6), 0.3, 1, 2, 3, 0, time_major=True)
    assert_array_equal(time_major.transpose(1, 0, 2), whole)


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_threads_draw_the_same(n_threads, time_major, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    numbers = 0.3, 1, 2, 3, 4
    with use_threads(n_threads):
        M = ones(3, 5, 7)
        dropout.apply(M, M, time_major, *numbers)
    assert_array_equal(M, defined(ones(3, 5, 7), *numbers, time_major=time_major))


# --- the operation


class TestDropout(Parity):
    name = "dropout"


def test_the_gradient_is_the_same_function(drop, rng):
    x, dy, numbers = *rng.normal(size=(2, 2, 3, 5)), (0.4, 1, 2, 3, 4)
    numeric = numeric_grad(lambda: float((dy * drop(x, *numbers)).sum()), x)
    assert np.abs(numeric).max() > 0.1
    assert_allclose(drop(dy, *numbers), numeric, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("rate", [0, 1e-10, 0.1, 1 / 3, 0.5, 0.9, 1 - 2**-32, 1 - 2**-53])
def test_what_is_kept_is_scaled_by_one_over_its_probability(rate):
    tau, kappa = dropout.threshold_and_scale(rate)
    assert 0 <= tau < 2**32 and 0 <= rate - tau / 2**32 < 2**-32
    assert kappa * (2**32 - tau) / 2**32 == pytest.approx(1, abs=1e-15)


@both_dtypes
def test_no_rate_changes_nothing_and_the_largest_keeps_numbers_finite(dtype, drop, rng):
    x = rng.normal(size=(3, 4, 5)).astype(dtype)
    assert_array_equal(drop(x, 0.0, 1, 2, 3, 4), x)
    almost_nothing = drop(x, 1 - 2**-53, 1, 2, 3, 4)
    assert np.isfinite(almost_nothing).all() and not almost_nothing.any()


def test_nan_is_not_swallowed(drop):
    y = drop(np.full((4, 4, 8), np.nan, np.float32), 0.5, 0, 0, 0, 0)
    assert np.isnan(y).all()


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_no_numbers_are_no_trouble(shape, drop):
    assert drop(ones(*shape), 0.5, 0, 0, 0, 0).shape == shape


# --- the distribution: the bits are those of `reference`, so what holds of it holds everywhere

RARE = 1e-4  # the chance that a right generator fails a test; the seeds are fixed, so it never does


def assert_chi_squared(statistic, degrees):
    """Fail where so large a statistic, or so small a one, would be rare."""
    assert RARE < chi2.sf(statistic, degrees) < 1 - RARE


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_numbers_are_dropped_at_their_rate_wherever_they_stand(rate):
    N, T, C = 300, 50, 20
    dropped = defined(ones(N, T, C), rate, 5, 0, 0, 0) == 0
    for axes in ((0, 1), (0, 2), (1, 2)):  # by channel, by position, by row
        counts = dropped.sum(axis=axes)
        n = dropped.size // len(counts)
        z = (counts - n * rate) / (n * rate * (1 - rate)) ** 0.5
        assert_chi_squared((z**2).sum(), len(counts))


def test_the_mean_of_many_minibatches_is_x(rng):
    x, n = rng.normal(size=(2, 3, 5)), 4000
    y = np.mean([defined(x, 0.25, 7, step, 0, 0) for step in range(n)], axis=0)
    z = (y - x) / (np.abs(x) * (0.25 / 0.75 / n) ** 0.5)
    assert_chi_squared((z**2).sum(), x.size)


@pytest.mark.parametrize("bits", range(0, 32, 8))
def test_every_byte_of_the_words_is_uniform(bits):
    words = np.concatenate(reference.philox((np.arange(40_000), 3, 1, 2), (9, 0)))
    counts = np.bincount((words >> bits & 255).astype(np.int64), minlength=256)
    expected = len(words) / 256
    assert_chi_squared(((counts - expected) ** 2 / expected).sum(), 255)


def test_masks_of_different_places_are_independent():
    """Seeds in both halves of the key, steps, sites, rows, positions and channels: all pairs."""
    numbers = {"seed": 1, "step": 2, "site": 3, "row": 1000}
    changes = [("seed", 2), ("seed", 1 + 2**32), ("step", 3), ("site", 4), ("row", 2000)]
    changes += [("step", 1000), ("row", 2)]  # where steps and rows have changed places
    drawn = [numbers, *(numbers | {name: value} for name, value in changes)]
    masks = [defined(ones(40, 25, 41), 0.5, *n.values()) > 0 for n in drawn]
    first = masks[0]
    pairs = [*combinations(masks, 2)]
    pairs += [(first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]
    pairs += [(first[..., k:], first[..., :-k]) for k in (1, 2, 3, 4, 8)]
    z = [((one == other).sum() - one.size / 2) / (one.size / 4) ** 0.5 for one, other in pairs]
    assert_chi_squared(np.square(z).sum(), len(z))
    assert chi2.sf(np.square(z).max(), 1) > RARE / len(z)
