"""A file of names on the command line: each line ends, is drawn whole, and is scored by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import chainrule as cr
from chainrule import cli
from chainrule.commands import line_material, runs
from chainrule.commands.line_material import read_lines
from chainrule.engine.storage import checkpoint

NAMES = ["anna", "bo", "hannah", "nora", "abba", "otto", "b"] * 9
SMALL = ["--set", "n_hidden=8", "--set", "cell=gru", "--batch-size", "8", "--quiet"]


def arguments(data, out, *more, steps=60):
    return [
        "train",
        "rnn",
        "--data",
        data,
        "--out",
        out,
        "--steps",
        steps,
        "--lines",
        *SMALL,
        *more,
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    (folder / "names.txt").write_bytes(("\r\n".join(NAMES) + "\r\n\n").encode())
    for name, more in (("run", ()), ("bytes", ("--bytes",))):
        with pytest.raises(SystemExit) as left:
            cli.main([*map(str, arguments(folder / "names.txt", folder / name, *more))])
        assert left.value.code == 0
    return folder


def test_train_learns_lines_and_says_so(folder, call, tmp_path):
    model, summary = cr.load(folder / "run" / runs.MODEL), runs.read_summary(folder / "run")
    assert model.ends_ and model.vocabulary_.characters == "abhnort"
    assert summary["lines"] == {"train": 57, "valid": 6} and summary["unit"] == "character"
    assert summary["valid_nats"] < summary["baselines"]["uniform"] == np.log(8)
    command = arguments(folder / "names.txt", tmp_path / "r", steps=2)
    command.remove("--quiet")
    status, out, _ = call(*command)
    assert status == 0 and "57 train, 6 valid lines of characters, 1 empty ones left out" in out
    status, out, _ = call("info", folder / "run")
    assert status == 0 and "7 characters and an end" in out


def test_sample_draws_a_name_a_line(folder, call, tmp_path):
    model = cr.load(folder / "run" / runs.MODEL)
    status, out, err = call("sample", folder / "run", "-n", 12, "--seed", 1, "--prompt", "an")
    drawn = model.sample(500, "an", seed=1, size=12)
    assert (status, err) == (0, "") and out.splitlines() == [f"an{name}" for name in drawn]
    assert call("sample", folder / "run", "--out", tmp_path / "s.txt", "--seed", 1)[0] == 0
    assert (tmp_path / "s.txt").read_text() == "\n".join([*model.sample(500, seed=1, size=100), ""])
    assert "end it in .txt" in call("sample", folder / "run", "--out", tmp_path / "s.npy")[2]


def test_stop_strings(folder, call):
    how = ("sample", folder / "run", "-n", 40, "--seed", 1)
    whole = call(*how)[1].splitlines()
    stopped = call(*how, "--stop", "n", "--stop", "bb")[1].splitlines()
    assert len(stopped) == 40 and not any("n" in name or "bb" in name for name in stopped)
    assert all(one.startswith(other) for one, other in zip(whole, stopped, strict=True))
    assert "stop at position 0 holds 'z'" in call(*how, "--stop", "z")[2]


def test_score_reads_lines(folder, call, tmp_path):
    model = cr.load(folder / "run" / runs.MODEL)
    (tmp_path / "x.txt").write_text("anna\n\nb\n")
    log_p = model.log_prob(["anna", "b"])
    status, out, _ = call("score", folder / "run", tmp_path / "x.txt", "--quiet")
    assert status == 0
    assert_allclose([float(line) for line in out.split()], log_p, atol=1e-6)
    out = call("score", folder / "run", tmp_path / "x.txt", "--out", tmp_path / "l.npy")[1]
    assert "2 lines, 1 empty ones left out" in out and f"{-log_p.sum() / 7:.4f}" in out
    assert_allclose(np.load(tmp_path / "l.npy"), log_p)


def test_lines_of_bytes(folder, capfdbinary):
    with pytest.raises(SystemExit):
        cli.main(["sample", str(folder / "bytes"), "-n", "5", "--seed", "1"])
    drawn = cr.load(folder / "bytes" / runs.MODEL).sample(500, seed=1, size=5)
    assert capfdbinary.readouterr().out == b"".join(name + b"\n" for name in drawn)


@pytest.mark.parametrize("unit", ["character", "byte"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("last", [True, False], ids=["", "no end behind the last"])
def test_lines_end_in_any_way(ending, last, unit, tmp_path):
    (tmp_path / "t.txt").write_bytes((ending.join(["an", "", "be"]) + ending * last).encode())
    lines, n_empty = read_lines(tmp_path / "t.txt", unit)
    assert lines == (["an", "be"] if unit == "character" else [b"an", b"be"]) and n_empty == 1


@pytest.mark.parametrize("forget", [False, True], ids=["", "by an older chainrule"])
def test_resume(forget, folder, call, tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(NAMES))
    command = arguments(tmp_path / "t.txt", tmp_path / "r", steps=4)
    if forget:
        command.remove("--lines")
    assert call(*command)[0] == 0
    state = tmp_path / "r" / runs.STATE
    if forget:
        saved = checkpoint.load_state(state)
        del saved.metadata["reading"]["lines"], saved.metadata["hyperparameters"]["ends"]
        checkpoint.save_state(state, *saved)
    assert call("train", "rnn", "--out", tmp_path / "r", "--resume")[0] == 0
    other = ("--lines",) if forget else ("--set", "ends=false")
    status, _, err = call("train", "rnn", "--out", tmp_path / "r", "--resume", *other)
    assert status == 2 and "was begun with" in err and err.count("\n") == 1, err


def test_lines_that_cannot_be_learnt_from(folder, call, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((9, 4), np.uint8))
    (tmp_path / "one.txt").write_text("anna\n")
    (tmp_path / "none.txt").write_text("\n\n")
    for data, word in (
        (tmp_path / "x.npy", "--lines is for texts"),
        (tmp_path / "one.txt", "there are 1 lines, too few"),
        (tmp_path / "none.txt", "has only empty lines"),
    ):
        status, _, err = call(*arguments(data, tmp_path / "r"))
        assert status == 2 and word in err and err.count("\n") == 1, err
        assert not (tmp_path / "r").exists()


def test_every_symbol_that_validates_is_known(rng):
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 3)) for _ in range(40)]
    train, valid = line_material._split(words, 0.5)
    assert sorted(train + valid) == sorted(words) and valid
    assert set("".join(valid)) <= set("".join(train))
