"""Samples drawn while a run trains, on the command line and by a callback of `fit`."""

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.commands import watching
from chainrule.commands.runs import SAMPLES

SMALL = ("--set", "n_layers=1", "--set", "n_features=6", "--set", "first_size=3")
OTHERS = ("--set", "n_layers=1", "--set", "n_heads=1", "--set", "n_embd=8", "--set", "context=16")


@pytest.fixture
def data(tmp_path, rng):
    """Return a folder with images in colour, rows of bits, and images in grey with labels."""
    np.save(tmp_path / "colour.npy", rng.integers(0, 4, (30, 4, 3, 3)))
    np.save(tmp_path / "bits.npy", rng.integers(0, 2, (40, 16)))
    x, y = rng.integers(0, 2, (40, 4, 4)), np.arange(40) % 3
    halves = {"x_train": x[:30], "y_train": y[:30], "x_test": x[30:], "y_test": y[30:]}
    np.savez(tmp_path / "labelled.npz", **halves)
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """Return the titles and samples of the pictures that are drawn."""
    seen, draw = [], watching.picture

    def note(out, kind, rows, shape, columns, title, levels):
        seen.append((title, np.shape(rows), shape))
        draw(out, kind, rows, shape, columns, title, levels)

    monkeypatch.setattr(watching, "picture", note)
    return seen


def after(drawn):
    """Return the titles without what they say of another, better epoch."""
    return [title.partition(", by ")[0] for title, *_ in drawn]


@pytest.mark.parametrize(
    ("model", "file", "settings", "shape"),
    [
        ("pixel_cnn", "colour.npy", ("--set", "levels=4", *SMALL), (16, 4, 3, 3)),
        ("pixel_cnn", "labelled.npz", ("--labels", *SMALL), (16, 4, 4, 1)),
        ("nade", "bits.npy", ("--set", "n_hidden=4"), (16, 16)),
        ("made", "labelled.npz", ("--set", "hidden=8", "--labels"), (16, 16)),
    ],
)
def test_samples_are_drawn_every_so_many_epochs(data, call, drawn, model, file, settings, shape):
    run = data / "run"
    begin = ("train", model, "--data", data / file, "--out", run, *settings)
    status, _, err = call(*begin, "--epochs", 5, "--samples-every", 2)
    assert status == 0, err
    assert after(drawn) == [f"samples of {model} after epoch {k}" for k in (2, 4)]
    assert {size for _, size, _ in drawn} == {shape}
    with Image.open(run / SAMPLES) as picture:
        assert picture.format == "PNG"
    assert not list(run.glob("*.tmp*"))
    assert call(*begin, "--epochs", 5, "--force")[0] == 0
    assert not (run / SAMPLES).exists(), "what a replaced run left"


def test_levels_in_raster_order_are_drawn_of_a_model_of_sequences(data, call, drawn):
    begin = ("train", "transformer", "--data", data / "labelled.npz", "--out", data / "run")
    assert call(*begin, *OTHERS, "--steps", 4, "--samples-every", 1)[0] == 0
    assert after(drawn)[-1] == "samples of transformer after step 4"
    assert drawn[-1][1:] == ((16, 16), (4, 4))


def test_what_is_learnt_does_not_change_by_a_bit_and_resuming_draws_too(data, call, drawn):
    begin = ("train", "pixel_cnn", "--data", data / "labelled.npz", *SMALL)
    assert call(*begin, "--epochs", 4, "--out", data / "plain")[0] == 0
    watched = ("--out", data / "run", "--samples-every", 1)
    assert call(*begin, "--epochs", 4, *watched)[0] == 0
    plain, run = (cr.load(data / name) for name in ("plain", "run"))
    np.testing.assert_array_equal(plain.params_.flat, run.params_.flat)
    drawn.clear()
    assert call("train", "pixel_cnn", *watched, "--resume", "--epochs", 6)[0] == 0
    assert [title[-7:] for title in after(drawn)] == ["epoch 5", "epoch 6"]


@pytest.mark.parametrize(
    ("model", "source", "says"),
    [
        ("rnade", "iris", "draws pictures, and iris holds none; leave it out"),
        ("autoencoder", "bits.npy", "draws pictures, and autoencoder draws nothing; leave it"),
        ("rnn", "text.txt", "draws pictures, and text holds none; leave it out"),
    ],
)
def test_what_is_no_picture_is_said_before_anything_is_written(data, call, model, source, says):
    (data / "text.txt").write_text("to be or not to be " * 40)
    path = source if source == "iris" else data / source
    run = ("--out", data / "run", "--samples-every", 1)
    status, _, err = call("train", model, "--data", path, *run)
    assert status == 2 and says in err and err.count("\n") == 1 and not (data / "run").exists()


def test_a_picture_that_cannot_be_written_ends_no_training(data, call, monkeypatch):
    def full(*_):
        raise OSError("could not write it: no space is left")

    monkeypatch.setattr(watching, "picture", full)
    begin = ("train", "nade", "--data", data / "bits.npy", "--out", data / "run", "--epochs", 2)
    status, _, err = call(*begin, "--set", "n_hidden=4", "--samples-every", 1)
    assert status == 0 and err.count("no space is left") == 2


def test_a_callback_of_fit_draws_as_well(tmp_path, rng):
    X = rng.integers(0, 2, (40, 4, 4))
    kept = tmp_path / "samples.png"

    def draw(record, model):
        cr.plots.save(cr.plots.sample_grid(model.sample(16, seed=0)), kept)

    settings = {"n_layers": 1, "n_features": 4, "first_size": 3, "epochs": 2, "seed": 0}
    watched = cr.PixelCNN(**settings).fit(X, callback=draw)
    np.testing.assert_array_equal(watched.params_.flat, cr.PixelCNN(**settings).fit(X).params_.flat)
    assert kept.read_bytes().startswith(b"\x89PNG")


def test_the_title_says_which_epoch_drew_them(data, call, drawn):
    """The best parameters do: at a rate that spoils what was learnt those of an early epoch."""
    begin = ("train", "made", "--data", data / "labelled.npz", "--out", data / "run")
    wild = ("--set", "hidden=8", "--set", "learning_rate=0.5")
    assert call(*begin, *wild, "--epochs", 20, "--samples-every", 1)[0] == 0
    titles, best = [title for title, *_ in drawn], cr.load(data / "run").best_epoch_
    assert best < 20 and titles[-1] == f"{after(drawn)[-1]}, by epoch {best}, the best so far"
    assert titles[best - 1] == f"samples of made after epoch {best}"
