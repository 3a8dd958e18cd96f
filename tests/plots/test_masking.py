"""Pictures of masks."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr
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


def table(rng, N=40):
    words = rng.choice(["a", "b", "c"], N)
    return np.array([[w, float(z), int(b)] for w, z, b in zip(words, rng.normal(size=N),
                     rng.integers(0, 2, N), strict=True)], object)  # fmt: skip


@pytest.mark.parametrize(
    ("hidden", "direct"), [((), True), ((6,), False), ((6,), True), ((6, 5), False)]
)
@pytest.mark.parametrize("bits", [False, True])
def test_those_of_a_model_bring_the_direct_one_and_the_names(bits, hidden, direct, rng, tmp_path):
    x = rng.integers(0, 2, (40, 3)) if bits else table(rng)
    made = cr.MADE(hidden, direct=direct, epochs=1, n_components=2, ordering="reverse").fit(x)
    layers = made.masks_[0]
    figure = plots.masks(layers)
    plots.save(figure, tmp_path / "x.png")
    pictures = drawn(figure)
    assert len(pictures) == len(hidden) + bool(hidden) + direct + 1
    last = figure.axes[len(pictures) - 1]
    assert [t.get_text() for t in last.get_xticklabels()] == ["2", "1", "0"]
    assert [t.get_text() for t in last.get_yticklabels()] == ["2", "1", "0"]
    ends = [0, 1, 2, 3] if bits else [0, 1, 7, 10]  # a bit has one output, a real column six
    np.testing.assert_array_equal(last.lines[0].get_ydata() + 0.5, ends)
    if direct and hidden:
        assert_array_equal(pictures[-2], layers[-1].T)


def test_a_model_is_not_the_masks_of_one_network(rng):
    made = cr.MADE(3, n_masks=2, epochs=1).fit(rng.integers(0, 2, (40, 3)))
    for wrong in (made, made.masks_):
        with pytest.raises(TypeError, match=r"give one's: masks\(made.masks_\[0\]\)"):
            plots.masks(wrong)


def test_columns_are_called_by_their_names(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(rng), columns=["word $", "a name that is long", "bit"])
    figure = plots.masks(cr.MADE((6,), epochs=1, n_components=2).fit(frame).masks_[0])
    shown = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert shown == ["word $", "a name that i…", "bit"]


def test_names_that_would_lie_on_each_other_are_left_out(rng):
    words = np.array([[f"w{k % 90:02d}", k % 2, k % 2] for k in range(180)], object)
    figure = plots.masks(cr.MADE((6,), epochs=1).fit(words).masks_[0])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1"]
