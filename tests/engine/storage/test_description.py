"""Config fields of every kind, there and back, and whatever else a file may say they are."""

import json
import random
from dataclasses import asdict, dataclass, fields
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest

from chainrule.engine import models
from chainrule.engine.event import Columns
from chainrule.engine.params import Params
from chainrule.engine.storage import checkpoint, container, description
from chainrule.engine.storage.checkpoint import CheckpointError

ODD = (
    *(None, True, False, 0, -1, 1, 2, 10**6, 2**63, 10**30, 0.5, -0.0, 1e308, float("inf")),
    *("", "x", "relu", "é\ud800", [], [0], [2, 3], [2, 3, 4], [[2]], ["a"], {}, {"values": [2]}),
    *({"values": [2, 0, 4]}, {"width": 3, "rate": 1}, [None] * 5, "9" * 400),
)


@dataclass(frozen=True)
class Layer:
    """A part of a Config that is a dataclass of its own."""

    width: int
    rate: float = 0.5

    def __post_init__(self):
        if self.width > 100:
            raise ValueError(f"width must be at most 100,\ngot {self.width}")


@dataclass(frozen=True)
class Config:
    """One field of every kind that there may be."""

    columns: Columns
    layers: tuple[Layer, ...]
    pair: tuple[int, str] = (1, "a")
    rates: tuple[float, ...] = ()
    top: Layer | None = None
    limit: int | None = None
    act: Literal["relu", "tanh"] = "relu"
    tied: bool = True
    deep: tuple[tuple[int, ...], ...] = ()


CONFIGS = {
    "plain": Config(Columns((2, 0, 4)), (Layer(3), Layer(4, 1.0))),
    "full": Config(
        Columns.bits(2),
        (),
        (2, "é"),
        (1.5, 2.0),
        Layer(5, 0.25),
        7,
        "tanh",
        False,
        ((1,), (), (2, 0)),
    ),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """Register a model with that Config and two parameters a column."""
    module = SimpleNamespace(
        Config=Config, shapes=lambda config: {"W": (len(config.columns.values), 2)}
    )
    monkeypatch.setitem(models.HOMES, "toy", "chainrule.engine.models.toy")
    monkeypatch.setattr(
        models, "import_module", lambda home: module if home.endswith(".toy") else None
    )


def save(path, config):
    params = Params({"W": (len(config.columns.values), 2)})
    checkpoint.save(path, "toy", config, params)


@every_config
def test_a_config_comes_back_as_it_was(config, tmp_path):
    save(tmp_path / "toy", config)
    got = checkpoint.load(tmp_path / "toy").config
    assert got == config and hash(got) == hash(config)
    for field in fields(Config):
        assert type(getattr(got, field.name)) is type(getattr(config, field.name))
    assert all(type(rate) is float for rate in got.rates)


def test_whole_numbers_stand_for_floats_inside_too(tmp_path):
    written = change(CONFIGS["full"], "rates", [1, 2])
    written["top"] = {"width": 1, "rate": 1}
    got = description.typed(hints(), written, "file")
    assert got["rates"] == (1.0, 2.0) and type(got["rates"][0]) is float
    assert type(got["top"].rate) is float


PLAIN = {"half_steps": [], "atoms": []}


def hints():
    return {field.name: field.type for field in fields(Config)}


def change(config, name, value):
    return json.loads(json.dumps(asdict(config) | {name: value}))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("columns", {"values": [2, "x"], **PLAIN}, r"columns\.values\[1\] that is no int"),
        ("columns", {"values": [2, True], **PLAIN}, r"columns\.values\[1\] that is no int"),
        ("columns", {"values": [2], "more": 1}, "lacks one of values"),
        ("columns", [2], "lacks one of values"),
        ("columns", {"values": 2, **PLAIN}, r"columns\.values that is no list"),
        ("layers", [{"width": 1}], "lacks one of width, rate"),
        ("layers", [{"width": 1, "rate": None}], r"layers\[0\]\.rate that is no float"),
        ("pair", [1], "pair that is no list of 2"),
        ("pair", ["a", 1], r"pair\[0\] that is no int"),
        ("rates", [1.0, None], r"rates\[1\] that is no float"),
        ("rates", [2**53], r"rates\[0\] that is no float"),
        ("top", 3, "lacks one of width, rate"),
        ("limit", 1.0, "limit that is no int"),
        ("limit", False, "limit that is no int"),
        ("act", "gelu", "act that is no 'relu' or 'tanh'"),
        ("act", None, "act that is no 'relu' or 'tanh'"),
        ("tied", 1, "tied that is no bool"),
        ("deep", [[1], 2], r"deep\[1\] that is no list"),
    ],
)
def test_what_is_no_such_field_is_refused(name, value, words):
    with pytest.raises(CheckpointError, match=words) as error:
        description.typed(hints(), change(CONFIGS["plain"], name, value), "file")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 0),
        ("top", {"width": 0, "rate": 1.0}),
        ("layers", [{"width": -3, "rate": 1.0}]),
        ("layers", [{"width": 101, "rate": 1.0}]),  # its own check says so, in two lines
        ("columns", {"values": [2, -1, 4]}),
        ("deep", [[-1]]),
    ],
)
def test_sizes_that_no_model_can_have(name, value, tmp_path):
    save(tmp_path / "toy", CONFIGS["plain"])
    alter(tmp_path / "toy", change(CONFIGS["plain"], name, value))
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(tmp_path / "toy")
    assert "\n" not in str(error.value)


def alter(path, config):
    tensors, text = container.read(path)
    container.write(path, tensors, json.dumps(json.loads(text) | {"config": config}))


@dataclass(frozen=True)
class Chain:
    """A type that holds itself: here the file alone says how deep it goes."""

    then: "Chain | None" = None


@pytest.mark.parametrize("depth", [1, 10, 50, 400])
def test_depth_is_bounded(depth):
    value = None
    for _ in range(depth):
        value = {"then": value}
    kind = {"then": Chain | None}
    if depth <= 10:
        assert description.typed(kind, {"then": value}, "file")["then"] is not None
        return
    with pytest.raises(CheckpointError, match="too deep"):
        description.typed(kind, {"then": value}, "file")


@pytest.mark.parametrize("brackets", ["[", '{"a":'])
def test_json_that_is_deeper_than_python_reads(brackets, tmp_path):
    save(tmp_path / "toy", CONFIGS["plain"])
    tensors, text = container.read(tmp_path / "toy")
    container.write(tmp_path / "toy", tensors, text.replace("[2, 0, 4]", brackets * 100_000))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path / "toy")


def test_a_long_tuple_is_read_in_a_moment(tmp_path):
    config = Config(Columns((3,) * 20_000), ())
    save(tmp_path / "toy", config)
    assert checkpoint.load(tmp_path / "toy").config == config


def test_altered_configs_load_as_sound_ones_or_are_refused(tmp_path):
    """At any place of the JSON, any other value."""
    path, taken = tmp_path / "toy", 0
    for seed in range(1500):
        dice = random.Random(seed)
        config = dice.choice(list(CONFIGS.values()))
        written = json.loads(json.dumps(asdict(config)))
        where, key = dice.choice(places(written))
        if dice.random() < 0.8:
            where[key] = dice.choice(ODD)
        else:
            del where[key]
        tensors = {"W": np.zeros((len(config.columns.values), 2), np.float32)}
        try:
            values = description.typed(hints(), written, path)
            got = Config(**values)
            assert json.loads(json.dumps(asdict(got))) == written, seed
            checkpoint._model(models.get("toy"), written, tensors, path)
            taken += 1
        except CheckpointError as error:
            assert "\n" not in str(error)
        except ValueError as error:  # of Layer or Columns, which `load` turns into one
            known = ("at most 100", "each variable has", "half steps are", "atoms are")
            assert any(words in str(error) for words in known)
    assert 50 < taken < 750


def places(value):
    """Return the container and key of every value in some JSON."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found
