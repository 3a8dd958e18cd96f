"""Output where the terminal, pipe or file has an encoding that lacks what is to be written."""

import io
import sys

import pytest

import chainrule as cr
from chainrule import cli
from chainrule.commands import runs

KOREAN = "가나다 라마바사 아자차카 타파하 σ×…\n" * 12
ENCODINGS = ["ascii", "cp1252", "euc_kr", "utf-8"]
SMALL = ("--steps", 2, "--set", "context=8", "--batch-size", 2)
SIZES = {
    "attention_rnn": ("--set", "n_hidden=4"),
    "transformer": ("--set", "n_layers=1", "--set", "n_embd=4", "--set", "n_heads=1"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("한국어 $\\frac{$")
    (folder / "글.txt").write_text(KOREAN, encoding="utf-8")
    return folder


@pytest.fixture(params=ENCODINGS)
def speak(request, monkeypatch):
    """Return a function that runs a command line and returns status and the bytes written."""

    def run(*arguments):
        streams = {name: io.BytesIO() for name in ("stdout", "stderr")}
        for name, stream in streams.items():
            wrapped = io.TextIOWrapper(stream, encoding=request.param, write_through=True)
            monkeypatch.setattr(sys, name, wrapped)
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        assert b"Traceback" not in streams["stderr"].getvalue()
        return left.value.code, *(stream.getvalue() for stream in streams.values())

    run.encoding = request.param
    return run


@pytest.mark.parametrize("model", SIZES)
def test_a_korean_text_goes_through_every_verb(model, folder, speak, tmp_path):
    run = folder / f"{model}-{speak.encoding}"
    train = ("train", model, "--data", folder / "글.txt", "--out", run, *SMALL, *SIZES[model])
    status, out, err = speak(*train)
    assert (status, err) == (0, b"") and b"perplexity" in out
    status, out, _ = speak("sample", run, "--prompt", "가나", "-n", 40, "--seed", 1)
    drawn = cr.load(run / runs.MODEL).sample(40, "가나", seed=1)
    assert status == 0 and out.decode("utf-8") == f"가나{drawn}\n"
    assert speak("sample", run, "-n", 40, "--seed", 1, "--out", tmp_path / "s.txt")[0] == 0
    drawn = cr.load(run / runs.MODEL).sample(40, seed=1)
    assert (tmp_path / "s.txt").read_text(encoding="utf-8") == drawn
    status, out, _ = speak("score", run, folder / "글.txt")
    shown = "글".encode(speak.encoding, "backslashreplace")
    assert status == 0 and shown in out
    status, out, _ = speak("info", run)
    assert status == 0 and "가".encode(speak.encoding, "backslashreplace") in out
    picture = tmp_path / "그림 $x.png"
    assert speak("attention", run, "--prompt", "가나다", "--out", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    status, _, err = speak("sample", run, "--prompt", "개")
    assert status == 2 and err.count(b"\n") == 1 and b"never seen" in err


def test_tables_and_help(speak, tmp_path):
    assert speak("gradcheck", "fvsbn")[0] == 0
    assert speak("train", "--help")[0] == 0
    status, _, err = speak("score", tmp_path / "없음", "x.npy")
    assert status == 2 and err.count(b"\n") == 1
    cr.NADE(4, epochs=1).fit([[0, 1], [1, 0]]).save(tmp_path / "m.safetensors")
    status, out, _ = speak("info", tmp_path / "m.safetensors")
    assert status == 0 and "2 × 4".encode(speak.encoding, "backslashreplace") in out


def test_half_a_surrogate_pair_is_written_as_an_escape(speak, tmp_path):
    model = cr.RNN(2, steps=1, context=2).fit("a\ud800" * 9)
    model.save(tmp_path / "m.safetensors")
    status, out, _ = speak("sample", tmp_path / "m.safetensors", "-n", 40, "--seed", 0)
    assert status == 0 and b"\\ud800" in out
    out = tmp_path / "s.txt"
    assert speak("sample", tmp_path / "m.safetensors", "-n", 40, "--out", out)[0] == 0
    assert "\\ud800" in out.read_text(encoding="utf-8")
