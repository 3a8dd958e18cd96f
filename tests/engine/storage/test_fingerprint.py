"""Fingerprints: of values, not of how they are kept."""

import tracemalloc

import numpy as np
import pytest

from chainrule.engine.event import Columns
from chainrule.engine.ragged import Ragged
from chainrule.engine.storage import fingerprint
from chainrule.engine.storage.fingerprint import agrees, of

X = np.random.default_rng(0).integers(0, 5, (40, 6))


class Mapped:
    """What reads like an array, and has no shape."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, part):
        return self.values[part]


def test_the_width_of_numbers_does_not_matter():
    for dtype in (np.uint8, np.int8, np.int32, np.uint16, np.int64):
        assert of(X.astype(dtype)) == of(X)
    assert of(X > 2) == of((X > 2).astype(np.uint8))
    reals = (X / 4).astype(np.float64)
    assert of(reals.astype(np.float32)) == of(reals) == of(reals.astype(np.float16))
    assert of(np.array([-0.0])) == of(np.array([0.0]))
    assert of(np.array(["a", "bc"])) == of(np.array(["a", "bc"], "U9"))


def test_nor_does_how_they_are_kept(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert of(np.load(tmp_path / "x.npy", mmap_mode="r")) == of(X)
    assert of(np.asfortranarray(X)) == of(X) == of(X[::-1][::-1])
    assert of(Mapped(X[:, 0])) == of(np.ascontiguousarray(X[:, 0]))
    assert of(X.astype(">i4")) == of(X)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_nor_does_the_size_of_blocks(block, monkeypatch):
    before = of(X, X / 3)
    monkeypatch.setattr(fingerprint, "BLOCK", block)
    assert of(X, X / 3) == before


def test_values_shapes_kinds_and_order_do():
    more = X.copy()
    more[-1, -1] += 1
    rows = Ragged.of([np.arange(3), np.arange(2)])
    parts = [
        *(
            (X,),
            (more,),
            (X.T,),
            (X.reshape(-1),),
            (X[:-1],),
            (X.astype(float),),
            ([X],),
            ((X, X),),
        ),
        *((X, None), (None, X), (X, X), (), (None,), ("",), (b"",), (0,), (False,), (0.0,), ("0",)),
        *((("a", "b"),), (("ab",),), (("a", ("b",)),), ("a", "b"), (np.array(["a", "b"]),)),
        *((rows,), (rows.flat,), (Ragged.of([np.arange(3), np.arange(2)[:1], np.arange(1)]),)),
        *((Columns.bits(3),), (Columns((2, 2, 3)),), (np.zeros((0, 3)),), (np.zeros((0, 4)),)),
        *(
            (np.array([np.nan]),),
            (np.array([np.inf]),),
            (np.array([2**53]),),
            (np.array([2**53 + 1]),),
        ),
    ]
    seen = {}
    for some in parts:
        assert seen.setdefault(of(*some), some) is some
        assert of(*some) == of(*some)


def test_values_beyond_bits_count():
    """They did not where bits were packed: all that is not 0 was alike."""
    assert fingerprint.of_packed_bits(X + 1, None) == fingerprint.of_packed_bits(X + 2, None)
    assert of(X + 1, None) != of(X + 2, None)


def test_what_has_no_known_values_is_refused():
    for part in (object(), {"a": 1}, {1, 2}, np.array([1j]), print):
        with pytest.raises(TypeError, match="no fingerprint"):
            of(part)


def test_a_text_larger_than_memory_is_read_in_blocks(tmp_path):
    with open(tmp_path / "ids", "wb") as file:
        file.truncate(64 << 20)
    text = np.memmap(tmp_path / "ids", np.uint8, "r")
    tracemalloc.start()
    of(text, Mapped(text[: 1 << 22]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_earlier_versions_hashes_still_agree():
    now, old = of(X, None), fingerprint.of_format_1((X, None))
    assert len(old) == 64 and not old.startswith("2:")
    assert agrees(now, now) and not agrees(now, of(X))
    assert agrees(old, now, lambda: "another", lambda: fingerprint.of_format_1((X, None)))
    assert not agrees(old, now) and not agrees(old, now, lambda: "another")
    for stored in (None, 3, [], "", "2:"):
        assert not agrees(stored, now, lambda: old)

    def never():
        raise AssertionError

    assert agrees(now, now, never)
