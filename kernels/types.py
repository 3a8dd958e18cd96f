"""The array aliases used everywhere; shapes live in docstrings, not in types."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Bits = NDArray[np.uint8]  # binary data: 0 or 1, one byte a variable
Ids = NDArray[np.int32]  # symbols of a finite alphabet, 0 … V-1
Table = NDArray[Any]  # rows of bits, categories or real numbers, a column each
