"""Rows of different lengths: kept end to end, and padded only in groups of like lengths.

A table as wide as the longest of many rows may be many times what is in it: 500 rows of 10 symbols
and one of 4,000 would take 2 million numbers, and as much work, for 9,000 symbols. `groups` bounds
both: within one, no row is more than SPREAD times as long as another, so the positions computed are
at most SPREAD times the symbols there are.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.types import Ids

SPREAD = 2


class Ragged:
    """Rows of whole numbers, end to end in one array: row n is flat[starts[n] : starts[n + 1]].

    Attributes:
        flat: (M,), all rows' symbols. starts: (N + 1,). lengths: (N,).
    """

    def __init__(self, flat: NDArray[Any], lengths: NDArray[Any]) -> None:
        """Keep the symbols and where rows end."""
        self.flat, self.lengths = flat, lengths
        self.starts = np.concatenate([[0], np.cumsum(lengths)])

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> "Ragged":
        """Return rows, one array each, end to end."""
        return cls(np.concatenate(rows), np.array([len(row) for row in rows]))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def __getitem__(self, n: int) -> NDArray[Any]:
        """Return row n."""
        row: NDArray[Any] = self.flat[self.starts[n] : self.starts[n + 1]]
        return row

    def ended(self, end: int) -> "Ragged":
        """Return the rows with the symbol `end` behind each."""
        flat = np.insert(self.flat.astype(np.int32), self.starts[1:], end)
        return Ragged(flat, self.lengths + 1)


def lengths(x: Any) -> NDArray[Any]:
    """Return how long each row is; of a table, (N, T), how many symbols precede its padding, -1."""
    if isinstance(x, Ragged):
        return x.lengths
    if x.dtype.kind == "u":
        return np.full(len(x), x.shape[1])
    counts: NDArray[Any] = (x >= 0).sum(axis=1)
    return counts


def table(x: Any, rows: Any) -> Ids:
    """Return some rows, numbers (n,), as a table no wider than the longest of them; -1 pads.

    x: `Ragged`, or a table itself, (N, T), of any integer dtype.
    """
    if not isinstance(x, Ragged):
        part: Ids = x[rows].astype(np.int32)
        return part[:, : lengths(part).max(initial=0)]
    sizes = x.lengths[rows]
    out = np.full((len(sizes), sizes.max(initial=0)), -1, np.int32)
    for row, n in zip(out, np.arange(len(x))[rows], strict=True):
        row[: x.lengths[n]] = x[n]
    return out


def groups(sizes: NDArray[Any], most: int | None = None) -> Iterator[NDArray[Any]]:
    """Yield the numbers of rows of these lengths in groups, shortest first.

    most: positions a group's table may have, though it has one row at least; None: any number.
    """
    order = np.argsort(sizes, kind="stable")
    ordered, lo = sizes[order], 0
    while lo < len(order):
        hi = int(np.searchsorted(ordered, SPREAD * max(1, ordered[lo]), side="right"))
        if most is not None:
            some = ordered[lo : min(hi, lo + max(1, most // max(1, int(ordered[lo]))))]
            positions = np.arange(1, len(some) + 1) * some  # of the first 1, 2, … rows as a table
            hi = lo + max(1, int(np.searchsorted(positions, most, side="right")))
        yield order[lo:hi]
        lo = hi
