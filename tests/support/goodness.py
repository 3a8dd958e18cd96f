"""Whether samples follow a distribution: chi-square for codes, Kolmogorov-Smirnov for uniforms.

Seeds of tests are fixed, so a test that passes always passes. RARE is the level of one question;
several asked at once share it.

    goodness.assert_frequencies(model.sample(20_000, seed=1), model.log_prob, (2, 3, 2))
    goodness.assert_uniform(model.to_uniforms(x))     # each column, and every pair of columns
    goodness.assert_same(drawn[:, 0], real[:, 0])     # two samples of one distribution
"""

from itertools import combinations, product

import numpy as np
from scipy.stats import chi2, ks_2samp, kstest

RARE = 1e-4
FEW = 5.0  # a cell with a smaller expected count is put together with others


def chisquare(counts, expected):
    """Return the p-value of observed counts; cells of which few are expected count as one.

    counts, expected: alike in shape, expected summing to the counts' sum. What cannot be, an
    expected count of 0, must not have been seen: then 0 is returned.
    """
    n, m = np.ravel(counts).astype(float), np.ravel(expected).astype(float)
    assert np.isclose(n.sum(), m.sum(), rtol=1e-5), f"{n.sum()} drawn, {m.sum():.6g} expected"
    if n[m == 0].any():
        return 0.0
    order = np.argsort(m)
    n, m = n[order], m[order]
    rare = int((m < FEW).sum())
    while rare < len(m) and 0 < m[:rare].sum() < FEW:
        rare += 1
    n, m = np.array([n[:rare].sum(), *n[rare:]]), np.array([m[:rare].sum(), *m[rare:]])
    n, m = n[m > 0], m[m > 0]
    assert len(m) > 1, "too few were drawn to tell anything"
    return float(chi2.sf((np.square(n - m) / m).sum(), len(m) - 1))


def assert_frequencies(x, log_prob, values, rare=RARE):
    """Check that rows of codes, x (N, D), are drawn as often as exp(log_prob) says.

    values: how many values each column has. log_prob: from rows to nats, called on all there are.
    """
    every = np.array(list(product(*map(range, values))), np.asarray(x).dtype)
    counts = np.bincount(np.ravel_multi_index(np.asarray(x, int).T, values), minlength=len(every))
    p = np.exp(np.asarray(log_prob(every), float))
    assert np.isclose(p.sum(), 1, atol=1e-4), f"probabilities sum to {p.sum():.6f}"
    found = chisquare(counts, len(x) * p / p.sum())
    assert found > rare, f"frequencies are not the probabilities: p-value {found:.1e}"


def assert_uniform(u, rare=RARE, grid=8):
    """Check that the columns of u, (N, D), are uniform on [0, 1], and every two of them together.

    Pairs are counted in grid² squares; (N,) is one column.
    """
    rows = np.asarray(u, float).reshape(len(u), -1)
    assert ((rows >= 0) & (rows <= 1)).all(), "a probability is outside [0, 1]"
    N, D = rows.shape
    pairs = list(combinations(range(D), 2))
    limit = rare / (D + len(pairs))
    for i in range(D):
        found = kstest(rows[:, i], "uniform").pvalue
        assert found > limit, f"column {i} is not uniform: p-value {found:.1e}"
    cells = np.minimum((rows * grid).astype(int), grid - 1)
    for i, j in pairs:
        counts = np.bincount(cells[:, i] * grid + cells[:, j], minlength=grid * grid)
        found = chisquare(counts, np.full(grid * grid, N / grid**2))
        assert found > limit, f"columns {i} and {j} depend on each other: p-value {found:.1e}"


def assert_same(a, b, rare=RARE):
    """Check that two samples of a real variable, (N,) and (M,), are of one distribution."""
    found = ks_2samp(np.ravel(a), np.ravel(b)).pvalue
    assert found > rare, f"two distributions: p-value {found:.1e}"


def assert_follows(x, cdf, rare=RARE):
    """Check that a sample of a real variable, (N,), has a cdf, from (N,) to (N,)."""
    assert_uniform(np.asarray(cdf(np.ravel(x))), rare)
