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
