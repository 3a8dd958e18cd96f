"""Sums of real processes: through memory that all see, and by messages where there is none."""

import pytest
from support.launch import mpiexec, needs_mpiexec

SUMS = """
import sys
import numpy as np
from chainrule.engine.team import mpi, shared
from chainrule.engine.team.joining import use_team

def check(team, how):
    if how == "messages" and team.rank == 1:  # on one of them no room: on none
        shared.Shelf.fits = lambda self, n_bytes: False
    for n in (1, 7, 1000, 3, 100_000):  # it grows, and is kept
        for dtype in (np.float32, np.float64, np.uint8):
            rng = np.random.default_rng([n, team.size])
            parts = (100 * rng.random((team.size + 1, n))).astype(dtype)
            onto, want, after = parts[-1].copy(), parts[0].copy(), parts[0] + parts[-1]
            for part in parts[1:-1]:
                want += part
                after += part
            for _ in range(3):
                mine, more = parts[team.rank].copy(), parts[team.rank].reshape(1, -1).copy()
                team.sum(mine)
                team.sum(more, onto.reshape(1, -1))
                kept = team.room(mine)
                kept[...] = parts[team.rank]
                team.sum(kept)
                assert (kept == want).all() and (mine == want).all()
                assert (more == after).all() and (onto == parts[-1]).all()
    for k in range(300):  # of sizes in turn: nobody writes where another still reads
        for n in (60_000, 3_000):
            mine = np.full(n, k + team.rank, np.float32)
            team.sum(mine)
            assert (mine == sum(range(k, k + team.size))).all()
    assert (team._shelf._size > 0) == (how == "memory")
    assert (len(team._inbox) > 0) == (how == "messages")

with use_team() as team:
    check(team, sys.argv[1])
"""


@needs_mpiexec
@pytest.mark.parametrize("how", ["memory", "messages"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_ranks_add_in_their_order(size, how):
    process = mpiexec(size, "-c", SUMS, how)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err, out) == (0, "", "")
