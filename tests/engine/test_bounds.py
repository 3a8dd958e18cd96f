"""Evaluation is cut by the numbers it needs."""

import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine import bounds
from chainrule.engine.event import CONTINUOUS, Columns, Image, Sequence
from chainrule.engine.models import (
    made,
    nade,
    orderless_nade,
    pixel_cnn,
    pixel_rnn,
    table_nade,
)
from chainrule.engine.training import scoring


@pytest.mark.parametrize(
    ("event", "rows"),
    [
        (Columns.bits(1), 4096),
        (Columns.bits(784), 4096),
        (Columns.bits(100_000), 41),
        (Columns((256,) * 3072), 5),
        (Columns((CONTINUOUS,) * 12), 4096),
        (Image(28, 28, 1, 2), 4096),
        (Image(32, 32, 3, 256), 5),
        (Image(512, 512, 3, 256), 1),
    ],
)
def test_rows_are_cut_by_their_numbers(event, rows):
    assert bounds.rows_at_once(event) == rows
    assert rows == 1 or rows * event.n_outputs <= bounds.NUMBERS


def test_sequences_need_an_alphabet_a_symbol():
    assert bounds.rows_at_once(Sequence(65), length=1000) == 64
    assert bounds.rows_at_once(Sequence(50_000), length=1000) == 1
    assert bounds.positions_at_once(Sequence(65)) == 8192
    assert bounds.positions_at_once(Sequence(50_000)) == 83
    assert bounds.rows_at_once(Image(32, 32, 3), n_numbers=1 << 24) == 21
    assert bounds.rows_at_once(Columns.bits(9), most=100) == 100


REALS = {
    "table": table_nade.Config((CONTINUOUS,) * 300, 2, 10, mixture_weights="learned"),
    "made": made.Config((CONTINUOUS,) * 300, (2,)),
    "masks": made.Config((CONTINUOUS,) * 100, (2,), n_masks=3, order_agnostic=False),
    "orderless": orderless_nade.Config((CONTINUOUS,) * 300, (2,)),
}


@pytest.mark.parametrize("name", REALS)
def test_a_real_column_is_as_many_numbers_as_its_mixture(name):
    config = REALS[name]
    assert bounds.rows_of(config) == bounds.NUMBERS // 9000 == 466
    assert bounds.rows_of(config, most=100) == 100
    assert bounds.rows_of(nade.Config(784, 1)) == bounds.rows_at_once(Columns.bits(784))


@pytest.mark.parametrize(
    ("options", "scored", "drawn"),
    [
        ({"channels": 3, "levels": 256}, 5, 16),
        ({"channels": 3, "levels": 256, "n_logistics": 10}, 45, 45),
        ({"channels": 3, "levels": 8}, 170, 170),
        ({}, 4096, 4096),
    ],
)
def test_images_are_as_many_numbers_as_their_outputs(options, scored, drawn):
    """Of logistics that is no probability a level; drawing keeps no outputs."""
    for model, size in ((pixel_cnn, "n_features"), (pixel_rnn, "n_hidden")):
        config = model.Config(32, 32, **options, **{size: 3})
        assert (bounds.rows_of(config), bounds.rows_drawn(config)) == (scored, drawn)
        assert bounds.rows_of(config, most=3) == 3
    assert bounds.rows_drawn(nade.Config(784, 1)) == bounds.rows_of(nade.Config(784, 1))


@pytest.mark.parametrize(
    ("model", "ask"),
    [
        (cr.TableNADE(2, epochs=1), "log_prob_terms"),
        (cr.MADE(2, epochs=1), "to_uniforms"),
        (cr.OrderlessNADE(2, epochs=1), "log_prob"),
    ],
    ids=str,
)
def test_scores_of_many_real_columns_stay_in_bounds(model, ask, rng):
    """All outputs of 2,500 rows, 300 mixtures of 30 numbers each, would be 90 MB."""
    X = rng.normal(size=(2500, 300)).astype(np.float32)
    model.fit(X[:20])
    getattr(model, ask)(X[:20])
    tracemalloc.start()
    getattr(model, ask)(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70e6


def test_scores_of_wide_rows_stay_in_bounds(monkeypatch):
    """Of 20,000 bits a row, what is asked for at once is what the bound allows."""
    config = nade.Config(20_000, 1)
    seen = []

    def log_prob(config, params, x, **rest):
        seen.append(len(x))
        return np.zeros(len(x))

    monkeypatch.setattr(nade, "log_prob", log_prob)
    X = np.broadcast_to(np.zeros(20_000, np.uint8), (900, 20_000))
    tracemalloc.start()
    assert scoring.mean_nll(nade, config, None, X) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(seen) == 900 and max(seen) == bounds.NUMBERS // 20_000 and peak < 1e6
