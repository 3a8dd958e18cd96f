"""CIFAR-10's Python version: pickles are parsed and never run, whatever stands in them."""

import io
import pickle
import struct
import tarfile
import time
import tracemalloc

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import cifar, downloads, pickled

NAMES = cifar.PYTHON.batches


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Return the folder CHAINRULE_DATA; there is neither a cache nor a net beside it."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def urlopen(url, timeout):
        raise TimeoutError("no net in tests")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", urlopen)
    return tmp_path


# Pickles as Python 2 wrote them, opcode by opcode


def text(value):
    return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING


def number(n):
    if n < 0 or n >= 2**16:
        return b"J" + struct.pack("<i", n)  # BININT
    return b"K" + bytes([n]) if n < 256 else b"M" + struct.pack("<H", n)  # BININT1, BININT2


def array(content, shape, kind=b"u1", core=b"numpy.core"):
    """Return the opcodes of an array, as cPickle of protocol 2 has them."""
    dtype = b"cnumpy\ndtype\nq\x0a" + text(kind) + b"K\x00K\x01\x87q\x0bR"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
    make = b"c" + core + b".multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05"
    make += b"K\x00\x85" + text(b"b") + b"\x87q\x06R"
    data = b"T" + struct.pack("<I", len(content)) + content  # BINSTRING
    return (
        make + b"(K\x01" + b"".join(map(number, shape)) + b"\x86" + dtype + b"\x89" + data + b"tb"
    )


def listed(items, block=1000):
    """Return the opcodes of a list, appended to by blocks."""
    blocks = [items[at : at + block] for at in range(0, len(items), block)]
    return b"]q\x02" + b"".join(b"(" + b"".join(some) + b"e" for some in blocks)


def batch(rows, labels):
    """Return a batch of CIFAR-10 as Python 2 pickled it."""
    parts = [text(b"batch_label"), b"q\x01", text(b"testing batch 1 of 1")]
    parts += [text(b"labels"), listed([number(int(label)) for label in labels], 3)]
    parts += [text(b"data"), array(rows.tobytes(), rows.shape)]
    parts += [text(b"filenames"), listed([text(b"cat_s_%06d.png" % k) for k in range(len(rows))])]
    return b"\x80\x02}q\x00(" + b"".join(parts) + b"u."


def of_today(rows, labels, protocol):
    names = [f"{k}.png" for k in range(len(rows))]
    held = {b"data": rows, b"labels": [*map(int, labels)], b"filenames": names}
    return pickle.dumps(held, protocol=protocol)


def pictures(rng, n=4):
    """Return images of all batches, (6, n, 32, 32, 3), their labels, and rows as CIFAR-10's."""
    x = rng.integers(0, 256, (6, n, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, (6, n))
    return x, y, x.transpose(0, 1, 4, 2, 3).reshape(6, n, 3072).copy()


def put(folder, contents):
    (folder / "cifar-10-batches-py").mkdir(exist_ok=True)
    for name, content in zip(NAMES, contents, strict=True):
        (folder / "cifar-10-batches-py" / name).write_bytes(content)


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo("cifar-10-batches-py/" + name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("written", ["Python 2", 2, 3, 4, 5])
def test_the_python_version_is_read(folder, rng, written, packed):
    x, y, rows = pictures(rng, 7)
    contents = [
        batch(*one) if written == "Python 2" else of_today(*one, written)
        for one in zip(rows, y, strict=True)
    ]
    if packed:
        others = {"batches.meta": pickle.dumps({"label_names": ["cat"]}), "readme.html": b"hello"}
        archive(folder / "cifar-10-python.tar.gz", dict(zip(NAMES, contents, strict=True)) | others)
    else:
        put(folder, contents)
    data = datasets.load("cifar10")
    assert data.image_shape == (32, 32, 3) and data.train.x.dtype == np.uint8
    x, y = x.reshape(42, 3072), y.reshape(42)
    for split, part in (("train", slice(32)), ("valid", slice(32, 35)), ("test", slice(35, 42))):
        np.testing.assert_array_equal(getattr(data, split).x, x[part])
        np.testing.assert_array_equal(getattr(data, split).y, y[part])


def test_what_python_2_wrote_is_what_an_unpickler_reads(rng):
    """The bytes by hand are a pickle: Python's own unpickler, in this test alone, agrees."""
    _, y, rows = pictures(rng, 5)
    for content in (batch(rows[0], y[0]), of_today(rows[0].T.copy().T, y[0], 2)):
        theirs, ours = pickle.loads(content, encoding="bytes"), pickled.read(content)
        assert sorted(ours) == sorted(key.decode() for key in theirs)
        np.testing.assert_array_equal(ours["data"], theirs[b"data"])
        np.testing.assert_array_equal(ours["data"], rows[0])
        assert ours["labels"] == theirs[b"labels"] == y[0].tolist()
        assert ours["filenames"] == theirs[b"filenames"]


def test_the_binary_version_comes_first(folder, rng):
    _, y, rows = pictures(rng)
    put(folder, [b"no pickle"] * 6)
    (folder / cifar.FOLDER).mkdir()
    for name, some, labels in zip(cifar.BATCHES, rows, y, strict=True):
        records = np.hstack([labels[:, None].astype(np.uint8), some])
        (folder / cifar.FOLDER / name).write_bytes(records.tobytes())
    assert len(datasets.load("cifar10").test.x) == 4


# What is refused


class Called:
    """An object whose pickle asks for a call, which shows in `calls`."""

    calls = ()

    def __init__(self, function, *arguments):
        self.how = function, arguments

    def __reduce__(self):
        return self.how


def shout(*words):
    Called.calls = (*Called.calls, words)
    return words


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_pickle_is_called(folder, rng, protocol):
    _, y, rows = pictures(rng)
    good = [batch(*one) for one in zip(rows, y, strict=True)]
    held = {b"data": rows[0], b"labels": y[0].tolist(), b"more": Called(shout, "here")}
    content = pickle.dumps(held, protocol=protocol)
    assert pickle.loads(content) and Called.calls == (("here",),)  # an unpickler runs it
    Called.calls = ()
    for at in (0, 5):
        put(folder, [*good[:at], content, *good[at + 1 :]])
        with pytest.raises(ValueError, match=rf"batches-py: {NAMES[at]} ") as caught:
            datasets.load("cifar10")
        assert "\n" not in str(caught.value) and "download cifar-10" in str(caught.value)
    assert Called.calls == ()


EVIL = b"cos\nsystem\n" + text(b"touch evil") + b"\x85R"  # os.system("touch evil")
DEEP = b"K\x00" + b"\x85" * 150_000  # ((((0,),),),)
SAME = b"K\x00" + b"q\x00h\x00\x86" * 40_000  # a tuple of itself and itself: 2^40000 leaves


def headed(*parts):
    return b"\x80\x02}(" + b"".join(parts) + b"u."


REFUSED = [
    (headed(text(b"data"), EVIL), "names 'os.system', and nothing in it is ever called"),
    (b"\x80\x02" + EVIL + b".", "names 'os.system'"),
    (headed(text(b"data"), EVIL.replace(b"cos\nsystem", b"c__builtin__\neval")), "eval'"),
    (headed(text(b"data"), b"cnumpy\nload\n"), "names 'numpy.load'"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.", "names 'os.system'"),
    (b"\x80\x04K\x01K\x02\x93.", "names 'something'"),
    (b"(S'x'\nios\nsystem\n.", "has the opcode STRING, and numbers and bytes alone"),
    (b"(ios\nsystem\n.", "has the opcode INST"),
    (b"\x80\x02cnumpy\nndarray\n)\x81.", "has the opcode NEWOBJ"),
    (b"\x80\x02(U\x01xcnumpy\nndarray\no.", "has the opcode OBJ"),
    (b"\x80\x02Px\n.", "has the opcode PERSID"),
    (b"\x80\x02\x82\x01.", "has the opcode EXT1"),
    (headed(text(b"data"), b"cnumpy\nndarray\n(K\x03tR"), "makes something else than arrays"),
    (headed(text(b"data"), array(bytes(16), (2, 1), b"f8")), "makes something else than arr"),
    (headed(text(b"data"), array(bytes(2), (2, 1), b"O8")), "makes something else than arr"),
    (headed(text(b"data"), array(bytes(2), (2, 1), b"|O")), "makes something else than arr"),
    (headed(text(b"data"), array(bytes(9), (2, 5))), "no table of as many bytes as its shape"),
    (headed(text(b"data"), array(bytes(9), (2**30, 2**30))), "no table of as many bytes as"),
    (headed(text(b"data"), array(bytes(9), (-3, -3))), "no table of as many bytes as its"),
    (headed(text(b"data"), array(b"", (0, 3072))), "no table of as many bytes as its shape"),
    (headed(text(b"data"), b"}b"), "makes something else than arrays"),
    (headed(DEEP, b"K\x01"), "is damaged, cut short or no pickle"),
    (headed(SAME, b"K\x01"), "is damaged, cut short or no pickle"),
    (headed(text(b"data"), SAME), "lacks data, rows of 3,072 bytes"),
    (headed(text(b"a")), "is damaged, cut short or no pickle"),
    (headed(text(b"data"), b"h\x63"), "is damaged, cut short or no pickle"),
    (b"\x80\x02" + b"]" * 300_000 + b".", "has more than 200,000 opcodes"),
    (b"\x80\x02K\x01.", "holds no dictionary"),
    (b"\x80\x02}}.", "holds no dictionary"),
    (b"\x80\x02(}.", "holds no dictionary"),
    (b"\x80\x02}", "is damaged, cut short or no pickle"),
    (b"\x80\x02R.", "is damaged, cut short or no pickle"),
    (b"\x80\x02u.", "is damaged, cut short or no pickle"),
    (b"\x80\x02K\x01K\x02a.", "is damaged, cut short or no pickle"),
    (b"\x80\x02T\xff\xff\xff\x7fabc.", "is damaged, cut short or no pickle"),
    (b"\x80\x04\x8e" + b"\xff" * 8 + b"abc.", "is damaged, cut short or no pickle"),
    (b"\x80\x02T\xff\xff\xff\xffabc.", "is damaged, cut short or no pickle"),
    (b"", "is damaged, cut short or no pickle"),
    (b"\xff\xd8\xff\xe0 a photograph", "is damaged, cut short or no pickle"),
    (headed(), "lacks data, rows of 3,072 bytes"),
    (headed(text(b"data"), array(bytes(3072), (3072, 1))), "lacks data, rows of 3,072"),
    (headed(text(b"data"), array(bytes(3072), (1, 3072))), "lacks labels, a whole number for"),
    (batch(np.zeros((2, 3072), np.uint8), [1]), "lacks labels, a whole number for each row"),
    (batch(np.zeros((1, 3072), np.uint8), [10]), "holds a label past 9"),
    (batch(np.zeros((1, 3072), np.uint8), [-1]), "holds a label past 9"),
    (batch(np.zeros((1, 3072), np.uint8), [7]).replace(b"K\x07", b"\x88"), "lacks labels, a"),
    (pickle.dumps({"data": np.zeros((1, 3072), np.int64), "labels": [1]}), "makes something"),
    (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [1.0]}), "opcode BINFLOAT"),
    (pickle.dumps({"data": np.zeros((1, 3072), "u1"), "fine_labels": [1]}), "lacks labels, a"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_batch_is_one_sentence(folder, rng, monkeypatch, content, says):
    monkeypatch.chdir(folder)
    _, y, rows = pictures(rng, 1)
    good = [batch(*one) for one in zip(rows, y, strict=True)]
    put(folder, [*good[:2], content, *good[3:]])
    before, began = sorted(folder.rglob("*")), time.monotonic()
    with pytest.raises(ValueError) as caught:
        datasets.load("cifar10")
    assert time.monotonic() - began < 20
    assert "batches-py: data_batch_3 " in str(caught.value) and says in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert sorted(folder.rglob("*")) == before


def test_every_way_to_cut_a_batch_short_is_one_sentence(rng):
    _, y, rows = pictures(rng, 3)
    for whole in (batch(rows[0], y[0]), of_today(rows[0], y[0], 2), of_today(rows[0], y[0], 5)):
        cuts = [*range(0, 200), *range(200, len(whole), 501), *range(len(whole) - 90, len(whole))]
        for n in cuts:
            with pytest.raises(ValueError, match="is damaged, cut short or no pickle"):
                pickled.read(whole[:n])


def test_random_damage_is_one_sentence_or_read(rng):
    _, y, rows = pictures(rng, 3)
    for whole in (batch(rows[0], y[0]), of_today(rows[0], y[0], 4)):
        at = [k for k in range(len(whole)) if not 600 < k < len(whole) - 300]  # not the pixels
        for _ in range(2000):
            damaged = bytearray(whole)
            for k in rng.choice(at, 2):
                damaged[k] = rng.integers(0, 256)
            try:
                pickled.read(bytes(damaged))
            except ValueError as error:
                assert "\n" not in str(error) and len(str(error)) < 300


def test_a_pickle_takes_no_more_memory_than_a_few_times_its_size():
    """Neither by many empty lists, nor by encoding one long text again and again."""
    long = b"X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x01"
    encode = b"c_codecs\nencode\nq\x02" + long + b"X\x06\x00\x00\x00latin1q\x03"
    again = encode + b"\x86R" + b"h\x02h\x01h\x03\x86R" * 100
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="makes more bytes than it has"):
            pickled.read(b"\x80\x02" + again + b".")
        with pytest.raises(ValueError, match="has more than 200,000 opcodes"):
            pickled.read(b"\x80\x02" + b"](" * 10**6 + b".")
        assert tracemalloc.get_traced_memory()[1] < 6e7
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_large_is_not_read(folder, rng, monkeypatch):
    _, y, rows = pictures(rng)
    put(folder, [batch(*one) for one in zip(rows, y, strict=True)])
    datasets.load("cifar10")
    with open(folder / "cifar-10-batches-py" / NAMES[0], "r+b") as file:
        file.truncate(cifar.PYTHON.largest + 1)  # a hole: no byte of it is on the disk
    with pytest.raises(ValueError, match=r"data_batch_1 is larger than 61,460,000 bytes; it is no"):
        datasets.load("cifar10")


def test_a_batch_that_is_missing_is_named(folder, rng):
    _, y, rows = pictures(rng)
    contents = [batch(*one) for one in zip(rows, y, strict=True)]
    put(folder, contents)
    (folder / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(ValueError, match=r"batches-py lacks data_batch_4, or it is too large; dow"):
        datasets.load("cifar10")
    (folder / "cifar-10-batches-py" / "data_batch_1").unlink()  # then no such folder is meant
    archive(folder / "cifar-10-python.tar.gz", dict(zip(NAMES[:5], contents[:5], strict=True)))
    with pytest.raises(ValueError, match=r"python\.tar\.gz lacks test_batch, or it is too large"):
        datasets.load("cifar10")
    (folder / "cifar-10-python.tar.gz").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"cannot be read as an archive of CIFAR-10: it is dam"):
        datasets.load("cifar10")


def test_a_batch_of_ten_thousand_is_read_in_seconds():
    """As many rows as CIFAR-10 has, with names: the opcodes are well below the most."""
    rows = np.zeros((10_000, 3072), np.uint8)
    content = batch(rows, np.arange(10_000) % 10)
    assert 30_900_000 < len(content) < cifar.PYTHON.largest
    began = time.monotonic()
    assert pickled.read(content)["data"].shape == rows.shape
    assert time.monotonic() - began < 20
