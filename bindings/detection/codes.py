"""How long observations are in standard lossless codes: their complexity, in bits.

A model of images gives flat ones high likelihoods, whatever they show, because they take few bits
in any code. What a likelihood says beyond that is how far the model's code, -log₂ p(x), is from a
general one, of L(x) bits: S(x) = -log₂ p(x) - L(x), which is high where x is odd. It is the log of
a likelihood ratio against the distribution that the general code stands for.

| observations | written as | codes |
|---|---|---|
| images | levels, bits eight a byte | PNG (Pillow), and those of rows |
| rows of bits | eight a byte | deflate, bzip2, LZMA |
| rows of categories | their numbers | the same |
| sequences | the numbers of their symbols | the same |

The shortest of them counts, heads and all: of observations of one size a head is the same for all.

Source: Serrà, Álvarez, Gómez, Slizovskaia, Núñez and Luque 2020, "Input complexity and
out-of-distribution detection with likelihood-based generative models".
"""

import bz2
import lzma
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.detection import observations
from chainrule.engine.team import dealing

LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
CHANNELS = (1, 3)  # of an image that PNG knows


def lengths(model: Any, X: Any) -> NDArray[np.float64]:
    """Return the length of each observation in bits, (N,), in the shortest of the codes.

    Raises:
        ValueError: a table with real or counted columns, which has a density and no code.
    """
    written = _written(model, X)

    def of_slice(lo: int, hi: int) -> NDArray[np.float64]:
        return np.array([_shortest(*one) for one in written[lo:hi]], np.float64)

    return np.asarray(dealing.rows(of_slice, len(written)), np.float64)


def check(model: Any) -> None:
    """Raise ValueError if observations of a fitted model have no lossless code."""
    if not observations.of_sequences(model) and observations.of_table(model):
        kinds = set(model.encoder_.types)
        if kinds & {"integer", "continuous"}:
            raise ValueError(
                "method='complexity' compares with lossless codes of bits, categories, levels or "
                "symbols, and this table has real columns or counts; take another method"
            )


def _written(model: Any, X: Any) -> list[tuple[bytes, NDArray[Any] | None]]:
    """Return each observation as bytes, and those that are images also as such."""
    if observations.of_sequences(model):
        return [(_bytes(row), None) for row in observations.symbols(model, X)]
    if observations.of_table(model):
        rows = observations.codes(model, X)
        if rows is None:
            raise ValueError("rows that lack values have no code; take another method")
        return [(_bytes(row), None) for row in rows]
    images = observations.levels(model, X)
    plain = images.ndim == 2
    two = observations.n_levels(model) == 2
    packed = [np.packbits(one.ravel()).tobytes() if two else one.tobytes() for one in images]
    return [(raw, None if plain else one) for raw, one in zip(packed, images, strict=True)]


def _bytes(numbers: NDArray[Any]) -> bytes:
    """Return whole numbers a byte each, or as many as the largest of 16 or 32 bits takes."""
    high = int(numbers.max(initial=0))
    dtype = np.uint8 if high < 1 << 8 else np.uint16 if high < 1 << 16 else np.uint32
    return numbers.astype(dtype).tobytes()


def _shortest(raw: bytes, image: NDArray[Any] | None) -> int:
    """Return the bits that an observation takes in the code that suits it best."""
    coder = zlib.compressobj(9, wbits=-15)
    found = [
        len(coder.compress(raw) + coder.flush()),
        len(bz2.compress(raw)),
        len(lzma.compress(raw, lzma.FORMAT_RAW, filters=LZMA)),
    ]
    if image is not None and image.shape[2] in CHANNELS:
        found.append(_png(image))
    return 8 * min(found)


def _png(image: NDArray[Any]) -> int:
    """Return how many bytes an image, (R, S, C) of levels, takes as PNG."""
    from PIL import Image  # comes with matplotlib, and most never need it

    pixels = image[..., 0] if image.shape[2] == 1 else image
    file = BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels, np.uint8))
    if pixels.ndim == 2 and pixels.max(initial=0) <= 1:
        picture = Image.fromarray(np.asarray(pixels * 255, np.uint8)).convert("1")
    picture.save(file, "PNG", optimize=True)
    return file.tell()
