"""A page for each source file that a derivation's steps lead to, every line with an anchor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.application import Sphinx

from study.derivations import HOMES
from study.places import source_page

SUFFIXES = {".py", ".cu", ".cuh"}
SHOWN = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, cssclass="highlight")


def _files() -> list[Path]:
    return [
        path
        for home in HOMES.values()
        for path in sorted(home.rglob("*"))
        if path.suffix in SUFFIXES
    ]


def _body(path: Path) -> str:
    lexer = get_lexer_for_filename("file.cpp" if path.suffix != ".py" else path.name)
    code = highlight(path.read_text("utf-8"), lexer, SHOWN).replace('id="L-', 'id="L')
    name = source_page(path).removeprefix("source/")
    return f"<h1>{name}</h1>\n" + code.replace('href="#L-', 'href="#L').replace(
        'name="L-', 'name="L'
    )


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield every page."""
    for path in _files():
        title = source_page(path).removeprefix("source/")
        yield source_page(path), {"title": title, "body": _body(path), "parents": []}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the pages."""
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True}
