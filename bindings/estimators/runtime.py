"""Where an estimator's work runs: the backend, the threads, and moving arrays to and from a GPU."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.params import Params
from chainrule.kernels.dispatch import HOST_BACKENDS, on_device, use_backend
from chainrule.kernels.threads import use_threads

BACKENDS = (*HOST_BACKENDS, "cuda")


def array_module(backend: str) -> Any:
    """Return the module, numpy or cupy, that holds the arrays of a backend.

    Raises:
        RuntimeError: "cuda" without CuPy or without a device. Nothing falls back to the CPU.
    """
    if backend != "cuda":
        return np
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        raise RuntimeError(
            "backend='cuda' needs CuPy, which cannot be imported; install chainrule[cuda13] or "
            "chainrule[cuda12], whichever your driver supports, or use backend='cpu'"
        ) from error
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        n_devices = 0
    if n_devices == 0:
        raise RuntimeError("backend='cuda' found no CUDA device; use backend='cpu' here")
    return cupy


@contextmanager
def resources(backend: str, n_threads: int | None) -> Iterator[None]:
    """Run the block on a backend, host work on n_threads threads (None: one a core)."""
    with ExitStack() as stack:
        if backend != "cuda":  # the device follows the arrays
            stack.enter_context(use_backend(backend))
        if n_threads is not None:
            stack.enter_context(use_threads(n_threads))
        yield


def to_host(array: Any) -> NDArray[Any]:
    """Return an array of either side as a NumPy array; a NumPy array as it is."""
    host: NDArray[Any] = array.get() if on_device(array) else array
    return host


def parameters(params: Params, backend: str) -> Params:
    """Return parameters on the backend's side, and writeable.

    Read-only ones, of an estimator that joblib has mapped or handed to a worker, are copied: to
    Numba they are of another type, for which it would compile every kernel once more.
    """
    flat = array_module(backend).asarray(params.flat)
    return Params(params.shapes, np.require(flat, requirements="W") if backend != "cuda" else flat)
