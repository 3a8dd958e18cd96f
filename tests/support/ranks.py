"""Ranks that are threads of one process: what a cluster does, without one."""

import threading
from contextvars import copy_context

import numpy as np

from chainrule.engine.team import Ranks, fold


class Together(Ranks):
    """One of several threads that meet at a barrier; `board` is theirs all."""

    def __init__(self, rank, size, board):
        super().__init__(rank, size)
        self.barrier, self.shelf = board
        self.sums = 0

    def _exchange(self, mine, patience=None):
        return np.stack(self._all(mine, patience))

    def sum(self, array, onto=None):
        self.sums += 1
        parts = np.stack(self._all(array.copy()))
        fold(parts, onto, array)

    def _all(self, mine, patience=None):
        self.shelf[self.rank] = mine
        self.barrier.wait(patience or 60)
        found = list(self.shelf)
        self.barrier.wait(60)
        return found


def together(size, work, kind=Together, board=None):
    """Return what work(team) returns, or the error it ends in, on each of `size` ranks."""
    board = board or (threading.Barrier(size), [None] * size)
    ends = [None] * size

    def run(rank):
        team = kind(rank, size, board)
        try:
            ends[rank] = work(team)
            team.leave()
        except BaseException as error:
            team.leave(str(error), 2)
            ends[rank] = error

    ranks = [threading.Thread(target=copy_context().run, args=(run, k)) for k in range(size)]
    for one in ranks:
        one.start()
    for one in ranks:
        one.join(120)
        assert not one.is_alive(), "a rank waits in vain"
    return ends
