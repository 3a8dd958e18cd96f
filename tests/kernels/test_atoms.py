"""Real variables with an atom: mass and density, gradients, uniforms and draws, in every twin."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness, quadrature

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import columns
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE

ATOM = 0.5
KINDS = list(product((GAUSSIAN, LAPLACE), (False, True), (0.0, 0.25)))
every_kind = pytest.mark.parametrize(("family", "learned", "half"), KINDS)
K = 3


def layout_of(family, learned, half, atom=ATOM):
    return columns.layout((0,), K, family, learned, half_steps=(half,), atoms=(atom,))


def outputs(layout, rng, N, dtype=np.float64):
    s = rng.normal(size=(N, int(layout.first[-1])))
    s[:, K : 2 * K] -= 0.5
    return s.astype(dtype)


def rows(rng, N, half, dtype=np.float64):
    """Return values of which a third are the atom; on the lattice, if there is one."""
    x = np.rint(rng.normal(size=N) / 0.5) * 0.5 if half else rng.normal(size=N)
    x[::3] = ATOM
    return x[:, None].astype(dtype)


def log_p(layout, s, x):
    out = np.empty(x.shape, s.dtype)
    columns.terms(layout, s, x, out)
    return out[:, 0]


@every_kind
def test_mass_and_density_are_one(family, learned, half, backend, rng):
    layout = layout_of(family, learned, half)
    s = outputs(layout, rng, 1)

    def of(x):
        return log_p(layout, np.repeat(s, len(x), axis=0), x)

    pi = 1 / (1 + np.exp(-s[0, -1]))
    if half:
        every = np.arange(-400, 401)[:, None] * 2 * half
        assert np.exp(of(every)).sum() == pytest.approx(1, abs=1e-9)
        assert (of(every) <= 0).all() and np.exp(of(np.array([[ATOM]])))[0] > pi
        return
    assert np.exp(of(np.array([[ATOM]])))[0] == pytest.approx(pi, rel=1e-12)
    assert pi + quadrature.integral(of) == pytest.approx(1, abs=1e-6)


@every_kind
def test_the_gradient(family, learned, half, backend, rng):
    layout, N = layout_of(family, learned, half), 8
    s, x, weights = outputs(layout, rng, N), rows(rng, N, half), rng.normal(size=(N, 1))
    nll, ds, both = np.empty(N), np.empty_like(s), np.empty_like(s)
    columns.weighted_nll_and_grad(layout, s, x, weights, nll, ds)
    assert_allclose(nll, -weights[:, 0] * log_p(layout, s, x), rtol=1e-12)
    numeric = numeric_grad(lambda: -float(weights[:, 0] @ log_p(layout, s, x)), s)
    assert_allclose(ds, numeric, rtol=1e-6, atol=1e-8)
    columns.nll_and_grad(layout, s, x, 0.3, nll, both)
    assert_allclose(both * weights / 0.3, ds, rtol=1e-11, atol=1e-15)
    at = x[:, 0] == ATOM
    assert (ds[:, -1] * weights[:, 0] * np.where(at, -1, 1) > 0).all()
    assert half or not ds[at, :-1].any()
    dx = np.empty_like(x)
    columns.input_gradient(layout, ds, dx)
    assert_allclose(dx[:, 0], -ds[:, :K].sum(axis=1), atol=1e-12)


@every_kind
def test_uniforms_are_the_distribution_function_and_draws_its_inverse(
    family, learned, half, backend, rng
):
    layout, N = layout_of(family, learned, half), 4000
    s, u = outputs(layout, rng, N), rng.random(N)
    x, lo, hi = np.full((N, 1), 7.0), np.empty((N, 1)), np.empty((N, 1))
    kept = rng.random(N) < 0.1
    columns.draw(layout, 0, s, np.where(kept, -1, u), x[:, 0])
    assert (x[kept] == 7).all()
    s, u, x, lo, hi = s[~kept], u[~kept], x[~kept], lo[~kept], hi[~kept]
    columns.cdf_interval(layout, s, x, lo, hi)
    assert ((lo[:, 0] <= u + 1e-9) & (u <= hi[:, 0] + 1e-9)).all()
    at, pi = x[:, 0] == ATOM, 1 / (1 + np.exp(-s[:, -1]))
    exact = at | (half > 0)
    p = np.exp(log_p(layout, s, x))
    assert_allclose((hi - lo)[exact, 0], p[exact], rtol=1e-8, atol=1e-12)
    assert (lo == hi)[~exact].all()
    share = p[at] if half else pi[at]
    assert share.size > 500
    mean = pi if not half else np.exp(log_p(layout, s, np.full_like(x, ATOM)))
    counts = np.array([at.sum(), (~at).sum()])
    assert goodness.chisquare(counts, np.array([mean.sum(), (1 - mean).sum()])) > goodness.RARE
    order = np.argsort(u)
    one = np.empty((len(u), 1))
    columns.draw(layout, 0, np.repeat(s[:1], len(u), axis=0), u[order], one[:, 0])
    assert (np.diff(one[:, 0]) >= 0).all()  # a function of u that grows


@every_kind
def test_what_lies_beside_the_atom_comes_back_on_its_side(family, learned, half, backend):
    """Though the mixture has no mass there that a uniform could tell from none."""
    layout = layout_of(family, learned, half)
    s = np.zeros((1, int(layout.first[-1])))
    s[0, :K], s[0, K : 2 * K] = (30, 31, 33), -1
    for u in (0.25, 0.5, 0.5 + 2.0**-52, 1 - 2.0**-53):
        x = np.zeros((1, 1))
        columns.draw(layout, 0, s, np.array([u]), x[:, 0])
        assert x[0, 0] == ATOM if u < 0.5 else x[0, 0] > ATOM - 1e-9
    low = s.copy()
    low[0, :K] *= -1
    columns.draw(layout, 0, low, np.array([0.5 - 2.0**-53]), x[:, 0])
    assert x[0, 0] < ATOM + 1e-9


@every_kind
def test_far_outputs_are_finite_in_single_precision(family, learned, half, backend):
    layout = layout_of(family, learned, half)
    s = np.zeros((6, int(layout.first[-1])), np.float32)
    s[:, -1] = (-300, -300, 300, 300, 0, 0)
    s[4:, :K] = 1e9
    x = np.array([[ATOM], [1.5]] * 3, np.float32)
    nll, ds = np.empty(6, np.float32), np.empty_like(s)
    columns.nll_and_grad(layout, s, x, 1.0, nll, ds)
    assert np.isfinite(nll).all() and np.isfinite(ds).all()
    u = np.full(6, 1 - 2.0**-53)
    drawn = x.copy()
    columns.draw(layout, 0, s, u, drawn[:, 0])
    assert np.isfinite(drawn).all() and (drawn[2:4] == ATOM).all()


def test_other_variables_are_as_they_were(backend, rng):
    """To the bit, in a table beside one with an atom."""
    values = (2, 0, 3, 0)
    plain = columns.layout(values, K, GAUSSIAN, True)
    mixed = columns.layout(values, K, GAUSSIAN, True, atoms=(None, ATOM, None, None))
    assert columns.n_outputs(0, K, True, ATOM) == 3 * K + 1
    s, x = rng.normal(size=(70, int(mixed.first[-1]))), rng.integers(0, 2, (70, 4)).astype(float)
    logit = int(mixed.first[2]) - 1
    without = np.delete(s, logit, axis=1)
    ours, theirs = np.empty_like(s), np.empty_like(without)
    nll = np.empty(70)
    columns.nll_and_grad(mixed, s, x, 0.5, nll, ours)
    columns.nll_and_grad(plain, without, x, 0.5, nll, theirs)
    assert_array_equal(np.delete(ours, logit, axis=1), theirs)
