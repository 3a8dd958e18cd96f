"""Folders of pictures: every kind, classes, what is left out, and files that are no pictures."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import datasets
from chainrule.datasets import pictures
from chainrule.encoders.doubts import DataWarning


@pytest.fixture(autouse=True)
def no_warnings():
    """Let a warning that no test expects be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 5, 3), np.uint8)


def save(path, pixels, mode="L", **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_a_folder_of_pictures_in_the_order_of_names(tmp_path, images, mode):
    for k, image in enumerate(images):
        save(tmp_path / f"{k}.png", image, mode)
    read = pictures.read(tmp_path)
    np.testing.assert_array_equal(read.images, images)
    assert read.labels is None and read.files == ("0.png", "1.png", "2.png", "3.png")
    data = datasets.load(tmp_path)
    assert data.image_shape == (5, 3) and data.train.y is None
    assert [len(getattr(data, split).x) for split in datasets.SPLITS] == [2, 1, 1]


def test_every_kind_of_picture_is_read(tmp_path, images):
    exact = ("png", "PNG", "bmp", "gif", "tif", "tiff", "pgm", "ppm")
    for kind in exact:
        save(tmp_path / f"{kind}_.{kind}", images[0], "RGB" if kind == "ppm" else "L")
    save(tmp_path / "z1.webp", images[0], "RGB", lossless=True)
    flat = np.full((5, 3), 100, np.uint8)
    for kind in ("jpg", "jpeg", "JPEG"):
        save(tmp_path / f"z2_{kind}.{kind}", flat, "CMYK" if kind == "jpeg" else "L")
    says = r"ppm_\.ppm is in colour and PNG_\.PNG is grey, and all were made grey; convert one of"
    with pytest.warns(DataWarning, match=says):
        read = pictures.read(tmp_path)
    assert len(read.images) == len(exact) + 4
    np.testing.assert_array_equal(read.images[:9], np.repeat(images[:1], 9, axis=0))
    assert np.abs(read.images[9:].astype(int) - 100).max() <= 2


def test_one_bit_and_sixteen_bits_become_grey_levels(tmp_path, images):
    bits = images[0] > 127
    Image.fromarray(bits).save(tmp_path / "a.png")  # of one bit
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.mode == "1"
    Image.fromarray(images[1].astype(np.uint16) * 257).save(tmp_path / "b.png")
    Image.fromarray(images[2].astype(np.uint16) * 257 + 100).save(tmp_path / "c.tif")
    with pytest.warns(DataWarning, match=r"b\.png is grey of 16 bits and a\.png is grey, and all"):
        read = pictures.read(tmp_path).images
    np.testing.assert_array_equal(read, [bits * 255, images[1], images[2]])
    Image.fromarray(images[2].astype(np.float32)).save(tmp_path / "d.tif")
    with pytest.raises(
        ValueError, match=r"d\.tif cannot be read as a picture: its pixels are fracti"
    ):
        pictures.read(tmp_path)
    Image.fromarray(images[2].astype(np.int32) * 10**6).save(tmp_path / "d.tif")
    with pytest.raises(ValueError, match="grey levels have more than 16 bits"):
        pictures.read(tmp_path)


def test_subfolders_are_classes(tmp_path, images):
    for k, name in enumerate(("dog/1.png", "cat/7.jpg", "cat/8.png", "dog/0.bmp")):
        save(tmp_path / name, np.full_like(images[0], 20 * k))
    (tmp_path / "empty").mkdir()
    read = pictures.read(tmp_path)
    assert read.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert read.images[:, 0, 0].tolist() == [20, 40, 60, 0]
    data = datasets.load(tmp_path)
    for split in (data.train, data.valid, data.test):
        assert split.y.tolist() == [
            {0: "dog", 20: "cat", 40: "cat", 60: "dog"}[x[0]] for x in split.x
        ]
    model = cr.Transformer(1, 1, 4, context=16, steps=2, batch_size=2)
    model.fit(data.train.x, data.train.y)
    assert model.classes_.tolist() == sorted(set(data.train.y))


def test_layouts_that_are_not_clear_are_refused(tmp_path, images):
    save(tmp_path / "cat" / "0.png", images[0])
    save(tmp_path / "1.png", images[1])
    with pytest.raises(ValueError, match=r"holds pictures, such as 1\.png, beside the folder cat;"):
        pictures.read(tmp_path)
    (tmp_path / "1.png").unlink()
    (tmp_path / "cat" / "young").mkdir()
    with pytest.raises(
        ValueError, match="cat holds a folder itself, young; the folders of classes"
    ):
        pictures.read(tmp_path)
    (tmp_path / "cat" / "young").rmdir()
    (tmp_path / "cat").rename(tmp_path / "train")
    with pytest.raises(ValueError, match="holds splits, train, rather than classes"):
        pictures.read(tmp_path)


def test_other_files_are_named_and_the_systems_own_are_not(tmp_path, images):
    save(tmp_path / "0.png", images[0])
    for name in (".DS_Store", ".hidden.png", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"x")
    assert len(pictures.read(tmp_path).images) == 1
    (tmp_path / "notes.txt").write_text("x")
    with pytest.warns(DataWarning, match=r"notes\.txt is no picture and was left out$"):
        pictures.read(tmp_path)
    (tmp_path / "a.pdf").write_text("x")
    with pytest.warns(DataWarning, match=r"a\.pdf is no picture and was left out, and so 1 more$"):
        pictures.read(tmp_path)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("kind", ["gif", "webp", "tif"])
def test_a_file_of_several_pictures_is_named(tmp_path, images, kind, colour):
    frames = [Image.fromarray(image) for image in images]
    save(tmp_path / "0.png", images[0])
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=rf"a\.{kind} holds several pictures; save the one that"):
        datasets.load(tmp_path, colour=colour)


def in_colours(rng, n):
    return rng.integers(0, 256, (n, 5, 3, 3), np.uint8)


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "webp"])
def test_colours_that_are_averaged_are_said(tmp_path, rng, kind):
    for k, image in enumerate(in_colours(rng, 4)):
        save(tmp_path / f"{k}.{kind}", image, "P" if kind == "gif" else "RGB")
    says = f"{tmp_path}: 0.{kind} is in colour, which was averaged to grey, and so 3 more; "
    with pytest.warns(DataWarning) as heard:
        assert datasets.load(tmp_path).image_shape == (5, 3)
    assert [str(one.message) for one in heard] == [says + "colour=True keeps the colours"]
    assert datasets.load(tmp_path, colour=True).image_shape == (5, 3, 3)  # and says nothing


def test_of_greys_that_are_saved_in_colour_nothing_is_lost(tmp_path, images):
    for k, image in enumerate(images):
        save(tmp_path / f"{k}.png", image, "RGB")
    np.testing.assert_array_equal(pictures.read(tmp_path).images, images)
    save(tmp_path / "4.jpg", images[0], "RGB")
    pictures.read(tmp_path)


@pytest.mark.parametrize(
    ("modes", "says"),
    [
        (("L", "RGB"), "1.png is in colour and 0.png is grey"),
        (("RGB", "L"), "1.png is grey and 0.png is in colour"),
        (("RGBA", "RGB", "1"), "2.png is grey and 0.png is in colour"),
        (("L", "1", "LA", "RGB", "RGB"), "3.png is in colour and 0.png is grey"),
        (("P", "L"), "1.png is grey and 0.png is in colour"),
    ],
)
def test_pictures_that_are_not_of_one_kind_are_said(tmp_path, rng, modes, says):
    for k, (image, mode) in enumerate(zip(in_colours(rng, len(modes)), modes, strict=True)):
        save(tmp_path / f"{k}.png", image, mode)
    with pytest.warns(DataWarning) as heard:
        pictures.read(tmp_path)
    [text] = [str(one.message) for one in heard]
    advice = "and all were made grey; convert one of them, so that all are alike"
    assert text == f"{tmp_path}: {says}, {advice}"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(width, height, data=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


BROKEN = [
    (b"", "b.png cannot be read as a picture: it is damaged or of another kind"),
    (b"GIF89a", "b.png cannot be read as a picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "b.png cannot be read as a picture"),
    (png_bytes(60_000, 60_000), "more than 16,777,216 pixels"),
    (png_bytes(5_000, 5_000), "5000×5000 pixels, more than 16,777,216; shrink it"),
    (png_bytes(0, 4), "b.png cannot be read as a picture"),
    (png_bytes(5, 4, bytes(24)), "b.png is not 4×4 as a.png is; resize it"),
    (png_bytes(4, 4)[:45], "b.png cannot be read as a picture: it is damaged or cut short"),
    (png_bytes(4, 4, b"\0"), "b.png cannot be read as a picture: it is damaged or cut short"),
]


@pytest.mark.parametrize(("content", "says"), BROKEN)
def test_what_is_no_picture_huge_cut_short_or_of_another_size_is_named(tmp_path, content, says):
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        datasets.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"holds no pictures \(\.png \.jpg .*\); convert them"):
        datasets.load(tmp_path)


def test_random_damage_is_one_sentence(tmp_path, images, rng):
    for kind in ("png", "jpg", "gif", "bmp", "tif", "webp", "pgm"):
        path = tmp_path / f"a.{kind}"
        save(path, images[0])
        whole = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), 3):
                damaged[at] = rng.integers(0, 256)
            path.write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
            try:
                pictures.read(tmp_path)
            except ValueError as error:
                assert f"a.{kind}" in str(error) and "\n" not in str(error)
            except DataWarning as warning:
                assert "in colour, which was averaged" in str(warning)  # now it is
        path.unlink()
