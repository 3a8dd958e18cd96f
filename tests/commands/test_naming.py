"""Names in what is said: of the model that was asked for, of columns, of the first bad line."""

import json

import numpy as np
import pytest

import chainrule as cr

SMALL = ("--epochs", 1, "--set", "n_hidden=4", "--backend", "reference")


@pytest.mark.parametrize("model", ["rnade", "categorical_nade"])
def test_a_model_is_called_what_was_asked_for(model, tmp_path, rng, call, monkeypatch):
    from chainrule import plots

    titles, draw = [], plots.training_curve
    monkeypatch.setattr(plots, "training_curve", lambda h, t: titles.append(t) or draw(h, t))
    data = tmp_path / "x.csv"
    np.savetxt(data, rng.integers(0, 40, (30, 2)), "%d", ",", header="a,b", comments="")
    status, out, _ = call("train", model, "--data", data, "--out", tmp_path / "run", *SMALL)
    assert status == 0 and "table_nade" not in out
    assert out.startswith(f"{model}: ") and f"\n{model} " in out
    assert titles == [f"{model} on x"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["model"] == model
    assert model in call("info", tmp_path / "run")[1]


def test_the_first_bad_line_of_a_shuffled_file_is_named(tmp_path, rng, call):
    rows = rng.integers(0, 2, (60, 3))
    rows[[7, 20, 41, 55], 1] = 2
    np.savetxt(tmp_path / "x.csv", rows, "%d", ",")
    line = ("train", "fvsbn", "--data", tmp_path / "x.csv", "--out", tmp_path / "run")
    status, _, err = call(*line, "--epochs", 1)
    assert status == 2 and "got 2 at line 8, column 2" in err


def test_a_file_of_three_rows_says_how_it_was_cut(tmp_path, call):
    (tmp_path / "x.csv").write_text("a,b\n0.5,1.5\n1.5,2.5\n2.5,0.5\n")
    line = ("train", "table_nade", "--data", tmp_path / "x.csv", "--out", tmp_path / "run", *SMALL)
    status, _, err = call(*line)
    assert status == 2
    assert "x has 3 rows, and 1 is left to train on, as 1 validates and 1 tests; give more" in err


def test_columns_that_are_missing_are_named(tmp_path, rng, call):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.normal(size=(30, 3)), columns=["a", "b", "c"])
    model = cr.RNADE(4, n_components=2, epochs=1).fit(frame)
    with pytest.raises(ValueError, match=r"X has 2 features, but RNADE is .*; it lacks 'c'"):
        model.log_prob(frame[["a", "b"]])
    with pytest.raises(ValueError, match="expecting 3 features as input; pass the columns"):
        model.log_prob(frame.to_numpy()[:, :2])
    model.save(tmp_path / "m.safetensors")
    frame[["a", "c"]].to_csv(tmp_path / "x.csv", index=False)
    for line in (("score",), ("complete", "--observed", "known", "--out", tmp_path / "o.csv")):
        status, _, err = call(line[0], tmp_path / "m.safetensors", tmp_path / "x.csv", *line[1:])
        assert status == 2 and "x.csv lacks 'b', of the columns that the model was fitted on" in err
    bits = pandas.DataFrame(rng.integers(0, 2, (30, 3)), columns=["a", "b", "c"])
    with pytest.raises(ValueError, match="it lacks 'c'"):
        cr.FVSBN(epochs=1).fit(bits).log_prob(bits[["a", "b"]])


def test_an_autoencoder_names_the_column_that_it_cannot_take():
    frame = pytest.importorskip("pandas").DataFrame({"x": [0.5, 1.5, 2], "w": ["a", "b", "c"]})
    with pytest.raises(
        ValueError, match=r"'w'.* of X is of 3 categories, and an Autoencoder takes"
    ):
        cr.Autoencoder(2, epochs=1).fit(frame)


def test_uniforms_that_cannot_be_say_why(rng):
    model = cr.RNADE(4, n_components=2, epochs=1).fit(rng.normal(size=(30, 2)))
    with pytest.raises(ValueError, match=r"of shape \(3, 2\), .*; got shape \(2, 2\)"):
        model.sample(3, uniforms=np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"must be numbers in \[0, 1\) .*; got 1.5 at \[1, 0\]"):
        model.sample(2, uniforms=[[0.5, 0.5], [1.5, 0.5]])
