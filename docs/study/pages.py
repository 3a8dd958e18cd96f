"""Writes the pages that are made from the sources: derivations, the reading order, the API."""

import inspect
from pathlib import Path

import chainrule
from study import gallery, way
from study.directives import derivation_of
from study.places import every_name, page_of
from study.reading import PATH
from study.titles import titled

NOT_OURS = "BaseEstimator, ClassifierMixin, OutlierMixin"  # scikit-learn's, documented there
ORDERED = (
    "Each line names what it needs from the ones before, the foundations to read before it and the "
    "numbers and exercises beside it. Previous and Next, at the end of a page, follow this order."
)
ROOMS = {
    "operations": ("Operations", "Array operations, one kernel each."),
    "models": ("Models", "Densities, each with its derivation."),
    "layers": ("Layers", "What several models are made of."),
    "more": ("More derivations", "Mixtures of whole models, labels, training, what twins do."),
}


def heading(text: str, line: str = "=") -> str:
    """Return a heading of reStructuredText."""
    return f"{text}\n{line * (2 * len(text))}\n"


def escaped(text: str) -> str:
    """Return prose with nothing in it that reStructuredText would read as markup."""
    for character in "\\*|`_":
        text = text.replace(character, f"\\{character}")
    return text


def derivation_page(name: str) -> str:
    """Return the page of a derivation."""
    made, last = derivation_of(name), name.rpartition("/")[2]
    parts = [heading(titled(name)), escaped(made.title) + ".\n"]
    parts += [f"{said}\n" for said in (way.before(name), way.beside(name)) if said]
    parts += [f".. derivation:: {name}\n"]
    if made.steps:
        parts += [".. rubric:: Where each step is taken\n", f".. steps:: {name}\n"]
    if name.startswith("kernels/"):
        parts += [f".. gradient-check:: operation {name.removeprefix('kernels/')}\n"]
    if name.startswith(("engine/models/", "engine/classifiers/")):
        parts += [f".. gradient-check:: model {last}\n"]
    if name.startswith("engine/"):  # layers, and what else has a case
        parts += [f".. gradient-check:: operation {name.removeprefix('engine/')}\n"]
    if name.startswith(("kernels/", "engine/models/", "engine/layers/")):
        parts += [f".. speed:: {measured_as(name)}\n"]
    return "\n".join(parts)


def measured_as(name: str) -> str:
    """Return the name by which the speeds know a derivation: the last one, or a sampler's."""
    return name.removeprefix("kernels/") if "/samplers/" in name else name.rpartition("/")[2]


def index_page(room: str, names: list[str]) -> str:
    """Return the page that lists a room's derivations."""
    title, said = ROOMS[room]
    listed = "\n".join(f"   {page_of(name).partition('/')[2]}" for name in names)
    return f"{heading(title)}\n{said}\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n"


def reading_page() -> str:
    """Return the reading order."""
    lines = [heading("A reading order"), f"{ORDERED}\n"]
    for name, said, needs in PATH:
        lines.append(f"#. :doc:`{titled(name)} </{page_of(name)}>`: {escaped(said)}")
        if needs:
            links = ", ".join(f":doc:`{titled(need)} </{page_of(need)}>`" for need in needs)
            lines.append(f"   Needs {links}.")
        lines += [f"   {more}" for more in (way.before(name), way.beside(name)) if more]
        lines.append("")
    return "\n".join(lines)


def api_pages() -> dict[str, str]:
    """Return the pages of the Python API by name: one an estimator, one for all functions."""
    public = {name: getattr(chainrule, name) for name in chainrule.__all__}
    classes = [name for name, value in public.items() if inspect.isclass(value)]
    modules = [name for name, value in public.items() if inspect.ismodule(value)]
    functions = [name for name in public if name not in (*classes, *modules)]
    pages = {}
    for name in classes:
        text = f".. autoclass:: chainrule.{name}\n   :members:\n   :inherited-members: {NOT_OURS}\n"
        pages[f"api/{name}"] = f"{heading(f'chainrule.{name}')}\n{text}"
    calls = [f".. autofunction:: chainrule.{name}\n" for name in functions]
    pages["api/functions"] = f"{heading('chainrule, its functions')}\n" + "\n".join(calls)
    for name in modules:
        listed = [
            f".. autofunction:: chainrule.{name}.{key}\n"
            for key, value in vars(public[name]).items()
            if key in public[name].__all__ and inspect.isfunction(value)
        ]
        pages[f"api/{name}"] = f"{heading(f'chainrule.{name}')}\n" + "\n".join(listed)
    toc = "\n".join(f"   {page.partition('/')[2]}" for page in pages)
    pages["api/index"] = f"{heading('Python API')}\n.. toctree::\n   :maxdepth: 1\n\n{toc}\n"
    return pages


def write(folder: Path) -> None:
    """Write all pages into a folder, as .rst."""
    pages = {page_of(name): derivation_page(name) for name in every_name()}
    for room in ROOMS:
        names = [name for name in every_name() if page_of(name).startswith(f"{room}/")]
        pages[f"{room}/index"] = index_page(room, names)
    pages |= api_pages() | {"reading": reading_page(), "gallery": gallery.write(folder / "gallery")}
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
