"""Tables as they are written elsewhere, named data sets, and what is said of them."""

import numpy as np
import pytest

import chainrule as cr

TRAIN = ("train", "--epochs", 1, "--backend", "reference", "--set", "n_components=2")


@pytest.fixture
def prices(tmp_path, rng):
    """Return a table with decimal commas, and the same with points."""
    rows = [(f"{x:.3f}", "ab"[n % 2]) for n, x in enumerate(rng.normal(size=40))]
    comma, point = tmp_path / "comma.csv", tmp_path / "point.csv"
    comma.write_text("x;kind\n" + "".join(f"{x};{k}\n".replace(".", ",") for x, k in rows))
    point.write_text("x,kind\n" + "".join(f"{x},{k}\n" for x, k in rows))
    return comma, point


@pytest.mark.parametrize("model", ["table_nade", "orderless_nade"])
def test_decimal_commas_are_read_by_every_verb(model, prices, call, tmp_path):
    comma, point = prices
    run = tmp_path / "run"
    status, _, err = call(*TRAIN, model, "--data", comma, "--out", run)
    assert status == 2 and "without a comma, or give --decimal ," in err
    assert call(*TRAIN, model, "--data", comma, "--out", run, "-q", "--decimal", ",")[0] == 0
    assert call("train", model, "--out", run, "--resume", "--epochs", 2, "-q")[0] == 0
    scored = call("score", run, comma, "--decimal", ",")
    assert scored[0] == 0 and scored == call("score", run, point)
    for verb in ("conditionals", "complete", *(["impute"] if model == "orderless_nade" else [])):
        more = ("--observed", "kind", "--seed", 1) if verb == "complete" else ()
        outs = tmp_path / "a.csv", tmp_path / "b.csv"
        assert call(verb, run, comma, *more, "--decimal", ",", "--out", outs[0])[0] == 0
        assert call(verb, run, point, *more, "--out", outs[1])[0] == 0
        if verb != "impute":
            assert outs[0].read_text() == outs[1].read_text()


def test_what_is_said_of_decimals_where_there_are_none(tmp_path, call):
    (tmp_path / "a.txt").write_text("to be or not to be " * 20)
    line = ("--out", tmp_path / "run", "--decimal", ",")
    assert "--decimal is of tables" in call("train", "rnn", "--data", tmp_path / "a.txt", *line)[2]
    assert "--decimal is of tables" in call("train", "nade", "--data", "digits", *line)[2]
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    line = ("train", "nade", "--data", tmp_path / "x.csv", "--out", tmp_path / "run")
    assert "--decimal must be '.' or ','" in call(*line, "--decimal", "x")[2]


def test_a_named_data_set_is_scored_by_its_test_rows(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    assert call(*TRAIN, "rnade", "--data", "wine", "--out", run, "-q")[0] == 0
    status, out, err = call("score", run, "wine")
    assert status == 0 and "the 17 test rows of wine" in err
    model, test = cr.load(run), cr.datasets.load("wine").test
    np.testing.assert_allclose([float(v) for v in out.split()], model.log_prob(test.x), atol=1e-5)
    assert call("score", run, "wine", "-q") == (0, out, "")
    assert "did you mean wine?" in call("score", run, "wne")[2]
    status, _, err = call("score", run, "iris")
    assert status == 2 and "iris" in err


def test_a_table_is_no_picture(prices, call, tmp_path, rng):
    run, data = tmp_path / "run", tmp_path / "nine.csv"
    names = ",".join(f"c{k}" for k in range(9))
    np.savetxt(data, rng.integers(0, 2, (40, 9)), "%d", ",", header=names, comments="")
    assert call(*TRAIN, "table_nade", "--data", data, "--out", run, "-q")[0] == 0
    for side in ("top", "left"):
        status, _, err = call(
            "complete", run, data, "--observed", side, "--out", tmp_path / "c.csv"
        )
        assert status == 2 and f"no pictures and have no {side}" in err


def test_a_word_never_seen_has_its_cure_in_options(prices, call, tmp_path):
    _, point = prices
    run, other = tmp_path / "run", tmp_path / "other.csv"
    assert call(*TRAIN, "table_nade", "--data", point, "--out", run, "-q")[0] == 0
    other.write_text("x,kind\n0.5,c\n")
    err = call("score", run, other)[2]
    cure = '{"kind": [… all categories …]}'
    assert f"--column-types '{cure}'" in err and "column_types" not in err
    other.write_text(f"x,kind\n0.5,{'c' * 200_000}\n")
    err = call("score", run, other)[2]
    assert len(err) < 400 and "cc…'" in err


def test_conditionals_of_a_model_of_any_order_do_without_what_is_missing(prices, call, tmp_path):
    _, point = prices
    run, gaps, out = tmp_path / "run", tmp_path / "gaps.csv", tmp_path / "p.csv"
    assert call(*TRAIN, "orderless_nade", "--data", point, "--out", run, "-q")[0] == 0
    gaps.write_text("x,kind\n,a\n0.5,\n0.5,b\n")
    assert call("conditionals", run, gaps, "--out", out)[0] == 0
    assert len(out.read_text().splitlines()) == 4


def test_info_off_the_screen_is_as_wide_as_its_words(prices, call, tmp_path):
    _, point = prices
    run = tmp_path / "run"
    assert call(*TRAIN, "table_nade", "--data", point, "--out", run, "-q")[0] == 0
    lines = call("info", run)[1].splitlines()
    assert all(line == line.rstrip() for line in lines)
    network = next(line for line in lines if line.startswith("network"))
    assert "n_components=2" in network and "values" not in network and "(" not in network


@pytest.mark.parametrize("model", ["table_nade", "made"])
def test_what_is_checked_is_said_whole(model, call):
    first = call("gradcheck", model, "--backend", "reference")[1].splitlines()[0]
    assert first.count("(") == first.count(")") > 0


@pytest.mark.parametrize("types", ["k:categorical", '{"k": ["0", "1", "2", "3+"]}'])
def test_mostly_numbers_and_some_words_are_categories_if_that_is_said(types, call, tmp_path):
    table, few, run = tmp_path / "dep.csv", tmp_path / "few.csv", tmp_path / "run"
    rows = [f"{k},{n / 7:.3f}\n" for n, k in enumerate(["0", "1", "2", "3+"] * 20)]
    table.write_text("k,v\n" + "".join(rows))
    few.write_text("k,v\n" + "".join(rows[:3]))
    line = (*TRAIN, "table_nade", "--data", table, "--out", run, "-q")
    assert "say --column-types 'k:categorical'" in call(*line)[2]
    assert call(*line, "--column-types", types)[0] == 0
    status, out, _ = call("score", run, table, "-q")
    assert status == 0
    assert call("score", run, few, "-q")[1].split() == out.split()[:3]


@pytest.mark.parametrize("hidden", ["7", "7,6"])
def test_the_command_that_began_a_training_goes_on_with_it(hidden, prices, call, tmp_path):
    line = (*TRAIN, "made", "--data", prices[1], "--out", tmp_path / "r", "-q", "--set")
    assert call(*line, f"hidden={hidden}") == (0, "", "")
    assert call(*line, f"hidden={hidden}", "--epochs", 2, "--resume") == (0, "", "")
    status, _, err = call(*line, "hidden=5", "--resume")
    assert status == 2 and "was begun with hidden=" in err
