"""MADE's masks: who may see whom in a network whose output i must depend on x_1 … x_{i-1} alone.

Numbers     Variable i carries the number i, 1 … D, and so do its inputs and its outputs. A unit of
            layer l carries a number m, drawn uniformly from

            (F1)  m ∈ {m_min, …, D - 1},   m_min the smallest number of the layer before; 1 below

            and depends on x_1 … x_m at most: it sees those before it whose number is not larger,
            and an output sees those whose number is smaller than its own:

            (F2)  unit of number m sees m' ≤ m,   output of number i sees m' < i

            Along any path from input j to output i numbers never fall, and at the output they rise:
            j ≤ m_1 ≤ … ≤ m_L < i. So output i depends on x_j for j < i alone. A direct connection
            from input j to output i is allowed for j < i, likewise.

            With D = 1 there is no m in 1 … D - 1; a unit then carries 1, and no output sees it.

Staircase   Units sorted by number make every mask a staircase (`chainrule.kernels.masked_linear`).
            Mask 0 is the order in which parameters are stored, so that nothing is ever moved where
            there is one mask. Under another mask the same units carry other numbers: `Mask.units`
            is the permutation that sorts them, and weights are gathered by it, gradients scattered.
            Where masks also differ in the order of the variables, mask 0 has 0 … D - 1 and each
            other one a random order, whose k-th variable carries the number k.

Draws       Masks have to be found again whenever a model is loaded, so they come from the bits of
            a PCG64 generator, seeded with (seed, mask), whose stream NumPy promises to keep: an
            order by sorting D words of 64 bits, then each layer's numbers as words mod the range,
            which favours none by more than one part in 2⁵⁰.

Source      Germain, Gregor, Murray and Larochelle 2015, "MADE: Masked Autoencoder for Distribution
            Estimation" (arXiv:1502.03509), sections 3 and 4.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.masked_linear import Staircase, staircase


class Sizes(NamedTuple):
    """What masks are of: rows of the first matrix and outputs of each variable, and the layers."""

    n_rows: tuple[int, ...]
    n_outputs: tuple[int, ...]
    hidden: tuple[int, ...]


class Mask(NamedTuple):
    """One mask, and the way between what is stored and its order.

    Args:
        order: (D,) the variable that comes k-th; the identity where `moved` is false.
        rows, units, columns: where each row of the first matrix, unit of a layer, and output is
            stored, int32; and back: rows_back, units_back, columns_back, order_back.
        numbers: of each layer's units, sorted.
        stairs: one a layer, that of the outputs last. direct: from inputs to outputs.
        moved: whether variables change places. arranged: whether anything does.
    """

    order: Any
    order_back: Any
    rows: Any
    rows_back: Any
    units: tuple[Any, ...]
    units_back: tuple[Any, ...]
    columns: Any
    columns_back: Any
    numbers: tuple[Any, ...]
    stairs: tuple[Staircase, ...]
    direct: Staircase
    moved: bool
    arranged: bool


def make(sizes: Sizes, seed: int, k: int, orders: bool, xp: Any = np) -> Mask:
    """Return mask k, its arrays in module xp; orders: masks differ in the variables' order too."""
    D, moved = len(sizes.n_rows), orders and k > 0
    bits = np.random.PCG64([seed, k])
    order = np.argsort(bits.random_raw(D), kind="stable") if moved else np.arange(D)
    numbers = _numbers(bits, D, sizes.hidden)
    units = [np.argsort(m, kind="stable") if k else np.arange(len(m)) for m in numbers]
    ranked = tuple(np.sort(m) for m in numbers)  # mask 0 is stored sorted
    variables = np.arange(1, D + 1)
    n_rows, n_outputs = np.array(sizes.n_rows)[order], np.array(sizes.n_outputs)[order]
    outputs = np.repeat(variables, n_outputs)
    rows, columns = _spread(sizes.n_rows, order), _spread(sizes.n_outputs, order)

    def placed(places: Any) -> Any:
        return xp.asarray(places.astype(np.int32))

    back = tuple(placed(np.argsort(p)) for p in (order, rows, columns, *units))
    return Mask(
        xp.asarray(order),
        back[0],
        placed(rows),
        back[1],
        tuple(map(placed, units)),
        back[3:],
        placed(columns),
        back[2],
        ranked,
        _stairs(variables, n_rows, ranked, outputs, xp),
        staircase(variables, outputs, True, n_rows, xp),
        moved,
        k > 0,
    )


def _numbers(bits: Any, D: int, hidden: Sequence[int]) -> list[Any]:
    """Return the numbers of each layer's units, as drawn: F1."""
    least, numbers = 1, []
    for H in hidden:
        words = bits.random_raw(H)
        m = least + (words % np.uint64(max(1, D - least))).astype(np.int64)  # F1
        numbers.append(m)
        least = int(m.min())
    return numbers


def _spread(counts: Sequence[int], order: Any) -> Any:
    """Return the places of the variables' own entries, `counts` of each, in another order."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order])


def _stairs(
    variables: Any, n_rows: Any, numbers: Sequence[Any], outputs: Any, xp: Any
) -> tuple[Staircase, ...]:
    """Return the layers' staircases, the outputs' last: F2. Without a layer there are none."""
    if not numbers:
        return ()
    first = staircase(variables, numbers[0], False, n_rows, xp)  # F2
    between = (staircase(below, above, False, xp=xp) for below, above in pairwise(numbers))
    return first, *between, staircase(numbers[-1], outputs, True, xp=xp)
