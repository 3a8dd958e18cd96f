"""The snippets of the study pages say what they show."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```pycon\n(.*?)^```", re.M | re.S)
PAGES = sorted(
    path.relative_to(DOCS).as_posix()
    for path in DOCS.rglob("*.md")
    if FENCE.search(path.read_text("utf-8"))
)


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run(page):
    source = "\n".join(FENCE.findall((DOCS / page).read_text("utf-8")))
    test = doctest.DocTestParser().get_doctest(source, {}, page, page, 0)
    said = []
    failed = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert not failed.failed, "".join(said)
    assert failed.attempted > 1


def test_there_are_pages():
    assert len(PAGES) > 8
