"""The gradient of a minibatch: over threads, over parts one after another, and over ranks."""

from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.engine.training.batches import Batch
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels import threads
from chainrule.kernels.dispatch import on_device
from chainrule.kernels.types import Array

NOTHING = -0.0  # what changes no sum, not even the sign of a zero


def buffers(recipe: Recipe, params: Params, team: Team = ALONE) -> list[Params]:
    """Return the gradient of the minibatch, then what its threads and parts need besides."""
    n = 1 if on_device(params.flat) else threads.n_threads()
    found = [params.like() for _ in range(n + (recipe.accumulation > 1))]
    if team.size > 1:  # what is added up between ranks
        found[recipe.accumulation > 1] = Params(params.shapes, team.room(params.flat))
    return found


def gradient(
    recipe: Recipe, params: Params, batch: Batch, grads: list[Params], team: Team
) -> float:
    """Return the minibatch's loss, in nats a row or symbol, and leave its gradient in grads[0].

    Each thread overwrites only its own buffer. With accumulation, grads[0] is the sum of the parts
    so far, to which each part's own sum, in grads[1], is added. The parts are dealt out to the
    ranks in turn, and added in the parts' order: whoever works them out, the sum is the same.
    """
    parts = threads.cuts(batch.n_rows, min(recipe.accumulation * team.size, batch.n_rows))
    shares = [(grad.flat,) for grad in (grads if recipe.accumulation == 1 else grads[1:])]
    share, loss = shares[0][0], 0.0
    for at in range(0, len(parts), team.size):
        start, stop = parts[at + team.rank] if at + team.rank < len(parts) else (0, 0)

        def one_slice(lo: int, hi: int, flat: Array, start: int = start) -> float:
            grad = Params(params.shapes, flat)
            return batch.gradient(params, start + lo, start + hi, grad)

        if start < stop:
            part = sum(threads.sum_rows(one_slice, stop - start, shares, batch.min_rows))
        else:  # more ranks than parts
            share[...] = part = NOTHING
        loss = team.total(part, loss)
        if team.size > 1:
            team.sum(share, grads[0].flat if at else None)
        if recipe.accumulation > 1 and (at == 0 or team.size > 1):
            grads[0].flat[...] = share
        elif recipe.accumulation > 1:
            grads[0].flat += share
    if team.size > 1 and batch.carry is not None:
        _hand_on(batch.carry, parts, team)
    return loss


def _hand_on(carry: Array, parts: list[tuple[int, int]], team: Team) -> None:
    """Give all ranks the states of all rows, of which each has moved on those of its parts."""
    for k, (start, stop) in enumerate(parts):
        if k % team.size != team.rank:
            carry[start:stop] = NOTHING
    team.sum(carry)
