"""Races among threads and blocks, which no order of them shows (tests/cuda_on_cpu/races.cpp).

Quick: what is planted is found, and one kernel that was wrong is clean. Slow: every kernel is.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu import attention, fake_cupy
from cuda_on_cpu.cases import CASES, cast, given_and_uniforms
from cuda_on_cpu.fake_cupy import to_device
from cuda_on_cpu.rig import HERE, Rig, RigError
from cuda_on_cpu.transformer_parts import MANY
from support import pixel_cnn as pictures
from support import sequences as sampled

from chainrule.engine.models import pixel_cnn
from chainrule.engine.params import Params
from chainrule.kernels import causal_attention, device, nade, triangular
from chainrule.kernels.signatures import kernels_of

FLOATS = [np.float32, np.float64]
# Nothing orders these, and every order of threads and blocks gives the right answer.
UNSEEN = {
    "adds_without_atomics": "write and read in global",
    "blocks_add": "write and read in global",
    "blocks_read_and_write": "read and write in global",
    "shuffle_for_a_fence": "write and read in shared",
    "ballot_for_a_fence": "read and write in shared",
}
SEEN = {
    "no_barrier": "shared",
    "overwritten_too_early": "read and write in shared",
    "one_buffer_for_a_slow_reader": "read and write in shared",
    "assumes_lockstep": "shared",
    "blocks_depend": "global",
}
FINE = ("right_rotate", "right_warp_sum", "right_dynamic", "right_atomic", "right_fence")


@pytest.fixture(scope="module")
def watching(library_folder):
    return Rig(library_folder, races=True)


@pytest.fixture
def rig(watching):
    watching.order = 0
    watching.accesses.clear()
    with device.use_launcher(watching), fake_cupy.installed():
        yield watching


def launch_planted(kernel):
    """Launch a kernel of planted_bugs.cu on whole numbers; return its answer."""
    blocks = 2 if kernel.startswith("blocks") else 1
    plan = device.Plan(kernel, np.dtype("f4"), (blocks,), 64, (np.int32(64),), shared_bytes=256)
    y = to_device(np.zeros(128, np.float32))
    device.launch(HERE / "planted_bugs.cu", plan, to_device(np.arange(64, dtype=np.float32)), y)
    return y.get()


@pytest.mark.parametrize("kernel", UNSEEN | SEEN)
def test_planted_races_are_found(kernel, rig):
    where = (UNSEEN | SEEN)[kernel]
    with pytest.raises(RigError, match=rf"race of .*{where} memory: .* at `.*[xys]\[.*`"):
        launch_planted(kernel)


@pytest.mark.parametrize("kernel", FINE)
def test_nothing_is_found_where_nothing_is(kernel, rig):
    launch_planted(kernel)
    assert rig.accesses[kernel]


def run_case(rng, name, shape, dtype):
    case = CASES[name]
    inputs = {k: to_device(a) for k, a in cast(case.inputs(rng, *shape), dtype).items()}
    case.run(case.op, **inputs)


def sample_rows(rng, shape, dtype):
    """Draw from NADE and FVSBN, and keep a quarter of what is given."""
    given, u = map(to_device, given_and_uniforms(rng, *shape[:2], dtype))
    inputs = {k: to_device(a) for k, a in cast(CASES["nade"].inputs(rng, *shape), dtype).items()}
    nade.sample(u, *(inputs[name] for name in "WVbcy"), given)
    N, D = shape[:2]
    shapes, y = (D * (D - 1) // 2, (2, D)), np.arange(N, dtype=np.int32) % 2
    alpha, b = (to_device(rng.normal(size=size).astype(dtype)) for size in shapes)
    triangular.sample(u, alpha, b, to_device(y), given)


@pytest.mark.parametrize("dtype", FLOATS)
def test_fvsbn_is_clean(dtype, rig, rng):
    """A ballot stood where a __syncwarp belongs: logits were read and added to by turns of luck."""
    sample_rows(rng, (3, 70, 5), dtype)
    run_case(rng, "triangular", (5, 35, 36), dtype)
    assert rig.accesses["triangular_sample"] > 1000


@pytest.mark.parametrize("dtype", FLOATS)
def test_nade_reads_what_is_kept_and_never_writes_it(dtype, rig, rng):
    """Every warp of a block reads it, at a time of its own."""
    sample_rows(rng, (3, 20, 300), dtype)
    assert rig.accesses["nade_sample"] > 1000


def test_what_a_table_draws_is_read_by_every_thread_of_its_block(rig, rng):
    run_case(rng, "nade_columns", (3, 7, 20), np.float32)
    assert rig.accesses["nade_columns_sample"] > 1000
    assert rig.accesses["nade_columns_backward"] > 1000


def decode_in_parts(rng, dtype):
    """Decode from caches so long that several blocks share a head."""
    q, keys = rng.normal(size=(2, 2, 24)), rng.normal(size=(2, 1000, 2, 24))
    length = to_device(np.array([1000, 7], np.int32))
    on_device = [to_device(a.astype(dtype)) for a in (q, keys, keys, q)]
    causal_attention.decode(*on_device[:3], length, on_device[3])


def sample_sequences(rng, case):
    model, config, params = sampled.make(case, np.float32)
    u, x = sampled.behind(sampled.prompts(rng, 2, 3)[0], rng.random((2, 3)))
    on_device, labels = (
        Params(params.shapes, to_device(params.flat)),
        sampled.some_labels(config, 2),
    )
    y = None if labels is None else to_device(labels)
    model.sample(config, on_device, to_device(u), to_device(x), y, 0.9, 3, 0.95)


def sample_images(rng, gated, levels):
    config, params = pictures.a_model(gated, 3, levels, 2, ((2, 3), (3, 5), 4, 2))
    u, x = map(to_device, pictures.uniforms_and_given(rng, config, 2))
    y, on_device = (
        to_device(pictures.labels(config, 2)),
        Params(params.shapes, to_device(params.flat)),
    )
    pixel_cnn.start(config, on_device, 2, y).extend(u, x)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("levels", [2, 5])
def test_what_a_block_computes_of_an_image_is_read_by_all_of_it(gated, levels, rig, rng):
    sample_images(rng, gated, levels)
    assert rig.accesses["pixel_cnn_sample"] > 1000


@pytest.mark.slow
def test_every_kernel_is_clean(rig, rng):
    """At sizes that ask for one block and many, one sample a block and more, one slice and two."""
    for dtype, multiprocessors, shape in (
        (np.float32, 132, (5, 35, 36)),
        (np.float32, 1, (9, 5, 33)),
        (np.float64, 132, (3, 35, 33)),
        (np.float64, 1, (3, 129, 40)),
    ):
        with device.use_device(device.Device(multiprocessors)):
            for name in CASES:
                run_case(rng, name, shape, dtype)
            sample_rows(rng, shape, dtype)
            sample_rows(rng, (3, 20, 600), dtype)  # several warps a sample
            run_case(rng, "nade", (300, 9, 40), dtype)  # several times as many as a block holds
            run_case(rng, "nade_columns", (150, 4, 9), dtype)
            run_case(rng, "embedding", MANY, dtype)
            run_case(rng, "softmax_cross_entropy", (3, 1, 1100), dtype)  # a row a block
            decode_in_parts(rng, dtype)
    for card in (*map(device.Device, (1, 5, 132)), device.Device(40, 64 * 1024)):
        with device.use_device(card):
            for size in ((1, 130, 2, 20), (1, 40, 1, 256)):
                inputs = cast(attention.sized(rng, *size), np.float32)
                attention.run(causal_attention, **{k: to_device(a) for k, a in inputs.items()})
    for case in ("transformer, rotary, untied", "lstm, 3 layers"):
        sample_sequences(rng, case)
    for gated in (False, True):
        sample_images(rng, gated, 3)
    sources = Path(device.__file__).parent.rglob("*.cu")
    every = {kernel for source in sources for kernel in kernels_of(source)}
    assert {kernel for kernel, looked_at in rig.accesses.items() if looked_at} == every


BUILD = """
import sys
from pathlib import Path
import numpy as np
from cuda_on_cpu.rig import HERE, Rig
from chainrule.kernels.device import Plan
plan = Plan("right_rotate", np.dtype(np.float32), (1,), 64, (np.int32(64),))
x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
Rig(Path(sys.argv[1]))(HERE / "planted_bugs.cu", plan, (x, y))
assert (y == np.roll(x, -1)).all()
"""


def test_processes_that_build_the_same_library_at_once(library_folder, tmp_path):
    command = [sys.executable, "-P", "-c", BUILD, str(tmp_path)]
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
    started = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-2000:]
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".o", ".so")]
