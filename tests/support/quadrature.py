"""Integrals of densities of one or two real variables, for tests that ask whether they are one.

Cells, d-dimensional boxes, are integrated by the 15 points of Kronrod in each direction, and by the
7 of Gauss among them. A cell where the two differ is cut in 2^d, until none does. Along each axis
x = sinh t: even cells in t are fine around 0 and reach far out, so that neither tails nor a density
in whatever unit need a range of their own. A peak much narrower than its distance from 0 would fall
between the points of the first cells, unless `near` names a place beside it.

    quadrature.integral(lambda x: model.log_prob(x))             # x: (n, 1); 1 up to rounding
    quadrature.integral(lambda x: model.log_prob(x), 2)          # x: (n, 2)
    quadrature.integral(log_p, high=0.3)                         # a CDF at 0.3
    quadrature.total(model.log_prob, (2, CONTINUOUS, 3))         # Σ over codes of ∫ over the reals
    quadrature.conditional(model.log_prob_terms, x, 4)           # ∫ p(x_4 | x_<4) dx_4, a row each
"""

from itertools import product

import numpy as np

FAR = 1e8  # where the real line ends
CELLS = {1: 128, 2: 48}  # along an axis, to begin with
LIMIT = 4_000_000  # points in all; a density that wants more is none that tests should have
ROWS = 50_000  # points asked for at once

# Kronrod's 15 points on [-1, 1], by symmetry the last 8; Gauss's 7 are every other one.
_POINTS = [
    0.0, 0.207784955007898468, 0.405845151377397167, 0.586087235467691130,
    0.741531185599394440, 0.864864423359769073, 0.949107912342758525, 0.991455371120812640,
]  # fmt: skip
_KRONROD = [
    0.209482141084727828, 0.204432940075298892, 0.190350578064785410, 0.169004726639267903,
    0.140653259715525919, 0.104790010322250184, 0.063092092629978553, 0.022935322010529225,
]  # fmt: skip
_GAUSS = [
    0.417959183673469388, 0.0, 0.381830050505118945, 0.0, 0.279705391489276668, 0.0,
    0.129484966168869693, 0.0,
]  # fmt: skip


def _mirrored(half, sign):
    return np.array([*(sign * h for h in half[:0:-1]), *half])


POINTS, KRONROD, GAUSS = _mirrored(_POINTS, -1), _mirrored(_KRONROD, 1), _mirrored(_GAUSS, 1)


def integral(log_p, d=1, low=-FAR, high=FAR, near=(), tol=1e-7):
    """Return ∫ exp(log_p(x)) dx over a box.

    log_p: from (n, d) float64 to (n,) log densities, in nats; -inf where there is none.
    low, high: ends of the box, one number or d. near: places, (k, d) or (k,), that cells are cut
    at, with small ones beside them. tol: what is allowed to be missing, of 1; parameters in float32
    round to 1e-6 or so, and no better can be asked for: then take tol=1e-5.
    """
    ends = [np.arcsinh(np.broadcast_to(np.asarray(end, float), d)) for end in (low, high)]
    at = np.reshape(np.asarray(near, float), (-1, d))
    cuts = [_cuts(ends[0][i], ends[1][i], at[:, i], CELLS[d]) for i in range(d)]
    lows = np.array(list(product(*(c[:-1] for c in cuts))))
    highs = np.array(list(product(*(c[1:] for c in cuts))))
    whole, points = 0.0, 0
    while len(lows):
        points += len(lows) * 15**d
        assert points < LIMIT, f"{points:,} points are not enough: {len(lows)} cells still differ"
        fine, error = _cells(log_p, lows, highs)
        open_ = error > np.maximum(tol * 1e-2 / len(error), 1e-9 * np.abs(fine))
        open_ &= error.sum() > tol / 4  # together they may already be good enough
        whole += fine[~open_].sum()
        lows, highs = _halves(lows[open_], highs[open_])
    return float(whole)


def total(log_prob, values, near=(), tol=1e-7):
    """Return Σ over all codes of ∫ over the real columns of p(x): 1 for a distribution.

    log_prob: from rows (n, D) float64, codes and reals, to (n,). values: of each column how many
    values it has, 0 for a real one, of which there may be none, one or two. near: of the real ones.
    """
    real = np.flatnonzero(np.asarray(values) == 0)
    whole = 0.0
    for codes in product(*(range(K) for K in values if K)):

        def log_p(x, codes=codes):
            rows = np.empty((len(x), len(values)))
            rows[:, [i for i, K in enumerate(values) if K]] = codes
            rows[:, real] = x
            return log_prob(rows)

        if len(real):
            whole += integral(log_p, len(real), near=near, tol=tol)
        else:
            whole += float(np.exp(log_p(np.empty((1, 0))))[0])
    return whole


def conditional(log_prob_terms, x, i, low=-FAR, high=FAR, near=(), tol=1e-7):
    """Return ∫ p(x_i | x_<i) dx_i of a real column i, (N,), for the x_<i of each row of x, (N, D).

    log_prob_terms: from rows (n, D) to (n, D). high: one number, or (N,): the CDF there.
    """
    tops = np.broadcast_to(np.asarray(high, float), len(x))

    def of_row(row):
        def log_p(u):
            rows = np.repeat(np.asarray(row, float)[None], len(u), axis=0)
            rows[:, i] = u[:, 0]
            return log_prob_terms(rows)[:, i]

        return log_p

    return np.array(
        [integral(of_row(row), 1, low, top, near, tol) for row, top in zip(x, tops, strict=True)]
    )


def _cuts(low, high, near, cells):
    """Return where an axis is cut into first cells, in t."""
    cuts = np.linspace(low, high, cells + 1)
    steps = np.concatenate([-np.geomspace(1, 1e-6, 19), [0], np.geomspace(1e-6, 1, 19)])
    beside = np.arcsinh((near[:, None] + steps).ravel())
    return np.unique(np.concatenate([cuts, beside[(beside > low) & (beside < high)]]))


def _cells(log_p, lows, highs):
    """Return the integral over each cell, and how far Gauss's differs from it; both (m,)."""
    d = lows.shape[1]
    nodes = np.array(list(product(POINTS, repeat=d)))  # (15^d, d)
    fine, coarse = (
        np.prod(list(product(w, repeat=d)), axis=1) for w in (KRONROD, GAUSS)
    )  # (15^d,) each
    out = np.empty((2, len(lows)))
    step = max(1, ROWS // len(nodes))
    for lo in range(0, len(lows), step):
        part = slice(lo, lo + step)
        centre, half = (highs[part] + lows[part]) / 2, (highs[part] - lows[part]) / 2
        t = centre[:, None] + half[:, None] * nodes
        log_f = np.asarray(log_p(np.sinh(t).reshape(-1, d)), float).reshape(t.shape[:2])
        assert not np.isnan(log_f).any(), "a density is no number"
        volume = half.prod(axis=1)[:, None]
        f = np.exp(log_f + np.log(np.cosh(t)).sum(axis=2)) * volume
        out[:, part] = f @ fine, f @ coarse
    return out[0], np.abs(out[0] - out[1])


def _halves(lows, highs):
    """Return the 2^d cells that each cell is cut into."""
    d = lows.shape[1]
    sides = np.array(list(product((0, 1), repeat=d)))
    half = (highs - lows) / 2
    starts = lows[:, None] + sides * half[:, None]
    return starts.reshape(-1, d), (starts + half[:, None]).reshape(-1, d)
