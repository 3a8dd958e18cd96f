"""Checkpoints: what goes in comes out, and nothing else is let in."""

import copy
import dataclasses
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save_file

from chainrule.engine import models
from chainrule.engine.event import Columns
from chainrule.engine.models import fvsbn, nade, rnn
from chainrule.engine.params import Params
from chainrule.engine.storage import checkpoint, container
from chainrule.engine.storage.checkpoint import CheckpointError
from chainrule.engine.training import train
from chainrule.engine.training.train import Recipe

every_model = pytest.mark.parametrize("name", models.of(Columns))
METADATA = {"text": "é\n\"'", "list": [1, 2.5, None, True], "deep": {"a": {"b": 0.1}}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def saved(path, small):
    """Return the path of a small NADE, its config and its parameters."""
    config, params = small(nade, 3, 2, np.float32)
    checkpoint.save(path, "nade", config, params, METADATA, {"order": np.arange(3)})
    return path, config, params


def bits(n_rows, D=6):
    return np.random.default_rng(0).integers(0, 2, (n_rows, D), np.uint8)


def forge(path, tensors=None, **changes):
    """Write a file as `save` would, checksum included, but for what is changed in its JSON."""
    stored, text = container.read(path)
    content = json.loads(text) | changes
    text = json.dumps({key: value for key, value in content.items() if value is not ...})
    container.write(path, stored if tensors is None else tensors, text)


def assert_refused(path, words, load=checkpoint.load, **expected):
    with pytest.raises(CheckpointError) as caught:
        load(path, **expected)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


# --- there and back


@every_model
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("D", [1, 2, 7])
def test_a_model_comes_back_as_it_was(name, dtype, D, path, small):
    config, params = small(models.get(name), D, 3, dtype)
    checkpoint.save(path, name, config, params, METADATA, {"order": np.arange(D)[::-1]})
    got = checkpoint.load(path, name)
    assert (got.model, got.config, got.metadata) == (name, config, METADATA)
    assert got.params.dtype == dtype and got.params.shapes == params.shapes
    assert_array_equal(got.params.flat, params.flat)
    assert got.extra.keys() == {"order"}
    assert_array_equal(got.extra["order"], np.arange(D)[::-1])
    got.params.flat[...] = 0  # its own memory, to be trained further


def test_metadata_may_hold_numpy(saved):
    path, config, params = saved
    checkpoint.save(path, "nade", config, params, {"n": np.int64(3), "a": np.arange(2) / 4})
    assert checkpoint.load(path).metadata == {"n": 3, "a": [0.0, 0.25]}
    with pytest.raises(TypeError, match="metadata must be what JSON can hold, got object"):
        checkpoint.save(path, "nade", config, params, {"o": object()})
    assert checkpoint.load(path).metadata == {"n": 3, "a": [0.0, 0.25]}


def test_the_same_model_makes_the_same_file_with_the_users_permissions(saved, tmp_path):
    path, config, params = saved
    again, plain = tmp_path / "again.safetensors", tmp_path / "plain"
    checkpoint.save(again, "nade", config, params, METADATA, {"order": np.arange(3)})
    plain.touch()
    assert again.read_bytes() == path.read_bytes()
    assert again.stat().st_mode == plain.stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == [again.name, path.name, plain.name]


def test_any_safetensors_reader_can_open_it(saved):
    path, _, params = saved
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == {*params, "extra/order"}
        assert_array_equal(file.get_tensor("W"), params["W"])
        assert file.metadata()["chainrule"].partition(" ")[2].startswith('{"format": 2, "model"')


def test_a_link_is_followed_not_replaced(saved, tmp_path):
    path, config, params = saved
    link = tmp_path / "link"
    link.symlink_to(path)
    params.flat[...] = 2
    checkpoint.save(link, "nade", config, params)
    assert link.is_symlink()
    assert_array_equal(checkpoint.load(path).params.flat, 2)


# --- trainings


@every_model
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5, 8, 36])
def test_a_saved_training_goes_on_to_the_same_bits(name, dtype, stop, path, small):
    model = models.get(name)
    config, _ = small(model, 6, 3)
    X, X_valid = bits(50), bits(20)[::-1].copy()
    recipe = Recipe(epochs=9, batch_size=16, learning_rate=0.3, patience=3, weight_decay=0.01)
    straight = train.start(model, config, recipe, dtype)
    if stop == 0:
        checkpoint.save_state(path, name, config, recipe, straight, METADATA)
    for progress in train.run(model, config, recipe, straight, X, X_valid):
        if progress.step <= stop:  # the last save is at `stop`, or where patience ended it
            checkpoint.save_state(path, name, config, recipe, straight, METADATA)
    saved = checkpoint.load_state(path, name)
    assert (saved.model, saved.config, saved.recipe) == (name, config, recipe)
    assert saved.metadata == METADATA
    assert saved.state.step == min(stop, straight.step)
    for _ in train.run(model, saved.config, saved.recipe, saved.state, X, X_valid):
        pass
    for array in ("m", "v"):
        assert_array_equal(getattr(saved.state, array), getattr(straight, array))
    assert_array_equal(saved.state.params.flat, straight.params.flat)
    assert_array_equal(saved.state.best.flat, straight.best.flat)
    assert saved.state.params.dtype == dtype
    for field in ("step", "size", "best_record", "best_valid", "loss_sum"):
        assert getattr(saved.state, field) == getattr(straight, field)
    for ours, theirs in zip(saved.state.history, straight.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


@pytest.fixture
def training(path):
    """Return the path of a saved FVSBN training, stopped inside its second epoch."""
    config, recipe = fvsbn.Config(6), Recipe(epochs=3, batch_size=16, learning_rate=1)
    state = train.start(fvsbn, config, recipe)
    for progress in train.run(fvsbn, config, recipe, state, bits(50)):
        if progress.step == 6:
            break
    checkpoint.save_state(path, "fvsbn", config, recipe, state, {"who": "me"})
    return path, state


def test_a_training_is_a_model_too(training):
    path, state = training
    assert_array_equal(checkpoint.load(path).params.flat, state.params.flat)


def test_every_field_of_a_state_is_saved(training):
    path, state = training
    got = checkpoint.load_state(path).state
    for field in dataclasses.fields(train.State):
        ours, theirs = getattr(got, field.name), getattr(state, field.name)
        if isinstance(theirs, Params):
            ours, theirs = ours.flat, theirs.flat
        assert_array_equal(ours, theirs, err_msg=field.name)


def test_a_model_without_training_cannot_be_resumed(saved):
    assert_refused(saved[0], "no training to resume", checkpoint.load_state)


def test_a_torn_state_is_not_saved(training):
    path, state = training
    before = path.read_bytes()
    state.whole = False
    with pytest.raises(ValueError, match="interrupted inside an update"):
        checkpoint.save_state(path, "fvsbn", fvsbn.Config(6), Recipe(), state)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("counters", {"step": -1}),
        ("counters", {"step": 1.5}),
        ("counters", {"step": True}),
        ("counters", {"history": {}}),
        ("counters", {"best_valid": "low"}),
        ("counters", {"best_valid": 10**400}),
        ("counters", {"best_record": None}),
        ("counters", {"best_record": 2}),
        ("counters", {"best_valid": float("nan")}),
        ("counters", {"loss_sum": float("inf")}),
        ("counters", {"more": 1}),
        ("recipe", {"learning_rate": -1}),
        ("recipe", {"schedule": "linear"}),
        ("recipe", {"epochs": "many"}),
        ("recipe", {"more": 1}),
    ],
)
def test_a_forged_training_is_refused(part, changes, training):
    path, _ = training
    metadata = json.loads(container.read(path)[1])["metadata"]
    metadata["training"][part] |= changes
    forge(path, metadata=metadata)
    assert_refused(path, "", checkpoint.load_state)
    for broken in (None, [], {}, "x"):
        metadata["training"][part] = broken
        forge(path, metadata=metadata)
        assert_refused(path, "", checkpoint.load_state)


@pytest.mark.parametrize("name", ["best", "m", "v"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_training_that_is_not_finite_is_neither_saved_nor_resumed(name, value, training):
    path, state = training
    before = path.read_bytes()
    array = state.best.flat if name == "best" else getattr(state, name)
    array[3] = value
    with pytest.raises(ValueError, match=f"was not written: the training's array '{name}' is not"):
        checkpoint.save_state(path, "fvsbn", fvsbn.Config(6), Recipe(), state)
    assert path.read_bytes() == before
    tensors, _ = container.read(path)
    forge(path, tensors | {f"extra/{name}": array})
    assert_refused(path, f"an array '{name}' that is not finite", checkpoint.load_state)


@pytest.fixture
def carried(path):
    """Return the path and the parts of a training of an RNN that reads streams."""
    config, recipe = rnn.Config(4, 3), Recipe(steps=4, batch_size=2)
    state = train.start(rnn, config, recipe)
    state.carry = np.ones((2, rnn.state_size(config)), np.float32)
    checkpoint.save_state(path, "rnn", config, recipe, state)
    assert_array_equal(checkpoint.load_state(path).state.carry, state.carry)
    return path, config, recipe, state


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_carried_states_that_are_not_finite_are_neither_saved_nor_resumed(value, carried):
    path, config, recipe, state = carried
    before, (tensors, _) = path.read_bytes(), container.read(path)
    state.carry[1, 2] = value
    with pytest.raises(ValueError, match="was not written: the training's array 'carry' is not"):
        checkpoint.save_state(path, "rnn", config, recipe, state)
    assert path.read_bytes() == before
    forge(path, tensors | {"extra/carry": state.carry})
    assert_refused(path, "an array 'carry' that is not finite", checkpoint.load_state)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4), (2, 3, 1)])
def test_carried_states_must_fit(shape, carried):
    path = carried[0]
    tensors, _ = container.read(path)
    forge(path, tensors | {"extra/carry": np.ones(shape, np.float32)})
    assert_refused(path, "recurrent states that do not fit", checkpoint.load_state)


def test_squares_have_no_negative_mean(training):
    path, _ = training
    tensors, _ = container.read(path)
    forge(path, tensors | {"extra/v": -np.ones_like(tensors["extra/v"])})
    assert_refused(path, "below zero", checkpoint.load_state)


def test_a_history_of_any_length_is_saved(path):
    """As JSON, 55,000 records were more than could be written."""
    config, recipe = fvsbn.Config(6), Recipe(epochs=200_000)
    state = train.start(fvsbn, config, recipe)
    state.history = [
        {
            "epoch": n,
            "train": 3.0 + 1 / n,
            "valid": None if n % 2 else 0.1 + n,
            "seconds": 0.001,
            "learning_rate": 1e-3,
        }
        for n in range(1, 100_001)
    ]
    state.best_record = len(state.history)
    checkpoint.save_state(path, "fvsbn", config, recipe, state)
    assert checkpoint.load_state(path).state.history == state.history
    assert path.stat().st_size < 5e6


def test_training_arrays_must_fit(training):
    path, _ = training
    tensors, _ = container.read(path)
    for wrong in (tensors["extra/m"][:-1], tensors["extra/m"].astype(np.float64)):
        forge(path, tensors | {"extra/m": wrong})
        assert_refused(path, "'m' that does not fit", checkpoint.load_state)


# --- what is refused


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.here does not exist; check its name"):
        checkpoint.load(tmp_path / "nothing.here")
    assert_refused(tmp_path, "is not a file")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 7, b"\0" * 8, b"\0" * 1000, b"PK\x03\x04" * 50, b"\x93NUMPY" * 9, b"hello" * 99],
)
def test_a_foreign_file(content, path):
    path.write_bytes(content)
    assert_refused(path, "is not a chainrule checkpoint")


def test_another_programs_safetensors(path):
    save_file({"W": np.zeros(3)}, path)
    assert_refused(path, "holds no chainrule model")
    save_file({"W": np.zeros(3)}, path, {"chainrule": "anything"})
    assert_refused(path, "checksum does not match")


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 10**8, 2**24 + 1, 10**5])
def test_a_hostile_header_length_is_refused_before_it_is_read(length, saved):
    path, _, _ = saved
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    assert_refused(path, "is not a chainrule checkpoint, or is cut short")


def test_a_long_header_that_is_really_there_is_refused(path):
    length = 17 * 2**20
    path.write_bytes(struct.pack("<Q", length) + b"{" + b" " * (length - 2) + b"}")
    assert_refused(path, "is not a chainrule checkpoint")


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "[" * 100_000, '{"format": ' + "9" * 5000 + "}", "1e999"]
)
def test_text_that_is_no_description(text, saved):
    path, _, _ = saved
    container.write(path, container.read(path)[0], text)
    assert_refused(path, "description that cannot be read")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 3}, "has format 3 and this chainrule reads 1 and 2"),
        ({"format": True}, "has format True"),
        ({"format": 1.0}, "has format 1.0"),
        ({"format": None}, "has format None"),
        ({"format": ...}, "description that cannot be read"),
        ({"model": ...}, "description that cannot be read"),
        ({"more": 1}, "description that cannot be read"),
        ({"model": "boltzmann"}, "model unknown here, 'boltzmann'"),
        ({"model": ["nade"]}, "model unknown here"),
        ({"model": "fvsbn"}, "lacks one of n_visible"),
        ({"model": "nade_untied"}, "arrays that do not fit its config"),
        ({"config": None}, "lacks one of n_visible, n_hidden"),
        ({"config": {"n_visible": 3}}, "lacks one of n_visible, n_hidden"),
        ({"config": {"n_visible": 3, "n_hidden": 2, "n": 1}}, "lacks one of"),
        ({"config": {"n_visible": 3, "n_hidden": 2.0}}, "has a n_hidden that is no int"),
        ({"config": {"n_visible": True, "n_hidden": 2}}, "has a n_visible that is no int"),
        ({"config": {"n_visible": "3", "n_hidden": 2}}, "has a n_visible that is no int"),
        ({"config": {"n_visible": 4, "n_hidden": 2}}, "arrays that do not fit its config"),
        ({"config": {"n_visible": -3, "n_hidden": -2}}, "a size below 1"),
        ({"config": {"n_visible": 10**300, "n_hidden": 2}}, "arrays that do not fit its config"),
        ({"metadata": None}, "metadata that cannot be read"),
    ],
)
def test_a_description_that_does_not_fit(changes, words, saved):
    path, _, _ = saved
    forge(path, **changes)
    assert_refused(path, words)


def test_arrays_that_do_not_fit(saved):
    path, _, _ = saved
    tensors, _ = container.read(path)
    fit, whole = "arrays that do not fit its config", "not all float32 or all float64"
    for wrong, words in [
        ({"W": tensors["W"].T.copy()}, fit),
        ({"W": tensors["W"].ravel()}, fit),
        ({"W": tensors["W"].astype(np.float64)}, whole),
        ({name: a.astype(np.float16) for name, a in tensors.items()}, whole),
        ({name: a.astype(np.int64) for name, a in tensors.items()}, whole),
        ({"surplus": np.zeros(1, np.float32)}, fit),
        ({"W": np.full_like(tensors["W"], np.nan)}, "'W' that is not finite"),
        ({"c": np.full_like(tensors["c"], np.inf)}, "'c' that is not finite"),
    ]:
        forge(path, tensors | wrong)
        assert_refused(path, words)
    for missing in ("W", "b"):
        forge(path, {name: a for name, a in tensors.items() if name != missing})
        assert_refused(path, fit)


def test_a_diverged_model_does_not_replace_a_good_one(saved):
    path, config, params = saved
    before = path.read_bytes()
    params["V"][0, 0] = np.nan
    with pytest.raises(ValueError, match="not written: parameter 'V' is not finite"):
        checkpoint.save(path, "nade", config, params)
    assert path.read_bytes() == before


def test_another_model_than_the_one_asked_for(saved):
    assert_refused(
        saved[0], "holds the model 'nade', not 'fvsbn'; load it as 'nade'", model="fvsbn"
    )


def test_metadata_too_long_to_be_read_is_not_written(saved):
    path, config, params = saved
    before = path.read_bytes()
    with pytest.raises(ValueError, match="was not written: its metadata need"):
        checkpoint.save(path, "nade", config, params, {"long": "x" * 2**24})
    assert path.read_bytes() == before


@pytest.mark.parametrize("letter", ["x", '"', "\\", "é", "\x01", "\ud800"])
def test_whatever_is_written_can_be_read(letter, saved, monkeypatch):
    """JSON escapes, and the header escapes that: the limit is that of what is read."""
    monkeypatch.setattr(container, "MAX_HEADER", 4096)  # the same arithmetic in less time
    path, config, params = saved
    written = refused = 0
    for count in (*range(100, 4200, 97), *range(1900, 1960), *range(3600, 3700, 3)):
        metadata = {"long": letter * count}
        try:
            checkpoint.save(path, "nade", config, params, metadata)
        except ValueError as error:
            assert "was not written: its metadata need" in str(error)
            refused += 1
        else:
            assert checkpoint.load(path).metadata == metadata
            written += 1
    assert written and refused


def test_metadata_at_the_very_limit(saved):
    path, config, params = saved

    def save(n):
        checkpoint.save(path, "nade", config, params, {"long": "x" * n})

    save(0)
    spare = container.MAX_HEADER - container._header(path)[0]
    save(spare - spare % 8)
    assert container._header(path)[0] in range(container.MAX_HEADER - 8, container.MAX_HEADER + 1)
    assert len(checkpoint.load(path).metadata["long"]) > 16_000_000
    with pytest.raises(ValueError, match="its metadata need"):
        save(spare + 8)
    checkpoint.load(path)


# --- damage


def test_a_file_cut_at_any_length_is_refused(saved):
    path, _, _ = saved
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut short"):
            checkpoint.load(path)
    path.write_bytes(whole + b"\0")
    assert_refused(path, "is not a chainrule checkpoint")


def test_a_flipped_bit_anywhere_is_noticed(saved):
    path, _, _ = saved
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            checkpoint.load(path)


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory):
    """Return a path for damaged files, and a good file's content and parameters."""
    path = tmp_path_factory.mktemp("damage") / "model.safetensors"
    params = nade.init(nade.Config(3, 2), np.random.default_rng(0))
    checkpoint.save(path, "nade", nade.Config(3, 2), params, METADATA)
    return path, path.read_bytes(), params


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_refused_or_harmless(undamaged, data):
    path, content, params = undamaged
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + 1] = data.draw(st.binary(max_size=3))
        if not damaged:
            break
    path.write_bytes(damaged)
    try:
        got = checkpoint.load(path)
    except CheckpointError:
        return
    assert (got.model, got.config, got.metadata) == ("nade", nade.Config(3, 2), METADATA)
    assert_array_equal(got.params.flat, params.flat)


def test_the_checksum_covers_names_dtypes_and_shapes():
    zeros = np.zeros((2, 3), np.float32)
    sums = {
        container._checksum(tensors, text)
        for tensors, text in [
            ({"a": zeros}, ""),
            ({"b": zeros}, ""),
            ({"a": zeros.T.copy()}, ""),
            ({"a": zeros.view(np.int32)}, ""),
            ({"a": zeros}, "x"),
            ({"a": zeros + 1}, ""),
        ]
    }
    assert len(sums) == 6
    assert container._checksum({}, "text") == f"{zlib.crc32(b'text'):08x}"


def test_nothing_a_caller_holds_is_changed_by_saving(saved):
    path, config, params = saved
    metadata, before = copy.deepcopy(METADATA), params.copy()
    checkpoint.save(path, "nade", config, params, metadata)
    assert metadata == METADATA
    assert_array_equal(params.flat, before.flat)
