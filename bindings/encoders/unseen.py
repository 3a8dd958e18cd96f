"""Categories that training never saw: where a table has them, and that table without them.

Of such a category a model has no probability, and refuses it (`variables.Category.encode`): so do
scikit-learn's encoders unless they are told otherwise. A detector is there for what is new, and
takes its probability for 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import coded, partial, warned
from chainrule.encoders.cells import CellError
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.frames import Frame
from chainrule.encoders.variables import Category


class UnseenWarning(DataWarning):
    """A category never seen in training, which scores as what cannot be.

    Attributes:
        cell: the error that the model itself would raise, which knows its place.
    """

    def __init__(self, cell: CellError) -> None:
        """Take the cell."""
        super().__init__(str(cell))
        self.cell = cell


def where(columns: AnyColumns, frame: Frame, lacking: bool = False, name: str = "X") -> Any:
    """Return which cells hold a category that is none of their column's, (N, D); None: no cell.

    lacking: whether cells may be empty. Of a table of bits other numbers are no categories, and
    the model says so.

    Raises:
        ValueError, TypeError: a column that cannot be read at all.
    """
    if all(variable.type == "binary" for variable in columns.variables):
        return None
    found = np.zeros(frame.shape, bool)
    for k, variable in enumerate(columns.variables):
        rows = np.arange(len(frame))
        if lacking:
            rows = rows[~partial.missing(frame.raw(k))]
        if isinstance(variable, Category) and len(rows):
            column, cells = partial.there(frame, k, name, lacking)
            with cells:
                found[rows, k] = variable.codes(column) < 0
    return found if found.any() else None


def warn(frame: Frame, cells: NDArray[np.bool_], name: str = "X") -> None:
    """Warn of the first such cell of each column that has one; cells: what `where` found."""
    for k in np.flatnonzero(cells.any(axis=0)).tolist():
        row = int(np.argmax(cells[:, k]))
        value = coded.cells(frame.raw(k, slice(row, row + 1)))[0]
        value = value.item() if isinstance(value, np.generic) else value
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        error = frame.place(k, name).cell(
            f"{{name}} holds {value!r} at {{place}}, a category never seen in training, of "
            "probability 0, so that its row scores -inf, as odd as can be",
            row,
        )
        warned.warn(UnseenWarning(error))


def filled(frame: Frame, cells: NDArray[np.bool_], values: NDArray[Any]) -> Frame:
    """Return a table with other values in some cells, (N, D) bool; values: (N, D), of objects."""
    raws: list[Any] = []
    for k in range(frame.shape[1]):
        raw, rows = frame.raw(k), cells[:, k]
        if rows.any():
            raw = np.array(coded.cells(raw), object)
            raw[rows] = values[rows, k]
        raws.append(raw)
    return Frame(raws, frame.names)
