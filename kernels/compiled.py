"""Compile a function with Numba, once a machine: `njit`, with a disk cache of our own.

Numba's own cache looks at the file of the compiled function alone, while our kernels inline
functions from other files: after an edit there, or an upgrade in place, it would go on running
what the old text said. It also lets two processes that fill it at once give one file name to the
code of two signatures. Here

    folder      <cache>/kernels/<digest>, where the digest is of the text of every kernel source and
                of the versions of Python, Numba and llvmlite. Another text is another folder, so
                an old entry is never found. <cache>: $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME, else
                ~/.cache; where none can be written to, a private folder for temporary files.
    file        one for each function and key. Numba's key is the signature, the processor and its
                features, and the function's bytecode. It is written under another name and
                renamed, and a file that is damaged or of another key is compiled anew.
    trust       what is compiled is kept only if what Python has loaded is what the digest was
                taken of: not after an edit in mid-process, nor where a bytecode file is older than
                its source without Python having noticed.

Where nothing can be written at all, kernels are compiled in every process, with one warning.
Folders that no process has used for MONTH seconds go when a new one is made.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching as _caching
from numba.core import event as _event
from numba.core import types as _types
from numba.core.compiler_lock import global_compiler_lock

from chainrule.kernels.sources import SOURCES, digest, trusted

# Numba ships no types worth the name.
caching: Any = _caching
config: Any = numba.config
event: Any = _event
types: Any = _types

MONTH = 30 * 86400
SUM = hashlib.sha256().digest_size
TRACES = "used"  # an empty file whose age says when its folder was last of use


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function in nopython mode when it is first called, and keep the code on disk.

    options: Numba's, but for `cache`. With or without them, as a decorator or as a function.
    """
    if function is None:
        return lambda function: njit(function, **options)
    dispatcher = numba.njit(**options)(function)
    _forget_literals(dispatcher)
    is_ours = Path(function.__code__.co_filename).is_relative_to(SOURCES)
    if is_ours and config.DISABLE_JIT == 0 and folder() is not None:
        dispatcher._cache = _Cache(function)
    return dispatcher


def _forget_literals(dispatcher: Any) -> None:
    """Let kernels that call this one with a constant share the code for any value of its type.

    Numba would compile f(x, 0) once more beside f(x, k), for a type that holds the 0.
    """
    of_types = dispatcher.get_call_template

    def of_plain_types(args: Any, kws: Any) -> Any:
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return of_types(tuple(map(types.unliteral, args)), plain)

    dispatcher.get_call_template = of_plain_types


def compiling() -> bool:
    """Return whether some thread of this process compiles a function right now."""
    return _watch.n_open > 0


def n_compiled() -> int:
    """Return how many functions this process has compiled, those found on disk not among them."""
    return _watch.n_done


def user_folder() -> Path:
    """Return $XDG_CACHE_HOME/chainrule, by default ~/.cache/chainrule; it may not exist.

    Raises:
        OSError: there is no home folder.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(root) if root else Path.home() / ".cache") / "chainrule"
    except RuntimeError as error:
        raise OSError("there is no home folder; set XDG_CACHE_HOME to a folder") from error


@cache
def folder() -> Path | None:
    """Return where this process keeps compiled kernels, a folder that exists; None: nowhere."""
    for place in (_chosen_folder, user_folder, _temporary_folder):
        with suppress(OSError):
            path = place() / "kernels" / digest()
            is_new = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            (path / TRACES).touch()
            with tempfile.TemporaryFile(dir=path):  # a full or read-only disk shows here
                pass
            if is_new:
                _sweep(path)
            return path
    warnings.warn(
        "compiled kernels cannot be kept, since no cache folder can be written to: every process "
        "compiles its own; set XDG_CACHE_HOME to a folder to compile once",
        stacklevel=2,
    )
    return None


def _chosen_folder() -> Path:
    """Return the folder in NUMBA_CACHE_DIR, where there is such a wish."""
    if not config.CACHE_DIR:
        raise OSError("NUMBA_CACHE_DIR is not set")
    return Path(config.CACHE_DIR) / "chainrule"


def _temporary_folder() -> Path:
    """Return a folder that the user alone can write to: what lies in it is run."""
    if not hasattr(os, "getuid"):
        raise OSError("no folder is known to be private")
    path = Path(tempfile.gettempdir()) / f"chainrule-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{path} is somebody else's")
    return path


def _sweep(path: Path) -> None:
    """Remove the folders beside a new one that have been of no use for a month."""
    for other in path.parent.iterdir():
        with suppress(OSError):
            if time.time() - (other / TRACES).stat().st_mtime > MONTH:
                shutil.rmtree(other, ignore_errors=True)


# --- Numba's side --------------------------------------------------------------------------------


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Where a function's code is kept: in our folder, in one like its module's."""

    def __init__(self, function: Any, source: str) -> None:
        self._py_file = source  # by which Numba's warnings name it
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Any, source: str) -> "_Locator":
        return cls(function, source)

    def get_cache_path(self) -> str:
        path = folder()
        assert path is not None
        return str(path / Path(self._py_file).parent.relative_to(SOURCES))

    def get_source_stamp(self) -> str:
        return digest()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Results(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012


class _FileAKey(caching.IndexDataCacheFile):  # type: ignore[misc]
    """A file for each key, with the key inside: no index that two processes could both change.

    Its last bytes are the SHA-256 of the others: damaged machine code must not be run.
    """

    def save(self, key: Any, data: Any) -> None:
        self._save_data(self._name(key), (key, data))

    def load(self, key: Any) -> Any:
        try:
            content = Path(self._data_path(self._name(key))).read_bytes()
            if hashlib.sha256(content[:-SUM]).digest() != content[-SUM:]:
                return None
            kept, data = self._load_data(self._name(key))
        except (OSError, ValueError, TypeError):  # none yet, or of another form
            return None
        return data if kept == key else None

    def _dump(self, obj: Any) -> bytes:
        content: bytes = super()._dump(obj)
        return content + hashlib.sha256(content).digest()  # Numba's reader stops where its own end

    def _name(self, key: Any) -> str:
        base = self._index_name.removesuffix(".nbi")
        return f"{base}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.nbc"


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, in our folder and files."""

    _impl_class = _Results

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        names = self._cache_path, self._impl.filename_base, digest()
        self._cache_file = _FileAKey(*names)

    def _save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # a disk that is full by now; the code itself is good
            if trusted():
                super()._save_overload(sig, data)


class _Watch(event.Listener):  # type: ignore[misc]
    """Counts the compilations that have begun and not ended, and those that have; one at a time."""

    n_open = n_done = 0

    def on_start(self, event: Any) -> None:
        self.n_open += 1

    def on_end(self, event: Any) -> None:
        self.n_open -= 1
        self.n_done += 1


_watch = _Watch()
event.register("numba:compile", _watch)

# A fork waits for compilations to end: the child has no thread that would finish them, and would
# wait for the compiler's lock for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
