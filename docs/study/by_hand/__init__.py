"""Pages of numbers: one tiny case each, all that a reader with a pocket calculator needs.

The numbers come from the NumPy references. What a page shows between their inputs and outputs is
worked out beside them by the derivation's steps, and the build fails where the two differ.
"""

from importlib import import_module
from pathlib import Path

PAGES = ("nade", "made", "lstm", "transformer", "masked_conv")
ROUNDED = (
    "All digits are worked with and few are shown: who goes on from the printed ones may find the "
    "last one or two digits different."
)
INDEX = """# Numbers by hand

One tiny case each, forward and backward, every number written out: to be followed with a pocket
calculator. They are worked out by this build, and held against the library's NumPy references.

```{toctree}
:maxdepth: 1

"""


def write(folder: Path) -> None:
    """Write all pages into a folder, as .md."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        text = import_module(f"study.by_hand.{name}").page()
        begun, forward, rest = text.partition("## Forward\n")
        whole = f"{begun}{ROUNDED}\n\n{forward}{rest}"
        (folder / f"{name}.md").write_text(whole, "utf-8")
    (folder / "index.md").write_text(INDEX + "\n".join(PAGES) + "\n```\n", "utf-8")
