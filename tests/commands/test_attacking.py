"""`chainrule train classifier`, `attack` and `purify`, from data to pictures."""

import json

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.commands import attack_material
from chainrule.commands.common import Common


def halves(n=160, seed=0):
    """Return images of levels 0 … 255 with a bright half, and which half it is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.integers(0, 90, (n, 8, 8))
    for image, kind in zip(x, y, strict=True):
        image[[np.s_[:4], np.s_[4:], np.s_[:, :4], np.s_[:, 4:]][kind]] += 120
    return x.astype(np.uint8), y


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with a classifier's run, a density's file, images and their labels."""
    folder = tmp_path_factory.mktemp("attacking")
    x, y = halves()
    cuts = {"train": np.s_[:100], "valid": np.s_[100:130], "test": np.s_[130:]}
    parts = {f"x_{name}": x[rows] for name, rows in cuts.items()}
    np.savez(folder / "data.npz", **parts, **{f"y_{name}": y[rows] for name, rows in cuts.items()})
    how = {"levels": 8, "reduce_from": 256, "first_size": 5, "epochs": 6}
    cr.PixelCNN(2, 8, **how, learning_rate=0.01, batch_size=20).fit(x).save(
        folder / "d.safetensors"
    )
    np.save(folder / "x.npy", x[:24])
    np.save(folder / "y.npy", y[:24])
    return folder


@pytest.fixture(scope="module")
def trained(runs):
    from chainrule.cli import main

    run = runs / "run"
    arguments = ["train", "classifier", "--data", runs / "data.npz", "--out", run, "--quiet"]
    arguments += ["--set", "network=cnn", "--set", "channels=6,8", "--epochs", 30]
    arguments += ["--learning-rate", 0.01, "--batch-size", 20, "--seed", 1]
    with pytest.raises(SystemExit) as done:
        main([str(one) for one in arguments])
    assert done.value.code == 0
    return run


def test_a_classifier_is_trained_and_described(trained, runs, call):
    summary = json.loads((trained / "run.json").read_text())
    assert summary["test_accuracy"] > 0.9 and 0 < summary["test_error"] < 1
    model = cr.load(trained)
    assert model.encoder_.shape == (8, 8, 1) and model.network == "cnn"
    status, out, err = call("info", trained)
    assert (status, err) == (0, "") and "train loss" in out and "labels" in out
    assert "nats a label" in out and f"{summary['test_accuracy']:.2%}" in out
    more = ("train", "classifier", "--out", trained, "--resume", "--epochs", 31)
    assert call(*more)[0] == 0 and len(cr.load(trained).history_) == 31
    for arguments in (
        ("score", trained, runs / "x.npy"),
        ("detect", trained, runs / "x.npy"),
        ("sample", trained, "-n", 3),
    ):
        status, _, err = call(*arguments)
        assert status == 2 and f"{arguments[0]} is for densities, and a Classifier is none" in err


def test_whole_numbers_far_below_white_are_doubted(runs, call, tmp_path):
    """Of pixels from 0 to 16 a classifier was trained on a sixteenth of their range, unsaid."""
    with np.load(runs / "data.npz") as data:
        parts = dict(data)
    dark = {name: part // 15 if name[0] == "x" else part for name, part in parts.items()}
    most = max(part.max() for name, part in dark.items() if name[0] == "x")
    floats = {k: np.float32(part / most) if k[0] == "x" else part for k, part in dark.items()}
    for name, given in (("dark", dark), ("floats", floats)):
        np.savez(tmp_path / f"{name}.npz", **given)
        begin = ("train", "classifier", "--data", tmp_path / f"{name}.npz", "--epochs", 1)
        status, _, err = call(*begin, "--out", tmp_path / name)
        doubt = f"the largest of these whole numbers is {most}, and they are read as shares of 255"
        assert status == 0 and (doubt in err) == (name == "dark")
        assert (f"divide images of 0 … {most} by {most} first" in err) == (name == "dark")
    quiet = ("--data", tmp_path / "dark.npz", "--epochs", 1, "--out", tmp_path / "q", "--quiet")
    assert call("train", "classifier", *quiet)[0] == 0


@pytest.mark.parametrize("method", ["fgsm", "bim", "pgd", "deepfool", "carlini_wagner", "noise"])
def test_an_attack_writes_images_or_a_picture(method, trained, runs, call, tmp_path):
    begin = ("attack", trained, runs / "x.npy", "--method", method)
    begin += () if method in ("deepfool", "carlini_wagner") else ("--eps", 0.2)
    few = () if method in ("fgsm", "noise") else ("--steps", 20)
    labels = ("--labels-from", runs / "y.npy")
    status, out, err = call(*begin, *few, *labels, "--out", tmp_path / "a.npy")
    assert (status, err) == (0, ""), err
    x, moved = np.load(runs / "x.npy") / 255, np.load(tmp_path / "a.npy")
    assert moved.shape == x.shape and moved.dtype == np.float32
    assert out.startswith("right: clean 100.0%, ") and f"{method} " in out
    if method not in ("deepfool", "carlini_wagner"):
        assert np.abs(moved - x).max() <= 0.2 + 1e-6
    if method != "noise":
        assert cr.load(trained).score(moved, np.load(runs / "y.npy")) < 0.9
    picture = tmp_path / "a.png"
    status, out, err = call(*begin, *few, "--density", runs / "d.safetensors", "--out", picture)
    assert status == 0 and "d.safetensors keeps no validation rows, so nothing is said" in err
    assert out.startswith("taken as before, of images without labels: clean 100.0%, ")
    assert min(Image.open(picture).size) > 100


def test_a_named_sets_own_white_is_white(runs, call, tmp_path):
    """The 17 levels of digits were read as shares of 255: images that are nearly black."""
    begin = ("train", "classifier", "--data", "digits", "--epochs", 8, "--out", tmp_path / "c")
    status, _, err = call(*begin, "--seed", 0)
    assert status == 0 and "shares of" not in err
    model, data = cr.load(tmp_path / "c"), cr.datasets.load("digits", raw=True)
    test, summary = data.test, json.loads((tmp_path / "c" / "run.json").read_text())
    assert model.score(test.x / np.float32(16), test.y) == summary["test_accuracy"] > 0.6
    of = cr.PixelCNN(1, 4, levels=17, first_size=3, epochs=1).fit(data.train.x.reshape(-1, 8, 8))
    of.save(tmp_path / "of.safetensors")
    more = ("--method", "fgsm", "--density", tmp_path / "of.safetensors")
    status, out, err = call("attack", tmp_path / "c", "digits", *more, "--out", tmp_path / "a.npy")
    assert status == 0 and "test images of digits" in err
    expected = cr.attacks.fgsm(model, test.x / np.float32(16), test.y)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy").reshape(-1, 64), expected)
    assert f"right: clean {summary['test_accuracy']:.1%}, fgsm " in out
    np.save(tmp_path / "x.npy", test.x), np.save(tmp_path / "y.npy", test.y)
    more = ("--method", "fgsm", "--labels-from", tmp_path / "y.npy", "--out", tmp_path / "b.npy")
    assert call("attack", tmp_path / "c", tmp_path / "x.npy", *more)[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy").reshape(-1, 64), expected)
    more = ("--classifier", tmp_path / "c", "--out", tmp_path / "p.npy")
    status, out, _ = call("purify", tmp_path / "of.safetensors", tmp_path / "x.npy", *more)
    clean = np.load(tmp_path / "p.npy")
    other = model.predict(test.x / np.float32(16)) != model.predict(clean.reshape(-1, 64))
    assert status == 0 and clean.max() == 1 and f", {other.sum()} of another verdict; " in out


def test_an_attack_says_what_the_densitys_run_notices(trained, runs, call, tmp_path):
    """How many are odd, and how many pass both defences: no verb said that."""
    begin = ("train", "pixel_cnn", "--data", runs / "data.npz", "--out", tmp_path / "d", "--quiet")
    few = [f"--set={one}" for one in ("n_layers=1", "n_features=8", "levels=8", "reduce_from=256")]
    assert call(*begin, *few, "--epochs", 6, "--learning-rate", 0.01, "--seed", 0)[0] == 0
    labels = ("--labels-from", runs / "y.npy", "--density", tmp_path / "d")
    more = ("--eps", 0.3, "--out", tmp_path / "a.npy", "--seed", 0)
    status, out, err = call("attack", trained, runs / "x.npy", *more, *labels)
    assert (status, err) == (0, "")
    density, classifier = cr.load(tmp_path / "d"), cr.load(trained)
    valid = np.load(runs / "data.npz")["x_valid"]
    detector = cr.Detector(density, false_alarm=0.0323).fit(None, X_clean=valid)
    moved, x, y = np.load(tmp_path / "a.npy"), np.load(runs / "x.npy"), np.load(runs / "y.npy")
    odd = [
        detector.predict(np.rint(np.float64(of) * 255).astype(np.uint8)) < 0
        for of in (x / 255, moved)
    ]
    images = (x / np.float32(255), moved)
    wrong = [classifier.predict(cr.purify(density, of)) != y for of in images]
    shares = [
        f"{np.mean(a):.1%}" for a in (*odd, *(w & ~o for w, o in zip(wrong, odd, strict=True)))
    ]
    assert odd[1].mean() > 0.5
    assert (
        "; odd at a false-alarm rate of 0.0323: clean {}, pgd {}; wrong once purified and not odd: "
        "clean {}, pgd {}; ".format(*shares)
    ) in out
    detector.set_params(false_alarm=(0.0323, 0.2)).fit(None, X_clean=valid)
    detector.save(tmp_path / "odd.safetensors")
    begin = (
        "attack",
        trained,
        runs / "x.npy",
        *more[:2],
        "--density",
        tmp_path / "odd.safetensors",
    )
    status, out, err = call(*begin, "--out", tmp_path / "a.svg")
    assert (status, err) == (0, "") and "odd at a false-alarm rate of 0.2: clean" in out
    held = attack_material.defence(Common(threads=1), tmp_path / "odd.safetensors")
    assert held.detector.model_ is held.density and held.density.n_threads == 1  # was another one
    shown = (tmp_path / "a.svg").read_text()
    assert shown.count(", odd") >= 5


def test_tables_are_read_as_training_reads_them_and_labels_may_be_a_column(call, tmp_path):
    """A table's whole numbers were divided by 255, and a column of labels was taken for pixels."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (120, 16)) * rng.random((120, 16)).round(2)
    y = np.where(x[:, 0] > x[:, 1], "up", "down")
    head = ",".join([*(f"p{k}" for k in range(16)), "way"])
    rows = [",".join([*map(str, row), way]) for row, way in zip(x.tolist(), y, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]) + "\n")
    begin = ("train", "classifier", "--data", tmp_path / "t.csv", "--out", tmp_path / "c", "-q")
    assert call(*begin, "--labels-from", "way", "--epochs", 30, "--learning-rate", 0.01)[0] == 0
    with pytest.warns(UserWarning, match="feature names"):  # these rows have none
        score = cr.load(tmp_path / "c").score(x, y)
    begin = ("attack", tmp_path / "c", tmp_path / "t.csv", "--out", tmp_path / "a.npy")
    status, out, err = call(*begin, "--labels-from", "way", "--method", "noise", "--eps", 0)
    assert (status, err) == (0, "") and f"right: clean {score:.1%}" in out
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy").reshape(x.shape), x)
    (tmp_path / "far.csv").write_text(head + "\n" + ",".join(["3"] * 16) + ",up\n")
    begin = ("attack", tmp_path / "c", tmp_path / "far.csv", "--out", tmp_path / "a.npy")
    status, _, err = call(*begin, "--labels-from", "way")
    assert status == 2 and "far.csv holds 3 at [0, 0], and images are shares from 0 to 1" in err


def test_quiet_prints_what_was_asked_for_alone(trained, runs, call, tmp_path):
    begin = ("attack", trained, runs / "x.npy", "--labels-from", runs / "y.npy", "-q")
    status, out, err = call(*begin, "--method", "noise", "--eps", 0, "--out", tmp_path / "a.npy")
    assert (status, out, err) == (0, "clean 1.0000\nnoise 1.0000\n", "")


def test_a_set_of_the_data_folder_goes_by_its_name(trained, runs, call, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(runs))
    status, out, err = call("attack", trained, "data", "--eps", 0.2, "--out", tmp_path / "a.npy")
    assert status == 0 and "the 30 test images of data" in err and out.startswith("right: clean")
    assert np.load(tmp_path / "a.npy").shape == (30, 8, 8)


@pytest.mark.parametrize("method", ["likely_pgd", "bpda", "likely_bpda"])
def test_attacks_that_know_of_a_density(method, trained, runs, call, tmp_path):
    begin = ("attack", trained, runs / "x.npy", "--method", method, "--steps", 4)
    status, _, err = call(*begin, "--out", tmp_path / "a.npy")
    assert status == 2 and f"--method {method} knows of a density; name its run" in err
    status, out, err = call(
        *begin, "--density", runs / "d.safetensors", "--out", tmp_path / "a.npy"
    )
    assert status == 0 and "purified" in out and "odd" not in out and err.count("\n") == 1


def test_purify_writes_images_or_a_picture(trained, runs, call, tmp_path):
    begin = ("purify", runs / "d.safetensors", runs / "x.npy", "--eps", 0.1)
    status, out, err = call(*begin, "--out", tmp_path / "p.npy")
    assert (status, err) == (0, "") and out.startswith("24 images moved by up to 0.1")
    x, clean = np.load(runs / "x.npy") / 255, np.load(tmp_path / "p.npy")
    assert np.abs(clean - x).max() <= 0.1 + 1e-6 and (clean != x).any()
    model = cr.load(runs / "d.safetensors")
    np.testing.assert_array_equal(clean, cr.purify(model, x.astype(np.float32), 0.1))
    shown = ("--classifier", trained, "--out", tmp_path / "p.png")
    status, out, err = call(*begin, *shown)
    assert (status, err) == (0, "") and "of another verdict" in out
    assert min(Image.open(tmp_path / "p.png").size) > 100


def test_pixels_of_a_densitys_own_scale_are_purified_on_it(trained, runs, call, tmp_path):
    """Whole numbers from 0 to 16 are no shares of 255, of which all were black."""
    x = np.load(runs / "x.npy") // 15
    of = cr.PixelCNN(1, 4, levels=17, first_size=3, epochs=1).fit(x)
    of.save(tmp_path / "few.safetensors")
    np.save(tmp_path / "few.npy", x)
    begin = (tmp_path / "few.safetensors", tmp_path / "few.npy")
    status, out, err = call("purify", *begin, "--eps", 0.07, "--out", tmp_path / "p.npy")
    assert (status, err) == (0, "") and out.startswith("24 images moved by up to 0.0625")
    expected = cr.purify(of, (x / 16).astype(np.float32), 0.07)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), expected)
    status, out, err = call("purify", *begin, "--classifier", trained, "--out", tmp_path / "p.png")
    assert (status, err) == (0, "")
    attack = ("attack", trained, begin[1], "--density", begin[0], "--out", tmp_path / "a.npy")
    status, _, err = call(*attack)
    assert status == 2 and "few.safetensors is of pixels from 0 to 16, and a classifier" in err
    np.save(begin[1], (x / 16).astype(np.float32))
    assert call(*attack)[0] == 0
    bits = cr.PixelCNN(1, 4, binarize=8, first_size=3, epochs=1).fit(x)
    bits.save(tmp_path / "bits.safetensors")
    for verb in (("purify",), ("attack", trained, begin[1], "--density")):
        rest = (begin[1],) if verb == ("purify",) else ()
        status, _, err = call(*verb, tmp_path / "bits.safetensors", *rest)
        assert status == 2 and "makes bits by the threshold 8, and images are floats" in err


def test_what_an_attack_wrote_is_seen_by_a_detector_of_whole_numbers(runs, trained, call, tmp_path):
    """Floats from 0 to 1 were refused, and had to be rounded by hand."""
    clean, moved = tmp_path / "clean.npy", tmp_path / "moved.npy"
    np.save(clean, halves()[0][100:])
    assert call("attack", trained, runs / "x.npy", "--eps", 0.2, "--out", moved)[0] == 0
    whole = np.rint(np.load(moved) * 255).astype(np.uint8)
    np.save(tmp_path / "whole.npy", whole)
    found = []
    for given in (moved, tmp_path / "whole.npy"):
        more = ("--clean", clean, "--false-alarm", 0.05, "--out", tmp_path / "f.csv")
        status, _, err = call("detect", runs / "d.safetensors", given, *more)
        assert status == 0, err
        said = "moved.npy holds floats from 0 to 1, read as shares of 255"
        assert (said in err) == (given == moved)
        found.append((tmp_path / "f.csv").read_text())
    assert found[0] == found[1] and ",1\n" in found[0]
    far = np.load(moved) * 2
    np.save(moved, far)
    status, _, err = call("detect", runs / "d.safetensors", moved, *more)
    assert status == 2 and "whole numbers; give such alone" in err


def test_what_cannot_be_is_refused_in_a_sentence(trained, runs, call, tmp_path):
    x, d, out = runs / "x.npy", runs / "d.safetensors", ("--out", tmp_path / "a.npy")
    np.save(tmp_path / "small.npy", np.zeros((3, 5, 5), np.uint8))
    nan = np.zeros((3, 8, 8))
    nan[1, 2, 3] = np.nan
    np.save(tmp_path / "nan.npy", nan)
    np.save(tmp_path / "far.npy", np.full((3, 8, 8), 2.0))
    for arguments, words in (
        (("attack", d, x, *out), "holds a PixelCNN, and a classifier is wanted"),
        (("attack", trained, x, "--method", "fgsm", "--norm", 2, *out), "--norm is of pgd, noise,"),
        (
            ("attack", trained, x, "--method", "noise", "--steps", 2, *out),
            "--method noise has none",
        ),
        (
            ("attack", trained, x, "--method", "deepfool", "--eps", 0.001, *out),
            "--method deepfool has none; leave it out",
        ),
        (
            ("attack", trained, x, "--method", "carlini_wagner", "--eps", 0, *out),
            "--eps is of fgsm, bim, pgd, noise,",
        ),
        (
            ("attack", trained, x, "--method", "fgsm", "--seed", 1, *out),
            "--seed is of pgd, noise, bpda, and --method fgsm has none; leave it out",
        ),
        (
            ("attack", trained, x, "--purify-eps", 0.1, *out),
            "--purify-eps is how far a density purifies, and there is none; name its run",
        ),
        (("attack", trained, tmp_path / "nan.npy", *out), "NaN (first at [1, 2, 3]); fill in or"),
        (("purify", d, tmp_path / "nan.npy", *out), "NaN (first at [1, 2, 3]); fill in or drop"),
        (("attack", trained, x, "--method", "pdg", *out), "got 'pdg' (did you mean pgd?)"),
        (("attack", trained, x, "--density", trained, *out), "purified by a density of images"),
        (("attack", trained, tmp_path / "none.npy", *out), "does not exist"),
        (("attack", trained, tmp_path / "small.npy", *out), "have 25 numbers each, and the"),
        (
            ("attack", trained, tmp_path / "far.npy", *out),
            "far.npy holds 2 at [0, 0, 0], and images are shares from 0 to 1 here",
        ),
        (("attack", trained, x, "--label", 9, *out), "9"),
        (("attack", trained, x, "--out", "a.txt"), "end it in .png or .pdf or .svg or .npy"),
        (("purify", trained, x, *out), "purified by a density of images"),
        (("purify", d, tmp_path / "small.npy", *out), "have 25 numbers each, and the density"),
        (("purify", d, x, "--seed", 1, *out), "purify has no use for --seed"),
    ):
        status, _, err = call(*arguments)
        assert status == 2 and words in err and err.count("\n") == 1, err
