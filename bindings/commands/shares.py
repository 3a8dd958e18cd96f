"""Pixels as classifiers and attacks have them: floats from 0 to 1, of whole numbers by 255."""

from typing import Any

import numpy as np

from chainrule.datasets import Dataset
from chainrule.datasets.splits import SPLITS
from chainrule.encoders import doubts

TOP = 255  # white, of whole numbers
DARK = TOP // 2  # whole numbers that go no higher are of another scale, in all likelihood


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


def of_data(data: Dataset, top: int = TOP) -> Dataset:
    """Return a data set whose pixels are floats; of one scale in all splits.

    top: white, of whole numbers.

    Warns:
        DataWarning: whole numbers, none of which comes near to white.
    """
    splits = {name: getattr(data, name) for name in SPLITS}
    whole = all(split.x.dtype.kind in "biu" for split in splits.values())
    most = max(split.x.max() for split in splits.values()) if whole else None
    bits = most is not None and most <= 1
    if most is not None and 1 < most <= DARK and top == TOP:
        doubts.warn(
            f"the largest of these whole numbers is {most}, and they are read as shares of {TOP}, "
            f"of images that are nearly black; divide images of 0 … {most} by {most} first, and "
            "give floats"
        )
    made = {
        name: split._replace(x=split.x.astype(np.float32) if bits else of(split.x, top))
        for name, split in splits.items()
    }
    return data._replace(**made)
