"""NumPy twin of rotary positions: the definition that the fast ones are tested against."""

from chainrule.kernels.rotary import angles
from chainrule.kernels.types import Array


def rotate(x: Array, first: int, direction: int) -> None:
    """See `chainrule.kernels.rotary.rotate`."""
    T, d = x.shape[1], x.shape[3]
    cos, sin = (table[:, None] for table in angles(first, T, d, x.dtype))  # F1, for all heads
    a, b = x[..., : d // 2].copy(), x[..., d // 2 :].copy()
    x[..., : d // 2] = a * cos - direction * (b * sin)  # F2, or B1 with the sine negated
    x[..., d // 2 :] = direction * (a * sin) + b * cos  # F2, B1
