"""Notebooks in Jupytext's percent format, as pages: text as Markdown, cells as code and output.

A cell tagged `todo` leaves lines to the reader. What it should be stands in solutions/, under the
notebook's name, and on the page below the cell, folded. The page shows the notebook as it is.
"""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

CELL = re.compile(r"^# %%(.*)$", re.M)
FOLDED = """<details><summary>A solution</summary>

```python
{}
```

</details>"""


def cells(path: Path) -> list[tuple[str, str]]:
    """Return a notebook's cells, each as what stands after %% and its body."""
    pieces = CELL.split(path.read_text("utf-8"))[1:]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def solution(path: Path) -> str:
    """Return what a notebook's `todo` cell should be."""
    return (path.parent / "solutions" / path.name).read_text("utf-8")


def solved(path: Path) -> str:
    """Return the code of a notebook with the solution put in."""
    code = [(kind, body) for kind, body in cells(path) if "[markdown]" not in kind]
    return "\n".join(solution(path) if "todo" in kind else body for kind, body in code)


def page(path: Path) -> str:
    """Run a notebook, and return it as a page of Markdown, with what its cells print."""
    parts, known = [], {"__name__": "__main__"}
    for kind, body in cells(path):
        if "[markdown]" in kind:
            parts.append("\n".join(line.removeprefix("#").strip() for line in body.splitlines()))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(body, str(path), "exec"), known)
            if printed.getvalue():
                parts.append(f"```text\n{printed.getvalue().rstrip()}\n```")
            if "todo" in kind:
                code = solution(path).partition('"""\n\n')[2]
                parts.append(FOLDED.format(code.strip()))
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
