"""Rows of a model in files: as pictures where they may be some, else as tables with names.

| the rows | written by default as |
|---|---|
| images | a picture |
| bits or levels of grey of a data set of pictures | a picture |
| bits whose columns have no names | a picture |
| all others | a .csv |
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from chainrule.commands import inputs, runs
from chainrule.commands.common import PICTURES, TABLES, check_output, table, write_rows
from chainrule.commands.labels import Beside
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.variables import Category, Real

SHOWN = 40  # columns that `info` describes
FEW = 8  # of their values


def levels(model: Any) -> int | None:
    """Return how many levels of grey a model's rows have; None if they cannot be pictures."""
    if inputs.of_images(model):
        return int(model.encoder_.highest) + 1
    if not inputs.of_rows(model):
        return int(model.vocabulary_.size)
    highest = 1
    for variable in _variables(model):
        if isinstance(variable, Real) or isinstance(variable.values[0], str | float):
            return None
        if min(variable.values) < 0:
            return None
        highest = max(highest, *variable.values)
    return int(highest) + 1


def are_pictures(model: Any, run: Path) -> bool:
    """Return whether a model's rows may be pictures: of a data set of such, or nameless bits."""
    if inputs.of_images(model):
        return True
    pictured = isinstance(runs.read_summary(run).get("image_shape"), list)
    nameless = levels(model) == 2 and inputs.fitted_columns(model) is None
    return levels(model) is not None and (pictured or nameless)


def drawable(model: Any, run: Path, rows: Any) -> tuple[NDArray[Any], Any, int | None]:
    """Return rows, (…, D), of a model's values as `plots` draws them, their shape, and levels.

    Of images they are images, (…, R, S, C), of so many levels; else numbers from 0 to 1.
    """
    if inputs.of_images(model):
        images = np.reshape(rows, (*np.shape(rows)[:-1], *model.encoder_.shape))
        return images, None, levels(model)
    table = np.asarray(rows, float) / max(1, (levels(model) or 2) - 1)
    return table, runs.image_shape(run, table.shape[-1]), None


def output(model: Any, run: Path, asked: Path | None, stem: str) -> Path:
    """Return the file to write rows to: what was asked for, or stem.png, or stem.csv.

    Raises:
        ValueError: it cannot hold such rows. OSError: it cannot be written.
    """
    if asked is None:
        asked = Path(f"{stem}.png" if are_pictures(model, run) else f"{stem}.csv")
    check_output(asked, *PICTURES, *TABLES)
    if asked.suffix.lower() in PICTURES and levels(model) is None:
        raise ValueError(
            f"{asked} is a picture, and rows of words or real numbers are none; end it in .csv"
        )
    words = (v for v in _variables(model) if isinstance(v, Category))
    if asked.suffix.lower() == ".npy" and any(isinstance(v.values[0], str) for v in words):
        raise ValueError(f"{asked} holds numbers alone, and these rows have words; end it in .csv")
    return asked


def write(
    path: Path,
    rows: Any,
    model: Any,
    names: Sequence[str] | None = None,
    draws: int = 1,
    beside: Sequence[Beside] = (),
) -> None:
    """Write rows that a model drew: in a text each value as it was in the model's data.

    names: of the columns; by default those that the model was fitted on. draws: how many of them
    follow one another for each row of the data. If several, the first two columns of a .csv tell
    of which row, and which draw, counted from 1. beside: more columns of a .csv with names, a
    value for each row of the data.
    """
    names, of_each = names or inputs.fitted_columns(model), _variables(model)
    is_csv, numbers_alone = path.suffix.lower() == ".csv", path.suffix.lower() == ".npy"
    columns = _columns(len(rows), draws, beside if names else ()) if is_csv else []
    of_words = columns or (of_each and not numbers_alone)
    rows = np.reshape(rows, (len(rows), -1)) if columns else rows  # images, too
    rows = _typed(rows, of_each) if of_words else np.asarray(rows)
    for name, values, k in columns:
        rows = np.insert(rows, k, values, axis=1)
        names = names and [*names[:k], name, *names[k:]]
    write_rows(path, rows, names)


def _columns(n: int, draws: int, beside: Sequence[Beside]) -> list[Beside]:
    """Return what is put into n rows column by column: an index last, so that it stands first."""
    each = [one._replace(values=np.repeat(np.asarray(one.values, object), draws)) for one in beside]
    row, draw = np.divmod(np.arange(n), draws)
    numbers = [Beside("draw", draw + 1, 0), Beside("row", row + 1, 0)] if draws > 1 else []
    labels, index = [one for one in each if one.name], [one for one in each if not one.name]
    return [*labels, *numbers, *index]


def _typed(rows: Any, of_each: Sequence[Any]) -> NDArray[Any]:
    """Return rows as objects, each value as it was in the data."""
    typed = np.array(rows, object)
    for k, variable in enumerate(of_each):
        if isinstance(variable, Category):
            known = {value: value for value in variable.values}  # 1.0 and True are the key 1
            typed[:, k] = [known[value] for value in typed[:, k]]
        elif variable.type == "integer":
            typed[:, k] = [int(value) for value in typed[:, k]]
    return typed


def write_conditionals(path: Path, p: NDArray[Any], model: Any, labelled: bool = False) -> None:
    """Write conditionals, (N, D) or (N, D, width); in a text without the zeros that fill them up.

    labelled: whether they are those given a label; else of all labels side by side.
    """
    names = inputs.fitted_columns(model)
    if path.suffix.lower() == ".npy" or p.ndim == 2:
        write_rows(path, p, names)
        return
    called, parts = [], []
    for k, variable in enumerate(_variables(model)):
        name = str(k) if names is None else names[k]
        if isinstance(variable, Category):
            own = [f"{name}={value}" for value in variable.values]
        else:
            classes = 1 if labelled or model.classes_ is None else len(model.classes_)
            numbers = range(1, model.config_.components * classes + 1)
            own = [f"{name} {what} {j}" for what in ("weight", "mean", "scale") for j in numbers]
            own += [] if variable.atom is None else [f"{name}={variable.atom:g}"]
        called += own
        parts.append(p[:, k, : len(own)])
    write_rows(path, np.hstack(parts), called)


def described(model: Any) -> Table | None:
    """Return a table of what each column is; None of bits alone, and of sequences."""
    of_each = _variables(model)
    if all(isinstance(v, Category) and v.values == (0, 1) for v in of_each):
        return None
    names = inputs.fitted_columns(model) or [str(k) for k in range(len(of_each))]
    grid = table("column", "type", "values", words=3)
    for name, variable in list(zip(names, of_each, strict=True))[:SHOWN]:
        if isinstance(variable, Real):
            values = f"{variable.mean:.4g} ± {variable.scale:.4g}"
            values += "" if variable.atom is None else f", or {variable.atom:g}"
        else:
            values = ", ".join(map(repr, variable.values[:FEW]))
            values += f", … {variable.n_values} in all" if variable.n_values > FEW else ""
        grid.add_row(name, variable.type, values)
    if len(of_each) > SHOWN:
        grid.add_row(f"… {len(of_each) - SHOWN:,} more", "", "")
    return grid


def _variables(model: Any) -> Sequence[Any]:
    """Return what a model's columns are; nothing of bits by a threshold, and of sequences."""
    encoder = model.encoder_
    return encoder.variables if isinstance(encoder, AnyColumns) else ()
