"""Launch CUDA kernels on the CPU: a launcher for `chainrule.kernels.device.use_launcher`.

g++ compiles the unchanged `.cu` file against `cuda_on_cpu.h`, once for each set of options; ctypes
calls it with the grid, block, shared bytes and arguments of the wrappers' own plans.

It finds missing barriers, reliance on warps in lockstep, reading shared memory before writing it,
returning before a barrier, warp operations that not all lanes reach, blocks that depend on each
other, wrong indices, and, built with sanitizers, out-of-bounds and misaligned accesses.

What no order of the threads shows, since fibers switch at barriers only and one block runs after
another, `Rig(folder, races=True)` finds by another way (races.cpp): two accesses of one place, at
least one of them a write, with neither a __syncthreads nor, in a warp, a __syncwarp between. So two
threads that change one number, two blocks that write the same place, and a shuffle or a ballot
taken for a fence, are a RigError that names both lines. Not looked at: atomic operations, of which
the kernels have none; barriers of some lanes of a warp are taken for those of all.

Neither finds anything about speed, or the device's own exp and fused operations.
"""

import ctypes
import hashlib
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, current_device, options
from chainrule.kernels.signatures import kernels_of, signature, source_text

HERE = Path(__file__).parent
ORDERS = range(6)  # in which the threads of a block run: cuda_on_cpu.cpp

FLAGS = ("-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-strict-aliasing")
SANITIZE = ("-O0", "-fsanitize=address,alignment", "-fno-sanitize-recover=alignment")

# Calls before every access, which races.cpp takes; line numbers as addr2line reads them.
WATCHED = ("-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0", "-gdwarf-4")

MOST_THREADS, MOST_BLOCKS = 1024, 65535  # of a block; along a grid's y and z

# The one change made to a source: dynamic shared memory is declared as an array of no size, which
# here becomes a pointer to the block's buffer.
_DYNAMIC = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")
_POINTER = r"\1* \2 = static_cast<\1*>(cuda_on_cpu::dynamic_shared);"
_CODE = re.compile(r"\+0x[0-9a-f]+")


class RigError(RuntimeError):
    """A kernel did what it must not: an unreached barrier, an early return, a deadlock, a race."""


def check_plan(source: Path, plan: Plan) -> None:
    """Raise RigError for a plan that is not the kernel's, or that its device has no room for."""
    scalars = tuple(s.dtype for s in plan.scalars)
    if scalars != signature(source, plan.kernel, plan.dtype, plan.constants).scalars:
        raise RigError(f"{plan.kernel}: the plan's numbers are not those that it takes")
    most = current_device().shared_bytes
    if plan.shared_bytes > most:
        raise RigError(f"{plan.kernel}: {plan.shared_bytes} bytes of shared memory, of {most}")
    if plan.block > MOST_THREADS or any(n > MOST_BLOCKS for n in plan.grid[1:]):
        raise RigError(f"{plan.kernel}: no GPU takes a grid of {plan.grid} by {plan.block}")


class Rig:
    """Compiles into `folder` and launches in the thread order `order`; `races` looks for them.

    accesses: how many were looked at, by kernel, where races are looked for.
    """

    def __init__(self, folder: Path, flags: tuple[str, ...] = (), races: bool = False) -> None:
        """Keep libraries in `folder`; `flags` are added to every compilation."""
        self.folder, self.flags, self.order = folder, (*FLAGS, *flags), 0
        self.races, self.accesses = races, Counter[str]()
        self._libraries: dict[tuple[Path, tuple[str, ...]], ctypes.CDLL] = {}

    def __call__(self, source: Path, plan: Plan, arrays: tuple[Any, ...]) -> None:
        """Run `plan` on `arrays`; the launcher's signature."""
        check_plan(source, plan)
        library = self.library(source, plan)
        function = getattr(library, f"{plan.kernel}_on_cpu")
        grid = (ctypes.c_uint * 3)(*plan.grid, *[1] * (3 - len(plan.grid)))
        held = [_argument(a) for a in (*arrays, *plan.scalars)]
        args = (ctypes.c_void_p * len(held))(*(ctypes.addressof(h) for h in held))
        shared = ctypes.c_size_t(plan.shared_bytes)
        for start, end, grain in _extents(arrays) if self.races else ():
            library.cuda_on_cpu_watch(*map(ctypes.c_size_t, (start, end - start, grain)))
        failed = function(ctypes.byref(grid), plan.block, shared, self.order, args)
        if self.races:
            library.cuda_on_cpu_accesses.restype = ctypes.c_size_t
            self.accesses[plan.kernel] += library.cuda_on_cpu_accesses()
        if failed:
            library.cuda_on_cpu_message.restype = ctypes.c_char_p
            raise RigError(f"{plan.kernel}: {_with_lines(library, source)}")

    def library(self, source: Path, plan: Plan) -> ctypes.CDLL:
        """Return the shared library with every kernel of `source`, compiled for `plan`."""
        key = (source, options(plan))
        if key not in self._libraries:
            self._libraries[key] = ctypes.CDLL(str(self.build(source, options(plan))))
        return self._libraries[key]

    def build(self, source: Path, compiler_options: tuple[str, ...]) -> Path:
        """Compile `source` and return the library; kept as long as nothing that goes in changes."""
        text = _DYNAMIC.sub(_POINTER, source_text(source))
        exports = "".join(f"CUDA_ON_CPU_EXPORT({name})\n" for name in kernels_of(source))
        text = f'#include "cuda_on_cpu.h"\n#line 1 "{source.name}"\n{text}\n{exports}'
        if not self.races:
            return self._compile(text, source.stem, ("-shared", *compiler_options, *self._rest()))
        kernels = self._compile(text, source.stem, ("-c", *WATCHED, *compiler_options))
        # By itself, since with -fsanitize=thread g++ would link ThreadSanitizer.
        return self._compile("", source.stem, ("-shared", str(kernels), *self._rest()))

    def _rest(self) -> tuple[str, ...]:
        parts = ("cuda_on_cpu.cpp", "races.cpp")
        texts = ((HERE / part).read_text() for part in parts)
        options = ("-c", "-O2", "-std=c++17")
        return tuple(
            str(self._compile(text, Path(part).stem, options))
            for text, part in zip(texts, parts, strict=True)
        )

    def _compile(self, text: str, name: str, extra: tuple[str, ...]) -> Path:
        """Return what g++ makes of `text`; other processes may be at the same."""
        inputs = [text, *self.flags, *extra, (HERE / "cuda_on_cpu.h").read_text()]
        digest = hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:16]
        out = self.folder / f"{name}-{digest}{'.o' if '-c' in extra else '.so'}"
        if not out.exists():
            with TemporaryDirectory(dir=self.folder) as scratch:
                code, made = Path(scratch, f"{name}.cpp"), Path(scratch, out.name)
                code.write_text(text)
                command = ["g++", *self.flags, f"-I{HERE}", str(code), *extra, "-o", str(made)]
                subprocess.run(command, check=True)
                os.replace(made, out)
        return out


def _argument(value: Any) -> Any:
    """Return a ctypes object that holds an array's address or a NumPy scalar."""
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())


def _extents(arrays: tuple[Any, ...]) -> list[tuple[int, int, int]]:
    """Return first byte, end and grain of the arrays; views of one buffer are taken together."""
    merged: list[tuple[int, int, int]] = []
    bounds = ((*np.lib.array_utils.byte_bounds(a), min(4, a.itemsize)) for a in arrays if a.size)
    for start, end, grain in sorted(bounds):
        if merged and start < merged[-1][1]:
            first, last, finer = merged.pop()
            start, end, grain = first, max(last, end), min(finer, grain)
        merged.append((start, end, grain))
    return merged


def _with_lines(library: ctypes.CDLL, source: Path) -> str:
    """Return the library's message with places in its code as the lines that stand there."""
    code = ["", *source_text(source).splitlines()]

    def lines(match: re.Match[str]) -> str:
        command = ["addr2line", "-i", "-e", library._name, match[0][1:]]  # inlined, and where into
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        numbers = re.findall(rf"{re.escape(source.name)}:(\d+)", done.stdout)
        return " in ".join(f"`{code[int(number)].strip()}`" for number in numbers)

    return _CODE.sub(lines, library.cuda_on_cpu_message().decode())
