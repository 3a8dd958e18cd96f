"""PyTorch on the host or on the GPU: where a workload is set up, and when a call is done."""

from collections.abc import Callable
from typing import Any

import torch


def use(device: str) -> Any:
    """Return a context in which new tensors live on a device, "cpu" or "cuda".

    It slows every call of PyTorch down a little, so it is for setting up; what is timed names a
    tensor's device where it makes one. Products are float32 on the GPU too, as ours are: cuDNN
    would else round what it multiplies to 11 bits.
    """
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(device)


def forget() -> None:
    """Drop what torch.compile made for workloads before this one.

    It would else take a second size for a sign that shapes vary, compile that one for shapes of
    any size, and after some more compilations of one function give up and run it as it is.
    """
    torch.compiler.reset()


def finished(call: Callable[[], object], device: str) -> Callable[[], object]:
    """Return `call`, back only when the work is done, for PyTorch does not wait for a GPU."""
    if device == "cpu":
        return call

    def work() -> object:
        result = call()
        torch.cuda.synchronize()
        return result

    return work


def vectors() -> str:
    """Return which vector instructions PyTorch's own loops use."""
    return torch.backends.cpu.get_cpu_capability()
