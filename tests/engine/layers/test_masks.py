"""MADE's masks: the published algorithm, staircases of it, and masks that are found again."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.engine.layers import masked_network, masks
from chainrule.engine.layers.masks import Sizes
from chainrule.kernels.masked_linear import reference


def bits(D, *hidden):
    return Sizes((1,) * D, (1,) * D, hidden)


def paths(mask):
    """Return which outputs some path reaches from each input, (D, D), with the masks multiplied."""
    matrices = [reference.mask(stairs) for stairs in mask.stairs]
    found = np.linalg.multi_dot([m.astype(int) for m in matrices]) if len(matrices) > 1 else 0
    return np.asarray(found) > 0


@pytest.mark.parametrize("hidden", [(40,), (40, 50), (60, 50, 70)])
@pytest.mark.parametrize("k", [0, 1, 2])
def test_outputs_are_reached_from_all_that_comes_before_and_nothing_else(hidden, k):
    mask = masks.make(bits(6, *hidden), 3, k, orders=True)
    assert_array_equal(paths(mask), np.triu(np.ones((6, 6), bool), 1))
    assert_array_equal(reference.mask(mask.direct), np.triu(np.ones((6, 6), bool), 1))


def test_numbers_are_drawn_as_published():
    """Uniform on 1 … D - 1, and above not below the smallest that the layer before has."""
    mask = masks.make(bits(11, 3000, 5, 3000), 1, 0, orders=False)
    counts = np.bincount(mask.numbers[0], minlength=11)
    assert counts[0] == 0 and len(counts) == 11
    assert (np.abs(counts[1:] - 300) < 5 * 300**0.5).all()
    least = mask.numbers[1].min()
    above = mask.numbers[2]
    assert above.min() == least and above.max() == 10
    for numbers in mask.numbers:
        assert_array_equal(numbers, np.sort(numbers))


@pytest.mark.parametrize("D", [1, 2])
def test_one_variable_and_two(D):
    mask = masks.make(bits(D, 4, 3), 0, 1, orders=True)
    assert_array_equal(paths(mask), np.triu(np.ones((D, D), bool), 1))


def test_a_mask_is_a_function_of_its_seed_and_number():
    """The same for ever: saved models find their masks again by these numbers."""
    one, again, other = (masks.make(bits(9, 8), 5, k, orders=True) for k in (2, 2, 3))
    for a, b in zip((one.order, *one.units), (again.order, *again.units), strict=True):
        assert_array_equal(a, b)
    assert (one.order != other.order).any() and (one.units[0] != other.units[0]).any()
    assert_array_equal(one.order, [4, 7, 6, 0, 8, 1, 5, 2, 3])
    assert_array_equal(one.numbers[0], [1, 1, 3, 5, 5, 7, 8, 8])
    first = masks.make(bits(9, 8), 5, 0, orders=True)
    assert_array_equal(first.order, np.arange(9))
    assert not first.moved and not first.arranged


def test_where_things_are_stored_is_undone_by_the_way_back():
    sizes = Sizes((1, 3, 1, 2), (2, 3, 1, 2), (7, 5))
    mask = masks.make(sizes, 1, 1, orders=True)
    for there, back in [
        (mask.order, mask.order_back),
        (mask.rows, mask.rows_back),
        (mask.columns, mask.columns_back),
        *zip(mask.units, mask.units_back, strict=True),
    ]:
        assert_array_equal(there[back], np.arange(len(there)))
    starts = {"rows": [0, 1, 4, 5], "columns": [0, 2, 5, 6]}
    for name, first in starts.items():
        widths = sizes.n_rows if name == "rows" else sizes.n_outputs
        expected = [np.arange(first[i], first[i] + widths[i]) for i in mask.order]
        assert_array_equal(getattr(mask, name), np.concatenate(expected))


def test_stored_masks_let_through_what_their_numbers_say():
    """As stored, where units do not lie in the order of a later mask's numbers."""
    mask = masks.make(bits(5, 6), 4, 1, orders=True)
    seen = masked_network.visible(mask, True)
    m, place = np.empty(6, int), np.empty(5, int)
    m[mask.units[0]], place[mask.order] = mask.numbers[0], np.arange(1, 6)
    assert_array_equal(seen[0], place[:, None] <= m)
    assert_array_equal(seen[1], m[:, None] < place)
    assert_array_equal(seen[2], place[:, None] < place)
