"""A layer between bits and their logits: its gradient, its twins, and threads inside one kernel."""

import numpy as np
import pytest
from cuda_on_cpu import masked
from cuda_on_cpu.cases import CASES, Expected, cast
from numpy.testing import assert_array_equal
from support.parity import agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import masked_bits, threads, use_threads
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
