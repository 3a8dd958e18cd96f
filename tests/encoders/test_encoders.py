"""Encoders: from users' data to arrays and back, in words, in files, and told from others."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.encoders import labels
from chainrule.encoders.bits import Bits
from chainrule.encoders.symbols import Symbols
from chainrule.engine.event import Columns, Sequence
from chainrule.engine.ragged import Ragged
from chainrule.engine.storage import fingerprint

TABLE = np.array([[0, 200, 30], [255, 0, 128]])


def through_json(encoder):
    return json.loads(json.dumps(encoder.as_json()))


def test_bits_go_down_and_come_back():
    encoder = Bits(binarize=127, order="reverse").learn(TABLE)
    x = encoder.encode(TABLE)
    assert x.dtype == np.uint8 and x.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert_array_equal(encoder.decode(x), TABLE > 127)
    assert encoder.event == Columns.bits(3) and encoder.dims == 3
    assert encoder.describe() == "rows of 3 bits"
    encoder.names = ["a", "b", "c"]
    again = Bits(127).of_json(through_json(encoder), 3)
    assert again.names == encoder.names
    assert_array_equal(again.encode(TABLE), x)


def test_given_values_are_looked_at_where_they_are_observed():
    encoder = Bits(order="reverse").learn(np.eye(3))
    mask = np.array([[True, False, True], [False, False, True]])
    given = np.where(mask, [1, 5, 0], np.nan)
    assert encoder.encode_given(given, mask, 2).tolist() == [[0, 0, 1], [0, 0, 0]]
    masked = np.ma.array([[1, 5, 0]], mask=[[False, True, False]])
    assert encoder.encode_given(masked, mask[0], 2).tolist() == [[0, 0, 1]] * 2
    with pytest.raises(ValueError, match="given contains NaN"):
        encoder.encode_given(given, ~mask, 2)
    with pytest.raises(ValueError, match="given contains a masked value"):
        encoder.encode_given(masked, ~mask[0], 2)


@pytest.mark.parametrize(
    ("data", "ends", "words", "unit"),
    [
        ("abba", False, "2 characters", "character"),
        (b"ab", False, "256 bytes", "byte"),
        (["ab", "b"], True, "2 characters and an end", "character"),
        ([[0, 1], [2, 2]], False, "3 symbols", "symbol"),
    ],
    ids=str,
)
def test_symbols_go_down_and_come_back(data, ends, words, unit):
    encoder = Symbols().learn(data)
    assert encoder.ends is ends and encoder.describe() == words
    assert encoder.unit == encoder.per == unit and encoder.dims == 1
    assert encoder.event == Sequence(encoder.n_symbols)
    again = Symbols().of_json(through_json(encoder))
    assert again.vocabulary == encoder.vocabulary and again.ends is ends
    read = again.encode(data)
    size = sum(map(len, data)) + len(data) if ends else np.size(read.ids)
    assert read.n_symbols == size
    if isinstance(data, str | bytes):
        assert again.decode(read.ids) == data


def test_labels_become_numbers_and_a_prior():
    classes = labels.learn(["b", "a", "b", "b"], 4)
    numbers = labels.encode(["a", "b", "b"], 3, classes)
    assert classes.tolist() == ["a", "b"] and numbers.tolist() == [0, 1, 1]
    assert numbers.dtype == np.int32
    prior = labels.prior(numbers, 2)
    found, p = labels.of_json(json.loads(json.dumps(labels.as_json(classes, prior))))
    assert_array_equal(found, classes)
    assert_array_equal(p, prior)
    assert labels.of_json(labels.as_json(None, None)) == (None, None)
    assert labels.of_json({"classes": [3, 5]})[1].tolist() == [0.5, 0.5]
    unseen = "y holds 'c', a label never seen in training; leave it out or give one of 'a', 'b'"
    with pytest.raises(ValueError, match=unseen):
        labels.encode("c", 2, classes)
    with pytest.raises(ValueError, match=r"^y contains NaN at 1; fill it in or leave that row out"):
        labels.learn(np.array([0, np.nan, 1]), 3)


def test_a_fingerprint_is_of_values():
    rows = np.array([[0, 1], [1, 1]], np.uint8)
    assert fingerprint.of(rows) == fingerprint.of(rows.astype(np.int64))
    others = [
        [rows[::-1]],
        [rows.reshape(1, 4)],
        [rows, None],
        [rows[:, :1]],
        [Ragged.of(list(rows))],
        [Ragged.of([rows[0], rows[1], rows[0]])],
        [rows + 0.5],
        ["text"],
    ]
    found = {fingerprint.of(*parts) for parts in others}
    assert len(found) == len(others) and fingerprint.of(rows) not in found
