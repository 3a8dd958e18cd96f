"""A page for each source file that a derivation's steps lead to, every line with an anchor.

They are written as they are, beside Sphinx's pages and with their styles: a menu of hundreds of
files in each would cost more than all the rest.
"""

import re
from pathlib import Path
from string import Template
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CppLexer, PythonLexer
from sphinx.application import Sphinx

from study.directives import derivation_of
from study.places import every_name, page_of, source_page

SHOWN = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
ANCHOR = re.compile(r'((?:id|name)="|href="#)L-')  # L19 is what links say
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<link rel="stylesheet" href="$up/_static/pygments.css">
<link rel="stylesheet" href="$up/_static/styles/furo.css">
<link rel="stylesheet" href="$up/_static/study.css">
</head>
<body data-theme="auto" class="source-page">
<script>document.body.dataset.theme = localStorage.getItem("theme") || "auto"</script>
<header><a href="$up/index.html">chainrule</a> · <a href="$up/$page.html">$about</a></header>
<h1>$name</h1>
$code
</body>
</html>
""")


def files() -> dict[Path, str]:
    """Return the files that steps lead to, each with the page of its derivation."""
    found: dict[Path, str] = {}
    for name in every_name():
        made = derivation_of(name)
        for paths in [[made.path], *made.sides.values()]:
            found |= dict.fromkeys(paths, page_of(name))
    return found


def page(path: Path, about: str) -> str:
    """Return the page of a file, about being the page of its derivation."""
    lexer = PythonLexer() if path.suffix == ".py" else CppLexer()
    code = ANCHOR.sub(r"\1L", highlight(path.read_text("utf-8"), lexer, SHOWN))
    place = source_page(path)
    return PAGE.substitute(
        name=place.removeprefix("source/"),
        up="/".join([".."] * place.count("/")),
        page=about,
        about=about.rpartition("/")[2],
        code=code,
    )


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write all pages, when Sphinx has written its own."""
    if exception is None:
        for path, about in files().items():
            to = Path(app.outdir) / f"{source_page(path)}.html"
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_text(page(path, about), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
