"""Whoever is cited as a source is cited with a title and a year, and always with the same title."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

HOMES = {
    part: Path(import_module(f"chainrule.{part}").__file__).parent for part in ("kernels", "engine")
}
HOMES["bindings"] = Path(import_module("chainrule").__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
SOURCE = re.compile(r"^ *Source(?:: |:\n| +)(.*?)(?=\n\n|\Z)", re.M | re.S)
CITED = re.compile(
    r"\b([A-Z][\w-]+)(?: et al\.|(?:, [A-Z][\w-]+)* and (?:[A-Za-z]+ )*\w+)? (\d{4})\b"
)
ARXIV = re.compile(r'"([^"]+)"[^"]{0,40}?arXiv:(\d{4}\.\d{4,5})')


def texts(path):
    """Return a file's docstrings, or all of it where it is a page."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return [text]
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return [ast.get_docstring(node, clean=False) or "" for node in nodes]


def sources(path):
    """Return the Source sections of a file, each as one line."""
    found = [section for text in texts(path) for section in SOURCE.findall(text)]
    return [" ".join(section.split()) for section in found]


FILES = {
    f"{part}/{path.relative_to(home).as_posix()}": path
    for part, home in {**HOMES, "docs": DOCS}.items()
    for path in sorted([*home.rglob("*.py"), *home.rglob("*.md")])
    if sources(path)
}


@pytest.mark.parametrize("name", FILES)
def test_a_citation_has_a_title_and_a_year(name):
    for text in sources(FILES[name]):
        for match in CITED.finditer(text):
            after = text[match.end() :]
            assert after.startswith(', "'), f"{match[0]} has no title"
        named = any(word in text for word in ("Textbook", "rule", "Derivation", "chainrule."))
        assert named or CITED.search(text), "who is the source?"


def test_a_paper_has_one_title():
    titles = {}
    for path in FILES.values():
        for text in sources(path):
            for title, number in ARXIV.findall(text):
                titles.setdefault(number, set()).add(title.rstrip(","))
    assert len(titles) > 15
    assert not [found for found in titles.values() if len(found) > 1]
