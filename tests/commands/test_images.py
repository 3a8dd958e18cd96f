"""The command line on images: train, go on, score, draw, complete; folders, grey and colour."""

import json

import numpy as np
import pytest
from PIL import Image
from support.pictures import mosaics

import chainrule as cr

SMALL = ("--epochs", 2, "--set", "n_layers=1", "--set", "n_features=6", "--set", "first_size=3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with pictures in colour of two classes, a .npy of bits, and runs on both."""
    home, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, shift in (("bright", 90), ("dark", 0)):
        (home / "pics" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(0, 160, (4, 3, 3)) + shift
            Image.fromarray(pixels.astype(np.uint8)).save(home / "pics" / name / f"{k:02}.png")
    bits = (np.cumsum(rng.random((60, 16)) < 0.3, axis=1) % 2).astype(np.uint8)
    np.save(home / "bits.npy", bits.reshape(60, 4, 4))
    from chainrule import cli

    colour = ("--set", "levels=4", "--set", "reduce_from=256", "--set", "horizontal_flips=true")
    for arguments in (
        ("--data", home / "pics", "--labels", "--out", home / "colour", *colour),
        ("--data", home / "bits.npy", "--out", home / "bits", "--set", "gated=true"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main([str(a) for a in ("train", "pixel_cnn", *arguments, *SMALL, "--quiet")])
        assert left.value.code == 0
    return home


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def in_colour(pixels):
    """Return whether any pixel is clearly neither grey nor one of the inks' bluish tones."""
    return bool((np.ptp(pixels, axis=2) > 60).any())


def test_a_run_says_what_its_images_are(folder, call):
    summary = json.loads((folder / "colour" / "run.json").read_text())
    assert summary["image_shape"] == [4, 3, 3] and summary["row_length"] == 36
    assert set(summary["baselines"]) == {"uniform", "frequencies", "independent"}
    assert summary["baselines"]["uniform"] == pytest.approx(36 * np.log(4))
    assert json.loads((folder / "bits" / "run.json").read_text())["image_shape"] == [4, 4]
    status, out, err = call("info", folder / "colour")
    assert (status, err) == (0, "")
    for words in (
        "images of 4×3 pixels in colour, 4 levels",
        "bright, dark",
        "levels=4",
        "bits/dim",
    ):
        assert words in out
    model = cr.load(folder / "colour")
    assert model.encoder_.form == (4, 3, 3) and model.image_shape is None


def test_scores_are_those_of_the_library(folder, call, tmp_path):
    model, data = cr.load(folder / "colour"), cr.datasets.load(folder / "pics", colour=True)
    with_label = ("score", folder / "colour", folder / "pics", "--quiet", "--label", "dark")
    status, out, _ = call(*with_label)
    x = np.concatenate([data.train.x, data.valid.x, data.test.x])
    assert status == 0
    np.testing.assert_allclose(
        np.sort([float(line) for line in out.split()]),
        np.sort(model.log_prob(x, "dark")),
        atol=1e-4,
    )
    bits = np.load(folder / "bits.npy")
    for form in ((60, 16), (60, 4, 4), (60, 4, 4, 1)):
        np.save(tmp_path / "x.npy", bits.reshape(form))
        assert (
            call("score", folder / "bits", tmp_path / "x.npy", "--out", tmp_path / "l.npy")[0] == 0
        )
        truth = cr.load(folder / "bits").log_prob(bits)
        np.testing.assert_allclose(np.load(tmp_path / "l.npy"), truth, rtol=1e-5)


@pytest.mark.parametrize("run", ["colour", "bits"])
def test_samples_are_pictures_or_arrays(folder, call, tmp_path, run):
    out = tmp_path / "s.png"
    assert call("sample", folder / run, "-n", 6, "--out", out, "--columns", 3)[0] == 0
    assert in_colour(picture(out)) == (run == "colour")
    assert call("sample", folder / run, "-n", 6, "--seed", 1, "--out", tmp_path / "s.npy")[0] == 0
    drawn = np.load(tmp_path / "s.npy")
    assert drawn.shape == ((6, 4, 3, 3) if run == "colour" else (6, 4, 4))
    assert set(np.unique(drawn)) <= ({0, 85, 170, 255} if run == "colour" else {0, 1})
    assert call("sample", folder / run, "-n", 2, "--out", tmp_path / "s.csv")[0] == 0
    assert np.loadtxt(tmp_path / "s.csv", delimiter=",").shape == (2, drawn[0].size)


def test_samples_of_each_label(folder, call, tmp_path):
    asked = ("sample", folder / "colour", "--out")
    status, out, _ = call(*asked, tmp_path / "s.png", "--by-label", "-n", 3)
    assert status == 0 and "6 samples, 3 of each label: bright, dark" in out
    assert call(*asked, tmp_path / "s.npy", "--label", "dark", "-n", 2)[0] == 0


@pytest.mark.parametrize(
    ("observed", "seen", "exact"),
    [("top", (slice(0, 2), slice(None)), True), ("left", (slice(None), slice(0, 1)), False)],
)
def test_images_are_completed(folder, call, tmp_path, observed, seen, exact):
    asked = ("complete", folder / "colour", folder / "pics", "--observed", observed, "--draws", 2)
    status, out, err = call(*asked, "--out", tmp_path / "c.npy")
    assert (status, err) == (0, "")
    assert ("the draws are exact" in out) == exact
    drawn = np.load(tmp_path / "c.npy").reshape(24, 2, 4, 3, 3)
    data = cr.datasets.load(folder / "pics", colour=True)
    x = np.concatenate([data.train.x, data.valid.x, data.test.x]).reshape(-1, 4, 3, 3) // 64
    first = sorted(image[seen].tobytes() for image in x)
    for k in range(2):
        kept = (drawn[:, k] // 64).astype(np.uint8)
        assert sorted(image[seen].tobytes() for image in kept) == first
    assert call(*asked, "--out", tmp_path / "c.csv")[0] == 0
    lines = np.loadtxt(tmp_path / "c.csv", delimiter=",")  # which image, which draw, its pixels
    assert lines.shape == (48, 2 + 36) and lines[:3, :2].tolist() == [[1, 1], [1, 2], [2, 1]]
    assert call(*asked, "--out", tmp_path / "c.png")[0] == 0
    assert in_colour(picture(tmp_path / "c.png"))


def test_the_picture_of_completions_shows_data_and_completions_in_the_models_levels(
    folder, call, tmp_path, monkeypatch
):
    shown = []
    monkeypatch.setattr(cr.plots, "save", lambda figure, path: shown.extend(mosaics(figure)))
    asked = ("complete", folder / "colour", folder / "pics", "--observed", "top", "--draws", 1)
    assert call(*asked, "--out", tmp_path / "c.png")[0] == 0
    data, _, made = (np.round(3 * panel, 6) for panel in shown)
    assert set(np.unique(data)) <= {0, 1, 2, 3} and set(np.unique(made)) <= {0, 1, 2, 3}
    np.testing.assert_array_equal(data[:2], made[:2])


def test_other_ways_to_say_what_is_observed(folder, call, tmp_path):
    marks = np.zeros((4, 3), bool)
    marks[0] = True
    np.save(tmp_path / "m.npy", marks)
    seeded = ("complete", folder / "colour", folder / "pics", "--seed", 1, "--draws", 1)
    asked = (*seeded, "--out")
    status, out, _ = call(*asked, tmp_path / "a.npy", "--observed", tmp_path / "m.npy")
    assert status == 0 and "9 of 36 observed" in out and "exact" in out
    status, out, _ = call(*asked, tmp_path / "b.npy", "--observed", "prefix:9")
    assert status == 0 and "9 of 36 observed" in out
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    status, _, err = call(*asked, tmp_path / "a.npy", "--observed", "prefix:36")
    assert status == 2 and "prefix:K takes a K from 1 to 35" in err


def test_conditionals_are_drawn_or_kept(folder, call, tmp_path):
    for run, x, shape in (("bits", "bits.npy", (60, 16)), ("colour", "pics", (24, 36, 4))):
        asked = ("conditionals", folder / run, folder / x, "--out")
        assert call(*asked, tmp_path / "p.png")[0] == 0
        assert call(*asked, tmp_path / "p.npy")[0] == 0
        assert np.load(tmp_path / "p.npy").shape == shape


def test_greys_are_drawn_anew_and_a_training_goes_on(call, tmp_path):
    settings = ("--set", "dynamic_binarization=true", "--set", "reduce_from=17", *SMALL)
    begin = ("train", "pixel_cnn", "--data", "digits", "--out", tmp_path / "r", "--epochs", 1)
    assert call(*begin, *settings[:-8], *SMALL[2:])[0] == 0
    assert call("train", "pixel_cnn", "--out", tmp_path / "r", "--resume", "--epochs", 2)[0] == 0
    model = cr.load(tmp_path / "r")
    digits = cr.datasets.load("digits", raw=True)
    assert model.encoder_.top == 16 and len(model.history_) == 2
    summary = json.loads((tmp_path / "r" / "run.json").read_text())
    assert summary["test_nll"] == pytest.approx(-model.score(digits.test.x), rel=1e-5)
    status, out, _ = call("score", tmp_path / "r", "digits", "--quiet")
    assert status == 0
    scores = [float(line) for line in out.split()]
    np.testing.assert_allclose(scores, model.log_prob(digits.test.x), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("--set", "levels=4"), "and of levels=4 the last is 3; give such levels alone, or reduce "
         "them: --set reduce_from=256"),
        (("--set", "n_features=8"), "n_features must be a multiple of the 3 channels"),
        (("--set", "image_shape=5,5"), "image_shape says (5, 5); make them agree"),
        (("--set", "image_shape=5,x"), "image_shape must be whole numbers with commas"),
        (("--set", "likelihood=normal"), "likelihood must be one of 'softmax', 'logistics'"),
        (("--lines",), "--lines is for"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_sentence(folder, call, tmp_path, settings, says):
    asked = ("train", "pixel_cnn", "--data", folder / "pics", "--out", tmp_path / "r")
    status, out, err = call(*asked, "--epochs", 1, *settings)
    assert status == 2 and out == "" and err.count("\n") == 1 and says in err
    assert not (tmp_path / "r").exists()


def test_a_pixel_of_a_file_is_named(folder, call, tmp_path):
    x = np.load(folder / "bits.npy").astype(int)
    x[7, 2, 1] = 300
    np.save(tmp_path / "x.npy", x)
    status, _, err = call("score", folder / "bits", tmp_path / "x.npy")
    assert (
        status == 2
        and "x.npy holds 300 at [7, 2, 1], and those of the fit are from 0 to 1, whole" in err
    )
    status, _, err = call("score", folder / "bits", folder / "pics")
    assert status == 2 and "pics has images of 4×3×3 pixels, and the model was fitted on" in err


@pytest.mark.parametrize("verb", ["score", "complete", "conditionals"])
def test_images_of_another_size_are_named_by_it(folder, call, tmp_path, verb):
    more = ("--observed", "top") if verb == "complete" else ()
    for run, shape, says in (
        ("bits", (3, 5, 4), "images of 5×4 pixels, and the model was fitted on images of 4×4 pixe"),
        ("bits", (3, 4, 4, 3), "images of 4×4×3 pixels, and the model was fitted on images of 4×4"),
        (
            "bits",
            (3, 15),
            "rows of 15 values, and the model was fitted on images of 4×4 pixels, 16",
        ),
        ("colour", (3, 4, 3), "images of 4×3 pixels, and the model was fitted on images of 4×3×3"),
        ("colour", (3, 3, 4, 3), "images of 3×4×3 pixels, and the model was fitted on images of 4"),
    ):
        np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
        out = ("--out", tmp_path / "o.npy")
        status, _, err = call(verb, folder / run, tmp_path / "x.npy", *more, *out)
        assert status == 2 and f"x.npy has {says}" in err and err.count("\n") == 1
    status, _, err = call(verb, folder / "bits", "digits", *more, "--quiet")
    assert status == 2 and "rows of 64 values, and the model was fitted on images of 4×4" in err


@pytest.mark.parametrize(
    "marks", [np.ones((3, 3), bool), np.ones((2, 4, 3), bool), np.ones((4, 3))]
)
def test_a_mask_of_another_shape_is_told_that_of_the_images(folder, call, tmp_path, marks):
    np.save(tmp_path / "m.npy", marks)
    asked = ("complete", folder / "colour", folder / "pics", "--out", tmp_path / "o.npy")
    status, _, err = call(*asked, "--observed", tmp_path / "m.npy")
    got = f"got {marks.dtype} of shape {marks.shape}"
    assert status == 2 and "of shape (4, 3) or (4, 3, 3), or 24 of them, True where" in err
    assert got in err and err.count("\n") == 1


def test_masks_in_any_of_their_shapes_and_as_bytes(folder, call, tmp_path):
    marks = np.zeros((4, 3), np.uint8)
    marks[0] = 1
    asked = ("complete", folder / "colour", folder / "pics", "--out", tmp_path / "o.npy")
    for one in (marks, marks.astype(bool), np.repeat(marks, 3), marks[..., None].repeat(3, 2)):
        np.save(tmp_path / "m.npy", one)
        status, out, _ = call(*asked, "--observed", tmp_path / "m.npy")
        assert status == 0 and "9 of 36 observed" in out
    np.save(tmp_path / "m.npy", np.tile(marks.astype(bool), (24, 1, 1)))
    assert call(*asked, "--observed", tmp_path / "m.npy")[0] == 0


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("pixel_cnn", ()),
        ("pixel_cnn", ("gated=true", "likelihood=logistics")),
        ("pixel_cnn", ("levels=2", "image_shape=3,2")),
        ("pixel_rnn", ("cell=diagonal",)),
    ],
)
def test_gradients(call, model, settings):
    asked = [word for one in settings for word in ("--set", one)]
    status, out, _ = call("gradcheck", model, "--set", "n_layers=1", *asked, "--quiet")
    assert status == 0 and "all pass" in out
    status, _, err = call("gradcheck", model, "--set", "epochs=3")
    assert status == 2 and "leave --set epochs out" in err


def test_samples_of_another_size(folder, call, tmp_path):
    """As a table and as a picture; not of rows, and not of a size that is none."""
    out = tmp_path / "large.npy"
    status, _, err = call("sample", folder / "bits", "-n", 3, "--size", "6x9", "--out", out)
    assert (status, np.load(out).shape) == (0, (3, 6, 9)), err
    drawn = tmp_path / "large.png"
    status, said, _ = call("sample", folder / "colour", "-n", 2, "--size", "8×5", "--out", drawn)
    assert status == 0 and "2 samples" in said and in_colour(picture(drawn))
    for size in ("6", "6x", "0x3", "axb"):
        status, _, err = call("sample", folder / "bits", "--size", size, "--out", out)
        assert status == 2 and "ROWSxCOLUMNS" in err
    assert call("sample", folder / "bits", "-n", 1, "--size", "4x4", "--out", out)[0] == 0
