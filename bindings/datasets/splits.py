"""Rows cut into train, valid and test: by the file that they are from, or by a shuffle."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import readers, rowfiles
from chainrule.datasets.rowfiles import Origin
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.encoders.uniforms import generator

SPLITS = ("train", "valid", "test")


class Split(NamedTuple):
    """Rows x, shape (N, D), and their labels y, shape (N,), or None where there are none.

    x is an array, or of a text with words a `chainrule.encoders.frames.Frame`; or `RowsOnDisk`.
    """

    x: Any
    y: NDArray[Any] | None = None


class Dataset(NamedTuple):
    """Three disjoint sets of rows.

    Attributes:
        name: what it is called. train, valid, test: its rows.
        image_shape: (H, W), or in colour (H, W, C), if a row is a picture, else None.
        columns: names of the variables, from a file's header, else None.
        origins: by split, where each row stands in the file or folder; None for named data sets.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    image_shape: tuple[int, ...] | None = None
    columns: tuple[str, ...] | None = None
    origins: Mapping[str, Origin] | None = None

    def __repr__(self) -> str:
        """Say how many rows there are, where the tuple's own would print them."""
        rows = ", ".join(f"{len(getattr(self, name).x)} {name}" for name in SPLITS)
        shape = f", image_shape {self.image_shape}" if self.image_shape else ""
        return f"<Dataset {self.name!r}: {rows}{shape}>"


def packed(
    name: str, arrays: Mapping[str, NDArray[Any]], path: Path, image_shape: tuple[int, ...] | None
) -> Dataset:
    """Return the data set of three arrays of packed bits and the number of variables."""
    if not {*SPLITS, "n_vars"} <= arrays.keys():
        raise ValueError(f"{path} lacks train, valid, test or n_vars of {name}")
    n_vars = int(arrays["n_vars"]) if arrays["n_vars"].size == 1 else 0
    unpack = rowfiles.unpacked
    rows: dict[str, Any] = {s: Split(unpack(path, s, arrays[s], arrays["n_vars"])) for s in SPLITS}
    if image_shape is not None and prod(image_shape) != n_vars:
        raise ValueError(f"{path}: {name} has {prod(image_shape)} variables, here are {n_vars}")
    return Dataset(name, **rows, image_shape=image_shape)


def from_path(
    path: Path,
    seed: int,
    missing: bool = False,
    header: bool | None = None,
    decimal: str = ".",
    column_types: Any = None,
    colour: bool = False,
    on_disk: bool = False,
) -> Dataset:
    """Return the data set in a file or folder; missing and what follows: as in `rowfiles.read`."""
    if path.is_dir() or path.suffix.lower() != ".npz":
        rows = rowfiles.read(path, missing, header, decimal, column_types, colour, on_disk)
        return _whole(path, rows, seed)
    arrays = readers.read_npz(path)
    if {*SPLITS, "n_vars"} <= arrays.keys():
        return packed(path.stem, arrays, path, None)
    if len(arrays) == 1:
        x = next(iter(arrays.values()))
        origin = Origin.of_array(str(path), x)
        return _whole(path, rowfiles.FileRows(x, None, origin), seed)
    return _from_splits(path, arrays, seed)


def _whole(path: Path, rows: rowfiles.FileRows, seed: int) -> Dataset:
    """Return the data set of rows without a cut: (N, D), or pictures (N, H, W) or (N, H, W, C)."""
    name = rowfiles.stem(path)
    x, image_shape = _flatten(path, rows.x)
    parts = parts_of(name, len(x), seed, SPLITS[1:])
    splits = cut(Split(x, rows.y), parts)
    origin = rows.origin._replace(before=None)  # nobody asks for it, and it may be large
    origins = {split: origin.select(part) for split, part in parts.items()}
    return Dataset(
        name, **splits, image_shape=image_shape, columns=rows.origin.columns, origins=origins
    )


def _flatten(path: Path, x: Any) -> tuple[Any, tuple[int, ...] | None]:
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise ValueError(
            f"{path} holds an array of shape {x.shape}; save rows (N, D) or pictures (N, H, W) or "
            "(N, H, W, C)"
        )
    return (x, None) if x.ndim == 2 else (x.reshape(len(x), -1), x.shape[1:])


def _from_splits(path: Path, arrays: Mapping[str, NDArray[Any]], seed: int) -> Dataset:
    """Return the data set of a .npz with arrays named after splits."""
    splits: dict[str, Any] = {}
    image_shape = None
    for split in SPLITS:
        x = arrays.get(split, arrays.get(f"x_{split}"))
        if x is None:
            continue
        rows, image_shape = _flatten(path, x)
        y = arrays.get(f"y_{split}")
        if y is not None and y.shape != (len(rows),):
            raise ValueError(f"{path}: y_{split} has shape {y.shape}, not ({len(rows)},)")
        splits[split] = Split(rows, y)
    if "train" not in splits:
        raise ValueError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; name its arrays train, valid "
            "and test, or x_train, y_train, …, or save a single one"
        )
    if len({split.x.shape[1] for split in splits.values()}) > 1:
        raise ValueError(f"{path}: train, valid and test differ in the number of columns")
    origins = {
        split: Origin.of_array(f"{path}, {split}", rows.x)._replace(form=image_shape)
        for split, rows in splits.items()
    }
    missing = [split for split in SPLITS if split not in splits]
    if missing:
        parts = parts_of(path.stem, len(splits["train"].x), seed, missing)
        origins |= {split: origins["train"].select(part) for split, part in parts.items()}
        splits |= cut(splits["train"], parts)
    return Dataset(path.stem, **splits, image_shape=image_shape, origins=origins)


def parts_of(
    name: str, n_rows: int, seed: int, missing: Sequence[str]
) -> dict[str, NDArray[np.intp]]:
    """Return the numbers of the rows of each split, shuffled.

    A missing one gets a tenth of them, at least one, and train the rest.
    """
    if n_rows <= len(missing):
        raise ValueError(f"{name} has {n_rows} rows, too few to cut {' and '.join(missing)} from")
    n_tenth = max(1, n_rows // 10)
    ends = np.cumsum([n_rows - n_tenth * len(missing)] + [n_tenth] * len(missing))
    parts = np.split(generator(seed).permutation(n_rows), ends[:-1])
    return dict(zip(("train", *missing), parts, strict=True))


def cut(rows: Split, parts: Mapping[str, NDArray[np.intp]]) -> dict[str, Any]:
    """Return the rows of each part; those in a file stay there."""
    some = rows.x.select if isinstance(rows.x, RowsOnDisk) else rows.x.__getitem__
    return {
        split: Split(some(part), None if rows.y is None else rows.y[part])
        for split, part in parts.items()
    }
