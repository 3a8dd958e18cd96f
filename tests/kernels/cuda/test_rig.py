"""The CUDA kernels, unchanged, on the CPU through their own launch plans (tests/cuda_on_cpu)."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu.cases import (
    CASES,
    SHAPES,
    Expected,
    cast,
    check_draws,
    given_and_uniforms,
    logits_of,
)
from cuda_on_cpu.fake_cupy import FakeCupy, to_device
from cuda_on_cpu.rig import HERE, ORDERS, RigError

from chainrule.engine.models import fvsbn as fvsbn_model
from chainrule.engine.models import made as made_model
from chainrule.engine.models import nade as nade_model
from chainrule.engine.models import table_nade
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.kernels import columns, device, nade, triangular
from chainrule.kernels.dispatch import use_backend

BUGS = HERE / "planted_bugs.cu"
FLOATS = [np.float32, np.float64]
# Of a big device, and of one so small that a handful of samples already share blocks.
MULTIPROCESSORS = [132, 1]


def reference(name):
    return import_module(f"chainrule.kernels.{name}.reference")


@pytest.mark.parametrize("name", CASES)
def test_same_signatures(name):
    twin, cuda = reference(name), import_module(f"chainrule.kernels.{name}.cuda")
    contract = inspect.getmembers(CASES[name].op, inspect.isfunction)
    functions = [f for f, _ in contract if hasattr(cuda, f) and f not in ("select", "offset")]
    assert functions
    for function in functions:
        ours, theirs = getattr(cuda, function), getattr(twin, function)
        assert inspect.signature(ours) == inspect.signature(theirs), function


@pytest.mark.parametrize("multiprocessors", MULTIPROCESSORS, indirect=True)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "shape"), [(n, s) for n, case in CASES.items() for s in case.shapes], ids=str
)
def test_matches_reference(name, shape, dtype, multiprocessors, rig, rng):
    case = CASES[name]
    inputs = case.inputs(rng, *shape)
    expected = Expected(case, reference(name), inputs, dtype)
    on_device = {k: to_device(a) for k, a in cast(inputs, dtype).items()}
    first = None
    for rig.order in ORDERS:
        got = case.run(case.op, **on_device)
        expected.check(got)
        first = first or got
        for output in got:  # the same bits, whatever ran first
            np.testing.assert_array_equal(got[output], first[output], err_msg=output)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CASES)
def test_arrays_that_no_wide_load_may_touch(name, dtype, rig, rng):
    case, shape = CASES[name], (3, 4, 40)
    inputs = case.inputs(rng, *shape)
    expected = Expected(case, reference(name), inputs, dtype)
    on_device = {k: to_device(a, misaligned=True) for k, a in cast(inputs, dtype).items()}
    expected.check(case.run(case.op, **on_device))


@pytest.mark.parametrize(("values", "dtype"), [((2, 2, 2), np.uint8), ((2, 5, 2), np.int32)])
def test_rows_of_whole_numbers(values, dtype, rig, rng):
    """Of which real columns make real ones in `columns`' case."""
    here, there = columns.layout(values), columns.layout(values, xp=FakeCupy())
    s = rng.normal(size=(4, int(here.first[-1]))).astype(np.float32)
    x = np.stack([rng.integers(0, K, 4) for K in values], axis=1).astype(dtype)
    nll, ds, drawn = to_device(s[:, 0] * np.nan), to_device(s * np.nan), to_device(x * 0)
    columns.nll_and_grad(there, to_device(s), to_device(x), 0.5, nll, ds)
    expected = np.empty(4, np.float32), np.empty_like(s)
    with use_backend("reference"):
        columns.nll_and_grad(here, s, x, 0.5, *expected)
    np.testing.assert_allclose(nll.get(), expected[0], rtol=1e-6)
    np.testing.assert_allclose(ds.get(), expected[1], rtol=1e-5, atol=1e-7)
    lo, hi = to_device(x * np.nan), to_device(x * np.nan)
    columns.cdf_interval(there, to_device(s), to_device(x), lo, hi)
    for i in range(len(values)):
        own = to_device(s)[:, int(here.first[i]) : int(here.first[i + 1])]
        columns.draw(there, i, own, ((lo + hi) / 2)[:, i], drawn[:, i])
    np.testing.assert_array_equal(drawn.get(), x)
    with pytest.raises(TypeError, match="x must be uint8, int32 or float32 on a GPU, got int64"):
        columns.terms(there, to_device(s), to_device(x.astype(np.int64)), ds[:, :3])


@pytest.mark.parametrize(("values", "dtype"), [((2, 2, 2), np.uint8), ((2, 5, 2), np.int32)])
def test_a_table_of_whole_numbers(values, dtype, rig, rng):
    """And one without any rows, of which every gradient is 0."""
    config = table_nade.Config(values, 5, rescale=False)
    here = table_nade.init(config, rng)
    there = Params(here.shapes, to_device(here.flat))
    x = np.stack([rng.integers(0, K, 40) for K in values], axis=1).astype(dtype)
    u, grads = rng.random(x.shape), (here.like(), there.like())
    for rows in (x, x[:0]):
        with use_backend("reference"):
            loss = table_nade.loss_and_grad(config, here, rows, grads[0], 40)
            drawn = table_nade.sample(config, here, u[: len(rows)])
        on_device = to_device(rows)
        found = table_nade.loss_and_grad(config, there, on_device, grads[1], 40)
        np.testing.assert_allclose(found, loss, rtol=1e-5)
        np.testing.assert_allclose(grads[1].flat.get(), grads[0].flat, rtol=1e-4, atol=1e-6)
        ours = table_nade.sample(config, there, to_device(u[: len(rows)]))
        np.testing.assert_array_equal(ours.get(), drawn)


@pytest.mark.parametrize("multiprocessors", MULTIPROCESSORS, indirect=True)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nade_sample(shape, dtype, multiprocessors, rig, rng):
    inputs = cast(CASES["nade"].inputs(rng, *shape), dtype)
    params = [inputs[name] for name in "WVbcy"]
    given, u = given_and_uniforms(rng, *shape[:2], dtype)
    on_device = [to_device(p) for p in params]
    for rig.order in ORDERS:
        x = to_device(given)
        nade.sample(to_device(u), *on_device, x)
        check_draws(x.get(), u, given, logits_of("nade", *params))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_triangular_sample(shape, dtype, rig, rng):
    inputs = cast(CASES["triangular"].inputs(rng, *shape), dtype)
    alpha, b, y = inputs["alpha"] / 2, inputs["b"] - 1, inputs["y"]
    # a few ones, so that rounds differ in length
    given, u = given_and_uniforms(rng, *inputs["x"].shape, dtype)
    for rig.order in ORDERS:
        x = to_device(given)
        triangular.sample(*map(to_device, (u, alpha, b, y)), x)
        check_draws(x.get(), u, given, logits_of("triangular", alpha, b, y))


def test_sparse_and_dense_rows(rig, rng):
    """No ones at all, nothing but ones, and long runs of zeros, where sampling guesses right."""
    x = np.zeros((4, 70), np.uint8)
    x[1], x[2, 40], x[3, [0, 69]] = 1, 1, 1
    for name in ("nade", "triangular"):
        case = CASES[name]
        inputs = case.inputs(rng, 4, 70, 12) | {"x": x}
        expected = Expected(case, reference(name), inputs, np.float64)
        expected.check(case.run(case.op, **{k: to_device(a) for k, a in inputs.items()}))


def test_limits_are_named(rig):
    W = to_device(np.zeros((1, 4097), np.float32))
    b, y = to_device(np.zeros(1, np.float32)), to_device(np.zeros(0, np.int32))
    with pytest.raises(ValueError, match="up to 4096 hidden units, got 4097"):
        nade.log_prob(to_device(np.zeros((1, 1), np.uint8)), W, W, b, W, y, b)
    with pytest.raises(TypeError, match="float32 or float64 parameters, got float16"):
        device.options(device.Plan("k", np.dtype(np.float16), (1,), 32))
    with pytest.raises(ValueError, match="must be C-contiguous"):
        u, alpha, x = np.zeros((3, 2)), np.zeros(3), np.zeros((2, 3), np.uint8)
        y = np.zeros(0, np.int32)
        triangular.sample(to_device(u).T, *map(to_device, (alpha, alpha[None], y, x)))


def test_host_and_device_do_not_mix(rig):
    with pytest.raises(TypeError, match="both host and GPU"):
        arrays = np.ones(1), np.ones((1, 2)), np.zeros(0, np.int32), np.ones((1, 2))
        triangular.forward(np.zeros((1, 2), np.uint8), *map(to_device, arrays))
    with pytest.raises(TypeError, match="host array beside a GPU array"):
        to_device(np.ones(2)) + np.ones(2)


MODELS = {
    "nade": (nade_model, nade_model.Config(n_visible=9, n_hidden=12)),
    "fvsbn": (fvsbn_model, fvsbn_model.Config(n_visible=40)),
    "made": (made_model, made_model.Config((2,) * 9, (12, 7), "tanh", direct=True)),
    "made of masks": (made_model, made_model.Config((2,) * 9, (12,), "sigmoid", n_masks=2)),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", MODELS)
def test_whole_model(name, dtype, rig, rng):
    """Engine code, unchanged, on arrays of the device: loss, gradient, likelihood, samples."""
    model, config = MODELS[name]
    host = model.init(config, rng, dtype)
    host.flat[...] = rng.normal(size=host.size) / 2
    x = rng.integers(0, 2, (6, *config.event.shape)).astype(np.uint8)
    params = Params(host.shapes, to_device(host.flat))
    grad, host_grad = params.like(), host.like()
    tolerance = {"rtol": 200 * np.finfo(dtype).eps, "atol": 200 * np.finfo(dtype).eps}
    loss = model.loss_and_grad(config, params, to_device(x), grad, total=10)
    with use_backend("reference"):
        assert loss == pytest.approx(model.loss_and_grad(config, host, x, host_grad, total=10))
        for function in (model.log_prob, model.log_prob_terms, model.conditionals):
            ours, theirs = function(config, params, to_device(x)), function(config, host, x)
            np.testing.assert_allclose(ours.get(), theirs, **tolerance)
    np.testing.assert_allclose(grad.flat.get(), host_grad.flat, **tolerance)

    dx, host_dx = to_device(np.zeros(x.shape, dtype)), np.zeros(x.shape, dtype)
    model.loss_and_grad(config, params, to_device(x), grad, dx=dx)
    with use_backend("reference"):
        model.loss_and_grad(config, host, x, host_grad, dx=host_dx)
    np.testing.assert_allclose(dx.get(), host_dx, **tolerance)


@pytest.mark.parametrize("agnostic", [False, True])
def test_made_of_tables(agnostic, rig, rng):
    """Columns of all kinds, labels, masks in turn and their mean, in one order and in several."""
    config = made_model.Config(
        (3, 0, 2, 1), (9, 8), "tanh", True, 2, 1, agnostic, n_components=2, n_classes=2
    )
    x = np.stack([rng.integers(0, 3, 6), rng.normal(size=6), rng.integers(0, 2, 6), np.zeros(6)], 1)
    y, u = rng.integers(0, 2, 6).astype(np.int32), rng.random((6, 4))
    u[rng.random(u.shape) < 0.3] = -1
    host = made_model.init(config, rng, np.float64)
    host.flat[...] = rng.normal(size=host.size) / 2
    on_device = Params(host.shapes, to_device(host.flat))

    def found(params, x, y, u):
        outputs = []
        for noise in (None, Noise(0, 1, 0)):
            grad, dx = params.like(), x * 0
            loss = made_model.loss_and_grad(config, params, x, grad, y=y, noise=noise, dx=dx)
            outputs += [np.array(loss), grad.flat, dx]
        outputs.append(made_model.log_prob(config, params, x, y))
        outputs.append(made_model.sample(config, params, u, x, y))
        if not agnostic:
            outputs.append(made_model.conditionals(config, params, x, y))
            outputs.append(made_model.uniforms(config, params, x, abs(u), y))
        return outputs

    ours = found(on_device, to_device(x), to_device(y), to_device(u))
    with use_backend("reference"):
        theirs = found(host, x, y, u)
    for one, other in zip(ours, theirs, strict=True):
        one = one.get() if hasattr(one, "get") else one
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", MODELS)
def test_whole_model_samples(name, dtype, rig, rng):
    """At once, and variable by variable; what is given is kept."""
    model, config = MODELS[name]
    host = model.init(config, rng, dtype)
    host.flat[...] = rng.normal(size=host.size) / 2
    params = Params(host.shapes, to_device(host.flat))
    x, u = given_and_uniforms(rng, 6, *config.event.shape, dtype)
    drawn = model.sample(config, params, to_device(u), to_device(x)).get()
    with use_backend("reference"):
        np.testing.assert_array_equal(drawn, model.sample(config, host, u, x))
    np.testing.assert_array_equal(drawn[u < 0], x[u < 0])

    sampler = model.start(config, params, len(x))
    first = sampler.extend(to_device(u[:, :6]), to_device(x[:, :6])).get()
    np.testing.assert_array_equal(first, drawn[:, :6])
    sampler.put(to_device(drawn[:, 6]))
    expected = model.conditionals(config, params, to_device(drawn))[:, 7].get()
    np.testing.assert_allclose(sampler.peek().get(), expected, rtol=200 * np.finfo(dtype).eps)


# --- Does the rig find anything? ------------------------------------------------------------------

FINE = {
    "right_rotate": lambda x: np.roll(x, -1),
    "right_warp_sum": lambda x: np.repeat(x.reshape(2, 32).sum(1) + 16, 32),
    "right_dynamic": lambda x: x[::-1],
    "right_atomic": lambda x: np.r_[64, np.zeros(63)],
    "right_fence": lambda x: 2 * x[np.arange(64) ^ 1],
}
WRONG = {
    "no_barrier": lambda x: np.roll(x, -1),
    "overwritten_too_early": lambda x: np.roll(x, -4),
    "one_buffer_for_a_slow_reader": lambda x: np.repeat([6 * (x[0] + x[32]) + 192, 0], 32),
    "barrier_for_some": lambda x: np.ones(64),
    "different_barriers": lambda x: np.repeat([1, 2], 32),
    "read_before_written": lambda x: x,
    "assumes_lockstep": lambda x: (np.r_[x[:32] + x[32:], x[32:]])[np.arange(64) ^ 1],
    "shuffle_for_some": lambda x: np.where(np.arange(64) % 32 < 16, x + x[np.arange(64) ^ 1], x),
    "different_shuffles": lambda x: np.where(np.arange(64) % 2, x[0], x[1]),
    "blocks_depend": lambda x: x,
}


def right_in_every_order(rig, kernel, expected, x):
    blocks = 2 if kernel == "blocks_depend" else 1
    plan = device.Plan(kernel, x.dtype, (blocks,), 64, (np.int32(64),), shared_bytes=256)
    for rig.order in ORDERS:
        y = to_device(np.zeros(128, np.float32))
        try:
            device.launch(BUGS, plan, to_device(x), y)
        except RigError:
            return False
        if not np.allclose(y.get()[:64], expected(x)):
            return False
    return True


@pytest.fixture
def x(rng):
    return rng.integers(0, 99, 64).astype(np.float32)  # whole numbers: sums in any order are equal


@pytest.mark.parametrize("kernel", FINE)
def test_rig_passes_what_is_right(kernel, rig, x):
    assert right_in_every_order(rig, kernel, FINE[kernel], x)


@pytest.mark.parametrize("kernel", WRONG)
def test_rig_finds_what_is_wrong(kernel, rig, rng):
    assert not right_in_every_order(
        rig, kernel, WRONG[kernel], rng.integers(0, 99, 64).astype("f4")
    )


# --- Sanitizers: they must be in the process from its start, so in one of their own ---------------

SANITIZED = """
import sys
from pathlib import Path
import numpy as np
from cuda_on_cpu import fake_cupy
from cuda_on_cpu.rig import HERE, SANITIZE, Rig
from chainrule.kernels import device
rig = Rig(Path(sys.argv[1]), SANITIZE)
with device.use_launcher(rig), fake_cupy.installed():
    exec(sys.argv[2])
"""
EVERY_KERNEL = """
from importlib import import_module
from cuda_on_cpu.cases import CASES, Expected, cast
from cuda_on_cpu.fake_cupy import to_device
from cuda_on_cpu.rig import ORDERS
for dtype, shape, multiprocessors in (
    (np.float32, (5, 35, 36), 132), (np.float32, (5, 5, 33), 1), (np.float64, (9, 35, 18), 1),
):
    device._device.set(device.Device(multiprocessors))
    for k, (name, case) in enumerate(CASES.items()):
        rig.order = k % len(ORDERS)
        rng = np.random.default_rng(list(name.encode()))  # whatever other cases there are
        inputs = cast(case.inputs(rng, *shape), dtype)
        twin = import_module(f"chainrule.kernels.{name}.reference")
        on_device = {k: to_device(a) for k, a in inputs.items()}
        Expected(case, twin, inputs, dtype).check(case.run(case.op, **on_device))
        if name in ("nade", "triangular"):  # other cases call `sample` as they run
            names = ("W", "V", "b", "c", "y") if name == "nade" else ("alpha", "b", "y")
            params = [on_device[k] for k in names]
            u = (rng.random(inputs["x"].shape) - 0.2).astype(dtype)
            case.op.sample(to_device(u), *params, on_device["x"])
print("clean")
"""
ONE_BUG = """
plan = device.Plan("{}", np.dtype(np.float32), (1,), 64, (np.int32(64),), shared_bytes=256)
x, y = (fake_cupy.to_device(np.zeros(65, np.float32)) for _ in range(2))
device.launch(HERE / "planted_bugs.cu", plan, x, y)
print("clean")
"""


def run_sanitized(folder, code):
    """Return what a Python process with AddressSanitizer in it says to `code`."""
    query = ["g++", "-print-file-name=libasan.so"]
    libasan = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    env = os.environ | {
        "LD_PRELOAD": libasan,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps memory to the end on purpose
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-c", SANITIZED, str(folder), code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_sanitizers_find_nothing(library_folder):
    done = run_sanitized(library_folder, EVERY_KERNEL)
    assert done.returncode == 0 and "clean" in done.stdout, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("kernel", "complaint"),
    [
        ("right_dynamic", None),
        ("past_shared", "heap-buffer-overflow"),
        ("past_global", "heap-buffer-overflow"),
        ("misaligned", "misaligned address"),
    ],
)
def test_sanitizers_find_what_is_wrong(kernel, complaint, library_folder):
    done = run_sanitized(library_folder, ONE_BUG.format(kernel))
    if complaint is None:
        assert done.returncode == 0, done.stderr[-3000:]
    else:
        assert done.returncode != 0 and complaint in done.stderr, done.stderr[-3000:]
