"""Whether a table's first line holds names: said at the command line, kept by a run."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.datasets import tables

TRAIN = ("train", "table_nade", "--epochs", 1, "--set", "n_hidden=4", "--backend", "reference")


@pytest.fixture
def years(tmp_path, rng):
    """Return a CSV whose names are numbers in part."""
    path = tmp_path / "years.csv"
    rows = [f"{'ab'[n % 2]},{x:.3f},{y:.3f}" for n, (x, y) in enumerate(rng.normal(size=(40, 2)))]
    path.write_text("\n".join(["city,2019,2020", *rows]) + "\n")
    return path


def test_names_that_are_numbers_go_from_table_to_model_to_table(years, call, tmp_path):
    run, drawn = tmp_path / "run", tmp_path / "drawn.csv"
    status, _, err = call(*TRAIN, "--data", years, "--out", run)
    assert status == 0
    assert "was taken for column names; if a row, give --no-header" in err
    assert cr.load(run).feature_names_in_.tolist() == ["city", "2019", "2020"]
    assert call("sample", run, "-n", 5, "--out", drawn, "-q")[0] == 0
    assert tables.read(drawn, header=True).columns == ("city", "2019", "2020")
    status, out, err = call("score", run, years, "--header")
    assert (status, err) == (0, "") and len(out.split()) == 40
    for verb in ("complete", "conditionals"):
        line = (verb, run, years, "--header", "--out", tmp_path / "out.csv", "-q")
        more = ("--observed", "city") if verb == "complete" else ()
        assert call(*line, *more) == (0, "", "")


def test_a_run_keeps_what_was_said_of_its_header(tmp_path, rng, call):
    data, run = tmp_path / "x.csv", tmp_path / "run"
    rows = np.vstack([np.arange(3), rng.integers(0, 3, (40, 3))])
    data.write_text("\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n")
    line = (*TRAIN, "--data", data, "--out", run)
    assert call(*line, "--no-header", "-q") == (0, "", "")
    assert call("train", "table_nade", "--out", run, "--resume", "--epochs", 2, "-q") == (0, "", "")
    assert len(call("score", run, data, "--no-header")[1].split()) == 41
    status, _, err = call("train", "table_nade", "--out", run, "--resume", "--header")
    assert status == 2 and "was begun with header=False, not True" in err


def test_a_header_is_of_tables_alone(tmp_path, call):
    (tmp_path / "a.txt").write_text("to be or not to be " * 20)
    line = ("--out", tmp_path / "run", "--header")
    status, _, err = call("train", "rnn", "--data", tmp_path / "a.txt", *line)
    assert status == 2 and "--header is of tables, and" in err
    status, _, err = call("train", "nade", "--data", "digits", *line)
    assert status == 2 and "--header is of tables of text, .csv, .tsv, .txt, and digits is" in err


def test_what_is_doubtful_about_columns_is_said_in_options(tmp_path, rng, call):
    data = tmp_path / "x.csv"
    rows = [f"{n % 2},d{n},{x:.3f}" for n, x in enumerate(rng.normal(size=60))]
    data.write_text("\n".join(["sex,day,x", *rows]) + "\n")
    line = ("train", "table_nade", "--data", data, "--epochs", 1, "--set", "n_hidden=4")
    line = (*line, "--out", tmp_path / "a", "--backend", "reference")
    status, _, err = call(*line)
    assert status == 0 and "'day'" in err and "--column-types 'day:categorical'" in err
    assert len(err.splitlines()) == 1
    assert call(*line, "-q", "--force") == (0, "", "")
    resume = ("train", "table_nade", "--out", tmp_path / "a", "--resume", "--epochs", 2)
    assert call(*resume)[::2] == (0, ""), "it was said as the run began"


def test_a_category_never_seen_has_its_cure_in_options(tmp_path, rng, call):
    data, other, run = tmp_path / "x.csv", tmp_path / "y.csv", tmp_path / "run"
    rows = [f"{n % 5},{x:.3f}" for n, x in enumerate(rng.normal(size=60))]
    data.write_text("\n".join(["kids,x", *rows]) + "\n")
    other.write_text("kids,x\n1,0.5\n9,0.5\n")
    line = ("train", "table_nade", "--data", data, "--epochs", 1, "--set", "n_hidden=4", "-q")
    assert call(*line, "--out", run, "--backend", "reference")[0] == 0
    status, _, err = call("score", run, other)
    assert status == 2 and "line 3, column 1 ('kids'), a category never seen" in err
    assert "--column-types 'kids:range(10)' if it is one more category" in err
    assert "--column-types 'kids:integer' if it counts" in err
    line = (*line, "--out", run, "--force", "--backend", "reference", "--column-types")
    assert call(*line, "kids:range(10)")[0] == 0
    assert len(call("score", run, other)[1].split()) == 2
