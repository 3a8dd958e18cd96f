"""CIFAR-10: from a .npz, or from its binary or Python version; the binary is downloaded for lack.

| version | a batch is |
|---|---|
| binary | records of 3,073 bytes: a label, then pixels |
| Python | a pickled dictionary: "data", (N, 3072) uint8, and "labels", a list |

Pixels are 32 × 32 of red, row by row, then those of green, then those of blue.
Nothing is ever unpickled: `pickled` parses, and knows of bytes alone. Of an archive the batches
alone are read, by name and into memory: no path in it leads anywhere.
"""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import downloads, pickled, readers

PIXELS, LABELS = 3 * 32 * 32, 10
RECORD = 1 + PIXELS
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
LARGEST = 10_000 * RECORD  # bytes of a batch; of a pickled one, which has names too, twice that
UNPACKED = 2 * len(BATCHES) * LARGEST  # bytes of all that an archive may hold
GET = (
    f"download {ARCHIVE} from https://www.cs.toronto.edu/~kriz/cifar.html into a folder and set "
    "CHAINRULE_DATA to it"
)
REMOTE = downloads.Remote(  # its page states the MD5 c32a1d4ab5d03f1284b67883e8d87530
    f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
Images = tuple[NDArray[np.uint8], NDArray[np.int64]]  # (N, 32, 32, 3), and their labels (N,)


class Version(NamedTuple):
    """One of the two in which CIFAR-10 is given out.

    Attributes:
        folder, archive: their names. batches: those of the files in them, the test's the last.
        largest: bytes of a batch. rows: makes of a batch its pixels, (N, 3072) uint8, and labels.
    """

    folder: str
    archive: str
    batches: tuple[str, ...]
    largest: int
    rows: Callable[[bytes], tuple[NDArray[np.uint8], Any]]


def read() -> tuple[Images, Images]:
    """Return the training images and the test images.

    Raises:
        ValueError: a damaged or foreign file. OSError: there is none, and no download of it.
    """
    if path := downloads.find("cifar10.npz"):
        return _of_npz(path)
    for version in VERSIONS:
        if path := downloads.find(f"{version.folder}/{version.batches[0]}"):
            files = {name: path.parent / name for name in version.batches}
            there = {name: file for name, file in files.items() if file.is_file()}
            held = {name: _content(file, version) for name, file in there.items()}
            return _of_batches(path.parent, held, version)
        if path := downloads.find(version.archive):
            return _of_batches(path, _of_archive(path, version), version)
    path = downloads.keep(ARCHIVE, downloads.fetch(REMOTE, GET))
    return _of_batches(path, _of_archive(path, BINARY), BINARY)


def _of_npz(path: Path) -> tuple[Images, Images]:
    arrays = readers.read_npz(path)
    halves = []
    for split in ("train", "test"):
        x, y = arrays.get(f"x_{split}"), arrays.get(f"y_{split}")
        if x is None or y is None or x.shape[1:] != (32, 32, 3) or y.size != len(x):
            raise ValueError(
                f"{path} does not hold x_{split} (N, 32, 32, 3) and y_{split} (N,); it is another "
                "file"
            )
        halves.append((x, y.reshape(-1).astype(np.int64)))
    return halves[0], halves[1]


def _content(path: Path, version: Version) -> bytes:
    if path.stat().st_size > version.largest:
        raise ValueError(
            f"{path} is larger than {version.largest:,} bytes; it is no batch of CIFAR-10"
        )
    return path.read_bytes()


def _of_archive(path: Path, version: Version) -> dict[str, bytes]:
    """Return the batches in the archive, by name; nothing is written anywhere."""
    held, n_bytes = {}, 0
    with readers.one_sentence(path, "an archive of CIFAR-10"):
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    n_bytes += member.size
                    if n_bytes > UNPACKED:
                        raise ValueError(f"unpacked it is larger than {UNPACKED:,} bytes")
                    name = member.name.removeprefix("./").removeprefix(f"{version.folder}/")
                    fits = member.isreg() and member.size <= version.largest
                    if name in version.batches and fits:
                        file = archive.extractfile(member)
                        assert file is not None
                        held[name] = file.read()
        except tarfile.TarError as error:
            raise ValueError("it is damaged or cut short") from error
    return held


def _of_batches(path: Path, held: dict[str, bytes], version: Version) -> tuple[Images, Images]:
    """Return the images in the contents of all batches, each of which is let go once it is read."""
    lacking = [name for name in version.batches if name not in held]
    if lacking:
        raise ValueError(f"{path} lacks {lacking[0]}, or it is too large; {GET}")
    found = []
    for name in version.batches:
        try:
            rows, labels = version.rows(held.pop(name))
            if min(labels) < 0 or max(labels) >= LABELS:
                raise ValueError(f"holds a label past {LABELS - 1}")
        except ValueError as error:
            raise ValueError(f"{path}: {name} {error}; {GET}") from error
        planes = rows.reshape(-1, 3, 32, 32)
        found.append((planes.transpose(0, 2, 3, 1).copy(), np.array(labels, np.int64)))
    x, y = (np.concatenate(parts) for parts in zip(*found[:-1], strict=True))
    return (x, y), found[-1]


def _of_records(content: bytes) -> tuple[NDArray[np.uint8], Any]:
    """Return the pixels, (N, 3072), and the labels of a batch of the binary version.

    Raises:
        ValueError: it is none; the sentence begins with the verb.
    """
    flat = np.frombuffer(content, np.uint8)
    if not flat.size or flat.size % RECORD:
        raise ValueError(f"is not made of records of {RECORD:,} bytes")
    records = flat.reshape(-1, RECORD)
    return records[:, 1:], records[:, 0]


def _of_pickle(content: bytes) -> tuple[NDArray[np.uint8], Any]:
    """Return the pixels, (N, 3072), and the labels of a batch of the Python version.

    Raises:
        ValueError: it is none; the sentence begins with the verb.
    """
    held = pickled.read(content)
    rows, labels = held.get("data"), held.get("labels")
    if not isinstance(rows, np.ndarray) or rows.shape[1] != PIXELS:
        raise ValueError(f"lacks data, rows of {PIXELS:,} bytes")
    there = isinstance(labels, list) and len(labels) == len(rows)
    if not there or any(type(label) is not int for label in labels or ()):
        raise ValueError("lacks labels, a whole number for each row of data")
    return rows, labels


BINARY = Version(FOLDER, ARCHIVE, BATCHES, LARGEST, _of_records)
PYTHON = Version(  # its page states the MD5 c58f30108f718f92721af3b95e74349a
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    tuple(name.removesuffix(".bin") for name in BATCHES),
    2 * LARGEST,
    _of_pickle,
)
VERSIONS = (BINARY, PYTHON)
