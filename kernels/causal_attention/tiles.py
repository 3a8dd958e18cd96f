"""What a block of the tiled attention kernels takes on: the host's side of tiles.cuh.

Tiles are the largest that registers and shared memory have room for: at most 113 KB a block, of
which an H100 holds two, and what the device allows: 163 KB on an A100, 99 on an L4, an A10 or a
desktop card, 64 on a T4. Heads of more than 128 numbers leave a lane two to four rows, one or two
in float64, so that numbers read from shared memory are used less often; of more than 256, a row's
outputs would not fit the registers.

Such heads, and devices other than an H100, were never run on a GPU: only on the CPU rig, and
compiled for each generation without spills.
"""

from typing import NamedTuple

from chainrule.kernels.device import blocks, current_device

WARP = 32
SIDE = 8  # lanes of a warp along a row of scores; the other four are along a column
SIZES = {  # (rows of a lane, columns of a warp) to choose from, by the bytes of a number
    4: ((8, 64), (4, 64), (4, 32), (4, 16), (2, 32), (2, 16), (2, 8)),
    8: ((4, 32), (2, 32), (2, 16), (1, 16), (1, 8)),
}
# (rows of a lane at most, warps of a block with rows of their own, warps that share rows), from
# blocks of many rows to blocks of few.
WARPS = ((8, 4, 1), (4, 4, 1), (4, 2, 2), (4, 1, 2))
FEW_WARPS = ((2, 2, 1), (2, 1, 1))  # where none of these fits: large heads, little memory
# Of a lane, for its part of the tiles, by whether loads are wide: number by number, they need some
# for themselves. With more, kernels spill.
REGISTERS = {True: 176, False: 152}
SHARED = 113 * 1024  # bytes a block at most, so that an H100 has room for two


class Needs(NamedTuple):
    """How many tiles of each kind a kernel works on."""

    scores: int  # in registers: rows × columns
    outputs: int  # in registers: rows × d
    rows: int  # in shared memory: rows × d; columns × d are always two


NEEDS = {  # dq could do with less; with the same numbers, one compilation is enough for both
    "attention_forward": Needs(scores=1, outputs=1, rows=1),
    "attention_dq": Needs(scores=2, outputs=2, rows=2),
    "attention_dk_dv": Needs(scores=2, outputs=2, rows=2),
}


class Tiles(NamedTuple):
    """Compile-time numbers of a tiled kernel, as tiles.cuh calls them, and what they ask for."""

    MINE: int  # rows of a lane
    COLS: int  # columns of a warp
    ROW_WARPS: int  # warps of a block with rows of their own
    SLICES: int  # warps that share rows and take turns with the columns

    @property
    def rows(self) -> int:
        """Return the rows of a block."""
        return self.ROW_WARPS * WARP // SIDE * self.MINE

    def is_whole(self) -> bool:
        """Return whether the block's threads share its rows, and its columns, out evenly."""
        return self.MINE % self.SLICES == 0 and self.COLS % (WARP // SIDE * self.ROW_WARPS) == 0

    def registers(self, needs: Needs, padded: int, itemsize: int) -> int:
        """Return how many a lane needs for scores, outputs and a pack of each of its rows."""
        numbers = needs.scores * self.COLS // SIDE + needs.outputs * padded // SIDE
        return self.MINE * (numbers * itemsize + 16) // 4

    def shared_bytes(self, needs: Needs, padded: int, itemsize: int) -> int:
        """Return the shared memory of a block: tiles of rows and columns, and scores."""
        tile_rows = needs.rows * self.rows + 2 * self.SLICES * self.COLS
        scores = self.rows * self.SLICES * (self.COLS + SIDE)
        return (tile_rows * (padded + 16 // itemsize) + scores) * itemsize


def tiles(needs: Needs, pairs: int, T: int, padded: int, itemsize: int, wide: bool) -> Tiles:
    """Return the largest tiles that fit and still give each multiprocessor two blocks, if any do.

    Two, so that one computes while the other loads: measured on an H100 against one and four.
    """
    device = current_device()
    most_shared = min(SHARED, device.shared_bytes)

    def fits(t: Tiles) -> bool:
        return (
            t.is_whole()
            and (t.COLS <= 32 or T > 64)
            and t.registers(needs, padded, itemsize) <= REGISTERS[wide]
            and t.shared_bytes(needs, padded, itemsize) <= most_shared
        )

    def largest(most: int, row_warps: int, slices: int) -> Tiles | None:
        sizes = (Tiles(*size, row_warps, slices) for size in SIZES[itemsize] if size[0] <= most)
        return next(filter(fits, sizes), None)

    choices = [t for warps in WARPS if (t := largest(*warps))]
    choices = choices or [t for warps in FEW_WARPS if (t := largest(*warps))]
    enough = (t for t in choices if pairs * blocks(T, t.rows) >= 2 * device.multiprocessors)
    return next(enough, choices[-1])
