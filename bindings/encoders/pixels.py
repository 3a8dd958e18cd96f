"""Pixels as levels: how they are read, how many levels there are, and what is none.

| settings | a pixel is | and becomes |
|---|---|---|
| levels=L | 0 … L - 1 | itself |
| levels=L, reduce_from=K | 0 … K - 1 | its bin of L equal ones |
| binarize=t | any number | 1 above t, else 0 |
| dynamic_binarization | 0 … 255, 0 … K - 1, or a share from 0 to 1 | a bit that is drawn |
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import levels as bins
from chainrule.encoders import validation
from chainrule.encoders.cells import DROP, CellError, not_finite, threshold

Place = Callable[[int], Any]
FEW = 32  # levels of which the largest in sight is taken for the last; of more, pixels are bytes
Found = tuple[int, int, bool]  # levels of the model, of the data, and whether these are shares


class Indices(tuple[int, ...]):
    """The indices of a pixel of an image, as errors spell them."""

    def __repr__(self) -> str:
        """Return them as they stand in brackets."""
        return ", ".join(map(str, self))


class Settings(NamedTuple):
    """How pixels are read; see above. image_shape: (R, S) or (R, S, C), of rows; None: as it seems.

    draws: whether bits are drawn by greys, dynamic_binarization.
    """

    levels: int | None = None
    image_shape: tuple[int, ...] | None = None
    binarize: float | None = None
    reduce_from: int | None = None
    draws: bool = False

    @property
    def may_binarize(self) -> bool:
        """Whether a threshold is possible beside the rest, so that errors may advise one."""
        return self.levels in (None, 2) and not self.draws and self.reduce_from is None

    def check(self) -> None:
        """Raise ValueError for settings that contradict each other, or cannot be."""
        if self.levels is not None:
            bins.checked(self.levels)
        if self.binarize is not None:
            validation.real("binarize", self.binarize)
        if self.binarize is not None and not self.may_binarize:
            raise ValueError(
                "binarize makes bits of pixels by a threshold; leave it out, or levels, "
                "reduce_from and dynamic_binarization"
            )
        if self.draws and self.levels not in (None, 2):
            raise ValueError(
                f"dynamic_binarization draws bits, and levels={self.levels}; leave one of them out"
            )
        if self.reduce_from is not None:
            of = validation.integer("reduce_from", self.reduce_from, 2)
            if self.levels is None and not self.draws:
                raise ValueError(
                    f"reduce_from={self.reduce_from} says of how many levels; set levels, to how "
                    "many they are reduced, too"
                )
            if not (self.levels or 2) <= of <= bins.MOST:
                raise ValueError(
                    f"reduce_from must be from levels to {bins.MOST}, got {self.reduce_from}"
                )
        if self.image_shape is not None and (
            len(self.image_shape) not in (2, 3) or min(self.image_shape) < 1
        ):
            raise ValueError(
                "image_shape must be rows and pixels of a row, and in colour channels, such as "
                f"(28, 28) or (32, 32, 3); got {self.image_shape}"
            )


def learnt(settings: Settings, table: Any, name: str, place: Place) -> Found:
    """Return how many levels there are, by the settings and by rows of pixels, (N, D)."""
    if settings.binarize is not None:
        validation.check_bits(table, settings.binarize, name)
        return 2, 2, False
    largest, shares = 0.0, False
    for lo, part in validation.dense(table, name):
        _raise_first(not_finite(part, name, lo, DROP), place)
        largest = max(largest, float(part.max()))
        shares = shares or (settings.draws and part.dtype.kind == "f" and bool((part % 1).any()))
    if shares:
        return 2, 2, True
    if settings.draws and largest <= 1:
        raise ValueError(
            f"{name} holds only 0 and 1, so that no bits can be drawn; leave dynamic_binarization "
            "out"
        )
    of = settings.reduce_from or settings.levels
    if settings.draws:
        of = settings.reduce_from or bins.MOST
    found = of or (2 if largest <= 1 else bins.MOST)
    return 2 if settings.draws else settings.levels or found, found, False


def may_stay(table: Any, settings: Settings, levels: int) -> bool:
    """Return whether rows of pixels are levels as they are."""
    plain = settings.binarize is None and settings.reduce_from is None and not settings.draws
    dense = isinstance(table, np.ndarray) and table.flags.c_contiguous
    return plain and dense and table.dtype in (np.uint8, np.bool_)


def blocks(
    settings: Settings, found: Found, table: Any, name: str, place: Place, fitted: bool = False
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the number of a block's first row, and its pixels as levels, uint8, or as greys.

    fitted: whether a model has learnt such, so that errors advise no other settings.

    Raises:
        CellError: the first pixel that is none. TypeError: what is no number.
    """
    levels, of, shares = found
    for lo, part in validation.dense(table, name):
        _raise_first(not_finite(part, name, lo, DROP), place)
        if settings.binarize is not None:
            yield lo, (part > settings.binarize).astype(np.uint8)
            continue
        wrong = (part < 0) | (part > (1 if shares else of - 1))
        if part.dtype.kind == "f" and not shares:
            wrong |= part % 1 != 0
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            text = _why(settings, found, part, float(part[row, column]), fitted)
            _raise_first(CellError(text, name, lo + row, column), place)
        if shares:
            yield lo, part
        elif of > levels and not settings.draws:
            yield lo, bins.bins(levels, of)[part.astype(np.intp)]
        else:
            yield lo, part.astype(np.uint8)


def _why(settings: Settings, found: Found, part: NDArray[Any], value: float, fitted: bool) -> str:
    """Return what is wrong with the first pixel of a block that is no level, and what to do."""
    levels, of, shares = found
    got, low, high = f"{{name}} holds {value:g} at {{place}}", float(part.min()), float(part.max())
    if shares:
        return f"{got}, and the greys of the fit are shares from 0 to 1; give such alone"
    if fitted:
        return f"{got}, and those of the fit are from 0 to {of - 1}, whole numbers; give such alone"
    known = "levels are whole numbers from 0 on"
    may = settings.may_binarize
    if value < 0:
        half = ", or set binarize" if may else ""
        return f"{got}, and {known}; shift or clip such pixels{half}"
    if value % 1:
        white = (settings.reduce_from or settings.levels or bins.MOST) - 1
        if high > 1 or white == 1:
            half = f", or set binarize to {threshold(low, high):g}" if may else ""
            return f"{got}, and {known}; round such pixels{half}"
        half = ", or set binarize=0.5" if may else ""
        make = f"make levels of shares, ({{name}} * {white}).round() as uint8"
        return f"{got}, and {known}; {make}{half}"
    if value >= bins.MOST:
        most = f"there are {bins.MOST} levels at most"
        return f"{got}, and {most}; scale such pixels to 0 … {of - 1}"
    if of > levels:
        return f"{got}, past reduce_from={of}; say of how many levels the pixels are"
    if settings.levels is None:
        return f"{got}, and those of the fit are from 0 to {of - 1}; give such levels alone"
    return (
        f"{got}, and of levels={of} the last is {of - 1}; give such levels alone, or reduce them: "
        f"reduce_from={int(high) + 1 if high < FEW else bins.MOST}"
    )


def _raise_first(error: CellError | None, place: Place) -> None:
    """Raise an error about a pixel, by its indices in the image."""
    if error is not None:
        raise CellError(error.sentence, error.name, error.row, error.column, place(error.column))
