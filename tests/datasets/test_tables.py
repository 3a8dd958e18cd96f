"""Tables of text: delimiters, headers, what is missing, and where a wrong cell stands."""

import gzip
import io
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import datasets
from chainrule.datasets import lines, readers, tables
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.frames import Frame

BITS = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 1]], np.uint8)
ROWS = "0,1,0\n1,1,0\n0,0,1\n"


@pytest.fixture(autouse=True)
def no_warnings():
    """Let a warning that no test expects be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text or bytes as a file of some name."""

    def from_file(content, name="x.csv", **options):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(
            gzip.compress(content) if name.lower().endswith("gz") else content
        )
        return tables.read(tmp_path / name, **options)

    return from_file


# What is a table

TABLES = {
    "digits.txt": "010\n110\n001\n",
    "blanks.txt": "0 1 0\n1  1 0\n0 0 1\n",
    "commas.csv": ROWS,
    "windows.csv": ROWS.replace("\n", "\r\n"),
    "old mac.csv": ROWS.replace("\n", "\r"),
    "no last end.csv": ROWS.rstrip(),
    "mark.csv": "\ufeff" + ROWS,
    "marked digits.txt": "\ufeff010\r110\r001",
    "semicolons.csv": ROWS.replace(",", ";"),
    "tabs.tsv": ROWS.replace(",", "\t"),
    "quoted.csv": '"0","1","0"\n"1","1","0"\n"0","0","1"\n',
    "words.csv": "False,True,FALSE\ntrue,True,false\nfalse,False,TRUE\n",
    "spaced.csv": " 0, 1 ,0\n1, 1,0 \n0,0,1\n",
    "floats.csv": "0.0,1.0,0e0\n1.,1.0,0\n0,0,1.00\n",
    "comments.txt": "# of NumPy\n\n# and mine, of 2020\n0 1 0\n1 1 0\n0 0 1\n",
    "blank lines.csv": "\n0,1,0\n\n1,1,0\n0,0,1\n\n\n",
    "packed.csv.gz": ROWS,
    "packed.tsv.gz": ROWS.replace(",", "\t"),
    "PACKED.TXT.GZ": "010\n110\n001\n",
    "CAPITALS.CSV": ROWS,
}


@pytest.mark.parametrize("block", [1, 12, 1 << 22])
@pytest.mark.parametrize("name", TABLES)
def test_bits_in_any_spelling(name, block, read, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    table = read(TABLES[name], name)
    np.testing.assert_array_equal(table.x, BITS)
    assert table.x.dtype == np.uint8 and table.columns is None
    at = [k for k, line in enumerate(TABLES[name].splitlines(), 1) if line[:1] not in ("", "#")]
    assert table.lines.tolist() == at
    data = datasets.load(tmp_path / name)
    assert [len(getattr(data, split).x) for split in datasets.SPLITS] == [1, 1, 1]
    assert data.name == name.lower().split(".")[0] or name.isupper()


def test_a_stream_reads_like_a_file(read):
    table = tables.read(io.BytesIO(b"\xef\xbb\xbfa,b\r0,1\r1,1"), "standard input")
    np.testing.assert_array_equal(table.x, [[0, 1], [1, 1]])
    assert table.columns == ("a", "b") and table.lines.tolist() == [2, 3]
    with pytest.raises(
        ValueError, match=r"^standard input cannot be read .* line 1, column 2 holds"
    ):
        tables.read(io.BytesIO(b"0,x\n0,1\n"), "standard input")


def test_fractions_stay_exact_and_whole_tables_agree_with_numpy(read, rng, tmp_path):
    np.testing.assert_array_equal(read("0.25,-1\n300,2\n").x, [[0.25, -1], [300, 2]])
    x = rng.normal(size=(300, 7))
    np.savetxt(tmp_path / "n.txt", x, header="a comment")
    np.testing.assert_array_equal(tables.read(tmp_path / "n.txt").x, np.loadtxt(tmp_path / "n.txt"))


# What is a header


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("a,b,c", ("a", "b", "c")),
        ('"a","b, too","c"', ("a", "b, too", "c")),
        ("\ufeffage, sex ,größe", ("age", "sex", "größe")),
        ("a,,NA", ("a", "", "NA")),
        ("x1,x2,x3", ("x1", "x2", "x3")),
        ("0,1,2", ("0", "1", "2")),
        ("1,2,3", ("1", "2", "3")),
    ],
)
def test_names_are_read_and_kept(line, columns, read, tmp_path):
    table = read(f"{line}\n{ROWS}")
    np.testing.assert_array_equal(table.x, BITS)
    assert table.columns == columns and table.lines.tolist() == [2, 3, 4]
    assert datasets.load(tmp_path / "x.csv").columns == columns


def test_the_columns_that_pandas_counts_are_no_row(read, rng):
    pandas = pytest.importorskip("pandas")
    for high, width in ((2, 3), (256, 784), (17, 64)):
        x = rng.integers(0, high, (60, width))
        table = read(pandas.DataFrame(x).to_csv(index=False))
        np.testing.assert_array_equal(table.x, x)
        assert table.columns == tuple(map(str, range(width))) and table.x.dtype == np.uint8


@pytest.mark.parametrize("columns", [["a", "b", "c"], [0, 1, 2]])
@pytest.mark.parametrize("index", [[0, 1, 2], [7, 3, 9], ["p", "q", "r"]])
def test_an_index_that_pandas_wrote_is_left_out_and_said(columns, index, read):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(BITS, columns=columns, index=index)
    with pytest.warns(DataWarning, match="the first column has no name: it was taken for an index"):
        table = read(frame.to_csv())
    np.testing.assert_array_equal(table.x, BITS)
    assert table.columns == tuple(map(str, columns))
    with pytest.raises(ValueError, match=r"line 3, column 3 \('b'\) holds 'x'"):
        read(",a,b\n0,1,0\n1,0,x\n")


@pytest.mark.parametrize("text", ["0,1\n1,1\n0,0\n", "0\n1\n1\n", "1,2,3\n2,9,0\n1,1,1\n"])
def test_what_may_be_names_or_a_row_is_a_row_and_is_said(text, read):
    with pytest.warns(DataWarning, match="the first line, .*, was taken for a row; if column nam"):
        table = read(text)
    assert len(table.x) == 3 and table.columns is None


@pytest.mark.parametrize("text", ["1\n0\n1\n", "1,2\n2,1\n", "1,0,1\n0,1,2\n", "0 1\n1 0\n0 0\n"])
def test_what_can_only_be_a_row_is_one_in_silence(text, read):
    if " " in text:  # pandas writes no blanks
        assert len(read(text, "x.txt").x) == 3
    else:
        assert len(read(text).x) == text.count("\n")


# What is wrong, and where


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("NA,1,0\n" + ROWS, "line 1, column 1 holds NA; fill in or drop such rows first"),
        ("0,,0\n" + ROWS, "line 1, column 2 is empty; fill in or drop such rows first"),
        (",1,0\n" + ROWS, "line 1, column 1 is empty"),
        (",0,1\n" + ROWS, "line 1, column 1 is empty"),
        ("0,1,nan\n" + ROWS, "line 1, column 3 holds nan"),
        ("NA,NA,NA\n" + ROWS, "line 1, column 1 holds NA"),
        ("\ufeff0,1,\n" + ROWS, "line 1, column 3 is empty"),
        (ROWS + "\n0,inf,1\n", "line 5, column 2 holds inf; fill in or drop such rows first$"),
        ("a,b,c\n" + ROWS + "0,NULL,1\n", r"line 5, column 2 \('b'\) holds NULL"),
        ("a,b,c\r" + ROWS.replace("\n", "\r") + "0,1,\r", r"line 5, column 3 \('c'\) is empty"),
        (
            "age,1,c\n" + ROWS,
            "line 1, column 1 holds 'age', which is no number; if this line holds",
        ),
        ("a,b,c\n0,1_0,1\n0,1,1\n", r"line 2, column 2 \('b'\) holds '1_0', which is no number"),
        ("a\n0\n\n1\n", "line 3 is empty; fill it in or remove it"),
        ('a\n0\n""\n1\n', r"line 3, column 1 \('a'\) is empty"),
        ("0,1\n1\n", "line 2 has 1 fields, the first 2"),
        ("0,1\n1,0,0\n", "line 2 has 3 fields, the first 2"),
        ("010\n11\n", "line 2 has 2 digits, the first row has 3"),
        ("010\n\n012\n", "line 3 mixes digits like 01101 with other values"),
        ("010\n0é0\n", "line 2 mixes digits like 01101 with other values"),
        ("a,b\n", "column names alone"),
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("# only\n", "it is empty"),
        ("\0a,b\n", "no text, or not UTF-8"),
        ("0" * 200 + "x,1\n0,1\n", "holds '0{40}…', which is no number"),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 22])
def test_the_wrong_field_is_named_and_no_row_is_dropped(text, says, block, read, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    with pytest.raises(ValueError, match=says) as caught:
        read(text)
    assert str(caught.value).count("\n") == 0 and "x.csv cannot be read as" in str(caught.value)


def test_missing_values_are_nan_where_they_may_be(read):
    text = "a,b,c\n0,NA,1\n,1,<NA>\n0,0,nan\n"
    np.testing.assert_array_equal(
        read(text, missing=True).x, [[0, np.nan, 1], [np.nan, 1, np.nan], [0, 0, np.nan]]
    )
    with pytest.raises(ValueError, match="holds -inf"):
        read("0,1\n-inf,0\n", missing=True)
    with pytest.raises(ValueError, match="line 2, column 2"):
        read(text)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_text_longer_than_it_may_be_is_refused_as_it_is_read(packed, read, monkeypatch):
    monkeypatch.setattr(readers, "MAX_BYTES", 8 * 10**6)
    bomb = b"0,1\n" * 10**7
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"larger than 1,000,000 bytes; save it as \.npy"):
        tables.read(io.BytesIO(bomb), "x")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10**7
    with pytest.raises(ValueError, match="larger than 1,000,000 bytes"):
        read(bomb, f"x.csv{packed}")


def test_a_line_longer_than_it_may_be_is_refused(read, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 100)
    with pytest.raises(ValueError, match="line 2 is longer than 100 characters"):
        read("0,1\n" + "0," * 100)


@pytest.mark.parametrize(
    "damage",
    [b"", b"no gzip", gzip.compress(ROWS.encode() * 99)[:-20]],
    ids=["empty", "no gzip", "cut short"],
)
def test_packed_files_that_are_none(damage, tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(damage)
    with pytest.raises(ValueError, match=r"x\.csv\.gz cannot be read as a table") as caught:
        tables.read(tmp_path / "x.csv.gz")
    assert "\n" not in str(caught.value)


def test_a_table_takes_little_memory_beside_itself(read, rng):
    x = rng.integers(0, 2, (20_000, 100))
    text = "\n".join(",".join(map(str, row)) for row in x.tolist())
    tracemalloc.start()
    table = tables.read(io.BytesIO(text.encode()), "x")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(table.x, x)
    assert most < 2 * x.size + 12 * lines.BLOCK


@given(st.text('01,;\t "\n\r.-+e#aN_\0\ufeffé１', max_size=60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_a_text_holds_it_is_a_table_or_one_sentence(text, missing):
    warnings.simplefilter("ignore", DataWarning)
    try:
        x, at, columns, *_ = tables.read(io.BytesIO(text.encode()), "x", missing)
    except ValueError as error:
        assert str(error).startswith("x cannot be read as a table") and "\n" not in str(error)
    else:
        assert x.ndim == 2 and len(at) == len(x) > 0
        assert missing or isinstance(x, Frame) or np.isfinite(x).all()
        assert columns is None or len(columns) == x.shape[1]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_written_table_comes_back_in_any_spelling(data):
    D = data.draw(st.integers(1, 6))
    rows = data.draw(
        st.lists(st.lists(st.booleans(), min_size=D, max_size=D), min_size=2, max_size=6)
    )
    say = data.draw(
        st.sampled_from([lambda b: str(int(b)), str, lambda b: f'"{int(b)}"', lambda b: f"{b:.1f}"])
    )
    delimiter, end = (data.draw(st.sampled_from(kinds)) for kinds in (",;\t", ["\n", "\r", "\r\n"]))
    named, marked = data.draw(st.booleans()), data.draw(st.booleans())
    lines = [[f"c{k}" for k in range(D)]] * named + [[say(bit) for bit in row] for row in rows]
    text = end.join(delimiter.join(line) for line in lines)
    warnings.simplefilter("ignore", DataWarning)
    table = tables.read(io.BytesIO(text.encode("utf-8-sig" if marked else "utf-8")), "x")
    np.testing.assert_array_equal(table.x, rows)
    assert (table.columns is not None) == named and table.lines[0] == 1 + named


def test_letters_of_another_encoding_are_not_lost(read):
    with pytest.raises(ValueError, match="line 1 is not UTF-8 text; save the file as UTF-8"):
        read("café,b\n0,1\n1,0\n".encode("latin-1"))
    with pytest.raises(ValueError, match="line 2 is not UTF-8 text"):
        read(b"a,b\n0,\xff\n")
