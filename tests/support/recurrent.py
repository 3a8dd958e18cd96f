"""What tests of rnn, lstm and gru share: gradients, host twins side by side, extremes."""

from importlib import import_module

import numpy as np
import pytest
from cuda_on_cpu.cases import RECURRENT as CASES
from cuda_on_cpu.cases import Expected
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import relative_error
from chainrule.kernels import recurrence, use_backend, use_threads

BACKENDS = ("reference", "cpu")
# T, N, H: one of everything, a single step, a lone row; below, sizes just past a vector of 8 or 16
SHAPES = [(1, 1, 1), (3, 2, 1), (1, 3, 2), (4, 1, 3), (5, 3, 4), (2, 7, 9)]
ODD = [(1, 1, 1), (7, 1, 33), (2, 5, 16), (3, 13, 17), (33, 6, 8), (5, 70, 24), (130, 2, 3)]
GRADIENTS = {"z": "dz", "W": "dW", "b": "db", "h0": "dh0", "c0": "dc0"}


def loss_and_numeric(case, inputs):
    """Return central differences of Σ dh ∘ h in every input, by the output's name."""

    def loss():
        return float((case.run(case.op, **inputs)["h"][1:] * inputs["dh"]).sum())

    numeric = {}
    for name, gradient in GRADIENTS.items():
        if name in inputs:
            p = inputs[name]
            numeric[gradient] = np.empty_like(p)
            for i in np.ndindex(p.shape):
                old, up_down = p[i], []
                for nudge in (1e-6, -1e-6):
                    p[i] = old + nudge
                    up_down.append(loss())
                p[i] = old
                numeric[gradient][i] = (up_down[0] - up_down[1]) / 2e-6
    return numeric


def _middle_rows(inputs):
    rows = {k: a[:, 1:3] for k, a in inputs.items() if a.ndim == 3}
    return inputs | rows | {k: inputs[k][1:3] for k in ("h0", "c0") if k in inputs}


class Passes:
    """The tests of one of them: a subclass says whose, in `name`."""

    name: str

    @pytest.fixture(autouse=True)
    def many_threads(self, monkeypatch):
        """Let threads share even the smallest work."""
        monkeypatch.setattr(recurrence, "WORK_A_THREAD", 1)

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_gradients_match_finite_differences(self, shape, backend, rng):
        case = CASES[self.name]
        T, N, H = shape
        inputs = case.inputs(rng, N, T, H)
        with use_backend(backend):
            ours = case.run(case.op, **inputs)
            for gradient, numeric in loss_and_numeric(case, inputs).items():
                assert np.abs(numeric).max() > 1e-5, f"{gradient}: a zero gradient proves nothing"
                assert relative_error(ours[gradient], numeric) < 1e-7, gradient

    @pytest.mark.parametrize("n_threads", [1, 3])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("shape", ODD, ids=str)
    def test_cpu_matches_reference(self, shape, dtype, n_threads, rng):
        case = CASES[self.name]
        T, N, H = shape
        inputs = case.inputs(rng, N, T, H)
        expected = Expected(
            case, import_module(f"chainrule.kernels.{self.name}.reference"), inputs, dtype
        )
        with use_threads(n_threads):
            expected.check(case.run(case.op, **{k: a.astype(dtype) for k, a in inputs.items()}))

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_strided_slices_of_the_batch(self, backend, rng):
        """A slice over N is a strided view; what lies beside it stays as it was."""
        case = CASES[self.name]
        inputs = case.inputs(rng, 5, 4, 9)
        with use_backend(backend):
            whole = case.run(case.op, **inputs)
            part = case.run(case.op, **_middle_rows(inputs), beside=2)
        for output in ("h", "c", "z", "m", "dz"):
            if output in whole:
                assert_allclose(part[output], whole[output][:, 1:3], rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_the_gradient_may_take_the_place_of_the_gates(self, backend, rng):
        case = CASES[self.name]
        inputs = case.inputs(rng, 3, 4, 5)
        with use_backend(backend):
            apart = case.run(case.op, **inputs)
            together = case.run(case.op, **inputs, in_place=True)
        for output in apart:
            if output != "z":  # which is overwritten
                assert_array_equal(together[output], apart[output], err_msg=output)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_huge_inputs_saturate_and_stay_finite(self, backend, rng):
        case = CASES[self.name]
        inputs = {k: a.astype(np.float32) for k, a in case.inputs(rng, 3, 20, 10).items()}
        inputs["z"] *= 1e4
        with use_backend(backend), np.errstate(under="ignore"):
            for output, a in case.run(case.op, **inputs).items():
                assert np.isfinite(a).all(), output

    def test_not_a_number_shows(self, rng):
        case = CASES[self.name]
        inputs = {k: a.astype(np.float32) for k, a in case.inputs(rng, 3, 4, 9).items()}
        inputs["z"][2, 1, 0] = np.nan
        h = case.run(case.op, **inputs)["h"]
        assert np.isfinite(h[:3]).all() and np.isfinite(h[:, [0, 2]]).all()
        assert np.isnan(h[4, 1]).all()

    def test_small_numbers_keep_their_digits(self, rng):
        """tanh(x) for x near 0 is x: (e - 1/e)/(e + 1/e) would round it to multiples of 6e-8."""
        case = CASES[self.name]
        inputs = {k: 0 * a for k, a in case.inputs(rng, 2, 1, 9).items()}
        inputs["z"] = rng.normal(0, 1e-6, inputs["z"].shape)
        inputs = {k: a.astype(np.float32) for k, a in inputs.items()}
        with use_backend("reference"):
            exact = case.run(case.op, **{k: a.astype(np.float64) for k, a in inputs.items()})["h"]
        assert_allclose(case.run(case.op, **inputs)["h"], exact, rtol=1e-6)
