"""Threads that share stages inside one kernel: every part is done once, and none too early."""

import threading

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_array_equal

from chainrule.kernels import teams

STAGES, PARTS = 40, 7


@njit(nogil=True)
def work(team, done):
    """Let each part add up what all parts of the stage before wrote."""
    for stage in range(STAGES):
        part = teams.take(team, stage)
        while part < PARTS:
            before = 1
            for other in range(PARTS if stage else 0):
                before += done[stage - 1, other]
            done[stage, part] += before % 1009
            teams.finish(team, stage)
            part = teams.take(team, stage)
        teams.wait(team, stage, PARTS)


@pytest.mark.parametrize("n_threads", [1, 2, 9])
def test_stages_follow_each_other_whoever_comes(n_threads):
    expected = np.zeros((STAGES, PARTS), np.int64)
    expected[0] = 1
    for stage in range(1, STAGES):
        expected[stage] = (1 + expected[stage - 1].sum()) % 1009
    for _ in range(5):
        team, done = teams.new(STAGES), np.zeros((STAGES, PARTS), np.int64)
        some = [threading.Thread(target=work, args=(team, done)) for _ in range(n_threads)]
        for thread in some:
            thread.start()
        for thread in some:
            thread.join()
        assert_array_equal(done, expected)
