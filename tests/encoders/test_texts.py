"""Vocabularies, texts in files, and what users hand in as symbols."""

import doctest
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule import estimators
from chainrule.datasets import corpora, downloads, load_text
from chainrule.encoders import sequences, texts, vocabulary
from chainrule.encoders.texts import Text
from chainrule.encoders.vocabulary import Vocabulary

SAMPLES = {"ascii": "to be, or not\r\n to be", "wide": "naïve café — 日本語 🙂\n", "one": "aaaa"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "text.txt"


@pytest.mark.parametrize(
    "module",
    [vocabulary, texts, corpora, estimators.generating, estimators.sequences],
    ids=lambda m: m.__name__,
)
def test_examples_do_what_they_say(module):
    failed, tried = doctest.testmod(module)
    assert failed == 0 and tried > 0


# --- vocabularies


@given(st.text(st.characters(exclude_categories=()), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_str_comes_back(text):
    v = Vocabulary.of(text)
    ids = v.encode(text)
    assert v.decode(ids) == text and v.size == len(set(text)) == ids.max() + 1
    assert list(v.characters) == sorted(set(text))


@given(st.binary(min_size=1))
@settings(max_examples=30, deadline=None)
def test_any_bytes_come_back(content):
    v = Vocabulary("byte", 256)
    assert v.decode(v.encode(content)) == content


def test_a_large_alphabet_takes_two_bytes_a_symbol():
    text = "".join(map(chr, range(1000, 1400)))
    v = Vocabulary.of(text)
    assert v.encode(text).dtype == np.uint16 and v.decode(v.encode(text)) == text


def test_the_unseen_is_named():
    v = Vocabulary.of("abc")
    with pytest.raises(ValueError, match=r"X at position 2 holds 'x', a character never seen in"):
        v.encode("abxz")
    with pytest.raises(ValueError, match=r"y holds 'd', a character never seen"):
        v.table_from(Vocabulary.of("ad"), "y")
    with pytest.raises(ValueError, match="y is bytes and the model was fitted on a str"):
        v.table_from(Vocabulary("byte", 256), "y")
    assert v.table_from(Vocabulary.of("cb"), "y").tolist() == [1, 2]
    assert v.table_from(Vocabulary.of("cba"), "y") is None


def test_names_for_pictures():
    assert Vocabulary.of("ab").names([1, 0]) == ["b", "a"]
    assert Vocabulary("byte", 256).names([10, 255]) == ["0a", "ff"]
    assert Vocabulary("id", 3).names([2]) == ["2"]


# --- files


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_file_reads_like_the_str_whatever_the_blocks(path, sample, block, monkeypatch):
    monkeypatch.setattr(texts, "BLOCK", block)
    text = SAMPLES[sample]
    path.write_bytes(text.encode())
    opened = Text.open(path)
    assert opened.vocabulary == Vocabulary.of(text) and len(opened) == len(text)
    assert opened.read() == text and opened.read(2, 5) == text[2:5]
    assert_array_equal(np.concatenate(list(opened.blocks())), Text.of(text).ids)
    octets = Text.open(path, "byte")
    assert octets.read() == text.encode() and octets.vocabulary.size == 256
    assert "text" in repr(opened)


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"ab\xffcd", 2),
        (b"ab\xe2\x82", 2),
        ("né".encode("latin-1") + b"x", 1),
        (b"\xc3\xa9\x80", 2),
    ],
)
def test_what_is_not_utf8_is_found_to_the_byte(path, content, where, block, monkeypatch):
    monkeypatch.setattr(texts, "BLOCK", block)
    path.write_bytes(content)
    byte = content[where]
    with pytest.raises(ValueError, match="is not UTF-8 text") as caught:
        Text.open(path)
    assert f"byte 0x{byte:02x} at position {where};" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Text.open(path, "byte").read() == content


def test_files_that_are_no_texts(path, tmp_path):
    path.touch()
    for source, kind, word in (
        (path, ValueError, "is empty; give a file"),
        (tmp_path, ValueError, "is no file"),
        (tmp_path / "none.txt", FileNotFoundError, "does not exist"),
    ):
        with pytest.raises(kind, match=word):
            Text.open(source)
    with pytest.raises(ValueError, match="unit must be one of"):
        Text.open(path, "word")


@pytest.mark.parametrize("sample", ["ascii", "wide"])
def test_no_file_is_loaded_whole(path, sample, monkeypatch):
    """16 million bytes, of which opening, splitting and reading a part take less than two."""
    monkeypatch.setattr(texts, "BLOCK", 1 << 16)
    text = SAMPLES[sample]
    with open(path, "wb") as file:
        for _ in range(16):
            file.write(text.encode() * (1_000_000 // len(text.encode())))
    tracemalloc.start()
    train, valid = Text.open(path).split()
    seen = train.read(5_000_000, 5_000_100), valid.read(0, 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(seen[0]) <= set(text) and len(seen[1]) == 100
    assert len(train) + len(valid) > 9_000_000 and peak < 2 << 20


def test_a_temporary_file_leaves_nothing_behind(path, tmp_path, monkeypatch):
    monkeypatch.setattr(texts.tempfile, "tempdir", str(tmp_path))
    path.write_text(SAMPLES["wide"], encoding="utf-8")
    opened = Text.open(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert opened.read() == SAMPLES["wide"]


@pytest.mark.parametrize(("share", "n_valid"), [(0.1, 10), (0.5, 50), (0.001, 1), (0.999, 99)])
def test_the_end_validates(share, n_valid):
    train, valid = Text.of("ab" * 50).split(share)
    assert (len(train), len(valid)) == (100 - n_valid, n_valid)
    assert train.read() + valid.read() == "ab" * 50 and train.vocabulary == valid.vocabulary


@pytest.mark.parametrize("share", [0, 1, -1, 2])
def test_shares_that_leave_nothing(share):
    with pytest.raises(ValueError, match="valid must be a share between 0 and 1"):
        Text.of("abc").split(share)
    with pytest.raises(ValueError, match="text has 1 symbols; at least 2"):
        Text.of("a").split()


# --- by name or path


def test_tinyshakespeare_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    (tmp_path / "tinyshakespeare.txt").write_text("First Citizen: " * 20)
    corpus = load_text("tinyshakespeare")
    assert (corpus.name, len(corpus.train), len(corpus.valid)) == ("tinyshakespeare", 270, 30)
    assert load_text(tmp_path / "tinyshakespeare.txt", valid=0.5).valid.read()[:5] == "First"
    with pytest.raises(ValueError, match=r"is a text, not rows; load it with datasets\.load_text"):
        cr.datasets.load("tinyshakespeare")


def test_tinyshakespeare_is_downloaded_once(tmp_path, monkeypatch):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetched = []

    def fetch(remote, instead):
        fetched.append((remote, instead))
        return b"to be or not to be"

    monkeypatch.setattr(downloads, "fetch", fetch)
    for _ in range(2):
        assert len(load_text("tinyshakespeare").train) == 16
    [(remote, instead)] = fetched
    assert remote.size == 1_115_394 and "CHAINRULE_DATA" in instead


def test_names_and_paths_to_nothing():
    with pytest.raises(ValueError, match="unknown text 'hamlet'; give the path of a file or one"):
        load_text("hamlet")
    with pytest.raises(FileNotFoundError, match=r"hamlet.txt does not exist"):
        load_text("hamlet.txt")


# --- estimators on files


def test_a_file_and_its_str_make_the_same_model(path):
    text = SAMPLES["wide"] * 40
    path.write_text(text, encoding="utf-8")
    training = {"steps": 3, "batch_size": 2, "context": 8, "n_threads": 1}
    models = [
        cr.Transformer(1, 1, 4, **training).fit(data, X_valid=data)
        for data in (text, path, Text.open(path), Path(path))
    ]
    for model in models[1:]:
        assert_array_equal(model.params_.flat, models[0].params_.flat)
        assert model.score(path) == models[0].score(text)
        assert model.vocabulary_ == models[0].vocabulary_
    part = path.with_name("part.txt")
    part.write_text("café", encoding="utf-8")  # another, smaller vocabulary of its own
    assert models[0].score(part) == models[0].score("café")
    part.write_text("cofé", encoding="utf-8")
    with pytest.raises(ValueError, match="X holds 'o', a character never seen in training"):
        models[0].score(part)
    octets = cr.RNN(3, **training).fit(Text.open(path, "byte"))
    assert octets.score(part) == octets.score("cofé".encode())


def test_mapped_ids_stay_mapped(tmp_path):
    with open(tmp_path / "ids", "wb") as file:
        file.write(bytes(range(7)) * 1_000_000)
    ids = np.memmap(tmp_path / "ids", np.uint8, "r")
    tracemalloc.start()
    got = sequences.read(ids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(got.ids, np.memmap) and got.vocabulary.size == 7 and peak < 3 << 20


# --- what is handed in by pandas and NumPy

WORDS = ["to be", "or", "not"]


def boxes():
    """Yield a name and a function that makes one of a list of words or of ids."""
    pandas = pytest.importorskip("pandas")
    return {
        "Series": pandas.Series,
        "Series of another index": lambda X: pandas.Series(X, index=[7, 3, 5]),
        "Series of objects": lambda X: pandas.Series(X, dtype=object),
        "array of objects": lambda X: np.array([*X, None], object)[:-1],
    }


@pytest.mark.parametrize("box", ["array", "array of bytes", "StringDType", "Series of string"])
def test_arrays_of_words_are_lists_of_them(box):
    pandas = pytest.importorskip("pandas")
    X = {
        "array": np.array(WORDS),
        "array of bytes": np.array(WORDS).astype("S"),
        "StringDType": np.array(WORDS, np.dtypes.StringDType()),
        "Series of string": pandas.Series(WORDS, dtype="string"),
    }[box]
    words = [word.encode() for word in WORDS] if box == "array of bytes" else WORDS
    got, plain = sequences.read(X), sequences.read(words)
    assert got.vocabulary == plain.vocabulary and got.ragged
    assert_array_equal(got.ids.flat, plain.ids.flat)
    assert_array_equal(got.lengths, plain.lengths)


@pytest.mark.parametrize("X", [WORDS, [b"to be", b"or", b"not"], [[0, 1], [2], [1, 1, 0]]], ids=str)
def test_boxes_of_rows_are_lists_of_them(X):
    plain = sequences.read(X)
    for name, box in boxes().items():
        got = sequences.read(box(X))
        assert got.vocabulary == plain.vocabulary, name
        assert_array_equal(got.ids.flat, plain.ids.flat)
        assert_array_equal(got.lengths, plain.lengths)


def test_a_series_of_ids_is_one_text_and_its_words_are_scored_alike():
    pandas = pytest.importorskip("pandas")
    assert sequences.read(pandas.Series([0, 1, 1, 0], index=[4, 2, 1, 9])).lengths is None
    model = cr.RNN(3, steps=2, context=4, batch_size=2).fit(pandas.Series(WORDS))
    assert_array_equal(model.log_prob(pandas.Series(WORDS[::-1])), model.log_prob(WORDS)[::-1])
    assert_array_equal(model.log_prob(np.array(WORDS)), model.log_prob(WORDS))
    assert model.sample(3, pandas.Series(["to", "not"]), seed=1) == model.sample(
        3, ["to", "not"], seed=1
    )


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_text_that_is_missing_is_named(at):
    pandas = pytest.importorskip("pandas")
    for missing in (None, np.nan, pandas.NA):
        X = pandas.Series([*WORDS[:at], missing, *WORDS[at + 1 :]], dtype=object)
        for data in (X, X.tolist(), X.to_numpy()):
            with pytest.raises(TypeError, match=rf"must be a list of str alone, got \w+ at {at}"):
                sequences.read(data)


def test_masked_symbols_are_refused():
    ids = np.ma.array([[0, 1, 2], [2, 1, 0]])
    assert_array_equal(sequences.read(ids).ids, ids)
    ids[1, 2] = np.ma.masked
    with pytest.raises(ValueError, match=r"X contains a masked value \(first at \[1, 2\]\)"):
        sequences.read(ids)
    for masked in (list(ids), [ids[0], ids[1][1:]]):
        with pytest.raises(ValueError, match="contains a masked value"):
            sequences.read(masked)
    with pytest.raises(ValueError, match=r"prompt contains a masked value \(first at 2\)"):
        sequences.read(ids[1], name="prompt")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-1, "X holds -1 at {}; symbols are counted from 0"),
        (0.5, "X must hold whole numbers, the symbols, got 0.5 at {}; round or binarize it first"),
        (np.nan, "X must hold whole numbers, the symbols, got nan at {}; round"),
        (np.inf, "X must hold whole numbers, the symbols, got inf at {}; round"),
        (2.0**31, r"X holds 2.14748e\+09 at {}; symbols go up to 2\^31 - 1"),
    ],
)
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_the_number_that_is_no_symbol_is_named(value, says, block, monkeypatch):
    monkeypatch.setattr(sequences, "BLOCK", block)
    X = np.ones((9, 4))
    X[7, 2] = value
    with pytest.raises(ValueError, match=says.format(r"\[7, 2\]")):
        sequences.read(X)
    with pytest.raises(ValueError, match=says.format("30")):
        sequences.read(X.ravel())


# --- byte-order marks


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_byte_order_mark_is_no_character(path, sample, block, monkeypatch):
    monkeypatch.setattr(texts, "BLOCK", block)
    text = SAMPLES[sample]
    path.write_bytes(text.encode("utf-8-sig"))
    opened = Text.open(path)
    assert opened.read() == text and opened.vocabulary == Vocabulary.of(text)
    assert Text.open(path, "byte").read() == text.encode("utf-8-sig")  # bytes stay as they are
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\xff")
    with pytest.raises(ValueError, match=f"byte 0xff at position {3 + len(text.encode())};"):
        Text.open(path)


def test_a_mark_inside_stays_and_a_mark_alone_is_no_text(path):
    path.write_text("a\ufeffb", encoding="utf-8")
    assert Text.open(path).read() == "a\ufeffb"
    path.write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(ValueError, match="is empty but for a byte-order mark"):
        Text.open(path)
    path.write_bytes(b"\xef\xbb")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        Text.open(path)
