"""Whoever is cited as a source is cited with a title and a year, and always with the same title."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

HOMES = {
    part: Path(import_module(f"chainrule.{part}").__file__).parent for part in ("kernels", "engine")
}
SOURCE = re.compile(r"^Source +(.*?)(?=\n\n|\Z)", re.M | re.S)
CITED = re.compile(
    r"\b([A-Z][\w-]+)(?: et al\.|(?:, [A-Z][\w-]+)* and (?:[A-Za-z]+ )*\w+)? (\d{4})\b"
)
ARXIV = re.compile(r'"([^"]+)"[^"]{0,40}?arXiv:(\d{4}\.\d{4,5})')


def sources(path):
    """Return the Source sections of a file's docstring, each as one line."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False) or ""
    return [" ".join(found.split()) for found in SOURCE.findall(text)]


FILES = {
    f"{part}/{path.relative_to(home).as_posix()}": path
    for part, home in HOMES.items()
    for path in sorted(home.rglob("*.py"))
    if sources(path)
}


@pytest.mark.parametrize("name", FILES)
def test_a_citation_has_a_title_and_a_year(name):
    for text in sources(FILES[name]):
        for match in CITED.finditer(text):
            after = text[match.end() :]
            assert after.startswith(', "'), f"{match[0]} has no title"
        named = "Textbook" in text or "rule" in text
        assert named or CITED.search(text), "who is the source?"


def test_a_paper_has_one_title():
    titles = {}
    for path in FILES.values():
        for text in sources(path):
            for title, number in ARXIV.findall(text):
                titles.setdefault(number, set()).add(title.rstrip(","))
    assert len(titles) > 15
    assert not [found for found in titles.values() if len(found) > 1]
