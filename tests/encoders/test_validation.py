"""Data and hyper-parameters at the door: what is taken, what is not copied, what is said."""

import pickle

import numpy as np
import pytest

from chainrule import FVSBN, NADE, OrderlessNADE
from chainrule.encoders import validation

TABLE = [[0, 1, 1], [1, 0, 1]]
BITS = np.array(TABLE, np.uint8)


@pytest.mark.parametrize(
    "X",
    [
        TABLE,
        BITS,
        BITS.astype(bool),
        BITS.astype(np.int8),
        BITS.astype(np.int64),
        BITS.astype(np.uint16),
        BITS.astype(np.float16),
        BITS.astype(np.float64),
        BITS.astype(object),
        np.asfortranarray(BITS),
        [[False, True, True], [True, False, True]],
    ],
    ids=lambda X: f"{type(X).__name__}-{getattr(X, 'dtype', '')}",
)
def test_every_kind_of_zero_and_one_becomes_the_same_bytes(X):
    rows = validation.as_bits(X)
    assert rows.dtype == np.uint8 and rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, BITS)


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_bytes_and_bools_are_not_copied(dtype):
    X = BITS.astype(dtype)
    assert np.shares_memory(validation.as_bits(X), X)


def test_read_only_and_strided_data_are_taken():
    frozen = BITS.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(validation.as_bits(frozen), BITS)
    np.testing.assert_array_equal(validation.as_bits(BITS[:, ::-1]), BITS[:, ::-1])


def test_tensors_and_data_frames_are_taken():
    torch, pandas = pytest.importorskip("torch"), pytest.importorskip("pandas")
    np.testing.assert_array_equal(validation.as_bits(torch.tensor(TABLE)), BITS)
    np.testing.assert_array_equal(validation.as_bits(pandas.DataFrame(TABLE)), BITS)


def test_a_threshold_is_exclusive_as_in_bernoulli_naive_bayes():
    rows = validation.as_bits([[0.5, 0.51], [-3, 0.49]], binarize=0.5)
    np.testing.assert_array_equal(rows, [[0, 1], [0, 0]])
    np.testing.assert_array_equal(validation.as_bits([[0, 128, 255]], 127), [[0, 1, 1]])


NAN, INF = [[0, np.nan]], [[0, 1], [-np.inf, 0]]


@pytest.mark.parametrize(
    ("X", "error", "says"),
    [
        (NAN, ValueError, r"NaN \(first at \[0, 1\]\)"),
        (INF, ValueError, r"inf \(first at \[1, 0\]\)"),
        ([[0, 2]], ValueError, r"got 2 at \[0, 1\]; binarize it first"),
        ([[0, 0.5]], ValueError, r"got 0.5 at \[0, 1\]"),
        ([[0, -1]], ValueError, "got -1"),
        (np.array([[0, 255]], np.uint8), ValueError, "got 255"),
        (np.zeros((0, 3)), ValueError, r"0 sample\(s\)"),
        (np.zeros((3, 0)), ValueError, r"0 feature\(s\)"),
        ([], ValueError, r"shape \(0,\)"),
        ([0, 1, 1], ValueError, "Reshape your data"),
        (1, ValueError, "Reshape your data"),
        (np.zeros((5, 28, 28)), ValueError, r"reshape\(len\(X\), -1\)"),
        ([[0, 1], [1]], ValueError, "rectangular"),
        ([["0", "1"]], TypeError, "must hold numbers"),
        ([[b"0", b"1"]], TypeError, "must hold numbers"),
        ("text", TypeError, "must hold numbers"),
        (np.array([["0", 1]], object), TypeError, "text"),
        ([[None, 1]], ValueError, "NaN"),
        ([[{}, 1]], TypeError, "must hold numbers"),
        ([[1j, 0]], ValueError, "Complex data not supported"),
        (np.array([["2020-01-01"]], "M8[D]"), TypeError, "must hold numbers"),
        (np.zeros(2, [("a", int)]).reshape(1, 2), TypeError, "must hold numbers"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(X, error, says):
    with pytest.raises(error, match=says) as caught:
        validation.as_bits(X)
    assert "\n" not in str(caught.value)


def test_nan_and_infinity_are_refused_with_a_threshold_too():
    for X in (NAN, INF):
        with pytest.raises(ValueError, match=r"NaN|inf"):
            validation.as_bits(X, binarize=0.5)


SPARSE = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


@pytest.mark.parametrize("kind", [f"{name}_{of}" for name in SPARSE for of in ("array", "matrix")])
def test_sparse_rows_are_bits_too(kind, rng):
    sparse = pytest.importorskip("scipy.sparse")
    bits = rng.integers(0, 2, (9, 5))
    X, order = getattr(sparse, kind)(bits), np.array([3, 0, 4, 1, 2])
    np.testing.assert_array_equal(validation.as_bits(X), bits)
    np.testing.assert_array_equal(validation.as_bits(X, 0.5, order=order), bits[:, order])
    with pytest.raises(ValueError, match=r"got 7 at \[2, 1\]; most other values are 0 and 1"):
        validation.as_bits(getattr(sparse, kind)([[0, 1], [1, 0], [0, 7]]))
    with pytest.raises(ValueError, match=r"NaN \(first at \[1, 0\]\)"):
        validation.as_bits(getattr(sparse, kind)([[0, 1], [np.nan, 0]]))


def test_a_sparse_matrix_makes_the_model_of_its_dense_one(X):
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(X)
    dense = NADE(3, epochs=2, ordering="reverse").fit(X, X_valid=X[:9])
    model = NADE(3, epochs=2, ordering="reverse").fit(sparse, X_valid=sparse[:9])
    np.testing.assert_array_equal(model.log_prob(sparse), dense.log_prob(X))
    np.testing.assert_array_equal(model.conditionals(sparse), dense.conditionals(X))
    seen = np.arange(5) < 2
    drawn = model.sample(4, 1, given=sparse[:4], observed=seen)
    np.testing.assert_array_equal(drawn, dense.sample(4, 1, given=X[:4], observed=seen))


def masked(X, row, column):
    hidden = np.ma.array(X)
    hidden[row, column] = np.ma.masked
    return hidden


def test_masked_values_are_refused_as_nan_is(X):
    whole, broken = np.ma.array(X), masked(X, 3, 2)
    np.testing.assert_array_equal(validation.as_bits(whole), X)
    says = r"contains a masked value \(first at \[3, 2\]\)"
    model = FVSBN(epochs=1).fit(whole, X_valid=whole)
    for call in (model.fit, model.log_prob, model.conditionals, model.score):
        with pytest.raises(ValueError, match=f"X {says}"):
            call(broken)
    with pytest.raises(ValueError, match=f"X_valid {says}"):
        model.fit(X, X_valid=broken)
    with pytest.raises(ValueError, match=says):
        model.log_prob(list(broken))  # rows, each masked
    with pytest.raises(ValueError, match="observed contains a masked value"):
        model.sample(1, given=X[0], observed=np.ma.masked_equal(X[0] > 0, True))


def test_given_may_be_masked_where_it_is_not_observed(X):
    model, seen = FVSBN(epochs=1).fit(X), np.arange(5) < 2
    drawn = model.sample(6, 1, given=masked(X[:6], 3, 2), observed=seen)
    np.testing.assert_array_equal(drawn, model.sample(6, 1, given=X[:6], observed=seen))
    with pytest.raises(ValueError, match=r"given contains a masked value among .* \(.*\[3, 1\]\)"):
        model.sample(6, 1, given=masked(X[:6], 3, 1), observed=seen)


def test_a_wrong_given_value_is_named_by_its_own_column(X):
    given, seen = X[:3].astype(float), np.array([False, False, True, False, True])
    given[1, 4], given[1, 3] = 9, np.nan
    with pytest.raises(ValueError, match=r"given must hold only 0 and 1, got 9\.0 at \[1, 4\]"):
        FVSBN(epochs=1).fit(X).sample(3, given=given, observed=seen)


def test_missing_values_of_pandas_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 0], "b": pandas.array([1, None], "Int8")})
    with pytest.raises(ValueError, match=r"NaN \(first at \[1, 1\]\)"):
        validation.as_bits(frame)


@pytest.mark.parametrize(
    ("values", "half"),
    [
        ([0, 200, 255], "127"),
        ([0, 3, 16], "8"),
        ([0, 1, 2], "1"),
        ([0.1, 0.9, 0.3], "0.5"),
        ([0.0, 0.25, 0.125], "0.12"),
        ([1000.25, 1000.75], "1000.5"),
        ([-1.5, 1.5], "0"),
        ([255, 255], "127"),
    ],
)
def test_the_threshold_that_is_proposed_fits_the_values(values, half):
    with pytest.raises(
        ValueError, match=r"for example X > (\S+) as .* set binarize to \1$"
    ) as caught:
        validation.as_bits([values])
    low, high = min(values), max(values)
    said = f"go from {low:g} to {high:g}" if low < high else f"are all {high}"
    assert f"X > {half} as its values {said}" in str(caught.value)
    assert len(np.unique(validation.as_bits([values], float(half)))) == 1 + (low < high)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_the_wrong_cell_is_named_in_whichever_block_it_is(monkeypatch, dtype):
    monkeypatch.setattr(validation, "CELLS", 20)
    X = np.zeros((50, 7), dtype)
    X[41, 5] = 3
    with pytest.raises(ValueError, match=r"got 3.* at \[41, 5\];") as caught:
        FVSBN(epochs=1).fit(np.zeros((2, 7))).log_prob(X)
    again = pickle.loads(pickle.dumps(caught.value))  # as a worker process hands it over
    assert str(again) == str(caught.value) and again.row == 41


@pytest.mark.parametrize(
    ("hyperparameters", "says"),
    [
        ({"n_hidden": 0}, "n_hidden must be a whole number of at least 1, got 0"),
        ({"n_hidden": -5}, "n_hidden"),
        ({"n_hidden": 2.5}, "n_hidden"),
        ({"n_hidden": True}, "n_hidden"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": "many"}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate must be a finite number, got 'fast'"),
        ({"schedule": "staircase"}, "schedule must be one of 'constant', 'cosine'"),
        ({"schedule": None}, "schedule"),
        ({"warmup": 1.5}, "warmup"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"clip_norm": -1}, "clip_norm"),
        ({"patience": -1}, "patience"),
        ({"patience": 3}, "patience is judged on validation data"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"ordering": "spiral"}, "ordering must be None, 'raster', 'reverse', 'random'"),
        ({"ordering": [0, 1]}, "ordering"),
        ({"ordering": [0, 0, 1]}, "ordering"),
        ({"binarize": "half"}, "binarize"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'"),
        ({"dtype": None}, "dtype"),
        ({"dtype": "nonsense"}, "dtype"),
        ({"backend": "abacus"}, "backend must be one of 'reference', 'cpu', 'cuda'"),
        ({"n_threads": 0}, "n_threads"),
    ],
    ids=str,
)
def test_impossible_hyperparameters_are_named_before_anything_runs(hyperparameters, says):
    model = NADE(**({"n_hidden": 2, "epochs": 1} | hyperparameters))
    with pytest.raises(ValueError, match=says) as caught:
        model.fit(BITS)
    assert "\n" not in str(caught.value)
    assert not hasattr(model, "params_")


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("float64")])
def test_dtypes_by_name_and_by_type(dtype):
    model = FVSBN(epochs=1, dtype=dtype).fit(BITS)
    assert model.params_.dtype == model.log_prob(BITS).dtype == np.dtype(dtype)


@pytest.mark.parametrize("others", [2, 3000])
def test_slips_and_columns_that_are_no_variables_are_not_binarized_away(others, rng):
    """A threshold of 1, or of 1500, would make zeros of all ones that were meant."""
    X = rng.integers(0, 2, (60, 6))
    X[17, 3] = others
    with pytest.raises(ValueError, match=r"\[17, 3\]; most other values are 0 and 1, so mend"):
        validation.as_bits(X)


def test_a_missing_value_leads_to_the_model_that_fills_it_in():
    for gap in (np.nan, None):
        with pytest.raises(ValueError, match=r"rows first, or let OrderlessNADE fill them in$"):
            NADE(2).fit([[0, 1], [1, gap]])
    with pytest.raises(ValueError, match=r"inf \(first at \[1, 1\]\); .* such rows first$"):
        NADE(2).fit([[0, 1], [1, np.inf]])
    model = OrderlessNADE(2, epochs=1).fit([[0, 1], [1, np.nan]])
    with pytest.raises(ValueError, match=r"observed values .* such rows first$"):
        model.log_prob([[0, np.nan]], observed=[False, True])
