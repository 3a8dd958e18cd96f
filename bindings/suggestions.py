"""What somebody may have meant who wrote a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str]) -> str:
    """Return the known name that a word resembles, as " (did you mean …?)"; else nothing.

    Example:
        >>> from chainrule.suggestions import near
        >>> near("digist", ["mnist", "digits"]), near("x", ["mnist", "digits"])
        (' (did you mean digits?)', '')
    """
    by_spelling = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), by_spelling, 1)
    return f" (did you mean {by_spelling[found[0]]}?)" if found else ""
