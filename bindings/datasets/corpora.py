"""Texts to learn from by name or path, cut into train and valid."""

import os
from pathlib import Path
from typing import NamedTuple

from chainrule.datasets import downloads
from chainrule.encoders.texts import Text
from chainrule.suggestions import near

_SHAKESPEARE = downloads.Remote(
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
NAMED = {"tinyshakespeare": _SHAKESPEARE}


class Corpus(NamedTuple):
    """A text in two: train, and valid, its end."""

    name: str
    train: Text
    valid: Text


def load_text(
    source: str | os.PathLike[str], *, valid: float = 0.1, unit: str = "character"
) -> Corpus:
    """Return a text by name or from a file, its end as validation data.

    Args:
        source: "tinyshakespeare", found as tinyshakespeare.txt in CHAINRULE_DATA or downloaded
            (1.1 MB); or the path of a text file of any size, which is mapped, not loaded.
        valid: share of the symbols, the last ones, that are held out for validation.
        unit: "character", for UTF-8, or "byte", for any file.

    Returns:
        A `Corpus`, whose train and valid estimators of sequences fit and score.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file, one that is not UTF-8, of a single symbol; valid not in (0, 1).
        OSError: a download failed or is not the file it should be.

    Example:
        >>> import os, tempfile
        >>> from chainrule import datasets
        >>> path = os.path.join(tempfile.mkdtemp(), "song.txt")
        >>> _ = open(path, "w").write("row, row, row your boat" * 10)
        >>> song = datasets.load_text(path)
        >>> len(song.train), len(song.valid), song.train.vocabulary.characters
        (207, 23, ' ,abortuwy')
    """
    path = find(source)
    train, held_out = Text.open(path, unit).split(valid)
    return Corpus(path.stem, train, held_out)


def find(source: str | os.PathLike[str]) -> Path:
    """Return the path of a text by name, downloaded if need be, or of a file.

    Raises:
        ValueError: an unknown name.
        OSError: as `load_text`.
    """
    name = os.fspath(source)
    if name in NAMED:
        file = f"{name}.txt"
        instead = f"put {file} into a folder and set CHAINRULE_DATA to it"
        return downloads.find(file) or downloads.keep(file, downloads.fetch(NAMED[name], instead))
    path = Path(name)
    if not path.exists() and not path.suffix and len(path.parts) < 2:
        raise ValueError(
            f"unknown text {name!r}{near(name, NAMED)}; give the path of a file or one of "
            f"{', '.join(NAMED)}"
        )
    return path
