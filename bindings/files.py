"""Write a file whole or not at all: a reader never meets half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST
from pathlib import Path


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
        raise OSError(EEXIST, "is not a file that can be replaced; name another", str(path))
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
