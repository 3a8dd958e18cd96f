"""What a launch refuses, on the CPU rig: arrays that a kernel would misread, or cannot reach."""

from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu.cases import CASES, cast
from cuda_on_cpu.fake_cupy import STREAM, to_device
from cuda_on_cpu.rig import RigError

from chainrule.kernels import (
    bernoulli,
    causal_attention,
    device,
    embedding,
    layer_norm,
    nade,
    rotary,
    softmax_cross_entropy,
    triangular,
)
from chainrule.kernels.device import H100, Device
from chainrule.kernels.gelu import cuda as gelu_cuda
from chainrule.kernels.rotary import cuda as rotary_cuda
from chainrule.kernels.signatures import kernels_of, signature

F4 = np.dtype(np.float32)


def floats(*shape, dtype=np.float32):
    return to_device(np.ones(shape, dtype))


def integers(dtype, *shape):
    return to_device(np.ones(shape, dtype))


def nade_arrays():
    """Return W, V, b, c and y, of one class, for rows of three bits."""
    return floats(3, 4), floats(3, 4), floats(3), floats(1, 4), integers(np.int32, 0)


# --- dtypes ---------------------------------------------------------------------------------------

MISREAD = {
    "embedding_forward: ids must be int32 on a GPU, got int64": lambda: embedding.forward(
        integers(np.int64, 3), floats(5, 4), floats(3, 4)
    ),
    "embedding_backward: ids must be int32 on a GPU, got uint8": lambda: embedding.backward(
        floats(3, 4), integers(np.uint8, 3), floats(5, 4)
    ),
    "cross_entropy_forward: ids must be int32": lambda: softmax_cross_entropy.forward(
        floats(3, 4), integers(np.int64, 3), floats(3)
    ),
    "attention_decode: length must be int32": lambda: causal_attention.decode(
        floats(1, 1, 4),
        floats(1, 3, 1, 4),
        floats(1, 3, 1, 4),
        integers(np.int64, 1),
        floats(1, 1, 4),
    ),
    "nade_log_prob: x must be uint8 on a GPU, got int64": lambda: nade.log_prob(
        integers(np.int64, 2, 3), *nade_arrays(), floats(2)
    ),
    "triangular_forward: x must be uint8 on a GPU, got bool": lambda: triangular.forward(
        integers(bool, 2, 3), floats(3), floats(1, 3), integers(np.int32, 0), floats(2, 3)
    ),
    "bernoulli_forward: x must be uint8 on a GPU, got int32": lambda: bernoulli.forward(
        floats(2, 3), integers(np.int32, 2, 3), floats(2)
    ),
    "bernoulli_backward: dnll must be float32 on a GPU, got float64": lambda: bernoulli.backward(
        floats(2, dtype=np.float64), floats(2, 3), integers(np.uint8, 2, 3), floats(2, 3)
    ),
    "layer_norm_forward: g must be float32 on a GPU, got float64": lambda: layer_norm.forward(
        floats(2, 3), floats(3, dtype=np.float64), floats(3), floats(2, 3), floats(2), floats(2)
    ),
    "nade_sample: u must be float32 on a GPU, got float64": lambda: nade.sample(
        floats(2, 3, dtype=np.float64), *nade_arrays(), integers(np.uint8, 2, 3)
    ),
    "nade_sample: x must be uint8 on a GPU, got int32": lambda: nade.sample(
        floats(2, 3), *nade_arrays(), integers(np.int32, 2, 3)
    ),
}


@pytest.mark.parametrize("complaint", MISREAD)
def test_a_dtype_that_the_kernel_would_misread(complaint, rig):
    with pytest.raises(TypeError, match=f"{complaint}.*"):
        MISREAD[complaint]()


@pytest.mark.parametrize("name", CASES)
def test_every_integer_array_is_looked_at(name, rig, rng):
    """Whatever an operation is given of integers, as int64: refused, by each one of them."""
    inputs = cast(CASES[name].inputs(rng, 2, 3, 5), np.float32)
    layouts = {"m_in", "m_out", "n_rows"}  # of masked maps: `stairs_of` makes its arrays of them
    for wrong in (k for k, a in inputs.items() if a.dtype.kind in "iu" and k not in layouts):
        changed = inputs | {wrong: inputs[wrong].astype(np.int64)}
        with pytest.raises(TypeError, match="on a GPU, got int64; convert it first"):
            CASES[name].run(CASES[name].op, **{k: to_device(a) for k, a in changed.items()})


def test_as_many_arrays_and_such_numbers_as_the_kernel_takes(rig):
    plan = gelu_cuda.plan("gelu_forward", 2, 3, F4, True)
    with pytest.raises(TypeError, match="gelu_forward takes 3 arrays, got 2"):
        device.launch(gelu_cuda.SOURCE, plan, floats(2, 3), floats(3))
    wrong = device.Plan("gelu_forward", F4, (1,), 256, (np.int64(2), np.int32(3)))
    with pytest.raises(RigError, match="the plan's numbers are not those that it takes"):
        device.launch(gelu_cuda.SOURCE, wrong, floats(2, 3), floats(3), floats(2, 3))


def test_every_signature_is_understood():
    for source in Path(device.__file__).parent.rglob("*.cu"):
        assert kernels_of(source)
        for kernel in kernels_of(source):
            found = signature(source, kernel, F4)
            assert {str(t) for t in found.arrays} <= {"float32", "float64", "int32", "uint8"}
            assert any(found.written) and found.scalars


# --- devices --------------------------------------------------------------------------------------


def test_an_array_of_another_device(rig):
    s, x, nll = floats(2, 3), integers(np.uint8, 2, 3), floats(2)
    with device.use_device(Device(number=1, alone=False)):
        with pytest.raises(ValueError, match="an array is on GPU 0 and the current one is 1; copy"):
            bernoulli.forward(s, x, nll)
    with device.use_device(Device(number=0, alone=False)):
        bernoulli.forward(s, x, nll)


class TwoDevices:
    """A CUDA runtime with a T4 and an A10."""

    cudaDevAttrMultiProcessorCount, cudaDevAttrMaxSharedMemoryPerBlockOptin = 16, 97
    attributes = ({16: 40, 97: 64 * 1024}, {16: 72, 97: 99 * 1024})
    current = 0

    def getDevice(self):
        return self.current

    def getDeviceCount(self):
        return 2

    def deviceGetAttribute(self, attribute, number):
        return self.attributes[number][attribute]


def test_plans_are_for_the_current_device(monkeypatch):
    """Read from each device, once; what is kept for one is not given to another."""
    runtime = TwoDevices()
    monkeypatch.setattr(device, "_runtime", lambda: runtime)
    device._read.cache_clear()
    plans = []
    for runtime.current in (0, 1):
        plans.append(gelu_cuda.plan("gelu_backward", 10**6, 8, F4, True))
        assert device.current_device().number == runtime.current
    device._read.cache_clear()
    assert [plan.grid[1] for plan in plans] == [4 * 40, 4 * 72]


def test_without_a_device_plans_are_an_h100s(monkeypatch):
    monkeypatch.setattr(device, "_runtime", lambda: None)
    assert device.current_device() == H100


# --- rotary's tables ------------------------------------------------------------------------------


@pytest.fixture
def no_tables(rig):
    """Start and end without tables kept."""
    caches = rotary_cuda._tables, rotary_cuda._all_tables
    for kept in caches:
        kept.cache_clear()
    yield
    for kept in caches:
        kept.cache_clear()


def test_tables_are_kept_only_when_they_are_there(no_tables, monkeypatch):
    """Their copy is waited for, since another stream will not; then they are kept for good."""
    waited = []
    monkeypatch.setattr(STREAM, "synchronize", lambda: waited.append(1), raising=False)
    for _ in range(3):
        rotary.rotate(floats(1, 3, 1, 8), 2, 1)
    assert len(waited) == 2  # cosine and sine
    first = rotary_cuda._all_tables(0, 8, 8, F4)[0]
    for position in range(300):  # more than any bounded cache holds
        rotary.rotate(floats(1, 1, 1, 8), position, 1)
    assert rotary_cuda._all_tables(0, 8, 8, F4)[0] is first


def test_tables_are_not_filled_in_a_recording(no_tables, monkeypatch):
    x = floats(1, 3, 1, 8)
    monkeypatch.setattr(STREAM, "capturing", True)
    with pytest.raises(RuntimeError, match="make the same call once before recording"):
        rotary.rotate(x, 0, 1)
    monkeypatch.setattr(STREAM, "capturing", False)
    rotary.rotate(x, 0, 1)
    monkeypatch.setattr(STREAM, "capturing", True)
    rotary.rotate(x, 0, -1)  # what is there may be recorded
    np.testing.assert_allclose(x.get(), 1, rtol=1e-6)


def test_each_device_has_tables_of_its_own(no_tables):
    x = floats(1, 3, 1, 8)
    rotary.rotate(x, 0, 1)
    with device.use_device(Device(number=1)):
        rotary.rotate(x, 0, 1)
    assert rotary_cuda._all_tables.cache_info().currsize == 2
