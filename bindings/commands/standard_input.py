"""Standard input as a file: what `-` stands for in place of a path."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DASH = "-"
NAME = "standard input"  # what errors call it
KINDS = {b"\x93NUMPY": ".npy", b"PK\x03\x04": ".npz"}  # how such files begin


@contextmanager
def as_file(path: Path, text: bool) -> Iterator[Path]:
    """Yield a path as it is, and for - that of a temporary file with all of standard input.

    What readers can open, they can open from a pipe: they look at a file twice, or map it. It is
    taken for .npy, .npz or a packed table if it begins like one, else for a text, or for a table
    of numbers.

    text: whether text is wanted, not a table.
    """
    if str(path) != DASH:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "stdin"
        with open(whole, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        whole = whole.rename(whole.with_suffix(_kind(whole, text)))
        try:
            yield whole
        except (ValueError, OSError) as error:
            if str(whole) not in str(error):
                raise
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(str(error).replace(str(whole), NAME)) from error


def _kind(path: Path, text: bool) -> str:
    """Return the ending that a file's content calls for."""
    with open(path, "rb") as file:
        first = file.readline(1 << 16)
    for beginning, ending in KINDS.items():
        if first.startswith(beginning):
            return ending
    if first.startswith(b"\x1f\x8b") and not text:
        return ".csv.gz"
    return ".txt" if text or b"," not in first else ".csv"
