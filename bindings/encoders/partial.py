"""Tables of which only some cells count: given values, and what is missing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import cells, frames
from chainrule.encoders.cells import CellError
from chainrule.encoders.coded import Coded, Raw
from chainrule.encoders.frames import Frame
from chainrule.encoders.pure import Column, Place


class Cells:
    """The observed cells of a column: in a `with` block errors name the row that they came from.

    place: the column's. rows: (m,), of the given table, by number in the selection.
    """

    def __init__(self, place: Place, rows: NDArray[Any]) -> None:
        """Keep what is given."""
        self.place, self._rows = place, rows

    def __enter__(self) -> "Cells":
        """Return itself."""
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Let an error about a cell name its row in the table."""
        if isinstance(error, CellError):
            row = int(self._rows[error.row])
            raise CellError(error.sentence, error.name, row, error.column, error.label) from None


def there(frame: Frame, k: int, name: str, missing_too: bool) -> tuple[Column, Cells]:
    """Return column k, or where values may be missing those that are there; and its cells.

    Raises:
        ColumnError: none is there.
    """
    rows = np.arange(len(frame))
    if missing_too:
        rows = rows[~missing(frame.raw(k))]
        if not len(rows):
            place = frame.place(k, name)
            raise cells.empty("NaN", name, k, place.label)
    found = Cells(frame.place(k, name), rows)
    with found:
        return frame.column(k, name, rows if missing_too else slice(None)), found


def of_others(
    others: Sequence[tuple[Frame, str]], k: int, missing_too: bool
) -> list[tuple[Column, Cells]]:
    """Return column k of other tables by what they are called, as `there`; but of those it has."""
    return [
        there(one, k, called, missing_too)
        for one, called in others
        if not (missing_too and missing(one.raw(k)).all())
    ]


def observed(
    given: Any, mask: NDArray[np.bool_], n: int, D: int, name: str = "given"
) -> Iterator[tuple[int, NDArray[Any], Callable[[], Column], Cells]]:
    """Yield each column of given values with an observed cell, and these cells alone.

    given: a table of n rows, or of one for all, or that row. mask: (D,), or (n, D).

    Yields:
        The column's number; which of the n rows have it; a function that reads it there, so that
        only what is observed is looked at; and its cells.
    """
    frame = given if isinstance(given, Frame) else as_rows(given, n, D)
    mask = np.broadcast_to(mask, (n, D))
    for k in range(D):
        rows = np.flatnonzero(mask[:, k])
        there = rows if len(frame) == n else np.zeros(len(rows), np.intp)
        if len(rows):

            def column(k: int = k, there: NDArray[Any] = there) -> Column:
                return frame.column(k, name, there)

            yield k, rows, column, Cells(frame.place(k, name), there)


def is_part(given: Any, names: Sequence[frames.Name] | None) -> bool:
    """Return whether a table has some columns alone of those with these names, by their names."""
    given = _as_row(given)
    if names is None or not (hasattr(given, "columns") or frames.names_its_own(given)):
        return False
    own = frames.read(given, "given").names
    return own is not None and len(own) < len(names) and set(own) <= set(names)


def spread(given: Any, mask: NDArray[np.bool_], names: Sequence[frames.Name] | None) -> Any:
    """Return a table that has observed columns alone with nothing for the others; others as is.

    names: of all columns; mask: (D,) or (n, D), which are observed.

    Raises:
        ValueError: it lacks a column that is.
    """
    given = _as_row(given)
    if names is None or not is_part(given, names):
        return given
    frame = frames.read(given, "given")
    place = {name: k for k, name in enumerate(frame.names or ())}
    wanted = np.flatnonzero(mask.reshape(-1, len(names)).sum(axis=0)).tolist()
    lacking = [names[k] for k in wanted if names[k] not in place]
    if lacking:
        raise ValueError(
            f"given has no column {lacking[0]!r}, and observed says that it is known; give it, or "
            "leave it out of observed"
        )
    nothing = np.zeros(len(frame))
    return Frame([frame.raw(place[k]) if k in place else nothing for k in names], names)


def values(table: Any) -> Any:
    """Return a `Frame` as an array, categories as what they stand for; any other table as it is."""
    if not isinstance(table, Frame):
        return table
    raws = (table.raw(k) for k in range(table.shape[1]))
    columns = (np.asarray(r.categories)[r.codes] if isinstance(r, Coded) else r for r in raws)
    return np.stack(list(columns), axis=1)


def _as_row(given: Any) -> Any:
    """Return a Series, the values of one row by column, as a table of one row."""
    a_row = hasattr(given, "to_frame") and not hasattr(given, "columns")
    return given.to_frame().T if a_row else given


def as_rows(given: Any, n: int, D: int) -> Frame:
    """Return given values as a table of n rows, or of one for all.

    Raises:
        ValueError: they are of another shape.
    """
    given = _as_row(given)
    if isinstance(given, list | tuple):
        inner = (list, tuple, np.ndarray)
        given = given if any(isinstance(value, inner) for value in given) else [given]
    elif isinstance(given, np.ndarray) and given.ndim == 1 and not given.dtype.names:
        given = given[None]
    frame = frames.read(given, "given")
    if frame.shape not in ((n, D), (1, D)):
        raise ValueError(
            f"given must have shape ({n}, {D}), a row for each sample, or ({D},), one row for all; "
            f"got {frame.shape}"
        )
    return frame


def missing(raw: Raw) -> NDArray[np.bool_]:
    """Return where a column has no value, (N,): NaN, None, NA, or masked."""
    if isinstance(raw, Coded):
        return np.asarray(raw.codes < 0)
    values = np.asarray(raw)
    gone = np.ma.getmaskarray(raw) if isinstance(raw, np.ma.MaskedArray) else False
    if values.dtype.kind == "O":
        return gone | np.fromiter(map(_none, values), bool, len(values))
    return np.asarray(gone | (values != values))


def _none(value: Any) -> bool:
    """Return whether an object stands for no value."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)
