"""What tests of several operations share: a twin held against `reference`, and tolerances."""

from importlib import import_module

import numpy as np
import pytest
from cuda_on_cpu.cases import CASES, SHAPES, Expected, cast
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels import use_threads

SIZES = [(1, 1), (1, 2), (4, 3), (3, 9), (2, 17)]  # of rows, for finite differences
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


class Parity:
    """The tests of a Numba twin that splits rows over threads: a subclass says whose, in `name`."""

    name: str

    @pytest.mark.parametrize("threads", [1, 3])
    @both_dtypes
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_cpu_rounds_no_worse_than_numpy(self, shape, dtype, threads, rng, monkeypatch):
        """And leaves its inputs alone."""
        cpu, reference = (
            import_module(f"chainrule.kernels.{self.name}.{twin}") for twin in ("cpu", "reference")
        )
        monkeypatch.setattr(cpu, "THREAD_WORK", 0)
        case = CASES[self.name]
        inputs = case.inputs(rng, *shape)
        expected = Expected(case, reference, inputs, dtype)
        given = cast(inputs, dtype)
        kept = {k: a.copy() for k, a in given.items()}
        with use_threads(threads):
            expected.check(case.run(cpu, **given))
        for key, before in kept.items():
            assert_array_equal(given[key], before, err_msg=f"{key} was changed")


def agree(ours, numeric, name):
    """Check a gradient against finite differences."""
    assert np.abs(numeric).max(initial=0) > 1e-9 or numeric.size <= 2, (
        f"{name}: zero proves nothing"
    )
    assert_allclose(ours, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
