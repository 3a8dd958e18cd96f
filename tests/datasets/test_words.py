"""Tables of text with words: types told apart, nothing guessed, and hostile files."""

import io
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from chainrule import datasets
from chainrule.datasets import fields, lines, tables
from chainrule.encoders import frames
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.frames import Frame
from chainrule.encoders.variables import MOST

PEOPLE = """name,age,paid,smoker,city
Ann,31,10.5,true,"Reading, Berks"
Bob,45,7,False,York
Cid,31,12.25,true,York
"""


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read(text, **options):
    return tables.read(io.BytesIO(text.encode()), "x.csv", **options)


@pytest.mark.parametrize("block", [1, 1 << 22])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_words_numbers_and_bools_are_told_apart(delimiter, block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    text = PEOPLE.replace(", Berks", "&Berks").replace(",", delimiter).replace("&", ", ")
    table = read(text)
    assert isinstance(table.x, Frame) and table.x.shape == (3, 5)
    assert table.columns == table.x.names == ("name", "age", "paid", "smoker", "city")
    assert table.lines.tolist() == [2, 3, 4]
    assert [column.kind for column in table.x.columns()] == [
        *("category", "whole", "real", "bool", "category"),
    ]
    assert table.x.column(1).values.tolist() == [31, 45, 31]
    assert table.x.column(3).values.tolist() == [True, False, True]
    assert table.x.column(4).categories == ("Reading, Berks", "York")


def test_a_table_without_a_header_has_no_names():
    table = read("a,1\nb,2\na,3\n")
    assert table.columns is None and table.x.names is None and table.x.shape == (3, 2)


def test_a_header_that_counts_stands_above_words():
    pandas = pytest.importorskip("pandas")
    table = read(pandas.DataFrame([["a", 1], ["b", 2], ["a", 3]]).to_csv(index=False))
    assert table.columns == ("0", "1") and len(table.x) == 3


def test_a_first_line_of_words_that_may_be_a_row_is_said():
    with pytest.warns(DataWarning, match="the first line, x, s, was taken for column names; if"):
        table = read("x,s\nb,s\nx,y\n")
    assert table.columns == ("x", "s") and len(table.x) == 2


def test_bools_beside_numbers_are_bools_and_beside_bits_are_bits():
    table = read("a,b\n5,true\n7,False\n")
    assert [column.kind for column in table.x.columns()] == ["whole", "bool"]
    assert read("a,b\n1,true\n0,False\n").x.tolist() == [[1, 1], [0, 0]]


def test_an_empty_column_is_one_of_numbers():
    assert_array_equal(read("a,b\n5,\n7.5,\n", missing=True).x, [[5, np.nan], [7.5, np.nan]])


def test_codes_with_letters_keep_their_numbers_as_they_are_written():
    table = read("code,n\nA1,1\nB2,2\n007,3\nA1,4\n")
    assert table.x.column(0).categories == ("007", "A1", "B2")


def test_none_is_a_word_among_words():
    table = read("allergy,n\nnone,1\nnuts,2\nnone,3\n")
    assert table.x.column(0).categories == ("none", "nuts")


@pytest.mark.parametrize("block", [1, 1 << 22])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a;b\nx;3,5\ny;4,5\n", r"line 2, column 2 \('b'\) holds '3,5', a number with a decimal c"),
        ("a;b\nx;1\ny;4,5\n", r"line 3, column 2 \('b'\) holds '4,5', .*write 4\.5"),
        ("a;b\nx;1,234\ny;2\n", "holds '1,234', which may be 1.234 or 1234; write it so, without"),
        ("a;b\nx;1.234,5\ny;2\n", "holds '1.234,5', a number with its thousands set apart"),
        ("a;b\nx;1.234.567\ny;2\n", "holds '1.234.567', a number with its thousands set apart"),
        ("a;b\nx;1 234\ny;2\n", "holds '1 234', a number with its thousands set apart"),
        ("a;b\nx;1'234.5\ny;2\n", "a number with its thousands set apart"),
        ('a,b\nx,"1,234,567"\ny,2\n', "a number with its thousands set apart"),
        ("a,b\nx,5%\ny,6%\n", "holds '5%', a number with a sign of its unit; write the number al"),
        ("a,b\nx,$5.20\ny,$6\n", r"holds '\$5.20', a number with a sign of its unit"),
        ("a,b\nx,3,5\ny,4,5\n", "line 2 has 3 fields, the first 2; a field with a comma in it"),
        ("age,n\nold,1\n3,1\n4,1\n5,1\n", r"line 2, column 1 \('age'\) holds 'old', which is no n"),
        ("a,n\nx,1\ny,2\nx,?\nx,4\n", r"line 4, column 2 \('n'\) holds '\?', which is no number"),
        ("a,n\nx,1\n,2\ny,3\n", r"line 3, column 1 \('a'\) is empty; fill in or drop such rows"),
        ("a,n\nx,1\nNA,2\ny,3\n", r"line 3, column 1 \('a'\) holds NA; fill in or drop"),
        ("a,n\nx,1\ny,inf\ny,3\n", r"line 3, column 2 \('n'\) holds inf"),
        ('a,n\n"x,1\ny",2\n', "line 2 ends within quotes; a field has to end in its line"),
        ("a,b,a\nx,1,2\ny,1,2\n", "two columns are called 'a'; rename one of them"),
    ],
)
def test_what_is_doubtful_is_named_and_never_guessed(text, says, block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    with pytest.raises(ValueError, match=says) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", [False, True])
def test_a_word_that_is_listed_is_never_missing(missing):
    text, listed = "grade,n\nNA,1\nA,2\nnull,3\nA,4\n", ["A", "NA", "null"]
    table = read(text, missing=missing, column_types={"grade": listed})
    assert table.x["grade"].tolist() == ["NA", "A", "null", "A"]
    gap = read(text.replace("3", ""), missing=True, column_types={"grade": listed})
    assert np.isnan(gap.x["n"][2]) and gap.x["grade"][2] == "null"
    with pytest.raises(ValueError, match=r"line 4, column 1 \('grade'\) holds null; fill"):
        read(text, column_types={"grade": ["A", "NA"]})


def test_the_error_about_a_gap_names_what_reads_it():
    for text in ("a,b\n1,x\n,y\n", "a,b\n1,2\n,3\n", "a,b\nx,2\ny,NA\n"):
        with pytest.raises(ValueError, match=r"fill them in: load the file with missing=True$"):
            read(text)


def test_missing_words_are_marked_where_they_may_be():
    table = read("a,n,w\nx,1,\n,2,q\ny,NA,r\n", missing=True)
    encoder = AnyColumns(missing=True).learn(table.x)
    assert encoder.observed(table.x).tolist() == [
        [True, True, False],
        [False, True, True],
        [True, False, True],
    ]
    assert encoder.types == ("categorical", "integer", "categorical")


def test_more_words_than_a_column_may_have(monkeypatch):
    rows = "\n".join(f"w{k},{k}" for k in range(MOST + 1))
    with pytest.raises(
        ValueError, match=r"column 1 \('id'\) and below it are more than 10,000 diff"
    ):
        read(f"id,n\n{rows}\n")


def test_words_take_little_memory_beside_themselves(rng):
    words = rng.choice(["yes", "no", "perhaps, perhaps not"], (30_000, 8))
    text = "\n".join(",".join(f'"{word}"' for word in row) for row in words.tolist())
    stream = io.BytesIO(("a,b,c,d,e,f,g,h\n" + text).encode())
    tracemalloc.start()
    table = tables.read(stream, "x")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(table.x) == 30_000
    assert most < 12 * words.size + 16 * lines.BLOCK


def test_a_data_set_with_words_is_cut_and_knows_all_its_words(tmp_path):
    rows = [f"{'abc'[k % 3]},{k},{k / 7:.3f}" for k in range(50)] + ["rare,1,0.5"]
    (tmp_path / "t.csv").write_text("\n".join(["w,n,x", *rows]))
    data = datasets.load(tmp_path / "t.csv")
    assert [len(getattr(data, split).x) for split in datasets.SPLITS] == [41, 5, 5]
    assert data.columns == ("w", "n", "x") and data.image_shape is None
    encoder = AnyColumns().learn(data.train.x)
    assert encoder.variables[0].values == ("a", "b", "c", "rare")
    for split in datasets.SPLITS:
        part = getattr(data, split).x
        back = encoder.decode(encoder.encode(part))
        assert_array_equal(back[:, 0], [part.column(0).word(n) for n in range(len(part))])


@pytest.mark.parametrize(
    ("name", "shape", "labels"),
    [
        ("iris", (150, 4), {"setosa", "versicolor", "virginica"}),
        ("wine", (178, 13), {"class_0", "class_1", "class_2"}),
        ("breast_cancer", (569, 30), {"malignant", "benign"}),
        ("diabetes", (442, 11), None),
    ],
)
def test_the_tables_of_scikit_learn(name, shape, labels):
    data = datasets.load(name)
    parts = [getattr(data, split) for split in datasets.SPLITS]
    assert sum(len(part.x) for part in parts) == shape[0]
    assert len(parts[1].x) == len(parts[2].x) == shape[0] // 10
    assert len(data.columns) == parts[0].x.shape[1] == shape[1]
    assert labels is None or set(parts[0].y) == labels
    other = datasets.load(name, seed=1)
    assert not np.array_equal(other.train.x, data.train.x)
    if name == "diabetes":  # s4, a ratio, is 2, 3 or 4 of two patients in three
        with pytest.warns(DataWarning, match=r"has few values again and again, 3.0 the most"):
            AnyColumns().learn(parts[0].x)
    else:
        AnyColumns().learn(parts[0].x)


@given(st.text('ab1,;\t "\n\r.-%#N_\0é', max_size=60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_a_text_holds_it_is_a_table_or_one_sentence(text, missing):
    warnings.simplefilter("ignore", DataWarning)
    try:
        x, at, columns, *_ = tables.read(io.BytesIO(text.encode()), "x", missing)
    except ValueError as error:
        assert str(error).startswith("x cannot be read as a table") and "\n" not in str(error)
    else:
        assert x.ndim == 2 and len(at) == len(x) > 0
        assert columns is None or len(columns) == x.shape[1]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_written_table_of_words_comes_back(data):
    word = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
    plain = word.filter(
        lambda w: '"' not in w and fields.number(w) is None and fields.spelt(w) is None
    )
    rows = data.draw(st.lists(st.tuples(plain, st.integers(-999, 999)), min_size=2, max_size=6))
    text = "\n".join(['"some",number', *(f'"{w}",{n}' for w, n in rows)])
    warnings.simplefilter("ignore", DataWarning)
    x = read(text).x
    assert [(x.column(0).word(k), x.column(1).word(k)) for k in range(len(x))] == rows


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("word,number\n;,0\na;b,1", 2),  # a semicolon that cuts one line alone
        ('word,number\n";,",0\n"a\tb",1', 2),  # delimiters in quotes
        ("a;b\n1.5;2\n3;4", 2),
        ("a b\n1 2\n3 4", 2),
    ],
)
def test_the_delimiter_is_what_cuts_two_lines_alike(text, width):
    assert read(text).x.shape == (2, width)


def test_a_table_with_words_shows_itself_and_gives_columns_and_an_array():
    x = read(PEOPLE).x
    assert repr(x) == "<Frame of 3 rows and 5 columns: name, age, paid, smoker, city>"
    assert x["city"].tolist() == ["Reading, Berks", "York", "York"]
    assert x["age"].tolist() == [31, 45, 31] and x[1:]["age"].tolist() == [45, 31]
    assert_array_equal(x["smoker"], [True, False, True])
    with pytest.raises(KeyError, match=r"'smokes' \(did you mean smoker\?\); it has name"):
        x["smokes"]
    array = np.asarray(x)
    assert array.shape == (3, 5) and array.dtype == object
    assert array[1].tolist() == ["Bob", 45, 7.0, False, "York"]
    assert np.array(x, str)[0, 1] == "31"
    with pytest.raises(ValueError, match="copy"):
        np.array(x, copy=False)
    learnt = AnyColumns().learn(array)
    assert learnt.types == AnyColumns().learn(x).types


def test_a_table_without_names_or_with_gaps_shows_itself_too():
    x = read("a,1\nb,2\n,3\n", missing=True).x
    assert repr(x) == "<Frame of 3 rows and 2 columns>" and repr(x[:1])[:16] == "<Frame of 1 row "
    assert np.asarray(x).tolist() == [["a", 1], ["b", 2], [None, 3]]
    with pytest.raises(KeyError, match="its columns have no names"):
        x["a"]
    masked = np.ma.array([(1, 2.5), (3, 4.5)], [("i", int), ("r", float)])
    masked["i"][1] = np.ma.masked
    assert np.asarray(frames.read(masked)).tolist() == [[1, 2.5], [None, 4.5]]
    array = np.arange(6.0).reshape(3, 2)
    assert_array_equal(np.asarray(frames.named(array, ["u", "v"]), float), array)
    assert_array_equal(frames.named(array, ["u", "v"])["v"], array[:, 1])


# Columns said to be categorical

FEW_WORDS = "k,v\n" + "0,1.5\n1,2.5\n2,0.5\n" * 3 + "3+,1.5\n"


@pytest.mark.parametrize("block", [1, 1 << 22])
@pytest.mark.parametrize("types", [{"k": "categorical"}, ["categorical", None], {"0": ["0", "3+"]}])
def test_a_column_said_to_be_categorical_is_of_words_if_one_is(types, block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    x = read(FEW_WORDS, column_types=types).x
    assert x.raw(0).categories == ("0", "1", "2", "3+") and x.raw(1).dtype == float
    assert x.raw(0).codes.tolist() == [0, 1, 2] * 3 + [3]


def test_without_a_word_it_is_of_numbers_but_where_words_are_listed():
    text = FEW_WORDS.replace("3+", "3")
    np.testing.assert_array_equal(read(text, column_types="categorical").x, read(text).x)
    x = read(text, column_types={"k": ["0", "1", "2", "3"]}).x
    assert x.raw(0).categories == ("0", "1", "2", "3")


def test_what_cannot_be_spelt_again_as_words_is_an_error(monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1)
    for first in ("0.5", "true"):
        with pytest.raises(ValueError, match=r"line 3, column 1 \('k'\) holds '3\+'"):
            read(f"k,v\n{first},1\n3+,1\n0,1\n", column_types={"k": "categorical"})


def test_the_error_says_how_a_few_words_are_read():
    with pytest.raises(ValueError, match=r"say column_types=\{'k': \"categorical\"\}$"):
        read(FEW_WORDS)
    with pytest.raises(ValueError, match=r"'3\+', which is no number$"):
        read(FEW_WORDS, column_types={"k": "integer"})
