"""Tables whose first column has no name, as pandas writes an index, beside what is made of it."""

import numpy as np
import pytest

from chainrule.datasets import tables
from chainrule.encoders import doubts

TRAIN = ("train", "orderless_nade", "--set", "hidden=2", "--epochs", 1, "-q")


@pytest.fixture
def table(tmp_path, rng):
    """Return a table with an index of words, labels, and a gap in every third row."""
    x = rng.integers(0, 2, (30, 2)).astype(object)
    x[::3, 0] = ""
    lines = [f'"no. {k}",{a},{"xy"[k % 2]},{b}' for k, (a, b) in enumerate(x)]
    (tmp_path / "x.csv").write_text("\n".join([",a,kind,b", *lines]) + "\n")
    return tmp_path / "x.csv"


@pytest.mark.parametrize("verb", ["impute", "complete"])
@pytest.mark.parametrize("draws", [1, 2])
def test_an_index_stays_beside_its_rows(verb, draws, table, call, tmp_path):
    labels, out = ("--labels-from", "kind"), tmp_path / "full.csv"
    assert call(*TRAIN, "--data", table, *labels, "--out", tmp_path / "r") == (0, "", "")
    ask = (verb, tmp_path / "r", table, *labels, "--draws", draws, "--out", out)
    assert call(*ask, *(("--observed", "known") if verb == "complete" else ()))[0] == 0
    head, *rows = [line.split(",") for line in out.read_text().splitlines()]
    numbers = [] if draws == 1 else ["row", "draw"]
    assert head == ["", *numbers, "a", "kind", "b"]
    assert [row[0] for row in rows] == [f"no. {k}" for k in range(30) for _ in range(draws)]
    assert [row[-2] for row in rows] == ["xy"[k % 2] for k in range(30) for _ in range(draws)]
    known = [line.split(",") for line in table.read_text().splitlines()[1:]]
    for row, was in zip(rows, np.repeat(known, draws, axis=0), strict=True):
        assert row[-1] == was[3] and row[-3] in (was[1:2] if was[1] else "01")
    with pytest.warns(doubts.DataWarning, match="taken for an index"):
        again = tables.read(out)
    assert again.columns == tuple(head[1:]) and again.left_out == 1
    assert again.before.tolist() == [row[0] for row in rows]


def test_a_table_without_labels_keeps_its_index(tmp_path, call):
    (tmp_path / "x.csv").write_text(",a,b\n" + "".join(f"{k},{k % 2},0\n" for k in range(7, 27)))
    assert call(*TRAIN, "--data", tmp_path / "x.csv", "--out", tmp_path / "r")[0] == 0
    (tmp_path / "y.csv").write_text(",a,b\n3,,0\n1,1,\n")
    out = tmp_path / "full.csv"
    status, _, err = call("impute", tmp_path / "r", tmp_path / "y.csv", "--out", out)
    assert status == 0 and "taken for an index" in err
    assert [line.split(",")[0] for line in out.read_text().split()] == ["", "3", "1"]


def test_a_column_may_have_a_comma_in_its_name(tmp_path, call):
    (tmp_path / "x.csv").write_text('"size, cm",b\n' + "1,0\n0,1\n" * 10)
    assert call(*TRAIN, "--data", tmp_path / "x.csv", "--out", tmp_path / "r")[0] == 0
    ask = (
        "complete",
        tmp_path / "r",
        tmp_path / "x.csv",
        "--draws",
        1,
        "--out",
        tmp_path / "o.csv",
    )
    status, said, _ = call(*ask, "--observed", "size, cm")
    assert status == 0 and "1 of 2 observed" in said
