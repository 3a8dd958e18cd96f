"""A layer between bits and their logits: gradient, twins, threads inside one kernel, and draws."""

import numpy as np
import pytest
from cuda_on_cpu import masked
from cuda_on_cpu.cases import CASES, Expected, cast
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_array_equal
from support.parity import agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import activation, masked_bits, masked_linear, threads, use_threads
from chainrule.kernels.masked_bits import cpu, reference
from chainrule.kernels.masked_linear import staircase

CASE = CASES["masked_bits"]


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("which", ["few", "many"])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 5), (4, 9, 7)])
def test_gradient(size, which, kind, backend, rng):
    given = masked.bits_inputs(rng, *size)
    N, D, H = size
    variables = np.arange(1, D + 1)
    stairs = staircase(variables, given["m_out"], False), staircase(given["m_out"], variables, True)
    theta = masked_bits.Layers(*(given[name] for name in "WcVb"))
    grad = masked_bits.Layers(*(np.full_like(a, np.nan) for a in theta))
    memory = np.empty((N, H)), np.empty((N, D)), np.empty((N, H)), np.empty(N)

    def loss(into=None):
        into = into or masked_bits.Layers(*(np.empty_like(a) for a in theta))
        masked_bits.loss_and_grad(kind, given[which], given["rate"], theta, *stairs, *memory, into)
        return float(memory[-1] @ given["rate"])

    loss(grad)
    for name, p, got in zip(theta._fields, theta, grad, strict=True):
        agree(got, numeric_grad(loss, p), f"d{name}")


@pytest.mark.parametrize("n_threads", [1, 3])
@both_dtypes
@pytest.mark.parametrize("shape", CASE.shapes, ids=str)
def test_cpu_rounds_no_worse_than_numpy(shape, dtype, n_threads, rng, monkeypatch):
    """And leaves its inputs alone."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    inputs = CASE.inputs(rng, *shape)
    given = cast(inputs, dtype)
    kept = {name: a.copy() for name, a in given.items()}
    with use_threads(n_threads):
        got = CASE.run(cpu, **given)
    Expected(CASE, reference, inputs, dtype).check(got)
    for name, before in kept.items():
        assert_array_equal(given[name], before, err_msg=f"{name} was changed")


def test_results_depend_neither_on_the_number_of_threads_nor_on_who_comes(rng, monkeypatch):
    """Where no worker ever takes a slice, the caller goes through all stages by itself."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    given = cast(CASE.inputs(rng, 90, 200, 150), np.float32)
    found = []
    for n_threads in (1, 2, 5):
        with use_threads(n_threads):
            found.append(CASE.run(cpu, **given))
    monkeypatch.setattr(threads._Workers, "offer", lambda workers, slices: None)
    with use_threads(3):
        found.append(CASE.run(cpu, **given))
    for other in found[1:]:
        for name, one in found[0].items():
            assert_array_equal(one, other[name], err_msg=name)


# --- sampling


def drawn(u, given, kind, x, on=np.array):
    """Return what `sample` makes of x, and the staircases."""
    W, m_out, variables = on(given["W"]), given["m_out"], np.arange(1, u.shape[1] + 1)
    stairs = (
        masked.stairs_of(variables, m_out, False, variables * 0 + 1, W),
        masked.stairs_of(m_out, variables, True, m_out * 0 + 1, W),
    )
    theta, out = masked_bits.Layers(W, *(on(given[name]) for name in "cVb")), on(x)
    masked_bits.sample(kind, on(u), theta, *stairs, out)
    return np.asarray(out.get() if hasattr(out, "get") else out)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 5), (9, 9, 7), (19, 31, 64)], ids=str)
def test_a_draw_is_what_the_whole_network_says_at_each_variable(size, kind, backend, rng):
    """Each bit by all of F1 and F2, of the bits before it; some are given."""
    N, D = size[:2]
    given = masked.bits_inputs(rng, *size)
    u, kept = rng.random((N, D)), rng.random((N, D)) < 0.3
    u[kept] = -1
    x = (rng.random((N, D)) < 0.5).astype(np.uint8)
    got = drawn(u, given, kind, x)
    assert_array_equal(got[kept], x[kept])
    variables = np.arange(1, D + 1)
    below = masked_linear.reference.mask(staircase(variables, given["m_out"], False))
    above = masked_linear.reference.mask(staircase(given["m_out"], variables, True))
    for i in range(D):
        past = np.where(np.arange(D) < i, got, 1)  # later bits must not be seen
        h = given["c"] + past @ (below * given["W"])
        activation.reference.forward(kind, h)
        s = given["b"] + h @ (above * given["V"])
        drawn_now = ~kept[:, i]
        assert_array_equal(got[drawn_now, i], (u[:, i] < 1 / (1 + np.exp(-s[:, i])))[drawn_now])


@pytest.mark.parametrize("size", [(1, 1, 1), (5, 9, 7)], ids=str)
def test_draws_of_the_cuda_twin(size, rig, rng):
    given = masked.bits_inputs(rng, *size)
    u, x = rng.random(size[:2]), np.zeros(size[:2], np.uint8)
    for kind in range(3):
        assert_array_equal(drawn(u, given, kind, x, to_device), drawn(u, given, kind, x))


def test_draws_do_not_depend_on_the_number_of_threads(rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    given = cast(masked.bits_inputs(rng, 90, 50, 40), np.float32)
    found = []
    for n_threads in (1, 2, 5):
        with use_threads(n_threads):
            found.append(drawn(np.random.default_rng(0).random((90, 50)), given, 0, given["few"]))
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])
