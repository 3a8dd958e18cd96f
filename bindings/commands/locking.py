"""One training at a time in a run's folder.

A lock of the operating system on a file in the folder, so that any death of its holder frees it,
`kill -9` and power cuts too. The file holds the holder's process number, for the message alone.
Only trainings ask for it; whoever reads the folder is not kept waiting.

The holder removes the file before it lets go. So whoever got the lock looks whether its file is
still the one in the folder: another may have taken its place between opening and locking it.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what a lock held by another is reported as

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 20  # a byte behind the process number, which others may thus read

    def _lock(file: int) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def only_one(folder: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Run the block while no other process trains in `folder`, which must exist.

    warn: gets a sentence where the file system knows no locks, as some network file systems do
    not; the block then runs all the same.

    Raises:
        BlockingIOError: another training is there.
        OSError: the folder cannot be written to.
    """
    path = folder / LOCK
    file = _held(path, warn)
    while not _is_at(file, path):  # its last holder has just removed it
        os.close(file)
        file = _held(path, warn)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; left behind, it is free
            path.unlink()
        os.close(file)


def _held(path: Path, warn: Callable[[str], None]) -> int:
    """Return the file at `path`, which is made if need be, open and locked."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise OSError(
            f"could not write {path.parent}: {error.strerror}; name another folder with --out"
        ) from error
    try:
        _take(file, path, warn)
    except BlockingIOError:
        os.close(file)
        raise
    return file


def _take(file: int, path: Path, warn: Callable[[str], None]) -> None:
    """Lock an open file, or say who holds it, and write our process number into it."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno in TAKEN:
            raise BlockingIOError(
                f"another training{_holder(file)} is at work in {path.parent}; wait for its end, "
                "or name another folder with --out"
            ) from error
        warn(
            f"{path.parent} cannot be locked ({error.strerror}); see to it that no second training "
            "writes there"
        )
    with suppress(OSError):  # a full disk: the lock is held, whatever the file says
        os.lseek(file, 0, os.SEEK_SET)
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())


def _holder(file: int) -> str:
    """Return the number of the process that holds the lock, in words; nothing if it is unknown."""
    with suppress(OSError):
        os.lseek(file, 0, os.SEEK_SET)
        number = os.read(file, 20)
        return f", process {int(number)}," if number.isdigit() else ""
    return ""


def _is_at(file: int, path: Path) -> bool:
    """Return whether an open file is the one that its path leads to."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
