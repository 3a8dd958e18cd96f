"""What the docstrings of estimators say of their settings, for `help` and for `--help`.

A setting is described once, in the `Args:` of the class that brings it, and read along the bases.
"""

import re
from collections.abc import Iterable

_ARGS = re.compile(r"^    Args:\n((?:        .*\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^        (\w[\w, \n]*?):(.*\n(?:            .*\n)*)", re.MULTILINE)


def described(doc: str | None) -> dict[str, str]:
    """Return what a class's docstring says of its settings: by name, or names with commas."""
    args = _ARGS.search(doc or "")
    entries = _ENTRY.finditer(args[1]) if args else ()
    return {" ".join(entry[1].split()): " ".join(entry[2].split()) for entry in entries}


def with_settings_of(doc: str | None, bases: Iterable[str | None]) -> str | None:
    """Return a class's docstring with those entries of its bases' Args that its own lack."""
    own = _ARGS.search(doc or "")
    if doc is None or own is None:
        return doc
    entries = own[1]
    told = {name for names in described(doc) for name in re.findall(r"\w+", names)}
    for base in bases:
        theirs = _ARGS.search(base or "")
        for entry in _ENTRY.finditer(theirs[1] if theirs else ""):
            if entry[1] not in told:
                entries += entry[0]
                told.add(entry[1])
    return doc[: own.start(1)] + entries + doc[own.end(1) :]
