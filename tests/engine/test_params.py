"""Named views into one buffer: what is written by name is in `flat`, and the other way round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from chainrule.engine.params import Params

SHAPES = {"W": (2, 3), "V": (3,), "b": (0, 4), "c": (1, 1, 2)}

shapes = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    max_size=5,
)


@given(shapes)
def test_arrays_lie_end_to_end_in_the_order_of_their_shapes(shapes):
    params = Params(shapes, dtype=np.float64)
    params.flat[...] = np.arange(params.size)
    assert {name: array.shape for name, array in params.items()} == shapes
    assert list(params) == list(shapes) and len(params) == len(shapes)
    laid = [array.ravel() for array in params.values()]
    assert_array_equal(np.concatenate([*laid, np.empty(0)]), params.flat)


def test_an_array_is_a_view_of_the_buffer():
    params = Params(SHAPES)
    params["c"][...] = 5
    params.flat[0] = 7
    assert params.flat[-1] == 5 and params["W"][0, 0] == 7
    assert all(np.shares_memory(params.flat, a) for a in params.values() if a.size)
    assert all(a.flags.c_contiguous for a in params.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_like_and_copy_have_buffers_of_their_own(dtype):
    params = Params(SHAPES, dtype=dtype)
    params.flat[...] = np.nan  # a diverged model must not start its gradient at NaN
    zeros, twin = params.like(), params.copy()
    assert zeros.dtype == twin.dtype == params.dtype == dtype
    assert zeros.shapes == twin.shapes == params.shapes
    assert_array_equal(zeros.flat, np.zeros(params.size))
    assert_array_equal(twin.flat, params.flat)
    assert not np.shares_memory(zeros.flat, params.flat)
    assert not np.shares_memory(twin.flat, params.flat)


def test_a_given_buffer_is_used_not_copied():
    flat = np.arange(11, dtype=np.float64)
    params = Params(SHAPES, flat)
    assert params.flat is flat and params.dtype == np.float64
    with pytest.raises(ValueError, match=r"flat must have shape \(11,\), got \(12,\)"):
        Params(SHAPES, np.zeros(12))


def test_leading_counts_the_first_arrays_and_refuses_others():
    params = Params(SHAPES)
    assert params.leading(()) == 0
    assert params.leading(("W",)) == 6
    assert params.leading(("W", "V")) == 9
    assert params.leading(("W", "other", "V")) == 9  # of another network
    for names in [("V",), ("V", "W"), ("W", "c"), ("other",)]:
        with pytest.raises(ValueError, match="must be the first arrays"):
            params.leading(names)


def test_leading_counts_further_layers_of_a_name():
    shapes = {"W": (2, 3), "W2": (3, 4), "W10": (4,), "V": (5,), "b": (1,), "c": (2,), "c2": (4,)}
    params = Params(shapes)
    assert params.leading(("W", "V")) == 6 + 12 + 4 + 5
    assert params.leading(("W",)) == 6 + 12 + 4
    with pytest.raises(ValueError, match="must be the first arrays"):
        Params({"W": (2,), "b": (1,), "W2": (3,)}).leading(("W",))


def test_unknown_names_and_reading():
    params = Params(SHAPES)
    assert "W" in params and "U" not in params
    with pytest.raises(KeyError):
        params["U"]
    assert repr(params) == "Params(W(2, 3), V(3,), b(0, 4), c(1, 1, 2), float32)"
