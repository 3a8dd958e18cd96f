"""What an observation is, as every model's Config declares it."""

import dataclasses
from math import log

import numpy as np
import pytest

from chainrule.engine import models
from chainrule.engine.event import CONTINUOUS, Columns, Image, Sequence

EVENTS = {
    "bits": (Columns.bits(3), np.uint8, (3,), 3, 3 * log(2)),
    "categories": (Columns((2, 5, 3)), np.int32, (3,), 9, log(30)),
    "mixed": (Columns((2, CONTINUOUS, 4)), np.float32, (3,), 6, log(8)),
    "constant": (Columns((1,)), np.int32, (1,), 1, 0),
    "grey": (Image(4, 5, 1, 16), np.uint8, (4, 5, 1), 320, 20 * log(16)),
    "black and white": (Image(4, 5, 1, 2), np.uint8, (4, 5, 1), 20, 20 * log(2)),
    "deep": (Image(2, 2, 3, 1000), np.int32, (2, 2, 3), 12_000, 12 * log(1000)),
}


@pytest.mark.parametrize(("event", "dtype", "shape", "n", "guessing"), EVENTS.values(), ids=EVENTS)
def test_events_of_fixed_size(event, dtype, shape, n, guessing):
    assert (event.dtype, event.shape, event.n_outputs, event.per) == (dtype, shape, n, "row")
    assert event.guessing == pytest.approx(guessing)
    assert hash(event) == hash(type(event)(**vars(event)))


def test_sequences():
    event = Sequence(65, 8)
    assert (event.dtype, event.n_outputs, event.per) == (np.int32, 65, "symbol")
    assert event.guessing == pytest.approx(log(65)) and Sequence(3).context is None


@pytest.mark.parametrize(
    "make",
    [
        *(lambda: Columns(()), lambda: Columns((2, -1)), lambda: Sequence(0)),
        *(lambda: Sequence(3, 0), lambda: Image(0, 2), lambda: Image(2, 2, 1, 1)),
    ],
)
def test_what_no_observation_can_be(make):
    with pytest.raises(ValueError, match=r"got"):
        make()


@pytest.mark.parametrize("name", models.HOMES)
def test_every_model_declares_what_it_is_of_and_what_it_can_do(name):
    model = models.get(name)
    fields = model.Config.__dataclass_fields__
    can = model.ABILITIES
    assert can.labels == ("n_classes" in fields) and can.dropout == ("dropout" in fields)
    assert can.context == ("context" in fields)
    assert can.state == hasattr(model, "state_size")
    assert can.attention == hasattr(model, "attention_maps")
    assert models.of(model.EVENT)[name] is model
    sizes = {
        k: (2, 3) if k == "values" else 4
        for k, field in fields.items()
        if field.default is dataclasses.MISSING
    }
    assert isinstance(model.Config(**sizes).event, model.EVENT)
