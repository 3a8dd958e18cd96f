"""The triangular map's Numba kernels against NumPy, finite differences and recomputation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import triangular, use_threads
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.triangular import cpu, reference

# An empty batch; no alpha; odd and even D; a block of columns and just past one; many rows.
SIZES = [(0, 5), (1, 1), (3, 1), (4, 2), (2, 3), (5, 64), (3, 65), (2, 131), (300, 7)]
DENSITIES = [0, 0.13, 0.5, 1]
classes = pytest.mark.parametrize("n", [1, 3])


@pytest.fixture(autouse=True)
def many_threads(monkeypatch):
    """Let three threads share even the smallest work."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    with use_threads(3):
        yield


def draw(rng, size, density=0.3, dtype=np.float64, n_classes=1):
    """Return x, alpha, b and ds."""
    N, D = size
    shapes = [D * (D - 1) // 2, (n_classes, D), (N, D)]
    return (
        (rng.random(size) < density).astype(np.uint8),
        *(rng.normal(size=shape).astype(dtype) for shape in shapes),
    )


def labels(n, b):
    """Return the labels of n rows: all classes in turn; none where there is one."""
    return np.arange(n if len(b) > 1 else 0, dtype=np.int32) % len(b)


def forward(twin, x, alpha, b):
    """Return s."""
    s = np.full(x.shape, np.nan, b.dtype)
    assert twin.forward(x, alpha, b, labels(len(x), b), s) is None
    return s


def input_gradient(twin, ds, alpha):
    """Return dx."""
    dx = np.full_like(ds, np.nan)
    assert twin.input_gradient(ds, alpha, dx) is None
    return dx


def sample(twin, u, alpha, b, x=None):
    """Return what is drawn into a copy of x, by default into nonsense."""
    drawn = np.full(u.shape, 7, np.uint8) if x is None else x.copy()
    assert twin.sample(u, alpha, b, labels(len(u), b), drawn) is None
    return drawn


def backward(twin, ds, x, n_classes=1):
    """Return (dalpha, db), whose entries must all be overwritten."""
    D = x.shape[1]
    dalpha, db = (np.full(s, np.nan, ds.dtype) for s in (D * (D - 1) // 2, (n_classes, D)))
    assert twin.backward(ds, x, labels(len(x), db), dalpha, db) is None
    return dalpha, db


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@classes
def test_cpu_rounds_no_worse_than_numpy(n, dtype, size, density, rng, assert_rounds_like_numpy):
    x, alpha, b, ds = draw(rng, size, density, dtype, n)
    exact = [a.astype(np.longdouble) for a in (alpha, b, ds)]

    def outputs(twin, alpha, b, ds):
        s, dx = forward(twin, x, alpha, b), input_gradient(twin, ds, alpha)
        return s, *backward(twin, ds, x, n), dx

    ours = outputs(cpu, alpha, b, ds)
    numpys, truth = outputs(reference, alpha, b, ds), outputs(reference, *exact)
    for name, *arrays in zip(("s", "dalpha", "db", "dx"), ours, numpys, truth, strict=True):
        assert_rounds_like_numpy(*arrays, name)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (4, 5), (7, 6)])
@classes
def test_backward_matches_finite_differences(n, size, twin, rng):
    x, alpha, b, ds = draw(rng, size, 0.5, n_classes=n)
    x[0] = 1  # or a column of dalpha may vanish

    def loss():
        return float((forward(twin, x, alpha, b) * ds).sum())

    grads = backward(twin, ds, x, n)
    for name, p, grad in zip(("dalpha", "db"), (alpha, b), grads, strict=True):
        numeric = numeric_grad(loss, p)
        assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert p.size == 0 or np.abs(numeric).max() > 1e-4, f"{name}: zero proves nothing"


@pytest.mark.parametrize("twin", [cpu, reference])
def test_logit_i_sees_earlier_inputs_and_no_others(twin, rng):
    D = 70
    x, alpha, b, _ = draw(rng, (1, D))
    s = forward(twin, x, alpha, b)[0]
    for j in range(D):
        flipped = x.copy()
        flipped[0, j] ^= 1
        moved = forward(twin, flipped, alpha, b)[0] != s
        assert not moved[: j + 1].any(), f"input {j} reached a logit it must not reach"
        assert moved[j + 1 :].all(), f"input {j} did not reach a later logit"


@pytest.mark.parametrize("D", [1, 2, 5, 12])
def test_alpha_is_packed_by_columns(D, rng):
    """An upstream gradient at (n, i) and a one at (n, j) reach α_j^i where the contract says."""
    for j in range(D):
        for i in range(D):
            x, ds = np.zeros((1, D), np.uint8), np.zeros((1, D))
            x[0, j], ds[0, i] = 1, 3.0
            dalpha, db = backward(cpu, ds, x)
            place = [triangular.offset(j, D) + i - j - 1] if i > j else []
            assert_array_equal(np.flatnonzero(dalpha), place)
            assert_array_equal(np.flatnonzero(db[0]), [i])


@pytest.mark.parametrize("density", [0.13, 0.5])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 64), (30, 130)])
@classes
def test_sample_is_recomputation_symbol_by_symbol(n, size, density, rng):
    _, alpha, b, _ = draw(rng, size, n_classes=n)
    b += np.log(density / (1 - density))
    u = rng.random(size)
    expected = np.zeros(size, np.uint8)
    for i in range(size[1]):  # everything again for every symbol
        expected[:, i] = u[:, i] < sigmoid(forward(reference, expected, alpha, b)[:, i])
    for twin in (cpu, reference):
        x = sample(twin, u, alpha, b)
        assert x.dtype == np.uint8
        assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("twin", [cpu, reference])
def test_what_is_given_is_kept_and_seen(twin, dtype, rng):
    size = (20, 67)
    x, alpha, b, _ = draw(rng, size, 0.4, dtype)
    alpha, b = 50 * alpha, 50 * b  # not even probabilities of exactly 0 and 1 win over it
    assert_array_equal(sample(twin, np.full(size, -1, dtype), alpha, b, x), x)
    u, kept = rng.random(size).astype(dtype), rng.random(size) < 0.5
    u[kept] = -1e-6
    drawn = sample(twin, u, alpha, b, np.where(kept, x, 9).astype(np.uint8))
    p = sigmoid(forward(reference, drawn, alpha, b))
    assert_array_equal(drawn, np.where(kept, x, u < p))


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (4, 5), (3, 66)])
def test_gradient_in_x_matches_finite_differences(size, twin, rng):
    _, alpha, b, ds = draw(rng, size)
    x = rng.normal(size=size)  # a function of real x
    numeric = numeric_grad(lambda: float((forward(reference, x, alpha, b) * ds).sum()), x)
    assert_allclose(input_gradient(twin, ds, alpha), numeric, rtol=1e-6, atol=1e-8)
    assert size[1] == 1 or np.abs(numeric).max() > 1e-4


def test_edges_of_the_uniform():
    """u = 0 draws a one at any probability above 0; u just below 1 does only at 1; a tie is 0."""
    below_one = np.nextafter(1, 0)
    for twin in (cpu, reference):
        for u, s, drawn in [(0, -700, 1), (below_one, 40, 1), (below_one, 30, 0), (0.5, 0, 0)]:
            x = sample(twin, np.array([[float(u)]]), np.empty(0), np.array([[float(s)]]))
            assert_array_equal(x, [[drawn]], f"u = {u}, s = {s}")


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (30, 131)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@classes
def test_threads_change_no_bit(n, dtype, size, rng):
    x, alpha, b, ds = draw(rng, size, 0.2, dtype, n)
    u = rng.random(size).astype(dtype)

    def everything():
        outputs = forward(cpu, x, alpha, b), input_gradient(cpu, ds, alpha)
        return *outputs, *backward(cpu, ds, x, n), sample(cpu, u, alpha, b)

    with use_threads(1):
        alone = everything()
    for count in (2, 3, 70):
        with use_threads(count):
            for one, several in zip(alone, everything(), strict=True):
                assert_array_equal(one, several)


def test_inputs_are_left_alone_and_x_may_be_read_only(rng):
    inputs = draw(rng, (6, 9))
    kept = [a.copy() for a in inputs]
    x, alpha, b, ds = inputs
    x.flags.writeable = False  # as a memory-mapped file is
    forward(cpu, x, alpha, b)
    backward(cpu, ds, x)
    input_gradient(cpu, ds, alpha)
    sample(cpu, np.abs(ds), alpha, b)
    for a, before in zip(inputs, kept, strict=True):
        assert_array_equal(a, before)
