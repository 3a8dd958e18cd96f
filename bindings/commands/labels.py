"""Labels of rows on the command line: one for all rows, a column of theirs, or those in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands.requests import LabelRequest
from chainrule.datasets import readers, rowfiles
from chainrule.datasets.rowfiles import Origin
from chainrule.datasets.splits import SPLITS, Dataset, Split
from chainrule.encoders import cells
from chainrule.encoders.frames import Frame
from chainrule.encoders.partial import missing
from chainrule.estimators.density import Density
from chainrule.suggestions import near

LONGEST = 2**30  # bytes of a file of labels
X = "X"  # what errors call the rows
Labelled = tuple[Any, NDArray[Any]]  # rows and their labels


def given(
    model: Density, asked: LabelRequest, x: Any, origin: Origin | None = None
) -> tuple[Any, Any]:
    """Return rows x, and labels for a model: one for all, or a file's or column's; None for none.

    A column goes out of the rows.

    Raises:
        ValueError: labels of a model that has none, or both kinds.
    """
    if asked.source is None:
        return x, one(model, asked.label)
    if model.classes_ is None:
        raise ValueError("this model was fitted without labels; leave out --labels-from")
    if asked.label is not None:
        raise ValueError("--label is for all rows and --labels-from for each; give one of them")
    columns = None if origin is None else origin.columns
    if not Path(asked.source).is_file() and columns and asked.source in columns:
        with rowfiles.naming({} if origin is None else {X: origin}):
            x, y = _taken_out(x, columns, asked.source)
    else:
        y = read(_file(asked.source, columns), len(x))
    words = model.classes_.dtype.kind == "U" and y.dtype.kind in "iu"  # numbers may be words
    return x, y.astype(str) if words else y


def one(model: Density, label: str | None) -> Any:
    """Return one label as the model's labels are: a word, or a whole number; None for none."""
    if label is None:
        return None
    if model.classes_ is None:
        raise ValueError("this model was fitted without labels; leave out --label")
    for value in model.classes_.tolist():
        if str(value) == label:
            return value
    raise ValueError(
        f"{label} is a label never seen in training; give --label, one of {known(model)}"
    )


def known(model: Density) -> str:
    """Return the labels that a model knows, in words."""
    return ", ".join(map(str, () if model.classes_ is None else model.classes_))


def chosen(data: Dataset, labels: bool | str) -> Dataset:
    """Return a data set with the labels asked for: its own, those of a file or column, or none."""
    if isinstance(labels, str):
        return relabelled(data, labels)
    train, valid, test = data.train, data.valid, data.test
    if not labels:
        return data._replace(train=Split(train.x), valid=Split(valid.x), test=Split(test.x))
    if any(split.y is None for split in (train, valid, test)):
        raise ValueError(
            f"{data.name} has no labels of its own; leave out --labels, or say where they are "
            "with --labels-from"
        )
    return data


def relabelled(data: Dataset, source: str) -> Dataset:
    """Return a data set with the labels that are in a file, a line for each row, or in a column.

    A column goes out of the rows. A file's labels stand in the order of the data's file.
    """
    splits: dict[str, Any] = {name: getattr(data, name) for name in SPLITS}
    if not Path(source).is_file() and data.columns and source in data.columns:
        for name, split in splits.items():
            with rowfiles.naming({X: data.origins[name]} if data.origins else {}):
                splits[name] = Split(*_taken_out(split.x, data.columns, source))
        columns = tuple(name for name in data.columns if name != source)
        return data._replace(**splits, columns=columns, image_shape=None, origins=None)
    path, origins = _file(source, data.columns), data.origins
    if origins is None or len({origin.path for origin in origins.values()}) > 1:
        raise ValueError(f"{data.name} is more than one table of rows; give its own --labels")
    places = np.sort(np.concatenate([origins[name].rows for name in SPLITS]))
    y = read(path, len(places))
    for name, split in splits.items():
        splits[name] = Split(split.x, y[np.searchsorted(places, origins[name].rows)])
    return data._replace(**splits)


def _file(source: str, columns: Sequence[str] | None) -> Path:
    """Return the file of labels, or say what the name may have meant."""
    if Path(source).is_file():
        return Path(source)
    if columns:
        raise ValueError(
            f"{source} is neither a file nor a column of the data{near(source, columns)}; give "
            "one of them with --labels-from"
        )
    raise FileNotFoundError(
        f"{source} does not exist, and the data have no column names; check the name"
    )


def _taken_out(x: Any, columns: Sequence[str], name: str) -> Labelled:
    """Return rows without a column, and that column as labels.

    Raises:
        CellError: a label is missing. ValueError: what are no labels.
    """
    k = columns.index(name)
    lacking = missing(x.raw(k) if isinstance(x, Frame) else x[:, k])
    if lacking.any():
        row, advice = int(lacking.argmax()), "fill it in or leave that row out"
        raise cells.missing("no label", X, row, k, name, advice)
    if isinstance(x, Frame):
        column, rest = x.column(k, X), x.without(k)
        y = column.values
        if column.kind == "category":
            y = np.array(column.categories)[y]
    else:
        y, rest = x[:, k], np.delete(x, k, axis=1)
    y = _whole(y)
    if y.dtype.kind == "f":
        raise ValueError(f"column {name!r} must hold whole numbers or words to be labels")
    return rest, y


def _whole(y: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as such; anything else as it is."""
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all():
        return y.astype(np.int64)
    return y


def read(path: Path, n: int) -> NDArray[Any]:
    """Return n labels, whole numbers or words: of a .npy (N,), or of a text with a label a line."""
    y = _whole(readers.read_npy(path)) if path.suffix.lower() == ".npy" else _lines(path)
    if y.dtype.kind not in "biuU" or y.ndim != 1:
        raise ValueError(
            f"{path} holds {y.dtype} of shape {y.shape}; give whole numbers or words, one a row"
        )
    if len(y) != n:
        raise ValueError(f"{path} holds {len(y)} labels and there are {n} rows; give one for each")
    return y


def _lines(path: Path) -> NDArray[Any]:
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path} is larger than {LONGEST:,} bytes; save it as .npy instead")
    try:
        words = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text; save it as UTF-8 or as .npy") from error
    words = [word.strip() for word in words]
    while words and not words[-1]:
        words.pop()
    if "" in words:
        raise ValueError(f"{path} has no label in line {words.index('') + 1}; fill it in")
    try:
        return np.array(words, np.int64)
    except (ValueError, OverflowError):
        return np.array(words)
