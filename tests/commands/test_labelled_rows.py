"""Verbs that ask a labelled model of p(x | y) about rows: one label for all, or each row's own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.datasets import tables

NAMES = ("a", "b", "c", "kind", "d")
BITS = [0, 1, 2, 4]  # all but the label


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with a table whose bits are those of their label, among them, and labels."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    x = np.where(rng.random((120, 4)) < 0.1, 1 - y[:, None], y[:, None])
    table = np.insert(x.astype(object), 3, np.array(["no", "yes"])[y], axis=1)
    _write(folder / "xy.csv", table)
    (folder / "y.txt").write_text("\n".join(table[:, 3]) + "\n")
    _write(folder / "x.csv", table[:, BITS], [NAMES[k] for k in BITS])
    return folder


def _write(path, rows, names=NAMES):
    path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")


@pytest.fixture(scope="module")
def models(data):
    """Return files of models of that table: in one order of the columns, and in any."""
    x, y = tables.read(data / "x.csv").x, (data / "y.txt").read_text().split()
    files = {}
    for cls in (cr.NADE, cr.OrderlessNADE):
        model = cls(8, epochs=60, learning_rate=0.05, batch_size=10)
        model.fit(x, y)._name_columns([NAMES[k] for k in BITS])
        files[cls] = data / f"{cls.__name__}.safetensors"
        model.save(files[cls])
    return files


@pytest.fixture(params=[cr.NADE, cr.OrderlessNADE])
def file(request, models):
    return models[request.param]


def test_conditionals_are_those_given_a_label(file, data, call, tmp_path):
    model, x = cr.load(file), tables.read(data / "x.csv").x
    out, words = tmp_path / "p.csv", (data / "y.txt").read_text().split()
    for rows, more, y in (
        ("x.csv", ("--label", "yes"), "yes"),
        ("x.csv", ("--labels-from", data / "y.txt"), words),
        ("xy.csv", ("--labels-from", "kind"), words),
    ):
        status, said, err = call("conditionals", file, data / rows, "--out", out, *more)
        assert (status, err) == (0, "") and "p(x_i = 1 | x_<i, label) of 120 rows" in said
        assert_allclose(tables.read(out).x, model.conditionals(x, y), atol=1e-6)
    assert call("conditionals", file, data / "x.csv", "--out", tmp_path / "p.png")[0] == 0
    assert call("conditionals", file, data / "xy.csv", "--out", tmp_path / "p.png", *more)[0] == 0


def test_completions_are_those_given_a_label(file, data, call, tmp_path):
    """Each draw of a row has the row's label, which stands where it stood."""
    out, words = tmp_path / "c.csv", np.array((data / "y.txt").read_text().split())
    ask = ("complete", file, data / "xy.csv", "--observed", "a", "--out", out, "--draws", 3)
    assert call(*ask, "--labels-from", "kind", "--seed", 0)[0] == 0
    found = tables.read(out)
    assert found.columns == ("row", "draw", *NAMES)
    assert_array_equal(found.x["kind"], words.repeat(3))
    agree = np.stack([found.x[name] for name in "bcd"], 1) == (words.repeat(3) == "yes")[:, None]
    assert agree.mean() > 0.8
    for label in ("no", "yes"):
        ask = ("complete", file, data / "x.csv", "--observed", "a", "--out", out, "--draws", 3)
        assert call(*ask, "--label", label, "--seed", 0)[0] == 0
        drawn = tables.read(out).x[:, 3:]
        assert (drawn == (label == "yes")).mean() > 0.8
    assert call(*ask[:-4], "--out", tmp_path / "c.png", "--label", "no")[0] == 0


def test_scores_say_what_they_are_given(file, data, call, tmp_path):
    asked = ("score", file, data / "x.csv", "--out", tmp_path / "p.npy")
    assert "rows, log p(x) " in call(*asked)[1]
    assert "rows, log p(x | label) " in call(*asked, "--label", "yes")[1]


def test_labels_may_be_numbers_and_words(call, tmp_path, rng):
    """A column of mostly numbers, with words among them, is one of words, in training and after."""
    y = np.where(rng.random(60) < 0.2, "3+", rng.integers(0, 3, 60).astype(str))
    x = rng.integers(0, 2, (60, 2))
    _write(tmp_path / "x.csv", np.insert(x.astype(object), 0, y, axis=1), ("kids", "a", "b"))
    train = ("train", "fvsbn", "--data", tmp_path / "x.csv", "--labels-from", "kids", "-q")
    assert call(*train, "--epochs", 1, "--out", tmp_path / "r") == (0, "", "")
    assert cr.load(tmp_path / "r").classes_.tolist() == ["0", "1", "2", "3+"]
    numbers = y != "3+"
    rows = np.insert(x[numbers].astype(object), 0, y[numbers], axis=1)
    _write(tmp_path / "few.csv", rows, ("kids", "a", "b"))
    score = ("score", tmp_path / "r", tmp_path / "few.csv", "--out", tmp_path / "p.npy")
    assert call(*score, "--labels-from", "kids")[0] == 0
    told = cr.load(tmp_path / "r").log_prob(x[numbers], y[numbers])
    assert_allclose(np.load(tmp_path / "p.npy"), told, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "wrong", "words"),
    [
        ("no yes", "", "has no label at line 4, column 1 ('y'); fill it in or drop that row"),
        ("0 1", "", "has no label at line 4, column 1 ('y'); fill it in or drop that row"),
        ("0 1", "0.5", "holds 0.5 at line 4, column 1 ('y'), which is no label"),
        ("0 1", "two", "holds 'two' at line 4, column 1 ('y'), a label never seen in training; "),
        ("no yes", "7", "holds '7' at line 4, column 1 ('y'), a label never seen in training; "),
    ],
)
def test_a_label_that_cannot_be_is_named(labels, wrong, words, call, tmp_path):
    rows = [[one, k % 2, "x"] for k, one in enumerate(labels.split() * 10)]
    _write(tmp_path / "good.csv", rows, ("y", "a", "b"))
    rows[2][0] = wrong
    _write(tmp_path / "bad.csv", rows, ("y", "a", "b"))
    train = ("train", "orderless_nade", "--set", "hidden=2", "--epochs", 1, "-q")
    train += ("--labels-from", "y", "--out", tmp_path / "r", "--data")
    if wrong in ("", "0.5"):
        status, out, err = call(*train, tmp_path / "bad.csv")
        assert (status, out) == (2, "") and f"bad.csv {words}" in err
    assert call(*train, tmp_path / "good.csv")[0] == 0
    status, out, err = call("score", tmp_path / "r", tmp_path / "bad.csv", "--labels-from", "y")
    assert (status, out) == (2, "") and f"bad.csv {words}" in err and err.count("\n") == 1


def test_cells_beside_labels_are_named_by_their_column_in_the_file(call, tmp_path):
    """A column of labels counts, as it stands in the file; one that nobody named is named."""
    rows = [["no" if k % 2 else "yes", k % 2, "xy"[k % 2]] for k in range(20)]
    _write(tmp_path / "x.csv", rows, ("y", "a", "b"))
    train = ("train", "orderless_nade", "--set", "hidden=2", "--epochs", 1, "-q")
    train += ("--labels-from", "y", "--out", tmp_path / "r", "--data", tmp_path / "x.csv")
    assert call(*train)[0] == 0
    rows[3][2] = "z"
    _write(tmp_path / "z.csv", rows, ("y", "a", "b"))
    for verb in ("score", "impute", "complete", "conditionals"):
        ask = (verb, tmp_path / "r", tmp_path / "z.csv", "--out", tmp_path / "o.csv")
        ask += ("--observed", "known") if verb == "complete" else ()
        status, _, err = call(*ask, "--labels-from", "y")
        assert status == 2 and "line 5, column 3 ('b')" in err
        status, _, err = call(*ask)
        assert status == 2 and "has a column 'y', which the model was not fitted on" in err
        assert "--labels-from y" in err
    _write(tmp_path / "w.csv", [row[::-1] for row in rows], ("b", "a", "y"))
    status, _, err = call("score", tmp_path / "r", tmp_path / "w.csv", "--labels-from", "y")
    assert status == 2 and "has 'b' as column 1 where the model was fitted on 'a'" in err
