"""Mixtures of logistics in steps: gradient, twins, sums of one, tails held to 60 digits, draws."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import logistics
from chainrule.kernels.logistics import K_MAX, T_MAX, least_log_scale

JUST_BELOW_ONE = 1 - 2.0**-53
every_count = pytest.mark.parametrize("levels", [2, 3, 16, 256, 65536])


class TestLogistics(Parity):
    name = "logistics"


def forward(s, x, levels):
    nll = np.full(len(x), np.nan, s.dtype)
    logistics.forward(s, x, levels, nll)
    return nll


def nll_and_grad(s, x, levels, scale=1.0):
    nll, ds = np.full(len(x), np.nan, s.dtype), np.full_like(s, np.nan)
    logistics.nll_and_grad(s, x, levels, scale, nll, ds)
    return nll, ds


def table(s, levels):
    p = np.full((len(s), levels), np.nan, s.dtype)
    logistics.conditionals(s, p)
    return p


def drawn(s, u, levels):
    x = np.full(len(u), -7, np.int32)
    logistics.draw(s, u, levels, x)
    return x


def outputs(rng, M, K, levels, dtype=np.float64, least=-np.inf):
    """Return mixtures of any scales between the least there is, or that one, and e."""
    s = rng.normal(size=(M, 3 * K))
    s[:, K : 2 * K] = rng.uniform(max(least, least_log_scale(levels) + 0.1), 1, (M, K))
    return s.astype(dtype)


def levels_of(rng, M, levels):
    """Return levels, both ends among them, and one that is none."""
    x = rng.integers(0, levels, M).astype(np.int32)
    x[:4] = [0, levels - 1, -1, levels // 2][:M]
    return x


# --- the gradient ---------------------------------------------------------------------------------


@every_count
@pytest.mark.parametrize(("M", "K"), [(1, 1), (5, 2), (12, 5)])
def test_gradient(M, K, levels, backend, rng):
    # Not so narrow that differences would be too coarse: those are held to 60 digits below.
    s = outputs(rng, M, K, levels, least=-3.0)
    x, dnll = levels_of(rng, M, levels), rng.normal(size=M)
    ds = np.full_like(s, np.nan)
    logistics.backward(dnll, s, x, levels, ds)
    agree(ds, numeric_grad(lambda: float(forward(s, x, levels) @ dnll), s), "ds")
    losses, in_place, nll = forward(s, x, levels), s.copy(), np.full(M, np.nan)
    logistics.nll_and_grad(in_place, x, levels, 0.7, nll, in_place)
    logistics.backward(np.full(M, 0.7), s, x, levels, s)  # in place too
    assert_array_equal(in_place, s)
    assert_array_equal(nll, losses)
    assert not ds[x < 0].any() and not nll[x < 0].any()


@both_dtypes
@every_count
def test_a_held_scale_has_no_gradient(levels, dtype, backend, rng):
    least, x = dtype(least_log_scale(levels)), np.array([0, levels // 2] * 2, np.int32)
    s = outputs(rng, 4, 2, levels, dtype)
    s[:, 0] = 2 * x / (levels - 1) - 1  # the mean is where x is
    s[:, 2] = [least - 1, least - 1, T_MAX + 1, T_MAX + 1]
    at_bound = s.copy()
    at_bound[:, 2] = np.clip(s[:, 2], least, T_MAX)
    nll, ds = nll_and_grad(s, x, levels)
    nll_at, ds_at = nll_and_grad(at_bound, x, levels)
    assert_array_equal(nll, nll_at)
    assert not ds[:, 2].any() and ds_at[:2, 2].any()
    assert_array_equal(np.delete(ds, 2, axis=1), np.delete(ds_at, 2, axis=1))


def test_the_narrowest_scale_has_nearly_all_in_one_level(backend):
    s = np.array([[1 / 255, -30.0, 0.0]])  # in the middle of level 128
    assert_allclose(table(s, 256)[0, 128], np.tanh(K_MAX / 2), rtol=1e-12)


# --- how exact ------------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("levels", [2, 3, 16, 256, 4096])
def test_probabilities_sum_to_one(levels, dtype, backend, rng):
    """Whatever the mixture: outputs as they come, far out, narrow and wide."""
    s = outputs(rng, 12, 3, levels, dtype)
    s[1::4, :3] *= 30
    s[2::4, 3:6], s[3::4, 3:6] = -50, 10
    p = table(s, levels)
    assert (p >= 0).all()
    eps = np.finfo(dtype).eps
    assert_allclose(p.sum(axis=1, dtype=np.longdouble), 1, rtol=40 * eps)
    x = np.tile(np.arange(levels, dtype=np.int32), len(s))
    again = np.exp(-forward(np.repeat(s, levels, axis=0), x, levels)).reshape(p.shape)
    assert_allclose(again.sum(axis=1, dtype=np.longdouble), 1, rtol=200 * eps)


def exactly(s, v, levels):
    """Return -log P of level v and its gradient, by the definition, in 60 digits."""
    n, K, one = levels - 1, len(s) // 3, Decimal(1)
    mu, t, a = (list(map(Decimal, s[i * K : (i + 1) * K].tolist())) for i in range(3))
    weights = [b.exp() for b in a]
    P, slopes = Decimal(0), []
    for m, tau, w in zip(mu, t, weights, strict=True):
        k = (-tau).exp() / n
        ends = [(2 * v - n - n * m + side) * k for side in (-1, 1)]
        # e^{-end} of one that is infinite is infinite or 0: it has no mass below it or above
        low, high = ((one / (one + (-e).exp()), (-e).exp()) for e in ends)
        low = (Decimal(0), None) if v == 0 else low
        high = (one, None) if v == n else high
        density = [Decimal(0) if e is None else e * f * f for f, e in (low, high)]
        if v in (0, n):
            M = high[0] if v == 0 else low[1] * low[0]
        else:
            M = (low[1] - high[1]) * low[0] * high[0]
        P += w * M
        moment = ends[1] * density[1] - ends[0] * density[0]
        slopes.append((w * n * k * (density[1] - density[0]), w * moment, w * M))
    A = sum(weights)
    ds = [of[i] / P for i in range(2) for of in slopes]
    ds += [w / A - of[2] / P for w, of in zip(weights, slopes, strict=True)]
    return float((A / P).ln()), [float(d) for d in ds]


def hard():
    """Return outputs of two components and levels: on the spot, near, and far in the tails."""
    for t in (-6.9, -3.0, 0.0, 9.0):
        for mu in (1 / 255, 0.5, -1.0, 1.0, 4.0, -4.0):
            for v in (0, 1, 127, 128, 254, 255):
                yield [mu, mu + 0.125, t, t + 0.5, 0.5, -8.0], v


@both_dtypes
def test_tails_are_those_of_60_digits(dtype, backend):
    """-log P in thousands, and its slopes: those of means next to 1/s, those of log scales next to
    -log P, where it is above 1, as both grow with |z|.
    """
    rows, x = zip(*hard(), strict=True)
    s, x = np.array(rows, dtype), np.array(x, np.int32)
    with localcontext() as context:
        context.prec = 60
        nll, ds = zip(
            *(exactly(row, int(v), 256) for row, v in zip(s, x, strict=True)), strict=True
        )
    eps = np.finfo(dtype).eps
    ours, slopes = nll_and_grad(s, x, 256)
    assert max(nll) > 3000
    assert_allclose(ours, nll, rtol=4 * eps, atol=4 * eps)
    sizes = np.exp(-s[:, 2:4]), np.maximum(1, nll)[:, None].repeat(2, axis=1), np.ones((len(s), 2))
    off = np.abs(slopes - ds) / np.concatenate(sizes, axis=1)
    assert off.max() < 8 * eps


@both_dtypes
@pytest.mark.parametrize("levels", [2, 256])
def test_nothing_finite_gives_what_is_not(levels, dtype, backend):
    ends = np.array([0, 1e30, -1e30, 3e38, -3e38], dtype)
    s = np.zeros((15, 9), dtype)
    s[:, 0], s[:, 3:6], s[:, 6:] = np.repeat(ends, 3), [-300, 0, 300], [-1e30, 0, 1e30]
    x = np.tile(np.array([0, levels // 2, levels - 1], np.int32), 5)
    with np.errstate(over="ignore"):
        nll, ds = nll_and_grad(s, x, levels)
        p, level = table(s, levels), drawn(s, np.linspace(0, JUST_BELOW_ONE, 15), levels)
    assert all(np.isfinite(a).all() for a in (nll, ds, p))
    assert ((level >= 0) & (level < levels)).all()


@pytest.mark.parametrize("where", range(6))
@pytest.mark.parametrize("v", [0, 7, 15])
def test_a_nan_shows(where, v, backend):
    s, x = np.zeros((2, 6)), np.full(2, v, np.int32)
    s[1, where] = np.nan
    nll, ds = nll_and_grad(s, x, 16)
    assert_array_equal(np.isnan(nll), [False, True])
    assert np.isnan(ds[1]).any() and not np.isnan(ds[0]).any()


def test_slopes_are_never_subnormal():
    """Which would take a hundred times as long: of components that are far, 0 comes earlier."""
    M = 400
    s = np.zeros((M, 6), np.float32)
    s[:, 0], s[:, 5] = np.linspace(0, 2, M), -np.linspace(0, 100, M)[::-1]
    s[:, 2:4] = -4.5
    ds = nll_and_grad(s, np.full(M, 128, np.int32), 256, 1e-6)[1]
    assert (np.abs(ds[ds != 0]) >= np.finfo(np.float32).tiny).all()
    assert (ds == 0).any(axis=0)[[0, 2, 5]].all()


@both_dtypes
def test_a_row_has_the_same_bits_alone_and_among_others(dtype, rng):
    s, x = outputs(rng, 150, 4, 256, dtype), levels_of(rng, 150, 256)
    nll, ds = nll_and_grad(s, x, 256)
    assert_array_equal(forward(s, x, 256), nll)
    for m in (0, 63, 64, 149):
        alone, slopes = nll_and_grad(s[m : m + 1], x[m : m + 1], 256)
        assert_array_equal(alone[0], nll[m])
        assert_array_equal(slopes[0], ds[m])


# --- draws ----------------------------------------------------------------------------------------


@every_count
def test_the_level_drawn_is_the_one_whose_interval_holds_u(levels, backend, rng):
    s = np.repeat(outputs(rng, 6, 3, levels), 50, axis=0)
    u = np.concatenate([rng.random(len(s) - 3), [0.0, 0.5, JUST_BELOW_ONE]])
    x, rows = drawn(s, u, levels), np.arange(len(s))
    above = np.cumsum(table(s[::50], levels), axis=1)[rows // 50]
    slack = 1e-14 * np.log2(levels)
    assert (above[rows, x] > u - slack).all()
    assert ((x == 0) | (above[rows, x - 1] <= u + slack)).all()


def test_a_larger_uniform_never_draws_less(backend, rng):
    u = np.sort(np.concatenate([rng.random(5000), [0.0, 0.5, np.nextafter(0.5, 1)]]))
    x = drawn(np.repeat(outputs(rng, 1, 5, 256), len(u), axis=0), u, 256)
    assert (np.diff(x) >= 0).all() and x.max() > x.min()


def test_tails_are_drawn_from(backend):
    """One narrow component beyond either end: all but 1e-10 of it is in the last level there."""
    scale, z = 1 / 64, 25
    for sign in (-1, 1):
        s = np.array([[sign * (1 + z * scale), np.log(scale), 0.0]])
        p = table(s, 256)[0]
        rest = p[1:].sum() if sign < 0 else p[:-1].sum()  # of a tail, whose sum is exact
        assert 1e-12 < rest < 1e-9
        either = np.array([rest * 0.999, rest * 1.001])
        x = drawn(np.repeat(s, 2, axis=0), 1 - either if sign < 0 else either, 256)
        assert_array_equal(x, [1, 0] if sign < 0 else [254, 255])


def test_both_backends_draw_the_same(rng):
    s, u = outputs(rng, 2000, 4, 256, np.float32), rng.random(2000)
    x = np.full(2000, -1, np.int32)
    logistics.reference.draw(s, u, 256, x)
    assert_array_equal(drawn(s, u, 256), x)


def test_a_negative_uniform_keeps_what_is_there(backend, rng):
    s, u = outputs(rng, 9, 2, 256), rng.random(9)
    values = np.full((9, 2), 777, np.int32)  # x is one column of it
    u[::2] = -1
    logistics.draw(s, u, 256, values[:, 1])
    assert (values[:, 0] == 777).all() and (values[::2, 1] == 777).all()
    assert (values[1::2, 1] < 256).all()


def test_what_is_left_of_the_largest_component_is_never_nothing():
    """F7's log Z is finite since g is 0.24 k or more of an inner level, 1/2 or more of an edge."""
    k = np.linspace(1e-6, logistics.K_MAX, 1000)
    q, E = np.exp(-k), np.linspace(0, 1, 100)[:, None]
    g = (1 - q**2) / ((1 + E * q) * (E + q))
    assert (g >= 0.24 * k).all() and (g < k / 4).any()
    assert (1 / (1 + E) >= 0.5).all()
