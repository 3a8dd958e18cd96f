"""What a column is taken for: by its values, whatever holds them and whatever is missing."""

import io
import json
import warnings

import numpy as np
import pytest

from chainrule.datasets import tables
from chainrule.encoders.columns import AnyColumns

N = 200
TYPES = ("binary", "categorical", "integer", "continuous", "binary", "categorical", "categorical")


def numbers(rng):
    """Return columns of floats: bits, few and many whole numbers, fractions, and three of words."""
    return {
        "flag": rng.integers(0, 2, N).astype(float),
        "grade": rng.integers(0, 3, N).astype(float),
        "age": np.arange(N) % 90.0,
        "income": rng.lognormal(size=N),
    }


def with_gaps(column):
    """Return values of which some are missing, as objects."""
    return [None if n in (0, 17, 40) else value for n, value in enumerate(column)]


def pandas_frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns).astype(float)


def polars_frame(columns):
    polars = pytest.importorskip("polars")
    return polars.DataFrame({k: polars.Series(list(v), dtype=float) for k, v in columns.items()})


def csv_file(columns):
    lines = [",".join(columns)]
    rows = zip(*columns.values(), strict=True)
    lines += [",".join("" if v is None else str(v) for v in row) for row in rows]
    return tables.read(io.BytesIO("\n".join(lines).encode()), "x.csv", missing=True).x


def array(columns):
    return np.array(list(columns.values()), float).T


def objects(columns):
    return np.array([list(column) for column in columns.values()], object).T


FORMS = [array, objects, pandas_frame, polars_frame, csv_file]


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_values_say_what_a_column_is_whatever_holds_them(form, gaps, rng):
    columns = numbers(rng)
    if gaps:
        columns = {name: with_gaps(column) for name, column in columns.items()}
    assert AnyColumns(missing=True).learn(form(columns)).types == TYPES[:4]
    if not gaps:
        assert AnyColumns().learn(form(columns)).types == TYPES[:4]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_dtype_that_says_more_keeps_its_meaning_and_comes_back(library, rng):
    module = pytest.importorskip(library)
    bools, words = rng.random(N) < 0.5, rng.choice(["1", "2"], N).tolist()
    columns = {**numbers(rng), "bool": bools, "words": words, "sizes": words}
    if library == "pandas":
        frame = module.DataFrame(columns)
        frame["sizes"] = module.Categorical(words, ["2", "1", "0"])
    else:
        frame = module.DataFrame({name: list(column) for name, column in columns.items()})
        frame = frame.with_columns(
            module.col("words").cast(module.Categorical),
            module.col("sizes").cast(module.Enum(["2", "1", "0"])),
            module.col("income").cast(module.Float32),
        )
    encoder = AnyColumns().learn(frame)
    assert encoder.types == TYPES
    assert encoder.variables[5].values == ("1", "2")
    assert encoder.variables[6].values == ("2", "1", "0")  # all of them, in their own order
    back = AnyColumns().of_json(encoder.as_json(), 7).decode(encoder.encode(frame))
    if library == "pandas":
        assert back.dtypes.equals(frame.dtypes)
    else:
        assert back.schema == frame.schema
        assert back.drop("income").equals(frame.drop("income"))


def test_a_gap_in_an_enum_is_no_category():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"size": polars.Series(["s", None, "l"], dtype=polars.Enum("slx"))})
    encoder = AnyColumns(missing=True).learn(frame)
    assert encoder.encode(frame).tolist() == [[0], [-1], [1]]
    assert encoder.variables[0].values == ("s", "l", "x")


def test_all_tables_that_are_known_say_what_a_column_is():
    train, valid = np.array([[0.0], [1.0]] * 20), np.array([[0.0], [2.0]])
    assert AnyColumns().learn(train).types == ("binary",)
    encoder = AnyColumns().learn(train, more={"X_valid": valid})
    assert encoder.types == ("categorical",) and encoder.variables[0].values == (0, 1, 2)
    assert AnyColumns().learn(train, more={"X_valid": valid / 4}).types == ("continuous",)


def test_what_is_no_category_of_other_rows_is_named_and_not_rounded():
    encoder = AnyColumns("categorical").learn([[1], [2]] * 9, more={"X_valid": [[1.5]]})
    assert encoder.variables[0].values == (1, 2)
    with pytest.raises(ValueError, match=r"X_valid holds 1.5 at .*, a category never seen"):
        encoder.encode([[1.5]], "X_valid")
    encoder = AnyColumns().learn([[1], [2]] * 9, more={"X_valid": [["a"]]})
    with pytest.raises(ValueError, match=r"X_valid holds 'a' at .*, a category never seen"):
        encoder.encode([["a"]], "X_valid")


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("words", [[True, False], [False], [1.5, 9.0, 2.5], [0.0, 1.0], [3, 1, 2]])
def test_bools_and_numbers_of_a_categorical_come_back(words, ordered, rng):
    pandas = pytest.importorskip("pandas")
    kind = pandas.CategoricalDtype(words, ordered)
    frame = pandas.DataFrame({"c": pandas.Series(rng.choice(words, N)).astype(kind)})
    encoder = AnyColumns().learn(frame)
    assert encoder.types == ("categorical",)
    assert [(type(v), v) for v in encoder.variables[0].values] == [(type(w), w) for w in words]
    kept = AnyColumns().of_json(json.loads(json.dumps(encoder.as_json())), 1)
    assert kept.variables == encoder.variables
    assert kept.decode(kept.encode(frame)).equals(frame)


def test_a_categorical_of_bools_and_words_is_of_words_and_so_are_older_files():
    pandas = pytest.importorskip("pandas")
    mixed = pandas.DataFrame({"c": pandas.Categorical([True, "a"] * 20)})
    encoder = AnyColumns().learn(mixed)
    assert encoder.variables[0].values == ("True", "a")
    older = {**encoder.as_json(), "columns": [{"type": "categorical", "values": ["False", "True"]}]}
    bools = pandas.DataFrame({"c": pandas.Categorical([True, False])})
    assert AnyColumns().of_json(older, 1).encode(bools).tolist() == [[1], [0]]
    assert encoder.encode(bools.iloc[:1]).tolist() == [[0]]


def test_an_unseen_fraction_of_a_categorical_is_named():
    pandas = pytest.importorskip("pandas")
    encoder = AnyColumns().learn(pandas.DataFrame({"c": pandas.Categorical([1.5, 2.5] * 20)}))
    assert encoder.encode(pandas.DataFrame({"c": [2.5, 1.5]})).tolist() == [[1], [0]]
    with pytest.raises(ValueError, match=r"holds 4 at .*known are 1.5, 2.5; fit with a Cat"):
        encoder.encode(pandas.DataFrame({"c": [4.0]}))


@pytest.mark.parametrize("values", [[0.5, 0.5], [float("nan")], [0.5, 1], [0.5, "a"]])
def test_damaged_fractions_of_a_file_are_refused(values):
    kept = AnyColumns().learn([["a"], ["b"]] * 9).as_json()
    kept["columns"][0]["values"] = values
    with pytest.raises(ValueError, match="the categories of a column are damaged"):
        AnyColumns().of_json(kept, 1)


@pytest.mark.parametrize("whole", [False, True])
def test_numbers_in_half_precision_are_taken_without_a_warning(whole, rng):
    X = (np.arange(N) if whole else rng.normal(size=N)).astype(np.float16)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = AnyColumns().learn(X, more={"X_valid": X})
        encoder.check(X)
        z = encoder.encode(X)
        encoder.decode(z)
        encoder.volumes(X)
    assert encoder.types == ("integer" if whole else "continuous",)
    np.testing.assert_allclose(encoder.decode(z), X, rtol=1e-5, atol=1e-6)
