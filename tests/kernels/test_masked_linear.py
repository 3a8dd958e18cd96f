"""The masked linear map: who sees whom, its gradients, its twins, and what is never touched."""

import numpy as np
import pytest
from cuda_on_cpu import masked
from cuda_on_cpu.cases import CASES, SHAPES, Expected, cast
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import masked_linear, use_threads
from chainrule.kernels.masked_linear import cpu, reference, staircase

CASE = CASES["masked_linear"]
SIZES = [(1, 1, 1), (1, 2, 2), (4, 3, 5), (3, 9, 4), (2, 17, 20)]
KINDS = ["real", "few", "many", "codes", "mixed"]


def problem(rng, kind, N, D, H, strict=False):
    """Return x, W, b, dy and a staircase for inputs of a kind."""
    made = masked.linear_inputs(rng, N, D, H)
    of_codes = kind in ("codes", "mixed")
    n_rows = made["n_rows"] if of_codes else np.ones(D, int)
    stairs = staircase(made["m_in"], made["m_out"], strict, n_rows)
    return made[kind], made["W_codes" if of_codes else "W"], made["b"], made["dy"], stairs


@pytest.mark.parametrize("strict", [False, True])
def test_who_sees_whom(strict, rng):
    """By the definition, number by number; rows of a code are seen as one."""
    m_in, m_out = np.sort(rng.integers(1, 6, 9)), np.sort(rng.integers(1, 6, 7))
    n_rows = rng.integers(1, 4, 9)
    stairs = staircase(m_in, m_out, strict, n_rows)
    sees = m_in[:, None] < m_out if strict else m_in[:, None] <= m_out
    assert_array_equal(reference.mask(stairs), np.repeat(sees, n_rows, axis=0))
    assert_array_equal(stairs.reach, sees.sum(axis=0))
    assert_array_equal(stairs.first, 7 - sees.sum(axis=1))
    assert_array_equal(stairs.seen, (sees & (n_rows == 1)[:, None]).sum(axis=0))


@pytest.mark.parametrize(("m_in", "m_out"), [([2, 1], [1]), ([1], [3, 2])])
def test_numbers_out_of_order_are_refused(m_in, m_out):
    with pytest.raises(ValueError, match="must be sorted by their numbers"):
        staircase(m_in, m_out, strict=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_gradient(kind, size, backend, rng):
    x, W, b, dy, stairs = problem(rng, kind, *size)
    y, dW, db = np.empty_like(dy), np.full_like(W, np.nan), np.full_like(b, np.nan)

    def loss():
        masked_linear.forward(x, W, b, stairs, y)
        return float((y * dy).sum())

    masked_linear.backward(dy, x, stairs, dW, db)
    numeric = numeric_grad(loss, W)
    assert_allclose(dW, numeric, rtol=1e-6, atol=1e-8)
    assert numeric.any() or not (reference.mask(stairs).any() and x.all())
    agree(db, numeric_grad(loss, b), "db")
    dx = np.full(x.shape, np.nan)
    masked_linear.input_gradient(dy, W, stairs, dx)
    if x.dtype.kind != "f":
        return
    is_code = np.diff(stairs.rows) > 1
    moved = x.copy()
    for i in np.flatnonzero(~is_code):
        for n in range(len(x)):
            ends = []
            for nudge in (1e-6, -1e-6):
                moved[n, i] = x[n, i] + nudge
                masked_linear.forward(moved, W, b, stairs, y)
                ends.append((y * dy).sum())
            moved[n, i] = x[n, i]
            assert_allclose(dx[n, i], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-7)
    assert not dx[:, is_code].any()


@pytest.mark.parametrize("threads", [1, 3])
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(shape, dtype, threads, rng, monkeypatch):
    """And leaves its inputs alone."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    inputs = CASE.inputs(rng, *shape)
    given = cast(inputs, dtype)
    kept = {name: a.copy() for name, a in given.items()}
    with use_threads(threads):
        got = CASE.run(cpu, **given)
    Expected(CASE, reference, inputs, dtype).check(got)
    for name, before in kept.items():
        assert_array_equal(given[name], before, err_msg=f"{name} was changed")


@pytest.mark.parametrize("size", [(3, 600, 70), (140, 20, 70), (7, 80, 600)], ids=str)
@pytest.mark.parametrize("kind", ["real", "few", "many"])
def test_many_of_anything_are_done_in_blocks(kind, size, rng):
    """More inputs, rows or outputs than are laid out at a time."""
    x, W, b, dy, stairs = problem(rng, kind, *size)
    found = []
    for twin in (cpu, reference):
        y, dW, db, dx = (np.full(a.shape, np.nan) for a in (dy, W, b, x))
        twin.forward(x, W, b, stairs, y)
        twin.backward(dy, x, stairs, dW, db)
        twin.input_gradient(dy, W, stairs, dx)
        found.append((y, dW, db, dx))
    for got, expected in zip(*found, strict=True):
        assert_allclose(got, expected, rtol=0, atol=1e-12 * max(size))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_mask_hides_is_neither_read_nor_moved(kind, backend, rng):
    """Not even where it is no number: nor does its gradient ever differ from zero by a sign."""
    x, W, b, dy, stairs = problem(rng, kind, 9, 40, 50)
    hidden = ~reference.mask(stairs)
    y, poisoned, dx = np.empty_like(dy), np.where(hidden, np.nan, W), np.empty(x.shape)
    masked_linear.forward(x, poisoned, b, stairs, y)
    assert np.isfinite(y).all()
    masked_linear.input_gradient(dy, poisoned, stairs, dx)
    assert np.isfinite(dx).all()
    dW, db = np.full_like(W, np.nan), np.empty_like(b)
    masked_linear.backward(dy, x, stairs, dW, db)
    assert np.isfinite(dW).all()
    assert not dW[hidden].any() and not np.signbit(dW[hidden]).any()


@pytest.mark.parametrize("size", [(9, 20, 70), (40, 200, 150)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_the_same_in_any_company(kind, size, rng):
    """To the last bit: alone, among others, and beside rows of which all bits are ones."""
    x, W, b, _, stairs = problem(rng, kind, *size)
    x, W, b = x.copy(), W.astype(np.float32), b.astype(np.float32)
    if x.dtype.kind == "f":
        x = x.astype(np.float32)
    together, alone = np.empty((2, len(x), W.shape[1]), np.float32)
    masked_linear.forward(x, W, b, stairs, together)
    for n in range(len(x)):
        masked_linear.forward(x[n : n + 1], W, b, stairs, alone[n : n + 1])
    assert_array_equal(together, alone)
    x[1:, stairs.numbers] = 1
    masked_linear.forward(x, W, b, stairs, alone)
    assert_array_equal(together[0], alone[0])


@pytest.mark.parametrize("kind", ["few", "many", "codes"])
def test_results_do_not_depend_on_the_number_of_threads(kind, rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    x, W, b, dy, stairs = problem(rng, kind, 37, 60, 90)
    found = []
    for threads in (1, 2, 5):
        y, dW, db = np.empty_like(dy), np.empty_like(W), np.empty_like(b)
        with use_threads(threads):
            cpu.forward(x, W, b, stairs, y)
            cpu.backward(dy, x, stairs, dW, db)
        found.append((y, dW, db))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert_array_equal(one, two)


def test_arranging_and_back(backend, rng):
    W, there, again = rng.normal(size=(7, 40)), np.empty((7, 40)), np.empty((7, 40))
    rows, columns = (rng.permutation(k).astype(np.int32) for k in W.shape)
    masked_linear.arrange(W, rows, columns, there)
    assert_array_equal(there, W[np.ix_(rows, columns)])
    back = (np.argsort(p).astype(np.int32) for p in (rows, columns))
    masked_linear.arrange(there, *back, again)
    assert_array_equal(again, W)
