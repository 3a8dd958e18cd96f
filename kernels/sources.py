"""The kernels' sources: a digest of them, and whether what Python has loaded is what it is of."""

import hashlib
import platform
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import llvmlite
import numba

SOURCES = Path(__file__).parent
PACKAGE = __name__.rpartition(".")[0]


@cache
def _texts() -> dict[Path, str]:
    """Return the SHA-256 of each kernel source as it is when this process first asks."""
    paths = sorted(SOURCES.rglob("*.py"))
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@cache
def digest() -> str:
    """Return what the code of every kernel depends on besides the processor, as a name."""
    versions = (sys.version, platform.machine(), numba.__version__, llvmlite.__version__)
    texts = ((path.relative_to(SOURCES).as_posix(), text) for path, text in _texts().items())
    return hashlib.sha256(repr((versions, *texts)).encode()).hexdigest()[:16]


_checked: dict[str, bool] = {}  # what came of the comparison, by module


def trusted() -> bool:
    """Return whether all that Python has loaded of the kernels is what `digest` was taken of."""
    loaded = {name: m for name, m in list(sys.modules.items()) if name.startswith(PACKAGE)}
    for name in loaded.keys() - _checked.keys():
        _checked[name] = _agrees(loaded[name])
    return all(_checked.values())


def _agrees(module: ModuleType) -> bool:
    """Return whether a module's functions are those of its file, and the file is as it was."""
    source = Path(str(module.__file__))
    text = source.read_bytes()
    if hashlib.sha256(text).hexdigest() != _texts().get(source):
        return False
    loader = SourceFileLoader(module.__name__, str(source))
    known = set(_codes(loader.source_to_code(text, str(source))))  # compiled, not run
    functions = (getattr(value, "py_func", value) for value in vars(module).values())
    mine = (
        f.__code__
        for f in functions
        if getattr(f, "__module__", "") == module.__name__
        and hasattr(f, "__code__")
        and f.__code__.co_filename == str(source)
    )
    return known.issuperset(mine)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all that lie inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
