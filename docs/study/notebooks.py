"""Notebooks in Jupytext's percent format, as pages: their text as Markdown, their cells as code."""

import re
from pathlib import Path

CELL = re.compile(r"^# %%(.*)$", re.M)


def page(path: Path) -> str:
    """Return a notebook as a page of Markdown."""
    pieces = CELL.split(path.read_text("utf-8"))[1:]
    parts = []
    for kind, body in zip(pieces[::2], pieces[1::2], strict=True):
        if "[markdown]" in kind:
            parts.append("\n".join(line.removeprefix("#").strip() for line in body.splitlines()))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    where = (
        f"*This page is the notebook `docs/notebooks/{path.name}`, in Jupytext's percent format.*"
    )
    first, *rest = (part.strip() for part in parts)
    return "\n\n".join([first, where, *rest]) + "\n"


def write(notebooks: Path, folder: Path) -> list[str]:
    """Write all pages, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in notebooks.glob("*.py"))
    for name in names:
        (folder / f"{name}.md").write_text(page(notebooks / f"{name}.py"), "utf-8")
    return names
