"""`chainrule impute`, and models that are trained and score where values are missing."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.datasets import tables

TRAIN = ("train", "orderless_nade", "--quiet", "--seed", 1)
KG = {"cat": 4.0, "dog": 20.0, "mouse": 0.5}


def write(path, rows):
    path.write_text("\n".join(["pet,kg,barks", *(",".join(row) for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a table of pets, a fifth of whose cells are empty, and its cells."""
    rng = np.random.default_rng(0)
    cells = []
    for pet in rng.choice(list(KG), 250):
        row = [pet, f"{KG[pet] * np.exp(0.1 * rng.normal()):.4f}", "yes" if pet == "dog" else "no"]
        cells.append([cell if rng.random() > 0.2 else "" for cell in row])
    return write(tmp_path_factory.mktemp("pets") / "pets.csv", cells), np.array(cells)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """Return the file of a model of that table."""
    options = {"epochs": 40, "learning_rate": 0.02, "batch_size": 20, "n_components": 2}
    model = cr.OrderlessNADE((16, 16), **options)
    file = tmp_path_factory.mktemp("run") / "pets.safetensors"
    model.fit(cr.datasets.load(data[0], missing=True).train.x).save(file)
    return file


def cells(path):
    return np.array([line.split(",") for line in path.read_text().split()[1:]])


def test_what_a_table_lacks_is_filled_in(data, run, call, tmp_path):
    (table, before), out = data, tmp_path / "filled.csv"
    status, said, err = call("impute", run, table, "--out", out, "--seed", 3)
    lacking = before == ""
    n, rows = lacking.sum(), lacking.any(axis=1).sum()
    assert (status, err) == (0, "")
    assert said == f"{n:,} values of {rows:,} rows filled in, 250 rows in all; {out}\n"
    after = cells(out)
    assert (after != "").all() and tables.read(out).columns == ("pet", "kg", "barks")
    for k in (0, 2):
        assert (after[:, k] == before[:, k])[~lacking[:, k]].all()
    there = ~lacking[:, 1]
    assert (after[there, 1].astype(float) == before[there, 1].astype(float)).all()
    new = lacking[:, 1] & (before[:, 0] != "")
    off = [abs(float(kg) / KG[pet] - 1) for pet, kg in after[new, :2]]
    assert np.median(off) < 1
    again = tmp_path / "again.csv"
    assert call("impute", run, table, "--out", again, "--seed", 3)[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_several_draws_of_a_row_follow_one_another(data, run, call, tmp_path):
    (table, before), out = data, tmp_path / "filled.csv"
    status, said, _ = call("impute", run, table, "--out", out, "--draws", 3)
    assert status == 0 and "filled in, 3 times, 250 rows in all" in said
    written = cells(out).reshape(250, 3, 5)
    assert (written[:, :, 0].astype(int) == np.arange(1, 251)[:, None]).all()
    assert (written[:, :, 1].astype(int) == [1, 2, 3]).all()
    after = written[:, :, 2:]
    for draw in range(3):
        there = before[:, 0] != ""
        assert (after[there, draw, 0] == before[there, 0]).all()
    assert (after[:, 0] != after[:, 1]).any()


def test_rows_that_lack_values_are_scored_and_trained_on(data, call, tmp_path):
    run, settings = tmp_path / "run", ("--set", "hidden=4,3", "--epochs", 2)
    assert call(*TRAIN, "--data", data[0], *settings, "--out", run) == (0, "", "")
    assert cr.load(run / "model.safetensors").hidden == (4, 3)
    status, out, err = call("score", run, data[0])
    assert (status, err) == (0, "") and len(out.split()) == 250
    summary = json.loads((run / "run.json").read_text())
    assert np.isfinite(summary["test_nll"])
    assert call("info", run)[0] == 0


def test_words_and_other_models_are_refused_in_a_sentence(data, run, call, tmp_path, rng):
    status, _, err = call("impute", run, data[0], "--out", tmp_path / "filled.npy")
    assert status == 2 and err.count("\n") == 1 and "holds numbers; end it in .csv" in err
    strange = write(tmp_path / "strange.csv", [["cow", "", "no"], ["cat", "3", ""]])
    status, _, err = call("impute", run, strange, "--out", tmp_path / "filled.csv")
    assert status == 2 and err.count("\n") == 1 and "'cow'" in err
    x = tmp_path / "x.npy"
    np.save(x, rng.integers(0, 2, (40, 4), np.uint8))
    other = tmp_path / "other"
    assert call("train", "fvsbn", "--data", x, "--epochs", 1, "--quiet", "--out", other)[0] == 0
    status, _, err = call("impute", other, x)
    assert status == 2 and "impute is for OrderlessNADE" in err and "FVSBN" in err
    status, _, err = call("train", "fvsbn", "--data", data[0], "--out", tmp_path / "no")
    assert status == 2 and "is empty; fill in or drop such rows first" in err


def test_completions_of_any_pattern_are_exact(call, tmp_path, rng):
    x, run, out = tmp_path / "x.npy", tmp_path / "run", tmp_path / "c.npy"
    np.save(x, rng.integers(0, 2, (40, 4), np.uint8))
    assert call(*TRAIN, "--data", x, "--epochs", 1, "--set", "hidden=4", "--out", run)[0] == 0
    status, said, err = call("complete", run, x, "--observed", "right", "--out", out)
    assert (status, err) == (0, "") and "exact, whatever is observed" in said


def test_bools_come_back_as_they_were(data, call, tmp_path):
    """Also where cells are empty: as True and False, not as 1 and 0."""
    before, said = data[1], {"yes": "True", "no": "False", "": ""}
    bools = write(tmp_path / "bools.csv", [[*row[:2], said[row[2]]] for row in before])
    run, out = tmp_path / "run", tmp_path / "filled.csv"
    small = ("--epochs", 1, "--set", "hidden=4", "--set", "n_components=2")
    assert call(*TRAIN, "--data", bools, "--out", run, *small)[0] == 0
    assert call("impute", run, bools, "--out", out, "--seed", 3)[0] == 0
    after, told = cells(out)[:, 2], before[:, 2] != ""
    assert set(after) == {"True", "False"}
    assert [said[word] for word in before[told, 2]] == after[told].tolist()


def test_bits_are_of_the_cells_that_are_there(data, run, call, tmp_path):
    (table, before), out = data, tmp_path / "logp.csv"
    status, said, err = call("score", run, table, "--out", out)
    assert (status, err) == (0, "")
    log_p = np.loadtxt(out, skiprows=1)
    each = -log_p.sum() / ((before != "").sum() * np.log(2))
    assert f"{each:.4f} bits per dimension" in said
    model = cr.load(run)
    x = cr.datasets.tables.read(table, missing=True).x
    assert model.bits_per_dim(x) == pytest.approx(each, rel=1e-4)
    status, said, err = call(*TRAIN[:2], "--data", table, "--epochs", 1, "--out", tmp_path / "run")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    test = cr.datasets.load(table, missing=True).test.x
    share = model.encoder_.observed(test).mean()
    whole = told["test_nll"] / (3 * np.log(2))
    assert told["test_bits_per_dimension"] == pytest.approx(whole / share)
    shown = f"{told['test_bits_per_dimension']:.4f}"
    assert status == 0 and shown in said
    assert shown in call("info", tmp_path / "run")[1]


def test_a_label_that_is_missing_is_no_cell_to_fill_in(call, tmp_path):
    rows = [["cat", "4", "yes"], ["", "2", "no"], ["dog", "", "no"]] * 8
    path = write(tmp_path / "x.csv", rows)
    asked = (*TRAIN, "--epochs", 1, "--data", path, "--out", tmp_path / "run")
    status, _, err = call(*asked, "--labels-from", "pet")
    assert status == 2 and "x.csv has no label at line " in err
    assert "; fill it in or drop that row" in err and "orderless_nade" not in err
    status, _, err = call(*asked, "--labels-from", "kg")
    assert status == 2 and "has no label at line" in err
