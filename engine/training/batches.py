"""One minibatch: its rows, and the loss and gradient of any slice of them.

A minibatch is cut twice: into parts that are worked through one after another (accumulation), and
each part into slices, one a thread. So what a source gives is a function of a slice, and what is
random in it, such as dropout, goes by a row's place in the minibatch: any cut draws the same.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.engine import noise
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels.types import Array

Gradient = Callable[[Params, int, int, Params], float]


class Batch(NamedTuple):
    """One minibatch, to be cut in slices of its rows.

    n_rows: how many there are. min_rows: the fewest worth a thread.
    total: how many rows, or symbols, the loss is a mean over.
    gradient: from params, lo, hi, grad to the share of rows lo … hi - 1 in the mean loss, in nats;
        grad is overwritten by its gradient.
    carry: (n_rows, S), the rows' recurrent states after all gradients are taken; None without.
    """

    n_rows: int
    total: int
    gradient: Gradient
    min_rows: int = 1
    carry: Array | None = None


class Chosen(NamedTuple):
    """Some rows of an array, not yet copied: each thread copies its own slice of them alone."""

    array: Any
    rows: Any

    def __getitem__(self, part: Any) -> Any:
        """Return the rows of a slice."""
        return self.array[self.rows[part]]


def gradient(
    model: Any,
    config: Any,
    recipe: Recipe,
    step: int,
    x: Any,
    total: int,
    first: int = 0,
    **by_row: Any,
) -> Gradient:
    """Return the `gradient` of rows x of a batch, of which row 0 of x is the `first`.

    x: an array or `Chosen`. by_row: further arguments of the model's with a row each, or None.
    """
    given = {name: array for name, array in by_row.items() if array is not None}
    draws = noise.wanted(model, config)

    def of_slice(params: Params, lo: int, hi: int, grad: Params) -> float:
        rest: dict[str, Any] = {name: array[lo:hi] for name, array in given.items()}
        if draws:
            rest["noise"] = Noise(recipe.seed, step, first + lo)
        nll: float = model.loss_and_grad(config, params, x[lo:hi], grad, total=total, **rest)
        return nll

    return of_slice


def in_turn(parts: list[tuple[int, int, Gradient]]) -> Gradient:
    """Return the `gradient` of a batch of several parts: rows lo … hi - 1 of it, and theirs."""

    def of_slice(params: Params, lo: int, hi: int, grad: Params) -> float:
        nll, more = 0.0, None
        for first, last, part in parts:
            if lo < last and first < hi:
                target = grad if more is None else more
                nll += part(params, max(lo, first) - first, min(hi, last) - first, target)
                if more is not None:
                    grad.flat[...] += more.flat
                elif hi > last:
                    more = grad.like()
        return nll

    return of_slice
