"""Several threads inside one kernel: they share the parts of one stage of work after another.

A dispatch by `threads` costs as much as a stage of a small minibatch, so where one stage stands on
the one before, threads go through all of them in a single call of a kernel. They keep count in
`team`, int64, two lines of a cache for each stage: of parts that were taken and that are done.

    part = take(team, stage)        the next part of a stage, for whoever comes first
    finish(team, stage)             it is done
    wait(team, stage, parts)        until all parts are: the next stage may read what they wrote

Who takes a part does not change what it computes. And nobody waits for a thread, only for parts
that some thread is at work on: if no other thread ever comes, the first one does them all. A part
must not fail: who waits for it would wait for ever.
"""

import os
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.types import Array

LINE = 8  # numbers of team
LOOKS = 1000  # before a thread that waits lets others run on its core
_intrinsic: Any = intrinsic


def new(stages: int) -> Any:
    """Return the counts of so many stages, nothing begun."""
    return np.zeros(2 * LINE * stages, np.int64)


@_intrinsic
def _count(context: Any, team: Any, i: Any) -> Any:
    """Add 1 to team[i] and return what it was, as one step for all threads."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(team)(context, builder, values[0]).data
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", builder.gep(data, [values[1]]), one, "seq_cst")

    return types.int64(team, types.intp), generate


@_intrinsic
def _now(context: Any, team: Any, i: Any) -> Any:
    """Return team[i] as it is in memory now."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(team)(context, builder, values[0]).data
        return builder.load_atomic(builder.gep(data, [values[1]]), "acquire", 8)

    return types.int64(team, types.intp), generate


@njit(**JIT, **BORROWS)
def take(team: Array, stage: int) -> int:
    """Return the next part of a stage, for the caller to do; as many as there are: none is left."""
    return int(_count(team, 2 * LINE * stage))


@njit(**JIT, **BORROWS)
def finish(team: Array, stage: int) -> None:
    """Say that a part is done, and all that it wrote to be seen."""
    _count(team, 2 * LINE * stage + LINE)


if os.name == "posix":
    _sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())

    @njit(**JIT, **BORROWS)
    def _let_others_run() -> None:
        _sched_yield()

else:

    @njit(**JIT, **BORROWS)
    def _let_others_run() -> None:
        pass


@njit(**JIT, **BORROWS)
def wait(team: Array, stage: int, parts: int) -> None:
    """Return when all parts of a stage are done."""
    looks = 0
    while _now(team, 2 * LINE * stage + LINE) < parts:
        looks += 1
        if looks > LOOKS:
            _let_others_run()
