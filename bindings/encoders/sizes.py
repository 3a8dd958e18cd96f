"""Sizes of images: what they are by the arrays that hold them, and in words.

Rows tell their number of pixels alone, which is read as the simplest that it can be: a square of
one channel, else one row. No square is three times another, so that rows of square images in colour
are never taken for grey ones: they are taken for one row, of which a warning is due. Others can be
a square by chance, as those of 4×3×3 are 6×6, and nothing gives that away.
"""

from math import isqrt, prod

from chainrule.encoders import doubts


def of(form: tuple[int, ...], asked: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Return (R, S, C) of images that come in a form.

    Raises:
        ValueError: another shape is asked for.

    Warns:
        DataWarning: rows whose number of pixels is no square, and no shape is asked for.
    """
    if asked is None:
        if len(form) > 1:
            return form if len(form) == 3 else (*form, 1)
        side = isqrt(form[0])
        if side * side == form[0]:
            return side, side, 1
        doubts.warn(_no_square(form[0], name))
        return 1, form[0], 1
    whole = asked if len(asked) == 3 else (*asked, 1)
    if prod(whole) != prod(form) or form not in ((prod(whole),), whole, whole[: len(form)]):
        raise ValueError(
            f"{name} has images of {in_words(form)}, and image_shape says {asked}; make them agree"
        )
    return whole


def _no_square(D: int, name: str) -> str:
    """Return what is doubtful about rows of so many pixels, and how to say what they are."""
    side = isqrt(D // 3)
    if 3 * side * side == D:
        what, shape, arrays = "are in colour", f"({side}, {side}, 3)", f"(N, {side}, {side}, 3)"
    else:
        what, shape, arrays = "have more rows", "(R, S) or (R, S, C)", "(N, R, S) or (N, R, S, C)"
    return (
        f"{name} has rows of {D:,} pixels, which is no square, and they are taken for images of "
        f"1×{D}; if they {what}, say image_shape={shape}, which a loaded Dataset has, or give "
        f"arrays {arrays}, and if not, image_shape=(1, {D})"
    )


def unlike(got: tuple[int, ...], shape: tuple[int, ...], name: str) -> ValueError:
    """Return the error for an array, of images or one alone, that holds none of a fit's shape."""
    if got == shape:
        return ValueError(
            f"{name} has the shape of one image, {in_words(shape)}, and is to hold several; of one "
            f"give {name}[None]"
        )
    return ValueError(
        f"{name} has images of {in_words(got[1:])}, and the model was fitted on "
        f"{in_words(shape)}; give it such"
    )


def in_words(shape: tuple[int, ...]) -> str:
    """Return the size of an image in words: 28×28, 32×32×3."""
    shown = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
    return "×".join(map(str, shown)) + (" pixels" if len(shown) == 1 else "")
