"""Warnings that point at the user's line, not at the one of ours that found out."""

import sys
import warnings


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn, as the first caller that is not of chainrule would.

    category: of a text; a warning has its own.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "chainrule":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
