"""Dropout: numbers set to zero at random while training, so that none can be relied on alone.

Shapes      x, y: (N, T, C), rows of the minibatch, positions, channels; or (T, N, C), time-major

Forward     (F1)  ζ = ⌊2³² r⌋,   κ = 2³² / (2³² - ζ)               r: the rate
            (F2)  w = word j mod 4 of philox(c, k)         of channel j, position t, row n
                      c = (t ⌈C/4⌉ + ⌊j/4⌋,  row + n,  step,  site)
                      k = (seed mod 2³²,  ⌊seed / 2³²⌋ mod 2³²)
            (F3)  M = κ if w ≥ ζ, else 0
            (F4)  y = M ∘ x
            A word takes each of its 2³² values with one probability, so M is κ with probability
            (2³² - ζ) / 2³² = 1/κ, and its mean is 1. Hence y's is x, and nothing has to be rescaled
            when M is left out afterwards. The share dropped, ζ / 2³², is r to 32 bits. The loss
            with M is one draw of an expectation over M, and no density's: all scores leave M out.

Generator   Philox4x32-10. Of a counter c of four words of 32 bits and a key k of two, ten times
            (P1)  p = 0xD2511F53 · c_0,   q = 0xCD9E8D57 · c_2     in full, 64 bits
            (P2)  c = (⌊q/2³²⌋ ⊕ c_1 ⊕ k_0,  q mod 2³²,  ⌊p/2³²⌋ ⊕ c_3 ⊕ k_1,  p mod 2³²)
            (P3)  k = (k_0 + 0x9E3779B9,  k_1 + 0xBB67AE85)        mod 2³²
            and c is the answer. Places that differ in position, row, step or site have different
            counters and so different answers: for each key, this is a bijection.

            Nothing is drawn in turn: a mask follows from where its numbers stand. So the minibatch
            may be cut as one likes, over threads, parts or machines, and a row has the same masks
            in every cut; and a device draws them itself.

Backward    (B1)  dx = M ∘ dy      undoes F4: y_ntj = M_ntj x_ntj, and M does not depend on x
            So the same function with the same numbers serves both directions: M is drawn once more
            and never kept.

Cost        A number: 5 products of 32 by 32 bits and 15 additions and ⊕. Memory: read x, write y.

Source      Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from
            Overfitting", JMLR 15; the scale moved to training. Salmon, Moraes, Dror and Shaw
            2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

WORD = 1 << 32


def apply(
    x: Array,
    y: Array,
    time_major: bool,
    rate: float,
    seed: int,
    step: int,
    site: int,
    row: int,
) -> None:
    """Overwrite y by M ∘ x, F1-F4 or B1; y may be x itself.

    Args:
        x, y: (N, T, C), or (T, N, C) if time_major; C-contiguous, of one dtype.
        time_major: how they lie; a number's M is the same in both.
        rate: the share of numbers to drop, in [0, 1).
        seed: of the training; 64 bits of it count.
        step, site: of the minibatch in the training, of this call in the network; below 2³².
        row: of row 0 of x in the minibatch.
    """
    select(__name__, x, y).apply(x, y, time_major, rate, seed, step, site, row)


def threshold_and_scale(rate: float) -> tuple[int, float]:
    """Return ζ and κ."""
    zeta = int(WORD * rate)  # F1; below 2³² for any rate below 1, since the product is exact
    return zeta, WORD / (WORD - zeta)


def key(seed: int) -> tuple[int, int]:
    """Return k."""
    return seed % WORD, seed // WORD % WORD  # F2
