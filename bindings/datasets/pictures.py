"""Read a folder of pictures of one size, as grey levels or in colour; its subfolders are classes.

A picture is decoded into the array of all, one after the other: no more than one is held beside it.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import readers
from chainrule.encoders import doubts

MAX_PIXELS = 2**24  # of one picture
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")  # and no others: EPS runs programs
SUFFIXES = (".png .jpg .jpeg .jpe .bmp .gif .tif .tiff .pgm .pbm .ppm .pnm .webp").split()
GREY, IN_COLOUR, BY_PALETTE = ("1", "L", "LA"), ("RGB", "RGBA"), ("P", "PA")  # modes
IGNORED = ("thumbs.db", "desktop.ini")  # and what begins with a dot
SPLITS = {"train", "training", "valid", "val", "validation", "test"}


class Pictures(NamedTuple):
    """Pictures in the order of classes, then of names.

    Attributes:
        images: (N, H, W) uint8, grey levels 0 … 255, or in colour (N, H, W, 3).
        labels: (N,) names of subfolders, or None where there are none.
        files: (N,) the pictures' names below the folder.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.str_] | None
    files: tuple[str, ...]


def read(folder: Path, colour: bool = False) -> Pictures:
    """Return the pictures in a folder, or in its subfolders, which are then their classes.

    Colours are averaged, levels of 16 bits are rounded to 8; transparent pixels count as if opaque.

    colour: pictures as they are, all of them grey (L) or all in colour (RGB). What has a palette is
    grey if all of the palette is, else in colour; none may be transparent.

    Raises:
        ValueError: no pictures, or of different sizes; pictures beside subfolders; a damaged or
            huge one, or one of several in its file. The text names it.

    Warns:
        DataWarning: what is no picture; a colour that was averaged; pictures of different kinds;
            transparent ones.
    """
    paths, classes = _paths(folder)
    files = tuple(str(path.relative_to(folder)) for path in paths)
    images, kinds, averaged, transparent = None, [], [], []
    for k, path in enumerate(paths):
        with _open(path) as picture:
            shown = _as_it_is(picture, path) if colour else picture
            shape = _shape(shown, colour)
            if images is None:
                images = _room(folder, len(paths), shape)
            _check_alike(path, shape, files[0], images.shape[1:])
            images[k], lost = _levels(shown, path, colour)
            kinds.append(_kind(shown, path))
            averaged += [files[k]] if lost else []
            transparent += [] if colour or _opaque(picture, path) else [files[k]]
    if not colour:
        _say_what_was_lost(folder, files, kinds, averaged)
        what = "is transparent in places, and was read as if it were not"
        _warn(folder, transparent, what, "; lay it on a background to read what one sees")
    assert images is not None  # there is one path at least
    labels = None if classes is None else np.array(classes)
    return Pictures(images, labels, files)


def _shape(picture: Any, colour: bool) -> tuple[int, ...]:
    """Return the shape of a picture's levels."""
    width, height = picture.size
    return (height, width, 3) if colour and picture.mode == "RGB" else (height, width)


def _room(folder: Path, n: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an array for n pictures, if they are not too many."""
    if n * prod(shape) > readers.MAX_BYTES:
        raise ValueError(
            f"{folder} holds more than {readers.MAX_BYTES:,} pixels; use fewer or smaller pictures"
        )
    return np.empty((n, *shape), np.uint8)


def _check_alike(path: Path, shape: tuple[int, ...], first: str, wanted: tuple[int, ...]) -> None:
    """Raise ValueError unless a picture is of the size and the kind of the first."""
    if shape[:2] != wanted[:2]:
        h, w = wanted[:2]
        raise ValueError(f"{path} is not {h}×{w} as {first} is; resize it")
    if shape != wanted:
        words = {2: "grey", 3: "in colour"}
        raise ValueError(
            f"{path} is {words[len(shape)]} and {first} is {words[len(wanted)]}; convert one of "
            "them, so that all are alike"
        )


def _kind(picture: Any, path: Path) -> str:
    """Return of what kind a picture is, in words."""
    if picture.mode.startswith("I"):
        return "grey of 16 bits"
    return "grey" if picture.mode in GREY or _has_greys(picture, path) else "in colour"


def _has_greys(picture: Any, path: Path) -> bool:
    """Return whether a picture has a palette, of greys alone."""
    if picture.mode not in BY_PALETTE:
        return False
    with readers.one_sentence(path, "a picture"):
        try:
            palette = np.asarray(picture.getpalette() or [0, 0, 0]).reshape(-1, 3)
        except Exception as error:
            raise ValueError("it is damaged or cut short") from error
    return not np.ptp(palette, axis=1).any()


def _say_what_was_lost(
    folder: Path, files: Sequence[str], kinds: Sequence[str], averaged: Sequence[str]
) -> None:
    """Warn of pictures that are not of one kind, or else of colours that were averaged."""
    others = [k for k, kind in enumerate(kinds) if kind != kinds[0]]
    if others:
        k = others[0]
        doubts.warn(
            f"{folder}: {files[k]} is {kinds[k]} and {files[0]} is {kinds[0]}, and all were made "
            "grey; convert one of them, so that all are alike"
        )
    else:
        what = "is in colour, which was averaged to grey"
        _warn(folder, averaged, what, "; colour=True keeps the colours")


def _as_it_is(picture: Any, path: Path) -> Any:
    """Return a picture as one that is grey, L, or in colour, RGB, without palette and alpha.

    Raises:
        ValueError: it is neither, or is transparent somewhere.
    """
    mode = picture.mode
    if mode not in (*GREY, *IN_COLOUR, *BY_PALETTE):
        raise ValueError(
            f"{path} has the mode {mode}, neither grey (L) nor colour (RGB); convert it"
        )
    grey = mode in GREY or _has_greys(picture, path)
    if not _opaque(picture, path):
        raise ValueError(
            f"{path} is transparent in places; lay it on a background, and save it without alpha"
        )
    with readers.one_sentence(path, "a picture"):
        try:
            plain = _in_rgb(picture)
        except Exception as error:
            raise ValueError("it is damaged or cut short") from error
    return plain.getchannel(0) if grey else plain


def _in_rgb(picture: Any) -> Any:
    """Return a picture in RGB; one with a palette by RGBA, or Pillow warns of transparent ones."""
    return (picture.convert("RGBA") if picture.mode in BY_PALETTE else picture).convert("RGB")


def _opaque(picture: Any, path: Path) -> bool:
    """Return whether a picture is transparent nowhere, or of a mode where that is not asked."""
    marked = picture.mode.endswith("A") or "transparency" in picture.info
    if not marked or picture.mode not in (*GREY, *IN_COLOUR, *BY_PALETTE):
        return True
    with readers.one_sentence(path, "a picture"):
        try:
            return bool(picture.convert("RGBA").getchannel("A").getextrema()[0] == 255)
        except Exception as error:
            raise ValueError("it is damaged or cut short") from error


def _paths(folder: Path) -> tuple[list[Path], list[str] | None]:
    """Return the paths of all pictures, and the class of each if they are in subfolders."""
    paths, folders, others = _listing(folder)
    if paths and folders:
        raise ValueError(
            f"{folder} holds pictures, such as {paths[0].name}, beside the folder "
            f"{folders[0].name}; put all of them into folders, one a class, or none"
        )
    if folders and {path.name.lower() for path in folders} <= SPLITS:
        raise ValueError(
            f"{folder} holds splits, {', '.join(path.name for path in folders)}, rather than "
            "classes; name one of these folders, or save all as arrays in one .npz"
        )
    classes = []
    for below in folders:
        inner, deeper, more = _listing(below)
        if deeper:
            raise ValueError(
                f"{below} holds a folder itself, {deeper[0].name}; the folders of classes hold "
                "pictures alone"
            )
        paths += inner
        classes += [below.name] * len(inner)
        others += more
    if not paths:
        raise ValueError(
            f"{folder} holds no pictures ({' '.join(SUFFIXES)}); convert them to one of these kinds"
        )
    names = [str(path.relative_to(folder)) for path in others]
    _warn(folder, names, "is no picture and was left out")
    return paths, classes if folders else None


def _listing(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the pictures, the folders and the other files in a folder, each sorted by name."""
    pictures, folders, others = [], [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in IGNORED:
            continue
        if path.is_dir():
            folders.append(path)
        elif path.suffix.lower() in SUFFIXES:
            pictures.append(path)
        else:
            others.append(path)
    return pictures, folders, others


def _warn(folder: Path, names: Sequence[str], what: str, cure: str = "") -> None:
    """Warn of files in the folder, naming the first."""
    if names:
        more = f", and so {len(names) - 1} more" if len(names) > 1 else ""
        doubts.warn(f"{folder}: {names[0]} {what}{more}{cure}")


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Yield a picture of which only size and kind were read yet."""
    from PIL import Image

    with readers.one_sentence(path, "a picture"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of sizes, which are checked here
                picture = Image.open(path, formats=FORMATS)
        except PermissionError:
            raise
        except Image.DecompressionBombError as error:
            raise ValueError(f"it has more than {MAX_PIXELS:,} pixels; shrink it") from error
        except Exception as error:  # decoders raise whatever they like
            raise ValueError("it is damaged or of another kind") from error
    with picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"{path} has {width}×{height} pixels, more than {MAX_PIXELS:,}; shrink it"
            )
        with readers.one_sentence(path, "a picture"):
            try:
                several = getattr(picture, "is_animated", False)  # looks for a second one
            except Exception as error:
                raise ValueError("it is damaged or cut short") from error
        if several:
            raise ValueError(f"{path} holds several pictures; save the one that is meant alone")
        yield picture


def _levels(picture: Any, path: Path, colour: bool) -> tuple[NDArray[np.uint8], bool]:
    """Return a picture's levels, decoded, and whether its colours were lost.

    They are grey, (H, W), or where colour is wanted as they are.
    """
    mode, lost = picture.mode, False
    with readers.one_sentence(path, "a picture"):
        if mode == "F":
            raise ValueError("its pixels are fractions; save it as .npy instead")
        try:
            if colour and mode == "RGB":
                levels = np.asarray(picture)
            elif mode.startswith("I"):  # levels of 16 bits
                levels = np.asarray(picture).astype(np.float64) / 257
            elif mode in ("1", "L", "LA"):
                levels = np.asarray(
                    (picture.convert("L") if mode == "1" else picture).getchannel(0)
                )
            else:
                channels = np.asarray(_in_rgb(picture))
                lost = bool(np.ptp(channels, axis=2).any())  # greys may be saved as colours
                levels = channels.mean(axis=2)
        except Exception as error:
            raise ValueError("it is damaged or cut short") from error
        if levels.min() < 0 or levels.max() > 255:
            raise ValueError("its grey levels have more than 16 bits; save it as .npy instead")
    return np.rint(levels).astype(np.uint8) if levels.dtype != np.uint8 else levels, lost
