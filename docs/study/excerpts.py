"""Excerpts in the search's results where the site is opened as files.

Sphinx's search reads each page that it found, and no browser lets one file read another. So the
text of all pages stands in a script that the search's page alone loads, and it is read from there.
"""

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FILE = "excerpts.js"
MAIN = re.compile(r'<article role="main"[^>]*>(.*?)</article>', re.S)
UNREAD = re.compile(r'<(script|style|svg)\b.*?</\1>|<a class="headerlink".*?</a>|<[^>]*>', re.S)
SCRIPT = """const EXCERPTS = %s;
if (location.protocol === "file:") {
  const read = window.fetch;
  window.fetch = (url) => {
    const text = EXCERPTS[String(url).replace(/^\\.\\//, "")];
    if (text === undefined) return read(url);
    return Promise.resolve(new Response(`<div role="main">${text}</div>`));
  };
}
"""


def text_of(page: str) -> str:
    """Return what a page of HTML says, without its tags; characters stay escaped."""
    found = MAIN.search(page)
    return " ".join(UNREAD.sub(" ", found[1]).split()) if found else ""


def script(folder: Path, pages: list[str]) -> str:
    """Return the script: the text of pages of a folder by their file, and who reads it."""
    texts = {
        f"{page}.html": text_of((folder / f"{page}.html").read_text("utf-8")) for page in pages
    }
    return SCRIPT % json.dumps(texts, ensure_ascii=False, sort_keys=True)


def _ask(app: Sphinx, page: str, _template: str, _context: dict[str, Any], _tree: Any) -> None:
    """Let the search's page load the script."""
    if page == "search":
        app.add_js_file(FILE)


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        to = Path(app.outdir) / "_static" / FILE
        to.write_text(script(Path(app.outdir), sorted(app.env.found_docs)), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it."""
    app.connect("html-page-context", _ask)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}
