"""A warning points at the line of who called, however deep in chainrule it comes from."""

import warnings

import pytest

import chainrule as cr
from chainrule.encoders import warned


def test_it_points_out_of_chainrule(rng):
    X = rng.integers(0, 3, (60, 2)) / 2  # few values, each again and again
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        cr.RNADE(4, epochs=1).fit(X)
    assert heard and {one.filename for one in heard} == {__file__}


def test_a_warning_keeps_its_own_category():
    with pytest.warns(FutureWarning, match="soon") as heard:
        warned.warn(FutureWarning("soon"))
    assert heard[0].filename == __file__
    with pytest.warns(UserWarning, match="now"):
        warned.warn("now")
