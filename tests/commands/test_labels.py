"""Labels on the command line: the data's own, a file's, a column's, or one for all rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import chainrule as cr
from chainrule.commands import runs
from chainrule.engine.event import Abilities
from chainrule.engine.models import fvsbn

TINY = ("--steps", 30, "--learning-rate", 0.03, "--set", "n_layers=1", "--set", "n_embd=8")
TINY += ("--set", "n_heads=1", "--set", "context=6", "--quiet")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rows whose bits are their label's: as .npy, as a table with a column y, labels beside."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = np.where(rng.random((80, 6)) < 0.1, 1 - y[:, None], y[:, None]).astype(np.uint8)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    (folder / "y.txt").write_text("\n".join(["no", "yes"][k] for k in y) + "\n")
    lines = [",".join(map(str, [*row, k])) for row, k in zip(x, y, strict=True)]
    (folder / "xy.csv").write_text("\n".join(["a,b,c,d,e,f,kind", *lines]))
    np.save(folder / "one.npy", np.ones((3, 6), np.uint8))
    return folder


@pytest.fixture(scope="module")
def trained(data):
    """Return a function from what labels come from to a run; each is trained once."""
    from chainrule import cli

    made = {}

    def run(file, source):
        if (file, source) not in made:
            out = data / f"run{len(made)}"
            more = () if source is None else ("--labels-from", source)
            words = ("train", "transformer", "--data", data / file, "--out", out, *TINY, *more)
            with pytest.raises(SystemExit) as left:
                cli.main([str(word) for word in words])
            assert left.value.code == 0
            made[file, source] = out
        return made[file, source]

    return run


def model_of(run):
    return cr.load(run / runs.MODEL)


@pytest.mark.parametrize(
    ("file", "source", "classes"),
    [
        ("x.npy", "y.npy", [0, 1]),
        ("x.npy", "y.txt", ["no", "yes"]),
        ("xy.csv", "kind", [0, 1]),
    ],
)
def test_labels_are_learnt_and_told(file, source, classes, data, trained, call):
    run = trained(file, data / source if "." in source else source)
    model = model_of(run)
    assert model.classes_.tolist() == classes and model.config_.n_symbols == 2
    told = []
    for label in classes:
        status, out, err = call("score", run, data / "one.npy", "--label", label, "--quiet")
        assert (status, err) == (0, "")
        told.append([float(line) for line in out.split()])
        ones = np.ones((3, 6), np.uint8)
        assert_allclose(told[-1], model.log_prob(ones, [label] * 3), atol=1e-5)
    assert min(told[1]) > max(told[0])  # ones are what the second label is of


def test_each_row_has_its_label(data, trained, call, tmp_path):
    run = trained("x.npy", data / "y.txt")
    x, words = np.load(data / "x.npy"), (data / "y.txt").read_text().split()
    arguments = ("score", run, data / "x.npy", "--labels-from", data / "y.txt")
    assert call(*arguments, "--out", tmp_path / "p.npy")[0] == 0
    assert_allclose(np.load(tmp_path / "p.npy"), model_of(run).log_prob(x, words), atol=1e-6)

    run = trained("xy.csv", "kind")
    arguments = ("score", run, data / "xy.csv", "--labels-from", "kind")
    assert call(*arguments, "--out", tmp_path / "q.npy")[0] == 0
    y = np.load(data / "y.npy")
    assert_allclose(np.load(tmp_path / "q.npy"), model_of(run).log_prob(x, y), atol=1e-6)


def test_the_shuffled_split_keeps_rows_and_labels_together(data, trained):
    """With labels that are the bits, a model told them is sure; mixed up it could not be."""
    model = model_of(trained("x.npy", data / "y.npy"))
    x, y = np.load(data / "x.npy"), np.load(data / "y.npy")
    assert model.score(x, y) > model.score(x, 1 - y) + 1


def test_samples_and_attention_take_a_label(data, trained, call, tmp_path):
    run = trained("x.npy", data / "y.txt")
    draw = ("sample", run, "-n", 40, "--seed", 0)
    shares = []
    for label in ("no", "yes"):
        assert call(*draw, "--label", label, "--out", tmp_path / "s.npy")[0] == 0
        shares.append(np.load(tmp_path / "s.npy").mean())
    assert shares[0] < 0.3 < 0.7 < shares[1]
    look = ("attention", run, "--prompt", "1 1 0", "--out", tmp_path / "a.npy")
    assert call(*look, "--label", "yes")[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (1, 3, 3)
    assert "give --label, one of no, yes" in call(*look)[2]


@pytest.fixture(scope="module")
def rows(data):
    """Return runs of FVSBN: told the labels of the rows, and not."""
    from chainrule import cli

    runs_ = data / "told", data / "plain"
    for out, more in zip(runs_, (("--labels-from", data / "y.txt"), ()), strict=True):
        words = ("train", "fvsbn", "--data", data / "x.npy", "--out", out, "--epochs", 40)
        words += ("--learning-rate", 0.1, "--quiet", *more)
        with pytest.raises(SystemExit) as left:
            cli.main([str(word) for word in words])
        assert left.value.code == 0
    return runs_


def test_rows_are_drawn_of_every_label(rows, data, trained, call, tmp_path):
    """Of rows of bits and of symbols: so many of each, in the order of the labels."""
    for run in (rows[0], trained("x.npy", data / "y.txt")):
        out = tmp_path / "s.npy"
        assert call("sample", run, "--by-label", "-n", 30, "--seed", 0, "--out", out)[0] == 0
        drawn = np.load(out)
        assert drawn.shape == (60, 6) and drawn[:30].mean() < 0.3 < 0.7 < drawn[30:].mean()
        status, printed, _ = call("sample", run, "--by-label", "--out", tmp_path / "s.png")
        assert status == 0 and "20 samples" in printed
        assert (tmp_path / "s.png").stat().st_size > 1000
    for more, words in (
        (("--label", "no"), "--by-label draws a row of each label; leave out --label"),
        (("--columns", 3), "leave out --columns"),
    ):
        status, _, err = call("sample", rows[0], "--by-label", *more)
        assert status == 2 and words in err
    status, _, err = call("sample", rows[1], "--by-label")
    assert status == 2 and "fitted without labels; leave out --by-label" in err


def test_rows_of_bits_are_learnt_scored_and_described_with_labels(rows, data, call, tmp_path):
    status, out, _ = call("info", rows[0])
    assert status == 0 and "labels     no, yes" in out
    told = []
    for label in ("no", "yes"):
        more = ("--label", label, "--out", tmp_path / "p.npy")
        assert call("score", rows[0], data / "one.npy", *more)[0] == 0
        told.append(np.load(tmp_path / "p.npy"))
    assert (told[1] > told[0] + 1).all()


def test_without_a_label_a_model_is_its_marginal(data, trained, call, tmp_path):
    """Scores are those of x alone, and a label is drawn before each row."""
    run = trained("x.npy", data / "y.txt")
    model, x = model_of(run), np.load(data / "x.npy")
    assert call("score", run, data / "x.npy", "--out", tmp_path / "p.npy")[0] == 0
    told = np.stack([model.log_prob(x, label) for label in model.classes_])
    marginal = np.logaddexp(*(told + np.log(model.class_prior_)[:, None]))
    assert_allclose(np.load(tmp_path / "p.npy"), marginal, atol=1e-5)
    assert call("sample", run, "-n", 60, "--seed", 0, "--out", tmp_path / "s.npy")[0] == 0
    shares = np.load(tmp_path / "s.npy").mean(axis=1)
    assert (shares < 0.3).any() and (shares > 0.7).any()


def test_a_run_goes_on_with_the_labels_it_began_with(data, call, tmp_path):
    out, labels = tmp_path / "run", ("--labels-from", data / "y.npy")
    train = ("train", "transformer", "--data", data / "x.npy", "--out", out, *TINY)
    assert call(*train, *labels)[0] == 0
    assert call("train", "transformer", "--out", out, "--resume", "--quiet")[0] == 0
    status, _, err = call(*train, "--labels-from", data / "y.txt", "--resume")
    assert status == 2 and "was begun with" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ("--label", "maybe"),
            "'maybe'|maybe is a label never seen|a label never seen in training",
        ),
        (("--labels-from", "short.txt"), "holds 2 labels and there are 3 rows"),
        (("--labels-from", "nowhere.txt"), "nowhere.txt"),
        (("--labels-from", "gap.txt"), "no label in line 2"),
        (("--label", "no", "--labels-from", "short.txt"), "give one of them"),
    ],
)
def test_labels_that_cannot_be(more, words, data, trained, call, tmp_path, monkeypatch):
    import re

    run = trained("x.npy", data / "y.txt")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("no\nyes\n")
    (tmp_path / "gap.txt").write_text("no\n\nyes\n")
    status, out, err = call("score", run, data / "one.npy", *more)
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert re.search(words, err), err


def test_models_without_labels_take_none(data, call, tmp_path, monkeypatch):
    rows = ("--data", data / "x.npy", "--quiet")
    assert call("train", "fvsbn", *rows, "--epochs", 1, "--out", tmp_path / "f")[0] == 0
    assert call("train", "transformer", *rows, *TINY, "--out", tmp_path / "t")[0] == 0
    for run in ("f", "t"):
        for more in (("--label", "1"), ("--labels-from", data / "y.npy")):
            status, _, err = call("score", tmp_path / run, data / "one.npy", *more)
            assert status == 2 and "fitted without labels" in err
        status, _, err = call("sample", tmp_path / run, "--label", "1", "--out", tmp_path / "s.npy")
        assert status == 2 and "fitted without labels" in err
    with monkeypatch.context() as patch:
        patch.setattr(fvsbn, "ABILITIES", Abilities())
        for more in (("--labels",), ("--labels-from", data / "y.npy")):
            status, _, err = call("train", "fvsbn", *rows, "--out", tmp_path / "u", *more)
            assert status == 2 and f"FVSBN learns no labels; leave {more[0]} out" in err
    status, _, err = call("train", "transformer", *rows, *TINY, "--labels", "--out", tmp_path / "u")
    assert status == 2 and "say where they are with --labels-from" in err


def test_a_column_of_labels_is_not_scored_as_a_symbol(data, trained, call, tmp_path):
    """The file that was learnt from, scored without saying where its labels are."""
    run = trained("xy.csv", "kind")
    status, out, err = call("score", run, data / "xy.csv")
    assert (status, out) == (2, "") and "has a column 'kind', which the model was not" in err
    assert "--labels-from kind" in err
    np.save(tmp_path / "x.npy", np.loadtxt(data / "xy.csv", int, delimiter=",", skiprows=1))
    status, out, err = call("score", run, tmp_path / "x.npy")
    assert (status, out) == (2, "") and "rows of 7 values, and the model learnt rows of 6" in err
    assert "--labels-from" in err
    assert call("score", run, data / "xy.csv", "--labels-from", "kind")[0] == 0


def test_tables_keep_their_labels(call, tmp_path, rng):
    """In samples of each label, and where rows are filled in, at its place; gaps among numbers."""
    y = rng.choice(["cat", "dog"], 60)
    cells = [["" if rng.random() < 0.2 else f"{x:.2f}" for x in row] for row in rng.random((60, 2))]
    rows = [f"{one},{name},{other}" for (one, other), name in zip(cells, y, strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(["age,pet,kg", *rows]) + "\n")
    line = ("orderless_nade", "--data", tmp_path / "x.csv", "--labels-from", "pet", "-q")
    small = ("--set", "hidden=4", "--epochs", 1, "--backend", "reference")
    assert call("train", *line, *small, "--out", tmp_path / "r") == (0, "", "")
    for draws in (1, 2):
        out = ("--out", tmp_path / "full.csv", "--draws", draws)
        assert call("impute", tmp_path / "r", tmp_path / "x.csv", *line[3:5], *out)[0] == 0
        names, *full = [row.split(",") for row in (tmp_path / "full.csv").read_text().split()]
        assert names[-3:] == ["age", "pet", "kg"]
        assert [row[-2] for row in full] == y.repeat(draws).tolist()
        assert all(cell for row in full for cell in row)
    status, said, _ = call("sample", tmp_path / "r", "--by-label", "-n", 2, "--out", out[1])
    assert status == 0 and "4 samples, 2 of each label: cat, dog;" in said
    drawn = [row.split(",") for row in out[1].read_text().split()]
    assert drawn[0] == ["label", "age", "kg"]
    assert [row[0] for row in drawn[1:]] == ["cat", "cat", "dog", "dog"]
    assert call("sample", tmp_path / "r", "-n", 40, "--seed", 3, "--out", out[1])[0] == 0
    drawn = [row.split(",") for row in out[1].read_text().split()]
    assert drawn[0] == ["label", "age", "kg"]
    assert {row[0] for row in drawn[1:]} == {"cat", "dog"}
    model = model_of(tmp_path / "r")
    rows = np.array([row[1:] for row in drawn[1:]], float)
    assert_allclose(rows, model.sample(40, seed=3), atol=1e-6)  # the rows that it draws anyway
    assert call("sample", tmp_path / "r", "--label", "dog", "--out", out[1])[0] == 0
    assert out[1].read_text().startswith("age,kg\n")


def test_the_label_beside_a_drawn_row_is_its_own(data, call, tmp_path):
    """Of rows of bits and of symbols, whose bits are nearly always their label's."""
    for model in ("fvsbn", "transformer"):
        run, more = tmp_path / model, TINY[:-1] if model == "transformer" else ("--epochs", 40)
        rate = () if model == "transformer" else ("--learning-rate", 0.1)
        train = ("train", model, "--data", data / "xy.csv", "--labels-from", "kind", "--out", run)
        assert call(*train, *more, *rate, "-q")[0] == 0
        out = tmp_path / "s.csv"
        assert call("sample", run, "-n", 60, "--seed", 0, "--out", out)[0] == 0
        head, *rows = [line.split(",") for line in out.read_text().split()]
        assert head == ["label", *"abcdef"]
        drawn = np.array(rows, int)
        assert ((drawn[:, 1:].mean(axis=1) > 0.5) == drawn[:, 0]).mean() > 0.75  # 0.5 of others
        assert call("sample", run, "-n", 60, "--seed", 0, "--out", tmp_path / "s.npy")[0] == 0
        assert (np.load(tmp_path / "s.npy") == drawn[:, 1:]).all()
