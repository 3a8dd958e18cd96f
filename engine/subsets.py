"""Random subsets of a row's variables: what an ordering has behind it at some place.

Of a random ordering of D variables and a random position d in it, a training of all orderings looks
at the set o of the d - 1 variables before that position alone. The position is uniform on 1 … D, so
|o| is uniform on 0 … D-1, and of all sets of one size each is as likely. Nothing need be sorted for
that. Of D + 1 independent uniform numbers, u_1 … u_D and t, let

    (F1)  o = {j: u_j < t}

The rank of t among them may be any, all alike, so |o| is uniform on 0 … D; and which variables are
below t, given how many, is any choice of so many, since the u_j are alike.

    (F2)  A row where o is everything, of which nothing is left to predict, draws again.

Of the sizes that remain each is as likely as before, hence each as likely as any other.

Where a row has variables that are missing, D is the number of the others, and none of them is in
the set. A row's numbers follow from its place alone: they are words of 32 bits, n·B … (n+1)·B - 1,
n being its place in the minibatch and B = 8⌈(1 + D)/8⌉, of Philox4x64 with the key (seed, step), a
counter that moves on by 1 every 8 words and whose second number is how often the row has drawn
before. So any cut of a minibatch draws the same sets. NumPy promises the generator's stream for
good.

What a row's other variables cost, given the set, is then D / (D - |o|) times as much on average as
one ordering's share of them: `engine.models.orderless_nade` derives it.

Rounding: a u_j that equals t, once in 2³² pairs, counts as not below it.

Cost        (1 + D) / 2 words of 64 bits a row, 1 / D of them twice: less than a thousandth of what
            the row costs a network of hundreds of units.
"""

from typing import Any

import numpy as np

from chainrule.engine.noise import Noise
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

_WORD = 1 << 64


def draw(noise: Noise, known: Any, dtype: Any) -> tuple[Any, Array]:
    """Return a subset of each row's known variables, (N, D) bool, and what the others weigh.

    known: (N, D) bool, False where a variable is missing. The weights are D / (D - |o|) of the
    known variables outside the set, else 0: (N, D) of dtype. A row of which nothing is known has no
    weight.
    """
    xp, known = array_module(known), known.get() if on_device(known) else known
    (N, D), n_known = known.shape, known.sum(axis=1)
    seen = _below(noise, 0, slice(0, N), D) & known
    n_seen, times = seen.sum(axis=1), 1
    while (again := (n_seen == n_known) & (n_known > 0)).any():  # F2
        rows = np.flatnonzero(again)
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        drawn = _below(noise, times, part, D) & known[part]
        np.copyto(seen[part], drawn, where=again[part, None])
        n_seen, times = seen.sum(axis=1), times + 1
    of_row = (n_known / np.maximum(n_known - n_seen, 1)).astype(dtype)
    return xp.asarray(seen), xp.asarray((known & ~seen) * of_row[:, None])


def _below(noise: Noise, times: int, rows: slice, D: int) -> Any:
    """Return which of each row's D numbers are below its t, (n, D) bool, drawn once more: F1."""
    n, blocks = rows.stop - rows.start, -(-(1 + D) // 8)
    key = np.array([noise.seed % _WORD, noise.step], np.uint64)
    at = [(noise.row + rows.start) * blocks, times, 0, 0]
    drawn: Any = np.random.Philox(key=key, counter=at).random_raw(n * 4 * blocks)
    words = drawn.astype("<u8", copy=False).view("<u4").reshape(n, 8 * blocks)
    return words[:, 1 : 1 + D] < words[:, :1]  # F1
