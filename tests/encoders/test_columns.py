"""Tables of any columns: what columns are taken for, in any form, and on the way back."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from chainrule.encoders import frames
from chainrule.encoders.cells import CellError
from chainrule.encoders.coded import Coded
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.frames import Frame
from chainrule.encoders.variables import FARTHEST, MOST, Category, Real

N = 120
TYPES = ("integer", "categorical", "continuous", "binary", "categorical", "binary")


@pytest.fixture
def columns(rng):
    """Return a table's columns by name; of each kind one, and whole numbers few and many."""
    return {
        "age": rng.integers(17, 90, N),
        "colour": rng.choice(["red", "green", "blue"], N),
        "income": rng.lognormal(10, 1, N),
        "smoker": rng.random(N) < 0.3,
        "rooms": rng.integers(1, 6, N),
        "bit": rng.integers(0, 2, N),
    }


def as_records(columns):
    dtype = [(name, column.dtype) for name, column in columns.items()]
    table = np.empty(N, dtype)
    for name, column in columns.items():
        table[name] = column
    return table


def as_objects(columns):
    return np.array([column.tolist() for column in columns.values()], object).T


def as_pandas(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def as_polars(columns):
    return pytest.importorskip("polars").DataFrame({k: v.tolist() for k, v in columns.items()})


FORMS = {
    "records": as_records,
    "objects": as_objects,
    "lists": lambda columns: as_objects(columns).tolist(),
    "pandas": as_pandas,
    "polars": as_polars,
}


def through_json(encoder, D=6, **settings):
    return AnyColumns(**settings).of_json(json.loads(json.dumps(encoder.as_json())), D)


@pytest.mark.parametrize("order", [None, "reverse", "random"])
@pytest.mark.parametrize("form", FORMS)
def test_any_form_goes_down_and_comes_back(form, order, columns):
    table, rows = FORMS[form](columns), as_objects(columns)
    encoder = AnyColumns(order=order).learn(table)
    assert encoder.types == TYPES and encoder.dims == 6
    assert [encoder.event.values[j] for j in np.argsort(encoder.order)] == [0, 3, 0, 2, 5, 2]
    x = encoder.encode(table)
    assert x.shape == (N, 6) and x.dtype == np.float32
    encoder.check(table)
    assert_array_equal(through_json(encoder).encode(table), x)
    assert_array_equal(pickle.loads(pickle.dumps(encoder)).encode(table), x)
    for back in (encoder.decode(x), through_json(encoder).decode(x)):
        assert type(back) is (
            np.ndarray if form in ("records", "objects", "lists") else type(table)
        )
        found = np.asarray(back, object)
        exact = [0, 1, 3, 4, 5]
        assert_array_equal(found[:, exact], rows[:, exact])
        assert_allclose(found[:, 2].astype(float), rows[:, 2].astype(float), rtol=2e-5)
    if form in ("records", "pandas", "polars"):
        assert list(encoder.names) == list(columns)


def test_a_frame_comes_back_with_its_own_dtypes(columns):
    pandas = pytest.importorskip("pandas")
    frame = as_pandas(columns).astype({"age": "Int64", "bit": "uint8", "income": "float32"})
    sizes = pandas.CategoricalDtype(["small", "large", "vast"], ordered=True)
    frame["size"] = pandas.Series(np.resize(["small", "large"], N), dtype=sizes)
    frame["word"] = pandas.Series(np.resize(["x", "y"], N), dtype="string")
    frame[7] = frame["rooms"].astype("category")
    encoder = AnyColumns().learn(frame)
    assert encoder.variables[6].values == ("small", "large", "vast")  # in its own order, and whole
    assert encoder.variables[8].values == (1, 2, 3, 4, 5)
    for one in (encoder, through_json(encoder, 9)):
        back = one.decode(one.encode(frame))
        assert back.dtypes.equals(frame.dtypes) and list(back.columns) == list(frame.columns)
        pandas.testing.assert_frame_equal(back, frame, rtol=1e-5)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_numbers_that_a_dtype_cannot_hold_get_a_wider_one(library):
    """And do not wrap around."""
    of = pytest.importorskip(library)
    X = np.arange(120, dtype=np.int8)
    encoder = AnyColumns().learn(of.DataFrame({"x": X}))
    z = encoder.encode(of.DataFrame({"x": X}))
    same, wider = encoder.decode(z), encoder.decode(2 * z)
    assert str(same["x"].dtype).lower() == "int8" and same["x"].to_list() == X.tolist()
    assert str(wider["x"].dtype).lower() == "int64"
    assert wider["x"].to_list() == (2 * X.astype(int) - round(X.mean())).tolist()


def test_a_frame_is_an_array_where_its_library_is_missing(columns, monkeypatch):
    encoder = AnyColumns().learn(as_pandas(columns))
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    assert isinstance(encoder.decode(encoder.encode(as_objects(columns))), np.ndarray)


@pytest.mark.parametrize(
    ("table", "types", "dtype"),
    [
        (np.eye(6, dtype=np.uint8), ["binary"] * 6, np.uint8),
        (np.eye(6), ["binary"] * 6, np.uint8),
        (np.eye(6, dtype=bool), ["binary"] * 6, np.uint8),
        (csr_matrix(np.eye(6)), ["binary"] * 6, np.uint8),
        (np.arange(30).reshape(15, 2) % 3, ["categorical"] * 2, np.int64),
        (np.arange(12.0).reshape(6, 2), ["integer"] * 2, np.float64),
        (np.arange(12.0).reshape(6, 2) + 0.5, ["continuous"] * 2, np.float64),
        ([[5, "a"], [5, "b"], [5, "a"], [5, "b"]], ["categorical"] * 2, object),
        ([["x", 0.5], ["x", 1.5]], ["categorical", "continuous"], object),
    ],
    ids=lambda value: "" if hasattr(value, "shape") else None,
)
def test_in_an_array_values_say_what_columns_are(table, types, dtype):
    encoder = AnyColumns().learn(table)
    assert list(encoder.types) == types
    back = encoder.decode(encoder.encode(table))
    plain = table.toarray() if hasattr(table, "toarray") else table
    assert_array_equal(back, np.array(plain, object) if dtype is object else plain)
    assert back.dtype in (dtype, np.int64)


def test_bits_are_not_copied_and_their_columns_move(rng):
    bits = rng.integers(0, 2, (9, 4), np.uint8)
    assert np.shares_memory(AnyColumns().learn(bits).encode(bits), bits)
    assert_array_equal(AnyColumns(order="reverse").learn(bits).encode(bits), bits[:, ::-1])
    assert AnyColumns().learn(bits).describe() == "rows of 4 bits"


def test_a_column_of_one_value_is_a_category_that_costs_nothing():
    encoder = AnyColumns().learn([["same", 0.5], ["same", 1.5]])
    assert encoder.event.values == (1, 0)
    assert encoder.decode(encoder.encode([["same", 0.5]])).tolist() == [["same", 0.5]]


def test_types_are_given_for_all_for_each_or_for_some(columns):
    table = as_records(columns)
    assert AnyColumns({"rooms": "continuous", 0: "categorical"}).learn(table).types == (
        *("categorical", "categorical", "continuous", "binary", "continuous", "binary"),
    )
    numbers = np.column_stack([columns["age"], columns["rooms"], columns["bit"]])
    assert AnyColumns("continuous").learn(numbers).types == ("continuous",) * 3
    assert AnyColumns("categorical").learn(numbers).types == ("categorical",) * 3
    each = AnyColumns(["integer", None, [1, 0]]).learn(numbers)
    assert each.types == ("integer", "categorical", "categorical")
    assert each.encode(numbers)[:, 2].tolist() == (1 - numbers[:, 2]).tolist()
    colours = AnyColumns({"colour": ["blue", "green", "red", "violet"]}).learn(table)
    assert colours.variables[1].values == ("blue", "green", "red", "violet")


@pytest.mark.parametrize(("n", "once", "kind"), [(500, 1, 0), (1000, 1, 1), (1000, 2, 0)])
def test_values_that_come_once_make_a_column_one_of_any_whole_numbers(n, once, kind):
    """Else cross-validation would meet categories that its training rows lack."""
    X = np.arange(n)[:, None] % 3
    X[:once, 0] = 9 + np.arange(once)
    assert AnyColumns().learn(X).types == (("integer", "categorical")[kind],)


@pytest.mark.parametrize("first", [2**53, -(2**53), 2**63])
def test_whole_numbers_that_floats_cannot_tell_apart_are_continuous(first):
    X = [[first + 4096 * k] for k in range(100)]
    assert AnyColumns().learn(X).types == ("continuous",)
    with pytest.raises(ValueError, match=r"cannot be integer; subtract .*, or call it continuous"):
        AnyColumns("integer").learn(X)
    assert AnyColumns().learn(X[:1] * 5 + X[1:2] * 5).types == ("categorical",)


def test_categories_of_other_tables_are_known_too():
    train, valid = np.array([[1, 5]] * 9 + [[2, 6]] * 9), np.array([[3, 5]])
    encoder = AnyColumns().learn(train, more={"X_valid": valid})
    assert encoder.variables[0].values == (1, 2, 3) and encoder.variables[1].values == (5, 6)
    with pytest.raises(ValueError, match="X_valid has 1 features, but the model is expecting 2"):
        AnyColumns().learn(train, more={"X_valid": valid[:, :1]})


# Real numbers


def test_real_numbers_are_standardised_and_the_volume_is_counted(rng):
    X = rng.normal([3, -1e6, 1e-3], [2, 1e3, 1e-8], (500, 3))
    encoder = AnyColumns(dtype=np.float64).learn(X)
    z = encoder.encode(X)
    assert z.dtype == np.float64
    assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    assert_allclose(z.std(axis=0), 1, rtol=1e-6)
    assert_allclose(encoder.log_volumes, -np.log(X.std(axis=0)), rtol=1e-6)
    assert encoder.log_volume == pytest.approx(-np.log(X.std(axis=0)).sum())
    assert_allclose(encoder.decode(z), X, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-150, 1e-30, 1.0, 1e30, 1e150])
def test_numbers_of_any_size(size, rng):
    X = rng.normal(size=(50, 1)) * size
    encoder = AnyColumns().learn(X)
    z = encoder.encode(X)
    assert np.isfinite(z).all() and z.std() == pytest.approx(1, rel=1e-5)
    assert_allclose(encoder.decode(z), X, rtol=1e-5, atol=1e-6 * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first", [0, -7, 10**6])
def test_whole_numbers_are_a_lattice_about_zero(first, dtype):
    X = first + np.repeat(np.arange(1000), 4)[:, None]
    encoder = AnyColumns(dtype=dtype).learn(X)
    assert encoder.types == ("integer",) and encoder.log_volume == 0
    (variable,), (half,), x = encoder.variables, encoder.event.half_steps, encoder.encode(X)
    assert variable.mean == np.rint(X.mean()) and half == 0.5 / variable.scale
    assert x.std() == pytest.approx(1, rel=1e-3)
    step = 2 * half
    assert_array_equal(x, (np.rint(x.astype(np.float64) / step) * step).astype(dtype))
    assert_array_equal(encoder.decode(x), X)


def test_half_steps_are_in_the_models_order_and_none_where_all_is_real(rng):
    whole, real = rng.integers(0, 1000, 500), rng.normal(size=500)
    encoder = AnyColumns(order="reverse").learn(np.column_stack([whole, real, whole < 500]))
    assert encoder.event.values == (2, 0, 0)
    assert encoder.event.half_steps == (0.0, 0.0, encoder.variables[0].half_step)
    assert AnyColumns().learn(real[:, None]).event.half_steps == ()


# Given values


def test_only_what_is_observed_of_given_rows_is_looked_at(columns):
    table = as_objects(columns)
    encoder = AnyColumns(order="reverse", dtype=np.float64).learn(table)
    x = encoder.encode(table[:3])
    given, mask = (
        table[:3].copy(),
        np.array([[1, 1, 0, 0, 1, 1], [0] * 6, [0, 0, 1, 1, 0, 0]], bool),
    )
    given[~mask] = "no such thing"
    found = encoder.encode_given(given, mask, 3)
    seen = mask[:, ::-1]
    exact = seen & (np.array(encoder.event.values) > 0)
    assert_array_equal(found[exact], x[exact])
    assert found[2, 3] == pytest.approx(x[2, 3]) and not found[~seen].any()
    one = encoder.encode_given(table[1].tolist(), np.ones(6, bool), 4)
    assert one.shape == (4, 6) and (one == one[0]).all()
    back = encoder.decode_columns(one)
    encoder.put_given(back, table[1], np.ones(6, bool), 4)
    assert back[2].tolist() == [table[1, 2]] * 4 and back[0].tolist() == [table[1, 0]] * 4
    with pytest.raises(CellError, match=r"given holds 'no such thing' .* \[1, 1\]") as caught:
        encoder.encode_given(given, np.arange(6) == 1, 3)
    assert (caught.value.row, caught.value.column) == (1, 1)
    with pytest.raises(ValueError, match=r"given must have shape \(3, 6\)"):
        encoder.encode_given(given[:2], mask, 3)


def test_a_series_is_one_row(columns):
    frame = as_pandas(columns)
    encoder = AnyColumns().learn(frame)
    one = encoder.encode_given(frame.iloc[4], np.ones(6, bool), 2)
    assert_array_equal(one, encoder.encode_given(frame.iloc[[4]], np.ones(6, bool), 2))


@pytest.mark.parametrize("form", ["objects", "lists", "pandas"])
def test_where_values_may_be_missing_they_are_marked(form, columns):
    table = as_objects(columns)
    table[3, 0], table[5, 1], table[7, 2], table[9, 3] = None, None, np.nan, None
    gone = np.zeros(table.shape, bool)
    gone[[3, 5, 7, 9], [0, 1, 2, 3]] = True
    if form == "pandas":
        table = pytest.importorskip("pandas").DataFrame(table, columns=[*columns]).infer_objects()
    elif form == "lists":
        table = table.tolist()
    encoder = AnyColumns(missing=True, order="reverse").learn(table)
    assert encoder.types == TYPES
    x = encoder.encode(table)
    assert_array_equal(np.isnan(x), gone[:, ::-1])
    assert_array_equal(encoder.observed(table), ~gone)
    assert AnyColumns(missing=True).learn([[0], [1], [None]]).encode([[1], [None]]).tolist() == [
        [1],
        [255],
    ]
    words = AnyColumns(missing=True).learn([["a"], ["b"], ["c"], [None]])
    assert words.encode([["c"], [None]]).tolist() == [[2], [-1]]


# What is wrong, and where


WRONG = [
    (
        [["a", 1.5], ["b", None]],
        {},
        r"X contains NaN \(first at \[1, 1\]\); fill in or drop",
    ),
    ([["a", 1.5], [None, 2.5]], {}, r"NaN \(first at \[1, 0\]\).*let OrderlessNADE fill"),
    (
        [["a", np.nan], ["b", np.nan]],
        {},
        r"X contains NaN alone in column \[:, 1\].*leave that column out",
    ),
    (np.array([[0.5, np.inf], [1.5, 1]]), {}, r"X contains inf \(first at \[0, 1\]\)"),
    ([["a", 1], ["b", "c"]], {}, r"holds 1 among words at \[0, 1\]; make all of them words"),
    ([[0.5, 3.5], [0.6, 3.5]], {}, r"column \[:, 1\] of X is 3.5 in every row, and the density"),
    (
        [[0.5, 7], [0.6, 7]],
        ["continuous"] * 2,
        r"column \[:, 1\] .* in every row.*or call it categorical",
    ),
    ([[0.5]], {}, r"X has 1 sample, and column \[:, 0\] is continuous"),
    ([["a"], ["b"]], "continuous", r"holds 'a' at \[0, 0\], so that column cannot be cont"),
    ([[True], [False]], "integer", "so that column cannot be integer; call it binary"),
    ([[0.5], [1.5]], "integer", r"holds 0.5 at \[0, 0\], so that column cannot be integer"),
    ([[1.0], [1.5]], "categorical", r"holds 1.5 at \[1, 0\], which is no category"),
    (
        [[3], [4], [5]],
        "binary",
        r"column \[:, 0\] of X cannot be binary: it has 3 different values, 3, 4, 5",
    ),
    ([["a"], ["a"]], "binary", "cannot be binary: it has 1 different value, 'a'; call it categ"),
    ([[1]], "catgorical", r"takes 'binary', .* got 'catgorical' \(did you mean categorical"),
    ([[1]], ["binary", "binary"], "column_types has 2 entries and X has 1 columns"),
    ([[1]], {"age": "binary"}, "names 'age', which is no column of the data; there are 0 … 0"),
    (
        [[1], [2]],
        {0: [1]},
        r"holds 2 at \[1, 0\], which the categories in column_types lack; they are 1; list it, too",
    ),
    (
        [[2**60 + k] for k in range(9)],
        {},
        r"column \[:, 0\] of X holds different whole numbers that are one and the same as float.*"
        "1152921504606846976 and others; subtract the least",
    ),
    (
        [[2**70 + k] for k in range(9)],
        {},
        "holds different whole numbers .* 1180591620717411303424 ",
    ),
    (
        [[2.0**60]] * 9,
        {},
        "in every row, .* but if whole numbers that differ were meant, .* subtract",
    ),
    (
        [[2**60 + k] for k in range(9)],
        "integer",
        r"at \[0, 0\], 2\*\*53 or more in size, .*; subtract .*, or call it continuous",
    ),
    ([[1]], {0: [1, 1]}, r"must give column \[:, 0\] different words or whole numbers"),
    ([[1]], {0: [0.5]}, r"must give column \[:, 0\] different words or whole numbers"),
    ([[str(k)] for k in range(MOST + 1)], {}, "has 10,001 different values, more than 10,000"),
    (np.zeros((2, 2), "datetime64[D]"), {}, "X must hold numbers or words, got datetime64"),
    ([["a", 1], ["b"]], {}, "its rows differ in length"),
    (np.zeros(3), {}, "two dimensions"),
    (np.zeros((0, 3)), {}, r"0 sample\(s\)"),
    (np.zeros((2, 2), complex), {}, "Complex data not supported"),
]


@pytest.mark.parametrize(("table", "types", "says"), WRONG, ids=[says for *_, says in WRONG])
def test_what_cannot_be_learnt_is_said_in_a_sentence(table, types, says):
    with pytest.raises((ValueError, TypeError), match=says) as caught:
        AnyColumns(types or None).learn(table)
    assert "\n" not in str(caught.value)


def test_objects_that_are_neither_numbers_nor_words():
    with pytest.raises(TypeError, match="argument must be a string or a real number, not 'dict'"):
        AnyColumns().learn(np.array([[{}], [1]], object))


def test_names_of_columns_stand_in_errors(columns):
    table = as_records(columns)
    with pytest.raises(ValueError, match=r"column_types names 'colur', .*did you mean colour\?"):
        AnyColumns({"colur": "binary"}).learn(table)
    encoder, other = AnyColumns().learn(table), table.copy()
    other["colour"][5] = "pink"
    with pytest.raises(CellError, match=r"holds 'pink' at \[5, 'colour'\], a category"):
        encoder.check(other)
    other = table.copy()
    other["income"][3] = 1e30
    with pytest.raises(CellError, match=r"1e\+30 at \[3, 'income'\], over 1e\+15 stand"):
        encoder.encode(other)
    assert issubclass(CellError, ValueError) and FARTHEST == 1e15


def test_two_columns_of_one_name_are_refused():
    frame = pytest.importorskip("pandas").DataFrame(np.eye(3), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="X has two columns called 'a'; rename one of them"):
        AnyColumns().learn(frame)


@pytest.mark.parametrize(
    ("learnt", "later", "says"),
    [
        ([["a"], ["b"]], [["c"]], r"holds 'c' at \[0, 0\], a category never seen.*'a', 'b'"),
        ([[3], [4]] * 5, [[4], [5]], r"holds 5 at \[1, 0\], a category never seen"),
        ([["a"], ["b"]], [[1]], r"holds 1 at \[0, 0\], a category never seen"),
        ([[0.5], [1.5]], [["a"]], r"holds 'a' at \[0, 0\], where training had numbers"),
        ([[k] for k in range(99)], [[0.5]], "holds 0.5 .* where training had whole numbers alone"),
        ([[0], [1]], [[2]], r"X must hold only 0 and 1, got 2 at \[0, 0\]"),
    ],
)
def test_what_training_did_not_have_is_named(learnt, later, says):
    encoder = AnyColumns().learn(learnt)
    for call in (encoder.check, encoder.encode):
        with pytest.raises(ValueError, match=says):
            call(later)


# Files


def described(columns, **changes):
    return AnyColumns().learn(as_records(columns)).as_json() | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"order": [0, 1]},
        {"columns": []},
        {"columns": 7},
        {"columns": [{"type": "categorical", "values": []}] * 6},
        {"columns": [{"type": "categorical", "values": [1, 1]}] * 6},
        {"columns": [{"type": "categorical", "values": [1, "a"]}] * 6},
        {"columns": [{"type": "categorical", "values": [[1], [2]]}] * 6},
        {"columns": [{"type": "categorical", "values": list(range(MOST + 1))}] * 6},
        {"columns": [{"type": "categorical", "values": [0.5]}] * 6},
        {"columns": [{"type": "binary", "values": [0, 1, 2]}] * 6},
        {"columns": [{"type": "binary"}] * 6},
        {"columns": [{"type": "continuous", "mean": 0, "scale": 0}] * 6},
        {"columns": [{"type": "continuous", "mean": float("nan"), "scale": 1}] * 6},
        {"columns": [{"type": "continuous", "mean": "x", "scale": 1}] * 6},
        {"columns": [{"type": "oracle"}] * 6},
        {"columns": ["binary"] * 6},
        {"feature_names": ["a"]},
        {"feature_names": [[], 1, 2, 3, 4, 5]},
        {"library": "os"},
        {"library": ["pandas"]},
        {"dtypes": ["x"]},
        {"dtypes": 5},
        {"dtypes": [1] * 6},
    ],
    ids=str,
)
def test_a_file_that_describes_no_table_is_refused(changes, columns):
    with pytest.raises((KeyError, TypeError, ValueError)):
        AnyColumns().of_json(described(columns, **changes), 6)


def test_what_a_file_says_is_all_that_is_imported(columns):
    encoder = AnyColumns().of_json(described(columns, library=None, dtypes=["os.system"] * 6), 6)
    assert isinstance(encoder.decode(encoder.encode(as_records(columns))), np.ndarray)


# Tables by columns


def test_rows_of_a_frame_can_be_selected(columns):
    frame = frames.read(as_records(columns))
    assert frame.shape == (N, 6) and len(frame) == N and frame.size == 6 * N
    part = frame[3:7]
    assert part.shape == (4, 6) and part.names == frame.names
    assert_array_equal(part.column(0).values, columns["age"][3:7])
    assert frames.read(part) is part
    assert isinstance(Frame([Coded(np.zeros(3, int), ("a",))]).column(0).categories, tuple)


def test_a_frame_without_words_is_numbers_again():
    words = Coded(np.array([0, 1]), ("x", "y"))
    frame = Frame([words, np.array([1, 2]), np.array([0.5, 1])], ["w", "a", "b"])
    assert frame.without(0).tolist() == [[1, 0.5], [2, 1]]
    assert frame.without(1).names == ("w", "b")
    with pytest.raises(CellError, match=r"X holds 'x' at \[0, 'w'\], which is no num"):
        frame.numbers()


def test_variables_are_values():
    assert Category("binary", (0, 1)) == Category("binary", (0, 1))
    assert Real("continuous", 0.0, 2.0).log_volume == pytest.approx(-np.log(2))


# A category never seen, and its cure


def test_one_list_of_categories_is_for_every_column():
    X = np.array([[0, 3], [2, 1]] * 5)
    for listed in (range(5), [0, 1, 2, 3, 4], np.arange(5)):
        encoder = AnyColumns(listed).learn(X)
        assert [v.values for v in encoder.variables] == [(0, 1, 2, 3, 4)] * 2
    assert AnyColumns(["binary", "integer"]).learn([[0, 3], [1, 2]]).types == ("binary", "integer")
    with pytest.raises(ValueError, match=r"holds 5 at .*, a category never seen"):
        encoder.encode([[5, 0]])


@pytest.mark.parametrize(
    ("learnt", "later", "cure"),
    [
        ([[3, 0], [4, 1]] * 5, [[9, 0]], r"column_types={0: range\(10\)} if .*=range\(10\) if all"),
        ([[3, 0], [4, 1]] * 5, [[9, 0]], r'column_types={0: "integer"} if it counts something'),
        ([[-3, 0], [4, 1]] * 5, [[9, 0]], r'fit with column_types={0: "integer"}'),
        ([["a", 0], ["b", 1]], [["c", 0]], r"column_types={0: \[… all categories …\]}"),
    ],
)
def test_the_error_about_a_category_never_seen_has_its_cure(learnt, later, cure):
    with pytest.raises(CellError, match=cure):
        AnyColumns().learn(learnt).encode(later)


def test_the_rows_of_others_are_held_against_a_list_too():
    says = (
        r"X_valid holds 'c' at \[1, 0\], which the categories in column_types lack; they are 'a', "
    )
    for missing in (False, True):
        encoder = AnyColumns({0: ["a", "b"]}, missing=missing)
        with pytest.raises(CellError, match=says):
            encoder.learn([["a"], ["b"]], more={"X_valid": [["a"], ["c"]]})
        encoder.learn([["a"], ["a"]], more={"X_valid": [["a"], ["b"]]})
    encoder.learn([["a"], ["a"]], more={"X_valid": [[None], [None]]})  # of OrderlessNADE


def test_whole_numbers_of_any_size_may_be_categories():
    table = [[2**63 + k % 3] for k in range(9)]
    encoder = AnyColumns("categorical").learn(table)
    assert encoder.encode(table)[:, 0].tolist() == [0, 1, 2] * 3


def test_the_cure_has_the_columns_name():
    frame = pytest.importorskip("pandas").DataFrame({"kids": [0, 1, 2] * 9})
    with pytest.raises(CellError, match=r"column_types={'kids': range\(46\)} if it is one more"):
        AnyColumns().learn(frame).encode(frame.replace(2, 45))


def test_a_wrong_cell_below_gaps_is_named_by_its_own_row():
    table = [[None, "a"], [1.0, "b"], [None, None], [np.inf, "c"]]
    with pytest.raises(CellError, match=r"X contains inf \(first at \[3, 0\]\)"):
        AnyColumns(missing=True).learn(table)
    with pytest.raises(CellError, match=r"holds 2.5 at \[2, 0\], which is no category"):
        AnyColumns("categorical", missing=True).learn([[None], [1], [2.5]])
