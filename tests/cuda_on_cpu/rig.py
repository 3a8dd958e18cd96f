"""Launch CUDA kernels on the CPU: a launcher for `chainrule.kernels.device.use_launcher`.

g++ compiles the unchanged `.cu` file against `cuda_on_cpu.h`, once for each set of options; ctypes
calls it with the grid, block, shared bytes and arguments of the wrappers' own plans.

It finds missing barriers, reliance on warps in lockstep, reading shared memory before writing it,
returning before a barrier, warp operations that not all lanes reach, blocks that depend on each
other, wrong indices, and, built with sanitizers, out-of-bounds and misaligned accesses. It cannot
find two threads that change one address with no barrier between, since fibers switch at barriers
only, nor two blocks that write the same place, since one runs after another; nor anything about
memory ordering (a missing __syncwarp next to a shuffle or ballot, say), speed, or the device's own
exp and fused operations.
"""

import ctypes
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, options, source_text

HERE = Path(__file__).parent
ORDERS = range(6)  # in which the threads of a block run: cuda_on_cpu.cpp

FLAGS = ("-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-strict-aliasing")
SANITIZE = ("-O0", "-fsanitize=address,alignment", "-fno-sanitize-recover=alignment")

# The one change made to a source: dynamic shared memory is declared as an array of no size, which
# here becomes a pointer to the block's buffer.
_DYNAMIC = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")
_POINTER = r"\1* \2 = static_cast<\1*>(cuda_on_cpu::dynamic_shared);"
_KERNEL = re.compile(r"__global__ void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(")


class RigError(RuntimeError):
    """A kernel did what it must not: an unreached barrier, an early return, a deadlock."""


class Rig:
    """Compiles into `folder` and launches in the thread order `order`."""

    def __init__(self, folder: Path, flags: tuple[str, ...] = ()) -> None:
        """Keep libraries in `folder`; `flags` are added to every compilation."""
        self.folder, self.flags, self.order = folder, (*FLAGS, *flags), 0
        self._libraries: dict[tuple[Path, tuple[str, ...]], ctypes.CDLL] = {}

    def __call__(self, source: Path, plan: Plan, arrays: tuple[Any, ...]) -> None:
        """Run `plan` on `arrays`; the launcher's signature."""
        function = getattr(self.library(source, plan), f"{plan.kernel}_on_cpu")
        grid = (ctypes.c_uint * 3)(*plan.grid, *[1] * (3 - len(plan.grid)))
        held = [_argument(a) for a in (*arrays, *plan.scalars)]
        args = (ctypes.c_void_p * len(held))(*(ctypes.addressof(h) for h in held))
        shared = ctypes.c_size_t(plan.shared_bytes)
        if function(ctypes.byref(grid), plan.block, shared, self.order, args):
            message = self.library(source, plan).cuda_on_cpu_message
            message.restype = ctypes.c_char_p
            raise RigError(f"{plan.kernel}: {message().decode()}")

    def library(self, source: Path, plan: Plan) -> ctypes.CDLL:
        """Return the shared library with every kernel of `source`, compiled for `plan`."""
        key = (source, options(plan))
        if key not in self._libraries:
            self._libraries[key] = ctypes.CDLL(str(self.build(source, options(plan))))
        return self._libraries[key]

    def build(self, source: Path, compiler_options: tuple[str, ...]) -> Path:
        """Compile `source` and return the library; kept as long as nothing that goes in changes."""
        text = _DYNAMIC.sub(_POINTER, source_text(source))
        exports = "".join(f"CUDA_ON_CPU_EXPORT({name})\n" for name in _KERNEL.findall(text))
        text = f'#include "cuda_on_cpu.h"\n#line 1 "{source.name}"\n{text}\n{exports}'
        return self._compile(text, source.stem, ".so", ("-shared", *compiler_options))

    def _compile(self, text: str, name: str, ending: str, extra: tuple[str, ...]) -> Path:
        scheduler = HERE / "cuda_on_cpu.cpp"
        inputs = [text, *self.flags, *extra, (HERE / "cuda_on_cpu.h").read_text()]
        digest = hashlib.sha256("\0".join((*inputs, scheduler.read_text())).encode())
        out = self.folder / f"{name}-{digest.hexdigest()[:16]}{ending}"
        if not out.exists():
            code = out.with_suffix(".cpp")
            code.write_text(text)
            link = () if ending == ".o" else (str(self._scheduler()),)
            command = [
                "g++",
                *self.flags,
                *extra,
                f"-I{HERE}",
                str(code),
                *link,
                "-o",
                f"{out}.tmp",
            ]
            subprocess.run(command, check=True)
            Path(f"{out}.tmp").rename(out)
        return out

    def _scheduler(self) -> Path:
        text = (HERE / "cuda_on_cpu.cpp").read_text()
        return self._compile(text, "scheduler", ".o", ("-c", "-std=c++17"))


def _argument(value: Any) -> Any:
    """Return a ctypes object that holds an array's address or a NumPy scalar."""
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
