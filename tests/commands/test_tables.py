"""Tables of text at the command line: headers in and out, and errors that name line and column."""

import gzip

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.datasets import tables

NAMES = ("age", "sex", "smoker", "sport")
TRAIN = ("train", "fvsbn", "--epochs", 1, "--quiet", "--backend", "reference")


@pytest.fixture
def x(rng):
    return rng.integers(0, 2, (60, 4), np.uint8)


def write(path, x, names=NAMES):
    lines = [",".join(names)] if names else []
    path.write_text("\n".join([*lines, *(",".join(map(str, row)) for row in x.tolist())]) + "\n")
    return path


@pytest.fixture
def trained(tmp_path, x, call):
    """Return the folder of a model trained on a table with a header, and the table."""
    data, run = write(tmp_path / "x.csv", x), tmp_path / "run"
    assert call(*TRAIN, "--data", data, "--out", run) == (0, "", "")
    return run, data


def test_names_of_columns_go_from_table_to_model_to_table(trained, x, call, tmp_path):
    run, data = trained
    model = cr.load(run / "model.safetensors")
    assert model.feature_names_in_.tolist() == list(NAMES)
    outputs = {
        "score": ([data], ("log_prob",), 60),
        "sample": (["-n", 5], NAMES, 5),
        "complete": ([data, "--observed", "prefix:2", "--draws", 1], NAMES, 60),
        "conditionals": ([data], NAMES, 60),
    }
    for verb, (arguments, columns, n_rows) in outputs.items():
        out = tmp_path / f"{verb}.csv"
        assert call(verb, run, *arguments, "--out", out, "--quiet")[0] == 0
        table = tables.read(out)
        assert table.columns == columns and len(table.x) == n_rows
    for verb in ("sample", "complete"):  # one's own output is data again
        status, out, err = call("score", run, tmp_path / f"{verb}.csv")
        assert (status, err) == (0, "") and len(out.split()) == len(
            tables.read(tmp_path / f"{verb}.csv").x
        )


@pytest.mark.parametrize("names", [None, ("0", "1", "2", "3"), ("0", "1", "2", "4")])
def test_tables_without_names_or_with_counted_ones(names, x, call, tmp_path):
    """Columns 0, 1, 2, 4 cannot be told from a row, and a row they are: of other values."""
    data, run = write(tmp_path / "x.csv", x, names), tmp_path / "run"
    status, _, err = call(*TRAIN, "--data", data, "--out", run)
    if names and names[-1] == "4":
        assert status == 2 and "got 2 at line 1, column 3;" in err
        return
    assert (status, err) == (0, "")
    assert call("sample", run, "-n", 3, "--out", tmp_path / "s.csv", "-q")[0] == 0
    table = tables.read(tmp_path / "s.csv")
    assert table.columns == names and len(table.x) == 3
    assert len(call("score", run, data)[1].split()) == 60


def test_names_that_would_be_read_as_a_row_are_not_written(x, call, tmp_path):
    pandas = pytest.importorskip("pandas")
    model = cr.FVSBN(epochs=1, backend="reference").fit(
        pandas.DataFrame(x[:, :2], columns=["0", "1"])
    )
    model.save(tmp_path / "m.safetensors")
    call("sample", tmp_path / "m.safetensors", "-n", 3, "--out", tmp_path / "s.csv", "-q")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3


def test_columns_in_another_order_are_refused(trained, x, call, tmp_path):
    run, _ = trained
    other = write(tmp_path / "other.csv", x, NAMES[::-1])
    for verb in (["score"], ["conditionals"], ["complete"]):
        status, out, err = call(*verb, run, other, "--out", tmp_path / "o.npy")
        assert (status, out) == (
            2,
            "",
        ) and "has 'sport' as column 1 where the model was fitted" in err
    assert call("score", run, write(tmp_path / "plain.csv", x, None), "-q")[0] == 0


@pytest.mark.parametrize("names", [NAMES, None])
@pytest.mark.parametrize("value", ["7", "", "NA", "x"])
def test_the_line_is_named_by_every_verb_also_in_a_shuffled_split(
    names, value, trained, x, call, tmp_path
):
    run, _ = trained
    lines = write(tmp_path / "bad.csv", x, names).read_text().splitlines()
    for at in (1, 17, 59):  # wherever the shuffle puts it
        broken = lines[:]
        fields = broken[at].split(",")
        broken[at] = ",".join([*fields[:2], value, *fields[3:]])
        (tmp_path / "bad.csv").write_text("\n".join(broken))
        bad, place = tmp_path / "bad.csv", f"line {at + 1}, column 3"
        place += " ('smoker')" if names else ""
        for arguments in (
            ("score", run, bad),
            ("conditionals", run, bad, "--out", tmp_path / "o.npy"),
            ("complete", run, bad, "--observed", "prefix:3", "--out", tmp_path / "o.npy"),
            (*TRAIN, "--data", bad, "--out", tmp_path / "new"),
        ):
            status, out, err = call(*arguments)
            assert (status, out) == (2, "") and place in err, (arguments, err)
            assert err.count("\n") == 1 and "bad.csv" in err
        assert not (tmp_path / "new").exists()


def test_what_is_not_observed_may_be_missing(trained, x, call, tmp_path):
    run, data = trained
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[0], "0,1,,NA", *lines[2:]]))
    arguments = ("complete", run, data, "--observed", "prefix:2", "--draws", 1)
    assert call(*arguments, "--out", tmp_path / "c.csv", "-q") == (0, "", "")
    assert tables.read(tmp_path / "c.csv").x[0, :2].tolist() == [0, 1]


def test_what_is_doubtful_is_said_on_standard_error(x, call, tmp_path):
    data = tmp_path / "two.csv"
    data.write_text("0,1\n1,1\n0,0\n1,0\n")
    loud = [one for one in TRAIN if one != "--quiet"]
    status, _, err = call(*loud, "--data", data, "--out", tmp_path / "run")
    assert status == 0
    assert err.startswith(f"chainrule: {data}: the first line, 0, 1, was taken for a row")
    assert err.count("\n") == 1
    assert "was taken for a row" in call("score", tmp_path / "run", data)[2]
    assert call("score", tmp_path / "run", data, "-q")[2] == ""


def test_packed_tables_and_the_row_of_an_array(trained, x, call, tmp_path):
    run, data = trained
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(data.read_bytes().replace(b",", b"\t")))
    assert call("score", run, tmp_path / "x.tsv.gz")[1] == call("score", run, data)[1]
    x[21, 2] = 9
    np.save(tmp_path / "x.npy", x)
    for arguments in (
        ("score", run, tmp_path / "x.npy"),
        (*TRAIN, "--data", tmp_path / "x.npy", "--out", tmp_path / "new"),
    ):
        assert "x.npy must hold only 0 and 1, got 9 at [21, 2]" in call(*arguments)[2]


def test_the_picture_with_grey_levels_is_named_and_the_threshold_fits(call, tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    for k in range(8):
        grey = np.full((2, 2), 255 * (k % 2) if k != 3 else 200, np.uint8)
        Image.fromarray(grey).save(folder / f"{k}.png")
    train = (*TRAIN, "--data", folder, "--out", tmp_path / "run")
    _, _, err = call(*train)
    assert (
        "got 255 at pixel [0, 0] of 1.png; its values go from 0 to 255, so train with --binarize"
        in err
    )
    assert call(*train, "--binarize", 127) == (0, "", "")
    assert len(call("score", tmp_path / "run", folder)[1].split()) == 8


def test_the_line_of_what_is_no_symbol_is_named_too(x, call, tmp_path):
    lines = write(tmp_path / "x.csv", x).read_text().splitlines()
    train = ("train", "rnn", "--steps", 1, "--set", "n_hidden=2", "--backend", "reference", "-q")
    good = (*train, "--data", tmp_path / "x.csv", "--out", tmp_path / "run")
    assert call(*good) == (0, "", "")
    for at in (1, 23, 60):
        bad = write(tmp_path / "bad.csv", x)
        bad.write_text("\n".join([*lines[:at], "0,1,-1,0", *lines[at + 1 :]]))
        for arguments in (
            (*train, "--data", bad, "--out", tmp_path / "new"),
            ("score", tmp_path / "run", bad),
        ):
            status, out, err = call(*arguments)
            place = f"bad.csv holds -1 at line {at + 1}, column 3 ('smoker'); symbols are counted"
            assert (status, out) == (2, "") and place in err
