"""A stand-in for CuPy whose arrays live on the host: NumPy arrays that say they are on a GPU.

With `installed()`, dispatch picks `cuda` for such arrays and the engine's `array_module` finds
this module. It is as strict as CuPy where that matters: an operation on a fake device array and a
host array raises, and so does writing one into the other. What it hands out empty is filled with
NaN, so an output that a kernel forgets to write shows.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np


class DeviceArray(np.ndarray):
    """A NumPy array with CuPy's mark and CuPy's refusal to mix with the host."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """What dispatch looks for."""
        return {**self.__array_interface__, "version": 3}

    @property
    def data(self) -> SimpleNamespace:
        """Where the numbers start, and on which device, as CuPy says it."""
        return SimpleNamespace(ptr=self.ctypes.data, device_id=0)

    def get(self) -> np.ndarray:
        """Return a copy on the host."""
        return np.array(self).view(np.ndarray)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply `ufunc` to device arrays and scalars, nothing else."""
        out = kwargs.pop("out", ())
        for a in (*inputs, *out):
            _refuse_host(a)
        if out:
            kwargs["out"] = tuple(_host_view(o) for o in out)
        result = getattr(ufunc, method)(*map(_host_view, inputs), **kwargs)
        return out[0] if len(out) == 1 else _device_view(result)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write a device array or a scalar."""
        _refuse_host(value)
        super().__setitem__(index, value)


def _refuse_host(a: Any) -> None:
    if isinstance(a, np.ndarray) and not isinstance(a, DeviceArray) and a.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: a host array beside a GPU array")


def _host_view(a: Any) -> Any:
    return a.view(np.ndarray) if isinstance(a, DeviceArray) else a


def _device_view(a: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(map(_device_view, a))
    if isinstance(a, np.ndarray | np.generic):  # CuPy has no scalars, only arrays of no dimension
        return np.asarray(a).view(DeviceArray)
    return a


def to_device(a: Any, misaligned: bool = False) -> DeviceArray:
    """Return a copy of `a`; with `misaligned`, one that no wide load may touch."""
    a = np.asarray(a)
    skip = a.itemsize if misaligned else 0
    room = np.empty(skip + a.nbytes, np.uint8)  # no byte more: AddressSanitizer watches its ends
    copy = room[skip:].view(a.dtype).reshape(a.shape).view(DeviceArray)
    copy[...] = _device_view(a)
    return copy


def empty(shape: Any, dtype: Any = float) -> DeviceArray:
    """Return an array full of NaN, or of 255 in each byte of an integer."""
    a = np.empty(shape, dtype)
    a.reshape(-1).view(np.uint8)[...] = 0xFF
    return a.view(DeviceArray)


class FakeStream:
    """A stream that does at once what it is given."""

    capturing = False  # whether it says that it records a graph

    def is_capturing(self) -> bool:
        """Return whether it does."""
        return self.capturing

    def synchronize(self) -> None:
        """Wait for nothing."""


STREAM = FakeStream()


class FakeCupy:
    """NumPy's functions on device arrays."""

    ndarray = DeviceArray
    empty = staticmethod(empty)
    asarray = array = staticmethod(to_device)
    asnumpy = staticmethod(DeviceArray.get)
    cuda = SimpleNamespace(
        get_current_stream=lambda: STREAM,
        runtime=SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError),
    )

    def __getattr__(self, name: str) -> Any:
        """Return NumPy's `name`, refusing host arrays and returning device arrays."""
        value = getattr(np, name)
        if isinstance(value, type) or not callable(value):
            return value

        def function(*args: Any, **kwargs: Any) -> Any:
            out = kwargs.get("out")
            for a in (*args, out):
                _refuse_host(a)
            if out is not None:
                value(*map(_host_view, args), **kwargs | {"out": _host_view(out)})
                return out
            return _device_view(value(*map(_host_view, args), **kwargs))

        return function


@contextmanager
def installed() -> Iterator[FakeCupy]:
    """Let `import cupy` find the stand-in inside the block."""
    real, fake = sys.modules.get("cupy"), FakeCupy()
    sys.modules["cupy"] = fake  # type: ignore[assignment]
    try:
        yield fake
    finally:
        if real is None:
            del sys.modules["cupy"]
        else:
            sys.modules["cupy"] = real
