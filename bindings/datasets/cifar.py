"""CIFAR-10: from a .npz, or from its binary version, which is downloaded where there is neither.

A record of the binary version is 3,073 bytes: a label, then 32 × 32 pixels of red, those of green,
those of blue. Nothing is ever unpickled, so that the Python version, which holds pickles, is
refused by name. Of an archive the batches alone are read, by name and into memory: no path in it
leads anywhere.
"""

import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import downloads, readers

RECORD, LABELS = 1 + 3 * 32 * 32, 10
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
PICKLES = ("cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1")
LARGEST = 10_000 * RECORD  # bytes of a batch
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


def read() -> tuple[Images, Images]:
    """Return the training images and the test images.

    Raises:
        ValueError: a damaged or foreign file. OSError: there is none, and no download of it.
    """
    if path := downloads.find("cifar10.npz"):
        return _of_npz(path)
    if path := downloads.find(f"{FOLDER}/{BATCHES[0]}"):
        files = {name: path.parent / name for name in BATCHES}
        held = {name: _content(file) for name, file in files.items() if file.is_file()}
        return _of_batches(path.parent, held)
    if path := downloads.find(ARCHIVE):
        return _of_batches(path, _of_archive(path))
    for name in PICKLES:
        if path := downloads.find(name):
            raise ValueError(f"{path} holds pickles, which are never read; {GET}")
    path = downloads.keep(ARCHIVE, downloads.fetch(REMOTE, GET))
    return _of_batches(path, _of_archive(path))


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


def _content(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST:,} bytes; it is no batch of CIFAR-10")
    return path.read_bytes()


def _of_archive(path: Path) -> dict[str, bytes]:
    """Return the batches in the archive, by name; nothing is written anywhere."""
    held, n_bytes = {}, 0
    with readers.one_sentence(path, "an archive of CIFAR-10"):
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    n_bytes += member.size
                    if n_bytes > UNPACKED:
                        raise ValueError(f"unpacked it is larger than {UNPACKED:,} bytes")
                    name = member.name.removeprefix("./").removeprefix(f"{FOLDER}/")
                    if name in BATCHES and member.isreg() and member.size <= LARGEST:
                        file = archive.extractfile(member)
                        assert file is not None
                        held[name] = file.read()
        except tarfile.TarError as error:
            raise ValueError("it is damaged or cut short") from error
    return held


def _of_batches(path: Path, held: dict[str, bytes]) -> tuple[Images, Images]:
    """Return the images in the contents of all batches."""
    lacking = [name for name in BATCHES if name not in held]
    if lacking:
        raise ValueError(f"{path} lacks {lacking[0]}, or it is too large; {GET}")
    found = []
    for name in BATCHES:
        flat = np.frombuffer(held[name], np.uint8)
        if not flat.size or flat.size % RECORD:
            raise ValueError(f"{path}: {name} is not made of records of {RECORD:,} bytes; {GET}")
        records = flat.reshape(-1, RECORD)
        if records[:, 0].max() >= LABELS:
            raise ValueError(f"{path}: {name} holds a label past {LABELS - 1}; {GET}")
        planes = records[:, 1:].reshape(-1, 3, 32, 32)
        found.append((planes.transpose(0, 2, 3, 1).copy(), records[:, 0].astype(np.int64)))
    x, y = (np.concatenate(parts) for parts in zip(*found[:-1], strict=True))
    return (x, y), found[-1]
