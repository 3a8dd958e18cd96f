"""Choose the implementation of an operation. The only code that knows backends exist.

Three rules, and no silent copy between host and device:

1. Arrays on the GPU run `cuda`; nothing else can read them.
2. Arrays on the host run what `use_backend` asked for, else `cpu` (Numba).
3. A backend asked for by name never falls back to another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

HOST_BACKENDS = ("reference", "cpu")
_host_backend: ContextVar[str] = ContextVar("chainrule_host_backend", default="cpu")


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run host arrays on `name` ("reference" or "cpu") inside the block.

    The choice belongs to the calling thread and the threads it splits its work over.
    GPU arrays are not affected: they always run `cuda`.
    """
    if name not in HOST_BACKENDS:
        raise ValueError(f"backend must be one of {HOST_BACKENDS}, got {name!r}")
    token = _host_backend.set(name)
    try:
        yield
    finally:
        _host_backend.reset(token)


def on_device(array: object) -> bool:
    """Return whether `array` lives on a GPU."""
    kind: Any = type(array)
    return _is_of_device(kind)


@cache
def _is_of_device(kind: Any) -> bool:
    """Return whether arrays of a type live on a GPU; from the second time on for nothing.

    Of the type: on a CuPy array the attribute is a property, which takes microseconds.
    """
    return hasattr(kind, "__cuda_array_interface__")


def array_module(*arrays: object) -> Any:
    """Return the module, numpy or cupy, whose functions take these arrays."""
    if not any(on_device(a) for a in arrays):
        return np
    import cupy

    return cupy


def select(op: str, *arrays: object) -> ModuleType:
    """Return the module that implements package `op` for these arrays.

    Raises:
        TypeError: some arrays are on the host and some on the GPU.
    """
    sides = {on_device(a) for a in arrays}
    if len(sides) > 1:
        name = op.rpartition(".")[2]
        raise TypeError(f"{name}: arrays are on both host and GPU; move them all to one side first")
    return _imported(f"{op}.{'cuda' if sides == {True} else _host_backend.get()}")


@cache
def _imported(name: str) -> ModuleType:
    """Return a module, from the second time on at a tenth of `import_module`'s price."""
    return import_module(name)
