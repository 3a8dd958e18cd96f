"""NumPy twin of dropout: the definition that the fast ones are tested against."""

from typing import Any

import numpy as np

from chainrule.kernels.dropout import WORD, key, threshold_and_scale
from chainrule.kernels.types import Array


def apply(
    x: Array,
    y: Array,
    time_major: bool,
    rate: float,
    seed: int,
    step: int,
    site: int,
    row: int,
) -> None:
    """See `chainrule.kernels.dropout.apply`."""
    tau, kappa = threshold_and_scale(rate)  # F1
    N, T, C = (x.shape[axis] for axis in ((1, 0, 2) if time_major else (0, 1, 2)))
    packs = -(-C // 4)
    position, n = np.arange(T * packs).reshape(T, packs), row + np.arange(N)[:, None, None]
    words = np.stack(philox((position, n, step, site), key(seed)), axis=-1)  # F2
    M = np.where(words >= tau, x.dtype.type(kappa), 0).reshape(N, T, 4 * packs)[:, :, :C]  # F3
    y[...] = x * (M.transpose(1, 0, 2) if time_major else M)  # F4, B1


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Return Philox4x32-10's four words of a counter, integers or arrays that broadcast, uint64."""
    words = np.broadcast_arrays(*(np.asarray(word, np.uint64) % WORD for word in counter))
    c_0, c_1, c_2, c_3 = words
    k_0, k_1 = key
    for _ in range(10):
        p, q = 0xD2511F53 * c_0, 0xCD9E8D57 * c_2  # P1
        c_0, c_1, c_2, c_3 = q >> 32 ^ c_1 ^ k_0, q % WORD, p >> 32 ^ c_3 ^ k_1, p % WORD  # P2
        k_0, k_1 = (k_0 + 0x9E3779B9) % WORD, (k_1 + 0xBB67AE85) % WORD  # P3
    return c_0, c_1, c_2, c_3
