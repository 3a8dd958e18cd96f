"""What each output sees: tried on functions of which it is known, and on models."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import plots
from chainrule.plots import seeing


def past_sums(x):
    """Return an output that sees what comes before it, and nothing else."""
    return np.cumsum(np.asarray(x, float), axis=1) - x


def leaky(x):
    """Return the same, but that output 1 sees variable 3, and 2 itself."""
    out = past_sums(x)
    out[:, 1] += 1e-9 * x[:, 3]
    out[:, 2] += x[:, 2]
    return out


@pytest.fixture
def rows(rng):
    return rng.integers(0, 2, (9, 5))


def test_each_entry_is_how_far_an_output_moves(rows):
    seen = plots.influence(past_sums, rows)
    np.testing.assert_array_equal(seen, np.tril(np.ones((5, 5)), -1))
    assert seeing.verdict(seen) == "each sees only what came before it,\nin 10 of 10 places"


def test_a_leak_is_found_however_small(rows):
    seen = plots.influence(leaky, rows)
    assert 0 < seen[1, 3] < 2e-9 and seen[2, 2] == 1
    assert seeing.verdict(seen) == "2 of 5 outputs see themselves\nor what comes after them"


def test_values_are_others_of_the_same_column(rng):
    x = np.stack([rng.choice([3, 5, 9], 30), rng.normal(size=30), np.full(30, 4.0)], axis=1)
    asked = []
    seen = plots.influence(lambda rows: asked.append(rows) or past_sums(rows), x)
    assert np.isnan(seen[:, 2]).all() and not np.isnan(seen[:, :2]).any()
    tried = np.concatenate(asked)
    for j in range(3):
        assert set(tried[:, j]) <= set(x[:, j])
    changed = np.abs(asked[0] - asked[1]).reshape(2, 30, 3)
    assert (changed[0, :, 0] > 0).all() and (changed[1, :, 1] > 0).all()
    assert not changed[0, :, 1:].any() and not changed[1, :, [0, 2]].any()


def test_bits_that_never_change_are_flipped_all_the_same():
    zeros = np.zeros((3, 4), bool)
    assert plots.influence(past_sums, zeros.astype(np.uint8))[3].tolist() == [1, 1, 1, 0]
    assert plots.influence(lambda x: past_sums(x.astype(int)), zeros)[3].tolist() == [1, 1, 1, 0]


def test_words_in_a_data_frame(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": rng.choice(["x", "y", "z"], 20), "b": rng.normal(size=20)})

    def outputs(x):
        assert list(x.columns) == ["a", "b"]
        return np.stack([np.zeros(len(x)), x["a"] == "x"], axis=1)

    seen = plots.influence(outputs, frame)
    assert seen[1, 0] > 0 and seen[0].sum() == seen[:, 1].sum() == 0


def test_what_is_said_in_several_numbers_is_added_up(rows):
    seen = plots.influence(lambda x: np.stack([past_sums(x), -2 * past_sums(x)], axis=2), rows)
    np.testing.assert_array_equal(seen, 3 * np.tril(np.ones((5, 5)), -1))


@pytest.mark.parametrize("many", [1, 7, 4096])
def test_any_number_of_rows_is_asked_at_once(many, rows, monkeypatch):
    monkeypatch.setattr(seeing, "ROWS", many)
    np.testing.assert_array_equal(plots.influence(past_sums, rows), np.tril(np.ones((5, 5)), -1))


def test_a_density_is_autoregressive_in_its_order(model, X):
    model.set_params(ordering="random").fit(X)
    seen = plots.influence(model.conditionals, X[:20])
    in_order = seen[np.ix_(model.order_, model.order_)]
    assert not np.triu(in_order).any() and (in_order[np.tril_indices(5, -1)] > 0).all()
    figure = plots.influence_maps(seen, model.order_, list("abcde"), "title")
    assert "10 of 10" in figure.axes[0].get_xlabel()
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["abcde"[k] for k in model.order_]


def test_terms_see_the_variable_that_they_are_of(X):
    fitted = cr.FVSBN(epochs=2).fit(X)
    assert (np.diag(plots.influence(fitted.log_prob_terms, X[:9])) > 0).all()


def test_pictures_of_several_side_by_side(rows, tmp_path):
    maps = {"one": plots.influence(past_sums, rows), "other $": plots.influence(leaky, rows)}
    figure = plots.influence_maps(maps, title="both")
    blue, red = (image.get_array() for image in figure.axes[1].get_images())
    assert (
        red[2, 2] == 1
        and red[1, 3] == pytest.approx(1e-9)
        and red.mask.sum() == 23
        and not blue.mask[1:, 0].any()
    )
    assert blue.mask[np.triu_indices(5)].all()
    plots.save(figure, tmp_path / "x.png")
    plots.save(plots.influence_maps(np.full((1, 1), np.nan)), tmp_path / "y.png")


def test_each_output_has_colours_of_its_own(rows):
    """Outputs in units of their own: else an income would drown a probability."""
    units = [1, 1e-3, 1, 1e6, 1]
    seen = plots.influence(lambda x: past_sums(x) * units, rows)
    blue, _ = (image.get_array() for image in plots.influence_maps(seen).axes[0].get_images())
    np.testing.assert_allclose(blue.compressed(), 1)
    assert blue.count() == 10


def test_a_column_of_one_value_is_said_and_not_counted_as_unseen(rng):
    x = np.stack([rng.integers(0, 5, 30), np.full(30, 4), rng.integers(0, 5, 30)], axis=1)
    seen = plots.influence(past_sums, x)
    sentence = seeing.verdict(seen)
    assert sentence.endswith("in 1 of 1 places;\ngrey: 1 of one value, not tried")
    assert "each sees only" in sentence


@pytest.mark.parametrize("D", [1, 2, 30, 300])
def test_any_number_of_variables_is_drawn(D, rng, tmp_path):
    figure = plots.influence_maps(np.tril(rng.random((D, D)), -1), names=["x" * 30] * D)
    plots.save(figure, tmp_path / "x.png")
    named = figure.axes[0].get_xticklabels()[0].get_text() == "x" * 30
    assert named == (D <= seeing.NAMED)


def test_what_cannot_be_drawn_or_tried():
    with pytest.raises(ValueError, match="a square"):
        plots.influence_maps(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="permutation of the 3"):
        plots.influence_maps(np.zeros((3, 3)), [0, 1, 1])
    with pytest.raises(ValueError, match="rows of shape"):
        plots.influence(past_sums, [])
    with pytest.raises(ValueError, match=r"got \(4, 1\)"):
        plots.influence(lambda x: x[:, :1], [[0, 1], [1, 0]])
