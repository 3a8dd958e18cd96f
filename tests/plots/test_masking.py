"""Pictures of masks."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule import plots


def made(D, hidden, rng):
    """Return MADE's masks, units sorted by their numbers, and the direct one."""
    numbers = [np.arange(1, D + 1)]
    for H in hidden:
        numbers.append(np.sort(rng.integers(1, max(D, 2), H)))
    inner = [a[:, None] <= b for a, b in pairwise(numbers)]
    before = numbers[0][:, None] < numbers[0]
    return [*inner, numbers[-1][:, None] < numbers[0]], before


def drawn(figure):
    return [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(("D", "hidden"), [(1, (2,)), (2, (3,)), (6, (8, 7)), (70, (40, 50, 60))])
def test_each_mask_is_drawn_and_the_paths_through_all(D, hidden, direct, rng, tmp_path):
    layers, shortcut = made(D, hidden, rng)
    figure = plots.masks(layers, shortcut if direct else None, "MADE")
    pictures = drawn(figure)
    for picture, mask in zip(pictures, layers, strict=False):
        assert_array_equal(picture, mask.T)
    paths = pictures[-1]
    expected = np.linalg.multi_dot([m.astype(float) for m in layers]).T + direct * shortcut.T
    assert_array_equal(paths.filled(0), expected)
    assert paths.mask[np.triu_indices(D)].all(), "an output is reached from a later variable"
    assert len(pictures) == len(layers) + 1 + direct
    if direct:
        assert not paths.mask[np.tril_indices(D, -1)].any()
        assert_array_equal(pictures[-2], shortcut.T)
    plots.save(figure, tmp_path / "x.png")


def test_outputs_may_be_more_than_variables(rng):
    layers, _ = made(4, (5,), rng)
    wide = [layers[0], np.repeat(layers[1], 3, axis=1)]
    assert drawn(plots.masks(wide))[-1].shape == (12, 4)


@pytest.mark.parametrize(
    ("layers", "direct", "text"),
    [
        ([], None, "give one or more"),
        ([np.ones(3)], None, "give one or more"),
        ([np.ones((3, 4)), np.ones((5, 3))], None, "mask 1 leads to 4 units and mask 2 comes"),
        ([np.ones((3, 4))], np.ones((4, 3)), r"shape \(3, 4\), got \(4, 3\)"),
    ],
)
def test_masks_that_do_not_fit(layers, direct, text):
    with pytest.raises(ValueError, match=text):
        plots.masks(layers, direct)
