"""Every `.cu` file compiled as its plans want it: by nvcc, ahead of any GPU, and by NVRTC.

nvcc, for three generations of GPUs, reports spills, of which there must be none, and registers,
which may not grow past `cuda_registers.json`; and for three more, whose blocks have less shared
memory, one build of each file and dtype. After a change that is worth more registers, or with
another nvcc, record them anew:

    CHAINRULE_RECORD_REGISTERS=1 pytest tests/kernels/cuda/test_compile.py
"""

import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from cuda_on_cpu.tools import need_nvrtc, need_program

from chainrule.kernels import device
from chainrule.kernels.activation import cuda as activation
from chainrule.kernels.adam import cuda as adam
from chainrule.kernels.bernoulli import cuda as bernoulli
from chainrule.kernels.causal_attention import cuda as attention
from chainrule.kernels.columns import cuda as columns
from chainrule.kernels.dropout import cuda as dropout
from chainrule.kernels.embedding import cuda as embedding
from chainrule.kernels.gate import cuda as gate
from chainrule.kernels.gelu import cuda as gelu
from chainrule.kernels.grid_lstm import cuda as grid_lstm
from chainrule.kernels.grid_lstm import rows as grid_rows
from chainrule.kernels.gru import cuda as gru
from chainrule.kernels.layer_norm import cuda as layer_norm
from chainrule.kernels.logistics import cuda as logistics
from chainrule.kernels.lstm import cuda as lstm
from chainrule.kernels.masked_conv import cuda as convolution
from chainrule.kernels.masked_conv import raster
from chainrule.kernels.masked_linear import cuda as masked
from chainrule.kernels.mixture import cuda as mixture
from chainrule.kernels.nade import cuda as nade
from chainrule.kernels.nade_columns import cuda as nade_columns
from chainrule.kernels.rnn import cuda as rnn
from chainrule.kernels.rotary import cuda as rotary
from chainrule.kernels.samplers.pixel_cnn import Sizes
from chainrule.kernels.samplers.pixel_cnn import cuda as pixel_cnn
from chainrule.kernels.samplers.transformer import cuda as sampler
from chainrule.kernels.signatures import source_text
from chainrule.kernels.softmax_cross_entropy import cuda as cross_entropy
from chainrule.kernels.steps import plan_step
from chainrule.kernels.triangular import cuda as triangular

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
OTHERS = {  # a T4; an A10 or an RTX 30; an RTX 50
    "sm_75": device.Device(40, 64 * 1024),
    "sm_86": device.Device(72, 99 * 1024),
    "sm_120": device.Device(84, 99 * 1024),
}
TABLE = Path(__file__).with_name("cuda_registers.json")
RECORD = os.environ.get("CHAINRULE_RECORD_REGISTERS") == "1"
# Per SM there are 65,536 registers, in units of 8 a thread: a kernel with more cannot start.
MOST_REGISTERS = 255


def plans():
    """Return (source, plan) for sizes that between them ask for each kind of build there is."""
    for dtype in map(np.dtype, (np.float32, np.float64)):
        # One sample a block; many; two, when drawing; hidden units at the limit, and not wide.
        limit = 1024 * 16 // dtype.itemsize
        for kernel, N, H, wide in (
            ("nade_forward", 100, 500, True),
            ("nade_forward", 1000, 501, False),
            ("nade_sample", 1000, 500, True),
            ("nade_forward", 1000, limit, True),
        ):
            yield nade.SOURCE, nade.plan_sweep(kernel, N, 784, H, dtype, wide)
        for N in (100, 1000):
            yield nade.BACKWARD_SOURCE, nade.plan_backward(N, 784, 500, dtype)
            yield triangular.SOURCE, triangular.plan_forward(N // 10, 784, dtype)
        yield bernoulli.SOURCE, bernoulli.plan("bernoulli_forward", 100, 784, dtype)
        yield activation.SOURCE, activation.plan("activation_forward", 50_000, 0, dtype)
        yield (
            masked.SOURCE,
            masked.plan_tiles("masked_forward", (100, 500), dtype, 100, 784, 500, 0),
        )
        image = (0, 0, 28), (16, 32, 32, 3), grid_rows().walk(28, 28), (0, 784, 1)
        yield grid_lstm.SOURCE, grid_lstm.plan("grid_lstm_forward", *image, dtype)
        for wide in ((False, True), (True, True), (True, False), (False, False)):
            shape, window = (16, 28, 28, 64), raster(3, "B")
            yield convolution.SOURCE, convolution.plan_weights(shape, 64, window, dtype, wide)
        for n in (2, 20):  # a lane a row, and a few
            yield mixture.SOURCE, mixture.plan("cdf", 6400, n, dtype)
        for K in (1, 10):
            yield logistics.SOURCE, logistics.plan("draw", 6400, 3 * K, 256, dtype)
        # Bits, a lane each; categories of 256, a warp each; mixtures of 10, several rows a block.
        for value, sizes in ((0, (100, 784, 784)), (1, (100, 64, 16384)), (2, (100, 11, 220))):
            yield columns.SOURCE, columns.plan("terms", sizes, dtype, value)
        # A row of data a block, of bits; several, of categories; many, of mixtures.
        for value, team, N, rows in ((0, 1, 100, 20), (1, 4, 500, 50), (2, 4, 1000, 100)):
            sweep = nade_columns.plan_sweep(
                "nade_columns_forward", (N, 64, 500, 20), team, dtype, value
            )
            yield nade_columns.SOURCE, sweep
            backward = nade_columns.plan_backward(rows, 64, 500, dtype, value)
            yield nade_columns.BACKWARD_SOURCE, backward
        for gated in (False, True):
            sizes, net = Sizes(32, 32, 3, 256, 0, 3, 7), (6, 96, gated, False, True)
            yield pixel_cnn.SOURCE, pixel_cnn.plan(16, sizes, net, dtype, 0, 0, 3072, 3072, False)
        yield sampler.SOURCE, sampler.plan_append((64, 4, 256, 128), 16, 0, dtype)
        for vector in (True, False):
            yield adam.SOURCE, adam.plan("adam_step", 1000, dtype, vector)
            yield gate.SOURCE, gate.plan("gate_forward", 784, 96, 3, dtype, vector)
            yield from transformer_parts(dtype, vector)
        yield from attention_plans(dtype)
        for N in (32, 1000):  # few rows a block, and many
            for cell, source in (("rnn", rnn.SOURCE), ("lstm", lstm.SOURCE), ("gru", gru.SOURCE)):
                yield source, plan_step(f"{cell}_forward", (0, N, 256), (1,) * 6, dtype)


def transformer_parts(dtype, wide):
    yield layer_norm.SOURCE, layer_norm.plan_rows("layer_norm_forward", 768, 128, dtype, wide)
    yield gelu.SOURCE, gelu.plan("gelu_forward", 768, 512, dtype, wide)
    yield embedding.SOURCE, embedding.plan_forward(768, 128, dtype, wide)
    shape, strides = (12, 64, 4, 32), tuple(dtype.itemsize * n for n in (24576, 384, 32, 1))
    yield rotary.SOURCE, rotary.plan(shape, strides, dtype, wide, 1)
    yield dropout.SOURCE, dropout.plan((12, 64, 128), False, dtype, wide)
    for V in (256, 50304):  # a warp a row, a block a row
        yield cross_entropy.SOURCE, cross_entropy.plan("forward", 768, V, dtype, wide)


def attention_plans(dtype):
    # Few rows and many, of heads small and large; 31, 127 and 255 with nothing to read in one go.
    shapes = [(8, 256, 6, 64), (8, 1024, 16, 128), (12, 64, 4, 31), (8, 1024, 16, 127)]
    if dtype.itemsize == 4:
        shapes += [(12, 64, 4, 32), (1, 784, 8, 64), (8, 1024, 16, 64), (8, 1024, 16, 96)]
    shapes += [(8, 1024, 2, 255), (8, 1024, 2, 256)]
    for N, T, n, d in shapes:
        for kernel, source in (
            ("attention_forward", attention.SOURCE),
            ("attention_dq", attention.BACKWARD_SOURCE),
        ):
            yield source, attention.plan_tiled(kernel, (N, T, n, d), dtype, d % 4 == 0, ())
        yield attention.DECODE_SOURCE, attention.plan_decode((N, n, d), T, dtype, d % 4 == 0, ())


def name_of(source, plan):
    constants = " ".join(f"{name}={value}" for name, value in plan.constants)
    return f"{source.name} {device.options(plan)[1].removeprefix('-DREAL=')} {constants}".strip()


def one_of_each():
    """Return (source, plan) for each file and dtype: of attention, for the largest heads."""
    return {(source, plan.dtype): (source, plan) for source, plan in plans()}.values()


BUILDS = {name_of(source, plan): (source, plan) for source, plan in plans()}
OTHER_BUILDS = {}
for architecture, card in OTHERS.items():
    with device.use_device(card):
        OTHER_BUILDS |= {(name_of(*build), architecture): build for build in one_of_each()}


def test_every_source_is_built():
    kernels = Path(device.__file__).parent
    assert {source for source, _ in BUILDS.values()} == set(kernels.rglob("*.cu"))


# --- nvcc ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nvcc_release():
    need_program("nvcc")
    text = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V([\d.]+)", text).group(1)


@pytest.fixture(scope="session")
def reports(nvcc_release, pytestconfig):
    """Return a function from builds to what ptxas says of each, by (build, architecture).

    They are compiled when a test asks, so that processes share the work however tests are dealt.
    """
    folder = pytestconfig.cache.mkdir("nvcc")

    def report(job):
        (_, architecture), (source, plan) = job
        command = ["nvcc", *device.options(plan), f"-arch={architecture}", "-cubin", "-Xptxas=-v"]
        inputs = "\0".join([nvcc_release, source_text(source), *command])
        kept = folder / f"{hashlib.sha256(inputs.encode()).hexdigest()[:24]}.txt"
        if kept.exists():
            return kept.read_text()
        with TemporaryDirectory(dir=folder) as scratch:  # other processes may be at the same
            command += [str(source), "-o", f"{scratch}/cubin"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:  # else not kept, and no kernel is found in it
                Path(scratch, "report").write_text(done.stderr)
                Path(scratch, "report").replace(kept)
        return done.stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield lambda jobs: dict(zip(jobs, pool.map(report, jobs.items()), strict=True))


def parse(report):
    """Return {kernel: (registers, bytes of stack and spills)} of a ptxas report."""
    found = {}
    for entry in report.split("Compiling entry function '")[1:]:
        stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", entry)
        registers = re.search(r"Used (\d+) registers", entry)
        found[entry.split("'")[0]] = int(registers.group(1)), sum(map(int, stack.groups()))
    return found


def check_report(report, architecture):
    """Return what `parse` does, of a build without spills."""
    kernels = parse(report)
    assert kernels, f"{architecture}: {report[-2000:]}"
    for kernel, (registers, spilled) in kernels.items():
        assert spilled == 0, f"{kernel} on {architecture}: {spilled} bytes in local memory"
        assert registers <= MOST_REGISTERS
    return kernels


@pytest.mark.parametrize("architecture", OTHERS)
def test_no_spills_on_other_cards(architecture, reports):
    builds = {job: build for job, build in OTHER_BUILDS.items() if job[1] == architecture}
    assert {source for source, _ in builds.values()} == {source for source, _ in BUILDS.values()}
    for report in reports(builds).values():
        check_report(report, architecture)


@pytest.mark.parametrize("build", BUILDS)
def test_no_spills_and_no_more_registers(build, reports, nvcc_release):
    of_build = reports({(build, a): BUILDS[build] for a in ARCHITECTURES})
    measured = {a: check_report(report, a) for (_, a), report in of_build.items()}
    registers = {
        kernel: {a: measured[a][kernel][0] for a in ARCHITECTURES}
        for kernel in sorted(measured["sm_90"])
    }
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    if RECORD:
        if table.get("nvcc") != nvcc_release:
            table = {"nvcc": nvcc_release, "registers": {}}
        table["registers"][build] = registers
        TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    elif table["nvcc"] == nvcc_release:  # another nvcc allocates otherwise: nothing to compare
        recorded = table["registers"][build]
        assert recorded.keys() == registers.keys(), "record the kernels that are new or gone"
        for kernel, of_kernel in registers.items():
            for architecture, count in of_kernel.items():
                was = recorded[kernel][architecture]
                assert count <= was, f"{kernel} on {architecture}: {count} registers, was {was}"


# --- NVRTC ---------------------------------------------------------------------------------------

# One build of each file and dtype: what NVRTC might refuse, it refuses whatever the numbers.
RUN_TIME_BUILDS = {(source, plan.dtype): name for name, (source, plan) in BUILDS.items()}.values()


@pytest.mark.parametrize("build", RUN_TIME_BUILDS)
def test_nvrtc_with_the_options_of_run_time(build):
    nvrtc = need_nvrtc()
    source, plan = BUILDS[build]
    program = nvrtc.createProgram(source_text(source), source.name, (), ())
    by_cupy = ("-ftz=true", "-arch=sm_90", "--device-as-default-execution-space")
    try:
        nvrtc.compileProgram(program, (*device.options(plan), *by_cupy))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    assert plan.kernel.encode() in nvrtc.getCUBIN(program)
    nvrtc.destroyProgram(program)
