"""Write a file whole or not at all: a reader never meets half of one.

A new file is written beside the old one, synced, renamed over it, and the folder synced. So at
every moment, a power cut included, the name leads to the whole old or the whole new file. Only
`kill -9` and power cuts can leave a hidden ".tmp…" beside it, which may be deleted.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    If the block raises, the temporary file goes and `path` is what it was.

    Raises:
        OSError: the folder is missing, not writable or full, or `path` is a folder or a device.
    """
    target = Path(os.path.realpath(path))  # through a link, not over it
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(f"could not write {path}: it is a folder or a device; name a file")
    temporary = target.with_name(f".tmp{uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            mode = os.fstat(file.fileno()).st_mode  # what the user's umask gives a new file
        yield temporary
        os.chmod(temporary, mode)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if absent and not os.path.isdir(target.parent):
            make = f"make the folder {target.parent} first"
            raise OSError(f"could not write {path}: {make}") from error
        raise OSError(
            f"could not write {path}: {error.strerror or error}; what was there is untouched, so "
            "free some space or name a folder that can be written to"
        ) from error
    finally:
        with suppress(OSError):  # it is gone unless something failed
            temporary.unlink()
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where folders can be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
