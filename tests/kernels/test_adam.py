"""The Adam kernel against NumPy, a plain scalar implementation and PyTorch's AdamW."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels import use_threads
from chainrule.kernels.adam import cpu, reference

SIZES = [0, 1, 7, 33, 4096, 4097, 10_001]
TWINS = [cpu, reference]
# t, lr, beta1, beta2, eps, weight_decay, l1, n_decay, max_norm
USUAL = (3, 0.01, 0.9, 0.999, 1e-8, 0.1, 0.2, 5, 1.0)


@pytest.fixture(autouse=True)
def many_threads(monkeypatch):
    """Let three threads share even the smallest work."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 1)
    with use_threads(3):
        yield


def draw(rng, P, dtype=np.float64):
    """Return theta, g, m and v."""
    theta, g, m, v = (rng.normal(size=P).astype(dtype) for _ in range(4))
    return theta, g, m, v * v


def scalar_step(theta, g, m, v, t, lr, beta1, beta2, eps, weight_decay, l1, n_decay, max_norm):
    """Adam as a textbook has it, one number at a time; lists of floats, changed in place."""
    norm = math.sqrt(math.fsum(x * x for x in g))
    for k in range(len(theta)):
        gradient = g[k] * (max_norm / norm if 0 < max_norm < norm else 1.0)
        m[k] = beta1 * m[k] + (1.0 - beta1) * gradient
        v[k] = beta2 * v[k] + (1.0 - beta2) * gradient**2
        mean, power = m[k] / (1.0 - beta1**t), v[k] / (1.0 - beta2**t)
        shrunk = theta[k] * (1.0 - lr * weight_decay) if k < n_decay else theta[k]
        theta[k] = shrunk - lr * mean / (math.sqrt(power) + eps)
        if k < n_decay:
            theta[k] = math.copysign(max(abs(theta[k]) - lr * l1, 0.0), theta[k])
    return norm if max_norm else 0.0


@pytest.mark.parametrize("max_norm", [0.0, 1.0, 1e9])
@pytest.mark.parametrize("t", [1, 7, 100_000])
@pytest.mark.parametrize("P", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpu_rounds_no_worse_than_numpy(dtype, P, t, max_norm, rng, assert_rounds_like_numpy):
    start = draw(rng, P, dtype)
    options = (t, 0.01, 0.9, 0.999, 1e-8, 0.1, 0.2, P // 3, max_norm)

    def after(twin, dtype):
        arrays = [a.astype(dtype) for a in start]
        return arrays, twin.step(*arrays, *options)

    ours, norm = after(cpu, dtype)
    numpys, _ = after(reference, dtype)
    truth, true_norm = after(reference, np.longdouble)
    assert norm == pytest.approx(true_norm, rel=1e-12)
    for name, got, ref, true in zip("θgmv", ours, numpys, truth, strict=True):
        assert_rounds_like_numpy(got, ref, true, name)


@pytest.mark.parametrize("n_decay", [0, 1, 6, 9])
@pytest.mark.parametrize("l1", [0, 3.0])
@pytest.mark.parametrize(("weight_decay", "max_norm"), [(0, 0), (0.1, 0), (0, 2), (0.1, 2)])
@pytest.mark.parametrize("twin", TWINS)
def test_several_steps_match_a_scalar_implementation(
    twin, weight_decay, max_norm, l1, n_decay, rng
):
    theta, m, v = rng.normal(size=9), np.zeros(9), np.zeros(9)
    lists = [a.tolist() for a in (theta, m, v)]
    for t in range(1, 8):
        g = t * rng.normal(size=9)  # now under max_norm, now above
        options = (t, 0.05, 0.8, 0.95, 1e-3, weight_decay, l1, n_decay, max_norm)
        norm = twin.step(theta, g, m, v, *options)
        expected = scalar_step(lists[0], g.tolist(), *lists[1:], *options)
        assert norm == pytest.approx(expected, rel=1e-13)
        for ours, theirs in zip((theta, m, v), lists, strict=True):
            assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("twin", TWINS)
def test_first_step_is_the_learning_rate_in_the_direction_of_the_sign(twin):
    g = np.array([3e-5, -2e-3, 0.7, -40.0])
    theta, m, v = np.zeros((3, 4))
    twin.step(theta, g, m, v, 1, 0.01, 0.9, 0.999, 0.0, 0.0, 0.0, 0, 0.0)
    assert_allclose(theta, -0.01 * np.sign(g), rtol=1e-12)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_scales_to_the_norm_and_returns_the_one_before(twin, dtype):
    g = np.array([3, -4], dtype)
    for max_norm, scale in [(1.0, 0.2), (4.999, 0.9998), (5.0, 1), (7.0, 1), (0.0, 1)]:
        m, v = np.zeros(2, dtype), np.zeros(2, dtype)
        norm = twin.step(np.zeros(2, dtype), g, m, v, 1, 0.1, 0, 0, 1e-8, 0, 0, 0, max_norm)
        assert isinstance(norm, float)
        assert norm == (5 if max_norm else 0)
        assert_allclose(m, scale * g, rtol=4 * np.finfo(dtype).eps)
        assert_allclose(v, (scale * g) ** 2, rtol=4 * np.finfo(dtype).eps)
    assert_array_equal(g, np.array([3, -4], dtype))


def test_norm_is_summed_in_float64():
    """In float32 a large square would swallow the small ones, and 1e30² overflow."""
    ones = np.ones(20_000_000, np.float32)
    assert cpu._norm(ones) == math.sqrt(20_000_000)
    assert cpu._norm(np.full(3, 1e30, np.float32)) == pytest.approx(math.sqrt(3) * 1e30, rel=1e-6)
    assert cpu._norm(np.empty(0)) == 0


@pytest.mark.parametrize("twin", TWINS)
def test_zero_and_nan_gradients(twin):
    """ε keeps a zero gradient from being 0 / 0, and a NaN stays with its entry."""
    theta, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    assert twin.step(theta, np.zeros(2), m, v, 1, 0.1, 0.9, 0.99, 1e-8, 0, 0, 0, 1.0) == 0
    assert_array_equal(theta, [1, 1])
    g = np.array([np.nan, 1.0])
    assert math.isnan(twin.step(theta, g, m, v, 2, 0.1, 0.9, 0.99, 1e-8, 0, 0, 0, 1.0))
    assert_array_equal(np.isnan(theta), [True, False])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_never_subnormal(dtype):
    """Left to decay, they would stay subnormal, which costs a CPU a hundred times as much."""
    tiny = np.finfo(dtype).tiny
    for twin in TWINS:
        theta, m, v = np.ones(3, dtype), np.array([2, -2, 2], dtype) * tiny, 2 * np.ones(3, dtype)
        v[:2] *= tiny
        g, seen = np.array([0, 0, 1], dtype), set()
        for t in range(1, 12):  # 0.5⁶ is under 0.9⁷
            twin.step(theta, g, m, v, t, 1e-3, 0.9, 0.5, 1e-8, 0, 0, 0, 0.0)
            seen |= {*np.abs(m[:2]), *v[:2]}
        assert min(value for value in seen if value) >= tiny
        assert_array_equal([m[:2], v[:2]], 0)
        assert m[2] > 0.5 and v[2] > 0.5
        assert_array_equal(theta[:2], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(dtype, rng):
    P = 10_001
    start = draw(rng, P, dtype)

    def after(n):
        arrays = [a.copy() for a in start]
        with use_threads(n):
            return cpu.step(*arrays, *USUAL[:-2], P // 2, 0.5), *arrays

    alone = after(1)
    for n in (2, 3, 70):
        for one, several in zip(alone, after(n), strict=True):
            assert_array_equal(one, several)


@pytest.mark.parametrize("twin", TWINS)
def test_l1_zeroes_what_the_gradient_does_not_hold_up(twin):
    """At rest |m̂| / √v̂ = l1: under it an entry goes to exactly zero, over it it stays away."""
    theta, m, v = np.array([0.3, 0.3, -0.3, 0.3]), np.zeros(4), np.zeros(4)
    for t in range(1, 400):
        wave = 1.0 if t % 2 else -1.0  # m̂ / √v̂ tends to drift / √(drift² + 1)
        g = wave + np.array([0.1, -0.5, 0.5, 0.1])
        twin.step(theta, g, m, v, t, 0.01, 0.9, 0.999, 1e-8, 0.0, 0.25, 3, 0.0)
    assert theta[0] == 0
    assert theta[1] > 0.3 and theta[2] < -0.3
    assert theta[3] < 0  # past n_decay: no threshold, so the gradient alone moves it


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_torch(twin, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theta, m, v = rng.normal(size=50).astype(dtype), np.zeros(50, dtype), np.zeros(50, dtype)
    decayed, plain = (torch.tensor(part, requires_grad=True) for part in (theta[:30], theta[30:]))
    groups = [
        {"params": [decayed], "weight_decay": 0.2},
        {"params": [plain], "weight_decay": 0},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.03, betas=(0.9, 0.98), eps=1e-6)
    for t in range(1, 11):
        g = rng.normal(size=50).astype(dtype)
        decayed.grad, plain.grad = torch.tensor(g[:30]), torch.tensor(g[30:])
        theirs.step()
        twin.step(theta, g, m, v, t, 0.03, 0.9, 0.98, 1e-6, 0.2, 0.0, 30, 0.0)
    result = np.concatenate([decayed.detach().numpy(), plain.detach().numpy()])
    assert_allclose(theta, result, rtol=0, atol=30 * np.finfo(dtype).eps)
