"""What the command line says on both streams: any character, few warnings, errors in a sentence.

Like all that the command line needs before a verb begins, this imports nothing heavy.
"""

import io
import os
import sys
import warnings
from typing import Any

from chainrule.commands import wording

DEBUG = "CHAINRULE_DEBUG"  # set: tracebacks and warnings are shown
UNKEPT = "compiled kernels cannot be kept"  # how the warning of `kernels.compiled` begins
EXPECTED = (ValueError, TypeError, OSError, RuntimeError, ImportError, FloatingPointError)


def write_anything() -> None:
    """Let both streams show a character that their encoding lacks as an escape such as \\uac00."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def choose_warnings() -> None:
    """Let through, in a sentence, what only the user can mend; verbs say the rest themselves."""
    if DEBUG in os.environ:
        warnings.simplefilter("default")
        return

    def say(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"chainrule: {message}", file=sys.stderr)

    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", UNKEPT)
    warnings.showwarning = say


def sentence(error: Exception) -> str:
    """Return what an error says, on one line."""
    if hasattr(error, "format_message"):  # the parser's own
        text = error.format_message()
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = "there is not enough memory; use a smaller model, batch or file"
    elif isinstance(error, EXPECTED):
        text = wording.in_options(str(error))
    else:
        text = f"unexpected {type(error).__name__}: {error}; {DEBUG}=1 shows where"
    return " ".join(text.split())
