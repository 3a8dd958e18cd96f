"""Sizes of images: what they are by the arrays that hold them, and in words."""

from math import isqrt, prod


def of(form: tuple[int, ...], asked: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Return (R, S, C) of images that come in a form."""
    if asked is None:
        if len(form) > 1:
            return form if len(form) == 3 else (*form, 1)
        side = isqrt(form[0])
        return (side, side, 1) if side * side == form[0] else (1, form[0], 1)
    whole = asked if len(asked) == 3 else (*asked, 1)
    if prod(whole) != prod(form) or form not in ((prod(whole),), whole, whole[: len(form)]):
        raise ValueError(
            f"{name} has images of {in_words(form)}, and image_shape says {asked}; make them agree"
        )
    return whole


def in_words(shape: tuple[int, ...]) -> str:
    """Return the size of an image in words: 28×28, 32×32×3."""
    shown = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
    return "×".join(map(str, shown)) + (" pixels" if len(shown) == 1 else "")
