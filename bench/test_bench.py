"""pytest-benchmark's view of the small sizes: `pytest bench`.

For regressions of one's own code between two commits (`--benchmark-autosave`,
`--benchmark-compare`). Rivals share this process here, so ratios between frameworks are to be
read off `python -m bench`, which keeps them apart. torch.compile, which compiles for a minute, is
left to that too.
"""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from bench import cases, check, curves, harness, isa, labels, peers, worker
from bench.cases import convolution, images, ours
from chainrule.kernels import masked_conv, use_backend
from chainrule.kernels.masked_conv import above, left, raster
from chainrule.kernels.target import vector_bytes

pytest.importorskip("pytest_benchmark")

RIVALS = ("reference", "cpu", "cuda", "torch", "jax", "torch-cuda", "jax-cuda")
SMALL = [w for w in cases.workloads() if w.size_name == "small"]


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_small(benchmark, workload, rival):
    """Time one operation at the small size, once its numbers have been found right."""
    if why := worker.missing(rival):
        pytest.skip(why)
    benchmark.group = workload.name
    problem = cases.build(workload)
    try:
        run = worker.prepare(rival, problem, threads=1)
    except NotImplementedError as error:  # there is no such peer
        pytest.skip(str(error))
    check.verify(problem, run.answer(), check.expected(problem))
    benchmark(run.call)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_slices_of_the_batch_add_up(workload, threads):
    """Our side cuts the batch as training does: the answer may not depend on the cuts."""
    problem = cases.build(workload)
    answer = worker.prepare("cpu", problem, threads).answer()
    check.verify(problem, answer, check.expected(problem))


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_a_rival_with_other_numbers_is_refused(workload):
    """A check that lets a wrong answer through would make every ratio worthless."""
    problem = cases.build(workload)
    truth = check.expected(problem)
    answer = worker.prepare("reference", problem, threads=1).answer()
    check.verify(problem, answer, truth)
    for name, value in answer.items():
        spoilt = value + 1e-3 * abs(value).max() if name != "x" else 1 - value
        if name == "x" and not check.of_bits(workload):
            spoilt = (value + 1) % value.max()
        with pytest.raises(check.MismatchError):
            check.verify(problem, answer | {name: spoilt}, truth)


@pytest.mark.parametrize("workload", cases.workloads(), ids=lambda w: f"{w.name}-{w.size_name}")
def test_counts_of_work_are_positive_and_grow(workload):
    """FLOPs and bytes must not depend on anything but the workload, and grow with it."""
    size = workload.size
    twice = dict.fromkeys(set(size._fields) & {"N", "D", "B", "T"})
    larger = size._replace(**{name: 2 * getattr(size, name) for name in twice})
    small, large = (_without_numbers(workload._replace(size=s)) for s in (size, larger))
    case = cases.home(workload)
    for count in (case.flops, case.traffic, lambda p: case.items(p.workload)[0]):
        assert 0 < count(small) < count(large)


@pytest.mark.parametrize("name", ["transformer/sample", "lstm/sample"])
def test_one_wrong_symbol_is_seen(name):
    """A sampler that errs in a single draw must not be timed."""
    problem = cases.build(cases.find(name, "small"))
    x = worker.prepare("reference", problem, threads=1).answer()["x"].copy()
    check.verify(problem, {"x": x}, {})
    x[-1, -1] = (x[-1, -1] + 1) % 65
    with pytest.raises(check.MismatchError, match="1 of"):
        check.verify(problem, {"x": x}, {})


@pytest.mark.parametrize("model", images.MODELS)
def test_a_part_of_a_sample_is_its_beginning(model):
    """And one wrong pixel of it is seen; peers, whose passes cost what they cost, have none."""
    whole = cases.find(f"{model}/sample", "small")
    part = whole._replace(size_name="p20", size=images.Part(*whole.size, 20))
    problem, answers = cases.build(part), []
    for backend in ("reference", "cpu"):
        answers.append(worker.prepare(backend, problem, threads=1).answer()["x"])
        check.verify(problem, {"x": answers[-1]}, {})
    entire = worker.prepare("cpu", cases.build(whole), threads=1).answer()["x"]
    np.testing.assert_array_equal(answers[1], entire.reshape(3, -1)[:, :20])
    answers[1][2, 19] ^= 1
    with pytest.raises(check.MismatchError, match="1 of 60"):
        check.verify(problem, {"x": answers[1]}, {})
    for peer in ("torch", "jax"):
        if not peers.missing(peer):
            with pytest.raises(NotImplementedError, match="a pass for each pixel"):
                peers.prepare(peer, problem, 1)


def test_curves_are_drawn_from_two_sizes_on(tmp_path):
    """One panel for each letter of sizes; a single size is no curve."""
    results = [
        harness.Result(cases.find("transformer/step", size), "cpu", "ok", {}, 0.9, 1.0, 1.1, 7)
        for size in ("t64", "t128", "w64", "chars")
    ]
    curves.draw(tmp_path / "curve.png", results, "caption")
    assert (tmp_path / "curve.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="two sizes"):
        curves.draw(tmp_path / "none.png", results[2:], "caption")


@pytest.mark.parametrize("see", [raster(5, "A"), raster(1, "B"), above(3, "B"), left(3, "A")])
def test_dense_kernels_hold_what_is_visible_and_zeros(see):
    """What rivals multiply by a mask: a convolution by it in full is the masked one."""
    rng = np.random.default_rng(0)
    W, x, b = rng.normal(size=(2, see.n_taps, 3, 4)), rng.normal(size=(1, 5, 6, 3)), np.zeros(4)
    full = convolution.dense(W, see)
    np.testing.assert_array_equal(full, full * convolution.mask(see))
    np.testing.assert_array_equal(convolution.taps(full, see), W)
    y, (up, side) = np.empty((1, 5, 6, 4)), (n // 2 for n in full.shape[1:3])
    with use_backend("reference"):
        masked_conv.forward(x, W[1], b, see, y)
    padded = np.pad(x, ((0, 0), (up, up), (side, side), (0, 0)))
    for i, j in np.ndindex(5, 6):
        patch = padded[0, i : i + full.shape[1], j : j + full.shape[2]]
        np.testing.assert_allclose(y[0, i, j], np.einsum("uvc,uvco->o", patch, full[1]), rtol=1e-9)


def test_labels_are_found_by_the_image_a_row_was_drawn_from():
    """Every row of bits finds its grey image again, among many."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (50, 400)) * (rng.random((50, 400)) < 0.3)
    drawn = rng.permutation(50)
    x = (rng.random((50, 400)) * 255 < grey[drawn]).astype(np.uint8)
    np.testing.assert_array_equal(labels.match(x, grey), drawn)


@pytest.mark.parametrize("lasts", [0.001, 2.0])
def test_the_first_call_of_a_turn_counts_for_nobody(monkeypatch, lasts):
    """A slow rival's cold calls would count in full where a fast one's do not."""
    calls, clock = [], [0.0]

    def call():
        calls.append(None)
        clock[0] += lasts * (10 if len(calls) == 1 else 1)

    monkeypatch.setattr(worker.time, "perf_counter", lambda: clock[0])
    times = worker.turn(call, harness.TURN)
    assert len(times) == len(calls) - 1
    np.testing.assert_allclose(times, lasts)


def test_a_workload_meets_no_compiled_code_of_another(monkeypatch):
    """torch.compile would make one whose shapes differ from the last one's with dynamic shapes."""
    done = []
    place = SimpleNamespace(
        use=lambda device: nullcontext(),
        forget=lambda: done.append("forget"),
        finished=lambda call, device: call,
    )
    module = SimpleNamespace(
        prepare=lambda problem, threads, variant: done.append(variant) or ours.Run(None, None)
    )
    homes = {"torch_device": place}
    monkeypatch.setattr(
        peers, "import_module", lambda name: homes.get(name.rpartition(".")[2], module)
    )
    for name in ("torch.compile", "torch.compile-body", "torch"):
        peers.prepare(name, cases.build(cases.find("nade/grad", "small")), 1)
    assert done == ["forget", "whole", "forget", "body", "tuned"]


def _without_numbers(workload):
    """Return a problem of few numbers: those that are drawn must not matter to the counts."""
    return cases.Problem(workload, np.full((2, 2), 0.13), None, {"W": np.zeros(1000)})


def test_a_run_is_held_to_narrower_vectors(monkeypatch):
    """It starts anew where it is not, with every variable, and goes on where it is."""
    started = []
    monkeypatch.setattr(isa.os, "execve", lambda *how: started.append(how))
    isa.hold_to("native")
    assert not started
    if "+avx2" not in str(isa.get_host_cpu_features()).split(","):
        with pytest.raises(ValueError, match="has no AVX2"):
            isa.hold_to("avx2")
        return
    isa.hold_to("avx2")
    (_, words, environment), *_ = started
    assert words[1:] == sys.orig_argv[1:]
    assert vector_bytes(environment["NUMBA_CPU_FEATURES"]) == 32
    for name, value in isa.variables("avx2").items():
        monkeypatch.setenv(name, value)
        assert environment[name] == value
    isa.hold_to("avx2")
    assert len(started) == 1
    asked = "from chainrule.kernels.target import VECTOR_BYTES as n; print(n)"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "32"
