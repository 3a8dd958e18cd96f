"""Rows that stay in their file: those of an array, and of which little is ever in memory."""

import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support.ranks import together

import chainrule as cr
from chainrule.datasets import readers
from chainrule.encoders import on_disk
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.engine import models
from chainrule.engine.training import train
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource


@pytest.fixture
def large(monkeypatch):
    """Let every file be a large one, of which nothing may stay in memory."""
    monkeypatch.setattr(on_disk, "HELD", 0)


def saved(path, array):
    np.save(path, array)
    return path


def assert_alike(rows, array):
    assert (rows.shape, rows.dtype, rows.ndim, rows.size, len(rows)) == (
        (array.shape, array.dtype, array.ndim, array.size, len(array))
    )
    some, marks = np.array([3, -1, 0, 3]), np.arange(len(array)) % 3 == 1
    for part in (slice(None), slice(2, 5), slice(5, 2), slice(-3, None, 2), some, marks, 4, -2):
        assert_array_equal(rows[part], array[part])
        assert rows[part].flags.writeable and rows[part].flags.c_contiguous
        assert rows[part].dtype == array.dtype
    assert_array_equal(np.asarray(rows), array)
    assert_array_equal(np.asarray(rows, np.float64), array)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int32, np.float64, ">f4"])
def test_they_are_those_of_an_array(large, tmp_path, rng, dtype):
    x = rng.integers(0, 2, (11, 3, 4)).astype(dtype)
    rows, order = readers.npy_on_disk(saved(tmp_path / "x.npy", x)), rng.permutation(11)
    assert isinstance(rows, RowsOnDisk)
    assert_alike(rows, x)
    assert_alike(rows.reshape(-1, 12), x.reshape(-1, 12))
    assert_alike(rows.reshape(11, -1).select(order), x.reshape(11, -1)[order])
    shuffled = rows.select(order).select(order)
    assert_alike(shuffled, x[order][order])
    assert_alike(shuffled.whole(), x)
    turned = shuffled.made(lambda part: part[:, ::-1] == 0, bool)
    assert_alike(turned, x[order][order][:, ::-1] == 0)
    table, flat = shuffled.reshape(-1, 12), x[order][order].reshape(-1, 12)
    for k in (0, 7, -1):
        assert_array_equal(table[:, k], flat[:, k])
    flat_file = readers.npy_on_disk(saved(tmp_path / "flat.npy", flat))
    assert_array_equal(flat_file[:, 5], flat[:, 5])
    assert_array_equal(flat_file.select(order)[:, 5], flat[order, 5])
    assert_array_equal(flat_file[:, [5, 2]], flat[:, [5, 2]])


def test_a_file_that_was_cut_while_in_use_is_named(large, tmp_path):
    path = saved(tmp_path / "x.npy", np.eye(5))
    rows = readers.npy_on_disk(path)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert rows[:4].sum() == 4
    with pytest.raises(OSError, match=r"x\.npy became shorter; leave it as it is"):
        rows[:]


def test_what_would_read_all_of_them_unasked_is_refused(large, tmp_path):
    rows = readers.npy_on_disk(saved(tmp_path / "x.npy", np.eye(3)))
    with pytest.raises(TypeError, match=r"a slice at a time, or as numpy\.asarray"):
        rows == 0  # noqa: B015
    with pytest.raises(ValueError, match="leave copy=False out"):
        np.array(rows, copy=False)
    with pytest.raises(ValueError, match=r"\(3, 3\) cannot be of shape"):
        rows.reshape(-1, 2)


def test_small_files_and_arrays_by_columns_are_read(tmp_path, monkeypatch, rng):
    x = rng.random((6, 4))
    assert isinstance(readers.npy_on_disk(saved(tmp_path / "x.npy", x)), np.ndarray)
    monkeypatch.setattr(on_disk, "HELD", 0)
    found = readers.npy_on_disk(saved(tmp_path / "x.npy", np.asfortranarray(x)))
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, x)
    for other in (np.arange(5), np.zeros((0, 3)), np.float64(1)):
        assert isinstance(readers.npy_on_disk(saved(tmp_path / "x.npy", other)), np.ndarray)


def settings(**given):
    return [f"--set={name}={value}" for name, value in given.items()]


def numbers(folder, rng):
    return saved(folder / "x.npy", rng.normal(size=(70, 6)))


def bits(folder, rng, shape=(70, 16)):
    return saved(folder / "x.npy", rng.integers(0, 2, shape, np.uint8))


def greys(folder, rng):
    return saved(folder / "x.npy", rng.integers(0, 256, (70, 4, 4), np.uint8))


def counts(folder, rng):
    return saved(folder / "x.npy", rng.integers(0, 3, (70, 5)))


PIXELS = settings(n_layers=1, n_features=4)
TRAINED = {
    "bits": ("nade", bits, settings(n_hidden=4)),
    "threshold": ("nade", numbers, settings(n_hidden=4, binarize=0.5, ordering="reverse")),
    "plain": ("made", bits, settings(hidden=8)),
    "any order": ("orderless-nade", bits, settings(hidden=8)),
    "real": ("rnade", numbers, settings(n_hidden=4)),
    "classes": ("categorical-nade", counts, settings(n_hidden=4)),
    "autoencoder": ("autoencoder", bits, settings(n_hidden=4)),
    "symbols": ("rnn", bits, settings(n_hidden=4, steps=4)),
    "levels": ("pixel-cnn", greys, PIXELS),
    "reduced": ("pixel-cnn", greys, [*PIXELS, *settings(levels=4, reduce_from=256)]),
    "drawn": ("pixel-cnn", greys, [*PIXELS, *settings(dynamic_binarization=True)]),
    "a threshold of pixels": ("pixel-cnn", greys, [*PIXELS, *settings(binarize=99)]),
}


@pytest.mark.parametrize("name", TRAINED)
def test_trainings_are_the_same_to_the_bit(name, tmp_path, rng, call, monkeypatch):
    model, make, more = TRAINED[name]
    data, found = make(tmp_path, rng), []
    length = () if model == "rnn" else ("--epochs", 2)
    for held in (on_disk.HELD, 0):
        monkeypatch.setattr(on_disk, "HELD", held)
        run = tmp_path / str(held)
        told = call("train", model, "--data", data, "--out", run, *length, *more)
        assert told[0] == 0, told
        scored = call("score", run, data, "--out", run / "p.npy") if model != "autoencoder" else ()
        best = cr.load(run)
        history = [{**record, "seconds": 0} for record in best.history_]
        log_p = np.load(run / "p.npy") if scored else None
        found.append((best.params_.flat, history, told[1].replace(str(run), ""), log_p))
    (params, history, said, log_p), (its_params, its_history, its_said, its_log_p) = found
    assert_array_equal(params, its_params)
    assert (history, said) == (its_history, its_said)
    assert_array_equal(log_p, its_log_p)


def test_a_script_fits_rows_of_a_file(large, tmp_path, rng):
    data = bits(tmp_path, rng)
    fits = []
    for data_set in (cr.datasets.load(data), cr.datasets.load(data, on_disk=True)):
        train, valid = data_set.train.x, data_set.valid.x
        fits.append(cr.FVSBN(epochs=2, seed=1, ordering="random").fit(train, X_valid=valid))
        fits[-1].scored = fits[-1].log_prob(train)
    assert isinstance(train, RowsOnDisk)
    assert_array_equal(fits[0].params_.flat, fits[1].params_.flat)
    assert_array_equal(fits[0].scored, fits[1].scored)


@pytest.mark.parametrize(
    ("array", "options", "sentence"),
    [
        (np.full((20, 4), np.nan), ("--set=binarize=0",), "NaN alone in column 0"),
        (np.where(np.eye(20, 4), np.inf, 1), ("--set=binarize=0",), "at [0, 0]"),
        (np.arange(80).reshape(20, 4), (), "[0, 2]"),
        (np.arange(80, dtype=np.uint8).reshape(20, 4), (), "[0, 2]"),
        (np.zeros((20, 4), complex), (), "must hold real numbers"),
        (np.full((20, 4), "a"), (), "must hold numbers"),
    ],
)
def test_what_is_wrong_is_said_as_of_an_array(
    array, options, sentence, tmp_path, call, monkeypatch
):
    data, found = saved(tmp_path / "x.npy", array), []
    for held in (on_disk.HELD, 0):
        monkeypatch.setattr(on_disk, "HELD", held)
        found.append(call("train", "nade", "--data", data, "--out", tmp_path / "r", *options))
    assert found[0] == found[1]
    assert found[0][0] == 2 and sentence in found[0][2], found[0]


class Noted(on_disk.ArrayOnDisk):
    """A file that notes how many rows were read at once, and by which rank."""

    def __init__(self, *where):
        super().__init__(*where)
        self.read_by = {}

    def read(self, rows):
        self.read_by.setdefault(threading.current_thread(), []).append(len(rows))
        return super().read(rows)


def test_a_rank_reads_its_slice_of_each_minibatch(tmp_path, rng):
    x = rng.integers(0, 2, (60, 6), np.uint8)
    path = saved(tmp_path / "x.npy", x)
    file = Noted(path, path.stat().st_size - x.nbytes, x.shape, x.dtype)
    recipe = Recipe(epochs=2, batch_size=12, seed=3)
    model = models.get("nade")
    config = model.Config(n_visible=6, n_hidden=4)

    def work(team):
        state = train.start(model, config, recipe)
        for _ in train.run(model, config, recipe, state, RowSource(RowsOnDisk(file)), team=team):
            pass
        return state.params.flat

    for params in together(3, work):
        assert_array_equal(params, together(3, work)[0])
    assert all(rows == [4] * 10 for rows in file.read_by.values()) and len(file.read_by) >= 3


def test_no_array_as_large_as_the_file_is_made(tmp_path, monkeypatch, rng, call):
    size, rows = 2**25, rng.integers(0, 2, (2**17, 2**8), np.uint8)
    data = saved(tmp_path / "x.npy", rows)
    del rows
    asked = ("train", "fvsbn", "--data", data, "--out", tmp_path / "r", "--force", "--quiet")
    asked += ("--epochs", 1, "--batch-size", 4000, "--set=binarize=0.5")

    def peak(held):
        monkeypatch.setattr(on_disk, "HELD", held)
        tracemalloc.start()
        assert call(*asked)[0] == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert call(*asked)[0] == 0  # what is imported is not counted
    assert peak(2**20) < 0.75 * size and peak(10**9) > 2 * size


MEASURE = """
import sys
import numpy as np
from chainrule import datasets
from chainrule.commands.requests import Reading
from chainrule.commands.row_material import RowMaterial
import chainrule as cr

def status(name):
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith(name)).split()[1]) << 10

model, before = cr.FVSBN(), status("VmRSS")
source = RowMaterial(model, sys.argv[1], Reading()).source
from chainrule.commands.material import digest
digest(model, source)
rng = np.random.default_rng(0)
for _ in range(300):
    source._x[rng.integers(0, len(source._x), 100)]
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_little_of_a_large_file_stays_in_memory(tmp_path):
    path = tmp_path / "x.npy"
    size = 2**28
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (size // 2**8, 2**8))
    rows[::7, ::5] = 1
    del rows
    command = [sys.executable, "-c", MEASURE, str(path)]
    end = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert end.returncode == 0, end.stderr
    assert int(end.stdout) < size / 3, end.stdout
