"""Files that earlier versions wrote are read as they were then.

    checkpoints_v1      format 1, by chainrule 0.1.0
    fits_v1             what `fit(checkpoint=…)` of that version left after half of a training
    checkpoints_v2      format 2, by `write_format_2`: the same, and untied NADE

expected.json beside them holds what the version that wrote them made of them: log-probabilities,
and the parameters at the end of the two trainings. None of them is ever written anew.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.engine import models
from chainrule.engine.models import nade
from chainrule.engine.storage import checkpoint, container
from chainrule.engine.training import train
from chainrule.engine.training.recipe import Recipe

HERE = Path(__file__).parent
FOLDERS = {version: HERE / f"checkpoints_v{version}" for version in (1, 2)}
X = np.random.default_rng(0).integers(0, 2, (40, 5), np.uint8)
TEXT = "the cat sat on the mat and that was that. " * 3
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}  # float32, summed in another order


def write_format_2(folder):
    """Write checkpoints_v2, as was done once: what format 1 held, and the model it lacked."""
    expected = json.loads((FOLDERS[1] / "expected.json").read_text())
    for path in FOLDERS[1].glob("*.safetensors"):
        if path.stem in ("state", "carried"):
            saved = checkpoint.load_state(path)
            checkpoint.save_state(folder / path.name, *saved[:4], saved.metadata)
        else:
            cr.load(path).save(folder / path.name)
    untied = cr.NADE(2, tied=False, epochs=2, batch_size=10).fit(X, X_valid=X)
    untied.save(folder / "nade_untied.safetensors")
    expected["nade_untied"] = untied.log_prob(X[:8]).tolist()
    (folder / "expected.json").write_text(json.dumps(expected))


@pytest.fixture(params=FOLDERS)
def old(request):
    """Return the folder of one format's files."""
    return FOLDERS[request.param]


def expected(folder):
    return json.loads((folder / "expected.json").read_text())


@pytest.mark.parametrize("version", FOLDERS)
def test_every_file_is_of_the_format_that_its_folder_names(version):
    for path in FOLDERS[version].glob("*.safetensors"):
        assert json.loads(container.read(path)[1])["format"] == version
        assert path.stat().st_size < 10_000


def test_there_is_a_file_of_every_model():
    held = {checkpoint.load(path).model for path in FOLDERS[2].glob("*.safetensors")}
    assert held >= {"fvsbn", "nade", "nade_untied", "rnn", "attention_rnn", "transformer"}


@pytest.mark.parametrize("name", ["fvsbn", "nade"])
def test_models_of_rows(name, old, tmp_path):
    model = cr.load(old / f"{name}.safetensors")
    assert [record["epoch"] for record in model.history_] == [1, 2]
    assert model.best_epoch_ == 2 and model.model_ == name
    assert model.score(X) == pytest.approx(-model.history_[-1]["train"], abs=0.05)
    assert model.order_.tolist() == ([4, 3, 2, 1, 0] if name == "fvsbn" else [0, 1, 2, 3, 4])
    again(model, X, tmp_path)


@pytest.mark.parametrize("name", ["rnn", "attention_rnn", "transformer"])
def test_models_of_symbols(name, old, tmp_path):
    model = cr.load(old / f"{name}.safetensors")
    assert [record["step"] for record in model.history_] == [2, 4]
    assert model.model_ == name
    labelled = name == "transformer"
    assert model.vocabulary_.characters == ("ab" if labelled else " dehlorw")
    assert (model.classes_ is not None and model.classes_.tolist() == ["x", "y", "z"]) == labelled
    data = (["ab", "aab"], ["x", "z"]) if labelled else (["hello", "held"], None)
    again(model, *((data[0],) if data[1] is None else data), tmp_path)


def again(model, *data_and_folder):
    """Save the model anew, and compare."""
    *data, folder = data_and_folder
    model.save(folder / "new.safetensors")
    new = cr.load(folder / "new.safetensors")
    assert new.history_ == model.history_ and new.get_params() == model.get_params()
    np.testing.assert_array_equal(new.log_prob(*data), model.log_prob(*data))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("fvsbn", [X[:8]]),
        ("nade", [X[:8]]),
        ("rnn", [["hello", "held", "low", "w"]]),
        ("attention_rnn", [["hello", "held", "low", "w"]]),
        ("transformer", [["ab", "aab", "b"], ["x", "z", "y"]]),
    ],
)
def test_a_model_says_what_it_said(name, data, old):
    model = cr.load(old / f"{name}.safetensors")
    np.testing.assert_allclose(model.log_prob(*data), expected(old)[name], **ROUNDING)


def test_so_does_untied_nade():
    model = cr.load(FOLDERS[2] / "nade_untied.safetensors")
    assert (model.tied, model.model_, len(model.history_)) == (False, "nade_untied", 2)
    said = expected(FOLDERS[2])["nade_untied"]
    np.testing.assert_allclose(model.log_prob(X[:8]), said, **ROUNDING)


def test_a_training_that_carries_states_goes_on_to_where_it_went(old):
    """It was stopped after two minibatches of a record's four."""
    saved = checkpoint.load_state(old / "carried.safetensors", "rnn")
    state = saved.state
    assert (state.step, state.n_seen, state.carry.shape) == (6, 48, (3, 4))
    model = cr.RNN(2, cell="lstm", context=8, batch_size=3, steps=12, eval_every=4, seed=1)
    model.set_params(dtype="float64", learning_rate=0.05)
    parts = model._prepare(TEXT)
    assert (model._fitted_config(), model._recipe()) == (saved.config, saved.recipe)
    for _ in model._training(*parts, state):
        pass
    np.testing.assert_allclose(state.params.flat, expected(old)["carried"], rtol=1e-9)
    for ours, theirs in zip(state.history, expected(old)["carried_history"], strict=True):
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-12)
        assert type(ours["step"]) is int and ours["valid"] is None


def test_a_training_goes_on(old):
    saved = checkpoint.load_state(old / "state.safetensors", "nade")
    state = saved.state
    assert (state.step, [record["epoch"] for record in state.history]) == (8, [1, 2])
    for _ in train.run(nade, saved.config, saved.recipe, state, X, X[:9]):
        pass
    straight = train.start(nade, saved.config, saved.recipe)
    for _ in train.run(nade, saved.config, saved.recipe, straight, X, X[:9]):
        pass
    np.testing.assert_allclose(state.params.flat, straight.params.flat, rtol=1e-5, atol=1e-7)
    assert len(state.history) == len(straight.history) == 4
    np.testing.assert_allclose(state.params.flat, expected(old)["state"], **ROUNDING)


WORDS, LABELS = ["ab", "aab", "b", "ba"] * 10, ["x", "z", "y", "x"] * 10
BITS = np.random.default_rng(0).integers(0, 2, (60, 5), dtype=np.uint8)
LONG = "the cat sat on the mat and that was that. " * 20
SYMBOLS = {"steps": 12, "batch_size": 3, "eval_every": 2}
FITS = {  # what was being fitted, on what
    "nade": (cr.NADE(3, epochs=6, batch_size=10, patience=5), [BITS, None, BITS[:20]]),
    "rnn": (cr.RNN(4, context=8, **SYMBOLS), [LONG, None, LONG]),
    "transformer": (
        cr.Transformer(1, 1, 4, context=5, **SYMBOLS),
        [WORDS, LABELS, WORDS, LABELS],
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_goes_on_with_the_data_it_began_on(name, tmp_path):
    """Its fingerprint is of another kind than today's; it ends where that version ended."""
    path = shutil.copy(HERE / "fits_v1" / f"{name}.state", tmp_path)
    model, (X, *rest) = FITS[name]
    if name == "nade":
        with pytest.raises(ValueError, match="was begun on other data"):
            model.fit(X[::-1], *rest, checkpoint=path)
    model.fit(X, *rest, checkpoint=path)
    assert len(model.history_) == 6
    said = json.loads((HERE / "fits_v1" / "expected.json").read_text())[name]
    np.testing.assert_allclose(model.params_.flat, said, rtol=1e-4, atol=1e-5)
    assert checkpoint.load_state(path).metadata["fingerprint"].startswith("2:")


@pytest.mark.parametrize("name", ["pixel_cnn", "pixel_rnn"])
def test_networks_over_images_that_knew_nothing_of_positions(name, tmp_path, monkeypatch):
    """Their Config had no such field, nor PixelRNN's dropout; their parameters no such biases."""
    module, path = models.get(name), tmp_path / "old.safetensors"
    config = module.Config(3, 3, n_layers=1)
    params = module.init(config, np.random.default_rng(0))
    new = {"positions"} if name == "pixel_cnn" else {"positions", "dropout"}
    fields = {key: value for key, value in asdict(config).items() if key not in new}
    monkeypatch.setattr(checkpoint, "asdict", lambda _: fields)
    checkpoint.save(path, name, config, params)
    found = checkpoint.load(path)
    assert found.config == config
    assert found.params.shapes == params.shapes


@pytest.mark.parametrize("layout", [None, "of another order"])
def test_trainings_whose_arrays_lie_in_another_order_are_refused(layout, tmp_path):
    """Moments and the best parameters are kept as one array each, in the order of their day."""
    config = models.get("pixel_cnn").Config(3, 3, n_layers=1, positions=True)
    recipe = Recipe(epochs=2)
    state, path = train.start(models.get("pixel_cnn"), config, recipe), tmp_path / "a.state"
    checkpoint.save_state(path, "pixel_cnn", config, recipe, state)
    assert_array_equal(checkpoint.load_state(path).state.best.flat, state.best.flat)
    tensors, text = container.read(path)
    content = json.loads(text)
    names = content["metadata"]["training"].pop("layout")
    assert names == list(state.params.shapes)
    if layout:
        content["metadata"]["training"]["layout"] = names[::-1]
    container.write(path, tensors, json.dumps(content))
    with pytest.raises(checkpoint.CheckpointError, match="in an order of before; start a new"):
        checkpoint.load_state(path)
