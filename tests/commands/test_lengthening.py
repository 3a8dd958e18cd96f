"""Runs that are lengthened on the command line: --resume with more --epochs or --steps."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.commands import runs
from chainrule.engine.storage import checkpoint
from chainrule.estimators import resuming

STEADY = ("--set", "schedule=constant", "--set", "warmup=0")
TEXT = "the cat sat on the mat; the rat sat on the cat.\n" * 20


def state(folder):
    return checkpoint.load_state(folder / runs.STATE).state


def assert_same_bits(out, whole):
    ours, theirs = state(out), state(whole)
    for name in ("params", "best"):
        assert getattr(ours, name).flat.tobytes() == getattr(theirs, name).flat.tobytes(), name
    assert ours.m.tobytes() == theirs.m.tobytes() and ours.v.tobytes() == theirs.v.tobytes()
    for mine, other in zip(ours.history, theirs.history, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}


@pytest.fixture(params=["rows", "text"])
def job(request, tmp_path):
    """Return a command without its folder and length, and what the length is called."""
    if request.param == "text":
        (tmp_path / "x.txt").write_text(TEXT)
        small = ("--set", "n_hidden=6", "--set", "context=8", "--set", "eval_every=2")
        command = ("train", "rnn", "--data", tmp_path / "x.txt", *small, "--batch-size", 4)
        return (*command, "--threads", 2), "steps"
    rows = np.random.default_rng(0).random((90, 9)) < 0.3
    np.save(tmp_path / "x.npy", rows.astype(np.uint8))
    small = ("--set", "n_hidden=4", "--batch-size", 20)
    return ("train", "nade", "--data", tmp_path / "x.npy", *small, "--threads", 2), "epochs"


def test_a_lengthened_run_is_a_long_one_and_says_what_it_does(job, call, tmp_path):
    command, name = (*job[0], *STEADY), job[1]
    out, whole = tmp_path / "r", tmp_path / "whole"
    assert call(*command, "--out", out, f"--{name}", 4)[0] == 0
    assert call(*command, "--out", whole, f"--{name}", 8)[0] == 0
    resume = ("train", command[1], "--out", out, "--resume")
    status, said, err = call(*resume, f"--{name}", 8)
    assert (status, err) == (0, "")
    assert f"this training now has 8 {name}, not 4: its learning rate stays as it is" in said
    assert_same_bits(out, whole)
    assert getattr(cr.load(out / runs.MODEL), name) == 8
    status, said, _ = call(*resume)
    assert status == 0 and "had finished, after 8" in said and "this training now" not in said
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    status, said, err = call(*resume, f"--{name}", 7)
    assert (status, said) == (2, "") and err.count("\n") == 1
    assert f"{name}=7 is less than what is done of this training; give 8 or more" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_cosine_rises_and_says_so(job, call, tmp_path):
    command, name = job
    command = (*command, "--set", "schedule=cosine", "--set", "warmup=0.5")
    assert call(*command, "--out", tmp_path / "r", f"--{name}", 4, "--quiet")[0] == 0
    resume = ("train", command[1], "--out", tmp_path / "r", "--resume", f"--{name}", 8)
    status, said, _ = call(*resume)
    assert status == 0 and "goes on along the cosine of all 8, not where it was" in said
    assert "the warm-up is 0.5 of them" in said
    rates = [record["learning_rate"] for record in state(tmp_path / "r").history]
    half = len(rates) // 2
    assert rates[half] > rates[half - 1] and len(rates) == (8 if name == "epochs" else 4)


def test_a_new_length_is_kept_from_the_first_minibatch_on(job, call, tmp_path, monkeypatch):
    command, name = (*job[0], *STEADY), job[1]
    out = tmp_path / "r"
    assert call(*command, "--out", out, f"--{name}", 4, "--quiet")[0] == 0
    began = state(out).step
    saved = []
    real = runs.save

    def save(folder, estimator, recipe, at, metadata):
        real(folder, estimator, recipe, at, metadata)
        saved.append(at.step)
        if at.step == began + 1:
            raise KeyboardInterrupt  # as near to a kill as one process comes

    monkeypatch.setattr(runs, "save", save)
    resume = ("train", command[1], "--out", out, "--resume", "--quiet")
    call(*resume, f"--{name}", 8)
    assert saved == [began + 1] and resuming.EVERY > 1
    monkeypatch.undo()
    assert call(*resume)[0] == 0  # it knows its new length
    assert call(*command, "--out", tmp_path / "whole", f"--{name}", 8, "--quiet")[0] == 0
    assert_same_bits(out, tmp_path / "whole")
