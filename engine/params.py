"""A model's parameters: named views into one contiguous buffer.

So one fused Adam call updates everything, one sum shares a gradient between threads, one
finite-difference loop checks it, one file stores it. A gradient is a `Params` of the same layout.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

Shapes = Mapping[str, tuple[int, ...]]


class Params(Mapping[str, Array]):
    """Arrays by name, each a view into `flat`, in the order of `shapes`.

    Args:
        shapes: name to shape. The order is the layout: arrays to which weight decay applies
            come first, so that they are one leading range of `flat`.
        flat: the buffer, (size,), NumPy or CuPy; zeros of `dtype` on the host if not given.
        dtype: float32 or float64; read off `flat` if that is given.

    Example:
        >>> p = Params({"W": (2, 3), "b": (2,)})
        >>> p["W"][:] = 1
        >>> float(p.flat.sum()), p.size
        (6.0, 8)
    """

    def __init__(self, shapes: Shapes, flat: Any = None, dtype: Any = np.float32) -> None:
        """Lay the arrays out end to end."""
        self.shapes = dict(shapes)
        self.size = sum(prod(shape) for shape in self.shapes.values())
        self.flat: Array = np.zeros(self.size, dtype) if flat is None else flat
        if self.flat.shape != (self.size,):
            raise ValueError(f"flat must have shape ({self.size},), got {self.flat.shape}")
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            self._views[name] = self.flat[start : start + prod(shape)].reshape(shape)
            start += prod(shape)

    def __getitem__(self, name: str) -> Array:
        """Return the array called `name`: a view, so writing into it changes `flat`."""
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of the layout."""
        return iter(self._views)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self._views)

    def __repr__(self) -> str:
        """Return names, shapes and dtype."""
        arrays = ", ".join(f"{name}{shape}" for name, shape in self.shapes.items())
        return f"Params({arrays}, {self.flat.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the buffer alone: views copied one by one would no longer share it."""
        return Params, (self.shapes, self.flat)

    @property
    def dtype(self) -> Any:
        """The dtype of every array."""
        return self.flat.dtype

    def like(self) -> "Params":
        """Return zeros of the same layout, dtype and device: a gradient to be filled."""
        return Params(self.shapes, array_module(self.flat).zeros_like(self.flat))

    def copy(self) -> "Params":
        """Return a copy with a buffer of its own."""
        return Params(self.shapes, self.flat.copy())

    def leading(self, names: tuple[str, ...]) -> int:
        """Return how many entries of `flat` the first arrays hold, which must be `names`.

        A name also stands for the arrays of further layers, called by it and a number: "W" for
        "W2", "W3", … beside "W", so that a model's WEIGHTS need not know how deep a network is. Of
        names for several networks, those count that there are, one at least.
        """
        first = [k for k in self.shapes if k in names or k.rstrip("0123456789") in names]
        exact = tuple(k for k in first if k in names)
        there = tuple(name for name in names if name in self.shapes)
        known = exact == there and (there or not names)
        if not known or tuple(self.shapes)[: len(first)] != tuple(first):
            raise ValueError(f"{names} must be the first arrays of {tuple(self.shapes)}")
        return sum(prod(self.shapes[name]) for name in first)
