"""A level from a channel's outputs and a uniform: one function for each kind of distribution.

Here alone the compiled loops know what s means. As `chainrule.kernels.samplers.pixel_cnn` has it,
a logit where there are two levels, else a logit for each.
"""

from chainrule.kernels.categorical.cpu import pick
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, sigmoid
from chainrule.kernels.types import Array, Ids


@njit(**JIT)
def draw(s: Array, m: int, u: float, levels: int, w: Array, heap: Ids) -> int:
    """Return the level for row m of s and u ≥ 0; w, heap: as `categorical.cpu.pick` has them."""
    if levels == 2:
        return 1 if u < sigmoid(s[m, 0]) else 0  # F5
    return int(pick(s, m, u, 1.0, 0, 1.0, w, heap))
