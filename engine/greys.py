"""What a training on images may draw anew in each epoch: bits by grey values, and mirrored images.

Bits        A grey value v, 0 … top, is read as a probability: the pixel is 1 with probability
            v / top, drawn anew whenever a training sees the image (dynamic binarization). A word w
            of 32 random bits draws
            (F1)  b = 1 if w < ⌊2³² v / top⌋, else 0
            so that black is always 0 and what is as bright as any always 1. The expected loss is
            that of a mixture of all binarizations, and its likelihoods are not those of a set that
            was drawn once: such as binarized_mnist, which papers quote.

Mirrored    (F2)  an image is mirrored, left to right, if its first word is below 2³¹.

Words       Of image n in epoch t of a training from a seed: the halves, low and high, of the words
            of 64 bits of Philox4x64 with the key (seed, t) and the counter 2⁶⁴ n, the first for F2
            and one a pixel for F1. They follow from these three numbers alone, and not from what
            was drawn before: so the minibatch may be cut as one likes, and a training that goes on
            draws what it would have drawn. NumPy promises the generator's stream for good.

            Where an image is looked at outside of training, its own levels are the key: the same
            image has the same bits wherever it stands.

Source      Dynamic binarization: Salakhutdinov and Murray 2008, "On the quantitative analysis of
            deep belief networks"; Burda, Grosse and Salakhutdinov 2015, "Importance Weighted
            Autoencoders" (arXiv:1509.00519). Mirrored images: Krizhevsky, Sutskever and Hinton
            2012, "ImageNet Classification with Deep Convolutional Neural Networks".
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.dispatch import array_module, on_device

_WORD, _HALF = 1 << 64, 1 << 32


class Chance(NamedTuple):
    """What a training draws of its images.

    top: the value that is 1 for sure where pixels are drawn as bits; None: they are levels.
    flips: whether images are mirrored by chance.
    """

    top: float | None = None
    flips: bool = False


def seen(x: Any, chance: Chance, seed: int, epoch: int, rows: Any) -> Any:
    """Return images as a training sees them in an epoch, (N, H, W, C), on their side.

    x: (N, H, W, C), images with the numbers `rows`, (N,), in the training data.
    """
    xp = array_module(x)
    numbers = rows.get() if on_device(rows) else rows
    key = seed % _WORD, epoch % _WORD
    n = 1 if chance.top is None else 1 + x[0].size
    words = np.stack([_words(key, int(row), n) for row in numbers])
    if chance.top is not None:
        x = _bits(x, chance.top, xp.asarray(words[:, 1:]))
    if chance.flips:
        mirrored = xp.asarray(words[:, 0] < _HALF // 2)[:, None, None, None]  # F2
        x = xp.ascontiguousarray(xp.where(mirrored, x[:, :, ::-1], x))
    return x


def drawn(x: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """Return images x, (N, H, W, C) of greys 0 … top, as bits: those of an image by its levels."""
    out = np.empty(x.shape, np.uint8)
    for image, bits in zip(x, out, strict=True):
        share = np.ascontiguousarray(image / top, np.float64)
        digest = hashlib.sha256(share.tobytes()).digest()
        key = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")
        bits[...] = _bits(image[None], top, _words(key, 0, image.size)[None])[0]
    return out


def _bits(x: Any, top: float, words: Any) -> Any:
    """Return bits for greys x, (N, H, W, C), by words, (N, H W C)."""
    xp = array_module(x)
    below = xp.floor(x.astype(np.float64) * (_HALF / top))
    return (words.reshape(x.shape) < below).astype(np.uint8)  # F1


def _words(key: tuple[int, int], counter: int, n: int) -> NDArray[np.uint32]:
    """Return n words of 32 bits of a key and a counter."""
    generator: Any = np.random.Philox(
        key=np.array(key, np.uint64), counter=np.array([0, counter, 0, 0], np.uint64)
    )
    raw = generator.random_raw(-(-n // 2))
    halves = np.stack([raw & np.uint64(_HALF - 1), raw >> np.uint64(32)], axis=-1)
    return halves.reshape(-1)[:n].astype(np.uint32)
