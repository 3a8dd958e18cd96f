"""Activations: their slopes, their twins, and numbers at the ends."""

import numpy as np
import pytest
from cuda_on_cpu.cases import CASES, SHAPES, Expected, cast
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import SIZES, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import activation, use_threads
from chainrule.kernels.activation import KINDS, cpu, reference

every_kind = pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
CASE = CASES["activation"]


@every_kind
@pytest.mark.parametrize("size", SIZES)
def test_gradient(kind, size, backend, rng):
    a, dh = rng.normal(0, 2, size), rng.normal(size=size)
    a[0, 0] = 1  # where a lone unit has a slope

    def loss():
        h = a.copy()
        activation.forward(kind, h)
        return float((h * dh).sum())

    h, da = a.copy(), dh.copy()
    activation.forward(kind, h)
    activation.backward(kind, h, da)
    agree(da, numeric_grad(loss, a), KINDS[kind])


@pytest.mark.parametrize("threads", [1, 3])
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(shape, dtype, threads, rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    inputs = CASE.inputs(rng, *shape)
    with use_threads(threads):
        got = CASE.run(cpu, **cast(inputs, dtype))
    Expected(CASE, reference, inputs, dtype).check(got)


@every_kind
@both_dtypes
def test_large_numbers(kind, dtype, backend):
    h = np.array([[-1e4, -60, 0, 60, 1e4]], dtype)
    activation.forward(kind, h)
    ends = {"relu": [0, 0, 0, 60, 1e4], "tanh": [-1, -1, 0, 1, 1], "sigmoid": [0, 0, 0.5, 1, 1]}
    assert_allclose(h, [ends[KINDS[kind]]], atol=1e-20)
    da = np.ones_like(h)
    activation.backward(kind, h, da)
    slopes = {"relu": [0, 0, 0, 1, 1], "tanh": [0, 0, 1, 0, 0], "sigmoid": [0, 0, 0.25, 0, 0]}
    assert_allclose(da, [slopes[KINDS[kind]]], atol=1e-20)


@every_kind
def test_nan_is_not_swallowed(kind, backend, rng):
    h = rng.normal(size=(3, 9))
    h[1, 4] = np.nan
    activation.forward(kind, h)
    assert_array_equal(np.argwhere(np.isnan(h)), [[1, 4]])
