"""The log, the n-gram and the tasks of `bench.detection` are what they say."""

import numpy as np
import pytest

from bench import detection, odd_lines, odd_tables


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
