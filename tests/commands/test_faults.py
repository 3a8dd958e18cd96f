"""What can go wrong at the command line, done for real: signals, kills, full disks, bad files.

Never a traceback: one sentence, the right exit status, earlier files as they were, and --resume
to the same bits as a training that nothing disturbed.
"""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from support.stopping import EAGER, PLAIN, begin, wait_until_trained

from chainrule.commands import runs
from chainrule.engine.storage import checkpoint

resource = pytest.importorskip("resource", reason="limits and signals as on Unix")

TRAIN = ("train", "nade", "--threads", "2", "--quiet", "--epochs", "16", "--set", "n_hidden=20")


def finish(program, *arguments, **options):
    """Run to the end; return status, output and errors."""
    child = begin(program, *arguments, **options)
    out, err = child.communicate(timeout=300)
    return child.returncode, out, err


def assert_one_sentence(err):
    assert err.startswith("chainrule: ") and err.count("\n") == 1 and len(err) > 30, err
    assert "unexpected" not in err and "Traceback" not in err, err


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a file of 300 rows of 36 bits with structure."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    x = np.cumsum(rng.random((300, 36)) < 0.2, axis=1) % 2
    np.save(folder / "x.npy", x.astype(np.uint8))
    return folder / "x.npy"


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Return the folder of a training that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    batches = ("--batch-size", 24)
    status, _, err = finish(PLAIN, *TRAIN, *batches, "--data", data, "--out", out)
    assert (status, err) == (0, "")
    return out


@pytest.fixture
def job(data, tmp_path):
    """Return the arguments of the same training in a new folder, and the folder."""
    out = tmp_path / "run"
    return (*TRAIN, "--batch-size", 24, "--data", data, "--out", out), out


def assert_same_bits(out, whole):
    """Compare every number that training made: parameters, Adam's means, losses."""
    ours, theirs = (checkpoint.load_state(folder / runs.STATE).state for folder in (out, whole))
    for name in ("params", "best"):
        assert getattr(ours, name).flat.tobytes() == getattr(theirs, name).flat.tobytes(), name
    assert ours.m.tobytes() == theirs.m.tobytes() and ours.v.tobytes() == theirs.v.tobytes()
    for name in ("step", "best_record", "best_valid"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for mine, other in zip(ours.history, theirs.history, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}
    models = [checkpoint.load(folder / runs.MODEL).params.flat for folder in (out, whole)]
    assert models[0].tobytes() == models[1].tobytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_a_checkpoint_that_resumes_to_the_same_bits(number, job, whole):
    arguments, out = job
    child = begin(EAGER, *arguments)
    wait_until_trained(child, out)
    child.send_signal(number)
    said, err = child.communicate(timeout=120)
    assert (child.returncode, said, err) == (130, "", "")
    step = checkpoint.load_state(out / runs.STATE).state.step
    assert 0 < step < checkpoint.load_state(whole / runs.STATE).state.step, "not in the middle"
    assert {path.name for path in out.iterdir()} == set(runs.FILES) - {runs.SUMMARY, runs.CLEAN}
    if number == signal.SIGINT:  # both take the same way, and going on takes seconds
        resume = ("train", "nade", "--out", out, "--resume", "--quiet")  # it knows all the rest
        assert finish(PLAIN, *resume) == (0, "", "")
        assert_same_bits(out, whole)


def test_kill_9_at_any_moment_leaves_whole_files_and_resumes_to_the_same_bits(job, whole):
    arguments, out = job
    dice = random.Random(0)
    kills = 0
    for attempt in range(4):
        child = begin(EAGER, *arguments, *(["--resume"] if attempt else []))
        wait_until_trained(child, out)
        time.sleep(dice.uniform(0, 0.25))
        child.kill()
        child.communicate(timeout=60)
        kills += child.returncode == -signal.SIGKILL
        checkpoint.load_state(out / runs.STATE)
        if (out / runs.MODEL).exists():
            checkpoint.load(out / runs.MODEL)
    assert kills >= 2, "the kills came too late"
    (out / f".tmp{'0' * 32}").write_bytes(b"left by a kill")
    assert finish(PLAIN, *arguments, "--resume") == (0, "", "")
    assert_same_bits(out, whole)
    assert {path.name for path in out.iterdir()} == set(runs.FILES), "rubbish was left"


def limit_files(n_bytes):
    """Return what makes a child's files end at n_bytes, as a full disk does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def test_a_full_disk_while_saving_leaves_every_file_as_it_was(job, whole):
    arguments, out = job
    size = (whole / runs.STATE).stat().st_size
    child = begin(EAGER, *arguments)
    wait_until_trained(child, out)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=120)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    status, said, err = finish(PLAIN, *arguments, "--resume", preexec_fn=limit_files(size // 3))
    assert (status, said) == (2, "")
    assert_one_sentence(err)
    assert "could not write" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_full_disk_while_writing_samples(whole, tmp_path):
    (tmp_path / "x.png").write_bytes(b"old")
    arguments = ("sample", whole, "-n", 3000, "--out", tmp_path / "x.png")
    status, _, err = finish(PLAIN, *arguments, preexec_fn=limit_files(2000))
    assert status == 2 and "could not write" in err
    assert_one_sentence(err)
    assert (tmp_path / "x.png").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_nobody_reads_the_output(whole, data):
    child = begin(PLAIN, "score", whole, data)
    child.stdout.close()
    assert child.wait(timeout=60) == 1
    assert child.stderr.read() == ""


def bad_rows(folder, kind):
    """Write rows that cannot be used, of one kind; return their path."""
    x = np.zeros((3, 36), np.uint8)
    path = folder / f"{kind}.npy"
    if kind == "missing":
        return path
    if kind == "cut":
        np.save(path, x)
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "foreign":
        path.write_bytes(b"PK\x03\x04 not an array at all")
    elif kind == "pickled":
        np.save(path, np.array([print, {}], object), allow_pickle=True)
    elif kind == "kind":
        path = folder / "x.mat"
        path.write_bytes(b"x")
    else:
        rows = {
            "nan": np.where(np.eye(3, 36) > 0, np.nan, 0.0),
            "values": x + 7,
            "wide": np.zeros((3, 37), np.uint8),
            "empty": x[:0],
            "flat": x[0],
            "scalar": np.float64(1),
            "deep": np.zeros((2, 2, 3, 3)),
            "strings": np.full((3, 36), "yes"),
            "complex": x + 1j,
        }[kind]
        np.save(path, rows)
    return path


KINDS = "missing cut foreign pickled kind nan values wide empty flat scalar deep strings complex"


@pytest.mark.parametrize("kind", KINDS.split())
@pytest.mark.parametrize("verb", ["score", "complete", "conditionals"])
def test_rows_that_cannot_be_used(verb, kind, whole, call, tmp_path):
    x, out = bad_rows(tmp_path, kind), tmp_path / "out.npy"
    out.write_bytes(b"old")
    status, said, err = call(verb, whole, x, "--out", out)
    if kind == "values":
        assert "values.npy must hold only 0 and 1, got 7 at [0, 0]" in err
    assert (status, said) == (2, "")
    assert_one_sentence(err)
    assert out.read_bytes() == b"old"
    if verb == "conditionals":
        assert call(verb, whole, x, "--out", tmp_path / "out.png")[0] == 2


@pytest.mark.parametrize("kind", ["missing", "cut", "foreign", "empty", "folder", "state", "other"])
def test_models_that_cannot_be_used(kind, whole, data, call, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    model = run / runs.MODEL
    content = (whole / runs.MODEL).read_bytes()
    if kind == "folder":
        model.mkdir()
    elif kind == "state":  # of another kind: a training, not an estimator
        model.write_bytes((whole / runs.STATE).read_bytes())
    elif kind == "other":  # says it is a model that it is not
        model.write_bytes(content.replace(b'\\"n_hidden\\": 20', b'\\"n_hidden\\": 21'))
    elif kind != "missing":
        model.write_bytes({"cut": content[:-100], "foreign": b"GIF89a" * 99, "empty": b""}[kind])
    for arguments in (("score", run, data), ("info", run), ("sample", run, "--out", run / "s.npy")):
        status, said, err = call(*arguments)
        assert (status, said) == (2, ""), arguments
        assert_one_sentence(err)
    assert not (run / "s.npy").exists()


@pytest.mark.parametrize("kind", ["cut", "foreign", "model"])
def test_trainings_that_cannot_be_resumed(kind, whole, call, tmp_path):
    content = (whole / runs.STATE).read_bytes()
    model = (whole / runs.MODEL).read_bytes()
    bad = {"cut": content[: len(content) // 2], "foreign": b"\x89PNG" * 99, "model": model}[kind]
    (tmp_path / runs.STATE).write_bytes(bad)
    status, said, err = call("train", "nade", "--out", tmp_path, "--resume")
    assert (status, said) == (2, "")
    assert_one_sentence(err)
    assert [path.name for path in tmp_path.iterdir()] == [runs.STATE]
    assert (tmp_path / runs.STATE).read_bytes() == bad


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["train", "nade", "--data", "nothing", "--out", "OUT"], "unknown data set"),
        (["train", "nade", "--data", "no/thing.npy", "--out", "OUT"], "does not exist"),
        (["train", "nade", "--out", "OUT"], "--data"),
        (["train", "nade", "--data", "digits"], "--out"),
        (["train", "boltzmann", "--data", "digits", "--out", "OUT"], "unknown model"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--epochs", "0"], "at least 1"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--epochs", "x"], "epochs"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--speed", "9"], "--speed"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--backend", "tpu"], "backend"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--threads", "0"], "threads"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--set", "n_hidden=0"], "n_hidden"),
        (["train", "nade", "--data", "digits", "--out", "OUT", "--ordering", "up"], "ordering"),
        (["train", "nade", "--data", "digits", "--out", "DATA"], "not a folder"),
        (["train", "nade", "--data", "digits", "--out", "DATA/run"], "could not make"),
        (["gradcheck", "nothing"], "unknown model"),
        (["gradcheck", "nade", "--set", "hidden=3"], "no setting"),
        (["sample", "RUN", "--out", "OUT/none/x.npy"], "no folder"),
        (["sample", "RUN", "--out", "x.bmp"], "end it in"),
        (["sample", "RUN", "-n", "0"], "-n"),
        (["sample", "NONE"], "NONE"),
        (["complete", "RUN", "DATA", "--observed", "middle"], "--observed"),
        (["complete", "RUN", "DATA", "--observed", "prefix:36"], "1 to 35"),
        (["complete", "RUN", "DATA", "--observed", "prefix:-1"], "1 to 35"),
        (["complete", "RUN", "DATA", "--observed", "none.npy"], "does not exist"),
        (["complete", "RUN", "DATA", "--observed", "DATA"], "observed"),
        (["demo", "--out", "samples.txt"], "end it in"),
        (["dance"], "dance"),
    ],
)
def test_wrong_usage(arguments, word, whole, data, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"OUT": tmp_path / "out", "RUN": whole, "DATA": data, "NONE": tmp_path / "NONE"}
    for name, place in places.items():
        arguments = [a.replace(name, str(place)) if a.startswith(name) else a for a in arguments]
    status, said, err = call(*arguments)
    assert (status, said) == (2, ""), err
    assert_one_sentence(err)
    assert word in err, err
    assert not list(tmp_path.iterdir()), "something was left behind"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(whole, data, call, tmp_path):
    tmp_path.chmod(0o500)
    for arguments in (
        ("train", "nade", "--data", data, "--out", tmp_path),
        ("sample", whole, "--out", tmp_path / "s.npy"),
    ):
        status, said, err = call(*arguments)
        assert (status, said) == (2, "")
        assert_one_sentence(err)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody may write to")
def test_a_folder_that_not_even_root_can_write_to(whole, data, call):
    for arguments in (
        ("train", "nade", "--data", data, "--out", "/proc"),
        ("train", "nade", "--data", data, "--out", "/proc/run"),
        ("sample", whole, "--out", "/proc/s.npy"),
    ):
        status, _, err = call(*arguments)
        assert status == 2
        assert_one_sentence(err)


def test_where_nothing_can_be_written_is_said_before_any_work(whole, data, call, tmp_path):
    """Whatever is in the way: a file, a folder of that name, or what is no place for files."""
    (tmp_path / "file").touch()
    (tmp_path / "s.npy").mkdir()
    places = ["file/s.npy", "file/more/s.npy", "s.npy", f"{'s' * 300}.npy"]
    places += ["/proc/s.npy", "/proc/more/s.npy"] if Path("/proc").is_dir() else []
    for place in places:
        for verb in (("sample", whole), ("score", whole, "NONE"), ("complete", whole, "NONE")):
            status, said, err = call(*verb, "--out", tmp_path / place)
            assert (status, said) == (2, ""), err
            assert_one_sentence(err)
            assert "could not write" in err or "too long" in err, err
    for place in ("file/run", "file/more/run", *(["/proc/run"] if len(places) > 4 else [])):
        status, said, err = call("train", "nade", "--data", "NONE", "--out", tmp_path / place)
        assert (status, said) == (2, "")
        assert_one_sentence(err)
        assert "could not make" in err and "name another" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "s.npy"]


def test_a_training_that_diverges_says_so(data, tmp_path):
    arguments = ("train", "nade", "--data", data, "--out", tmp_path / "r", "--quiet")
    rate = ("--learning-rate", "1e38", "--schedule", "constant")
    status, said, err = finish(PLAIN, *arguments, *rate)  # a process: NumPy may warn on stderr
    assert (status, said) == (2, "")
    assert_one_sentence(err)
    assert "learning rate" in err
