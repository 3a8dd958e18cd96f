"""Labels for the fixed binarized MNIST, which comes without: find the grey image behind each row.

The fixed binarization drew every pixel once, a one with the grey level as its probability. So the
image that a row was drawn from is the one under which it is likeliest: with g the grey levels
over 255, kept ε inside (0, 1), log p(x | g) = Σ_i x_i log g_i + (1 - x_i) log (1 - g_i), one matrix
product for all pairs. A wrong image fails by hundreds of nats: it has black where x has ones. The
labels found are, digit by digit, as many as MNIST has, in its training and in its test images.
"""

from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.engine.storage.files import replacing

EPSILON = 1e-4
ROWS = 1000  # compared with all images at once
SPLITS = ("train", "valid", "test")


def labelled(path: Path) -> Path:
    """Write the binarized MNIST with labels to `path`, unless it is there; return it.

    A .npz with x_train, y_train, x_valid, …: what `chainrule train --data` reads. CHAINRULE_DATA
    has both binarized_mnist.npz and mnist.npz, or they are downloaded. Takes a few minutes.
    """
    if path.exists():
        return path
    bits, grey = cr.datasets.load("binarized_mnist"), cr.datasets.load("mnist", raw=True)
    images = np.concatenate([grey.train.x, grey.valid.x])
    digits = np.concatenate([grey.train.y, grey.valid.y])
    sources = {"train": (images, digits), "valid": (images, digits), "test": (*grey.test,)}
    arrays: dict[str, Any] = {}
    for split in SPLITS:
        x, (candidates, y) = getattr(bits, split).x, sources[split]
        found = match(x, candidates)
        print(f"{split}: {len(np.unique(found)):,} images stand behind {len(x):,} rows", flush=True)
        arrays |= {f"x_{split}": x, f"y_{split}": y[found].astype(np.int64)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def match(x: Any, images: Any) -> Any:
    """Return for each row of x, (N, D) of 0 and 1, the likeliest of images, (M, D) of 0 … 255."""
    g = np.clip(images.astype(np.float32) / 255, EPSILON, 1 - EPSILON)
    weights, constants = (np.log(g) - np.log1p(-g)).T, np.log1p(-g).sum(axis=1)
    found = [
        (x[lo : lo + ROWS].astype(np.float32) @ weights + constants).argmax(axis=1)
        for lo in range(0, len(x), ROWS)
    ]
    return np.concatenate(found)
