"""Tables with words and numbers at the command line: in, out, and what is said of them."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.commands import tabular
from chainrule.datasets import splits, tables

SMALL = ("--set", "n_hidden=4", "--set", "n_components=2", "--epochs", 2, "--backend", "reference")
HEADER = "sort,age,weight,male,owner"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a CSV of words, whole numbers, real ones and bools."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "pets.csv"
    sort = rng.integers(0, 3, 120)
    lines = [
        f"{['cat', 'dog', 'horse'][s]},{rng.integers(0, 90)},{np.exp(s + rng.normal()):.3f},"
        f'{rng.random() < 0.5},"{["Lee, Ann", "Bob"][rng.integers(0, 2)]}"'
        for s in sort
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Return the folders of a model of the table, and of one told the first column."""
    from chainrule.cli import main

    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("plain", ()), ("told", ("--labels-from", "sort"))):
        line = ("train", "table-nade", "--data", data, "--out", folder / name, "-q", *SMALL, *more)
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in line])
        assert end.value.code == 0
    return folder / "plain", folder / "told"


def test_names_words_and_types_go_through(runs, data, call, tmp_path, monkeypatch):
    run, _ = runs
    monkeypatch.chdir(tmp_path)
    assert call("sample", run, "-n", 40)[0] == 0  # a table is written as a table
    drawn = tables.read(tmp_path / "samples.csv")
    assert drawn.columns == tuple(HEADER.split(","))
    sorts, ages = drawn.x.column(0), drawn.x.column(1)
    assert set(sorts.categories) <= {"cat", "dog", "horse"} and ages.kind == "whole"
    assert drawn.x.column(3).kind == "bool" and drawn.x.column(2).kind == "real"
    status, out, err = call("score", run, "samples.csv")
    assert (status, err) == (0, "") and len(out.split()) == 40
    model = cr.load(run)
    assert model.encoder_.types == ("categorical", "integer", "continuous", "binary", "categorical")
    _, out, _ = call("info", run)
    assert "'cat', 'dog', 'horse'" in out and "'Bob', 'Lee, Ann'" in out and "integer" in out


def test_a_report_has_baselines_in_the_datas_units(data, call, tmp_path):
    line = ("train", "table_nade", "--data", data, "--out", tmp_path / "run", *SMALL)
    status, out, _ = call(*line)
    assert status == 0 and "5 columns: 1 binary, 2 categorical, 1 integer, 1 continuous" in out
    assert "independent" in out and "uniform" not in out
    wine = ("train", "rnade", "--data", "wine", "--out", tmp_path / "wine", *SMALL)
    status, out, _ = call(*wine)
    gaussian = next(line for line in out.splitlines() if line.startswith("gaussian"))
    x = cr.datasets.load("wine")
    mean, spread = x.train.x.mean(axis=0), np.cov(x.train.x.T, bias=True)
    away = x.test.x - mean
    distance = (away @ np.linalg.inv(spread) * away).sum(axis=1).mean()
    nll = (13 * np.log(2 * np.pi) + np.linalg.slogdet(spread)[1] + distance) / 2
    assert float(gaussian.split()[1]) == pytest.approx(nll, abs=0.02)


def test_words_are_labels_too(runs, data, call, tmp_path):
    _, run = runs
    assert cr.load(run).classes_.tolist() == ["cat", "dog", "horse"]
    status, _, _ = call("sample", run, "-n", 3, "--label", "dog", "--out", tmp_path / "s.csv")
    assert status == 0
    assert (tmp_path / "s.csv").read_text().splitlines()[0] == "age,weight,male,owner"
    assert len(call("score", run, data, "--labels-from", "sort")[1].split()) == 120
    assert "cow is a label never seen" in call("sample", run, "--label", "cow")[2]


@pytest.mark.parametrize(
    ("observed", "said"),
    [("sort,age", "the draws are exact"), ("owner", "clamped"), ("known", "73% of all observed")],
)
def test_what_a_row_lacks_is_completed(observed, said, runs, call, tmp_path):
    (tmp_path / "x.csv").write_text(f"{HEADER}\ncat,5,2.5,,\ndog,,7.25,True,Bob\nhorse,1,1,,Bob\n")
    out = tmp_path / "done.csv"
    line = ("complete", runs[0], tmp_path / "x.csv", "--draws", 2, "--out", out)
    if observed != "known":
        (tmp_path / "x.csv").write_text(f"{HEADER}\ncat,5,2.5,,Bob\ndog,8,7.25,True,Bob\n")
    status, told, err = call(*line, "--observed", observed)
    assert (status, err) == (0, "") and said in told
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert lines[0][:2] == ["row", "draw"] and [one[1] for one in lines[1:3]] == ["1", "2"]
    rows = [one[2:] for one in lines[1:]]
    if observed == "owner":
        assert {row[-1] for row in rows} == {"Bob"}
    else:
        assert [row[0] for row in rows[:4]] == ["cat", "cat", "dog", "dog"]
        assert rows[0][1] == rows[1][1] == "5"


def test_masks_may_differ_from_row_to_row(runs, call, tmp_path):
    (tmp_path / "x.csv").write_text(f"{HEADER}\ncat,5,2.5,True,Bob\ndog,8,7.25,True,Bob\n")
    np.save(tmp_path / "m.npy", np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 1]], bool))
    line = ("complete", runs[0], tmp_path / "x.csv", "--draws", 3, "--observed")
    assert call(*line, tmp_path / "m.npy", "--out", tmp_path / "d.csv")[0] == 0
    rows = [line.split(",")[2:] for line in (tmp_path / "d.csv").read_text().splitlines()[1:]]
    assert [row[:2] for row in rows[:3]] == [["cat", "5"]] * 3
    assert {row[-1] for row in rows[3:]} == {"Bob"}
    _, _, err = call(*line, "ages", "--out", tmp_path / "d.csv")
    assert "names of columns or a .npy mask, got 'ages' (did you mean age?)" in err


def test_conditionals_say_what_each_number_is(runs, data, call, tmp_path):
    assert call("conditionals", runs[0], data, "--out", tmp_path / "c.csv")[0] == 0
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0].startswith("sort=cat,sort=dog,sort=horse,age weight 1,age weight 2,age mean 1")
    assert len(lines) == 121
    first = [float(field) for field in lines[1].split(",")]
    assert sum(first[:3]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("verb", "out", "says"),
    [
        ("sample", "s.png", "s.png is a picture, and rows of words or real numbers are none"),
        ("sample", "s.npy", "s.npy holds numbers alone, and these rows have words; end it in .csv"),
        ("conditionals", "c.png", "c.png is a picture, and these columns are not all bits"),
    ],
)
def test_what_a_file_cannot_hold_is_said_before_any_work(verb, out, says, runs, data, call):
    arguments = () if verb == "sample" else (data,)
    status, told, err = call(verb, runs[0], *arguments, "--out", out)
    assert (status, told) == (2, "") and says in err


def test_types_are_given_on_the_command_line(data, call, tmp_path):
    line = ("train", "table_nade", "--data", data, "--out", tmp_path / "run", "-q", *SMALL)
    types = '{"age": "continuous", "owner": ["Bob", "Lee, Ann", "Eve"]}'
    assert call(*line, "--column-types", types) == (0, "", "")
    model = cr.load(tmp_path / "run")
    assert model.encoder_.types[1] == "continuous"
    assert model.encoder_.variables[4].values == ("Bob", "Lee, Ann", "Eve")
    again = ("--force", "--column-types", "age:continuous, male:categorical")
    assert call(*line, *again) == (0, "", "")
    assert cr.load(tmp_path / "run").encoder_.types[3] == "categorical"
    for wrong, says in (
        ("age:contnuous", "got 'contnuous' (did you mean continuous?)"),
        ("{age", "is no JSON"),
        ("aeg:integer", "names 'aeg', which is no column of the data (did you mean age?)"),
        ("age:", "takes name:type, with commas between"),
    ):
        assert says in call(*line, "--force", "--column-types", wrong)[2]


def test_a_category_of_the_test_rows_alone_is_known(call, tmp_path):
    x = np.arange(60).reshape(30, 2) % 3
    of_test = splits.parts_of("x", 30, 0, ("valid", "test"))["test"][0]
    x[of_test, 0] = 7
    np.savetxt(tmp_path / "x.csv", x, "%d", ",", header="a,b", comments="")
    line = ("train", "categorical_nade", "--data", tmp_path / "x.csv", "--out", tmp_path / "r")
    slowly = ("--epochs", 1, "--learning-rate", 1e-3)
    assert call(*line, *slowly, "--backend", "reference", "-q") == (0, "", "")
    assert cr.load(tmp_path / "r").encoder_.variables[0].values == (0, 1, 2, 7)


def test_a_table_of_symbols_keeps_its_names(call, tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 4, (60, 3))
    np.savetxt(tmp_path / "x.csv", x, "%d", ",", header="a,b,c", comments="")
    line = ("train", "rnn", "--data", tmp_path / "x.csv", "--out", tmp_path / "r", "--steps", 2)
    assert call(*line, "--set", "n_hidden=4", "-q", "--backend", "reference")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert call("sample", "r", "-n", 4, "-q")[0] == 0
    assert (tmp_path / "samples.csv").read_text().splitlines()[0] == "a,b,c"
    (tmp_path / "y.csv").write_text("c,b,a\n1,2,3\n")
    assert "has 'c' as column 1 where" in call("score", "r", "y.csv")[2]
    (tmp_path / "y.csv").write_text("a,b\n1,2\n")
    assert "y.csv lacks 'c', of the columns that the model" in call("score", "r", "y.csv")[2]


@pytest.mark.parametrize(
    "model", ["categorical_nade", "rnade", "table_nade", "made", "orderless_nade"]
)
def test_gradients_are_checked_on_the_columns_a_model_is_for(model, call):
    status, out, _ = call("gradcheck", model, "--backend", "reference")
    assert status == 0 and "all pass" in out
    assert ("values=(3, 2, 4, 5)" in out) == (model == "categorical_nade")
    assert ("values=(0, 0, 0, 0)" in out) == (model == "rnade")


@pytest.mark.parametrize("first", ["name,size,price", ",size,price"])
def test_a_column_of_a_table_of_numbers_is_named_by_its_header(first, call, tmp_path):
    """Also where a first column without a name is left out."""
    path = tmp_path / "sizes.csv"
    path.write_text(first + "\n" + "".join(f"{n},3.5,{n / 7:.3f}\n" for n in range(30)))
    begin = ("train", "rnade", "--data", path, "--out", tmp_path / "run", *SMALL)
    status, _, err = call(*begin)
    assert status == 2 and err.count("\n") == 1 + (first[0] == ",")
    assert f"column 2 ('size') of {path} is 3.5 in every row" in err
    path.write_text("".join(f"{n},3.5,{n / 7:.3f}\n" for n in range(30)))
    assert f"column 2 of {path} is 3.5 in every row" in call(*begin)[2]


@pytest.mark.parametrize("model", ["rnade", "nade", "table_nade"])
@pytest.mark.parametrize("empty", ["", "NA"])
def test_an_empty_cell_leads_to_the_model_that_fills_it_in(model, empty, call, tmp_path):
    path = tmp_path / "bits.csv"
    path.write_text("a,b\n" + "1,0\n0,1\n" * 20 + f"1,{empty}\n")
    begin = ("--data", path, "--out", tmp_path / "run", "--epochs", 1, "--backend", "reference")
    status, _, err = call("train", model, *begin)
    assert status == 2 and err.count("\n") == 1, err
    assert err.rstrip().endswith(
        "fill in or drop such rows first, or train orderless_nade, which fills them in"
    )
    assert call("train", "orderless_nade", *begin, "--set", "hidden=3")[0] == 0


def test_fractions_of_a_categorical_are_no_grey_levels_and_are_drawn_as_they_were(tmp_path):
    from chainrule.cli import main

    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"dose": pandas.Categorical([0.5, 1.0] * 20)})
    cr.TableNADE(2, epochs=1).fit(table).save(tmp_path / "model.npz")
    with pytest.raises(SystemExit) as end:
        main(["sample", str(tmp_path / "model.npz"), "--out", str(tmp_path / "rows.csv")])
    assert end.value.code == 0
    header, *rows = (tmp_path / "rows.csv").read_text().split()
    assert header == "dose" and set(rows) == {"0.5", "1.0"}
    assert tabular.levels(cr.load(tmp_path / "model.npz")) is None
