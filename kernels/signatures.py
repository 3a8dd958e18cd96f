"""What a CUDA kernel's parameters are, read from its `.cu` file, so that no array is misread.

A launch hands over addresses: a kernel that takes `const int*` finds every second number 0 where
the array is int64, and nothing says so. So `device.launch` compares each array's dtype with the
kernel's own declaration, found once for each kernel: pointers come first, numbers after.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.types import Array, Bits, Ids, Table

_INCLUDE = re.compile(r'#include "([./\w]+\.cuh)"\n')
_KERNEL = re.compile(r"__global__ void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(([^{]*)\)\s*\{")
_STRIDES = re.compile(r"STRIDES\((\w+)\)")  # kernels/causal_attention/heads.cuh: three steps
_PARAMETER = re.compile(
    r"(?:const )?(REAL|Value|double|float|int|unsigned|long long|Bit)(\*?)(?: __restrict__)? (\w+)"
)
_TYPES: dict[str, np.dtype[Any]] = {
    "double": np.dtype(np.float64),
    "float": np.dtype(np.float32),
    "int": np.dtype(np.int32),
    "unsigned": np.dtype(np.uint32),
    "long long": np.dtype(np.int64),
    "Bit": np.dtype(np.uint8),
}
# What Value is, by the constant VALUE: of tables, kernels/columns/columns.cuh; None is REAL.
_VALUES = (np.dtype(np.uint8), np.dtype(np.int32), None)
Constants = tuple[tuple[str, int], ...]  # compile-time numbers by name


class Signature(NamedTuple):
    """Dtypes of a kernel's arrays and of its numbers, and the arrays' names; which it may write."""

    arrays: tuple[np.dtype[Any], ...]
    scalars: tuple[np.dtype[Any], ...]
    names: tuple[str, ...]
    written: tuple[bool, ...]


def source_text(path: Path) -> str:
    """Return the text of a `.cu` file with each `.cuh` put in place of its include.

    Inlined rather than found by -I, since CuPy's cache of compiled files looks at the text and
    would miss a change in a header.
    """
    return _INCLUDE.sub(lambda m: source_text(path.parent / m[1]), path.read_text("utf-8"))


def kernels_of(source: Path) -> list[str]:
    """Return the names of the kernels in a `.cu` file."""
    return [name for name, _ in _KERNEL.findall(source_text(source))]


@cache
def signature(
    source: Path, kernel: str, real: np.dtype[Any], constants: Constants = ()
) -> Signature:
    """Return what `kernel` of the file `source` takes where REAL is `real`.

    Raises:
        ValueError: it takes something that is neither an array nor a number known here.
    """
    parameters = dict(_KERNEL.findall(source_text(source)))[kernel]
    parameters = _STRIDES.sub(r"long long \1_n, long long \1_t, long long \1_h", parameters)
    arrays: list[np.dtype[Any]] = []
    scalars: list[np.dtype[Any]] = []
    names, written = [], []
    types = {**_TYPES, "Value": _VALUES[dict(constants).get("VALUE", -1)] or real}
    for text in map(" ".join, map(str.split, parameters.split(","))):
        found = _PARAMETER.fullmatch(text)
        if not found:
            raise ValueError(f"{source.name}: {kernel} takes {text!r}, of no known type")
        dtype = types.get(found[1], real)
        if found[2]:
            arrays.append(dtype)
            names.append(found[3])
            written.append(not text.startswith("const"))
        else:
            scalars.append(dtype)
    return Signature(tuple(arrays), tuple(scalars), tuple(names), tuple(written))


def value_of(x: Table, real: np.dtype[Any]) -> int:
    """Return the constant VALUE for a table x beside numbers in `real`.

    Raises:
        TypeError: it is none that kernels read.
    """
    kinds = [dtype or real for dtype in _VALUES]
    if x.dtype not in kinds:
        known = ", ".join(map(str, kinds[:2]))
        raise TypeError(f"x must be {known} or {real} on a GPU, got {x.dtype}; convert it first")
    return kinds.index(x.dtype)


def misread(wanted: Signature, kernel: str, arrays: tuple[Array | Bits | Ids, ...]) -> TypeError:
    """Return the error for arrays whose dtypes are not those that the kernel reads."""
    if len(arrays) != len(wanted.arrays):
        return TypeError(f"{kernel} takes {len(wanted.arrays)} arrays, got {len(arrays)}")
    pairs = zip(wanted.names, wanted.arrays, arrays, strict=True)
    name, dtype, got = next((n, w, a.dtype) for n, w, a in pairs if a.dtype != w)
    return TypeError(f"{kernel}: {name} must be {dtype} on a GPU, got {got}; convert it first")
