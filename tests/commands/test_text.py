"""Texts on the command line: a run that resumes, text drawn as it comes, faults in a sentence."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.stopping import EAGER, PLAIN, begin, wait_until_trained

import chainrule as cr
from chainrule import cli
from chainrule.commands import runs
from chainrule.engine.storage import checkpoint

TEXT = "the cat sat on the mat; the rat sat on the cat.\n" * 20
SMALL = {
    "transformer": ["--set", "n_layers=1", "--set", "n_heads=2", "--set", "n_embd=8"],
    "rnn": ["--set", "cell=lstm", "--set", "n_hidden=8", "--batch-size", 4],
    "attention_rnn": ["--set", "n_hidden=8", "--set", "n_heads=2", "--batch-size", 4],
}
every_model = pytest.mark.parametrize("model", SMALL)


def arguments(model, data, out, steps=8):
    common = ["--data", data, "--out", out, "--steps", steps, "--set", "context=8", "--quiet"]
    return ["train", model, *common, *SMALL[model]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a text and a finished run of each model, and one of rows."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "text.txt").write_text(TEXT)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = np.where(rng.random((60, 4, 4)) < 0.9, y[:, None, None], 1 - y[:, None, None])
    np.savez(folder / "rows.npz", x_train=x.astype(np.uint8), y_train=y)
    commands = [arguments(model, folder / "text.txt", folder / model) for model in SMALL]
    rows = arguments("transformer", folder / "rows.npz", folder / "rows")
    commands.append([*rows, "--set", "context=16", "--labels"])
    commands[-1].remove("context=8"), commands[-1].remove("--set")
    for command in commands:
        with pytest.raises(SystemExit) as left:
            cli.main([*map(str, command)])
        assert left.value.code == 0
    return folder


# --- training


@every_model
def test_train_leaves_a_model_its_history_and_a_report(model, folder):
    names = {path.name for path in (folder / model).iterdir()}
    assert names == set(runs.FILES) - {runs.CLEAN}, "one text is no clean rows"
    estimator = cr.load(folder / model / runs.MODEL)
    assert estimator.steps == 8 and estimator.context == 8
    with open(folder / model / runs.HISTORY, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert [float(row["valid"]) for row in rows] == [h["valid"] for h in estimator.history_]
    summary = json.loads((folder / model / runs.SUMMARY).read_text())
    valid = TEXT[-len(TEXT) // 10 :]
    assert summary["symbols"] == {"train": len(TEXT) - len(valid), "valid": len(valid)}
    assert_allclose(summary["valid_nats"], -estimator.score(valid), rtol=1e-9)
    assert_allclose(summary["baselines"]["uniform"], np.log(len(set(TEXT))))
    assert summary["baselines"]["frequencies"] < summary["baselines"]["uniform"]


def test_train_says_what_it_learns_and_reports(folder, call, tmp_path):
    command = arguments("rnn", folder / "text.txt", tmp_path / "r", steps=2)
    command.remove("--quiet")
    status, out, err = call(*command)
    assert (status, err) == (0, "")
    for word in ("864 train, 96 valid characters", "perplexity", "uniform", "best step 2 of 2"):
        assert word in out


def test_options_of_texts(folder, call, tmp_path):
    command = arguments("rnn", folder / "text.txt", tmp_path / "r", steps=2)
    assert call(*command, "--bytes", "--valid", 0.25)[0] == 0
    assert cr.load(tmp_path / "r" / runs.MODEL).vocabulary_.kind == "byte"
    summary = runs.read_summary(tmp_path / "r")
    assert summary["symbols"] == {"train": 720, "valid": 240} and summary["unit"] == "byte"
    resume = ("train", "rnn", "--out", tmp_path / "r", "--resume")
    status, out, _ = call(*resume)
    assert status == 0 and "had finished, after 2 of 2 steps" in out
    assert "begun with valid=0.25, not 0.5" in call(*resume, "--valid", 0.5)[2]
    assert "steps=1 is less than what is done" in call(*resume, "--steps", 1)[2]
    other = tmp_path / "other.txt"
    other.write_text(TEXT.upper())
    assert "begun on other data" in call(*resume, "--data", other)[2]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--epochs", 3), "Transformer has no setting 'epochs'; leave --epochs out"),
        (("--set", "ordering=reverse"), "Transformer has no setting 'ordering'"),
        (("--labels",), "--labels are of rows; a text has none"),
        (("--valid", 1), "valid must be a share between 0 and 1"),
        (("--steps", 0), "steps must be a whole number of at least 1"),
        (("--set", "n_heads=3"), "n_embd must be a multiple of n_heads"),
        (("--set", "context=2000"), "fewer than context=2000; give a longer text"),
        (("--set", "rotary=maybe"), "rotary must be true or false"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_before_anything_is_written(more, word, folder, call, tmp_path):
    command = ("train", "transformer", "--data", folder / "text.txt", "--out", tmp_path / "r")
    status, out, err = call(*command, *more)
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err, err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty; give a file with text in it"),
        (b"a", "has 1 symbols; at least 2 can be split"),
        (b"abcdefgh", "fewer than context=64; give a longer text or set context to at most 7"),
        (b"caf\xe9" * 100, "is not UTF-8 text: byte 0xe9 at position 3"),
    ],
    ids=["empty", "one", "short", "latin-1"],
)
def test_wrong_texts_are_refused_before_anything_is_written(content, word, call, tmp_path):
    (tmp_path / "t.txt").write_bytes(content)
    command = ("train", "transformer", "--data", tmp_path / "t.txt", "--out", tmp_path / "r")
    status, out, err = call(*command)
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err, err
    assert not (tmp_path / "r").exists()


def test_models_of_rows_know_no_texts(folder, call, tmp_path):
    for more, word in (
        (("--valid", 0.2), "--valid is for models of sequences"),
        (("--steps", 3), "NADE has no setting 'steps'"),
    ):
        command = ("train", "nade", "--data", "digits", "--out", tmp_path / "r", *more)
        status, _, err = call(*command)
        assert status == 2 and word in err and err.count("\n") == 1


# --- stopped and killed


def assert_same_bits(out, whole):
    ours, theirs = (checkpoint.load_state(f / runs.STATE).state for f in (out, whole))
    for name in ("params", "best"):
        assert_array_equal(getattr(ours, name).flat, getattr(theirs, name).flat, err_msg=name)
    for name in ("m", "v", "carry"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine is None) == (other is None)
        assert mine is None or mine.tobytes() == other.tobytes(), name
    for mine, other in zip(ours.history, theirs.history, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize(("model", "how"), [("rnn", "SIGINT"), ("transformer", "SIGKILL")])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals as on Unix")
def test_a_stopped_training_resumes_to_the_same_bits(model, how, folder, call, tmp_path):
    steps, data, how = 400, folder / "text.txt", getattr(signal, how)
    dropout = ("--set", "dropout=0.1", "--threads", 2)
    assert call(*arguments(model, data, tmp_path / "whole", steps), *dropout)[0] == 0
    child = begin(EAGER, *arguments(model, data, tmp_path / "r", steps), *dropout)
    wait_until_trained(child, tmp_path / "r", savings=4)
    child.send_signal(how)
    child.communicate(timeout=120)
    assert child.returncode == (130 if how == signal.SIGINT else -how)
    assert 0 < checkpoint.load_state(tmp_path / "r" / runs.STATE).state.step < steps
    assert call("train", model, "--out", tmp_path / "r", "--resume", "--quiet") == (0, "", "")
    assert_same_bits(tmp_path / "r", tmp_path / "whole")


# --- drawing


@every_model
def test_sample_goes_on_with_the_prompt(model, folder, call):
    estimator = cr.load(folder / model / runs.MODEL)
    settings = ("--temperature", 0.8, "--top-k", 9, "--top-p", 0.9, "--seed", 1)
    status, out, err = call("sample", folder / model, "--prompt", "the c", "-n", 30, *settings)
    drawn = estimator.sample(30, "the c", temperature=0.8, top_k=9, top_p=0.9, seed=1)
    assert (status, out, err) == (0, f"the c{drawn}\n", "")
    assert len(call("sample", folder / model)[1]) == 501
    assert call("sample", folder / model, "-n", 5, "--temperature", 0, "--prompt", "the")[0] == 0


def test_sample_writes_a_file(folder, call, tmp_path):
    status, out, _ = call(
        "sample",
        folder / "rnn",
        "-n",
        9,
        "--prompt",
        "the",
        "--seed",
        1,
        "--out",
        tmp_path / "s.txt",
    )
    assert status == 0 and "9 symbols" in out
    estimator = cr.load(folder / "rnn" / runs.MODEL)
    assert (tmp_path / "s.txt").read_text() == "the" + estimator.sample(9, "the", seed=1)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--temperature", -1), "temperature must be a finite number of at least 0, got -1"),
        (("--top-p", 0), "--top-p must be above 0"),
        (("--top-k", -1), "--top-k must be"),
        (("--prompt", "the €"), "prompt at position 4 holds '€', a character never seen"),
        (("--label", "1"), "fitted without labels; leave out --label"),
        (("--out", "s.png"), "cannot tell what to write from s.png"),
    ],
    ids=str,
)
def test_wrong_draws_say_so_and_print_nothing_else(more, word, folder, call):
    status, out, err = call("sample", folder / "transformer", *more)
    assert status == 2 and word in err and err.count("\n") == 1, err
    assert out == ""


def test_text_comes_as_it_is_drawn_and_stops_on_ctrl_c(folder):
    child = begin(PLAIN, "sample", folder / "rnn", "-n", 10**9, "--prompt", "the cat")
    try:
        assert os.read(child.stdout.fileno(), 7).decode() == "the cat"
        first = os.read(child.stdout.fileno(), 64)
        assert 0 < len(first) <= 64  # long before the end
    finally:
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in err, err


def test_nobody_reads_on(folder):
    child = begin(PLAIN, "sample", folder / "rnn", "-n", 10**9)
    os.read(child.stdout.fileno(), 1)
    child.stdout.close()
    child.wait(timeout=60)
    assert child.returncode == 1 and child.stderr.read() == ""


# --- scoring


def test_score_says_nats_bits_and_perplexity(folder, call, tmp_path):
    estimator = cr.load(folder / "rnn" / runs.MODEL)
    (tmp_path / "t.txt").write_text(TEXT[:200])
    nats = -estimator.score(TEXT[:200])
    command = ("score", folder / "rnn", tmp_path / "t.txt")
    status, out, _ = call(*command)
    assert status == 0 and "200 characters" in out
    for value in (f"{nats:.4f}", f"{nats / np.log(2):.4f}", f"{np.exp(nats):.3f}"):
        assert value in out
    assert float(call(*command, "--quiet")[1]) == pytest.approx(nats, abs=1e-6)
    assert call(*command, "--out", tmp_path / "l.npy")[0] == 0
    assert_array_equal(np.load(tmp_path / "l.npy"), estimator.symbol_log_prob(TEXT[:200]))
    (tmp_path / "t.txt").write_text("the dog €")
    status, _, err = call(*command)
    assert status == 2 and "hold 'd', a character never seen in training" in err


# --- rows of symbols


def test_score_knows_texts_by_name(folder, call, tmp_path, monkeypatch):
    (tmp_path / "tinyshakespeare.txt").write_text(TEXT[:200])
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    status, out, told = call("score", folder / "rnn", "tinyshakespeare")
    assert (status, "200 characters" in out) == (0, True)
    assert "all of tinyshakespeare" in told
    _, quiet, _ = call("score", folder / "rnn", tmp_path / "tinyshakespeare.txt", "--quiet")
    assert call("score", folder / "rnn", "tinyshakespeare", "--quiet") == (0, quiet, "")


def test_rows_are_learnt_with_their_labels_drawn_and_scored(folder, call, tmp_path):
    estimator = cr.load(folder / "rows" / runs.MODEL)
    assert estimator.classes_.tolist() == [0, 1] and estimator.vocabulary_.size == 2
    summary = runs.read_summary(folder / "rows")
    assert summary["row_length"] == 16 and summary["image_shape"] == [4, 4]
    draw = ("sample", folder / "rows", "--label", 1, "--seed", 1, "-n", 5)
    assert call(*draw, "--out", tmp_path / "s.npy")[0] == 0
    assert np.load(tmp_path / "s.npy").shape == (5, 16)
    assert call(*draw, "--out", tmp_path / "s.npy", "--prompt", "0 1 1")[0] == 0
    assert (np.load(tmp_path / "s.npy")[:, :3] == [0, 1, 1]).all()
    assert call(*draw, "--out", tmp_path / "s.png")[0] == 0
    for command, word in (
        (("sample", folder / "rows", "--label", 7), "give --label, one of 0, 1"),
        ((*draw, "--prompt", "a"), "knows whole numbers, got 'a'"),
        (("complete", folder / "rows", folder / "rows.npz"), "is for models of rows"),
        (("conditionals", folder / "rows", folder / "rows.npz"), "is for models of rows"),
    ):
        status, _, err = call(*command)
        assert status == 2 and word in err and err.count("\n") == 1, err


# --- the rest


@every_model
def test_info_and_gradcheck(model, folder, call):
    status, out, _ = call("info", folder / model)
    assert status == 0
    for word in ("n_symbols", "characters", "steps", "valid, whole", "history.csv"):
        assert word in out
    status, out, _ = call("gradcheck", model, *(SMALL[model] if model == "rnn" else [])[:2])
    assert status == 0 and "all pass" in out and "FAIL" not in out


def test_info_of_rows_names_the_labels(folder, call):
    status, out, _ = call("info", folder / "rows")
    assert status == 0 and "labels" in out and "bits/dim" in out


@pytest.mark.parametrize("model", ["attention_rnn", "transformer"])
def test_attention_is_drawn(model, folder, call, tmp_path):
    command = ("attention", folder / model, "--out", tmp_path / "a.png")
    assert call(*command, "--prompt", "the cat")[0] == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "context" in call(*command, "--prompt", TEXT)[2]
    err = call("attention", folder / "rnn", "--prompt", "the", "--out", tmp_path / "b.png")[2]
    assert "no model with attention, but RNN" in err


@pytest.mark.parametrize("model", ["attention_rnn", "transformer"])
def test_attention_as_numbers(model, folder, call, tmp_path):
    command = ("attention", folder / model, "--prompt", "the cat", "--out", tmp_path / "a.npy")
    assert call(*command)[:2] == (0, f"{tmp_path / 'a.npy'}\n")
    maps = cr.load(folder / model / runs.MODEL).attention_map("the cat", layer=-1)
    assert_array_equal(np.load(tmp_path / "a.npy"), maps)
    assert maps.shape == (2, 7, 7)
    assert call(*command, "--layer", 1)[0] == 0
    assert "end it in .png or .pdf or .svg or .npy" in call(*command[:-1], "a.csv")[2]
    assert ".csv" not in call("attention", "--help")[1]


@pytest.mark.parametrize("model", ["attention_rnn", "transformer"])
def test_layers_that_are_not_there(model, folder, call, tmp_path):
    command = ("attention", folder / model, "--prompt", "the", "--out", tmp_path / "a.png")
    status, out, err = call(*command, "--layer", 5)
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert "--layer goes from 1 to 1 in this model, 0 the last; got 5" in err
    estimator = cr.load(folder / model / runs.MODEL)
    for layer in (1, 5):
        with pytest.raises(ValueError, match=f"1 layer, counted from 0 to 0, and layer {layer}"):
            estimator.plot_attention("the", layer=layer)
        with pytest.raises(ValueError, match=f"layer {layer} is none"):
            estimator.attention_map("the", layer=layer)
    for layer in (-2, 0.5, "0"):
        with pytest.raises(ValueError, match="layer must be a whole number of at least -1"):
            estimator.plot_attention("the", layer=layer)


@pytest.mark.skipif(os.name != "posix", reason="other systems pass on no bytes")
def test_a_prompt_may_be_any_bytes(tmp_path, call):
    odd = bytes(range(1, 256))
    (tmp_path / "b.bin").write_bytes(odd * 3)
    out = tmp_path / "run"
    assert call(*arguments("rnn", tmp_path / "b.bin", out), "--bytes")[0] == 0
    for prompt in (b"\xff\xfe the", "한é".encode(), odd):
        command = [sys.executable, "-c", PLAIN, "sample", out, "-n", "5", "--seed", "1", "--prompt"]
        child = subprocess.run([*map(str, command), prompt], capture_output=True, timeout=120)
        drawn = cr.load(out / runs.MODEL).sample(5, prompt, seed=1)
        assert (child.returncode, child.stdout) == (0, prompt + drawn), child.stderr


def test_gradcheck_of_the_library_takes_texts(folder):
    for model in SMALL:
        estimator = cr.load(folder / model / runs.MODEL)
        unfitted = type(estimator)(**{**estimator.get_params(), "context": 4})
        for one, X in ((estimator, TEXT), (unfitted, "abcab"), (unfitted, ["ab", "cba"])):
            errors = cr.gradcheck(one, X, 10)
            there = {name for name, p in estimator.params_.items() if p.size}  # no W_y where tied
            assert set(errors) == there and max(errors.values()) < 1e-5
