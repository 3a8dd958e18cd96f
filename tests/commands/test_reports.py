"""What runs say of themselves: how far they are, and how good beside models that know nothing."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule import datasets
from chainrule.commands import baselines, info, runs, train
from chainrule.kernels import compiled

SMALL = ("--set", "n_layers=1", "--set", "n_embd=4", "--set", "n_heads=1")


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function that makes trainings stop, as after Ctrl-C, behind so many minibatches."""

    def arm(n):
        class Heeding:
            def __init__(self, _):
                self.left = n

            def __enter__(self):
                return self.asked

            def __exit__(self, *_):
                pass

            def asked(self):
                self.left -= 1
                return self.left == 0

        monkeypatch.setattr(train, "_heeding", Heeding)

    return arm


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 2, (60, 9), dtype=np.uint8))
    (tmp_path / "t.txt").write_text("to be or not to be " * 30)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "file", "more", "words"),
    [
        ("fvsbn", "x.npy", ("--epochs", 4, "--batch-size", 12), "step 5 of 16, 1 of 4 epochs"),
        ("rnn", "t.txt", ("--steps", 9, "--set", "n_hidden=3"), "step 5 of 9"),
    ],
)
def test_info_of_an_unfinished_run_says_so_and_how_to_go_on(
    model, file, more, words, data, call, stop_after, monkeypatch
):
    stop_after(5)
    out = data / "run"
    assert call("train", model, "--data", data / file, "--out", out, *more)[0] == 130
    status, said, _ = call("info", out)
    assert status == 0 and re.search(rf"not finished +{words}\n", re.sub(" +\n", "\n", said))
    resume = re.search(r"goes on with: chainrule (.+)", said)[1].split()
    monkeypatch.undo()
    assert call(*resume)[0] == 0
    status, said, _ = call("info", out)
    assert status == 0 and "not finished" not in said and "--resume" not in said


def test_info_of_a_run_that_patience_ended_is_finished(data, call):
    train = ("train", "fvsbn", "--data", data / "x.npy", "--out", data / "run", "--epochs", 200)
    assert call(*train, "--patience", 2, "--learning-rate", 0.5)[0] == 0
    said = call("info", data / "run")[1]
    ended = int(re.search(r"epochs +(\d+), best", said)[1])
    assert 2 < ended < 200 and "not finished" not in said


def test_info_of_a_run_whose_training_is_damaged_still_tells_of_its_model(data, call):
    train = ("train", "fvsbn", "--data", data / "x.npy", "--out", data / "run", "--epochs", 1)
    assert call(*train)[0] == 0
    (data / "run" / runs.STATE).write_bytes(b"no training")
    assert call("info", data / "run")[0] == 0


def test_kernels_that_cannot_be_kept_are_said_to_be_so(data, call, monkeypatch):
    def nowhere():
        raise OSError("read-only")

    for place in ("_chosen_folder", "user_folder", "_temporary_folder"):
        monkeypatch.setattr(compiled, place, nowhere)
    monkeypatch.setattr(info, "info", lambda *_: compiled.folder.__wrapped__())
    status, out, err = call("info", data)
    assert (status, out, err.count("\n")) == (0, "", 1)
    assert err.startswith("chainrule: compiled kernels cannot be kept")
    monkeypatch.setattr(info, "info", lambda *_: warnings.warn("another", stacklevel=1))
    assert call("info", data) == (0, "", "")


# --- baselines


def test_rows_of_symbols_have_the_baselines_of_rows_of_bits(data, call):
    """Of bits they must be the very numbers that models of binary rows report."""
    train = ("train", "transformer", "--data", data / "x.npy", "--out", data / "run", *SMALL)
    status, said, _ = call(*train, "--steps", 1, "--set", "context=9")
    assert status == 0
    known = runs.read_summary(data / "run")["baselines"]
    sets = datasets.load(data / "x.npy")
    p = baselines.independent(sets.train.x)
    assert_allclose(known["independent"], baselines.independent_nll(p, sets.test.x), rtol=1e-9)
    assert_allclose(known["uniform"], baselines.uniform(9))
    for name in ("uniform", "frequencies", "independent"):
        assert re.search(rf"{name} +{known[name]:.2f} ", said)


@pytest.mark.parametrize("worse", [False, True])
def test_a_model_that_independent_columns_beat_is_said_to_be_so(worse, data, call, rng):
    """Columns that are copies of each other can be learned, fair coins by heart alone."""
    coins = rng.integers(0, 2, (60, 9), dtype=np.uint8)
    np.save(data / "x.npy", coins if worse else np.repeat(coins[:, :1], 9, axis=1))
    out = data / "run"
    train = ("train", "nade", "--data", data / "x.npy", "--out", out, "--set", "n_hidden=50")
    status, said, _ = call(*train, "--epochs", 100, "--learning-rate", 0.05)
    outcome = runs.read_summary(out)
    assert status == 0
    assert (outcome["test_nll"] > outcome["baselines"]["independent"]) == worse
    words = re.sub(r"\s+", " ", said)
    assert ("worse than 'independent', which sees nothing else of a row" in words) == worse


def test_symbols_at_their_places_are_likelier_than_anywhere(rng):
    rows = np.tile(np.arange(4.0), (50, 1))  # floats, as a table of numbers may be read
    p = baselines.symbol_frequencies(rows, 4)
    assert p.shape == (4, 4) and sums_to_one(p)
    assert_allclose(baselines.symbol_nll(p, rows), -4 * np.log(51 / 54))
    anywhere = np.broadcast_to(p.mean(axis=0), p.shape)
    assert_allclose(baselines.symbol_nll(anywhere, rows), 4 * np.log(4))


def sums_to_one(p):
    return np.allclose(p.sum(axis=1), 1)
