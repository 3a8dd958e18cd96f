"""Real numbers as they are: rows or images for a model that takes any numbers, none of them coded.

| X | is |
|---|---|
| (N, D) | D numbers a row, or with `image_shape` the pixels of an image, row by row |
| (N, R, S), (N, R, S, C) | images, in colour the channels last |
"""

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import images, pixels, sizes, validation
from chainrule.encoders.base import Encoder
from chainrule.encoders.cells import CellError, not_finite
from chainrule.engine.event import RealInputs


class RealValues(Encoder):
    """Between rows or images of numbers and arrays of one float dtype, (N, *shape).

    Args:
        image_shape: (R, S) or (R, S, C) of rows; None: as they come.
        flat: whether rows of numbers are no images, where nobody says that they are.

    Attributes:
        shape: (R, S, C) of images, (D,) of rows. form: the shape of one as it came.
        names: of columns, where rows had such.
    """

    unit, per = "number", "row"

    def __init__(self, image_shape: tuple[int, ...] | None = None, flat: bool = True) -> None:
        """Keep what is known of the shape; nothing is learnt yet."""
        self.image_shape, self.flat = image_shape, flat
        self.names: Sequence[str] | None = None
        self.shape: tuple[int, ...]
        self.form: tuple[int, ...]

    @property
    def dims(self) -> int:  # type: ignore[override]
        """D, the numbers of a row or image."""
        return prod(self.shape)

    @property
    def event(self) -> RealInputs:
        """Numbers of which one class could be told: how many there are is not the data's to say."""
        return RealInputs(self.shape, 1)

    def learn(self, X: Any, name: str = "X") -> Self:
        """Learn the shape; see `Encoder`."""
        data = images.as_images(X, name)
        self.form = data.shape[1:]
        rows = len(self.form) == 1 and self.image_shape is None and self.flat
        self.shape = self.form if rows else sizes.of(self.form, self.image_shape, name)
        return self

    def read(self, X: Any, name: str = "X") -> Any:
        """Return X as an array or sparse matrix like what was learnt, not yet encoded."""
        return images.like(X, self.dims, self.shape, name, self.names)

    def encode(self, X: Any, name: str = "X", dtype: Any = np.float32) -> NDArray[Any]:
        """Return rows or images as numbers, (N, *shape); see `Encoder`."""
        data = self.read(X, name)
        table = data if data.ndim == 2 else data.reshape(len(data), -1)
        rows = np.empty(table.shape, dtype)
        for lo, part in validation.dense(table, name):
            error = not_finite(part, name, lo)
            if error is not None:
                place = self._place(error.column)
                raise CellError(error.sentence, error.name, error.row, error.column, place)
            rows[lo : lo + len(part)] = part
        return rows.reshape(-1, *self.shape)

    def decode(self, x: Any) -> Any:
        """Return a number for each of the inputs in the form that they came in."""
        return x.reshape(len(x), *self.form)

    def describe(self) -> str:
        """Return what the data are, in words."""
        if len(self.shape) == 1:
            return f"rows of {self.dims} numbers"
        R, S, C = self.shape
        return f"images of {R}×{S} pixels of {C} channel{'s' * (C > 1)}"

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        names = None if self.names is None else [str(name) for name in self.names]
        return {"inputs": {"shape": list(self.shape), "form": list(self.form)}} | {
            "feature_names": names
        }

    def of_json(self, values: dict[str, Any], shape: tuple[int, ...]) -> Self:
        """Take what `as_json` made, for a model's shape; return itself.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        inputs, names = values["inputs"], values.get("feature_names")
        self.shape, self.form = (tuple(inputs[key]) for key in ("shape", "form"))
        known = {(self.dims,), self.shape, *([self.shape[:2]] if self.shape[2:] == (1,) else [])}
        if self.shape != shape or self.form not in known:
            raise ValueError("its inputs are of other sizes than its model's")
        if names is not None and (not isinstance(names, list) or len(names) != self.dims):
            raise ValueError("it names other columns than it has")
        self.names = None if names is None else [str(name) for name in names]
        return self

    def _place(self, column: int) -> Any:
        """Return what errors call a number: its indices in an image, or its column's name."""
        if len(self.form) == 1:
            return None if self.names is None else self.names[column]
        return pixels.Indices(map(int, np.unravel_index(column, self.form)))
