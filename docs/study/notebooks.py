"""Notebooks in Jupytext's percent format, as pages: text as Markdown, cells as code and output."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

CELL = re.compile(r"^# %%(.*)$", re.M)


def page(path: Path) -> str:
    """Run a notebook, and return it as a page of Markdown, with what its cells print."""
    pieces = CELL.split(path.read_text("utf-8"))[1:]
    parts, known = [], {"__name__": "__main__"}
    for kind, body in zip(pieces[::2], pieces[1::2], strict=True):
        if "[markdown]" in kind:
            parts.append("\n".join(line.removeprefix("#").strip() for line in body.splitlines()))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(body, str(path), "exec"), known)
            if printed.getvalue():
                parts.append(f"```text\n{printed.getvalue().rstrip()}\n```")
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
