"""Labels of rows on the command line: one for all rows, a column of theirs, or those in a file."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.commands.requests import LabelRequest
from chainrule.datasets import readers, rowfiles
from chainrule.datasets.rowfiles import Origin
from chainrule.datasets.splits import SPLITS, Dataset, Split
from chainrule.encoders import cells, partial
from chainrule.encoders.cells import CellError
from chainrule.encoders.column_types import Labelled
from chainrule.encoders.frames import Frame
from chainrule.estimators.density import Density
from chainrule.suggestions import near

LONGEST = 2**30  # bytes of a file of labels
NOWHERE = Origin("", np.empty(0, np.intp))
LACKING = "{name} has no label at {place}; fill it in or drop that row"


class Beside(NamedTuple):
    """A column of a file that is none of the model's: a name, a value a row, where it stands.

    Of several each stands where it does among the model's and those before it; "" names an index.
    """

    name: str
    values: Any
    place: int


class Given(NamedTuple):
    """Rows x and what stands beside them.

    y: labels, one for all or (N,); None: the marginal over all. origin: where x comes from.
    beside: the column of labels, if it stood among the rows, and an index.
    """

    x: Any
    y: Any
    origin: Origin
    beside: tuple[Beside, ...] = ()


def given(model: Density, asked: LabelRequest, x: Any, origin: Origin = NOWHERE) -> Given:
    """Return rows x, and labels for a model: one for all, or a file's or column's; None for none.

    A column goes out of the rows.

    Raises:
        ValueError: labels of a model that has none, or both kinds, or one that it never saw.
    """
    if asked.source is None:
        return Given(x, one(model, asked.label), origin)
    if model.classes_ is None:
        raise ValueError("this model was fitted without labels; leave out --labels-from")
    if asked.label is not None:
        raise ValueError("--label is for all rows and --labels-from for each; give one of them")
    columns, beside = origin.columns, None
    if columns is not None and is_column(asked.source, columns):
        x, y = _taken_out(x, columns, asked.source, origin)
        beside = Beside(asked.source, y, columns.index(asked.source))
    else:
        y = read(_file(asked.source, columns), len(x))
    if model.classes_.dtype.kind == "U" and y.dtype.kind in "iu":  # numbers may be words
        y = y.astype(str)
    n = _first_unknown(model.classes_, y)
    if n is not None:
        path, place = asked.source, _place(asked.source, n)
        if beside is not None:
            path, place = origin.path, origin.place(n, beside.place)
        raise ValueError(
            f"{path} holds {cells.shown(y[n].item())} at {place}, a label never seen in training; "
            f"the model knows {known(model)}"
        )
    if beside is None:
        return Given(x, y, origin)
    return Given(x, y, origin.without(beside.place), (beside,))


def _first_unknown(classes: NDArray[Any], y: NDArray[Any]) -> int | None:
    """Return the number of the first label that is none of the classes; None if all are."""
    values, places = np.unique(y, return_index=True)
    seen = {*classes.tolist(), *map(str, classes.tolist())}  # among words numbers are words
    other = [n for value, n in zip(values.tolist(), places, strict=True) if value not in seen]
    return int(min(other)) if other else None


def _place(source: str, n: int) -> str:
    """Return where label n stands in a file of labels."""
    return f"[{n}]" if Path(source).suffix.lower() == ".npy" else f"line {n + 1}"


def is_column(source: Any, columns: Sequence[str] | None) -> bool:
    """Return whether --labels-from names a column; a file of that name comes first."""
    return isinstance(source, str) and source in (columns or ()) and not Path(source).is_file()


def with_types(types: Any, source: Any, model: Density | None = None) -> Any:
    """Return what the columns of a file are, of which one may be that of labels.

    Numbers among its words are words then. model: one that is fitted, whose labels may be words.
    """
    if not isinstance(source, str) or Path(source).is_file():
        return types
    classes = None if model is None else model.classes_
    words = classes is not None and classes.dtype.kind == "U"
    return Labelled(types, source, classes.tolist() if words and classes is not None else None)


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
            f"{data.name} has no labels of its own; say where they are with --labels-from, put "
            "pictures into a folder for each label, or train a density without --labels"
        )
    return data


def relabelled(data: Dataset, source: str) -> Dataset:
    """Return a data set with the labels that are in a file, a line for each row, or in a column.

    A column goes out of the rows. A file's labels stand in the order of the data's file.
    """
    splits: dict[str, Any] = {name: getattr(data, name) for name in SPLITS}
    if is_column(source, data.columns):
        assert data.columns is not None
        k, places_of = data.columns.index(source), data.origins or {}
        for name, split in splits.items():
            splits[name] = Split(*_taken_out(split.x, data.columns, source, places_of.get(name)))
        columns = data.columns[:k] + data.columns[k + 1 :]
        rest = {name: origin.without(k) for name, origin in places_of.items()} or None
        return data._replace(**splits, columns=columns, image_shape=None, origins=rest)
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


def _taken_out(
    x: Any, columns: Sequence[str], name: str, origin: Origin | None
) -> tuple[Any, NDArray[Any]]:
    """Return rows without a column, and that column as labels.

    Raises:
        ValueError: it lacks one, or has one that is no whole number and no word.
    """
    k = columns.index(name)
    with nullcontext() if origin is None else rowfiles.naming({"X": origin}):
        if not isinstance(x, Frame):
            return np.delete(x, k, axis=1), _labels(x[:, k], k, name)
        raw = x.raw(k)
        gone = partial.missing(raw)
        if gone.any():
            raise CellError(LACKING, "X", int(np.argmax(gone)), k, name)
        column = x.column(k, "X")
        words = np.array(column.categories) if column.kind == "category" else None
        y = column.values if words is None else words[column.values]
        return x.without(k), _labels(y, k, name)


def _labels(y: NDArray[Any], k: int, name: str) -> NDArray[Any]:
    """Return the values of column k as labels, or name the first that is none."""
    y = _whole(y)
    if y.dtype.kind == "f":
        n = int(np.argmax(~np.isfinite(y) | (y != np.floor(y))))
        told = (
            f"{{name}} holds {y[n]:g} at {{place}}, which is no label; give words or whole numbers"
        )
        raise CellError(LACKING if np.isnan(y[n]) else told, "X", n, k, name)
    return y


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
