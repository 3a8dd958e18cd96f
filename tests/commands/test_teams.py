"""Several processes started together train one model: under mpiexec, with faults, and on again."""

import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support.launch import (
    BESIDE,
    CLI,
    INTERRUPTED,
    MPICH,
    OPEN_MPI,
    PLANTED,
    alone,
    mpiexec,
    needs_both,
    needs_mpiexec,
)

import chainrule as cr
from chainrule.engine.storage import checkpoint
from chainrule.engine.team import joining, launched, mpi

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
NADE = ("nade", "--data", "digits", "--epochs", 3, "--set", "n_hidden=20")
SHAPE = ("--set", "steps=12", "--set", "context=16", "--set", "dropout=0.2", "--batch-size", 18)
RNN = ("rnn", *SHAPE, "--set", "n_hidden=12", "--set", "cell=lstm")
TRANSFORMER = ("transformer", *SHAPE, "--set", "n_layers=1", "--set", "n_embd=16")
MODELS = {"nade": NADE, "lstm": RNN, "transformer": (*TRANSFORMER, "--set", "n_heads=2")}


@pytest.fixture
def text(tmp_path):
    words = np.random.default_rng(0).choice(["to", "be", "or", "not", "the", "question"], 900)
    (tmp_path / "text.txt").write_text(" ".join(words))
    return ("--data", tmp_path / "text.txt")


def train(*options):
    return (*CLI, "-q", "train", *options)


def ended(process):
    """Return the exit status, and what was printed."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def state_of(folder):
    return checkpoint.load_state(folder / "state.safetensors").state


def assert_same(one, other):
    a, b = state_of(one), state_of(other)
    for name in ("params", "best"):
        assert_array_equal(getattr(a, name).flat, getattr(b, name).flat, err_msg=name)
    for name in ("m", "v", "carry"):
        assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.step, a.best_record, a.loss_sum) == (b.step, b.best_record, b.loss_sum)


@needs_mpiexec
@pytest.mark.parametrize("name", MODELS)
def test_two_ranks_make_the_bits_of_two_threads(name, text, tmp_path):
    options = MODELS[name] + (() if name == "nade" else text)
    one, two = tmp_path / "one", tmp_path / "two"
    assert alone(*train(*options, "--out", one, "--threads", 2)).returncode == 0
    assert ended(mpiexec(2, *train(*options, "--out", two, "--threads", 1))) == (0, "", "")
    assert_same(one, two)


@needs_mpiexec
@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_more_ranks_make_the_bits_of_parts(name, size, text, tmp_path):
    options = (*MODELS[name], "--threads", 1) + (() if name == "nade" else text)
    one, more = tmp_path / "one", tmp_path / "more"
    assert alone(*train(*options, "--out", one, "--set", f"accumulation={size}")).returncode == 0
    assert ended(mpiexec(size, *train(*options, "--out", more))) == (0, "", "")
    assert_same(one, more)


@needs_mpiexec
def test_four_ranks_go_on_as_one_process_with_as_many_parts(tmp_path):
    one, four = tmp_path / "one", tmp_path / "four"
    began = (*NADE[:4], 2, *NADE[5:], "--set", "schedule=constant", "--threads", 1)
    longer = ("nade", "--epochs", 4, "--resume", "--threads", 1)
    said = alone(*train(*began, "--out", one, "--set", "accumulation=8"))
    assert said.returncode == 0, said.stderr
    assert ended(mpiexec(4, *train(*began, "--out", four, "--set", "accumulation=2")))[0] == 0
    assert_same(one, four)
    assert ended(mpiexec(2, *train(*longer, "--out", one, "--set", "accumulation=4")))[0] == 0
    said = alone(*CLI, "train", *longer, "--out", four, "--set", "accumulation=8")
    assert said.returncode == 0 and "last bits" not in said.stdout
    assert_same(one, four)
    said = alone(*CLI, "train", "nade", "--resume", "--out", four, "--set", "accumulation=2")
    assert "began with 8 parts a minibatch, ranks times accumulation; with 2" in said.stdout


@needs_mpiexec
def test_rank_0_alone_speaks(tmp_path):
    status, out, err = ended(mpiexec(2, *CLI, "train", *NADE, "--out", tmp_path / "run"))
    assert status == 0 and out.count("nade: ") == 1 and out.count("best epoch") == 1
    assert [line.partition("  ")[0] for line in err.splitlines()] == [
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
    ]


@needs_mpiexec
@pytest.mark.parametrize(
    ("fault", "rank", "sentence"),
    [
        ("raised", 0, "chainrule: the fault"),
        ("raised", 1, "chainrule: rank 1: the fault"),
        ("within", 1, "chainrule: rank 1: the fault"),
        ("nan", 0, "chainrule: the loss of minibatch 20 is nan"),
        ("full", 0, "chainrule: run: No space left on device"),
        ("killed", 0, None),
        ("killed", 1, None),
    ],
)
def test_a_fault_on_a_rank_ends_all(fault, rank, sentence, tmp_path):
    run, when = tmp_path / "run", tmp_path / "when"
    command = ("-c", PLANTED, fault, rank, when, "-q", "train", *NADE[:4], 500, *NADE[5:])
    status, _, err = ended(mpiexec(2, *command, "--out", run))
    assert time.time() - when.stat().st_mtime < 10, "too long after the fault"
    if sentence is not None:
        assert status == 2
        said = [line for line in err.splitlines() if line.startswith("chainrule: ")]
        assert len(said) == 1 and said[0].startswith(sentence)
    assert status != 0
    assert state_of(run).step > 0  # whole
    assert not (run / ".lock").exists() or fault in ("killed", "within")
    again = (*train("nade"), "--out", run, "--resume", "--epochs", 1)
    if fault == "killed":
        assert alone(*again).returncode == 0  # nobody holds the folder


@needs_mpiexec
def test_a_team_that_fails_ends_at_once_and_loses_no_word(tmp_path):
    slow = "import atexit, sys, time\natexit.register(time.sleep, 20)\n"
    slow += "print('said', end='')\nprint('told', end='', file=sys.stderr)\n"
    command = ("-c", slow + PLANTED, "raised", 1, tmp_path / "when", "-q", "train", *NADE)
    status, out, err = ended(mpiexec(2, *command, "--out", tmp_path / "run"))
    took = time.time() - (tmp_path / "when").stat().st_mtime
    assert (status, out) == (2, 2 * "said")
    assert err.count("told") == 2 and err.count("chainrule: rank 1: the fault\n") == 1
    assert took < 15, "it waited for what Python does at its end"


@needs_mpiexec
@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, INTERRUPTED), (signal.SIGUSR1, 130)])
def test_a_signal_to_the_launcher_keeps_the_training(number, ends, tmp_path):
    run = tmp_path / "run"
    process = mpiexec(2, *train(*NADE[:4], 100_000, *NADE[5:], "--out", run))
    while not (run / "state.safetensors").exists() or state_of(run).step == 0:
        time.sleep(0.2)
        assert process.poll() is None, process.communicate()
    before, began = state_of(run).step, time.monotonic()
    process.send_signal(number)
    status, _, _ = ended(process)
    assert status == ends and time.monotonic() - began < 10
    assert state_of(run).step > before


@needs_mpiexec
def test_a_script_fits_together(tmp_path):
    script = """
import sys
import numpy as np
import chainrule as cr
X = np.random.default_rng(0).integers(0, 2, (90, 6), np.uint8)
settings = dict(epochs=2, n_hidden=4, batch_size=30, seed=1)
with cr.use_team() as team:
    model = cr.NADE(**settings, n_threads=1).fit(X, checkpoint=sys.argv[1])
whole = cr.NADE(**settings, accumulation=team.size, n_threads=1).fit(X)
assert team.size == 2 and (model.params_.flat == whole.params_.flat).all()
with cr.use_team():
    if team.rank == 1:
        X = 1 - X
    model.fit(X)
"""
    status, _, err = ended(mpiexec(2, "-c", script, tmp_path / "fit.state"))
    assert (
        status == 1
        and "rank 1 has other data than rank 0" in err
        and (tmp_path / "fit.state").exists()
    )


@needs_mpiexec
def test_rows_are_scored_drawn_and_judged_by_all(tmp_path):
    run, x = tmp_path / "run", tmp_path / "x.npy"
    np.save(x, np.random.default_rng(0).integers(0, 2, (7, 64), np.uint8))
    cr.NADE(epochs=1, n_hidden=5).fit(np.load(x)).save(run)
    odd = (run, x, "--clean", x, "--false-alarm", 0.2)
    drawn = (run, "-n", 5, "--seed", 3)
    for verb, ends in (("score", (run, x)), ("sample", drawn), ("detect", odd)):
        one, two = tmp_path / f"{verb}1.csv", tmp_path / f"{verb}2.csv"
        said = alone(*CLI, verb, *ends, "--out", one)
        assert said.returncode == 0
        status, out, err = ended(mpiexec(3, *CLI, verb, *ends, "--out", two))
        assert (status, err) == (0, "") and out == said.stdout.replace(str(one), str(two))
        assert one.read_bytes() == two.read_bytes()


@needs_mpiexec
def test_a_launcher_of_another_mpi_is_refused(tmp_path):
    run = tmp_path / "run"
    for rank, said in (
        (0, "2 processes were started, and MPI sees 1: the launcher is of"),
        (1, ""),
    ):
        env = {"MV2_COMM_WORLD_SIZE": "2", "MV2_COMM_WORLD_RANK": str(rank)}
        end = alone(*train(*NADE, "--out", run), **env)
        assert end.returncode == 2 and said in end.stderr
        assert len(end.stderr.splitlines()) == (rank == 0)
    assert not run.exists()


@needs_both
@pytest.mark.parametrize(
    ("launcher", "library", "sentence"),
    [
        (OPEN_MPI, MPICH, "by Open MPI's mpiexec or srun --mpi=pmix, and mpi4py finds MPICH"),
        (BESIDE, "libmpi.so.40", "and MPI sees 1: the launcher is of another MPI than Open MPI"),
    ],
)
def test_a_real_launcher_of_another_mpi_is_refused(launcher, library, sentence, tmp_path):
    run, env = tmp_path / "run", {"MPI4PY_LIBMPI": library}
    status, _, err = ended(mpiexec(2, *train(*NADE, "--out", run), launcher=launcher, env=env))
    said = [line for line in err.splitlines() if line.startswith("chainrule: ")]
    assert status == 2 and len(said) == 1 and sentence in said[0] and "Abort(" not in err
    assert not run.exists()


@pytest.mark.parametrize(
    ("package", "module", "sentence"),
    [
        ("raise ImportError('none')", "", "is not installed; install chainrule[mpi]"),
        ("rc = C()", "raise RuntimeError('cannot load MPI library')", "finds no MPI library here"),
        ("rc = C()", "raise ImportError('unsupported MPI ABI')", "finds no MPI library here; load"),
    ],
)
def test_without_mpi_a_sentence_says_so(package, module, sentence, tmp_path, monkeypatch):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").write_text(f"class C: pass\n{package}\n")
    (tmp_path / "mpi4py/MPI.py").write_text(module)
    for name in ("mpi4py", "mpi4py.MPI"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(launched, "size", lambda: 2)
    with pytest.raises(RuntimeError, match=sentence.replace("[", r"\[")):
        joining.join()


def test_an_open_mpi_that_srun_cannot_reach_is_refused(tmp_path, monkeypatch):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").write_text("class rc: pass")
    (tmp_path / "mpi4py/MPI.py").write_text(
        "def Get_library_version(): return 'Open MPI v4.1.4, package: …'\n"
        "def Is_initialized(): return False\n"
    )
    for name in ("mpi4py", "mpi4py.MPI"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("PMIX_RANK", *launched.SIZES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setattr(mpi, "_of_pmix_alone", lambda: True)
    with pytest.raises(RuntimeError, match=r"Open MPI v4.1.4 here finds by PMIx alone; use srun "):
        joining.join()
    monkeypatch.setattr(mpi, "_of_pmix_alone", lambda: False)
    with pytest.raises(AttributeError, match="Init_thread"):  # so it begins
        joining.join()


@pytest.mark.parametrize("folder", ["openmpi", "openmpi/lib/openmpi3"])
def test_which_open_mpi_speaks_pmix_alone(folder, tmp_path):
    maps, parts = tmp_path / "maps", tmp_path / folder
    maps.write_text(f"7f-8f r--p 0 08:01 12  {tmp_path}/libmpi.so.40.30.4\n7f-8f rw-p 0\n")
    parts.mkdir(parents=True)
    assert not mpi._of_pmix_alone(str(maps)) and not mpi._of_pmix_alone(str(tmp_path / "none"))
    (parts / "mca_pmix_ext3x.so").touch()
    assert mpi._of_pmix_alone(str(maps))
    (parts / "mca_pmix_s2.so").touch()
    assert not mpi._of_pmix_alone(str(maps))


def test_alone_mpi_is_never_imported(tmp_path):
    script = (
        "import sys\nfrom chainrule import cli\n"
        "try:\n    cli.main(sys.argv[1:])\nfinally:\n"
        "    assert not any(name.startswith('mpi4py') for name in sys.modules)\n"
    )
    end = alone("-c", script, *train(*NADE[:4], 1, "--out", tmp_path / "run")[2:])
    assert (end.returncode, end.stderr) == (0, "")


@pytest.mark.parametrize("wrong", [("--typo",), ("--set", "n_hidden=none")])
def test_a_wrong_option_is_told_once(wrong, tmp_path):
    for rank in (0, 1):
        env = {"MV2_COMM_WORLD_SIZE": "2", "MV2_COMM_WORLD_RANK": str(rank)}
        end = alone(*train(*NADE, "--out", tmp_path / "run", *wrong), **env)
        assert end.returncode == 2 and len(end.stderr.splitlines()) == (rank == 0), end.stderr


@pytest.mark.parametrize("verb", ["complete", "attack", "purify", "impute", "info"])
def test_a_verb_for_one_process_is_refused_once(verb, tmp_path):
    files = [tmp_path / "run"] if verb == "info" else [tmp_path / "run", tmp_path / "x.npy"]
    given = {"complete": ("--observed", "top"), "attack": ("--method", "fgsm")}.get(verb, ())
    out = () if verb == "info" else ("--out", tmp_path / "out.npy")
    for rank in (0, 1):
        env = {"PMI_SIZE": "2", "PMI_RANK": str(rank)}
        end = alone(*CLI, verb, *files, *given, *out, **env)
        assert end.returncode == 2 and len(end.stderr.splitlines()) == (rank == 0), end.stderr
        if rank == 0:
            assert f"{verb} is for one process, and 2 were started together" in end.stderr
    end = alone(*CLI, verb, *files, *given, *out, PMI_SIZE="2", **{launched.ALONE: "1"})
    assert "is for one process" not in end.stderr


def test_each_may_have_a_task_of_its_own(tmp_path):
    env = {"PMI_SIZE": "2", "PMI_RANK": "1", launched.ALONE: "1"}
    end = alone(*CLI, "train", *NADE[:4], 1, "--out", tmp_path / "run", **env)
    assert end.returncode == 0 and "best epoch" in end.stdout
    assert Path(tmp_path / "run/run.json").exists()
