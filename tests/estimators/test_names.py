"""Names of columns in place of masks, and labels as a DataFrame has them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule import FVSBN, RNADE, OrderlessNADE


@pytest.fixture
def frame(rng):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"sex": rng.integers(0, 2, 40), "age": rng.normal(40, 9, 40)})


def test_observed_may_be_names(frame):
    model = OrderlessNADE((4,), n_components=2, epochs=1).fit(frame)
    mask, names = [True, False], ["sex"]
    drawn = [model.sample(5, 0, given=frame[:5], observed=o) for o in (mask, names)]
    assert drawn[0].equals(drawn[1])
    for ask in (model.log_prob, model.conditionals):
        assert_array_equal(ask(frame, observed=names), ask(frame, observed=mask))
    with pytest.raises(ValueError, match=r"observed names 'agee', no column .*did you mean age\?"):
        model.log_prob(frame, observed=["agee"])
    bits = (frame > frame.mean()).astype(int)
    one = FVSBN(epochs=1).fit(bits)
    drawn = [one.sample(5, 0, given=bits[:5], observed=o) for o in (mask, names)]
    assert_array_equal(*drawn)
    with pytest.raises(ValueError, match=r"observed names 'sex', .*, as none has a name"):
        FVSBN(epochs=1).fit(bits.to_numpy()).sample(1, given=[0, 1], observed=names)


@pytest.mark.parametrize("kind", ["table", "bits"])
def test_what_is_given_may_have_the_observed_columns_alone(frame, kind):
    frame["tall"] = (frame.age > 40).astype(int)
    rows, model = frame[["sex", "age", "tall"]], OrderlessNADE((4,), n_components=2, epochs=1)
    if kind == "bits":
        rows, model = (rows > rows.mean()).astype(int), FVSBN(epochs=1)
    model.fit(rows)
    names = ["tall", "sex"] if kind == "table" else ["sex"]
    whole = np.asarray(model.sample(5, 0, given=rows[:5], observed=names))
    for given in (rows[names][:5], rows[names[::-1]][:5]):
        assert_array_equal(model.sample(5, 0, given=given, observed=names), whole)
    one = rows.iloc[0][names]  # a Series
    drawn = np.asarray(model.sample(3, 0, given=one, observed=names))
    assert (drawn[:, 0] == one["sex"]).all()
    assert_array_equal(
        model.sample(3, 0, given=one[["sex"]], observed="sex"),
        model.sample(3, 0, given=one[["sex"]], observed=["sex"]),
    )
    with pytest.raises(ValueError, match="given has no column 'age', and observed says"):
        model.sample(5, given=rows[["sex"]][:5], observed=["sex", "age"])
    with pytest.raises(ValueError, match="names"):
        model.sample(5, given=rows[["sex"]].rename(columns={"sex": "x"})[:5], observed=["sex"])


def test_no_name_is_no_observed_column(frame):
    model = OrderlessNADE((4,), n_components=2, epochs=1).fit(frame)
    assert model.sample(2, 0, given=frame[:2], observed=[]).equals(model.sample(2, 0))


def test_a_column_without_a_value_has_a_cure_after_the_fit_too(frame):
    model = RNADE(4, n_components=2, epochs=1).fit(frame)
    frame["age"] = np.nan
    with pytest.raises(ValueError, match=r"'age', which says nothing; .* or fill it in"):
        model.log_prob(frame)


def test_labels_may_be_a_frame_of_one_column(frame):
    y = frame[["sex"]].replace({0: "f", 1: "m"})
    models = [
        RNADE(4, n_components=2, epochs=1, seed=0).fit(frame[["age"]], one) for one in (y, y.sex)
    ]
    assert models[0].classes_.tolist() == ["f", "m"]
    assert_array_equal(
        *(m.log_prob(frame[["age"]], one) for m, one in zip(models, (y, y.sex), strict=True))
    )
    with pytest.raises(ValueError, match="one for each row; got"):
        RNADE(4, epochs=1).fit(frame[["age"]], np.zeros((40, 2), int))


@pytest.mark.parametrize("names", [[3, 2, 1, 0], [2000, 2010, 2020, 2030]])
def test_whole_numbers_are_names_and_no_positions(names, rng):
    """Of a DataFrame whose columns are called so: as observed, and where their order is another."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.integers(0, 2, (40, 4)), columns=names)
    model = OrderlessNADE((4,), epochs=1).fit(frame)
    mask, given = np.array([False, True, False, False]), frame[:5]
    drawn = model.sample(5, 0, given=given, observed=mask)
    assert list(drawn.columns) == names
    for one in ([names[1]], names[1], str(names[1]), np.array([names[1]])):
        assert model.sample(5, 0, given=given, observed=one).equals(drawn)
        assert model.sample(5, 0, given=given[[names[1]]], observed=one).equals(drawn)
        assert_array_equal(
            model.log_prob(frame, observed=one), model.log_prob(frame, observed=mask)
        )
    with pytest.raises(ValueError, match="observed names 7, no column of the fit; there are"):
        model.sample(5, given=given, observed=[7])
    for ask in (
        lambda: model.log_prob(frame[names[::-1]]),
        lambda: model.sample(5, given=given[names[::-1]], observed=mask),
    ):
        with pytest.raises(ValueError, match=f"another order; give it {names[0]}, {names[1]}"):
            ask()
    counted = OrderlessNADE((4,), epochs=1).fit(pandas.DataFrame(frame.to_numpy()))
    with pytest.raises(ValueError, match="a mask or names of columns; give a bool array"):
        counted.sample(5, given=given.to_numpy(), observed=[0, 1, 0, 1])


def test_names_of_several_levels_are_refused(rng):
    pandas = pytest.importorskip("pandas")
    names = pandas.MultiIndex.from_product([["a", "b"], ["x", "y"]])
    frame = pandas.DataFrame(rng.integers(0, 2, (20, 4)), columns=names)
    with pytest.raises(ValueError, match="X has columns with names of several levels, a Multi"):
        OrderlessNADE((4,), epochs=1).fit(frame)
    frame.columns = frame.columns.map("_".join)  # as the error says
    model = OrderlessNADE((4,), epochs=1).fit(frame)
    assert list(model.sample(2).columns) == ["a_x", "a_y", "b_x", "b_y"]
