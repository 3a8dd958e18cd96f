"""Pooling: one number for each 2 × 2 pixels of an image, their largest or their mean.

Shapes      x, dx: (N, R, S, C)    y, dy: (N, ⌈R/2⌉, ⌈S/2⌉, C)

            Output (i, j) stands for the pixels (2i + u, 2j + v), u and v in {0, 1}, that are in the
            image: of an odd number of rows or columns the last one stands for two, or for one.
            Let T be these pixels, a set for each output, and no pixel in two of them.

Forward     (F1)  kind "max":   y = max over T of x
            (F2)  kind "mean":  y = Σ over T of x / |T|

Backward    A pixel is in one set alone, so its gradient comes from one output.
            (B1)  of F1, dx = dy at the pixel that is the largest, 0 at the others. Where several
                  are, the slope does not exist, and the first of them in raster order has it all:
                  a subgradient, as each of them alone would be    undoes F1
            (B2)  of F2, ∂y/∂x = 1 / |T|, so dx = dy / |T|         undoes F2

Cost        A comparison or an addition a number; memory-bound: x read once, y written.

Source      LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document
            Recognition", for means; the largest: Ranzato, Huang, Boureau and LeCun 2007,
            "Unsupervised Learning of Invariant Feature Hierarchies with Applications to Object
            Recognition".
"""

from collections.abc import Iterator
from typing import Any

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

KINDS = ("max", "mean")


def pooled(shape: tuple[int, int]) -> tuple[int, int]:
    """Return how many rows and columns are left of so many."""
    return -(-shape[0] // 2), -(-shape[1] // 2)


def forward(kind: str, x: Array, y: Array) -> None:
    """Overwrite y by F1 or F2."""
    y[...] = x[:, ::2, ::2]
    for part, of_y in _others(x, y):
        if kind == "max":
            array_module(x).maximum(of_y, part, out=of_y)  # F1
        else:
            of_y += part
    if kind == "mean":
        y /= _counts(x)  # F2


def backward(kind: str, x: Array, y: Array, dy: Array, dx: Array) -> None:
    """Overwrite dx by B1 or B2; y: what `forward` made of x."""
    if kind == "mean":
        share = dy / _counts(x)
        for of_dx, of_share in _sets(dx, share):
            of_dx[...] = of_share  # B2
        return
    free = array_module(x).ones(y.shape, bool)  # no pixel has been found to be the largest
    for (part, of_y), (of_dx, of_dy), (_, of_free) in zip(
        _sets(x, y), _sets(dx, dy), _sets(x, free), strict=True
    ):
        largest = (part == of_y) & of_free
        of_dx[...] = of_dy * largest  # B1
        of_free &= ~largest


def _sets(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    """Yield views, for each u and v: those pixels of x, and the numbers of y that have such."""
    yield x[:, ::2, ::2], y
    yield from _others(x, y)


def _others(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what `_sets` yields, but for its first."""
    for u, v in ((0, 1), (1, 0), (1, 1)):
        part = x[:, u::2, v::2]
        yield part, y[:, : part.shape[1], : part.shape[2]]


def _counts(x: Array) -> Array:
    """Return |T| of every output, (⌈R/2⌉, ⌈S/2⌉, 1)."""
    (R, S), xp = x.shape[1:3], array_module(x)
    rows, columns = (2 - (n % 2) * (xp.arange(-(-n // 2)) == n // 2) for n in (R, S))
    counts: Array = (rows[:, None] * columns)[..., None].astype(x.dtype)
    return counts
