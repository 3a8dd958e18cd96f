"""Where things stand: which page a module has, which source page a file, and where the root is."""

from functools import cache
from pathlib import Path

from chainrule.engine import models
from study import derivations
from study.derivations import HOMES

ROOT = Path(__file__).parents[2]


def source_page(path: Path) -> str:
    """Return the page of a source file, without its ending: "source/kernels/nade/cpu.py"."""
    for part, home in HOMES.items():
        if path.is_relative_to(home):
            return f"source/{part}/{path.relative_to(home).as_posix()}"
    raise ValueError(f"{path} is no source of kernels or engine")


def page_of(name: str) -> str:
    """Return the page of a derivation: "kernels/nade" → "operations/nade"."""
    part, _, inside = name.partition("/")
    if part == "kernels" and inside in derivations.kernels():
        return f"operations/{inside.replace('/', '-')}"
    room, _, last = inside.rpartition("/")
    folder = room if room in ("models", "layers") else "more"
    return f"{folder}/{last}"


@cache
def every_name() -> list[str]:
    """Return all derivations by name: kernels, files, and models without steps of their own."""
    kernels = [f"kernels/{name}" for name in derivations.kernels()]
    files = {name.removesuffix(".py") for name in derivations.files()}
    modules = [*models.HOMES.values(), *models.CONTRASTS.values()]
    of_models = {name.removeprefix("chainrule.").replace(".", "/") for name in modules}
    return [*kernels, *sorted(files | of_models)]


def docname_of(module: str) -> str | None:
    """Return the page of a module that a derivation names, or None if it has none of its own."""
    name = module.removeprefix("chainrule.").replace(".", "/")
    return page_of(name) if name in every_name() else None
