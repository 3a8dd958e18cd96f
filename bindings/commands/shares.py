"""Pixels as classifiers and attacks have them: floats from 0 to 1, of whole numbers by 255."""

from typing import Any

import numpy as np

from chainrule.datasets import Dataset
from chainrule.datasets.splits import SPLITS

TOP = 255  # white, of whole numbers


def of(x: Any, top: int = TOP) -> Any:
    """Return pixels as floats: whole numbers of any dtype over `top`, unless all are 0 and 1.

    Floats come as they are, in float32 at least.
    """
    x = np.asarray(x)
    if x.dtype.kind == "f":
        return x if x.dtype.itemsize >= 4 else x.astype(np.float32)
    if x.dtype.kind not in "biu":
        return x
    return (x / (top if x.size and x.max() > 1 else 1)).astype(np.float32)


def of_data(data: Dataset) -> Dataset:
    """Return a data set whose pixels are floats; of one scale in all splits."""
    splits = {name: getattr(data, name) for name in SPLITS}
    bits = all(split.x.dtype.kind in "biu" and split.x.max() <= 1 for split in splits.values())
    made = {
        name: split._replace(x=split.x.astype(np.float32) if bits else of(split.x))
        for name, split in splits.items()
    }
    return data._replace(**made)
