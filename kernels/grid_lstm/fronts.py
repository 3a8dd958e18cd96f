"""In which order the cells of an image can be worked out: front by front, a front at once.

    rows()        diagonals()     mirrored()

    0 0 0 0       0 1 2 3         3 2 1 0       The number of the front that each pixel is in.
    1 1 1 1       1 2 3 4         4 3 2 1       A cell sees cells of the front before its own.
    2 2 2 2       2 3 4 5         5 4 3 2

Cells of a front stand on lines: the columns of the image for `rows`, its rows for the other two.
So cell (k, l), of front k on line l, sees lines l - 1, l and, of `rows`, l + 1 of front k - 1. That
is the skewed map: each row of the image moved right by one more than the row above it, so that a
diagonal becomes a column. But nothing is moved: a cell's place in memory is an index, linear in k
and l, and front k of a skewed map has only those lines that cross the image there.
"""

from typing import Any, NamedTuple


class CellWalk(NamedTuple):
    """An image's cells, front by front, in numbers that a compiled kernel can take.

    n_fronts, n_lines, n_pixels: of an image. wide, long: front k has lines from k + 1 - long to
    k + wide - 1, of those that there are. Cell (k, l) is pixel origin + k · of_front + l · of_line
    in raster order.
    """

    n_fronts: int
    n_lines: int
    n_pixels: int
    wide: int
    long: int
    origin: int
    of_front: int
    of_line: int

    def lines(self, k: int) -> tuple[int, int]:
        """Return the first line of front k, and the one after its last; none before front 0."""
        if k < 0 or k >= self.n_fronts:
            return 0, 0
        return max(0, k + 1 - self.long), min(self.n_lines, k + self.wide)


class Fronts(NamedTuple):
    """How the fronts of an image lie.

    slant: 0, front k is row k; 1, the pixels with i + j = k; -1, those of the mirrored image.
    groups: in how many groups, each of all four gates, the numbers of a cell are.
    """

    slant: int
    groups: int = 1

    @property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) from a pixel to each that its cell sees, in the order of the weights."""
        return ((-1, -1), (-1, 0), (-1, 1)) if self.slant == 0 else ((-1, 0), (0, -self.slant))

    def walk(self, R: int, S: int) -> CellWalk:
        """Return the walk over an image of R rows of S pixels."""
        if self.slant == 0:
            return CellWalk(R, S, R * S, S, R + S, 0, S, 1)
        origin = 0 if self.slant > 0 else S - 1
        return CellWalk(R + S - 1, R, R * S, 1, S, origin, self.slant, S - self.slant)

    def cell(self, i: int, j: int, S: int) -> tuple[int, int]:
        """Return the front and the line of pixel (i, j), in rows of S pixels."""
        if self.slant == 0:
            return i, j
        return i + (j if self.slant > 0 else S - 1 - j), i

    def check(self, W: Any, H: int) -> None:
        """Refuse weights that are not these fronts', (T, H, 4H), and groups of unequal size.

        Raises:
            ValueError: as said.
        """
        if W.shape != (len(self.taps), H, 4 * H):
            raise ValueError(
                f"W must have shape {(len(self.taps), H, 4 * H)}, one matrix for each of the "
                f"{len(self.taps)} cells that a cell sees, got {W.shape}"
            )
        if H % self.groups:
            raise ValueError(
                f"{H} units cannot be cut into {self.groups} groups of one size: "
                f"choose a multiple of {self.groups}"
            )


def rows(groups: int = 1) -> Fronts:
    """Return fronts that are the image's rows: a cell sees three of the row above."""
    return Fronts(0, groups)


def diagonals(groups: int = 1) -> Fronts:
    """Return fronts that are its diagonals: a cell sees the one above and the one to the left."""
    return Fronts(1, groups)


def mirrored(groups: int = 1) -> Fronts:
    """Return the diagonals of the mirrored image: the one above, and the one to the right."""
    return Fronts(-1, groups)
