"""Where a run writes, seen to before anything is timed: a run may take an hour.

Each function raises ValueError with one sentence that names the option and says what to do.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import curves
from bench.cases import Workload


def check(json: Path | None, pictures: dict[str, Path | None], chosen: Sequence[Workload]) -> None:
    """Raise ValueError where the numbers, or one of the pictures by its option, cannot be kept."""
    if json:
        writable("--json", json)
    for option, path in pictures.items():
        if path:
            known_format(option, path)
            writable(option, path)
    if pictures.get("--curve") and not curves.drawable(chosen):
        raise ValueError(f"--curve: {curves.TOO_FEW}")


def writable(option: str, path: Path) -> None:
    """Raise ValueError where no file can be put at `path`: /proc, say, tells only when tried."""
    if not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ValueError(f"{option} {path}: this is a folder; name a file in it")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}"):
            pass
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError("the file is read-only")
    except OSError as error:
        why = error.strerror or error
        raise ValueError(
            f"{option} {path}: nothing can be written there ({why}); name another place"
        ) from None


def known_format(option: str, path: Path) -> None:
    """Raise ValueError where Matplotlib is missing or writes no pictures of this kind."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError:
        raise ValueError(
            f"{option}: pictures need Matplotlib; pip install matplotlib, or leave {option} out"
        ) from None
    kinds = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in kinds:
        raise ValueError(f"{option} {path}: a picture's name ends in one of .{', .'.join(kinds)}")
