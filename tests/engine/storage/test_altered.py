"""Altered checkpoints, their checksums repaired: each loads as something sound or is refused.

By one exception, whatever was altered: bytes, with the checksum repaired or not, the JSON's values
by others of any type, arrays' names, shapes, dtypes and numbers, safetensors' own header.
"""

import json
import random
import tracemalloc
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.engine.storage import checkpoint, container

OLD = Path(__file__).parent / "checkpoints_v1"
STATES = ("state", "carried")
ODD = (
    *(None, True, False, 0, -1, 1, 2, 3, 10**6, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308),
    *(
        float("nan"),
        float("inf"),
        "",
        "x",
        "nade",
        "byte",
        "id",
        "float64",
        "lstm",
        "é\ud800",
        "\0",
    ),
    *([], [0], [1, 2], [[1], [2, 3]], ["a"], {}, {"a": 1}, [None] * 5, list(range(5)), "9" * 400),
)
KINDS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E8M0", "F4", "C64", "I64", "U16", "U8", "BOOL")
EXTENTS = ([0, 0], [0, 8], [8, 0], [2**62, 8], [2**40, 2**40], [0, 2**63])
DTYPES = (np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return the arrays and text of files of every kind, old and new."""
    folder, files = tmp_path_factory.mktemp("new"), sorted(OLD.glob("*.safetensors"))
    for path in list(files):
        new = folder / path.name
        if path.stem in STATES:
            saved = checkpoint.load_state(path)
            checkpoint.save_state(new, *saved[:4], saved.metadata)
        else:
            cr.load(path).save(new)
        files.append(new)
    assert len(files) == 14
    return [(path.stem, *container.read(path), path.read_bytes()) for path in files]


def places(value, found=()):
    """Return the container and key of every value in some JSON."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def alter_json(text, dice):
    content = json.loads(text)
    for _ in range(dice.choice((1, 1, 1, 2))):
        where, key = dice.choice(places(content))
        action = dice.random()
        if action < 0.7:
            where[key] = deepcopy(dice.choice(ODD))  # the next alteration may be inside it
        elif action < 0.85:
            del where[key]
        elif isinstance(where, dict):
            where[dice.choice(("more", "n_heads", "history"))] = deepcopy(where[key])
        else:
            where.append(deepcopy(where[key]))
    return json.dumps(content)


def alter_arrays(tensors, dice):
    changed = dict(tensors)
    name = dice.choice(sorted(changed))
    array, action = changed[name], dice.randrange(7)
    if action == 0:
        del changed[name]
    elif action == 1:
        changed[dice.choice(("W", "b", "extra/m", "extra/history/step", "x"))] = changed.pop(name)
    elif action == 2:
        changed[name] = array.reshape(dice.choice(((-1,), (1, -1), (*array.shape, 1))))
    elif action == 3:
        with np.errstate(invalid="ignore"):
            changed[name] = array.astype(dice.choice(DTYPES))
    elif action == 4:
        changed[name] = array[: len(array) // 2]
    else:
        spoiled = array.copy()
        if spoiled.size:
            spoiled.flat[dice.randrange(spoiled.size)] = dice.choice((np.nan, np.inf, -1e30, 0))
        changed[name] = spoiled
    return {name: np.ascontiguousarray(array) for name, array in changed.items()}


def alter_text(text, dice):
    """Change characters; the result need not be JSON."""
    changed = list(text)
    for _ in range(dice.choice((1, 1, 2, 4))):
        letter = dice.choice('0123456789"[]{}:,.-e' + chr(dice.randrange(128)))
        changed[dice.randrange(len(changed))] = letter
    return "".join(changed)


def alter_header(raw, dice):
    """Change what safetensors says of its arrays; the checksum and all arrays' bytes stay."""
    end = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:end])
    where, key = dice.choice([place for place in places(header) if place[1] != container.KEY])
    where[key] = dice.choice((*ODD, *KINDS, *EXTENTS))
    new = json.dumps(header).encode()
    return len(new).to_bytes(8, "little") + new + raw[end:]


def write(path, tensors, text):
    """Write as `container.write` does, checksum included, but in place and without syncing."""
    save_file(tensors, path, {container.KEY: f"{container._checksum(tensors, text)} {text}"})


def alter(path, original, dice):
    """Write an altered copy of an original to `path`."""
    _, tensors, text, raw = original
    kind = dice.random()
    if kind < 0.5:
        write(path, tensors, alter_json(text, dice))
    elif kind < 0.7:
        write(path, alter_arrays(tensors, dice), text)
    elif kind < 0.8:
        write(path, tensors, alter_text(text, dice))
    elif kind < 0.9:
        path.write_bytes(alter_header(raw, dice))
    else:
        damaged = bytearray(raw)
        for _ in range(dice.choice((1, 1, 2, 5))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged)


def use(model, path):
    """Check that a model can do what it is for, and that it can be saved."""
    assert np.isfinite(model.params_.flat).all() and repr(model)
    if isinstance(model, cr.FVSBN | cr.NADE):
        drawn = (model.sample(3, seed=0),)
    else:
        some = None if model.classes_ is None else model.classes_[:1].repeat(3)
        drawn = (model.sample(3, seed=0, size=3, labels=some), some)
    with np.errstate(over="ignore", invalid="ignore"):  # parameters may be finite and of any size
        assert model.log_prob(*drawn).shape == (3,)
    model.save(path)
    cr.load(path)


def outcome(path, kind):
    """Load a file; return whether it was taken, after using what it holds."""
    try:
        if kind in STATES:
            state = checkpoint.load_state(path).state
            assert np.isfinite(state.params.flat).all() and state.best_record <= len(state.history)
        else:
            use(cr.load(path), path)
    except cr.CheckpointError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return False
    return True


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_altered_checkpoints_are_refused_by_one_exception(count, originals, tmp_path):
    path, taken = tmp_path / "altered.safetensors", 0
    for stem, _, _, whole in originals:  # each compiles its kernels, whose memory is not a file's
        path.write_bytes(whole)
        assert outcome(path, stem)
    tracemalloc.start()
    try:
        for seed in range(count):
            dice = random.Random(seed)
            original = dice.choice(originals)
            alter(path, original, dice)
            try:
                taken += outcome(path, original[0])
            except Exception as error:
                raise AssertionError(f"seed {seed}, {original[0]}") from error
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.02 * count < taken < 0.7 * count  # some alterations are harmless, most are not
    assert peak < 50e6


@pytest.mark.parametrize(
    "change", [{"n_heads": 0}, {"n_heads": -1}, {"n_embd": -4}, {"n_classes": 0}]
)
def test_a_config_that_no_model_can_have(change, originals, tmp_path):
    _, tensors, text, _ = next(o for o in originals if o[0] == "transformer")
    content = json.loads(text)
    content["config"] |= change
    write(tmp_path / "odd", tensors, json.dumps(content))
    with pytest.raises(cr.CheckpointError):
        checkpoint.load(tmp_path / "odd")


@pytest.mark.parametrize(
    "change",
    [
        *({"kind": "word"}, {"kind": None}, {"size": 3}),
        *({"codes": [97, 97]}, {"codes": [98, 97]}, {"codes": []}),
    ],
)
def test_a_vocabulary_that_is_none(change, originals, tmp_path):
    _, tensors, text, _ = [o for o in originals if o[0] == "transformer"][-1]
    content = json.loads(text)
    content["metadata"]["vocabulary"] |= change
    write(tmp_path / "odd", tensors, json.dumps(content))
    with pytest.raises(cr.CheckpointError, match="no estimator that fits it"):
        cr.load(tmp_path / "odd")
