"""What is doubtful about columns is said once, with its name and a cure; what is not, is not."""

import warnings
from datetime import date, timedelta

import numpy as np
import pytest

from chainrule import RNADE, TableNADE
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.doubts import FEWEST, DataWarning

N = 300


def frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def said(table, types=None):
    """Return what is said of a table, in sentences."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        AnyColumns(types).learn(table)
    assert all(one.category is DataWarning for one in heard)
    return [str(one.message) for one in heard]


def dates(n):
    return [str(date(2020, 1, 1) + timedelta(days=k)) for k in range(n)]


def test_words_of_which_nearly_every_row_has_its_own_are_said():
    table = frame(day=dates(N), city=["York", "Leeds", "Bath"] * (N // 3), n=range(N))
    [text] = said(table)
    assert (
        "'day'" in text
        and "has words of which nearly every row has its own, a category each" in text
    )
    assert "column_types={'day': \"categorical\"}" in text
    assert not said(table, {"day": "categorical"})
    assert said(table[["day"]], "categorical")  # of all columns: nobody looked at this one
    assert not said(table[["day"]].iloc[: FEWEST - 1])
    assert not said(frame(w=[f"w{k // 2}" for k in range(N)]))
    assert not said(frame(w=pytest.importorskip("pandas").Categorical(dates(N))))


@pytest.mark.parametrize(
    ("column", "share"),
    [
        (np.r_[np.tile([0.1, 0.2, 0.3], 55), np.linspace(1, 9, 135)], "0.1 the most, and"),
        (np.r_[np.zeros(150), np.full(90, 0.5), np.linspace(1, 9, 60)], "0.0 the most, and"),
        (np.where(np.arange(N) < 200, -0.044, 0.051), "-0.044 the most, and"),
        (np.where(np.arange(N) < 260, -0.044, 0.051), "0.051 the most beside -0.044, and"),
    ],
)
def test_real_numbers_of_which_few_hold_most_rows_are_said(column, share, rng):
    [text] = said(frame(sex=column, x=rng.normal(size=N)))
    assert "'sex'" in text and share in text and "grow there without bound" in text
    assert "make whole numbers or words of its values" in text


@pytest.mark.parametrize("far", [1e300, -1e9])
def test_a_number_beside_which_all_others_are_one_is_said(far, rng):
    """A slip of the keyboard, as a rule."""
    x = rng.normal(3, 2, N)
    assert not said(frame(kg=np.exp(3 * x)))  # far, but not out of all proportion
    x[7] = far
    [text] = said(frame(kg=x, n=rng.normal(size=N)))
    assert f"'kg' of X holds {far!r}, 1,000,000 times as far from the middle" in text


def test_every_fold_of_a_table_says_the_same(rng):
    """So that Python shows it once."""
    table = frame(sex=rng.choice([-0.044, 0.051], N, p=[0.3, 0.7]), day=dates(N))
    assert said(table.iloc[:150]) == said(table.iloc[150:]) == said(table)


def test_a_value_that_most_rows_have_is_an_atom(rng):
    assert not said(np.r_[np.zeros(N - 1), 1.5][:, None])
    assert not said(np.r_[np.zeros(180), np.linspace(0.1, 9, 120)][:, None])


def test_the_cure_of_whole_numbers_is_to_call_them_categories(rng):
    table = frame(sex=rng.integers(0, 2, N).astype(float), x=rng.normal(size=N))
    with pytest.warns(DataWarning, match="column_types={'sex': \"categorical\"}"):
        RNADE(4, n_components=2, epochs=1).fit(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        RNADE(4, n_components=2, epochs=1, column_types={"sex": "categorical"}).fit(table)
        TableNADE(4, n_components=2, epochs=1).fit(table)


def test_rounded_measures_are_not_doubtful(rng):
    assert not said(np.round(rng.normal(10, 1, (1599, 4)), 1) + 0.05)  # like wine's, 60 values
    assert not said(rng.normal(size=(50, 3)))
    assert not said(np.arange(N)[:, None] % 40, "integer")


def test_columns_without_names_are_called_by_number(rng):
    table = np.column_stack([rng.normal(size=N), rng.integers(0, 2, N)])
    [text] = said(table, "continuous")
    assert 'column_types={1: "categorical"}' in text


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, object])
def test_whole_numbers_that_floats_cannot_tell_apart_are_said(dtype, rng):
    """They come back as real ones."""
    start = 1_600_000_000_000_000_000
    ns = start + rng.integers(0, 10**15, N)
    [text] = said(frame(ns=ns.astype(dtype)))
    assert "'ns' of X holds whole numbers of 2**53 and more, which" in text
    assert "taken, and drawn, as real ones; subtract the least of them" in text
    assert said(frame(ns=ns.astype(dtype)[:5])), "it is so of few rows, too"
    assert said(frame(ns=ns)[:150]) == said(frame(ns=ns)[150:]), "so that Python shows it once"
    assert not said(frame(ns=ns), {"ns": "continuous"}) and not said(frame(ns=ns), "continuous")
    assert not said(frame(ns=ns - start)) and not said(frame(x=ns.astype(float)))
    assert not said(frame(id=start + np.arange(N) % 3))  # categories, exact
    assert AnyColumns().learn(frame(ns=ns - start)).types == ("integer",)
    if dtype is np.int64:
        assert len(said(frame(ns=-ns))) == 1
        assert len(said(frame(ns=np.r_[-(2**63), np.arange(N)]))) >= 1
