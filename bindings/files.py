"""Write a file whole or not at all: a reader never meets half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The data is on disk before the rename, so a crash leaves the old file or the new one. If the
    block raises, the temporary file goes and `path` is what it was.

    Raises:
        OSError: the folder is missing, not writable or full, or `path` is a folder or a device.
    """
    target = Path(os.path.realpath(path))  # through a link, not over it
    if target.exists() and not target.is_file():
        raise OSError(f"could not write {path}: it is a folder or a device; name a file")
    if not target.parent.is_dir():
        raise OSError(f"could not write {path}: there is no folder {target.parent}; make it first")
    temporary = target.with_name(f".tmp{uuid4().hex}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OSError(
            f"could not write {path}: {error.strerror or error}; what was there is untouched, so "
            "free some space or name a folder that can be written to"
        ) from error
    finally:
        with suppress(OSError):  # it is gone unless something failed
            temporary.unlink()
