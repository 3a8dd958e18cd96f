"""Sets of images by name, levels of grey and colour, and folders of pictures as they are."""

import hashlib
import io
import tarfile
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import datasets
from chainrule.datasets import cifar, downloads, pictures
from chainrule.encoders import levels


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Return the folder CHAINRULE_DATA; there is no cache beside it."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    serve(monkeypatch, {})
    return tmp_path


def serve(monkeypatch, contents):
    """Let the net hold these files alone, by address."""

    def urlopen(url, timeout):
        if url not in contents:
            raise TimeoutError("no net in tests")
        return io.BytesIO(contents[url])

    monkeypatch.setattr(downloads.urllib.request, "urlopen", urlopen)


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)


# Named sets


def batches(rng, n=4):
    """Return the six files of CIFAR-10's binary version, of n images each, and the images."""
    files, x, y = {}, [], []
    for name in cifar.BATCHES:
        x.append(rng.integers(0, 256, (n, 32, 32, 3), np.uint8))
        y.append(rng.integers(0, 10, n, np.uint8))
        planes = x[-1].transpose(0, 3, 1, 2).reshape(n, -1)
        files[name] = np.hstack([y[-1][:, None], planes]).tobytes()
    return files, np.concatenate(x), np.concatenate(y)


def archive(path, files, prefix="cifar-10-batches-bin/"):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("kept", ["folder", "archive", "npz"])
def test_cifar10_is_read_from_bytes(folder, rng, kept):
    files, x, y = batches(rng)
    if kept == "folder":
        (folder / cifar.FOLDER).mkdir()
        for name, content in files.items():
            (folder / cifar.FOLDER / name).write_bytes(content)
    elif kept == "archive":
        archive(folder / cifar.ARCHIVE, files | {"readme.html": b"hello"})
    else:
        halves = {"x_train": x[:20], "x_test": x[20:], "y_train": y[:20, None], "y_test": y[20:]}
        np.savez(folder / "cifar10.npz", **halves)
    data = datasets.load("cifar10")
    assert data.image_shape == (32, 32, 3) and data.train.x.dtype == np.uint8
    rows = x.reshape(24, -1)
    for split, part in (("train", slice(18)), ("valid", slice(18, 20)), ("test", slice(20, 24))):
        np.testing.assert_array_equal(getattr(data, split).x, rows[part])
        np.testing.assert_array_equal(getattr(data, split).y, y[part])
    coarse = datasets.load("cifar10", levels=16)
    np.testing.assert_array_equal(coarse.train.x, rows[:18] // 16)


def test_cifar10_says_what_to_download(folder, rng):
    with pytest.raises(
        OSError, match=r"be reached .*; download cifar-10-binary\.tar\.gz"
    ) as caught:
        datasets.load("cifar10")
    assert "\n" not in str(caught.value) and not (folder / "cache").exists()


def test_cifar10_is_downloaded_once_and_checked(folder, rng, monkeypatch):
    files, x, _ = batches(rng)
    archive(folder / "served.tar.gz", files)
    content = (folder / "served.tar.gz").read_bytes()
    known = hashlib.sha256(content).hexdigest()
    remote = cifar.REMOTE._replace(size=len(content), sha256=known)
    monkeypatch.setattr(cifar, "REMOTE", remote)
    serve(monkeypatch, {remote.url: content[:-1] + b"?"})
    with pytest.raises(OSError, match=r"not the file it was .*; download cifar-10-binary"):
        datasets.load("cifar10")
    serve(monkeypatch, {remote.url: content})
    first = datasets.load("cifar10")
    serve(monkeypatch, {})  # and never again
    for data in (first, datasets.load("cifar10")):
        np.testing.assert_array_equal(data.test.x, x[20:].reshape(4, -1))
    kept = [path.name for path in (folder / "cache" / "chainrule").iterdir()]
    assert kept == [cifar.ARCHIVE]


def test_what_is_downloaded_is_what_its_page_states():
    assert cifar.REMOTE.url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert len(cifar.REMOTE.sha256) == 64 and cifar.REMOTE.size == 170_052_171


@pytest.mark.parametrize("prefix", ["../", "/tmp/", "cifar-10-batches-bin/../", "other/"])
def test_no_path_in_an_archive_leads_anywhere(folder, rng, prefix):
    archive(folder / cifar.ARCHIVE, batches(rng)[0], prefix)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match=r"lacks data_batch_1\.bin"):
        datasets.load("cifar10")
    assert sorted(folder.rglob("*")) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(folder, rng, monkeypatch):
    files = batches(rng)[0]
    monkeypatch.setattr(cifar, "UNPACKED", sum(map(len, files.values())))
    archive(folder / cifar.ARCHIVE, files)
    datasets.load("cifar10")
    archive(folder / cifar.ARCHIVE, {"bomb": bytes(10**6)} | files)
    with pytest.raises(ValueError, match=r"an archive of CIFAR-10: unpacked it is larger than"):
        datasets.load("cifar10")


def test_a_damaged_cifar10_is_one_sentence(folder, rng):
    files = batches(rng)[0]
    path = folder / cifar.ARCHIVE
    for wrong, says in (
        ({name: files[name] for name in cifar.BATCHES[:3]}, r"lacks data_batch_4\.bin"),
        (files | {"test_batch.bin": b"abc"}, r"test_batch\.bin is not made of records of 3,073"),
        (files | {"data_batch_2.bin": b"\x0b" * 3073}, r"data_batch_2\.bin holds a label past 9"),
        (files | {"data_batch_1.bin": b""}, r"data_batch_1\.bin is not made of records"),
    ):
        archive(path, wrong)
        with pytest.raises(ValueError, match=says):
            datasets.load("cifar10")
    archive(path, files)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot be read as an archive of CIFAR-10") as caught:
        datasets.load("cifar10")
    assert "\n" not in str(caught.value)
    np.savez(folder / "cifar10.npz", x_train=np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"does not hold x_train \(N, 32, 32, 3\)"):
        datasets.load("cifar10")


def test_fashion_mnist_is_as_mnist_and_says_what_it_is_made_of(folder, rng):
    with pytest.raises(FileNotFoundError, match=r"fashion_mnist\.npz is not here: save x_train"):
        datasets.load("fashion_mnist")
    arrays = {
        "x_train": rng.integers(0, 256, (20_010, 28, 28), np.uint8),
        "y_train": rng.integers(0, 10, 20_010, np.uint8),
        "x_test": rng.integers(0, 256, (7, 28, 28), np.uint8),
        "y_test": rng.integers(0, 10, 7, np.uint8),
    }
    np.savez(folder / "fashion_mnist.npz", **arrays)
    flat = arrays["x_test"].reshape(7, 784)
    for how, expected in (
        ({}, flat >= 128),
        ({"raw": True}, flat),
        ({"levels": 2}, flat >= 128),
        ({"levels": 4}, flat // 64),
    ):
        data = datasets.load("fashion_mnist", **how)
        assert data.image_shape == (28, 28)
        np.testing.assert_array_equal(data.test.x, expected)


def test_any_npz_in_the_folder_is_a_set_of_its_name(folder, rng):
    x = rng.integers(0, 256, (30, 4, 4, 3), np.uint8)
    y = rng.integers(0, 3, 20)
    np.savez(folder / "tiny.npz", x_train=x[:20], y_train=y, x_test=x[20:], classes=["a", "b"])
    data = datasets.load("tiny")
    assert data.image_shape == (4, 4, 3) and data.name == "tiny"
    assert [len(getattr(data, split).x) for split in datasets.SPLITS] == [18, 2, 10]
    np.testing.assert_array_equal(data.test.x, x[20:].reshape(10, -1))
    with pytest.raises(ValueError, match="unknown data set 'tinny'"):
        datasets.load("tinny")


# Levels


def test_levels_are_reduced_in_equal_bins():
    x = np.arange(256)
    for n in (2, 4, 16, 256):
        reduced = datasets.reduce_levels(x, n)
        assert reduced.dtype == np.uint8
        np.testing.assert_array_equal(np.bincount(reduced), np.full(n, 256 // n))
        assert (np.diff(reduced.astype(int)) >= 0).all()


@pytest.mark.parametrize("of", [2, 3, 17, 100, 255, 256])
def test_what_stands_for_a_bin_is_in_it_and_the_ends_are_black_and_white(of):
    for n in range(2, of + 1):
        drawn = levels.representatives(n, of)
        np.testing.assert_array_equal(levels.bins(n, of)[drawn], np.arange(n))
        assert (drawn[0], drawn[-1]) == (0, of - 1)


@pytest.mark.parametrize(
    ("x", "n", "says"),
    [
        ([0.5], 4, "whole numbers from 0 to 255, got float64"),
        ([256], 4, "whole numbers from 0 to 255, got 256 to 256"),
        ([-1, 3], 4, "got -1 to 3"),
        ([1], 257, "levels must be from 2 to 256, got 257"),
        ([1], 1, "levels must be a whole number of at least 2, got 1"),
    ],
)
def test_levels_that_cannot_be_reduced(x, n, says):
    with pytest.raises(ValueError, match=says):
        datasets.reduce_levels(x, n)


def test_levels_are_of_pictures(folder, rng):
    np.testing.assert_array_equal(
        datasets.load("digits", levels=17).train.x, datasets.load("digits", raw=True).train.x
    )
    with pytest.raises(ValueError, match="levels must be from 2 to 17, got 20"):
        datasets.load("digits", levels=20)
    with pytest.raises(ValueError, match="levels are of pictures in grey or colour, not of wine"):
        datasets.load("wine", levels=4)
    np.save(folder / "x.npy", rng.integers(0, 256, (9, 4)))
    with pytest.raises(ValueError, match="levels are of pictures, and x holds rows"):
        datasets.load(folder / "x.npy", levels=4)
    with pytest.raises(ValueError, match=r"colour is of folders of pictures, and .*npy is none"):
        datasets.load(folder / "x.npy", colour=True)
    np.save(folder / "x.npy", rng.integers(0, 256, (9, 3, 2, 3)))
    data = datasets.load(folder / "x.npy", levels=4)
    assert data.image_shape == (3, 2, 3) and data.train.x.max() == 3
    np.save(folder / "x.npy", rng.integers(0, 256, (9, 3, 2, 3, 1)))
    with pytest.raises(ValueError, match=r"or pictures \(N, H, W\) or \(N, H, W, C\)"):
        datasets.load(folder / "x.npy")


# Folders


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_folder_of_pictures_as_they_are(folder, rng, mode):
    x = rng.integers(0, 256, (5, 4, 3, 3), np.uint8)
    for k, image in enumerate(x):
        save(folder / "p" / f"{k}.png", image, mode)
    read = pictures.read(folder / "p", colour=True).images
    if mode == "RGB":
        np.testing.assert_array_equal(read, x)
    else:
        assert read.shape == (5, 4, 3) and (mode == "L" or set(np.unique(read)) == {0, 255})
    data = cr.datasets.load(folder / "p", colour=True)
    assert data.image_shape == ((4, 3, 3) if mode == "RGB" else (4, 3))
    assert data.train.x.shape == (3, 36 if mode == "RGB" else 12)
    with pytest.warns(datasets.DataWarning) if mode == "RGB" else nullcontext():
        assert cr.datasets.load(folder / "p").image_shape == (4, 3)  # colours averaged


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("L", r"b\.png is grey and a\.png is in colour; convert one of them"),
        ("I;16", r"b\.png has the mode I;16, neither grey \(L\) nor colour \(RGB\); convert it"),
        ("LA", r"b\.png is grey and a\.png is in colour"),
        ("1", r"b\.png is grey and a\.png is in colour"),
    ],
)
def test_a_picture_of_another_kind_is_named(folder, rng, other, says):
    x = rng.integers(0, 256, (4, 3, 3), np.uint8)
    save(folder / "p" / "a.png", x)
    Image.fromarray(x).convert("L").convert(other).save(folder / "p" / "b.png")
    with pytest.raises(ValueError, match=says) as caught:
        cr.datasets.load(folder / "p", colour=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["gif", "png", "tif"])
@pytest.mark.parametrize("grey", [True, False])
def test_pictures_with_a_palette_or_an_opaque_alpha_are_what_they_show(folder, rng, kind, grey):
    x = rng.integers(0, 256, (6, 4, 3) if grey else (6, 4, 3, 3), np.uint8)
    modes = ("P", "L", "P") if grey else ("P", "RGB", "RGB")
    modes += () if kind == "gif" else ("LA" if grey else "RGBA",)
    for k, mode in enumerate(modes):
        shown = Image.fromarray(x[k])
        shown = shown.quantize(256) if mode == "P" and not grey else shown.convert(mode)
        (folder / "p").mkdir(exist_ok=True)
        shown.save(folder / "p" / f"{k}.{kind}")
    if kind == "png":  # of a palette whose entries may be transparent, and none is
        opaque = Image.fromarray(x[5]).quantize(256)
        opaque.save(folder / "p" / "5.png", transparency=bytes([255] * 12))
    read = pictures.read(folder / "p", colour=True)
    np.testing.assert_array_equal(read.images, x[[int(name[0]) for name in read.files]])


def test_a_palette_beside_an_alpha_is_read(folder, rng):
    x = rng.integers(0, 256, (4, 3, 3), np.uint8)
    (folder / "p").mkdir()
    Image.fromarray(x).quantize(12).convert("PA").save(folder / "p" / "a.tif")
    with Image.open(folder / "p" / "a.tif") as saved:
        assert saved.mode == "PA"
    np.testing.assert_array_equal(pictures.read(folder / "p", colour=True).images, x[None])


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "L", "RGB"])
def test_a_transparent_picture_is_named(folder, rng, mode):
    x = Image.fromarray(rng.integers(0, 256, (4, 3, 3), np.uint8))
    x, options = x.convert("L") if mode == "L" else x, {}
    if mode.endswith("A"):
        x = x.convert(mode)
        x.putalpha(Image.fromarray(np.full((4, 3), 200, np.uint8)))
    else:
        x = x.quantize(12) if mode == "P" else x
        options = {"transparency": 0 if mode == "P" else x.getpixel((0, 0))}
    (folder / "p").mkdir()
    x.save(folder / "p" / "a.png", **options)
    with pytest.raises(ValueError, match=r"a\.png is transparent in places; lay it on a") as caught:
        cr.datasets.load(folder / "p", colour=True)
    assert "\n" not in str(caught.value)
    said = r"a\.png is transparent in places, and was read as if it were not; lay it on a"
    with pytest.warns(datasets.DataWarning, match=said) as warned:
        pictures.read(folder / "p")
    assert {one.filename for one in warned} == {__file__}, "it points at the caller's line"


def test_a_picture_of_another_size_is_named(folder):
    for name, size in (("a", (4, 4, 3)), ("b", (4, 5, 3))):
        save(folder / "p" / f"{name}.png", np.zeros(size, np.uint8))
    with pytest.raises(ValueError, match=r"b\.png is not 4×4 as a\.png is; resize it"):
        cr.datasets.load(folder / "p", colour=True)


def test_an_animated_picture_is_named(folder, rng):
    frames = [Image.fromarray(x) for x in rng.integers(0, 256, (3, 4, 4), np.uint8)]
    for kind in ("webp", "gif"):
        (folder / kind).mkdir()
        frames[0].save(folder / kind / f"a.{kind}", save_all=True, append_images=frames[1:])
        with pytest.raises(ValueError, match=rf"a\.{kind} holds several pictures; save the one"):
            pictures.read(folder / kind, colour=True)


def test_a_corrupt_picture_in_colour_is_named(folder, rng):
    save(folder / "p" / "a.png", rng.integers(0, 256, (30, 30, 3), np.uint8))
    path = folder / "p" / "b.png"
    path.write_bytes((folder / "p" / "a.png").read_bytes()[:600])
    with pytest.raises(ValueError, match=r"b\.png cannot be read as a picture") as caught:
        pictures.read(folder / "p", colour=True)
    assert "\n" not in str(caught.value)
