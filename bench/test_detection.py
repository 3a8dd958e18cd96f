"""The log, the n-gram and the tasks of `bench.detection` are what they say."""

import numpy as np
import pytest

from bench import detection, odd_images, odd_lines, odd_tables


def test_a_log_follows_its_seed_and_odd_lines_differ_in_one_way():
    """Lines come again by their seed, and no odd line is one that a service writes."""
    one, same = (odd_lines.normal(50, np.random.default_rng(0)) for _ in range(2))
    assert one == same and sorted(one) == one
    rng = np.random.default_rng(1)
    for kind in odd_lines.ODD:
        lines = odd_lines.odd(kind, 40, rng)
        assert len(lines) == 40 and not set(lines) & set(odd_lines.normal(500, rng))
    assert all(len(line) < 128 for line in odd_lines.odd("unknown", 300, rng))


def test_the_n_gram_is_a_distribution():
    """Over all 256 characters and the end, whatever came before, its probabilities sum to one."""
    model = odd_lines.NGram(2).fit(["abab", "ba", "abb"])
    for before in ("", "a", "ab", "zz", "bz"):
        text = odd_lines.NGram.START * 2 + before
        every = [chr(k) for k in range(32, 286)] + [odd_lines.NGram.END, "\x00", "\x01"]
        p = [np.exp(model._one(text + c, len(text))) for c in every]
        assert sum(p) == pytest.approx(1)
    likely, unlikely = model.log_prob(["abab", "zzzz"])
    assert likely > unlikely + 5


@pytest.mark.parametrize("name", odd_tables.EMBEDDED)
def test_tasks_share_no_row_between_training_and_tests(name):
    """Clean rows are cut in two, but for copies that stand in the data themselves."""
    for task in odd_tables.tasks(name, 0):
        train = {tuple(row) for row in task.train}
        assert len(task.train) == pytest.approx(1.5 * len(task.clean), rel=0.05)
        seen = np.mean([tuple(row) in train for row in task.clean])
        assert seen < 0.05 and task.odd.shape[1] == task.clean.shape[1]  # copies among the data


def test_ranks_share_what_is_tied():
    """Two that are equally good have the rank between theirs."""
    names = list(odd_tables.DETECTORS)
    areas = {"task": {name: [0.9 if k < 2 else 0.5 - k / 100] for k, name in enumerate(names)}}
    ranks = detection._ranked(areas)["mean_rank"]
    assert [ranks[name] for name in names] == [1.5, 1.5, *range(3, len(names) + 1)]


def test_letters_are_drawn_white_on_black_and_follow_their_seed():
    """They stand inside of the frame, are alike in size, and not all one."""
    pytest.importorskip("matplotlib")
    one, same = (odd_images.letters(30, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (30, 28, 28) and one.dtype == np.uint8 and (one == same).all()
    assert not one[:, 0].any() and not one[:, :, -1].any(), "black at the edges"
    assert (one.max(axis=(1, 2)) > 150).all() and len(odd_images._fonts()) > 10
    assert len({image.tobytes() for image in one}) == 30


def test_images_in_general_keep_their_pixels_where_they_are_only_turned():
    """Scaled ones have other sizes, at any place."""
    pytest.importorskip("PIL")
    x = np.random.default_rng(0).integers(1, 255, (40, 28, 28)).astype(np.uint8)
    turned, scaled = (odd_images.general(x, np.random.default_rng(1), s) for s in (False, True))
    assert [sorted(one.flat) for one in turned] == [sorted(one.flat) for one in x]
    assert 0.7 < np.mean([(a != b).any() for a, b in zip(turned, x, strict=True)]) < 1
    rows = [int(image.any(axis=1).sum()) for image in scaled]
    assert scaled.shape == x.shape and min(rows) >= 12 and max(rows) == 28 and len(set(rows)) > 6
