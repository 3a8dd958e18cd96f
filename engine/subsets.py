"""Random subsets of a row's variables: what an ordering has behind it at some place.

Of a random ordering of D variables and a random position d in it, a training of all orderings looks
at the set of the d - 1 variables before that position alone. The position is uniform on 1 … D, so

    (F1)  k = d - 1 is uniform on 0 … D-1
    (F2)  and of all subsets of k variables each is as likely: those with the k smallest of D
          independent random words.

Where a row has variables that are missing, D is the number of the others, and none of them is in
the set. A row's words follow from its place alone: they are words n·B … (n+1)·B - 1, n being its
place in the minibatch and B = 4⌈(1 + D)/4⌉, of Philox4x64 with the key (seed, step), a counter that
moves on by 1 every 4 words. So any cut of a minibatch draws the same sets. NumPy promises the
generator's stream for good.

What a row's other variables cost, given the set, is then D / (D - k) times as much on average as
one ordering's share of them: `engine.models.orderless_nade` derives it.

Rounding: k is ⌊D w / 2⁵³⌋ of a word of 53 bits, and two words of 64 bits are equal once in 2⁶⁴.

Cost        D words a row and a sort of them: less than a thousandth of what the row costs a network
            of hundreds of units.
"""

from typing import Any

import numpy as np

from chainrule.engine.noise import Noise
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

_SHIFT, _UNIT = np.uint64(11), 2.0**-53
_LAST = np.uint64(2**64 - 1)
_WORD = 1 << 64


def draw(noise: Noise, known: Any, dtype: Any) -> tuple[Any, Array]:
    """Return a subset of each row's known variables, (N, D) bool, and what the others weigh.

    known: (N, D) bool, False where a variable is missing. The weights are D / (D - k) of the known
    variables outside the set, else 0: (N, D) of dtype. A row of which nothing is known has no
    weight.
    """
    xp, known = array_module(known), known.get() if on_device(known) else known
    N, D = known.shape
    words, n_known = _words(noise, N, 1 + D), known.sum(axis=1)
    k = (((words[:, 0] >> _SHIFT) * _UNIT) * n_known).astype(np.int64)  # F1
    keys = words[:, 1 : 1 + D]
    if not known.all():
        keys = np.where(known, keys, _LAST)
    limit = np.take_along_axis(np.sort(keys, axis=1), k[:, None], axis=1)
    seen = keys < limit  # F2
    of_row = (n_known / np.maximum(n_known - k, 1)).astype(dtype)
    return xp.asarray(seen), xp.asarray((known & ~seen) * of_row[:, None])


def _words(noise: Noise, N: int, n: int) -> Any:
    """Return at least n words a row, (N, n or more) uint64."""
    blocks = -(-n // 4)
    key = np.array([noise.seed % _WORD, noise.step], np.uint64)
    stream = np.random.Philox(key=key, counter=[noise.row * blocks, 0, 0, 0])
    return stream.random_raw(N * 4 * blocks).reshape(N, 4 * blocks)
