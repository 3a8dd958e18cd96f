"""Whole numbers of which there are many, as real ones: spread evenly over their unit steps.

Whole numbers of which there are many are no categories: there would be parameters for each, and
no probability for one that never came. Nor are they real: a density may grow without bound at
values that come again and again. So u, uniform in [-1/2, 1/2), is added, and P(x), the probability
of the number x, is the mass of the unit step around it, ∫ p(x + u) du. By Jensen's inequality

    log P(x) = log E_u p(x + u) >= E_u log p(x + u),

and log_prob gives log p(x + u) for one u: on average no more than log P(x), so nothing is claimed
that was not earned. (In training u is drawn for each row from the seed. In scoring it is a
function of the row alone, `noise`, so that a row's score depends neither on the rows beside it nor
on the call.) What is drawn is rounded, so samples follow P.

Source: Theis, van den Oord and Bethge 2016, "A note on the evaluation of generative models".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEP = np.uint64(0x9E3779B97F4A7C15)  # of splitmix64


def of_rows(x: NDArray[Any], columns: Sequence[int]) -> NDArray[np.float64]:
    """Return numbers in [-1/2, 1/2) for some columns of rows x, (N, len(columns)).

    Each is a function of its row and its place in it, not of other rows. The row's bits are mixed
    into one word of 64, and that with the column's number once more, by the finaliser of splitmix64
    (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
    """
    state = np.zeros(len(x), np.uint64)
    for k in range(x.shape[1]):
        bits = (x[:, k].astype(np.float64) + 0.0).view(np.uint64)  # + 0.0: no -0.0
        state = _mixed(state + STEP ^ bits)
    words = [_mixed(state + np.uint64((k + 1) * int(STEP) % 2**64)) for k in columns]
    u = (np.stack(words, axis=1) >> np.uint64(11)).astype(np.float64)
    return u * 2.0**-53 - 0.5


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
