"""- is standard input: rows and texts piped into the verbs that read them."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.commands import runs

TEXT = "to be or not to be, 가나다 " * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stdin")
    x = np.random.default_rng(0).integers(0, 2, (40, 9), dtype=np.uint8)
    np.save(folder / "x.npy", x)
    np.savetxt(folder / "x.csv", x, "%d", ",")
    np.savetxt(folder / "x.txt", x, "%d")
    (folder / "digits.txt").write_text("\n".join("".join(map(str, row)) for row in x))
    (folder / "t.txt").write_text(TEXT, encoding="utf-8")
    cr.FVSBN(epochs=1).fit(x).save(folder / "rows.safetensors")
    cr.RNN(3, steps=1, context=4).fit(TEXT).save(folder / "text.safetensors")
    cr.RNN(3, steps=1, context=4).fit(x).save(folder / "ids.safetensors")
    return folder


@pytest.fixture
def pipe(call, monkeypatch):
    """Return a function that runs a command line on what is piped into it."""

    def run(content, *arguments):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return call(*arguments)

    return run


@pytest.mark.parametrize("file", ["x.npy", "x.csv", "x.txt", "digits.txt"])
@pytest.mark.parametrize("model", ["rows", "ids"])
def test_rows_are_scored(model, file, folder, pipe, call, tmp_path):
    run = folder / f"{model}.safetensors"
    content = (folder / file).read_bytes()
    assert pipe(content, "score", run, "-", "--out", tmp_path / "a.npy")[0] == 0
    assert call("score", run, folder / "x.npy", "--out", tmp_path / "b.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


def test_a_text_is_scored(folder, pipe, call):
    run = folder / "text.safetensors"
    quiet = pipe(TEXT.encode(), "score", run, "-", "--quiet")
    assert quiet == call("score", run, folder / "t.txt", "--quiet") and quiet[0] == 0


@pytest.mark.parametrize("verb", ["complete", "conditionals"])
def test_rows_are_completed_and_drawn(verb, folder, pipe, tmp_path):
    content = (folder / "x.csv").read_bytes()
    out = tmp_path / "out.npy"
    assert pipe(content, verb, folder / "rows.safetensors", "-", "--out", out)[0] == 0
    assert np.load(out).shape[1] == 9


@pytest.mark.parametrize(
    ("model", "file", "more"),
    [
        ("fvsbn", "x.csv", ("--epochs", 2)),
        ("fvsbn", "x.npy", ("--epochs", 2)),
        ("rnn", "t.txt", ("--steps", 2, "--set", "n_hidden=3", "--set", "context=5")),
        ("rnn", "x.npy", ("--steps", 2, "--set", "n_hidden=3", "--set", "context=5")),
    ],
)
def test_training_reads_it_and_goes_on_only_with_the_same(model, file, more, folder, pipe, call):
    out = folder / f"{model}-{file}"
    content = (folder / file).read_bytes()
    train = ("train", model, "--out", out)
    assert pipe(content, *train, "--data", "-", *more)[0] == 0
    assert runs.load_state(out).metadata["data"] == "-"
    status, _, err = call(*train, "--resume")
    assert status == 2 and "learns from standard input; pipe the same into it with --data -" in err
    status, said, _ = pipe(content, *train, "--resume", "--data", "-")
    assert status == 0 and "had finished" in said
    assert call(*train, "--resume", "--data", folder / file)[0] == 0, "the same data, wherever"
    other = content[:-1] if file == "t.txt" else content[:-20] + content[-20:].replace(b"1", b"0")
    other = other[:-1] + bytes([other[-1] ^ 1]) if file == "x.npy" else other
    status, _, err = pipe(other, *train, "--resume", "--data", "-")
    assert status == 2 and "other data" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"0,1,2,0,0,0,0,0,0\n", "must hold only 0 and 1"),
        (b"\x93NUMPY broken", "standard input cannot be read as .npy"),
        (b"0,1\n1\n", "standard input"),
    ],
)
def test_what_cannot_be_read_is_said_of_standard_input(content, word, folder, pipe):
    status, out, err = pipe(content, "score", folder / "rows.safetensors", "-")
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err and "/tmp" not in err


def test_a_real_pipe_and_nothing_left_behind(folder, tmp_path):
    command = [sys.executable, "-m", "chainrule", "score", folder / "rows.safetensors", "-"]
    done = subprocess.run(
        command,
        input=(folder / "x.csv").read_bytes(),
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=folder,
    )
    assert done.returncode == 0 and len(done.stdout.split()) == 40, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_packed_table_is_unpacked(folder, pipe, call, tmp_path):
    import gzip

    packed = gzip.compress((folder / "x.csv").read_bytes(), mtime=0)
    run = folder / "rows.safetensors"
    assert pipe(packed, "score", run, "-", "--out", tmp_path / "a.npy")[0] == 0
    assert call("score", run, folder / "x.npy", "--out", tmp_path / "b.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
