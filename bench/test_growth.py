"""How time and memory grow: what is measured, and what is drawn of it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import __main__ as command
from bench import cases, growth, memory
from bench.growth import MEMORY, TIME, Point

ABOUT = {
    "machine": {"cpu": "a processor"},
    "versions": {"numpy": "2"},
    "settings": {"threads": 1, "isa": "native"},
    "ceilings": {},
    "data": "rows",
}


def a_run(power=2.0):
    """Return a document of PixelCNN's steps at sides 16 and 64, as `report.document` has it."""
    common = {"workload": "pixel_cnn/step", "backend": "cpu", "status": "ok"}
    rows = [{**common, "size": f"r{R}", "median_s": 1e-4 * R**power} for R in (16, 64)]
    peaks = [{**common, "size": f"r{R}", "growth_mb": 0.1 * R**power} for R in (16, 64)]
    skipped = {"workload": "pixel_cnn/step", "size": "r32", "backend": "jax", "status": "skipped"}
    return ABOUT | {"results": [*rows, {**rows[0], "size": "mnist"}, skipped], "peak_memory": peaks}


def test_points_are_those_of_sizes_with_a_number():
    """Neither a size without one nor a rival without numbers is a point."""
    found = growth.points([a_run()])
    assert [(p.what, p.size) for p in found] == [(TIME, 16), (TIME, 64), (MEMORY, 16), (MEMORY, 64)]
    np.testing.assert_allclose([p.value for p in found], [25.6, 409.6, 25.6, 409.6])
    later = a_run() | {"peak_memory": []}
    later["results"] = [row | {TIME: row.get(TIME, 0) / 2} for row in later["results"]]
    found = growth.points([a_run(), later])
    np.testing.assert_allclose([p.value for p in found], [12.8, 204.8, 25.6, 409.6])


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_the_power_is_the_lines(power):
    """A power of the size gives itself back, whatever its unit."""
    line = [Point("pixel_cnn/step", "r", TIME, "cpu", R, 3.1 * R**power) for R in (8, 16, 28, 64)]
    assert growth.power(line) == pytest.approx(power, abs=1e-12)


def test_kept_runs_are_drawn(tmp_path):
    """From the command line, of several files; a single size is no growth."""
    for name, run in (("a", a_run()), ("b", a_run() | {"results": [], "peak_memory": []})):
        (tmp_path / f"{name}.json").write_text(json.dumps(run))
    files, picture = [str(tmp_path / f"{name}.json") for name in "ab"], tmp_path / "x.png"
    outcome = CliRunner().invoke(growth.app, [*files, str(picture)])
    assert outcome.exit_code == 0, outcome.output
    assert picture.stat().st_size > 1000
    outcome = CliRunner().invoke(growth.app, [files[1], str(tmp_path / "none.png")])
    assert outcome.exit_code == 2 and "two sizes" in outcome.output


def test_memory_is_measured_at_the_sizes_that_are_asked_for():
    """Without sizes at those of the table; each after a small one of the same kind."""
    timed, pairs = command.choose("pixel_cnn/memory,masked_conv/memory", "r16,r64,c8")
    assert not timed
    assert [(large.name, large.size_name) for _, large in pairs] == [
        ("pixel_cnn/step", "r16"),
        ("pixel_cnn/step", "r64"),
        ("masked_conv/grad", "r16"),
        ("masked_conv/grad", "r64"),
        ("masked_conv/grad", "c8"),
    ]
    assert {small.size_name for small, _ in pairs} == {"small"}
    _, pairs = command.choose("*/memory", "")
    named = {(model, size) for model, (_, sizes) in cases.MEMORY.items() for size in sizes}
    assert {(large.model, large.size_name) for _, large in pairs} == named


def test_a_peak_counts_from_where_the_work_begins():
    """What was taken and given back before it is not its own, and what it gives back is."""
    if not memory.MARK.exists():
        pytest.skip("the mark of the peak cannot be set back here")
    held = np.ones(30_000_000)  # 240 MB
    del held
    small = memory.growth(lambda: np.ones(1_000_000).sum())
    assert 4 < small["growth_mb"] < 40
    assert 110 < memory.growth(lambda: np.ones(15_000_000).sum())["growth_mb"] < 160
