"""Docstrings for the API pages: plain text made safe for reStructuredText, examples left alone.

Our docstrings are plain English with formulas: an underscore, a star or a bar in them means itself.
"""

import re
from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:", "Attributes:", "Cost:", "Example:", "Note:")
CODE = re.compile(r"(`[^`\n]+`)")
ITEM = re.compile(r" {4}\w[\w, ]*: ")
SPECIAL = re.compile(r"([*|\\]|_(?=\W|$))")


def _escaped(line: str) -> str:
    pieces = CODE.split(line)
    return "".join(
        f"`{piece}`" if n % 2 else SPECIAL.sub(r"\\\1", piece) for n, piece in enumerate(pieces)
    )


def tidy(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make a docstring's lines safe, in place."""
    inside, out = False, []
    for line in lines:
        stripped = line.strip()
        if stripped.startswith(">>>"):
            inside = True
        elif not stripped or stripped in SECTIONS:
            inside = False
        if inside or stripped in SECTIONS:
            out.append(line)
        else:  # names at the start of an item are napoleon's to read
            item = ITEM.match(line)
            begin = item[0].replace("_,", "\\_,") if item else ""
            line = line[item.end() :] if item else line
            out.append(begin + _escaped(line))
    lines[:] = out


def setup(app: Sphinx) -> dict[str, Any]:
    """Put it before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", tidy, priority=400)
    return {"parallel_read_safe": True}
