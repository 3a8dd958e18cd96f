"""Rows of columns of any kinds: the twins, and the blocks that other kernels' sweeps call."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import Parity

from chainrule.kernels import columns
from chainrule.kernels.columns import bodies, reference
from chainrule.kernels.mixture import LAPLACE

VALUES = (2, 0, 5, 40, 1)  # 40: more than are worked on side by side


class TestColumns(Parity):
    name = "columns"


def table(rng, N):
    layout = columns.layout(VALUES, 3, LAPLACE, True)
    s = rng.normal(0, 2, (N, int(layout.first[-1]))).astype(np.float32)
    x = np.stack([rng.integers(0, K, N) if K else rng.normal(size=N) for K in VALUES], axis=1)
    return layout, s, x.astype(np.float32)


@pytest.mark.parametrize("rows", [1, 16, 63, 64, 65, 150])
def test_a_block_of_one_variable(rows, rng):
    """In columns o, o + 1, … of a wider block, beside rows 3, 4, … of the data."""
    layout, s, x = table(rng, rows + 3)
    before, expected = rng.normal(size=rows + 3), np.empty(x.shape)
    reference.terms(layout, s.astype(np.float64), x, expected)
    of_all, ds = np.empty(rows + 3), np.empty_like(s)
    reference.nll_and_grad(layout, s, x, 0.25, of_all, ds)
    for i in range(len(VALUES)):
        own = slice(int(layout.first[i]), int(layout.first[i + 1]))
        block = np.full((rows, 1 + own.stop - own.start), 7, np.float32)
        block[:, 1:] = s[3:, own]
        work = np.full(layout.work + 1, 7, np.float32)
        nll, both = before.copy(), before.copy()
        bodies.block_loss(layout, i, block, 1, x, 3, rows, nll, work)
        assert_array_equal(block[:, 1:], s[3:, own])
        bodies.block_loss_gradient(layout, i, block, 1, x, 3, rows, 0.25, both, work)
        assert_array_equal(nll, both)
        assert_array_equal(nll[:3], before[:3])
        assert_allclose((nll - before)[3:], -expected[3:, i], rtol=1e-5, atol=1e-6)
        assert_allclose(block[:, 1:], ds[3:, own], rtol=1e-4, atol=1e-6)
        assert (block[:, 0] == 7).all() and work[-1] == 7


def test_a_weight_of_zero_reads_nothing(backend, rng):
    layout, s, x = table(rng, 4)
    weights = np.zeros_like(x)
    weights[0] = 1
    x[1:] = np.nan
    nll, ds = np.empty(4, np.float32), s.copy()
    columns.weighted_nll_and_grad(layout, ds, x, weights, nll, ds)
    assert nll[0] > 0 and not nll[1:].any() and not ds[1:].any()
    assert (ds[0] != 0).sum() == ds.shape[1] - 1  # all but the only value's of K = 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_tables_of_whole_numbers(dtype, backend, rng):
    layout = columns.layout((2, 4, 2))
    s, x = rng.normal(size=(70, 6)).astype(np.float32), rng.integers(0, 2, (70, 3)).astype(dtype)
    terms, expected = np.empty((70, 3), np.float32), np.empty((70, 3), np.float32)
    columns.terms(layout, s, x, terms)
    reference.terms(layout, s, x, expected)
    assert_allclose(terms, expected, rtol=1e-5)
