"""Sequences that end: all strings together have probability one, and samples stop."""

import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.encoders.vocabulary import Vocabulary
from chainrule.engine.storage import checkpoint
from chainrule.estimators import stopping

NAMES = ["ab", "b", "aab", "ba", "bb", "a"] * 20
FITS = {
    "RNN": lambda **s: cr.RNN(6, context=8, steps=60, learning_rate=0.03, dtype="float64", **s),
    "AttentionRNN": lambda **s: cr.AttentionRNN(
        6, context=12, steps=60, learning_rate=0.03, dtype="float64", **s
    ),
    "Transformer": lambda **s: cr.Transformer(
        1, 1, 8, context=12, steps=60, learning_rate=0.03, dtype="float64", **s
    ),
}
every_kind = pytest.mark.parametrize("kind", FITS)
STRINGS = ["".join(word) for n in range(1, 8) for word in itertools.product("ab", repeat=n)]


@pytest.fixture(scope="module")
def fitted():
    return {kind: make().fit(NAMES, X_valid=NAMES[:20]) for kind, make in FITS.items()}


@every_kind
def test_all_strings_together_have_probability_one(kind, fitted):
    """Those of up to 7 symbols, the empty one, and what is longer: all that begins with 8."""
    model = fitted[kind]
    assert model.ends_ and model.config_.n_symbols == 3 and model.vocabulary_.size == 2
    ended = np.exp(model.log_prob(STRINGS)).sum()
    empty = model.conditionals("a")[0, 2]
    prefixes = [
        model.symbol_log_prob("".join(w))[:8].sum() for w in itertools.product("ab", repeat=8)
    ]
    assert_allclose(ended + empty + np.exp(prefixes).sum(), 1, rtol=1e-9)
    assert ended > 0.8


@every_kind
def test_samples_end_as_often_as_their_probabilities_say(kind, fitted):
    model, n = fitted[kind], 4000
    drawn = Counter(model.sample(40, size=n, seed=3))
    common = [s for s in STRINGS if np.exp(model.log_prob([s]))[0] * n > 20]
    expected = n * np.exp(model.log_prob(common))
    seen = np.array([drawn[s] for s in common])
    assert len(common) >= 5
    chi2 = ((seen - expected) ** 2 / expected).sum()
    assert chi2 < len(common) + 4 * np.sqrt(2 * len(common)) + 6  # four deviations and a bit


@every_kind
def test_what_is_one_text_and_a_list_of_one_are_the_same_string(kind, fitted):
    model = fitted[kind]
    by_symbol = model.symbol_log_prob("aab")
    assert by_symbol.shape == (4,) and model.conditionals("aab").shape == (4, 3)
    assert_allclose(model.conditionals("aab").sum(axis=1), 1)
    assert_allclose(np.log(model.conditionals("aab")[3, 2]), by_symbol[3])
    assert_allclose(model.log_prob("aab"), by_symbol.sum())
    assert_allclose(model.log_prob(["aab", "b"])[0], by_symbol.sum())
    assert_allclose(model.score("aab"), by_symbol.mean())
    ragged = model.symbol_log_prob(["aab", "b"])
    assert [len(row) for row in ragged] == [4, 2]


@every_kind
def test_prompts_go_on_to_their_end_and_streams_join_to_samples(kind, fitted):
    model = fitted[kind]
    whole = model.sample(30, ["a", "ab", "b"], seed=5)
    assert len(whole) == 3 and all(set(s) <= set("ab") for s in whole)
    pieces = list(model.stream(30, ["a", "ab", "b"], seed=5, chunk=2))
    assert ["".join(row) for row in zip(*pieces, strict=True)] == whole
    assert len(pieces) < 15  # it ended
    endless = "".join(model.stream(None, seed=1))
    assert endless == model.sample(1000, seed=1)


def test_what_ends_by_default_and_what_by_wish():
    def ends(X, **settings):
        return cr.RNN(4, context=2, steps=1, **settings).fit(X).ends_

    assert ends(["ab", "b"]) and ends([b"ab", b"b"]) and ends(("ab", "b"))
    assert not ends("abba") and not ends([[0, 1], [1]]) and not ends(np.eye(3, dtype=int))
    assert not ends(["ab", "b"], ends=False)
    assert ends([[0, 1], [1]], ends=True) and ends(np.eye(3, dtype=int), ends=True)
    with pytest.raises(ValueError, match="ends=True is for lists of sequences"):
        ends("abba", ends=True)
    with pytest.raises(ValueError, match="ends must be None, True or False"):
        ends(["ab"], ends="\n")


def test_ids_that_end():
    rows = [[0, 1], [2], [1, 1, 0]] * 5
    model = cr.RNN(6, context=4, steps=9, ends=True).fit(rows)
    drawn = model.sample(20, size=5, seed=0)
    assert isinstance(drawn, list) and all(row.dtype == np.int32 for row in drawn)
    assert all(row.max(initial=0) < 3 for row in drawn)
    table = cr.RNN(6, context=4, steps=9, ends=True).fit(np.array([[0, 1], [1, 1]] * 9))
    assert table.symbol_log_prob(np.array([[0, 1], [1, 0]])).shape == (2, 3)


def test_the_end_counts_in_the_context():
    with pytest.raises(
        ValueError, match="rows of 5 symbols, the end included, more than context=4"
    ):
        cr.Transformer(1, 1, 4, context=4, steps=1).fit(["abca"])
    cr.Transformer(1, 1, 4, context=5, steps=1).fit(["abca"])


def test_labels_and_ends():
    model = cr.Transformer(1, 1, 8, context=6, steps=40, learning_rate=0.03)
    model.fit(["aa", "bbb"] * 10, ["x", "y"] * 10)
    assert model.log_prob(["aa", "aa"], ["x", "y"]).argmax() == 0
    drawn = model.sample(5, y=["x", "y"], seed=0)
    assert len(drawn) == 2 and max(map(len, drawn)) <= 5


@every_kind
def test_files_keep_the_end(kind, fitted, tmp_path):
    fitted[kind].save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert again.ends_
    assert_array_equal(again.log_prob(STRINGS[:9]), fitted[kind].log_prob(STRINGS[:9]))
    assert again.sample(20, size=4, seed=2) == fitted[kind].sample(20, size=4, seed=2)


@every_kind
def test_files_from_before_there_were_ends_mean_what_they_meant(kind, tmp_path):
    model, path = FITS[kind](ends=False).fit(NAMES), tmp_path / "m.safetensors"
    model.save(path)
    saved = checkpoint.load(path)
    del saved.metadata["ends"], saved.metadata["hyperparameters"]["ends"]
    metadata = saved.metadata | {"history": saved.history}
    checkpoint.save(path, saved.model, saved.config, saved.params, metadata)
    again = cr.load(path)
    assert again.ends_ is False and again.ends is None
    assert_array_equal(again.log_prob(NAMES), model.log_prob(NAMES))
    assert len(again.sample(20, seed=1)) == 20


@every_kind
def test_all_measures_count_the_end(kind, fitted):
    model, some = fitted[kind], ["ab", "b", "abab"]
    log_p, p = model.symbol_log_prob(some), model.conditionals(some)
    assert_allclose(model.log_prob(some), [row.sum() for row in log_p], rtol=1e-12)
    assert_allclose(model.score(some), np.concatenate(log_p).mean(), rtol=1e-12)
    assert_allclose(model.perplexity(some), np.exp(-model.score(some)), rtol=1e-12)
    for row, symbols, text in zip(p, log_p, some, strict=True):
        assert row.shape == (len(text) + 1, 3)
        drawn = [*("ab".index(c) for c in text), 2]
        assert_allclose(np.log(row[range(len(drawn)), drawn]), symbols, rtol=1e-9)
        assert_allclose(row.sum(axis=1), 1, rtol=1e-12)
    valid = min(record["valid"] for record in model.history_)
    assert_allclose(-model.score(NAMES[:20]), valid, rtol=1e-9)


@pytest.mark.parametrize("form", ["str", "bytes", "ids"])
def test_the_empty_sequence_has_a_probability_too(form):
    """It may be drawn, so what was drawn can always be scored."""
    forms = {"str": str, "bytes": str.encode, "ids": lambda s: ["ab".index(c) for c in s]}
    of = forms[form]
    model = FITS["RNN"](ends=True).fit([of(name) for name in NAMES])
    some = [of("ab"), of(""), of("b")]
    log_p, p = model.log_prob(some), model.conditionals(some[0])[0, -1]
    assert_allclose(log_p[1], np.log(p), rtol=1e-9)
    assert_allclose(model.log_prob([of("")]), log_p[1:2], rtol=1e-9)
    assert_allclose(model.log_prob([of("ab")]), log_p[:1], rtol=1e-9)
    assert [len(row) for row in model.symbol_log_prob(some)] == [3, 1, 2]
    if form != "ids":
        assert_allclose(model.log_prob(of("")), log_p[1:2], rtol=1e-9)
    with pytest.raises(ValueError, match="empty"):
        FITS["RNN"](ends=True).fit(some)  # a blank line in the data is a slip more often than not


# --- stop strings


def test_what_is_held_back_to_the_last_may_hold_a_whole_stop_string():
    row = stopping.Row([[0, 1, 2], [1]])
    assert [*row.feed([3, 0, 1]), *row.rest()] == [3, 0]


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("stops", [["ba"], ["bba", "ab"], ["abab", "bb"]], ids=str)
def test_a_row_gives_what_stands_before_its_first_stop(stops, chunk):
    rng = np.random.default_rng(0)
    for _ in range(200):
        text = "".join(rng.choice(list("ab"), 12))
        row = stopping.Row([[ord(c) for c in stop] for stop in stops])
        codes, given = [ord(c) for c in text], []
        for at in range(0, len(codes), chunk):
            given += row.feed(codes[at : at + chunk]).tolist()
        given += row.rest().tolist()
        places = [text.find(stop) for stop in stops if stop in text]
        assert "".join(map(chr, given)) == (text[: min(places)] if places else text)
        assert row.done == bool(places)


@pytest.mark.parametrize("text", ["hello world. ", b"hello world. ", [0, 1, 2, 3]], ids=str)
def test_samples_and_streams_stop(text):
    model = cr.RNN(24, context=8, steps=150, learning_rate=0.02).fit(text * 30)
    whole = model.sample(40, text[:2], seed=1)
    stop = whole[5:7]
    cut = model.sample(40, text[:2], seed=1, stop=stop)
    places = [n for n in range(40) if np.array_equal(list(whole[n : n + 2]), list(stop))]
    assert_array_equal(list(cut), list(whole[: places[0]]))
    several = [stop, whole[3:6]]
    assert len(model.sample(40, text[:2], seed=1, stop=several)) <= 5
    pieces = list(model.stream(40, text[:2], seed=1, stop=stop))
    assert_array_equal([v for piece in pieces for v in piece], list(cut))
    many = model.sample(40, [text[:2], text[:3]], seed=1, stop=stop)
    assert isinstance(many, list) and len(many) == 2


@pytest.mark.parametrize(
    ("stop", "error", "words"),
    [
        ("", ValueError, "empty"),
        ([""], ValueError, "empty"),
        (b"a", TypeError, "stop must be str as was fitted"),
        (3, TypeError, "stop must be a string of symbols, or a list of several, got 3"),
        ("z", ValueError, "'z', a character never seen"),
    ],
)
def test_stops_that_cannot_be(stop, error, words):
    model = cr.RNN(4, context=4, steps=1).fit("abcabc")
    with pytest.raises(error, match=words):
        model.sample(4, stop=stop)
    with pytest.raises(error, match=words):
        model.stream(4, stop=stop)


def test_stops_of_ids():
    vocabulary = Vocabulary("id", 5)
    assert stopping.strings([1, 2], vocabulary) == [[1, 2]]
    assert stopping.strings([[1, 2], np.array([3])], vocabulary) == [[1, 2], [3]]
    with pytest.raises(ValueError, match="ids from 0 to 4"):
        stopping.strings([[5]], vocabulary)
