"""Prompts and stop strings as a model's own symbols."""

import os
from typing import Any


def parsed(model: Any, text: str) -> Any:
    """Return a prompt as the model's symbols are given: str, bytes, or ids between blanks.

    Bytes are those that the shell passed on: $'\\xff' is one.
    """
    unit = model.encoder_.unit
    if unit == "symbol":
        return [_whole(word) for word in text.split()]
    return os.fsencode(text) if unit == "byte" else text


def _whole(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"this model knows whole numbers, got {word!r}; give such, e.g. 0 1 1")
    return int(word)
