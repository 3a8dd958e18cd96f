"""Numbers with a decimal comma, and what spreadsheets write around rows."""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule import datasets
from chainrule.datasets import lines, tables
from chainrule.encoders import cells


def read(text, **options):
    return tables.read(io.BytesIO(text.encode()), "x.csv", **options)


@pytest.mark.parametrize("block", [1, 1 << 22])
@pytest.mark.parametrize(
    "text",
    [
        "a;b\n3,5;1\n-,25;2,0\n1,5e2;3\n",
        "a\tb\n3,5\t1\n-,25\t2\n1,5e2\t3\n",
        'a,b\n"3,5",1\n"-0,25",2\n"1,5e2","3,0"\n',
        "3,5 1\n-0,25 2\n1,5e2 3\n",
        "sep=;\na;b\n3,5;1\n\u22120,25;2\n150;3\n",
    ],
)
def test_decimal_commas_are_read_where_they_are_said(text, block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    table = read(text, decimal=",")
    assert_array_equal(table.x, [[3.5, 1], [-0.25, 2], [150, 3]])
    assert table.columns == (None if text[0] == "3" else ("a", "b"))


def test_one_column_of_decimal_commas():
    assert_array_equal(read("3,5\n4,25\n", decimal=",").x, [[3.5], [4.25]])


def test_words_beside_decimal_commas():
    table = read("kind;x\nnew, or so;3,5\nold;4,25\n", decimal=",")
    assert table.x.column(0).categories == ("new, or so", "old")
    assert table.x.column(1).values.tolist() == [3.5, 4.25]


@pytest.mark.parametrize("field", ["1.500", "1.5", ".5", "1.234,5"])
def test_a_point_among_decimal_commas_is_refused(field):
    with pytest.raises(ValueError, match=r"line 3, column 2 \('b'\) holds '.*'"):
        read(f"a;b\n3,5;1\n4,5;{field}\n5,5;2\n", decimal=",")


def test_a_decimal_comma_that_nobody_said_has_a_cure():
    for field in ("3,5", "1,234"):
        with pytest.raises(ValueError, match=r"say decimal=','"):
            read(f"a;b\n{field};1\n4;2\n5;3\n")
    with pytest.raises(ValueError, match=r"decimal must be '\.' or ','"):
        read("a;b\n1;2\n", decimal=";")


def test_data_sets_take_it_too(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a;b\n" + "".join(f"{k},5;{k}\n" for k in range(20)))
    data = datasets.load(path, decimal=",")
    x = np.concatenate([data.train.x, data.valid.x, data.test.x])
    assert sorted(x[:, 0]) == [k + 0.5 for k in range(20)]
    with pytest.raises(ValueError, match=r"decimal=',' is of tables of text"):
        datasets.load("digits", decimal=",")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;  ", "\ufeffsep=;"])
def test_the_line_that_excel_writes_is_the_delimiter(first):
    table = read(f"{first}\na,b;c\n1;2\n3;4\n")
    assert table.columns == ("a,b", "c") and table.lines.tolist() == [3, 4]
    assert_array_equal(table.x, [[1, 2], [3, 4]])


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("text", ["a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n"])
def test_a_comma_that_ends_all_lines_is_said(text, missing):
    with pytest.raises(ValueError, match="its lines end with a comma"):
        read(text, missing=missing)
    with pytest.raises(ValueError, match="its lines end with a semicolon"):
        read(text.replace(",", ";"), missing=missing)


def test_a_last_column_that_lacks_its_first_values_is_one():
    x = read("a,b,c\n1,2,\n3,4,\n3,4,5\n", missing=True).x
    assert np.isnan(x[:2, 2]).all() and x[2, 2] == 5
    assert read("1,2,\n3,4,\n", missing=True).x.shape == (2, 3)


def test_what_errors_quote_is_cut():
    word = "w" * 200_000
    error = cells.CellError("{name} holds 'a' at {place}; {key}", "X", 1, 2, word)
    assert len(str(error)) < 300 and "ww…'" in str(error)
    assert cells.short(f"a 'b' \"{word}\" c 'd'") == f"a 'b' \"{'w' * 60}…\" c 'd'"
    with pytest.raises(ValueError, match="…") as refused:
        read(f"{word},{word}\n1,2\n")
    assert len(str(refused.value)) < 300
