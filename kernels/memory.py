"""Memory that begins on a whole line of the caches: a vector in two of them costs two loads."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE
from chainrule.kernels.types import Array

LINE = 64  # bytes


@njit(**INLINE)
def lines(n: int, like: Array) -> Array:
    """Return memory for n numbers of like's dtype; NumPy's own begins anywhere."""
    spare = LINE // like.itemsize
    raw = np.empty(n + spare, like.dtype)
    begin = np.intp(raw.ctypes.data) % np.intp(LINE) // np.intp(like.itemsize)
    begin = (spare - begin) % spare
    return raw[begin : begin + n]
