"""What `python -m bench` says before, after and instead of a table."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import __main__ as command
from bench import absence, cases, caveats, harness, isa, peaks, peers, report, showing, worker

WORKLOADS = [cases.find(name, "mnist") for name in ("nade/grad", "nade/step", "nade/log_prob")]
ASKED = ["--cases", "nade/grad,nade/step,nade/log_prob", "--backends", "cpu,reference"]
ABOUT = {
    "machine": {"cpu": "a processor", "cores": 1},
    "versions": {"numpy": "2"},
    "ceilings": {"host": {"sgemm_gflops": 100.0, "copy_gb_s": 10.0}},
    "data": "rows",
}


def result(workload=WORKLOADS[0], rival="cpu", status="ok", p80=1.1):
    """Return a result of a second a call."""
    return harness.Result(workload, rival, status, {"share_of_ones": 0.1}, 0.9, 1.0, p80, 7, 1e9)


@pytest.fixture
def bench(monkeypatch):
    """Return a call of the command, whose rivals are not started: `outcomes` are what they give."""
    monkeypatch.setattr(
        command, "describe", lambda settings, names: {**ABOUT, "settings": settings}
    )
    monkeypatch.setattr(command, "vectors", lambda names, threads: {})

    def called(*arguments, outcomes=()):
        coming = iter(outcomes)

        def compare(workload, contestants, *rest, **more):
            outcome = next(coming)
            if outcome is KeyboardInterrupt:
                raise KeyboardInterrupt
            return [result(workload, rival.name, outcome) for rival in contestants]

        monkeypatch.setattr(harness, "compare", compare)
        return CliRunner().invoke(command.app, [*ASKED, "--peers", "", *arguments])

    return called


@pytest.mark.parametrize(
    ("option", "name", "sentence"),
    [
        ("--json", "none/x.json", "there is no folder"),
        ("--chart", "none/x.png", "there is no folder"),
        ("--json", ".", "this is a folder"),
        ("--json", "/proc/x.json", "--json /proc/x.json"),
        ("--chart", "x.foo", "ends in one of"),
        ("--chart", "x", "ends in one of"),
        ("--curve", "x.foo", "ends in one of"),
        ("--curve", "x.png", "two sizes"),
    ],
)
def test_what_cannot_be_written_is_found_before_anything_runs(
    bench, tmp_path, option, name, sentence
):
    """A run may take an hour; its numbers are worth more than the name of a file."""
    outcome = bench(option, str(tmp_path / name))
    assert outcome.exit_code == 2 and "Traceback" not in outcome.output
    assert sentence in " ".join(outcome.output.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_what_can_be_written_is(bench, tmp_path):
    """The check leaves no file behind, and an older one is replaced."""
    numbers, bars = tmp_path / "x.json", tmp_path / "x.PNG"
    numbers.write_text("old")
    outcome = bench("--json", str(numbers), "--chart", str(bars), outcomes=["ok"] * 3)
    assert outcome.exit_code == 0, outcome.output
    assert len(json.loads(numbers.read_text())["results"]) == 6
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", "x.PNG"}


@pytest.mark.parametrize("done", [0, 1, 2])
def test_an_interrupted_run_says_so(bench, tmp_path, done):
    """It has 130 as other commands, says how far it came, and names no file that is not there."""
    numbers = tmp_path / "x.json"
    outcome = bench("--json", str(numbers), outcomes=["ok"] * done + [KeyboardInterrupt])
    assert outcome.exit_code == 130
    assert f"interrupted; {done} of 3 workloads were measured" in outcome.output
    assert numbers.exists() == ("numbers:" in outcome.output) == (done > 0)


def test_a_run_interrupted_as_it_starts_says_so(bench, monkeypatch):
    """Ceilings take some seconds, in which nothing is measured yet."""

    def interrupted(settings, names):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "describe", interrupted)
    outcome = bench()
    assert outcome.exit_code == 130 and "interrupted; 0 of 3" in outcome.output


def test_a_run_without_any_number_fails(bench):
    """A script must not take silence for success."""
    skipped = worker.SKIPPED + "PyTorch is not installed"
    outcome = bench(outcomes=[skipped] * 3)
    assert outcome.exit_code == 1 and "nothing was measured" in outcome.output
    assert bench(outcomes=[skipped, "ok", skipped]).exit_code == 0
    assert bench("--backends", "").exit_code == 2


def test_rows_that_vary_too_much_do_not_count():
    """As on a machine at work: p20 1.87 ms, the median 14, p80 18.2."""
    quiet, loud = result(), result(WORKLOADS[1], p80=1.36)
    assert caveats.of_noise([quiet]) is None
    sentence = caveats.of_noise([quiet, loud])
    assert "nade/step mnist cpu" in sentence and "nade/grad" not in sentence
    entries = report.document([quiet, loud], ABOUT)["results"]
    assert [entry.get("noisy") for entry in entries] == [None, True]


def test_noise_is_told_below_the_table(bench, monkeypatch):
    """Where it is read together with the ratios."""
    assert "noisy" not in bench(outcomes=["ok"] * 3).output
    monkeypatch.setattr(caveats, "SPREAD", 1.1)
    below = bench(outcomes=["ok"] * 3).output.partition("÷ peer")[2]
    assert "noisy: nade/grad mnist reference" in below


def test_caveats_are_told_at_the_start(monkeypatch, capsys):
    """The load, the variables, and how many threads: one is no plural."""
    about = {
        "cpu": "a processor",
        "cores": 1,
        "load_average": [9.0, 9, 9],
        "openblas_variables": {},
    }
    monkeypatch.setattr(command, "measure_ceilings", lambda names, threads: {})
    monkeypatch.setattr(command.machine, "describe", lambda: about)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    command.describe({"threads": 1, "isa": "native"}, ["cpu"])
    told = capsys.readouterr().out
    assert "a processor, 1 core; 1 thread for everybody" in told
    assert "9.0 on 1 core" in told and "OPENBLAS_CORETYPE=Prescott" in told


def test_vectors_are_named(monkeypatch, capsys):
    """Of every rival that is here, in the line above the table."""
    monkeypatch.setattr(worker, "missing", lambda name: None)
    monkeypatch.setattr(harness.Rival, "ask", lambda self, method, **more: "AVX9")
    assert command.vectors(["jax"], 1) == {"jax": "AVX9"}
    assert "jax AVX9" in capsys.readouterr().out


def test_who_was_never_written_is_not_started(monkeypatch):
    """The harness is told beforehand, with the sentence."""
    known = []
    monkeypatch.setattr(worker, "missing", lambda name: None)
    monkeypatch.setattr(harness, "compare", lambda *a, **k: known.append(k) or [])
    settings = {"threads": 1, "seconds": 0.0, "patience_s": 1.0}
    list(command.time_all([cases.find("rnade/grad", "mixture")], ["cpu", "jax"], settings))
    assert known[0]["known"] == {"jax": absence.NO_SUCH_PEER}


def test_a_failed_row_is_not_called_noisy():
    """It has no times at all."""
    assert caveats.of_noise([harness.Result(WORKLOADS[0], "jax", "skipped: no", {})]) is None


def test_a_machine_at_work_is_told():
    """From half of the cores on; systems without a load average say nothing."""
    assert caveats.of_load([1.0, 9, 9], 2) is None and caveats.of_load(None, 2) is None
    assert "1.1 on 2 cores" in caveats.of_load([1.1, 0, 0], 2)


def test_variables_that_hold_libraries_down_are_told(monkeypatch):
    """Not those that --isa sets itself, nor flags of XLA's that choose no instructions."""
    for name in (*isa.OF_NUMBA, *isa.OF_OTHERS, *caveats.NARROWING):
        monkeypatch.delenv(name, raising=False)
    assert caveats.of_environment({}) is None
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    assert caveats.of_environment({}) is None
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE=Haswell" in caveats.of_environment({})
    assert caveats.of_environment({"OPENBLAS_CORETYPE": "Haswell"}) is None
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert "Prescott" in caveats.of_environment({"OPENBLAS_CORETYPE": "Haswell"})


@pytest.mark.parametrize(
    ("features", "name"),
    [("+sse2,+avx2,+avx512f", "AVX512"), ("+avx2,-avx512f", "AVX2"), ("+neon", "NEON")],
)
def test_the_widest_vectors_have_a_name(features, name, monkeypatch):
    """By LLVM's list of what a processor has."""
    monkeypatch.setattr(isa, "get_host_cpu_features", lambda: features)
    assert isa.widest() == name


def test_jax_names_the_widest_vectors(monkeypatch):
    """Of which XLA says only that it takes them."""
    pytest.importorskip("jax")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert peers.vectors("jax") == f"{isa.widest()}, the widest it finds"


def test_the_chart_says_how_it_was_made():
    """One thread is one, and narrower vectors are told."""
    about = ABOUT | {"settings": {"threads": 1, "isa": "native"}}
    assert "1 thread each; " in showing.caption(about)
    about["settings"] = {"threads": 2, "isa": "avx2"}
    assert "2 threads each, everybody held to AVX2; " in showing.caption(about)


def test_a_peer_that_nobody_wrote_is_said_to_be_none(monkeypatch):
    """Once for all workloads, or, where it takes part in others, with those where it does not."""
    monkeypatch.setattr(worker, "missing", lambda name: None)
    orderless = cases.find("orderless_nade/grad", "mnist")
    assert absence.unwritten(["cpu", "torch"], orderless) == {}
    none = absence.unwritten(["cpu", "jax", "torch-plain"], orderless)
    assert none == dict.fromkeys(("jax", "torch-plain"), absence.NO_SUCH_PEER)
    assert "there is no such peer" in none["jax"]
    absent = result(orderless, "jax", none["jax"])
    assert absence.sentences([absent]) == [f"jax: {none['jax']}"]
    partly = absence.sentences([absent, result(rival="jax")])
    assert partly == [f"jax: {none['jax']} (orderless_nade/grad)"]
    monkeypatch.setattr(worker, "missing", lambda name: "it is not installed")
    assert absence.unwritten(["jax"], orderless) == {}


def test_memory_of_a_peer_that_nobody_wrote(monkeypatch):
    """The same sentence stands in the table of memory."""
    monkeypatch.setattr(worker, "missing", lambda name: None)
    rival = harness.Rival("torch-plain", 1)
    monkeypatch.setattr(rival, "ask", lambda method, *arguments, **more: None)
    large = cases.find("transformer/step", "chars")
    assert peaks._one(rival, large, large, 1.0) == {"status": absence.NO_SUCH_PEER}


def test_quantiles_are_what_noise_is_judged_by():
    """The very times that were seen at a load of ten."""
    p20, median, p80 = worker.quantiles(list(np.linspace(0.001, 0.02, 20)))
    assert caveats.noisy(result()._replace(p20=p20, median=median, p80=p80))
