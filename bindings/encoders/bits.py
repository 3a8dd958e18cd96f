"""Rows of 0 and 1: a threshold, the order of the columns, and their names."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import gaps, partial, validation
from chainrule.encoders.base import Encoder
from chainrule.engine import ordering
from chainrule.engine.event import Columns
from chainrule.kernels import types


class Bits(Encoder):
    """Between tables of 0 and 1, or of numbers and a threshold, and uint8 in the model's order.

    Args:
        binarize: None if data are 0 and 1, else the threshold t of x > t.
        order: of the columns, or its name, for `engine.ordering`; seed: that of a random one.
        missing: whether values may be missing: NaN, None or NA in the data, and in arrays what
            `engine.event` has for it.

    Attributes:
        order: (D,), the model's variable k is column order[k] of the data.
        names: of the columns, where the data name them; else None.
    """

    unit, per = "bit", "row"

    def __init__(
        self, binarize: Any = None, order: Any = None, seed: int = 0, missing: bool = False
    ) -> None:
        """Keep the settings; nothing is learnt yet."""
        self.binarize, self._ordering, self._seed = binarize, order, seed
        self._missing = missing
        self.names: Sequence[str] | None = None
        self.order: ordering.Order

    def learn(self, X: Any, name: str = "X") -> Self:
        """Learn the number of columns; see `Encoder`."""
        table = validation.as_table(X, name)
        self.order = ordering.make(self._ordering, table.shape[1], self._seed)
        gaps.check_columns(table, name)
        return self

    @property
    def dims(self) -> int:  # type: ignore[override]
        """D, the number of columns."""
        return len(self.order)

    @property
    def event(self) -> Columns:
        """D bits."""
        return Columns.bits(self.dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x."""
        return self.event.dtype

    def check(self, X: Any, name: str = "X") -> None:
        """Raise what `encode` would raise, without the memory that its result takes."""
        table = validation.as_table(X, name)
        validation.check_bits(
            gaps.filled(table)[0] if self._missing else table, self.binarize, name
        )

    def encode(self, X: Any, name: str = "X") -> types.Bits:
        """Return rows, (N, D) uint8 of 0 and 1, columns in the model's order; see `as_bits`."""
        moved, lacking = None if ordering.is_raster(self.order) else self.order, None
        if self._missing:
            X, lacking = gaps.filled(validation.as_table(X, name))
        rows = validation.as_bits(X, self.binarize, name, moved)
        if lacking is not None:
            rows = np.where(self.arrange(lacking), rows.dtype.type(self.event.missing), rows)
        return rows

    def observed(self, X: Any, name: str = "X") -> NDArray[np.bool_]:
        """Return where a table has values, (N, D), columns as in the data."""
        table = validation.as_table(X, name)
        lacking = gaps.filled(table)[1]
        return np.ones(table.shape, bool) if lacking is None else ~lacking

    def encode_given(self, given: Any, mask: NDArray[np.bool_], n: int) -> types.Bits:
        """Return values of which some are observed as n rows in the model's order."""
        given = partial.values(partial.spread(given, mask, self.names))
        return self.arrange(validation.as_given(given, mask, n, self.binarize))  # type: ignore[no-any-return]

    def arrange(self, x: Any) -> Any:
        """Return x, whose last axis are the data's columns, in the model's order."""
        return ordering.apply(self.order, x)

    def undo(self, x: Any) -> Any:
        """Return x, (N, D) or (N, D, …) of the model's variables, in the order of the columns."""
        return ordering.undo(self.order, x, axis=1)

    decode = undo

    def describe(self) -> str:
        """Return what the data are, in words."""
        return f"rows of {self.dims} bits"

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it; the threshold stands among the hyper-parameters."""
        names = None if self.names is None else [str(name) for name in self.names]
        return {"order": self.order.tolist(), "feature_names": names}

    def of_json(self, values: dict[str, Any], D: int) -> Self:
        """Take what `as_json` made, here or of chainrule 0.1.0, for D columns; return itself.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        order, names = np.asarray(values["order"]), values.get("feature_names")
        if order.dtype.kind != "i" or not np.array_equal(np.sort(order), np.arange(D)):
            raise ValueError("its order of the variables is no permutation")
        if names is not None and not isinstance(names, list):
            raise TypeError("its metadata are damaged")
        if names is not None and len(names) != D:
            raise ValueError("it names other columns than it has")
        self.order = order.astype(np.intp)
        self.names = None if names is None else [str(name) for name in names]
        return self
