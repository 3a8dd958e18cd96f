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
