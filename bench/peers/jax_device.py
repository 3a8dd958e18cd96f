"""JAX on the host or on the GPU: where a workload is set up, and when a call is done."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else 3/4 of a GPU's memory
import jax

from bench.isa import widest


def use(device: str) -> AbstractContextManager[None]:
    """Put everything from now on on a device, "cpu" or "cuda".

    Products are float32 on the GPU too, as ours are; JAX would else round their factors.
    """
    jax.config.update("jax_default_device", jax.devices(device)[0])
    jax.config.update("jax_default_matmul_precision", "highest")
    return nullcontext()


def finished(call: Callable[[], object], device: str) -> Callable[[], object]:
    """Return `call`: those of our JAX peers wait for their results."""
    return call


def vectors() -> str:
    """Return which vector instructions XLA is held to, or the processor's widest: it tells none."""
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if "max_isa" in f]
    return flags[-1].partition("=")[2] if flags else f"{widest()}, the widest it finds"
