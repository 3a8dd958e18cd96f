"""Rows dealt out to the ranks of a team: each works out its slice, and all get all, in order.

Only inside `dealing`, where all ranks make the same calls: elsewhere one rank may ask alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from chainrule.engine.team import current
from chainrule.kernels.types import Array

_dealing: ContextVar[bool] = ContextVar("chainrule_dealing", default=False)


@contextmanager
def dealing() -> Iterator[None]:
    """Deal out rows inside the block, which all ranks of the team must run alike."""
    token = _dealing.set(True)
    try:
        yield
    finally:
        _dealing.reset(token)


def rows(f: Callable[[int, int], Array], n: int) -> Array:
    """Return f(0, n), a host array of n rows, of which a team's ranks work out f(lo, hi) each."""
    team = current()
    if team.size == 1 or not _dealing.get() or n == 0:
        return f(0, n)
    lo, hi = team.slice_of(n)
    mine = f(lo, hi) if lo < hi else f(0, 1)[:0]
    bytes_each = mine.dtype.itemsize * int(np.prod(mine.shape[1:]))
    whole = np.zeros((n, bytes_each), np.uint8)  # bytes: added to zeros none is changed
    whole[lo:hi] = np.ascontiguousarray(mine).view(np.uint8).reshape(hi - lo, bytes_each)
    team.total(0.0)  # who has failed is met here, not within the sum
    team.sum(whole)
    return whole.view(mine.dtype).reshape(n, *mine.shape[1:])


def seed(given: int | None) -> int | None:
    """Return a seed that all ranks have: the one given, or one of rank 0's."""
    team = current()
    if team.size == 1 or given is not None:
        return given
    own = int(np.random.default_rng().integers(1 << 32))
    return int(team.total(own if team.rank == 0 else 0))
