"""Pages that an example writes: their text is the example's, and what they claim is so.

With --slow they are written again, models and pictures and all.
"""

import importlib.util
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(page):
    """Return the numbers of a page's table, a list a row."""
    rows = [line.strip("| ").split(" | ")[1:] for line in page.splitlines() if line[:2] == "| "]
    return [[float(cell) for cell in row] for row in rows[1:]]


def densities_claims(page):
    rows = cells(page)
    assert len(rows) == 4 and all(rnade > gaussian for gaussian, rnade, *_ in rows)
    assert all(abs(integral - 1) < 0.01 for _, _, integral, *_ in rows)
    assert [len(row) for row in rows] == [5, 6, 6, 6]  # a p-value of all, and of each column
    assert [row[3] > 0.01 for row in rows] == [True, False, True, True]


CLAIMS = {"densities": densities_claims}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_page_is_what_the_example_writes(name):
    page, template = (EXAMPLES / f"{name}.md").read_text(), example(name).PAGE
    pieces = re.split(r"\{\w+(?::[^}]*)?\}", template)
    assert re.fullmatch(".+?".join(map(re.escape, pieces)), page, re.DOTALL)
    CLAIMS[name](page)
    shown = set(re.findall(r"\]\((.+?\.png)\)", page))
    assert shown == {path.name for path in EXAMPLES.glob(f"{name}_*.png")}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_the_page_is_written_again(name, tmp_path, monkeypatch, capsys):
    module = example(name)
    monkeypatch.setattr(module, "HERE", tmp_path)
    module.main()
    CLAIMS[name](capsys.readouterr().out)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in EXAMPLES.glob(f"{name}_*.png")}
