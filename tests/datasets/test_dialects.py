"""How lines are cut up: delimiters, names, comments; what is a guess is said, and can be told."""

import io
import warnings

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import lines, tables
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.frames import Frame

N = 20


@pytest.fixture(autouse=True)
def no_warnings():
    """Let a warning that no test expects be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read(text, **options):
    return tables.read(io.BytesIO(text.encode()), "x.csv", **options)


def body(line):
    """Return N lines, each made by a function of its number."""
    return "\n".join(map(line, range(N)))


def cells(table):
    """Return the first row of a table, as it is."""
    if isinstance(table.x, Frame):
        return [table.x.column(k).word(0) for k in range(table.x.shape[1])]
    return table.x[0].tolist()


# Names


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("city,2019,2020", lambda n: f"c{n % 3},{n},{n / 2}"),
        ("city,2019,2020", lambda n: f"c{n % 3},{n},{n + 1}"),
        ("store,1,2,3", lambda n: f"s{n},{n + 9},5,6"),
        ("2019,2020", lambda n: f"{n},{n / 2}"),
        ("0,1", lambda n: f"{n},{n / 7:.3f}"),
        ("0,1,2,3", lambda n: f"{n % 4},3,2,{n % 2}"),
    ],
)
def test_names_that_are_numbers_are_names_and_said(names, line):
    with pytest.warns(DataWarning, match="was taken for column names; if a row, say header=False"):
        table = read(f"{names}\n{body(line)}")
    assert table.columns == tuple(names.split(",")) and len(table.x) == N
    assert read(f"{names}\n{body(line)}", header=True).columns == table.columns
    assert len(read(f"{names}\n{body(line)}", header=False).x) == N + 1


@pytest.mark.parametrize(
    "line",
    [
        lambda n: f"{n / 7:.3f},{n},{900 + n}",  # of fractions one column, others beyond the count
        lambda n: f"a{n},{n},{n}",
        lambda n: f"{n / 7:.3f},{n / 3:.3f},-1.5",
    ],
)
def test_what_pandas_counts_above_measures_are_names_in_silence(line):
    assert read(f"0,1,2\n{body(line)}").columns == ("0", "1", "2")


@pytest.mark.parametrize(
    "text",
    [
        "Ann,31,2019\nBob,45,2018\nCid,31,2018\n",
        "2019,2020\n2018,2021\n",
        "a,1,2\nb,2,3\nc,3,4\n",
        "5.1,3.5,a\n4.9,3.0,b\n",
        "7,120\n1.5,3.25\n2.5,4.75\n",
    ],
)
def test_rows_like_those_below_stay_rows_in_silence(text):
    table = read(text)
    assert table.columns is None and len(table.x) == text.count("\n")


def test_a_word_above_numbers_makes_names_of_the_numbers_beside_it():
    with pytest.warns(DataWarning, match="the first line, id, 2020, was taken for column names"):
        assert read("id,2020\n1,7\n2,8\n").columns == ("id", "2020")
    with pytest.raises(ValueError, match="line 1, column 1 holds 'id', which is no number"):
        read("id,2020\n1,7\n2,8\n", header=False)


def test_what_stands_again_below_is_no_name():
    with pytest.raises(ValueError, match="line 1, column 1 holds 'age', which is no number; if th"):
        read("age,1,c\n0,1,0\n1,1,0\n")
    assert read("age,1,c\n0,1,0\n1,1,0\n", header=True).columns == ("age", "1", "c")


def test_a_header_that_is_told_is_no_guess():
    assert read("1,0\n0,1\n", header=True).columns == ("1", "0")
    assert read("a,b\nb,a\n", header=False).columns is None
    assert read("0,1\n1,0\n", header=False).x.tolist() == [[0, 1], [1, 0]]
    assert read("01\n10\n11\n", header=True).columns == ("01",)
    with pytest.raises(ValueError, match=r"header=True is of tables of text.*digits is none"):
        datasets.load("digits", header=True)


def test_columns_of_one_name_are_refused_in_any_table():
    with pytest.raises(ValueError, match=r"two columns are called 'a'; rename one .*header=False"):
        read("a,b,a\n0,1,2\n1,1,1\n")
    with pytest.raises(ValueError, match="two columns have no name"):
        read("a,,\n0,1,2\n")
    assert len(read("a,b,a\nb,b,b\n", header=False).x) == 2


# Lines that begin with #


def test_a_line_that_begins_with_a_sharp_is_the_header_or_data_but_never_lost():
    for sharp in ("#", "# "):
        table = read(f"# of 2020\n{sharp}id,x\n{body(lambda n: f'{n},{n / 2}')}")
        assert table.columns == ("id", "x") and len(table.x) == N and table.lines[0] == 3
    table = read(f"tag,x\n{body(lambda n: f'#{n % 3},{n / 2}')}")
    assert table.x.column(0).categories == ("#0", "#1", "#2") and len(table.x) == N
    assert read("# x y\n0 1\n2 3\n").columns == ("x", "y")
    assert read("#x\n5\n6\n").columns == ("x",)


def test_comments_above_all_others_are_comments():
    assert read("# made by me\na,b\n0,1\n1,1\n").columns == ("a", "b")
    assert read("# a comment of many words\n0 1\n1 1\n").columns is None
    assert read("# one comment\n5\n6\n").columns is None
    with pytest.warns(
        DataWarning, match="line 1 begins with # and was taken for a comment, though"
    ):
        assert len(read("#0,1\n1,1\n0,0\n1,0\n").x) == 3
    with pytest.warns(DataWarning, match="line 1 begins with #"):
        assert read("# mine, of 2020\na,b\n0,1\n1,1\n").columns == ("a", "b")
    with pytest.raises(ValueError, match="it is empty; lines that begin with # are comments"):
        read("#0,1\n#1,1\n")
    with pytest.raises(
        ValueError, match=r"line 3 has 1 fields, .*# is a comment above all others a"
    ):
        read("0,5\n1,5\n# mine\n1,1\n")


# Delimiters


@pytest.mark.parametrize("header", ["sepal length (cm)", "length"])
def test_one_column_of_numbers_has_any_name(header):
    table = read(f"{header}\n{body(lambda n: f'{1 + n / 10:.1f}')}")
    assert table.columns == (header,) and table.x.shape == (N, 1)


def test_one_column_of_words_may_hold_blanks():
    cities = ["New York", "San Francisco", "Rome", '"Reading, Berks"']
    table = read(f"city\n{body(lambda n: cities[n % 4])}")
    assert table.x.column(0).categories == ("New York", "Reading, Berks", "Rome", "San Francisco")
    assert read("New York\nNew Jersey\n", header=False).x.shape == (2, 1)


def test_blanks_between_words_and_numbers_are_no_delimiters_and_it_is_said():
    with pytest.warns(DataWarning, match="its lines were taken for one column, as there are words"):
        table = read("5.1 3.5 setosa\n6.2 2.9 virginica\n5.0 3.4 setosa\n", header=False)
    assert table.x.shape == (3, 1)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("name,note,x\na,foo; bar,1.5\nb,foo; bar,2.5\n", ["a", "foo; bar", 1.5]),
        ("name,note;extra,x\na,foo; bar,1.5\nb,foo; bar,2.5\n", ["a", "foo; bar", 1.5]),
        ('name,"note;extra",x\na,"foo; bar",1.5\nb,"foo; b",2.5\n', ["a", "foo; bar", 1.5]),
        ("name\tnote\nAnn\tx, y; z\nBob\tu\n", ["Ann", "x, y; z"]),
        ("note;x\nfoo, bar;1\nfoo;2\n", ["foo, bar", 1]),
    ],
)
def test_the_delimiter_cuts_all_lines_alike(text, first):
    assert cells(read(text)) == first


@pytest.mark.parametrize("delimiter", [";", "\t", " "])
def test_decimal_commas_are_no_delimiters(delimiter):
    with pytest.raises(ValueError, match="a number with a decimal comma; write "):
        read(f"1,5{delimiter}2,5\n3,5{delimiter}4,5\n")


def test_lines_that_are_cut_otherwise_than_most_are_named():
    rows = body(lambda n: f"{n},{n / 2}")
    with pytest.raises(ValueError, match="line 12 has 1 fields, the first 2"):
        read(f"a,b\n{rows}".replace("\n10,5.0", "\n10"))
    with pytest.raises(
        ValueError, match="line 2 has 2 fields, the first 1; if the first is a title"
    ):
        read(f"My table of 2020\na,b\n{rows}")


# Numbers that are none


@pytest.mark.parametrize("block", [1, 1 << 22])
def test_codes_with_leading_zeros_keep_them_and_it_is_said(block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    codes = ["10115", "99991", "01067", "10115"]
    text = "zip,n\n" + "\n".join(f"{code},{n + 0.5}" for n, code in enumerate(codes))
    with pytest.warns(
        DataWarning, match=r"column 1 \('zip'\) has whole .*01067: they were taken f"
    ):
        table = read(text)
    column = table.x.column(0)
    assert [column.word(n) for n in range(4)] == codes
    assert table.x.column(1).values.tolist() == [0.5, 1.5, 2.5, 3.5]


def test_leading_zeros_below_fractions_are_refused_where_they_come_late(monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1)
    with pytest.raises(
        ValueError, match=r"line 4, column 1 \('a'\) holds 007, with a leading zero"
    ):
        read("a,b\n1.5,1\n2.5,2\n007,3\n")


def test_a_gap_before_a_leading_zero_stays_one(monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1)
    with pytest.warns(DataWarning, match="leading zeros, such as 01"):
        table = read("a,b\n12,1\n,1\n01,1\n", missing=True)
    assert table.x.raw(0).codes.tolist() == [1, -1, 0]


def test_a_zero_before_a_point_and_exponents_are_numbers():
    np.testing.assert_array_equal(read("0.5,1e-05\n-0.25,0\n").x, [[0.5, 1e-5], [-0.25, 0]])


def test_a_minus_is_a_minus_and_other_dashes_are_refused():
    assert read("a,b\n−1.5,2\n-2.5,−3e−1\n").x.tolist() == [[-1.5, 2], [-2.5, -0.3]]
    with pytest.raises(ValueError, match=r"line 2, column 1 \('a'\) holds '–1.5', a number behind"):
        read("a,b\n–1.5,2\n–2.5,3\n")


@pytest.mark.parametrize("label", ["digit", "kind"])
@pytest.mark.parametrize("index", ["", ","])
def test_columns_that_pandas_counts_beside_a_column_with_a_name(label, index):
    """As a DataFrame of an array writes them, to which labels were added."""
    made = [
        (k % 2, k % 3, k % 2, k % 10 if label == "digit" else "cat dog".split()[k % 2])
        for k in range(20)
    ]
    lines = [",".join(map(str, ((k, *row) if index else row))) for k, row in enumerate(made)]
    with pytest.warns(DataWarning):
        table = read("\n".join([f"{index}0,1,2,{label}", *lines]))
    assert table.columns == ("0", "1", "2", label) and len(table.x) == 20


def test_a_row_that_counts_is_one_where_its_word_comes_again():
    table = read("0,1,2,cat\n3,1,0,cat\n0,1,2,dog\n")
    assert table.columns is None and len(table.x) == 3
