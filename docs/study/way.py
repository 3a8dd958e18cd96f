"""The way through the site: the reading order with all that is read at its places."""

from functools import cache
from typing import Any

from sphinx.application import Sphinx

from chainrule.exercises import EXERCISES
from study.places import page_of
from study.reading import BEFORE, BESIDE, PATH


@cache
def order() -> list[str]:
    """Return all pages of the way, each once: what comes before a derivation, it, what is beside.

    A page that stands beside several derivations is read after the first of them.
    """
    pages = ["reading"]
    for name, *_ in PATH:
        pages += [*BEFORE.get(name, ()), page_of(name), *BESIDE.get(name, ())]
    return list(dict.fromkeys(pages))


def exercises_of(name: str) -> list[str]:
    """Return the names of a derivation's exercises."""
    return [e.name for e in EXERCISES.values() if f"kernels/{e.operation}" == name]


def beside(name: str) -> str:
    """Return a sentence, in reStructuredText, that links what is read beside a derivation."""
    links = [f":doc:`/{page}`" for page in BESIDE.get(name, ()) if page != "doing/index"]
    names = exercises_of(name)
    if names:
        links.append(f":doc:`exercises </doing/index>` {names[0]} to {names[-1]}")
    return f"Beside it: {', '.join(links)}." if links else ""


def before(name: str) -> str:
    """Return a sentence that links the foundations that are read before a derivation."""
    links = [f":doc:`/{page}`" for page in BEFORE.get(name, ())]
    return f"Before it: {', '.join(links)}." if links else ""


def _lead(app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Let Previous and Next of a page on the way lead along it, whatever list it stands in."""
    pages = order()
    if page in pages:
        at = pages.index(page)
        context["prev"] = _link(app, page, pages[at - 1]) if at else context.get("prev")
        context["next"] = _link(app, page, pages[at + 1]) if at + 1 < len(pages) else None


def _link(app: Sphinx, page: str, to: str) -> dict[str, str]:
    title = app.builder.render_partial(app.env.titles[to])["title"]  # type: ignore[attr-defined]
    return {"link": app.builder.get_relative_uri(page, to), "title": title}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it."""
    app.connect("html-page-context", _lead)
    return {"parallel_read_safe": True}
