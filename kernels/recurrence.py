"""What the Numba twins of rnn, lstm and gru share: slices of the batch, products over all steps."""

from collections.abc import Callable

from chainrule.kernels import threads
from chainrule.kernels.types import Array

# A thread costs about 50 µs to start, hence should have 200 µs of work: this many multiply-adds.
WORK_A_THREAD = 4_000_000


def map_batch(rows: Callable[[int, int], None], z: Array, W: Array) -> None:
    """Run rows(lo, hi) over slices of the batch, z: (T, N, ·), one a thread."""
    min_rows = 1 + WORK_A_THREAD // max(1, len(z) * W.size)
    threads.map_rows(rows, z.shape[1], min_rows)


def over_all_steps(a: Array) -> Array:
    """Return a (T, N, ·) as (T·N, ·): the same memory unless a is a slice of a larger batch."""
    return a.reshape(-1, a.shape[2])
