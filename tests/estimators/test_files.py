"""Estimators on disk: what comes back, and what is refused."""

import json

import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr
from chainrule.engine.storage import checkpoint


def copy_of(model, **hyperparameters):
    return clone(model).set_params(**hyperparameters)


@pytest.mark.parametrize("ordering", [None, "random", np.array([1, 0, 4, 3, 2])], ids=str)
def test_save_and_load_give_the_same_estimator(model, ordering, X, tmp_path):
    fitted = copy_of(model, ordering=ordering, dtype=np.float64, seed=np.int64(3), epochs=2)
    fitted.fit(X, X_valid=X)
    fitted.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors")
    assert type(again) is type(fitted)
    assert again.get_params().keys() == fitted.get_params().keys()
    assert (again.seed, again.dtype, again.epochs) == (3, "float64", 2)
    assert again.history_ == fitted.history_ and again.best_epoch_ == fitted.best_epoch_
    np.testing.assert_array_equal(again.order_, fitted.order_)
    np.testing.assert_array_equal(again.log_prob(X), fitted.log_prob(X))
    np.testing.assert_array_equal(again.sample(5, 1), fitted.sample(5, 1))
    np.testing.assert_array_equal(again.fit(X).log_prob(X), fitted.fit(X).log_prob(X))


def test_column_names_survive_a_file(X, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    cr.FVSBN(epochs=1).fit(frame).save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert again.feature_names_in_.tolist() == list("abcde")
    assert again.log_prob(frame).shape == (150,)


def metadata_of(model):
    return {
        "estimator": "NADE",
        "hyperparameters": json.loads(json.dumps(model.get_params())),
        "order": model.order_.tolist(),
        "best_epoch": 0,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": "Oracle"},
        {"estimator": "FVSBN", "hyperparameters": {}},
        {"estimator": None},
        {"hyperparameters": {"n_hidden": 2, "layers": 3}},
        {"hyperparameters": {"n_hidden": 9}},
        {"hyperparameters": {"n_hidden": 2, "tied": False}},
        {"hyperparameters": {"n_hidden": 2, "epochs": "x"}},
        {"hyperparameters": [1]},
        {"order": [0, 1, 2, 3, 3]},
        {"order": [0, 1]},
        {"order": "raster"},
        {"order": [[0, 1], [2]]},
        {"best_epoch": -1},
        {"best_epoch": 1},
        {"feature_names": ["a"]},
        {"feature_names": 5},
    ],
    ids=str,
)
def test_a_checkpoint_that_fits_no_estimator_is_refused(change, X, tmp_path):
    model = cr.NADE(2, epochs=1).fit(X)
    path = tmp_path / "odd.safetensors"
    checkpoint.save(path, model.model_, model.config_, model.params_, metadata_of(model) | change)
    with pytest.raises(cr.CheckpointError, match="holds the model nade but no estimator") as caught:
        cr.load(path)
    assert "\n" not in str(caught.value)


def test_metadata_alone_are_enough(X, tmp_path):
    """So that what is refused above is refused for the change."""
    model, path = cr.NADE(2, epochs=1).fit(X), tmp_path / "plain.safetensors"
    checkpoint.save(path, model.model_, model.config_, model.params_, metadata_of(model))
    assert cr.load(path).history_ == []


@pytest.mark.parametrize("history", ["long", [1], [{"epoch": 1}], {"epoch": 1}, None, 3])
def test_a_history_that_is_none_is_refused(history, X, tmp_path):
    model, path = cr.NADE(2, epochs=1).fit(X), tmp_path / "odd.safetensors"
    changed = metadata_of(model) | {"history": history}
    checkpoint.save(path, model.model_, model.config_, model.params_, changed)
    with pytest.raises(cr.CheckpointError, match="its history is damaged"):
        cr.load(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        cr.load(tmp_path / "nothing.safetensors")
    (tmp_path / "foreign.safetensors").write_bytes(b"PK\x03\x04 this is no checkpoint")
    with pytest.raises(cr.CheckpointError):
        cr.load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    "fitted",
    [
        lambda: cr.NADE(6, epochs=1).fit(np.eye(5, dtype=np.uint8)),
        lambda: cr.Transformer(1, 2, 8, context=8, steps=2, batch_size=2).fit("hello " * 9),
        lambda: cr.RNN(8, context=8, steps=2, batch_size=2).fit("hello " * 9),
    ],
    ids=["NADE", "Transformer", "RNN"],
)
def test_read_only_parameters_are_compiled_for_no_more(fitted, tmp_path):
    """As joblib maps them: Numba takes an array that is read-only for one of another type."""
    import joblib
    from numba.core import event

    model = fitted()
    X = np.eye(5, dtype=np.uint8) if isinstance(model, cr.NADE) else "hello"

    def use(model):
        given = {} if isinstance(model, cr.NADE) else {"prompt": "he"}
        return model.log_prob(X), model.conditionals(X), model.sample(4, seed=1, **given)

    expected = use(model)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.params_.flat.flags.writeable
    with event.install_recorder("numba:compile") as compilations:
        for got, wanted in zip(use(mapped), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert not compilations.buffer


def test_a_training_at_rest_is_no_estimator_and_says_what_it_is(X, tmp_path):
    cr.FVSBN(epochs=1).fit(X, checkpoint=tmp_path / "run.state")
    with pytest.raises(cr.CheckpointError, match=r"training at rest.*fit\(checkpoint="):
        cr.load(tmp_path / "run.state")
