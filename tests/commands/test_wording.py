"""What the command line says when something is wrong: its own words, and what was meant."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.commands import wording
from chainrule.estimators import runtime

PYTHON = re.compile(
    r"\bX\b|\bX_valid|\w+='|\w\(|usecols|given\[|chainrule\.[a-z]|(?<!--)\bset \w+=|\ba RNN"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with models of rows, of a text and of labelled rows, and wrong files."""
    folder = tmp_path_factory.mktemp("wording")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (40, 9), dtype=np.uint8)
    y = rng.integers(0, 2, 40)
    for name, array in {
        "x.npy": x,
        "wide.npy": x[:, :5],
        "grey.npy": x * 255,
        "nan.npy": np.where(np.eye(40, 9) > 0, np.nan, x),
        "flat.npy": x[0],
        "deep.npy": x.reshape(10, 2, 2, 3, 3),
        "large.npy": x + 1,
    }.items():
        np.save(folder / name, array)
    np.savez(folder / "labelled.npz", x_train=x, y_train=y)
    (folder / "ragged.csv").write_text("0,1,1\n0,1\n1,1,0\n")
    (folder / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    (folder / "t.txt").write_text("to be or not to be " * 30)
    cr.FVSBN(epochs=1).fit(x).save(folder / "rows.safetensors")
    cr.RNN(3, steps=1, context=4).fit("to be or not").save(folder / "text.safetensors")
    ids = cr.Transformer(1, 1, 2, steps=1, context=9)
    ids.fit(x, y).save(folder / "labels.safetensors")
    return folder


TRAIN = ("--out", "r", "--data")
CASES = [
    (("train", "rnn", *TRAIN, "latin.txt"), "train with --bytes"),
    (("train", "nade", *TRAIN, "ragged.csv"), "ragged.csv"),
    (("train", "nade", *TRAIN, "grey.npy"), "train with --binarize 127"),
    (("train", "nade", *TRAIN, "nan.npy"), "nan.npy contains NaN"),
    (("train", "nade", *TRAIN, "flat.npy"), "save rows (N, D)"),
    (("train", "nade", *TRAIN, "deep.npy"), "save rows (N, D)"),
    (("train", "nade", *TRAIN, "tinyshakespeare"), "train rnn, attention_rnn or transformer on it"),
    (("train", "nade", *TRAIN, "x.npy", "--backend", "cuda"), "--backend cuda"),
    (("train", "nade", *TRAIN, "x.npy", "--batch-size", 0), "--batch-size must be a whole number"),
    (("train", "transformer", *TRAIN, "x.npy", "--set", "context=3"), "give --set context=9"),
    (("train", "rnn", *TRAIN, "t.txt", "--labels"), "--labels are of rows"),
    (("score", "rows", "wide.npy"), "the data have 5 features"),
    (("score", "rows", "large.npy"), "large.npy must hold only 0 and 1"),
    (("score", "rows", "nan.npy"), "nan.npy contains NaN"),
    (("score", "rows", "flat.npy"), "the data must have two dimensions"),
    (("complete", "rows", "large.npy", "--out", "c.npy"), "large.npy must hold only 0 and 1"),
    (("complete", "text", "x.npy", "--out", "c.npy"), "that in text.safetensors is RNN"),
    (("sample", "text", "--top-k", -1), "--top-k must be a whole number of at least 0"),
    (("sample", "text", "--label", "1"), "leave out --label"),
    (("sample", "labels", "--label", 7), "7 is a label never seen in training"),
    (("score", "labels", "large.npy", "--label", 1), "2"),
    (("attention", "labels", "--prompt", "0 1", "--out", "a.png"), "give --label"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), CASES, ids=[" ".join(map(str, c)) for c, _ in CASES]
)
def test_errors_speak_of_options_and_files(arguments, words, folder, call, monkeypatch):
    monkeypatch.chdir(folder)
    if "cuda" in arguments:
        monkeypatch.setattr(runtime, "import_module", no_cupy)
    names = {name: f"{name}.safetensors" for name in ("rows", "text", "labels")}
    status, out, err = call(*(names.get(a, a) for a in arguments))
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert words in err and not PYTHON.search(err.replace("rows (N, D)", "")), err


def no_cupy(name):
    raise ImportError(name)


def test_going_on_speaks_of_options(folder, call, tmp_path):
    begin = ("train", "rnn", "--data", folder / "t.txt", "--out", tmp_path / "r", "--steps", 1)
    assert call(*begin, "--set", "n_hidden=2", "--set", "context=4")[0] == 0
    status, _, err = call("train", "rnn", "--out", tmp_path / "r", "--resume", "--bytes")
    assert status == 2 and "was begun without --bytes; leave it out" in err


def test_lines_of_a_file_are_counted_from_one():
    assert wording.in_options("X[3] is empty; give more") == "line 4 is empty; give more"
    assert wording.in_options("/data/X/X.npy is gone") == "/data/X/X.npy is gone"


# --- what may have been meant


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("trian", "nade"), "train"),
        (("train", "naed", "--data", "digits", "--out", "r"), "nade"),
        (("train", "transfomer", "--data", "digits", "--out", "r"), "transformer"),
        (("train", "nade", "--data", "digist", "--out", "r"), "digits"),
        (("train", "rnn", "--data", "tinyshakespear", "--out", "r"), "tinyshakespeare"),
        (("train", "nade", "--data", "digits", "--out", "r", "--set", "hidden=3"), "n_hidden"),
        (("train", "nade", "--data", "digits", "--out", "r", "--epoch", 3), "--epochs"),
        (("gradcheck", "nade", "--set", "n_hiden=3"), "n_hidden"),
    ],
    ids=str,
)
def test_a_slip_is_answered_with_what_was_meant(arguments, meant, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert re.search(rf"(did you mean|Did you mean|Possible options:) '?{meant}", err), err
    assert not list(tmp_path.iterdir())


def test_the_library_suggests_too():
    with pytest.raises(ValueError, match=r"unknown data set 'mnits' \(did you mean mnist\?\)"):
        cr.datasets.load("mnits")
    with pytest.raises(ValueError, match="unknown data set 'zebra'; give"):
        cr.datasets.load("zebra")


def test_advice_about_pictures():
    """Of images in colour: options, and models that keep the colours."""
    with pytest.warns(cr.datasets.DataWarning) as caught:
        cr.PixelCNN(1, 3, epochs=1, first_size=3).fit(np.zeros((4, 12), np.uint8))
    said = wording.in_options(str(caught[0].message))
    assert "in colour, give --set image_shape=2,2,3, or arrays (N, 2, 2, 3)" in said
    assert said.endswith("and if not, --set image_shape=1,12")
    said = wording.in_options("a.png is in colour, averaged to grey; colour=True keeps the colours")
    assert said.endswith("; pixel_cnn and pixel_rnn keep the colours")
